"""Folk: fingerpicking throughout, and a tune over a drone that comes back."""

from __future__ import annotations

from tfdeepviz.data.demo.artist import pick
from tfdeepviz.data.demo.sketch import Sketch


def write(s: Sketch) -> None:
    """Write the notes of a track."""
    material, per_bar = s.material, s.meter.beats_per_bar
    degrees = pick(s.rng, material["progressions"])
    chords = s.chords(degrees, centre=9)
    tune = s.tune(degrees, density=material["density"], register=7, form="ABACADAC")
    for section in s.sections:
        for bar in section.bars:
            beat, degree, chord = bar.beat, degrees[bar.index % 8], chords[bar.index % 8]
            bass = s.pitch(degree, -12)
            bass += 12 * (bass < 40)
            for i, place in enumerate(map(int, material["picking"])):
                if i > 0 and bar.last and section.name == "rest":
                    break
                velocity = 0.5 + 0.25 * section.energy * (i == 0) + 0.1 * (i % 2 == 0)
                s.note("guitar", beat + i / 2, 1.6 if place else 2.5, (bass, *chord)[place], velocity)
            if section.energy > 0.9 or (section.energy > 0.7 and s.artist.busyness > 0.5):
                high = [pitch + 12 for pitch in chord]
                s.chord("second strings", beat + 1, 0.5, high, 0.5, strum_seconds=0.02)
                s.chord("second strings", beat + per_bar - 1, 0.5, high, 0.6, strum_seconds=0.016)
            if section.name == "tune" and s.style != "air":
                s.steps("drum", 41, beat, material["drum"])
                if s.artist.busyness > 0.3:
                    s.steps("shaker", 60, beat, "o.g.o.g.o.g.o.g.")
        if section.name == "tune":
            level = 0.8 + 0.2 * section.energy
            s.melody("tune", section, tune, transpose=material["tune_transpose"], ornament=0.3, level=level)
            beats = section.end - section.beat - 0.5
            s.chord("drone", section.beat, beats, (s.tonic - 12, s.tonic - 5), 0.7)
