"""Segments straight from audio files, decoded in parallel on demand, without a prepared dataset."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tfdeepviz.data.decode import MAX_SECONDS, check_max_seconds
from tfdeepviz.data.features import Recipe
from tfdeepviz.data.fma import Track
from tfdeepviz.data.source import N_CALLS, SegmentSource
from tfdeepviz.data.statistics import SegmentStatistics
from tfdeepviz.data.threads import map_ahead
from tfdeepviz.data.tracks import PreparedTrack, prepare_track
from tfdeepviz.lazy import tf, tfio
from tfdeepviz.params import ParameterError, check_choice

#: `libsndfile` reads everything that `decode_file` reads. `tensorflow-io` decodes mp3 inside the graph, without Python,
#: and is correct only for intact mp3 files at the params' rate (docs/decisions/0001-decoding.md).
DECODERS = ("libsndfile", "tensorflow-io")

# While one thread decodes, another can run the graph.
_THREADS_PER_CALL = 2
#: Shuffle buffer for cached tracks.
_SHUFFLED_TRACKS = 128


@dataclass
class AudioFiles(SegmentSource):
    """Tracks on disk as a source of segments; unusable ones are omitted and recorded in `skipped`.

    With a cache, each track's rows are kept after their first use: in memory if it is True, or in files with this
    prefix. Without one, every epoch decodes all tracks again. An InputError is raised if the decoder is unknown or does
    not support the recipe, or `max_seconds` is out of range.
    """

    recipe: Recipe
    files: Sequence[Track]
    decoder: str = "libsndfile"  # one of `DECODERS`
    cache: bool | Path = False
    max_seconds: float = MAX_SECONDS
    #: Tracks found unusable so far, by track id. The `tensorflow-io` decoder cannot name them; it logs a warning.
    skipped: dict[int, PreparedTrack] = field(default_factory=dict, init=False)
    _statistics: SegmentStatistics | None = field(default=None, init=False)
    _cached: dict[str, tf.data.Dataset] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        check_choice("decoder", self.decoder, DECODERS)
        if self.decoder == "tensorflow-io" and self.recipe.segments_per_track is not None:
            raise ParameterError("segments_per_track: not with the decoder tensorflow-io; choose libsndfile")
        check_max_seconds(self.max_seconds)
        self._extract = self.recipe.features.extractor()

    def statistics(self) -> SegmentStatistics:
        """Scaler statistics of the training split's segments; the first call decodes the whole split."""
        if self._statistics is None:
            shape = self.features.scaler_shape
            batches = self.segments("training", batch_size=256).as_numpy_iterator()
            self._statistics = SegmentStatistics.merge(SegmentStatistics.of(x.reshape(-1, *shape)) for x in batches)
        return self._statistics

    def _n_cut(self, split: str, hop: int, *, shifted: bool, labelled_only: bool) -> int | None:
        return None

    def _tracks(self, split: str, seed: int | None) -> tf.data.Dataset:
        if not self.cache:
            return self._decoded(split, seed)
        if split not in self._cached:
            name = "" if self.cache is True else f"{self.cache}-{split}"
            self._cached[split] = self._decoded(split, None).cache(name)
        tracks = self._cached[split]
        return tracks if seed is None else tracks.shuffle(_SHUFFLED_TRACKS, seed=seed, reshuffle_each_iteration=False)

    def _decoded(self, split: str, seed: int | None) -> tf.data.Dataset:
        members = [index for index, track in enumerate(self.files) if track.split == split]
        if seed is not None:
            np.random.default_rng(seed).shuffle(members)
        if self.decoder == "libsndfile":
            return self._decoded_in_threads([self.files[index] for index in members])
        # An unreadable file yields an error, which is logged and dropped.
        tracks = tf.data.Dataset.from_tensor_slices(np.array(members, np.int64)).map(
            self._graph_decoder(), num_parallel_calls=N_CALLS, deterministic=True
        )
        tracks = tracks.ignore_errors(log_warning=True)
        return tracks.filter(lambda track: tf.shape(track["rows"])[0] >= self.params.segment_frames)

    def _decoded_in_threads(self, members: Sequence[Track]) -> tf.data.Dataset:
        def prepare(track: Track) -> PreparedTrack:
            return prepare_track(track, self.recipe, self._extract, max_seconds=self.max_seconds)

        def generate() -> Iterator[dict[str, Any]]:
            # Separate threads: a Python function mapped by tf.data would block the threads that its own graph needs.
            with closing(map_ahead(prepare, members, _THREADS_PER_CALL * N_CALLS)) as tracks:
                for prepared in tracks:
                    if prepared.rows is None:
                        self.skipped[prepared.track.track_id] = prepared
                        continue
                    label = self.recipe.label(prepared.track.genre)
                    about = {"track_id": prepared.track.track_id, "label": label, "starts": prepared.starts}
                    yield {**about, "rows": prepared.rows.astype(np.float32)}

        signature = {
            **{name: tf.TensorSpec([], tf.int64) for name in ("track_id", "label")},
            "starts": tf.TensorSpec([None], tf.int64),
            "rows": tf.TensorSpec([None, self.features.width], tf.float32),
        }
        return tf.data.Dataset.from_generator(generate, output_signature=signature)

    def _graph_decoder(self) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
        paths = tf.constant([os.fsencode(track.path) for track in self.files])
        ids = tf.constant([track.track_id for track in self.files], tf.int64)
        labels = tf.constant([self.recipe.label(track.genre) for track in self.files], tf.int64)
        extract = self.features.graph_extractor()
        longest = int(self.max_seconds * self.params.sample_rate_hz)

        def decode(index: tf.Tensor) -> dict[str, tf.Tensor]:
            channels = tfio.audio.decode_mp3(tf.io.read_file(paths[index]))  # (n_samples, n_channels)
            pcm = tf.reduce_mean(channels, axis=1)
            rows = extract(tf.cond(tf.size(pcm) <= longest, lambda: pcm, lambda: pcm[:0]))
            rows = tf.cast(tf.cast(rows, self.recipe.storage), tf.float32)
            return {"track_id": ids[index], "label": labels[index], "starts": tf.zeros([0], tf.int64), "rows": rows}

        return decode
