"""From rows of parameters to what a player shows at a time: interpolation, smoothing, look-ahead."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tfdeepviz.errors import InputError
from tfdeepviz.mapping.fields import Fields
from tfdeepviz.mapping.motion import REST_RATE, Onsets

INTERPOLATIONS = ("linear", "hold")

#: In seconds (and ticks): rounding does not make a time miss the row that it stands for.
_ROUNDING = 1e-9

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TimeSettings:
    """How parameters move in time.

    Attributes
    ----------
    interpolation
        Between two rows: `linear`, or `hold` the one that was last reached.
    attack, release
        Share of the past that is kept per tick where a parameter rises and where it falls: 0 follows at once, 1 never
        moves. Both 0.5 is the original's slider.
    tick_seconds
        What `attack` and `release` refer to. How smooth it looks depends on time only, not on who ticks how often.
    look_ahead_seconds
        How much of the future the picture shows; may be negative.

    Raises
    ------
    FormatError
        (An InputError) naming a value that cannot be.
    """

    interpolation: str = "linear"
    attack: float = 0.5
    release: float = 0.5
    tick_seconds: float = 0.01
    look_ahead_seconds: float = 0.0

    def __post_init__(self) -> None:
        _read(self.to_dict(), "time.")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: object, where: str = "time.") -> TimeSettings:
        """Inverse of `to_dict`.

        Raises
        ------
        FormatError
            Naming the field, after `where`.
        """
        return cls(**_read(values, where))


def _read(values: object, where: str) -> dict[str, Any]:
    fields = Fields(values, where)
    return {
        "interpolation": fields.choice("interpolation", INTERPOLATIONS),
        "attack": fields.number("attack", 0, 1),
        "release": fields.number("release", 0, 1),
        "tick_seconds": fields.number("tick_seconds", 0.001, 1),
        "look_ahead_seconds": fields.number("look_ahead_seconds", -10, 10),
    }


def interpolate(
    times: npt.ArrayLike, rows: npt.ArrayLike, at: npt.ArrayLike, *, interpolation: str = "linear"
) -> Floats:
    """Give the rows at other times; before the first and after the last it holds.

    Parameters
    ----------
    times : [shape=(n,)]
        Seconds, rising.
    rows : [shape=(n, k)]
    at : [shape=(m,)]
        Seconds.
    interpolation
        `linear` or `hold`.

    Returns
    -------
    np.ndarray [shape=(m, k)]

    Raises
    ------
    InputError
        For an unknown interpolation, no row, or as many times as there are no rows.
    """
    if interpolation not in INTERPOLATIONS:
        raise InputError(f"interpolation={interpolation!r}: choose one of {', '.join(INTERPOLATIONS)}")
    t, y, wanted = np.asarray(times, np.float64), np.asarray(rows, np.float64), np.asarray(at, np.float64)
    if t.ndim != 1 or y.ndim != 2 or len(t) != len(y) or not len(t):
        raise ValueError(f"times of shape {t.shape} and rows of shape {y.shape}: a time for each row is expected")
    if interpolation == "hold":
        held: Floats = y[np.maximum(0, np.searchsorted(t, wanted + _ROUNDING, side="right") - 1)]
        return held
    return np.stack([np.interp(wanted, t, column) for column in y.T], axis=-1)


def smooth(values: npt.ArrayLike, *, step_seconds: float | Floats, settings: TimeSettings) -> Floats:
    """Exponential averages of values [shape=(n, k)], which set out from the first; a step or steps [shape=(n - 1,)]."""
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
    """Give what the player shows of a track, frame by frame.

    Averages are taken at every tick from the track's start; between two ticks, over the part of a tick that has passed.

    Parameters
    ----------
    times : [shape=(n,)]
        Of the rows, in seconds.
    rows : [shape=(n, n_parameters)]
        Parameters, scaled.
    duration_seconds
        Of the track. What lies after its end, or with a look-ahead before its start, shows the end and the start.
    frames_per_second
        Frame i is shown at i / frames_per_second.
    settings
        Interpolation, smoothing, look-ahead.
    onsets
        Of the track: with them averages are taken in musical time, as the page does; without, in time.

    Returns
    -------
    frame_times : np.ndarray [shape=(n_frames,)]
        All before the track's end, in seconds.
    parameters : np.ndarray [shape=(n_frames, n_parameters)]

    Raises
    ------
    InputError
        If the duration or the rate is not positive, or there is no row.
    """
    if not (0 < duration_seconds < math.inf and 0 < frames_per_second < math.inf):
        raise ValueError(f"{duration_seconds} s at {frames_per_second} frames a second: both have to be positive")
    ticks = np.arange(int(duration_seconds / settings.tick_seconds + _ROUNDING) + 1) * settings.tick_seconds
    at_ticks = interpolate(times, rows, ticks, interpolation=settings.interpolation)
    if onsets is None:
        rates = np.full(len(ticks), REST_RATE)
    else:
        rates, _ = onsets.motion(len(ticks), settings.tick_seconds)
    averages = smooth(at_ticks, step_seconds=rates[:-1] * settings.tick_seconds, settings=settings)

    frame_times = np.arange(math.ceil(duration_seconds * frames_per_second - _ROUNDING)) / frames_per_second
    shown = np.clip(frame_times + settings.look_ahead_seconds, 0.0, duration_seconds)
    tick = np.minimum((shown / settings.tick_seconds + _ROUNDING).astype(int), len(ticks) - 1)
    elapsed = (rates[tick] * np.maximum(0.0, shown - ticks[tick]))[:, None]
    values = interpolate(times, rows, shown, interpolation=settings.interpolation)
    return frame_times, _follow(averages[tick], values, elapsed, settings)


def _follow(past: Floats, value: Floats, elapsed: float | Floats, settings: TimeSettings) -> Floats:
    """Move averages towards values for some seconds."""
    kept = np.where(value > past, settings.attack, settings.release) ** (elapsed / settings.tick_seconds)
    return past + (1 - kept) * (value - past)
