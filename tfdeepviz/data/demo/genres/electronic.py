"""Electronic: loops of one bar that come and go by section, and a breath before the drop."""

from __future__ import annotations

from tfdeepviz.data.demo.artist import pick
from tfdeepviz.data.demo.sketch import Sketch, accents, figure


def write(s: Sketch) -> None:
    """Write the notes of a track."""
    material = s.material
    degrees = pick(s.rng, material["progressions"])
    chords = s.chords(degrees, centre=16, size=material["chord_size"])
    acid_steps = s.rng.choice([0, 0, 0, 2, 3, 7, 5, -7], 16).tolist()
    acid_on = s.rng.random(16) < 0.7
    arp_order = s.rng.permutation(8).tolist()
    tune = s.tune(degrees, density=0.45, register=9)
    for section in s.sections:
        name, full = section.name, section.energy > 0.6 and section.name != "rise"
        for bar in section.bars:
            beat, chord = bar.beat, chords[bar.index % 4]
            root = s.pitch(degrees[bar.index % 4], -12)
            root -= 12 * (root > 44)
            if name not in ("break", "rise"):
                kick = "X...X...X......." if bar.last and name == "build" else "X...X...X...X..."
                s.steps("kick", 31, beat, kick, level=0.95)
                s.steps("hat", 67, beat, material["hat"], gate=0.1)
            if full:
                s.steps("open hat", 67, beat, "..x...x...x...x.")
                s.steps("clap", 85, beat, "....X.......X.xX" if bar.last else "....X.......X...")
            if name == "rise":
                s.run("roll", beat, 1 / 4, 0.2, [55 + i / 4 for i in range(16)], [0.3 + 0.04 * i for i in range(16)])
                s.note("rise", beat, 4, 50, 0.9)
            if name == "drop" and bar.place == 0:
                s.note("crash", beat, 4, 66, 0.9)
            if s.style == "house" and full:
                for onset in (0, 1.5, 2.5):
                    s.chord("pad", beat + onset, 0.7, chord, 0.7)
            elif name != "rise":
                s.chord("pad", beat, 4, chord, 0.5 + 0.3 * section.energy)
            if s.style == "acid":
                for i, (step, on) in enumerate(zip(acid_steps, acid_on, strict=True)):
                    if on:
                        slide = -float(acid_steps[i - 1]) if acid_on[i - 1] and i % 3 == 0 else 0.0
                        velocity = 0.95 if i % 4 == 2 else 0.6
                        s.note("bass", beat + i / 4, 0.22, root + 12 + step % 12, velocity, bend=slide)
            elif name in ("intro", "build", "drop"):
                line = figure(material["bass"], [root, root + 12])
                s.run("bass", beat, 1 / 4, material["bass_gate"], line, [material["bass_velocity"]])
            if section.energy > 0.25 and s.style != "acid" and name != "intro":
                step = 0.25 if s.artist.busyness > 0.4 else 0.5
                ladder = [*chord, *(pitch + 12 for pitch in chord)]
                climb = [ladder[arp_order[i % 8] % len(ladder)] for i in range(int(4 / step))]
                s.run("arp", beat, step, step * 0.8, climb, accents(3, 0.7, 0.5))
        if name == "drop" and s.style != "acid":
            s.melody("lead", section, tune, level=0.9)
        if name == "rise":  # the breath before the drop
            s.rest(section.end - 0.75, section.end)
