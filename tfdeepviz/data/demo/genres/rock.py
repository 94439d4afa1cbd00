"""Rock: doubled distorted guitars, live drums with fills, a stop before the chorus."""

from functools import partial

from tfdeepviz.data.demo import drums, voices
from tfdeepviz.data.demo.artist import Artist, Rng, between, pick, pick_tempo, pick_tonic
from tfdeepviz.data.demo.score import Production, Score
from tfdeepviz.data.demo.sketch import Meter, Sketch
from tfdeepviz.data.demo.theory import SCALES, chord_pitches, degree_pitch, make_melody


def compose(artist: Artist, rng: Rng, duration_seconds: float, seed: tuple[int, ...]) -> Score:
    """Compose one track of a Rock artist."""
    style = ("hard", "punk", "grunge", "indie")[artist.variant % 4]
    low, high = {"hard": (112, 132), "punk": (160, 184), "grunge": (100, 120), "indie": (128, 148)}[style]
    meter = Meter(pick_tempo(artist, rng, low, high), looseness_seconds=between(0.004, 0.011, artist.looseness))
    form = (("riff", 2, 0.9), ("verse", 4, 0.6), ("chorus", 4, 1.0), ("down", 2, 0.3), ("chorus", 4, 1.0))
    s = Sketch(rng, duration_seconds, meter, form)
    scale = SCALES["mixolydian" if style == "indie" else "major" if style == "punk" else "minor"]
    tonic = pick_tonic(artist, rng, 40)
    verse = pick(rng, ((0, 0, 3, 0), (0, 6, 3, 0), (0, 0, 5, 6)))
    chorus = pick(rng, ((0, 4, 5, 3), (5, 3, 0, 4), (0, 5, 2, 6), (0, 3, 6, 4)))

    guitar = partial(
        voices.plucked,
        brightness=0.75,
        damping=0.35,
        t60_seconds=4.0,
        pick_position=0.14,
        body_hz=0,
        choke_seconds=0.04,
    )
    drive = {"hard": 22.0, "punk": 16.0, "grunge": 30.0, "indie": 6.0}[style] * between(0.7, 1.3, artist.dirt)
    cab = dict(drive=drive, highpass_hz=85, lowpass_hz=between(3_600, 5_200, artist.brightness), reverb_db=-22)
    for side, pan in (("left", -0.85), ("right", 0.85)):
        s.part(f"guitar {side}", guitar(), level_db=-9, pan=pan, **cab)
    s.part(
        "lead guitar",
        guitar(vibrato_cents=30.0, damping=0.15, t60_seconds=7.0, glide_seconds=0.12),
        level_db=-10,
        pan=0.1,
        drive=drive * 1.2,
        highpass_hz=200,
        lowpass_hz=4_200,
        reverb_db=-12,
        echo_db=-12,
    )
    s.part(
        "clean guitar",
        guitar(brightness=0.5, body_hz=180, choke_seconds=0.3),
        level_db=-9,
        pan=-0.3,
        reverb_db=-11,
        chorus_seconds=0.002,
    )
    s.part(
        "bass",
        voices.plucked(brightness=0.45, damping=0.3, t60_seconds=4.0, body_hz=80, choke_seconds=0.05),
        level_db=-5,
        drive=1.5,
        lowpass_hz=2_200,
        reverb_db=-60,
    )
    s.part("kick", drums.kick(sweep_hz=150, ring_seconds=0.22, click=0.9, drive=0.8), level_db=-2, reverb_db=-24)
    s.part("snare", drums.snare(ring_seconds=0.22, brightness_hz=7_500), level_db=-2, reverb_db=-13)
    s.part("hat", drums.cymbal(metal=0.6, highpass_hz=5_500), level_db=-12, pan=0.3, reverb_db=-22)
    s.part("crash", drums.cymbal(metal=0.45, highpass_hz=3_200), level_db=-9, pan=-0.35, reverb_db=-14)
    s.part(
        "ride",
        drums.cymbal(metal=0.75, highpass_hz=4_500, ring_seconds=0.7),
        level_db=-13,
        pan=0.4,
        reverb_db=-18,
    )
    s.part("tom", drums.tom(), level_db=-4, reverb_db=-14)

    def power(degree: int) -> tuple[float, ...]:
        root = degree_pitch(scale, tonic, degree)
        root -= 12 * (root > tonic + 9)
        return (root, root + 7, root + 12)

    solo = make_melody(rng, [chorus[b % 4] for b in range(4)], beats_per_bar=4, density=0.55, register=8, form="ABAC")
    verse_kick = pick(rng, ("X.....x.X.......", "X.......X.x.....", "X..x..x.X......."))
    riff = pick(rng, ("X.x.x.X.x.xXx.x.", "X..X..X.x.x.X.x.", "XxxXxxXxXxxXxxXx"))
    for section in s.sections:
        for bar in section.bars:
            beat = s.bar_beat(bar)
            last = bar == section.bars[-1]
            degree = (chorus if section.name == "chorus" else verse)[(bar - section.first_bar) % 4]
            chord = power(degree)
            # guitars
            for side in ("left", "right"):
                name = f"guitar {side}"
                if section.name == "chorus":
                    for i in range(8):
                        s.chord(name, beat + i / 2, 0.47, chord, 0.85 + 0.15 * (i % 4 == 0), strum_seconds=0.006)
                elif section.name == "riff":
                    for i, symbol in enumerate(riff):
                        if symbol != ".":
                            muted = symbol == "x"
                            s.chord(
                                name,
                                beat + i / 4,
                                0.09 if muted else 0.5,
                                chord[:2] if muted else chord,
                                0.7 if muted else 1.0,
                            )
                elif section.name == "verse" and style != "indie":
                    for i in range(8):  # palm-muted
                        s.chord(name, beat + i / 2, 0.13, chord[:2], 0.6 + 0.15 * (i % 2 == 0))
            if section.name == "down" or (section.name == "verse" and style == "indie"):
                tones = [*chord_pitches(scale, tonic + 12, degree, 3), degree_pitch(scale, tonic + 24, degree)]
                for i, place in enumerate((0, 2, 3, 1, 2, 3, 1, 2)):
                    s.note("clean guitar", beat + i / 2, 1.2, tones[place], 0.6 + 0.2 * (i == 0))
            # bass
            if section.name != "down":
                for i in range(8):
                    s.note(
                        "bass",
                        beat + i / 2,
                        0.45,
                        chord[0] - 12 + (7 if i == 7 and last else 0),
                        0.75 + 0.15 * (i % 4 == 0),
                    )
            elif bar == section.first_bar:
                s.note("bass", beat, 4, chord[0] - 12, 0.6)
            # drums
            if section.name == "down":
                s.steps("ride", bar, "x...o...x...o...", 66, gate=0.7)
            else:
                if style == "punk" and section.name != "riff":
                    s.steps("kick", bar, "X...X...X...X...", 32)
                    s.steps("snare", bar, "..X...X...X...X." if not last else "..X...X...X.xxXX", 55)
                else:
                    s.steps("kick", bar, verse_kick if section.name == "verse" else "X..x..x.X..x....", 32)
                    s.steps("snare", bar, "....X.......X..g" if not last else "....X...........", 55)
                open_hats = section.name in ("chorus", "riff")
                if open_hats and style != "punk":
                    s.steps("crash" if style == "grunge" else "ride", bar, "x...x...x...x...", 62, gate=1.2, level=0.75)
                s.steps("hat", bar, "x.o.x.o.x.o.x.o.", 64, gate=0.35 if open_hats else 0.1)
                if bar == section.first_bar:
                    s.note("crash", beat, 5, 63, 1.0)
            if last and (section.name != "down" or style == "punk"):
                fill = pick(
                    rng,
                    (
                        (58, 58, 53, 53, 48, 48, 43, 43),
                        (58, 53, 58, 53, 48, 48, 43, 43),
                        (55, 58, 58, 53, 53, 48, 48, 43),
                    ),
                )
                for i, drum in enumerate(fill):
                    s.note("tom", beat + 2 + i / 4, 0.25, drum, 0.75 + 0.03 * i)
        if section.name == "chorus" and (section.first_bar > s.n_bars / 2 or artist.busyness > 0.7):
            s.melody(
                "lead guitar",
                section.first_bar,
                solo,
                scale,
                tonic + 12,
                n_bars=section.n_bars,
                ornament=0.6,
                legato=1.05,
            )
        if section.name in ("verse", "down"):  # full stop before the chorus
            end = s.bar_beat(section.first_bar + section.n_bars)
            s.rest(end - (0.5 if section.name == "verse" else 1.0), end)
    production = Production(
        loudness_db=-11.0,
        reverb_seconds=between(0.7, 1.5, artist.wetness),
        echo_seconds=60 / meter.beats_per_minute,
        echo_feedback=0.3,
        saturation=between(0.5, 1.0, artist.dirt),
        treble_db=between(-1.0, 2.0, artist.brightness),
        bass_db=1,
        width=between(0.9, 1.2, artist.width),
        compression_ratio=2.2,
    )
    return s.score(production, seed)
