"""Corpora in FMA's layout, as other things know them: their digests and records."""

from __future__ import annotations

from pathlib import Path

from tfdeepviz.artifacts import ARTIFACT, Artifact, digest_of
from tfdeepviz.files import FormatError


def corpus_digest(fma_root: Path, subset: str) -> str:
    """SHA-256 of the names, sizes and modification times of a corpus's tables and of a subset's files.

    A demo corpus is rendered, not edited: its modification times do not count, so that copies are the same corpus.

    Raises
    ------
    FormatError
        If there is no corpus.
    """
    metadata = fma_root / "fma_metadata"
    if not (metadata / "tracks.csv").is_file():
        raise FormatError(
            f"{metadata / 'tracks.csv'}: missing; --fma-root and corpus.fma-root name the folder that holds "
            "fma_metadata/ and fma_<subset>/"
        )
    folder, is_rendered = fma_root / f"fma_{subset}", (fma_root / ARTIFACT).is_file()
    files = {}
    for path in (metadata / "tracks.csv", metadata / "genres.csv", *folder.glob("*"), *folder.glob("*/*")):
        if path.is_file():
            status = path.stat()
            files[path.relative_to(fma_root).as_posix()] = [status.st_size, 0 if is_rendered else status.st_mtime_ns]
    return digest_of(files)


def corpus_record(fma_root: Path, subset: str) -> Artifact:
    """Return the record of a corpus: its own, if `tfdeepviz demo-corpus` rendered it.

    Raises
    ------
    FormatError
        If there is no corpus, or its record is broken.
    """
    if (fma_root / ARTIFACT).is_file():
        return Artifact.read(fma_root / ARTIFACT)
    digest = corpus_digest(fma_root, subset)
    return Artifact(kind="corpus", name=fma_root.resolve().name, digest=digest, settings={"subset": subset})
