"""Segments of many tracks as `tf.data` pipelines, and prepared datasets: TFRecord shards with a manifest.

One record holds one track's rows, not its segments, so that segments can be cut at any hop later and no track can end
up in two splits.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfdeepviz.data.augment import Augmentation, Augmenter
from tfdeepviz.data.features import Features, Recipe, Rows
from tfdeepviz.data.fma import MAX_LICENCE_CHARACTERS, MAX_LICENCES, SPLITS
from tfdeepviz.data.identity import digest_of, identity_of
from tfdeepviz.data.scaler import SegmentStatistics
from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError, read_json, sha256_file, write_json
from tfdeepviz.params import AudioParams

SCHEMA_VERSION = 3
#: 2 is the schema of version 0.1, which lacks the SHA-256 of the audio files.
_READABLE_SCHEMAS = (2, SCHEMA_VERSION)

#: Records where a dataset comes from. It is not part of the dataset, so the digest does not depend on it.
ORIGIN = "origin.json"
_MAX_ORIGIN_BYTES = 16 << 20

#: Records which files were verified, with their size, modification time and inode.
_VERIFIED = "verified.json"

_FEATURES = {
    "track_id": tf.io.FixedLenFeature([], tf.int64),
    "label": tf.io.FixedLenFeature([], tf.int64),
    "starts": tf.io.VarLenFeature(tf.int64),
    "rows": tf.io.FixedLenFeature([], tf.string),
}

#: Size limit of the shuffle buffer: 4,000 segments of 64x96 float32.
_SHUFFLE_BYTES = 100 << 20
#: Size limit of the windows that are cut from a track at once.
_CUT_BYTES = 4 << 20
#: Tracks and shards that are interleaved before shuffling.
_MIXED_TRACKS, _MIXED_SHARDS = 16, 8


N_CALLS = os.cpu_count() or 1
_PREFETCHED_BATCHES = 4

# TensorFlow 2.16's autotuning is slower here than fixed numbers. It also delays the end of a pipeline until the tuner
# next wakes, which can double the run time.
_FIXED = tf.data.Options()
_FIXED.autotune.enabled = False


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
        return segments.batch(batch_size).prefetch(_PREFETCHED_BATCHES).with_options(_FIXED)

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
        return moments.batch(batch_size, drop_remainder=True).prefetch(_PREFETCHED_BATCHES).with_options(_FIXED)

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


@dataclass(frozen=True)
class Origin:
    """Where a dataset comes from, as recorded by its last `prepare`.

    Attributes
    ----------
    fma_root
        Folder or URL of the corpus.
    licences
        Number of selected tracks per licence, as the corpus's metadata states it; None if it states none or if this
        was not recorded.
    command
        The command line; None if the package was used as a library or if this was not recorded.
    code_version
        Version of tfdeepviz; None if not recorded.
    """

    fma_root: str
    licences: dict[str, int] | None = None
    command: str | None = None
    code_version: str | None = None

    @classmethod
    def load(cls, dataset: Path) -> Origin | None:
        """Read a dataset's origin file; None if there is none.

        Raises
        ------
        FormatError
            If it is not what `prepare` writes.
        """
        path = dataset / ORIGIN
        if not path.is_file():
            return None
        notes = read_json(path, max_bytes=_MAX_ORIGIN_BYTES)
        for name in ("fma_root", "command", "code_version"):
            value = notes.get(name)
            if not isinstance(value, str) and (value is not None or name == "fma_root"):
                raise FormatError(
                    f"{path}: {name}: a text is expected, not {type(value).__name__}; run `tfdeepviz prepare` again"
                )
        licences = notes.get("licences")
        if licences is not None and not _are_licences(licences):
            raise FormatError(
                f"{path}: licences: at most {MAX_LICENCES} names with numbers of tracks are expected; run `tfdeepviz "
                "prepare` again"
            )
        return cls(notes["fma_root"], licences, notes.get("command"), notes.get("code_version"))


def _are_licences(value: object) -> bool:
    return (
        isinstance(value, dict)
        and len(value) <= MAX_LICENCES
        and all(len(name) <= MAX_LICENCE_CHARACTERS for name in value)
        and all(type(count) is int and 0 < count < 1 << 31 for count in value.values())
    )


@dataclass(frozen=True)
class PreparedDataset(SegmentSource):
    """A dataset on disk; open it with `load`.

    Attributes
    ----------
    path
        Folder of the dataset.
    name, recipe
        Its name, and the settings it was made with.
    identity
        Identifies the dataset in runs, bundles and everything else made from it: SHA-256 of the request and of the
        audio files' content, the same on every machine (see `tfdeepviz.data.identity`).
    digest
        Identifies the bytes stored here: SHA-256 of the manifest, which contains the hashes of all files.
    shards
        Entries of the manifest: `file`, `split`, `bytes`, `sha256`, `tracks`, `skipped`.
    summary
        Counts, seconds and levels per split, in total and by genre.
    """

    path: Path
    name: str
    recipe: Recipe
    identity: str
    digest: str
    shards: tuple[dict[str, Any], ...]
    summary: dict[str, Any]
    _scaler_sha256: str | None

    @classmethod
    def load(cls, path: Path, sizes: Mapping[str, int] | None = None) -> PreparedDataset:
        """Read and check a dataset's manifest.

        Parameters
        ----------
        path
            Folder of the dataset.
        sizes
            Size of each shard in bytes, if the shards themselves are stored elsewhere.

        Raises
        ------
        FormatError
            If the manifest is missing, broken or of an unsupported schema, or a shard is missing or has another size.
        """
        manifest_path = path / "manifest.json"
        if not manifest_path.is_file():
            raise FormatError(
                f"{path}: no prepared dataset (manifest.json is missing); make one with `tfdeepviz prepare`"
            )
        manifest = read_json(manifest_path, max_bytes=1 << 30)
        if manifest.get("schema_version") not in _READABLE_SCHEMAS:
            readable = " or ".join(map(str, _READABLE_SCHEMAS))
            raise FormatError(f"{manifest_path}: schema_version has to be {readable}; prepare the dataset again")
        try:
            recipe = Recipe.from_dict(manifest["recipe"])
            shards = tuple(manifest["shards"])
            sizes = shard_sizes(path) if sizes is None else sizes
            for shard in shards:
                check_shard(path, shard, recipe, sizes, listed_in=manifest_path)
            name, summary, scaler = str(manifest["name"]), dict(manifest["statistics"]), manifest["scaler"]
            scaler_sha256 = None if scaler is None else str(scaler["sha256"])
            identity = identity_of(manifest)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(
                f"{manifest_path}: not a dataset's manifest ({error!r}); prepare the dataset again"
            ) from error
        return cls(path, name, recipe, identity, digest_of(manifest), shards, summary, scaler_sha256)

    def verify(self, *, progress: Callable[[int, int], None] | None = None, only_changed: bool = False) -> None:
        """Compare every file with its SHA-256 in the manifest.

        Parameters
        ----------
        progress
            Called with (bytes done, total bytes).
        only_changed
            Skip files that were verified before and whose size, modification time and inode are still the same.
            `verified.json` in the dataset's folder records these, if the folder is writable.

        Raises
        ------
        FormatError
            For the first file that differs.
        """
        files = {shard["file"]: (shard["sha256"], shard["bytes"]) for shard in self.shards}
        if self._scaler_sha256 is not None:
            files["scaler.npz"] = (self._scaler_sha256, 0)
        before = _load_verified(self.path) if only_changed else {}
        verified: dict[str, list[Any]] = {}
        done, total = 0, sum(n_bytes for _, n_bytes in files.values())
        for name, (sha256, n_bytes) in files.items():
            file = self.path / name
            if file.is_file():
                # Take the status before reading, so that a change during the read counts as a change.
                status = file.stat()
                verified[name] = [sha256, status.st_size, status.st_mtime_ns, status.st_ino]
            if name not in verified or (before.get(name) != verified[name] and sha256_file(file) != sha256):
                raise FormatError(
                    f"{file}: not the file that the manifest lists (SHA-256 differs); delete it and run `prepare` again"
                )
            done += n_bytes
            if progress is not None:
                progress(done, total)
        if verified != before:
            # In a read-only folder, files are verified every time.
            with suppress(OSError):
                write_json(self.path / _VERIFIED, {"files": verified})

    @property
    def origin(self) -> Path | None:
        """Folder of the corpus it was prepared from, if known and still present."""
        notes = self.notes
        root = None if notes is None else Path(notes.fma_root)
        return root if root is not None and root.is_dir() else None

    @property
    def notes(self) -> Origin | None:
        """Contents of the origin file; None if there is none.

        Raises
        ------
        FormatError
            If the file is not what `prepare` writes.
        """
        return Origin.load(self.path)

    def n_tracks(self, split: str) -> int:
        """Number of usable tracks in a split."""
        return len(self.used(split))

    def n_segments(
        self, split: str, *, hop_frames: int | None = None, shifted: bool = False, labelled_only: bool = False
    ) -> int:
        """Number of segments in a split; `shifted` counts those that `segments` yields with a seed."""
        return self._n_cut(split, self._hop(hop_frames), shifted=shifted, labelled_only=labelled_only)

    def used(self, split: str) -> list[dict[str, Any]]:
        """Usable tracks of a split, with `track_id`, `genre`, `path`, `seconds`, `n_frames`, `n_segments` and more."""
        if split not in SPLITS:
            raise InputError(f"split={split!r}: choose one of {', '.join(SPLITS)}")
        return [track for shard in self.shards if shard["split"] == split for track in shard["tracks"]]

    @property
    def skipped(self) -> list[dict[str, Any]]:
        """Unusable tracks, each with `track_id`, `path`, `reason` and `message`."""
        return [entry for shard in self.shards for entry in shard["skipped"]]

    def require_training(self) -> None:
        """Raise an error if the dataset has no training tracks and so only suits evaluation.

        Raises
        ------
        InputError
            If it has no training tracks.
        """
        if self._scaler_sha256 is None:
            raise InputError(
                f"{self.path}: has no training tracks; it is for measuring models that were trained on another "
                "dataset, which scale it by their own norms"
            )

    def statistics(self) -> SegmentStatistics:
        """Scaler statistics of the training split's segments.

        Raises
        ------
        FormatError
            If the file is missing, broken or for another grid.
        InputError
            If the dataset has no training tracks.
        """
        self.require_training()
        statistics = SegmentStatistics.load(self.path / "scaler.npz")
        if statistics.mean.shape != self.features.scaler_shape:
            raise FormatError(f"{self.path / 'scaler.npz'}: belongs to another segment grid; prepare the dataset again")
        return statistics

    def tracks(self, split: str) -> Iterator[tuple[int, Rows]]:
        """Every usable track's id and rows [shape=(n_rows, width), dtype=float32], in order.

        Raises
        ------
        FormatError
            If a record is damaged.
        """
        listed = self.used(split)
        tracks = self._tracks(split, None).as_numpy_iterator()
        try:
            for track, about in zip(tracks, listed, strict=True):
                n_rows = about["n_frames"]
                if self.recipe.segments_per_track is not None:
                    n_rows = about["n_segments"] * self.params.segment_frames
                if (track["track_id"], len(track["rows"])) != (about["track_id"], n_rows):
                    raise InputError(f"not what the manifest says of track {about['track_id']}")
                yield about["track_id"], track["rows"]
        except (tf.errors.OpError, ValueError) as error:
            # ValueError also covers a wrong number of records, and messages in which TensorFlow quotes record bytes.
            text = error.message if isinstance(error, tf.errors.OpError) else str(error)
            # Keep only the first line, without the leading names of graph nodes.
            reason = text.partition("\n")[0].rpartition("}} ")[2]
            raise FormatError(
                f"{self.path}: a record of the {split} split is damaged ({reason}); find the file with "
                "`tfdeepviz inspect`, delete it and run `prepare` again"
            ) from error

    def _n_cut(self, split: str, hop: int, *, shifted: bool, labelled_only: bool) -> int:
        tracks = [track for track in self.used(split) if track["genre"] or not labelled_only]
        if self.recipe.segments_per_track is not None:
            return sum(track["n_segments"] for track in tracks)
        width, total = self.params.segment_frames, 0
        for track in tracks:
            n_frames: int = track["n_frames"]
            latest = min(n_frames - width, hop - 1) if shifted else 0
            # Same as `len(segment_starts(...))`, without allocating the array.
            total += len(range(latest, n_frames - width + 1, hop))
        return total

    def _tracks(self, split: str, seed: int | None) -> tf.data.Dataset:
        paths = [self.path / shard["file"] for shard in self.shards if shard["split"] == split]
        for path in paths:
            _check_lengths(path)
        files = [os.fsencode(path) for path in paths]  # TensorFlow accepts non-UTF-8 names only as bytes
        if seed is None:
            records = tf.data.TFRecordDataset(files)
        else:
            np.random.default_rng(seed).shuffle(files)
            records = tf.data.Dataset.from_tensor_slices(tf.constant(files, tf.string)).interleave(
                tf.data.TFRecordDataset,
                cycle_length=_MIXED_SHARDS,
                num_parallel_calls=N_CALLS,
                deterministic=True,
            )
        stored = {"float32": tf.float32, "float16": tf.float16}[self.recipe.storage]

        def parse(record: tf.Tensor) -> dict[str, tf.Tensor]:
            example = tf.io.parse_single_example(record, _FEATURES)
            rows = tf.io.decode_raw(example["rows"], stored)
            return {
                **{"track_id": example["track_id"], "label": example["label"]},
                "starts": tf.sparse.to_dense(example["starts"]),
                "rows": tf.cast(tf.reshape(rows, [-1, self.features.width]), tf.float32),
            }

        return records.map(parse, num_parallel_calls=N_CALLS, deterministic=True)


def describe(dataset: PreparedDataset) -> dict[str, Any]:
    """Describe a dataset and its origin, for the manifests of whatever is made from it.

    Returns
    -------
    dict
        JSON values: `name`, `digest` (the identity), `path`; and from `Origin`, `licences` and `command`, None if not
        recorded.

    Raises
    ------
    FormatError
        If the origin file is not what `prepare` writes.
    """
    notes = dataset.notes
    return {
        **{"name": dataset.name, "digest": dataset.identity, "path": str(dataset.path.resolve())},
        "licences": None if notes is None else notes.licences,
        "command": None if notes is None else notes.command,
    }


def _load_verified(folder: Path) -> dict[str, Any]:
    """Read which files were verified before; a missing or invalid record counts as empty."""
    try:
        files = read_json(folder / _VERIFIED).get("files")
    except (FormatError, OSError):
        return {}
    return files if isinstance(files, dict) else {}


def shard_sizes(folder: Path) -> dict[str, int]:
    """Size in bytes of every shard in a folder, by name."""
    return {path.name: path.stat().st_size for path in folder.glob("*.tfrecord-*")}


def _check_lengths(file: Path) -> None:
    """Reject files whose record lengths do not add up to the file size, because TensorFlow crashes on them."""
    size, at = file.stat().st_size, 0
    with file.open("rb", buffering=0) as records:
        while at < size:
            records.seek(at)
            # Each record has an 8-byte length and a 4-byte checksum before it, and a 4-byte checksum after it.
            at += int.from_bytes(records.read(8), "little") + 16
    if at != size:
        raise FormatError(f"{file}: its records do not end where the file does; delete it and run `prepare` again")


def check_shard(
    folder: Path, shard: dict[str, Any], recipe: Recipe, sizes: Mapping[str, int], *, listed_in: Path
) -> None:
    """Check a shard's entry in the manifest or in the shard's own JSON file, and the size of the shard.

    Raises
    ------
    FormatError
        If anything in it differs from what `prepare` writes.
    """
    try:
        _check_entry(folder, shard, recipe, sizes, listed_in)
    except (KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"{listed_in}: not the entry of a shard ({error!r}); prepare the dataset again") from error


def _check_entry(folder: Path, shard: dict[str, Any], recipe: Recipe, sizes: Mapping[str, int], manifest: Path) -> None:
    name = shard["file"]
    if not isinstance(name, str) or Path(name).name != name:
        raise FormatError(f"{manifest}: {name!r} is no plain file name")
    if name not in sizes or sizes[name] != shard["bytes"]:
        raise FormatError(f"{folder / name}: missing or not {shard['bytes']} bytes long; run `prepare` again")
    if shard["split"] not in SPLITS:
        raise FormatError(f"{manifest}: {shard['split']!r} is no split")
    if not isinstance(shard["sha256"], str):
        raise FormatError(f"{manifest}: {name}: sha256={shard['sha256']!r}")
    least = {"track_id": 0, "n_frames": recipe.features.params.segment_frames, "n_segments": 1}
    for entry, used in (*((track, True) for track in shard["tracks"]), *((skip, False) for skip in shard["skipped"])):
        source = entry.get("source_sha256")
        if source is not None and not (isinstance(source, str) and re.fullmatch("[0-9a-f]{64}", source)):
            raise FormatError(f"{manifest}: track {entry['track_id']!r}: source_sha256={source!r}")
        texts = ("genre", "path", "title", "artist", *(() if used else ("reason", "message")))
        if not all(isinstance(entry[key], str) for key in texts):
            raise FormatError(f"{manifest}: track {entry['track_id']!r}: {', '.join(texts)} have to be texts")
        for key in least if used else ("track_id",):
            value = entry[key]
            if not isinstance(value, int) or isinstance(value, bool) or not least[key] <= value < 1 << 31:
                raise FormatError(f"{manifest}: a track has {key}={value!r}")
        for key in ("seconds", "level_db") if used else ():
            value = entry[key]
            if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e9:
                raise FormatError(f"{manifest}: track {entry['track_id']}: {key}={value!r}")
    for track in shard["tracks"]:
        # Bounds the work computed from the entry: a track's frames and segments have to fit into its shard.
        n_frames, n_segments = track["n_frames"], track["n_segments"]
        n_rows = n_frames
        if recipe.segments_per_track is not None:
            n_rows = n_segments * recipe.features.params.segment_frames
        if n_rows * recipe.features.width * np.dtype(recipe.storage).itemsize > shard["bytes"]:
            raise FormatError(f"{manifest}: track {track['track_id']}: n_frames={n_frames} does not fit into {name}")
