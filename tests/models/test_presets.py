from __future__ import annotations

import json
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

import pytest

from tfdeepviz.commands.parser import assignment
from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError
from tfdeepviz.models.build import count_parameters
from tfdeepviz.models.presets import Preset, load_preset, override, parameter_counts, preset_names

PAPER = ["ae", "ae-shared", "ae-skip", "alexnet", "vgg11", "vgg13", "vgg16"]

OWN: dict[str, Any] = {
    "title": "t",
    "kind": "autoencoder",
    "model": {},
    "scaler": "minmax",
    "optimizer": {"name": "adamw", "learning_rate": 0.1},
}


def write(tmp_path: Path, **changes: Any) -> str:
    path = tmp_path / "own.json"
    path.write_text(json.dumps({**OWN, **changes}))
    return str(path)


def test_every_paper_model_has_a_preset_and_a_compact_one_and_there_are_ours() -> None:
    assert set(preset_names()) == {
        *PAPER,
        *(f"{name}-compact" for name in PAPER),
        "ae-temporal-compact",
        "ae-time",
        "song",
        "tags",
    }


@pytest.mark.parametrize("name", preset_names())
def test_presets_say_what_they_are(name: str) -> None:
    preset = load_preset(name)
    assert preset.name == name
    assert Preset.from_dict(json.loads(json.dumps(preset.to_dict()))) == preset
    assert preset.recipe == ("paper" if name in PAPER else "modern")


@pytest.mark.parametrize("name", preset_names())
def test_listed_sizes_are_those_of_the_models(name: str) -> None:
    counted = count_parameters(load_preset(name))
    assert parameter_counts()[name] == {
        "trainable_parameters": counted.trainable,
        "parameters_to_encoding": counted.to_encoding,
        "encoding_size": counted.encoding_size,
    }
    assert counted.to_encoding <= 1_000_000 or not name.endswith("-compact")


def test_the_papers_recipe() -> None:
    shared, skip, vgg = (load_preset(name) for name in ("ae-shared", "ae-skip", "vgg16"))
    assert shared.optimizer == {"name": "sgd", "learning_rate": 2.5e-4, "momentum": 0.95}
    assert (shared.batch_size, shared.epochs, skip.epochs, vgg.epochs) == (64, 40, 20, 25)
    assert (skip.optimizer["learning_rate"], vgg.optimizer["learning_rate"]) == (5.3e-3, 3.9e-6)
    assert (shared.scaler, vgg.scaler) == ("minmax", "standard")


def test_another_recipe_overrides_the_files_values_and_keeps_the_model() -> None:
    skip = load_preset("ae-skip", recipe="modern")
    assert skip.optimizer["name"] == "adamw"
    assert skip.epochs == load_preset("ae-shared", recipe="modern").epochs
    assert skip.model["n_initial_filters"] == 32
    assert skip.model["skip"] is True
    assert skip.model["normalize_encoding"] is True


def test_values_are_overridden_by_their_dotted_names() -> None:
    texts = ["optimizer.momentum=0.9", "model.kernel_size=5", "augmentation.max_gain_db=3", "schedule=cosine"]
    preset = override(load_preset("alexnet"), dict(map(assignment, [texts[0], texts[2], texts[3]])))
    assert preset.optimizer["momentum"] == 0.9
    assert preset.optimizer["learning_rate"] == 3.9e-6
    assert preset.augmentation == {"max_gain_db": 3}
    assert preset.schedule == "cosine"
    assert override(load_preset("ae"), dict([assignment(texts[1])])).model["kernel_size"] == 5
    assert load_preset("alexnet").augmentation is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optimizer.nesterov=true", "nesterov"),
        ("optimizer.momentum=high", "optimizer.momentum"),
        ("optimizer.momentum=1.5", "optimizer.momentum"),
        ("optimizer.name=adamw", "optimizer: 'momentum' is not one of"),
        ("model.colour=3", "colour"),
        ("model.n_pools=0", "model.n_pools"),
        ("epochs.more=1", "epochs is one value"),
        ("class_weights=0.5", "class_weights"),
        ("encoder_layer=L6", "encoder_layer"),
        ("colour=red", "colour"),
        ("kind=gan", "kind"),
        ("optimizer.learning_rate=NaN", "not JSON compliant"),
    ],
)
def test_wrong_overrides_name_the_value(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        override(load_preset("ae"), dict([assignment(text)]))


def test_assignments_need_a_name_and_a_value() -> None:
    with pytest.raises(ArgumentTypeError, match="NAME=VALUE"):
        assignment("momentum")


def test_unknown_settings_are_answered_with_the_nearest_known_one() -> None:
    with pytest.raises(InputError, match=r"there is no setting 'epoch'; did you mean 'epochs'\? known: name, title"):
        override(load_preset("ae"), {"epoch": 2})
    with pytest.raises(InputError, match=r"no setting 'model.kernel_sise'; did you mean 'model.kernel_size'\?"):
        override(load_preset("ae"), {"model.kernel_sise": 3})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": {"name": "rprop", "learning_rate": 0.1}}, "rprop"),
        ({"colour": "red"}, "colour"),
        ({"kind": "classifier", "model": {"architecture": "vgg16"}}, "encoder_layer"),
        ({"kind": "classifier", "model": {"architecture": "resnet"}, "encoder_layer": "L6"}, "resnet"),
        ({"recipe": "secret"}, "paper, modern"),
        ({"kind": 7}, "autoencoder, classifier"),
        ({"kind": []}, "autoencoder, classifier"),
        ({"model": {"architecture": []}}, "architecture"),
        ({"recipe": {}}, "paper, modern"),
        ({"model": []}, "model"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_own_files_are_checked(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    assert load_preset(write(tmp_path)).name == "own"
    with pytest.raises(FormatError, match=message) as error:
        load_preset(write(tmp_path, **changes))
    assert "own.json" in str(error.value)


def test_an_unknown_name_lists_the_presets() -> None:
    with pytest.raises(FormatError, match="ae-shared-compact"):
        load_preset("vgg99")
