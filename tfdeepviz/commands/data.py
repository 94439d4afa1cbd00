"""Commands about data: download, demo-corpus, open-corpus, index, prepare, inspect."""

from __future__ import annotations

import argparse
import logging
import os
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from tfdeepviz.commands.common import Bars, values, without_decoder_notes
from tfdeepviz.data.features import Features
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.metadata import Metadata, find_metadata
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.selection import Selection
from tfdeepviz.errors import InputError
from tfdeepviz.params import AudioParams

_CORES = os.cpu_count() or 1


def download(args: argparse.Namespace) -> None:
    """Download metadata and audio."""
    from tqdm.contrib.logging import logging_redirect_tqdm

    from tfdeepviz.data.download import FMA_URL, download

    with logging_redirect_tqdm(), Bars(unit="B", unit_scale=True, unit_divisor=1024) as bars:
        options = {"base_url": args.base_url or FMA_URL, "keep_archives": args.keep_archives}
        download(args.subset, args.out, **options, progress=bars)
    print(f"{args.out}: fma_metadata and fma_{args.subset} are there; `tfdeepviz index` checks every file")


def demo_corpus(args: argparse.Namespace) -> None:
    """Render a corpus."""
    from tfdeepviz.data.demo import render_corpus

    started = time.monotonic()
    with Bars(unit="track") as bars:
        render_corpus(
            args.out,
            n_tracks=args.tracks,
            seed=args.seed,
            duration_seconds=args.seconds,
            n_workers=args.workers,
            progress=bars.of("rendering"),
        )
    print(f"{args.out}: {args.tracks} tracks in FMA's layout, {time.monotonic() - started:.0f} s")


def open_corpus(args: argparse.Namespace) -> None:
    """Make a corpus of free music."""
    from tfdeepviz.data.opencorpus import build_open_corpus

    with without_decoder_notes(), Bars(unit="file") as bars:
        made = build_open_corpus(
            args.out,
            hours=args.hours,
            seconds=None if args.whole else args.seconds,
            n_clips=args.clips,
            packages_dir=args.packages_dir,
            beside=args.beside,
            n_workers=args.workers,
            progress=bars,
        )
    if made.hours < 0.99 * args.hours:
        print(f"only {made.hours:.1f} h of music; more --clips or --whole give more")
    print(f"{args.out}: {made.n_tracks} tracks by {made.n_artists} artists, {made.hours:.1f} h")
    print(f"{made.n_left_out} files or clips are left out: {args.out / 'left_out.csv'}")


def index(args: argparse.Namespace) -> None:
    """Check a corpus, and print and save what is wrong with it."""
    from tfdeepviz.data.index import FileIndex, index_files

    known = FileIndex.load(args.out) if args.out is not None and args.out.exists() else None
    metadata = Metadata.load(args.fma_root)
    if not (folder := args.fma_root / f"fma_{args.subset}").is_dir():
        raise InputError(f"--subset {args.subset}: there is no {folder}; fetch it with `tfdeepviz download`")
    with without_decoder_notes(), Bars(unit="file") as bars:
        options = {"subset": args.subset, "n_workers": args.workers or _CORES, "known": known}
        index = index_files(metadata, **options, progress=bars.of("indexing"))
    for status, count in index.counts().items():
        print(f"{status:>12}: {count:7d}")
    _print_some([f"{entry.path} ({entry.status}): {entry.message}" for entry in index.problems()])
    if args.out is not None:
        index.save(args.out)
        print(f"{args.out}: {len(index.entries)} files with SHA-1")


def _print_some(lines: list[str], most: int = 10) -> None:
    for line in lines[:most]:
        print(f"{'':12}{line}")
    if len(lines) > most:
        print(f"{'':12}and {len(lines) - most} more")


def prepare(args: argparse.Namespace) -> None:
    """Prepare a dataset, here or on Beam."""
    from tfdeepviz.data.prepare import prepare

    options = {
        "selection": Selection(**values(args, *(field.name for field in fields(Selection)))),
        "features": Features(AudioParams.load(args.params, dict(args.set)), args.mode),
        "max_seconds": args.longest,
        "n_workers": args.workers or 2 * _CORES,
        **values(args, "hop_seconds", "segments_per_track", "storage", "tracks_per_shard"),
    }
    # Tracks already keep all cores busy; splitting every operation as well costs a tenth of the speed.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    counters: dict[str, int] = {}
    with without_decoder_notes(), Bars(unit="track") as bars:
        options["progress"] = bars.of("preparing")
        if args.runner is not None:
            dataset, counters = _prepare_on_beam(args, options)
        else:
            for name in ("fma_root", "out"):
                if "://" in (url := getattr(args, name)):
                    raise InputError(f"{name}={url}: URLs are read by Apache Beam only; add --runner")
            find_metadata(Path(args.fma_root))
            dataset = prepare(Path(args.fma_root), Path(args.out), **options)
    for split in SPLITS:
        print(f"{split:>10}: {dataset.n_tracks(split):6d} tracks, {dataset.n_segments(split):8d} segments")
    if skipped := dataset.skipped:
        print(f"{'skipped':>10}: {len(skipped):6d} tracks, listed in skipped.jsonl:")
        _print_some([f"{entry['track_id']} ({entry['reason']}): {entry['message']}" for entry in skipped])
    for name, count in sorted(counters.items()):
        print(f"{'counter':>10}: {name} {count}")
    print(f"{args.out}: identity {dataset.identity}, stored bytes {dataset.digest}")


def _prepare_on_beam(args: argparse.Namespace, options: dict[str, Any]) -> tuple[PreparedDataset, dict[str, int]]:
    # Otherwise Beam and Dask log every connection, in this process and in their workers.
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "warning")
    try:
        from tfdeepviz.data.beam import prepare_on_beam
    except ImportError as error:
        raise InputError(
            f"--runner {args.runner}: needs Apache Beam ({error}); pip install 'tfdeepviz[beam]'"
        ) from error
    return prepare_on_beam(
        args.fma_root, args.out, runner=args.runner, pipeline_options=args.pipeline_options, **options
    )


def inspect(args: argparse.Namespace) -> None:
    """Check a dataset, and write its page."""
    dataset = PreparedDataset.load(args.dataset)
    if args.fma_root is not None:
        find_metadata(args.fma_root)
    from tfdeepviz.reports.dataset import summarize, write_dataset_page

    with Bars(unit="B", unit_scale=True) as bars:
        dataset.verify(progress=bars.of("checking"))
    print(summarize(dataset))
    out = args.out or args.dataset / "report.html"
    with Bars(unit="segment") as bars:
        options = {"fma_root": args.fma_root or dataset.origin, "n_examples": args.examples, "seed": args.seed}
        write_dataset_page(dataset, out, **options, progress=bars.of("drawing"))
    print(f"{out}: open it in a browser")
