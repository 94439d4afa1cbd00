"""Commands about data: download, demo-corpus, index, prepare, inspect."""

from __future__ import annotations

import argparse
import logging
import os
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfdeepviz.commands.common import Add, advance, advance_of, assignments, at_least_one, bar
from tfdeepviz.data.fma import SPLITS, SUBSETS
from tfdeepviz.errors import InputError

if TYPE_CHECKING:
    from tqdm import tqdm

    from tfdeepviz.data.prepared import PreparedDataset
    from tfdeepviz.params import AudioParams

_CORES = os.cpu_count() or 1


def register(add: Add) -> None:
    """Add the commands."""
    parser = add(
        "download",
        _download,
        "fetch a subset of FMA",
        "Download FMA's metadata and one subset (small 7 GB, medium 22 GB, large 93 GB, full 879 GB), verify their "
        "SHA-1 checksums and unpack them. Run the command again to resume; nothing is fetched twice.",
    )
    option = parser.add_argument
    option("--subset", default="small", choices=SUBSETS, help="subset of FMA")
    option("--out", type=Path, required=True, metavar="DIR", help="folder for fma_metadata/ and fma_SUBSET/")
    option("--keep-archives", action="store_true", help="keep the archives after unpacking them")
    option("--base-url", metavar="URL", help="URL of a mirror (default: FMA's own host)")

    parser = add(
        "demo-corpus",
        _demo_corpus,
        "compose and render a small corpus in FMA's layout",
        "Compose and render synthetic music in FMA's layout: eight genres with several artists each, all drawn from a "
        "seed.",
    )
    option = parser.add_argument
    option("out", type=Path, metavar="DIR", help="folder to create; an unfinished one is resumed")
    option("--tracks", type=int, default=64, help="number of tracks")
    option("--seconds", type=float, default=30.0, help="length of each track in seconds")
    option("--seed", type=int, default=0, help="seed for the music")
    option("--workers", type=int, default=_CORES, help="number of rendering processes")

    parser = add(
        "index",
        _index,
        "check a corpus file by file",
        "Decode and hash every file that a subset should contain. Reports files that are missing, unexpected, broken, "
        "changed (where FMA's own list of checksums lies beside the audio) or published by FMA as bad.",
    )
    _add_corpus(parser)
    text = "file for the index; if it exists, only changed files are read again"
    parser.add_argument("--out", type=Path, metavar="INDEX.jsonl", help=text)
    parser.add_argument("--workers", type=int, default=_CORES, help="number of threads that read and decode")

    parser = add(
        "prepare",
        _prepare,
        "decode FMA into a prepared dataset",
        "Decode FMA (or a corpus in its layout) into TFRecord shards with a manifest and a fitted scaler. Unusable "
        "files are skipped and listed with the reason. Run the command again to resume. With --runner, Apache Beam "
        "does the work and receives all options that are not listed here.",
    )
    _add_corpus(parser, kind=str)
    text = "folder for the dataset; with --runner also a URL such as gs://..."
    parser.add_argument("--out", required=True, metavar="DATASET", help=text)

    option = parser.add_argument_group("track selection").add_argument
    text = "FMA's own artist-disjoint split, by track as in the paper, or all tracks of an artist in one split"
    option("--split", default="fma", choices=("fma", "random", "random-by-artist"), help=text)
    shares: Any = {"nargs": 3, "metavar": ("TRAIN", "VALID", "TEST"), "default": [0.9, 0.05, 0.05]}
    option("--fractions", type=float, **shares, help="shares of the three splits if they are random")
    repeatable: Any = {"action": "append", "default": []}
    option("--genre", **repeatable, help="include this genre and its sub-genres; repeatable (default: all)")
    option("--artist", **repeatable, help="include this artist; repeatable (default: all)")
    option("--licence", **repeatable, help="include this licence; repeatable (default: all)")
    seconds: Any = {"type": float, "metavar": "SECONDS"}
    option("--min-duration", **seconds, help="shortest full recording, according to the metadata")
    option("--max-duration", **seconds, help="longest full recording, according to the metadata")
    option("--max-tracks", type=int, metavar="N", help="draw N tracks at random (default: use all)")
    option("--balanced", action="store_true", help="with --max-tracks: draw evenly from all genres")
    option("--max-seconds", **seconds, default=1_800.0, help="skip files with more audio than this")
    option("--seed", type=int, default=0, help="seed for random splits and draws")

    option = parser.add_argument_group("features").add_argument
    text = "audio parameters: `live` has a fixed level floor, `paper` a floor 80 dB below each track's peak"
    option("--params", default="live", metavar="live|paper|FILE.json", help=text)
    option("--set", **repeatable, metavar="NAME=VALUE", help="override one audio parameter; repeatable")
    option("--mode", default="mfcc", choices=("mfcc", "log-mel", "raw"), help="feature type; raw keeps the samples")
    option("--hop-seconds", **seconds, help="time between segments (default: no overlap)")
    option("--segments-per-track", type=int, metavar="N", help="draw N segments of each track (default: all)")
    text = "number format; float16 halves the size"
    option("--storage", default="float32", choices=("float32", "float16"), help=text)

    option = parser.add_argument_group("execution").add_argument
    option("--workers", type=int, default=2 * _CORES, help="decoding threads (DirectRunner: processes)")
    text = "tracks per shard file; resuming redoes unfinished shards"
    option("--tracks-per-shard", type=int, default=32, metavar="N", help=text)
    text = "DirectRunner, DaskRunner, FlinkRunner, SparkRunner or DataflowRunner (default: none; see docs/data.md)"
    option("--runner", metavar="RUNNER", help=f"Apache Beam runner: {text}")

    parser = add(
        "inspect",
        _inspect,
        "check and describe a prepared dataset",
        "Check a dataset's files, print a summary and write an HTML page: genres and splits, durations and levels, "
        "pictures of segments with audio players, and the files that were skipped.",
    )
    option = parser.add_argument
    option("dataset", type=Path, metavar="DATASET", help="dataset made by `tfdeepviz prepare`")
    option("--out", type=Path, metavar="PAGE.html", help="page to write (default: DATASET/report.html)")
    text = "corpus to play from (default: the one the dataset was prepared from)"
    option("--fma-root", type=Path, metavar="DIR", help=text)
    option("--examples", type=int, default=6, metavar="N", help="segments to show per genre")
    option("--seed", type=int, default=0, help="seed for the choice of segments")


def _add_corpus(parser: argparse.ArgumentParser, kind: type = Path) -> None:
    text = "folder with fma_metadata/ and fma_SUBSET/"
    parser.add_argument("--fma-root", type=kind, required=True, metavar="DIR", help=text)
    parser.add_argument("--subset", default="small", choices=SUBSETS, help="subset of FMA")


def _download(args: argparse.Namespace) -> None:
    from tqdm.contrib.logging import logging_redirect_tqdm

    from tfdeepviz.data.download import FMA_URL, download

    bars: dict[str, tqdm[Any]] = {}
    with ExitStack() as stack, logging_redirect_tqdm():

        def progress(step: str, n_done: int, n_bytes: int) -> None:
            if step not in bars:
                stack.close()
                options = {"unit": "B", "unit_scale": True, "unit_divisor": 1024, "initial": n_done}
                bars[step] = stack.enter_context(bar(n_bytes, desc=step, **options))
            advance(bars[step], n_done)

        options = {"base_url": args.base_url or FMA_URL, "keep_archives": args.keep_archives}
        download(args.subset, args.out, **options, progress=progress)
    print(f"{args.out}: fma_metadata and fma_{args.subset} are there; `tfdeepviz index` checks every file")


def _demo_corpus(args: argparse.Namespace) -> None:
    at_least_one("tracks", args.tracks)
    at_least_one("workers", args.workers)
    from tfdeepviz.data.demo import render_corpus

    started = time.monotonic()
    with bar(args.tracks, unit="track", desc="rendering") as rendering:
        render_corpus(
            args.out,
            n_tracks=args.tracks,
            seed=args.seed,
            duration_seconds=args.seconds,
            n_workers=args.workers,
            progress=lambda done, total: advance(rendering, done),
        )
    print(f"{args.out}: {args.tracks} tracks in FMA's layout, {time.monotonic() - started:.0f} s")


def _index(args: argparse.Namespace) -> None:
    from tfdeepviz.data.index import FileIndex, index_files
    from tfdeepviz.data.metadata import Metadata

    at_least_one("workers", args.workers)
    known = FileIndex.load(args.out) if args.out is not None and args.out.exists() else None
    metadata = Metadata.load(args.fma_root)
    with bar(None, unit="file", desc="indexing") as indexing:
        index = index_files(
            metadata, subset=args.subset, n_workers=args.workers, known=known, progress=advance_of(indexing)
        )
    for status, count in index.counts().items():
        print(f"{status:>12}: {count:7d}")
    problems = index.problems()
    _print_some([f"{entry.path} ({entry.status}): {entry.message}" for entry in problems])
    if args.out is not None:
        index.save(args.out)
        print(f"{args.out}: {len(index.entries)} files with SHA-1")


def _print_some(lines: list[str], most: int = 10) -> None:
    for line in lines[:most]:
        print(f"{'':12}{line}")
    if len(lines) > most:
        print(f"{'':12}and {len(lines) - most} more")


def _prepare(args: argparse.Namespace) -> None:
    from tfdeepviz.data.features import Features
    from tfdeepviz.data.metadata import find_metadata
    from tfdeepviz.data.prepare import prepare
    from tfdeepviz.data.selection import Selection
    from tfdeepviz.lazy import tf

    at_least_one("workers", args.workers)
    selection = Selection(
        subset=args.subset,
        splitting=args.split,
        fractions=tuple(args.fractions),
        seed=args.seed,
        genres=tuple(args.genre),
        artists=tuple(args.artist),
        licences=tuple(args.licence),
        min_seconds=args.min_duration,
        max_seconds=args.max_duration,
        max_tracks=args.max_tracks,
        balanced=args.balanced,
    )
    options: dict[str, Any] = {
        "selection": selection,
        "features": Features(_audio_params(args.params, assignments(args.set)), args.mode),
        "n_workers": args.workers,
    }
    for name in ("hop_seconds", "segments_per_track", "storage", "tracks_per_shard", "max_seconds"):
        options[name] = getattr(args, name)
    if args.runner is None:
        find_metadata(_local("fma-root", args.fma_root))
    # Tracks already keep all cores busy; splitting every operation as well costs a tenth of the speed. This can only be
    # set before TensorFlow's first operation; a caller that has run one keeps its setting and gets the same bytes.
    with suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)
    counters: dict[str, int] = {}
    with bar(None, unit="track", desc="preparing") as preparing:
        options["progress"] = advance_of(preparing)
        if args.runner is None:
            dataset = prepare(_local("fma-root", args.fma_root), _local("out", args.out), **options)
        else:
            dataset, counters = _prepare_on_beam(args, options)
    _print_dataset(dataset)
    for name, count in sorted(counters.items()):
        print(f"{'counter':>10}: {name} {count}")
    print(f"{args.out}: identity {dataset.identity}, stored bytes {dataset.digest}")


def _local(name: str, path: str) -> Path:
    if "://" in path:
        raise InputError(f"--{name} {path}: URLs are read by Apache Beam only; add --runner")
    return Path(path)


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


def _audio_params(name: str, changes: dict[str, Any]) -> AudioParams:
    """Load a preset or a JSON file and override single values."""
    from tfdeepviz.files import read_json
    from tfdeepviz.params import AUDIO_PRESETS, AudioParams

    if name in AUDIO_PRESETS:
        values = AUDIO_PRESETS[name].to_dict()
    elif name.endswith(".json"):
        values = read_json(Path(name))
    else:
        raise InputError(f"--params {name}: choose {', '.join(AUDIO_PRESETS)} or name a .json file")
    return AudioParams.from_dict({**values, "preset": "custom", **changes} if changes else values)


def _print_dataset(dataset: PreparedDataset) -> None:
    for split in SPLITS:
        print(f"{split:>10}: {dataset.n_tracks(split):6d} tracks, {dataset.n_segments(split):8d} segments")
    if skipped := dataset.skipped:
        print(f"{'skipped':>10}: {len(skipped):6d} tracks, listed in skipped.jsonl:")
        _print_some([f"{entry['track_id']} ({entry['reason']}): {entry['message']}" for entry in skipped])


def _inspect(args: argparse.Namespace) -> None:
    from tfdeepviz.data.prepared import PreparedDataset

    at_least_one("examples", args.examples)
    dataset = PreparedDataset.load(args.dataset)
    from tfdeepviz.reports.dataset import summarize, write_dataset_page

    with bar(None, unit="B", unit_scale=True, desc="checking") as checking:
        dataset.verify(progress=advance_of(checking))
    print(summarize(dataset))
    out = args.out or args.dataset / "report.html"
    with bar(None, unit="segment", desc="drawing") as drawing:
        write_dataset_page(
            dataset,
            out,
            fma_root=args.fma_root or dataset.origin,
            n_examples=args.examples,
            seed=args.seed,
            progress=advance_of(drawing),
        )
    print(f"{out}: open it in a browser")
