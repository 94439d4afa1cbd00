from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tfdeepviz.data.files import write_json
from tfdeepviz.export.exporter import export_bundle
from tfdeepviz.export.tfjs import plan_quantization, quantized_encoder
from tfdeepviz.models.evaluation import CollapsedEncoderError
from tfdeepviz.models.training import Run


def size(bundle_path: Path) -> int:
    return sum(path.stat().st_size for path in (bundle_path / "encoder").glob("*.bin"))


def test_quantisation_makes_it_smaller_and_is_measured(run: Run, tmp_path: Path) -> None:
    sizes, errors = {}, {}
    for quantization in ("none", "float16", "uint8"):
        bundle = export_bundle(run, tmp_path / quantization, quantization=quantization, name="other")
        assert bundle.name == "other"
        sizes[quantization] = size(bundle.path)
        errors[quantization] = bundle.manifest["provenance"]["quantization"]["max_error"]
    assert sizes["none"] > 1.7 * sizes["float16"] > 2.5 * sizes["uint8"]
    assert errors["none"] == 0 < errors["float16"] <= 1e-3
    assert errors["float16"] < errors["uint8"] <= 2e-2


def test_the_copy_is_rounded_as_the_browser_will_read_it(run: Run) -> None:
    encoder = run.load_encoder()
    rounded = quantized_encoder(encoder, {"dense1": "float16"})
    exact = np.asarray(encoder.get_layer("dense1").kernel)
    kernel = np.asarray(rounded.get_layer("dense1").kernel)
    np.testing.assert_array_equal(kernel, exact.astype(np.float16).astype(np.float32))
    before, after = (np.asarray(model.get_layer("conv1_1").kernel) for model in (encoder, rounded))
    np.testing.assert_array_equal(before, after)


def test_only_what_the_error_allows_is_quantised(run: Run) -> None:
    encoder = run.load_encoder()
    segments = np.random.default_rng(0).normal(-50, 30, (8, *encoder.input_shape[1:])).astype(np.float32)
    all_of_it = plan_quantization(encoder, segments, quantization="uint8", max_error=1.0)
    assert all_of_it.dtypes["dense1"] == "uint8"
    assert 0 < all_of_it.max_error < 1
    between = plan_quantization(encoder, segments, quantization="uint8", max_error=all_of_it.max_error / 4)
    assert between.dtypes["dense1"] == "float16"
    assert between.max_error <= all_of_it.max_error / 4
    assert plan_quantization(encoder, segments, quantization="uint8", max_error=0.0).dtypes == {}


def test_refusals_leave_nothing_behind(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="int3"):
        export_bundle(run, tmp_path / "bundle", quantization="int3")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "taken").mkdir()
    with pytest.raises(FileExistsError, match="taken"):
        export_bundle(run, tmp_path / "taken")


def test_a_collapsed_run_is_not_exported(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    metrics["validation"]["encoding_std"][2] = 0.001
    write_json(tmp_path / "run" / "metrics.json", metrics)
    with pytest.raises(CollapsedEncoderError, match=r"dead on the validation split .*: 2;"):
        export_bundle(Run.load(tmp_path / "run"), tmp_path / "bundle")
