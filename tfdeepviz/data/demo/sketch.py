"""Score sketch used by the genres: keeps time (swing, rubato, human looseness) and collects parts into a score."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tfdeepviz.data.demo.score import Curve, Note, Part, Production, Score, Voice
from tfdeepviz.data.demo.theory import MelodyNote, Scale, Section, degree_pitch, plan_sections

Rng = np.random.Generator

_STEP_VELOCITIES = {"X": 1.0, "x": 0.78, "o": 0.55, "g": 0.32}


@dataclass(frozen=True)
class Meter:
    """Tempo and metre.

    Attributes
    ----------
    beats_per_minute : float
    beats_per_bar : float
    swing : float in [0, 0.25]
        Delay of every second `swing_unit`, as a fraction of the pair.
    swing_unit : float
        Unit in beats: 0.5 swings eighths, 0.25 sixteenths.
    rubato : float in [0, 0.3]
        Amount of tempo variation.
    looseness_seconds : float
        Standard deviation of human timing.
    """

    beats_per_minute: float
    beats_per_bar: float = 4.0
    swing: float = 0.0
    swing_unit: float = 0.25
    rubato: float = 0.0
    looseness_seconds: float = 0.004

    def seconds(self, beat: float) -> float:
        """Time of a beat, counted from the start of the track."""
        pair = 2 * self.swing_unit
        whole, inside = divmod(beat, pair)
        middle = 0.5 + self.swing
        share = inside / pair
        share = share * 2 * middle if share < 0.5 else middle + (share - 0.5) * 2 * (1 - middle)
        swung = (whole + share) * pair
        phrase = 4 * self.beats_per_bar
        swung += self.rubato * phrase / (2 * math.pi) * math.sin(2 * math.pi * swung / phrase) * 0.6
        swung += (
            self.rubato * self.beats_per_bar / (2 * math.pi) * math.sin(2 * math.pi * swung / self.beats_per_bar) * 0.3
        )
        return swung * 60.0 / self.beats_per_minute


class Sketch:
    """Collects notes by part during composition; `score` turns them into a score.

    Parameters
    ----------
    rng : Generator
        Source of human timing and dynamics.
    duration_seconds : float
    meter : Meter
    form : sequence of (name, bars, energy)
        See `plan_sections`.
    """

    def __init__(
        self, rng: Rng, duration_seconds: float, meter: Meter, form: Sequence[tuple[str, float, float]]
    ) -> None:
        self.rng = rng
        self.meter = meter
        self.duration_seconds = duration_seconds
        bar_seconds = meter.beats_per_bar * 60.0 / meter.beats_per_minute
        self.n_bars = max(1, math.ceil(duration_seconds / bar_seconds))
        self.sections = plan_sections(form, self.n_bars)
        self._parts: dict[str, Part] = {}
        self._notes: dict[str, list[Note]] = {}

    def bar_beat(self, bar: int, beat: float = 0.0) -> float:
        """Beat of a position in a bar, counted from the start of the track."""
        return bar * self.meter.beats_per_bar + beat

    def section_of(self, bar: int) -> Section:
        """Section that contains a bar."""
        return next((s for s in self.sections if bar in s.bars), self.sections[-1])

    def part(self, name: str, voice: Voice, **strip: Any) -> None:
        """Add a part; `strip` are further fields of `Part`."""
        self._parts[name] = Part(name, voice, (), **strip)
        self._notes[name] = []

    def note(
        self,
        name: str,
        beat: float,
        beats: float,
        pitch: float,
        velocity: float,
        *,
        bend: float = 0.0,
        pan: float = 0.0,
        late_seconds: float = 0.0,
    ) -> None:
        """Play a note on a beat, counted from the start of the track, with the metre's looseness."""
        start = self.meter.seconds(beat)
        length = self.meter.seconds(beat + beats) - start
        loose = float(np.clip(self.rng.normal(0.0, self.meter.looseness_seconds), -0.03, 0.03))
        touch = float(np.clip(velocity * self.rng.normal(1.0, 0.06), 0.08, 1.0))
        self._notes[name].append(
            Note(max(0.0, start + loose + late_seconds), max(length, 0.02), pitch, touch, bend, pan)
        )

    def steps(
        self,
        name: str,
        bar: int,
        pattern: str,
        pitch: float,
        *,
        level: float = 1.0,
        gate: float = 0.2,
        unit: float = 0.25,
    ) -> None:
        """Play a one-bar drum pattern such as ``"X...x.g."``: X accent, x hit, o soft, g ghost, . rest."""
        for i, symbol in enumerate(pattern):
            if symbol != "." and i * unit < self.meter.beats_per_bar:
                self.note(name, self.bar_beat(bar, i * unit), gate, pitch, _STEP_VELOCITIES[symbol] * level)

    def chord(
        self,
        name: str,
        beat: float,
        beats: float,
        pitches: Iterable[float],
        velocity: float,
        *,
        strum_seconds: float = 0.0,
    ) -> None:
        """Play pitches together or strummed."""
        for i, pitch in enumerate(pitches):
            self.note(name, beat, beats, pitch, velocity, late_seconds=i * strum_seconds)

    def melody(
        self,
        name: str,
        first_bar: int,
        notes: Iterable[MelodyNote],
        scale: Scale,
        tonic: float,
        *,
        level: float = 1.0,
        ornament: float = 0.0,
        n_bars: int | None = None,
        legato: float = 1.0,
    ) -> None:
        """Play a melody; `ornament` is the probability of a grace note, slide or turn before a note."""
        end = (n_bars or self.n_bars) * self.meter.beats_per_bar
        for item in notes:
            if item.beat >= end - 1e-6:
                continue
            beat = self.bar_beat(first_bar, item.beat)
            pitch = degree_pitch(scale, tonic, item.degree)
            beats = item.beats * legato
            draw = float(self.rng.random())
            if draw < ornament * 0.45 and item.beats >= 0.5:
                upper = degree_pitch(scale, tonic, item.degree + 1)
                grace = min(0.12, item.beats / 4)
                self.note(name, beat, grace, upper, item.velocity * level * 0.75)
                self.note(name, beat + grace, beats - grace, pitch, item.velocity * level)
            elif draw < ornament * 0.65 and item.beats >= 1.0:
                around = [item.degree, item.degree + 1, item.degree, item.degree - 1]
                for i, degree in enumerate(around):
                    self.note(
                        name, beat + i * 0.125, 0.125, degree_pitch(scale, tonic, degree), item.velocity * level * 0.8
                    )
                self.note(name, beat + 0.5, beats - 0.5, pitch, item.velocity * level)
            elif draw < ornament:
                self.note(name, beat, beats, pitch, item.velocity * level, bend=-float(self.rng.choice([1.0, 2.0])))
            else:
                self.note(name, beat, beats, pitch, item.velocity * level)

    def rest(self, first_beat: float, last_beat: float, *keep: str) -> None:
        """Silence all parts except `keep` between two beats: no note starts there or rings into it."""
        start, end = self.meter.seconds(first_beat) - 0.02, self.meter.seconds(last_beat) - 0.02
        for name, notes in self._notes.items():
            if name not in keep:
                kept = [n for n in notes if not start <= n.start_seconds < end]
                self._notes[name] = [
                    replace(n, duration_seconds=min(n.duration_seconds, max(0.02, start - n.start_seconds)))
                    if n.start_seconds < start
                    else n
                    for n in kept
                ]

    def curve(self, values: dict[str, tuple[float, float]], default: tuple[float, float]) -> Curve:
        """Breakpoints that move from the first to the second value over each section, by section name."""
        points = []
        for section in self.sections:
            first, last = values.get(section.name, default)
            start = self.meter.seconds(self.bar_beat(section.first_bar))
            end = self.meter.seconds(self.bar_beat(section.first_bar + section.n_bars))
            points += [(start + 0.01, first), (max(end - 0.01, start + 0.02), last)]
        return tuple(points)

    def score(self, production: Production, seed: tuple[int, ...], *, duck_by: str | None = None) -> Score:
        """Build the score; `duck_by` names the part whose notes trigger ducking."""
        parts = tuple(
            replace(part, notes=tuple(sorted(self._notes[name], key=lambda n: (n.start_seconds, n.pitch))))
            for name, part in self._parts.items()
        )
        pushes = tuple(n.start_seconds for n in self._notes[duck_by]) if duck_by else ()
        return Score(self.duration_seconds, self.meter.beats_per_minute, parts, production, pushes, seed)
