"""Commands that analyse runs and bundles: analyze, quality."""

from __future__ import annotations

import argparse
from pathlib import Path

from tfdeepviz.commands.common import Add, add_dataset, advance, advance_of, at_least_one, bar, load_bundle
from tfdeepviz.data.fma import SPLITS

_PREPARED_FROM = "(default: the one that the dataset was prepared from)"


def register(add: Add) -> None:
    """Add the commands."""
    analyze = add(
        "analyze",
        _analyze,
        "describe a run's encodings and their mappings",
        "Fit every mapping to a run's encodings of one split and describe another split: statistics of each component, "
        "raw and mapped, by genre and by track; explained variance, clusters, scatter plots, one track over time, and "
        "a map of moments to listen to. Writes an HTML page, and the data behind its charts as CSV.",
    )
    analyze.add_argument("run", type=Path, metavar="RUN", help="a finished run")
    add_dataset(analyze)
    analyze.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the page and the CSV files")
    analyze.add_argument("--fit", default="training", choices=SPLITS, help="split to fit the mappings to")
    analyze.add_argument("--split", default="test", choices=SPLITS, help="split to describe")
    track = "track of the split to describe, up to four; the first is shown over time (default: of different genres)"
    analyze.add_argument("--track", type=int, action="append", default=[], metavar="ID", help=track)
    analyze.add_argument(
        "--genres", type=int, default=4, metavar="N", help="describe the N largest genres, at most four"
    )
    analyze.add_argument(
        "--map", default="t-sne", choices=("t-sne", "pca"), help="method that places moments on the map"
    )
    analyze.add_argument("--fma-root", type=Path, metavar="DIR", help=f"corpus to play from {_PREPARED_FROM}")
    analyze.add_argument("--seed", type=int, default=0, help="seed for all random choices")

    quality = add(
        "quality",
        _quality,
        "measure how well bundles visualise music",
        "Measure how well bundles drive the picture on the tracks of a dataset: whether it follows the music, tells "
        "songs and genres apart, and uses its range. For comparison, the original's settings, plain band energies and "
        "a random walk are measured too. Writes a table, and an HTML page with charts.",
    )
    quality.add_argument("bundles", nargs="+", metavar="BUNDLE", help="bundle, or its name in the shipped registry")
    add_dataset(quality, "prepared dataset that lists the tracks to measure")
    pooled = "splits to measure; the tracks of several are pooled"
    quality.add_argument("--split", nargs="+", default=["test"], choices=SPLITS, help=pooled)
    quality.add_argument("--fma-root", type=Path, metavar="DIR", help=f"corpus with the audio {_PREPARED_FROM}")
    quality.add_argument("--all-mappings", action="store_true", help="measure every mapping, not only the default one")
    quality.add_argument("--max-tracks", type=int, metavar="N", help="measure N tracks drawn at random (default: all)")
    quality.add_argument("--seed", type=int, default=0, help="seed for all random choices")
    quality.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the table and the page")


def _analyze(args: argparse.Namespace) -> None:
    from tfdeepviz.artifacts import record_report
    from tfdeepviz.data.prepared import PreparedDataset
    from tfdeepviz.models.run import Run

    run, dataset = Run.load(args.run), PreparedDataset.load(args.dataset)
    from tfdeepviz.analysis.analyze import analyze
    from tfdeepviz.reports.analysis import write_analysis

    with bar(None) as working:

        def progress(what: str, done: int, total: int) -> None:
            if what != working.desc.removesuffix(": "):
                working.set_description(what, refresh=False)
                working.reset(total)
            advance(working, done)

        analysis = analyze(
            run,
            dataset,
            fit=args.fit,
            split=args.split,
            track_ids=args.track,
            n_genres=args.genres,
            map_method=args.map,
            seed=args.seed,
            progress=progress,
        )
    for name, reason in analysis.left_out.items():
        print(f"left out: {name} ({reason})")
    page = write_analysis(analysis, args.out, fma_root=args.fma_root or dataset.origin)
    names = ("fit", "split", "track", "genres", "map", "seed")
    record_report(page, {name: getattr(args, name) for name in names}, {"run": run, "dataset": dataset})
    print(f"{page}: open it in a browser")


def _quality(args: argparse.Namespace) -> None:
    from tfdeepviz.artifacts import record_report
    from tfdeepviz.data.prepared import PreparedDataset

    at_least_one("max-tracks", args.max_tracks)
    dataset = PreparedDataset.load(args.dataset)
    bundles = [load_bundle(text) for text in args.bundles]
    from tfdeepviz.analysis.drivers import bundle_sources
    from tfdeepviz.analysis.quality import measure
    from tfdeepviz.reports.quality import markdown, write_quality

    with bar(None, unit="track") as measuring:
        table = measure(
            bundle_sources(bundles, all_mappings=args.all_mappings),
            dataset,
            args.split,
            fma_root=args.fma_root,
            max_tracks=args.max_tracks,
            seed=args.seed,
            progress=advance_of(measuring),
        )
    print(markdown(table))
    page = write_quality(table, args.out)
    settings = {name: getattr(args, name) for name in ("split", "all_mappings", "max_tracks", "seed")}
    sources = {f"bundle {bundle.label}": bundle for bundle in bundles}
    record_report(page, settings, {**sources, "dataset": dataset})
    print(f"{args.out}: quality.csv, quality.json, quality.md")
    print(f"{page}: open it in a browser")
