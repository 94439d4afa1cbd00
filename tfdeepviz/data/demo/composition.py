"""Compose a score from a genre, an artist and a track number."""

import zlib
from collections.abc import Callable

import numpy as np

from tfdeepviz.data.demo.artist import Artist, Rng
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

_COMPOSERS: dict[str, Callable[[Artist, Rng, float, tuple[int, ...]], Score]] = {
    "Electronic": electronic.compose,
    "Experimental": experimental.compose,
    "Folk": folk.compose,
    "Hip-Hop": hip_hop.compose,
    "Instrumental": instrumental.compose,
    "International": international.compose,
    "Pop": pop.compose,
    "Rock": rock.compose,
}

GENRES: tuple[str, ...] = tuple(_COMPOSERS)
"""The eight genres of FMA-small, in alphabetical order."""


def make_artist(genre: str, index: int, seed: int) -> Artist:
    """Create artist number `index` of a genre; consecutive artists have different sub-styles."""
    if genre not in _COMPOSERS:
        raise ValueError(f"unknown genre {genre!r}; known: {', '.join(GENRES)}")
    offset = np.random.default_rng([seed, zlib.crc32(genre.encode())]).integers(12)
    rng = np.random.default_rng([seed, zlib.crc32(genre.encode()), index])
    keys = tuple(int(k) for k in rng.choice(12, 3, replace=False))
    tempo, brightness, wetness, dirt, width, looseness, busyness = (float(v) for v in rng.random(7))
    return Artist(
        genre=genre,
        variant=int(offset) + index,
        keys=keys,
        tempo=tempo,
        brightness=brightness,
        wetness=wetness,
        dirt=dirt,
        width=width,
        looseness=looseness,
        busyness=busyness,
        choices=tuple(int(c) for c in rng.integers(0, 60, 6)),
    )


def compose(genre: str, artist_index: int, number: int, *, seed: int, duration_seconds: float) -> Score:
    """Compose track `number` of an artist; the result depends only on the arguments."""
    artist = make_artist(genre, artist_index, seed)
    entropy = (seed, zlib.crc32(genre.encode()), artist_index, number)
    return _COMPOSERS[genre](artist, np.random.default_rng(entropy), duration_seconds, entropy)
