"""Ideas that a track starts from: tunes and other material, drawn once.

An idea is made by a function ``(moment, *, settings)``; genres' files call it by name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle, islice

import numpy as np
from numpy.random import Generator as Rng

from tfdeepviz.data.demo.sketch import Moment

Tune = Sequence[tuple[float, float, int, float]]
"""Notes as ``(onset, beats, scale steps from the tonic, velocity)``."""


def tune(
    moment: Moment,
    *,
    roots: Sequence[int],
    density: float,
    above: int = 0,
    unit: float = 0.5,
    form: str = "ABAC",
    n_bars: int | None = None,
) -> Tune:
    """Tune over one chord per bar, whose roots are repeated over `n_bars`; `above` are scale steps above the octave.

    `form` has one letter per bar, repeated: a motif A, B with another end, C that ends early on a long note, a contrast
    D. Motifs lie on a grid of `unit` beats; `density` in (0, 1] is the fraction of its positions with a note.
    """
    rng, size, per_bar = moment.sketch.rng, len(moment.sketch.scale), moment.sketch.meter.beats_per_bar
    motif = _motif(rng, per_bar, density, unit)
    kept = max(1, len(motif) // 2)
    varied = [(at, beats, int(np.clip(step + rng.choice([-2, -1, 1, 2]), -4, 6))) for at, beats, step in motif[kept:]]
    last = max(1, int(len(motif) * 0.6)) - 1
    onset = motif[last][0]
    ending = (onset, max(1.0, 0.5 * (per_bar - onset)), 0)
    contrast = _motif(rng, per_bar, density * 0.8, unit)
    motifs = {"A": motif, "B": [*motif[:kept], *varied], "C": [*motif[:last], ending], "D": contrast}
    centre = register = size + above
    notes = []
    for bar, root in enumerate(islice(cycle(roots), n_bars or len(roots))):
        chord = [d for d in range(register - 12, register + 13) if (d - root) % size in (0, 2, 4)]
        base = min((d for d in chord if abs(d - register) <= 5), key=lambda d: abs(d - centre))
        for i, (onset, beats, step) in enumerate(motifs[form[bar % len(form)]]):
            strong = onset % 2 == 0
            degree = base + step
            if strong and degree not in chord:
                degree += 1 if degree + 1 in chord else -1
            velocity = 0.62 + 0.2 * strong + 0.12 * (i == 0) + 0.02 * step
            notes.append((bar * per_bar + onset, beats, degree, float(np.clip(velocity, 0.3, 1.0))))
        centre = int(np.clip(base + rng.integers(-1, 2), register - 3, register + 3))
    return notes


def _motif(rng: Rng, beats: float, density: float, unit: float) -> list[tuple[float, float, int]]:
    """Short idea ``(onset, beats, scale steps from its start)``; strong positions are more likely to have a note."""
    n = max(2, round(beats / unit))
    weight = np.where(np.arange(n) % round(1 / unit) == 0, 1.0, 0.55)
    weight[0] = 2.5
    count = int(np.clip(round(density * n), 2, n))
    places = np.sort(rng.choice(n, count, replace=False, p=weight / weight.sum()))
    ends = np.append(places[1:], n)
    lengths = np.minimum(ends - places, rng.integers(1, 5, count))
    moves = rng.choice([-2, -1, -1, 0, 1, 1, 2, 3, -3], count)
    steps = np.clip(np.cumsum(moves) - moves[0], -4, 5)
    return list(zip((places * unit).tolist(), (lengths * unit * 0.92).tolist(), steps.tolist(), strict=True))


def shuffled(moment: Moment, *, symbols: str) -> str:
    """Pattern of symbols in random order, twice."""
    return "".join(symbols[i] for i in moment.sketch.rng.permutation(len(symbols))) * 2


def acid_line(moment: Moment) -> list[tuple[int, float, float]]:
    """Acid line: ``(step of the octave, velocity, slide)`` per sixteenth; rests have no velocity."""
    rng = moment.sketch.rng
    steps = rng.choice([0, 0, 0, 2, 3, 7, 5, -7], 16).tolist()
    on = rng.random(16) < 0.7
    slides = [-float(steps[i - 1]) if on[i - 1] and i % 3 == 0 else 0.0 for i in range(16)]
    return [(step % 12, on[i] * (0.95 if i % 4 == 2 else 0.6), slides[i]) for i, step in enumerate(steps)]


def random_degrees(moment: Moment, *, count: int, options: Sequence[int] = ()) -> list[int]:
    """Degrees: the tonic, then some of the options, or any from the tonic to its octave."""
    drawn = moment.sketch.rng.choice(options or len(moment.sketch.scale) + 1, count).tolist()
    return [0, *drawn[1:]] if options else drawn


def spectrum(moment: Moment, *, partials: Sequence[float]) -> list[float]:
    """Inharmonic series: pitches of partials of the tonic."""
    return [moment.sketch.tonic + 12 * math.log2(partial) for partial in partials]
