"""A prepared dataset in windows of another length than its segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

from tfdeepviz.data.manifest import ShardEntry
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.segments import Windows
from tfdeepviz.data.statistics import SegmentStatistics
from tfdeepviz.files import FormatError
from tfdeepviz.lazy import tf


class WindowedDataset(PreparedDataset):
    """A dataset whose segments are windows of any length; make one with `of`.

    The frames of tracks that are shorter than a window are repeated until they fill it. Scaler statistics are those of
    the dataset, with one mean and variance per coefficient.
    """

    @classmethod
    def of(cls, dataset: PreparedDataset, frames: int, hop_frames: int) -> Self:
        """Cut windows of `frames` frames, `hop_frames` apart; FormatError if a dataset holds chosen segments only."""
        recipe = dataset.recipe
        if recipe.segments_per_track is not None:
            raise FormatError(
                f"{dataset.path}: holds chosen segments only; prepare a dataset without --segments-per-track"
            )
        params = replace(recipe.features.params, segment_frames=frames)
        windows = Windows(params, frames, hop_frames)
        recipe = replace(recipe, features=replace(recipe.features, params=params), hop_frames=hop_frames)
        return cls(**{**vars(dataset), "recipe": recipe, "shards": _cut(dataset.shards, windows)})

    def statistics(self) -> SegmentStatistics:
        """Scaler statistics, the same for every frame of a window."""
        self.require_training()
        stored = SegmentStatistics.load(self.path / "scaler.npz")
        names = ("minimum", "maximum", "mean", "variance")
        frames = stored.mean.shape[-1]
        columns = [{name: getattr(stored, name)[..., i] for name in names} for i in range(frames)]
        merged = SegmentStatistics.merge(SegmentStatistics(stored.count, **column) for column in columns)
        return SegmentStatistics.side_by_side([merged] * self.params.segment_frames)

    def _tracks(self, split: str, seed: int | None) -> tf.data.Dataset:
        frames = self.params.segment_frames

        def fill(track: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            n = tf.shape(track["rows"])[0]
            return {**track, "rows": tf.gather(track["rows"], tf.range(tf.maximum(n, frames)) % n)}

        return super()._tracks(split, seed).map(fill)


def _cut(shards: Sequence[ShardEntry], windows: Windows) -> tuple[ShardEntry, ...]:
    """Count the windows of every track."""
    cut: list[ShardEntry] = []
    for shard in shards:
        tracks = [
            {**track, "n_frames": max(n, windows.frames), "n_segments": windows.count(n)}
            for track in shard["tracks"]
            for n in [track["n_frames"]]
        ]
        cut.append({**shard, "tracks": tracks})  # type: ignore[typeddict-item]  # tracks with all keys
    return tuple(cut)
