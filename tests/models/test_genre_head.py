from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import log_softmax

from tfdeepviz.errors import InputError
from tfdeepviz.models.descriptors import GENRES, load_descriptors
from tfdeepviz.models.genre_head import RIGHT_SHARE, Clip, GenreHead, fit_genre_head
from tfdeepviz.teachers.musicnn import TAGS

_FEATURES = 12
_KNOWN = ("Classical", "Electronic", "Rock")
_TAGS_OF = {one.name: list(one.tags) for one in load_descriptors() if one.kind == "genre"}

Floats = npt.NDArray[np.float64]


def make_clips(n_artists: int = 45, *, noise: float = 1.0, heard: float = 2.0, seed: int = 0) -> list[Clip]:
    """Clips of three genres: each has a place among the features, and its tags in the table say so, too."""
    rng = np.random.default_rng(seed)
    places = 3 * np.eye(_FEATURES)
    clips = []
    for artist in range(n_artists):
        genre = _KNOWN[artist % len(_KNOWN)]
        for _ in range(1 + artist % 3):
            features = places[_KNOWN.index(genre)] + noise * rng.normal(size=(6, _FEATURES))
            log_odds = rng.normal(-3, 1, (6, len(TAGS)))
            log_odds[:, _TAGS_OF[genre]] += heard
            clips.append(Clip(features, log_odds, genre, f"artist {artist}"))
    return clips


def answers(head: GenreHead, clips: list[Clip]) -> list[str]:
    return [GENRES[head.probabilities(one.features, one.log_odds).mean(axis=0).argmax()] for one in clips]


@pytest.fixture(scope="module")
def head() -> GenreHead:
    return fit_genre_head(make_clips())


def test_genres_are_told_apart(head: GenreHead) -> None:
    others = make_clips(seed=1)
    right = [answer == one.genre for answer, one in zip(answers(head, others), others, strict=True)]
    assert np.mean(right) > 0.9
    assert head.kernel.shape == (_FEATURES + len(TAGS), len(GENRES))
    assert head.n_clips == {genre: [one.genre for one in others].count(genre) for genre in GENRES}
    for one in others:
        np.testing.assert_allclose(head.probabilities(one.features, one.log_odds).sum(axis=1), 1)


def test_calibration_never_changes_a_windows_answer() -> None:
    # Features only hint at the labels.
    hinted = make_clips(30, noise=4.0, heard=0.0)
    head = fit_genre_head(hinted)
    assert abs(head.temperature - 1) > 0.05
    uncalibrated = replace(head, kernel=head.kernel * head.temperature, bias=head.bias * head.temperature)
    for one in hinted:
        before, after = (which.probabilities(one.features, one.log_odds) for which in (uncalibrated, head))
        np.testing.assert_array_equal(before.argmax(axis=1), after.argmax(axis=1))
        # Above 1, the temperature makes answers less sure, below 1 surer.
        surer = after.max(axis=1) - before.max(axis=1)
        assert (surer * (1 - head.temperature) >= -1e-12).all()


def test_clips_that_the_model_learnt_do_not_say_how_sure_to_be() -> None:
    learnt = [replace(one, is_learnt=True) for one in make_clips(24, noise=0.1)]
    hinted = [replace(one, artist=f"other {one.artist}") for one in make_clips(24, noise=15.0, heard=0.0, seed=1)]
    fooled = fit_genre_head([*(replace(one, is_learnt=False) for one in learnt), *hinted])
    head = fit_genre_head([*learnt, *hinted])
    assert head.temperature > 1.2 * fooled.temperature
    assert head.answered is not None and fooled.answered is not None
    assert head.answered < fooled.answered
    assert head.n_clips == fooled.n_clips
    assert fit_genre_head(learnt).answered is None


def test_a_genre_without_clips_keeps_the_tables_score(head: GenreHead) -> None:
    hip_hop, jazz = GENRES.index("Hip-Hop"), GENRES.index("Jazz")
    assert np.abs(head.kernel[:_FEATURES, [hip_hop, jazz]]).max() == 0
    clip = make_clips()[0]
    louder = clip.log_odds.copy()
    louder[:, TAGS.index("msd/Hip-Hop")] += 10
    assert answers(head, [replace(clip, log_odds=louder)]) == ["Hip-Hop"]
    # Both have the same prior, so only their tags decide between them.
    logs = log_softmax(np.hstack([clip.features, clip.log_odds]) @ head.kernel + head.bias, axis=1)
    shifted = log_softmax(np.hstack([clip.features + 5, clip.log_odds]) @ head.kernel + head.bias, axis=1)
    np.testing.assert_allclose(logs[:, hip_hop] - logs[:, jazz], shifted[:, hip_hop] - shifted[:, jazz])


def test_without_labels_the_table_answers() -> None:
    rng = np.random.default_rng(0)
    clips = []
    for genre in [*GENRES, *GENRES]:
        log_odds = rng.normal(-3, 0.1, (2, len(TAGS)))
        log_odds[:, _TAGS_OF[genre]] += 3
        clips.append(Clip(rng.normal(size=(2, _FEATURES)), log_odds, "", ""))
    head = fit_genre_head(clips)
    assert (head.temperature, head.unsure_below) == (1, RIGHT_SHARE)
    assert head.answered is head.right is None
    assert np.abs(head.kernel[:_FEATURES]).max() == 0
    # All oldies are easy listening, too, so that the two cannot be told apart.
    for answer, genre in zip(answers(head, clips), [*GENRES, *GENRES], strict=True):
        assert answer == genre or {answer, genre} == {"Easy Listening", "Old-Time / Historic"}


def test_an_album_counts_like_a_song() -> None:
    clips = make_clips()
    once, twice = fit_genre_head(clips), fit_genre_head(2 * clips)
    np.testing.assert_allclose(twice.kernel, once.kernel, atol=1e-3)
    np.testing.assert_allclose(twice.bias, once.bias, atol=1e-2)
    assert sum(twice.n_clips.values()) == 2 * sum(once.n_clips.values())


def test_units_of_the_features_do_not_matter() -> None:
    clips = make_clips()
    scaled = [replace(one, features=1000 * one.features - 7) for one in clips]
    np.testing.assert_allclose(
        fit_genre_head(clips).probabilities(clips[0].features, clips[0].log_odds),
        fit_genre_head(scaled).probabilities(scaled[0].features, scaled[0].log_odds),
        atol=1e-4,
    )


def test_sure_answers_are_right_as_often_as_promised() -> None:
    head = fit_genre_head(make_clips(60, noise=3.0, heard=0.5))
    assert head.answered is not None
    assert head.right is not None
    assert 0 < head.answered <= 1
    assert head.right >= RIGHT_SHARE
    easy = fit_genre_head(make_clips(60, noise=0.1))
    assert (easy.answered, easy.right) == pytest.approx((1, 1), abs=0.02)


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(InputError, match="no clip to fit a genre head to"):
        fit_genre_head([])
    clip = make_clips()[0]
    for wrong in (
        replace(clip, log_odds=clip.log_odds[:, :50]),
        replace(clip, log_odds=clip.log_odds[:2]),
        replace(clip, features=clip.features[:, :2]),
        replace(clip, features=clip.features[:0], log_odds=clip.log_odds[:0]),
    ):
        with pytest.raises(InputError, match="clip 1: features of shape"):
            fit_genre_head([clip, wrong])
    with pytest.raises(InputError, match="clip 0: features or log-odds with NaN"):
        fit_genre_head([replace(clip, features=clip.features * np.nan)])
