"""Prepare a dataset on Apache Beam: the same shards from the same function, on any number of machines.

Corpus and dataset may be anywhere Beam can read and write: on a file system shared by all workers, or in remote
storage (`gs://`, `s3://`, `hdfs://`). A worker fetches a shard's tracks into a temporary folder, calls the same
function as a local run, and uploads the results; only plans and counters travel through Beam.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import apache_beam as beam
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions

from tfdeepviz.artifacts import ARTIFACT, Artifact, Input, reopen
from tfdeepviz.data.corpus import corpus_record
from tfdeepviz.data.prepare import Job, Progress, Shard, finish, plan, store, write_shard
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.tracks import Extract
from tfdeepviz.errors import InputError
from tfdeepviz.files import TEMPORARY, FormatError
from tfdeepviz.provenance import without_user

#: Namespace of all counters.
NAMESPACE = "tfdeepviz"

_POLL_SECONDS = 2.0
_PLAIN = CompressionTypes.UNCOMPRESSED

# Beam finds its other runners by their short names.
_NAMES = {"DaskRunner": "apache_beam.runners.dask.dask_runner.DaskRunner"}

# A shard is already a large unit of work, so engines should not bundle several for one worker.
_DEFAULTS: dict[str, tuple[str, ...]] = {
    "DirectRunner": ("--direct_running_mode=multi_processing",),
    "DaskRunner": ("--dask_partition_size=1",),
}

# Otherwise workers log every connection. Failures still arrive as exceptions.
_QUIET = "--default_sdk_harness_log_level=ERROR"


@dataclass(frozen=True)
class Place:
    """A folder anywhere Beam can read and write; names in it have slashes."""

    path: str

    def at(self, name: str) -> str:
        """Path of a file."""
        return str(FileSystems.join(self.path, *name.split("/")))

    def sizes(self, pattern: str) -> dict[str, int]:
        """Size in bytes of the matching files, without their folders; empty if there are none."""
        (found,) = FileSystems.match([self.at(pattern)])
        return {metadata.path.rsplit("/", 1)[-1]: int(metadata.size_in_bytes) for metadata in found.metadata_list}

    def fetch(self, folder: Path, names: Iterable[str]) -> None:
        """Copy files to a local folder, if they exist."""
        for name in names:
            if FileSystems.exists(source := self.at(name)):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with FileSystems.open(source, compression_type=_PLAIN) as theirs, target.open("wb") as ours:
                    shutil.copyfileobj(theirs, ours, 1 << 20)

    def publish(self, folder: Path, names: Iterable[str]) -> None:
        """Copy files from a local folder in order, if they exist, each atomically."""
        for name in names:
            if not (folder / name).exists():
                continue
            target = self.at(name)
            parent = target.rpartition("/")[0]
            temporary = str(FileSystems.join(parent, f"{TEMPORARY}{uuid4().hex}"))
            # The folder may exist, or another worker may be creating it. If it cannot be created, nor can the file.
            with suppress(OSError):
                FileSystems.mkdirs(parent)
            with (folder / name).open("rb") as ours, FileSystems.create(temporary, compression_type=_PLAIN) as theirs:
                shutil.copyfileobj(ours, theirs, 1 << 20)
            if FileSystems.exists(target):
                FileSystems.delete([target])
            FileSystems.rename([temporary], [target])


class PrepareShards(beam.DoFn):  # type: ignore[misc]  # Beam is not typed
    """Writes shards, yields their names, and counts tracks, segments and reasons for skipping.

    The paths in the job need not exist on the workers.
    """

    def __init__(self, job: Job, corpus: Place, dataset: Place) -> None:
        super().__init__()
        self._job = replace(job, shards=())
        self._corpus, self._dataset = corpus, dataset
        self._extract: Extract | None = None

    def setup(self) -> None:
        """Build the front end, once per worker."""
        self._extract = self._job.recipe.features.extractor()

    def process(self, shard: Shard) -> Iterator[str]:
        """Write one shard."""
        assert self._extract is not None
        with TemporaryDirectory() as folder:
            job = replace(self._job, fma_root=Path(folder) / "fma", out=Path(folder) / "dataset")
            paths = [track.path.relative_to(self._job.fma_root).as_posix() for track in shard.tracks]
            self._corpus.fetch(job.fma_root, paths)
            tracks = [replace(track, path=job.fma_root / path) for track, path in zip(shard.tracks, paths, strict=True)]
            entry = write_shard(job, shard, (store(track, job, self._extract) for track in tracks))
            # The note comes last: it marks the shard as complete.
            self._dataset.publish(job.out, [shard.file, shard.statistics, shard.note])
        Metrics.counter(NAMESPACE, "tracks-used").inc(len(entry["tracks"]))
        Metrics.counter(NAMESPACE, "segments").inc(sum(track["n_segments"] for track in entry["tracks"]))
        for skip in entry["skipped"]:
            Metrics.counter(NAMESPACE, f"skipped-{skip['reason']}").inc()
        yield shard.file


def prepare_on_beam(
    fma_root: str,
    out: str,
    *,
    runner: str,  # such as `DirectRunner`
    pipeline_options: Sequence[str] = (),  # Beam's own command-line options
    n_workers: int = 2,  # processes of `DirectRunner`; other runners have their own options
    progress: Progress | None = None,  # called with (tracks in finished shards, total tracks)
    **options: Any,
) -> tuple[PreparedDataset, dict[str, int]]:
    """Prepare a dataset on a Beam runner; the result is identical bit for bit to that of `prepare.prepare`.

    Corpus and dataset may also be URLs that Beam supports; for the other options and the errors see `prepare.plan`.

    Returns
    -------
    PreparedDataset
        For inspecting the result; to train on it, copy it to a local disk first.
    dict
        Beam's counters for this run; empty if the runner keeps none (DaskRunner).
    """
    corpus, there = (Place(path if "://" in path else str(Path(path).absolute())) for path in (fma_root, out))
    flags = [*_DEFAULTS.get(runner, ()), f"--direct_num_workers={n_workers}", _QUIET, *pipeline_options]
    try:
        pipeline = beam.Pipeline(runner=_NAMES.get(runner, runner), options=PipelineOptions(flags))
    except ValueError as error:
        raise InputError(f"--runner {runner}: {error}") from error
    with TemporaryDirectory() as folder:
        # `plan` and `finish` need local folders, so mirror the small files of the corpus and the dataset here.
        here, dataset = Path(folder) / "fma", Path(folder) / "dataset"
        corpus.fetch(here, ["fma_metadata/tracks.csv", "fma_metadata/genres.csv"])
        _fetch_notes(there, dataset)
        job = plan(here, dataset, corpus=_corpus_input(corpus.path, options["selection"].subset), **options)
        if shards := job.unfinished(there.sizes("*.tfrecord-*")):
            reopen(dataset)
        there.publish(dataset, [ARTIFACT])
        counters: dict[str, int] = {}
        if shards:
            # The manifest marks the dataset as complete, so remove it until all shards are written.
            if FileSystems.exists(manifest := there.at("manifest.json")):
                FileSystems.delete([manifest])
            # Without Reshuffle, most engines fuse Create with the next step and keep all work on one worker.
            _ = pipeline | beam.Create(shards) | beam.Reshuffle() | beam.ParDo(PrepareShards(job, corpus, there))
            with _watching(job, there, progress):
                counters = _run(pipeline)
            _fetch_notes(there, dataset)
        finished = finish(job, there.sizes("*.tfrecord-*"))
        there.publish(dataset, ["scaler.npz", "skipped.jsonl", "manifest.json", ARTIFACT])
    return replace(finished, path=Path(there.path)), counters


def _fetch_notes(there: Place, dataset: Path) -> None:
    """Fetch the files of an unfinished dataset that are needed to resume and finish it."""
    files = there.sizes("*")
    if files and ARTIFACT not in files:
        raise FormatError(f"{there.path}: not empty and not a prepared dataset; give another --out")
    names = (ARTIFACT, *(f"shards/{note}" for note in there.sizes("shards/*")))
    there.fetch(dataset, (name for name in names if not (dataset / name).exists()))


def _corpus_input(fma_root: str, subset: str) -> Input:
    """Describe a corpus by its own path or URL, which the dataset may not share a file system with."""
    if "://" in fma_root:
        corpus = Artifact(kind="corpus", name=fma_root.rpartition("/")[2], settings={"subset": subset})
    else:
        corpus = corpus_record(Path(fma_root), subset)
    return Input("corpus", without_user(fma_root), corpus)


def _run(pipeline: beam.Pipeline) -> dict[str, int]:
    result = pipeline.run()
    try:
        result.wait_until_finish()
    finally:
        # Dask's client would otherwise look for its workers for half a minute.
        if client := getattr(result, "client", None):
            client.close()
    try:
        counters = result.metrics().query()["counters"]
    except NotImplementedError:
        # DaskRunner keeps none; the manifest holds the same numbers.
        return {}
    named = {counter.key.metric: int(counter.result) for counter in counters}
    return {metric.name: count for metric, count in named.items() if metric.namespace == NAMESPACE}


@contextmanager
def _watching(job: Job, dataset: Place, progress: Progress | None) -> Iterator[None]:
    """Report progress while a runner works, from the shards' JSON files that appear."""
    stop = Event()

    def watch() -> None:
        while progress is not None:
            stopped = stop.wait(_POLL_SECONDS)
            notes = dataset.sizes("shards/*.json")
            progress(sum(len(shard.tracks) for shard in job.shards if f"{shard.file}.json" in notes), job.n_tracks)
            if stopped:
                break

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
