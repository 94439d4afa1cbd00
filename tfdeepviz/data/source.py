"""Segments of many tracks as `tf.data` pipelines."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from tfdeepviz.data.augment import Augmentation, Augmenter
from tfdeepviz.data.features import Features, Recipe
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.statistics import SegmentStatistics
from tfdeepviz.errors import InputError
from tfdeepviz.lazy import tf
from tfdeepviz.params import AudioParams

#: Size limit of the shuffle buffer: 4,000 segments of 64x96 float32.
_SHUFFLE_BYTES = 100 << 20
#: Size limit of the windows that are cut from a track at once.
_CUT_BYTES = 4 << 20
#: Tracks and shards that are interleaved before shuffling.
_MIXED_TRACKS, MIXED_SHARDS = 16, 8


N_CALLS = os.cpu_count() or 1
_PREFETCHED_BATCHES = 4


class SegmentSource(ABC):
    """Tracks of a corpus, by split, as a source of segments."""

    recipe: Recipe

    @property
    def features(self) -> Features:
        """Layout of the segments."""
        return self.recipe.features

    @property
    def params(self) -> AudioParams:
        """Frames and segment grid."""
        return self.recipe.features.params

    def segments(
        self,
        split: str,
        *,
        batch_size: int,
        hop_frames: int | None = None,
        seed: int | None = None,
        shuffle_buffer: int | None = None,
        about: bool = False,
        labelled_only: bool = False,
        augmentation: Augmentation | None = None,
    ) -> tf.data.Dataset:
        """Batches of segments [shape=(batch, *Features.segment_shape), dtype=float32], not yet scaled.

        Parameters
        ----------
        split
            One of `tfdeepviz.data.fma.SPLITS`.
        batch_size
            Segments per batch; the last batch may be smaller.
        hop_frames
            Frames between segments of a track, by default the recipe's. A dataset that holds chosen segments only
            supports no other hop.
        seed
            None keeps the order of the tracks. Otherwise segments are shuffled across tracks, and each track is cut
            from a random first frame. Give each epoch its own seed, so that it sees different segments.
        shuffle_buffer
            Segments held for shuffling, which bounds the memory; by default 100 MiB.
        about
            Yield pairs of segments and a dictionary of `track_id`, `segment_index` (on the grid of hops) and `label`
            (index into `recipe.genres`, -1 for none) [each shape=(batch,), dtype=int64].
        labelled_only
            Leave out tracks without a genre.
        augmentation
            Augment each segment at random; needs a seed.

        Raises
        ------
        InputError
            If the split is unknown or options conflict.
        """
        if split not in SPLITS:
            raise InputError(f"split={split!r}: choose one of {', '.join(SPLITS)}")
        hop = self._hop(hop_frames)
        cut = self._cutter(hop, seed, about)
        tracks = self._tracks(split, seed)
        if labelled_only:
            tracks = tracks.filter(lambda track: track["label"] >= 0)
        if seed is None:
            segments = tracks.flat_map(cut)
        else:
            segments = tracks.interleave(
                cut, cycle_length=_MIXED_TRACKS, num_parallel_calls=N_CALLS, deterministic=True
            )
            size = 4 * int(np.prod(self.features.segment_shape))
            segments = segments.shuffle(
                shuffle_buffer or max(64, _SHUFFLE_BYTES // size), seed=seed, reshuffle_each_iteration=False
            )
        n_segments = self._n_cut(split, hop, shifted=seed is not None, labelled_only=labelled_only)
        if n_segments is not None:
            segments = segments.take(n_segments).apply(tf.data.experimental.assert_cardinality(n_segments))
        if augmentation is not None:
            if seed is None:
                raise InputError("augmentation needs a seed")
            segments = segments.map(self._augmenting(augmentation, seed, about))
        return segments.batch(batch_size).prefetch(_PREFETCHED_BATCHES).with_options(_untuned())

    def moments(
        self, split: str, *, n_moments: int, batch_size: int, seed: int, augmentation: Augmentation | None = None
    ) -> tf.data.Dataset:
        """Full batches of random moments of tracks [shape=(batch, n_moments, *Features.segment_shape), dtype=float32].

        One pass over the tracks of a split, in an order set by the seed, for learning from what the moments of a track
        have in common. No track occurs twice in a batch; an incomplete last batch is dropped.

        Parameters
        ----------
        split
            One of `tfdeepviz.data.fma.SPLITS`.
        n_moments
            Segments per track, each at a random position; they may overlap.
        batch_size
            Tracks per batch.
        seed
            Seed of positions and order.
        augmentation
            Augment each segment at random.
        """
        frames, features = self.params.segment_frames, self.features
        sampled = self.recipe.segments_per_track is not None

        def cut(track: dict[str, tf.Tensor]) -> tf.Tensor:
            rows = track["rows"]
            n = tf.shape(rows)[0]
            key = tf.stack([tf.constant(seed, tf.int64), track["track_id"]])
            if sampled:
                starts = frames * tf.random.stateless_uniform([n_moments], key, 0, n // frames, tf.int32)
            else:
                starts = tf.random.stateless_uniform([n_moments], key, 0, n - frames + 1, tf.int32)
            windows = tf.gather(rows, starts[:, tf.newaxis] + tf.range(frames))
            return tf.ensure_shape(features.arrange(windows), [n_moments, *features.segment_shape])

        moments = self._tracks(split, seed).map(cut, num_parallel_calls=N_CALLS, deterministic=True)
        size = 4 * n_moments * int(np.prod(features.segment_shape))
        moments = moments.shuffle(max(64, _SHUFFLE_BYTES // size), seed=seed, reshuffle_each_iteration=False)
        if augmentation is not None:
            change = self._augmenting(augmentation, seed, about=False)
            moments = moments.unbatch().map(change).batch(n_moments, drop_remainder=True)
        return moments.batch(batch_size, drop_remainder=True).prefetch(_PREFETCHED_BATCHES).with_options(_untuned())

    def _hop(self, hop_frames: int | None) -> int:
        hop = self.recipe.hop_frames if hop_frames is None else hop_frames
        if hop < 1:
            raise InputError(f"hop_frames={hop}: give at least 1")
        if hop != self.recipe.hop_frames and self.recipe.segments_per_track is not None:
            raise InputError(
                f"hop_frames={hop}: only segments at a hop of {self.recipe.hop_frames} frames were kept; prepare a "
                "dataset without segments_per_track"
            )
        return hop

    def _cutter(self, hop: int, seed: int | None, about: bool) -> Callable[[dict[str, tf.Tensor]], tf.data.Dataset]:
        frames, features = self.params.segment_frames, self.features
        n_at_once = max(1, _CUT_BYTES // (4 * int(np.prod(features.segment_shape))))

        def slices(track: dict[str, tf.Tensor], windows: tf.Tensor, index: tf.Tensor) -> tf.data.Dataset:
            segments = features.arrange(windows)
            if not about:
                return tf.data.Dataset.from_tensor_slices(segments)
            same = {name: tf.fill(tf.shape(index), track[name]) for name in ("track_id", "label")}
            return tf.data.Dataset.from_tensor_slices((segments, {**same, "segment_index": index}))

        def cut_chosen(track: dict[str, tf.Tensor]) -> tf.data.Dataset:
            windows = tf.reshape(track["rows"], [-1, frames, features.width])
            return slices(track, windows, track["starts"] // hop)

        def cut(track: dict[str, tf.Tensor]) -> tf.data.Dataset:
            rows = track["rows"]
            if seed is not None:
                spare = tf.minimum(tf.shape(rows)[0] - frames + 1, hop)
                key = tf.stack([tf.constant(seed, tf.int64), track["track_id"]])
                rows = rows[tf.random.stateless_uniform([], key, 0, spare, tf.int32) :]
            n = tf.cast((tf.shape(rows)[0] - frames) // hop + 1, tf.int64)

            # A few windows at a time: overlapping windows together can be a hundred times as large as the track.
            def some(first: tf.Tensor) -> tf.data.Dataset:
                index = tf.range(first, tf.minimum(first + n_at_once, n))
                windows = tf.gather(rows, index[:, tf.newaxis] * hop + tf.range(frames, dtype=tf.int64))
                return slices(track, windows, index)

            return tf.data.Dataset.range(0, n, n_at_once).flat_map(some)

        return cut if self.recipe.segments_per_track is None else cut_chosen

    def _augmenting(self, augmentation: Augmentation, seed: int, about: bool) -> Callable[..., Any]:
        augmenter = Augmenter(augmentation, self.features, self.statistics().mean)

        def augment(segment: tf.Tensor, *rest: Any) -> Any:
            # Sets the seed of this function's graph only. The sequential map keeps the random draws in order.
            tf.random.set_seed(seed)
            changed = augmenter(segment)
            return (changed, *rest) if about else changed

        return augment

    @abstractmethod
    def statistics(self) -> SegmentStatistics:
        """Scaler statistics of the training split."""

    @abstractmethod
    def _tracks(self, split: str, seed: int | None) -> tf.data.Dataset:
        """Dictionaries of `track_id`, `label`, `starts` and `rows`, in the order set by `seed`."""

    @abstractmethod
    def _n_cut(self, split: str, hop: int, *, shifted: bool, labelled_only: bool) -> int | None:
        """Number of segments that the pipeline yields; the guaranteed minimum if shifted; None if unknown."""


def _untuned() -> tf.data.Options:
    # TensorFlow 2.16's autotuning is slower here than fixed numbers. It also delays the end of a pipeline until the
    # tuner next wakes, which can double the run time.
    options = tf.data.Options()
    options.autotune.enabled = False
    return options
