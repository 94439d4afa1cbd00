from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.data.statistics import SegmentStatistics
from tfdeepviz.models.temporal import TemporalAutoencoder
from tfdeepviz.params import ParameterError


def tiny(**options: Any) -> TemporalAutoencoder:
    sizes = {"input_size": (6, 8), "encoding_size": 3, "n_filters": 4, "pool_frames": 4, "dense_units": 5}
    model = TemporalAutoencoder(**{**sizes, **options})
    model.build()
    return model


SEGMENTS = np.random.default_rng(0).uniform(size=(16, 6, 8, 1)).astype(np.float32)


def test_shapes_and_ranges() -> None:
    model = tiny()
    encoding, bypass = model.encode(SEGMENTS)
    assert (encoding.shape, bypass) == ((16, 3), {})
    output = np.asarray(model(SEGMENTS))
    assert output.shape == SEGMENTS.shape
    assert ((output > 0) & (output < 1)).all()
    np.testing.assert_array_equal(np.asarray(model.decode(encoding)), output)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"pool_frames": 3}, "divisible by pool_frames = 3"),
        ({"dense_units": 0}, "dense_units must be a whole number, at least 1"),
    ],
)
def test_wrong_sizes_name_the_rule(options: dict[str, Any], rule: str) -> None:
    with pytest.raises(ParameterError, match=rule):
        tiny(**options)


def test_it_starts_with_the_mean_picture() -> None:
    model = tiny()
    mean = SEGMENTS.mean(axis=0)[..., 0]
    model.start_at(mean)
    np.testing.assert_allclose(np.asarray(model(SEGMENTS)).mean(axis=0)[..., 0], mean, atol=0.05)


def test_shifting_a_segment_by_a_pool_shifts_what_is_pooled() -> None:
    """Convolution over time: away from the edges, time is all that changes."""
    model = tiny(input_size=(6, 32), kernel_frames=3)
    x = np.random.default_rng(1).uniform(size=(1, 32, 6)).astype(np.float32)

    def pooled(frames: Any) -> Any:
        features = model.convolution(model.input_norm(frames))
        return np.asarray(keras.ops.max_pool(features, model.pool_frames, model.pool_frames))

    np.testing.assert_allclose(pooled(np.roll(x, 4, axis=1))[:, 2:-1], pooled(x)[:, 1:-2], atol=1e-5)


def test_it_learns_saves_and_exports_its_encoder(tmp_path: Path) -> None:
    raw = (SEGMENTS * 40 - 300).astype(np.float32)
    scaler = SegmentScaler("minmax", name="scaler")
    scaler.adapt(SegmentStatistics.of(raw[..., 0]))
    x = np.asarray(scaler(raw))
    model = tiny()
    model.start_at(x.mean(axis=0)[..., 0])
    model.compile(keras.optimizers.AdamW(0.02), "mse")
    losses = model.fit(x, x, epochs=60, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * np.square(x - x.mean(axis=0)).mean()
    model.recalibrate_batch_norm([x])
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    assert again.get_config() == model.get_config()
    assert set(TemporalAutoencoder.arguments()) <= set(again.get_config())
    np.testing.assert_allclose(np.asarray(again(x)), np.asarray(model(x)), atol=1e-6)
    encoding = np.asarray(model.encode(x)[0])
    assert encoding.std(axis=0).min() > 0.1
    model.encoder(scaler).save(tmp_path / "e.keras")
    encoder = keras.saving.load_model(tmp_path / "e.keras", safe_mode=True)
    np.testing.assert_allclose(np.asarray(encoder(raw)), encoding, atol=1e-5)
