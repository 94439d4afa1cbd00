"""Measurements of bundles and runs on a dataset: how well they show music, and what their encodings are like."""
