from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tfdeepviz.models.build import build_model
from tfdeepviz.models.presets import load_preset, override
from tfdeepviz.models.tagger import Tagger
from tfdeepviz.params import ParameterError

WINDOWS = np.random.default_rng(0).normal(size=(8, 6, 40, 1)).astype(np.float32)


def tiny(**options: Any) -> Tagger:
    values = {"input_size": (6, 40), "encoding_size": 3, "n_filters": 4, "heads": {"tags": 5, "embeddings": 7}}
    model = Tagger(**{**values, **options})
    model.build()
    return model


def test_each_head_answers() -> None:
    model = tiny()
    answers = model(WINDOWS)
    assert {name: tuple(values.shape) for name, values in answers.items()} == {"tags": (8, 5), "embeddings": (8, 7)}
    encodings = np.asarray(model.encode(WINDOWS)[0])
    assert encodings.shape == (8, 3)
    assert (encodings > 0).all()
    assert (encodings < 1).all()
    assert set(tiny(heads={"tags": 5})(WINDOWS)) == {"tags"}


def test_it_is_kept_with_its_arguments(tmp_path: Path) -> None:
    model = tiny(n_residual=1, dropout=0.1)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert again.arguments().keys() == model.arguments().keys()
    assert (again.n_residual, again.dropout, dict(again.heads)) == (1, 0.1, {"tags": 5, "embeddings": 7})
    np.testing.assert_allclose(np.asarray(again(WINDOWS)["tags"]), np.asarray(model(WINDOWS)["tags"]), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "rule"), [({"dropout": 1.0}, "dropout"), ({"n_residual": 9}, "n_residual"), ({"heads": 3}, "heads")]
)
def test_wrong_values_name_the_rule(options: dict[str, Any], rule: str) -> None:
    with pytest.raises(ParameterError, match=rule):
        tiny(**options)


def test_the_preset_sees_three_seconds() -> None:
    preset = load_preset("tags")
    model = build_model(override(preset, {"model.n_filters": 4}), input_size=(64, 96))
    assert model.input_size == (64, 299)
    assert preset.step_seconds == 0.5
