from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError, convert
from tfdeepviz.mapping import projections
from tfdeepviz.mapping.projections import (
    PROJECTIONS,
    Affine,
    InverseDistance,
    ProjectionError,
    Scale,
    Select,
    Step,
    fit_projection,
    output_size,
    project,
    warning_for,
)

Floats = npt.NDArray[np.float64]


def encodings(n: int = 200, size: int = 12, *, seed: int = 0) -> Floats:
    """Features of different means and spreads, which depend on one another."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(n, size)) @ rng.normal(size=(size, size))
    return np.asarray(mixed * rng.uniform(0.1, 3, size) + rng.normal(size=size))


@st.composite
def problems(draw: st.DrawFn) -> tuple[Floats, int, int]:
    """Encodings, a smaller number of parameters, and a seed."""
    size = draw(st.integers(2, 8))
    x = encodings(draw(st.integers(20, 60)), size, seed=draw(st.integers(0, 1000)))
    # A dead unit must not get in the way.
    x[:, draw(st.integers(0, size - 1))] = draw(st.sampled_from([0.0, 0.25, -3.0]))
    return x, draw(st.integers(1, size)), draw(st.integers(0, 9))


def test_each_step_is_its_formula() -> None:
    x = np.array([[1.0, 2.0, 3.0], [0.0, -1.0, 0.5]])
    np.testing.assert_array_equal(project([Select((2, 0))], x), [[3.0, 1.0], [0.5, 0.0]])
    np.testing.assert_array_equal(project([Scale((1, 2, -1), (0, 1, 3))], x), [[1.0, 5.0, 0.0], [0.0, -1.0, 2.5]])
    affine = Affine(((1, 0), (0, 1), (2, 2)), (10, 20))
    np.testing.assert_array_equal(project([affine], x), [[17, 28], [11, 20]])
    near = InverseDistance(((1, 2, 3), (1, 2, 1)), floor=0.25)
    np.testing.assert_allclose(project([near], x)[0], [4, 0.5])


def test_raw_is_the_encoding() -> None:
    x = encodings(size=10)
    assert fit_projection("raw", x) == ()
    np.testing.assert_array_equal(project((), x), x)


def test_random_is_one_permutation_for_a_seed() -> None:
    x = encodings(size=10)
    orders = [fit_projection("random", x, seed=seed) for seed in range(5)]
    assert orders == [fit_projection("random", x[::-1], seed=seed) for seed in range(5)]
    assert len(set(orders)) == 5
    np.testing.assert_array_equal(np.sort(project(orders[0], x), axis=1), np.sort(x, axis=1))


@settings(max_examples=60, deadline=None)
@given(problems())
def test_pca_is_scikit_learns_pipeline(problem: tuple[Floats, int, int]) -> None:
    x, n, _ = problem
    (affine,) = fit_projection("pca", x, n_parameters=n)
    expected = make_pipeline(MinMaxScaler(), PCA(n)).fit_transform(x)
    np.testing.assert_allclose(project((affine,), x), expected, atol=2e-5)


@settings(max_examples=25, deadline=None)
@given(problems())
def test_kmeans_is_scikit_learns_pipeline(problem: tuple[Floats, int, int]) -> None:
    x, n, seed = problem
    pipeline = make_pipeline(MinMaxScaler(), KMeans(n, n_init=4, random_state=seed))
    expected = np.maximum(1e-3, pipeline.fit_transform(x))
    y = project(fit_projection("kmeans", x, n_parameters=n, seed=seed), x)
    # Rounding may decide which of the same clusters is the first.
    np.testing.assert_allclose(np.sort(1 / y, axis=1), np.sort(expected, axis=1), atol=2e-5)


def test_kmeans_pca_is_pca_of_kmeans() -> None:
    x = encodings()
    steps = fit_projection("kmeans-pca", x, n_parameters=4)
    kmeans = fit_projection("kmeans", x, n_parameters=4)
    assert steps == kmeans + fit_projection("pca", project(kmeans, x), n_parameters=4)


def test_pca_is_in_order_of_variance_and_of_one_sign() -> None:
    x = encodings()
    (affine,) = fit_projection("pca", x, n_parameters=6)
    assert isinstance(affine, Affine)
    spread = project((affine,), x).std(axis=0)
    assert (np.diff(spread) < 0).all()
    # In what PCA saw, features scaled to [0, 1].
    loadings = np.asarray(affine.matrix) * np.ptp(x, axis=0)[:, None]
    assert (loadings[np.abs(loadings).argmax(axis=0), range(6)] > 0).all()
    (mirrored,) = fit_projection("pca", x[::-1], n_parameters=6)
    np.testing.assert_allclose(project((mirrored,), x), project((affine,), x), atol=1e-5)


def test_a_component_without_variance_stays_silent() -> None:
    """Else the scaling that follows would make a picture of rounding errors."""
    x = encodings(size=4)
    x[:, 3] = 1 - x[:, :3].sum(axis=1)
    y = project(fit_projection("pca", x, n_parameters=4), x)
    assert (y[:, 3] == 0).all()
    assert (y[:, :3].std(axis=0) > 0.01).all()


@pytest.mark.parametrize("name", ["pca", "kmeans", "kmeans-pca"])
def test_the_same_for_a_seed(name: str) -> None:
    x = encodings().astype(np.float32)
    assert fit_projection(name, x, seed=3) == fit_projection(name, x, seed=3)


@pytest.mark.parametrize("name", PROJECTIONS)
def test_any_number_of_parameters(name: str) -> None:
    for n in (1, 3, 12):
        x = encodings(size=n if name in ("raw", "random") else 12)
        assert project(fit_projection(name, x, n_parameters=n), x).shape == (200, n)


def test_numbers_are_short() -> None:
    for step in fit_projection("kmeans-pca", encodings(), n_parameters=3):
        numbers = np.concatenate([np.ravel(value) for value in msgspec.structs.astuple(step)])
        assert all(len(f"{abs(number):.12e}".split("e")[0].rstrip("0")) <= 10 for number in numbers)


def test_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    x = encodings(400)
    everything = fit_projection("pca", x)
    monkeypatch.setattr(projections, "_MAX_ROWS", 100)
    sample = fit_projection("pca", x, seed=1)
    assert sample == fit_projection("pca", x, seed=1) != everything
    monkeypatch.setattr(projections, "_MAX_VALUES", 12 * 11)
    fit_projection("pca", x)
    monkeypatch.setattr(projections, "_MAX_VALUES", 12 * 9)
    with pytest.raises(ProjectionError, match=r"encodings \(9\)"):
        fit_projection("pca", x)


@pytest.mark.parametrize(
    ("name", "x", "message"),
    [
        ("raw", encodings(size=12), "needs an encoding of 10, .* this has 12; pca .* distill"),
        ("random", encodings(size=9), "random needs an encoding of 10"),
        ("pca", encodings(size=9), r"features \(9\) .* and 10 are wanted; ask for fewer, or for kmeans"),
        ("pca", encodings(9), r"encodings \(9\)"),
        ("kmeans", encodings(9), "kmeans to 10 needs as many encodings; there are 9"),
        ("kmeans", np.repeat(encodings(9), 5, axis=0), "as many different encodings"),
        ("kmeans-pca", np.ones((50, 12)), "the same for different music"),
    ],
)
def test_what_cannot_be_fitted_is_refused(name: str, x: Floats, message: str) -> None:
    with pytest.raises(ProjectionError, match=message):
        fit_projection(name, x)


def test_a_dead_encoder_has_a_silent_pca() -> None:
    y = project(fit_projection("pca", np.full((50, 12), 0.3)), np.full((3, 12), 0.3))
    assert (y == 0).all()


@pytest.mark.parametrize("name", PROJECTIONS)
@pytest.mark.parametrize("x", [np.full((30, 10), np.nan), np.full((30, 10), np.inf), np.ones(10), np.ones((0, 10))])
def test_no_rows_of_numbers_are_refused(name: str, x: Floats) -> None:
    with pytest.raises(ValueError, match="rows of finite numbers") as caught:
        fit_projection(name, x)
    assert not isinstance(caught.value, ProjectionError)


def test_unknown_projections_are_refused() -> None:
    with pytest.raises(ValueError, match="'tsne': choose one of raw, random, pca"):
        fit_projection("tsne", encodings())


class Holder(msgspec.Struct):
    step: Step


@pytest.mark.parametrize("name", ["random", "pca", "kmeans", "kmeans-pca"])
def test_steps_are_read_as_written(name: str) -> None:
    steps = fit_projection(name, encodings(size=10))
    for step in steps:
        assert convert(msgspec.to_builtins(Holder(step)), Holder, "file") == Holder(step)
    assert output_size(steps, 10) == 10


@pytest.mark.parametrize(
    ("step", "changes", "message"),
    [
        (Select((1, 0)), {"kind": "pickle"}, "step.kind must be .*affine.*, but is .pickle."),
        (Select((1, 0)), {"indices": [0, -1]}, r"step.indices\[1\] must be a whole number, at least 0.*, but is -1"),
        (
            Select((1, 0)),
            {"indices": [0] * 101},
            "step.indices must be .* at most 100 long, but is a list of 101",
        ),
        (Scale((1, 1), (0, 0)), {"gain": [1, float("nan")]}, r"step.gain\[1\] must be .* but is NaN"),
        (Scale((1, 1), (0, 0)), {"gain": [1, 10**400]}, r"step.gain\[1\] must be a number.*000\.\.\."),
        (Affine(((1,), (1,)), (0,)), {"matrix": [1]}, r"step.matrix\[0\] must be a list.*, but is 1"),
        (InverseDistance(((1, 1),), 1e-3), {"floor": 0}, "step.floor must be a number, at least 1e-09.*, but is 0"),
        (InverseDistance(((1, 1),), 1e-3), {"centroids": "x" * 99}, "step.centroids must be a list.*, but is .xxx"),
    ],
)
def test_broken_steps_are_refused(step: Step, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=f"^file: {message}"):
        convert({"step": {**msgspec.to_builtins(step), **changes}}, Holder, "file")


@pytest.mark.parametrize(
    "step",
    [
        Select((0, 2)),
        Scale((1, 1, 1), (0, 0, 0)),
        Scale((1, 1), (0,)),
        Affine(((1,),), (0,)),
        Affine(((1,), (1, 2)), (0,)),
        InverseDistance(((1, 1), (1,)), 1e-3),
    ],
)
def test_steps_for_other_sizes_are_refused(step: Step) -> None:
    with pytest.raises(InputError, match=r"^steps\[1\]: does not fit vectors of 2 components"):
        output_size([Select((1, 0)), step], 2)


def test_a_warning_where_the_order_of_variance_is_lost() -> None:
    warned = [(name, mode) for name in PROJECTIONS for mode in ("features", "across") if warning_for(name, mode)]
    assert warned == [("pca", "features"), ("kmeans-pca", "features")]


@pytest.mark.parametrize("name", ["pca", "kmeans-pca"])
def test_principal_components_rise_with_loudness(name: str) -> None:
    rng = np.random.default_rng(5)
    encodings = rng.normal(size=(400, 6))
    for sign in (1, -1):
        loudness = sign * (encodings @ rng.normal(size=6)) + rng.normal(size=400)
        y = project(fit_projection(name, encodings, n_parameters=4, loudness=loudness), encodings)
        assert (np.corrcoef(y.T, loudness)[-1, :-1] >= 0).all()
        other = project(fit_projection(name, encodings, n_parameters=4), encodings)
        np.testing.assert_allclose(np.abs(y), np.abs(other), atol=1e-9)
    with pytest.raises(ValueError, match="loudness of shape"):
        fit_projection(name, encodings, n_parameters=4, loudness=loudness[1:])
