from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.models.test_lessons import heard
from tfdeepviz.data.features import Features
from tfdeepviz.data.prepare import prepare
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.selection import Selection
from tfdeepviz.export.bundle import NO_BASELINE, Blessing, Bundle, Check
from tfdeepviz.export.exporter import BundlePlan, export_bundle
from tfdeepviz.files import sha256_file, write_json
from tfdeepviz.models.presets import Preset, load_preset, override
from tfdeepviz.models.run import Run
from tfdeepviz.models.training import train
from tfdeepviz.params import LIVE

#: Settings that make presets quick to train.
SMALL = {"epochs": 1, "batch_size": 4, "model.n_filters": 4}
SMALL_BEAT = {**SMALL, "model.n_blocks": 1, "model.n_decoder_filters": 4}


@pytest.fixture(scope="session")
def dataset(fma_root: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    return prepare(fma_root, tmp_path_factory.mktemp("export") / "ds", selection=Selection(), features=Features(LIVE))


def alive(run: Run) -> Run:
    """Declare a run's code alive, so that it can be exported."""
    metrics = run.metrics()
    for measured in metrics.values():
        measured.update({"shuffle_rise": 0.5, "encoding_std": [0.2] * len(measured["encoding_std"])})
    write_json(run.path / "metrics.json", metrics)
    run.finish_record()
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
    return export_bundle(BundlePlan([run], dataset, tmp_path_factory.mktemp("bundles") / "tiny", quantization="none"))


@pytest.fixture(scope="session")
def two_runs(dataset: PreparedDataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """A time-resolved encoder and one of songs."""
    folder = tmp_path_factory.mktemp("two-runs")
    song_preset = override(load_preset("song"), {**SMALL, "contrast.n_moments": 2})
    beat = train(override(load_preset("ae-time"), SMALL_BEAT), dataset, folder / "ae-time")
    song = train(song_preset, dataset, folder / "song")
    return alive(beat), alive(song)


@pytest.fixture(scope="session")
def two_scales(two_runs: tuple[Run, Run], dataset: PreparedDataset, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return export_bundle(
        BundlePlan(
            two_runs,
            dataset,
            tmp_path_factory.mktemp("bundles") / "two-scales",
            name="two-scales",
            title="Two scales",
            parameters={"ae-time": 6, "song": 4},
        )
    )


@pytest.fixture(scope="session")
def classifier(two_genres: PreparedDataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small finished classifier."""
    small = {"epochs": 1, "batch_size": 8, "model.width": 0.03125, "model.dense_units": 12}
    preset = override(load_preset("vgg16-compact"), small)
    return alive(train(preset, two_genres, tmp_path_factory.mktemp("classifiers") / "run"))


@pytest.fixture(scope="session")
def genre_bundle(classifier: Run, two_genres: PreparedDataset, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A classifier's bundle, which gives probabilities of genres as well."""
    return export_bundle(BundlePlan([classifier], two_genres, tmp_path_factory.mktemp("bundles") / "vgg16"))


@pytest.fixture(scope="session")
def tagger(two_genres: PreparedDataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small finished tagger."""
    folder = tmp_path_factory.mktemp("taggers")
    preset = override(load_preset("tags"), {"epochs": 1, "batch_size": 8, "model.n_filters": 8, "model.n_residual": 1})
    return alive(train(preset, two_genres, folder / "run", teacher=heard(two_genres, folder / "outputs")))


@pytest.fixture(scope="session")
def tag_bundle(tagger: Run, two_genres: PreparedDataset, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A tagger's bundle, which gives probabilities of tags as well."""
    return export_bundle(BundlePlan([tagger], two_genres, tmp_path_factory.mktemp("bundles") / "tags"))


def blessed(bundle: Bundle, copy: Path) -> Path:
    """Copy a bundle and declare the copy blessed, without asking a browser."""
    shutil.copytree(bundle.path, copy)
    check = Check("declared by a test", 0.0, "<= 1", True)
    Blessing(Bundle.load(copy).digest, "2026-01-01T00:00:00Z", "0.1.0", "a test", NO_BASELINE, (check,)).write(copy)
    return copy


def reseal(bundle: Path) -> None:
    """Let the manifest of a bundle list what is there now, as somebody would who wants to hide a change."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    for name, entry in manifest["files"].items():
        entry |= {"bytes": (bundle / name).stat().st_size, "sha256": sha256_file(bundle / name)}
    write_json(bundle / "manifest.json", manifest)
