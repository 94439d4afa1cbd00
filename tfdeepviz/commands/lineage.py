"""The command that traces provenance: lineage."""

from __future__ import annotations

import argparse
import json

from tfdeepviz.errors import InputError
from tfdeepviz.lineage import trace
from tfdeepviz.lineage_mermaid import to_mermaid


def lineage(args: argparse.Namespace) -> None:
    """Print what something was made from, and what was made from it."""
    if args.mermaid and args.json:
        raise InputError("--mermaid, --json: give one of them")
    found = trace(args.path, args.among)
    if args.mermaid:
        print(to_mermaid(found))
    else:
        print(json.dumps(found.to_dict(), indent=2) if args.json else found.to_text())
