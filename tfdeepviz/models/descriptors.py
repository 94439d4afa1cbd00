"""Descriptors of music for people, made of a teacher's tags: genres, moods, instruments and voices.

The score of a descriptor is the mean log-odds of its tags, log(p / (1 - p)), relative to what is typical: 0 is average,
and 1 is one standard deviation above it.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tfdeepviz.errors import InputError
from tfdeepviz.teachers.musicnn import TAGS

Floats = npt.NDArray[np.float64]

# A descriptor whose clips differ by less says nothing of them.
_LEAST_SPREAD = 1e-6


class Descriptor(NamedTuple):
    """A descriptor: its `kind` is `genre`, `mood`, `instrument` or `voice`; `tags` are indices in `TAGS`."""

    kind: str
    name: str
    tags: tuple[int, ...]


@cache
def load_descriptors() -> tuple[Descriptor, ...]:
    """Read all descriptors from `descriptors.toml`."""
    table = tomllib.loads((Path(__file__).parent / "descriptors.toml").read_text(encoding="utf-8"))
    return tuple(
        Descriptor(kind, name, tuple(TAGS.index(tag) for tag in tags))
        for kind, named in table.items()
        for name, tags in named.items()
    )


#: FMA's top genres, in alphabetical order.
GENRES = tuple(one.name for one in load_descriptors() if one.kind == "genre")


class Typical(NamedTuple):
    """Mean and standard deviation of descriptors' mean log-odds over many clips [each shape=(n_descriptors,)]."""

    mean: Floats
    spread: Floats

    @classmethod
    def of(cls, descriptors: tuple[Descriptor, ...], log_odds: npt.ArrayLike) -> Typical:
        """Measure what is typical of clips, of each of which the mean log-odds are given [shape=(n_clips, n_tags)]."""
        values = np.asarray(log_odds, np.float64)
        if values.ndim != 2 or not len(values) or values.shape[1] != len(TAGS) or not np.isfinite(values).all():
            raise InputError(f"log-odds of shape {values.shape}: give {len(TAGS)} numbers for each of the clips")
        scores = values @ averaging(descriptors)
        spread = scores.std(axis=0)
        return cls(scores.mean(axis=0), np.where(spread > _LEAST_SPREAD, spread, 1.0))


def averaging(descriptors: tuple[Descriptor, ...]) -> Floats:
    """Return the matrix [shape=(n_tags, n_descriptors)] that turns log-odds into their means by descriptor."""
    matrix = np.zeros((len(TAGS), len(descriptors)))
    for column, one in enumerate(descriptors):
        matrix[list(one.tags), column] = 1 / len(one.tags)
    return matrix


def typical_descriptors(log_odds: npt.ArrayLike) -> list[dict[str, Any]]:
    """Describe all descriptors for a bundle's manifest.

    `log_odds` [shape=(n_clips, 100)] are the means over each training clip's windows. Returns `kind`, `name`, `tags`,
    and `typical` and `spread`: mean and standard deviation, over the clips, of the mean log-odds of the tags.
    """
    descriptors = load_descriptors()
    mean, spread = Typical.of(descriptors, log_odds)
    return [
        {**one._asdict(), "tags": list(one.tags), "typical": float(typical), "spread": float(width)}
        for one, typical, width in zip(descriptors, mean, spread, strict=True)
    ]
