"""What bundles make of a dataset: how well they show music, and everything else that can be told of them."""
