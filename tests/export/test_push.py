from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tfdeepviz.data.files import FormatError, write_json
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.export.push import push


def index(registry: Path) -> list[dict[str, object]]:
    entries: list[dict[str, object]] = json.loads((registry / "index.json").read_text())["bundles"]
    return entries


def test_versions_count_up_and_the_index_follows(bundle: Bundle, tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    assert push(bundle.path, registry) == registry / "tiny" / "1"
    assert push(bundle.path, registry) == registry / "tiny" / "2"
    assert index(registry) == [{"name": "tiny", "title": "Tiny", "versions": [1, 2], "latest": 2}]
    pushed = Bundle.load(registry / "tiny" / "2")
    assert pushed.label == "tiny/2"
    assert pushed.manifest["files"] == bundle.manifest["files"]


def test_bundles_keep_their_place_unless_they_are_to_be_first(bundle: Bundle, tmp_path: Path) -> None:
    registry = tmp_path / "registry"

    def push_as(name: str, *, first: bool = False) -> list[object]:
        copy = tmp_path / f"{name}-{first}"
        shutil.copytree(bundle.path, copy)
        write_json(copy / "manifest.json", {**bundle.manifest, "name": name})
        push(copy, registry, first=first)
        return [entry["name"] for entry in index(registry)]

    assert push_as("b") == ["b"]
    assert push_as("a") == ["b", "a"]
    assert push_as("c", first=True) == ["c", "b", "a"]
    assert push_as("a", first=True) == ["a", "c", "b"]
    shutil.rmtree(tmp_path / "b-False")
    assert push_as("b") == ["a", "c", "b"]


def test_a_broken_bundle_is_not_pushed(bundle: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle.path, copy)
    (copy / "mappings.json").write_text("{}")
    with pytest.raises(FormatError, match=r"mappings\.json"):
        push(copy, tmp_path / "registry")
    assert not (tmp_path / "registry").exists()


def test_a_failure_in_the_middle_leaves_the_registry_as_it_was(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = tmp_path / "registry"
    push(bundle.path, registry)
    before = index(registry)

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="space"):
        push(bundle.path, registry)
    assert index(registry) == before
    assert sorted(path.name for path in registry.iterdir()) == ["index.json", "tiny"]
    assert [path.name for path in (registry / "tiny").iterdir()] == ["1"]


def test_two_pushers_get_two_versions(bundle: Bundle, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        targets = list(pool.map(lambda _: push(bundle.path, tmp_path / "registry"), range(4)))
    assert sorted(target.name for target in targets) == ["1", "2", "3", "4"]
    assert index(tmp_path / "registry")[0]["versions"] == [1, 2, 3, 4]
