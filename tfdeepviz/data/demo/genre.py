"""Genres as data, one TOML file each, and artists, for whom their values are decided.

A value that depends on something is a table. For the artist, ``{ artist.dirt = [low, high] }`` lies between two ends,
``{ choice.2 = [...] }`` is one of several, and ``{ above.busyness = 0.4, then = ..., else = ... }`` one of two; ``sum``
and ``product`` combine. Layers also depend on the moment: ``{ energy = [low, high] }`` follows the section,
``{ idea = "hook" }`` is an idea of the track, ``{ pick = [...] }`` is drawn anew each time, and
``{ verse = ..., last = ..., else = ... }`` takes the first entry that applies (see `Moment`). A style overrides
anything of its genre. In ``voices``, ``mix`` and layers, an entry may be ``like`` another.
"""

from __future__ import annotations

import math
import tomllib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

Table = dict[str, Any]

GENRES = ("Electronic", "Experimental", "Folk", "Hip-Hop", "Instrumental", "International", "Pop", "Rock")
"""The eight genres of FMA-small, in alphabetical order."""

_HABITS = ("tempo", "brightness", "wetness", "dirt", "width", "looseness", "busyness")


@cache
def toml(name: str) -> Table:
    """Everything in a TOML file of this package."""
    return tomllib.loads((files(__package__) / f"{name}.toml").read_text(encoding="utf-8"))


def genre_table(genre: str) -> Table:
    """Everything in a genre's file."""
    return toml(f"genres/{genre.lower().replace('-', '_')}")


@dataclass(frozen=True)
class Artist:
    """What all tracks of an artist share."""

    variant: int  # sub-style, taken modulo the genre's number of sub-styles
    keys: tuple[int, ...]  # preferred pitch classes
    choices: tuple[int, ...]  # of instruments and patterns, taken modulo the number of options
    habits: dict[str, float]  # in [0, 1], mapped to beats, Hz or dB by each genre


def make_artist(genre: str, index: int, seed: int) -> Artist:
    """Create artist number `index` of a genre; consecutive artists have different sub-styles."""
    code = zlib.crc32(genre.encode())
    offset = int(np.random.default_rng([seed, code]).integers(12))
    rng = np.random.default_rng([seed, code, index])
    keys = tuple(rng.choice(12, 3, replace=False).tolist())
    habits = dict(zip(_HABITS, rng.random(len(_HABITS)).tolist(), strict=True))
    return Artist(offset + index, keys, tuple(rng.integers(0, 60, 6).tolist()), habits)


def between(low: float, high: float, share: float) -> float:
    """Interpolate linearly from `low` to `high`."""
    return low + (high - low) * share


def overlay(base: Any, over: Any) -> Any:
    """Replace `base` by `over`; tables are merged."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return base | {key: overlay(base.get(key), value) for key, value in over.items()}


def entry(table: Table, name: str) -> Table:
    """An entry of a table, laid over the one that it is `like`."""
    own = dict(table[name])
    return dict(overlay(table[own.pop("like")], own)) if "like" in own else own


def settle(value: Any, artist: Artist, depend: Callable[[Table], Any] | None = None) -> Any:
    """Copy of a value in which everything is decided for an artist; `depend` decides the tables that are left."""

    def decide(item: Any) -> Any:
        return settle(item, artist, depend)

    match value:
        case {"artist": habits}:
            ((habit, (low, high)),) = habits.items()
            return between(low, high, artist.habits[habit])
        case {"above": habits, "then": yes, "else": no}:
            ((habit, threshold),) = habits.items()
            return decide(yes if artist.habits[habit] > threshold else no)
        case {"choice": choices}:
            ((number, options),) = choices.items()
            return decide(options[artist.choices[int(number)] % len(options)])
        case {"sum": terms}:
            return sum(map(decide, terms))
        case {"product": factors}:
            return math.prod(map(decide, factors))
        case list():
            return [decide(item) for item in value]
        case dict():
            return depend(value) if depend else {key: decide(item) for key, item in value.items()}
    return value
