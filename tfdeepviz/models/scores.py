"""Scores of a split with confidence intervals, which allow for similar segments per track and tracks per artist.

In all of them, `track_ids` [shape=(n_segments,)] is the track of each segment, and `artists` is the artist of each
track where known; a track of an unknown artist counts as its own artist. Scores are dictionaries for JSON, which count
`n_segments`, `n_tracks` and `n_artists`, and have 95 % `intervals` by the names of the scores. Inconsistent arrays and
invalid values raise InputError.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist
from scipy.stats import norm

from tfdeepviz.errors import InputError
from tfdeepviz.reports.measures import MIN_ENCODING_STD

_CONFIDENCE = 0.95
_N_RESAMPLES = 10_000
#: Artists drawn at a time; bounds the memory of resampling to about 100 MB for any size of split.
_MAX_DRAWN = 1 << 22
#: Distances held at a time: 32 MiB.
_MAX_DISTANCES = 1 << 22
#: Tolerance for the sum of a segment's probabilities, which should be 1; half precision is that coarse.
_SUM_TOLERANCE = 0.01
#: Components whose correlations are resampled at a time: 40 MB.
_MAX_CORRELATED = 100
#: A standard deviation below this is rounding error.
_CONSTANT = 1e-9
#: Bins of confidence; as many as Guo et al. take.
_N_BINS = 15

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Interval = tuple[float, float]


def score_encoding(encodings: npt.NDArray[np.float32]) -> dict[str, Any]:
    """Score encodings [shape=(n, encoding_size)]: standard deviation of each component, and number of dead ones."""
    std = encodings.std(axis=0, dtype=np.float64)
    return {"encoding_std": std.round(4).tolist(), "dead_components": int((std < MIN_ENCODING_STD).sum())}


def history_columns(scores: Mapping[str, Any]) -> dict[str, float]:
    """Return the history columns that show whether an encoding is alive, from `score_encoding`."""
    return {"min_encoding_std": min(scores["encoding_std"]), "dead_components": scores["dead_components"]}


def score_classifier(
    probabilities: npt.ArrayLike,
    labels: npt.ArrayLike,
    track_ids: npt.ArrayLike,
    genres: Sequence[str],
    artists: Mapping[int, str] | None = None,
) -> dict[str, Any]:
    """Score a classifier's answers to a split's segments and, aggregated, to its tracks.

    The rows of `probabilities` [shape=(n_segments, n_genres)] add up to 1; among equally probable genres, the first
    counts as the most probable. `labels` [shape=(n_segments,)] are the same for all segments of a track.

    Returns
    -------
    dict
        - `genres`, `segment_accuracy`, `segment_top_3_accuracy`;
        - `polled_accuracy`: every segment votes for its most probable genre, and the genre with the most votes wins. If
          several genres tie, the track counts as wrong, even if the right genre is among them (the paper's measure);
        - `pooled_accuracy` and `top_3_accuracy`: from the mean probabilities over a track's segments;
        - `calibration_error`: `expected_calibration_error` of these;
        - `macro_f1`: mean F1 of the pooled answers over the genres that occur in the split. A genre that does not
          occur has no F1 and is omitted; predicting it still lowers the recall of the right genre;
        - `majority_baseline`: share of the most common genre among the tracks;
        - `confusion` [shape=(n_genres, n_genres)]: number of tracks by right genre (row) and pooled answer (column);
        - `per_genre`: `genre`, `n_tracks`, `n_segments`, `precision`, `recall`, `f1` (all three pooled) and
          `polled_accuracy`; None if undefined (division by zero);
        - `intervals` (`interval_of_share`) of the track accuracies.
    """
    p, truth, ids = _validated(probabilities, labels, track_ids, genres)
    tracks, first, track = np.unique(ids, return_index=True, return_inverse=True)
    label = truth[first]
    if (label[track] != truth).any():
        bad = ids[label[track] != truth][0]
        of_track = [repr(genres[i]) for i in np.unique(truth[ids == bad])]
        raise InputError(f"labels: track {bad} has {len(of_track)}, {', '.join(of_track)}; give one label per track")
    n_tracks, n_genres = len(label), len(genres)
    votes = _count_pairs(track, p.argmax(axis=1), (n_tracks, n_genres))
    most = votes.max(axis=1)
    pooled = _sum_by(track, p, n_tracks) / np.bincount(track)[:, None]
    answer, rank = pooled.argmax(axis=1), _rank(p, truth)
    right = {
        "polled_accuracy": (votes[np.arange(n_tracks), label] == most) & ((votes == most[:, None]).sum(axis=1) == 1),
        "pooled_accuracy": answer == label,
        "top_3_accuracy": _rank(pooled, label) < 3,
    }
    confusion = _count_pairs(label, answer, (n_genres, n_genres))
    n_right, n_true, n_answered = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    n_segments = np.bincount(truth, minlength=n_genres)
    n_polled = np.bincount(label, weights=right["polled_accuracy"], minlength=n_genres)
    per_genre: list[dict[str, Any]] = [
        {
            **{"genre": genre, "n_tracks": int(n_true[i]), "n_segments": int(n_segments[i])},
            "precision": _ratio(n_right[i], n_answered[i]),
            "recall": _ratio(n_right[i], n_true[i]),
            "f1": _ratio(2 * n_right[i], n_true[i] + n_answered[i]) if n_true[i] else None,
            "polled_accuracy": _ratio(n_polled[i], n_true[i]),
        }
        for i, genre in enumerate(genres)
    ]
    of_artists = _artists_of(tracks, artists)
    return {
        **_counts(len(p), n_tracks, of_artists),
        "genres": list(genres),
        "segment_accuracy": float((rank < 1).mean()),
        "segment_top_3_accuracy": float((rank < 3).mean()),
        **{name: float(hits.mean()) for name, hits in right.items()},
        "calibration_error": expected_calibration_error(pooled, label),
        "macro_f1": float(np.mean([row["f1"] for row in per_genre if row["f1"] is not None])),
        "majority_baseline": float(n_true.max() / n_tracks),
        **{"confusion": confusion.tolist(), "per_genre": per_genre},
        "intervals": {name: list(interval_of_share(hits, of_artists)) for name, hits in right.items()},
    }


def expected_calibration_error(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Compute how far a classifier's confidence is from its accuracy, from 0 to 1 (Guo et al. 2017; 15 bins).

    The answers to `labels` [shape=(n,)] are sorted by the largest of their `probabilities` [shape=(n, n_classes)] into
    bins of equal width. The error is the mean, over all answers, of the distance between the mean confidence of their
    bin and its share of right answers. With few answers, it is positive even if the probabilities are exact.
    """
    p, truth = np.asarray(probabilities, np.float64), _as_integers("labels", labels)
    if p.ndim != 2 or len(p) != len(truth):
        raise InputError(f"probabilities have shape {p.shape} and labels {truth.shape}; give one row per label")
    confidence, hits = p.max(axis=1), p.argmax(axis=1) == truth
    index = np.clip(np.ceil(confidence * _N_BINS).astype(np.int64) - 1, 0, _N_BINS - 1)
    surplus = np.bincount(index, weights=confidence - hits, minlength=_N_BINS)
    return float(np.abs(surplus).sum() / len(p))


def score_autoencoder(
    errors: Mapping[str, npt.ArrayLike], track_ids: npt.ArrayLike, artists: Mapping[int, str] | None = None
) -> dict[str, Any]:
    """Score and compare reconstructions of a split's segments, from the errors of `measure_autoencoder`.

    Returns
    -------
    dict
        - `mse`, and `NAME_mse` for every name but `model`: mean over the segments;
        - with `pca`, `mse_to_pca` and `NAME_mse_to_pca`: ratio to the PCA's error;
        - with `shuffled`, `shuffle_rise`: relative rise of the error when encodings are exchanged;
        - `intervals` (bootstrap over artists) of each of these; empty if there is only one artist, because the
          variation between artists is then unknown.

        Scores that would divide by zero are omitted.
    """
    if "model" not in errors:
        raise InputError(f"errors: {', '.join(errors) or 'nothing'} given; the errors of 'model' are missing")
    ids = _as_integers("track_ids", track_ids)
    names = ["model", *(name for name in errors if name != "model")]
    columns = [_as_errors(f"errors[{name!r}]", errors[name], len(ids)) for name in names]
    tracks, track = np.unique(ids, return_inverse=True)
    of_tracks = _sum_by(track, np.stack([*columns, np.ones(len(ids))], axis=1), len(tracks))
    sums = {name: column.sum() for name, column in zip([*names, "n_segments"], of_tracks.T, strict=True)}

    # Numerator, denominator, and the value to subtract from their ratio.
    mse = {name: "mse" if name == "model" else f"{name}_mse" for name in names}
    wanted = {mse[name]: (name, "n_segments", 0) for name in names}
    if "pca" in sums:
        wanted |= {f"{mse[name]}_to_pca": (name, "pca", 0) for name in names if name != "pca"}
    if "shuffled" in sums:
        wanted["shuffle_rise"] = ("shuffled", "unskipped" if "unskipped" in sums else "model", 1)
    wanted = {key: parts for key, parts in wanted.items() if sums[parts[1]] > 0}
    of_artists = _artists_of(tracks, artists)
    cluster, sizes = _clusters(of_artists, len(tracks))
    intervals: dict[str, list[float]] = {}
    if len(sizes) > 1:
        # All columns use the same resamples, so that ratios compare paired errors.
        drawn = dict(zip(sums, _resample(_sum_by(cluster, of_tracks, len(sizes)), 0).T, strict=True))
        for key, (above, below, less) in wanted.items():
            intervals[key] = [end - less for end in _interval(drawn[above], drawn[below])]
    return {
        **_counts(len(ids), len(tracks), of_artists),
        **{key: float(sums[above] / sums[below] - less) for key, (above, below, less) in wanted.items()},
        "intervals": intervals,
    }


def score_songs(
    encodings: npt.ArrayLike, track_ids: npt.ArrayLike, artists: Mapping[int, str] | None = None
) -> dict[str, Any]:
    """Score how well encodings [shape=(n_segments, encoding_size)] tell the tracks of a split apart.

    The segments of a track are consecutive and in temporal order. Only tracks with at least two segments count,
    and there has to be one. Returns the share with `self_retrieval` by the mean encodings of their halves, and its
    interval (`interval_of_share`); `chance`, the share by guessing; and `between_share`.
    """
    values, ids = np.asarray(encodings), _as_integers("track_ids", track_ids)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(ids)) + 1])
    parts = np.split(values, starts[1:])
    chosen = [i for i, part in enumerate(parts) if len(part) > 1]
    if not chosen:
        raise InputError("no track has two segments; there is nothing to compare")
    tracks = [parts[i] for i in chosen]
    means, first, second = (
        np.stack([part.mean(axis=0, dtype=np.float64) for part in one])
        for one in (tracks, [t[: len(t) // 2] for t in tracks], [t[len(t) // 2 :] for t in tracks])
    )
    found = self_retrieval(first, second)
    of_artists = _artists_of(ids[starts[chosen]], artists)
    return {
        **_counts(len(values), len(tracks), of_artists),
        "chance": 1 / len(tracks),
        "self_retrieval": float(found.mean()),
        "between_share": between_share(means, np.stack([track.var(axis=0, dtype=np.float64) for track in tracks])),
        "intervals": {"self_retrieval": list(interval_of_share(found, of_artists))},
    }


def score_student(
    answers: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]],
    track_ids: npt.ArrayLike,
    artists: Mapping[int, str] | None = None,
) -> dict[str, Any]:
    """Score how closely a student's answers to a split's segments follow its teacher's.

    `answers` are pairs by name: the teacher's and the student's [each shape=(n_segments, n_components)]. For each name,
    the answers are averaged over each track; the score `NAME_correlation` is the median over the components of the
    Pearson correlation over tracks. Components in which the teacher does not vary do not count; one in which only the
    student does not vary counts as 0. `intervals` (bootstrap over artists) are empty if there is only one artist, and
    scores are omitted if the teacher does not vary at all.
    """
    ids = _as_integers("track_ids", track_ids)
    tracks, track = np.unique(ids, return_inverse=True)
    of_artists = _artists_of(tracks, artists)
    cluster, sizes = _clusters(of_artists, len(tracks))
    scores: dict[str, Any] = {}
    intervals: dict[str, list[float]] = {}
    for name, pair in answers.items():
        means = [_sum_by(track, np.asarray(one, np.float64), len(tracks)) for one in pair]
        theirs, mine = (sums / np.bincount(track)[:, None] for sums in means)
        varies = theirs.std(axis=0) > _CONSTANT
        if not varies.any():
            continue
        moments = _moments(theirs[:, varies], mine[:, varies])
        key = f"{name}_correlation"
        scores[key] = float(np.median(_correlation(moments.sum(axis=0, keepdims=True))))
        if len(sizes) > 1:
            drawn = np.concatenate(
                [
                    _correlation(_resample(_sum_by(cluster, part, len(sizes)), 0).reshape(_N_RESAMPLES, 6, -1))
                    for first in range(0, moments.shape[2], _MAX_CORRELATED)
                    for part in [moments[:, :, first : first + _MAX_CORRELATED].reshape(len(tracks), -1)]
                ],
                axis=1,
            )
            intervals[key] = list(_interval(np.median(drawn, axis=1), np.ones(_N_RESAMPLES)))
    return {**_counts(len(ids), len(tracks), of_artists), **scores, "intervals": intervals}


def _moments(x: Floats, y: Floats) -> Floats:
    """Terms of the sums of a correlation [shape=(n, 6, n_components)] of centred values [each (n, n_components)]."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)


def _correlation(sums: Floats) -> Floats:
    """Pearson correlations [shape=(k, n_components)] from sums of `_moments` [shape=(k, 6, n_components)]."""
    n, x, y, xx, yy, xy = np.moveaxis(sums, 1, 0)
    norm_2 = np.maximum(xx - x * x / n, 0) * np.maximum(yy - y * y / n, 0)
    covariance = xy - x * y / n
    return np.asarray(np.divide(covariance, np.sqrt(norm_2), out=np.zeros_like(xy), where=norm_2 > _CONSTANT**4))


def self_retrieval(first: Floats, second: Floats) -> npt.NDArray[np.bool_]:
    """Find the tracks whose second half is nearest to its own first half, among the first halves of all tracks.

    A tie with another track counts as not found: descriptors that are equal for two tracks do not tell them apart. No
    order of the tracks can then change the result, and an encoder that gives the same for all music scores 0.

    Maps descriptors of the halves [each shape=(n_tracks, n_numbers)] to truth values [shape=(n_tracks,)]. Apart from
    them, memory grows with the number of tracks, not with its square.
    """
    found = np.empty(len(second), np.bool_)
    step = max(1, _MAX_DISTANCES // len(first))
    for start in range(0, len(second), step):
        distances = cdist(second[start : start + step], first, "sqeuclidean")
        rows = np.arange(len(distances))
        own = distances[rows, start + rows]
        distances[rows, start + rows] = np.inf
        found[start + rows] = own < distances.min(axis=1)
    return found


def between_share(means: Floats, variances: Floats) -> float:
    """Compute the share of the variance that lies between tracks: var(means) / (var(means) + mean(variances)).

    Means and variances have the shape (n_tracks, n_numbers). Returns the mean over the numbers; constant ones count as
    0.
    """
    between = means.var(axis=0)
    total = between + variances.mean(axis=0)
    return float(np.divide(between, total, out=np.zeros_like(total), where=total > _CONSTANT**2).mean())


def interval_of_share(right: npt.ArrayLike, artists: Sequence[str] | None = None) -> Interval:
    """95 % confidence interval (Wilson) of the share of tracks that are `right` [shape=(n_tracks,)].

    If the tracks of an artist resemble each other, the effective number of tracks is lower: it is divided by the ratio
    of the share's variance between artists to its variance for independent tracks. This ratio is unknown if the share
    is exactly 0 or 1, or if there is only one artist; then each artist counts as one track.

    `artists` has the artist of each track; "" means unknown, and the track counts as its own artist.
    """
    hits = np.asarray(right, bool)
    if hits.ndim != 1 or not len(hits):
        raise InputError(f"right: shape {hits.shape}; give one truth value per track, and at least one track")
    cluster, sizes = _clusters(artists, len(hits))
    share = float(hits.mean())
    n = float(len(sizes))
    if 0 < share < 1 and len(sizes) > 1:
        surplus = np.bincount(cluster, weights=hits) - share * sizes
        n = len(hits) / max(1.0, float(np.square(surplus).sum() / np.square(hits - share).sum()))
    z = float(norm.ppf((1 + _CONFIDENCE) / 2))
    centre = (share * n + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * math.sqrt(share * (1 - share) * n + z**2 / 4)
    # At 0 and 1, rounding errors would exclude the share itself.
    return min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))


def interval_of_mean(values: npt.ArrayLike, artists: Sequence[str] | None = None, seed: int = 0) -> Interval:
    """95 % bootstrap interval of the mean of one value per track, of at least two.

    Artists (see `interval_of_share`) are resampled with all their tracks. If all tracks are by one, both ends equal the
    mean: the variation between artists is then unknown.
    """
    given = np.asarray(values, np.float64)
    if given.ndim != 1 or len(given) < 2:
        raise InputError(f"values: shape {given.shape}; give one number per track, and at least 2 tracks")
    if not np.isfinite(given).all():
        raise InputError(f"values: {given[~np.isfinite(given)][0]} is not a number")
    cluster, sizes = _clusters(artists, len(given))
    drawn = _resample(_sum_by(cluster, np.stack([given, np.ones(len(given))], axis=1), len(sizes)), seed)
    return _interval(drawn[:, 0], drawn[:, 1])


def interval_of_balanced_share(
    right: npt.ArrayLike, kinds: Sequence[str], artists: Sequence[str] | None = None, seed: int = 0
) -> Interval:
    """95 % bootstrap interval of the mean, over the kinds, of the share of each kind's tracks that are `right`.

    Artists (see `interval_of_share`) are resampled with all their tracks. A kind of which a resample holds no track
    does not count in it. If all tracks are by one artist, both ends are equal.
    """
    hits = np.asarray(right, np.float64)
    if hits.ndim != 1 or not len(hits) or len(hits) != len(kinds):
        raise InputError(f"right: shape {hits.shape} and {len(kinds)} kinds; give one of each per track")
    cluster, sizes = _clusters(artists, len(hits))
    of_kind = np.asarray(kinds)[:, None] == np.unique(kinds)
    drawn = _resample(_sum_by(cluster, np.hstack([of_kind * hits[:, None], of_kind]), len(sizes)), seed)
    n_right, n = np.hsplit(drawn, 2)
    shares = np.divide(n_right, n, out=np.zeros_like(n_right), where=n > 0)
    return _interval(shares.sum(axis=1), (n > 0).sum(axis=1))


def _counts(n_segments: int, n_tracks: int, artists: Sequence[str] | None) -> dict[str, Any]:
    return {"n_segments": n_segments, "n_tracks": n_tracks, "n_artists": len(_clusters(artists, n_tracks)[1])}


def _artists_of(tracks: Integers, artists: Mapping[int, str] | None) -> list[str] | None:
    return None if artists is None else [artists.get(int(track), "") for track in tracks]


def _clusters(artists: Sequence[str] | None, n_tracks: int) -> tuple[Integers, Integers]:
    """Return each track's artist index [shape=(n_tracks,)] and each artist's number of tracks [shape=(n_artists,)]."""
    if artists is None:
        artists = [""] * n_tracks
    if len(artists) != n_tracks:
        raise InputError(f"{len(artists)} artists for {n_tracks} tracks: give one per track")
    index: dict[str | int, int] = {}
    cluster = np.array([index.setdefault(artist or i, len(index)) for i, artist in enumerate(artists)], np.int64)
    return cluster, np.bincount(cluster)


def _resample(columns: Floats, seed: int) -> Floats:
    """Sum columns [shape=(n_artists, k)] over artists drawn with replacement [shape=(10,000, k)]."""
    rng = np.random.default_rng(seed)
    n_artists = len(columns)
    sums = np.empty((_N_RESAMPLES, columns.shape[1]))
    step = max(1, _MAX_DRAWN // n_artists)
    for start in range(0, _N_RESAMPLES, step):
        part = sums[start : start + step]
        drawn = rng.integers(n_artists, size=(len(part), n_artists))
        resample = np.broadcast_to(np.arange(len(part))[:, None], drawn.shape)
        part[:] = _count_pairs(resample.ravel(), drawn.ravel(), (len(part), n_artists)) @ columns
    return sums


def _interval(numerators: Floats, denominators: Floats) -> Interval:
    # A resample whose denominators are all zero has no ratio; this happens only with very few tracks.
    some = denominators > 0
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(numerators[some] / denominators[some], [tail, 1 - tail])
    return float(low), float(high)


def _rank(probabilities: Floats, labels: Integers) -> Integers:
    """Count the genres that rank before the right one; among equally probable genres, the first ranks first."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    return np.asarray((order == labels[:, None]).argmax(axis=1))


def _count_pairs(rows: Integers, columns: Integers, shape: tuple[int, int]) -> Integers:
    """Count how often each pair of indices occurs."""
    return np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1]).reshape(shape)


def _sum_by(index: Integers, values: Floats, n: int) -> Floats:
    """Sum the rows with the same index [shape=(n, values.shape[1])]."""
    return np.stack([np.bincount(index, weights=column, minlength=n) for column in values.T], axis=1)


def _ratio(numerator: float, denominator: float) -> float | None:
    return float(numerator / denominator) if denominator else None


def _validated(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, track_ids: npt.ArrayLike, genres: Sequence[str]
) -> tuple[Floats, Integers, Integers]:
    p = np.asarray(probabilities, np.float64)
    truth, ids = _as_integers("labels", labels), _as_integers("track_ids", track_ids)
    if double := [genre for i, genre in enumerate(genres) if genre in genres[:i]]:
        raise InputError(f"genres: {double[0]!r} occurs twice")
    if p.shape != (len(truth), len(genres)) or truth.shape != ids.shape:
        raise InputError(
            f"probabilities have shape {p.shape}, labels {truth.shape} and track_ids {ids.shape}; give one row per "
            f"segment, with the {len(genres)} genres' probabilities"
        )
    if (wrong := ~((p >= 0) & (p <= 1 + _SUM_TOLERANCE))).any():
        raise InputError(f"probabilities: {p[wrong][0]} is not a probability; give the softmax, not its input")
    sums = p.sum(axis=1)
    if (wrong := abs(sums - 1) > _SUM_TOLERANCE).any():
        raise InputError(f"probabilities: those of segment {wrong.argmax()} add up to {sums[wrong][0]:g}, not 1")
    if (wrong := (truth < 0) | (truth >= len(genres))).any():
        raise InputError(
            f"labels: {truth[wrong][0]} is not among the {len(genres)} genres; omit segments without a genre"
        )
    return p, truth, ids


def _as_integers(name: str, values: npt.ArrayLike) -> Integers:
    array = np.asarray(values)
    if array.ndim != 1 or len(array) == 0:
        raise InputError(f"{name}: shape {array.shape}; give one integer per segment, and at least one segment")
    if array.dtype.kind not in "iu":
        raise InputError(f"{name}: {array.dtype} given; give integers")
    return array.astype(np.int64)


def _as_errors(name: str, values: npt.ArrayLike, n: int) -> Floats:
    array = np.asarray(values, np.float64)
    if array.shape != (n,):
        raise InputError(f"{name}: shape {array.shape}; give one number for each of the {n} segments")
    if (wrong := ~(np.isfinite(array) & (array >= 0))).any():
        raise InputError(f"{name}: {array[wrong][0]} is not a squared error")
    return array
