"""Turn rows of parameters into the values that a player shows: interpolation, smoothing and look-ahead."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from tfdeepviz.errors import InputError
from tfdeepviz.mapping.motion import REST_RATE, Onsets
from tfdeepviz.params import check_choice, check_fields

INTERPOLATIONS = ("linear", "hold")

#: Tolerance in seconds (and ticks), so that rounding does not make a time miss its row.
_ROUNDING = 1e-9

Floats = npt.NDArray[np.float64]


class TimeSettings(Struct, frozen=True):
    """How parameters move in time; a ParameterError names a value that is out of range."""

    #: Between two rows: `linear`, or `hold` the last row reached.
    interpolation: str = "linear"
    #: Share of the past kept per tick while a parameter rises and while it falls: 0 follows at once, 1 never moves.
    #: Both at 0.5 match the original's slider.
    attack: Annotated[float, Meta(ge=0, le=1)] = 0.5
    release: Annotated[float, Meta(ge=0, le=1)] = 0.5
    #: Time unit of `attack` and `release`. Smoothing depends only on time, not on how often it is updated.
    tick_seconds: Annotated[float, Meta(ge=0.001, le=1)] = 0.01
    #: How far the picture is ahead of the music; may be negative.
    look_ahead_seconds: Annotated[float, Meta(ge=-10, le=10)] = 0.0

    def __post_init__(self) -> None:
        check_fields(self)
        check_choice("interpolation", self.interpolation, INTERPOLATIONS)


def interpolate(
    times: npt.ArrayLike, rows: npt.ArrayLike, at: npt.ArrayLike, *, interpolation: str = "linear"
) -> Floats:
    """Interpolate rows [shape=(n, k)] at increasing times [shape=(n,)] to rows [shape=(m, k)] at others [shape=(m,)].

    The first and last rows hold beyond the ends.
    """
    check_choice("interpolation", interpolation, INTERPOLATIONS)
    t, y, wanted = np.asarray(times, np.float64), np.asarray(rows, np.float64), np.asarray(at, np.float64)
    if t.ndim != 1 or y.ndim != 2 or len(t) != len(y) or not len(t):
        raise InputError(f"times of shape {t.shape} and rows of shape {y.shape}: a time for each row is expected")
    if interpolation == "hold":
        held: Floats = y[np.maximum(0, np.searchsorted(t, wanted + _ROUNDING, side="right") - 1)]
        return held
    return np.stack([np.interp(wanted, t, column) for column in y.T], axis=-1)


def smooth(values: npt.ArrayLike, *, step_seconds: float | Floats, settings: TimeSettings) -> Floats:
    """Smooth values [shape=(n, k)] exponentially from the first row on, given one step or steps [shape=(n - 1,)]."""
    averages = np.array(values, np.float64)
    for i, step in enumerate(np.broadcast_to(step_seconds, len(averages) - 1), 1):
        averages[i] = _follow(averages[i - 1], averages[i], step, settings)
    return averages


def play(
    times: npt.ArrayLike,
    rows: npt.ArrayLike,
    *,
    duration_seconds: float,
    frames_per_second: float,
    settings: TimeSettings,
    onsets: Onsets | None = None,
) -> tuple[Floats, Floats]:
    """Compute the parameters that the player shows for a track, frame by frame.

    Averages are updated at every tick from the start of the track; between ticks, by the elapsed part of a tick. If the
    onsets of the track are given, averages run in musical time, as in the web app; otherwise in seconds. With a
    look-ahead, times beyond the start or end of the track show its start or end.

    Parameters
    ----------
    times, rows : [shape=(n,)], [shape=(n, n_parameters)]
        Scaled parameters, at least one row.

    Returns
    -------
    frame_times, parameters : np.ndarray [shape=(n_frames,)], [shape=(n_frames, n_parameters)]
        All frames before the end of the track; frame i is shown at i / frames_per_second.
    """
    if not (0 < duration_seconds < math.inf and 0 < frames_per_second < math.inf):
        raise InputError(f"{duration_seconds} s at {frames_per_second} frames per second: both must be positive")
    ticks = np.arange(int(duration_seconds / settings.tick_seconds + _ROUNDING) + 1) * settings.tick_seconds
    at_ticks = interpolate(times, rows, ticks, interpolation=settings.interpolation)
    rates = onsets.motion(len(ticks), settings.tick_seconds)[0] if onsets else np.full(len(ticks), REST_RATE)
    averages = smooth(at_ticks, step_seconds=rates[:-1] * settings.tick_seconds, settings=settings)

    frame_times = np.arange(math.ceil(duration_seconds * frames_per_second - _ROUNDING)) / frames_per_second
    shown = np.clip(frame_times + settings.look_ahead_seconds, 0.0, duration_seconds)
    tick = np.minimum((shown / settings.tick_seconds + _ROUNDING).astype(int), len(ticks) - 1)
    elapsed = (rates[tick] * np.maximum(0.0, shown - ticks[tick]))[:, None]
    values = interpolate(times, rows, shown, interpolation=settings.interpolation)
    return frame_times, _follow(averages[tick], values, elapsed, settings)


def _follow(past: Floats, value: Floats, elapsed: float | Floats, settings: TimeSettings) -> Floats:
    """Move averages towards values for `elapsed` seconds."""
    kept = np.where(value > past, settings.attack, settings.release) ** (elapsed / settings.tick_seconds)
    return past + (1 - kept) * (value - past)
