from __future__ import annotations

from pathlib import Path

import pytest

from tfdeepviz.data.features import Features
from tfdeepviz.data.files import write_json
from tfdeepviz.data.fma import Selection
from tfdeepviz.data.prepare import prepare
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.export.exporter import export_bundle
from tfdeepviz.models.presets import Preset
from tfdeepviz.models.training import Run, train
from tfdeepviz.params import LIVE


@pytest.fixture(scope="session")
def run(fma_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small finished run whose code is declared alive, so that it can be exported."""
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
    folder = tmp_path_factory.mktemp("export")
    run = train(
        preset, prepare(fma_root, folder / "ds", selection=Selection(), features=Features(LIVE)), folder / "run"
    )
    metrics = run.metrics()
    for measured in metrics.values():
        measured.update({"shuffle_rise": 0.5, "encoding_std": [0.2] * 10})
    write_json(run.path / "metrics.json", metrics)
    return run


@pytest.fixture(scope="session")
def bundle(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return export_bundle(run, tmp_path_factory.mktemp("bundles") / "tiny", quantization="none")
