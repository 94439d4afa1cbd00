from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from msgspec.structs import replace

from tfdeepviz.files import FormatError, convert
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


def test_robust_is_not_moved_by_an_outlier() -> None:
    y = np.random.default_rng(0).normal(size=(1000, 3))
    scaled = Scaling.fit(y, mode="features", method="robust").apply(y)
    np.testing.assert_allclose((scaled == 0).mean(0), 0.05, atol=0.001)
    np.testing.assert_allclose((scaled == 1).mean(0), 0.05, atol=0.001)
    loud = np.concatenate([y, np.full((5, 3), 1e6)])
    np.testing.assert_allclose(Scaling.fit(loud, mode="features", method="robust").apply(y), scaled, atol=0.05)


def test_across_takes_percentiles_of_all_values() -> None:
    y = np.random.default_rng(0).normal(0, [4, 2, 1], (500, 3))
    scaling = Scaling.fit(y, mode="across", method="robust")
    assert len(set(scaling.gain)) == len(set(scaling.offset)) == 1
    np.testing.assert_allclose(scaling.apply(np.percentile(y, (5, 95))[:, None] * np.ones(3)), [[0] * 3, [1] * 3])


@pytest.mark.parametrize("mode", SCALING_MODES)
@pytest.mark.parametrize("method", SCALING_METHODS)
def test_what_never_varied_rests_in_the_middle(mode: str, method: str) -> None:
    y = np.full((9, 2), 7.0)
    scaling = Scaling.fit(y, mode=mode, method=method)
    np.testing.assert_array_equal(scaling.gain, [1, 1])
    np.testing.assert_allclose(scaling.apply(y), 0.5)


@pytest.mark.parametrize("mode", SCALING_MODES)
@given(track=_VALUES)
@example(track=np.full((1, 3), -0.0))
def test_per_track_is_robust_on_the_track_within_its_bound(track: npt.NDArray[Any], mode: str) -> None:
    training = np.random.default_rng(0).normal([0, 1, 2], [1, 2, 3], (300, 3))
    scaling = Scaling.fit(training, mode=mode, method="per-track")
    fitted = scaling.for_track(track)
    moved = (np.abs(np.diff(track, axis=0) * scaling.gain) >= 1e-4).any(axis=1)
    low, high = np.percentile(track[np.r_[True, moved]], (5, 95), axis=0 if mode == "features" else None)
    np.testing.assert_allclose(fitted.gain, 1 / np.maximum(high - low, 1 / (4 * np.array(scaling.gain))))
    np.testing.assert_allclose(fitted.apply((low + high) / 2 * np.ones(3)), 0.5, atol=1e-9)


@pytest.mark.parametrize("mode", SCALING_MODES)
@given(track=_VALUES, columns=st.sets(st.integers(0, 2), min_size=1))
def test_per_track_fits_what_moves_and_leaves_the_rest(track: npt.NDArray[Any], columns: set[int], mode: str) -> None:
    training = np.random.default_rng(0).normal([0, 1, 2], [1, 2, 3], (300, 3))
    scaling = Scaling.fit(training, mode=mode, method="per-track")
    moving = np.isin(np.arange(3), list(columns))
    gain, offset = (np.array(numbers)[moving] for numbers in (scaling.gain, scaling.offset))
    alone = replace(scaling, gain=tuple(gain), offset=tuple(offset)).for_track(track[:, moving])
    fitted = scaling.for_track(track, moving)
    np.testing.assert_array_equal(np.array(fitted.gain)[moving], alone.gain)
    np.testing.assert_array_equal(np.array(fitted.offset)[moving], alone.offset)
    np.testing.assert_array_equal(np.array(fitted.gain)[~moving], np.array(scaling.gain)[~moving])
    np.testing.assert_array_equal(np.array(fitted.offset)[~moving], np.array(scaling.offset)[~moving])


@pytest.mark.parametrize("mode", SCALING_MODES)
@given(track=_VALUES, before=st.integers(1, 30), after=st.integers(1, 30), silence=st.floats(-100, 100))
def test_per_track_hears_no_more_of_a_long_silence_than_of_a_short(
    track: npt.NDArray[Any], before: int, after: int, silence: float, mode: str
) -> None:
    scaling = Scaling.fit(np.random.default_rng(0).normal(size=(300, 3)), mode=mode, method="per-track")
    row = np.full((1, 3), silence)
    # Next to the same everywhere: what a graph makes of silence differs in the last digits.
    noise = np.random.default_rng(0).uniform(-1e-6, 1e-6, (before + after - 2, 3))
    short, long = (
        np.concatenate([row, first, track, row, last])
        for first, last in ((row[:0], row[:0]), np.split(row + noise, [before - 1]))
    )
    assert scaling.for_track(long) == scaling.for_track(short)


def test_silence_around_a_track_takes_nothing_of_its_range() -> None:
    rng = np.random.default_rng(0)
    scaling = Scaling.fit(rng.normal(size=(500, 3)), mode="features", method="per-track")
    track = rng.normal(size=(400, 3))
    silent = np.concatenate([np.full((100, 3), -9.0), track, np.full((100, 3), -9.0)])
    expected = scaling.for_track(track).apply(track)
    np.testing.assert_allclose(scaling.for_track(silent).apply(track), expected, atol=0.05)


def test_per_track_gives_a_narrow_track_the_whole_range() -> None:
    rng = np.random.default_rng(0)
    scaling = Scaling.fit(rng.normal(size=(500, 3)), mode="features", method="per-track")
    narrow = rng.normal([1.5, 0, -1], 0.3, (400, 3))
    np.testing.assert_allclose(np.ptp(scaling.for_track(narrow).apply(narrow), axis=0), 1)
    dull = rng.normal(0, 0.001, (400, 3))
    assert (np.ptp(scaling.for_track(dull).apply(dull), axis=0) < 0.01).all()


def test_per_track_is_the_trainings_robust_while_nothing_is_known() -> None:
    y = np.random.default_rng(0).normal(size=(500, 3))
    scaling = Scaling.fit(y, mode="features", method="per-track").for_track(np.empty((0, 3)))
    np.testing.assert_array_equal(scaling.apply(y), Scaling.fit(y, mode="features", method="robust").apply(y))


def test_per_track_keeps_a_turned_parameter_turned() -> None:
    scaling = Scaling("features", "per-track", (-1.0,), (0.5,), (0.0, 100.0), 4.0)
    np.testing.assert_allclose(scaling.for_track([[2.0], [3.0]]).apply([[2.0], [3.0]]), [[1], [0]])


@pytest.mark.parametrize("method", ["standard", "minmax", "robust"])
def test_other_methods_are_the_same_for_all_tracks(method: str) -> None:
    y = np.random.default_rng(0).normal(size=(50, 3))
    scaling = Scaling.fit(y, mode="features", method=method)
    assert scaling.for_track(y[:5]) is scaling


@pytest.mark.parametrize("mode", SCALING_MODES)
@pytest.mark.parametrize("method", SCALING_METHODS)
def test_read_as_written(mode: str, method: str) -> None:
    scaling = Scaling.fit(np.random.default_rng(0).normal(size=(50, 3)), mode=mode, method=method)
    values = msgspec.to_builtins(scaling)
    assert ("percentiles" in values) == ("max_boost" in values) == (method == "per-track")
    assert convert(values, Scaling, "scaling") == scaling
    for changes in ({"offset": [0.0]}, {"percentiles": [5, 95]} if method != "per-track" else {"max_boost": None}):
        with pytest.raises(FormatError, match=r"^scaling: "):
            convert({**values, **changes}, Scaling, "scaling")


@pytest.mark.parametrize("values", [np.zeros((5, 1)), np.zeros((5, 4)), np.float64(0)])
def test_rows_of_another_size_are_refused(values: npt.NDArray[Any]) -> None:
    scaling = Scaling.fit(np.eye(3), mode="features", method="standard")
    with pytest.raises(ValueError, match="the scaling has 3 parameters"):
        scaling.apply(values)


@pytest.mark.parametrize("options", [{"mode": "both", "method": "minmax"}, {"mode": "across", "method": "max"}])
def test_unknown_names_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="choose one of"):
        Scaling.fit(np.zeros((2, 3)), **options)


@pytest.mark.parametrize("values", [np.empty((0, 3)), np.full((2, 3), np.nan), np.zeros(3)])
def test_values_that_cannot_be_fitted_are_refused(values: npt.NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="finite rows"):
        Scaling.fit(values, mode="features", method="standard")
