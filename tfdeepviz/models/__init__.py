"""Keras models, their presets and their training."""
