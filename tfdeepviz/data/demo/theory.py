"""Musical material: scales, chords with voice leading, and section plans."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from numpy.random import Generator as Rng

from tfdeepviz.data.demo.genre import toml

Scale = tuple[float, ...]
"""Steps above the tonic in semitones, ascending, within an octave."""

SCALES: dict[str, Scale] = {name: tuple(steps) for name, steps in toml("material")["scales"].items()}


@cache
def voice_lead(chords: tuple[tuple[float, ...], ...], centre: float) -> list[tuple[float, ...]]:
    """Choose octaves that keep each chord near `centre` and close to the previous chord."""
    voicings: list[tuple[float, ...]] = []
    for chord in chords:
        nearest = [pitch + 12 * round((centre - pitch) / 12) for pitch in chord]
        candidates = itertools.product(*((pitch - 12, pitch, pitch + 12) for pitch in nearest))
        cost = partial(_voicing_cost, before=voicings[-1] if voicings else (), centre=centre)
        voicings.append(min((tuple(sorted(candidate)) for candidate in candidates), key=cost))
    return voicings


def _voicing_cost(voicing: tuple[float, ...], before: tuple[float, ...], centre: float) -> float:
    """Motion from the previous chord, plus penalties for wide, clustered or distant voicings."""
    clusters = sum(2.0 for low, high in itertools.pairwise(voicing) if high - low < 1.5)
    spread = max(0.0, voicing[-1] - voicing[0] - 14.0) + clusters
    motion = sum(min(abs(p - q) for q in before) for p in voicing) if before else 0.0
    return motion + 2.0 * spread + 0.5 * abs(float(np.mean(voicing)) - centre)


@dataclass(frozen=True)
class Section:
    """A section of a track: some of its bars, from `beat` to `end`; `energy` in [0, 1] is its density."""

    name: str
    energy: float
    bars: range
    beat: float
    end: float


Form = Sequence[tuple[str, float, float]]
"""Sections as ``(name, bars, energy)``."""


def shuffled_form(rng: Rng, energies: Mapping[str, float]) -> Form:
    """Put sections in any order, with random lengths that add up to 30 bars."""
    lengths = rng.dirichlet(np.full(len(energies), 6.0)) * 30.0
    names = tuple(energies)
    order = [names[i] for i in rng.permutation(len(names))]
    return [(name, float(bars), energies[name]) for name, bars in zip(order, lengths, strict=True)]


def plan_sections(form: Form, n_bars: int, beats_per_bar: float) -> tuple[Section, ...]:
    """Fit a form to a number of bars.

    The form is stretched or compressed to fit, and repeated for long tracks. Sections reduced to zero bars are dropped.
    """
    total = sum(bars for _, bars, _ in form)
    rounds = max(1, round(n_bars / total))
    whole = list(form) * rounds
    edges = np.round(np.cumsum([0.0] + [bars for _, bars, _ in whole]) / (total * rounds) * n_bars).astype(int)
    sections = []
    for (name, _, energy), (first, last) in zip(whole, itertools.pairwise(edges.tolist()), strict=True):
        if first < last:
            sections.append(Section(name, energy, range(first, last), first * beats_per_bar, last * beats_per_bar))
    return tuple(sections)
