from __future__ import annotations

import csv
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tfdeepviz.files import FormatError, write_json
from tfdeepviz.models.batch import BatchError, BatchResult, refuse_failures, run_batch, summarize
from tfdeepviz.models.presets import load_preset
from tfdeepviz.params import LIVE

# Does what the preset's name says; what a training would leave, it takes from the "dataset".
TRAINER = """
import os, shutil, signal, sys, time
preset, _, dataset, _, out, *extra = sys.argv[1:]
name = os.path.basename(preset).removesuffix(".json")
print("training", name, *extra, flush=True)
source = os.path.join(dataset, name)
if os.path.isdir(source):
    shutil.copytree(source, out, dirs_exist_ok=True)
if name == "progress":
    for i in range(3):
        print(f"\\r\\x1b[32mepoch {i}\\x1b[0m", end="", file=sys.stderr)
    print("\\rnaïve | <b>", file=sys.stderr)
if name == "refused":
    print("epoch 1/3:  50%|##", end="", file=sys.stderr)
    print("tfdeepviz: error: the loss is nan; | lower <it>", file=sys.stderr)
    sys.exit(2)
if name == "crashed":
    raise MemoryError("too large")
if name == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if name in ("patient", "deaf"):
    if name == "deaf":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        print("ready", flush=True)
        # Not once for long: an interruption just before it begins is noticed only when it ends.
        for _ in range(600):
            time.sleep(0.1)
        print("nobody stopped it")
    except KeyboardInterrupt:
        print("saved and stopped")
        sys.exit(130)
"""

AUTOENCODER = {
    **{"n_tracks": 40, "n_segments": 1200, "mse": 0.004, "mean_mse": 0.01, "pca_mse": 0.005, "shuffle_rise": 0.4},
    **{"mse_to_pca": 0.8, "alone_mse_to_pca": 1.25, "encoding_std": [0.2, 0.15, 0.3]},
    "intervals": {"mse_to_pca": [0.7, 0.9], "shuffled_mse": [0.1, 0.2]},
}
CLASSIFIER = {
    **{"n_tracks": 40, "n_segments": 1200, "polled_accuracy": 0.6, "pooled_accuracy": 0.625, "top_3_accuracy": 0.9},
    **{"macro_f1": 0.55, "majority_baseline": 0.25, "encoding_std": [0.5, 0.1], "genres": ["Rock"]},
    "intervals": {"polled_accuracy": [0.45, 0.74], "pooled_accuracy": [0.5, 0.75]},
}
SONG_ENCODER = {
    **{"n_tracks": 40, "n_segments": 1200, "self_retrieval": 0.6, "chance": 0.025, "between_share": 0.75},
    **{"contrastive_loss": 2.5, "encoding_std": [0.2, 0.1]},
    "intervals": {"self_retrieval": [0.45, 0.74]},
}


@pytest.fixture
def preset(tmp_path: Path) -> Callable[..., str]:
    """Write a preset of one's own; gives what `tfdeepviz train` is told."""

    def write(name: str, kind: str = "autoencoder", folder: str = "presets") -> str:
        values: dict[str, Any] = {"title": name.title(), "kind": kind, "scaler": "minmax", "model": {}}
        if kind == "classifier":
            values |= {"encoder_layer": "L6", "model": {"architecture": "alexnet", "batch_norm": False}}
        write_json(tmp_path / folder / f"{name}.json", values)
        return str(tmp_path / folder / f"{name}.json")

    return write


@pytest.fixture
def make_run(preset: Callable[..., str]) -> Callable[..., Path]:
    """Write the files of a run by hand, finished if it has metrics."""

    def make(path: Path, metrics: dict[str, Any] | None = None, *, kind: str = "autoencoder", epochs: int = 3) -> Path:
        config = {
            **{"preset": load_preset(preset(path.name, kind)).to_dict(), "audio": LIVE.to_dict(), "mode": "mfcc"},
            **{"genres": [], "dataset": "ds", "dataset_digest": "0" * 64, "seed": 0},
            "parameters": {"trainable": 372_403, "to_encoding": 370_498, "encoding_size": 10},
        }
        write_json(path / "config.json", config)
        columns = {"epoch": 0, "loss": 0.5, "val_loss": 0.6, "shuffle_rise": 0.1, "min_encoding_std": 0.1, "seconds": 0}
        with (path / "history.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(columns))
            writer.writeheader()
            for epoch in range(1, epochs + 1):
                writer.writerow({**columns, "epoch": epoch, "seconds": [9.0, 2.5, 3.0][epoch % 3]})
        if metrics is not None:
            write_json(path / "metrics.json", metrics)
        return path

    return make


class Batch:
    """Runs batches with the stand-in trainer and keeps what they print."""

    def __init__(self, folder: Path) -> None:
        self.dataset = folder / "ds"
        self.out = folder / "runs"
        self.printed = ""

    def run(self, *presets: str, **options: Any) -> list[BatchResult]:
        def echo(text: str) -> None:
            self.printed += text

        options = {"echo": echo, "trainer": [sys.executable, "-c", TRAINER], **options}
        return run_batch(presets, self.dataset, self.out, **options)

    def table(self) -> list[dict[str, str]]:
        with (self.out / "summary.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    return Batch(tmp_path)


def test_goes_on_after_failures_and_tells_their_reasons(
    batch: Batch, preset: Callable[..., str], make_run: Callable[..., Path]
) -> None:
    make_run(batch.dataset / "good", {"training": AUTOENCODER})
    make_run(batch.dataset / "empty")
    names = ["refused", "crashed", "killed", "empty", "good"]
    results = batch.run(*map(preset, names), extra=["--epochs", "3"])
    assert [(result.name, result.status) for result in results] == [
        *((name, "failed") for name in names[:-1]),
        ("good", "done"),
    ]
    reasons = [result.reason for result in results]
    assert reasons[0] == "exit status 2: the loss is nan; | lower <it>"
    assert reasons[1] == "exit status 1: MemoryError: too large"
    assert reasons[2] == "ended by signal 9, Killed; memory may have run out"
    assert "without metrics" in reasons[3]
    assert reasons[4] == ""
    assert "training good --epochs 3\n" in batch.printed
    assert "[1/5] refused: failed (exit status 2" in batch.printed
    assert "[5/5] good: done\n" in batch.printed
    assert [(row["name"], row["status"], row["reason"]) for row in batch.table()] == [
        (result.name, result.status, result.reason) for result in results
    ]
    assert "failed: exit status 2: the loss is nan; \\| lower &lt;it&gt;" in (batch.out / "summary.md").read_text()
    with pytest.raises(BatchError, match=r"4 of 5 failed: refused \(exit status 2"):
        refuse_failures(results)
    refuse_failures(results[-1:])


def test_the_summary_grows_with_every_run(
    batch: Batch, preset: Callable[..., str], make_run: Callable[..., Path]
) -> None:
    make_run(batch.dataset / "first", {"training": AUTOENCODER})
    make_run(batch.out / "second", epochs=2)
    seen: list[list[str]] = []

    def echo(text: str) -> None:
        if text.startswith("training") and (batch.out / "summary.csv").exists():
            seen.append([row["status"] for row in batch.table()])

    batch.run(preset("first"), preset("second"), preset("third", "classifier"), echo=echo)
    assert seen == [
        ["not finished", "not finished", "not begun"],
        ["done", "not finished", "not begun"],
        ["done", "failed", "not finished"],
    ]
    assert [row["kind"] for row in batch.table()] == ["autoencoder", "autoencoder", "classifier"]
    assert not list(batch.out.glob(".tfdeepviz-*"))


def test_a_finished_run_that_goes_on_is_not_said_to_be_done(
    batch: Batch, preset: Callable[..., str], make_run: Callable[..., Path]
) -> None:
    make_run(batch.out / "first", {"training": AUTOENCODER})
    seen: list[tuple[str, str, str]] = []

    def echo(text: str) -> None:
        if text.startswith("training"):
            seen.extend((row["status"], row["epochs"], row["mse"]) for row in batch.table())

    batch.run(preset("first"), echo=echo)
    assert seen == [("not finished", "3", "")]
    assert [(row["status"], row["mse"]) for row in batch.table()] == [("done", "0.004")]


def test_output_goes_to_the_terminal_as_it_comes_and_to_the_log_by_lines(
    batch: Batch, preset: Callable[..., str]
) -> None:
    batch.run(preset("progress"))
    assert "\r\x1b[32mepoch 0\x1b[0m\r\x1b[32mepoch 1" in batch.printed
    assert (batch.out / "progress.log").read_text(encoding="utf-8") == "training progress\nnaïve | <b>\n"
    batch.run(preset("progress"))
    assert (batch.out / "progress.log").read_text(encoding="utf-8").count("training progress\n") == 2


def test_standard_output_that_lacks_a_character_stops_nothing(
    batch: Batch, preset: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "printed").open("w", encoding="ascii") as file:
        monkeypatch.setattr("sys.stdout", file)
        batch.run(preset("progress"), echo=None)
    assert "na?ve | <b>\n" in (tmp_path / "printed").read_text()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Have SIGINT interrupt this process and its children, even where it was started with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("name", ["patient", "deaf"])
def test_an_interruption_reaches_the_training_and_the_caller(
    name: str,
    batch: Batch,
    preset: Callable[..., str],
    make_run: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if name == "deaf":
        monkeypatch.setattr("tfdeepviz.models.batch._GRACE_SECONDS", 0.3)
    make_run(batch.dataset / name, epochs=2)

    def echo(text: str) -> None:
        batch.printed += text
        if "ready" in text:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        batch.run(preset(name), preset("progress"), echo=echo)
    assert "nobody stopped it" not in batch.printed
    assert ("saved and stopped" in batch.printed) == (name == "patient")
    assert [(row["status"], row["epochs"]) for row in batch.table()] == [("not finished", "2"), ("not begun", "")]
    assert not (batch.out / "progress.log").exists()


def test_what_cannot_work_is_refused_before_anything_is_trained(
    batch: Batch, preset: Callable[..., str], tmp_path: Path
) -> None:
    good, log = preset("good"), preset("good.log")
    write_json(tmp_path / "summary.json", {**json.loads(Path(good).read_text()), "name": "Summary.MD"})
    cases: list[tuple[list[str], str]] = [
        ([], "no preset"),
        ([good, preset("good", folder="others")], "others"),
        ([good, preset("GOOD", folder="others")], "good"),
        ([good, good], "drop"),
        ([good, log], r"good\.log"),
        ([log, good], r"good\.log"),
        ([good, str(tmp_path / "summary.json")], "the summary"),
        ([good, "vgg99"], "vgg99"),
        ([good, str(tmp_path / "absent.json")], r"absent\.json"),
    ]
    for presets, message in cases:
        with pytest.raises(ValueError, match=message):
            batch.run(*presets)
    for extra in (["--out", "elsewhere"], ["--dataset=elsewhere"]):
        with pytest.raises(ValueError, match=extra[0].split("=")[0]):
            batch.run(good, extra=extra)
    assert not batch.out.exists()


def test_tables_show_the_test_split_with_its_intervals(make_run: Callable[..., Path], tmp_path: Path) -> None:
    worse = {**AUTOENCODER, "mse": 1.0}
    make_run(tmp_path / "ae", {"training": worse, "validation": worse, "test": AUTOENCODER})
    make_run(tmp_path / "genres", {"training": {}, "validation": CLASSIFIER}, kind="classifier")
    make_run(tmp_path / "songs", {"test": SONG_ENCODER}, kind="contrastive")
    make_run(tmp_path / "late", epochs=0)
    (tmp_path / "notes").mkdir()
    autoencoders, rest = summarize(tmp_path).split("## Genre classifiers")
    classifiers, song_encoders = rest.split("## Song encoders")
    heads, _, ae, late = cells(autoencoders)
    assert ae == [
        *("ae", "done", "372,403", "370,498", "3", "3.0", "test", "40", "1,200", "0.00400", "0.00500", "0.0100"),
        *("0.800 (0.700 to 0.900)", "1.250", "+40.0%", "0.150"),
    ]
    assert heads[9:14] == ["MSE", "MSE of PCA", "MSE of the mean", "MSE / PCA's", "alone / PCA's"]
    assert late[:2] == ["late", "not finished"]
    assert cells(classifiers)[2][6:] == [
        *("validation", "40", "1,200", "0.600 (0.450 to 0.740)", "0.625 (0.500 to 0.750)", "0.900", "0.550", "0.250"),
        "0.100",
    ]
    assert cells(song_encoders)[2][6:] == [
        *("test", "40", "1,200", "0.600 (0.450 to 0.740)", "0.025", "0.750", "2.500", "0.100")
    ]
    assert len(ae) == len(late) == len(heads)
    assert "95% confidence" in song_encoders


def cells(text: str) -> list[list[str]]:
    """Cells of all rows of a Markdown table."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]


def test_folders_that_are_no_runs_are_named(make_run: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no folder in it"):
        summarize(tmp_path)
    broken: list[dict[str, Any]] = [
        {},
        {"test": []},
        {"test": {**AUTOENCODER, "pca_mse": None}},
        {"test": {**AUTOENCODER, "encoding_std": []}},
        {"test": {**AUTOENCODER, "n_tracks": "many"}},
        {"test": {**AUTOENCODER, "intervals": {"mse": [1]}}},
        {"test": {key: value for key, value in AUTOENCODER.items() if key != "n_tracks"}},
    ]
    for metrics in broken:
        with pytest.raises(FormatError, match=r"metrics\.json"):
            summarize(make_run(tmp_path / "runs" / "run", metrics).parent)
    (make_run(tmp_path / "others" / "run", AUTOENCODER) / "history.csv").write_text("epoch,val_loss\n1,0.5\n")
    with pytest.raises(FormatError, match=r"history\.csv"):
        summarize(tmp_path / "others")


def test_what_a_run_could_not_measure_stays_empty(make_run: Callable[..., Path], tmp_path: Path) -> None:
    measured = {"n_tracks": 1, "n_segments": 7, "mse": 0.0, "encoding_std": [0.0], "intervals": {}}
    text = summarize(make_run(tmp_path / "runs" / "run", {"test": measured}).parent)
    head, _, row = cells(text)
    assert (head[9:], row[6:]) == (["MSE", "smallest std"], ["test", "1", "7", "0", "0.000"])
    assert "95%" not in text


def test_a_run_that_cannot_be_read_is_a_failure_of_that_run_alone(
    batch: Batch, preset: Callable[..., str], make_run: Callable[..., Path]
) -> None:
    make_run(batch.dataset / "odd", {"test": []})
    make_run(batch.dataset / "good", {"test": AUTOENCODER})
    odd, good = batch.run(preset("odd"), preset("good"))
    assert odd.status == "failed"
    assert "metrics.json" in odd.reason
    assert good.status == "done"
