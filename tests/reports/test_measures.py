from __future__ import annotations

import numpy as np
import pytest

from tfdeepviz.models.presets import load_preset, preset_names
from tfdeepviz.models.scores import score_autoencoder, score_classifier, score_songs
from tfdeepviz.reports.measures import BY_NAME, KINDS, MAPPING, MEASURES, numbers, of_kind


def test_every_measure_has_a_name_of_its_own_and_a_kind() -> None:
    assert len({one.name for one in MEASURES}) == len(MEASURES)
    assert set(KINDS) == {load_preset(name).kind for name in preset_names()}
    assert all(one.kinds and set(one.kinds) <= {*KINDS, MAPPING} for one in MEASURES)
    assert [one.name for one in of_kind("contrastive")][:2] == ["self_retrieval", "chance"]
    assert [one.name for one in MEASURES if one.is_verdict] == [
        *("mse_to_pca", "polled_accuracy", "macro_f1", "self_retrieval", "tag_correlation")
    ]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("mse", 0.00123456, "0.00123"),
        ("mse", 12_345.6, "12,346"),
        ("mse", 0.0, "0"),
        ("polled_accuracy", 0.6, "0.600"),
        ("between_share", -0.0001, "0.000"),
        ("shuffle_rise", 0.4, "+40.0%"),
        ("lag_seconds", -0.06, "-60"),
        ("n_dead", 1_234, "1,234"),
        ("macro_f1", None, "-"),
    ],
)
def test_values_are_written_as_their_measure_says(name: str, value: float | None, text: str) -> None:
    assert BY_NAME[name].text(value) == text


def test_intervals_have_the_format_of_their_value() -> None:
    assert BY_NAME["polled_accuracy"].interval((0.45, 0.74)) == "0.450 to 0.740"


def test_metrics_become_one_number_each() -> None:
    metrics = {
        "mse": 0.5,
        "genres": ["Rock"],
        "encoding_std": [0.2, 0.1],
        "n_tracks": 3,
        "intervals": {},
        "nothing": [],
    }
    assert numbers(metrics) == {"mse": 0.5, "min_encoding_std": 0.1, "n_tracks": 3}
    assert numbers({"mse": float("nan"), "flag": True, "list": [None, 2.0]}) == {"min_list": 2.0}


def test_every_score_has_a_measure() -> None:
    tracks, rng = np.repeat(np.arange(4), 3), np.random.default_rng(0)
    errors = {name: rng.uniform(size=12) for name in ("model", "alone", "unskipped", "shuffled", "mean", "pca")}
    genres = np.eye(2)[tracks % 2]
    scores = {
        "autoencoder": score_autoencoder(errors, tracks),
        "classifier": score_classifier(genres, tracks % 2, tracks, ("Rock", "Jazz")),
        "contrastive": score_songs(rng.uniform(size=(12, 2)), tracks),
    }
    for kind, found in scores.items():
        # Of all errors relative to the PCA's, two are measures of their own.
        names = {name for name in numbers(found) if not name.startswith("n_") and not name.endswith("d_mse_to_pca")}
        assert names - {"mean_mse_to_pca"} <= {one.name for one in of_kind(kind)}
