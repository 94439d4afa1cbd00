"""Measure how well parameters show music: do they follow it, tell songs and genres apart, and use their range?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, silhouette_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tfdeepviz.errors import InputError
from tfdeepviz.models.scores import (
    Interval,
    between_share,
    interval_of_balanced_share,
    interval_of_mean,
    interval_of_share,
    self_retrieval,
)

#: Frame rate of all measured parameters and onset strengths.
FRAMES_PER_SECOND = 50

#: Shorter tracks leave too few shifts of their onsets to estimate chance.
MIN_SECONDS = 3.0

#: A parameter whose standard deviation within tracks is lower shows next to nothing.
DEAD_STD = 0.05

_SMOOTHING_SECONDS = 0.02
_MAX_LAG_SECONDS = 0.14
#: Onsets shifted by less may still match the same beat.
_LEAST_SHIFT_SECONDS = 1.0
#: Distance from 0 or 1 that is invisible; smoothed parameters approach the ends without reaching them.
_AT_END = 0.001
#: A lower standard deviation is rounding error.
_CONSTANT = 1e-9
_MAX_FOLDS = 20

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Responsiveness:
    """How closely the picture moves with the music.

    `r` is the Spearman correlation of speed with onset strength at the best lag, by which the picture is late; `z` is
    its z-score relative to the correlations with the same onsets shifted in time.
    """

    r: float
    lag_seconds: float
    z: float


@dataclass(frozen=True, eq=False)
class TrackQuality:
    """Measurements of one track, to be summarised over many.

    `moments` [shape=(3, 2 * n_parameters)] holds the means, then the standard deviations, over the whole track and its
    first and second half; `clipped` is the share of time that a parameter spends at 0 or 1, mean over the parameters.
    """

    responsiveness: Responsiveness
    moments: Floats
    clipped: float


@dataclass(frozen=True)
class Quality:
    """Quality of a source of parameters over a set of tracks.

    Attributes
    ----------
    values
        Measures of the kind `MAPPING`, means over the tracks (of the lag the median). `silhouette` and `probe_accuracy`
        are None if there are fewer than two `comparable_genres`.
    intervals
        95 % intervals of some of them, which allow for similar tracks of one artist: Wilson's of `self_retrieval`,
        otherwise bootstrap over artists. The genre probe is not fitted again to every resample.
    std
        Each parameter's standard deviation within a track.
    """

    values: dict[str, float | None]
    intervals: dict[str, Interval]
    std: tuple[float, ...]


def speed(parameters: npt.ArrayLike) -> Floats:
    """Compute how fast the parameters at `FRAMES_PER_SECOND` [shape=(n, n_parameters)] change together.

    Returns the Euclidean distance of each frame, from the second on, to the previous one [shape=(n - 1,)], smoothed
    over 20 ms.
    """
    moved = np.linalg.norm(np.diff(np.asarray(parameters, np.float64), axis=0), axis=1)
    smoothed: Floats = gaussian_filter1d(moved, _SMOOTHING_SECONDS * FRAMES_PER_SECOND)
    return smoothed


def responsiveness(parameters: npt.ArrayLike, onset: npt.ArrayLike) -> Responsiveness:
    """Correlate the `speed` of a track's parameters with its onset strength [shape=(n,)] by `following`."""
    p, strength = np.asarray(parameters, np.float64), np.asarray(onset, np.float64)
    if p.ndim != 2 or strength.shape != p.shape[:1]:
        raise InputError(f"parameters of shape {p.shape} and onsets of shape {strength.shape}: one onset for each row")
    return following(speed(p), strength[1:], frames_per_second=FRAMES_PER_SECOND)


def following(moved: npt.ArrayLike, heard: npt.ArrayLike, *, frames_per_second: float) -> Responsiveness:
    """Correlate movement from frame to frame with onsets.

    Both series are treated as circular, so that one Fourier transform gives the correlations at all shifts. `r` is the
    largest correlation at a lag of at most 140 ms either way. The chance level is the distribution of the same maximum
    around every shift of at least one second. If either series is constant, all three numbers are 0.

    Parameters
    ----------
    moved, heard : [shape=(n,)]
        Distance of each frame, from the second on, to the previous one; onset strength at these frames.

    Raises
    ------
    InputError
        If the shapes do not match, a value is not finite, or the frames cover less than `MIN_SECONDS`.
    """
    m, h = np.asarray(moved, np.float64), np.asarray(heard, np.float64)
    if m.ndim != 1 or m.shape != h.shape:
        raise InputError(f"movement of shape {m.shape} and onsets of shape {h.shape}: one onset for each frame")
    n, seconds = len(m), (len(m) + 1) / frames_per_second
    if seconds < MIN_SECONDS:
        raise InputError(f"{seconds:g} s of parameters: at least {MIN_SECONDS:g} s are needed")
    if not (np.isfinite(m).all() and np.isfinite(h).all()):
        raise InputError("parameters or onsets with NaN or infinity")
    if m.std() < _CONSTANT or h.std() < _CONSTANT:
        return Responsiveness(0.0, 0.0, 0.0)
    max_lag = round(_MAX_LAG_SECONDS * frames_per_second)
    ranks = [rankdata(values) for values in (m, h)]
    spectra = [np.fft.rfft((values - values.mean()) / values.std()) for values in ranks]
    correlations = np.fft.irfft(spectra[0] * np.conj(spectra[1]), n) / n
    best = maximum_filter1d(correlations, 2 * max_lag + 1, mode="wrap")
    least_shift = round(_LEAST_SHIFT_SECONDS * frames_per_second)
    chance = best[least_shift : n - least_shift + 1]
    lags = np.arange(-max_lag, max_lag + 1)
    lag = lags[correlations[lags].argmax()] / frames_per_second
    spread = chance.std()
    z = (best[0] - chance.mean()) / spread if spread > _CONSTANT else 0.0
    return Responsiveness(float(best[0]), float(lag), float(z))


def measure_track(parameters: npt.ArrayLike, onset: npt.ArrayLike) -> TrackQuality:
    """Measure one track; takes the arguments and raises the errors of `responsiveness`."""
    p = np.asarray(parameters, np.float64)
    followed = responsiveness(p, onset)
    parts = (p, *np.split(p, [len(p) // 2]))
    return TrackQuality(
        responsiveness=followed,
        moments=np.stack([np.concatenate([part.mean(axis=0), part.std(axis=0)]) for part in parts]),
        clipped=float(((p <= _AT_END) | (p >= 1 - _AT_END)).mean()),
    )


def summarize(
    tracks: Sequence[TrackQuality], *, genres: Sequence[str], artists: Sequence[str], seed: int = 0
) -> Quality:
    """Summarise the measurements of at least two tracks, each with its genre and artist ("" means unknown)."""
    if len(tracks) < 2 or not len(tracks) == len(genres) == len(artists):
        raise InputError(
            f"{len(tracks)} tracks, {len(genres)} genres and {len(artists)} artists: give at least two tracks, with a "
            "genre and an artist each"
        )
    moments, first, second = np.stack([track.moments for track in tracks], axis=1)
    means, stds = np.hsplit(moments, 2)
    followed = [track.responsiveness for track in tracks]
    found = self_retrieval(first, second)
    intervals = {
        "responsiveness": interval_of_mean([one.r for one in followed], artists, seed),
        "self_retrieval": interval_of_share(found, artists),
        "mean_std": interval_of_mean(stds.mean(axis=1), artists, seed),
    }
    separation = genre_separation(moments, genres, artists, seed)
    if separation is not None:
        intervals["probe_accuracy"] = separation.interval
    std = stds.mean(axis=0)
    return Quality(
        values={
            "responsiveness": float(np.mean([one.r for one in followed])),
            "z": float(np.mean([one.z for one in followed])),
            "lag_seconds": float(np.median([one.lag_seconds for one in followed])),
            "self_retrieval": float(found.mean()),
            "between_share": between_share(means, np.square(stds)),
            "silhouette": None if separation is None else separation.silhouette,
            "probe_accuracy": None if separation is None else separation.probe_accuracy,
            "mean_std": float(std.mean()),
            "min_std": float(std.min()),
            "clipped": float(np.mean([track.clipped for track in tracks])),
            "n_dead": int((std < DEAD_STD).sum()),
        },
        intervals=intervals,
        std=tuple(std.tolist()),
    )


def comparable_genres(genres: Sequence[str], artists: Sequence[str]) -> list[str]:
    """Return the sorted genres with at least two artists; one is needed to fit a probe, and another to test it."""
    pairs = {(genre, artist) for genre, artist in zip(genres, artists, strict=True) if genre}
    counted = [genre for genre, _ in pairs]
    return sorted(genre for genre in set(counted) if counted.count(genre) > 1)


@dataclass(frozen=True)
class GenreSeparation:
    """How far genres are apart.

    `silhouette` is from -1 to 1, and 0 if the genres overlap. `probe_accuracy` is the balanced accuracy of a logistic
    regression on artists that it was not fitted to, 1 / n_genres by chance, with its `interval`.
    """

    silhouette: float
    probe_accuracy: float
    interval: Interval


def genre_separation(
    descriptors: Floats, genres: Sequence[str], artists: Sequence[str], seed: int = 0
) -> GenreSeparation | None:
    """Measure how far descriptors [shape=(n_tracks, n_numbers)] separate the `comparable_genres`, at least two."""
    offers = comparable_genres(genres, artists)
    if len(offers) < 2:
        return None
    chosen = [i for i, genre in enumerate(genres) if genre in offers]
    x = descriptors[chosen]
    genre, artist = (np.array([values[i] for i in chosen]) for values in (genres, artists))
    probe = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2_000))
    answers = genre.copy()
    for known, tried in GroupKFold(min(_MAX_FOLDS, len(set(artist)))).split(x, genre, artist):
        if len(set(genre[known])) > 1:
            answers[tried] = probe.fit(x[known], genre[known]).predict(x[tried])
        else:
            answers[tried] = genre[known][0]
    return GenreSeparation(
        silhouette=float(silhouette_score(x, genre)),
        probe_accuracy=float(balanced_accuracy_score(genre, answers)),
        interval=interval_of_balanced_share(answers == genre, genre.tolist(), artist.tolist(), seed),
    )
