from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import make_fma
from tfdeepviz.data.augment import Augmentation
from tfdeepviz.data.features import Features
from tfdeepviz.data.prepare import prepare
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.data.selection import Selection
from tfdeepviz.data.windowed import WindowedDataset
from tfdeepviz.files import FormatError
from tfdeepviz.params import LIVE


def test_tracks_are_cut_into_windows_of_another_length(two_genres: PreparedDataset) -> None:
    windowed = WindowedDataset.of(two_genres, 299, 50)
    rows = dict(two_genres.tracks("test"))
    ((windows, about),) = windowed.segments("test", batch_size=64, about=True).as_numpy_iterator()
    assert len(windows) == windowed.n_segments("test") == sum(t["n_segments"] for t in windowed.used("test")) == 6
    for window, track_id, start in zip(windows, about["track_id"], about["start"], strict=True):
        np.testing.assert_allclose(window[..., 0].T, rows[int(track_id)][start : start + 299], atol=1e-6)
    assert about["start"].tolist() == [0, 50, 100] * 2
    assert windowed.identity == two_genres.identity


def test_shuffled_windows_say_where_they_begin(two_genres: PreparedDataset) -> None:
    windowed = WindowedDataset.of(two_genres, 299, 50)
    rows = dict(two_genres.tracks("training"))
    starts = set()
    for windows, about in windowed.segments("training", batch_size=8, seed=1, about=True).as_numpy_iterator():
        for window, track_id, start in zip(windows, about["track_id"], about["start"], strict=True):
            np.testing.assert_allclose(window[..., 0].T, rows[int(track_id)][start : start + 299], atol=1e-6)
            starts.add(int(start) % 50)
    assert len(starts) > 3
    augmented = windowed.segments("training", batch_size=8, seed=1, augmentation=Augmentation())
    assert next(augmented.as_numpy_iterator()).shape == (8, 64, 299, 1)


def test_short_tracks_are_repeated(two_genres: PreparedDataset) -> None:
    windowed = WindowedDataset.of(two_genres, 1_000, 100)
    (rows, _) = (rows for _, rows in two_genres.tracks("test"))
    (windows,) = windowed.segments("test", batch_size=64).as_numpy_iterator()
    assert windows.shape == (windowed.n_segments("test"), 64, 1_000, 1) == (2, 64, 1_000, 1)
    np.testing.assert_allclose(windows[0, :, :, 0].T, rows[np.arange(1_000) % len(rows)], atol=1e-6)


def test_its_scaler_is_the_datasets(two_genres: PreparedDataset) -> None:
    scalers = []
    for dataset in (two_genres, WindowedDataset.of(two_genres, 299, 50)):
        scaler = SegmentScaler("coefficients")
        scaler.adapt(dataset.statistics())
        scalers.append(scaler)
    for mine, theirs in zip(scalers[1].get_weights(), scalers[0].get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5)


def test_chosen_segments_are_refused(tmp_path: Path) -> None:
    root = make_fma(tmp_path / "fma", {2: "training"})
    chosen = prepare(root, tmp_path / "ds", selection=Selection(), features=Features(LIVE), segments_per_track=2)
    with pytest.raises(FormatError, match="segments-per-track"):
        WindowedDataset.of(chosen, 299, 50)
