"""Musical material: scales, chords with voice leading, motifs, melodies, and section plans."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from numpy.random import Generator as Rng

Scale = tuple[float, ...]
"""Steps above the tonic in semitones, ascending, within an octave."""

SCALES: dict[str, Scale] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "hijaz": (0, 1, 4, 5, 7, 8, 10),
    "bayati": (0, 1.5, 3, 5, 7, 8, 10),
    "bhairav": (0, 1, 4, 5, 7, 8, 11),
    "in": (0, 1, 5, 7, 8),
    "major pentatonic": (0, 2, 4, 7, 9),
    "slendro": (0, 2.4, 4.8, 7.2, 9.6),
    "pelog": (0, 1.2, 2.7, 6.9, 7.9),
}


def degree_pitch(scale: Scale, tonic: float, degree: int) -> float:
    """MIDI pitch of a scale degree; 0 is the tonic, and degrees extend over octaves in both directions."""
    octave, step = divmod(degree, len(scale))
    return tonic + 12 * octave + scale[step]


def chord_pitches(scale: Scale, tonic: float, degree: int, size: int = 3) -> tuple[float, ...]:
    """MIDI pitches of stacked thirds on a degree, in root position."""
    return tuple(degree_pitch(scale, tonic, degree + 2 * i) for i in range(size))


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


Motif = Sequence[tuple[float, float, int]]
"""A short idea: notes as ``(onset, beats, scale steps from where it starts)``."""


Tune = Sequence[tuple[float, float, int, float]]
"""Notes as ``(onset, beats, scale steps from the tonic, velocity)``."""


def make_motif(rng: Rng, beats: float, *, density: float, unit: float = 0.5) -> Motif:
    """Invent a motif of some beats, on a grid of `unit` beats.

    `density` in (0, 1] is the fraction of grid positions with a note; strong positions are more likely.
    """
    n = max(2, round(beats / unit))
    weight = np.array([1.0 if i % round(1 / unit) == 0 else 0.55 for i in range(n)]) if unit < 1 else np.ones(n)
    weight[0] = 2.5
    count = int(np.clip(round(density * n), 2, n))
    places = np.sort(rng.choice(n, count, replace=False, p=weight / weight.sum()))
    ends = np.append(places[1:], n)
    lengths = np.minimum(ends - places, rng.integers(1, 5, count))
    moves = rng.choice([-2, -1, -1, 0, 1, 1, 2, 3, -3], count)
    steps = np.clip(np.cumsum(moves) - moves[0], -4, 5)
    return list(zip((places * unit).tolist(), (lengths * unit * 0.92).tolist(), steps.tolist(), strict=True))


def make_melody(
    rng: Rng,
    roots: Sequence[int],
    *,
    beats_per_bar: float,
    scale_size: int,
    register: int,
    density: float,
    unit: float = 0.5,
    form: str = "ABAC",
) -> Tune:
    """Melody around the degree `register`, over one chord per bar.

    `roots` are the degrees of the chords. `form` has one letter per bar, repeated: a motif A, B with another end, C
    that ends early on a long note, a contrast D. See `make_motif` for `density` and `unit`.
    """
    motif = make_motif(rng, beats_per_bar, density=density, unit=unit)
    kept = max(1, len(motif) // 2)
    varied = [(at, beats, int(np.clip(step + rng.choice([-2, -1, 1, 2]), -4, 6))) for at, beats, step in motif[kept:]]
    last = max(1, int(len(motif) * 0.6)) - 1
    onset = motif[last][0]
    ending = (onset, max(1.0, 0.5 * (beats_per_bar - onset)), 0)
    contrast = make_motif(rng, beats_per_bar, density=density * 0.8, unit=unit)
    motifs = {"A": motif, "B": [*motif[:kept], *varied], "C": [*motif[:last], ending], "D": contrast}
    tune = []
    centre = register
    for bar, root in enumerate(roots):
        chord = [d for d in range(register - 12, register + 13) if (d - root) % scale_size in (0, 2, 4)]
        base = min((d for d in chord if abs(d - register) <= 5), key=lambda d: abs(d - centre))
        for i, (onset, beats, step) in enumerate(motifs[form[bar % len(form)]]):
            strong = onset % 2 == 0
            degree = base + step
            if strong and degree not in chord:
                degree += 1 if degree + 1 in chord else -1
            velocity = 0.62 + 0.2 * strong + 0.12 * (i == 0) + 0.02 * step
            tune.append((bar * beats_per_bar + onset, beats, degree, float(np.clip(velocity, 0.3, 1.0))))
        centre = int(np.clip(base + rng.integers(-1, 2), register - 3, register + 3))
    return tune


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
