from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.conftest import music
from tests.export.conftest import SMALL_BEAT, alive
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.errors import InputError
from tfdeepviz.export import exporter
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.export.exporter import BundlePlan, export_bundle
from tfdeepviz.export.extract import Extractor
from tfdeepviz.export.goldens import TOLERANCES
from tfdeepviz.export.tfjs import plan_quantization, quantized_encoder
from tfdeepviz.files import write_json
from tfdeepviz.mapping.projections import ProjectionError
from tfdeepviz.models.evaluation import CollapsedEncoderError
from tfdeepviz.models.presets import load_preset, override
from tfdeepviz.models.run import Run
from tfdeepviz.models.training import train


def size(bundle_path: Path) -> int:
    return sum(path.stat().st_size for path in (bundle_path / "encoders").rglob("*.bin"))


def test_quantisation_makes_it_smaller_and_is_measured(run: Run, dataset: PreparedDataset, tmp_path: Path) -> None:
    sizes, errors = {}, {}
    for quantization in ("none", "float16", "uint8"):
        bundle = export_bundle(
            BundlePlan([run], dataset, tmp_path / quantization, quantization=quantization, name="other")
        )
        assert bundle.name == "other"
        sizes[quantization] = size(bundle.path)
        errors[quantization] = bundle.manifest["provenance"]["encoders"]["tiny"]["quantization"]["max_error"]
    assert sizes["none"] > 1.7 * sizes["float16"] > 2.5 * sizes["uint8"]
    assert errors["none"] == 0 < errors["float16"] <= TOLERANCES["float16"]["encoding"]
    assert errors["float16"] < errors["uint8"] <= TOLERANCES["uint8"]["encoding"]


def test_the_copy_is_rounded_as_the_browser_will_read_it(run: Run) -> None:
    encoder = run.load_encoder()
    rounded = quantized_encoder(encoder, {"dense1": "float16"})
    exact = np.asarray(encoder.get_layer("dense1").kernel)
    kernel = np.asarray(rounded.get_layer("dense1").kernel)
    np.testing.assert_array_equal(kernel, exact.astype(np.float16).astype(np.float32))
    before, after = (np.asarray(model.get_layer("conv1_1").kernel) for model in (encoder, rounded))
    np.testing.assert_array_equal(before, after)


def test_the_umask_decides_who_reads_a_bundle(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert bundle.path.stat().st_mode == (tmp_path / "folder").stat().st_mode


def test_only_what_the_error_allows_is_quantised(run: Run) -> None:
    encoder = run.load_encoder()
    encoder = keras.Model(encoder.input, {"encoding": encoder.output})
    segments = np.random.default_rng(0).normal(-50, 30, (8, *encoder.input_shape[1:])).astype(np.float32)
    all_of_it = plan_quantization(encoder, segments, quantization="uint8", allowed={"encoding": 1.0})
    assert all_of_it.dtypes["dense1"] == "uint8"
    assert 0 < all_of_it.max_error < 1
    a_quarter = {"encoding": all_of_it.max_error / 4}
    between = plan_quantization(encoder, segments, quantization="uint8", allowed=a_quarter)
    assert between.dtypes["dense1"] == "float16"
    assert between.max_error <= all_of_it.max_error / 4
    assert plan_quantization(encoder, segments, quantization="uint8", allowed={"encoding": 0.0}).dtypes == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantization": "int3"}, "quantization='int3': choose one of none"),
        ({"split": "all"}, "split='all': choose one of training"),
        ({"name": "My bundle"}, "name='My bundle': use at most 64 lower-case letters"),
        ({"name": "frontends"}, "name='frontends': a registry keeps its front ends there"),
        ({"default": ("pca", "robust")}, "default=pca/robust: give PROJECTION/MODE/METHOD"),
        ({"default": ("umap", "features", "robust")}, "default='umap': choose one of raw"),
        ({"layer": "L14"}, "single classifier; here are 0"),
        ({"parameters": {"tiny": 9}}, "parameters=tiny=9: say how many of the 10 .* each of tiny drives"),
        ({"parameters": {"tiny": "ten"}}, "tiny=ten: say"),
        ({"parameters": {"small": 10}}, "small=10: say"),
    ],
)
def test_a_plan_is_checked_before_any_work(
    options: dict[str, Any], message: str, run: Run, dataset: PreparedDataset, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        BundlePlan([run], dataset, tmp_path / "bundle", **options)


def test_what_exists_is_kept(run: Run, dataset: PreparedDataset, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(FileExistsError, match="taken"):
        export_bundle(BundlePlan([run], dataset, tmp_path / "taken"))


def test_a_collapsed_run_is_not_exported(run: Run, dataset: PreparedDataset, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    metrics["validation"]["encoding_std"][2] = 0.001
    write_json(tmp_path / "run" / "metrics.json", metrics)
    with pytest.raises(CollapsedEncoderError, match=r"dead on the validation split .*: 2;"):
        export_bundle(BundlePlan([Run.load(tmp_path / "run")], dataset, tmp_path / "bundle"))


def test_several_encoders_share_the_parameters(two_scales: Bundle) -> None:
    beat, song = two_scales.encoders
    assert (beat.name, beat.window_frames, beat.step_seconds) == ("ae-time", 10, 0.02)
    assert (song.name, song.window_frames, song.step_seconds) == ("song", 96, 0.24)
    assert beat.time_offset_seconds == pytest.approx(0.045)
    mappings = two_scales.mappings
    assert str(mappings.default) == "pca/features/per-track"
    for mapping in mappings.offers.values():
        assert [(part.encoder, part.n_out) for part in mapping.projection.parts] == [("ae-time", 6), ("song", 4)]
    assert "needs an encoding of 6" in two_scales.manifest["provenance"]["mappings"]["left_out"]["raw"]
    # Up with an onset, down slowly.
    assert 0.9 < mappings.time.attack < mappings.time.release < 1
    assert mappings.time.look_ahead_seconds == 0


def test_shares_that_do_not_fit_are_refused(
    run: Run, two_runs: tuple[Run, Run], dataset: PreparedDataset, tmp_path: Path
) -> None:
    for parameters in (
        *(None, {"ae-time": 6}, {"ae-time": 6, "song": 5}, {"ae-time": 6, "tiny": 4}),
        *({"ae-time": 10, "song": 0}, {"ae-time": 9, "song": True}),
    ):
        with pytest.raises(ValueError, match="each of ae-time, song drives"):
            BundlePlan(two_runs, dataset, tmp_path / "bundle", parameters=parameters)
    with pytest.raises(ValueError, match="two of the runs"):
        BundlePlan([run, run], dataset, tmp_path / "bundle", parameters={"tiny": 10})
    with pytest.raises(ProjectionError, match="default=raw/features/standard"):
        export_bundle(
            BundlePlan(
                two_runs,
                dataset,
                tmp_path / "bundle",
                parameters={"ae-time": 6, "song": 4},
                default=("raw", "features", "standard"),
            )
        )
    assert list(tmp_path.iterdir()) == []


def test_a_causal_encoder_stands_for_the_end_of_its_window(dataset: PreparedDataset, tmp_path: Path) -> None:
    preset = override(load_preset("ae-time"), {**SMALL_BEAT, "model.causal": True})
    run = alive(train(preset, dataset, tmp_path / "run"))
    (info,) = export_bundle(BundlePlan([run], dataset, tmp_path / "bundle")).encoders
    assert info.time_offset_seconds == pytest.approx(0.09)
    np.testing.assert_allclose(info.windows(run.params).times(2), [0.09, 0.11])


def test_a_classifier_gives_probabilities_of_its_genres(genre_bundle: Bundle, classifier: Run) -> None:
    (info,) = genre_bundle.encoders
    assert list(info.genres) == classifier.config["genres"]
    genres = Extractor(genre_bundle).analyze(music(3.0)).encodings["vgg16"].genres
    assert genres is not None
    assert genres.shape == (len(genres), len(info.genres))
    np.testing.assert_allclose(genres.sum(axis=1), 1, atol=1e-5)


def test_another_layer_of_a_classifier_is_another_encoder(
    classifier: Run, two_genres: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CollapsedEncoderError, match="dead"):  # after one epoch
        monkeypatch.setattr(exporter, "MIN_ENCODING_STD", 1e9)
        export_bundle(BundlePlan([classifier], two_genres, tmp_path / "bundle", layer="L14"))
    monkeypatch.setattr(exporter, "MIN_ENCODING_STD", 0)
    bundle = export_bundle(BundlePlan([classifier], two_genres, tmp_path / "bundle", layer="L14"))
    (info,) = bundle.encoders
    assert (bundle.name, info.name, info.encoding_size) == ("vgg16-l14", "vgg16-l14", 12)
    with pytest.raises(ValueError, match="offers L13, L14, L15"):
        export_bundle(BundlePlan([classifier], two_genres, tmp_path / "other", layer="L3"))


def test_a_bundle_tells_where_it_comes_from(two_scales: Bundle, two_runs: tuple[Run, Run]) -> None:
    provenance = two_scales.manifest["provenance"]
    for run in two_runs:
        told = provenance["encoders"][run.preset.name]
        assert told["run"]["path"] == str(run.path)
        assert told["run"]["config"].items() >= {**run.config, "code_version": run.record.code_version}.items()
        assert told["dataset"] == provenance["mappings"]["dataset"]
        assert told["dataset"]["digest"] == run.config["dataset_digest"]
        assert told["dataset"]["name"] == run.record.input("dataset").artifact.input("corpus").artifact.name
        assert told["metrics"] == run.metrics()
    assert "Two scales" in (two_scales.path / "card.md").read_text()
