"""The corpus that a measurement uses: the one named, or one that our own code renders for it."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfdeepviz.data.demo import render_corpus
from tfdeepviz.data.fma import Track
from tfdeepviz.data.metadata import Metadata
from tfdeepviz.data.selection import Selection


def add_corpus_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fma-root",
        type=Path,
        default=os.environ.get("TFDEEPVIZ_FMA_ROOT"),
        help="a corpus in FMA's layout; by default TFDEEPVIZ_FMA_ROOT, else 32 demo tracks are rendered",
    )


@contextmanager
def corpus(root: Path | None) -> Iterator[tuple[Path, list[Track]]]:
    """The corpus at `root`, or a rendered one, and its tracks."""
    if root is not None:
        yield Path(root), Selection().tracks(Metadata.load(Path(root)))
        return
    with tempfile.TemporaryDirectory() as folder:
        print("rendering 32 demo tracks ...", flush=True)
        render_corpus(folder, n_tracks=32)
        yield Path(folder), Selection().tracks(Metadata.load(Path(folder)))
