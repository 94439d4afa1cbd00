"""Players: what a layer of a genre can play in a moment.

A player is a function ``(moment, part, *, settings)`` that adds notes to the moment's sketch; genres' files call it by
name. First come those of every genre, then those of Electronic, Hip-Hop, International and Experimental.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tfdeepviz.data.demo.ideas import Tune
from tfdeepviz.data.demo.sketch import Moment

_HITS = [1.0, 0.78, 0.55, 0.32]  # accent, hit, soft, ghost
_RUNGS = {symbol: rung for symbols in ("Xxog", "0123456789abcdef") for rung, symbol in enumerate(symbols)}


def pattern(
    moment: Moment,
    part: str,
    *,
    pattern: str | list[str] | None = "0",
    pitch: Any = (),
    chord: Any = (),
    step: float = 0.25,
    start: float = 0.0,
    beats: float | list[float] = 0.2,
    velocity: float | list[float] = _HITS,
    accents: Sequence[float] = (1.0,),
    crescendo: float = 0.0,
    level: float = 1.0,
    strum_seconds: float = 0.0,
    bends: Sequence[float] = (0.0,),
    slides: float = 0.0,
    highest: float = math.inf,
) -> None:
    """Play a pattern such as ``"X...x.g."`` or ``"0.2.1.2."``: one symbol per step, from `start` on.

    ``Xxog`` and hexadecimal digits are rungs of a ladder, dots are rests. `pitch`, `beats` and `velocity` are lists by
    rung, repeated if short, or the same for all; inner lists of `pitch` sound together. A `chord` is a single rung.
    `accents` and `bends` repeat over the steps, a list of patterns over the bars. `slides` is the probability that a
    late note slides up a fourth. A negative `start` counts from the bar's end, negative `beats` last until so long
    before the section's. Notes above `highest` sound an octave lower.
    """
    per_bar = moment.sketch.meter.beats_per_bar
    start += per_bar * (start < 0)
    ladder = [moment.pitches(chord)] if chord else list(_ladder(moment, pitch))
    lengths, velocities = (value if isinstance(value, list) else [value] for value in (beats, velocity))
    symbols = pattern[moment.turn % len(pattern)] if isinstance(pattern, list) else pattern or ""
    for i, symbol in enumerate(symbols[: int(per_bar / step)]):
        if symbol != ".":
            rung = _RUNGS[symbol]
            length, touch = (by_rung[rung % len(by_rung)] for by_rung in (lengths, velocities))
            length += (moment.section.end - moment.beat - start) * (length < 0)
            touch = (touch + crescendo * i) * accents[i % len(accents)] * level
            slid = i > 8 and slides > 0 and moment.sketch.rng.random() < slides
            at, bend = start + i * step, -5.0 if slid else bends[i % len(bends)]
            for n, sounding in enumerate(ladder[rung % len(ladder)]):
                low = sounding - 12 * (sounding > highest)
                moment.note(part, at, length, low, touch, bend_semitones=bend, late=n * strum_seconds)


def _ladder(moment: Moment, pitch: Any) -> Iterator[tuple[float, ...]]:
    for spec in pitch if isinstance(pitch, list) else [pitch]:
        pitches = moment.pitches(spec)
        yield from [pitches] if isinstance(spec, list) else ((p,) for p in pitches)


def melody(
    moment: Moment,
    part: str,
    *,
    tune: Tune,
    transpose: float = 0,
    third: bool = False,
    level: float = 1.0,
    ornament: float = 0.0,
    legato: float = 1.0,
) -> None:
    """Play a tune in a section, or its upper third; `ornament` is the probability of a grace note, turn or slide."""
    sketch, section = moment.sketch, moment.section
    for place, written, degree, velocity in tune:
        if place >= section.end - section.beat - 1e-6:
            break
        beats, velocity = written * legato, velocity * level
        upper, pitch, lower = (sketch.pitch(degree + 2 * third + step, transpose) for step in (1, 0, -1))
        draw = sketch.rng.random()
        if draw < ornament * 0.45 and written >= 0.5:
            grace = min(0.12, written / 4)
            moment.note(part, place, grace, upper, velocity * 0.75)
            moment.note(part, place + grace, beats - grace, pitch, velocity)
        elif draw < ornament * 0.65 and written >= 1.0:
            for i, turn in enumerate((pitch, upper, pitch, lower)):
                moment.note(part, place + i * 0.125, 0.125, turn, velocity * 0.8)
            moment.note(part, place + 0.5, beats - 0.5, pitch, velocity)
        else:
            bend = -float(sketch.rng.choice([1.0, 2.0])) if draw < ornament else 0.0
            moment.note(part, place, beats, pitch, velocity, bend_semitones=bend)


def rest(
    moment: Moment, _: str, *, edge: str = "end", bars: float = 0.0, beats: float = 0.0, after: float = 0.0
) -> None:
    """Silence all parts from some bars and beats before an edge of the section until some beats after it."""
    beat = moment.section.beat if edge == "start" else moment.section.end
    moment.sketch.rest(beat - (bars * moment.sketch.meter.beats_per_bar + beats), beat + after)


def acid(moment: Moment, part: str, *, line: Sequence[tuple[int, float, float]]) -> None:
    """Play an acid line above the root."""
    (root,) = moment.pitches("root")
    for i, (step, velocity, slide) in enumerate(line):
        if velocity:
            moment.note(part, i / 4, 0.22, root + 12 + step, velocity, bend_semitones=slide)


def rolling_hats(moment: Moment, part: str, *, pitch: float) -> None:
    """Play sixteenths, some of them split in two or three."""
    rng = moment.sketch.rng
    for i in range(16):
        n = 3 if rng.random() < 0.14 else 2 if rng.random() < 0.2 else 1
        for j in range(n):
            moment.note(part, i / 4 + j / 4 / n, 0.1, pitch + 0.5 * j, 0.7 if i % 4 == 0 else 0.45)


def flourish(moment: Moment, part: str) -> None:
    """Play unmeasured notes, then rest."""
    rng, size = moment.sketch.rng, len(moment.sketch.scale)
    count = int(rng.integers(5, 9))
    places = np.sort(rng.uniform(0.0, moment.sketch.meter.beats_per_bar * 0.75, count))
    degree = int(rng.integers(0, size))
    for place in places.tolist():
        degree = int(np.clip(degree + rng.integers(-2, 3), -2, size + 4))
        bend = float(rng.choice([0, 0, -1, -2]))
        moment.note(part, place, 1.5, moment.sketch.pitch(degree), 0.6, bend_semitones=bend)


def drum_fill(moment: Moment, part: str, *, pitches: list[str], always: bool) -> None:
    """Play random hits, at least at the end of a section."""
    rng, drums = moment.sketch.rng, moment.pitches(pitches)
    if always or ("last" in moment.names and len(moment.section.bars) > 1):
        for i in range(int(moment.sketch.meter.beats_per_bar * 4)):
            if rng.random() < 0.55:
                pitch = float(rng.choice(drums))
                moment.note(part, i / 4, 0.2, pitch, rng.uniform(0.35, 0.9))


def ostinato(moment: Moment, part: str, *, degrees: Sequence[int]) -> None:
    """Play a figure in eighths that starts on the tonic and follows the harmony."""
    lift = moment.degree % 2
    for i in range(int(moment.sketch.meter.beats_per_bar * 2)):
        degree = degrees[i % len(degrees)]
        if i == 0:
            moment.note(part, 0, 0.5, moment.sketch.pitch(0), 0.8)
        elif i % 4 == 0 or degree % 3 != 1:
            moment.note(part, i / 2, 0.5, moment.sketch.pitch(degree + lift), 0.55)


def _end(moment: Moment) -> float:
    """When the section ends, or the track in it."""
    return min(moment.section.end, moment.sketch.duration_seconds)


def _bursts(moment: Moment, per_second: float, early: float = 0.0) -> list[float]:
    """Times of events in bursts: exponential gaps at a drifting rate."""
    rng = moment.sketch.rng
    times = [moment.section.beat - early]
    while times[-1] < _end(moment):
        times.append(times[-1] + rng.exponential(1.0 / per_second) * float(rng.choice([0.35, 1.0, 2.2])))
    return times[1:-1]


def drones(moment: Moment, part: str, *, pitches: Sequence[float]) -> None:
    """Hold two of some pitches, an octave higher."""
    for pitch in moment.sketch.rng.choice(pitches, 2, replace=False):
        moment.note(part, 0.0, _end(moment) - moment.section.beat - 0.4, pitch + 12.0, 0.6)


def cloud(moment: Moment, part: str, *, per_second: float) -> None:
    """Scatter short grains around a wandering pitch."""
    rng = moment.sketch.rng
    centre = rng.uniform(48, 84)
    for at in _bursts(moment, per_second):
        centre += rng.normal(0.0, 0.6)
        size = float(rng.choice([0.04, 0.08, 0.16, 0.3]))
        pitch = float(np.clip(centre + rng.normal(0.0, 7.0), 36, 100))
        moment.sketch.note(part, at, size, pitch, rng.uniform(0.3, 0.9))


def scatter(
    moment: Moment,
    part: str,
    *,
    per_second: float,
    pitches: Sequence[float],
    seconds: list[float],
    velocity: tuple[float, float],
    pan: float,
    repeats: Sequence[int] = (),
    bends: Sequence[float] = (),
    early: float = 0.0,
) -> None:
    """Scatter sounds of random pitch, length, velocity and place, some of them bent or repeated on the spot."""
    rng = moment.sketch.rng
    for at in _bursts(moment, per_second, early):
        pitch = rng.choice(pitches)
        for i in range(rng.choice(repeats) if repeats else 1):
            length = rng.choice(seconds) if len(seconds) > 1 else seconds[0]
            touch = rng.uniform(*velocity)
            bend = float(rng.choice(bends)) if bends else 0.0
            start = max(at + 0.06 * i, moment.section.beat)
            moment.sketch.note(part, start, length, pitch, touch, bend_semitones=bend, pan=rng.uniform(-pan, pan))


def boom(moment: Moment, part: str, *, velocity: float) -> None:
    """Strike low at the start of the section."""
    moment.note(part, 0.0, 2.0, 28 + moment.sketch.tonic % 5, velocity)


def sweep(moment: Moment, part: str, *, pitch: float, seconds: float, velocity: float, before_end: float = 0.0) -> None:
    """Sweep in a long section: at its start, or some seconds before its end."""
    start, end = moment.section.beat, _end(moment)
    if end - start > 2.5:
        moment.sketch.note(part, end - before_end if before_end else start, seconds, pitch, velocity)


def cuts(moment: Moment, _: str) -> None:
    """Cut most sections off by silence."""
    rng = moment.sketch.rng
    for section in moment.sketch.sections[1:]:
        if rng.random() < 0.7:
            moment.sketch.rest(section.beat - rng.uniform(0.5, 1.4), section.beat)
