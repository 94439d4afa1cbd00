"""Runs `tfdeepviz` as its users do, in a process of its own, and finds the bundles that ship."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]

_END = "\f"
# One interpreter for all of them: loading TensorFlow takes longer than most.
_RUN = f"""
import json, sys
from tfdeepviz.cli import main
for line in sys.stdin:
    if status := main(json.loads(line)):
        sys.exit(status)
    print(end={_END!r}, flush=True)
"""


def shipped(name: str) -> Path:
    """The newest version of a bundle that ships."""
    return max((REPOSITORY / "webapp" / "registry" / name).iterdir(), key=lambda version: int(version.name))


def tfdeepviz(*commands: Sequence[str | Path], cwd: Path = REPOSITORY, **environment: str) -> list[str]:
    """Run commands one after the other; gives what each prints. All of them have to succeed."""
    result = subprocess.run(
        [sys.executable, "-c", _RUN],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONIOENCODING": "utf-8:strict", **environment},
        input="".join(f"{json.dumps([*map(str, command)])}\n" for command in commands),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    assert result.returncode == 0, result.stderr[-3_000:]
    return result.stdout.split(_END)[:-1]
