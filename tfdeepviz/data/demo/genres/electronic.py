"""Electronic: four to the floor, side-chained pads, sweeps, and a break before the drop."""

from tfdeepviz.data.demo import drums, voices
from tfdeepviz.data.demo.artist import Artist, Rng, between, pick, pick_tempo, pick_tonic
from tfdeepviz.data.demo.score import Production, Score
from tfdeepviz.data.demo.sketch import Meter, Sketch
from tfdeepviz.data.demo.theory import SCALES, chord_pitches, degree_pitch, make_melody, voice_lead


def compose(artist: Artist, rng: Rng, duration_seconds: float, seed: tuple[int, ...]) -> Score:
    """Compose one track of an Electronic artist."""
    style = ("house", "acid", "trance", "synthwave")[artist.variant % 4]
    low, high = {"house": (118, 126), "acid": (124, 132), "trance": (130, 140), "synthwave": (104, 118)}[style]
    meter = Meter(pick_tempo(artist, rng, low, high), swing=0.06 if style == "house" else 0.0, looseness_seconds=0.0015)
    form = (
        ("intro", 2, 0.5),
        ("build", 2, 0.7),
        ("drop", 4, 1.0),
        ("break", 3, 0.3),
        ("rise", 1, 0.6),
        ("drop", 4, 1.0),
    )
    s = Sketch(rng, duration_seconds, meter, form)
    scale = SCALES["dorian" if style == "house" else "phrygian" if style == "acid" else "minor"]
    tonic = pick_tonic(artist, rng, 45)
    degrees = pick(rng, ((0, 5, 2, 6), (0, 3, 5, 4), (5, 6, 0, 0), (0, 0, 5, 6), (0, 6, 5, 4)))
    size = 4 if style == "house" else 3
    chords = voice_lead([chord_pitches(scale, tonic, d, size) for d in degrees], tonic + 16)

    s.part("kick", drums.kick(drive=0.8 + artist.dirt, ring_seconds=0.3), level_db=-3, reverb_db=-40)
    s.part("clap", drums.clap(), level_db=-11, reverb_db=-12)
    s.part("hat", drums.cymbal(metal=0.4, highpass_hz=8_000), level_db=-17, pan=0.15, reverb_db=-30)
    s.part(
        "open hat",
        drums.cymbal(metal=0.5, highpass_hz=7_000, ring_seconds=0.22),
        level_db=-16,
        pan=-0.1,
        duck=0.5,
    )
    s.part("crash", drums.cymbal(metal=0.3, highpass_hz=4_000), level_db=-13, reverb_db=-8)
    s.part("roll", drums.snare(), level_db=-14, reverb_db=-10)
    s.part("rise", voices.riser(), level_db=-14, reverb_db=-10)
    resonance = 9.0 if style == "acid" else 2.5
    s.part(
        "bass",
        voices.synth_bass(
            wave="pulse" if artist.choices[0] % 2 else "saw",
            cutoff_hz=between(220, 420, artist.brightness),
            sweep_octaves=3.2 if style == "acid" else 1.8,
            resonance=resonance,
            sub=0.2 if style == "acid" else 0.7,
        ),
        level_db=-8,
        reverb_db=-40,
        echo_db=-14 if style == "acid" else -60,
        duck=0.75,
        cutoff_hz=s.curve({"intro": (500, 1_200), "break": (700, 500), "rise": (800, 6_000)}, (9_000, 12_000)),
    )
    s.part(
        "pad",
        voices.pad(wave=("saw", "fm", "saw", "pulse")[artist.choices[1] % 4], detune_cents=14, cutoff_hz=5_000),
        level_db=-13 if style == "acid" else -10,
        reverb_db=-10,
        duck=0.85,
        cutoff_hz=s.curve(
            {"intro": (350, 900), "build": (900, 2_500), "break": (3_000, 900), "rise": (700, 9_000)}, (4_000, 7_000)
        ),
    )
    arp_voice = (
        voices.synth_bass(cutoff_hz=900, sweep_octaves=2.2, sweep_seconds=0.08, sub=0.0),
        voices.fm_bell(ratio=2.0, index=1.8, ring_seconds=0.5),
        voices.lead(wave="pulse", release_seconds=0.08, vibrato_cents=0.0),
    )[artist.choices[2] % 3]
    s.part("arp", arp_voice, level_db=-15, pan=0.25, reverb_db=-14, echo_db=-8, highpass_hz=250, duck=0.4)
    s.part("lead", voices.lead(detune_cents=12), level_db=-12, reverb_db=-12, echo_db=-10, duck=0.4)

    acid_line = rng.choice([0, 0, 0, 2, 3, 7, 5, -7], 16)
    acid_on = rng.random(16) < 0.7
    arp_order = rng.permutation(8)
    tune = make_melody(rng, [degrees[b % 4] for b in range(4)], beats_per_bar=4, density=0.45, register=9)
    for section in s.sections:
        for bar in section.bars:
            last = bar == section.bars[-1]
            degree, chord = degrees[bar % 4], chords[bar % 4]
            root = degree_pitch(scale, tonic - 12, degree)
            root -= 12 if root > 44 else 0
            beat = s.bar_beat(bar)
            if section.name not in ("break", "rise"):
                for i in range(4):
                    if not (last and section.name == "build" and i == 3):
                        s.note("kick", beat + i, 0.2, 31, 0.95)
                s.steps("hat", bar, "gogxgogxgogxgogx" if style != "synthwave" else "x.o.x.o.x.o.x.o.", 67, gate=0.1)
            if section.energy > 0.6 and section.name != "rise":
                s.steps("open hat", bar, "..x...x...x...x.", 67)
                s.steps("clap", bar, "....X.......X..." if not last else "....X.......X.xX", 85)
            if section.name == "rise":
                for i in range(16):
                    s.note("roll", beat + i * 0.25, 0.2, 55 + i * 0.25, 0.3 + 0.04 * i)
                s.note("rise", beat, 4, 50, 0.9)
            if section.name == "drop" and bar == section.first_bar:
                s.note("crash", beat, 4, 66, 0.9)
            if section.name != "rise":
                rhythm = {"house": (0, 1.5, 2.5), "trance": (0,), "acid": (0,), "synthwave": (0,)}[style]
                if style == "house" and section.energy > 0.6:
                    for onset in rhythm:
                        s.chord("pad", beat + onset, 0.7, chord, 0.7)
                else:
                    s.chord("pad", beat, 4, chord, 0.5 + 0.3 * section.energy)
            if section.name in ("build", "drop", "intro") or style == "acid":
                for i in range(16):
                    if style == "acid" and acid_on[i]:
                        slide = -float(acid_line[i - 1]) if acid_on[i - 1] and i % 3 == 0 else 0.0
                        s.note(
                            "bass",
                            beat + i / 4,
                            0.22,
                            root + 12 + acid_line[i] % 12,
                            0.95 if i % 4 == 2 else 0.6,
                            bend=slide,
                        )
                    elif style == "trance" and i % 4 != 0:
                        s.note("bass", beat + i / 4, 0.2, root, 0.8)
                    elif style == "synthwave" and i % 2 == 0:
                        s.note("bass", beat + i / 4, 0.4, root + 12 * (i % 4 == 2), 0.8)
                    elif style == "house" and i in (2, 6, 7, 10, 14):
                        s.note("bass", beat + i / 4, 0.3, root + 12 * (i == 7), 0.85)
            if section.energy > 0.25 and style != "acid" and section.name != "intro":
                ladder = [*chord, *(p + 12 for p in chord)]
                for i in range(16 if artist.busyness > 0.4 else 8):
                    step = 0.25 if artist.busyness > 0.4 else 0.5
                    s.note(
                        "arp",
                        beat + i * step,
                        step * 0.8,
                        ladder[arp_order[i % 8] % len(ladder)],
                        0.5 + 0.2 * (i % 3 == 0),
                    )
        if section.name == "drop" and style != "acid":
            s.melody("lead", section.first_bar, tune, scale, tonic, n_bars=section.n_bars, level=0.9)
        if section.name == "rise":  # the breath before the drop
            end = s.bar_beat(section.first_bar + section.n_bars)
            s.rest(end - 0.75, end)
    production = Production(
        loudness_db=-11.2,
        reverb_seconds=between(1.2, 2.8, artist.wetness),
        echo_seconds=0.75 * 60 / meter.beats_per_minute,
        echo_feedback=0.45,
        saturation=between(0.2, 0.7, artist.dirt),
        treble_db=between(-1, 2.5, artist.brightness),
        bass_db=2,
        width=between(0.9, 1.4, artist.width),
        compression_ratio=2.5,
    )
    return s.score(production, seed, duck_by="kick")
