"""Commands about bundles: export, validate, push, registry, serving, site, extract."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tfdeepviz.commands.common import Add, add_dataset, add_places, advance_of, assignments, bar, load_bundle, place
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.errors import InputError

if TYPE_CHECKING:
    from tfdeepviz.export.bundle import Bundle

#: Frames per second of `extract`; more would fill the memory.
_MAX_FPS = 1_000


def register(add: Add) -> None:
    """Add the commands."""
    export = add(
        "export",
        _export,
        "write runs as a bundle for the browser",
        "Write a bundle: TensorFlow.js graphs of the front end and the encoders, every mapping that the encodings "
        "allow, fitted to a dataset, golden values for every stage, and a model card. Several runs drive one picture "
        "together, each on its own time axis. Runs with a collapsed encoding are refused.",
    )
    export.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run made by `tfdeepviz train`")
    add_dataset(export, "dataset to fit the mappings to")
    export.add_argument("--split", default="training", choices=SPLITS, help="split to fit the mappings to")
    export.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="folder to create")
    counts = "visual parameters that each run drives, such as ae-time=6 song=4; required with several runs"
    export.add_argument("--parameters", nargs="+", metavar="NAME=COUNT", help=counts)
    start = "mapping that a player starts with, such as pca/features/robust (default: see docs/mapping.md)"
    export.add_argument("--default", metavar="PROJECTION/MODE/METHOD", help=start)
    formats = ("none", "float16", "uint8")
    export.add_argument("--quantize", default="float16", choices=formats, help="storage format of encoders' kernels")
    export.add_argument("--layer", help="classifier layer that gives the encoding, such as L14 (default: the preset's)")
    export.add_argument("--note", metavar="TEXT", help="additional remark about the data for the model card")
    export.add_argument("--name", help="name in a registry (default: from the first run's preset)")
    export.add_argument("--title", help="title shown to users (default: the first run's preset title)")

    validate = add(
        "validate",
        _validate,
        "check that a bundle is fit to be pushed",
        "Check a bundle and write BLESSED or NOT_BLESSED into it, with every figure. The bundle must compute the same "
        "numbers in TensorFlow, as a SavedModel, and in Chromium on WebAssembly, WebGL and WebGPU. Its metrics must "
        "meet the thresholds of its presets and hold up against the version that it would replace. Its size and speed "
        "must stay within budget. Needs Chromium.",
    )
    validate.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle made by `tfdeepviz export`")
    baseline = "version to compare with (default: the registry's current version of the bundle); `none` skips this"
    validate.add_argument("--baseline", metavar="VERSION", help=baseline)
    add_places(validate, "registry", "static")

    push = add(
        "push",
        _push,
        "publish a blessed bundle in a registry",
        "Check a bundle and copy it atomically into a registry, as the next version of its name. The registry is "
        "created if it is given and missing. Bundles that `tfdeepviz validate` has not blessed are refused.",
    )
    push.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle made by `tfdeepviz export`")
    push.add_argument("--first", action="store_true", help="put it first, so that the playground starts with it")
    add_places(push, "registry")

    registry = add(
        "registry",
        _registry,
        "manage a registry: list, show, rollback, prune, verify",
        "List, inspect and clean up the bundles of a registry, and choose the current version of each. Readers such as "
        "the playground load the current version.",
    )
    actions = registry.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in (
        ("list", "list every bundle, its versions and the current one"),
        ("show", "show where one version comes from and what it contains"),
        ("rollback", "make another version the current one; nothing is deleted"),
        ("prune", "delete old versions, but never the current one"),
        ("verify", "check every file of every version, and the index"),
    ):
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name in ("show", "rollback"):
            version = "version to make current" if name == "rollback" else "version to show (default: the current one)"
            action.add_argument("name", metavar="NAME", help="name of the bundle")
            action.add_argument("--version", type=int, required=name == "rollback", help=version)
        if name == "prune":
            keep = "newest versions to keep per bundle (default: 1)"
            action.add_argument("--keep", type=int, default=1, metavar="N", help=keep)
        add_places(action, "registry")

    serving = add(
        "serving",
        _serving,
        "write a bundle as a SavedModel for TensorFlow Serving",
        "Write a SavedModel that runs without this package. Its signature `serving_default` turns PCM into encodings "
        "and visual parameters, `serve_bytes` does the same with the bytes of a WAV file, and `transform` returns MFCC "
        "segments.",
    )
    serving.add_argument("bundle", metavar="BUNDLE", help="bundle, or its name in the shipped registry")
    serving.add_argument("models", type=Path, metavar="MODELS", help="folder; receives NAME/VERSION/saved_model.pb")

    site = add(
        "site",
        _site,
        "write the playground as plain files for a static host",
        "Write the built playground with its registry and demo tracks as plain files, for any static host and under "
        "any path. If the host does not send isolation headers, a service worker adds them.",
    )
    site.add_argument("out", type=Path, metavar="OUT", help="folder to create")
    site.add_argument("--replace", action="store_true", help="replace a site that this command wrote there before")
    add_places(site, "registry", "tracks", "static")

    extract = add(
        "extract",
        _extract,
        "compute encodings and visual parameters of audio files",
        "Run a bundle on audio files and write times, encodings and the ten visual parameters, as the browser computes "
        "them. With several tracks, those that cannot be analysed are reported and skipped.",
    )
    audio = "audio file, or a folder of audio files: mp3, ogg, flac, wav; with ffmpeg also m4a, aac, webm"
    extract.add_argument("tracks", nargs="+", type=Path, metavar="TRACK", help=audio)
    extract.add_argument("--bundle", required=True, help="bundle, or its name in the shipped registry")
    out = "file that ends in .json, .npz or .csv; with several tracks a folder, for files such as song.mp3.json"
    extract.add_argument("--out", type=Path, required=True, metavar="OUT", help=out)
    formats = ("json", "npz", "csv")
    extract.add_argument("--format", choices=formats, default="json", help="format of the files if OUT is a folder")
    extract.add_argument("--hop-seconds", type=float, help="time between encodings (default: each encoder's own step)")
    extract.add_argument("--projection", help="projection, such as raw, pca or kmeans (default: the bundle's)")
    extract.add_argument("--mode", help="scaling mode, features or across (default: the bundle's)")
    methods = "scaling method: standard, minmax, robust or per-track (default: the bundle's)"
    extract.add_argument("--method", help=methods)
    fps = "frames per second, smoothed as the player does (default: unsmoothed, at the times of the encodings)"
    extract.add_argument("--fps", type=float, help=fps)
    extract.add_argument("--max-seconds", type=float, default=1_800.0, help="reject tracks longer than this")


def _export(args: argparse.Namespace) -> None:
    from tfdeepviz.data.prepared import PreparedDataset
    from tfdeepviz.models.run import Run

    default = None if args.default is None else tuple(args.default.split("/"))
    if default is not None and len(default) != 3:
        raise InputError(f"--default {args.default}: give PROJECTION/MODE/METHOD, as pca/features/robust")
    counts = None if args.parameters is None else _counts(args.parameters)
    runs, dataset = [Run.load(path) for path in args.runs], PreparedDataset.load(args.dataset)
    from tfdeepviz.export.exporter import export_bundle

    with bar(None, desc="encoding", unit="track") as shown:
        advance = advance_of(shown)

        def progress(name: str, done: int, total: int) -> None:
            shown.set_description(f"encoding with {name}", refresh=False)
            advance(done, total)

        bundle = export_bundle(
            runs,
            dataset,
            args.out,
            **{"name": args.name, "title": args.title, "quantization": args.quantize},
            **{"layer": args.layer, "note": args.note, "split": args.split},
            parameters=counts,
            default=default,
            progress=progress,
        )
    print(f"{bundle.path}: bundle {bundle.label}, {bundle.n_bytes / 1e6:.2f} MB, {args.quantize}")
    _print_mappings(bundle)
    for projection, reason in bundle.manifest["provenance"]["mappings"]["left_out"].items():
        print(f"left out: {projection}: {reason}")


def _print_mappings(bundle: Bundle) -> None:
    print(f"mappings: {', '.join(dict.fromkeys(offer.projection for offer in bundle.mappings.offers))}")
    print(f"default: {bundle.mappings.default}")


def _counts(texts: list[str]) -> dict[str, int]:
    counts = assignments(texts, option="--parameters")
    for name, value in counts.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InputError(f"--parameters {name}={value}: give a whole number of at least 1")
    return counts


def _validate(args: argparse.Namespace) -> None:
    from tfdeepviz.export.browser import find_browser
    from tfdeepviz.export.registry import NotBlessedError
    from tfdeepviz.export.validate import summary, validate

    compare = args.baseline != "none"
    if compare and args.baseline is not None and not args.baseline.isdecimal():
        raise InputError(f"--baseline {args.baseline}: give the number of a version, or none")
    static = place(args, "static")
    find_browser(static)
    blessing = validate(
        args.bundle,
        static=static,
        registry=place(args, "registry") if compare else None,
        compare=compare,
        baseline=int(args.baseline) if compare and args.baseline is not None else None,
        progress=lambda what: print(f"checking {what} ...", file=sys.stderr),
    )
    print(summary(blessing))
    failed = sum(not check.passed for check in blessing.checks)
    if not blessing.is_blessed:
        raise NotBlessedError(f"{args.bundle}: NOT_BLESSED, {failed} of {len(blessing.checks)} checks failed")
    push = shlex.join(["tfdeepviz", "push", str(args.bundle)])
    print(f"{args.bundle}: BLESSED by {len(blessing.checks)} checks; publish it with `{push}`")


def _serving(args: argparse.Namespace) -> None:
    from tfdeepviz.export.serving import write_serving

    path = write_serving(load_bundle(args.bundle), args.models)
    print(f"{path}: saved_model.pb with serving_default, serve_bytes and transform")


def _site(args: argparse.Namespace) -> None:
    from tfdeepviz.export.site import write_site

    places = {name: place(args, name) for name in ("static", "registry", "tracks")}
    site = write_site(args.out, **places, replace=args.replace)
    serve = shlex.join(["python3", "-m", "http.server", "--directory", str(site)])
    print(f"{site}: put it on any static host; to look at it here: {serve}")


def _push(args: argparse.Namespace) -> None:
    from tfdeepviz.export.registry import push

    target = push(args.bundle, place(args, "registry", writable=True), first=args.first)
    print(f"{target}: pushed as {target.parent.name}/{target.name}")


def _registry(args: argparse.Namespace) -> None:
    from tfdeepviz.export.registry import entries, find, prune, rollback, verify
    from tfdeepviz.reports.tables import Table

    folder = place(args, "registry", writable=args.action in ("rollback", "prune"))
    if args.action == "list":
        rows = [
            (entry.name, ", ".join(f"[{v}]" if v == entry.latest else str(v) for v in entry.versions), entry.title)
            for entry in entries(folder)
        ]
        print(Table(("bundle", "versions", "title"), rows, n_left=3).text())
    elif args.action == "show":
        bundle = find(folder, args.name, args.version)
        blessing = bundle.blessing
        print(f"{bundle.label}: {bundle.manifest['title']}, {bundle.manifest['created']}")
        print(f"{bundle.path}: {bundle.n_bytes / 1e6:.2f} MB with its front end, {bundle.manifest['quantization']}")
        print(f"blessed: {f'by {len(blessing.checks)} checks, {blessing.created}' if blessing else 'no'}")
        for encoder in bundle.encoders:
            print(
                f"encoder {encoder.name}: {encoder.encoding_size} components of {encoder.window_seconds:.2f} s, "
                f"every {encoder.step_seconds:g} s"
            )
        _print_mappings(bundle)
    elif args.action == "rollback":
        rollback(folder, args.name, args.version)
        print(f"{folder}: readers take {args.name}/{args.version}")
    elif args.action == "prune":
        for path in prune(folder, keep=args.keep):
            print(f"{path}: deleted")
    else:
        found = list(verify(folder))
        for name, problem in found:
            print(f"{name}: {problem or 'right'}")
        if wrong := [name for name, problem in found if problem is not None]:
            raise InputError(f"{folder}: {len(wrong)} of {len(found)} are wrong: {', '.join(wrong)}")


def _extract(args: argparse.Namespace) -> None:
    from tfdeepviz.data.decode import AudioError
    from tfdeepviz.export.analysis_files import plan_outputs, write_analysis
    from tfdeepviz.export.extract import Extractor
    from tfdeepviz.mapping.projections import warning_for

    if args.fps is not None and not 0 < args.fps <= _MAX_FPS:
        raise InputError(f"--fps {args.fps:g}: give a positive number, at most {_MAX_FPS}")
    outputs = plan_outputs(args.tracks, args.out, f".{args.format}")
    bundle = load_bundle(args.bundle)
    options = {"projection": args.projection, "mode": args.mode, "method": args.method}
    used = bundle.mappings.find(**options)
    if args.projection is not None and (warning := warning_for(used.projection.name, used.scaling.mode)):
        print(f"note: {warning}", file=sys.stderr)
    options |= {"hop_seconds": args.hop_seconds, "max_seconds": args.max_seconds}
    extractor, n_failed, is_single = Extractor(bundle), 0, len(outputs) == 1
    with bar(len(outputs), desc="analysing", unit="track", disable=is_single) as shown:
        for track, out in outputs.items():
            try:
                analysis = extractor.extract(track, **options)
            except AudioError as error:
                if is_single:
                    raise
                shown.write(f"skipped: {error}", file=sys.stderr)
                n_failed += 1
                continue
            finally:
                shown.update()
            if args.fps is not None:
                analysis = analysis.played(args.fps, bundle.mappings.time)
            write_analysis(analysis, out, bundle=bundle)
            if is_single:
                encodings = ", ".join(f"{len(one.times)} of {name}" for name, one in analysis.encodings.items())
                print(f"{out}: {len(analysis.times)} rows of parameters from {encodings} by {bundle.label}")
    if not is_single:
        print(f"{args.out}: {len(outputs) - n_failed} of {len(outputs)} tracks, by {bundle.label}")
    if n_failed:
        raise InputError(f"{n_failed} of {len(outputs)} tracks could not be analysed; the messages above say why")
