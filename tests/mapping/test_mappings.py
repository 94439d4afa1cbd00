from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mapping import goldens
from tests.mapping.goldens import SIZES, encodings, fit, track
from tfdeepviz.files import FormatError, convert, read_json, write_json
from tfdeepviz.mapping.mappings import Encodings, Mappings, fit_mappings
from tfdeepviz.mapping.projections import PROJECTIONS, ProjectionError, fit_projection, project
from tfdeepviz.mapping.scaling import SCALING_METHODS, SCALING_MODES, Scaling
from tfdeepviz.mapping.time import TimeSettings, play

FITTED = {name: fit(name) for name in SIZES}

#: Encoding sizes by encoder, as a manifest has them.
ENCODERS = {name: {encoder: size for encoder, (size, _) in sizes.items()} for name, sizes in SIZES.items()}


def assert_close(found: object, expected: object, where: str = "") -> None:
    """The same structure with the same texts and, to 1e-9, the same numbers."""
    if isinstance(expected, dict):
        assert isinstance(found, dict) and found.keys() == expected.keys(), where
        for key, value in expected.items():
            assert_close(found[key], value, f"{where}.{key}")
    elif isinstance(expected, list):
        assert isinstance(found, list) and len(found) == len(expected), where
        for i, value in enumerate(expected):
            assert_close(found[i], value, f"{where}[{i}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9), where
    else:
        assert found == expected, where


@pytest.fixture(scope="module")
def golden(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.config.getoption("--update-goldens"):
        goldens.update()
    return read_json(goldens.PATH)


@pytest.fixture(scope="module")
def read(golden: dict[str, Any]) -> dict[str, Mappings]:
    """The goldens' mappings, read as a client reads them."""
    return {
        name: Mappings.from_dict(
            entry["values"], {encoder: info["encoding_size"] for encoder, info in entry["encoders"].items()}
        )
        for name, entry in golden["mappings"].items()
    }


def test_goldens_are_what_the_code_gives(golden: dict[str, Any]) -> None:
    made = json.loads(json.dumps(goldens.make()))
    assert_close(made, golden)


def test_goldens_as_a_client_computes_them(golden: dict[str, Any], read: dict[str, Mappings]) -> None:
    n_seen = 0
    for entry in golden["tracks"]:
        given_track = {
            encoder: Encodings(np.array(values["times"]), np.array(values["values"]))
            for encoder, values in entry["encodings"].items()
        }
        for expected in entry["expected"]:
            for scaled in expected["parameters"]:
                mapping = read[entry["mappings"]].find(expected["projection"], scaled["mode"], scaled["method"])
                times, y = mapping.projection.rows(given_track)
                assert_close(times.tolist(), expected["times"])
                assert_close(y.tolist(), expected["rows"])
                assert_close(mapping.parameters(given_track)[1].tolist(), scaled["values"])
                n_seen += 1
    assert n_seen == 8 * (6 * 5 + 3 * 3)


def test_goldens_of_time(golden: dict[str, Any]) -> None:
    for entry in golden["time"]:
        frame_times, parameters = play(
            entry["times"],
            entry["rows"],
            duration_seconds=entry["duration_seconds"],
            frames_per_second=entry["frames_per_second"],
            settings=convert(entry["settings"], TimeSettings, goldens.PATH),
        )
        assert_close(frame_times.tolist(), entry["frame_times"])
        assert_close(parameters.tolist(), entry["parameters"])


def test_goldens_show_what_they_are_for(golden: dict[str, Any]) -> None:
    tracks = {entry["name"]: {one["projection"]: one for one in entry["expected"]} for entry in golden["tracks"]}

    def scaled(name: str, projection: str, method: str) -> Any:
        (found,) = (
            one["values"]
            for one in tracks[name][projection]["parameters"]
            if one["mode"] == "features" and one["method"] == method
        )
        return np.array(found)

    assert np.ptp(tracks["two encoders"]["raw"]["rows"], axis=0).min() > 0.1
    assert tracks["on a centroid"]["kmeans"]["rows"][0][0] == 1000
    np.testing.assert_allclose(scaled("constant, so per-track has no range", "pca", "per-track")[:, :3], 0.5)
    for name in tracks.keys() - {"one row of each", "one encoder"}:
        coarse = slice(2) if name in ("other sizes", "silence before and after") else slice(3, None)
        robust, fitted = (scaled(name, "pca", method) for method in ("robust", "per-track"))
        np.testing.assert_array_equal(fitted[:, coarse], robust[:, coarse])
    bounded = np.ptp(scaled("so narrow that per-track is at its bound", "raw", "per-track"), axis=0)
    assert (bounded < 0.5).all()
    unbounded = np.ptp(scaled("narrow, and per-track is not at its bound", "raw", "per-track"), axis=0)
    assert (unbounded[:3] > 0.99).all()
    silent = tracks["silence before and after"]["pca"]["rows"]
    assert (np.abs(np.diff(silent, axis=0))[:, 2:].max(axis=1) < 1e-9).sum() == 8


def test_refused_encodings(golden: dict[str, Any], read: dict[str, Mappings]) -> None:
    for entry in golden["refused"]["encodings"]:
        given_track = track(SIZES[entry["mappings"]], seed=0, n=1)
        for projection in PROJECTIONS:
            mapping = read[entry["mappings"]].find(projection)
            mapping.projection.rows(given_track)
            with pytest.raises(ValueError, match=r"size|shape|NaN or infinity"):
                mapping.projection.rows({**given_track, entry["encoder"]: encodings(entry["encoder"], entry["values"])})


def test_refused_mappings(golden: dict[str, Any]) -> None:
    for entry in golden["refused"]["mappings"]:
        values = copy.deepcopy(golden["mappings"][entry["mappings"]]["values"])
        *above, last = entry["path"]
        target = values
        for key in above:
            target = target[key]
        if "value" in entry:
            target[last] = entry["value"]
        else:
            del target[last]
        with pytest.raises(FormatError) as caught:
            Mappings.from_dict(values, ENCODERS[entry["mappings"]])
        root, message = str(caught.value).split(": ", 1)
        field, problem = re.split(r": | (?=must|is )", message, maxsplit=1)
        path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in entry["path"])[1:]
        assert root == "mappings.json" and problem and "\n" not in problem, entry["name"]
        assert field.startswith(path) or path.startswith(field), (entry["name"], caught.value)


@pytest.mark.parametrize("name", SIZES)
def test_read_as_written(name: str, tmp_path: Path) -> None:
    write_json(tmp_path / "mappings.json", FITTED[name].to_dict())
    assert Mappings.from_dict(read_json(tmp_path / "mappings.json"), ENCODERS[name]) == FITTED[name]


VALID = json.loads(json.dumps(FITTED["wide"].to_dict()))


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every path in a JSON value."""
    if path:
        yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from places(inner, (*path, key))


PLACES = list(places(VALID))

JUNK = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
        *(st.just(10**400), st.just(-math.inf), st.sampled_from([*PROJECTIONS, "beat", "mood", "affine", "select"])),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "name", "x"]), inner),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), st.none() | st.builds(lambda x: [x], JUNK)), max_size=3))
def test_mutants_are_read_or_refused(changes: list[tuple[tuple[str | int, ...], list[Any] | None]]) -> None:
    """Whatever is read projects to finite parameters; all else is a FormatError."""
    values = copy.deepcopy(VALID)
    for path, replacement in changes:
        target: Any = values
        try:
            for key in path[:-1]:
                target = target[key]
            if replacement is None:
                del target[path[-1]]
            else:
                target[path[-1]] = replacement[0]
        except (LookupError, TypeError):
            continue  # An earlier change took the place away.
    try:
        mappings = Mappings.from_dict(values, ENCODERS["wide"])
    except FormatError:
        return
    for mapping in mappings.offers.values():
        _, parameters = mapping.parameters(track(SIZES["wide"], seed=0, n=4))
        assert ((parameters >= 0) & (parameters <= 1)).all()
    assert Mappings.from_dict(json.loads(json.dumps(mappings.to_dict())), ENCODERS["wide"]) == mappings


def test_a_projection_without_scalings_is_refused() -> None:
    values = copy.deepcopy(VALID)
    del values["projections"][1]["scalings"]
    with pytest.raises(FormatError, match=r"projections\[1\]\.scalings is missing"):
        Mappings.from_dict(values, ENCODERS["wide"])


@given(junk=JUNK)
def test_junk_is_refused(junk: object) -> None:
    with pytest.raises(FormatError, match=r"^mappings\.json: "):
        Mappings.from_dict(junk, {"beat": 3})


def test_rows_are_on_the_finest_axis_in_the_order_of_the_parts() -> None:
    given_track = track(SIZES["wide"], seed=9, n=12)
    projection = FITTED["wide"].find("pca").projection
    mood, beat = projection.parts
    times, y = projection.rows(given_track)
    np.testing.assert_array_equal(times, given_track["beat"].times)
    np.testing.assert_allclose(y[:, 2:], project(beat.steps, given_track["beat"].values))
    slow = project(mood.steps, given_track["mood"].values)
    for column in range(2):
        expected = np.interp(times, given_track["mood"].times, slow[:, column])
        np.testing.assert_allclose(y[:, column], expected)


def test_of_equal_steps_the_first_part_gives_the_axis() -> None:
    # Sums of steps differ in the last digit.
    times = np.array([0.1 * i for i in range(20)]), 0.03 + np.cumsum([0.1] * 20)
    both = [Encodings(t, np.random.default_rng(0).normal(size=(20, 1))) for t in times]
    for first, second in (("a", "b"), ("b", "a")):
        given_track = {first: both[0], second: both[1]}
        mappings = fit_mappings({name: [one] for name, one in given_track.items()}, n_parameters={"a": 1, "b": 1})
        np.testing.assert_array_equal(mappings.find().projection.rows(given_track)[0], times[0])


def test_everything_is_fitted_to_all_tracks() -> None:
    tracks = [track(SIZES["wide"], seed=seed, n=10 + seed) for seed in range(3)]
    mappings = fit_mappings(
        {name: [one[name] for one in tracks] for name in SIZES["wide"]}, n_parameters={"mood": 2, "beat": 3}, seed=4
    )
    beats = np.concatenate([one["beat"].values for one in tracks])
    for projection in mappings.projections:
        assert projection.parts[1].steps == fit_projection(projection.name, beats, n_parameters=3, seed=4)
        y = np.concatenate([projection.rows(one)[1] for one in tracks])
        assert projection.scalings == tuple(
            Scaling.fit(y, mode=mode, method=method) for mode in SCALING_MODES for method in SCALING_METHODS
        )


@pytest.mark.parametrize(("n_songs", "axis"), [(10, 1), (9, 0)])
def test_where_there_are_enough_songs_the_look_follows_what_tells_them_apart(n_songs: int, axis: int) -> None:
    rng = np.random.default_rng(0)
    songs: dict[str, list[Encodings]] = {"look": [], "beat": []}
    for song in range(n_songs):
        # The first component varies within every song, the second between songs only.
        swing = np.tile([0.0, 1.0], 20)
        values = np.stack([swing, np.full(40, 0.3 * (song % 3))], axis=1) + 0.01 * rng.normal(size=(40, 2))
        songs["look"].append(Encodings(0.5 * np.arange(40), values, loudness=values.sum(axis=1)))
        songs["beat"].append(Encodings(0.02 * np.arange(1_000), rng.normal(size=(1_000, 1))))
    mappings = fit_mappings(songs, n_parameters={"look": 1, "beat": 1}, projections=("pca",))
    rows = np.concatenate([track.values for track in songs["look"]])
    y = project(mappings.projections[0].parts[0].steps, rows)[:, 0]
    assert np.corrcoef(y, rows[:, axis])[0, 1] > 0.99


def test_what_an_encoder_does_not_allow_is_left_out_with_its_reason() -> None:
    assert [projection.name for projection in FITTED["even"].projections] == list(PROJECTIONS)
    assert FITTED["even"].left_out == {}
    left_out = FITTED["wide"].left_out
    assert list(left_out) == ["raw", "random"]
    assert left_out["raw"].startswith("mood: raw needs an encoding of 2, one component per parameter, and this has 4")


def test_without_any_projection_all_reasons_are_given() -> None:
    few = {"beat": [encodings("beat", np.eye(3))]}
    with pytest.raises(
        ProjectionError, match=r"no projection is possible. raw: beat: .*; kmeans: beat: .* there are 3"
    ):
        fit_mappings(few, projections=("raw", "kmeans"))


def test_the_default_is_what_was_asked_for_or_the_first() -> None:
    tracks = {"beat": [encodings("beat", track(SIZES["alone"], seed=0, n=30)["beat"].values)]}
    assert str(fit_mappings(tracks, n_parameters=4).default) == "raw/features/standard"
    assert str(fit_mappings(tracks, n_parameters=2).default) == "pca/features/standard"
    wanted = ("kmeans", "across", "per-track")
    assert fit_mappings(tracks, n_parameters=2, default=wanted).default == wanted
    with pytest.raises(ProjectionError, match=r"default=raw/features/robust is not among .* raw: beat: raw needs"):
        fit_mappings(tracks, n_parameters=2, default=("raw", "features", "robust"))


def test_find_fills_in_the_default_and_lists_the_offers() -> None:
    mappings = FITTED["wide"]
    assert len(mappings.offers) == 3 * 8
    assert mappings.find() == mappings.find("pca", "features", "standard")
    assert mappings.find(method="minmax").scaling.mode == "features"
    assert mappings.find("kmeans").projection.name == "kmeans"
    with pytest.raises(ValueError, match=r"^raw/features/standard: the bundle offers pca/features/standard, pca/"):
        mappings.find("raw")


def test_per_track_is_fitted_to_the_track() -> None:
    given_track = track(SIZES["even"], seed=3, n=40, spread=0.4)
    mapping = FITTED["even"].find("raw", "features", "per-track")
    robust = FITTED["even"].find("raw", "features", "robust")
    fitted, still = (one.parameters(given_track)[1] for one in (mapping, robust))
    np.testing.assert_allclose(np.ptp(fitted[:, :3], axis=0), 1)
    assert np.ptp(still, axis=0).max() < 0.9
    np.testing.assert_array_equal(fitted[:, 3:], still[:, 3:])


def test_what_moves_is_of_all_encoders_with_the_smallest_step() -> None:
    rng = np.random.default_rng(0)
    # Sums of steps differ in the last digit.
    times = {"a": 0.1 * np.arange(20), "b": np.arange(8) * 0.25, "c": 0.03 + np.cumsum([0.1] * 20)}
    given_track = {name: Encodings(t, rng.normal(size=(len(t), 3))) for name, t in times.items()}
    mappings = fit_mappings({name: [one] for name, one in given_track.items()}, n_parameters={"a": 1, "b": 3, "c": 2})
    projection = mappings.find("pca").projection
    assert projection.moving(given_track).tolist() == [True, False, False, False, True, True]
    # One encoding alone has no step.
    lone = {name: Encodings(one.times[:1], one.values[:1]) for name, one in given_track.items()}
    assert projection.moving(lone).all()
    assert projection.moving({**lone, "b": given_track["b"]}).tolist() == [False, True, True, True, False, False]


@pytest.mark.parametrize(
    ("tracks", "n_parameters", "message"),
    [
        ({"a": 2, "b": 2}, 10, "say how many each of a, b drives"),
        ({"a": 2, "b": 2}, {"a": 10}, "give every encoder"),
        ({"a": 2}, {"a": 0}, "give every encoder"),
        ({"a": 2, "b": 3}, {"a": 1, "b": 1}, "the same tracks are expected"),
        ({"a": 0}, 10, "the same tracks are expected"),
        ({}, {}, "give every encoder"),
    ],
)
def test_encoders_that_do_not_fit_together_are_refused(
    tracks: dict[str, int], n_parameters: int | dict[str, int], message: str
) -> None:
    one = Encodings(np.arange(3.0), np.eye(3))
    with pytest.raises(ValueError, match=message):
        fit_mappings({name: [one] * n for name, n in tracks.items()}, n_parameters=n_parameters)


@pytest.mark.parametrize(
    ("times", "values", "message"),
    [
        ([0, 1], np.eye(3), "a time per value"),
        ([], np.empty((0, 3)), "at least one"),
        ([0, 1, 1], np.eye(3), "must rise"),
        ([0, 1, np.inf], np.eye(3), "finite"),
        ([0, 1, 2], np.full((3, 3), np.nan), "NaN or infinity; the encoder"),
    ],
)
def test_broken_encodings_are_refused(times: list[float], values: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Encodings(np.asarray(times, np.float64), values)


def test_missing_encodings_are_refused() -> None:
    given_track = track(SIZES["even"], seed=0, n=4)
    with pytest.raises(ValueError, match="raw needs encodings of 'mood'; given: beat"):
        FITTED["even"].find("raw").projection.rows({"beat": given_track["beat"]})
