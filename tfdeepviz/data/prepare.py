"""Turn audio files into a prepared dataset: shard by shard, resumable, byte-identical however the work is divided."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfdeepviz import artifacts
from tfdeepviz.artifacts import ARTIFACT, Artifact, Input, claim, reopen
from tfdeepviz.data.corpus import corpus_record
from tfdeepviz.data.decode import MAX_SECONDS
from tfdeepviz.data.features import Features, Recipe
from tfdeepviz.data.fma import SPLITS, Track
from tfdeepviz.data.manifest import SCHEMA_VERSION, ShardEntry, UsedTrack, check_shard, shard_sizes
from tfdeepviz.data.metadata import Metadata
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.selection import Selection
from tfdeepviz.data.statistics import SegmentStatistics
from tfdeepviz.data.threads import map_ahead
from tfdeepviz.data.tracks import Extract, prepare_track
from tfdeepviz.errors import InputError
from tfdeepviz.files import (
    FormatError,
    atomic_path,
    read_record,
    remove_leftovers,
    sha256_file,
    write_json,
    write_jsonl,
)
from tfdeepviz.lazy import tf
from tfdeepviz.locks import locked

TRACKS_PER_SHARD = 32

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Shard:
    """A dataset file to write, and the tracks that go into it."""

    file: str
    split: str
    tracks: tuple[Track, ...]

    @property
    def note(self) -> str:
        """File for its manifest entry until the manifest itself is written; written last of its three files."""
        return f"shards/{self.file}.json"

    @property
    def statistics(self) -> str:
        """File for its scaler statistics, if it holds training tracks."""
        return f"shards/{self.file}.npz"


@dataclass(frozen=True)
class Job:
    """A dataset to prepare.

    Its manifest lists the shards in this order; `settings` are all else that determines the result.
    """

    fma_root: Path
    out: Path
    recipe: Recipe
    max_seconds: float
    settings: dict[str, Any]
    shards: tuple[Shard, ...]

    @cached_property
    def n_tracks(self) -> int:
        """Number of tracks in all shards."""
        return sum(len(shard.tracks) for shard in self.shards)

    def unfinished(self, sizes: Mapping[str, int] | None = None) -> list[Shard]:
        """Shards still to be written, given the sizes of existing shards (by default, those in `out`)."""
        sizes = shard_sizes(self.out) if sizes is None else sizes
        return [shard for shard in self.shards if self.entry(shard, sizes) is None]

    def entry(self, shard: Shard, sizes: Mapping[str, int]) -> ShardEntry | None:
        """Manifest entry of a complete shard; None if the shard is missing or damaged."""
        note = self.out / shard.note
        try:
            entry = read_record(note, ShardEntry)
            check_shard(self.out, entry, self.recipe, sizes, listed_in=note)
            if shard.split == "training" and entry["tracks"]:
                SegmentStatistics.load(self.out / shard.statistics)
        except FormatError:
            return None
        return entry if (entry["file"], entry["split"]) == (shard.file, shard.split) else None


def planned_dataset(
    corpus: Input,  # seen from the dataset's folder
    *,
    selection: Selection,
    features: Features,
    hop_seconds: float | None = None,  # between segment starts; by default segments do not overlap
    segments_per_track: int | None = None,  # see `Recipe`; the choice depends on the selection's seed
    storage: str = "float32",
    tracks_per_shard: int = TRACKS_PER_SHARD,  # the unit of resuming, and of work across machines
    max_seconds: float = MAX_SECONDS,  # longer tracks are skipped
) -> Artifact:
    """Return the record of a dataset before it is made; raises an InputError if a value is impossible."""
    if not 1 <= tracks_per_shard <= 100_000:
        raise InputError(f"tracks_per_shard={tracks_per_shard}: give a whole number from 1 to 100000")
    if not 0 < max_seconds <= 86_400:
        raise InputError(f"max_seconds={max_seconds}: give a value in (0, 86400]")
    params = features.params
    settings = {
        "schema_version": SCHEMA_VERSION,
        "selection": asdict(selection),
        "features": {"mode": features.mode, "params": params.to_dict()},
        "hop_frames": params.segment_frames if hop_seconds is None else params.hop_frames(hop_seconds),
        "segments_per_track": segments_per_track,
        "storage": storage,
        "tracks_per_shard": tracks_per_shard,
        "max_seconds": max_seconds,
    }
    return Artifact.planned("dataset", f"fma_{selection.subset}", settings, [corpus])


def plan(
    fma_root: Path,
    out: Path,
    *,
    selection: Selection,
    features: Features,
    corpus: Input | None = None,
    **options: Any,
) -> Job:
    """Plan the contents of a dataset, and claim its folder.

    `corpus` tells where the corpus is if `fma_root` only holds a copy of its tables; for the other options see
    `planned_dataset`. A FormatError is raised if the metadata is unusable or `out` holds a dataset with other settings;
    an InputError if a value is impossible or no track is selected.
    """
    metadata = Metadata.load(fma_root)
    corpus = corpus or Input.at(fma_root, corpus_record(fma_root, selection.subset), seen_from=out)
    record = planned_dataset(corpus, selection=selection, features=features, **options)
    tracks = selection.tracks(metadata)
    recipe = Recipe(
        features=features,
        seed=selection.seed,
        genres=tuple(sorted({track.genre for track in tracks} - {""})),
        **{name: record.settings[name] for name in ("hop_frames", "segments_per_track", "storage")},
    )
    shards: list[Shard] = []
    size = record.settings["tracks_per_shard"]
    for split in SPLITS:
        members = tuple(track for track in tracks if track.split == split)
        groups = [members[i : i + size] for i in range(0, len(members), size)]
        name = f"{record.name}-{split}.tfrecord-{{:05d}}-of-{len(groups):05d}"
        shards += [Shard(name.format(index), split, group) for index, group in enumerate(groups)]
    ids = json.dumps([(track.track_id, track.split, track.genre) for track in tracks])
    settings = {
        "schema_version": SCHEMA_VERSION,
        "name": record.name,
        "selection": record.settings["selection"],
        "recipe": recipe.to_dict(),
        "max_seconds": record.settings["max_seconds"],
        "tracks_per_shard": size,
        "tracks_sha256": hashlib.sha256(ids.encode()).hexdigest(),
    }
    facts = {"licences": metadata.licences(tracks), "tracks_sha256": settings["tracks_sha256"]}
    # A corpus may be mended while a dataset is made from it; but the selected tracks have to stay the same.
    begun = claim(out, record, may_change=["corpus"])
    if begun.facts.get("tracks_sha256", facts["tracks_sha256"]) != facts["tracks_sha256"]:
        raise FormatError(f"{out}: was started with other tracks; give another --out or delete it")
    begun.finished(begun.digest, **facts).write(out / ARTIFACT)
    return Job(metadata.root, out, recipe, record.settings["max_seconds"], settings, tuple(shards))


def prepare(
    fma_root: Path, out: Path, *, n_workers: int = 2, progress: Progress | None = None, **options: Any
) -> PreparedDataset:
    """Prepare a dataset on this machine; call again with the same arguments to resume.

    The number of threads does not affect the result. `progress` is called with (tracks done, total tracks); for the
    options and errors see `planned_dataset`, `plan` and `finish`. A BusyError is raised if another process is preparing
    the dataset.
    """
    job = plan(fma_root, out, **options)
    with locked(out):
        if shards := job.unfinished():
            # The manifest marks the dataset as complete, so remove it until all shards are written.
            (out / "manifest.json").unlink(missing_ok=True)
            reopen(out)
        _write_shards(job, shards, n_workers, progress or (lambda done, total: None))
        return finish(job)


def _write_shards(job: Job, shards: list[Shard], n_workers: int, progress: Progress) -> None:
    tracks = [track for shard in shards for track in shard.tracks]
    n_before = job.n_tracks - len(tracks)
    progress(n_before, job.n_tracks)
    store_track = partial(store, job=job, extract=job.recipe.features.extractor())
    with closing(map_ahead(store_track, tracks, n_workers)) as results:

        def counted() -> Iterator[Stored]:
            for n_done, stored in enumerate(results, n_before + 1):
                progress(n_done, job.n_tracks)
                yield stored

        remaining = counted()
        for shard in shards:
            write_shard(job, shard, islice(remaining, len(shard.tracks)))


class Stored(NamedTuple):
    """What a dataset stores of a track."""

    entry: dict[str, Any]  # for the manifest
    record: bytes | None  # None if the track was skipped
    statistics: SegmentStatistics | None  # of a training track


def store(track: Track, job: Job, extract: Extract) -> Stored:
    """Decode a track into what a dataset stores of it; `extract` is the result of `recipe.features.extractor()`."""
    recipe = job.recipe
    prepared = prepare_track(track, recipe, extract, max_seconds=job.max_seconds)
    try:
        source_sha256 = sha256_file(track.path) if track.path.is_file() else None
    except OSError:  # decoding raises the same error, and records it as the reason
        source_sha256 = None
    path = track.path.relative_to(job.fma_root).as_posix()
    about = {"track_id": track.track_id, "genre": track.genre, "artist": track.artist, "title": track.title}
    about |= {"path": path, "source_sha256": source_sha256}
    if prepared.rows is None:
        # Use the relative path, so that the dataset does not depend on the corpus's location.
        message = prepared.message.replace(str(track.path), path)
        return Stored({**about, "reason": prepared.reason, "message": message}, None, None)
    about |= {"seconds": round(prepared.seconds, 3), "level_db": round(prepared.level_db, 2)}
    about |= {"n_frames": prepared.n_frames, "n_segments": len(prepared.starts)}
    statistics = recipe.statistics(prepared.rows, prepared.starts) if track.split == "training" else None
    integers = {
        "track_id": [track.track_id],
        "label": [recipe.label(track.genre)],
        "starts": [] if recipe.segments_per_track is None else prepared.starts.tolist(),
    }
    rows = prepared.rows.astype(prepared.rows.dtype.newbyteorder("<")).tobytes()
    features = {
        **{name: tf.train.Feature(int64_list=tf.train.Int64List(value=values)) for name, values in integers.items()},
        "rows": tf.train.Feature(bytes_list=tf.train.BytesList(value=[rows])),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return Stored(about, example.SerializeToString(deterministic=True), statistics)


def write_shard(job: Job, shard: Shard, results: Iterable[Stored]) -> dict[str, Any]:
    """Write one shard from what `store` makes of its tracks, in order, and return its manifest entry.

    This is the unit of resuming, and of the work that Beam divides. `job.shards` may be empty.
    """
    used, skipped = [], []
    statistics: list[SegmentStatistics] = []
    with atomic_path(job.out / shard.file) as temporary:
        with tf.io.TFRecordWriter(os.fsencode(temporary)) as writer:
            for about, record, part in results:
                if record is None:
                    skipped.append(about)
                    continue
                used.append(about)
                writer.write(record)
                if part is not None:
                    statistics.append(part)
        entry = {
            **{"file": shard.file, "split": shard.split, "bytes": temporary.stat().st_size},
            **{"sha256": sha256_file(temporary), "tracks": used, "skipped": skipped},
        }
    if statistics:
        SegmentStatistics.merge(statistics).save(job.out / shard.statistics)
    write_json(job.out / shard.note, entry)
    return entry


def finish(job: Job, sizes: Mapping[str, int] | None = None) -> PreparedDataset:
    """Combine all shards: write the scaler, the list of skipped files and, last, the manifest.

    `sizes` are the sizes of the shards in bytes, if they are not in `job.out` itself. A FormatError is raised if a
    shard is missing; an InputError if no track is usable, or none of a planned training split.
    """
    sizes = shard_sizes(job.out) if sizes is None else sizes
    entries = []
    for shard in job.shards:
        entry = job.entry(shard, sizes)
        if entry is None:
            raise FormatError(f"{job.out / shard.file}: missing or incomplete; run `tfdeepviz prepare` again")
        entries.append(entry)
    skipped = [skip for entry in entries for skip in entry["skipped"]]
    # A dataset without training tracks is for evaluation only and has no scaler of its own.
    needed = "training" if any(shard.split == "training" for shard in job.shards) else None
    if not any(entry["tracks"] for entry in entries if needed in (entry["split"], None)):
        example = f"; for example {skipped[0]['message']}" if skipped else ""
        of_which = f" of the {needed} split" if needed else ""
        raise InputError(f"{job.fma_root}: no track{of_which} can be used{example}")

    scaler = job.out / "scaler.npz"
    if needed:
        SegmentStatistics.merge(
            SegmentStatistics.load(job.out / shard.statistics)
            for shard, entry in zip(job.shards, entries, strict=True)
            if shard.split == needed and entry["tracks"]
        ).save(scaler)
    write_jsonl(job.out / "skipped.jsonl", skipped)
    manifest = {
        **job.settings,
        "statistics": {split: _summary(entries, split) for split in SPLITS},
        "scaler": {"file": scaler.name, "sha256": sha256_file(scaler)} if needed else None,
        "shards": entries,
    }
    write_json(job.out / "manifest.json", manifest)
    for folder in (job.out, job.out / "shards"):
        remove_leftovers(folder)
    dataset = PreparedDataset.load(job.out, sizes)
    used = [track for entry in entries for track in entry["tracks"]]
    artifacts.finish(
        job.out,
        dataset.identity,
        features=f"{job.recipe.features.mode} ({job.recipe.features.params.preset})",
        n_tracks=len(used),
        n_skipped=len(skipped),
        hours=round(sum(track["seconds"] for track in used) / 3600, 3),
    )
    return dataset


def _summary(entries: Iterable[ShardEntry], split: str) -> dict[str, Any]:
    """Counts, duration and level of a split, in total and by genre; the empty genre holds unlabelled tracks."""
    tracks = [track for entry in entries if entry["split"] == split for track in entry["tracks"]]
    genres = sorted({track["genre"] for track in tracks})
    by_genre = {genre: _totals([track for track in tracks if track["genre"] == genre]) for genre in genres}
    return {**_totals(tracks), "genres": by_genre}


def _totals(tracks: list[UsedTrack]) -> dict[str, Any]:
    levels = np.array([track["level_db"] for track in tracks])
    return {
        "n_tracks": len(tracks),
        "n_segments": sum(track["n_segments"] for track in tracks),
        "seconds": round(sum(track["seconds"] for track in tracks), 3),
        "level_db_mean": round(float(levels.mean()), 3) if tracks else None,
        "level_db_std": round(float(levels.std()), 3) if tracks else None,
    }
