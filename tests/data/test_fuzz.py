"""Every reader of files from outside, on thousands of damaged ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.fuzz import TARGETS

_ROOT = Path(__file__).parents[2]

# A process for each reader would spend most of a short run on importing TensorFlow.
_TOGETHER = (
    ("mp3", "ogg", "flac", "wav", "tracks", "genres", "index", "checksums"),
    ("manifest", "record", "note", "statistics", "scaler", "records", "crafted"),
    ("pth", "hdf5", "targets", "config", "history"),
)


def test_every_reader_has_its_turn() -> None:
    assert sorted(name for names in _TOGETHER for name in names) == sorted(TARGETS)


@pytest.mark.parametrize(
    ("names", "count"),
    [
        *(pytest.param(names, 40, id=f"{names[0]}-to-{names[-1]}") for names in _TOGETHER),
        *(pytest.param((name,), 2_000, id=name, marks=pytest.mark.slow) for name in TARGETS),
    ],
)
def test_damaged_files_are_read_or_refused(names: tuple[str, ...], count: int) -> None:
    command = [sys.executable, "-m", "tests.data.fuzz"]
    # A crash must not end the tests, nor must their memory be bounded: the mutants have a process of their own.
    result = subprocess.run(
        [*command, *names, "--count", str(count)], cwd=_ROOT, capture_output=True, text=True, errors="replace"
    )
    *_, last = result.stdout.splitlines() or ["nothing"]
    print(*(line for line in result.stdout.splitlines() if "mutants in" in line), sep="\n")
    assert result.returncode == 0, (
        f"exit status {result.returncode}, last was {last!r}; repeat one mutant (name and number) with "
        f"`python -m tests.data.fuzz NAME --first NUMBER`\n{result.stderr[-6_000:]}"
    )
