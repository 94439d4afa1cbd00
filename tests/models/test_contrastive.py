from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.data.statistics import SegmentStatistics
from tfdeepviz.models.contrastive import ContrastiveEncoder, contrastive_loss
from tfdeepviz.models.presets import load_preset, override
from tfdeepviz.models.run import Run
from tfdeepviz.models.scores import score_songs
from tfdeepviz.models.training import train
from tfdeepviz.params import ParameterError

SEGMENTS = np.random.default_rng(0).normal(size=(8, 6, 24, 1)).astype(np.float32)


def tiny(**options: Any) -> ContrastiveEncoder:
    model = ContrastiveEncoder(**{"input_size": (6, 24), "encoding_size": 3, "n_filters": 4, **options})
    model.build()
    return model


def test_it_encodes_segments_in_whatever_groups() -> None:
    model = tiny()
    encodings = np.asarray(model(SEGMENTS))
    assert encodings.shape == (8, 3)
    np.testing.assert_allclose(np.asarray(model(SEGMENTS.reshape(2, 4, 6, 24, 1))).reshape(8, 3), encodings, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "rule"),
    [({"dropout": 1.0}, "dropout"), ({"n_filters": 0}, "n_filters must be a whole number, at least 1")],
)
def test_wrong_values_name_the_rule(options: dict[str, Any], rule: str) -> None:
    with pytest.raises(ParameterError, match=rule):
        tiny(**options)


def test_the_encoder_holds_the_scaler_and_can_be_kept(tmp_path: Path) -> None:
    model, scaler = tiny(), SegmentScaler("coefficients", name="scaler")
    model.recalibrate_batch_norm([SEGMENTS])
    scaler.adapt(SegmentStatistics.of(SEGMENTS[..., 0] * 3 + 1))
    model.encoder(scaler).save(tmp_path / "encoder.keras")
    encoder = keras.saving.load_model(tmp_path / "encoder.keras", compile=False, safe_mode=True)
    unscaled = SEGMENTS * 3 + 1
    np.testing.assert_allclose(np.asarray(encoder(unscaled)), np.asarray(model(scaler(unscaled))), atol=1e-5)


def test_the_loss_is_simclrs() -> None:
    encodings = np.random.default_rng(1).uniform(size=(5, 4, 3))
    views = (encodings - 0.5).reshape(5, 2, 2, 3).mean(axis=2).transpose(1, 0, 2).reshape(10, 3)
    unit = views / np.linalg.norm(views, axis=1, keepdims=True)
    similarity = np.exp(unit @ unit.T / 0.3)
    expected = []
    for i in range(10):
        partner = (i + 5) % 10
        others = sum(similarity[i, j] for j in range(10) if j != i)
        expected.append(-np.log(similarity[i, partner] / others))
    losses = np.asarray(contrastive_loss(encodings.astype(np.float32), 0.3))
    np.testing.assert_allclose(losses, np.reshape(expected, (2, 5)).mean(axis=0), rtol=1e-4)


def test_songs_that_agree_with_themselves_cost_less() -> None:
    rng = np.random.default_rng(2)
    songs = np.repeat(rng.uniform(size=(6, 1, 4)), 4, axis=1).astype(np.float32)
    chance = np.log(2 * 6 - 1)
    assert np.asarray(contrastive_loss(songs, 0.1)).mean() < 0.5 * chance
    assert np.asarray(contrastive_loss(rng.uniform(size=(6, 4, 4)).astype(np.float32), 0.1)).mean() > chance


def test_moments_are_from_one_track_and_no_track_is_twice_in_a_batch(two_genres: PreparedDataset) -> None:
    n_tracks = two_genres.n_tracks("training")
    rows = dict(two_genres.tracks("training"))
    options: dict[str, Any] = {"n_moments": 4, "batch_size": n_tracks, "seed": 3}
    (batch,) = two_genres.moments("training", **options).as_numpy_iterator()
    assert batch.shape == (n_tracks, 4, *two_genres.features.segment_shape)

    def track_of(moment: np.ndarray[Any, Any]) -> int:
        frame = moment[:, 0, 0]
        (found,) = [track_id for track_id, frames in rows.items() if (frames == frame).all(axis=1).any()]
        return found

    owners = [{track_of(moment) for moment in moments} for moments in batch]
    assert all(len(owner) == 1 for owner in owners)
    assert len(set().union(*owners)) == n_tracks
    (again,) = two_genres.moments("training", **options).as_numpy_iterator()
    np.testing.assert_array_equal(again, batch)
    (other,) = two_genres.moments("training", **{**options, "seed": 4}).as_numpy_iterator()
    assert not np.array_equal(other, batch)


def test_songs_are_scored_by_their_halves() -> None:
    rng = np.random.default_rng(0)
    songs = np.repeat(rng.uniform(size=(5, 3)), 6, axis=0)
    ids = np.repeat([3, 1, 4, 7, 5], 6)
    scores = score_songs(songs, ids)
    assert (scores["self_retrieval"], scores["n_tracks"], scores["chance"]) == (1, 5, 0.2)
    assert scores["between_share"] == pytest.approx(1)
    low, high = scores["intervals"]["self_retrieval"]
    assert low < 1 <= high + 1e-9
    noise = score_songs(rng.uniform(size=(3_000, 3)), np.repeat(np.arange(100), 30))
    assert noise["self_retrieval"] < 0.1
    assert noise["between_share"] < 0.1
    with pytest.raises(ValueError, match="two segments"):
        score_songs(np.zeros((3, 2)), [1, 2, 3])


def test_a_run_is_trained_measured_and_resumed(two_genres: PreparedDataset, tmp_path: Path) -> None:
    preset = override(load_preset("song"), {"epochs": 1, "batch_size": 4, "contrast.n_moments": 2})
    train(preset, two_genres, tmp_path / "run")
    run = train(override(preset, {"epochs": 2}), two_genres, tmp_path / "run")
    assert [row["epoch"] for row in run.history()] == [1, 2]
    assert 0 <= run.history()[-1]["val_self_retrieval"] <= 1
    metrics = run.metrics()["training"]
    assert metrics["n_tracks"] == two_genres.n_tracks("training")
    assert len(metrics["encoding_std"]) == 4
    assert Run.load(run.path).load_encoder().output_shape == (None, 4)
    with pytest.raises(ValueError, match="small already"):
        train(load_preset("ae-shared-compact"), two_genres, tmp_path / "student", teacher=run)
