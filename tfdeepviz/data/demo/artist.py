"""Artists: habits that all tracks of one share, and how genres read them."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Rng = np.random.Generator
T = TypeVar("T")


@dataclass(frozen=True)
class Artist:
    """What all tracks of one artist share.

    Attributes
    ----------
    genre : str
    variant : int
        Which of the genre's sub-styles; genres take it modulo how many they have.
    keys : tuple of int
        Pitch classes that the artist likes to play in.
    tempo, brightness, wetness, dirt, width, looseness, busyness : float in [0, 1]
        Habits; what they mean in beats, Hz or dB is the genre's affair.
    choices : tuple of int
        Picks of instruments and patterns.
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
    """Value at a share of the way from `low` to `high`."""
    return low + (high - low) * share


def pick_tempo(artist: Artist, rng: Rng, low: float, high: float) -> float:
    """Tempo in beats per minute; an artist keeps to one within some per cent."""
    return round(between(low, high, artist.tempo) * float(rng.uniform(0.965, 1.035)), 1)


def pick_tonic(artist: Artist, rng: Rng, lowest: int) -> int:
    """MIDI pitch of the tonic within the octave from `lowest` up, from the artist's keys."""
    return lowest + (int(rng.choice(artist.keys)) - lowest) % 12


def pick(rng: Rng, options: tuple[T, ...]) -> T:
    """One of the options, each as likely."""
    return options[int(rng.integers(len(options)))]
