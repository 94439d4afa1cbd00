from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import make_fma
from tests.models.test_tasks import scaler_of
from tests.models.test_training import TINY
from tfdeepviz.data.features import Features
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.prepare import prepare
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.selection import Selection
from tfdeepviz.files import FormatError
from tfdeepviz.lineage import trace
from tfdeepviz.models.descriptors import GENRES
from tfdeepviz.models.distillation import task_of
from tfdeepviz.models.lessons import Lessons, Standard, TaggerTask, TaughtClassifierTask, log_odds
from tfdeepviz.models.presets import load_preset, override
from tfdeepviz.models.run import Run
from tfdeepviz.models.training import train
from tfdeepviz.params import LIVE
from tfdeepviz.teachers.musicnn import TAGS, Answers
from tfdeepviz.teachers.outputs import TeacherOutputs

PRESET = override(load_preset("tags"), {"epochs": 1, "batch_size": 4, "model.n_filters": 8, "model.encoding_size": 6})
NAMES = ("tags", "embeddings")
CLASSIFIER = override(
    load_preset("alexnet-compact"),
    {
        **{"epochs": 24, "patience": None, "batch_size": 4, "optimizer.learning_rate": 0.01},
        **{"model.width": 0.05, "model.dense_units": 32, "model.dropout": 0},
    },
)


def heard(dataset: PreparedDataset, folder: Path) -> TeacherOutputs:
    """What a teacher could say of a dataset: it tells how loud music is; the first tag never varies."""
    level = {track_id: rows[:, 0].mean() for split in SPLITS for track_id, rows in dataset.tracks(split)}
    mean, std = np.mean(list(level.values())), np.std(list(level.values()))
    rng = np.random.default_rng(0)
    direction, other = rng.normal(size=(1, len(TAGS))), rng.normal(size=(1, 400))
    with TeacherOutputs.writing(folder, 0.5) as outputs:
        for split in SPLITS:
            for track in dataset.used(split):
                height = (level[track["track_id"]] - mean) / std + np.linspace(-0.1, 0.1, 3)[:, None]
                tags = 1 / (1 + np.exp(-height * direction))
                tags[:, 0] = 0.25
                answers = Answers(np.arange(3) * 0.5, tags, height * other)
                sha256 = track["source_sha256"]
                assert sha256 is not None
                outputs.add(sha256, answers)
    return TeacherOutputs.load(folder)


@pytest.fixture(scope="module")
def outputs(two_genres: PreparedDataset, tmp_path_factory: pytest.TempPathFactory) -> TeacherOutputs:
    return heard(two_genres, tmp_path_factory.mktemp("teacher") / "outputs")


@pytest.fixture(scope="module")
def run(two_genres: PreparedDataset, outputs: TeacherOutputs, tmp_path_factory: pytest.TempPathFactory) -> Run:
    preset = override(PRESET, {"epochs": 20, "optimizer.learning_rate": 0.01, "model.dropout": 0})
    return train(preset, two_genres, tmp_path_factory.mktemp("runs") / "tags", seed=1, teacher=outputs)


def test_what_is_learnt_has_unit_variance_and_what_never_varies_is_zero(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(3, 2, (200, 4))
    values[:, 1] = 7
    standard = Standard.fit({"tags": values})
    scaled = (values - standard.mean["tags"]) / standard.scale["tags"]
    np.testing.assert_allclose(scaled.std(axis=0), [1, 0, 1, 1], atol=1e-5)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-5)
    standard.save(tmp_path / "s.npz")
    again = Standard.load(tmp_path / "s.npz", ("tags",))
    np.testing.assert_array_equal(again.scale["tags"], standard.scale["tags"])
    with pytest.raises(FormatError, match="distill again"):
        Standard.load(tmp_path / "s.npz", NAMES)


def test_log_odds_are_kept_away_from_infinity() -> None:
    np.testing.assert_allclose(log_odds(np.array([0.0, 0.5, 1.0])), [-6.9068, 0, 6.9068], atol=1e-3)


def test_answers_are_interpolated_between_the_middles_of_patches(
    two_genres: PreparedDataset, outputs: TeacherOutputs
) -> None:
    lessons = Lessons(outputs, two_genres, NAMES)
    track = two_genres.used("test")[0]
    known = outputs.track(str(track["source_sha256"]))
    assert known is not None
    centres = np.array([0.0, 1.496 + 0.125, 1.496 + 0.5, 60.0])
    answers, is_heard = lessons.answers(np.array([track["track_id"]] * 4), centres)
    assert is_heard.all()
    e = known.embeddings.astype(np.float32)
    np.testing.assert_allclose(answers["embeddings"], [e[0], 0.75 * e[0] + 0.25 * e[1], e[1], e[2]], atol=2e-3)
    _, is_heard = lessons.answers(np.array([999]), np.array([0.0]))
    assert not is_heard.any()


def test_a_tagger_learns_what_its_teacher_says(run: Run, two_genres: PreparedDataset) -> None:
    rows = run.history()
    assert rows[-1]["loss"] < 0.6 * rows[0]["loss"]
    assert {"val_loss", "val_tag_correlation", "val_embedding_correlation", "min_encoding_std"} <= set(rows[-1])
    measured = run.metrics()["training"]
    assert measured["tag_correlation"] > 0.7
    assert measured["n_tracks"] == two_genres.n_tracks("training")
    low, high = measured["intervals"]["tag_correlation"]
    assert low <= measured["tag_correlation"] <= high
    again = task_of(run, two_genres).evaluate(run.load_model(), "training")
    assert again["embedding_correlation"] == pytest.approx(measured["embedding_correlation"], abs=1e-4)


def test_its_encoder_gives_probabilities(run: Run, two_genres: PreparedDataset) -> None:
    encoder = run.load_encoder()
    (_, rows) = next(two_genres.tracks("test"))
    windows = run.windows(encoder)
    assert (windows.frames, windows.hop_frames) == (299, 50)
    answers = encoder(windows.cut(rows).transpose(0, 2, 1)[..., None])
    tags = np.asarray(answers["tags"])
    assert tags.shape == (windows.count(len(rows)), 100)
    np.testing.assert_allclose(tags[:, 0], 0.25, atol=0.1)
    assert run.config["parameters"]["encoding_size"] == np.asarray(answers["encoding"]).shape[1] == 6


def test_stopped_and_resumed_it_goes_on(two_genres: PreparedDataset, outputs: TeacherOutputs, tmp_path: Path) -> None:
    train(PRESET, two_genres, tmp_path / "run", teacher=outputs)
    longer = train(override(PRESET, {"epochs": 2}), two_genres, tmp_path / "run", teacher=outputs)
    assert [row["epoch"] for row in longer.history()] == [1, 2]
    assert longer.config["lessons"] == {
        **{"teacher": "musicnn", "sha256": outputs.teacher_sha256, "learn": "both", "hop_seconds": 0.5},
        "path": longer.config["lessons"]["path"],
    }
    with pytest.raises(FormatError, match="learn"):
        train(PRESET, two_genres, tmp_path / "run", teacher=outputs, learn="tags")
    lineage = trace(longer.path, [])
    names = {key: node.record.kind for key, node in lineage.nodes.items()}
    edges = {(names[edge.source], names[edge.target], edge.role) for edge in lineage.edges}
    assert edges >= {("outputs", "run", "teacher"), ("dataset", "run", "dataset")}
    assert {node.state for node in lineage.nodes.values()} == {"here"}
    shutil.copytree(outputs.path, tmp_path / "more")
    more = TeacherOutputs.load(tmp_path / "more")
    more.add("f" * 64, Answers(np.zeros(1), np.zeros((1, 100)), np.zeros((1, 400))))
    with pytest.raises(FormatError, match="another teacher"):
        train(PRESET, two_genres, tmp_path / "run", teacher=more)


def test_only_embeddings_may_be_learnt(two_genres: PreparedDataset, outputs: TeacherOutputs, tmp_path: Path) -> None:
    run = train(PRESET, two_genres, tmp_path / "run", teacher=outputs, learn="embeddings")
    assert set(run.load_encoder().output) == {"encoding"}
    assert "tag_correlation" not in run.metrics()["test"]


def test_tracks_must_have_been_heard(two_genres: PreparedDataset, outputs: TeacherOutputs, tmp_path: Path) -> None:
    with TeacherOutputs.writing(tmp_path / "empty", 0.5) as empty:
        pass
    with pytest.raises(ValueError, match=r"14 tracks .* \(2, 3, 4, 5, 6 \.\.\.\); run `tfdeepviz teacher listen"):
        train(PRESET, two_genres, tmp_path / "run", teacher=empty)
    with pytest.raises(ValueError, match="distill musicnn"):
        train(PRESET, two_genres, tmp_path / "run")
    with pytest.raises(ValueError, match="only taggers and classifiers"):
        train(TINY, two_genres, tmp_path / "run", teacher=outputs)


def test_some_windows_repeat_their_end(two_genres: PreparedDataset, outputs: TeacherOutputs) -> None:
    lessons = Lessons(outputs, two_genres, NAMES)

    task: Any = TaggerTask(
        PRESET, two_genres, scaler_of(two_genres, "coefficients"), lessons, lessons.standard(two_genres)
    )
    frames = np.broadcast_to(np.arange(299, dtype=np.float32)[None, None, :, None], (200, 2, 299, 1)).copy()
    changed = task._repeated(frames, np.random.default_rng(0))[:, 0, :, 0]
    repeated = changed[changed[:, 0] > 0]
    assert 20 < len(repeated) < 60
    for window in repeated:
        n = 299 - int(window[0])
        assert 100 <= n <= 250
        np.testing.assert_array_equal(window, 299 - n + np.arange(299) % n)


def test_a_run_asks_for_its_outputs(run: Run, two_genres: PreparedDataset, outputs: TeacherOutputs) -> None:
    assert run.find_outputs().path.resolve() == outputs.path.resolve()
    run.config["lessons"]["path"] = "../gone"
    with pytest.raises(FormatError, match="teacher musicnn are not found"):
        Run(run.path, run.config, run.preset, run.params).find_outputs()


@pytest.fixture(scope="module")
def partly_labelled(tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    """Ten short tracks for training, of which three are Folk and three Rock, and two of each other split, one Rock."""
    folder = tmp_path_factory.mktemp("partly")
    splits = {**dict.fromkeys(range(2, 12), "training"), **dict.fromkeys((12, 13), "validation")}
    make_fma(folder, {**splits, **dict.fromkeys((14, 15), "test")}, genres=("Folk", "Rock"))
    table = folder / "fma_metadata" / "tracks.csv"
    lines = [
        line.replace(",Folk,", ",,").replace(",Rock,", ",,")
        if line.split(",")[0] in {"2", "3", "4", "5", "12", "14"}
        else line
        for line in table.read_text().splitlines(keepends=True)
    ]
    table.write_text("".join(lines))
    return prepare(folder, folder / "ds", selection=Selection(), features=Features(LIVE))


@pytest.fixture(scope="module")
def partly_heard(partly_labelled: PreparedDataset, tmp_path_factory: pytest.TempPathFactory) -> TeacherOutputs:
    return heard(partly_labelled, tmp_path_factory.mktemp("teacher") / "outputs")


@pytest.fixture(scope="module")
def classifier(
    partly_labelled: PreparedDataset, partly_heard: TeacherOutputs, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    out = tmp_path_factory.mktemp("runs") / "classifier"
    train(override(CLASSIFIER, {"epochs": 2}), partly_labelled, out, teacher=partly_heard, learn="tags")
    return train(CLASSIFIER, partly_labelled, out, teacher=partly_heard, learn="tags")


def test_all_segments_teach_a_classifier_and_labels_count_as_much(
    partly_labelled: PreparedDataset, partly_heard: TeacherOutputs
) -> None:
    lessons = Lessons(partly_heard, partly_labelled, ("tags",))
    standard = lessons.standard(partly_labelled)
    task = TaughtClassifierTask(CLASSIFIER, partly_labelled, scaler_of(partly_labelled), lessons, standard)
    batches = list(task.batches(seed=1))
    assert len(batches) == task.n_steps == partly_labelled.n_segments("training", shifted=True) // 4
    genres, weights, known = (
        np.concatenate(column)
        for column in zip(*((y["logits"], w["logits"], w["tags"]) for _, y, w in batches), strict=True)
    )
    assert known.tolist() == [1] * len(known)
    np.testing.assert_array_equal(genres.sum(axis=1), weights > 0)
    np.testing.assert_allclose(weights[weights > 0], 10 / 6)


def test_a_classifier_learns_what_a_teacher_says_beside_its_genres(
    classifier: Run, partly_labelled: PreparedDataset
) -> None:
    rows = classifier.history()
    assert [row["epoch"] for row in rows] == list(range(1, 25))
    assert rows[-1]["loss"] < 0.8 * rows[0]["loss"]
    assert {"val_loss", "val_tag_correlation", "min_encoding_std"} <= set(rows[-1])
    measured = classifier.metrics()["training"]
    assert (measured["n_tracks"], measured["n_labelled_tracks"]) == (10, 6)
    assert measured["tag_correlation"] > 0.5
    assert {"pooled_accuracy", "tag_correlation"} <= set(measured["intervals"])
    again = task_of(classifier, partly_labelled).evaluate(classifier.load_model(), "training")
    assert again["tag_correlation"] == pytest.approx(measured["tag_correlation"], abs=1e-4)
    assert again["confusion"] == measured["confusion"]


def test_it_tells_genres_and_tags_at_whatever_layer_it_encodes(
    partly_labelled: PreparedDataset, partly_heard: TeacherOutputs, tmp_path: Path
) -> None:
    preset = override(
        load_preset("vgg16-compact"), {"epochs": 1, "batch_size": 4, "model.width": 0.05, "model.dense_units": 8}
    )
    run = train(preset, partly_labelled, tmp_path / "vgg16", teacher=partly_heard)
    segments = next(iter(partly_labelled.segments("test", batch_size=4).as_numpy_iterator()))
    usual, other = (run.load_encoder(layer) for layer in (None, "L15"))
    described = usual(segments), other(segments)
    assert [answer["encoding"].shape[1] for answer in described] == [156, 8]
    for name, size in (("tags", len(TAGS)), ("genres", len(GENRES))):
        assert described[0][name].shape == (4, size)
        np.testing.assert_allclose(described[0][name], described[1][name], atol=1e-6)
    scaled = other.get_layer("scaler")(segments)
    expected, _ = run.load_model().encode_and_classify(scaled, "L15")
    np.testing.assert_allclose(described[1]["encoding"], expected, atol=1e-5)
    with pytest.raises(ValueError, match="offers L13, L14, L15"):
        run.load_encoder("L8")


def test_a_classifier_learns_tags(
    partly_labelled: PreparedDataset, partly_heard: TeacherOutputs, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"learn=embeddings: .* tells genres by tags, too"):
        train(CLASSIFIER, partly_labelled, tmp_path / "run", teacher=partly_heard, learn="embeddings")
