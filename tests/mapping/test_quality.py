from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from tfdeepviz.mapping.quality import (
    FRAMES_PER_SECOND,
    Quality,
    comparable_genres,
    genre_separation,
    measure_track,
    responsiveness,
    speed,
    summarize,
)
from tfdeepviz.reports.measures import MAPPING, of_kind

Floats = npt.NDArray[np.float64]

_SECONDS = 30


def beats(seed: int = 0, seconds: float = _SECONDS) -> Floats:
    """Onset strength of irregular beats."""
    rng = np.random.default_rng(seed)
    strength = np.zeros(round(seconds * FRAMES_PER_SECOND))
    strength[rng.choice(len(strength), len(strength) // 20, replace=False)] = rng.uniform(1, 2, len(strength) // 20)
    smoothed: Floats = gaussian_filter1d(strength, 2) + 0.001 * rng.random(len(strength))
    return smoothed


def moved_by(onset: Floats) -> Floats:
    """Parameters that move as far as the onsets are strong: two of them, one way and the other."""
    path = np.cumsum(onset)
    return np.stack([path, -2 * path], axis=1)


def noise(seed: int, n_parameters: int = 10, seconds: float = _SECONDS) -> Floats:
    return np.random.default_rng(seed).random((round(seconds * FRAMES_PER_SECOND), n_parameters))


def numbers(quality: Quality) -> dict[str, float]:
    return {name: value for name, value in quality.values.items() if value is not None}


def test_speed_is_the_distance_to_the_frame_before() -> None:
    still = np.zeros((100, 2))
    still[50:] = (3.0, 4.0)
    moved = speed(still)
    assert moved.shape == (99,)
    assert moved.argmax() == 49
    np.testing.assert_allclose(moved.sum(), 5)
    np.testing.assert_allclose(moved[49] / moved[48], np.exp(0.5))  # a Gaussian of one frame


def test_what_moves_with_the_onsets_is_responsive() -> None:
    onset = beats()
    followed = responsiveness(moved_by(onset), onset)
    assert followed.r > 0.95
    assert followed.lag_seconds == 0
    assert followed.z > 10


def test_onsets_that_are_the_speed_are_followed_perfectly() -> None:
    parameters = noise(0)
    followed = responsiveness(parameters, np.concatenate([[0], speed(parameters)]))
    assert followed.r == pytest.approx(1)
    assert followed.lag_seconds == 0


@pytest.mark.parametrize("frames", [-3, 1, 3, 7])
def test_the_lag_is_how_much_later_the_picture_is(frames: int) -> None:
    onset = beats()
    followed = responsiveness(np.roll(moved_by(onset), frames, axis=0), onset)
    assert followed.lag_seconds == pytest.approx(frames / FRAMES_PER_SECOND)
    assert followed.r > 0.9


def test_a_picture_that_is_too_late_does_not_follow() -> None:
    onset = beats()
    assert responsiveness(np.roll(moved_by(onset), 20, axis=0), onset).r < 0.3


def test_noise_does_not_follow() -> None:
    followed = [responsiveness(noise(seed), beats(seed)) for seed in range(40)]
    assert abs(np.mean([one.z for one in followed])) < 0.6
    assert np.mean([one.r for one in followed]) < 0.1


@given(gain=st.floats(0.01, 100), seed=st.integers(0, 5))
def test_order_is_all_that_counts(gain: float, seed: int) -> None:
    onset, parameters = beats(seed, seconds=5), np.cumsum(beats(seed + 1, seconds=5))[:, None]
    assert responsiveness(parameters, onset).r == pytest.approx(
        responsiveness(gain * parameters, np.exp(onset)).r, abs=1e-6
    )


@pytest.mark.parametrize(
    ("parameters", "onset"),
    [
        (np.full((1_500, 10), 0.3), beats()),
        (noise(0), np.zeros(1_500)),
        (np.full((1_500, 10), 0.3), np.zeros(1_500)),
    ],
)
def test_of_what_never_changes_all_is_zero(parameters: Floats, onset: Floats) -> None:
    followed = responsiveness(parameters, onset)
    assert (followed.r, followed.lag_seconds, followed.z) == (0, 0, 0)


@pytest.mark.parametrize(
    ("parameters", "onset", "message"),
    [
        (noise(0), beats()[1:], "one onset for each row"),
        (noise(0)[:, 0], beats(), "one onset for each row"),
        (noise(0)[:149], beats()[:149], r"2\.98 s of parameters: at least 3 s"),
        (np.full((1_500, 2), np.nan), beats(), "NaN"),
        (noise(0), np.full(1_500, np.inf), "NaN or infinity"),
    ],
)
def test_what_cannot_be_measured_is_refused(parameters: Floats, onset: Floats, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        responsiveness(parameters, onset)


def test_three_seconds_are_enough() -> None:
    onset = beats(seconds=3)
    assert responsiveness(moved_by(onset), onset).r > 0.9


def test_clipped_is_the_share_of_time_at_the_ends() -> None:
    parameters = np.full((1_000, 4), 0.5)
    parameters[:100, 0] = 0.0
    parameters[:300, 1] = 1.0
    # What is smoothed comes near without arriving.
    parameters[:50, 2] = 1e-4
    parameters[:50, 3] = 0.01
    assert measure_track(parameters, np.zeros(1_000)).clipped == (100 + 300 + 50) / 4_000


def test_a_driver_that_stands_still_is_dead() -> None:
    rng = np.random.default_rng(0)
    tracks = [measure_track(np.full((200, 10), value), rng.random(200)) for value in (0.2, 0.4, 0.6)]
    quality = summarize(tracks, genres=["Rock", "Folk", "Rock"], artists=["a", "b", "c"])
    values = numbers(quality)
    assert [values[name] for name in ("responsiveness", "z", "lag_seconds")] == [0, 0, 0]
    assert values["n_dead"] == 10
    assert values["mean_std"] == pytest.approx(0, abs=1e-9)
    assert values["clipped"] == 0
    assert values["between_share"] == pytest.approx(1)
    # Each stands in its own place.
    assert values["self_retrieval"] == 1
    same = summarize([tracks[0]] * 3, genres=[""] * 3, artists=["a"] * 3).values
    assert same["between_share"] == 0
    assert same["self_retrieval"] == 0


def test_summary_of_a_good_driver() -> None:
    onsets = [beats(seed) for seed in range(6)]
    tracks = []
    for i, onset in enumerate(onsets):
        path = np.cumsum(onset)
        wave = 0.5 + 0.1 * np.sin(path[:, None] + np.arange(10)) + 0.3 * np.sin(i + np.arange(10))
        tracks.append(measure_track(np.clip(wave, 0, 1), onset))
    quality = summarize(tracks, genres=["Rock", "Folk"] * 3, artists=list("abcdef"))
    values, intervals = numbers(quality), quality.intervals
    assert list(quality.values) == [measure.name for measure in of_kind(MAPPING)]
    assert values["responsiveness"] == pytest.approx(np.mean([track.responsiveness.r for track in tracks]))
    assert 0.5 < intervals["responsiveness"][0] < values["responsiveness"] < intervals["responsiveness"][1] <= 1
    assert values["self_retrieval"] == 1
    assert intervals["self_retrieval"] == pytest.approx((0.61, 1), abs=0.01)
    assert 0.5 < values["between_share"] < 1
    assert values["n_dead"] == 0
    assert intervals["mean_std"][0] < values["mean_std"] < intervals["mean_std"][1]
    assert values["min_std"] == min(quality.std) < 0.1


def test_intervals_take_an_artists_tracks_together() -> None:
    tracks = [measure_track(np.clip(noise(i) * (0.2 + 0.1 * (i // 4)), 0, 1), beats(i)) for i in range(24)]
    artists = [f"artist {i // 4}" for i in range(24)]
    known, unknown = (summarize(tracks, genres=[""] * 24, artists=names) for names in (artists, [""] * 24))
    assert known.values["mean_std"] == unknown.values["mean_std"]
    (wide_low, wide_high), (low, high) = (one.intervals["mean_std"] for one in (known, unknown))
    assert wide_low < low < high < wide_high


def test_genres_need_two_artists() -> None:
    genres = ["Rock", "Rock", "Folk", "Folk", "Jazz", "", ""]
    artists = ["a", "b", "c", "c", "d", "e", "f"]
    assert comparable_genres(genres, artists) == ["Rock"]
    assert genre_separation(np.eye(7), genres, artists) is None
    assert comparable_genres([*genres, "Folk"], [*artists, "a"]) == ["Folk", "Rock"]


def test_genres_apart_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    genres = np.repeat(["Folk", "Rock", "Jazz"], 8).tolist()
    artists = [f"{genre} {i % 4}" for i, genre in enumerate(genres)]
    place = np.repeat(np.eye(3), 8, axis=0)
    apart = genre_separation(place + 0.05 * rng.normal(size=place.shape), genres, artists)
    assert apart is not None
    assert apart.silhouette > 0.8
    assert (apart.probe_accuracy, apart.interval) == (1, (1, 1))
    # Tracks without a genre that can be compared change nothing.
    more = np.concatenate([place, rng.random((3, 3))])
    assert genre_separation(more, [*genres, "", "Pop", "Pop"], [*artists, "x", "y", "y"]) == genre_separation(
        place, genres, artists
    )


def test_knowing_the_artist_does_not_help_the_probe() -> None:
    # Every artist has a place of their own, which says nothing of the genre.
    rng = np.random.default_rng(3)
    n_artists, n_each = 30, 6
    place = np.repeat(rng.normal(size=(n_artists, 5)), n_each, axis=0)
    genres = np.repeat(["Folk", "Rock"] * (n_artists // 2), n_each).tolist()
    artists = np.repeat([f"artist {i}" for i in range(n_artists)], n_each).tolist()
    apart = genre_separation(place + 0.01 * rng.normal(size=place.shape), genres, artists)
    assert apart is not None
    assert apart.probe_accuracy < 0.7
    assert apart.interval[0] < apart.probe_accuracy < apart.interval[1]


def test_genres_in_one_place_are_not_told_apart() -> None:
    genres, artists = ["Folk", "Rock", "Jazz"] * 4, [f"artist {i}" for i in range(12)]
    apart = genre_separation(np.zeros((12, 20)), genres, artists)
    assert apart is not None
    assert apart.silhouette == 0
    assert apart.probe_accuracy <= 0.5


def test_what_does_not_fit_together_is_refused() -> None:
    track = measure_track(noise(0), beats())
    for tracks, genres, artists in (
        ([track], [""], ["a"]),
        ([track] * 2, [""], ["a"] * 2),
        ([track] * 2, [""] * 2, []),
    ):
        with pytest.raises(ValueError, match="at least two tracks, with a genre and an artist each"):
            summarize(tracks, genres=genres, artists=artists)
