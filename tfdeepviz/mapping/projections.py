"""Projections of encodings to unscaled parameters (paper, section 5.1).

A projection is fitted with scikit-learn and stored as a few simple steps that every client can execute.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from tfdeepviz.errors import InputError
from tfdeepviz.mapping.scaling import MAX_PARAMETERS, N_PARAMETERS, Floats, Scaling, Vector
from tfdeepviz.params import check_choice

PROJECTIONS = ("raw", "random", "pca", "kmeans", "kmeans-pca")

#: Minimum distance to a centroid; avoids division by zero.
_FLOOR = 1e-3

#: Maximum rows and numbers to fit to, so that k-means takes less than a minute on two cores.
_MAX_ROWS = 50_000
_MAX_VALUES = 1 << 24

#: Variance of a principal component, with every feature in [0, 1], that can be due to rounding alone.
_NO_VARIANCE = 1e-12

_PER_PARAMETER = Meta(min_length=1, max_length=MAX_PARAMETERS)


class ProjectionError(InputError):
    """The encodings do not allow a projection; the message says why and what would work."""


class _Step(Struct, frozen=True, tag_field="kind"):
    pass


class Select(_Step, frozen=True, tag="select"):
    """Reorder components: `y[j] = x[indices[j]]`."""

    indices: Annotated[tuple[Annotated[int, Meta(ge=0)], ...], _PER_PARAMETER]


class Scale(_Step, frozen=True, tag="scale"):
    """Scale each component separately: `y = gain * x + offset`."""

    gain: Vector
    offset: Vector


class Affine(_Step, frozen=True, tag="affine"):
    """Affine map: `y[j] = offset[j] + sum_i x[i] * matrix[i][j]`."""

    matrix: tuple[Vector, ...]
    offset: Annotated[Vector, _PER_PARAMETER]


class InverseDistance(_Step, frozen=True, tag="inverse-distance"):
    """Inverse distance to each centroid: `y[j] = 1 / max(floor, euclidean(x, centroids[j]))`."""

    centroids: Annotated[tuple[Vector, ...], _PER_PARAMETER]
    floor: Annotated[float, Meta(ge=1e-9, le=1e9)]


Step = Select | Scale | Affine | InverseDistance


def output_size(steps: Sequence[Step], n_in: int) -> int:
    """Return the size of what steps make of encodings of size `n_in`, or raise an InputError if a step does not fit."""
    for i, step in enumerate(steps):
        match step:
            case Select(indices):
                fits, n_out = max(indices) < n_in, len(indices)
            case Scale(gain, offset):
                fits, n_out = len(gain) == len(offset) == n_in, n_in
            case Affine(matrix, offset):
                fits, n_out = len(matrix) == n_in and all(len(row) == len(offset) for row in matrix), len(offset)
            case InverseDistance(centroids):
                fits, n_out = all(len(centroid) == n_in for centroid in centroids), len(centroids)
        if not fits:
            raise InputError(f"steps[{i}]: does not fit vectors of {n_in} components")
        n_in = n_out
    return n_in


def project(steps: Sequence[Step], encodings: npt.ArrayLike) -> Floats:
    """Apply steps in float64 to encodings [shape=(n, encoding_size)] of the size they were fitted to."""
    x = np.asarray(encodings, np.float64)
    if x.ndim != 2 or not np.isfinite(x).all():
        raise InputError(f"encodings of shape {x.shape}: rows of finite numbers are expected")
    for step in steps:
        match step:
            case Select(indices):
                x = x[:, indices]
            case Scale(gain, offset):
                x = x * gain + offset
            case Affine(matrix, offset):
                x = x @ np.asarray(matrix) + offset
            case InverseDistance(centroids, floor):
                distances = [np.linalg.norm(x - np.asarray(centroid), axis=1) for centroid in centroids]
                x = 1 / np.maximum(floor, np.stack(distances, axis=1))
    return x


def fit_projection(
    name: str,
    encodings: npt.ArrayLike,
    *,
    n_parameters: int = N_PARAMETERS,
    seed: int = 0,
    loudness: npt.ArrayLike | None = None,
    songs: npt.ArrayLike | None = None,
) -> tuple[Step, ...]:
    """Fit a projection; equal seeds give equal results.

    Numbers are rounded to float32, the precision of encodings, to keep the JSON short. Constant features and principal
    components without variance have no effect.

    Parameters
    ----------
    name
        - `raw`: component i is parameter i.
        - `random`: like `raw`, in an order drawn with the seed.
        - `pca`: scale every feature to [0, 1], then take principal components in descending order of variance.
        - `kmeans`: scale every feature to [0, 1], then take the inverse distance to the centroid of each of
          `n_parameters` clusters.
        - `kmeans-pca`: apply `pca` to the output of `kmeans`.
    encodings : [shape=(n, encoding_size)]
        Encodings of the training split. If they exceed 50,000 rows or 2**24 numbers, a sample of that size is used.
    seed
        Seed of the order, the sample and the clusters.
    loudness : [shape=(n,)]
        If given, every principal component is flipped to rise with loudness, so that a picture can rise at once with an
        onset and decay slowly. Otherwise a component's sign is arbitrary.
    songs : [shape=(n,)]
        If given, the number of each encoding's song: `pca` takes the principal components of the songs' means, the axes
        along which songs differ.

    Raises
    ------
    ProjectionError
        If the encodings do not allow this projection.
    """
    check_choice("projection", name, PROJECTIONS)
    rows = np.asarray(encodings)
    if rows.ndim != 2 or not rows.size:
        raise InputError(f"encodings of shape {rows.shape}: a projection is fitted to rows of finite numbers")
    n, size = rows.shape
    level = np.zeros(n) if loudness is None else np.asarray(loudness, np.float64)
    if level.shape != (n,) or not np.isfinite(level).all():
        raise InputError(f"loudness of shape {level.shape}: a finite number for each of {n} encodings is expected")
    song = np.arange(n) if songs is None else np.asarray(songs)
    if song.shape != (n,):
        raise InputError(f"songs of shape {song.shape}: a number for each of {n} encodings is expected")
    drawn = sample(n, min(_MAX_ROWS, _MAX_VALUES // size), seed)
    rows, level, song = project((), rows[drawn]), level[drawn], song[drawn]
    if name in ("raw", "random"):
        if size != n_parameters:
            raise ProjectionError(
                f"{name} needs an encoding of {n_parameters}, one component per parameter, and this has {size}; "
                "pca takes any that is larger, kmeans any at all, and `tfdeepviz distill` makes one of the right size"
            )
        return () if name == "raw" else (Select(tuple(np.random.default_rng(seed).permutation(size).tolist())),)
    if name == "pca":
        return (_fit_pca(rows, n_parameters, level, song),)
    steps = _fit_kmeans(rows, n_parameters, seed)
    if name == "kmeans":
        return steps
    return *steps, _fit_pca(project(steps, rows), n_parameters, level, np.arange(len(rows)))


def sample(n: int, most: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """Return indices of all `n` items, or of `most` items drawn with the seed, in ascending order."""
    return np.arange(n) if n <= most else np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


def _fit_pca(rows: Floats, n_parameters: int, level: Floats, song: npt.NDArray[np.integer[Any]]) -> Affine:
    # Imported here because it takes a second and only fitting needs it.
    from sklearn.decomposition import PCA

    to_unit = _to_unit(rows)
    unit, level = _means(project((to_unit,), rows), song), _means(level, song)
    if min(unit.shape) < n_parameters:
        raise ProjectionError(
            f"pca finds at most as many components as there are features ({rows.shape[1]}) and encodings "
            f"({len(unit)}), and {n_parameters} are wanted; ask for fewer, or for kmeans"
        )
    # If all encodings are equal, the explained variance ratios, which are not used, are 0 / 0.
    with np.errstate(invalid="ignore"):
        pca = PCA(n_parameters, svd_solver="auto", random_state=0).fit(unit)
    # scikit-learn makes the largest loading of each component positive; flip those that fall with loudness.
    falls = pca.components_ @ (unit.T @ (level - level.mean())) < 0
    components = np.where(falls[:, None], -pca.components_, pca.components_)
    components = np.where(pca.explained_variance_[:, None] > _NO_VARIANCE, components, 0.0)
    matrix = _rounded(components.T * np.asarray(to_unit.gain)[:, None])
    # Maps the mean encoding to the origin. Computed from the rounded matrix, so that rounding errors do not add up.
    return Affine(_rows(matrix), tuple(_rounded(-rows.mean(axis=0) @ matrix).tolist()))


def _means(values: Floats, song: npt.NDArray[np.integer[Any]]) -> Floats:
    """Average values [shape=(n, ...)] over each song, in the order of their numbers."""
    _, index, counts = np.unique(song, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), *values.shape[1:]))
    np.add.at(sums, index, values)
    means: Floats = sums / counts.reshape(-1, *[1] * (values.ndim - 1))
    return means


def _fit_kmeans(rows: Floats, n_parameters: int, seed: int) -> tuple[Scale, InverseDistance]:
    if len(rows) < n_parameters:
        raise ProjectionError(f"kmeans to {n_parameters} needs as many encodings; there are {len(rows)}")
    to_unit = _to_unit(rows)
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            clusters = KMeans(n_parameters, n_init=4, random_state=seed).fit(project((to_unit,), rows))
        except ConvergenceWarning as error:
            raise ProjectionError(
                f"kmeans to {n_parameters} needs as many different encodings, and there are fewer: "
                "the encoder gives the same for different music"
            ) from error
    gain, offset = _rows(_rounded([to_unit.gain, to_unit.offset]))
    return Scale(gain, offset), InverseDistance(_rows(_rounded(clusters.cluster_centers_)), _FLOOR)


def _to_unit(rows: Floats) -> Scale:
    """Fit the scaling of every feature to [0, 1]; constant features are only shifted."""
    fitted = Scaling.fit(rows, mode="features", method="minmax")
    return Scale(fitted.gain, fitted.offset)


def _rounded(values: npt.ArrayLike) -> Floats:
    """Round to the shortest decimals that identify a float32, so that every language reads the same numbers."""
    return np.asarray(values, np.float32).astype(str).astype(np.float64)


def _rows(values: Floats) -> tuple[Vector, ...]:
    return tuple(map(tuple, values.tolist()))


def warning_for(projection: str, mode: str) -> str | None:
    """Return a one-sentence objection to a scaling mode for a projection, or None."""
    if projection in ("pca", "kmeans-pca") and mode == "features":
        return f"{projection} orders parameters by variance, and mode features undoes that; across keeps it"
    return None
