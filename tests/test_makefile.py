from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).parents[1]


def _recipe(target: str, *variables: str) -> str:
    """What `make` would run for a target."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", "--dry-run", "--always-make", target, *variables],
        cwd=_REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("folder", ["My Disk", 'it\'s "here"', "$HOME `id` $(shell id) ; id", "/plain"])
def test_variables_reach_their_commands_whole(folder: str) -> None:
    variables = [f"FMA_ROOT={folder}", "HOST=a b", "PORT=8 0", "PYTHON=/My Disk/python3.11"]
    for target, program in (
        ("play", "webapp.server"),
        ("gallery", "benchmarks/gallery.mjs"),
        ("follow", "benchmarks.follow"),
    ):
        (line,) = (line for line in _recipe(target, *variables).splitlines() if program in line)
        words = shlex.split(line)
        assert words[words.index("--fma-root") + 1] == folder
        if target == "play":
            assert (words[words.index("--host") + 1], words[words.index("--port") + 1]) == ("a b", "8 0")
    assert shlex.split(_recipe(".venv/bin/python", *variables))[0] == "/My Disk/python3.11"


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_a_home_stays_a_home() -> None:
    (line,) = (line for line in _recipe("play", "FMA_ROOT=~/My Disk").splitlines() if "webapp.server" in line)
    assert "--fma-root \"$HOME\"/'My Disk'" in line
