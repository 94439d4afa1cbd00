"""Mapping of encodings to visual parameters."""
