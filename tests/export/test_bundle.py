from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.export.conftest import blessed, reseal
from tfdeepviz.export.bundle import BLESSED, NOT_BLESSED, Blessing, Bundle, Check
from tfdeepviz.files import FormatError, write_json


def test_a_bundle_holds_what_its_format_says(bundle: Bundle) -> None:
    manifest = bundle.manifest
    assert (manifest["name"], manifest["version"], bundle.label) == ("tiny", None, "tiny")
    there = {path.relative_to(bundle.path).as_posix() for path in bundle.path.rglob("*") if path.is_file()}
    frontend = {f"frontend/{name}" for name in manifest["frontend"]["files"]}
    assert there == {"artifact.json", "manifest.json", *manifest["files"], *frontend}
    listed = there - {"artifact.json", "manifest.json"}
    assert bundle.n_bytes == sum((bundle.path / name).stat().st_size for name in listed)
    (encoder,) = manifest["encoders"]
    assert (encoder["window_seconds"], encoder["step_seconds"]) == (pytest.approx(0.96), 0.1)
    assert manifest["frontend"]["pad_samples"] == 551
    for graph, file in ((manifest["frontend"], "frontend/model.json"), (encoder, encoder["model"])):
        model = json.loads((bundle.path / file).read_text())
        names = {node["name"] for node in model["modelTopology"]["node"]}
        assert set(graph["inputs"].values()) <= names
        assert {name.split(":")[0] for name in graph["outputs"].values()} <= names


def test_goldens_are_complete(bundle: Bundle) -> None:
    goldens = json.loads((bundle.path / "goldens" / "goldens.json").read_text())
    for stage in (*goldens["stages"].values(), *goldens["encodings"].values()):
        array = np.fromfile(bundle.path / stage["file"], stage["dtype"]).reshape(stage["shape"])
        assert np.isfinite(array).all()
        assert array.std() > 0
    assert goldens["stages"]["mfcc"]["shape"] == [201, 64]
    assert goldens["encodings"]["tiny"]["shape"] == goldens["stages"]["parameters"]["shape"] == [11, 10]


def test_mappings_are_the_default_and_all_others(bundle: Bundle) -> None:
    mappings = bundle.mappings
    assert str(mappings.default) == "raw/features/standard"
    assert {offer.projection for offer in mappings.offers} == {"raw", "random", "pca", "kmeans", "kmeans-pca"}
    assert len(mappings.offers) == 5 * 8
    assert (mappings.time.attack, mappings.time.release) == (0.5, 0.5)


def test_a_changed_file_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    for name in (*bundle.manifest["files"], "frontend/model.json"):
        copy = tmp_path / name.replace("/", "_")
        shutil.copytree(bundle.path, copy)
        data = bytearray((copy / name).read_bytes())
        data[len(data) // 2] ^= 1
        (copy / name).write_bytes(data)
        with pytest.raises(FormatError, match="SHA-256"):
            Bundle.load(copy)
        (copy / name).unlink()
        with pytest.raises(FormatError, match="missing"):
            Bundle.load(copy)


def _set(path: str, value: Any) -> Any:
    def change(manifest: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        target: Any = manifest
        for key in parents:
            target = target[int(key)] if key.isdigit() else target[key]
        target[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (_set("schema_version", 1), "schema_version must be 3, but is 1; export the bundle again"),
        (lambda manifest: manifest.pop("schema_version"), "schema_version"),
        (_set("name", "../evil"), "name"),
        (_set("audio.n_fft", 3), "n_fft"),
        (_set("encoders", []), "manifest"),
        (_set("encoders.0.step_seconds", -1), "step_seconds"),
        (_set("encoders.0.encoding_size", "ten"), "encoding_size"),
        (_set("encoders.0.encoding_size", 9), "n_parameters is 10"),
        (_set("encoders.0.name", "Tiny"), "lower-case letters"),
        (_set("encoders.0.window_frames", 95), "window_seconds"),
        (_set("encoders.0.time_offset_seconds", 0.3), "time_offset_seconds"),
        (_set("encoders.0.model", "encoders/other.json"), "other.json"),
        (_set("encoders.0.genres", ["Rock", 3]), "genres"),
        (_set("frontend.path", "../other/"), "frontend: path"),
        (_set("frontend.digest", "0" * 64), "frontend: digest"),
        (_set("frontend.files", {}), "frontend.files"),
        (_set("files", {}), "files"),
        (lambda manifest: manifest["files"].update({"../../etc/passwd": {"bytes": 1, "sha256": ""}}), "leads out"),
        (_set("mappings", "other.json"), 'mappings must be mappings.json, but is "other.json"'),
        *((_set("version", version), "version must be a whole number") for version in (0, True, "../1")),
        (_set("encoders.0.step_seconds", 61), "step_seconds"),
        (_set("encoders.0.genres", []), "genres"),
        (
            _set("files", {f"{i}": {"bytes": 0, "sha256": ""} for i in range(1_001)}),
            "files must be an object",
        ),
    ],
)
def test_broken_manifests_name_the_field(bundle: Bundle, tmp_path: Path, change: Any, what: str) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle.path, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    change(manifest)
    write_json(copy / "manifest.json", manifest)
    with pytest.raises(FormatError, match=what):
        Bundle.load(copy)


def test_numbers_that_are_none_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle.path, copy)
    path = copy / "mappings.json"
    mappings = json.loads(path.read_text())
    mappings["projections"][0]["scalings"][0]["gain"][3] = float("nan")
    path.write_text(json.dumps(mappings))
    reseal(copy)
    with pytest.raises(FormatError, match=r"gain\[3\]|NaN"):
        Bundle.load(copy)


def test_no_bundle_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="tfdeepviz export"):
        Bundle.load(tmp_path)


def test_the_digest_is_the_bundles_wherever_it_lies(bundle: Bundle, tmp_path: Path) -> None:
    copy = shutil.copytree(bundle.path, tmp_path / "copy")
    assert Bundle.load(copy).digest == bundle.digest
    write_json(copy / "manifest.json", {**bundle.manifest, "version": 7})
    assert Bundle.load(copy).digest == bundle.digest
    write_json(copy / "manifest.json", {**bundle.manifest, "title": "Another"})
    assert Bundle.load(copy).digest != bundle.digest


def test_a_judgement_holds_for_what_was_judged(bundle: Bundle, tmp_path: Path) -> None:
    copy = blessed(bundle, tmp_path / "copy")
    loaded = Bundle.load(copy)
    assert loaded.blessing is not None
    assert loaded.blessing.is_blessed
    write_json(copy / "manifest.json", {**bundle.manifest, "title": "Changed since"})
    assert Bundle.load(copy).blessing is None
    assert bundle.blessing is None


@pytest.mark.parametrize(
    ("checks", "is_blessed"),
    [((), False), ((Check("a", 1.0, "<= 2", True),), True), ((Check("a", None, "<= 2", False, "why"),), False)],
)
def test_a_judgement_replaces_the_one_before(
    checks: tuple[Check, ...], is_blessed: bool, bundle: Bundle, tmp_path: Path
) -> None:
    copy = blessed(bundle, tmp_path / "copy")
    blessing = Blessing(bundle.digest, "2026-01-01T00:00:00Z", "0.1.0", "here", None, checks)
    assert blessing.is_blessed == is_blessed
    blessing.write(copy)
    assert {path.name for path in copy.iterdir()} & {BLESSED, NOT_BLESSED} == {BLESSED if is_blessed else NOT_BLESSED}
    assert Bundle.load(copy).blessing == blessing


@pytest.mark.parametrize("text", ["", "{}", '{"schema_version": 1, "checks": 3}', '{"schema_version": 2}', "[]"])
def test_a_broken_judgement_is_refused(text: str, bundle: Bundle, tmp_path: Path) -> None:
    copy = blessed(bundle, tmp_path / "copy")
    (copy / BLESSED).write_text(text)
    with pytest.raises(FormatError, match=BLESSED):
        _ = Bundle.load(copy).blessing
