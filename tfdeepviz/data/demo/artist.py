"""Artists: habits shared by all tracks of an artist, and how genres use them."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Rng = np.random.Generator
T = TypeVar("T")


@dataclass(frozen=True)
class Artist:
    """Habits shared by all tracks of an artist.

    Attributes
    ----------
    genre : str
    variant : int
        Sub-style index, taken modulo the genre's number of sub-styles.
    keys : tuple of int
        Pitch classes of the artist's preferred keys.
    tempo, brightness, wetness, dirt, width, looseness, busyness : float in [0, 1]
        Habits; each genre maps them to beats, Hz or dB.
    choices : tuple of int
        Choices of instruments and patterns.
    """

    genre: str
    variant: int
    keys: tuple[int, ...]
    tempo: float
    brightness: float
    wetness: float
    dirt: float
    width: float
    looseness: float
    busyness: float
    choices: tuple[int, ...]


def between(low: float, high: float, share: float) -> float:
    """Interpolate linearly from `low` to `high`."""
    return low + (high - low) * share


def pick_tempo(artist: Artist, rng: Rng, low: float, high: float) -> float:
    """Tempo in beats per minute; an artist's tracks differ by a few per cent."""
    return round(between(low, high, artist.tempo) * float(rng.uniform(0.965, 1.035)), 1)


def pick_tonic(artist: Artist, rng: Rng, lowest: int) -> int:
    """MIDI pitch of the tonic, from the artist's keys, in the octave above `lowest`."""
    return lowest + (int(rng.choice(artist.keys)) - lowest) % 12


def pick(rng: Rng, options: tuple[T, ...]) -> T:
    """Choose one of the options with equal probability."""
    return options[int(rng.integers(len(options)))]
