"""Prepared datasets: TFRecord shards of MFCC frames with a manifest, and `tf.data` pipelines out of them.

One record holds one track's frames, not its segments: any hop can be cut from it later, and a track can never be
spread over two splits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfdeepviz.data.decode import AudioError, AudioTooShortError, decode_file
from tfdeepviz.data.files import FormatError, atomic_path, read_json, sha256_file, write_json
from tfdeepviz.data.fma import SPLITS, Track, read_tracks
from tfdeepviz.data.frontend import MfccFrontend
from tfdeepviz.data.scaler import SegmentStatistics
from tfdeepviz.data.segments import cut_segments, segment_starts
from tfdeepviz.params import AudioParams, ParameterError

SCHEMA_VERSION = 1
TRACKS_PER_SHARD = 32

_FEATURES = {
    "track_id": tf.io.FixedLenFeature([], tf.int64),
    "mfcc": tf.io.FixedLenFeature([], tf.string),
}

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class TrackFeatures:
    """What one track became; `mfcc` [shape=(n_frames, n_mfcc)] is None where the track was skipped."""

    track: Track
    mfcc: npt.NDArray[np.float32] | None
    reason: str = ""
    message: str = ""


def prepare_track(track: Track, frontend: MfccFrontend) -> TrackFeatures:
    """Decode one track and compute its frames; files that cannot be used become a reason, not an exception."""
    params = frontend.params
    try:
        pcm = decode_file(track.path, sample_rate_hz=params.sample_rate_hz)
        if params.n_frames(pcm.size) < params.segment_frames:
            raise AudioTooShortError(
                f"{track.path}: {pcm.size / params.sample_rate_hz:.2f} s of sound is less than one segment "
                f"({params.segment_seconds:.2f} s)"
            )
    except AudioError as error:
        return TrackFeatures(track, None, error.reason, str(error))
    except FileNotFoundError as error:
        return TrackFeatures(track, None, "missing", str(error))
    return TrackFeatures(track, frontend.mfcc(pcm))


def prepare(
    fma_root: Path,
    out: Path,
    *,
    subset: str,
    params: AudioParams,
    n_workers: int = 2,
    progress: Progress | None = None,
) -> PreparedDataset:
    """Decode a subset of FMA into a prepared dataset; call again to resume.

    Parameters
    ----------
    fma_root
        Folder in FMA's layout.
    out
        Folder of the dataset; made if missing.
    subset
        One of `tfdeepviz.data.fma.SUBSETS`.
    params
        Front end and segment grid.
    n_workers
        Threads that decode; the result does not depend on it.
    progress
        Called with (tracks done, tracks in all).

    Raises
    ------
    FormatError
        If the metadata cannot be used or `out` holds a dataset with other settings.
    ValueError
        If no track of the training split can be used.
    """
    tracks = read_tracks(fma_root, subset=subset)
    if not tracks:
        raise FormatError(f"{fma_root}: fma_metadata/tracks.csv lists no track of subset {subset!r}")
    ids = hashlib.sha256(json.dumps([(track.track_id, track.split) for track in tracks]).encode()).hexdigest()
    settings = {"schema_version": SCHEMA_VERSION, "subset": subset, "audio": params.to_dict(), "tracks_sha256": ids}
    _claim(out, settings)

    done = 0
    frontend = MfccFrontend(params)
    shards: list[dict[str, Any]] = []
    with ThreadPoolExecutor(n_workers) as pool:
        for split in SPLITS:
            members = [track for track in tracks if track.split == split]
            groups = [members[i : i + TRACKS_PER_SHARD] for i in range(0, len(members), TRACKS_PER_SHARD)]
            for index, group in enumerate(groups):
                path = out / f"fma_{subset}-{split}.tfrecord-{index:05d}-of-{len(groups):05d}"
                shard = _finished_shard(path)
                if shard is None:
                    features = []
                    for feature in pool.map(partial(prepare_track, frontend=frontend), group):
                        features.append(feature)
                        if progress is not None:
                            progress(done + len(features), len(tracks))
                    shard = _write_shard(path, split, features, fma_root)
                done += len(group)
                if progress is not None:
                    progress(done, len(tracks))
                shards.append(shard)

    if not any(shard["tracks"] for shard in shards if shard["split"] == "training"):
        skipped = [entry for shard in shards for entry in shard["skipped"]]
        example = f"; for example {skipped[0]['message']}" if skipped else ""
        raise ValueError(f"{fma_root}: no track of the training split can be used{example}")

    manifest = {**settings, "shards": shards}
    write_json(out / "manifest.json", manifest)
    dataset = PreparedDataset.load(out)
    if not (out / "scaler.npz").exists():
        dataset.fit_statistics().save(out / "scaler.npz")
    return dataset


def _claim(out: Path, settings: dict[str, Any]) -> None:
    path = out / "settings.json"
    if not path.exists():
        if out.exists() and any(out.iterdir()):
            raise FormatError(f"{out}: not empty and not a prepared dataset; give another --out")
        write_json(path, settings)
    elif read_json(path) != settings:
        raise FormatError(
            f"{out}: was prepared from other tracks or with other parameters; give another --out or delete it"
        )


def _finished_shard(path: Path) -> dict[str, Any] | None:
    note = _note(path)
    if not note.exists():
        return None
    shard = read_json(note)
    return shard if path.exists() and path.stat().st_size == shard.get("bytes") else None


def _note(shard: Path) -> Path:
    return shard.parent / "shards" / f"{shard.name}.json"


def _write_shard(path: Path, split: str, features: Sequence[TrackFeatures], fma_root: Path) -> dict[str, Any]:
    used, skipped = [], []
    with atomic_path(path) as temporary:
        with tf.io.TFRecordWriter(str(temporary)) as writer:
            for feature in features:
                track = feature.track
                about = {"track_id": track.track_id, "genre": track.genre, "artist": track.artist, "title": track.title}
                if feature.mfcc is None:
                    relative = str(track.path.relative_to(fma_root))
                    message = feature.message.replace(str(track.path), relative)
                    skipped.append({**about, "path": relative, "reason": feature.reason, "message": message})
                else:
                    writer.write(_example(track.track_id, feature.mfcc))
                    used.append({**about, "n_frames": len(feature.mfcc)})
        shard = {
            **{"file": path.name, "split": split, "bytes": temporary.stat().st_size},
            **{"sha256": sha256_file(temporary), "tracks": used, "skipped": skipped},
        }
    write_json(_note(path), shard)
    return shard


def _example(track_id: int, mfcc: npt.NDArray[np.float32]) -> bytes:
    features = {
        "track_id": tf.train.Feature(int64_list=tf.train.Int64List(value=[track_id])),
        "mfcc": tf.train.Feature(bytes_list=tf.train.BytesList(value=[mfcc.astype("<f4").tobytes()])),
    }
    example: bytes = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(
        deterministic=True
    )
    return example


@dataclass(frozen=True)
class PreparedDataset:
    """A dataset on disk; open it with `load`."""

    path: Path
    params: AudioParams
    subset: str
    digest: str
    shards: tuple[dict[str, Any], ...]

    @classmethod
    def load(cls, path: Path) -> PreparedDataset:
        """Read and check a dataset's manifest.

        Raises
        ------
        FormatError
            If it is missing, broken, of another schema, or a shard is missing or has another size.
        """
        manifest_path = path / "manifest.json"
        if not manifest_path.is_file():
            raise FormatError(
                f"{path}: no prepared dataset (manifest.json is missing); make one with `tfdeepviz prepare`"
            )
        manifest = read_json(manifest_path, max_bytes=1 << 30)
        if manifest.get("schema_version") != SCHEMA_VERSION:
            raise FormatError(f"{manifest_path}: schema_version has to be {SCHEMA_VERSION}; prepare the dataset again")
        try:
            params = AudioParams.from_dict(manifest["audio"])
            subset = str(manifest["subset"])
            shards = tuple(manifest["shards"])
            for shard in shards:
                _check_shard(path, shard)
        except (KeyError, TypeError, AttributeError, ParameterError) as error:
            raise FormatError(
                f"{manifest_path}: not a dataset's manifest ({error!r}); prepare the dataset again"
            ) from error
        digest = "sha256:" + hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
        return cls(path, params, subset, digest, shards)

    def n_tracks(self, split: str) -> int:
        """Tracks of a split that can be used."""
        return sum(len(shard["tracks"]) for shard in self._shards(split))

    def n_segments(self, split: str, *, hop_frames: int | None = None) -> int:
        """Segments of a split at a hop, by default without overlap."""
        width = self.params.segment_frames
        return sum(
            len(segment_starts(n_frames, segment_frames=width, hop_frames=hop_frames or width))
            for n_frames in self._n_frames(split)
        )

    @property
    def skipped(self) -> list[dict[str, Any]]:
        """Tracks that could not be used, each with `track_id`, `path`, `reason` and `message`."""
        return [entry for shard in self.shards for entry in shard["skipped"]]

    def statistics(self) -> SegmentStatistics:
        """Scaler statistics of the training split."""
        statistics = SegmentStatistics.load(self.path / "scaler.npz")
        if statistics.mean.shape != self.params.segment_shape[:2]:
            raise FormatError(f"{self.path / 'scaler.npz'}: belongs to another segment grid; prepare the dataset again")
        return statistics

    def fit_statistics(self) -> SegmentStatistics:
        """Compute what `statistics` stores, from the training split's segments without overlap."""
        width = self.params.segment_frames
        return SegmentStatistics.fit(
            cut_segments(mfcc, segment_frames=width, hop_frames=width).transpose(0, 2, 1)
            for _, mfcc in self.tracks("training")
        )

    def tracks(self, split: str) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        """Every usable track's id and frames [shape=(n_frames, n_mfcc)], in order."""
        for track_id, mfcc in self._records(split).as_numpy_iterator():
            yield int(track_id), mfcc

    def segments(
        self,
        split: str,
        *,
        hop_frames: int | None = None,
        batch_size: int,
        seed: int | None = None,
        shuffle_buffer: int = 4_096,
    ) -> tf.data.Dataset:
        """Batches of segments [shape=(batch, n_mfcc, segment_frames, 1), dtype=float32], not yet scaled.

        Parameters
        ----------
        split
            One of `tfdeepviz.data.fma.SPLITS`.
        hop_frames
            Frames between segments of a track; by default they do not overlap.
        batch_size
            Segments in a batch; the last one may be smaller.
        seed
            None keeps the tracks' order. Otherwise segments are shuffled across tracks, and each track is cut from
            a random first frame, so that every epoch (give each its own seed) sees other segments. Their number is
            what the latest first frames leave.
        shuffle_buffer
            Segments held for shuffling; bounds the memory.
        """
        width = self.params.segment_frames
        hop = hop_frames or width

        def cut(track_id: tf.Tensor, mfcc: tf.Tensor) -> tf.data.Dataset:
            if seed is not None:
                spare = tf.minimum(tf.shape(mfcc)[0] - width + 1, hop)
                key = tf.stack([tf.constant(seed, tf.int64), track_id])
                mfcc = mfcc[tf.random.stateless_uniform([], key, 0, spare, tf.int32) :]
            segments = tf.signal.frame(mfcc, width, hop, axis=0)  # (n, segment_frames, n_mfcc)
            return tf.data.Dataset.from_tensor_slices(tf.transpose(segments, [0, 2, 1])[..., None])

        records = self._records(split, seed=seed)
        if seed is None:
            n_segments = self.n_segments(split, hop_frames=hop)
            segments = records.flat_map(cut)
        else:
            n_segments = sum(
                len(
                    segment_starts(
                        n_frames, segment_frames=width, hop_frames=hop, offset=min(n_frames - width, hop - 1)
                    )
                )
                for n_frames in self._n_frames(split)
            )
            segments = records.interleave(cut, cycle_length=16, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
            segments = segments.shuffle(shuffle_buffer, seed=seed, reshuffle_each_iteration=False).take(n_segments)
        segments = segments.apply(tf.data.experimental.assert_cardinality(n_segments))
        return segments.batch(batch_size).prefetch(tf.data.AUTOTUNE)

    def _shards(self, split: str) -> list[dict[str, Any]]:
        if split not in SPLITS:
            raise ValueError(f"split={split!r}: choose one of {', '.join(SPLITS)}")
        return [shard for shard in self.shards if shard["split"] == split]

    def _n_frames(self, split: str) -> list[int]:
        return [track["n_frames"] for shard in self._shards(split) for track in shard["tracks"]]

    def _records(self, split: str, *, seed: int | None = None) -> tf.data.Dataset:
        files = [str(self.path / shard["file"]) for shard in self._shards(split)]
        if seed is not None:
            np.random.default_rng(seed).shuffle(files)

        def parse(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            example = tf.io.parse_single_example(record, _FEATURES)
            mfcc = tf.io.decode_raw(example["mfcc"], tf.float32)
            return example["track_id"], tf.reshape(mfcc, [-1, self.params.n_mfcc])

        return tf.data.TFRecordDataset(files).map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _check_shard(folder: Path, shard: dict[str, Any]) -> None:
    name = shard["file"]
    if not isinstance(name, str) or Path(name).name != name:
        raise FormatError(f"{folder / 'manifest.json'}: {name!r} is no plain file name")
    file = folder / name
    if not file.is_file() or file.stat().st_size != shard["bytes"]:
        raise FormatError(f"{file}: missing or not {shard['bytes']} bytes long; run `prepare` again")
    if shard["split"] not in SPLITS:
        raise FormatError(f"{folder / 'manifest.json'}: {shard['split']!r} is no split")
    for track in shard["tracks"]:
        if not isinstance(track["n_frames"], int) or track["n_frames"] < 1:
            raise FormatError(f"{folder / 'manifest.json'}: track {track['track_id']}: n_frames={track['n_frames']!r}")
