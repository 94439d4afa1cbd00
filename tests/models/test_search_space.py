from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from tests.models.test_tuning import PARAMETERS, TINY
from tfdeepviz.files import FormatError, read_record
from tfdeepviz.models.presets import load_preset
from tfdeepviz.models.search_space import Space


def load(folder: Path, **values: Any) -> Space:
    path = folder / "space.json"
    path.write_text(json.dumps({"preset": TINY, "parameters": PARAMETERS, **values}))
    return read_record(path, Space)


def test_what_is_drawn_and_what_it_means(tmp_path: Path) -> None:
    space = load(tmp_path, preset="ae-shared-compact", epochs=7)
    assert space.base.epochs == 7 and space.base.model == load_preset("ae-shared-compact").model
    assert space.distributions == {
        "optimizer.learning_rate": FloatDistribution(1e-5, 1e-2, log=True),
        "model.n_pools": IntDistribution(2, 4),
        "batch_size": CategoricalDistribution(["2", "4", "8"]),
        "patience": CategoricalDistribution(["null", "3"]),
    }
    drawn = {"optimizer.learning_rate": 1e-3, "model.n_pools": 2, "batch_size": "8", "patience": "null"}
    assert space.decode(drawn) == {**drawn, "batch_size": 8, "patience": None}
    filters = {"model.n_filters": {"values": [16, 32]}}
    assert load(tmp_path, preset="song", parameters=filters).base == load_preset("song")
    smoothing = load(tmp_path, parameters={"label_smoothing": {"min": 0, "max": 0.5}})
    assert smoothing.distributions == {"label_smoothing": FloatDistribution(0, 0.5)}


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"batch_sise": {"values": [2]}}, r"parameters\.batch_sise: the preset takes none .*batch_sise"),
        ({"model.n_pools": {"min": 4, "max": 2}}, r"parameters\.model\.n_pools: min=4 has to be less than max=2"),
        ({"optimizer.learning_rate": {"min": 0, "max": 1, "scale": "log"}}, "learning_rate: min=0 has no logarithm"),
        (
            {"optimizer.learning_rate": {"min": 0, "max": 1, "scale": "cubic"}},
            "learning_rate: scale must be one of",
        ),
        ({"optimizer.learning_rate": {"min": "0", "max": 1}}, 'learning_rate: min must be .* but is "0"'),
        ({"optimizer.learning_rate": {"min": 0, "max": 1e13}}, "learning_rate: max must be .* but is 1"),
        ({"optimizer.learning_rate": {"min": 0}}, "learning_rate: max is missing"),
        ({"batch_size": {"min": 1, "max": 2, "values": [2]}}, "batch_size: min is unknown; choose one of values"),
        ({"batch_size": {"valeus": [2]}}, "batch_size: (valeus is unknown|min is missing)"),
        ({"batch_size": {"values": []}}, "batch_size: values must be a list, at least 1 long"),
        ({"batch_size": {"values": [2, 4, 2]}}, r"batch_size: values=\[2, 4, 2\] repeat each other"),
        ({"batch_size": 3}, "parameters.* must be an object"),
        ({"epochs": {"values": [2]}}, r"parameters\.epochs: cannot be searched"),
        ({"Batch size": {"values": [2]}}, "parameters: each name must be text.*, matching"),
        ({}, "parameters must be an object, at least 1 long"),
    ],
)
def test_parameters_are_checked(tmp_path: Path, parameters: dict[str, Any], reason: str) -> None:
    with pytest.raises(FormatError, match=rf"space\.json: .*{reason}"):
        load(tmp_path, parameters=parameters)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"preset": "unknown"}, "'unknown': no such preset"),
        ({"preset": {**TINY, "kind": "poem"}}, "kind: 'poem' is not one of"),
        ({"trainable_parameters": {"min": 5, "max": 3}}, "trainable_parameters: min=5 has to be at most max=3"),
        ({"trainable_parameters": {"min": -5}}, "trainable_parameters.min must be .*-5"),
        ({"epochs": 0}, "epochs must be .* 0"),
        ({"factor": 1}, "factor must be .* 1"),
        ({"facter": 2}, "facter is unknown; choose one of"),
    ],
)
def test_everything_else_is_checked(tmp_path: Path, values: dict[str, Any], reason: str) -> None:
    with pytest.raises(FormatError, match=rf"space\.json: {reason}"):
        load(tmp_path, **values)


@pytest.mark.parametrize("name", ["contrast.temperature", "batch_size"])
def test_what_changes_the_objective_cannot_be_searched(tmp_path: Path, name: str) -> None:
    with pytest.raises(FormatError, match=f"{name}: changes what val_loss means for kind contrastive"):
        load(tmp_path, preset="song", parameters={name: {"values": [1, 2]}})
