"""The command that shows where things come from."""

from __future__ import annotations

import argparse
from pathlib import Path

from tfdeepviz.commands.common import Add


def register(add: Add) -> None:
    """Add the command."""
    lineage = add(
        "lineage",
        _lineage,
        "show where a bundle comes from, and what was made of a dataset",
        "Follow a bundle, run, prepared dataset or corpus back to what it was made of, with digests, licences, commands"
        " and code versions, and forward to what was made of it. What is gone is told from the manifests that "
        "remain; what is no longer the same is said to be.",
    )
    lineage.add_argument("path", type=Path, metavar="PATH", help="folder of a bundle, run, prepared dataset or corpus")
    lineage.add_argument(
        "--among",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="search these folders for what was made of it, and for what was moved; by default data, runs, build and "
        "webapp/registry, where they exist",
    )
    form = lineage.add_mutually_exclusive_group()
    form.add_argument(
        "--mermaid", action="store_true", help="print a Mermaid flowchart, which GitHub and many editors draw, instead"
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
