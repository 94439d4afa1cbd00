from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.models.test_tasks import TINY_VGG, encodings_of
from tests.models.test_training import TINY
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.files import FormatError
from tfdeepviz.models.distillation import Targets, fit_targets, task_of
from tfdeepviz.models.presets import load_preset
from tfdeepviz.models.progress import EpochProgress
from tfdeepviz.models.run import Run
from tfdeepviz.models.training import train

STUDENT = replace(TINY, name="student", model={"n_initial_filters": 2, "n_dense": 1}, batch_size=4, epochs=12)


@pytest.fixture(scope="module")
def autoencoder(two_genres: PreparedDataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(replace(TINY, epochs=2), two_genres, tmp_path_factory.mktemp("runs") / "teacher", seed=2)


@pytest.fixture(scope="module")
def student(autoencoder: Run, two_genres: PreparedDataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    # Two validation tracks say too little of what a student learns of ten others; without them training is watched.
    training = replace(two_genres, shards=tuple(shard for shard in two_genres.shards if shard["split"] == "training"))
    return train(STUDENT, training, tmp_path_factory.mktemp("runs") / "student", teacher=autoencoder)


def test_targets_have_unit_variance_and_keep_what_is_small() -> None:
    rng = np.random.default_rng(0)
    encodings = (rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6)) + 5).astype(np.float32)
    small, large = Targets.fit(encodings, 6), Targets.fit(encodings, 3)
    for targets, n in ((small, 6), (large, 3)):
        values = targets(encodings)
        np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-4)
        np.testing.assert_allclose(values.std(axis=0), 1, atol=1e-4)
        assert values.shape == (200, n)
    np.testing.assert_allclose(small(encodings) * small.scale + small.offset, encodings, atol=1e-4)
    # Principal components are not correlated with each other, and the first says most.
    np.testing.assert_allclose(np.corrcoef(large(encodings).T), np.eye(3), atol=1e-3)
    assert list(large.scale) == sorted(large.scale, reverse=True)


def test_a_dead_teacher_is_refused() -> None:
    encodings = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    encodings[:, 1] = 0.5
    with pytest.raises(ValueError, match=r"\[1\].*dead"):
        Targets.fit(encodings, 10)


def test_targets_are_read_as_they_were_written(tmp_path: Path) -> None:
    targets = Targets.fit(np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32), 2)
    targets.save(tmp_path / "t.npz")
    again = Targets.load(tmp_path / "t.npz")
    for name in ("mean", "components", "offset", "scale"):
        np.testing.assert_array_equal(getattr(again, name), getattr(targets, name))
    np.savez(tmp_path / "t.npz", mean=targets.mean)
    with pytest.raises(FormatError, match="targets"):
        Targets.load(tmp_path / "t.npz")
    replace(targets, scale=targets.scale[:1]).save(tmp_path / "t.npz")
    with pytest.raises(FormatError, match="targets"):
        Targets.load(tmp_path / "t.npz")


def test_a_student_learns_what_its_teacher_says(student: Run, autoencoder: Run, two_genres: PreparedDataset) -> None:
    rows = student.history()
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]
    measured = student.metrics()["training"]
    assert min(measured["correlation"]) > 0.6
    # The student's encodings stand for the teacher's: the same scale, and the teacher's decoder understands them.
    theirs, mine = (encodings_of(run, two_genres, "training") for run in (autoencoder, student))
    np.testing.assert_allclose(mine.mean(axis=0), theirs.mean(axis=0), atol=0.1)
    recomputed = [np.corrcoef(theirs[:, i], mine[:, i])[0, 1] for i in range(10)]
    np.testing.assert_allclose(recomputed, measured["correlation"], atol=0.01)
    assert measured["mse"] == pytest.approx(autoencoder.metrics()["training"]["mse"], rel=0.2)


def test_a_student_of_another_kind_is_refused(autoencoder: Run, two_genres: PreparedDataset, tmp_path: Path) -> None:
    for name, reason in (("vgg11-compact", "of the teacher's kind"), ("ae-time", "train it directly")):
        with pytest.raises(ValueError, match=reason):
            train(load_preset(name), two_genres, tmp_path / name, teacher=autoencoder)


def test_an_autoencoders_student_learns_every_component(autoencoder: Run, two_genres: PreparedDataset) -> None:
    assert fit_targets(autoencoder, two_genres, n_components=4).scale.shape == (10,)


def test_a_run_names_its_teacher(student: Run, autoencoder: Run, two_genres: PreparedDataset) -> None:
    teacher = student.config["teacher"]
    assert (student.path / teacher["path"]).resolve() == autoencoder.path.resolve()
    assert not Path(teacher["path"]).is_absolute()
    metrics = task_of(student, two_genres).evaluate(student.load_model(), "training")
    assert metrics["correlation"] == pytest.approx(student.metrics()["training"]["correlation"], abs=1e-3)


def test_teacher_and_student_can_be_moved_together(
    autoencoder: Run, two_genres: PreparedDataset, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(autoencoder.path, home / "teachers" / "big")
    preset = replace(STUDENT, epochs=1)
    train(preset, two_genres, home / "students" / "small", teacher=Run.load(home / "teachers" / "big"))
    moved = home.rename(tmp_path / "elsewhere")
    student = Run.load(moved / "students" / "small")
    assert student.find_teacher().path == moved / "teachers" / "big"
    task_of(student, two_genres)
    longer = replace(preset, epochs=2)
    resumed = train(longer, two_genres, student.path, teacher=Run.load(moved / "teachers" / "big"))
    assert len(resumed.history()) == 2

    # Moved apart, but beside each other.
    together = tmp_path / "together"
    shutil.copytree(moved / "teachers" / "big", together / "big")
    shutil.move(student.path, together / "small")
    shutil.rmtree(moved)
    student = Run.load(together / "small")
    assert student.find_teacher().path == together / "big"
    # As version 0.1 wrote it.
    absolute = {**student.config["teacher"], "path": str(tmp_path / "gone" / "big")}
    old = replace(student, config={**student.config, "teacher": absolute})
    assert old.find_teacher().path == together / "big"


def test_a_teacher_that_is_not_there_is_asked_for(student: Run, autoencoder: Run, tmp_path: Path) -> None:
    def without(teacher: Path, sha256: str) -> Run:
        known = {**student.config["teacher"], "path": os.path.relpath(teacher, student.path), "sha256": sha256}
        return replace(student, config={**student.config, "teacher": known})

    sha256 = student.config["teacher"]["sha256"]
    with pytest.raises(FormatError, match=rf"teacher tiny is not found, .* {sha256[:16]}.*gone \(no run\)"):
        without(tmp_path / "gone", sha256).find_teacher()
    with pytest.raises(FormatError, match=r"teacher \(another model\)"):
        without(autoencoder.path, "0" * 64).find_teacher()
    shutil.copytree(autoencoder.path, tmp_path / "again")
    (tmp_path / "again" / "metrics.json").unlink()
    with pytest.raises(FormatError, match=r"again \(not finished\)"):
        without(tmp_path / "again", sha256).find_teacher()


@pytest.mark.slow
def test_stopped_and_resumed_it_becomes_the_same_student(
    autoencoder: Run, two_genres: PreparedDataset, tmp_path: Path
) -> None:
    class Stop(EpochProgress):
        def start_epoch(self, epoch: int, n_epochs: int, n_steps: int) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    preset = replace(STUDENT, epochs=2)
    whole = train(preset, two_genres, tmp_path / "whole", teacher=autoencoder)
    with pytest.raises(KeyboardInterrupt):
        train(preset, two_genres, tmp_path / "run", teacher=autoencoder, progress=Stop())
    resumed = train(preset, two_genres, tmp_path / "run", teacher=autoencoder)
    for mine, theirs in zip(resumed.load_model().get_weights(), whole.load_model().get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_of_a_wide_layer_its_principal_components_are_learnt(two_genres: PreparedDataset, tmp_path: Path) -> None:
    teacher = train(replace(TINY_VGG, epochs=1), two_genres, tmp_path / "teacher")
    small = replace(TINY_VGG, name="small", model={**TINY_VGG.model, "width": 0.03}, epochs=2)
    student = train(small, two_genres, tmp_path / "student", teacher=teacher, n_components=4)
    assert encodings_of(teacher, two_genres, "test").shape[1] > 4
    assert encodings_of(student, two_genres, "test").shape[1] == len(student.metrics()["test"]["correlation"]) == 4
    assert {"polled_accuracy", "correlation", "encoding_std"} <= set(student.metrics()["test"])
    with pytest.raises(ValueError, match="distilled itself"):
        train(small, two_genres, tmp_path / "grandchild", teacher=student)


def test_the_student_is_of_the_teachers_kind(autoencoder: Run, two_genres: PreparedDataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="teacher's kind"):
        train(TINY_VGG, two_genres, tmp_path / "run", teacher=autoencoder)
