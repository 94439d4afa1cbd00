"""Bundles: what the browser and `tfdeepviz extract` execute."""
