"""Commands that analyse runs and bundles: analyze, quality."""

from __future__ import annotations

import argparse

from tfdeepviz.artifacts import Recorded, record_report
from tfdeepviz.commands.common import Bars, load_bundle, values, without_decoder_notes
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.models.run import Run


def analyze(args: argparse.Namespace) -> None:
    """Describe a run's encodings."""
    run, dataset = Run.load(args.run), PreparedDataset.load(args.dataset)
    from tfdeepviz.analysis.analyze import analyze
    from tfdeepviz.reports.analysis import write_analysis

    with Bars() as bars:
        options = {"track_ids": args.track, "n_genres": args.genres, "map_method": args.map}
        analysis = analyze(run, dataset, **options, **values(args, "fit", "split", "seed"), progress=bars)
    for name, reason in analysis.left_out.items():
        print(f"left out: {name} ({reason})")
    page = write_analysis(analysis, args.out, fma_root=args.fma_root or dataset.origin)
    settings = values(args, "fit", "split", "track", "genres", "map", "seed")
    record_report(page, settings, {"run": run, "dataset": dataset})
    print(f"{page}: open it in a browser")


def quality(args: argparse.Namespace) -> None:
    """Measure bundles and baselines."""
    dataset = PreparedDataset.load(args.dataset)
    bundles = [load_bundle(text) for text in args.bundles]
    from tfdeepviz.analysis.drivers import bundle_sources
    from tfdeepviz.analysis.quality import measure
    from tfdeepviz.reports.quality import markdown, write_quality

    sources = bundle_sources(bundles, all_mappings=args.all_mappings)
    with without_decoder_notes(), Bars(unit="track") as bars:
        options = values(args, "fma_root", "max_tracks", "seed")
        table = measure(sources, dataset, args.split, **options, progress=bars.of("measuring"))
    print(markdown(table))
    page = write_quality(table, args.out)
    inputs: dict[str, Recorded] = {f"bundle {bundle.label}": bundle for bundle in bundles}
    record_report(page, values(args, "split", "all_mappings", "max_tracks", "seed"), inputs | {"dataset": dataset})
    print(f"{args.out}: quality.csv, quality.json, quality.md")
    print(f"{page}: open it in a browser")
