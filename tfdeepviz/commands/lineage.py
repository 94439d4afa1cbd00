"""The command that traces provenance: lineage."""

from __future__ import annotations

import argparse
from pathlib import Path

from tfdeepviz.commands.common import Add


def register(add: Add) -> None:
    """Add the command."""
    lineage = add(
        "lineage",
        _lineage,
        "trace where a bundle comes from, and what was made from a dataset",
        "Trace a bundle, run, prepared dataset or corpus back to what it was made from, with digests, licences, "
        "commands and code versions, and forward to what was made from it. Deleted items are described from the "
        "manifests that remain. Items that have changed since are marked.",
    )
    lineage.add_argument("path", type=Path, metavar="PATH", help="folder of a bundle, run, prepared dataset or corpus")
    lineage.add_argument(
        "--among",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="folders to search for derived and moved items (default: data, runs, build and webapp/registry, where "
        "they exist)",
    )
    form = lineage.add_mutually_exclusive_group()
    form.add_argument(
        "--mermaid",
        action="store_true",
        help="print a Mermaid flowchart, which GitHub and many editors render, instead of a tree",
    )
    form.add_argument("--json", action="store_true", help="print JSON instead of a tree")


def _lineage(args: argparse.Namespace) -> None:
    import json

    from tfdeepviz.lineage import trace
    from tfdeepviz.lineage_mermaid import to_mermaid

    lineage = trace(args.path, args.among)
    if args.mermaid:
        print(to_mermaid(lineage))
    else:
        print(json.dumps(lineage.to_dict(), indent=2) if args.json else lineage.to_text())
