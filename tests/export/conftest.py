from __future__ import annotations

from pathlib import Path

import pytest

from tfdeepviz.data.dataset import PreparedDataset
from tfdeepviz.data.features import Features
from tfdeepviz.data.files import write_json
from tfdeepviz.data.fma import Selection
from tfdeepviz.data.prepare import prepare
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.export.exporter import export_bundle
from tfdeepviz.models.presets import Preset, load_preset, override
from tfdeepviz.models.training import Run, train
from tfdeepviz.params import LIVE


@pytest.fixture(scope="session")
def dataset(fma_root: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    return prepare(fma_root, tmp_path_factory.mktemp("export") / "ds", selection=Selection(), features=Features(LIVE))


def alive(run: Run) -> Run:
    """Declare a run's code alive, so that it can be exported."""
    metrics = run.metrics()
    for measured in metrics.values():
        measured.update({"shuffle_rise": 0.5, "encoding_std": [0.2] * len(measured["encoding_std"])})
    write_json(run.path / "metrics.json", metrics)
    return run


@pytest.fixture(scope="session")
def run(dataset: PreparedDataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small finished run."""
    preset = Preset(
        name="tiny-compact",
        title="Tiny",
        kind="autoencoder",
        model={"n_initial_filters": 4, "normalize_encoding": True},
        scaler="minmax",
        optimizer={"name": "adamw", "learning_rate": 1e-3},
        batch_size=8,
        epochs=1,
    )
    return alive(train(preset, dataset, tmp_path_factory.mktemp("runs") / "run"))


@pytest.fixture(scope="session")
def bundle(run: Run, dataset: PreparedDataset, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return export_bundle([run], dataset, tmp_path_factory.mktemp("bundles") / "tiny", quantization="none")


@pytest.fixture(scope="session")
def two_runs(dataset: PreparedDataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """A time-resolved encoder and one of songs."""
    folder = tmp_path_factory.mktemp("two-runs")
    small = {"epochs": 1, "batch_size": 4, "model.n_filters": 4}
    beat = train(override(load_preset("ae-time"), small), dataset, folder / "ae-time")
    song = train(override(load_preset("song"), {**small, "contrast.n_moments": 2}), dataset, folder / "song")
    return alive(beat), alive(song)


@pytest.fixture(scope="session")
def two_scales(two_runs: tuple[Run, Run], dataset: PreparedDataset, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return export_bundle(
        two_runs,
        dataset,
        tmp_path_factory.mktemp("bundles") / "two-scales",
        name="two-scales",
        title="Two scales",
        parameters={"ae-time": 6, "song": 4},
    )
