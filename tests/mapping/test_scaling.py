from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tfdeepviz.mapping.scaling import SCALING_METHODS, SCALING_MODES, Scaling

_VALUES = hnp.arrays(np.float64, st.tuples(st.integers(1, 20), st.just(3)), elements=st.floats(-100, 100))


def test_features_standard_is_the_papers() -> None:
    y = np.random.default_rng(0).normal([1, -5, 9], [1, 2, 3], (500, 3))
    scaled = Scaling.fit(y, mode="features", method="standard").apply(y)
    expected = np.clip((y - y.mean(0)) / y.std(0) * 0.4 + 0.5, 0, 1)
    np.testing.assert_allclose(scaled, expected, atol=1e-12)


def test_across_keeps_the_order_of_variance() -> None:
    y = np.random.default_rng(0).normal(0, [4, 2, 1], (500, 3))
    spread = Scaling.fit(y, mode="across", method="minmax").apply(y).std(0)
    assert spread[0] > spread[1] > spread[2]


@pytest.mark.parametrize("mode", SCALING_MODES)
@pytest.mark.parametrize("method", SCALING_METHODS)
@given(values=_VALUES)
def test_always_in_the_unit_interval(values: npt.NDArray[Any], mode: str, method: str) -> None:
    scaled = Scaling.fit(values, mode=mode, method=method).apply(values)
    assert scaled.shape == values.shape
    assert ((scaled >= 0) & (scaled <= 1)).all()


def test_minmax_uses_the_whole_range() -> None:
    y = np.random.default_rng(0).normal(size=(50, 3))
    scaled = Scaling.fit(y, mode="features", method="minmax").apply(y)
    np.testing.assert_allclose([scaled.min(0), scaled.max(0)], [[0] * 3, [1] * 3], atol=1e-12)


@pytest.mark.parametrize("options", [{"mode": "both", "method": "minmax"}, {"mode": "across", "method": "robust"}])
def test_unknown_names_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="choose one of"):
        Scaling.fit(np.zeros((2, 3)), **options)


@pytest.mark.parametrize("values", [np.empty((0, 3)), np.full((2, 3), np.nan), np.zeros(3)])
def test_values_that_cannot_be_fitted_are_refused(values: npt.NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="finite rows"):
        Scaling.fit(values, mode="features", method="standard")
