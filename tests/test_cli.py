from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import make_fma
from tfdeepviz.cli import main
from tfdeepviz.data.dataset import PreparedDataset
from tfdeepviz.data.fma import SPLITS


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
    for command in (
        *("download", "demo-corpus", "index", "prepare", "inspect"),
        *("train", "export", "push", "extract"),
    ):
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


def test_prepare_keeps_what_its_options_ask_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_fma(tmp_path / "fma", dict.fromkeys(range(2, 12), "training"), seconds=3.0)
    arguments = ["prepare", "--fma-root", str(root), "--out", str(tmp_path / "ds"), "--split", "random-by-artist"]
    arguments += ["--fractions", "0.5", "0.25", "0.25", "--max-tracks", "8", "--seed", "4", "--mode", "log-mel"]
    arguments += ["--set", "n_mels=32", "--set", "n_mfcc=20", "--hop-seconds", "0.5", "--segments-per-track", "3"]
    assert main([*arguments, "--storage", "float16", "--tracks-per-shard", "3"]) == 0
    capsys.readouterr()
    dataset = PreparedDataset.load(tmp_path / "ds")
    assert [dataset.n_tracks(split) for split in SPLITS] == [4, 2, 2]
    assert dataset.features.segment_shape == (32, 96, 1)
    assert dataset.params.preset == "custom"
    recipe = dataset.recipe
    assert (recipe.hop_frames, recipe.segments_per_track, recipe.seed, recipe.storage) == (50, 3, 4, "float16")
    assert len(dataset.shards) == 2 + 1 + 1


def test_index_says_what_is_wrong_and_resumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_fma(tmp_path / "fma", dict.fromkeys(range(2, 6), "training"), seconds=1.0)
    (root / "fma_small" / "000" / "000003.mp3").unlink()
    (root / "fma_small" / "000" / "000004.mp3").write_bytes(b"")
    (root / "fma_small" / "000" / "000999.mp3").write_bytes(b"a guest")
    index = tmp_path / "index.csv"
    for _ in range(2):
        assert main(["index", "--fma-root", str(root), "--out", str(index)]) == 0
        printed = " ".join(capsys.readouterr().out.split())
        assert "ok: 2 missing: 1 unexpected: 1" in printed
        assert "empty: 1" in printed
        assert "000/000003.mp3 (missing)" in printed
    assert len(index.read_text().splitlines()) == 1 + 5


def test_inspect_prints_counts_and_writes_a_page(
    fma_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", "--fma-root", str(fma_root), "--out", str(tmp_path / "ds")]) == 0
    assert main(["inspect", str(tmp_path / "ds"), "--examples", "2"]) == 0
    assert "sha256:" in capsys.readouterr().out
    page = (tmp_path / "ds" / "report.html").read_text()
    assert "<audio" in page
    assert main(["inspect", str(tmp_path / "ds"), "--out", str(tmp_path / "p.html"), "--fma-root", str(fma_root)]) == 0
    shard = next((tmp_path / "ds").glob("*.tfrecord-*"))
    content = bytearray(shard.read_bytes())
    content[-20] ^= 1
    shard.write_bytes(content)
    assert main(["inspect", str(tmp_path / "ds")]) == 2
    assert shard.name in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "--fma-root", "/nowhere", "--out", "x"], "fma-root"),
        (["prepare", "--fma-root", "/nowhere", "--out", "x", "--workers", "0"], "--workers 0"),
        (["prepare", "--fma-root", "/nowhere", "--out", "x", "--set", "n_mfcc=many"], "--set n_mfcc=many"),
        (["prepare", "--fma-root", "/nowhere", "--out", "x", "--set", "n_coefficients=9"], "n_coefficients"),
        (["prepare", "--fma-root", "/nowhere", "--out", "x", "--params", "loud"], "--params loud"),
        (["prepare", "--fma-root", "/nowhere", "--out", "x", "--balanced"], "balanced"),
        (["index", "--fma-root", "/nowhere"], "fma-root"),
        (["inspect", "/nowhere"], "tfdeepviz prepare"),
        (["download", "--out", "x", "--base-url", "file:///etc"], "file:///etc"),
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
