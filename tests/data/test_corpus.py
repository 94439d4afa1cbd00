from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tfdeepviz.artifacts import ARTIFACT, Artifact
from tfdeepviz.data.corpus import corpus_digest, corpus_record
from tfdeepviz.files import FormatError


def test_a_corpus_is_known_by_its_files(fma_root: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(fma_root, tmp_path / "fma")
    before = corpus_digest(fma_root, "small")
    assert corpus_digest(copy, "small") == before
    record = corpus_record(copy, "small")
    assert (record.kind, record.name, record.digest, record.step_schema) == ("corpus", "fma", before, 0)
    track = copy / "fma_small" / "000" / "000002.mp3"
    os.utime(track, ns=(0, 0))
    assert corpus_digest(copy, "small") != before
    with pytest.raises(FormatError, match=r"corpus\.fma-root"):
        corpus_digest(tmp_path, "small")


def test_copies_of_a_demo_corpus_are_the_same(fma_root: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(fma_root, tmp_path / "fma")
    planned = Artifact.planned("corpus", "demo", {"n_tracks": 8})
    planned.write(copy / ARTIFACT)
    before = corpus_digest(copy, "small")
    track = copy / "fma_small" / "000" / "000002.mp3"
    os.utime(track, ns=(0, 0))
    assert corpus_digest(copy, "small") == before
    assert corpus_record(copy, "small") == planned
    track.unlink()
    assert corpus_digest(copy, "small") != before
