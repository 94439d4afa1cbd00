from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tfdeepviz.data.files import write_json
from tfdeepviz.export.exporter import export_bundle
from tfdeepviz.export.goldens import TOLERANCES
from tfdeepviz.export.tfjs import QuantizationError, quantized_encoder, quantized_layers
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
        errors[quantization] = bundle.manifest["provenance"]["quantization_error"]
    assert sizes["none"] > 1.7 * sizes["float16"] > 2.5 * sizes["uint8"]
    assert errors["none"] == 0 < errors["float16"] < errors["uint8"] < 2e-2


def test_the_copy_is_rounded_as_the_browser_will_read_it(run: Run) -> None:
    encoder = run.load_encoder()
    rounded = quantized_encoder(encoder, "float16")
    (layer,) = [layer for layer in quantized_layers(rounded) if layer.name == "dense1"]
    exact = np.asarray(encoder.get_layer("dense1").kernel)
    np.testing.assert_array_equal(np.asarray(layer.kernel), exact.astype(np.float16).astype(np.float32))


def test_a_quantisation_that_breaks_the_encoder_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TOLERANCES, "uint8", {"mfcc": 2e-3, "encoding": 1e-9})
    with pytest.raises(QuantizationError, match="--quantize float16"):
        export_bundle(run, tmp_path / "bundle", quantization="uint8")
    assert list(tmp_path.iterdir()) == []


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
    with pytest.raises(CollapsedEncoderError, match=r"\[2\]"):
        export_bundle(Run.load(tmp_path / "run"), tmp_path / "bundle")
