"""Experimental: drones, clouds of grains, inharmonic bells and silence, without metre."""

import numpy as np

from tfdeepviz.data.demo import voices
from tfdeepviz.data.demo.artist import Artist, Rng, between, pick_tonic
from tfdeepviz.data.demo.score import Production, Score
from tfdeepviz.data.demo.sketch import Meter, Sketch


def compose(artist: Artist, rng: Rng, duration_seconds: float, seed: tuple[int, ...]) -> Score:
    """Compose one track of an Experimental artist."""
    style = ("drone", "glitch", "bells", "grains")[artist.variant % 4]
    meter = Meter(60.0, 1.0, looseness_seconds=0.0)  # one beat per second, without metre
    weights = rng.dirichlet(np.full(5, 6.0)) * 30.0
    names = ("still", "cloud", "broken", "toll", "swarm")
    energies = {"still": 0.3, "cloud": 0.6, "broken": 0.9, "toll": 0.5, "swarm": 1.0}
    order = [names[i] for i in rng.permutation(5)]
    s = Sketch(rng, duration_seconds, meter, [(n, float(w), energies[n]) for n, w in zip(order, weights, strict=True)])
    tonic = pick_tonic(artist, rng, 28)

    main = {"drone": -8.0, "glitch": -16.0, "bells": -13.0, "grains": -14.0}[style]
    s.part(
        "drone",
        voices.pad(
            wave=("saw", "fm")[artist.choices[0] % 2],
            n_voices=4,
            detune_cents=25,
            attack_seconds=2.0,
            release_seconds=2.0,
        ),
        level_db=main,
        reverb_db=-8,
        cutoff_hz=s.curve({"still": (150, 400), "swarm": (400, 3_000), "broken": (250, 1_200)}, (250, 700)),
    )
    s.part(
        "bells",
        voices.fm_bell(ratio=1.2 + 2.1 * artist.brightness, index=5.0, ring_seconds=4.0),
        level_db=-11 if style == "bells" else -15,
        reverb_db=-6,
        echo_db=-12,
    )
    s.part("glass", voices.mallet(bar="glass", ring_seconds=3.0), level_db=-15, reverb_db=-6)
    s.part(
        "grains",
        voices.grain(roughness=0.2 + 0.8 * artist.dirt),
        level_db=-10 if style == "grains" else -14,
        reverb_db=-12,
    )
    s.part(
        "glitch",
        voices.glitch(bits=2.0 + 4.0 * artist.dirt),
        level_db=-13 if style == "glitch" else -19,
        reverb_db=-24,
        echo_db=-20,
    )
    s.part("boom", voices.sub_bass(ring_seconds=2.2, drive=1.5), level_db=-11, reverb_db=-12)
    s.part("swell", voices.riser(), level_db=-14, reverb_db=-8)
    s.part("breath", voices.riser(falling=True), level_db=-18, reverb_db=-8)

    def events(per_second: float, start: float, end: float) -> list[float]:
        """Event times in bursts: exponential gaps at a drifting rate."""
        times: list[float] = []
        now = start
        while True:
            now += float(rng.exponential(1.0 / per_second)) * float(rng.choice([0.35, 1.0, 2.2]))
            if now >= end:
                return times
            times.append(now)

    busy = between(0.6, 1.4, artist.busyness)
    spectrum = tonic + 12 * np.log2(np.array([1, 2, 2.76, 3.91, 5.4, 6.3, 8.93, 11.34, 13.7]))
    for section in s.sections:
        start, end = float(section.first_bar), float(min(section.first_bar + section.n_bars, duration_seconds))
        if section.name in ("still", "cloud", "toll", "swarm") or style == "drone":
            for pitch in rng.choice(spectrum[:4], 2, replace=False):
                s.note("drone", start, end - start - 0.4, float(pitch) + 12.0, 0.6)
        if section.name in ("cloud", "swarm") or (style == "grains" and section.name != "still"):
            centre = float(rng.uniform(48, 84))
            for at in events((22 if section.name == "swarm" else 11) * busy, start, end):
                centre += float(rng.normal(0.0, 0.6))
                size = float(rng.choice([0.04, 0.08, 0.16, 0.3]))
                s.note(
                    "grains",
                    at,
                    size,
                    float(np.clip(centre + rng.normal(0.0, 7.0), 36, 100)),
                    float(rng.uniform(0.3, 0.9)),
                )
        if section.name == "broken" or (style == "glitch" and section.name in ("swarm", "cloud")):
            for at in events(5.0 * busy, start, end):
                pitch = float(rng.choice([36, 43, 48, 61, 67, 79]))
                for r in range(int(rng.choice([1, 1, 3, 6]))):
                    s.note(
                        "glitch",
                        at + 0.06 * r,
                        float(rng.choice([0.02, 0.04, 0.12])),
                        pitch,
                        float(rng.uniform(0.4, 0.95)),
                        pan=float(rng.uniform(-0.8, 0.8)),
                    )
        if section.name == "toll" or (style == "bells" and section.name != "broken"):
            for at in events(0.9 * busy, start - 0.3, end):
                s.note(
                    "bells",
                    max(at, start),
                    3.0,
                    float(rng.choice(spectrum[3:])),
                    float(rng.uniform(0.4, 1.0)),
                    bend=float(rng.choice([0, 0, 0, -0.7])),
                    pan=float(rng.uniform(-0.6, 0.6)),
                )
        if section.name in ("still", "toll"):
            for at in events(0.5, start, end):
                s.note(
                    "glass",
                    at,
                    2.0,
                    float(rng.choice(spectrum[4:])) + 12,
                    float(rng.uniform(0.3, 0.7)),
                    pan=float(rng.uniform(-0.8, 0.8)),
                )
        s.note("boom", start, 2.0, 28 + tonic % 5, 0.5 + 0.5 * section.energy)
        if end - start > 2.5:
            s.note("swell", end - 1.6, 1.5, 45, 0.4 + 0.5 * section.energy)
            s.note("breath", start, 2.0, 40, 0.5)
    for section in s.sections[1:]:
        if rng.random() < 0.7:  # cut to silence
            at = float(section.first_bar)
            s.rest(at - float(rng.uniform(0.5, 1.4)), at)
    production = Production(
        loudness_db=-15.0,
        reverb_seconds=between(2.0, 4.5, artist.wetness),
        echo_seconds=between(0.23, 0.61, artist.tempo),
        echo_feedback=0.55,
        saturation=between(0.1, 0.8, artist.dirt),
        treble_db=between(-3.0, 2.0, artist.brightness),
        width=between(1.0, 1.5, artist.width),
        compression_ratio=1.3,
    )
    return s.score(production, seed)
