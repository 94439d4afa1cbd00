"""Scaling of projected encodings to visual parameters in [0, 1] (paper, section 5.2)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

SCALING_MODES = ("features", "across")
SCALING_METHODS = ("standard", "minmax")

#: Parameters of every visual.
N_PARAMETERS = 10

#: `standard` puts the mean at 0.5 and one standard deviation 0.4 from it.
_STANDARD_SPREAD = 0.4


@dataclass(frozen=True)
class Scaling:
    """A fitted scaling: `clip(gain * y + offset, 0, 1)`, one gain and offset a parameter.

    Every method of the paper is such an affine map, so this is all that a bundle stores and a client executes.
    """

    mode: str
    method: str
    gain: tuple[float, ...]
    offset: tuple[float, ...]

    @classmethod
    def fit(cls, values: npt.NDArray[np.floating[Any]], *, mode: str, method: str) -> Scaling:
        """Fit to projected encodings.

        Parameters
        ----------
        values : np.ndarray [shape=(n, n_parameters)]
        mode
            `features` fits each parameter by itself; `across` takes one centre and spread for all, which keeps
            their order of variance.
        method
            `standard`: mean to 0.5, one standard deviation to 0.4 from it, clipped. `minmax`: the range to [0, 1].

        Raises
        ------
        ValueError
            For an unknown mode or method, or values that are not finite.
        """
        if mode not in SCALING_MODES:
            raise ValueError(f"mode={mode!r}: choose one of {', '.join(SCALING_MODES)}")
        if method not in SCALING_METHODS:
            raise ValueError(f"method={method!r}: choose one of {', '.join(SCALING_METHODS)}")
        y = np.asarray(values, np.float64)
        if y.ndim != 2 or not len(y) or not np.isfinite(y).all():
            raise ValueError(f"values of shape {y.shape}: a scaling is fitted to finite rows of parameters")
        axis = 0 if mode == "features" else None
        if method == "standard":
            gain = _STANDARD_SPREAD / _nonzero(y.std(axis=axis))
            offset = 0.5 - gain * y.mean(axis=axis)
        else:
            gain = 1 / _nonzero(y.max(axis=axis) - y.min(axis=axis))
            offset = -gain * y.min(axis=axis)
        n = y.shape[1]
        return cls(mode, method, tuple(np.broadcast_to(gain, n).tolist()), tuple(np.broadcast_to(offset, n).tolist()))

    def apply(self, values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
        """Scale projected encodings [shape=(..., n_parameters)] to parameters of the same shape."""
        return np.clip(np.asarray(values, np.float64) * self.gain + self.offset, 0.0, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "gain": list(self.gain), "offset": list(self.offset)}


def _nonzero(spread: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Replace the spread of what never varied by 1, so that it rests in the middle instead of dividing by zero."""
    return np.where(spread > 1e-9, spread, 1.0)
