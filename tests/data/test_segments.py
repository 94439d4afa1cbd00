from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tfdeepviz.data.segments import Windows, segment_starts
from tfdeepviz.params import LIVE


@given(st.integers(1, 400), st.integers(1, 96), st.integers(1, 120))
def test_segments_are_the_complete_windows(n_frames: int, segment_frames: int, hop_frames: int) -> None:
    mfcc = np.arange(n_frames * 3, dtype=np.float32).reshape(n_frames, 3)
    segments = Windows(LIVE, segment_frames, hop_frames).cut(mfcc)
    expected = [s for s in range(0, n_frames, hop_frames) if s + segment_frames <= n_frames]
    assert segment_starts(n_frames, segment_frames=segment_frames, hop_frames=hop_frames).tolist() == expected
    if not expected:
        np.testing.assert_array_equal(segments[0, :, 0] // 3, np.arange(segment_frames) % n_frames)
        return
    assert segments.shape == (len(expected), segment_frames, 3)
    for segment, start in zip(segments, expected, strict=True):
        np.testing.assert_array_equal(segment, mfcc[start : start + segment_frames])


def test_times_are_the_middles_and_of_a_causal_encoder_the_ends() -> None:
    rows = np.zeros((130, 2), np.float32)
    windows = Windows(LIVE, frames=96, hop_frames=10)
    assert windows.cut(rows).shape == (windows.count(130), 96, 2) == (4, 96, 2)
    np.testing.assert_allclose(windows.times(3), [0.475, 0.575, 0.675])
    np.testing.assert_allclose(Windows(LIVE, frames=10, hop_frames=2, causal=True).times(2), [0.09, 0.11])
