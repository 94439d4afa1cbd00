from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import make_fma
from tfdeepviz.cli import main


def test_help_and_import_are_quick_and_load_nothing_heavy() -> None:
    code = (
        "import sys, tfdeepviz, tfdeepviz.cli\n"
        "try:\n    tfdeepviz.cli.main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'tensorflow', 'keras', 'librosa', 'sklearn', 'pandas', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    started = time.monotonic()
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert time.monotonic() - started < 1.0
    for command in ("demo-corpus", "prepare", "train", "export", "push", "extract"):
        assert command in result.stdout


def test_prepare_prints_what_it_skipped_and_no_noise(tmp_path: Path) -> None:
    root = make_fma(tmp_path / "fma", {2: "training", 3: "training"}, seconds=1.5)
    (root / "fma_small" / "000" / "000003.mp3").write_bytes(b"")
    result = subprocess.run(
        [sys.executable, "-m", "tfdeepviz.cli", "prepare", "--fma-root", root, "--out", tmp_path / "ds"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "3 (empty)" in result.stdout
    assert "sha256:" in result.stdout
    noise = [line for line in result.stderr.replace("\r", "\n").splitlines() if line and "preparing" not in line]
    assert noise == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "--fma-root", "/nowhere", "--out", "x"], "fma-root"),
        (["train", "ae-shared", "--dataset", "/nowhere", "--out", "x"], "tfdeepviz prepare"),
        (["train", "vgg99", "--dataset", "/nowhere", "--out", "x"], "no such preset"),
        (["export", "/nowhere", "--out", "x"], "tfdeepviz train"),
        (["push", "/nowhere"], "tfdeepviz export"),
        (["extract", "a.mp3", "--bundle", "/nowhere", "--out", "x.json"], "tfdeepviz export"),
        (["extract", "a.mp3", "--bundle", "/nowhere", "--out", "x.txt"], ".npz"),
        (["demo-corpus", "x", "--tracks", "0"], "--tracks 0"),
    ],
)
def test_errors_say_what_is_wrong_in_one_line(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_unforeseen_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("tfdeepviz.data.demo.render_corpus", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["demo-corpus", str(tmp_path)])


def test_an_interrupt_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tfdeepviz.data.demo.render_corpus", interrupted)
    assert main(["demo-corpus", str(tmp_path)]) == 130
    assert "run them again" in capsys.readouterr().err
