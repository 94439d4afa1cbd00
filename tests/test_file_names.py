"""Names of files are bytes: what users call their folders is theirs."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.commands import shipped, tfdeepviz
from tests.conftest import make_fma
from tfdeepviz.artifacts import ARTIFACT, Artifact
from tfdeepviz.files import TEMPORARY, atomic_path, remove_leftovers

# As long as a disk takes with ".json".
LONG = "か" * 83


@pytest.mark.parametrize("name", ["x.json", f"{LONG}.json", f"{LONG}か", f"x.{LONG}", f".{LONG}"])
def test_names_as_long_as_the_disk_takes(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for value in (1, 2):
        with atomic_path(path) as temporary:
            assert temporary.suffix == path.suffix[:8]
            temporary.write_text(str(value), "utf-8")
            assert [temporary] == [found for found in tmp_path.iterdir() if found != path]
        assert {found.name: found.read_text("utf-8") for found in tmp_path.iterdir()} == {name: str(value)}


def test_leftovers_are_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / f"{TEMPORARY}a").touch()
    (tmp_path / f"{TEMPORARY}b" / "c").mkdir(parents=True)
    (tmp_path / "mine").touch()
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_folder_named_in_latin_1(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    root = make_fma(tmp_path / "plain", {2: "training", 3: "training", 5: "validation", 7: "test"}, seconds=2)
    (root / "fma_small" / "000" / "000003.mp3").write_bytes(b"no audio at all")
    folder = tmp_path / os.fsdecode("Müsik".encode("latin-1"))
    try:
        root.rename(folder)
    except OSError:
        pytest.skip("this disk takes UTF-8 only")
    name = folder.name
    shutil.copy(folder / "fma_small" / "000" / "000002.mp3", folder / f"{name}.mp3")
    bundle = shipped("ae-time")
    index, prepare, *_ = tfdeepviz(
        ["index", "--fma-root", name, "--out", f"{name}/index.jsonl"],
        ["prepare", "--fma-root", name, "--out", f"{name}/{name}"],
        ["inspect", f"{name}/{name}"],
        ["demo-corpus", f"{name}/demo", "--tracks", "1", "--seconds", "1"],
        ["extract", f"{name}/{name}.mp3", "--bundle", str(bundle), "--out", f"{name}/{name}.json"],
        ["extract", f"{name}/{name}.mp3", "--bundle", str(bundle), "--out", f"{LONG}.csv"],
        cwd=tmp_path,
        LANG="C.UTF-8",
    )
    assert "M\\udcfcsik/index.jsonl: 4 files" in index
    assert "fma_small/000/000003.mp3: not an audio file" in prepare
    dataset = folder / name
    assert Artifact.read(dataset / ARTIFACT).inputs[0].place(dataset) == folder
    assert json.loads((folder / f"{name}.json").read_text("utf-8"))["times"]
    assert "fma_small/000/000003.mp3" in (dataset / "report.html").read_text("utf-8")
