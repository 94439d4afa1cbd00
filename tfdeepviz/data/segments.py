"""Runs of MFCC frames to the segments that models see."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tfdeepviz.params import AudioParams


def segment_starts(n_frames: int, *, segment_frames: int, hop_frames: int) -> npt.NDArray[np.int64]:
    """First frames of all complete segments; a tail that does not fill one is dropped."""
    return np.arange(0, n_frames - segment_frames + 1, hop_frames)


def cut_segments(mfcc: npt.NDArray[np.float32], *, segment_frames: int, hop_frames: int) -> npt.NDArray[np.float32]:
    """Cut a track's frames into segments.

    Parameters
    ----------
    mfcc : np.ndarray [shape=(n_frames, n_mfcc)]
    segment_frames
        Frames in one segment.
    hop_frames
        Frames from one segment's start to the next; smaller than `segment_frames` for overlap.

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
    """Windows of a track's rows [shape=(n_frames, width)] from given first frames.

    Returns
    -------
    np.ndarray [shape=(len(starts), segment_frames, width)]
        A copy.
    """
    return rows[starts[:, np.newaxis] + np.arange(segment_frames)]


def segment_times(n_segments: int, params: AudioParams, *, hop_frames: int) -> npt.NDArray[np.float64]:
    """Middle of each segment in seconds from the track's start [shape=(n_segments,)]."""
    return (np.arange(n_segments) * hop_frames + (params.segment_frames - 1) / 2) * params.frame_seconds
