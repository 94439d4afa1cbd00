"""Element-wise scaling of segments: fitted by streaming, applied as a model layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError, atomic_path, read_npz

SCALER_KINDS = ("minmax", "standard", "coefficients")

_NAMES = ("minimum", "maximum", "mean", "variance")


@dataclass(frozen=True)
class SegmentStatistics:
    """Statistics of each element of the scaler's grid over a set of segments.

    Attributes
    ----------
    count
        Number of segments; for raw audio, whose grid has a single element, number of samples.
    minimum, maximum, mean, variance : np.ndarray [shape=Features.scaler_shape, dtype=float64]
    """

    count: int
    minimum: npt.NDArray[np.float64]
    maximum: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    variance: npt.NDArray[np.float64]

    @classmethod
    def of(cls, segments: npt.NDArray[np.floating[Any]]) -> SegmentStatistics:
        """Statistics of segments that fit into memory [shape=(n, ...), n >= 1]."""
        values = segments.astype(np.float64)
        return cls(len(values), values.min(0), values.max(0), values.mean(0), values.var(0))

    @classmethod
    def merge(cls, parts: Iterable[SegmentStatistics]) -> SegmentStatistics:
        """Combine the statistics of all parts, in the order given.

        Uses the parallel update of Chan, Golub and LeVeque (1983), which is stable for any division into parts.

        Raises
        ------
        InputError
            If there are no parts.
        """
        total: SegmentStatistics | None = None
        for part in parts:
            total = part if total is None else total._merged(part)
        if total is None:
            raise InputError("no segments to fit a scaler to; the training split is empty")
        return total

    def _merged(self, other: SegmentStatistics) -> SegmentStatistics:
        count = self.count + other.count
        delta = other.mean - self.mean
        weight = other.count / count
        variance = self.variance * (1 - weight) + other.variance * weight + delta**2 * weight * (1 - weight)
        return SegmentStatistics(
            count,
            np.minimum(self.minimum, other.minimum),
            np.maximum(self.maximum, other.maximum),
            self.mean + delta * weight,
            variance,
        )

    @classmethod
    def side_by_side(cls, parts: Sequence[SegmentStatistics]) -> SegmentStatistics:
        """Stack the statistics of different elements of the same segments along a new last axis."""
        grids = {name: np.stack([getattr(part, name) for part in parts], axis=-1) for name in _NAMES}
        return cls(parts[0].count, **grids)

    def save(self, path: Path) -> None:
        """Write as `.npz`."""
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, count=self.count, **{name: getattr(self, name) for name in _NAMES})

    @classmethod
    def load(cls, path: Path) -> SegmentStatistics:
        """Inverse of `save`.

        Raises
        ------
        FormatError
            If the file is not what `save` writes.
        """
        arrays = read_npz(path)
        if set(arrays) != {"count", *_NAMES}:
            raise FormatError(f"{path}: not the scaler of a prepared dataset; run `prepare` again")
        count = arrays.pop("count")
        shapes = {array.shape for array in arrays.values()}
        numbers = all(array.dtype == np.float64 and np.isfinite(array).all() for array in arrays.values())
        if len(shapes) != 1 or count.shape != () or count.dtype.kind != "i" or count < 1 or not numbers:
            raise FormatError(f"{path}: shapes differ or values are not finite numbers; run `prepare` again")
        return cls(int(count), **arrays)


@keras.saving.register_keras_serializable("tfdeepviz")
class SegmentScaler(keras.layers.Layer):  # type: ignore[misc]
    """`(x - offset) * gain` for every element of the segment grid.

    Parameters
    ----------
    kind
        `minmax` maps the fitted range of each element to [0, 1]. `standard` scales each element to zero mean and unit
        variance. `coefficients` does so with one mean and variance per coefficient, shared by all frames, so that it
        fits windows of any length. Elements that never varied become 0.

    Input and output have the shape (batch, n_mfcc, segment_frames, 1).
    """

    def __init__(self, kind: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if kind not in SCALER_KINDS:
            raise InputError(f"scaler={kind!r}: choose one of {', '.join(SCALER_KINDS)}")
        self.kind = kind

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the two grids as non-trainable weights."""
        grid = (input_shape[1], 1, input_shape[3]) if self.kind == "coefficients" else tuple(input_shape[1:])
        self.offset = self.add_weight(shape=grid, initializer="zeros", trainable=False, name="offset")
        self.gain = self.add_weight(shape=grid, initializer="ones", trainable=False, name="gain")

    def adapt(self, statistics: SegmentStatistics) -> None:
        """Set the weights from the statistics of the training split."""
        if self.kind == "minmax":
            offset, spread = statistics.minimum, statistics.maximum - statistics.minimum
        elif self.kind == "standard":
            offset, spread = statistics.mean, np.sqrt(statistics.variance)
        else:
            offset = statistics.mean.mean(axis=1, keepdims=True)
            spread = np.sqrt((statistics.variance + (statistics.mean - offset) ** 2).mean(axis=1, keepdims=True))
        gain = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-6)
        if not self.built:
            self.build((None, *offset.shape, 1))
        self.offset.assign(offset[..., None])
        self.gain.assign(gain[..., None])

    def function(self) -> Callable[[Any], Any]:
        """Return the same scaling on NumPy constants, for `tf.data` pipelines under any Keras backend."""
        offset, gain = ops.convert_to_numpy(self.offset), ops.convert_to_numpy(self.gain)
        return lambda segments: (segments - offset) * gain

    def call(self, inputs: Any) -> Any:
        """Scale segments [shape=(batch, n_mfcc, segment_frames, 1)]."""
        return (inputs - self.offset) * self.gain

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Same as the input shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "kind": self.kind}
