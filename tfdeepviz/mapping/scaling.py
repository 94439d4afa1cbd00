"""Scaling of projected encodings to visual parameters in [0, 1] (paper, section 5.2)."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from tfdeepviz.errors import InputError
from tfdeepviz.files import Finite
from tfdeepviz.params import check_choice

SCALING_MODES = ("features", "across")
SCALING_METHODS = ("standard", "minmax", "robust", "per-track")

#: Default number of parameters; what every visual takes.
N_PARAMETERS = 10

#: Maximum number of parameters in a file.
MAX_PARAMETERS = 100

#: `standard` maps the mean to 0.5 and one standard deviation to a distance of 0.4.
_STANDARD_SPREAD = 0.4

#: Percentiles that `robust` and `per-track` map to 0 and 1.
_PERCENTILES = (5.0, 95.0)

#: Maximum factor by which `per-track` amplifies a narrow track, relative to training.
_MAX_BOOST = 4.0

#: `per-track` treats a row as a repetition if no parameter moved by at least this share of its range in training.
REPEATED = 1e-4

Vector = tuple[Finite, ...]
Floats = npt.NDArray[np.float64]


class Scaling(Struct, frozen=True, omit_defaults=True):
    """A fitted scaling: `clip(gain * y + offset, 0, 1)`, with one gain and offset per parameter.

    Every method is such an affine map, so this is all that a bundle stores and a client executes. Only `per-track` is
    refitted to each track, within bounds set by training.

    `percentiles` and `max_boost` are settings of `per-track`, see `for_track`; None for other methods.
    """

    mode: str
    method: str
    gain: Vector
    offset: Vector
    percentiles: tuple[Finite, Finite] | None = None
    max_boost: Annotated[float, Meta(ge=0, le=1e38)] | None = None

    def __post_init__(self) -> None:
        check_choice("mode", self.mode, SCALING_MODES)
        check_choice("method", self.method, SCALING_METHODS)
        if len(self.offset) != len(self.gain):
            raise InputError(f"{len(self.gain)} gains and {len(self.offset)} offsets: one of each per parameter")
        is_per_track = self.method == "per-track"
        if (self.percentiles is not None, self.max_boost is not None) != (is_per_track, is_per_track):
            raise InputError(f"method={self.method!r}: percentiles and max_boost belong to per-track")
        if self.percentiles and not 0 <= self.percentiles[0] < self.percentiles[1] <= 100:
            raise InputError(f"percentiles={self.percentiles}: give two from 0 to 100 in ascending order")

    @classmethod
    def fit(cls, values: npt.ArrayLike, *, mode: str, method: str) -> Scaling:
        """Fit to projected encodings [shape=(n, n_parameters)]. Constant parameters are mapped to 0.5.

        Parameters
        ----------
        mode
            `features` fits each parameter separately; `across` uses one centre and spread for all, which preserves
            their order of variance.
        method
            - `standard`: mean to 0.5, one standard deviation to a distance of 0.4, clipped.
            - `minmax`: range to [0, 1].
            - `robust`: percentiles 5 and 95 to 0 and 1, clipped, so that outliers do not compress the rest.
            - `per-track`: like `robust`, and refitted to each track, see `for_track`.
        """
        y = np.asarray(values, np.float64)
        if y.ndim != 2 or not len(y) or not np.isfinite(y).all():
            raise InputError(f"values of shape {y.shape}: a scaling is fitted to finite rows of parameters")
        axis = 0 if mode == "features" else None
        mean = y.mean(axis=axis)
        if method == "standard":
            spread, anchor, target = y.std(axis=axis) / _STANDARD_SPREAD, mean, 0.5
        else:
            low, high = np.percentile(y, (0, 100) if method == "minmax" else _PERCENTILES, axis=axis)
            spread, anchor, target = high - low, low, 0.0
        varies = spread > 1e-9
        gain = 1 / np.where(varies, spread, 1.0)
        offset = np.where(varies, target - gain * anchor, 0.5 - mean)
        gains, offsets = (tuple(np.broadcast_to(numbers, y.shape[1]).tolist()) for numbers in (gain, offset))
        bounds = (_PERCENTILES, _MAX_BOOST) if method == "per-track" else (None, None)
        return cls(mode, method, gains, offsets, *bounds)

    def for_track(self, values: npt.ArrayLike, moving: npt.ArrayLike | None = None) -> Scaling:
        """Fit `per-track` to a track, or to the part known so far; other methods are the same for all tracks.

        The track's own percentiles are mapped to 0 and 1, but its gain is at most `max_boost` times that of training,
        so that a nearly static track does not flicker. Rows that repeat the previous one do not count, because silence
        before or after the music would otherwise determine the lowest percentile.

        `values` [shape=(n, n_parameters)] are projected encodings; without any, the scaling stays that of training.
        `moving` [shape=(n_parameters,)] marks the parameters to fit (`Projection.moving`), by default all.
        """
        y = np.asarray(values, np.float64)
        if self.percentiles is None or self.max_boost is None or not len(y):
            return self
        gain, offset = np.array(self.gain), np.array(self.offset)
        fitted = np.ones(len(gain), bool) if moving is None else np.asarray(moving, bool)
        rows, trained = y[:, fitted], gain[fitted]
        moved = (np.abs(trained * np.diff(rows, axis=0)) >= REPEATED).any(axis=1)
        counted = rows[np.concatenate([[True], moved])]
        low, high = np.percentile(counted, self.percentiles, axis=0 if self.mode == "features" else None)
        with np.errstate(divide="ignore", over="ignore"):
            widest = np.where(high > low, 1 / (high - low), np.inf)  # -0.0 - 0.0 would give minus infinity
            gain[fitted] = np.minimum(widest, self.max_boost * np.abs(trained)) * np.sign(trained)
        offset[fitted] = 0.5 - gain[fitted] * (low + high) / 2
        return Scaling(self.mode, "robust", tuple(gain.tolist()), tuple(offset.tolist()))

    def apply(self, values: npt.ArrayLike) -> Floats:
        """Scale projected encodings [shape=(..., n_parameters)] to parameters of the same shape."""
        y = np.asarray(values, np.float64)
        if not y.ndim or y.shape[-1] != len(self.gain):
            raise InputError(f"values of shape {y.shape}: the scaling has {len(self.gain)} parameters")
        return np.clip(y * self.gain + self.offset, 0.0, 1.0)
