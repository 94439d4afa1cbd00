"""A genre head: from an embedding and a teacher's tags to probabilities of FMA's 16 top genres.

Labelled music is scarce: some genres have a hundred clips, others none. Therefore a table (`descriptors.toml`) says
which tags speak for a genre, and a multinomial logistic regression on the embedding only learns what to add to it. A
genre without labelled clips keeps the table's score. Everything is affine in the embedding and in the log-odds of the
tags, so it collapses into one dense layer.

Every artist counts once per genre, because an album says hardly more of a genre than a song. The prior is the share of
a genre's artists in the labelled music, with one artist added to every genre (Laplace). In a library with other music,
the true shares are different; nothing is known of them, and the prior of what was labelled beats an even one.

They are calibrated by one temperature (Guo et al. 2017, "On calibration of modern neural networks"), fitted to clips of
artists that the head was not fitted to, and whose genres its model did not learn either. The answer to a track is the
mean of the probabilities over its windows, which predicts held-out artists better than the mean of the logits, and
"unsure" below a threshold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.model_selection import GroupKFold

from tfdeepviz.errors import InputError
from tfdeepviz.models.descriptors import GENRES, Typical, averaging, load_descriptors
from tfdeepviz.teachers.musicnn import TAGS

#: Share of the sure answers, to artists that the head was not fitted to, that are right.
RIGHT_SHARE = 0.75

# Chosen by cross-validation over artists, with the answers of a teacher and of its students as input: logits per unit
# of the table's score, penalty of the squared weights, and artists added to every genre.
_TABLE_WEIGHT = 0.75
_PENALTY = 0.3
_PRIOR_ARTISTS = 1.0

_MAX_FOLDS = 20
_TEMPERATURES = (0.2, 10.0)
_MAX_STEPS = 500

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip's windows, at least one, as a model describes them.

    `features` has the shape (n_windows, n_features), and `log_odds`, those of the tags, (n_windows, 100). A genre that
    is not among `GENRES`, such as "", means unlabelled; an artist "" is unknown. `is_learnt` says that the model itself
    learnt the clip's genre: it describes such a clip better than others, so the clip does not show how sure to be.
    """

    features: npt.NDArray[np.floating[Any]]
    log_odds: npt.NDArray[np.floating[Any]]
    genre: str
    artist: str
    is_learnt: bool = False


@dataclass(frozen=True, eq=False)
class GenreHead:
    """One affine map: softmax([features, log-odds] @ kernel + bias) are the calibrated probabilities.

    Attributes
    ----------
    kernel, bias
        [shape=(n_features + 100, 16)] and [shape=(16,)], divided by the temperature.
    temperature
        By how much the logits were divided; above 1, the head was too sure.
    unsure_below
        A track's answer is "unsure" if the mean of its windows' probabilities nowhere reaches this.
    answered, right
        Share of the clips of held-out artists with an answer, and the share of these answers that are right; None
        without held-out artists. Artists count once per genre, and clips that the model learnt not at all.
    n_clips
        Number of labelled clips of each genre.
    """

    kernel: Floats
    bias: Floats
    temperature: float
    unsure_below: float
    answered: float | None
    right: float | None
    n_clips: dict[str, int]

    def probabilities(self, features: npt.ArrayLike, log_odds: npt.ArrayLike) -> Floats:
        """Give the probabilities of the genres [shape=(n_windows, 16)]; for the arguments see `Clip`."""
        answers: Floats = softmax(np.hstack([features, log_odds]) @ self.kernel + self.bias, axis=1)
        return answers


def fit_genre_head(clips: Sequence[Clip]) -> GenreHead:
    """Fit a genre head to the clips of the training and the validation split.

    All clips say what is typical, the labelled ones what distinguishes genres. With labelled clips of fewer than two
    artists, or only such that the model learnt, nothing can be held out: the temperature is then 1.

    Raises an InputError if there is no clip or the shapes do not match.
    """
    _check(clips)
    inputs = _Inputs.of(clips)
    labelled = [i for i, clip in enumerate(clips) if clip.genre in GENRES]
    labels = np.array([GENRES.index(clips[i].genre) for i in labelled], np.int64)
    artists = [clips[i].artist or i for i in labelled]
    weights = _weights(list(zip(artists, labels.tolist(), strict=True)))
    x, table = inputs.features[labelled], inputs.table[labelled]
    groups = np.unique([str(artist) for artist in artists], return_inverse=True)[1]

    temperature, unsure_below, answered, right = 1.0, RIGHT_SHARE, None, None
    judged = np.flatnonzero([not clips[i].is_learnt for i in labelled])
    if (n_artists := len(set(groups.tolist()))) > 1 and len(judged):
        held_out: list[Floats] = [np.empty(0)] * len(labelled)
        for known, tried in GroupKFold(min(_MAX_FOLDS, n_artists)).split(x, labels, groups):
            kernel, bias = _fit(x[known], table[known], labels[known], weights[known])
            for i in tried:
                held_out[i] = inputs.logits(clips[labelled[i]], kernel, bias)
        logits, truth, counts = [held_out[i] for i in judged], labels[judged], weights[judged]
        temperature = _temperature(logits, truth, counts)
        answers = _pooled(logits, temperature)
        is_right, sureness = answers.argmax(axis=1) == truth, answers.max(axis=1)
        unsure_below = _unsure_below(sureness, is_right, counts)
        sure = sureness >= unsure_below
        answered = float(counts[sure].sum() / counts.sum())
        right = float(np.average(is_right[sure], weights=counts[sure])) if sure.any() else None
    kernel, bias = inputs.collapsed(*_fit(x, table, labels, weights))
    return GenreHead(
        kernel=kernel / temperature,
        bias=bias / temperature,
        temperature=temperature,
        unsure_below=unsure_below,
        answered=answered,
        right=right,
        n_clips={genre: int((labels == i).sum()) for i, genre in enumerate(GENRES)},
    )


@dataclass(frozen=True, eq=False)
class _Inputs:
    """What the head is fitted to: standardised features and the table's scores, mean of each clip's windows."""

    centre: Floats
    scale: float
    averages: Floats
    typical: Typical
    features: Floats
    table: Floats

    @classmethod
    def of(cls, clips: Sequence[Clip]) -> _Inputs:
        descriptors = tuple(one for one in load_descriptors() if one.kind == "genre")
        features, log_odds = (
            np.stack([np.mean(values, axis=0, dtype=np.float64) for values in of_clips])
            for of_clips in ([clip.features for clip in clips], [clip.log_odds for clip in clips])
        )
        typical, averages = Typical.of(descriptors, log_odds), averaging(descriptors)
        centre = features.mean(axis=0)
        # One scale for all: a feature that hardly varies here may be large in music of another kind, and scaling it up
        # would make it decide. The mean square of a clip's features is 1, so that the penalty always means the same.
        spread = float(np.sqrt(features.var(axis=0).sum()))
        scale = 1 / spread if spread > 1e-6 else 0.0
        table = (log_odds @ averages - typical.mean) / typical.spread
        return cls(centre, scale, averages, typical, (features - centre) * scale, table)

    def collapsed(self, kernel: Floats, bias: Floats) -> tuple[Floats, Floats]:
        """Turn weights of the standardised features into one affine map of features and log-odds."""
        of_features = self.scale * kernel
        of_table = _TABLE_WEIGHT * self.averages / self.typical.spread
        shift = _TABLE_WEIGHT * self.typical.mean / self.typical.spread
        return np.vstack([of_features, of_table]), bias - self.centre @ of_features - shift

    def logits(self, clip: Clip, kernel: Floats, bias: Floats) -> Floats:
        """Give the logits of a clip's windows [shape=(n_windows, 16)]."""
        weights, offset = self.collapsed(kernel, bias)
        logits: Floats = np.hstack([clip.features, clip.log_odds]).astype(np.float64) @ weights + offset
        return logits


def _fit(x: Floats, table: Floats, labels: Integers, weights: Floats) -> tuple[Floats, Floats]:
    """Fit weights [shape=(n_features, 16)], and give the log prior [shape=(16,)].

    Minimises the weighted cross-entropy plus the penalty with L-BFGS; the table's scores and the prior are fixed.
    Genres without clips get no weights: nothing speaks for or against them but the table.
    """
    counts = np.bincount(labels, weights=weights, minlength=len(GENRES))
    prior = np.log((counts + _PRIOR_ARTISTS) / (counts + _PRIOR_ARTISTS).sum())
    known = counts > 0
    kernel = np.zeros((x.shape[1], len(GENRES)))
    if not known.any():
        return kernel, prior
    fixed, truth = _TABLE_WEIGHT * table + prior, np.eye(len(GENRES))[labels]

    def loss(values: Floats) -> tuple[float, Floats]:
        kernel[:, known] = values.reshape(len(kernel), -1)
        logs = log_softmax(fixed + x @ kernel, axis=1)
        error = -float((weights * logs[np.arange(len(labels)), labels]).sum())
        gradient = x.T @ ((np.exp(logs) - truth) * weights[:, None])
        slope = gradient[:, known] + _PENALTY * kernel[:, known]
        return error + _PENALTY / 2 * float(np.square(values).sum()), slope.ravel()

    start = np.zeros(len(kernel) * int(known.sum()))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _MAX_STEPS}).x
    kernel[:, known] = found.reshape(len(kernel), -1)
    return kernel, prior


def _weights(kinds: Sequence[tuple[str | int, int]]) -> Floats:
    """Weigh clips so that every artist counts once per genre."""
    n = Counter(kinds)
    return np.array([1 / n[kind] for kind in kinds], np.float64)


def _pooled(logits: Sequence[Floats], temperature: float) -> Floats:
    return np.stack([softmax(windows / temperature, axis=1).mean(axis=0) for windows in logits])


def _temperature(logits: Sequence[Floats], labels: Integers, weights: Floats) -> float:
    """Choose the temperature whose pooled probabilities predict the labels best."""

    def loss(log_temperature: float) -> float:
        right = _pooled(logits, np.exp(log_temperature))[np.arange(len(labels)), labels]
        return -float((weights * np.log(np.maximum(right, 1e-12))).sum())

    return float(np.exp(minimize_scalar(loss, bounds=tuple(np.log(_TEMPERATURES)), method="bounded").x))


def _unsure_below(sureness: Floats, is_right: npt.NDArray[np.bool_], weights: Floats) -> float:
    """Find the least threshold at which `RIGHT_SHARE` of the answers are right.

    If there is none, it is `RIGHT_SHARE` itself, at which calibrated answers are right that often.
    """
    order = np.argsort(-sureness)
    shares = np.cumsum((weights * is_right)[order]) / np.cumsum(weights[order])
    enough = np.flatnonzero(shares >= RIGHT_SHARE)
    return float(sureness[order[enough[-1]]]) if len(enough) else RIGHT_SHARE


def _check(clips: Sequence[Clip]) -> None:
    if not clips:
        raise InputError("no clip to fit a genre head to; the training split is empty")
    n_features = np.shape(clips[0].features)[-1]
    for i, clip in enumerate(clips):
        wanted = (len(clip.features), n_features), (len(clip.features), len(TAGS))
        if not len(clip.features) or (np.shape(clip.features), np.shape(clip.log_odds)) != wanted:
            raise InputError(
                f"clip {i}: features of shape {np.shape(clip.features)} and log-odds of shape "
                f"{np.shape(clip.log_odds)}; give {n_features} features and {len(TAGS)} log-odds per window"
            )
        if not (np.isfinite(clip.features).all() and np.isfinite(clip.log_odds).all()):
            raise InputError(f"clip {i}: features or log-odds with NaN or infinity")
