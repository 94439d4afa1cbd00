"""International: modal tunes over hand drums and asymmetric cycles, with a free opening."""

from dataclasses import dataclass

import numpy as np

from tfdeepviz.data.demo import drums, voices
from tfdeepviz.data.demo.artist import Artist, Rng, between, pick, pick_tempo, pick_tonic
from tfdeepviz.data.demo.score import Production, Score
from tfdeepviz.data.demo.sketch import Meter, Sketch
from tfdeepviz.data.demo.theory import SCALES, degree_pitch, make_melody


@dataclass(frozen=True)
class _Tradition:
    """A musical tradition that the International genre draws on; patterns have one symbol per sixteenth."""

    scales: tuple[str, ...]
    tempo: tuple[float, float]
    beats_per_bar: float
    low_drum: tuple[str, ...]
    high_drum: tuple[str, ...]
    clicks: str
    drum_pitch: float
    drum_bend: float
    ornament: float
    unit: float = 0.5


_TRADITIONS = {
    "maqam": _Tradition(
        ("hijaz", "bayati"),
        (108, 132),
        3.5,
        ("X.....x.......", "X...x...x....."),
        ("..x.x...x.x.x.", "..xgx..gx.x.xg"),
        "",
        43,
        0.0,
        0.5,
    ),
    "raga": _Tradition(
        ("bhairav", "dorian", "lydian"),
        (84, 104),
        5.0,
        ("X.......x...x.......", "X...x.......x......."),
        ("..x.x.xgx.x...x.x.xg", "x.xxx.x.x.xxx.x.xgxg"),
        "",
        45,
        3.0,
        0.6,
        0.25,
    ),
    "koto": _Tradition(
        ("in",),
        (72, 92),
        4.0,
        ("X...........x...", "X.......x......."),
        ("................", "......x.......x."),
        "........x.......",
        36,
        0.0,
        0.35,
    ),
    "west african": _Tradition(
        ("major pentatonic", "mixolydian"),
        (112, 132),
        3.0,
        ("X.....x.....", "X...x.X....."),
        ("..x.xx..x.xg", "x.x..xx.x.x."),
        "x.x.xx.x.x.x",
        46,
        0.0,
        0.15,
    ),
    "balkan": _Tradition(
        ("hijaz", "harmonic minor"),
        (132, 156),
        4.5,
        ("X...x...x...x.....", "X...X...X...x.x..."),
        ("..x...x...x...x.xg", "..x.g.x.g.x.g.x.xx"),
        "",
        44,
        0.0,
        0.45,
    ),
    "gamelan": _Tradition(
        ("pelog", "slendro"),
        (92, 116),
        4.0,
        ("X...x.....x.x...", "X.....x...x....."),
        ("..g...g...g...x.",),
        "x...x...x...x...",
        41,
        1.0,
        0.0,
    ),
}


def compose(artist: Artist, rng: Rng, duration_seconds: float, seed: tuple[int, ...]) -> Score:
    """Compose one track of an International artist."""
    name = tuple(_TRADITIONS)[artist.variant % len(_TRADITIONS)]
    how = _TRADITIONS[name]
    meter = Meter(
        pick_tempo(artist, rng, *how.tempo), how.beats_per_bar, looseness_seconds=between(0.005, 0.01, artist.looseness)
    )
    s = Sketch(
        rng,
        duration_seconds,
        meter,
        (("free", 2, 0.3), ("cycle", 4, 0.7), ("drums", 1, 0.8), ("cycle", 4, 0.9), ("free", 1, 0.3), ("full", 3, 1.0)),
    )
    scale_name = how.scales[artist.choices[0] % len(how.scales)]
    scale = SCALES[scale_name]
    tonic = pick_tonic(artist, rng, 48)
    k = len(scale)

    lutes = {
        "maqam": voices.plucked(brightness=0.55, damping=0.5, t60_seconds=2.2, body_hz=130, pick_position=0.1),
        "raga": voices.plucked(
            brightness=0.95,
            damping=0.12,
            t60_seconds=5.0,
            body_hz=190,
            buzz=0.7,
            pick_position=0.08,
            glide_seconds=0.18,
        ),
        "koto": voices.plucked(
            brightness=0.8,
            damping=0.25,
            t60_seconds=3.5,
            body_hz=240,
            pick_position=0.09,
            glide_seconds=0.15,
        ),
        "west african": voices.plucked(brightness=0.6, damping=0.35, t60_seconds=2.5, body_hz=160, pick_position=0.18),
        "balkan": voices.plucked(brightness=0.85, damping=0.3, t60_seconds=1.5, body_hz=280, pick_position=0.1),
        "gamelan": voices.mallet(bar="gamelan", ring_seconds=2.2, hardness=0.7),
    }
    leads = {
        "maqam": voices.flute(breath=0.5, reed=0.35, vibrato_cents=24.0),
        "raga": voices.bowed(vibrato_cents=26.0, attack_seconds=0.05),
        "koto": voices.flute(breath=0.6, reed=0.1, vibrato_cents=40.0, attack_seconds=0.09),
        "west african": voices.mallet(bar="balafon", ring_seconds=0.7, hardness=0.8),
        "balkan": voices.flute(breath=0.06, reed=0.9, vibrato_cents=28.0),
        "gamelan": voices.mallet(bar="gamelan", ring_seconds=1.2, hardness=1.0),
    }
    s.part("lute", lutes[name], level_db=-7, pan=-0.25, reverb_db=-16)
    s.part("lead", leads[name], level_db=-9, pan=0.2, reverb_db=-12, echo_db=-22)
    s.part(
        "low drum",
        drums.hand_drum(slap=0.05, ring_seconds=0.7 if name == "koto" else 0.5),
        level_db=-5,
        reverb_db=-18,
    )
    s.part(
        "high drum",
        drums.hand_drum(slap=between(0.35, 0.75, artist.brightness), ring_seconds=0.22),
        level_db=-9,
        pan=0.1,
        reverb_db=-18,
    )
    s.part(
        "clicks",
        voices.mallet(
            bar="woodblock" if name != "gamelan" else "bell",
            ring_seconds=0.12 if name != "gamelan" else 0.5,
        ),
        level_db=-17,
        pan=0.4,
        reverb_db=-18,
    )
    s.part(
        "drone",
        voices.plucked(brightness=0.7, damping=0.15, t60_seconds=6.0, body_hz=120, buzz=0.5),
        level_db=-16,
        reverb_db=-12,
    )
    s.part("gong", voices.mallet(bar="bell", ring_seconds=5.0), level_db=-16, reverb_db=-8)

    roots = [int(r) for r in rng.choice([0, 0, 3, 4, 1], 4)]
    roots[0] = 0
    tune = make_melody(
        rng, roots, beats_per_bar=how.beats_per_bar, density=0.6, unit=how.unit, register=k, form="ABAC", scale_size=k
    )
    answer = make_melody(
        rng,
        roots,
        beats_per_bar=how.beats_per_bar,
        density=0.75,
        unit=how.unit,
        register=k + 1,
        form="AABC",
        scale_size=k,
    )
    order = rng.integers(0, k + 1, 12)
    eighths = int(how.beats_per_bar * 2)
    low, high = pick(rng, how.low_drum), pick(rng, how.high_drum)
    bends = how.drum_bend
    for section in s.sections:
        for bar in section.bars:
            beat, fill = s.bar_beat(bar), bar == section.bars[-1] and section.n_bars > 1
            if name in ("raga", "maqam"):
                for i, degree in enumerate((0, k - 3, 0, k)):
                    s.note(
                        "drone", beat + i * how.beats_per_bar / 4, 2.5, degree_pitch(scale, tonic - 12, degree), 0.45
                    )
            if name in ("gamelan", "koto") and bar == section.first_bar:
                s.note("gong", beat, 8, tonic - 24, 0.8)
            if section.name == "free":  # unmeasured flourishes and rests
                count = int(rng.integers(5, 9))
                at = np.sort(rng.uniform(0.0, how.beats_per_bar * 0.75, count))
                degree = int(rng.integers(0, k))
                for onset in at:
                    degree = int(np.clip(degree + rng.integers(-2, 3), -2, k + 4))
                    s.note(
                        "lute",
                        beat + float(onset),
                        1.5,
                        degree_pitch(scale, tonic, degree),
                        0.6,
                        bend=float(rng.choice([0, 0, -1, -2])),
                    )
                continue
            accent = 1.0 if section.energy > 0.85 else 0.85
            for i, symbol in enumerate(low):
                if symbol != ".":
                    s.note(
                        "low drum",
                        beat + i / 4,
                        0.5,
                        how.drum_pitch - 2,
                        (0.95 if symbol == "X" else 0.75) * accent,
                        bend=-bends if i % 8 == 0 else bends,
                    )
            s.steps("high drum", bar, high, how.drum_pitch + 17, level=accent)
            if section.name == "drums" or fill or artist.busyness > 0.75:
                for i in range(int(how.beats_per_bar * 4)):
                    if rng.random() < 0.55:
                        s.note(
                            "high drum",
                            beat + i / 4,
                            0.2,
                            how.drum_pitch + float(rng.choice([14, 17, 20])),
                            float(rng.uniform(0.35, 0.9)),
                        )
            s.steps("clicks", bar, how.clicks, 88 if name != "gamelan" else tonic + 24, gate=0.1)
            if section.name != "drums":  # ostinato
                for i in range(eighths):
                    if i % 4 == 0 or order[i % 12] % 3 != 1:
                        degree = 0 if i == 0 else int(order[i % 12]) + roots[bar % 4] % 2
                        s.note("lute", beat + i / 2, 0.5, degree_pitch(scale, tonic, degree), 0.55 + 0.25 * (i == 0))
        if section.name in ("cycle", "full"):
            high_lead = tonic + (12 if name in ("west african", "gamelan", "koto") else 0)
            phrase = answer if section.name == "full" else tune
            s.melody("lead", section.first_bar, phrase, scale, high_lead, n_bars=section.n_bars, ornament=how.ornament)
            if name == "gamelan":  # interlocking at twice the pace
                s.melody("lute", section.first_bar, phrase, scale, tonic, n_bars=section.n_bars, level=0.8)
        elif section.name == "free" and section.first_bar > 0:
            end = s.bar_beat(section.first_bar + section.n_bars)
            s.rest(end - 0.2 * how.beats_per_bar, end)
    production = Production(
        loudness_db=-13.5,
        reverb_seconds=between(0.8, 2.0, artist.wetness),
        saturation=between(0.15, 0.5, artist.dirt),
        treble_db=between(-1.0, 2.0, artist.brightness),
        bass_db=1.5,
        width=between(0.8, 1.2, artist.width),
        compression_ratio=2.0,
    )
    return s.score(production, seed)
