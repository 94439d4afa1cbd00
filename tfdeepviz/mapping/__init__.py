"""From encodings to visual parameters."""
