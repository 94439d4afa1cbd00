from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfdeepviz.data.files import FormatError
from tfdeepviz.data.scaler import SegmentScaler, SegmentStatistics


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 9), min_size=1, max_size=6), st.floats(-1e3, 1e3))
def test_streaming_equals_numpy(seed: int, sizes: list[int], centre: float) -> None:
    rng = np.random.default_rng(seed)
    batches = [(rng.normal(centre, 5, (n, 3, 4))).astype(np.float32) for n in [*sizes, 2]]
    everything = np.concatenate(batches).astype(np.float64)
    fitted = SegmentStatistics.merge(SegmentStatistics.of(batch) for batch in batches if len(batch))
    assert fitted.count == len(everything)
    np.testing.assert_array_equal(fitted.minimum, everything.min(0))
    np.testing.assert_array_equal(fitted.maximum, everything.max(0))
    np.testing.assert_allclose(fitted.mean, everything.mean(0), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(fitted.variance, everything.var(0), rtol=1e-6, atol=1e-9)


def test_nothing_to_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        SegmentStatistics.merge([])


@pytest.mark.parametrize("kind", ["minmax", "standard"])
def test_layer_scales_and_survives_saving(kind: str, tmp_path: Path) -> None:
    segments = np.random.default_rng(0).normal(-300, 40, (50, 3, 4)).astype(np.float32)
    segments[:, 0, 0] = -7  # an element that never varies
    scaler = SegmentScaler(kind)
    scaler.adapt(SegmentStatistics.of(segments))
    inputs = keras.Input((3, 4, 1))
    model = keras.Model(inputs, scaler(inputs))
    model.save(tmp_path / "m.keras")
    scaled = np.asarray(keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)(segments[..., None]))[..., 0]
    np.testing.assert_array_equal(scaled[:, 0, 0], 0)
    rest = scaled.reshape(50, -1)[:, 1:]
    if kind == "minmax":
        np.testing.assert_allclose([rest.min(0), rest.max(0)], [np.zeros(11), np.ones(11)], atol=1e-4)
    else:
        np.testing.assert_allclose([rest.mean(0), rest.std(0)], [np.zeros(11), np.ones(11)], atol=1e-3)


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="robust"):
        SegmentScaler("robust")


def test_file_round_trip_and_broken_files(tmp_path: Path) -> None:
    fitted = SegmentStatistics.of(np.random.default_rng(1).normal(size=(5, 3, 4)))
    path = tmp_path / "scaler.npz"
    fitted.save(path)
    again = SegmentStatistics.load(path)
    assert again.count == 5
    np.testing.assert_array_equal(again.variance, fitted.variance)
    data = path.read_bytes()
    for broken in (b"", b"text", data[: len(data) // 2]):
        path.write_bytes(broken)
        with pytest.raises(FormatError, match="scaler"):
            SegmentStatistics.load(path)
