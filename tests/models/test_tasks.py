from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.errors import DivergedError, InputError
from tfdeepviz.files import FormatError
from tfdeepviz.models.classifier import GenreClassifier
from tfdeepviz.models.distillation import task_of
from tfdeepviz.models.presets import Preset, load_preset
from tfdeepviz.models.run import Run
from tfdeepviz.models.tasks import AutoencoderTask, ClassifierTask
from tfdeepviz.models.training import train

TINY_VGG = Preset(
    name="tiny-vgg",
    title="Tiny VGG",
    kind="classifier",
    model={"architecture": "vgg11", "batch_norm": True, "width": 0.05, "dense_units": 8, "dense_initial_std": None},
    encoder_layer="L8",
    scaler="standard",
    optimizer={"name": "adamw", "learning_rate": 3e-3},
    label_smoothing=0.1,
    class_weights=1,
    augmentation={"max_gain_db": 1},
    batch_size=8,
    epochs=2,
)


def scaler_of(dataset: PreparedDataset, kind: str = "standard") -> SegmentScaler:
    scaler = SegmentScaler(kind, name="scaler")
    scaler.adapt(dataset.statistics())
    return scaler


def encodings_of(run: Run, dataset: PreparedDataset, split: str) -> npt.NDArray[np.float32]:
    """What a run's encoder says of a split's segments [shape=(n, encoding_size)]."""
    encoder = run.load_encoder()
    batches = dataset.segments(split, batch_size=64).as_numpy_iterator()
    return np.concatenate([np.asarray(encoder.predict_on_batch(segments)) for segments in batches])


@pytest.fixture(scope="module")
def run(two_genres: PreparedDataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(TINY_VGG, two_genres, tmp_path_factory.mktemp("runs") / "vgg", seed=1)


def test_a_classifier_is_trained_measured_and_kept(run: Run, two_genres: PreparedDataset) -> None:
    assert run.config["genres"] == ["Folk", "Rock"]
    assert run.config["parameters"]["to_encoding"] < run.config["parameters"]["trainable"]
    row = run.history()[-1]
    assert {"val_accuracy", "val_polled_accuracy", "min_encoding_std", "dead_components"} <= set(row)
    for split, n_tracks in (("training", 10), ("validation", 2), ("test", 2)):
        measured = run.metrics()[split]
        assert measured["n_tracks"] == n_tracks
        assert np.sum(measured["confusion"]) == n_tracks
        assert measured["polled_accuracy"] == pytest.approx(round(measured["polled_accuracy"] * n_tracks) / n_tracks)
        encodings = encodings_of(run, two_genres, split)
        assert encodings.shape == (measured["n_segments"], run.config["parameters"]["encoding_size"])
        np.testing.assert_allclose(encodings.std(axis=0), measured["encoding_std"], rtol=1e-3, atol=1e-3)


def test_answers_that_are_no_numbers_are_a_divergence(two_genres: PreparedDataset) -> None:
    task = ClassifierTask(TINY_VGG, two_genres, scaler_of(two_genres))

    def predict(segments: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        return np.zeros((len(segments), 3), np.float32), np.full((len(segments), 2), np.nan, np.float32)

    with pytest.raises(DivergedError, match="lower learning rate"):
        task.score(predict, "test")


def test_intervals_know_the_artists(two_genres: PreparedDataset) -> None:
    task = AutoencoderTask(load_preset("ae-compact"), two_genres, scaler_of(two_genres, "minmax"))
    assert task.artists == {track: f"Artist {track}" for track in range(2, 16)}
    assert task.track_ids("test").tolist() == [14] * 4 + [15] * 4


def test_class_weights_make_genres_count_the_same(two_genres: PreparedDataset) -> None:
    task = ClassifierTask(TINY_VGG, two_genres, scaler_of(two_genres))
    weights = np.concatenate([np.asarray(batch[2]) for batch in task.batches(seed=1)])
    np.testing.assert_allclose(weights, 1)

    # As if one of Rock's tracks were left.
    shard, *rest = (shard for shard in two_genres.shards if shard["split"] == "training")
    tracks = [track for one in (shard, *rest) for track in one["tracks"]]
    rock = [track for track in tracks if track["genre"] == "Rock"]
    uneven = replace(two_genres, shards=({**shard, "tracks": [track for track in tracks if track not in rock[1:]]},))
    folk, rare = ClassifierTask(TINY_VGG, uneven, scaler_of(two_genres)).genre_weights()
    assert rare == pytest.approx(5 * folk)
    assert (5 * folk + rare) / 6 == pytest.approx(1)
    folk, rare = ClassifierTask(replace(TINY_VGG, class_weights=0.5), uneven, scaler_of(two_genres)).genre_weights()
    assert rare == pytest.approx(5**0.5 * folk)
    unweighted = ClassifierTask(replace(TINY_VGG, class_weights=0), uneven, scaler_of(two_genres))
    assert unweighted.genre_weights().tolist() == [1, 1]


def test_epochs_have_whole_batches_of_scaled_segments(two_genres: PreparedDataset) -> None:
    preset = replace(load_preset("ae-compact"), batch_size=7)
    task = AutoencoderTask(preset, two_genres, scaler_of(two_genres, "minmax"))
    batches = [np.asarray(x) for x, _ in task.batches(seed=3)]
    assert len(batches) == task.n_steps
    assert {len(batch) for batch in batches} == {7}
    # Shifted segments may leave the range of the few that the scaler was fitted to.
    assert 0 < np.quantile(batches, 0.05) < np.quantile(batches, 0.95) < 1


def test_a_dataset_with_other_genres_is_measured_on_those_it_shares(two_genres: PreparedDataset) -> None:
    scaler = scaler_of(two_genres)
    task = ClassifierTask(TINY_VGG, two_genres, scaler, genres=["Jazz", "Rock", "Pop"])
    metrics = task.evaluate(task.build(), "training")
    assert (metrics["n_tracks"], metrics["genres"]) == (5, ["Jazz", "Rock", "Pop"])
    assert metrics["n_segments"] == two_genres.n_segments("training") // 2
    nothing_shared = ClassifierTask(TINY_VGG, two_genres, scaler, genres=["Jazz", "Pop"])
    with pytest.raises(ValueError, match="no segment of a known genre"):
        nothing_shared.evaluate(nothing_shared.build(), "training")


def test_examples_are_the_middle_segments_of_a_few_tracks(two_genres: PreparedDataset) -> None:
    task = AutoencoderTask(load_preset("ae-compact"), two_genres, scaler_of(two_genres, "minmax"))
    captions, images = task.examples(task.build(), "training")
    assert captions == [f"track {i}, {'Rock' if i % 2 else 'Folk'}" for i in (2, 4, 6, 7, 9, 11)]
    assert set(images) == {"original", "reconstruction", "pca", "alone"}
    for track_id, original in zip((2, 4, 6, 7, 9, 11), images["original"], strict=True):
        segments = np.concatenate(list(task.segments("training")))[task.track_ids("training") == track_id]
        np.testing.assert_array_equal(original, segments[len(segments) // 2, ..., 0])
    shard, *rest = two_genres.shards
    first, *others = shard["tracks"]
    tracks = [{**first, "n_segments": first["n_segments"] - 1}, *others]
    other = replace(two_genres, shards=({**shard, "tracks": tracks}, *rest))  # type: ignore[typeddict-item]  # still a shard
    task = AutoencoderTask(load_preset("ae-compact"), other, scaler_of(two_genres, "minmax"))
    with pytest.raises(FormatError, match="the manifest says"):
        task.examples(task.build(), str(shard["split"]))


def test_a_run_refuses_a_dataset_with_other_features(run: Run, two_genres: PreparedDataset) -> None:
    assert task_of(run, two_genres).watched == "validation"
    other = replace(run, config={**run.config, "mode": "log-mel"})
    with pytest.raises(ValueError, match="was not trained on"):
        task_of(other, two_genres)


def test_only_training_a_classifier_needs_genres_of_training_tracks(run: Run, two_genres: PreparedDataset) -> None:
    others = tuple(shard for shard in two_genres.shards if shard["split"] == "test")
    task = task_of(run, replace(two_genres, shards=others))
    assert task.splits() == ["test"]
    assert task.evaluate(run.load_model(), "test") == run.metrics()["test"]
    with pytest.raises(InputError, match="no training track has a genre; a classifier needs them"):
        task.build()


def test_early_stopping_keeps_the_best_epochs_weights(two_genres: PreparedDataset, tmp_path: Path) -> None:
    # At this rate the loss rises after the first epochs.
    preset = replace(TINY_VGG, optimizer={"name": "sgd", "learning_rate": 0.3}, epochs=12, patience=2)
    run = train(preset, two_genres, tmp_path / "run")
    history = run.history()
    best = run.best_epoch()
    assert len(history) == best + 2 < 12
    assert run.checkpoint(best) in run.checkpoints()
    assert run.metrics()["validation"]["cross_entropy"] == pytest.approx(history[best - 1]["val_loss"], rel=1e-4)
    again = train(preset, two_genres, tmp_path / "run")
    assert again.history() == history
    assert again.config == Run.load(tmp_path / "run").config == run.config


def test_a_start_from_imagenet_is_part_of_what_a_run_is(
    two_genres: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the weights do is tested with `load_imagenet_start`, whose files belong to networks of full width."""
    started: list[Path] = []

    def start(model: GenreClassifier, path: Path) -> None:
        model.features[0].kernel.assign(np.ones(model.features[0].kernel.shape))
        started.append(path)

    monkeypatch.setattr("tfdeepviz.models.training.load_imagenet_start", start)
    weights = tmp_path / "vgg11.pth"
    weights.write_bytes(b"ImageNet")
    preset = replace(TINY_VGG, optimizer={"name": "sgd", "learning_rate": 1e-6}, epochs=1)
    run = train(preset, two_genres, tmp_path / "run", weights=weights)
    assert started == [weights]
    np.testing.assert_allclose(np.asarray(run.load_model().features[0].kernel), 1, atol=1e-3)
    assert run.config["weights"]["file"] == "vgg11.pth"
    train(replace(preset, epochs=2), two_genres, tmp_path / "run", weights=weights)
    assert started == [weights], "a resumed run goes on from its checkpoint"
    weights.write_bytes(b"others")
    with pytest.raises(FormatError, match="another weights"):
        train(replace(preset, epochs=2), two_genres, tmp_path / "run", weights=weights)


def test_bad_weights_leave_no_run(two_genres: PreparedDataset, tmp_path: Path) -> None:
    weights = tmp_path / "text.pth"
    weights.write_text("no weights")
    with pytest.raises(InputError):
        train(TINY_VGG, two_genres, tmp_path / "run", weights=weights)
    assert not list((tmp_path / "run").glob("*.json"))
