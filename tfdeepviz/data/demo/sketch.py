"""Sketch of a track: keeps time (swing, rubato, human looseness), and collects the notes that players play in it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.random import Generator as Rng

from tfdeepviz.data.demo.genre import Artist, Table, between, settle
from tfdeepviz.data.demo.score import Note
from tfdeepviz.data.demo.theory import Scale, Section, voice_lead

_PITCH = re.compile(r"(\w+?)(?:\.(-?\d+))?([+-]\d+)?")


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
    """A track during composition. Beats count from its start; `rng` is also the source of human timing and dynamics."""

    artist: Artist
    rng: Rng
    duration_seconds: float
    meter: Meter
    sections: tuple[Section, ...]
    scale: Scale
    tonic: int
    harmony: Table
    notes: dict[str, list[Note]]  # by part
    ideas: dict[str, Any] = field(default_factory=dict)

    def pitch(self, degree: int, transpose: float = 0) -> float:
        """MIDI pitch of a scale degree; 0 is the tonic, and degrees extend over octaves in both directions."""
        octave, step = divmod(degree, len(self.scale))
        return self.tonic + transpose + 12 * octave + self.scale[step]

    def note(
        self, part: str, beat: float, beats: float, pitch: float, velocity: float, late: float = 0.0, **how: float
    ) -> None:
        """Play a note with the metre's looseness, `late` by some seconds; `how` are further fields of `Note`."""
        start = self.meter.seconds(beat)
        length = self.meter.seconds(beat + beats) - start
        loose = float(np.clip(self.rng.normal(0.0, self.meter.looseness_seconds), -0.03, 0.03))
        touch = float(np.clip(velocity * self.rng.normal(1.0, 0.06), 0.08, 1.0))
        start = max(0.0, start + loose + late)
        self.notes[part].append(Note(start, max(length, 0.02), pitch, touch, **how))

    def rest(self, first_beat: float, last_beat: float) -> None:
        """Silence all parts between two beats: no note starts there or rings into it."""
        start, end = self.meter.seconds(first_beat) - 0.02, self.meter.seconds(last_beat) - 0.02
        for part, notes in self.notes.items():
            before = [note for note in notes if note.start_seconds < start]
            ends = [min(note.duration_seconds, max(0.02, start - note.start_seconds)) for note in before]
            cut = [replace(note, duration_seconds=seconds) for note, seconds in zip(before, ends, strict=True)]
            self.notes[part] = cut + [note for note in notes if note.start_seconds >= end]


@dataclass
class Moment:
    """A bar of a sketch as a player meets it: what is on, and its harmony.

    ``names`` apply now: the section's, ``first`` or ``last`` bar of it, ``opening`` or ``late`` in the track, ``all``.
    """

    sketch: Sketch
    section: Section
    bar: int

    def __post_init__(self) -> None:
        bars = self.section.bars
        self.beat = self.bar * self.sketch.meter.beats_per_bar
        self.turn = self.bar - (bars[0] if self.sketch.harmony.get("restarts") else 0)  # of the progression
        place = {"first": self.bar == bars[0], "last": self.bar == bars[-1], "opening": bars[0] == 0}
        place["late"] = bars[0] > self.sketch.sections[-1].bars.stop / 2
        self.names = {"all", self.section.name, *(name for name, here in place.items() if here)}

    @property
    def degree(self) -> int:
        """The bar's degree in the progression."""
        degrees: list[int] = self.decide(self.sketch.harmony["degrees"])
        return degrees[self.turn % len(degrees)]

    def decide(self, value: Any) -> Any:
        """Settle a value of a layer for this moment."""
        return settle(value, self.sketch.artist, self._depend)

    def _depend(self, table: Table) -> Any:
        match table:
            case {"energy": (low, high)}:
                return between(low, high, self.section.energy)
            case {"idea": name}:
                return self.sketch.ideas[name]
            case {"pick": options}:
                return self.decide(options[int(self.sketch.rng.integers(len(options)))])
        return self.decide(next((table[name] for name in table if name in self.names), table.get("else")))

    @cached_property
    def tones(self) -> dict[str, tuple[float, ...]]:
        """Pitches with names: the ``chord``, that of the progression's first bar (``home``), and the bass (``root``).

        Chords are led smoothly near a centre above the tonic. The bass stays in its range.
        """
        sketch, harmony, degrees = self.sketch, self.sketch.harmony, self.decide(self.sketch.harmony["degrees"])
        thirds = range(0, 2 * harmony.get("size", 3), 2)
        chords = tuple(tuple(sketch.pitch(degree + third) for third in thirds) for degree in degrees)
        led = voice_lead(chords, sketch.tonic + harmony.get("centre", 12))
        here = self.turn % len(led)
        bass = harmony["bass"]
        root = sketch.pitch(degrees[here], bass["transpose"])
        (highest,), (lowest,) = self.pitches(bass.get("highest", math.inf)), self.pitches(bass.get("lowest", 0))
        return {"chord": led[here], "home": led[0], "root": (root - 12 * (root > highest) + 12 * (root < lowest),)}

    def pitches(self, spec: float | str | list[Any]) -> tuple[float, ...]:
        """Pitches by number or name; ``+12`` and so on after a name add semitones.

        ``scale.2`` lies two scale steps above the tonic, ``degree.2`` above the bar's degree. Other names are those of
        `tones`, such as ``chord.1`` for its second tone, and of ideas.
        """
        if isinstance(spec, list):
            return tuple(pitch for item in spec for pitch in self.pitches(item))
        if not isinstance(spec, str):
            return (spec,)
        name, number, shift = _PITCH.fullmatch(spec).groups()  # type: ignore[union-attr]  # our genre files match
        if name in ("scale", "degree"):
            step = int(number) + (self.degree if name == "degree" else 0)
            found: tuple[float, ...] = (self.sketch.pitch(step),)
        else:
            found = (self.sketch.ideas[name],) if name in self.sketch.ideas else self.tones[name]
            found = (found[int(number)],) if number else found
        return tuple(pitch + float(shift or 0) for pitch in found)

    def note(self, part: str, place: float, beats: float, pitch: float, velocity: float, **how: float) -> None:
        """Play a note some beats into the bar; see `Sketch.note`."""
        self.sketch.note(part, self.beat + place, beats, pitch, velocity, **how)
