"""Segments of many tracks as `tf.data` pipelines."""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from tfdeepviz.data.augment import Augmentation, Augmenter
from tfdeepviz.data.features import Features, Recipe
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.statistics import SegmentStatistics
from tfdeepviz.errors import InputError
from tfdeepviz.lazy import tf
from tfdeepviz.params import AudioParams, check_choice

#: Size limit of the shuffle buffer: 4,000 segments of 64x96 float32.
_SHUFFLE_BYTES = 100 << 20
#: Size limit of the windows that are cut from a track at once.
_CUT_BYTES = 4 << 20
#: Tracks and shards that are interleaved before shuffling.
_MIXED_TRACKS, MIXED_SHARDS = 16, 8
_PREFETCHED_BATCHES = 4

N_CALLS = os.cpu_count() or 1


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
        about: bool = False,
        labelled_only: bool = False,
        augmentation: Augmentation | None = None,
    ) -> tf.data.Dataset:
        """Batches of segments [shape=(batch, *Features.segment_shape), dtype=float32], not yet scaled.

        Parameters
        ----------
        split
            One of `tfdeepviz.data.fma.SPLITS`.
        hop_frames
            Frames between segments of a track, by default the recipe's. A dataset that holds chosen segments only
            supports no other hop.
        seed
            None keeps the order of the tracks. Otherwise segments are shuffled across tracks, and each track is cut
            from a random first frame. Give each epoch its own seed, so that it sees different segments.
        about
            Yield pairs of segments and a dictionary of `track_id`, `segment_index` (on the grid of hops), `start`
            (frame of the track) and `label` (index into `recipe.genres`, -1 for none) [each shape=(batch,),
            dtype=int64].
        labelled_only
            Omit tracks without a genre.
        augmentation
            Augment each segment at random; needs a seed.

        Raises
        ------
        InputError
            If the split is unknown or options conflict.
        """
        check_choice("split", split, SPLITS)
        hop = self._hop(hop_frames)
        tracks = self._tracks(split, seed)
        if labelled_only:
            tracks = tracks.filter(lambda track: track["label"] >= 0)
        cut = self._cutter(hop, seed, about)
        if seed is None:
            segments = tracks.flat_map(cut)
        else:
            segments = tracks.interleave(
                cut, cycle_length=_MIXED_TRACKS, num_parallel_calls=N_CALLS, deterministic=True
            )
            segments = self._shuffled(segments, seed)
        n_segments = self._n_cut(split, hop, shifted=seed is not None, labelled_only=labelled_only)
        if n_segments is not None:
            segments = segments.take(n_segments).apply(tf.data.experimental.assert_cardinality(n_segments))
        if augmentation is not None:
            if seed is None:
                raise InputError("augmentation needs a seed")
            segments = segments.map(self._augmenting(augmentation, seed))
        return _batched(segments, batch_size)

    def moments(
        self, split: str, *, n_moments: int, batch_size: int, seed: int, augmentation: Augmentation | None = None
    ) -> tf.data.Dataset:
        """Batches of moments of `batch_size` tracks [shape=(batch, n_moments, *Features.segment_shape), dtype=float32].

        One pass over the tracks of a split, for learning from what the moments of a track have in common. The seed sets
        the order of the tracks and the positions of their moments, which may overlap. No track occurs twice in a batch;
        an incomplete last batch is dropped.
        """
        frames, features, step = self.params.segment_frames, self.features, self._step(1)

        def cut(track: dict[str, tf.Tensor]) -> tf.Tensor:
            n_starts = (tf.shape(track["rows"])[0] - frames) // step + 1
            starts = step * tf.random.stateless_uniform([n_moments], _track_seed(seed, track), 0, n_starts, tf.int32)
            windows = tf.gather(track["rows"], starts[:, tf.newaxis] + tf.range(frames))
            return tf.ensure_shape(features.arrange(windows), [n_moments, *features.segment_shape])

        moments = self._tracks(split, seed).map(cut, num_parallel_calls=N_CALLS, deterministic=True)
        moments = self._shuffled(moments, seed, n_segments=n_moments)
        if augmentation is not None:
            change = self._augmenting(augmentation, seed)
            moments = moments.unbatch().map(change).batch(n_moments, drop_remainder=True)
        return _batched(moments, batch_size, drop_remainder=True)

    def _hop(self, hop_frames: int | None) -> int:
        hop = self.recipe.hop_frames if hop_frames is None else hop_frames
        if hop < 1:
            raise InputError(f"a hop of {hop} frames: give at least 1")
        if hop != self.recipe.hop_frames and self.recipe.segments_per_track is not None:
            kept = f"only segments at a hop of {self.recipe.hop_frames} frames were kept"
            raise InputError(f"a hop of {hop} frames: {kept}; prepare a dataset without --segments-per-track")
        return hop

    def _step(self, hop: int) -> int:
        """Rows between segments: datasets that hold chosen segments store them one after the other."""
        return hop if self.recipe.segments_per_track is None else self.params.segment_frames

    def _cutter(self, hop: int, seed: int | None, about: bool) -> Callable[[dict[str, tf.Tensor]], tf.data.Dataset]:
        frames, features, step = self.params.segment_frames, self.features, self._step(hop)
        is_whole = self.recipe.segments_per_track is None
        n_at_once = max(1, _CUT_BYTES // self._segment_bytes)

        def cut(track: dict[str, tf.Tensor]) -> tf.data.Dataset:
            rows, shift = track["rows"], tf.constant(0)
            if seed is not None and is_whole:
                spare = tf.minimum(tf.shape(rows)[0] - frames + 1, hop)
                shift = tf.random.stateless_uniform([], _track_seed(seed, track), 0, spare, tf.int32)
                rows = rows[shift:]
            n = tf.cast((tf.shape(rows)[0] - frames) // step + 1, tf.int64)

            # A few windows at a time: overlapping windows together can be a hundred times as large as the track.
            def some(first: tf.Tensor) -> tf.data.Dataset:
                index = tf.range(first, tf.minimum(first + n_at_once, n))
                windows = tf.gather(rows, index[:, tf.newaxis] * step + tf.range(frames, dtype=tf.int64))
                segments = features.arrange(windows)
                if not about:
                    return tf.data.Dataset.from_tensor_slices(segments)
                same = {name: tf.fill(tf.shape(index), track[name]) for name in ("track_id", "label")}
                starts = tf.cast(shift, tf.int64) + index * hop if is_whole else tf.gather(track["starts"], index)
                places = {"segment_index": index if is_whole else starts // hop, "start": starts}
                return tf.data.Dataset.from_tensor_slices((segments, {**same, **places}))

            return tf.data.Dataset.range(0, n, n_at_once).flat_map(some)

        return cut

    @property
    def _segment_bytes(self) -> int:
        return 4 * math.prod(self.features.segment_shape)

    def _shuffled(self, elements: tf.data.Dataset, seed: int, *, n_segments: int = 1) -> tf.data.Dataset:
        """Shuffle elements of `n_segments` segments each in a bounded buffer."""
        size = max(64, _SHUFFLE_BYTES // (n_segments * self._segment_bytes))
        return elements.shuffle(size, seed=seed, reshuffle_each_iteration=False)

    def _augmenting(self, augmentation: Augmentation, seed: int) -> Callable[..., Any]:
        augmenter = Augmenter(augmentation, self.features, self.statistics().mean)

        def augment(segment: tf.Tensor, *about: Any) -> Any:
            # Sets the seed of this function's graph only. The sequential map keeps the random draws in order.
            tf.random.set_seed(seed)
            changed = augmenter(segment)
            return (changed, *about) if about else changed

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


def _track_seed(seed: int, track: dict[str, tf.Tensor]) -> tf.Tensor:
    """Seed of a track's random positions."""
    return tf.stack([tf.constant(seed, tf.int64), track["track_id"]])


def _batched(elements: tf.data.Dataset, batch_size: int, *, drop_remainder: bool = False) -> tf.data.Dataset:
    # TensorFlow 2.16's autotuning is slower here than fixed numbers. It also delays the end of a pipeline until the
    # tuner next wakes, which can double the run time.
    options = tf.data.Options()
    options.autotune.enabled = False
    batches = elements.batch(batch_size, drop_remainder=drop_remainder)
    return batches.prefetch(_PREFETCHED_BATCHES).with_options(options)
