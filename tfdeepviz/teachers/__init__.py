"""Published networks that know music, as teachers of our own: their networks, weights and outputs."""
