"""One module per genre: ``compose(artist, rng, duration_seconds, seed)`` writes a score."""
