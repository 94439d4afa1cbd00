"""Statistics of encodings and parameters: per component, explained variance, clusters, and two-dimensional maps.

Every component is scaled to [0, 1] before anything is fitted, as the projections `pca` and `kmeans` do it. Equal
arguments give equal results on the same machine.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no types

from tfdeepviz.mapping.projections import sample
from tfdeepviz.mapping.scaling import Floats, Scaling
from tfdeepviz.params import check_choice
from tfdeepviz.reports.charts import Spread

MAP_METHODS = ("t-sne", "pca")

#: Largest data that k-means and a PCA are fitted to: rows, and numbers in all.
_MAX_CLUSTERED = (5_000, 1 << 22)
_MAX_DECOMPOSED = (50_000, 1 << 24)

#: Principal components that t-SNE starts from, and the fewest rows for which neighbours are meaningful.
_MAP_COMPONENTS = 50
_MIN_NEIGHBOURS = 10
_PERPLEXITY = 30.0

#: Standard deviation of components in [0, 1] below which only rounding varies.
_NO_SPREAD = 1e-6

Rows = npt.NDArray[np.float32] | Floats


def describe(rows: Rows) -> Spread:
    """Describe each component of rows [shape=(n, n_components)], at least one, in double precision."""
    return Spread(
        rows.mean(axis=0, dtype=np.float64),
        rows.min(axis=0).astype(np.float64),
        rows.max(axis=0).astype(np.float64),
        rows.std(axis=0, dtype=np.float64),
    )


def explained_variance(rows: Rows, *, n_components: int, seed: int = 0) -> Floats:
    """Share of the variance of rows [shape=(n, size)] that each of the first principal components explains.

    From more than 50,000 rows or 2**24 numbers, that many are drawn with the seed. The largest share comes first; there
    are fewer than `n_components` if there are fewer rows or components, and all are 0 if nothing varies.
    """
    x = _to_unit(_sample(rows, *_MAX_DECOMPOSED, seed))
    return _decompose(x, n_components)[1]


def elbow(rows: Rows, ks: Sequence[int], *, seed: int = 0) -> list[tuple[int, float]]:
    """Inertia of k-means on rows [shape=(n, size)], the sum of squared distances to the nearest centroid, for each k.

    From more than 5,000 rows or 2**22 numbers, that many are drawn with the seed. The result ends before the first of
    the ascending `ks` for which there are not enough distinct rows.
    """
    x = _to_unit(_sample(rows, *_MAX_CLUSTERED, seed))
    curve: list[tuple[int, float]] = []
    for k in (k for k in ks if k <= len(x)):
        # With several threads, the order of summation would depend on timing.
        with warnings.catch_warnings(), threadpool_limits(1, user_api="openmp"):
            warnings.simplefilter("error", ConvergenceWarning)
            try:
                curve.append((k, float(KMeans(k, n_init=4, random_state=seed).fit(x).inertia_)))
            except ConvergenceWarning:
                break
    return curve


def map_rows(rows: Rows, method: str = "t-sne", *, seed: int = 0) -> tuple[Floats, str]:
    """Place at most a few thousand rows [shape=(n, size)] in two dimensions, with similar rows close to each other.

    `t-sne` (scikit-learn's, from up to 50 principal components) keeps neighbours together; `pca` shows the two
    directions of largest variance.

    Returns positions [shape=(n, 2)], each axis from 0 to 1, and the method used: also `pca` if there are fewer than ten
    rows or two components, or if all rows are the same.
    """
    check_choice("map", method, MAP_METHODS)
    x = _decompose(_to_unit(rows), _MAP_COMPONENTS)[0]
    if len(x) < _MIN_NEIGHBOURS or x.shape[1] < 2 or x[:, 0].std() < _NO_SPREAD:
        method = "pca"
    if method == "t-sne":
        with threadpool_limits(1, user_api="openmp"):
            tsne = TSNE(2, perplexity=min(_PERPLEXITY, (len(x) - 1) / 3), init="pca", random_state=seed)
            x = tsne.fit_transform(x.astype(np.float32)).astype(np.float64)
    xy = np.pad(x, ((0, 0), (0, max(0, 2 - x.shape[1]))))[:, :2]
    return np.clip(_to_unit(xy), 0.0, 1.0), method


def _sample(rows: Rows, most: int, most_values: int, seed: int) -> Rows:
    return rows[sample(len(rows), min(most, most_values // rows.shape[1]), seed)]


def _to_unit(rows: Rows) -> Floats:
    scaling = Scaling.fit(rows, mode="features", method="minmax")
    unit: Floats = rows * np.asarray(scaling.gain) + np.asarray(scaling.offset)
    return unit


def _decompose(x: Floats, n_components: int) -> tuple[Floats, Floats]:
    """Return principal components of rows, and the share of the variance that each explains."""
    n_components = min(n_components, *x.shape)
    # For identical rows, or a single row, the shares are 0 / 0.
    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="invalid value", category=RuntimeWarning)
        pca = PCA(n_components, random_state=0)
        components = pca.fit_transform(x)
        shares = np.nan_to_num(pca.explained_variance_ratio_, posinf=0.0)
    return components.astype(np.float64), shares.astype(np.float64)
