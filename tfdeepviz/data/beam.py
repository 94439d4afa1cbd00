"""Preparing a dataset on Apache Beam: the same shards by the same function, on as many machines as there are.

Workers read the corpus and write shards on file systems that all of them and this process see under the same paths
(NFS, Lustre, a mounted bucket). Only plans and manifest entries travel through Beam, no audio and no features.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions

from tfdeepviz.data.dataset import PreparedDataset
from tfdeepviz.data.prepare import Extract, Job, Progress, Shard, finish, plan, prepare_shard

#: Of all counters.
NAMESPACE = "tfdeepviz"

_POLL_SECONDS = 1.0

# Beam knows its other runners by their short names.
_NAMES = {"DaskRunner": "apache_beam.runners.dask.dask_runner.DaskRunner"}

# A shard is a large piece of work already: engines that bundle elements would give many to one worker.
_DEFAULTS: dict[str, tuple[str, ...]] = {
    "DirectRunner": ("--direct_running_mode=multi_processing",),
    "DaskRunner": ("--dask_partition_size=1",),
}


class PrepareShards(beam.DoFn):  # type: ignore[misc]
    """Writes shards; gives their entries of the manifest and counts tracks, segments and reasons for skipping."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = replace(job, shards=())
        self._extract: Extract | None = None

    def setup(self) -> None:
        """Build the front end, once for each worker."""
        self._extract = self._job.recipe.features.extractor()

    def process(self, shard: Shard) -> Iterator[dict[str, Any]]:
        """Write one shard."""
        assert self._extract is not None
        entry = prepare_shard(shard, self._job, self._extract)
        Metrics.counter(NAMESPACE, "tracks-used").inc(len(entry["tracks"]))
        Metrics.counter(NAMESPACE, "segments").inc(sum(track["n_segments"] for track in entry["tracks"]))
        for skip in entry["skipped"]:
            Metrics.counter(NAMESPACE, f"skipped-{skip['reason']}").inc()
        yield entry


def prepare_on_beam(
    fma_root: Path,
    out: Path,
    *,
    runner: str,
    pipeline_options: Sequence[str] = (),
    n_workers: int = 2,
    progress: Progress | None = None,
    **options: Any,
) -> tuple[PreparedDataset, dict[str, int]]:
    """Prepare a dataset on one of Beam's runners; the result is that of `prepare.prepare`, bit for bit.

    Parameters
    ----------
    fma_root, out, **options
        As for `prepare.plan`.
    runner
        `DirectRunner`, `DaskRunner`, `FlinkRunner`, `SparkRunner`, `DataflowRunner` or another that Beam knows.
    pipeline_options
        Beam's own options, as on its command lines.
    n_workers
        Worker processes of `DirectRunner`; other engines have options of their own.
    progress
        Called with (tracks in finished shards, tracks in all).

    Returns
    -------
    PreparedDataset
    dict
        Beam's counters of this run; empty where the runner keeps none (DaskRunner).

    Raises
    ------
    FormatError, ValueError
        As `prepare.prepare`.
    """
    job = plan(fma_root, out.absolute(), **options)
    shards = job.unfinished()
    counters: dict[str, int] = {}
    if shards:
        flags = [*_DEFAULTS.get(runner, ()), f"--direct_num_workers={n_workers}", *pipeline_options]
        pipeline = beam.Pipeline(runner=_NAMES.get(runner, runner), options=PipelineOptions(flags))
        # Reshuffled, because Create is one element to most engines, and what follows would stay on one worker.
        _ = pipeline | beam.Create(shards) | beam.Reshuffle() | beam.ParDo(PrepareShards(job))
        with _watching(job, progress):
            result = pipeline.run()
            try:
                result.wait_until_finish()
                counters = _counters(result)
            finally:
                if client := getattr(result, "client", None):
                    client.close()
    return finish(job), counters


def _counters(result: Any) -> dict[str, int]:
    try:
        counters = result.metrics().query()["counters"]
    except NotImplementedError:
        logging.getLogger(__name__).info("this runner keeps no counters; the manifest holds the same numbers")
        return {}
    return {
        counter.key.metric.name: int(counter.result)
        for counter in counters
        if counter.key.metric.namespace == NAMESPACE
    }


@contextmanager
def _watching(job: Job, progress: Progress | None) -> Iterator[None]:
    """Tell of finished shards while a runner works; their notes appear on the shared file system."""
    stop = Event()

    def watch() -> None:
        while not stop.wait(_POLL_SECONDS):
            tell()

    def tell() -> None:
        if progress is not None:
            left = sum(len(shard.tracks) for shard in job.unfinished())
            progress(job.n_tracks - left, job.n_tracks)

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        tell()
