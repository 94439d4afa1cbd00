from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.export.conftest import reseal
from tfdeepviz.data import frontend
from tfdeepviz.data.frontend import MfccFrontend
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.errors import InputError
from tfdeepviz.export import browser, exporter
from tfdeepviz.export import validate as module
from tfdeepviz.export.browser import BrowserError
from tfdeepviz.export.bundle import BLESSED, NOT_BLESSED, Blessing, Bundle
from tfdeepviz.export.exporter import BundlePlan, export_bundle
from tfdeepviz.export.goldens import TOLERANCES, Stages
from tfdeepviz.export.registry import NotBlessedError, entries, push
from tfdeepviz.export.tfjs import QuantizationPlan
from tfdeepviz.export.validate import summary, validate
from tfdeepviz.files import FormatError, convert, write_json
from tfdeepviz.models.run import Run

_STATIC = Path(__file__).parents[2] / "webapp" / "static"

Report = dict[str, Any]


def perfect(bundle: Bundle, **_: object) -> Report:
    """What the check page reports of a bundle that is right on every backend but WebGPU, which is not there."""
    nothing = dict.fromkeys((encoder.name for encoder in bundle.encoders), 0.0)
    genres = dict.fromkeys((encoder.name for encoder in bundle.encoders if encoder.genres), 0.0)
    tags = dict.fromkeys((encoder.name for encoder in bundle.encoders if encoder.tags), 0.0)
    differences = {"mfcc": 0.0, "encodings": nothing, "genres": genres, "tags": tags, "parameters": 0.0}
    ok = {"status": "ok", "reason": "", "differences": differences, "ms_per_second": 10.0}
    backends = {name: {**ok, "name": name} for name in ("wasm", "webgl")}
    backends["webgpu"] = {"name": "webgpu", "status": "unsupported", "reason": "no adapter"}
    return {"user_agent": "a stand-in", "backends": backends}


Compute = Callable[[Bundle, npt.NDArray[np.float32]], Stages[Any]]

_computed: dict[str, Stages[Any]] = {}


def once(compute: Compute) -> Compute:
    """Compute once for the same files: most tests judge copies of one bundle that tell another provenance."""

    def remembered(bundle: Bundle, pcm: npt.NDArray[np.float32]) -> Stages[Any]:
        told = {name: value for name, value in bundle.manifest.items() if name not in ("provenance", "title")}
        key = f"{compute} {frontend.MfccFrontend} {json.dumps(told)}"
        if key not in _computed:
            _computed[key] = compute(bundle, pcm)
        return _computed[key]

    return remembered


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Blessing]:
    """Validate with a stand-in for the browser, whose report can be changed."""
    for name in ("_run_graphs", "_run_saved_model"):
        monkeypatch.setattr(module, name, once(getattr(module, name)))

    def run(bundle: Path, change: Callable[[Report], None] = lambda _: None, **options: Any) -> Blessing:
        def report(loaded: Bundle, **_: object) -> browser.Report:
            values = perfect(loaded)
            change(values)
            return convert({**values, "backends": list(values["backends"].values())}, browser.Report, "report")

        monkeypatch.setattr(module, "check_in_browser", report)
        return validate(bundle, static=tmp_path, **options)

    return run


def failures(blessing: Blessing) -> list[str]:
    return [check.name for check in blessing.checks if not check.passed]


_THRESHOLDS = {
    "mse": {"max": "mean_mse", "may_worsen": 0.05},
    "shuffle_rise": {"min": 0.2, "may_worsen": 0.25},
    "min_correlation": {"min": 0.9},
}
_MEASURED = {"mse": 0.004, "mean_mse": 0.01, "shuffle_rise": 0.5}


def worth(bundle: Bundle, copy: Path, **test: float) -> Path:
    """Copy a bundle whose preset has thresholds, and whose metrics on the test split are good, or these."""
    shutil.copytree(bundle.path, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    trained = manifest["provenance"]["encoders"]["tiny"]
    trained["run"]["config"]["preset"]["thresholds"] = _THRESHOLDS
    trained["metrics"]["test"] |= {**_MEASURED, **test}
    write_json(copy / "manifest.json", manifest)
    (copy / "artifact.json").unlink()  # it is that of the other bundle
    return copy


@pytest.fixture
def good(bundle: Bundle, tmp_path: Path) -> Path:
    """A bundle that deserves to be blessed."""
    return worth(bundle, tmp_path / "good")


def test_a_good_bundle_is_blessed_with_all_figures(good: Path, judge: Callable[..., Blessing]) -> None:
    blessing = judge(good)
    assert failures(blessing) == []
    assert (good / BLESSED).is_file()
    assert Bundle.load(good).blessing == blessing
    names = [check.name for check in blessing.checks]
    for where in ("TensorFlow", "SavedModel", "Chromium, wasm", "Chromium, webgl"):
        assert f"{where}: encodings of tiny" in names
        assert f"{where}: parameters" in names
    assert {"front end: this version's", "tiny: mse (test)", "size in MB"} <= set(names)
    (webgpu,) = [check for check in blessing.checks if check.name == "Chromium, webgpu"]
    assert (webgpu.value, webgpu.passed, webgpu.reason) == (None, True, "unsupported: no adapter")
    assert "tiny: shuffle_rise (test)" in summary(blessing)


def test_two_encoders_genres_and_tags_are_all_judged(
    two_scales: Bundle,
    genre_bundle: Bundle,
    tag_bundle: Bundle,
    judge: Callable[..., Blessing],
    tmp_path: Path,
) -> None:
    for bundle in (two_scales, genre_bundle, tag_bundle):
        copy = shutil.copytree(bundle.path, tmp_path / bundle.name)
        blessing = judge(copy)
        names = [check.name for check in blessing.checks if check.passed]
        for encoder in bundle.encoders:
            for where in ("TensorFlow", "SavedModel", "Chromium, wasm"):
                assert f"{where}: encodings of {encoder.name}" in names
                assert (f"{where}: genres of {encoder.name}" in names) == bool(encoder.genres)
                assert (f"{where}: tags of {encoder.name}" in names) == bool(encoder.tags)


# --- refusals, each for the right reason ---------------------------------------------------------------------------


def test_a_swapped_weight_shard_is_refused(good: Path, judge: Callable[..., Blessing]) -> None:
    shard = good / "encoders" / "tiny" / "group1-shard1of1.bin"
    weights = shard.read_bytes()
    shard.write_bytes(weights[::-1])
    with pytest.raises(FormatError, match=r"group1-shard1of1\.bin.*SHA-256"):
        judge(good)
    # And if somebody hides it in the manifest:
    half = len(weights) // 2
    shard.write_bytes(weights[:half] + bytes(len(weights) - half))
    reseal(good)
    blessing = judge(good)
    assert {"TensorFlow: encodings of tiny", "SavedModel: encodings of tiny"} <= set(failures(blessing))
    assert "weights" in next(check.reason for check in blessing.checks if not check.passed)
    assert (good / NOT_BLESSED).is_file()
    shard.write_bytes(b"\xff" * len(weights))  # NaN throughout
    reseal(good)
    blessing = judge(good)
    assert {"TensorFlow", "SavedModel"} <= set(failures(blessing))


def test_a_mapping_with_nan_is_refused(good: Path, judge: Callable[..., Blessing]) -> None:
    mappings = json.loads((good / "mappings.json").read_text())
    mappings["projections"][0]["scalings"][0]["offset"][2] = float("nan")
    (good / "mappings.json").write_text(json.dumps(mappings))
    reseal(good)
    with pytest.raises(FormatError, match=r"mappings\.json.*NaN"):
        judge(good)


def test_mappings_of_another_model_are_refused(good: Path, judge: Callable[..., Blessing]) -> None:
    mappings = json.loads((good / "mappings.json").read_text())
    for projection in mappings["projections"]:
        for scaling in projection["scalings"]:
            scaling["offset"] = [offset + 0.3 for offset in scaling["offset"]]
    write_json(good / "mappings.json", mappings)
    reseal(good)
    assert failures(judge(good)) == ["TensorFlow: parameters", "SavedModel: parameters"]


def test_a_stale_front_end_is_refused(
    good: Path, judge: Callable[..., Blessing], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older version's, which had another scale for its MFCC, say."""

    class Newer(MfccFrontend):
        def mfcc(self, pcm: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            scaled: npt.NDArray[np.float32] = super().mfcc(pcm) * np.float32(1.01)
            return scaled

    monkeypatch.setattr(frontend, "MfccFrontend", Newer)
    blessing = judge(good)
    assert failures(blessing)[0] == "front end: this version's"
    assert all(name.startswith("TensorFlow: ") for name in failures(blessing)[1:])
    assert "stale" in next(check.reason for check in blessing.checks if not check.passed)


def test_goldens_with_an_easier_tolerance_are_refused(good: Path, judge: Callable[..., Blessing]) -> None:
    goldens = json.loads((good / "goldens" / "goldens.json").read_text())
    goldens["tolerance"]["encoding"] = 1.0
    write_json(good / "goldens" / "goldens.json", goldens)
    reseal(good)
    assert failures(judge(good)) == ["goldens: tolerances"]


def test_a_quantisation_that_breaks_parity_is_refused(
    run: Run,
    dataset: PreparedDataset,
    tmp_path: Path,
    judge: Callable[..., Blessing],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def careless(encoder: Any, *_: Any, **__: Any) -> QuantizationPlan:
        return QuantizationPlan(dict.fromkeys((x.name for x in encoder.layers if hasattr(x, "kernel")), "uint8"), 0.0)

    monkeypatch.setattr(exporter, "plan_quantization", careless)
    bundle = export_bundle(BundlePlan([run], dataset, tmp_path / "careless", quantization="float16"))
    found = failures(judge(bundle.path))
    assert found[:1] == ["TensorFlow: encodings of tiny"]
    assert "SavedModel: encodings of tiny" in found


@pytest.mark.parametrize(
    ("stage", "value", "name"),
    [
        ("mfcc", TOLERANCES["float16"]["mfcc"] * 1.1, "Chromium, webgl: mfcc"),
        ("mfcc", None, "Chromium, webgl: mfcc"),
        ("encodings", {"tiny": 9.0}, "Chromium, webgl: encodings of tiny"),
        ("encodings", {}, "Chromium, webgl: encodings of tiny"),
        ("parameters", 0.1, "Chromium, webgl: parameters"),
    ],
)
def test_what_another_backend_computes_otherwise_is_refused(
    stage: str, value: Any, name: str, good: Path, judge: Callable[..., Blessing]
) -> None:
    def change(report: Report) -> None:
        report["backends"]["webgl"]["differences"] = {**report["backends"]["webgl"]["differences"], stage: value}

    assert failures(judge(good, change)) == [name]


def test_a_backend_that_does_not_run_is_refused_where_it_is_needed(good: Path, judge: Callable[..., Blessing]) -> None:
    def change(report: Report) -> None:
        report["backends"]["webgl"] |= {"status": "unsupported", "reason": "no WebGL"}
        report["backends"]["webgpu"] |= {"status": "failed", "reason": "device lost"}

    assert failures(judge(good, change)) == ["Chromium, webgl", "Chromium, webgpu"]


def test_a_worse_model_than_the_one_it_replaces_is_refused(
    good: Path, bundle: Bundle, tmp_path: Path, judge: Callable[..., Blessing]
) -> None:
    registry = tmp_path / "registry"
    judge(good)
    push(good, registry)
    worse = worth(bundle, tmp_path / "worse", mse=0.0043)
    blessing = judge(worse, registry=registry)
    assert blessing.baseline == "tiny/1"
    assert failures(blessing) == ["tiny: mse (test) against tiny/1"]
    assert failures(judge(worse, registry=registry, baseline="none")) == []
    slightly = worth(bundle, tmp_path / "slightly", mse=0.0041, shuffle_rise=0.4)
    assert failures(judge(slightly, registry=registry, baseline=1)) == []
    with pytest.raises(FormatError, match="no version 7"):
        judge(slightly, registry=registry, baseline=7)


def test_figures_of_other_data_are_not_compared(
    good: Path, judge: Callable[..., Blessing], bundle: Bundle, tmp_path: Path
) -> None:
    registry = tmp_path / "registry"
    judge(good)
    push(good, registry)
    manifest = json.loads((good / "manifest.json").read_text())
    manifest["provenance"]["encoders"]["tiny"]["dataset"]["digest"] = "sha256:other"
    write_json(good / "manifest.json", manifest)
    blessing = judge(good, registry=registry)
    assert failures(blessing) == ["tiny: data of tiny/1"]
    assert "--baseline none" in next(check.reason for check in blessing.checks if not check.passed)


def test_what_was_not_compared_replaces_nothing(
    good: Path, judge: Callable[..., Blessing], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, away = tmp_path / "my registry", tmp_path / "away"
    with pytest.raises(FormatError, match=r"my registry: not a registry .* give --registry, or --baseline none"):
        judge(good, registry=registry)
    assert not (good / "BLESSED").exists()
    assert judge(good).baseline is None
    push(good, registry)
    push(good, registry)  # it replaces itself
    away.mkdir()
    monkeypatch.chdir(away)
    manifest = json.loads((good / "manifest.json").read_text())
    write_json(good / "manifest.json", {**manifest, "title": "Another"})
    judge(good)
    with pytest.raises(NotBlessedError, match=r"was not compared with the 'tiny' of .*--registry '.*/my registry'`"):
        push(good, registry)
    assert judge(good, registry=registry, baseline="none").baseline == "none"
    push(good, registry)
    assert judge(good, registry=registry).baseline == "tiny/3"
    assert [entry.versions for entry in entries(registry)] == [(1, 2, 3)]


def test_what_cannot_be_compared_is_refused(good: Path, judge: Callable[..., Blessing], tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    judge(good)
    push(good, registry)
    whole = json.loads((good / "manifest.json").read_text())
    replaced = registry / "tiny" / "1" / "manifest.json"
    pushed = json.loads(replaced.read_text())
    del pushed["provenance"]["encoders"]["tiny"]["metrics"]["test"]["mse"]
    write_json(replaced, pushed)
    blessing = judge(good, registry=registry)
    assert failures(blessing) == ["tiny: mse (test) against tiny/1"]
    assert "was not measured of tiny/1" in next(check.reason for check in blessing.checks if not check.passed)
    pushed["provenance"]["encoders"] = {"another": whole["provenance"]["encoders"]["tiny"]}
    write_json(replaced, pushed)
    blessing = judge(good, registry=registry)
    assert failures(blessing) == ["encoders of tiny/1"]


def test_an_old_judgement_does_not_outlive_a_new_one_that_ends_early(
    good: Path, judge: Callable[..., Blessing]
) -> None:
    def away(report: Report) -> None:
        raise BrowserError("no Chromium")

    judge(good)
    assert (good / "BLESSED").exists()
    with pytest.raises(BrowserError):
        judge(good, away)
    assert not (good / "BLESSED").exists()


def test_thresholds_are_asked_for_and_kept(bundle: Bundle, tmp_path: Path, judge: Callable[..., Blessing]) -> None:
    without = shutil.copytree(bundle.path, tmp_path / "without")
    assert failures(judge(without)) == ["tiny: thresholds"]
    weak = worth(bundle, tmp_path / "weak", shuffle_rise=0.1, mse=0.02)
    assert failures(judge(weak)) == ["tiny: mse (test)", "tiny: shuffle_rise (test)"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"provenance": None}, r"manifest\.json: provenance: broken \(TypeError.*; export the bundle again"),
        ({"provenance": {"encoders": {"tiny": {}}}}, "provenance: broken .*'run'"),
        ({"provenance": {"encoders": {}}}, "provenance: says nothing about tiny"),
        ({"quantization": "int3"}, r"manifest\.json: quantization='int3': choose one of none"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    change: dict[str, Any], message: str, good: Path, judge: Callable[..., Blessing]
) -> None:
    write_json(good / "manifest.json", {**json.loads((good / "manifest.json").read_text()), **change})
    with pytest.raises(InputError, match=message):
        judge(good)


def test_a_student_is_judged_by_its_teacher(good: Path, judge: Callable[..., Blessing]) -> None:
    manifest = json.loads((good / "manifest.json").read_text())
    trained = manifest["provenance"]["encoders"]["tiny"]
    trained["run"]["config"]["teacher"] = {"path": "runs/large", "sha256": "0" * 64}
    trained["metrics"]["test"]["correlation"] = [0.99, 0.8]
    write_json(good / "manifest.json", manifest)
    (check,) = [check for check in judge(good).checks if check.name.endswith("(test)")]
    assert (check.name, check.value, check.passed) == ("tiny: min_correlation (test)", 0.8, False)


def test_what_a_published_network_taught_is_judged_by_it(good: Path, judge: Callable[..., Blessing]) -> None:
    manifest = json.loads((good / "manifest.json").read_text())
    trained = manifest["provenance"]["encoders"]["tiny"]
    config = trained["run"]["config"]
    config["lessons"] = {"teacher": "musicnn", "sha256": "0" * 64, "learn": "tags", "path": "../outputs"}
    config["preset"]["thresholds"]["tag_correlation"] = {"min": 0.5}
    trained["metrics"]["test"]["tag_correlation"] = 0.4
    write_json(good / "manifest.json", manifest)
    (check,) = [check for check in judge(good).checks if check.name.endswith("(test)")]
    assert (check.name, check.value, check.passed) == ("tiny: tag_correlation (test)", 0.4, False)


def test_size_and_speed_have_budgets(good: Path, judge: Callable[..., Blessing]) -> None:
    def change(report: Report) -> None:
        report["backends"]["wasm"]["ms_per_second"] = 51.0

    assert failures(judge(good, change)) == ["milliseconds for a second of audio"]
    manifest = json.loads((good / "manifest.json").read_text())
    manifest["provenance"]["encoders"]["tiny"]["run"]["config"]["preset"]["budget"] |= {"megabytes": 0.1}
    write_json(good / "manifest.json", manifest)
    assert failures(judge(good)) == ["size in MB"]
