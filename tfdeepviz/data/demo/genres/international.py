"""International: free flourishes, then a tune and an ostinato over a cycle of hand drums."""

from __future__ import annotations

import numpy as np

from tfdeepviz.data.demo.artist import pick
from tfdeepviz.data.demo.sketch import Sketch
from tfdeepviz.data.demo.theory import Bar


def write(s: Sketch) -> None:
    """Write the notes of a track."""
    material, rng, size, per_bar = s.material, s.rng, len(s.scale), s.meter.beats_per_bar
    roots = [0, *(int(root) for root in rng.choice([0, 0, 3, 4, 1], 4)[1:])]
    tune = s.tune(roots, density=0.6, unit=material["unit"], register=size)
    answer = s.tune(roots, density=0.75, unit=material["unit"], register=size + 1, form="AABC")
    order = rng.integers(0, size + 1, 12).tolist()
    low, high = pick(rng, material["low_drums"]), pick(rng, material["high_drums"])
    for section in s.sections:
        for bar in section.bars:
            beat = bar.beat
            if s.style in ("raga", "maqam"):
                s.run("drone", beat, per_bar / 4, 2.5, [s.pitch(d, -12) for d in (0, size - 3, 0, size)], [0.45])
            if s.style in ("gamelan", "koto") and bar.place == 0:
                s.note("gong", beat, 8, s.tonic - 24, 0.8)
            if section.name == "free":
                _flourish(s, bar)
                continue
            _drum_cycle(s, bar, low, high, level=1.0 if section.energy > 0.85 else 0.85)
            fill = bar.last and len(section.bars) > 1
            if section.name == "drums" or fill or s.artist.busyness > 0.75:
                for i in range(int(per_bar * 4)):
                    if rng.random() < 0.55:
                        pitch = material["drum_pitch"] + int(rng.choice([14, 17, 20]))
                        s.note("high drum", beat + i / 4, 0.2, pitch, rng.uniform(0.35, 0.9))
            s.steps("clicks", 88 if s.style != "gamelan" else s.tonic + 24, beat, material["clicks"], gate=0.1)
            if section.name != "drums":  # ostinato
                for i in range(int(per_bar * 2)):
                    if i % 4 == 0 or order[i % 12] % 3 != 1:
                        degree = 0 if i == 0 else order[i % 12] + roots[bar.index % 4] % 2
                        s.note("lute", beat + i / 2, 0.5, s.pitch(degree), 0.8 if i == 0 else 0.55)
        if section.name in ("cycle", "full"):
            phrase = answer if section.name == "full" else tune
            lift, ornament = material["lead_transpose"], material["ornament"]
            s.melody("lead", section, phrase, transpose=lift, ornament=ornament)
            if s.style == "gamelan":  # interlocking at twice the pace
                s.melody("lute", section, phrase, level=0.8)
        elif section.name == "free" and section.beat > 0:
            s.rest(section.end - 0.2 * per_bar, section.end)


def _flourish(s: Sketch, bar: Bar) -> None:
    """Unmeasured notes, then a rest."""
    size = len(s.scale)
    count = int(s.rng.integers(5, 9))
    onsets = np.sort(s.rng.uniform(0.0, s.meter.beats_per_bar * 0.75, count))
    degree = int(s.rng.integers(0, size))
    for onset in onsets.tolist():
        degree = int(np.clip(degree + s.rng.integers(-2, 3), -2, size + 4))
        s.note("lute", bar.beat + onset, 1.5, s.pitch(degree), 0.6, bend=float(s.rng.choice([0, 0, -1, -2])))


def _drum_cycle(s: Sketch, bar: Bar, low: str, high: str, level: float) -> None:
    pitch, bend = s.material["drum_pitch"], s.material["drum_bend"]
    for i, symbol in enumerate(low):
        if symbol != ".":
            stress = (0.95 if symbol == "X" else 0.75) * level
            s.note("low drum", bar.beat + i / 4, 0.5, pitch - 2, stress, bend=-bend if i % 8 == 0 else bend)
    s.steps("high drum", pitch + 17, bar.beat, high, level=level)
