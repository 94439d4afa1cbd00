from __future__ import annotations

import numpy as np
import pytest

from tfdeepviz.errors import InputError
from tfdeepviz.models.descriptors import GENRES, Typical, averaging, load_descriptors, typical_descriptors
from tfdeepviz.teachers.musicnn import TAGS


def test_the_table_is_one_of_known_tags() -> None:
    descriptors = load_descriptors()
    assert {one.kind for one in descriptors} == {"genre", "mood", "instrument", "voice"}
    assert len({(one.kind, one.name) for one in descriptors}) == len(descriptors)
    for one in descriptors:
        assert 0 < len(one.tags) == len(set(one.tags))
    female = next(one for one in descriptors if one.name == "female vocals")
    assert {"msd/female vocalists", "mtt/woman"} <= {TAGS[i] for i in female.tags}


def test_the_genres_are_fmas() -> None:
    assert len(GENRES) == 16
    assert list(GENRES) == sorted(GENRES)
    assert {"Easy Listening", "Hip-Hop", "Old-Time / Historic", "Soul-RnB"} <= set(GENRES)


def test_what_is_typical() -> None:
    log_odds = np.random.default_rng(0).normal(-3, 2, (50, len(TAGS)))
    found = {(one["kind"], one["name"]): one for one in typical_descriptors(log_odds)}
    country = found["genre", "Country"]
    assert [TAGS[i] for i in country["tags"]] == ["msd/country", "mtt/country"]
    scores = log_odds[:, country["tags"]].mean(axis=1)
    assert (country["typical"], country["spread"]) == pytest.approx((scores.mean(), scores.std()))
    # Of one clip, nothing is known of the spread.
    assert all(one["spread"] == 1 for one in typical_descriptors(log_odds[:1]))


@pytest.mark.parametrize("log_odds", [[], [[1.0]], np.zeros(100), np.full((2, 100), np.nan)])
def test_other_numbers_are_refused(log_odds: object) -> None:
    with pytest.raises(InputError, match="give 100 numbers for each of the clips"):
        Typical.of(load_descriptors(), np.asarray(log_odds))


def test_averaging_keeps_what_all_tags_say() -> None:
    np.testing.assert_allclose(np.full(len(TAGS), -2.5) @ averaging(load_descriptors()), -2.5)
