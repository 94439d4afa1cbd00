from __future__ import annotations

import errno
import importlib
import json
import os
import pkgutil
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import tfdeepviz
from tests.commands import REPOSITORY, shipped
from tests.conftest import make_fma
from tfdeepviz.cli import main
from tfdeepviz.commands.common import EpochBars
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.errors import TfdeepvizError
from tfdeepviz.files import atomic_path
from tfdeepviz.models.run import Run


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nbefore = {name.partition('.')[0] for name in sys.modules}\nimport tfdeepviz.cli\n"
        "try:\n    tfdeepviz.cli.main(['--help'])\nexcept SystemExit:\n    pass\n"
        "outside = {name.partition('.')[0] for name in sys.modules} - before - sys.stdlib_module_names\n"
        "sys.exit(str(outside) if outside != {'tfdeepviz'} else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for command in (
        *("download", "demo-corpus", "open-corpus", "index", "prepare", "inspect"),
        *("presets", "train", "distill", "evaluate", "batch", "tune"),
        *("export", "validate", "push", "registry", "serving", "site", "extract"),
        *("quality", "analyze", "lineage", "pipeline", "serve"),
    ):
        assert command in result.stdout


def test_every_declared_command_has_its_function() -> None:
    declared = tomllib.loads((Path(tfdeepviz.__file__).parent / "commands" / "commands.toml").read_text())
    families = {module: commands for module, commands in declared.items() if module not in ("program", "shared")}
    for module, commands in families.items():
        functions = {name.replace("-", "_"): command for name, command in commands.items()}
        expected = {f"{name}_{action}" for name, command in functions.items() for action in command.get("actions", {})}
        expected |= {name for name, command in functions.items() if "actions" not in command}
        family = importlib.import_module(f"tfdeepviz.commands.{module}")
        defined = {name for name, value in vars(family).items() if getattr(value, "__module__", "") == family.__name__}
        assert {name for name in defined if not name.startswith("_")} == expected


def test_serve_passes_its_options_on_and_loads_nothing_heavy() -> None:
    code = (
        "import sys, tfdeepviz.cli\n"
        "try:\n    tfdeepviz.cli.main(['serve', '--port', '0', '--fma-root', '/nowhere'])\n"
        "finally:\n    print({'tensorflow', 'keras', 'numpy'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr == "error: --fma-root /nowhere is not a folder\n"
    assert result.stdout == "set()\n"


#: What takes long to import.
_HEAVY = ("tensorflow", "keras", "pandas", "sklearn", "scipy", "matplotlib", "librosa")
#: Inputs that are missing, empty or of another kind, and what is said about them.
_MISTAKES = {
    "download --out x --base-url file:///etc": "file:///etc",
    "demo-corpus x --tracks 0": "--tracks: 0",
    "index --fma-root missing": "--fma-root",
    "prepare --fma-root missing --out x": "--fma-root",
    "prepare --fma-root empty --out x --set n_mfcc=many": "n_mfcc",
    "inspect missing": "tfdeepviz prepare",
    "teacher listen musicnn --dataset missing --out x": "tfdeepviz prepare",
    "teacher listen musicnn --dataset {dataset} --teacher-file missing.whl --out x": "tfdeepviz teacher fetch",
    "teacher tags musicnn --teacher-file empty.mp3 x.mp3": "empty.mp3: not musicnn-0.1.0-py3-none-any.whl",
    "teacher tags vgg x.mp3": "choose from 'musicnn'",
    "train ae --dataset missing --out x": "tfdeepviz prepare",
    "train missing --dataset missing --out x": "no such preset",
    "train vgg16 --dataset missing --out x --weights missing.pth": "--weights missing.pth",
    "distill missing --preset ae --dataset missing --out x": "tfdeepviz train",
    "evaluate missing --dataset missing": "tfdeepviz train",
    "batch ae --dataset missing --out x": "tfdeepviz prepare",
    "tune missing.json --dataset missing --out x --trials 1": "missing.json",
    "export missing --dataset missing --out x": "tfdeepviz train",
    "validate missing": "tfdeepviz export",
    "validate empty --static empty": "make build",
    "push empty": "tfdeepviz export",
    "registry list --registry empty": "tfdeepviz push",
    "serving ./missing x": "tfdeepviz export",
    "site x --static empty": "make build",
    "extract missing.mp3 --bundle two-scale --out x.json": "missing.mp3",
    "extract empty.mp3 --bundle two-scale --out x.json": "empty.mp3: the file is empty",
    "extract empty.mp3 --bundle one-scale --out x.json": "choose one of two-scale",
    "quality missing --dataset missing --out x": "tfdeepviz prepare",
    "analyze missing --dataset missing --out x": "tfdeepviz train",
    "lineage missing": "missing",
    "pipeline missing.toml": "missing.toml",
    "pipeline empty.toml": "empty.toml",
    "serve --fma-root missing": "--fma-root missing is not a folder",
    # Settings, of which both options take several.
    "train ae --dataset missing --out x --set epoch=2": "there is no setting 'epoch'; did you mean 'epochs'? known: ",
    "train ae --dataset missing --out x --set epochs=2 batch_size=0": "batch_size",
    "train --set epochs=2 batch_size=8 vgg99 --dataset missing --out x": "no such preset",
    "export missing --dataset missing --out x --parameters a=6 b": "unrecognized arguments: b",
    # What does not fit the dataset, or what is there.
    "train ae --dataset {dataset} --out occupied": "occupied: not empty",
    "train ae --dataset {dataset} --out x --weights empty.mp3": "omit --weights",
    "prepare --fma-root {dataset} --out x": "{dataset}: holds a prepared dataset, not a corpus",
    "prepare --fma-root empty --out empty.mp3": "--out: empty.mp3 is not a folder",
    "prepare --fma-root empty --out x": "--fma-root",
    "extract empty.mp3 --bundle two-scale --out empty.mp3/x": "--out: empty.mp3 is not a folder",
    # Folders of another kind.
    "validate {dataset}": "`tfdeepviz inspect` checks a prepared dataset, `tfdeepviz export` makes a bundle",
    "inspect {bundle}": "{bundle}: holds a bundle, not a prepared dataset",
    "evaluate {registry} --dataset {dataset}": "holds a registry, not a training run",
    "registry list --registry {dataset}": "holds a prepared dataset, not a registry",
    "registry show two-scale/9": "two-scale: has no version 9; there are",
    "registry show two-scale/x": "two-scale/x: give NAME or NAME/VERSION",
}


def test_mistakes_are_answered_before_anything_heavy_is_loaded(tmp_path: Path, two_genres: PreparedDataset) -> None:
    for name in ("empty.mp3", "empty.toml", "occupied/file"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    places = {
        "dataset": two_genres.path,
        "registry": REPOSITORY / "webapp" / "registry",
        "bundle": shipped("two-scale"),
    }
    code = (
        "import contextlib, io, json, sys\nfrom tfdeepviz.cli import main\n"
        "for line in sys.stdin:\n"
        "    with contextlib.redirect_stderr(io.StringIO()) as errors:\n"
        "        try:\n            status = main(line.split())\n"
        "        except SystemExit as exit:\n            status = exit.code\n"
        f"    print(json.dumps([status, errors.getvalue(), [*{{*{_HEAVY}}} & {{*sys.modules}}]]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        input="\n".join(_MISTAKES).format(**places),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    for (command, message), line in zip(_MISTAKES.items(), result.stdout.splitlines(), strict=True):
        status, error, loaded = json.loads(line)
        assert (status, loaded) == (2, []), command
        assert message.format(**places) in error, command
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "empty.mp3", "empty.toml", "occupied"}


def test_extract_passes_over_tracks_that_cannot_be_analysed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_fma(tmp_path / "fma", {2: "training", 3: "training"}, seconds=2.5) / "fma_small"
    (root / "000" / "empty.mp3").write_bytes(b"")
    bundle = shipped("two-scale")
    out = tmp_path / "out"
    assert main(["extract", str(root), "--bundle", str(bundle), "--out", str(out), "--format", "csv"]) == 2
    printed = capsys.readouterr()
    assert "empty.mp3: the file is empty" in printed.err
    assert "1 of 3 tracks could not be analysed" in printed.err
    assert f"{out}: 2 of 3 tracks, by two-scale/{bundle.name}" in printed.out
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.csv")) == [
        "000/000002.mp3.csv",
        "000/000003.mp3.csv",
    ]


def test_notes_of_the_mp3_decoder_are_dropped_and_nothing_else() -> None:
    code = (
        "import os, sys\nfrom tfdeepviz.commands.common import without_decoder_notes\n"
        "with without_decoder_notes():\n"
        "    os.write(2, b'Note: Trying to resync...\\n[src/libmpg123/parse.c:wetwork():1349] error: no\\nfrom C\\n')\n"
        "    print('ours', file=sys.stderr)\n"
        "os.write(2, b'after\\n')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stderr == "ours\nfrom C\nafter\n"


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
    index = tmp_path / "index.jsonl"
    for _ in range(2):
        assert main(["index", "--fma-root", str(root), "--out", str(index)]) == 0
        printed = " ".join(capsys.readouterr().out.split())
        assert "ok: 2 missing: 1 unexpected: 1" in printed
        assert "empty: 1" in printed
        assert "000/000003.mp3 (missing)" in printed
    assert len(index.read_text().splitlines()) == 5


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
        (["prepare", "--fma-root", "/nowhere", "--out", "x", "--workers", "0"], "--workers: 0"),
        (["prepare", "--fma-root", "/nowhere", "--out", "x", "--set", "n_mfcc=many"], "n_mfcc"),
        (["prepare", "--fma-root", "/nowhere", "--out", "x", "--set", "n_coefficients=9"], "n_coefficients"),
        (["prepare", "--fma-root", "/nowhere", "--out", "x", "--params", "loud"], "--params 'loud': choose"),
        (
            ["prepare", "--fma-root", "/nowhere", "--out", "x", "--balanced"],
            "--balanced: give --max-tracks as well; it is shared among the genres",
        ),
        (
            ["prepare", "--fma-root", "/nowhere", "--out", "x", "--min-duration", "9", "--max-duration", "8"],
            "--min-duration 9.0: at most --max-duration 8.0",
        ),
        (["prepare", "--fma-root", "/nowhere", "--out", "a.mp3"], "--out: a.mp3 is not a folder; give another path"),
        (["prepare", "--fma-root", "/nowhere", "--out", ""], "--out: the path is empty; give a folder"),
        (
            ["prepare", "--fma-root", "/nowhere", "--out", "x", "--fractions", "0.5", "0.25", "0.25"],
            "--fractions (0.5, 0.25, 0.25): FMA's own split has its own; choose a random one",
        ),
        (["index", "--fma-root", "/nowhere"], "fma-root"),
        (["inspect", "/nowhere"], "tfdeepviz prepare"),
        (["download", "--out", "x", "--base-url", "file:///etc"], "file:///etc"),
        (["train", "ae-shared", "--dataset", "/nowhere", "--out", "x"], "tfdeepviz prepare"),
        (["train", "vgg99", "--dataset", "/nowhere", "--out", "x"], "no such preset"),
        (["train", "ae", "--dataset", "/nowhere", "--out", "x", "--set", "optimizer.momentum=2"], "optimizer.momentum"),
        (["train", "ae", "--dataset", "/nowhere", "--out", "x", "--notify", "nothing"], "notification URL 1"),
        (["distill", "/nowhere", "--preset", "ae", "--dataset", "/nowhere", "--out", "x"], "tfdeepviz train"),
        (["evaluate", "/nowhere", "--dataset", "/nowhere"], "tfdeepviz train"),
        (["batch", "ae", "--out", "x"], "--dataset"),
        (["batch", "--out", "x"], "tfdeepviz batch"),
        (["tune", "/nowhere.json", "--dataset", "/nowhere", "--out", "x", "--trials", "0"], "--trials: 0"),
        (["export", "/nowhere", "--dataset", "/nowhere", "--out", "x"], "tfdeepviz train"),
        (["push", "/nowhere"], "tfdeepviz export"),
        (["extract", "a.mp3", "--bundle", "/nowhere", "--out", "x.json"], "tfdeepviz export"),
        (["extract", "a.mp3", "--bundle", "/nowhere", "--out", "x.txt"], ".npz"),
        (
            ["extract", "a.mp3", "--bundle", "/nowhere", "--out", "x.csv", "--fps", "0"],
            "--fps: 0: give a number, above 0 and at most 1,000",
        ),
        (
            ["extract", "a.mp3", "--bundle", "/nowhere", "--out", "x.csv", "--format", "npz"],
            "--format npz: --out x.csv ends in .csv; omit --format",
        ),
        (["evaluate", "/nowhere", "--dataset", "/nowhere", "--out", "songs"], "--out: songs holds a corpus; give a"),
        (["demo-corpus", "x", "--tracks", "0"], "--tracks: 0: give a whole number, at least 1"),
        (["demo-corpus", "x", "--seconds", "0.5"], "--seconds: 0.5: give a number, at least 1 and at most 600"),
        (["demo-corpus", "x", "--sceonds", "5"], "unrecognized arguments: --sceonds 5; see tfdeepviz"),
        (["demo-corpus"], "required: DIR; see tfdeepviz demo-corpus --help"),
        (["demo-corpus", "a.mp3"], "DIR: a.mp3 is not a folder"),
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
    Path("a.mp3").write_bytes(b"no sound")
    Path("songs/fma_metadata").mkdir(parents=True)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.mark.parametrize("error", [RuntimeError, ValueError, ArithmeticError, KeyError])
def test_unforeseen_errors_are_not_hidden(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error("of ours")

    monkeypatch.setattr("tfdeepviz.data.demo.render_corpus", broken)
    assert main(["demo-corpus", str(tmp_path)]) == 1
    printed = capsys.readouterr().err
    assert "Traceback" in printed
    assert "this is a bug; please report it" in printed.splitlines()[-1]


def _foreign() -> Exception:
    """As libraries say it, who have errors of their own."""
    error = RuntimeError("it stopped")
    error.__cause__ = KeyError("/x/part-0; No space left on device")
    return error


@pytest.mark.parametrize(
    ("error", "place"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "{out}"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "/full/file"), "/full/file"),
        (_foreign(), "{out}"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/from", None, "/to"), "/to"),
    ],
)
def test_a_full_disk_is_told_in_one_line(
    error: Exception, place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("tfdeepviz.data.demo.render_corpus", full)
    assert main(["demo-corpus", str(tmp_path)]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    place = place.format(out=tmp_path)
    assert line == f"tfdeepviz: error: {place}: the disk is full; make room and run the same command again"


def test_errors_of_the_system_name_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), "README.md")

    monkeypatch.setattr("tfdeepviz.data.demo.render_corpus", refused)
    assert main(["demo-corpus", str(tmp_path)]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line == "tfdeepviz: error: README.md: not a directory; give another path"


def test_a_file_that_cannot_be_finished_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match=r"No space left on device: '.*/index\.jsonl'"),
        atomic_path(tmp_path / "index.jsonl"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with (
        pytest.raises(OSError, match=r"No space left on device: '.*/a\.tfrecord'"),
        atomic_path(tmp_path / "a.tfrecord"),
    ):
        raise RuntimeError("/x/part-0; No space left on device")
    with pytest.raises(RuntimeError, match="else"), atomic_path(tmp_path / "a"):
        raise RuntimeError("something else")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["presets", "lineage", "registry list", "--help"])
def test_it_ends_quietly_when_nobody_reads_on(command: str) -> None:
    arguments = ["lineage", shipped("ae"), "--json"] if command == "lineage" else command.split()
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "tfdeepviz.cli", *arguments],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writer)
    assert result.stderr == ""
    # argparse itself is quiet about its help.
    assert result.returncode == (0 if command == "--help" else 141)


def test_gates_do_not_depend_on_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The registry is the repository's from everywhere, and nothing makes a stray one."""
    repository = Path(tfdeepviz.__file__).parents[1]
    monkeypatch.chdir(repository)
    assert main(["registry", "list"]) == 0
    listed = capsys.readouterr().out
    bundle = shipped("ae")
    shutil.copytree(bundle, tmp_path / "here" / "name" / "1")
    shutil.copytree(bundle.parents[1] / "frontends", tmp_path / "here" / "frontends")
    monkeypatch.chdir(tmp_path)
    assert main(["registry", "list"]) == 0
    assert capsys.readouterr().out == listed
    monkeypatch.setattr("tfdeepviz.commands.common.WEBAPP", tmp_path / "nowhere")
    for command in (["push", "here/name/1"], ["registry", "list"], ["site", "out"]):
        assert main(command) == 2
        assert "is missing: give --" in capsys.readouterr().err
    (tmp_path / "here" / "check").mkdir()
    (tmp_path / "here" / "check" / "index.html").touch()
    monkeypatch.setenv("CHROMIUM", sys.executable)
    assert main(["validate", "here/name/1", "--static", "here", "--registry", "mistyped"]) == 2
    assert "mistyped: not a registry" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"here"}


def test_tracebacks_are_there_for_who_asks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "/nowhere"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    monkeypatch.setenv("TFDEEPVIZ_DEBUG", "1")
    assert main(["inspect", "/nowhere"]) == 2
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first == "Traceback (most recent call last):"
    assert last == line


def test_every_error_of_ours_is_one_for_the_user() -> None:
    raised: set[type] = set()
    for module in pkgutil.walk_packages(tfdeepviz.__path__, "tfdeepviz."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, Exception) and value.__module__.startswith("tfdeepviz."):
                raised.add(value)
    private = {error for error in raised if error.__name__.startswith("_")}
    assert [error for error in raised - private if not issubclass(error, TfdeepvizError)] == []


def test_an_interrupt_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tfdeepviz.data.demo.render_corpus", interrupted)
    assert main(["demo-corpus", str(tmp_path)]) == 130
    assert "run them again" in capsys.readouterr().err


def test_presets_are_listed_for_people_and_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    counts = {row["name"]: row["trainable_parameters"] for row in rows}
    assert counts["ae"] == 40_165_579
    assert counts["vgg16"] == 44_155_856
    assert {row["kind"] for row in rows} == {"autoencoder", "classifier", "contrastive", "tagger"}
    assert {row["name"]: row["encoding_size"] for row in rows}["alexnet"] == 4_096
    assert {row["name"]: row["step_seconds"] for row in rows}["ae-time"] == 0.02
    assert main(["presets"]) == 0
    printed = capsys.readouterr().out
    assert all(row["name"] in printed and f"{row['trainable_parameters']:,}" in printed for row in rows)


def test_from_a_preset_to_an_evaluated_student(
    two_genres: PreparedDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Train, evaluate, distill, batch and tune, each as its user types it, on fourteen short tracks."""
    dataset, run = ["--dataset", str(two_genres.path)], str(tmp_path / "run")
    small = ["--set", "model.n_initial_filters=1", "--set", "model.dense_scale_down=1", "--set", "batch_size=8"]
    assert main(["train", "ae-compact", *dataset, "--out", run, "--epochs", "1", *small]) == 0
    assert "codes exchanged" in capsys.readouterr().out
    config = Run.load(Path(run)).config
    assert config["preset"]["model"]["n_initial_filters"] == 1
    assert config["parameters"]["encoding_size"] == 10

    assert main(["evaluate", run, *dataset]) == 0
    figures = json.loads((tmp_path / "run" / "evaluation" / "test.json").read_text())
    assert figures["scores"]["n_tracks"] == 2
    assert "<svg" in (tmp_path / "run" / "evaluation" / "test.html").read_text()

    student = ["--preset", "ae-shared-compact", "--out", str(tmp_path / "student"), "--epochs", "1", *small]
    assert main(["distill", run, *dataset, *student]) == 0
    assert "correlation" in capsys.readouterr().out

    runs = ["--out", str(tmp_path / "runs")]
    few = ["--epochs", "1", "--set", "batch_size=8"]
    assert main(["batch", "vgg11-compact", "nothing.json", *dataset, *runs, *few]) == 2
    assert "nothing.json" in capsys.readouterr().err
    assert main(["batch", "vgg11-compact", *dataset, *runs, *few, "--set", "model.width=0.03"]) == 0
    assert "polled" in capsys.readouterr().out
    assert main(["batch", *runs]) == 0
    assert "vgg11-compact" in capsys.readouterr().out
    assert main(["evaluate", str(tmp_path / "runs" / "vgg11-compact"), *dataset, "--split", "training"]) == 0
    assert (tmp_path / "runs" / "vgg11-compact" / "evaluation" / "training-confusion.png").is_file()

    song, small = str(tmp_path / "song"), ["--set", "model.n_filters=2", "--set", "contrast.n_moments=2"]
    assert main(["train", "song", *dataset, "--out", song, "--epochs", "1", *small]) == 0
    assert "songs recognised" in capsys.readouterr().out
    assert main(["evaluate", song, *dataset]) == 0
    assert "of 2 songs recognised" in (tmp_path / "song" / "evaluation" / "test.html").read_text()

    space = {"preset": "ae-compact", "parameters": {"model.kernel_size": {"values": [3, 5]}}, "epochs": 1}
    (tmp_path / "space.json").write_text(json.dumps(space))
    search = ["tune", str(tmp_path / "space.json"), *dataset, "--out", str(tmp_path / "search"), "--trials", "1"]
    assert main(search) == 0
    assert (tmp_path / "search" / "best.json").is_file()

    model = tmp_path / "run" / "model.keras"
    model.write_bytes(model.read_bytes()[:1_000])
    assert main(["evaluate", run, *dataset]) == 2
    assert f"{model}: not a model that Keras can read" in capsys.readouterr().err


def test_a_bar_shows_a_validation_loss_only_of_a_validation_split(capsys: pytest.CaptureFixture[str]) -> None:
    for split in ("validation", "training"):
        bars = EpochBars()
        bars.start_epoch(1, 1, 1)
        bars.end_epoch({"loss": 0.5, "val_loss": 0.25, "dead_components": 0}, split)
        assert ("val=0.25000" in capsys.readouterr().err) == (split == "validation")
