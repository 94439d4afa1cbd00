"""Feature layouts and dataset recipes: which features and segments of a track are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from tfdeepviz.data.segments import segment_starts
from tfdeepviz.data.statistics import SegmentStatistics
from tfdeepviz.lazy import tf
from tfdeepviz.params import AudioParams, ParameterError, check_choice, check_fields

if TYPE_CHECKING:
    from tfdeepviz.data.frontend import MfccFrontend

#: `raw`, "e2e" in the original, feeds samples to the model, which learns its own features.
MODES = ("mfcc", "log-mel", "raw")
STORAGES = ("float32", "float16")

Rows = npt.NDArray[np.float32]
_Count = Annotated[int, Meta(ge=1, lt=1 << 31)]


@dataclass(frozen=True)
class Features:
    """Layout of a track's rows and of the segments cut from them; `mode` is one of `MODES`.

    `raw` uses only the rate, hop and segment length of `params`.
    """

    params: AudioParams
    mode: str = "mfcc"

    def __post_init__(self) -> None:
        check_choice("mode", self.mode, MODES)

    @property
    def width(self) -> int:
        """Values per row: coefficients, bands, or the samples of one hop."""
        p = self.params
        return {"mfcc": p.n_mfcc, "log-mel": p.n_mels, "raw": p.hop_length}[self.mode]

    @property
    def segment_shape(self) -> tuple[int, ...]:
        """Shape of one segment as models see it: (width, frames, 1), or (samples, 1) for raw audio."""
        frames = self.params.segment_frames
        return (frames * self.width, 1) if self.mode == "raw" else (self.width, frames, 1)

    @property
    def scaler_shape(self) -> tuple[int, ...]:
        """Grid of separately scaled elements; raw audio has one for all samples, whose position means nothing."""
        return (1,) if self.mode == "raw" else self.segment_shape[:2]

    def n_frames(self, n_samples: int) -> int:
        """Rows of a track of `n_samples` samples; raw audio is not padded, so an incomplete last row is dropped."""
        return n_samples // self.params.hop_length if self.mode == "raw" else self.params.n_frames(n_samples)

    def arrange(self, windows: tf.Tensor) -> tf.Tensor:
        """Turn windows of rows [shape=(n, segment_frames, width)] into segments [shape=(n, *segment_shape)]."""
        if self.mode == "raw":
            return tf.reshape(windows, [-1, *self.segment_shape])
        return tf.transpose(windows, [0, 2, 1])[..., tf.newaxis]

    def _frontend(self) -> MfccFrontend:
        from tfdeepviz.data.frontend import MfccFrontend

        return MfccFrontend(self.params)

    def extractor(self) -> Callable[[Rows], Rows]:
        """Build the function from mono PCM [shape=(n_samples,)] to rows [shape=(n_frames, width), dtype=float32]."""
        if self.mode == "raw":
            width = self.width
            return lambda pcm: pcm[: len(pcm) // width * width].reshape(-1, width)
        frontend = self._frontend()
        return frontend.mfcc if self.mode == "mfcc" else frontend.log_mel

    def graph_extractor(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """Like `extractor`, for use inside a graph."""
        if self.mode == "raw":
            width = self.width
            return lambda pcm: tf.reshape(pcm[: tf.size(pcm) // width * width], [-1, width])
        frontend = self._frontend()
        return frontend.mfcc_in_graph if self.mode == "mfcc" else frontend.log_mel_in_graph


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All settings that decide what is kept of a track.

    Without `segments_per_track`, all rows are kept, so that segments can be cut at any hop later. Otherwise at most
    that many segments are kept, chosen at random; the choice depends only on (seed, track id).
    """

    features: Features
    hop_frames: _Count  # between segment starts; smaller than `segment_frames` for overlap
    segments_per_track: _Count | None = None
    seed: Annotated[int, Meta(ge=0, lt=1 << 31)] = 0
    storage: str = "float32"  # data type of the stored rows, one of `STORAGES`
    genres: tuple[str, ...] = ()  # top-level genres in the order of their labels

    def __post_init__(self) -> None:
        check_fields(self)
        check_choice("storage", self.storage, STORAGES)
        if list(self.genres) != sorted(set(self.genres) - {""}):
            raise ParameterError(f"genres={self.genres!r}: give different titles in alphabetical order")

    def starts(self, n_frames: int, track_id: int) -> npt.NDArray[np.int64]:
        """First frames of a track's segments, in time order."""
        segment_frames = self.features.params.segment_frames
        starts = segment_starts(n_frames, segment_frames=segment_frames, hop_frames=self.hop_frames)
        if self.segments_per_track is None or len(starts) <= self.segments_per_track:
            return starts
        chosen = np.random.default_rng([self.seed, track_id]).choice(
            len(starts), self.segments_per_track, replace=False, shuffle=False
        )
        return starts[np.sort(chosen)]

    def n_rows(self, n_frames: int, n_segments: int) -> int:
        """Rows that are stored of a track."""
        return n_frames if self.segments_per_track is None else n_segments * self.features.params.segment_frames

    def keep(self, rows: Rows, starts: npt.NDArray[np.int64]) -> npt.NDArray[np.floating[Any]]:
        """Rows to store: all of them, or those of the chosen segments, concatenated."""
        if self.segments_per_track is not None:
            rows = rows[starts[:, np.newaxis] + np.arange(self.features.params.segment_frames)]
        return rows.reshape(-1, self.features.width).astype(self.storage, copy=False)

    def statistics(self, kept: npt.NDArray[np.floating[Any]], starts: npt.NDArray[np.int64]) -> SegmentStatistics:
        """Scaler statistics of one track's segments, from the rows that `keep` returned."""
        frames = self.features.params.segment_frames
        if self.segments_per_track is not None:
            starts = np.arange(len(starts)) * frames
        # One frame of all windows at a time: overlapping windows together can be a hundred times as large as the track.
        columns = (kept[starts + i] for i in range(frames))  # each (n_segments, width)
        if self.features.mode == "raw":
            return SegmentStatistics.merge(SegmentStatistics.of(column.reshape(-1, 1)) for column in columns)
        return SegmentStatistics.side_by_side([SegmentStatistics.of(column) for column in columns])

    def label(self, genre: str) -> int:
        """Label of a top-level genre; -1 if it is empty or unknown."""
        return self.genres.index(genre) if genre in self.genres else -1

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values = asdict(self)
        features = values.pop("features")
        return {"audio": features["params"], "mode": features["mode"], **values, "genres": list(self.genres)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Inverse of `to_dict`; raises a ParameterError for unknown or missing names and impossible values."""
        try:
            rest = dict(values)
            features = Features(AudioParams.from_dict(rest.pop("audio")), rest.pop("mode"))
            return cls(features=features, **{**rest, "genres": tuple(rest["genres"])})
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, ParameterError):
                raise
            raise ParameterError(f"not the recipe of a prepared dataset ({error!r})") from error
