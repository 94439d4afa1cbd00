"""Pop: a four-chord song with a hook that is doubled and harmonised in the chorus."""

from __future__ import annotations

from dataclasses import replace

from tfdeepviz.data.demo.artist import pick
from tfdeepviz.data.demo.sketch import Sketch, accents, figure


def write(s: Sketch) -> None:
    """Write the notes of a track."""
    material = s.material
    chorus = pick(s.rng, material["choruses"])
    verse = chorus if s.artist.choices[0] % 2 else pick(s.rng, material["verses"])
    song = s.tune(verse, density=0.5, register=4)
    hook = s.tune(chorus, density=0.6, register=7, form="AABC")
    rhythm = pick(s.rng, material["rhythms"])
    for section in s.sections:
        lifted = section.name == "chorus"
        degrees = chorus if lifted else verse
        chords = s.chords(degrees, centre=12)
        for bar in section.bars:
            beat, place = bar.beat, bar.place % 4
            chord, root = chords[place], s.pitch(degrees[place], -24)
            root += 12 * (root < 33)
            if s.style == "ballad" and not lifted:
                s.run("chords", beat, 2, 2, [chord, chord], [0.6, 0.5], strum_seconds=0.01)
            else:
                stresses = accents(4, 0.55 + 0.25 * section.energy, 0.55)
                comping = figure(rhythm, [chord])
                s.run("chords", beat, 1 / 4, material["chord_beats"], comping, stresses, material["strum_seconds"])
            if lifted:
                s.chord("pad", beat, 4, (*chord, chord[0] + 12), 0.8)
                s.drums(beat, "chorus")
                s.run("bass", beat, 1 / 2, 0.42, [root, root + 12] * 4, [0.85])
                sparkles = [chord[(2 * i + place) % len(chord)] + 24 for i in range(8)]
                s.run("sparkle", beat + 0.25, 1 / 2, 0.3, sparkles, [0.45])
                if bar.place == 0:
                    s.note("crash", beat, 4, 66, 0.9)
            elif section.name == "verse":
                s.drums(beat, "verse")
                for onset, beats in ((0.0, 1.4), (1.5, 0.4), (2.0, 1.8)):
                    s.note("bass", beat + onset, beats, root, 0.75)
            elif section.name == "pre":
                s.chord("pad", beat, 4, chord, 0.55)
                s.note("bass", beat, 4, root, 0.6)
                if bar.last:
                    s.run("snare", beat, 1 / 4, 0.2, [57] * 12, [0.3 + 0.05 * i for i in range(12)])
            if bar.last and section.name in ("verse", "chorus"):
                s.run("tom", beat + 3, 1 / 4, 0.2, (55, 55, 50, 45), [0.7])
        if section.name in ("verse", "chorus"):
            s.melody("voice", section, hook if lifted else song, ornament=0.25)
        if lifted:
            s.melody("double", section, hook, level=0.9)
            s.melody("harmony", section, [replace(note, degree=note.degree + 2) for note in hook], level=0.8)
        elif section.name == "pre":
            s.rest(section.end - 1.0, section.end)
