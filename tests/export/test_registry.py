from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tfdeepviz.data.files import FormatError, write_json
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.export.registry import entries, find, prune, push, rollback, verify


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


@pytest.fixture
def registry(bundle: Bundle, tmp_path: Path) -> Path:
    """Three versions of one bundle."""
    for _ in range(3):
        push(bundle.path, tmp_path / "registry")
    return tmp_path / "registry"


def test_readers_take_what_a_rollback_says_until_the_next_push(registry: Path, bundle: Bundle) -> None:
    rollback(registry, "tiny", 1)
    (entry,) = entries(registry)
    assert (entry.versions, entry.latest) == ((1, 2, 3), 1)
    assert find(registry, "tiny").label == "tiny/1"
    assert find(registry, "tiny", 3).label == "tiny/3"
    with pytest.raises(FormatError, match="no version 9; there are 1, 2, 3"):
        rollback(registry, "tiny", 9)
    with pytest.raises(FormatError, match="holds no 'huge'; choose one of tiny"):
        find(registry, "huge")
    push(bundle.path, registry)
    assert entries(registry)[0].latest == 4


def test_pruning_keeps_the_newest_and_what_readers_take(registry: Path) -> None:
    rollback(registry, "tiny", 1)
    assert prune(registry, keep=1) == [registry / "tiny" / "2"]
    (entry,) = entries(registry)
    assert (entry.versions, entry.latest) == ((1, 3), 1)
    assert sorted(path.name for path in (registry / "tiny").iterdir()) == ["1", "3"]
    assert prune(registry, keep=2) == []
    with pytest.raises(ValueError, match="keep=0"):
        prune(registry, keep=0)


def test_verifying_names_what_is_wrong(registry: Path) -> None:
    assert list(verify(registry)) == [("tiny/1", None), ("tiny/2", None), ("tiny/3", None), ("index.json", None)]
    (registry / "tiny" / "2" / "mappings.json").write_text("{}")
    shutil.rmtree(registry / "tiny" / "3")
    problems = dict(verify(registry))
    assert problems["tiny/1"] is None
    assert "mappings.json" in str(problems["tiny/2"])
    assert "no bundle" in str(problems["tiny/3"])
    assert "tiny" in str(problems["index.json"])


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": 9},
        {"bundles": [{"name": "../x", "title": "", "versions": [1], "latest": 1}]},
        {"bundles": [{"name": "tiny", "title": "", "versions": ["1"], "latest": 1}]},
        {"bundles": [{"name": "tiny"}]},
        {"bundles": 3},
    ],
)
def test_a_broken_index_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    write_json(tmp_path / "index.json", {"schema_version": 1, "bundles": [], **change})
    with pytest.raises(FormatError, match=r"index\.json"):
        entries(tmp_path)
    with pytest.raises(FormatError, match="tfdeepviz push"):
        entries(tmp_path / "nowhere")
