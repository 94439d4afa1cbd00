"""Experimental: clouds of events at random times, in sections cut off by silence."""

from __future__ import annotations

import numpy as np

from tfdeepviz.data.demo.artist import between
from tfdeepviz.data.demo.sketch import Sketch


def write(s: Sketch) -> None:
    """Write the notes of a track; a beat is a second."""
    rng = s.rng
    busy = between(0.6, 1.4, s.artist.busyness)
    spectrum = s.tonic + 12 * np.log2(np.array(s.material["partials"]))
    for section in s.sections:
        name, start, end = section.name, section.beat, min(section.end, s.duration_seconds)
        if name != "broken" or s.style == "drone":
            for pitch in rng.choice(spectrum[:4], 2, replace=False):
                s.note("drone", start, end - start - 0.4, pitch + 12.0, 0.6)
        if name in ("cloud", "swarm") or (s.style == "grains" and name != "still"):
            centre = rng.uniform(48, 84)
            for at in _bursts(s, (22 if name == "swarm" else 11) * busy, start, end):
                centre += rng.normal(0.0, 0.6)
                size = float(rng.choice([0.04, 0.08, 0.16, 0.3]))
                pitch = float(np.clip(centre + rng.normal(0.0, 7.0), 36, 100))
                s.note("grains", at, size, pitch, rng.uniform(0.3, 0.9))
        if name == "broken" or (s.style == "glitch" and name in ("swarm", "cloud")):
            for at in _bursts(s, 5.0 * busy, start, end):
                pitch = float(rng.choice([36, 43, 48, 61, 67, 79]))
                for i in range(int(rng.choice([1, 1, 3, 6]))):
                    size = float(rng.choice([0.02, 0.04, 0.12]))
                    s.note("glitch", at + 0.06 * i, size, pitch, rng.uniform(0.4, 0.95), pan=rng.uniform(-0.8, 0.8))
        if name == "toll" or (s.style == "bells" and name != "broken"):
            for at in _bursts(s, 0.9 * busy, start - 0.3, end):
                pitch, velocity = float(rng.choice(spectrum[3:])), rng.uniform(0.4, 1.0)
                bend, pan = float(rng.choice([0, 0, 0, -0.7])), rng.uniform(-0.6, 0.6)
                s.note("bells", max(at, start), 3.0, pitch, velocity, bend=bend, pan=pan)
        if name in ("still", "toll"):
            for at in _bursts(s, 0.5, start, end):
                pitch = float(rng.choice(spectrum[4:])) + 12
                s.note("glass", at, 2.0, pitch, rng.uniform(0.3, 0.7), pan=rng.uniform(-0.8, 0.8))
        s.note("boom", start, 2.0, 28 + s.tonic % 5, 0.5 + 0.5 * section.energy)
        if end - start > 2.5:
            s.note("swell", end - 1.6, 1.5, 45, 0.4 + 0.5 * section.energy)
            s.note("breath", start, 2.0, 40, 0.5)
    for section in s.sections[1:]:
        if rng.random() < 0.7:  # cut to silence
            s.rest(section.beat - rng.uniform(0.5, 1.4), section.beat)


def _bursts(s: Sketch, per_second: float, start: float, end: float) -> list[float]:
    """Event times in bursts: exponential gaps at a drifting rate."""
    times: list[float] = []
    now = start
    while True:
        now += s.rng.exponential(1.0 / per_second) * float(s.rng.choice([0.35, 1.0, 2.2]))
        if now >= end:
            return times
        times.append(now)
