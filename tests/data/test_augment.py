from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from tests.conftest import RATE_HZ, music
from tfdeepviz.data.augment import Augmentation, Augmenter
from tfdeepviz.data.features import Features
from tfdeepviz.params import LIVE, ParameterError

NOTHING: dict[str, Any] = {"max_gain_db": 0.0, "n_frequency_masks": 0, "n_time_masks": 0}


def segment(mode: str, gain: float = 1.0) -> npt.NDArray[Any]:
    features = Features(LIVE, mode)
    # Noise keeps every band off the floor, where a gain could not be told from its absence.
    sound = 0.5 * music(1.2) + np.random.default_rng(0).normal(0, 0.03, round(1.2 * RATE_HZ)).astype(np.float32)
    rows = features.extractor()(sound * np.float32(gain))[:96]
    arranged: npt.NDArray[Any] = features.arrange(tf.constant(rows[np.newaxis])).numpy()[0]
    return arranged


def changed(mode: str, n: int, **options: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """A segment, and `n` augmentations of it."""
    features, original = Features(LIVE, mode), segment(mode)
    mean = np.full(features.scaler_shape, -3.0)
    augmenter = Augmenter(Augmentation(**{**NOTHING, **options}), features, mean)

    def augment(_: tf.Tensor) -> tf.Tensor:
        tf.random.set_seed(7)
        return augmenter(tf.constant(original))

    return original, np.stack(list(tf.data.Dataset.range(n).map(augment).as_numpy_iterator()))


@pytest.mark.parametrize("kind", ["frequency", "time"])
def test_masks_hide_runs_behind_the_mean_and_reach_their_largest_width(kind: str) -> None:
    original, results = changed("mfcc", 300, **{f"n_{kind}_masks": 1, f"max_{kind}_mask": 5})
    hidden = np.abs(results[..., 0] + 3.0) < 1e-4
    hidden &= np.abs(original[..., 0] + 3.0) > 1e-2
    lines = hidden.mean(axis=2 if kind == "frequency" else 1) > 0.9  # whole coefficients or whole frames
    widths = lines.sum(axis=1)
    assert set(widths.tolist()) == {0, 1, 2, 3, 4, 5}
    starts = lines.argmax(axis=1)[widths > 0]
    assert len(set(starts.tolist())) > 20
    for line, width in zip(lines, widths, strict=True):
        assert np.count_nonzero(np.diff(np.flatnonzero(line)) != 1) == 0 or width == 0
    kept = ~(lines[:, :, np.newaxis] if kind == "frequency" else lines[:, np.newaxis, :]) & np.ones_like(hidden)
    np.testing.assert_allclose(results[..., 0][kept], np.broadcast_to(original[..., 0], hidden.shape)[kept], atol=1e-3)


@pytest.mark.parametrize("mode", ["mfcc", "log-mel", "raw"])
def test_gain_is_what_a_louder_track_would_have_given(mode: str) -> None:
    original, results = changed(mode, 40, max_gain_db=6.0)
    if mode == "raw":
        gains_db = 20 * np.log10(np.abs(results).max(axis=(1, 2)) / np.abs(original).max())
    elif mode == "log-mel":
        gains_db = (results - original).mean(axis=(1, 2, 3))
    else:
        gains_db = (results - original)[:, 0, :, 0].mean(axis=1) / np.sqrt(LIVE.n_mels)
    assert gains_db.min() < -4 < 4 < gains_db.max()
    assert np.abs(gains_db).max() <= 6.001
    loudest = int(gains_db.argmax())
    expected = segment(mode, 10 ** (gains_db[loudest] / 20))
    tolerance = 1e-4 if mode == "raw" else 0.05
    np.testing.assert_allclose(results[loudest], expected, atol=tolerance)


def test_log_mel_stays_above_the_floor() -> None:
    features = Features(LIVE, "log-mel")
    augmenter = Augmenter(Augmentation(**{**NOTHING, "max_gain_db": 60.0}), features, np.zeros((128, 96)))
    quiet = tf.fill(features.segment_shape, np.float32(LIVE.floor_db))
    assert min(float(tf.reduce_min(augmenter(quiet))) for _ in range(20)) >= LIVE.floor_db


@pytest.mark.parametrize(
    "options", [{"max_gain_db": -1}, {"max_gain_db": 61}, {"n_time_masks": -1}, {"max_time_mask": 1.5}]
)
def test_impossible_values_are_refused(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(ParameterError, match=name):
        Augmentation(**options)


def test_masks_wider_than_the_segment_do_not_fail() -> None:
    _, results = changed("mfcc", 20, n_frequency_masks=1, max_frequency_mask=500, n_time_masks=1, max_time_mask=500)
    assert np.isfinite(results).all()
