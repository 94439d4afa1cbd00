from __future__ import annotations

import json
import math
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import accuracy_score, precision_recall_fscore_support, top_k_accuracy_score

from tfdeepviz.errors import InputError
from tfdeepviz.models import scores
from tfdeepviz.models.scores import (
    between_share,
    expected_calibration_error,
    interval_of_balanced_share,
    interval_of_mean,
    interval_of_share,
    score_autoencoder,
    score_classifier,
    score_songs,
    self_retrieval,
)

GENRES = ("Rock", "Folk", "Jazz", "Pop", "Blues")

Split = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64]]


def interval_of_ratio(errors: npt.ArrayLike, bars: npt.ArrayLike) -> tuple[float, float]:
    """Interval of the ratio of two errors, over tracks of one segment each."""
    values = score_autoencoder({"model": errors, "pca": bars}, np.arange(np.size(errors)))
    low, high = values["intervals"]["mse_to_pca"]
    return low, high


def one_hot(*answers: int) -> npt.NDArray[np.float64]:
    """Segments that are sure of a genre, but not entirely, so that pooled answers have no ties."""
    noise = np.random.default_rng(0).uniform(0, 0.01, (len(answers), len(GENRES)))
    p = np.eye(len(GENRES))[list(answers)] + noise
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def invented(seed: int = 0, n_tracks: int = 60, n_genres: int = len(GENRES), sharpness: float = 2.0) -> Split:
    """A classifier that is often right, on tracks of 1 to 9 segments in mixed order."""
    rng = np.random.default_rng(seed)
    track = rng.permutation(np.repeat(np.arange(n_tracks), rng.integers(1, 10, n_tracks)))
    labels = rng.integers(n_genres, size=n_tracks)[track]
    logits = rng.normal(size=(len(track), n_genres)) + sharpness * np.eye(n_genres)[labels]
    p = np.exp(logits)
    return p / p.sum(axis=1, keepdims=True), labels, 7 * track + 100


@st.composite
def splits(draw: st.DrawFn) -> Split:
    n_tracks = draw(st.integers(1, 6))
    track = draw(arrays.arrays(np.int64, st.integers(1, 20), elements=st.integers(0, n_tracks - 1)))
    of_track = draw(arrays.arrays(np.int64, n_tracks, elements=st.integers(0, len(GENRES) - 1)))
    # Few different values, so that ties are common.
    weights = draw(arrays.arrays(np.int64, (len(track), len(GENRES)), elements=st.integers(0, 3)))
    weights[weights.sum(axis=1) == 0] = 1
    return weights / weights.sum(axis=1, keepdims=True), of_track[track], track


def test_two_tracks_by_hand() -> None:
    # Track 8 has two votes for Rock and one for Folk; track 5 is surer of Folk than it is often of Jazz.
    p = np.array([[0.6, 0.4, 0], [0.1, 0.8, 0.1], [0.5, 0.3, 0.2], [0, 0.95, 0.05], [0, 0.4, 0.6], [0, 0.45, 0.55]])
    result = score_classifier(p, [0, 0, 0, 2, 2, 2], [8, 8, 8, 5, 5, 5], GENRES[:3])
    assert result["n_segments"] == 6
    assert result["n_tracks"] == 2
    assert result["segment_accuracy"] == pytest.approx(4 / 6)
    assert result["segment_top_3_accuracy"] == 1
    assert result["polled_accuracy"] == 1
    assert result["pooled_accuracy"] == 0
    assert result["top_3_accuracy"] == 1
    assert result["macro_f1"] == 0
    assert result["majority_baseline"] == 0.5
    assert result["confusion"] == [[0, 1, 0], [0, 0, 0], [0, 1, 0]]
    assert result["per_genre"][0] == {
        **{"genre": "Rock", "n_tracks": 1, "n_segments": 3, "precision": None, "recall": 0.0, "f1": 0.0},
        "polled_accuracy": 1.0,
    }
    assert result["per_genre"][1] == {
        **{"genre": "Folk", "n_tracks": 0, "n_segments": 0, "precision": 0.0, "recall": None, "f1": None},
        "polled_accuracy": None,
    }


@pytest.mark.parametrize("answers", [(0, 0, 1, 1), (1, 0), (0, 1, 2, 3, 4), (0, 0, 1, 1, 2)])
def test_a_tie_for_the_most_votes_is_wrong(answers: tuple[int, ...]) -> None:
    for label in range(2):
        result = score_classifier(one_hot(*answers), [label] * len(answers), [3] * len(answers), GENRES)
        assert result["polled_accuracy"] == 0


def test_a_tie_for_fewer_votes_does_not_matter() -> None:
    assert score_classifier(one_hot(0, 1, 2, 0), [0] * 4, [3] * 4, GENRES)["polled_accuracy"] == 1


@given(splits())
def test_polling_is_the_papers(split: Split) -> None:
    p, labels, track_ids = split
    votes: dict[int, Counter[int]] = defaultdict(Counter)
    for track, answer in zip(track_ids.tolist(), p.argmax(axis=1).tolist(), strict=True):
        votes[track][answer] += 1
    truth = dict(zip(track_ids.tolist(), labels.tolist(), strict=True))
    n_right = 0
    for track, counter in votes.items():
        (winner, most), *others = counter.most_common()
        n_right += winner == truth[track] and not (others and others[0][1] == most)
    result = score_classifier(p, labels, track_ids, GENRES)
    assert result["polled_accuracy"] == pytest.approx(n_right / len(votes))
    by_genre = sum((row["polled_accuracy"] or 0) * row["n_tracks"] for row in result["per_genre"])
    assert by_genre == pytest.approx(n_right)


@given(splits(), st.randoms(use_true_random=False))
def test_the_order_of_segments_does_not_matter(split: Split, random: Any) -> None:
    p, labels, track_ids = split
    order = list(range(len(p)))
    random.shuffle(order)
    one = score_classifier(p, labels, track_ids, GENRES)
    other = score_classifier(p[order], labels[order], track_ids[order], GENRES)
    for name in ("segment_accuracy", "segment_top_3_accuracy", "polled_accuracy", "majority_baseline"):
        assert one[name] == pytest.approx(other[name])


@given(splits())
def test_tracks_of_one_segment_are_segments(split: Split) -> None:
    p, labels, _ = split
    result = score_classifier(p, labels, np.arange(len(p)), GENRES)
    assert result["polled_accuracy"] == result["pooled_accuracy"] == pytest.approx(result["segment_accuracy"])
    assert result["top_3_accuracy"] == pytest.approx(result["segment_top_3_accuracy"])


@given(splits())
def test_what_holds_for_every_split(split: Split) -> None:
    result = score_classifier(*split, GENRES)
    json.dumps(result, allow_nan=False)
    n_tracks, confusion = result["n_tracks"], np.array(result["confusion"])
    assert confusion.sum() == n_tracks == len(set(split[2].tolist()))
    assert confusion.trace() / n_tracks == pytest.approx(result["pooled_accuracy"])
    assert confusion.sum(axis=1).tolist() == [row["n_tracks"] for row in result["per_genre"]]
    assert sum(row["n_segments"] for row in result["per_genre"]) == result["n_segments"]
    assert result["top_3_accuracy"] >= result["pooled_accuracy"]
    assert 1 / len(GENRES) <= result["majority_baseline"] <= 1
    for name, (low, high) in result["intervals"].items():
        assert 0 <= low <= result[name] <= high <= 1


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scikit_learn(seed: int) -> None:
    p, labels, track_ids = invented(seed)
    result = score_classifier(p, labels, track_ids, GENRES)
    tracks = np.unique(track_ids)
    pooled = np.stack([p[track_ids == track].mean(axis=0) for track in tracks])
    truth = np.array([labels[track_ids == track][0] for track in tracks])
    names = np.arange(len(GENRES))
    assert result["segment_accuracy"] == pytest.approx(accuracy_score(labels, p.argmax(axis=1)))
    assert result["segment_top_3_accuracy"] == pytest.approx(top_k_accuracy_score(labels, p, k=3, labels=names))
    assert result["top_3_accuracy"] == pytest.approx(top_k_accuracy_score(truth, pooled, k=3, labels=names))
    expected = precision_recall_fscore_support(truth, pooled.argmax(axis=1), labels=names)
    for name, values in zip(("precision", "recall", "f1", "n_tracks"), expected, strict=True):
        assert [row[name] for row in result["per_genre"]] == pytest.approx(values)
    assert result["macro_f1"] == pytest.approx(np.mean(expected[2]))


def test_genres_that_do_not_occur_are_left_out_of_macro_f1() -> None:
    p, labels, track_ids = invented()
    more = np.pad(p, ((0, 0), (0, 20)))
    one = score_classifier(p, labels, track_ids, GENRES)
    other = score_classifier(more, labels, track_ids, [*GENRES, *(f"Genre {i}" for i in range(20))])
    assert one["macro_f1"] == other["macro_f1"]


def test_fewer_than_three_genres_are_always_among_the_top_3() -> None:
    p, labels, track_ids = invented(n_genres=2)
    result = score_classifier(p, labels, track_ids, GENRES[:2])
    assert result["segment_top_3_accuracy"] == result["top_3_accuracy"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probabilities": [[0.5, 0.5]] * 3}, r"probabilities have shape \(3, 2\).*the 3 genres"),
        ({"labels": [0, 0]}, r"labels \(2,\)"),
        ({"track_ids": [1, 1]}, r"track_ids \(2,\)"),
        ({"probabilities": [[np.nan, 0, 1]] * 3}, "nan is not a probability"),
        ({"probabilities": [[-3.5, 2.0, 1.0]] * 3}, "-3.5 is not a probability; give the softmax"),
        ({"probabilities": [[0.2, 0.2, 0.2]] * 3}, "segment 0 add up to 0.6"),
        ({"labels": [0, 0, -1], "track_ids": [1, 1, 2]}, "labels: -1 is not among the 3 genres; omit"),
        ({"labels": [0, 0, 3]}, "labels: 3 is not among"),
        ({"labels": [0.0, 0.0, 1.0]}, "labels: float64 given"),
        ({"labels": [0, 1, 2], "track_ids": [4, 4, 5]}, "track 4 has 2, 'Rock', 'Folk'"),
        ({"genres": ["Rock", "Folk", "Rock"]}, "genres: 'Rock' occurs twice"),
        ({"probabilities": np.empty((0, 3)), "labels": [], "track_ids": []}, r"labels: shape \(0,\)"),
    ],
)
def test_impossible_answers_are_refused(change: dict[str, Any], message: str) -> None:
    values: dict[str, Any] = {"probabilities": np.eye(3), "labels": [0, 0, 1], "track_ids": [1, 1, 2]}
    values["genres"] = GENRES[:3]
    score_classifier(**values)
    with pytest.raises(ValueError, match=message):
        score_classifier(**{**values, **change})


def test_wilsons_interval() -> None:
    # By the formula: centre (k + z^2/2) / (n + z^2), for 31 of 34.
    z, k, n = 1.959964, 31, 34
    centre = (k + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * math.sqrt(k * (n - k) / n + z**2 / 4)
    assert interval_of_share(np.arange(n) < k) == pytest.approx((centre - half, centre + half))
    assert interval_of_share([True] * 10) == pytest.approx((10 / (10 + z**2), 1))
    for right in ([], [[True]]):
        with pytest.raises(ValueError, match="one truth value per track"):
            interval_of_share(right)


def test_tracks_of_an_artist_count_together() -> None:
    right = np.arange(40) % 4 > 0
    alone = interval_of_share(right)
    assert interval_of_share(right, [f"artist {i}" for i in range(40)]) == interval_of_share(right, [""] * 40) == alone
    # All tracks of an artist have the same answer: so many artists are so many observations.
    assert interval_of_share(np.repeat(right, 5), np.repeat(np.arange(40).astype(str), 5).tolist()) == pytest.approx(
        alone
    )
    values = np.random.default_rng(6).normal(size=40)
    repeated = interval_of_mean(np.repeat(values, 5), np.repeat(np.arange(40).astype(str), 5).tolist())
    assert repeated == pytest.approx(interval_of_mean(values))
    # Where nobody fails, or only one artist is known, an artist is one observation.
    names = np.repeat(["a", "b", "c"], 10).tolist()
    assert interval_of_share([True] * 30, names) == pytest.approx(interval_of_share([True] * 3))
    assert interval_of_share([True, False] * 15, ["a"] * 30)[0] < 0.1
    with pytest.raises(ValueError, match="2 artists for 3 tracks"):
        interval_of_share([True] * 3, ["a", "b"])


@pytest.mark.parametrize("kind", ["share", "mean"])
def test_intervals_cover_the_truth_where_artists_differ(kind: str) -> None:
    rng = np.random.default_rng(7)
    hits = {"known": 0, "unknown": 0}
    for _ in range(200):
        sizes = rng.integers(1, 9, 40)
        artists = np.repeat([f"artist {i}" for i in range(40)], sizes).tolist()
        # Shares of artists are spread evenly over 0.2 to 0.8, means normally around 0.5.
        of_artist = np.repeat(rng.uniform(0.2, 0.8, 40) if kind == "share" else rng.normal(0.5, 0.3, 40), sizes)
        if kind == "share":
            of_artist = np.where(rng.random(len(of_artist)) < 0.5, of_artist > 0.5, rng.random(len(of_artist)) < 0.5)
        else:
            of_artist += rng.normal(0, 0.1, len(of_artist))
        for name, known in (("known", artists), ("unknown", None)):
            low, high = (interval_of_share if kind == "share" else interval_of_mean)(of_artist, known)
            hits[name] += low <= 0.5 <= high
    assert 172 <= hits["known"] <= 199
    assert hits["unknown"] < 170


def test_scores_of_all_kinds_take_an_artists_tracks_together() -> None:
    rng = np.random.default_rng(8)
    track_ids = np.repeat(np.arange(60), 4)
    artist = np.arange(60) // 6
    artists = {i: f"artist {artist[i]}" for i in range(60)}
    errors = {"model": (rng.lognormal(0, 0.5, 10)[artist] + rng.uniform(0, 0.1, 60))[track_ids]}
    p, labels = np.full((240, 2), 0.25), np.zeros(240, np.int64)
    p[np.arange(240), (artist % 3 == 0).astype(int)[track_ids]] = 0.75
    # Every second artist plays the same piece again and again.
    songs = rng.normal(size=(60, 3))[np.where(artist % 2, np.arange(60), artist)][track_ids]
    kinds: dict[str, Callable[[dict[int, str] | None], dict[str, Any]]] = {
        "mse": lambda known: score_autoencoder(errors, track_ids, known),
        "pooled_accuracy": lambda known: score_classifier(p, labels, track_ids, ("Rock", "Folk"), known),
        "self_retrieval": lambda known: score_songs(songs, track_ids, known),
    }
    for name, score in kinds.items():
        wide, narrow = (score(known)["intervals"][name] for known in (artists, None))
        assert wide[0] < narrow[0] < narrow[1] < wide[1], name
        assert [score(known)["n_artists"] for known in (artists, None, {0: "one", 1: "one"})] == [10, 60, 59]
    assert score_autoencoder(errors, track_ids, dict.fromkeys(range(60), "one"))["intervals"] == {}


def songs_by_the_formula(encodings: npt.NDArray[np.float64], track_ids: npt.NDArray[np.int64]) -> float:
    tracks = [encodings[track_ids == track] for track in dict.fromkeys(track_ids.tolist())]
    first, second = (np.stack([np.split(track, 2)[half].mean(axis=0) for track in tracks]) for half in (0, 1))
    distances = np.square(second[:, None] - first[None]).sum(axis=2)
    nearer = (distances <= distances.diagonal()[:, None]).sum(axis=1) - 1  # than the track's own, or as near
    return float((nearer == 0).mean())


@pytest.mark.parametrize("at_a_time", [1, 70, 1 << 22])
def test_songs_are_compared_in_parts(at_a_time: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "_MAX_DISTANCES", at_a_time)
    rng = np.random.default_rng(9)
    track_ids = np.repeat(rng.permutation(30), 4)
    for encodings in (
        rng.normal(size=(120, 5)) + np.repeat(rng.normal(size=(30, 5)), 4, axis=0),
        rng.integers(0, 2, (120, 2)).astype(float),  # with ties
        np.zeros((120, 3)),
    ):
        result = score_songs(encodings, track_ids)
        assert result["self_retrieval"] == songs_by_the_formula(encodings, track_ids)


def test_memory_does_not_grow_with_the_square_of_the_tracks() -> None:
    n, size = 4_000, 64
    encodings = np.random.default_rng(10).normal(size=(2 * n, size)).astype(np.float32)
    track_ids = np.repeat(np.arange(n), 2)
    tracemalloc.start()
    score_songs(encodings, track_ids)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # All distances alone would be 128 MB, and all differences 8 GB.
    assert peak < 80e6


def test_identical_halves_are_found() -> None:
    halves = np.random.default_rng(0).random((30, 20))
    assert self_retrieval(halves, halves).all()


def test_unrelated_halves_are_found_by_chance() -> None:
    rng = np.random.default_rng(0)
    assert self_retrieval(rng.random((1_000, 20)), rng.random((1_000, 20))).mean() < 0.01


@given(seed=st.integers(0, 1_000))
def test_retrieval_does_not_depend_on_the_order_of_tracks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 3, (12, 2)).astype(float)  # with ties
    second = first + 0.4 * rng.normal(size=first.shape)
    order = rng.permutation(12)
    np.testing.assert_array_equal(self_retrieval(first, second)[order], self_retrieval(first[order], second[order]))


def test_halves_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    first = rng.integers(0, 9, (50, 2)).astype(float)  # with ties
    second = first + 0.4 * rng.normal(size=first.shape)
    whole = self_retrieval(first, second)
    assert 0 < whole.sum() < 50
    for at_a_time in (1, 120):
        monkeypatch.setattr(scores, "_MAX_DISTANCES", at_a_time)
        np.testing.assert_array_equal(self_retrieval(first, second), whole)


def test_many_halves_need_little_memory() -> None:
    halves = np.random.default_rng(2).random((4_000, 20))
    tracemalloc.start()
    self_retrieval(halves, halves)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 80e6  # all distances at a time would be 128 MB


def test_an_encoder_that_tells_nothing_apart_recognises_no_song() -> None:
    same = np.ones((5, 3))
    assert not self_retrieval(same, same).any()
    # A copy of a track makes both of them unrecognisable, wherever they stand.
    twins = np.array([[0.0], [1.0], [2.0], [1.0]])
    assert self_retrieval(twins, twins).tolist() == [True, False, True, False]


def test_variance_between_tracks() -> None:
    means = np.array([[0.0, 0.5, 0.2], [1.0, 0.5, 0.4]])
    stds = np.array([[0.0, 0.1, 0.1], [0.0, 0.1, 0.1]])
    # All between; all within; as much of both.
    assert between_share(means, np.square(stds)) == pytest.approx((1 + 0 + 0.5) / 3)


def test_the_bootstrap_of_a_mean_is_the_textbooks() -> None:
    values = np.random.default_rng(1).normal(5, 2, 400)
    low, high = interval_of_mean(values)
    half = 1.96 * values.std() / math.sqrt(400)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)
    assert interval_of_mean(values) == (low, high)
    assert interval_of_mean(values, seed=1) != (low, high)


def test_the_bootstrap_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(200):
        scale = rng.lognormal(0, 0.5, 60)
        errors, bars = 0.5 * scale * rng.lognormal(0, 0.2, 60), scale * rng.lognormal(0, 0.2, 60)
        low, high = interval_of_ratio(errors, bars)
        hits += low <= 0.5 <= high
    assert 180 <= hits <= 199


def test_paired_errors_have_a_narrower_ratio_than_mixed_ones() -> None:
    rng = np.random.default_rng(3)
    bars = rng.lognormal(0, 1, 100)
    errors = 0.4 * bars * rng.uniform(0.9, 1.1, 100)
    low, high = interval_of_ratio(errors, bars)
    assert low < errors.sum() / bars.sum() < high
    assert high - low < 0.1 * np.subtract(*interval_of_ratio(rng.permutation(errors), bars)[::-1])


@settings(deadline=None, max_examples=15)
@given(arrays.arrays(np.float64, st.integers(2, 30), elements=st.floats(0.01, 100)), st.floats(0.1, 10))
def test_laws_of_intervals(values: npt.NDArray[np.float64], factor: float) -> None:
    low, high = interval_of_mean(values)
    assert values.min() - 1e-9 <= low <= high <= values.max() + 1e-9
    assert interval_of_mean(factor * values) == pytest.approx((factor * low, factor * high))
    assert interval_of_ratio(factor * values, values) == pytest.approx((factor, factor))


def test_the_interval_of_a_balanced_share() -> None:
    # Nine of ten and one of two: 0.7 on average over the kinds, whatever their sizes.
    right = [True] * 9 + [False, True, False]
    kinds = ["Folk"] * 10 + ["Rock"] * 2
    low, high = interval_of_balanced_share(right, kinds)
    assert low < 0.7 < high <= 1
    # With as many tracks of every kind, by one artist of each kind, it is that of the share.
    right, kinds = [True, False, True, True] * 10, ["Folk", "Rock"] * 20
    artists = [f"artist {i // 2}" for i in range(40)]
    assert interval_of_balanced_share(right, kinds, artists) == pytest.approx(interval_of_mean(right, artists))
    assert interval_of_balanced_share([True, False], ["Folk", "Rock"], ["a", "a"]) == (0.5, 0.5)
    for wrong in ([], [True], [[True], [False]]):
        with pytest.raises(InputError, match="give one of each per track"):
            interval_of_balanced_share(wrong, ["Folk", "Rock"])


def test_calibration_error() -> None:
    # 80 % sure and right 6 times of 10; 60 % sure and right 6 times of 10.
    p = np.repeat([[0.8, 0.2], [0.4, 0.6]], 10, axis=0)
    labels = [0] * 6 + [1] * 4 + [1] * 6 + [0] * 4
    assert expected_calibration_error(p, labels) == pytest.approx(0.1)
    assert expected_calibration_error(np.eye(2), [0, 1]) == 0
    assert expected_calibration_error(np.eye(2), [1, 0]) == 1
    with pytest.raises(InputError, match="one row per label"):
        expected_calibration_error(np.eye(2), [0])


def test_many_tracks_are_resampled_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(4).uniform(size=50)
    whole = interval_of_mean(values)
    monkeypatch.setattr(scores, "_MAX_DRAWN", 60)
    assert interval_of_mean(values) == pytest.approx(whole, abs=0.02)


def test_resamples_without_a_denominator_are_left_out() -> None:
    low, high = interval_of_ratio([1, 0, 0], [2, 0, 0])
    assert (low, high) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("values", "message"),
    [([1], "at least 2 tracks"), ([[1, 2]], "one number per track"), ([1, np.nan], "nan is not a number")],
)
def test_impossible_values_have_no_interval(values: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        interval_of_mean(values)


def test_errors_of_reconstructions() -> None:
    rng = np.random.default_rng(5)
    track_ids = rng.permutation(np.repeat(np.arange(40), rng.integers(1, 9, 40)))
    pca = rng.lognormal(0, 0.5, 40)[track_ids] * rng.uniform(0.5, 1.5, len(track_ids))
    model = 0.4 * pca * rng.uniform(0.8, 1.2, len(track_ids))
    errors = {"pca": pca, "model": model, "mean": 2 * pca, "shuffled": 3 * model}
    result = score_autoencoder(errors, track_ids)
    json.dumps(result, allow_nan=False)
    assert (result["n_segments"], result["n_tracks"]) == (len(track_ids), 40)
    assert result["mse"] == pytest.approx(model.mean())
    assert result["pca_mse"] == pytest.approx(pca.mean())
    assert result["mse_to_pca"] == pytest.approx(model.sum() / pca.sum())
    assert result["mean_mse_to_pca"] == pytest.approx(2)
    assert result["shuffle_rise"] == pytest.approx(2)
    assert set(result["intervals"]) == set(result) - {"n_segments", "n_tracks", "n_artists", "intervals"}
    for name, (low, high) in result["intervals"].items():
        assert low - 1e-9 <= result[name] <= high + 1e-9
    # Of exactly proportional errors the ratio is sure, whichever tracks are drawn.
    assert result["intervals"]["mean_mse_to_pca"] == pytest.approx([2, 2])
    assert result["intervals"]["shuffle_rise"] == pytest.approx([2, 2])
    model_sums, pca_sums = (np.bincount(track_ids, weights=values) for values in (model, pca))
    assert result["intervals"]["mse_to_pca"] == pytest.approx(interval_of_ratio(model_sums, pca_sums))


def test_one_track_has_scores_and_no_intervals() -> None:
    result = score_autoencoder({"model": [1, 3], "pca": [4, 4]}, [9, 9])
    assert result == {
        **{"n_segments": 2, "n_tracks": 1, "n_artists": 1, "mse": 2, "pca_mse": 4, "mse_to_pca": 0.5},
        "intervals": {},
    }


def test_nothing_is_divided_by_a_perfect_reconstruction() -> None:
    result = score_autoencoder({"model": [0, 0], "pca": [0, 0], "shuffled": [1, 1]}, [1, 2])
    assert (result["mse"], result["shuffled_mse"]) == (0, 1)
    assert not {"mse_to_pca", "shuffle_rise"} & set(result)


@pytest.mark.parametrize(
    ("errors", "track_ids", "message"),
    [
        ({"pca": [1, 1]}, [1, 2], "'model' are missing"),
        ({"model": [1, 1, 1]}, [1, 2], r"'model'\]: shape \(3,\)"),
        ({"model": [1, np.nan]}, [1, 2], "nan is not a squared error"),
        ({"model": [1, 1], "pca": [1, -2]}, [1, 2], r"'pca'\]: -2.0 is not"),
        ({"model": []}, [], r"track_ids: shape \(0,\)"),
        ({"model": [1, 1]}, [1.5, 2], "track_ids: float64"),
    ],
)
def test_impossible_errors_are_refused(errors: Any, track_ids: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score_autoencoder(errors, track_ids)
