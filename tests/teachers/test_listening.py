"""Listening to a dataset: each file once, again after an interruption, and on past files that cannot be used."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.conftest import make_fma
from tests.teachers.test_outputs import answers
from tests.teachers.wheels import publish, random_weights, write_checkpoint, write_wheel
from tfdeepviz.artifacts import ARTIFACT, Artifact
from tfdeepviz.cli import main
from tfdeepviz.data.features import Features
from tfdeepviz.data.prepare import prepare
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.selection import Selection
from tfdeepviz.errors import InputError
from tfdeepviz.files import TEMPORARY
from tfdeepviz.params import LIVE
from tfdeepviz.teachers.listening import corpus_of, listen
from tfdeepviz.teachers.musicnn import NETS, TAGS, Answers, Musicnn
from tfdeepviz.teachers.outputs import TeacherOutputs


class _Quick(Musicnn):
    """Answers at once, and counts the tracks."""

    def __init__(self) -> None:
        self.n_heard = 0

    def listen(self, pcm: npt.NDArray[np.float32], hop_seconds: float = 0.992) -> Answers:
        self.n_heard += 1
        return answers(1 + int((pcm.size / 16_000 - 2.976) / hop_seconds), self.n_heard)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    """Five tracks, of which two are the same file."""
    root = make_fma(tmp_path_factory.mktemp("corpus"), {**dict.fromkeys(range(2, 6), "training"), 6: "test"})
    shutil.copy(root / "fma_small/000/000002.mp3", root / "fma_small/000/000005.mp3")
    return prepare(root, root.parent / "dataset", selection=Selection(), features=Features(LIVE))


def _sha256s(dataset: PreparedDataset) -> dict[int, str]:
    tracks = [track for split in ("training", "test") for track in dataset.used(split)]
    return {track["track_id"]: str(track["source_sha256"]) for track in tracks}


def test_every_file_is_heard_once(corpus: PreparedDataset, tmp_path: Path) -> None:
    teacher = _Quick()
    seen: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        seen.append((done, total))

    for _ in range(2):
        with TeacherOutputs.writing(tmp_path, 0.5) as outputs:
            root = corpus_of(corpus, None)
            assert listen(teacher, corpus, outputs, root=root, progress=progress) == {}
    assert teacher.n_heard == 4
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4), (4, 4)]
    tracks = [TeacherOutputs.load(tmp_path).track(sha256) for sha256 in _sha256s(corpus).values()]
    assert [len(track.times) for track in tracks if track is not None] == [3] * 5


def test_after_an_interruption_the_rest_is_heard(corpus: PreparedDataset, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    first, second, root = _Quick(), _Quick(), corpus_of(corpus, None)
    with pytest.raises(KeyboardInterrupt), TeacherOutputs.writing(tmp_path, 0.992) as outputs:
        listen(first, corpus, outputs, root=root, progress=interrupt)
    (tmp_path / f"{TEMPORARY}killed.npz").touch()
    with TeacherOutputs.writing(tmp_path, 0.992) as outputs:
        assert listen(second, corpus, outputs, root=root, n_workers=2) == {}
    assert first.n_heard + second.n_heard == 4
    assert 2 <= first.n_heard < 4
    assert not list(tmp_path.glob(f"{TEMPORARY}*"))


def test_files_that_cannot_be_used_are_named(corpus: PreparedDataset, tmp_path: Path) -> None:
    root = tmp_path / "moved"
    shutil.copytree(corpus_of(corpus, None), root)
    (root / "fma_small/000/000003.mp3").write_bytes(b"no music")
    (root / "fma_small/000/000004.mp3").unlink()
    with TeacherOutputs.writing(tmp_path / "outputs", 0.992) as outputs:
        unheard = listen(_Quick(), corpus, outputs, root=root)
    assert sorted(unheard) == [3, 4]
    assert "000003.mp3: has changed since the dataset was prepared" in unheard[3]
    assert "000004.mp3" in unheard[4]
    assert sum(sha256 in outputs for sha256 in _sha256s(corpus).values()) == 3


def test_tracks_shorter_than_a_patch_are_named(tmp_path: Path, teacher_file: Path) -> None:
    root = make_fma(tmp_path / "corpus", {2: "training"}, seconds=2.5)
    dataset = prepare(root, tmp_path / "dataset", selection=Selection(), features=Features(LIVE))
    with TeacherOutputs.writing(tmp_path / "outputs", 0.992) as outputs:
        unheard = listen(Musicnn.load(teacher_file), dataset, outputs, root=root)
    assert "000002.mp3: 2.50 s of sound is less than one patch" in unheard[2]


def test_a_missing_corpus_or_an_old_dataset_is_refused(corpus: PreparedDataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        corpus_of(corpus, tmp_path / "missing")
    shutil.copytree(corpus.path, tmp_path / "alone")
    (tmp_path / "alone" / ARTIFACT).unlink()
    with pytest.raises(InputError, match=r"has moved; give its folder with --fma-root"):
        corpus_of(PreparedDataset.load(tmp_path / "alone"), None)
    old: list[dict[str, Any]] = [{**shard, "tracks": [{"track_id": 2}]} for shard in corpus.shards]
    with (
        TeacherOutputs.writing(tmp_path / "outputs", 0.992) as outputs,
        pytest.raises(InputError, match="prepare it again"),
    ):
        listen(_Quick(), replace(corpus, shards=old), outputs, root=tmp_path)  # type: ignore[arg-type]  # tracks of 0.1


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {net: write_checkpoint(tmp_path_factory.mktemp(net), random_weights(seed)) for seed, net in enumerate(NETS)}
    return write_wheel(tmp_path_factory.mktemp("wheel") / "musicnn.whl", files)


@pytest.fixture
def teacher_file(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return publish(monkeypatch, wheel)


def test_commands(
    corpus: PreparedDataset, teacher_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--teacher-file", str(teacher_file)]
    out = tmp_path / "outputs"
    command = ["teacher", "listen", "musicnn", "--dataset", str(corpus.path), "--out", str(out), *options]
    assert main([*command, "--workers", "1"]) == 0
    assert "0 tracks not heard" in capsys.readouterr().out
    track, record = TeacherOutputs.load(out).track(_sha256s(corpus)[3]), Artifact.read(out / ARTIFACT)
    assert (record.digest, record.facts) == (TeacherOutputs.load(out).digest, {"unheard": 0})
    assert record.input("dataset").artifact.digest == corpus.identity
    assert track is not None
    assert track.tags.shape == (2, len(TAGS))

    song = corpus_of(corpus, None) / "fma_small/000/000003.mp3"
    assert main(["teacher", "tags", "musicnn", str(song), *options, "--top", "2"]) == 0
    means = track.tags.mean(axis=0, dtype=float)
    best = [TAGS[index] for index in means.argsort()[::-1][:2]]
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["track", "tags"]
    assert row == f"000003.mp3  {best[0]} {means.max():.2f}, {best[1]} {np.sort(means)[-2]:.2f}"
    assert main(["teacher", "tags", "musicnn", str(song), "missing.mp3", *options, "--top", "2", "--json"]) == 2
    captured = capsys.readouterr()
    assert [list(one["tags"]) for one in json.loads(captured.out)] == [best]
    assert "missing.mp3" in captured.err
    assert main([*command, "--hop", "1"]) == 2
    assert "a hop of 0.992 s" in capsys.readouterr().err
