"""Compose a score from a genre, an artist and a track number."""

from __future__ import annotations

import zlib

import numpy as np

from tfdeepviz.data.demo.artist import make_artist
from tfdeepviz.data.demo.genre import begin
from tfdeepviz.data.demo.genres import (
    electronic,
    experimental,
    folk,
    hip_hop,
    instrumental,
    international,
    pop,
    rock,
)
from tfdeepviz.data.demo.score import Score

_WRITERS = {
    "Electronic": electronic.write,
    "Experimental": experimental.write,
    "Folk": folk.write,
    "Hip-Hop": hip_hop.write,
    "Instrumental": instrumental.write,
    "International": international.write,
    "Pop": pop.write,
    "Rock": rock.write,
}

GENRES: tuple[str, ...] = tuple(_WRITERS)
"""The eight genres of FMA-small, in alphabetical order."""


def compose(genre: str, artist_index: int, number: int, *, seed: int, duration_seconds: float) -> Score:
    """Compose track `number` of an artist; the result depends only on the arguments."""
    if genre not in GENRES:
        raise ValueError(f"unknown genre {genre!r}; known: {', '.join(GENRES)}")
    entropy = (seed, zlib.crc32(genre.encode()), artist_index, number)
    rng = np.random.default_rng(entropy)
    sketch = begin(make_artist(genre, artist_index, seed), rng, duration_seconds)
    _WRITERS[genre](sketch)
    return sketch.score(entropy)
