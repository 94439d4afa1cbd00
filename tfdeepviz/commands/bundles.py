"""Commands about bundles: export, push, extract."""

from __future__ import annotations

import argparse
from pathlib import Path

from tfdeepviz.commands.common import Add


def register(add: Add) -> None:
    """Add the commands."""
    export = add(
        "export",
        _export,
        "write a run as a bundle for the browser",
        "Write a bundle: TensorFlow.js graphs of front end and encoder, fitted mappings, and golden values of every "
        "stage. A run whose encoding is collapsed is refused.",
    )
    export.add_argument("run", type=Path, metavar="RUN", help="made by `tfdeepviz train`")
    export.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="folder to make")
    export.add_argument(
        "--quantize",
        default="float16",
        choices=("none", "float16", "uint8"),
        help="how the browser's kernels are stored",
    )
    export.add_argument("--name", help="name in a registry; by default the preset's")

    push = add(
        "push",
        _push,
        "publish a bundle in a registry",
        "Check a bundle and copy it into a registry under the next version of its name, all or nothing.",
    )
    push.add_argument("bundle", type=Path, metavar="BUNDLE", help="made by `tfdeepviz export`")
    push.add_argument("--registry", type=Path, default=Path("webapp/registry"), help="folder of the registry")

    extract = add(
        "extract",
        _extract,
        "encodings and visual parameters of a track",
        "Run a bundle on one track: times, encodings and the ten visual parameters, as the browser computes them.",
    )
    extract.add_argument("track", type=Path, metavar="TRACK", help="mp3, ogg, flac, wav; m4a where ffmpeg is installed")
    extract.add_argument(
        "--bundle", type=Path, required=True, help="made by `tfdeepviz export`, or a version in a registry"
    )
    extract.add_argument("--out", type=Path, required=True, metavar="FILE", help="ends in .json, .npz or .csv")
    extract.add_argument("--hop-seconds", type=float, help="time between encodings; by default the encoder's window")
    extract.add_argument("--mode", choices=("features", "across"), help="scaling; by default the bundle's")
    extract.add_argument("--method", choices=("standard", "minmax"), help="scaling; by default the bundle's")
    extract.add_argument("--max-seconds", type=float, default=1_800.0, help="refuse longer tracks")


def _export(args: argparse.Namespace) -> None:
    from tfdeepviz.export.exporter import export_bundle
    from tfdeepviz.models.training import Run

    bundle = export_bundle(Run.load(args.run), args.out, name=args.name, quantization=args.quantize)
    size = sum(entry["bytes"] for entry in bundle.manifest["files"].values())
    print(f"{bundle.path}: bundle {bundle.label}, {size / 1e6:.2f} MB, {args.quantize}")


def _push(args: argparse.Namespace) -> None:
    from tfdeepviz.export.push import push

    target = push(args.bundle, args.registry)
    print(f"{target}: pushed as {target.parent.name}/{target.name}")


def _extract(args: argparse.Namespace) -> None:
    from tfdeepviz.export.bundle import Bundle
    from tfdeepviz.export.extract import FORMATS, Extractor, write_analysis

    if args.out.suffix not in FORMATS:
        raise ValueError(f"--out {args.out}: has to end in {', '.join(FORMATS)}")
    bundle = Bundle.load(args.bundle)
    analysis = Extractor(bundle).extract(
        args.track, hop_seconds=args.hop_seconds, mode=args.mode, method=args.method, max_seconds=args.max_seconds
    )
    write_analysis(analysis, args.out, bundle=bundle)
    print(f"{args.out}: {len(analysis.times)} encodings of {analysis.encoding.shape[1]} by {bundle.label}")
