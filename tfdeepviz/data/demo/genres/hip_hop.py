"""Hip-Hop: a loop of drums, bass and sampled chords, with a hook over it."""

from __future__ import annotations

from dataclasses import replace

from tfdeepviz.data.demo.artist import pick
from tfdeepviz.data.demo.sketch import Sketch


def write(s: Sketch) -> None:
    """Write the notes of a track."""
    material, rng, trap = s.material, s.rng, s.style == "trap"
    if s.style == "boom-bap" and s.artist.dirt > 0.5:
        s.production = replace(s.production, sampler_bits=9.0)
    degrees = pick(rng, material["progressions"])
    chords = s.chords(degrees, centre=14, size=material["chord_size"])
    kick = pick(rng, material["kicks"])
    if trap:
        kick = pick(rng, material["trap_kicks"])
    tune = s.tune([degrees[bar % len(degrees)] for bar in range(4)], density=0.3, unit=0.25, register=9)
    stabs = pick(rng, material["stabs"])
    for section in s.sections:
        for bar in section.bars:
            beat, chord = bar.beat, chords[bar.index % len(degrees)]
            root = s.pitch(degrees[bar.index % len(degrees)], -12)
            root -= 12 * (root > 42)
            for onset, beats in stabs:
                s.chord("keys", beat + onset, beats, chord, 0.65, strum_seconds=0.012)
            if material["dusty"] and rng.random() < 0.5:
                s.note("keys", beat + 3.5, 0.4, max(chord) + 12 - 12 * (max(chord) > 72), 0.5)
            if section.name in ("verse", "hook"):
                s.steps("kick", 30, beat, kick if trap or bar.index % 2 == 0 else "X......x.xX.....")
                if trap:
                    s.drums(beat, "trap")
                    _rolling_hats(s, beat)
                else:
                    s.steps("snare", 54, beat, "....X..g.gx.X.xX" if bar.last else "....X..g.g..X...")
                    hat = "x.o.x.o.x.o.x.oo" if s.artist.busyness > 0.5 else "x.x.x.x.x.x.x.x."
                    s.steps("hat", 67, beat, hat, gate=0.12)
                    if section.name == "hook":
                        s.drums(beat, "hook")
                for i, symbol in enumerate(kick if trap else "X.....x...x..x.."):
                    if symbol != ".":
                        slide = -5.0 if trap and i > 8 and rng.random() < 0.4 else 0.0
                        s.note("bass", beat + i / 4, 1.6 if trap else 0.8, root + 7 * (i == 13), 0.85, bend=slide)
            elif section.name == "stop" and bar.place == 0:
                s.note("kick", beat, 0.3, 30, 1.0)
                s.note("bass", beat, 2.0, root, 0.8)
                s.steps("snare", 54, beat, "............o.xX")
        if section.name == "hook" or (section.name == "verse" and s.artist.busyness > 0.6):
            s.melody("hook", section, tune, ornament=0.2)


def _rolling_hats(s: Sketch, beat: float) -> None:
    """Sixteenths, some of them split in two or three."""
    for i in range(16):
        n = 3 if s.rng.random() < 0.14 else 2 if s.rng.random() < 0.2 else 1
        stress = 0.7 if i % 4 == 0 else 0.45
        for j in range(n):
            s.note("hat", beat + i / 4 + j / 4 / n, 0.1, 68 + 0.5 * j, stress)
