"""Score sketch used by the genres: keeps time (swing, rubato, human looseness) and collects parts into a score."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Any, TypeVar

import numpy as np
from numpy.random import Generator as Rng

from tfdeepviz.data.demo.artist import Artist
from tfdeepviz.data.demo.score import Note, Part, Production, Score
from tfdeepviz.data.demo.theory import MelodyNote, Scale, Section, chord_pitches, degree_pitch, make_melody, voice_lead

T = TypeVar("T")

_STEP_VELOCITIES = {"X": 1.0, "x": 0.78, "o": 0.55, "g": 0.32}


def figure(pattern: str, ladder: Sequence[T]) -> list[T | None]:
    """Read a pattern such as ``"0.2.1"``: digits climb the ladder, dots rest."""
    return [None if symbol == "." else ladder[int(symbol)] for symbol in pattern]


def accents(every: int, strong: float, weak: float) -> list[float]:
    """Velocities that stress the first of `every` steps."""
    return [strong, *[weak] * (every - 1)]


@dataclass(frozen=True)
class Meter:
    """Tempo and metre."""

    beats_per_minute: float
    beats_per_bar: float = 4.0
    swing: float = 0.0  # in [0, 0.25]: delay of every second `swing_unit`, as a fraction of the pair
    swing_unit: float = 0.25  # in beats: 0.5 swings eighths, 0.25 sixteenths
    rubato: float = 0.0  # in [0, 0.3]: amount of tempo variation
    looseness_seconds: float = 0.004  # standard deviation of human timing

    def seconds(self, beat: float) -> float:
        """Time of a beat, counted from the start of the track."""
        pair = 2 * self.swing_unit
        whole, inside = divmod(beat, pair)
        middle = 0.5 + self.swing
        share = inside / pair
        share = share * 2 * middle if share < 0.5 else middle + (share - 0.5) * 2 * (1 - middle)
        swung = (whole + share) * pair
        for period, depth in ((4 * self.beats_per_bar, 0.6), (self.beats_per_bar, 0.3)):
            swung += self.rubato * period / (2 * math.pi) * math.sin(2 * math.pi * swung / period) * depth
        return swung * 60.0 / self.beats_per_minute


@dataclass
class Sketch:
    """Collects notes by part during composition; `score` turns them into a score.

    Beats count from the start of the track. `rng` is also the source of human timing and dynamics.
    """

    artist: Artist
    style: str
    rng: Rng
    duration_seconds: float
    meter: Meter
    sections: tuple[Section, ...]
    scale: Scale
    tonic: int
    material: dict[str, Any]  # of the genre, for this artist
    drum_patterns: dict[str, dict[str, list[Any]]]
    parts: dict[str, Part]  # without notes
    production: Production
    ducked_by: str | None

    def __post_init__(self) -> None:
        self._notes: dict[str, list[Note]] = {name: [] for name in self.parts}

    def pitch(self, degree: int, transpose: float = 0) -> float:
        """MIDI pitch of a scale degree."""
        return degree_pitch(self.scale, self.tonic + transpose, degree)

    def chords(self, degrees: Sequence[int], centre: float, size: int = 3) -> list[tuple[float, ...]]:
        """Chords on some degrees, led smoothly near a pitch `centre` semitones above the tonic."""
        return voice_lead([chord_pitches(self.scale, self.tonic, d, size) for d in degrees], self.tonic + centre)

    def tune(self, roots: Sequence[int], *, density: float, **how: Any) -> list[MelodyNote]:
        """Invent a melody; see `make_melody`."""
        bar, size = self.meter.beats_per_bar, len(self.scale)
        return make_melody(self.rng, roots, beats_per_bar=bar, scale_size=size, density=density, **how)

    def adjust(self, name: str, **strip: Any) -> None:
        """Change the channel strip of a part; `strip` are fields of `Part`."""
        self.parts[name] = replace(self.parts[name], **strip)

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
        """Play a note with the metre's looseness."""
        start = self.meter.seconds(beat)
        length = self.meter.seconds(beat + beats) - start
        loose = float(np.clip(self.rng.normal(0.0, self.meter.looseness_seconds), -0.03, 0.03))
        touch = float(np.clip(velocity * self.rng.normal(1.0, 0.06), 0.08, 1.0))
        start = max(0.0, start + loose + late_seconds)
        self._notes[name].append(Note(start, max(length, 0.02), pitch, touch, bend, pan))

    def chord(
        self,
        name: str,
        beat: float,
        beats: float,
        pitches: Iterable[float],
        velocity: float,
        strum_seconds: float = 0.0,
    ) -> None:
        """Play pitches together or strummed."""
        for i, pitch in enumerate(pitches):
            self.note(name, beat, beats, pitch, velocity, late_seconds=i * strum_seconds)

    def run(
        self,
        name: str,
        beat: float,
        step: float,
        beats: float,
        pitches: Iterable[float | Sequence[float] | None],
        velocities: Iterable[float],
        strum_seconds: float = 0.0,
    ) -> None:
        """Play notes or chords (None rests) at equal steps: arpeggios, bass lines, fills, rolls. Velocities repeat."""
        for i, (pitch, velocity) in enumerate(zip(pitches, cycle(velocities), strict=False)):
            if pitch is not None:
                together = pitch if isinstance(pitch, Sequence) else (pitch,)
                self.chord(name, beat + i * step, beats, together, velocity, strum_seconds)

    def steps(
        self, name: str, pitch: float, beat: float, pattern: str, *, level: float = 1.0, gate: float = 0.2
    ) -> None:
        """Play a bar of drums in sixteenths, such as ``"X...x.g."``: X accent, x hit, o soft, g ghost, . rest."""
        for i, symbol in enumerate(pattern[: int(4 * self.meter.beats_per_bar)]):
            if symbol != ".":
                self.note(name, beat + i / 4, gate, pitch, _STEP_VELOCITIES[symbol] * level)

    def drums(self, beat: float, pattern: str) -> None:
        """Play a bar of drums from the genre's file."""
        for name, (pitch, steps, *gate) in self.drum_patterns[pattern].items():
            self.steps(name, pitch, beat, steps, gate=gate[0] if gate else 0.2)

    def melody(
        self,
        name: str,
        section: Section,
        tune: Iterable[MelodyNote],
        *,
        transpose: float = 0,
        level: float = 1.0,
        ornament: float = 0.0,
        legato: float = 1.0,
    ) -> None:
        """Play a melody from a section's start; `ornament` is the probability of a grace note, turn or slide."""
        for item in tune:
            if item.beat >= section.end - section.beat - 1e-6:
                break
            beat, beats, degree = section.beat + item.beat, item.beats * legato, item.degree
            pitch, velocity = self.pitch(degree, transpose), item.velocity * level
            draw = self.rng.random()
            if draw < ornament * 0.45 and item.beats >= 0.5:
                grace = min(0.12, item.beats / 4)
                self.note(name, beat, grace, self.pitch(degree + 1, transpose), velocity * 0.75)
                self.note(name, beat + grace, beats - grace, pitch, velocity)
            elif draw < ornament * 0.65 and item.beats >= 1.0:
                turn = [self.pitch(d, transpose) for d in (degree, degree + 1, degree, degree - 1)]
                self.run(name, beat, 0.125, 0.125, turn, [velocity * 0.8])
                self.note(name, beat + 0.5, beats - 0.5, pitch, velocity)
            elif draw < ornament:
                self.note(name, beat, beats, pitch, velocity, bend=-float(self.rng.choice([1.0, 2.0])))
            else:
                self.note(name, beat, beats, pitch, velocity)

    def rest(self, first_beat: float, last_beat: float) -> None:
        """Silence all parts between two beats: no note starts there or rings into it."""
        start, end = self.meter.seconds(first_beat) - 0.02, self.meter.seconds(last_beat) - 0.02

        def cut(note: Note) -> Note:
            left = start - note.start_seconds
            return replace(note, duration_seconds=min(note.duration_seconds, max(0.02, left))) if left > 0 else note

        for name, notes in self._notes.items():
            self._notes[name] = [cut(note) for note in notes if not start <= note.start_seconds < end]

    def score(self, seed: tuple[int, ...]) -> Score:
        """Build the score."""
        parts = tuple(
            replace(part, notes=tuple(sorted(self._notes[name], key=lambda n: (n.start_seconds, n.pitch))))
            for name, part in self.parts.items()
        )
        ducks = tuple(note.start_seconds for note in self._notes[self.ducked_by]) if self.ducked_by else ()
        return Score(self.duration_seconds, self.meter.beats_per_minute, parts, self.production, ducks, seed)
