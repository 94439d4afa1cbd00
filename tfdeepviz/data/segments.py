"""Cut runs of frames into the windows that models see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tfdeepviz.params import AudioParams

#: Sound that is shorter is a click rather than music.
SHORTEST_SECONDS = 0.1


def segment_starts(n_frames: int, *, segment_frames: int, hop_frames: int) -> npt.NDArray[np.int64]:
    """First frames of all complete segments; an incomplete tail is dropped."""
    return np.arange(0, n_frames - segment_frames + 1, hop_frames)


@dataclass(frozen=True)
class Windows:
    """An encoder's windows of `frames` frames on a track's frames, `hop_frames` apart, and the time of each encoding.

    The frames of a track that is shorter than a window are repeated until they fill one. An encoding is timed at its
    window's middle; or at its last frame if it is causal, as in encoders of live input.
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
        """Number of complete windows in a track of `n_frames` frames; at least one."""
        return max(1, len(segment_starts(n_frames, segment_frames=self.frames, hop_frames=self.hop_frames)))

    def times(self, n: int) -> npt.NDArray[np.float64]:
        """Times of the first `n` encodings in seconds from the track's start [shape=(n,)]."""
        return np.arange(n) * self.hop_frames * self.params.frame_seconds + self.time_offset_seconds

    def cut(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Cut a track's frames [shape=(n_frames, width)] into windows [shape=(n, frames, width)], a read-only view."""
        if len(rows) < self.frames:
            rows = rows[np.arange(self.frames) % len(rows)]
        windows = np.lib.stride_tricks.sliding_window_view(rows, self.frames, axis=0)  # (starts, width, frames)
        return windows[:: self.hop_frames].transpose(0, 2, 1)
