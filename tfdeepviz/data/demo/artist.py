"""Artists: habits shared by all tracks of an artist, and how genres use them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Artist:
    """Habits shared by all tracks of an artist; those in [0, 1] are mapped to beats, Hz or dB by each genre."""

    genre: str
    variant: int  # sub-style, taken modulo the genre's number of sub-styles
    keys: tuple[int, ...]  # preferred pitch classes
    choices: tuple[int, ...]  # of instruments and patterns, taken modulo the number of options
    tempo: float
    brightness: float
    wetness: float
    dirt: float
    width: float
    looseness: float
    busyness: float


def make_artist(genre: str, index: int, seed: int) -> Artist:
    """Create artist number `index` of a genre; consecutive artists have different sub-styles."""
    code = zlib.crc32(genre.encode())
    offset = int(np.random.default_rng([seed, code]).integers(12))
    rng = np.random.default_rng([seed, code, index])
    keys = tuple(int(key) for key in rng.choice(12, 3, replace=False))
    habits = rng.random(7).tolist()
    choices = tuple(int(choice) for choice in rng.integers(0, 60, 6))
    return Artist(genre, offset + index, keys, choices, *habits)


def between(low: float, high: float, share: float) -> float:
    """Interpolate linearly from `low` to `high`."""
    return low + (high - low) * share
