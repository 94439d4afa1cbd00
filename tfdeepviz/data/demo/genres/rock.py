"""Rock: doubled guitars and bass in eighths, drums with fills, a solo late in the track."""

from __future__ import annotations

from tfdeepviz.data.demo.artist import between, pick
from tfdeepviz.data.demo.sketch import Sketch, accents, figure
from tfdeepviz.data.demo.theory import Bar, Section, chord_pitches


def write(s: Sketch) -> None:
    """Write the notes of a track."""
    drive = s.material["drive"] * between(0.7, 1.3, s.artist.dirt)
    for name, share in (("guitar left", 1.0), ("guitar right", 1.0), ("lead guitar", 1.2)):
        s.adjust(name, drive=drive * share)
    verse, chorus = pick(s.rng, s.material["verses"]), pick(s.rng, s.material["choruses"])
    solo = s.tune(chorus, density=0.55, register=8)
    verse_kick, riff = pick(s.rng, s.material["kicks"]), pick(s.rng, s.material["riffs"])
    for section in s.sections:
        for bar in section.bars:
            degree = (chorus if section.name == "chorus" else verse)[bar.place % 4]
            root = s.pitch(degree)
            root -= 12 * (root > s.tonic + 9)
            _guitars(s, section, bar, root, riff)
            if section.name == "down" or (section.name == "verse" and s.style == "indie"):
                tones = [*chord_pitches(s.scale, s.tonic + 12, degree, 3), s.pitch(degree, 24)]
                s.run("clean guitar", bar.beat, 1 / 2, 1.2, figure("02312312", tones), accents(8, 0.8, 0.6))
            if section.name != "down":
                bass = [root - 12] * 7 + [root - 12 + 7 * bar.last]
                s.run("bass", bar.beat, 1 / 2, 0.45, bass, accents(4, 0.9, 0.75))
            elif bar.place == 0:
                s.note("bass", bar.beat, 4, root - 12, 0.6)
            _drums(s, section, bar, verse_kick)
        if section.name == "chorus" and (section.beat > s.sections[-1].end / 2 or s.artist.busyness > 0.7):
            s.melody("lead guitar", section, solo, transpose=12, ornament=0.6, legato=1.05)
        if section.name in ("verse", "down"):  # full stop before the chorus
            s.rest(section.end - (0.5 if section.name == "verse" else 1.0), section.end)


def _guitars(s: Sketch, section: Section, bar: Bar, root: float, riff: str) -> None:
    """Power chords, twice."""
    chord = (root, root + 7, root + 12)
    for name in ("guitar left", "guitar right"):
        if section.name == "chorus":
            s.run(name, bar.beat, 1 / 2, 0.47, [chord] * 8, accents(4, 1.0, 0.85), strum_seconds=0.006)
        elif section.name == "riff":
            for i, symbol in enumerate(riff):
                if symbol == "X":
                    s.chord(name, bar.beat + i / 4, 0.5, chord, 1.0)
                elif symbol == "x":  # muted
                    s.chord(name, bar.beat + i / 4, 0.09, chord[:2], 0.7)
        elif section.name == "verse" and s.style != "indie":  # palm-muted
            s.run(name, bar.beat, 1 / 2, 0.13, [chord[:2]] * 8, [0.75, 0.6])


def _drums(s: Sketch, section: Section, bar: Bar, verse_kick: str) -> None:
    if section.name == "down":
        s.steps("ride", 66, bar.beat, "x...o...x...o...", gate=0.7)
    else:
        if s.style == "punk" and section.name != "riff":
            s.steps("kick", 32, bar.beat, "X...X...X...X...")
            s.steps("snare", 55, bar.beat, "..X...X...X.xxXX" if bar.last else "..X...X...X...X.")
        else:
            s.steps("kick", 32, bar.beat, verse_kick if section.name == "verse" else "X..x..x.X..x....")
            s.steps("snare", 55, bar.beat, "....X..........." if bar.last else "....X.......X..g")
        loud = section.name in ("chorus", "riff")
        if loud and s.style != "punk":
            cymbal = "crash" if s.style == "grunge" else "ride"
            s.steps(cymbal, 62, bar.beat, "x...x...x...x...", gate=1.2, level=0.75)
        s.steps("hat", 64, bar.beat, "x.o.x.o.x.o.x.o.", gate=0.35 if loud else 0.1)
        if bar.place == 0:
            s.note("crash", bar.beat, 5, 63, 1.0)
    if bar.last and (section.name != "down" or s.style == "punk"):
        fill = pick(s.rng, s.material["fills"])
        s.run("tom", bar.beat + 2, 1 / 4, 0.25, fill, [0.75 + 0.03 * i for i in range(8)])
