"""Pop: bright four-chord songs with a sung hook, claps, a restrained verse and a lifting chorus."""

from functools import partial

from tfdeepviz.data.demo import drums, voices
from tfdeepviz.data.demo.artist import Artist, Rng, between, pick, pick_tempo, pick_tonic
from tfdeepviz.data.demo.score import Production, Score
from tfdeepviz.data.demo.sketch import Meter, Sketch
from tfdeepviz.data.demo.theory import SCALES, chord_pitches, degree_pitch, make_melody, voice_lead


def compose(artist: Artist, rng: Rng, duration_seconds: float, seed: tuple[int, ...]) -> Score:
    """Compose one track of a Pop artist."""
    style = ("dance", "ballad", "guitar", "synth")[artist.variant % 4]
    low, high = {"dance": (112, 124), "ballad": (84, 96), "guitar": (104, 118), "synth": (98, 112)}[style]
    meter = Meter(pick_tempo(artist, rng, low, high), looseness_seconds=between(0.003, 0.007, artist.looseness))
    s = Sketch(
        rng,
        duration_seconds,
        meter,
        (("intro", 1, 0.4), ("verse", 4, 0.6), ("pre", 2, 0.5), ("chorus", 4, 1.0), ("chorus", 4, 1.0)),
    )
    scale = SCALES["major"]
    tonic = pick_tonic(artist, rng, 50)
    chorus = pick(rng, ((0, 4, 5, 3), (5, 3, 0, 4), (3, 4, 5, 0), (0, 5, 3, 4)))
    verse = chorus if artist.choices[0] % 2 else pick(rng, ((5, 3, 0, 4), (0, 3, 5, 4)))
    led = {
        name: voice_lead([chord_pitches(scale, tonic, d) for d in row], tonic + 12)
        for name, row in (("chorus", chorus), ("verse", verse))
    }

    s.part("kick", drums.kick(sweep_hz=160, ring_seconds=0.26, click=0.5), level_db=-2, reverb_db=-40)
    s.part("snare", drums.snare(brightness_hz=8_500), level_db=-9, reverb_db=-14)
    s.part("clap", drums.clap(), level_db=-6.5, reverb_db=-12)
    s.part("hat", drums.cymbal(metal=0.35, highpass_hz=8_500), level_db=-19, pan=0.2, reverb_db=-28)
    s.part("tambourine", drums.shaker(centre_hz=8_500), level_db=-18, pan=-0.3, reverb_db=-20)
    s.part("crash", drums.cymbal(metal=0.35, highpass_hz=4_500), level_db=-15, reverb_db=-10)
    s.part("tom", drums.tom(), level_db=-9, reverb_db=-12)
    s.part(
        "bass",
        voices.synth_bass(cutoff_hz=330, sweep_octaves=1.5, sub=0.8),
        level_db=-8,
        reverb_db=-60,
        duck=0.5,
    )
    plucks = (
        voices.synth_bass(cutoff_hz=1_300, sweep_octaves=2.0, sweep_seconds=0.1, sub=0.0, resonance=1.2),
        voices.piano(brightness=0.9),
        voices.plucked(brightness=0.8, damping=0.3, t60_seconds=2.0, body_hz=180),
        voices.mallet(bar="kalimba", ring_seconds=0.8),
    )[{"dance": 0, "ballad": 1, "guitar": 2, "synth": 3}[style]]
    s.part("chords", plucks, level_db=-11, pan=-0.15, reverb_db=-14, echo_db=-20, highpass_hz=160, duck=0.3)
    s.part(
        "pad",
        voices.pad(detune_cents=16, cutoff_hz=6_500, attack_seconds=0.08),
        level_db=-15,
        reverb_db=-12,
        duck=0.55,
        highpass_hz=200,
    )
    sung = partial(
        voices.voice,
        vowels=("ao", "aei", "oau", "ae")[artist.choices[1] % 4],
        breath=between(0.1, 0.3, artist.brightness),
    )
    s.part("voice", sung(), level_db=-6, reverb_db=-15, echo_db=-18, highpass_hz=150)
    s.part("double", sung(vibrato_cents=15.0), level_db=-14, pan=-0.6, reverb_db=-12, highpass_hz=200)
    s.part("harmony", sung(vibrato_cents=18.0), level_db=-13, pan=0.6, reverb_db=-12, highpass_hz=200)
    s.part(
        "sparkle",
        voices.fm_bell(ratio=3.0, index=1.2, ring_seconds=0.8),
        level_db=-18,
        pan=0.4,
        reverb_db=-10,
        echo_db=-10,
    )

    song = make_melody(rng, verse, beats_per_bar=4, density=0.5, register=4, form="ABAC")
    hook = make_melody(rng, chorus, beats_per_bar=4, density=0.6, register=7, form="AABC")
    rhythm = pick(rng, ("x..x..x.x..x..x.", "x.x.x.x.x.x.x.x.", "x..x..x...x.x..."))
    for section in s.sections:
        row = chorus if section.name == "chorus" else verse
        for bar in section.bars:
            place = (bar - section.first_bar) % 4
            beat, last = s.bar_beat(bar), bar == section.bars[-1]
            chord = led["chorus" if section.name == "chorus" else "verse"][place]
            root = degree_pitch(scale, tonic - 24, row[place])
            root += 12 * (root < 33)
            if style == "ballad" and section.name != "chorus":
                s.chord("chords", beat, 2, chord, 0.6, strum_seconds=0.01)
                s.chord("chords", beat + 2, 2, chord, 0.5, strum_seconds=0.01)
            else:
                for i, symbol in enumerate(rhythm):
                    if symbol != ".":
                        s.chord(
                            "chords",
                            beat + i / 4,
                            0.3 if style != "ballad" else 0.9,
                            chord,
                            0.55 + 0.25 * section.energy * (i % 4 == 0),
                            strum_seconds=0.008 if style == "guitar" else 0.0,
                        )
            if section.name == "chorus":
                s.chord("pad", beat, 4, (*chord, chord[0] + 12), 0.8)
                s.steps("kick", bar, "X...X...X...X..." if style in ("dance", "synth") else "X..x..x.X.x.....", 31)
                s.steps("clap", bar, "....X.......X...", 86)
                s.steps("snare", bar, "....x.......x...", 57)
                s.steps("tambourine", bar, "x.o.x.o.x.o.x.o.", 60)
                s.steps("hat", bar, "o.x.o.x.o.x.o.xo", 69, gate=0.12)
                for i in range(8):
                    s.note("bass", beat + i / 2, 0.42, root + 12 * (i % 2), 0.85)
                for i in range(8):
                    s.note("sparkle", beat + i / 2 + 0.25, 0.3, chord[(i * 2 + place) % len(chord)] + 24, 0.45)
                if bar == section.first_bar:
                    s.note("crash", beat, 4, 66, 0.9)
            elif section.name == "verse":
                s.steps("kick", bar, "X.....x.X.......", 31)
                s.steps("clap", bar, "....x.......x...", 86)
                s.steps("hat", bar, "x.o.x.o.x.o.x.o.", 69, gate=0.08)
                for onset, beats in ((0.0, 1.4), (1.5, 0.4), (2.0, 1.8)):
                    s.note("bass", beat + onset, beats, root, 0.75)
            elif section.name == "pre":
                s.chord("pad", beat, 4, chord, 0.55)
                s.note("bass", beat, 4, root, 0.6)
                if last:
                    for i in range(12):
                        s.note("snare", beat + i / 4, 0.2, 57, 0.3 + 0.05 * i)
            if last and section.name in ("verse", "chorus"):
                for i, drum in enumerate((55, 55, 50, 45)):
                    s.note("tom", beat + 3 + i / 4, 0.2, drum, 0.7)
        if section.name in ("verse", "chorus"):
            lines = hook if section.name == "chorus" else song
            s.melody("voice", section.first_bar, lines, scale, tonic, n_bars=section.n_bars, ornament=0.25)
        if section.name == "chorus":
            s.melody("double", section.first_bar, hook, scale, tonic, n_bars=section.n_bars, level=0.9)
            thirds = [type(item)(item.beat, item.beats, item.degree + 2, item.velocity) for item in hook]
            s.melody("harmony", section.first_bar, thirds, scale, tonic, n_bars=section.n_bars, level=0.8)
        elif section.name == "pre":
            end = s.bar_beat(section.first_bar + section.n_bars)
            s.rest(end - 1.0, end)
    production = Production(
        loudness_db=-11.5,
        reverb_seconds=between(1.0, 2.2, artist.wetness),
        echo_seconds=0.5 * 60 / meter.beats_per_minute,
        saturation=between(0.2, 0.5, artist.dirt),
        treble_db=between(1.0, 3.5, artist.brightness),
        bass_db=1,
        width=between(1.0, 1.35, artist.width),
        compression_ratio=2.6,
    )
    return s.score(production, seed, duck_by="kick")
