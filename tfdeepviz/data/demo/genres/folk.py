"""Folk: waltz, jig, slow air or reel, with fingerpicked strings, a drone, and a tune on whistle, fiddle or voice."""

from tfdeepviz.data.demo import drums, voices
from tfdeepviz.data.demo.artist import Artist, Rng, between, pick, pick_tempo, pick_tonic
from tfdeepviz.data.demo.score import Production, Score
from tfdeepviz.data.demo.sketch import Meter, Sketch
from tfdeepviz.data.demo.theory import SCALES, chord_pitches, degree_pitch, make_melody, voice_lead


def compose(artist: Artist, rng: Rng, duration_seconds: float, seed: tuple[int, ...]) -> Score:
    """Compose one track of a Folk artist."""
    style = ("waltz", "jig", "air", "reel")[artist.variant % 4]
    low, high = {"waltz": (104, 132), "jig": (150, 175), "air": (72, 88), "reel": (92, 108)}[style]
    per_bar = 4.0 if style == "reel" else 3.0
    meter = Meter(
        pick_tempo(artist, rng, low, high),
        per_bar,
        swing=0.04,
        swing_unit=0.5,
        rubato=0.12 if style == "air" else 0.03,
        looseness_seconds=between(0.007, 0.014, artist.looseness),
    )
    s = Sketch(rng, duration_seconds, meter, (("alone", 4, 0.4), ("tune", 8, 0.8), ("rest", 2, 0.3), ("tune", 8, 1.0)))
    scale = SCALES[("major", "dorian", "mixolydian")[artist.choices[0] % 3]]
    tonic = pick_tonic(artist, rng, 50)
    degrees = pick(
        rng, ((0, 0, 3, 4, 0, 3, 4, 0), (0, 4, 5, 3, 0, 3, 4, 0), (0, 6, 3, 0, 0, 6, 4, 0), (0, 3, 0, 4, 0, 3, 4, 0))
    )
    chords = voice_lead([chord_pitches(scale, tonic, d) for d in degrees], tonic + 9)

    steel = artist.choices[1] % 2 == 0
    s.part(
        "guitar",
        voices.plucked(
            brightness=0.7 if steel else 0.4,
            damping=0.3 if steel else 0.55,
            t60_seconds=4.5 if steel else 2.8,
            body_hz=105,
            choke_seconds=0.35,
        ),
        level_db=-6,
        pan=-0.2,
        reverb_db=-16,
        chorus_seconds=0.0006,
    )
    s.part(
        "second strings",
        voices.plucked(brightness=0.85, damping=0.25, t60_seconds=2.2, body_hz=260, pick_position=0.12),
        level_db=-12,
        pan=0.5,
        reverb_db=-15,
    )
    s.part(
        "drone",
        voices.organ(drawbars=(0.3, 1.0, 0.15, 0.5, 0.25, 0.2)),
        level_db=-21,
        reverb_db=-14,
        lowpass_hz=2_400,
    )
    tune_voice = (
        voices.flute(breath=0.22, vibrato_cents=12.0),
        voices.bowed(vibrato_cents=20.0),
        voices.flute(breath=0.1, reed=0.5, vibrato_cents=8.0),
        voices.voice(vowels="aoe", vibrato_cents=22.0),
    )[artist.choices[2] % 4]
    up = 12 if artist.choices[2] % 4 in (0, 1, 2) else 0
    s.part("tune", tune_voice, level_db=-9, pan=0.15, reverb_db=-12)
    s.part("drum", drums.hand_drum(slap=0.08, ring_seconds=0.35), level_db=-13, pan=0.05, reverb_db=-16)
    s.part("shaker", drums.shaker(centre_hz=6_000), level_db=-26, pan=-0.35, reverb_db=-20)

    picks = (0, 2, 3, 1, 2, 3) if per_bar == 3 else (0, 2, 1, 3, 0, 2, 1, 3)
    density = {"waltz": 0.5, "jig": 0.75, "air": 0.4, "reel": 0.8}[style]
    tune = make_melody(rng, degrees, beats_per_bar=per_bar, density=density, register=7, form="ABACADAC")
    for section in s.sections:
        for bar in section.bars:
            beat = s.bar_beat(bar)
            degree, chord = degrees[bar % 8], chords[bar % 8]
            bass = degree_pitch(scale, tonic - 12, degree)
            bass += 12 * (bass < 40)
            tones = (bass, *chord)
            for i, place in enumerate(picks):
                if section.name == "rest" and i > 0 and bar == section.bars[-1]:
                    break
                s.note(
                    "guitar",
                    beat + i / 2,
                    1.6 if place else 2.5,
                    tones[place % len(tones)],
                    0.5 + 0.25 * section.energy * (i == 0) + 0.1 * (i % 2 == 0),
                )
            if section.energy > 0.9 or (section.energy > 0.7 and artist.busyness > 0.5):
                s.chord("second strings", beat + 1, 0.5, [p + 12 for p in chord], 0.5, strum_seconds=0.02)
                s.chord("second strings", beat + per_bar - 1, 0.5, [p + 12 for p in chord], 0.6, strum_seconds=0.016)
            if section.name == "tune" and style != "air":
                s.steps(
                    "drum", bar, {"waltz": "x...o.o.o...", "jig": "X.o.o.X.o.o.", "reel": "X.o.g.o.x.o.g.oo"}[style], 41
                )
                if artist.busyness > 0.3:
                    s.steps("shaker", bar, "o.g.o.g.o.g.o.g.", 60)
        if section.name == "tune":
            first, n = s.bar_beat(section.first_bar), section.n_bars
            s.melody(
                "tune",
                section.first_bar,
                tune,
                scale,
                tonic + up,
                n_bars=n,
                ornament=0.3,
                level=0.8 + 0.2 * section.energy,
            )
            s.chord("drone", first, n * per_bar - 0.5, (tonic - 12, tonic - 5), 0.7)
    production = Production(
        loudness_db=-14.5,
        reverb_seconds=between(0.9, 1.9, artist.wetness),
        reverb_darkness=0.6,
        saturation=between(0.1, 0.35, artist.dirt),
        treble_db=between(-2.5, 1.0, artist.brightness),
        width=between(0.7, 1.1, artist.width),
        compression_ratio=1.6,
        hiss_db=-52,
    )
    return s.score(production, seed)
