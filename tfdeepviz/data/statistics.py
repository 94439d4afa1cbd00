"""Statistics that scalers are fitted to, merged from any division of the segments into parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError, atomic_path, read_npz

_NAMES = ("minimum", "maximum", "mean", "variance")


@dataclass(frozen=True)
class SegmentStatistics:
    """Statistics of each element of the scaler's grid over a set of segments [each shape=Features.scaler_shape]."""

    count: int  # of segments; for raw audio, whose grid has a single element, of samples
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
        """Combine the statistics of all parts, in the order given; raises an InputError if there are none.

        Uses the parallel update of Chan, Golub and LeVeque (1983), which is stable for any division into parts.
        """
        remaining = iter(parts)
        if (first := next(remaining, None)) is None:
            raise InputError("no segments to fit a scaler to; the training split is empty")
        return reduce(cls._merged, remaining, first)

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
        """Inverse of `save`; raises a FormatError if the file is not what `save` writes."""
        arrays = read_npz(path)
        if set(arrays) != {"count", *_NAMES}:
            raise FormatError(f"{path}: not the scaler of a prepared dataset; run `tfdeepviz prepare` again")
        count = arrays.pop("count")
        shapes = {array.shape for array in arrays.values()}
        numbers = all(array.dtype == np.float64 and np.isfinite(array).all() for array in arrays.values())
        if len(shapes) != 1 or count.shape != () or count.dtype.kind != "i" or count < 1 or not numbers:
            raise FormatError(f"{path}: shapes differ or values are not finite numbers; run `tfdeepviz prepare` again")
        return cls(int(count), **arrays)
