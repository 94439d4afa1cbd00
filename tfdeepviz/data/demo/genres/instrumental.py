"""Instrumental: piano, harp and strings with rubato; builds from almost nothing to a climax, pauses, ends softly."""

from tfdeepviz.data.demo import drums, voices
from tfdeepviz.data.demo.artist import Artist, Rng, between, pick, pick_tempo, pick_tonic
from tfdeepviz.data.demo.score import Production, Score
from tfdeepviz.data.demo.sketch import Meter, Sketch
from tfdeepviz.data.demo.theory import SCALES, chord_pitches, degree_pitch, make_melody, voice_lead


def compose(artist: Artist, rng: Rng, duration_seconds: float, seed: tuple[int, ...]) -> Score:
    """Compose one track of an Instrumental artist."""
    style = ("piano", "strings", "harp", "film")[artist.variant % 4]
    low, high = {"piano": (62, 80), "strings": (58, 72), "harp": (72, 92), "film": (76, 96)}[style]
    meter = Meter(
        pick_tempo(artist, rng, low, high),
        3.0 if artist.choices[0] % 3 == 0 else 4.0,
        rubato=0.0 if style == "film" else between(0.1, 0.22, artist.looseness),
        looseness_seconds=0.008,
    )
    s = Sketch(
        rng,
        duration_seconds,
        meter,
        (("open", 2, 0.25), ("theme", 3, 0.5), ("rise", 2, 0.75), ("peak", 2, 1.0), ("end", 2, 0.2)),
    )
    scale = SCALES[("minor", "major", "harmonic minor", "lydian")[artist.choices[1] % 4]]
    tonic = pick_tonic(artist, rng, 48)
    degrees = pick(rng, ((0, 5, 3, 4), (0, 3, 5, 4), (5, 3, 0, 4), (0, 4, 5, 2)))
    chords = voice_lead([chord_pitches(scale, tonic, d, 3) for d in degrees], tonic + 12)
    per_bar = meter.beats_per_bar

    soft = artist.choices[2] % 2 == 0
    s.part(
        "piano",
        voices.piano(brightness=artist.brightness, felt=0.7 if soft else 0.0),
        level_db=-7,
        reverb_db=-12,
    )
    s.part(
        "harp",
        voices.plucked(
            brightness=0.45,
            damping=0.4,
            t60_seconds=3.5,
            body_hz=150,
            pick_position=0.35,
            choke_seconds=0.5,
        ),
        level_db=-8,
        pan=-0.3,
        reverb_db=-10,
    )
    s.part(
        "strings",
        voices.ensemble(brightness_hz=between(2_000, 4_200, artist.brightness)),
        level_db=-10,
        reverb_db=-8,
        volume=s.curve(
            {"open": (0.15, 0.4), "theme": (0.4, 0.6), "rise": (0.55, 1.0), "peak": (1.0, 0.9), "end": (0.4, 0.1)},
            (0.5, 0.5),
        ),
    )
    s.part("pulse", voices.ensemble(attack_seconds=0.03), level_db=-12, pan=0.2, reverb_db=-10)
    s.part("cello", voices.bowed(brightness_hz=2_400.0, attack_seconds=0.14), level_db=-10, pan=0.3, reverb_db=-9)
    s.part(
        "solo",
        voices.bowed(vibrato_cents=30.0, attack_seconds=0.1)
        if artist.choices[3] % 2
        else voices.flute(breath=0.2, vibrato_cents=20.0),
        level_db=-10,
        pan=-0.15,
        reverb_db=-8,
    )
    s.part("timpani", drums.tom(ring_seconds=1.2), level_db=-6, reverb_db=-8)

    theme = make_melody(
        rng, [degrees[b % 4] for b in range(4)], beats_per_bar=per_bar, density=0.32, register=8, form="ABAC"
    )
    singer = {"piano": "piano", "strings": "solo", "harp": "solo", "film": "cello"}[style]
    arpeggio = {"piano": "piano", "strings": "harp", "harp": "harp", "film": "piano"}[style]
    for section in s.sections:
        force = 0.25 + 0.7 * section.energy
        for bar in section.bars:
            beat = s.bar_beat(bar)
            degree, chord = degrees[bar % 4], chords[bar % 4]
            bass = degree_pitch(scale, tonic - 12, degree)
            bass -= 12 * (bass > 46)
            ladder = (bass, bass + 12, *chord, chord[0] + 12)
            n = round(per_bar * (4 if section.name in ("rise", "peak") else 2))
            wave = [0, 1, 2, 3, 4, 5, 4, 3]
            if section.name == "end":
                s.chord(arpeggio, beat, per_bar * 1.5, ladder[:5], 0.3, strum_seconds=0.09)
            else:
                for i in range(n):
                    s.note(
                        arpeggio,
                        beat + i * per_bar / n,
                        1.8,
                        ladder[wave[i % 8]],
                        force * (0.85 if i % 4 == 0 else 0.6),
                    )
            if section.energy > 0.4 or style in ("strings", "film"):
                s.chord("strings", beat, per_bar, (bass, *chord), force)
                if section.name == "peak":
                    s.chord("strings", beat, per_bar, [p + 12 for p in chord], force)
            if style == "film" and section.energy > 0.6:
                for i in range(round(per_bar * 2)):
                    s.chord("pulse", beat + i / 2, 0.22, (bass + 12, *chord), force * (0.9 if i % 3 == 0 else 0.55))
            if section.name == "peak":
                s.note("timpani", beat, 1, bass - 12 * (bass > 44), 0.95)
                s.note("cello", beat, per_bar, bass, 0.9)
            elif section.name == "rise" and bar == section.bars[-1]:
                for i in range(12):
                    s.note("timpani", beat + per_bar - 1.5 + i / 8, 0.2, bass - 12 * (bass > 44), 0.2 + 0.06 * i)
        if section.name in ("theme", "rise", "peak"):
            lift = 12 if section.name == "peak" or singer == "piano" else 0
            s.melody(
                singer,
                section.first_bar,
                theme,
                scale,
                tonic + lift,
                n_bars=section.n_bars,
                level=min(1.0, force + 0.15),
                ornament=0.1,
            )
            if section.name == "peak":
                s.melody("solo", section.first_bar, theme, scale, tonic + 12, n_bars=section.n_bars, level=0.9)
        elif section.name == "end":  # a held breath after the climax
            start = s.bar_beat(section.first_bar)
            s.rest(start - 0.5, start + 0.75)
            s.chord(arpeggio, start + 0.9, per_bar, chords[0], 0.3, strum_seconds=0.12)
    production = Production(
        loudness_db=-16.0,
        reverb_seconds=between(2.0, 3.6, artist.wetness),
        reverb_darkness=0.6,
        pre_delay_seconds=0.03,
        saturation=0.08,
        treble_db=between(-3.0, 0.5, artist.brightness),
        width=between(0.9, 1.3, artist.width),
        compression_ratio=1.0,
    )
    return s.score(production, seed)
