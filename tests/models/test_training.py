from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tfdeepviz.data.dataset import PreparedDataset
from tfdeepviz.data.features import Features
from tfdeepviz.data.files import FormatError
from tfdeepviz.data.fma import Selection
from tfdeepviz.data.prepare import prepare
from tfdeepviz.models.evaluation import CollapsedEncoderError, refuse_collapsed
from tfdeepviz.models.presets import Preset, override
from tfdeepviz.models.training import EpochProgress, Run, train
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
    assert undisturbed.config["dataset_digest"] == dataset.digest
    assert Run.load(undisturbed.path).preset == TINY
    assert [row["epoch"] for row in undisturbed.history()] == [1, 2, 3]
    assert (undisturbed.path / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    metrics = undisturbed.metrics()
    assert [metrics[split]["n_segments"] for split in ("training", "validation", "test")] == [20, 8, 4]
    assert undisturbed.encodings("test").shape == (4, 10)
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


def test_more_epochs_go_on_and_other_settings_are_refused(dataset: PreparedDataset, tmp_path: Path) -> None:
    short = replace(TINY, epochs=1)
    train(short, dataset, tmp_path / "run")
    assert len(train(replace(TINY, epochs=2), dataset, tmp_path / "run").history()) == 2
    with pytest.raises(FormatError, match=r"preset\.optimizer"):
        train(override(TINY, {"optimizer.learning_rate": 0.1}), dataset, tmp_path / "run")
    with pytest.raises(FormatError, match="seed"):
        train(TINY, dataset, tmp_path / "run", seed=9)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(FormatError, match="not empty"):
        train(TINY, dataset, tmp_path / "mine")


def test_a_collapsed_encoder_is_named() -> None:
    alive = {"encoding_std": [0.2] * 10, "shuffle_rise": 0.5}
    refuse_collapsed({"validation": alive})
    with pytest.raises(CollapsedEncoderError, match=r"1 of 10 .*: 4;"):
        refuse_collapsed({"validation": {**alive, "encoding_std": [0.2] * 4 + [0.01] + [0.2] * 5}})
    with pytest.raises(CollapsedEncoderError, match="does not use"):
        refuse_collapsed({"training": {**alive, "shuffle_rise": 0.19}})
