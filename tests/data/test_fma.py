from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tfdeepviz.data.fma import PUBLISHED_BAD, SUBSETS, Track, audio_path, published_flaw
from webapp import fma


@pytest.mark.parametrize(
    ("track_id", "duration", "decoded", "flaw"),
    [
        *((99_134, 200.0, 0.0, "no audio"), (98_559, 200.0, 28.9, "too short or mis-timed")),
        *((98_559, 200.0, 29.0, None), (98_559, None, 28.0, "too short or mis-timed"), (98_559, 10.0, 9.5, None)),
        *((1_486, 0.0, 5.0, "too short or mis-timed"), (1_486, 1.0, 0.0, "too short or mis-timed")),
        *((98_561, 200.0, 1.0, None), (2, None, 0.0, None)),
    ],
)
def test_published_flaws(track_id: int, duration: float | None, decoded: float, flaw: str | None) -> None:
    track = Track(track_id, "training", "Rock", "T", 1, "A", duration, Path("x.mp3"))
    assert published_flaw(track, decoded) == flaw


def test_all_published_flaws_are_known() -> None:
    assert Counter(PUBLISHED_BAD.values()) == {"no audio": 3, "too short or mis-timed": 18}


def test_the_server_which_has_to_run_without_the_package_knows_the_same() -> None:
    assert fma.SUBSETS == SUBSETS
    assert PUBLISHED_BAD.keys() == fma.PUBLISHED_BAD
    assert audio_path(Path("r"), "medium", 1_234) == Path("r") / fma.audio_name("medium", 1_234)
