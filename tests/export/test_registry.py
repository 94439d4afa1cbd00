from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.export.conftest import blessed
from tfdeepviz.artifacts import ARTIFACT, Artifact
from tfdeepviz.export.bundle import Blessing, Bundle, Check
from tfdeepviz.export.registry import NotBlessedError, entries, find, prune, push, rollback, verify
from tfdeepviz.files import TEMPORARY, FormatError, write_json
from tfdeepviz.locks import LOCK
from tfdeepviz.models.run import Run


@pytest.fixture(scope="session")
def ready(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A blessed bundle."""
    return blessed(bundle, tmp_path_factory.mktemp("blessed") / "tiny")


def index(registry: Path) -> list[dict[str, object]]:
    entries: list[dict[str, object]] = json.loads((registry / "index.json").read_text())["bundles"]
    return entries


def test_versions_count_up_and_the_index_follows(ready: Path, tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    assert push(ready, registry) == registry / "tiny" / "1"
    assert push(ready, registry) == registry / "tiny" / "2"
    assert index(registry) == [{"name": "tiny", "title": "Tiny", "versions": [1, 2], "latest": 2}]
    pushed, bundle = Bundle.load(registry / "tiny" / "2"), Bundle.load(ready)
    assert (pushed.label, pushed.digest) == ("tiny/2", bundle.digest)
    assert pushed.manifest["files"] == bundle.manifest["files"]


def test_versions_of_the_same_audio_parameters_share_a_front_end(
    ready: Path, genre_bundle: Bundle, tmp_path: Path
) -> None:
    registry = tmp_path / "registry"
    push(ready, registry)
    push(blessed(genre_bundle, tmp_path / "vgg16"), registry)
    digest = genre_bundle.manifest["frontend"]["digest"]
    assert [path.name for path in (registry / "frontends").iterdir()] == [digest]
    for name in ("tiny", "vgg16"):
        assert Bundle.load(registry / name / "1").frontend.resolve() == registry / "frontends" / digest
        assert not (registry / name / "1" / "frontend").exists()
    again = push(registry / "tiny" / "1", tmp_path / "another")
    assert Bundle.load(again).digest == Bundle.load(ready).digest


def test_what_is_pushed_tells_where_it_comes_from(ready: Path, run: Run, tmp_path: Path) -> None:
    pushed = Bundle.load(push(ready, tmp_path / "registry"))
    encoder, mappings = pushed.record.inputs
    assert (encoder.role, encoder.artifact.digest, encoder.place(pushed.path)) == ("encoder tiny", run.digest, run.path)
    assert mappings.artifact.digest == encoder.artifact.inputs[0].artifact.digest
    other = Artifact.read(pushed.path / ARTIFACT).finished(f"sha256:{64 * '0'}")
    other.write(pushed.path / ARTIFACT)
    problems = dict(verify(tmp_path / "registry"))
    assert "is the record of something else; export the bundle again" in str(problems["tiny/1"])
    with pytest.raises(FormatError, match="is the record of something else"):
        push(pushed.path, tmp_path / "another")


def test_only_what_is_blessed_is_pushed(bundle: Bundle, ready: Path, tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    with pytest.raises(NotBlessedError, match="tfdeepviz validate"):
        push(bundle.path, registry)
    copy = shutil.copytree(ready, tmp_path / "copy")
    write_json(copy / "manifest.json", {**bundle.manifest, "title": "Changed since"})
    with pytest.raises(NotBlessedError, match="tfdeepviz validate"):
        push(copy, registry)
    failed = Blessing(bundle.digest, "", "", "", None, (Check("size in MB", 9.0, "<= 2.5", False, "too large"),))
    failed.write(shutil.copytree(bundle.path, tmp_path / "failed"))
    with pytest.raises(NotBlessedError, match=r"NOT_BLESSED \(size in MB: too large"):
        push(tmp_path / "failed", registry)
    assert not registry.exists()


def test_what_a_killed_writer_left_is_cleared_away(ready: Path, tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    (registry / f"{TEMPORARY}killed" / "tiny").mkdir(parents=True)
    push(ready, registry)
    assert sorted(path.name for path in registry.iterdir()) == [LOCK, "frontends", "index.json", "tiny"]


@pytest.mark.parametrize("moment", range(1, 40))
def test_a_kill_at_any_moment_leaves_the_registry_valid(
    moment: int, ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every change that a second push makes to the disk may be the last."""
    registry = tmp_path / "registry"
    push(ready, registry)
    left = moment

    class Killed(BaseException):
        pass

    def dying(name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left <= 0:
                raise Killed
            return act(*args, **options)

        return run

    for owner, name in (
        (shutil, "copyfile"),
        (shutil, "rmtree"),
        (os, "mkdir"),
        (os, "rename"),
        (os, "replace"),
        (os, "unlink"),
    ):
        monkeypatch.setattr(owner, name, dying(name, getattr(owner, name)))
    with suppress(Killed):
        push(ready, registry)
    monkeypatch.undo()
    problems = {name: problem for name, problem in verify(registry) if problem is not None}
    # A version may be there that the index does not know yet; nobody reads it, and the next push lists it.
    assert set(problems) <= {"index.json"}
    assert find(registry, "tiny").label in ("tiny/1", "tiny/2")
    push(ready, registry)
    assert all(problem is None for _, problem in verify(registry))
    assert not list(registry.glob(f"{TEMPORARY}*"))


def test_bundles_keep_their_place_unless_they_are_to_be_first(bundle: Bundle, tmp_path: Path) -> None:
    registry = tmp_path / "registry"

    def push_as(name: str, *, first: bool = False) -> list[object]:
        copy = tmp_path / f"{name}-{first}"
        shutil.copytree(bundle.path, copy)
        write_json(copy / "manifest.json", {**bundle.manifest, "name": name})
        (copy / "artifact.json").unlink()
        push(
            blessed(Bundle.load(copy), tmp_path / f"{name}-{first}-{len(list(tmp_path.iterdir()))}"),
            registry,
            first=first,
        )
        return [entry["name"] for entry in index(registry)]

    assert push_as("b") == ["b"]
    assert push_as("a") == ["b", "a"]
    assert push_as("c", first=True) == ["c", "b", "a"]
    assert push_as("a", first=True) == ["a", "c", "b"]
    shutil.rmtree(tmp_path / "b-False")
    assert push_as("b") == ["a", "c", "b"]


def test_a_broken_bundle_is_not_pushed(ready: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(ready, tmp_path / "bundle")
    (copy / "mappings.json").write_text("{}")
    with pytest.raises(FormatError, match=r"mappings\.json"):
        push(copy, tmp_path / "registry")
    assert not (tmp_path / "registry").exists()


def test_a_failure_in_the_middle_leaves_the_registry_as_it_was(
    ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = tmp_path / "registry"
    push(ready, registry)
    before = index(registry)

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="space"):
        push(ready, registry)
    assert index(registry) == before
    assert sorted(path.name for path in registry.iterdir()) == [LOCK, "frontends", "index.json", "tiny"]
    assert [path.name for path in (registry / "tiny").iterdir()] == ["1"]


def test_two_pushers_get_two_versions(ready: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        targets = list(pool.map(lambda _: push(ready, tmp_path / "registry"), range(4)))
    assert sorted(target.name for target in targets) == ["1", "2", "3", "4"]
    assert index(tmp_path / "registry")[0]["versions"] == [1, 2, 3, 4]


@pytest.fixture
def registry(ready: Path, tmp_path: Path) -> Path:
    """Three versions of one bundle."""
    for _ in range(3):
        push(ready, tmp_path / "registry")
    return tmp_path / "registry"


def test_readers_take_what_a_rollback_says_until_the_next_push(registry: Path, ready: Path) -> None:
    rollback(registry, "tiny", 1)
    (entry,) = entries(registry)
    assert (entry.versions, entry.latest) == ((1, 2, 3), 1)
    assert find(registry, "tiny").label == "tiny/1"
    assert find(registry, "tiny", 3).label == "tiny/3"
    with pytest.raises(FormatError, match="no version 9; there are 1, 2, 3"):
        rollback(registry, "tiny", 9)
    with pytest.raises(FormatError, match="holds no 'huge'; choose one of tiny"):
        find(registry, "huge")
    push(ready, registry)
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
    assert "not a bundle" in str(problems["tiny/3"])
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


def test_pruning_takes_front_ends_that_nobody_uses(registry: Path) -> None:
    (used,) = (registry / "frontends").iterdir()
    lone = shutil.copytree(used, registry / "frontends" / ("0" * 64))
    prune(registry)
    assert not lone.exists()
    assert used.exists()


def test_a_push_mends_a_broken_front_end(registry: Path, ready: Path) -> None:
    (shared,) = (registry / "frontends").iterdir()
    (shared / "model.json").write_text("{}")
    assert all("model.json" in str(problem) for name, problem in verify(registry) if name != "index.json")
    push(ready, registry)
    assert all(problem is None for _, problem in verify(registry))
