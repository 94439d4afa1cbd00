"""Cut runs of MFCC frames into the segments that models see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tfdeepviz.params import AudioParams


def segment_starts(n_frames: int, *, segment_frames: int, hop_frames: int) -> npt.NDArray[np.int64]:
    """First frames of all complete segments; an incomplete tail is dropped."""
    return np.arange(0, n_frames - segment_frames + 1, hop_frames)


def cut_segments(mfcc: npt.NDArray[np.float32], *, segment_frames: int, hop_frames: int) -> npt.NDArray[np.float32]:
    """Cut a track's frames [shape=(n_frames, n_mfcc)] into segments that start every `hop_frames`.

    Returns
    -------
    np.ndarray [shape=(n_segments, segment_frames, n_mfcc)]
        A read-only view, time first.
    """
    if len(mfcc) < segment_frames:
        return np.empty((0, segment_frames, mfcc.shape[1]), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(mfcc, segment_frames, axis=0)  # (starts, n_mfcc, segment_frames)
    return windows[::hop_frames].transpose(0, 2, 1)


def windows_at(
    rows: npt.NDArray[np.floating[Any]], starts: npt.NDArray[np.int64], *, segment_frames: int
) -> npt.NDArray[np.floating[Any]]:
    """Copy the windows of a track's rows that start at given frames [shape=(len(starts), segment_frames, width)]."""
    return rows[starts[:, np.newaxis] + np.arange(segment_frames)]


@dataclass(frozen=True)
class Windows:
    """An encoder's windows of `frames` frames on a track's frames, `hop_frames` apart, and the time of each encoding.

    An encoding is timed at its window's middle; or at its last frame if it is causal, as in encoders of live input.
    """

    params: AudioParams
    frames: int
    hop_frames: int
    causal: bool = False

    @property
    def time_offset_seconds(self) -> float:
        """Time of the first encoding."""
        last = self.frames - 1
        return (last if self.causal else last / 2) * self.params.frame_seconds

    def count(self, n_frames: int) -> int:
        """Number of complete windows in a track of `n_frames` frames."""
        return len(segment_starts(n_frames, segment_frames=self.frames, hop_frames=self.hop_frames))

    def times(self, n: int) -> npt.NDArray[np.float64]:
        """Times of the first `n` encodings in seconds from the track's start [shape=(n,)]."""
        return np.arange(n) * self.hop_frames * self.params.frame_seconds + self.time_offset_seconds

    def cut(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Cut a track's frames [shape=(n_frames, width)] into windows [shape=(n, frames, width)], a view."""
        return cut_segments(rows, segment_frames=self.frames, hop_frames=self.hop_frames)
