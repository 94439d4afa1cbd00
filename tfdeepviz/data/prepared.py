"""Prepared datasets: TFRecord shards with a manifest.

One record holds one track's rows, not its segments, so that segments can be cut at any hop later and no track can end
up in two splits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tfdeepviz import legacy
from tfdeepviz.artifacts import ARTIFACT, Artifact, digest_of, require_kind
from tfdeepviz.data.features import Recipe, Rows
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.manifest import (
    Facts,
    Manifest,
    ShardEntry,
    SkippedTrack,
    UsedTrack,
    check_shard,
    identity_of,
    shard_sizes,
)
from tfdeepviz.data.source import MIXED_SHARDS, N_CALLS, SegmentSource
from tfdeepviz.data.statistics import SegmentStatistics
from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError, convert, read_json, read_record, sha256_file, write_json
from tfdeepviz.lazy import tf
from tfdeepviz.params import check_choice

#: Records which files were verified, with their size, modification time and inode.
_VERIFIED = "verified.json"
_MAX_MANIFEST_BYTES = 1 << 30
_AGAIN = "`tfdeepviz prepare` with the same options makes it again"


class _Verified(msgspec.Struct):
    files: dict[str, Any] = {}


@dataclass(frozen=True)
class PreparedDataset(SegmentSource):
    """A dataset on disk; open it with `load`.

    The identity stands for the dataset in runs, bundles and everything else made from it: SHA-256 of the request and of
    the audio files' content, the same on every machine (see `identity_of`). The digest stands for the bytes stored
    here: SHA-256 of the manifest, which contains the hashes of all files.
    """

    path: Path
    name: str
    recipe: Recipe
    identity: str
    digest: str
    shards: tuple[ShardEntry, ...]
    summary: dict[str, Any]  # counts, seconds and levels per split, in total and by genre
    _scaler_sha256: str | None

    @classmethod
    def load(cls, path: Path, sizes: Mapping[str, int] | None = None) -> PreparedDataset:
        """Read and check a dataset's manifest; raises a FormatError if it or a shard is not as `prepare` left it.

        `sizes` are the sizes of the shards in bytes, if they are stored elsewhere.
        """
        manifest_path = path / "manifest.json"
        require_kind(path, "dataset", manifest_path.name)
        sizes = shard_sizes(path) if sizes is None else sizes
        values = read_json(manifest_path, max_bytes=_MAX_MANIFEST_BYTES, remedy=_AGAIN)
        manifest = convert(values, Manifest, manifest_path, remedy=_AGAIN)
        try:
            recipe = Recipe.from_dict(manifest.recipe)
            for shard in manifest.shards:
                check_shard(path, shard, recipe, sizes, listed_in=manifest_path)
        except InputError as error:
            flaw = str(error) if isinstance(error, FormatError) else f"{manifest_path}: recipe: {error}"
            raise FormatError(f"{flaw}; {_AGAIN}") from error
        scaler_sha256 = None if manifest.scaler is None else manifest.scaler["sha256"]
        described = (identity_of(values), digest_of(values), tuple(manifest.shards), manifest.statistics)
        return cls(path, manifest.name, recipe, *described, scaler_sha256)

    def verify(self, *, progress: Callable[[int, int], None] | None = None, only_changed: bool = False) -> None:
        """Compare every file with its SHA-256 in the manifest; raises a FormatError for the first that differs.

        `only_changed` skips files that were verified before and whose size, modification time and inode are still the
        same. `verified.json` in the dataset's folder records these, if the folder is writable. `progress` is called
        with (bytes done, total bytes).
        """
        files = {shard["file"]: (shard["sha256"], shard["bytes"]) for shard in self.shards}
        if self._scaler_sha256 is not None:
            files["scaler.npz"] = (self._scaler_sha256, 0)
        before: dict[str, Any] = {}
        if only_changed:
            with suppress(FormatError, OSError):  # a missing or broken record verifies everything
                before = read_record(self.path / _VERIFIED, _Verified).files
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
                    f"{file}: not the file that the manifest lists (SHA-256 differs); delete it; {_AGAIN}"
                )
            done += n_bytes
            if progress is not None:
                progress(done, total)
        if verified != before:
            # In a read-only folder, files are verified every time.
            with suppress(OSError):
                write_json(self.path / _VERIFIED, {"files": verified})

    @property
    def record(self) -> Artifact:
        """Its record, which is not part of the dataset; raises a FormatError if it is broken."""
        path = self.path / ARTIFACT
        if path.is_file():
            return Artifact.read(path).finished(self.identity)
        return legacy.dataset_record(self.path, self.name, self.identity)

    @property
    def origin(self) -> Path | None:
        """Folder of the corpus it was prepared from, if known and still present."""
        places = [one.place(self.path) for one in self.record.inputs]
        return next((place for place in places if place is not None and place.is_dir()), None)

    def used(self, split: str) -> list[UsedTrack]:
        """Usable tracks of a split."""
        check_choice("split", split, SPLITS)
        return [track for shard in self.shards if shard["split"] == split for track in shard["tracks"]]

    @property
    def skipped(self) -> list[SkippedTrack]:
        """Unusable tracks."""
        return [track for shard in self.shards for track in shard["skipped"]]

    def n_tracks(self, split: str) -> int:
        """Number of usable tracks in a split."""
        return len(self.used(split))

    def n_segments(
        self, split: str, *, hop_frames: int | None = None, shifted: bool = False, labelled_only: bool = False
    ) -> int:
        """Number of segments in a split; `shifted` counts those that `segments` yields with a seed."""
        return self._n_cut(split, self._hop(hop_frames), shifted=shifted, labelled_only=labelled_only)

    def require_training(self) -> None:
        """Raise an InputError if the dataset has no training tracks and so only suits evaluation."""
        if self._scaler_sha256 is None:
            raise InputError(
                f"{self.path}: has no training tracks, so it only suits the evaluation of models trained on "
                "another dataset, which bring their own scaler"
            )

    def statistics(self) -> SegmentStatistics:
        """Scaler statistics of the training split's segments; needs training tracks."""
        self.require_training()
        statistics = SegmentStatistics.load(self.path / "scaler.npz")
        if statistics.mean.shape != self.features.scaler_shape:
            raise FormatError(f"{self.path / 'scaler.npz'}: belongs to another segment grid; {_AGAIN}")
        return statistics

    def tracks(self, split: str) -> Iterator[tuple[int, Rows]]:
        """Every usable track's id and rows [shape=(n_rows, width), dtype=float32], in order.

        Raises a FormatError if a record is damaged.
        """
        tracks = self._tracks(split, None).as_numpy_iterator()
        try:
            for track, about in zip(tracks, self.used(split), strict=True):
                n_rows = self.recipe.n_rows(about["n_frames"], about["n_segments"])
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
                f"`tfdeepviz inspect` and delete it; {_AGAIN}"
            ) from error

    def _n_cut(self, split: str, hop: int, *, shifted: bool, labelled_only: bool) -> int:
        tracks = [track for track in self.used(split) if track["genre"] or not labelled_only]
        if self.recipe.segments_per_track is not None:
            return sum(track["n_segments"] for track in tracks)
        total = 0
        for track in tracks:
            last = track["n_frames"] - self.params.segment_frames
            first = min(last, hop - 1) if shifted else 0
            # Same as `len(segment_starts(...))`, without allocating the array.
            total += len(range(first, last + 1, hop))
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
                cycle_length=MIXED_SHARDS,
                num_parallel_calls=N_CALLS,
                deterministic=True,
            )
        fields = {
            **{name: tf.io.FixedLenFeature([], tf.int64) for name in ("track_id", "label")},
            **{"starts": tf.io.VarLenFeature(tf.int64), "rows": tf.io.FixedLenFeature([], tf.string)},
        }

        def parse(record: tf.Tensor) -> dict[str, tf.Tensor]:
            example = tf.io.parse_single_example(record, fields)
            rows = tf.io.decode_raw(example["rows"], tf.as_dtype(self.recipe.storage))
            return {
                "track_id": example["track_id"],
                "label": example["label"],
                "starts": tf.sparse.to_dense(example["starts"]),
                "rows": tf.cast(tf.reshape(rows, [-1, self.features.width]), tf.float32),
            }

        return records.map(parse, num_parallel_calls=N_CALLS, deterministic=True)


def describe(dataset: PreparedDataset) -> dict[str, Any]:
    """Describe a dataset for the manifests of whatever is made from it; raises a FormatError if its record is broken.

    Returns
    -------
    dict
        JSON values: `name` (of its corpus), `digest` (the identity), `path`; and `licences` and `command`, None if not
        recorded.
    """
    record = dataset.record
    return {
        **{"name": corpus_name(record), "digest": dataset.identity, "path": str(dataset.path.resolve())},
        **{"licences": convert(record.facts, Facts, f"{dataset.path}: facts").licences, "command": record.command},
    }


def corpus_name(record: Artifact) -> str:
    """Name of the corpus that a dataset with this record was prepared from; the dataset's own if that is unknown.

    A dataset is called after FMA's subset, even one of another corpus in FMA's layout.
    """
    return next((one.artifact.name for one in record.inputs if one.role == "corpus"), record.name)


def _check_lengths(file: Path) -> None:
    """Reject files whose record lengths do not add up to the file size, because TensorFlow crashes on them."""
    size, at = file.stat().st_size, 0
    with file.open("rb", buffering=0) as records:
        while at < size:
            records.seek(at)
            # Each record has an 8-byte length and a 4-byte checksum before it, and a 4-byte checksum after it.
            at += int.from_bytes(records.read(8), "little") + 16
    if at != size:
        raise FormatError(f"{file}: its records do not end where the file does; delete it; {_AGAIN}")
