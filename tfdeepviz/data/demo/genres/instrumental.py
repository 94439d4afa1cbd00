"""Instrumental: broken chords under a theme that grows to a climax; then a held breath and a soft ending."""

from __future__ import annotations

from tfdeepviz.data.demo.artist import pick
from tfdeepviz.data.demo.sketch import Sketch, accents, figure


def write(s: Sketch) -> None:
    """Write the notes of a track."""
    singer, arpeggio = s.material["singer"], s.material["arpeggio"]
    per_bar = s.meter.beats_per_bar
    degrees = pick(s.rng, s.material["progressions"])
    chords = s.chords(degrees, centre=12)
    theme = s.tune(degrees, density=0.32, register=8)
    for section in s.sections:
        name, force = section.name, 0.25 + 0.7 * section.energy
        for bar in section.bars:
            beat, degree, chord = bar.beat, degrees[bar.index % 4], chords[bar.index % 4]
            bass = s.pitch(degree, -12)
            bass -= 12 * (bass > 46)
            ladder = (bass, bass + 12, *chord, chord[0] + 12)
            if name == "end":
                s.chord(arpeggio, beat, per_bar * 1.5, ladder[:5], 0.3, strum_seconds=0.09)
            else:
                n = round(per_bar * (4 if name in ("rise", "peak") else 2))
                waves = figure(("01234543" * 2)[:n], ladder)
                s.run(arpeggio, beat, per_bar / n, 1.8, waves, accents(4, force * 0.85, force * 0.6))
            if section.energy > 0.4 or s.style in ("strings", "film"):
                s.chord("strings", beat, per_bar, (bass, *chord), force)
                if name == "peak":
                    s.chord("strings", beat, per_bar, [pitch + 12 for pitch in chord], force)
            if s.style == "film" and section.energy > 0.6:
                pulse = [(bass + 12, *chord)] * round(per_bar * 2)
                s.run("pulse", beat, 1 / 2, 0.22, pulse, accents(3, force * 0.9, force * 0.55))
            drum = bass - 12 * (bass > 44)
            if name == "peak":
                s.note("timpani", beat, 1, drum, 0.95)
                s.note("cello", beat, per_bar, bass, 0.9)
            elif name == "rise" and bar.last:
                s.run("timpani", beat + per_bar - 1.5, 1 / 8, 0.2, [drum] * 12, [0.2 + 0.06 * i for i in range(12)])
        if name in ("theme", "rise", "peak"):
            lift = 12 if name == "peak" or singer == "piano" else 0
            s.melody(singer, section, theme, transpose=lift, level=min(1.0, force + 0.15), ornament=0.1)
            if name == "peak":
                s.melody("solo", section, theme, transpose=12, level=0.9)
        elif name == "end":  # a held breath after the climax
            s.rest(section.beat - 0.5, section.beat + 0.75)
            s.chord(arpeggio, section.beat + 0.9, per_bar, chords[0], 0.3, strum_seconds=0.12)
