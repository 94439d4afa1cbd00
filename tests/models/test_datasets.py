"""Every kind of dataset through everything that takes one: it works, or is refused in one clear sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import make_fma
from tests.export.conftest import alive
from tfdeepviz.analysis.analyze import analyze
from tfdeepviz.analysis.drivers import bundle_sources
from tfdeepviz.analysis.quality import measure
from tfdeepviz.data.features import Features
from tfdeepviz.data.prepare import prepare
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.selection import Selection
from tfdeepviz.errors import InputError
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.export.exporter import BundlePlan, export_bundle
from tfdeepviz.files import FormatError
from tfdeepviz.models.evaluation import evaluate
from tfdeepviz.models.presets import Preset
from tfdeepviz.models.run import Run
from tfdeepviz.models.training import train
from tfdeepviz.params import LIVE
from tfdeepviz.reports.quality import markdown

TINY = Preset(
    name="tiny",
    title="Tiny",
    kind="autoencoder",
    model={"n_initial_filters": 1, "n_pools": 4, "n_dense": 1, "normalize_encoding": True},
    scaler="minmax",
    optimizer={"name": "adamw", "learning_rate": 3e-3},
    batch_size=8,
    epochs=1,
)
KINDS: dict[str, dict[str, Any]] = {
    "chosen": {"segments_per_track": 3, "hop_seconds": 0.1},
    "half": {"storage": "float16"},
    "overlapping": {"hop_seconds": 0.5},
    "log-mel": {"features": Features(LIVE, "log-mel")},
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    splits = {**dict.fromkeys(range(2, 6), "training"), 6: "validation", 7: "validation", 8: "test", 9: "test"}
    return make_fma(tmp_path_factory.mktemp("corpus"), splits, seconds=5.5, genres=("Folk", "Rock"))


@pytest.fixture(scope="module", params=list(KINDS))
def dataset(request: pytest.FixtureRequest, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    options = {"selection": Selection(), "features": Features(LIVE), **KINDS[request.param]}
    return prepare(corpus, tmp_path_factory.mktemp(request.param) / "ds", **options)


@pytest.fixture(scope="module")
def run(dataset: PreparedDataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return alive(train(TINY, dataset, tmp_path_factory.mktemp("runs") / "run"))


@pytest.fixture(scope="module")
def plain(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Bundle]:
    """A run and a bundle of another dataset of the same features."""
    folder = tmp_path_factory.mktemp("plain")
    dataset = prepare(corpus, folder / "ds", selection=Selection(), features=Features(LIVE))
    run = alive(train(TINY, dataset, folder / "run"))
    return run, export_bundle(BundlePlan([run], dataset, folder / "bundle", quantization="none"))


def holds_all(dataset: PreparedDataset) -> bool:
    return dataset.recipe.segments_per_track is None


def test_train_and_evaluate(dataset: PreparedDataset, run: Run, tmp_path: Path) -> None:
    for split in ("training", "test"):
        page = evaluate(run, dataset, split, out=tmp_path)
        scores = json.loads((tmp_path / f"{split}.json").read_text())["scores"]
        assert scores["n_segments"] == dataset.n_segments(split)
        assert np.isfinite([scores["mse"], scores["mse_to_pca"]]).all()
        assert page.is_file()


def test_export(dataset: PreparedDataset, run: Run, tmp_path: Path) -> None:
    if dataset.features.mode != "mfcc":
        with pytest.raises(FormatError, match="bundles hold the MFCC front end"):
            export_bundle(BundlePlan([run], dataset, tmp_path / "bundle"))
    elif not holds_all(dataset):
        with pytest.raises(FormatError, match="chosen segments only; prepare a dataset without --segments-per-track"):
            export_bundle(BundlePlan([run], dataset, tmp_path / "bundle"))
    else:
        bundle = export_bundle(BundlePlan([run], dataset, tmp_path / "bundle", quantization="none"))
        told = bundle.manifest["provenance"]["mappings"]["dataset"]
        assert told["digest"] == run.config["dataset_digest"] == dataset.identity


def test_quality(dataset: PreparedDataset, plain: tuple[Run, Bundle]) -> None:
    table = measure(bundle_sources([plain[1]]), dataset, ["test"])
    assert table.n_tracks == 2
    assert table.dataset_digest == dataset.identity


def test_analyze(dataset: PreparedDataset, run: Run) -> None:
    if holds_all(dataset):
        assert len(analyze(run, dataset).tracks) == 2
    else:
        with pytest.raises(FormatError, match="chosen segments only; prepare a dataset without --segments-per-track"):
            analyze(run, dataset)


def test_a_dataset_for_measuring(plain: tuple[Run, Bundle], tmp_path: Path) -> None:
    root = make_fma(tmp_path / "fma", {20: "test", 21: "test", 22: "test"}, seconds=5.5, genres=("Folk", "Rock"))
    dataset = prepare(root, tmp_path / "ds", selection=Selection(), features=Features(LIVE))
    run, bundle = plain
    page = evaluate(run, dataset, "test", out=tmp_path)
    assert page.is_file()
    scores = json.loads((tmp_path / "test.json").read_text())["scores"]
    assert scores["mse"] > 0
    assert "pca_mse" not in scores
    table = measure(bundle_sources([bundle]), dataset, ["test"])
    assert "no training tracks: baselines are scaled by tracks that are measured" in markdown(table)
    assert len(analyze(run, dataset, fit="test").tracks) == 3
    with pytest.raises(InputError, match="the training split holds no track; choose another for fit"):
        analyze(run, dataset)
    with pytest.raises(InputError, match="the training split holds no track, and mappings are fitted to it"):
        BundlePlan([run], dataset, tmp_path / "bundle")
    with pytest.raises(InputError, match="has no training tracks"):
        train(TINY, dataset, tmp_path / "run")
    assert not (tmp_path / "run").exists()
