"""Scores of a split with confidence intervals, which allow for similar segments per track and tracks per artist."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist
from scipy.stats import norm

from tfdeepviz.errors import InputError

#: Confidence level of every reported interval.
CONFIDENCE = 0.95

_N_RESAMPLES = 10_000
#: Artists drawn at a time; bounds the memory of resampling to about 100 MB for any size of split.
_MAX_DRAWN = 1 << 22
#: Distances held at a time: 32 MiB.
_MAX_DISTANCES = 1 << 22
#: Tolerance for the sum of a segment's probabilities, which should be 1; half precision is that coarse.
_SUM_TOLERANCE = 0.01

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Interval = tuple[float, float]


def score_classifier(
    probabilities: npt.ArrayLike,
    labels: npt.ArrayLike,
    track_ids: npt.ArrayLike,
    genres: Sequence[str],
    artists: Mapping[int, str] | None = None,
) -> dict[str, Any]:
    """Score a classifier's answers to a split's segments and, aggregated, to its tracks.

    Parameters
    ----------
    probabilities : [shape=(n_segments, n_genres)]
        Probability of each genre; rows add up to 1.
    labels : [shape=(n_segments,)]
        Index of the right genre, the same for all segments of a track.
    track_ids : [shape=(n_segments,)]
        Track id of each segment, in any order.
    genres
        Genre titles, in the order of the probabilities.
    artists
        Artist of each track, by track id, where known.

    Returns
    -------
    dict
        For JSON:

        - `n_segments`, `n_tracks`, `n_artists` (a track of an unknown artist counts as one), `genres`;
        - `segment_accuracy`, `segment_top_3_accuracy`;
        - `polled_accuracy`: every segment votes for its most probable genre, and the genre with the most votes wins. If
          several genres tie, the track counts as wrong, even if the right genre is among them (the paper's measure);
        - `pooled_accuracy` and `top_3_accuracy`: from the mean probabilities over a track's segments;
        - `macro_f1`: mean F1 of the pooled answers over the genres that occur in the split. A genre that does not
          occur has no F1 and is omitted; predicting it still lowers the recall of the right genre;
        - `majority_baseline`: share of the most common genre among the tracks;
        - `confusion` [shape=(n_genres, n_genres)]: number of tracks by right genre (row) and pooled answer (column);
        - `per_genre`: `genre`, `n_tracks`, `n_segments`, `precision`, `recall`, `f1` (all three pooled) and
          `polled_accuracy`; None if undefined (division by zero);
        - `intervals`: 95 % confidence interval (`interval_of_share`) of each track accuracy, by its name.

    Raises
    ------
    InputError
        If the arrays are inconsistent, a value is invalid, or a track has two genres.

    Notes
    -----
    Among equally probable genres, the first counts as the most probable.
    """
    p, truth, ids = _validated(probabilities, labels, track_ids, genres)
    tracks, first, track = np.unique(ids, return_index=True, return_inverse=True)
    label = truth[first]
    if (label[track] != truth).any():
        bad = ids[label[track] != truth][0]
        of_track = np.unique(truth[ids == bad])
        raise InputError(
            f"labels: track {bad} has {len(of_track)}, {', '.join(repr(genres[i]) for i in of_track)}; give every "
            "segment of a track the same"
        )
    n_tracks, n_genres = len(label), len(genres)
    n_segments = np.bincount(track)
    votes = _count_pairs(track, p.argmax(axis=1), (n_tracks, n_genres))
    pooled = _sum_by(track, p, n_tracks) / n_segments[:, None]
    answer = pooled.argmax(axis=1)

    most = votes.max(axis=1)
    polled_right = (votes[np.arange(n_tracks), label] == most) & ((votes == most[:, None]).sum(axis=1) == 1)
    right = {
        "polled_accuracy": polled_right,
        "pooled_accuracy": answer == label,
        "top_3_accuracy": _rank(pooled, label) < 3,
    }
    confusion = _count_pairs(label, answer, (n_genres, n_genres))
    n_right, n_true, n_answered = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    f1 = [_ratio(2 * n_right[i], n_true[i] + n_answered[i]) if n_true[i] else None for i in range(n_genres)]
    segments_of_genre = np.bincount(truth, minlength=n_genres)
    polled_of_genre = np.bincount(label, weights=polled_right, minlength=n_genres)
    rank = _rank(p, truth)
    of_artists = _artists_of(tracks, artists)
    return {
        "n_segments": len(p),
        "n_tracks": n_tracks,
        "n_artists": len(_clusters(of_artists, n_tracks)[1]),
        "genres": list(genres),
        "segment_accuracy": float((rank < 1).mean()),
        "segment_top_3_accuracy": float((rank < 3).mean()),
        **{name: float(hits.mean()) for name, hits in right.items()},
        "macro_f1": float(np.mean([value for value in f1 if value is not None])),
        "majority_baseline": float(n_true.max() / n_tracks),
        "confusion": confusion.tolist(),
        "per_genre": [
            {
                "genre": genre,
                "n_tracks": int(n_true[i]),
                "n_segments": int(segments_of_genre[i]),
                "precision": _ratio(n_right[i], n_answered[i]),
                "recall": _ratio(n_right[i], n_true[i]),
                "f1": f1[i],
                "polled_accuracy": _ratio(polled_of_genre[i], n_true[i]),
            }
            for i, genre in enumerate(genres)
        ],
        "intervals": {name: list(interval_of_share(hits, of_artists)) for name, hits in right.items()},
    }


def score_autoencoder(
    errors: Mapping[str, npt.ArrayLike],
    track_ids: npt.ArrayLike,
    artists: Mapping[int, str] | None = None,
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """Score and compare reconstructions of a split's segments.

    Parameters
    ----------
    errors
        Mean squared error of each segment [shape=(n_segments,)] for `model` and for its comparisons, such as `pca`,
        `mean`, `shuffled` (encodings exchanged, without skipped values), `unskipped` (also without skipped values) and
        `alone` (from the encoding only).
    track_ids : [shape=(n_segments,)]
        Track id of each segment, in any order.
    artists
        Artist of each track, by track id, where known.
    seed
        Seed of the resampling.

    Returns
    -------
    dict
        For JSON:

        - `n_segments`, `n_tracks`, `n_artists` (a track of an unknown artist counts as one);
        - `mse`, and `NAME_mse` for every other name: mean over the segments;
        - with `pca`, `mse_to_pca` and `NAME_mse_to_pca`: ratio to the PCA's error;
        - with `shuffled`, `shuffle_rise`: relative rise of the error when encodings are exchanged;
        - `intervals`: 95 % bootstrap interval over artists of each of these, by its name; empty if there is only one
          artist, because the variation between artists is then unknown.

        Scores that would divide by zero are omitted.

    Raises
    ------
    InputError
        If `model` is missing, the arrays are inconsistent or a value is invalid.
    """
    if "model" not in errors:
        raise InputError(f"errors: {', '.join(errors) or 'nothing'} given; the errors of 'model' are missing")
    ids = _as_integers("track_ids", track_ids)
    columns = {name: _as_errors(f"errors[{name!r}]", values, len(ids)) for name, values in errors.items()}
    columns = {"model": columns.pop("model"), **columns}
    tracks, track = np.unique(ids, return_inverse=True)
    n_tracks = len(tracks)
    names, n_segments = list(columns), "n_segments"
    table = np.stack([*columns.values(), np.ones(len(ids))], axis=1)
    sums = dict(zip([*names, n_segments], _sum_by(track, table, n_tracks).T, strict=True))

    # Numerator, denominator, and the value to subtract from their ratio.
    wanted = {_mse(name): (name, n_segments, 0) for name in names}
    if "pca" in sums:
        wanted |= {f"{_mse(name)}_to_pca": (name, "pca", 0) for name in names if name != "pca"}
    if "shuffled" in sums:
        wanted["shuffle_rise"] = ("shuffled", "unskipped" if "unskipped" in sums else "model", 1)
    wanted = {key: parts for key, parts in wanted.items() if sums[parts[1]].sum() > 0}
    scores = {key: float(sums[above].sum() / sums[below].sum() - less) for key, (above, below, less) in wanted.items()}
    intervals: dict[str, list[float]] = {}
    cluster, sizes = _clusters(_artists_of(tracks, artists), n_tracks)
    if len(sizes) > 1:
        # All columns use the same resamples, so that ratios compare paired errors.
        of_artists = _sum_by(cluster, np.stack(list(sums.values()), axis=1), len(sizes))
        drawn = dict(zip(sums, _resample(of_artists, seed).T, strict=True))
        for key, (above, below, less) in wanted.items():
            low, high = _interval(drawn[above], drawn[below])
            intervals[key] = [low - less, high - less]
    counts = {"n_segments": len(ids), "n_tracks": n_tracks, "n_artists": len(sizes)}
    return {**counts, **scores, "intervals": intervals}


def score_songs(
    encodings: npt.ArrayLike, track_ids: npt.ArrayLike, artists: Mapping[int, str] | None = None
) -> dict[str, Any]:
    """Score how well encodings of segments tell the tracks of a split apart.

    Parameters
    ----------
    encodings : [shape=(n_segments, encoding_size)]
    track_ids : [shape=(n_segments,)]
        Track id of each segment; the segments of a track are consecutive and in temporal order.
    artists
        Artist of each track, by track id, where known.

    Returns
    -------
    dict
        For JSON:

        - `n_segments`, `n_tracks`, `n_artists` (a track of an unknown artist counts as one);
        - `self_retrieval`: share of the tracks with at least two segments whose second half is nearest to its own first
          half among the first halves of all such tracks, comparing mean encodings; `chance` is the share by guessing;
        - `between_share`: share of the variance that lies between tracks, mean over the components;
        - `intervals`: 95 % confidence interval (`interval_of_share`) of `self_retrieval`.

    Raises
    ------
    InputError
        If no track has two segments.

    Notes
    -----
    Apart from the encodings, memory grows with the number of tracks, not with its square.
    """
    values, ids = np.asarray(encodings), _as_integers("track_ids", track_ids)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(ids)) + 1])
    parts = np.split(values, starts[1:])
    chosen = [i for i, part in enumerate(parts) if len(part) > 1]
    if not chosen:
        raise InputError("no track has two segments; there is nothing to compare")
    tracks = [parts[i] for i in chosen]
    first, second = (
        np.stack([track[part].mean(axis=0, dtype=np.float64) for track in tracks for part in [half(len(track))]])
        for half in (lambda n: slice(0, n // 2), lambda n: slice(n // 2, n))
    )
    nearest = np.concatenate([block.argmin(axis=1) for _, block in distances(second, first)])
    right = nearest == np.arange(len(tracks))
    within = np.mean([track.var(axis=0, dtype=np.float64) for track in tracks], axis=0)
    between = np.var([track.mean(axis=0, dtype=np.float64) for track in tracks], axis=0)
    total = between + within
    of_artists = _artists_of(ids[starts[chosen]], artists)
    n_artists = len(_clusters(of_artists, len(tracks))[1])
    return {
        **{"n_segments": len(values), "n_tracks": len(tracks), "n_artists": n_artists, "chance": 1 / len(tracks)},
        "self_retrieval": float(right.mean()),
        "between_share": float(np.divide(between, total, out=np.zeros_like(total), where=total > 0).mean()),
        "intervals": {"self_retrieval": list(interval_of_share(right, of_artists))},
    }


def distances(a: Floats, b: Floats) -> Iterator[tuple[slice, Floats]]:
    """Compute the squared distances between all rows of `a` and `b`, block by block to bound memory.

    Parameters
    ----------
    a, b : [shape=(n, k), shape=(m, k)]

    Yields
    ------
    rows, distances : slice, np.ndarray [shape=(rows, m)]
        A block of rows of `a`, and their squared distances to all rows of `b`.
    """
    step = max(1, _MAX_DISTANCES // len(b))
    for start in range(0, len(a), step):
        rows = slice(start, min(start + step, len(a)))
        yield rows, cdist(a[rows], b, "sqeuclidean")


def interval_of_share(right: npt.ArrayLike, artists: Sequence[str] | None = None) -> Interval:
    """95 % confidence interval (Wilson) of a share of tracks.

    Parameters
    ----------
    right : [shape=(n_tracks,)]
        Whether each track counts towards the share.
    artists
        Artist of each track; "" means unknown, and the track counts as its own artist. If the tracks of an artist
        resemble each other, the effective number of tracks is lower: it is divided by the ratio of the share's variance
        between artists to its variance for independent tracks. This ratio is unknown if the share is exactly 0 or 1, or
        if there is only one artist; then each artist counts as one track.

    Raises
    ------
    InputError
        If there are no tracks, or the number of artists differs from that of the tracks.
    """
    hits = np.asarray(right, bool)
    if hits.ndim != 1 or not len(hits):
        raise InputError(f"right: shape {hits.shape}; give one truth value a track, and at least one track")
    cluster, sizes = _clusters(artists, len(hits))
    share = float(hits.mean())
    n = float(len(sizes))
    if 0 < share < 1 and len(sizes) > 1:
        surplus = np.bincount(cluster, weights=hits) - share * sizes
        n = len(hits) / max(1.0, float(np.square(surplus).sum() / np.square(hits - share).sum()))
    z = float(norm.ppf((1 + CONFIDENCE) / 2))
    centre = (share * n + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * math.sqrt(share * (1 - share) * n + z**2 / 4)
    # At 0 and 1, rounding errors would exclude the share itself.
    return min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))


def interval_of_mean(values: npt.ArrayLike, artists: Sequence[str] | None = None, seed: int = 0) -> Interval:
    """95 % bootstrap interval of the mean of one value per track [shape=(n_tracks,)]; see `interval_of_ratio`."""
    return interval_of_ratio(values, np.ones(np.shape(values)), artists, seed)


def interval_of_ratio(
    numerators: npt.ArrayLike, denominators: npt.ArrayLike, artists: Sequence[str] | None = None, seed: int = 0
) -> Interval:
    """95 % bootstrap interval of the ratio of two sums over tracks; artists are resampled with all their tracks.

    Parameters
    ----------
    numerators, denominators : [shape=(n_tracks,)]
        For example two models' errors, each summed over the segments of a track; tracks are then weighted by their
        number of segments. Denominators must not be negative or all zero.
    artists
        Artist of each track; "" means unknown, and the track counts as its own artist. By default all are unknown.
    seed
        Seed of the resampling.

    Returns
    -------
    low, high
        Both equal the ratio if all tracks are by one artist, because the variation between artists is then unknown.

    Raises
    ------
    InputError
        If there are fewer than two tracks, the arrays are inconsistent or a value is invalid.
    """
    above, below = (np.asarray(values, np.float64) for values in (numerators, denominators))
    if above.ndim != 1 or above.shape != below.shape:
        raise InputError(f"shapes {above.shape} and {below.shape}: give one number a track")
    if len(above) < 2:
        raise InputError(f"{len(above)} tracks: at least 2 are needed to see how much they differ")
    for name, values in (("numerators", above), ("denominators", below)):
        if not np.isfinite(values).all():
            raise InputError(f"{name}: {values[~np.isfinite(values)][0]} is no number")
    if (below < 0).any() or not below.any():
        raise InputError(f"denominators: from {below.min():g} to {below.max():g}; none may be negative, or all zero")
    cluster, sizes = _clusters(artists, len(above))
    drawn = _resample(_sum_by(cluster, np.stack([above, below], axis=1), len(sizes)), seed)
    return _interval(drawn[:, 0], drawn[:, 1])


def _artists_of(tracks: Integers, artists: Mapping[int, str] | None) -> list[str] | None:
    return None if artists is None else [artists.get(int(track), "") for track in tracks]


def _clusters(artists: Sequence[str] | None, n_tracks: int) -> tuple[Integers, Integers]:
    """Return each track's artist index [shape=(n_tracks,)] and each artist's number of tracks [shape=(n_artists,)]."""
    if artists is None:
        artists = [""] * n_tracks
    if len(artists) != n_tracks:
        raise InputError(f"{len(artists)} artists of {n_tracks} tracks: give one a track")
    names = [("artist", artist) if artist else ("track", str(i)) for i, artist in enumerate(artists)]
    index = {name: i for i, name in enumerate(dict.fromkeys(names))}
    cluster = np.array([index[name] for name in names], np.int64)
    return cluster, np.bincount(cluster)


def _interval(numerators: Floats, denominators: Floats) -> Interval:
    # A resample whose denominators are all zero has no ratio; this happens only with very few tracks.
    some = denominators > 0
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(numerators[some] / denominators[some], [tail, 1 - tail])
    return float(low), float(high)


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


def _mse(name: str) -> str:
    return "mse" if name == "model" else f"{name}_mse"


def _rank(probabilities: Floats, labels: Integers) -> Integers:
    """Count the genres that rank before the right one; among equally probable genres, the first ranks first."""
    right = np.take_along_axis(probabilities, labels[:, None], axis=1)
    before = np.arange(probabilities.shape[1]) < labels[:, None]
    ahead = (probabilities > right) | ((probabilities == right) & before)
    rank: Integers = np.count_nonzero(ahead, axis=1)
    return rank


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
    if len(set(genres)) < len(genres):
        double = next(genre for i, genre in enumerate(genres) if genre in genres[:i])
        raise InputError(f"genres: {double!r} occurs twice")
    if p.ndim != 2 or p.shape != (len(truth), len(genres)) or truth.shape != ids.shape:
        raise InputError(
            f"probabilities have shape {p.shape}, labels {truth.shape} and track_ids {ids.shape}; give one row a "
            f"segment, with the {len(genres)} genres' probabilities"
        )
    wrong = ~((p >= 0) & (p <= 1 + _SUM_TOLERANCE))
    if wrong.any():
        raise InputError(f"probabilities: {p[wrong][0]} is none; give the softmax, not its input")
    sums = p.sum(axis=1)
    if (abs(sums - 1) > _SUM_TOLERANCE).any():
        bad = int(abs(sums - 1).argmax())
        raise InputError(f"probabilities: those of segment {bad} add up to {sums[bad]:g}, not 1")
    if ((truth < 0) | (truth >= len(genres))).any():
        bad = truth[(truth < 0) | (truth >= len(genres))][0]
        raise InputError(f"labels: {bad} is none of the {len(genres)} genres; leave out segments without a genre")
    return p, truth, ids


def _as_integers(name: str, values: npt.ArrayLike) -> Integers:
    array = np.asarray(values)
    if array.ndim != 1 or len(array) == 0:
        raise InputError(f"{name}: shape {array.shape}; give one integer a segment, and at least one segment")
    if array.dtype.kind not in "iu":
        raise InputError(f"{name}: {array.dtype} given; give integers")
    return array.astype(np.int64)


def _as_errors(name: str, values: npt.ArrayLike, n: int) -> Floats:
    array = np.asarray(values, np.float64)
    if array.shape != (n,):
        raise InputError(f"{name}: shape {array.shape}; give one number for each of the {n} segments")
    wrong = ~(np.isfinite(array) & (array >= 0))
    if wrong.any():
        raise InputError(f"{name}: {array[wrong][0]} is no squared error")
    return array
