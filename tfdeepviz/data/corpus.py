"""Corpora in FMA's layout, as records know them: their digests and their own records."""

from __future__ import annotations

from pathlib import Path

from tfdeepviz.artifacts import ARTIFACT, Artifact, digest_of
from tfdeepviz.data.metadata import find_metadata

#: Goes up whenever the same settings of the demo corpus would sound different, so that old and new tracks never mix.
COMPOSER_VERSION = 2


def corpus_digest(fma_root: Path, subset: str) -> str:
    """SHA-256 of the names, sizes and modification times of a corpus's tables and of a subset's files.

    Files that tfdeepviz made are not edited: their modification times do not count, so that copies are the same corpus.
    A FormatError is raised if there is no corpus.
    """
    tables = find_metadata(fma_root)
    root, is_made_here = tables.parents[1], (fma_root / ARTIFACT).is_file()
    folder = root / f"fma_{subset}"
    files = {}
    for path in (tables, tables.with_name("genres.csv"), *folder.glob("*"), *folder.glob("*/*")):
        if path.is_file():
            status = path.stat()
            files[path.relative_to(root).as_posix()] = [status.st_size, 0 if is_made_here else status.st_mtime_ns]
    return digest_of(files)


def corpus_record(fma_root: Path, subset: str) -> Artifact:
    """Return the record of a corpus: its own, if `tfdeepviz demo-corpus` or `open-corpus` made it."""
    if (fma_root / ARTIFACT).is_file():
        return Artifact.read(fma_root / ARTIFACT)
    digest = corpus_digest(fma_root, subset)
    return Artifact(kind="corpus", name=fma_root.resolve().name, digest=digest, settings={"subset": subset})


def planned_corpus(root: Path, *, n_tracks: int = 64, seed: int = 0, duration_seconds: float = 30.0) -> Artifact:
    """Return the record of the demo corpus that `render_corpus` makes of these arguments."""
    settings = {"n_tracks": n_tracks, "seed": seed, "duration_seconds": duration_seconds}
    return Artifact.planned("corpus", root.resolve().name, {"composer_version": COMPOSER_VERSION, **settings})
