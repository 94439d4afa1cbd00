"""Bundles: the models and mappings that the browser and `tfdeepviz extract` execute."""
