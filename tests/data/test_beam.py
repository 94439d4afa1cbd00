"""Beam gives what the local run gives: on DirectRunner with several processes, and on Dask's distributed engine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from apache_beam.io.localfilesystem import LocalFileSystem
from apache_beam.options.pipeline_options import PipelineOptions

from tests.conftest import make_fma
from tests.data.test_prepare import files
from tfdeepviz.cli import main
from tfdeepviz.data.beam import prepare_on_beam
from tfdeepviz.data.features import Features
from tfdeepviz.data.prepare import prepare
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.selection import Selection
from tfdeepviz.files import FormatError
from tfdeepviz.params import LIVE

OPTIONS: dict[str, Any] = {
    **{"selection": Selection(), "features": Features(LIVE)},
    **{"tracks_per_shard": 2, "segments_per_track": 2},
}
_FLAGS = ("--tracks-per-shard", "2", "--segments-per-track", "2")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve tracks, one of them missing and one that is no sound."""
    splits = {
        **dict.fromkeys(range(2, 10), "training"),
        **dict.fromkeys((10, 11), "validation"),
        12: "test",
        13: "test",
    }
    root = make_fma(tmp_path_factory.mktemp("beam"), splits, seconds=3.0)
    (root / "fma_small" / "000" / "000004.mp3").unlink()
    (root / "fma_small" / "000" / "000012.mp3").write_bytes(b"no sound at all")
    return root


@pytest.fixture(scope="module")
def local(root: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    return prepare(root, tmp_path_factory.mktemp("local") / "ds", **OPTIONS)


def prepare_with(runner: str, root: Path, out: Path, *options: str) -> str:
    # Engines start processes of their own: as a command, as users run it.
    command = [sys.executable, "-m", "tfdeepviz.cli", "prepare", "--fma-root", str(root), "--out", str(out)]
    command += [*_FLAGS, "--runner", runner, *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3_000:]
    return result.stdout


@pytest.mark.slow
def test_direct_runner_with_two_processes(root: Path, local: PreparedDataset, tmp_path: Path) -> None:
    printed = prepare_with("DirectRunner", root, tmp_path / "ds", "--workers", "2")
    assert files(PreparedDataset.load(tmp_path / "ds")) == files(local)
    counters = dict(line.split()[1:] for line in printed.splitlines() if line.strip().startswith("counter:"))
    assert counters == {"tracks-used": "10", "segments": "20", "skipped-missing": "1", "skipped-unsupported": "1"}
    dead_letters = [json.loads(line) for line in (tmp_path / "ds" / "skipped.jsonl").read_text().splitlines()]
    assert [(entry["track_id"], entry["reason"]) for entry in dead_letters] == [(4, "missing"), (12, "unsupported")]


@pytest.mark.slow
def test_dask_with_two_worker_processes(root: Path, local: PreparedDataset, tmp_path: Path) -> None:
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        printed = prepare_with("DaskRunner", root, tmp_path / "ds", f"--dask_client_address={address}")
    assert files(PreparedDataset.load(tmp_path / "ds")) == files(local)
    assert local.digest in printed


def test_a_begun_dataset_goes_on_and_a_finished_one_is_left_alone(
    root: Path, local: PreparedDataset, tmp_path: Path
) -> None:
    out = tmp_path / "ds"
    shutil.copytree(local.path, out)
    lost, kept = (out / shard["file"] for shard in local.shards[:2])
    lost.unlink()
    before = kept.stat().st_mtime_ns
    run: dict[str, Any] = {"runner": "DirectRunner", "pipeline_options": ("--direct_running_mode=in_memory",)}
    dataset, counters = prepare_on_beam(str(root), str(out), **run, **OPTIONS)
    assert counters == {"tracks-used": 2, "segments": 4}
    assert kept.stat().st_mtime_ns == before
    assert files(dataset) == files(local)
    _, counters = prepare_on_beam(str(root), str(out), **run, **OPTIONS)
    assert counters == {}


class _Bucket(LocalFileSystem):  # type: ignore[misc]  # Beam is not typed
    """`bucket://NAME/...` stands for the folder that `folder` names: a file system that only Beam can reach."""

    folder = Path()

    @classmethod
    def scheme(cls) -> str:
        return "bucket"

    def join(self, basepath: str, *paths: str) -> str:
        return "/".join((basepath.rstrip("/"), *paths))

    def _here(self, url: str) -> str:
        return str(self.folder / url.removeprefix("bucket://"))

    def mkdirs(self, path: str) -> None:
        super().mkdirs(self._here(path))

    def match(self, patterns: list[str], limits: list[int] | None = None) -> list[Any]:
        return list(LocalFileSystem.match(_local_files, [self._here(pattern) for pattern in patterns], limits))

    def create(self, path: str, *arguments: Any, **options: Any) -> Any:
        return super().create(self._here(path), *arguments, **options)

    def open(self, path: str, *arguments: Any, **options: Any) -> Any:
        return super().open(self._here(path), *arguments, **options)

    def rename(self, source_file_names: list[str], destination_file_names: list[str]) -> None:
        super().rename(*([self._here(url) for url in urls] for urls in (source_file_names, destination_file_names)))

    def exists(self, path: str) -> bool:
        return bool(super().exists(self._here(path)))

    def delete(self, paths: list[str]) -> None:
        LocalFileSystem.delete(_local_files, [self._here(path) for path in paths])


_local_files = LocalFileSystem(PipelineOptions([]))


def test_corpus_and_dataset_may_be_urls(
    root: Path, local: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Bucket, "folder", tmp_path)
    (tmp_path / "music").symlink_to(root)
    run: dict[str, Any] = {"runner": "DirectRunner", "pipeline_options": ("--direct_running_mode=in_memory",)}
    dataset, counters = prepare_on_beam("bucket://music", "bucket://made/ds", **run, **OPTIONS)
    assert counters["tracks-used"] == 10
    assert dataset.digest == local.digest
    assert [dataset.n_tracks(split) for split in ("training", "validation", "test")] == [7, 2, 1]
    made = PreparedDataset.load(tmp_path / "made" / "ds")
    assert files(made) == files(local)
    (corpus,) = made.record.inputs
    assert (corpus.path, corpus.artifact.name) == ("bucket://music", "music")
    assert (made.record.digest, made.record.settings) == (local.identity, local.record.settings)
    (tmp_path / "made" / "thesis").mkdir()
    (tmp_path / "made" / "thesis" / "thesis.tex").write_text("mine")
    with pytest.raises(FormatError, match="bucket://made/thesis: not empty"):
        prepare_on_beam("bucket://music", "bucket://made/thesis", **run, **OPTIONS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "ds", "--runner", "AbacusRunner"], "AbacusRunner"),
        (["--out", "gs://datasets/fma"], "add --runner"),
        (["--out", "ds", "--direct_num_workers", "2"], "--direct_num_workers"),
    ],
)
def test_unknown_runners_and_options_are_refused(
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["prepare", "--fma-root", str(root), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
