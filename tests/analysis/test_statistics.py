from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tfdeepviz.analysis.statistics import describe, elbow, explained_variance, map_rows
from tfdeepviz.mapping.projections import sample


def blobs(n: int, size: int = 6, *, seed: int = 0) -> npt.NDArray[np.float32]:
    """Three groups of rows, the components of unlike ranges."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 4, (3, size))
    rows = centres[np.arange(n) % 3] + rng.normal(0, 0.3, (n, size))
    scaled: npt.NDArray[np.float32] = (rows * np.logspace(-2, 2, size)).astype(np.float32)
    return scaled


def test_statistics_are_numpys_in_double_precision() -> None:
    rows = blobs(500) + 1e4
    found, exact = describe(rows), rows.astype(np.float64)
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.std, exact.std(axis=0), rtol=1e-9)
    assert (found.minimum == exact.min(axis=0)).all()
    assert (found.maximum == exact.max(axis=0)).all()


def test_explained_variance_is_that_of_components_brought_to_the_unit_range() -> None:
    rows = blobs(200).astype(np.float64)
    unit = (rows - rows.min(axis=0)) / np.ptp(rows, axis=0)
    eigenvalues = np.linalg.eigvalsh(np.cov(unit.T))[::-1]
    shares = explained_variance(rows, n_components=4)
    np.testing.assert_allclose(shares, (eigenvalues / eigenvalues.sum())[:4], rtol=1e-6)
    assert explained_variance(rows, n_components=99).sum() == pytest.approx(1)


def test_elbow_falls_and_bends_at_the_number_of_groups() -> None:
    curve = dict(elbow(blobs(300), range(2, 8)))
    assert list(curve) == [2, 3, 4, 5, 6, 7]
    values = list(curve.values())
    assert values == sorted(values, reverse=True)
    assert curve[2] - curve[3] > 5 * (curve[3] - curve[7])


def test_elbow_ends_where_there_are_not_enough_different_rows() -> None:
    rows = np.repeat(blobs(4), 5, axis=0)
    assert [k for k, _ in elbow(rows, range(2, 20))] == [2, 3, 4]
    assert [k for k, _ in elbow(blobs(3), range(2, 20))] == [2, 3]


def test_map_keeps_groups_together_and_is_the_same_for_the_same_seed() -> None:
    rows = blobs(90)
    xy, method = map_rows(rows, seed=3)
    assert method == "t-sne"
    assert (xy.min(axis=0), xy.max(axis=0)) == (pytest.approx([0, 0]), pytest.approx([1, 1]))
    distance = np.linalg.norm(xy[:, None] - xy[None], axis=-1) + np.eye(90)
    assert ((distance.argmin(axis=1) - np.arange(90)) % 3 == 0).all()
    np.testing.assert_array_equal(map_rows(rows, seed=3)[0], xy)


@pytest.mark.parametrize(
    "rows", [np.ones((30, 10)), np.zeros((1, 4)), blobs(9), blobs(40)[:, :1]], ids=["constant", "one", "few", "narrow"]
)
def test_map_of_what_has_no_neighbours_is_a_pca(rows: npt.NDArray[Any]) -> None:
    xy, method = map_rows(rows)
    assert method == "pca"
    assert xy.shape == (len(rows), 2)
    assert ((xy >= 0) & (xy <= 1)).all()
    assert not explained_variance(np.ones_like(rows), n_components=3).any()


def test_map_by_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="map='umap': choose one of t-sne, pca"):
        map_rows(blobs(20), "umap")


def test_sample_is_all_or_a_rising_draw() -> None:
    assert sample(5, 5).tolist() == [0, 1, 2, 3, 4]
    drawn = sample(1_000, 50, seed=1)
    assert len(set(drawn.tolist())) == 50
    assert (np.diff(drawn) > 0).all()
    assert drawn.tolist() != sample(1_000, 50, seed=2).tolist()
