"""Commands about bundles: export, validate, push, registry, serving, site, extract."""

from __future__ import annotations

import argparse
import shlex
import sys

from tfdeepviz.commands.common import Bars, load_bundle, place, split_label, values, without_decoder_notes
from tfdeepviz.data.decode import AudioError
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.errors import InputError
from tfdeepviz.export import registry
from tfdeepviz.export import validate as gate
from tfdeepviz.export.analysis_files import FORMATS, plan_outputs, write_analysis
from tfdeepviz.export.browser import find_browser
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.export.extract import Extractor
from tfdeepviz.export.jams import check_annotates
from tfdeepviz.export.serving import write_serving
from tfdeepviz.export.site import write_site
from tfdeepviz.mapping.projections import warning_for
from tfdeepviz.models.run import Run
from tfdeepviz.reports.tables import Table


def export(args: argparse.Namespace) -> None:
    """Write a bundle."""
    runs, dataset = [Run.load(path) for path in args.runs], PreparedDataset.load(args.dataset)
    from tfdeepviz.export.exporter import BundlePlan, export_bundle

    options = values(args, "name", "title", "quantization", "layer", "note", "split")
    options |= {"parameters": dict(args.parameters) or None, "default": args.default and tuple(args.default.split("/"))}
    plan = BundlePlan(runs, dataset, args.out, **options)
    with Bars(unit="track") as bars:
        bundle = export_bundle(plan, progress=lambda encoder, *counts: bars(f"encoding with {encoder}", *counts))
    print(f"{bundle.path}: bundle {bundle.label}, {bundle.n_bytes / 1e6:.2f} MB, {args.quantization}")
    _print_mappings(bundle)
    for projection, reason in bundle.manifest["provenance"]["mappings"]["left_out"].items():
        print(f"left out: {projection}: {reason}")


def _print_mappings(bundle: Bundle) -> None:
    print(f"mappings: {', '.join(dict.fromkeys(offer.projection for offer in bundle.mappings.offers))}")
    print(f"default: {bundle.mappings.default}")


def validate(args: argparse.Namespace) -> None:
    """Judge a bundle."""
    static = place(args, "static")
    find_browser(static)
    blessing = gate.validate(
        args.bundle,
        static=static,
        registry=None if args.baseline == "none" else place(args, "registry"),
        baseline=args.baseline,
        progress=lambda what: print(f"checking {what} ...", file=sys.stderr),
    )
    print(gate.summary(blessing))
    failed = sum(not check.passed for check in blessing.checks)
    if not blessing.is_blessed:
        raise registry.NotBlessedError(f"{args.bundle}: NOT_BLESSED, {failed} of {len(blessing.checks)} checks failed")
    push = shlex.join(["tfdeepviz", "push", str(args.bundle)])
    print(f"{args.bundle}: BLESSED by {len(blessing.checks)} checks; publish it with `{push}`")


def push(args: argparse.Namespace) -> None:
    """Copy a bundle into a registry."""
    target = registry.push(args.bundle, place(args, "registry", writable=True), first=args.first)
    print(f"{target}: pushed as {target.parent.name}/{target.name}")


def registry_list(args: argparse.Namespace) -> None:
    """Print the index."""
    rows = [
        (entry.name, ", ".join(f"[{v}]" if v == entry.latest else str(v) for v in entry.versions), entry.title)
        for entry in registry.entries(place(args, "registry"))
    ]
    print(Table(("bundle", "versions", "title"), rows, n_left=3).text())


def registry_show(args: argparse.Namespace) -> None:
    """Describe a version."""
    bundle = registry.find(place(args, "registry"), *split_label(args.name, args.version))
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


def registry_rollback(args: argparse.Namespace) -> None:
    """Choose the current version."""
    folder = place(args, "registry", writable=True)
    registry.rollback(folder, args.name, args.version)
    print(f"{folder}: readers take {args.name}/{args.version}")


def registry_prune(args: argparse.Namespace) -> None:
    """Delete old versions."""
    folder = place(args, "registry", writable=True)
    deleted = registry.prune(folder, keep=args.keep)
    print("\n".join(f"{path}: deleted" for path in deleted) or f"{folder}: nothing to delete")


def registry_verify(args: argparse.Namespace) -> None:
    """Check all versions."""
    folder = place(args, "registry")
    found = list(registry.verify(folder))
    for name, problem in found:
        print(f"{name}: {problem or 'right'}")
    if wrong := [name for name, problem in found if problem is not None]:
        raise InputError(f"{folder}: {len(wrong)} of {len(found)} are wrong: {', '.join(wrong)}")


def serving(args: argparse.Namespace) -> None:
    """Write a SavedModel."""
    path = write_serving(load_bundle(args.bundle), args.models)
    print(f"{path}: saved_model.pb with serving_default, serve_bytes and transform")


def site(args: argparse.Namespace) -> None:
    """Write the playground."""
    places = {name: place(args, name) for name in ("static", "registry", "tracks")}
    site = write_site(args.out, **places, replace=args.replace)
    serve = shlex.join(["python3", "-m", "http.server", "--directory", str(site)])
    print(f"{site}: put it on any static host; to look at it here: {serve}")


def extract(args: argparse.Namespace) -> None:
    """Analyse tracks one after another."""
    if args.format is not None and args.out.suffix in FORMATS and args.out.suffix != f".{args.format}":
        raise InputError(f"--format {args.format}: --out {args.out} ends in {args.out.suffix}; omit --format")
    outputs = plan_outputs(args.tracks, args.out, f".{args.format or 'json'}")
    bundle = load_bundle(args.bundle)
    if any(out.suffix == ".jams" for out in outputs.values()):
        check_annotates(bundle)
    mapping = values(args, "projection", "mode", "method")
    used = bundle.mappings.find(**mapping)
    if args.projection is not None and (warning := warning_for(used.projection.name, used.scaling.mode)):
        print(f"note: {warning}", file=sys.stderr)
    options = mapping | values(args, "hop_seconds", "max_seconds")
    extractor, n_failed, is_single = Extractor(bundle), 0, len(outputs) == 1
    with without_decoder_notes(), Bars(unit="track", disable=is_single) as bars:
        for i, (track, out) in enumerate(outputs.items()):
            bars("analysing", i, len(outputs))
            try:
                analysis = extractor.extract(track, **options)
            except AudioError as error:
                if is_single:
                    raise
                bars.write(f"skipped: {error}")
                n_failed += 1
                continue
            if args.fps is not None:
                analysis = analysis.played(args.fps, bundle.mappings.time)
            write_analysis(analysis, out, bundle=bundle)
        bars("analysing", len(outputs), len(outputs))
    if is_single:
        encodings = ", ".join(f"{len(one.times)} of {name}" for name, one in analysis.encodings.items())
        print(f"{out}: {len(analysis.times)} rows of parameters from {encodings} by {bundle.label}")
    else:
        print(f"{args.out}: {len(outputs) - n_failed} of {len(outputs)} tracks, by {bundle.label}")
    if n_failed:
        raise InputError(f"{n_failed} of {len(outputs)} tracks could not be analysed; the messages above say why")
