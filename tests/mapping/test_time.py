from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError, convert
from tfdeepviz.mapping.time import TimeSettings, interpolate, play, smooth

Floats = npt.NDArray[np.float64]

_SHARES = st.floats(0, 1)
_ROWS = hnp.arrays(np.float64, st.tuples(st.integers(1, 8), st.just(2)), elements=st.floats(0, 1))

TIMES = np.array([1.0, 2.0, 4.0])
ROWS = np.array([[0.0, 1.0], [1.0, 0.5], [0.5, 0.5]])


def test_linear_between_rows_and_holding_outside() -> None:
    at = interpolate(TIMES, ROWS, [0, 1, 1.5, 3, 4, 9])
    np.testing.assert_allclose(at[:, 0], [0, 0, 0.5, 0.75, 0.5, 0.5])
    np.testing.assert_allclose(at[:, 1], [1, 1, 0.75, 0.5, 0.5, 0.5])


def test_hold_is_the_row_last_reached() -> None:
    at = interpolate(TIMES, ROWS, [0, 1, 1.999, 2, 3.9, 9], interpolation="hold")
    np.testing.assert_array_equal(at, ROWS[[0, 0, 0, 1, 1, 2]])


def test_rounding_does_not_miss_a_row() -> None:
    times = 0.1 * np.arange(30)
    at = interpolate(times, np.arange(30.0)[:, None], np.arange(30) / 10, interpolation="hold")
    np.testing.assert_array_equal(at[:, 0], np.arange(30))


@pytest.mark.parametrize(("times", "rows"), [([], np.empty((0, 2))), ([1, 2], ROWS), ([[1]], ROWS), ([1], [1])])
def test_times_that_do_not_fit_are_refused(times: Any, rows: Any) -> None:
    with pytest.raises(ValueError, match="a time for each row"):
        interpolate(times, rows, [0])


def test_an_unknown_interpolation_is_refused() -> None:
    with pytest.raises(ValueError, match="'cubic': choose one of linear, hold"):
        interpolate(TIMES, ROWS, [0], interpolation="cubic")


@given(values=_ROWS, slider=_SHARES)
def test_smoothing_is_the_originals_at_its_tick(values: Floats, slider: float) -> None:
    settings = TimeSettings(attack=slider, release=slider)
    smoothed = smooth(values, step_seconds=0.01, settings=settings)
    past = values[0].copy()
    for i, value in enumerate(values):
        past = past * slider + value * (1 - slider)
        np.testing.assert_allclose(smoothed[i], past, atol=1e-12)


@given(values=_ROWS, attack=_SHARES, release=_SHARES, parts=st.integers(1, 5))
def test_weights_of_parts_of_a_tick_multiply(values: Floats, attack: float, release: float, parts: int) -> None:
    settings = TimeSettings(attack=attack, release=release)
    whole = smooth(values, step_seconds=0.02, settings=settings)
    held = np.concatenate([values[:1], np.repeat(values[1:], parts, axis=0)])
    divided = smooth(held, step_seconds=0.02 / parts, settings=settings)
    np.testing.assert_allclose(divided[::parts], whole, atol=1e-9)


@given(values=_ROWS, attack=_SHARES, release=_SHARES)
def test_averages_stay_between_what_they_average(values: Floats, attack: float, release: float) -> None:
    smoothed = smooth(values, step_seconds=0.01, settings=TimeSettings(attack=attack, release=release))
    assert (smoothed >= np.minimum.accumulate(values) - 1e-12).all()
    assert (smoothed <= np.maximum.accumulate(values) + 1e-12).all()


def test_attack_is_for_rising_and_release_for_falling() -> None:
    values = np.array([[0.0], [1.0], [0.0]])
    smoothed = smooth(values, step_seconds=0.01, settings=TimeSettings(attack=0.25, release=0.5))
    np.testing.assert_allclose(smoothed[:, 0], [0, 0.75, 0.375])


def test_extremes_of_smoothing() -> None:
    at_once = smooth(ROWS, step_seconds=0.01, settings=TimeSettings(attack=0, release=0))
    np.testing.assert_allclose(at_once, ROWS)
    never = smooth(ROWS, step_seconds=0.01, settings=TimeSettings(attack=1, release=1))
    np.testing.assert_array_equal(never, ROWS[[0, 0, 0]])


def show(settings: TimeSettings, *, duration_seconds: float = 5.0, frames_per_second: float = 100) -> Floats:
    frame_times, parameters = play(
        TIMES, ROWS, duration_seconds=duration_seconds, frames_per_second=frames_per_second, settings=settings
    )
    np.testing.assert_allclose(frame_times, np.arange(len(parameters)) / frames_per_second)
    return parameters


def test_the_player_is_the_originals_loop_at_its_tick() -> None:
    shown = show(TimeSettings(attack=0.9, release=0.9))
    assert len(shown) == 500
    past = ROWS[0]
    for i, parameters in enumerate(shown):
        value = [np.interp(i * 0.01, TIMES, column) for column in ROWS.T]
        past = past * 0.9 + np.array(value) * 0.1
        np.testing.assert_allclose(parameters, past, atol=1e-9)


@pytest.mark.parametrize("interpolation", ["linear", "hold"])
def test_the_frame_rate_changes_nothing(interpolation: str) -> None:
    settings = TimeSettings(interpolation=interpolation, attack=0.7, release=0.95)
    fine, coarse = show(settings, frames_per_second=150), show(settings, frames_per_second=30)
    np.testing.assert_allclose(fine[::5], coarse, atol=1e-12)


def test_without_smoothing_it_is_the_interpolation() -> None:
    shown = show(TimeSettings(attack=0, release=0), frames_per_second=64)
    np.testing.assert_allclose(shown, interpolate(TIMES, ROWS, np.arange(320) / 64), atol=1e-12)


@pytest.mark.parametrize("frames", [-50, 50])
def test_look_ahead_shifts_the_picture_within_the_track(frames: int) -> None:
    now, shifted = show(TimeSettings()), show(TimeSettings(look_ahead_seconds=frames / 100))
    if frames > 0:
        np.testing.assert_allclose(shifted[:-frames], now[frames:], atol=1e-12)
        np.testing.assert_allclose(shifted[-frames:], now[[-1] * frames], atol=1e-6)
    else:
        np.testing.assert_allclose(shifted[-frames:], now[:frames], atol=1e-12)
        np.testing.assert_array_equal(shifted[:-frames], now[[0] * -frames])


@pytest.mark.parametrize(("duration", "rate"), [(0, 30), (-1, 30), (5, 0), (float("nan"), 30), (float("inf"), 30)])
def test_impossible_films_are_refused(duration: float, rate: float) -> None:
    with pytest.raises(ValueError, match="both must be positive"):
        show(TimeSettings(), duration_seconds=duration, frames_per_second=rate)


def test_settings_are_read_as_written() -> None:
    settings = TimeSettings("hold", 0.25, 0.75, 0.02, -0.1)
    assert convert(msgspec.to_builtins(settings), TimeSettings, "time") == settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"interpolation": "cubic"}, "interpolation='cubic': choose one of linear, hold"),
        ({"attack": -0.1}, "attack must be a number, at least 0"),
        ({"release": float("nan")}, "release must be a number, at least 0.*, but is NaN"),
        ({"release": "0.5"}, 'release must be a number.*, but is "0.5"'),
        ({"tick_seconds": 0}, "tick_seconds must be a number, at least 0.001"),
        ({"look_ahead_seconds": 11}, "look_ahead_seconds must be a number.* at most 10, but is 11"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"^{message}"):
        TimeSettings(**changes)
    with pytest.raises(FormatError, match=rf"^mappings.json: {message}"):
        convert(changes, TimeSettings, "mappings.json")
