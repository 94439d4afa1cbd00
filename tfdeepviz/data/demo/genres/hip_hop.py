"""Hip-Hop: boom-bap, lo-fi, trap or west coast, with swung drums, sampled chords, deep bass and vinyl noise."""

from tfdeepviz.data.demo import drums, voices
from tfdeepviz.data.demo.artist import Artist, Rng, between, pick, pick_tempo, pick_tonic
from tfdeepviz.data.demo.score import Production, Score
from tfdeepviz.data.demo.sketch import Meter, Sketch
from tfdeepviz.data.demo.theory import SCALES, chord_pitches, degree_pitch, make_melody, voice_lead


def compose(artist: Artist, rng: Rng, duration_seconds: float, seed: tuple[int, ...]) -> Score:
    """Compose one track of a Hip-Hop artist."""
    style = ("boom-bap", "lo-fi", "trap", "west")[artist.variant % 4]
    low, high = {"boom-bap": (86, 96), "lo-fi": (72, 84), "trap": (66, 75), "west": (90, 100)}[style]
    swing = {"boom-bap": 0.1, "lo-fi": 0.13, "trap": 0.0, "west": 0.06}[style]
    meter = Meter(
        pick_tempo(artist, rng, low, high), swing=swing, looseness_seconds=between(0.003, 0.009, artist.looseness)
    )
    s = Sketch(
        rng,
        duration_seconds,
        meter,
        (("intro", 1, 0.3), ("verse", 4, 0.8), ("stop", 1, 0.4), ("hook", 4, 1.0), ("out", 1, 0.4)),
    )
    scale = SCALES["minor" if style in ("trap", "west") else "dorian"]
    tonic = pick_tonic(artist, rng, 48)
    degrees = pick(rng, ((0, 3), (0, 5), (1, 0), (0, 3, 5, 4), (3, 2, 1, 0)))
    chords = voice_lead([chord_pitches(scale, tonic, d, 5 if style == "lo-fi" else 4) for d in degrees], tonic + 14)

    dusty = style in ("boom-bap", "lo-fi")
    s.part(
        "kick",
        drums.kick(sweep_hz=120, ring_seconds=0.28 if dusty else 0.4, click=0.5, drive=1.0),
        level_db=-3,
        reverb_db=-34,
    )
    s.part(
        "snare",
        drums.snare(ring_seconds=0.17, brightness_hz=4_500 if dusty else 8_000),
        level_db=-7,
        reverb_db=-17,
    )
    s.part("clap", drums.clap(), level_db=-10, reverb_db=-16)
    s.part("hat", drums.cymbal(metal=0.45, highpass_hz=6_500), level_db=-11, pan=0.12, reverb_db=-34)
    s.part("open hat", drums.cymbal(metal=0.5, highpass_hz=6_000, ring_seconds=0.3), level_db=-14, reverb_db=-28)
    s.part(
        "bass",
        voices.sub_bass(ring_seconds=1.6 if style == "trap" else 0.8, drive=2.0 if style == "trap" else 0.9),
        level_db=-8,
        reverb_db=-60,
    )
    keys = (
        voices.electric_piano(bite=0.4 + 0.4 * artist.brightness),
        voices.piano(felt=0.6, brightness=0.2),
        voices.electric_piano(bite=0.2, tremolo_hz=6.0),
        voices.mallet(bar="vibraphone", ring_seconds=2.0),
    )[artist.choices[0] % 4]
    s.part(
        "keys",
        keys,
        level_db=-7,
        reverb_db=-18,
        lowpass_hz=between(1_800, 3_800, artist.brightness),
        chorus_seconds=0.0015,
        cutoff_hz=s.curve({"intro": (350, 900), "out": (2_500, 500)}, (5_000, 5_000)),
    )
    hook = (
        voices.lead(wave="saw", detune_cents=3.0, vibrato_cents=25.0, cutoff_hz=2_500.0),
        voices.flute(breath=0.35),
        voices.voice(vowels="ou"),
        voices.mallet(bar="bell", ring_seconds=1.4),
    )[artist.choices[1] % 4]
    s.part("hook", hook, level_db=-9, pan=-0.2, reverb_db=-12, echo_db=-10, lowpass_hz=4_500)

    kicks = pick(rng, ("X.....x...X.....", "X..x....x.X.....", "X......x..X..x..", "X.x.......x..x.."))
    if style == "trap":
        kicks = pick(rng, ("X.....x.....x...", "X..x......x.....", "X.......x.x....."))
    motif = make_melody(
        rng,
        [degrees[b % len(degrees)] for b in range(4)],
        beats_per_bar=4,
        density=0.3,
        unit=0.25,
        register=9,
        form="ABAC",
    )
    stabs = pick(rng, (((0, 2.5),), ((0, 1.4), (1.75, 2.0)), ((0, 3.5),), ((0.5, 1.0), (2.0, 1.75))))
    for section in s.sections:
        for bar in section.bars:
            degree, chord = degrees[bar % len(degrees)], chords[bar % len(degrees)]
            beat = s.bar_beat(bar)
            root = degree_pitch(scale, tonic - 12, degree)
            root -= 12 * (root > 42)
            for onset, beats in stabs:
                s.chord("keys", beat + onset, beats, chord, 0.65, strum_seconds=0.012)
            if dusty and rng.random() < 0.5:
                s.note("keys", beat + 3.5, 0.4, max(chord) + 12 - 12 * (max(chord) > 72), 0.5)
            if section.name in ("verse", "hook"):
                fill = bar == section.bars[-1]
                s.steps("kick", bar, kicks if bar % 2 == 0 or style == "trap" else "X......x.xX.....", 30)
                if style == "trap":
                    s.steps("snare", bar, "........X.......", 55)
                    s.steps("clap", bar, "........X.......", 84)
                    for i in range(16):
                        rolls = 3 if rng.random() < 0.14 else 2 if rng.random() < 0.2 else 1
                        for r in range(rolls):
                            s.note("hat", beat + i / 4 + r / 4 / rolls, 0.1, 68 + 0.5 * r, 0.45 + 0.25 * (i % 4 == 0))
                else:
                    s.steps("snare", bar, "....X..g.g..X..." if not fill else "....X..g.gx.X.xX", 54)
                    s.steps(
                        "hat", bar, "x.o.x.o.x.o.x.oo" if artist.busyness > 0.5 else "x.x.x.x.x.x.x.x.", 67, gate=0.12
                    )
                    if section.name == "hook":
                        s.steps("open hat", bar, "..............x.", 67)
                        s.steps("clap", bar, "....x.......x...", 84)
                pattern = kicks if style == "trap" else "X.....x...x.....".replace("...x.....", "...x..x..", 1)
                for i, symbol in enumerate(pattern):
                    if symbol != "." and i < 16:
                        slide = -5.0 if style == "trap" and i > 8 and rng.random() < 0.4 else 0.0
                        s.note(
                            "bass",
                            beat + i / 4,
                            1.6 if style == "trap" else 0.8,
                            root + (7 if i == 13 else 0),
                            0.85,
                            bend=slide,
                        )
            elif section.name == "stop" and bar == section.first_bar:
                s.note("kick", beat, 0.3, 30, 1.0)
                s.note("bass", beat, 2.0, root, 0.8)
                s.steps("snare", bar, "............o.xX", 54)
        if section.name == "hook" or (section.name == "verse" and artist.busyness > 0.6):
            s.melody("hook", section.first_bar, motif, scale, tonic, n_bars=section.n_bars, ornament=0.2)
    production = Production(
        loudness_db=-12.0,
        reverb_seconds=between(0.6, 1.5, artist.wetness),
        echo_seconds=0.75 * 60 / meter.beats_per_minute,
        saturation=between(0.5, 1.1, artist.dirt),
        treble_db=-3.0 if dusty else 0.5,
        bass_db=2,
        width=between(0.6, 1.0, artist.width),
        compression_ratio=3.0,
        hiss_db=-36 if dusty else -60,
        crackle_per_second=between(5, 14, artist.dirt) if dusty else 0.6,
        wow_cents=between(3, 9, artist.looseness) if style == "lo-fi" else 0.0,
        sampler_bits=9.0 if style == "boom-bap" and artist.dirt > 0.5 else 0.0,
    )
    return s.score(production, seed)
