"""Prepare a dataset on Apache Beam: the same shards from the same function, on any number of machines.

Corpus and dataset may be anywhere Beam can read and write: on a file system shared by all workers, or in remote
storage (`gs://`, `s3://`, `hdfs://`). A worker fetches a shard's tracks into a temporary folder, calls the same
function as a local run, and uploads the results; only plans and counters travel through Beam.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
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

# Beam finds its other runners by their short names.
_NAMES = {"DaskRunner": "apache_beam.runners.dask.dask_runner.DaskRunner"}

# A shard is already a large unit of work, so engines should not bundle several for one worker.
_DEFAULTS: dict[str, tuple[str, ...]] = {
    "DirectRunner": ("--direct_running_mode=multi_processing",),
    "DaskRunner": ("--dask_partition_size=1",),
}

# Otherwise workers log every connection. Failures still arrive as exceptions.
_QUIET = "--default_sdk_harness_log_level=ERROR"


class PrepareShards(beam.DoFn):  # type: ignore[misc]
    """Writes shards, yields their names, and counts tracks, segments and reasons for skipping.

    `fma_root` and `out` are the actual locations of corpus and dataset; those in the job need not exist on the workers.
    """

    def __init__(self, job: Job, fma_root: str, out: str) -> None:
        super().__init__()
        self._job = replace(job, shards=())
        self._fma_root, self._out = fma_root, out
        self._extract: Extract | None = None

    def setup(self) -> None:
        """Build the front end, once per worker."""
        self._extract = self._job.recipe.features.extractor()

    def process(self, shard: Shard) -> Iterator[str]:
        """Write one shard."""
        assert self._extract is not None
        with TemporaryDirectory() as folder:
            job = replace(self._job, fma_root=Path(folder) / "fma", out=Path(folder) / "dataset")
            tracks = []
            for track in shard.tracks:
                relative = track.path.relative_to(self._job.fma_root)
                tracks.append(replace(track, path=job.fma_root / relative))
                _fetch(_join(self._fma_root, relative.as_posix()), job.fma_root / relative)
            entry = write_shard(job, shard, (store(track, job, self._extract) for track in tracks))
            # The note comes last: it marks the shard as complete.
            _publish(job.out, self._out, [shard.file, shard.statistics, shard.note])
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
    fma_root, out = (path if "://" in path else str(Path(path).absolute()) for path in (fma_root, out))
    flags = [*_DEFAULTS.get(runner, ()), f"--direct_num_workers={n_workers}", _QUIET, *pipeline_options]
    try:
        pipeline = beam.Pipeline(runner=_NAMES.get(runner, runner), options=PipelineOptions(flags))
    except ValueError as error:
        raise InputError(f"--runner {runner}: {error}") from error
    with TemporaryDirectory() as folder:
        # `plan` and `finish` need local folders, so mirror the small files of the corpus and the dataset here.
        here, dataset = Path(folder) / "fma", Path(folder) / "dataset"
        for name in ("tracks.csv", "genres.csv"):
            _fetch(_join(fma_root, "fma_metadata", name), here / "fma_metadata" / name)
        _fetch_notes(out, dataset)
        job = plan(here, dataset, corpus=_corpus(fma_root, options["selection"].subset), **options)
        if shards := job.unfinished(_sizes(out, "*.tfrecord-*")):
            reopen(dataset)
        _publish(dataset, out, [ARTIFACT])
        counters: dict[str, int] = {}
        if shards:
            # The manifest marks the dataset as complete, so remove it until all shards are written.
            if FileSystems.exists(manifest := _join(out, "manifest.json")):
                FileSystems.delete([manifest])
            # Without Reshuffle, most engines fuse Create with the next step and keep all work on one worker.
            _ = pipeline | beam.Create(shards) | beam.Reshuffle() | beam.ParDo(PrepareShards(job, fma_root, out))
            with _watching(job, out, progress):
                counters = _run(pipeline)
            _fetch_notes(out, dataset)
        finished = finish(job, _sizes(out, "*.tfrecord-*"))
        _publish(dataset, out, ["scaler.npz", "skipped.jsonl", "manifest.json", ARTIFACT])
    return replace(finished, path=Path(out)), counters


def _corpus(fma_root: str, subset: str) -> Input:
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
def _watching(job: Job, out: str, progress: Progress | None) -> Iterator[None]:
    """Report progress while a runner works, from the shards' JSON files that appear."""
    stop = Event()

    def watch() -> None:
        while progress is not None:
            stopped = stop.wait(_POLL_SECONDS)
            notes = _sizes(_join(out, "shards"), "*.json")
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


def _join(base: str, *names: str) -> str:
    return str(FileSystems.join(base, *names))


def _sizes(folder: str, pattern: str) -> dict[str, int]:
    """Size in bytes of the matching files in a folder, by name; empty if there is no such folder."""
    (found,) = FileSystems.match([_join(folder, pattern)])
    return {metadata.path.rsplit("/", 1)[-1]: int(metadata.size_in_bytes) for metadata in found.metadata_list}


def _fetch(source: str, target: Path) -> None:
    """Copy a file here, if it exists."""
    if not FileSystems.exists(source):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        FileSystems.open(source, compression_type=CompressionTypes.UNCOMPRESSED) as theirs,
        target.open("wb") as ours,
    ):
        shutil.copyfileobj(theirs, ours, 1 << 20)


def _fetch_notes(out: str, dataset: Path) -> None:
    """Fetch the files of an unfinished dataset that are needed to resume and finish it."""
    if ARTIFACT not in _sizes(out, "*"):
        if _sizes(out, "*"):
            raise FormatError(f"{out}: not empty and not a prepared dataset; give another --out")
        return
    for name in (ARTIFACT, *(f"shards/{note}" for note in _sizes(_join(out, "shards"), "*"))):
        if not (dataset / name).exists():
            _fetch(_join(out, *name.split("/")), dataset / name)


def _publish(folder: Path, out: str, names: Sequence[str]) -> None:
    """Copy files out in order, each atomically."""
    for name in names:
        if not (folder / name).exists():
            continue
        target = _join(out, *name.split("/"))
        parent = target.rpartition("/")[0]
        temporary = _join(parent, f"{TEMPORARY}{uuid4().hex}")
        # The folder may exist, or another worker may be creating it. If it cannot be created, creating the file fails.
        with suppress(OSError):
            FileSystems.mkdirs(parent)
        with (
            (folder / name).open("rb") as ours,
            FileSystems.create(temporary, compression_type=CompressionTypes.UNCOMPRESSED) as theirs,
        ):
            shutil.copyfileobj(ours, theirs, 1 << 20)
        if FileSystems.exists(target):
            FileSystems.delete([target])
        FileSystems.rename([temporary], [target])
