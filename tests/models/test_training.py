from __future__ import annotations

import csv
import json
import math
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from tfdeepviz.artifacts import ARTIFACT, Artifact
from tfdeepviz.data.features import Features
from tfdeepviz.data.prepare import prepare
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.selection import Selection
from tfdeepviz.errors import DivergedError
from tfdeepviz.files import FormatError, atomic_path
from tfdeepviz.models.distillation import task_of
from tfdeepviz.models.presets import Preset, override
from tfdeepviz.models.progress import EpochProgress
from tfdeepviz.models.run import Run
from tfdeepviz.models.tasks import AutoencoderTask
from tfdeepviz.models.training import train
from tfdeepviz.params import LIVE

TINY = Preset(
    name="tiny",
    title="Tiny",
    kind="autoencoder",
    model={"n_initial_filters": 1, "n_pools": 4, "n_dense": 1, "normalize_encoding": True, "bypass_dropout": 0.5},
    scaler="minmax",
    optimizer={"name": "adamw", "learning_rate": 3e-3},
    schedule="cosine",
    batch_size=4,
    epochs=3,
)


@pytest.fixture(scope="module")
def dataset(fma_root: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    return prepare(fma_root, tmp_path_factory.mktemp("prepared") / "ds", selection=Selection(), features=Features(LIVE))


@pytest.fixture(scope="module")
def undisturbed(dataset: PreparedDataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(TINY, dataset, tmp_path_factory.mktemp("runs") / "run", seed=3)


def weights(run: Run) -> list[npt.NDArray[Any]]:
    return [np.asarray(weight) for weight in run.load_encoder().get_weights()]


def test_a_run_describes_itself(undisturbed: Run, dataset: PreparedDataset) -> None:
    assert undisturbed.config["dataset_digest"] == dataset.identity
    record = undisturbed.record
    (trained_on,) = record.inputs
    assert trained_on.path is not None and not Path(trained_on.path).is_absolute()
    assert trained_on.place(undisturbed.path) == dataset.path.resolve()
    assert (trained_on.artifact.digest, record.digest) == (dataset.identity, undisturbed.digest)
    assert record.facts["split"] == "test"
    assert record.facts["mse_to_pca"] == undisturbed.metrics()["test"]["mse_to_pca"]
    assert Run.load(undisturbed.path).preset == TINY
    assert [row["epoch"] for row in undisturbed.history()] == [1, 2, 3]
    assert (undisturbed.path / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    metrics = undisturbed.metrics()
    assert [metrics[split]["n_segments"] for split in ("training", "validation", "test")] == [20, 8, 4]
    for measured in metrics.values():
        assert measured["pca_mse"] < measured["mean_mse"]
        assert measured["mse"] > 0


def test_baselines_are_what_they_claim(undisturbed: Run, dataset: PreparedDataset) -> None:
    statistics = dataset.statistics()
    spread = np.where(statistics.maximum > statistics.minimum, statistics.maximum - statistics.minimum, np.inf)
    expected = np.mean(statistics.variance / spread**2)
    assert undisturbed.metrics()["training"]["mean_mse"] == pytest.approx(expected, rel=1e-3)


def test_stopped_after_an_epoch_and_resumed_gives_the_same_model(
    undisturbed: Run, dataset: PreparedDataset, tmp_path: Path
) -> None:
    class Stop(EpochProgress):
        def start_epoch(self, epoch: int, n_epochs: int, n_steps: int) -> None:
            if epoch == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(TINY, dataset, tmp_path / "run", seed=3, progress=Stop())
    with pytest.raises(FormatError, match="not finished"):
        Run.load(tmp_path / "run").metrics()
    resumed = train(TINY, dataset, tmp_path / "run", seed=3)
    for mine, theirs in zip(weights(resumed), weights(undisturbed), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)
    assert [row["loss"] for row in resumed.history()] == pytest.approx([row["loss"] for row in undisturbed.history()])


def test_other_settings_are_refused(undisturbed: Run, dataset: PreparedDataset, tmp_path: Path) -> None:
    run = Run.load(shutil.copytree(undisturbed.path, tmp_path / "run"))
    with pytest.raises(FormatError, match=r"preset\.optimizer"):
        train(override(TINY, {"optimizer.learning_rate": 0.1}), dataset, run.path, seed=3)
    with pytest.raises(FormatError, match="seed"):
        train(TINY, dataset, run.path, seed=9)
    assert run.is_finished
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(FormatError, match="not empty"):
        train(TINY, dataset, tmp_path / "mine")


class Killed(BaseException):
    """Ends a process for good: nobody catches it."""


def test_a_finished_run_that_is_extended_is_not_finished_until_all_is_new(
    undisturbed: Run, dataset: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.load(shutil.copytree(undisturbed.path, tmp_path / "run"))
    (run.path / "evaluation").mkdir()
    (run.path / "evaluation" / "test.json").touch()
    longer = replace(TINY, epochs=4)

    def killed_after(name: str) -> None:
        @contextmanager
        def killing(path: Path) -> Iterator[Path]:
            with atomic_path(path) as temporary:
                yield temporary
            if path.name == name:
                raise Killed

        with monkeypatch.context() as patch:
            for module in ("models.run", "models.training", "files"):
                patch.setattr(f"tfdeepviz.{module}.atomic_path", killing)
            train(longer, dataset, run.path, seed=3)

    for name in ("artifact.json", "config.json", "history.csv", "epoch-0004.keras", "model.keras", "encoder.keras"):
        with pytest.raises(Killed):
            killed_after(name)
        left = Run.load(run.path)
        assert left.is_finished == (name == "artifact.json")
        assert Artifact.read(run.path / ARTIFACT).digest is None
        if left.is_finished:
            continue
        for load in (left.metrics, left.load_model, left.load_encoder):
            with pytest.raises(FormatError, match="not finished"):
                load()
    assert not (run.path / "evaluation" / "test.json").exists()
    again = train(longer, dataset, run.path, seed=3)
    assert again.is_finished
    assert [row["epoch"] for row in again.history()] == [1, 2, 3, 4]
    measured = task_of(again, dataset).evaluate(again.load_model(), "validation")
    assert again.metrics()["validation"]["mse"] == pytest.approx(measured["mse"], rel=1e-5)
    assert measured["mse"] == pytest.approx(min(row["val_loss"] for row in again.history()), rel=1e-4)


def test_a_run_may_end_where_it_was_killed(undisturbed: Run, dataset: PreparedDataset, tmp_path: Path) -> None:
    """Killed after the row of an epoch and before its checkpoint, and then not continued."""
    run = Run.load(shutil.copytree(undisturbed.path, tmp_path / "run"))
    (run.path / "metrics.json").unlink()
    with (run.path / "history.csv").open("a") as file:
        columns = list(run.history()[0])
        file.write(",".join({"epoch": "4", "val_loss": "0.0"}.get(name, "1") for name in columns) + "\n")
    assert run.best_epoch() == 4
    ended = train(TINY, dataset, run.path, seed=3)
    assert [row["epoch"] for row in ended.history()] == [1, 2, 3]
    assert ended.metrics()["test"]["mse"] == pytest.approx(undisturbed.metrics()["test"]["mse"], rel=1e-5)


class _Spoil(EpochProgress):
    """Makes a loss, the weights or the validation loss NaN in an epoch; counts its steps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, what: str, epoch: int) -> None:
        self.now, self.steps, self.n_steps = 0, 0, 0
        batches, fit, measure = AutoencoderTask.batches, keras.Model.fit, AutoencoderTask.measure

        def spoilt_batches(task: AutoencoderTask, seed: int) -> tf.data.Dataset:
            return batches(task, seed).map(lambda x, y: (x, y * np.nan if self.now == epoch else y))

        def spoilt_fit(model: keras.Model, *args: Any, **options: Any) -> Any:
            fitted = fit(model, *args, **options)
            if self.now == epoch:
                model.trainable_variables[0].assign(model.trainable_variables[0] * np.nan)
            return fitted

        def spoilt_measure(task: AutoencoderTask, model: keras.Model) -> dict[str, float]:
            return {**measure(task, model), **({"val_loss": math.nan} if self.now == epoch else {})}

        owner, name, spoilt = {
            "loss": (AutoencoderTask, "batches", spoilt_batches),
            "weights": (keras.Model, "fit", spoilt_fit),
            "val_loss": (AutoencoderTask, "measure", spoilt_measure),
        }[what]
        monkeypatch.setattr(owner, name, spoilt)

    def start_epoch(self, epoch: int, n_epochs: int, n_steps: int) -> None:
        self.now, self.steps, self.n_steps = epoch, 0, n_steps

    def step(self, loss: float) -> None:
        self.steps += 1


def _diverge(what: str, dataset: PreparedDataset, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Diverge in the second epoch, which stops the training and keeps what was good."""
    with monkeypatch.context() as patch:
        spoil = _Spoil(patch, what, epoch=2)
        with pytest.raises(DivergedError, match=r"in epoch 2 \(.*lower learning rate than 0\.003 .*--epochs 1"):
            train(TINY, dataset, out, seed=3, progress=spoil)
    assert spoil.n_steps > 1
    assert spoil.steps == (1 if what == "loss" else spoil.n_steps)
    assert [row["epoch"] for row in Run.load(out).history()] == [1]


@pytest.mark.parametrize("what", ["loss", "weights"])
def test_a_training_that_diverges_stops_and_keeps_what_was_good(
    what: str, dataset: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _diverge(what, dataset, tmp_path / "run", monkeypatch)


def test_a_training_that_diverged_can_end_with_its_good_epochs(
    dataset: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _diverge("val_loss", dataset, tmp_path / "run", monkeypatch)
    ended = train(replace(TINY, epochs=1), dataset, tmp_path / "run", seed=3)
    assert ended.is_finished
    assert np.isfinite(ended.metrics()["test"]["mse"])


def test_a_training_that_diverges_at_once_leaves_no_epoch(
    dataset: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DivergedError, match="diverged in epoch 1") as raised:
        train(TINY, dataset, tmp_path / "run", progress=_Spoil(monkeypatch, "val_loss", epoch=1))
    assert "--epochs" not in str(raised.value)
    run = Run.load(tmp_path / "run")
    assert (run.history(), run.checkpoints(), run.best_epoch(), run.is_finished) == ([], [], 0, False)


def test_a_loss_that_is_no_number_is_never_the_best(undisturbed: Run, tmp_path: Path) -> None:
    """As version 0.1 may have left it."""
    run = Run.load(shutil.copytree(undisturbed.path, tmp_path / "run"))
    rows = run.history()
    with (run.path / "history.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows([{**row, "val_loss": [math.nan, 0.2, 0.3][i]} for i, row in enumerate(rows)])
    assert run.best_epoch() == 2


_TRAIN = """
import json, os, signal, sys
from pathlib import Path
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.models.presets import load_preset
from tfdeepviz.models.tasks import AutoencoderTask
from tfdeepviz.models.progress import EpochProgress
from tfdeepviz.models.training import train

preset, dataset, killed_in, *outs = sys.argv[1:]

class Kill(EpochProgress):
    epoch = steps = 0
    def start_epoch(self, epoch, n_epochs, n_steps):
        self.epoch, self.steps = epoch, 0
    def step(self, loss):
        self.steps += 1
        if (self.epoch, self.steps) == (int(killed_in), 3):
            os.kill(os.getpid(), signal.SIGKILL)

dataset = PreparedDataset.load(Path(dataset))
for out in outs:
    train(load_preset(preset), dataset, Path(out), seed=3, deterministic=True, progress=Kill())
"""


@pytest.mark.slow
def test_killed_in_mid_epoch_and_resumed_gives_the_same_weights(dataset: PreparedDataset, tmp_path: Path) -> None:
    """To the bit, with determinism on."""
    preset = tmp_path / "tiny.json"
    preset.write_text(json.dumps(TINY.to_dict()))

    def run(killed_in: int, *names: str) -> int:
        arguments = map(str, (preset, dataset.path, killed_in, *(tmp_path / name for name in names)))
        return subprocess.run([sys.executable, "-c", _TRAIN, *arguments], check=False).returncode

    assert run(2, "killed") == -signal.SIGKILL
    assert len(Run.load(tmp_path / "killed").history()) == 1
    assert run(0, "killed", "whole") == 0
    whole, killed = (Run.load(tmp_path / name) for name in ("whole", "killed"))
    for mine, theirs in zip(killed.load_model().get_weights(), whole.load_model().get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for row, expected in zip(killed.history(), whole.history(), strict=True):
        assert {**row, "seconds": 0, "train_seconds": 0} == {**expected, "seconds": 0, "train_seconds": 0}


def test_a_checkpoint_that_is_cut_off_is_passed_over(
    undisturbed: Run, dataset: PreparedDataset, tmp_path: Path
) -> None:
    shutil.copytree(undisturbed.path, tmp_path / "run")
    run = Run.load(tmp_path / "run")
    newest = run.checkpoints()[-1]
    newest.write_bytes(newest.read_bytes()[:5_000])
    (run.path / "metrics.json").unlink()
    with pytest.warns(UserWarning, match="continuing from the one before"):
        resumed = train(TINY, dataset, run.path, seed=3)
    for mine, theirs in zip(weights(resumed), weights(undisturbed), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_tensorboard_reads_what_a_run_tells(undisturbed: Run) -> None:
    steps: dict[str, list[int]] = {}
    for path in sorted((undisturbed.path / "tensorboard").iterdir()):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                steps.setdefault(value.tag, []).append(event.step)
    assert sorted(steps["val_loss"]) == [1, 2, 3]
    assert {"loss", "shuffle_rise", "min_encoding_std"} <= set(steps)


def test_only_classifiers_start_from_imagenet(dataset: PreparedDataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only classifiers"):
        train(TINY, dataset, tmp_path / "run", weights=tmp_path / "vgg.pth")


@pytest.mark.slow
def test_mixed_precision_trains_and_leaves_the_policy_as_it_was(dataset: PreparedDataset, tmp_path: Path) -> None:
    run = train(replace(TINY, precision="mixed_float16", epochs=1), dataset, tmp_path / "run")
    assert keras.config.dtype_policy().name == "float32"
    assert np.isfinite(run.history()[0]["loss"])
    segments = next(dataset.segments("test", batch_size=8).as_numpy_iterator())
    encodings = np.asarray(run.load_encoder()(segments))
    np.testing.assert_allclose(encodings.std(axis=0), run.metrics()["test"]["encoding_std"], atol=5e-3)
    again = train(replace(TINY, precision="mixed_float16", epochs=2), dataset, tmp_path / "run")
    assert len(again.history()) == 2
