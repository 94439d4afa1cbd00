from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfdeepviz.params import LIVE, PAPER, AudioParams, ParameterError


def test_derived_sizes_are_the_papers() -> None:
    assert PAPER.n_bins == 552
    assert PAPER.frame_seconds == pytest.approx(0.01)
    assert PAPER.segment_seconds == pytest.approx(0.96)
    assert PAPER.segment_shape == (64, 96, 1)
    # A typical clip of FMA gives 31 segments.
    assert PAPER.n_frames(1_321_967) // PAPER.segment_frames == 31


def test_live_differs_from_paper_in_its_floor_only() -> None:
    assert replace(LIVE, preset="paper", floor_db=PAPER.floor_db, top_db=PAPER.top_db) == PAPER
    assert LIVE.top_db is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("n_fft", 1_101), ("n_fft", 0), ("hop_length", 2_000), ("n_mfcc", 129), ("segment_frames", 0)),
        *(("f_max_hz", 30_000.0), ("f_min_hz", -1.0), ("floor_db", 3.0), ("top_db", 0.0), ("sample_rate_hz", 1.5)),
    ],
)
def test_impossible_values_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ParameterError, match=name):
        replace(PAPER, **{name: value})


@given(st.floats(1e-6, 60))
def test_hop_is_the_nearest_whole_frame_and_never_none(hop_seconds: float) -> None:
    hop = LIVE.hop_frames(hop_seconds)
    assert hop >= 1
    assert abs(hop * LIVE.frame_seconds - hop_seconds) <= LIVE.frame_seconds


@pytest.mark.parametrize("hop_seconds", [0.0, -1.0, float("nan"), float("inf"), 61.0])
def test_impossible_hops_are_refused(hop_seconds: float) -> None:
    with pytest.raises(ParameterError, match="hop_seconds"):
        LIVE.hop_frames(hop_seconds)


def test_dict_round_trip_and_strictness() -> None:
    assert AudioParams.from_dict(PAPER.to_dict()) == PAPER
    with pytest.raises(ParameterError, match="n_fft"):
        AudioParams.from_dict({key: value for key, value in PAPER.to_dict().items() if key != "n_fft"})
    with pytest.raises(ParameterError, match="surprise"):
        AudioParams.from_dict({**PAPER.to_dict(), "surprise": 1})
    with pytest.raises(ParameterError, match="floor_db"):
        AudioParams.from_dict({**PAPER.to_dict(), "floor_db": "low"})


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(ParameterError, match="ud800"):
        AudioParams(preset="", top_db="\ud800")  # type: ignore[arg-type]  # not a number, on purpose
