"""Chords, sections and time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tfdeepviz.data.demo import theory
from tfdeepviz.data.demo.sketch import Meter


def test_voice_leading_moves_little() -> None:
    chords = ((60, 64, 67), (67, 71, 74), (69, 72, 76), (65, 69, 72), (60, 64, 67))
    voicings = theory.voice_lead(chords, 64)
    for chord, voicing in zip(chords, voicings, strict=True):
        assert {p % 12 for p in chord} == {p % 12 for p in voicing}
    steps = [abs(a - b) for one, two in itertools.pairwise(voicings) for a, b in zip(one, two, strict=True)]
    assert np.mean(steps) < 3.0


def test_sections_cover_all_bars() -> None:
    form = (("a", 2, 0.2), ("b", 4, 1.0), ("c", 1, 0.5))
    for n_bars in (1, 2, 5, 7, 16, 40):
        sections = theory.plan_sections(form, n_bars, 3.0)
        assert [bar for section in sections for bar in section.bars] == list(range(n_bars))
        assert [section.beat for section in sections[1:]] == [section.end for section in sections[:-1]]


def test_time_runs_forward_with_swing_and_rubato() -> None:
    meter = Meter(90.0, 4.0, swing=0.15, swing_unit=0.25, rubato=0.22)
    assert np.all(np.diff([meter.seconds(beat) for beat in np.arange(0, 64, 0.125)]) > 0)
    swung = Meter(60.0, swing=0.15, swing_unit=0.5)
    assert swung.seconds(0.5) == pytest.approx(0.65)
