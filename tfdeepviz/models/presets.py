"""Presets: everything that a training run needs except its data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Self

import jsonschema

from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError, read_json

KINDS = ("autoencoder", "classifier", "contrastive")
RECIPES = ("paper", "modern")


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A model and its training settings; `preset.schema.json` defines the valid values.

    Attributes
    ----------
    name, title
        Stable identifier, and display name.
    kind
        `autoencoder`, `classifier` or `contrastive`.
    model
        Arguments of the model's class, except sizes that depend on the data. An autoencoder's `architecture` is
        `temporal` or `time-resolved`; the default is the paper's.
    scaler
        Scaling of segments before the model: `minmax`, `standard` or `coefficients`.
    encoder_layer
        Layer of a classifier whose output is the encoding, such as `L13`.
    recipe
        `paper` or `modern`: the source of the values below, before any overrides.
    optimizer
        `name` (`sgd` with `momentum`, or `adamw` with `weight_decay`) and `learning_rate`.
    schedule
        `constant`, or `cosine`: a warm-up over 5 % of all steps, then a cosine decay to zero.
    batch_size, epochs
        Segments per batch (tracks for contrastive encoders), and number of epochs.
    patience
        Stop after this many epochs without a lower validation loss; None trains to the end.
    label_smoothing
        Share of a label's weight that is spread over all genres (classifiers).
    class_weights
        Strength of the compensation for rare genres (classifiers): a segment's weight is proportional to its genre's
        number of segments to the power of `-class_weights`. 0 applies none, 1 gives every genre the same total weight.
    contrast
        Settings of a contrastive encoder: `n_moments` per track in a batch, and the loss's `temperature`. None for
        other kinds.
    precision
        Keras dtype policy; `mixed_float16` and `mixed_bfloat16` are faster on accelerators only.
    augmentation
        Arguments of `tfdeepviz.data.augment.Augmentation`; None leaves segments as they are.
    step_seconds
        Hop at which a player should run the encoder.
    thresholds
        Requirements of `tfdeepviz validate` on test metrics, by metric name; nothing is blessed without them. `min` and
        `max` are bounds, each a number or the name of another metric; `may_worsen` is the share by which the metric may
        worsen relative to the version to be replaced. The prefix `min_` denotes the smallest value of a list metric. A
        distilled run only has to meet `min_correlation`, because the other thresholds apply to its teacher.
    budget
        Limits for a bundle: `megabytes` to download, and `milliseconds` of analysis on WebAssembly per second of audio.

    Raises
    ------
    InputError
        If a value violates the schema; the message names it.
    """

    name: str
    title: str
    kind: str
    model: dict[str, Any]
    scaler: str
    optimizer: dict[str, Any]
    encoder_layer: str | None = None
    recipe: str = "modern"
    schedule: str = "constant"
    batch_size: int = 64
    epochs: int = 40
    patience: int | None = None
    label_smoothing: float = 0.0
    class_weights: float = 0.0
    contrast: dict[str, Any] | None = field(default=None)
    precision: str = "float32"
    augmentation: dict[str, Any] | None = field(default=None)
    step_seconds: float = 0.1
    thresholds: dict[str, dict[str, Any]] | None = field(default=None)
    budget: dict[str, float] = field(default_factory=lambda: {"megabytes": 2.5, "milliseconds": 50.0})

    def __post_init__(self) -> None:
        _validate(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`.

        Raises
        ------
        InputError
            For unknown or missing names and invalid values.
        """
        known = {field.name for field in fields(cls)}
        if unknown := set(values) - known:
            raise InputError(f"unknown: {', '.join(sorted(unknown))}; a preset knows {', '.join(sorted(known))}")
        try:
            return cls(**deepcopy(dict(values)))
        except TypeError as error:
            raise InputError(f"not a preset ({error})") from error


def preset_names() -> list[str]:
    """Names of the presets that come with the package."""
    return sorted(
        path.name.removesuffix(".json")
        for path in (resources.files(__package__) / "presets").iterdir()
        if path.name.endswith(".json")
    )


def load_preset(name: str, *, recipe: str | None = None) -> Preset:
    """Load a preset by name, or from a JSON file.

    A file names a recipe, whose values it may override. The argument `recipe` selects another recipe, whose values then
    override the file's.

    Raises
    ------
    FormatError
        If there is no preset of that name, or the file is not a preset.
    """
    if name in preset_names():
        path = Path(str(resources.files(__package__) / "presets" / f"{name}.json"))
    elif name.endswith(".json"):
        path = Path(name)
    else:
        raise FormatError(f"{name!r}: no such preset; choose one of {', '.join(preset_names())} or give a .json file")
    values = read_json(path)
    try:
        if not isinstance(values.get("model", {}), dict):
            raise InputError("model: give an object of the model's arguments")
        base = _recipe(values, values.get("recipe", "modern"))
        values = {"recipe": "modern", "name": path.stem, **_merged(base, values)}
        if recipe not in (None, values["recipe"]):
            values = _merged(values, {**_recipe(values, recipe), "recipe": recipe})
        return Preset.from_dict(values)
    except ValueError as error:
        raise FormatError(f"{path}: {error}") from error


def override(preset: Preset, assignments: Mapping[str, Any]) -> Preset:
    """Change values by their dotted names, such as `{"optimizer.momentum": 0.9}`.

    Raises
    ------
    InputError
        For unknown names and invalid values.
    """
    values = preset.to_dict()
    for name, value in assignments.items():
        *path, last = name.split(".")
        place = values
        for part in path:
            if place.get(part) is None:
                place[part] = {}
            place = place[part]
            if not isinstance(place, dict):
                raise InputError(f"{name}: {part} is one value and has no parts")
        place[last] = value
    return Preset.from_dict(values)


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Apply changes: `model` is merged value by value; every other field is replaced as a whole."""
    model = {**values.get("model", {}), **changes.get("model", {})}
    return {**values, **changes, "model": model}


def _recipe(values: Mapping[str, Any], name: Any) -> dict[str, Any]:
    """Return the recipe for a preset's architecture if it has its own, else for its kind."""
    recipes = read_json(Path(str(resources.files(__package__) / "recipes.json")))
    kind = values.get("kind")
    if kind not in KINDS:
        raise InputError(f"kind={kind!r}: choose one of {', '.join(KINDS)}")
    architecture = values.get("model", {}).get("architecture")
    offered = recipes[architecture if kind == "autoencoder" and architecture in recipes else kind]
    if name not in offered:
        raise InputError(f"recipe={name!r}: choose one of {', '.join(offered)}")
    return dict(offered[name])


@cache
def _validator() -> jsonschema.Draft202012Validator:
    schema = json.loads((resources.files(__package__) / "preset.schema.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)


def _validate(values: dict[str, Any]) -> None:
    # Presets made in Python may contain tuples; JSON has only lists.
    plain = json.loads(json.dumps(values))
    error = jsonschema.exceptions.best_match(_validator().iter_errors(plain))
    if error is None:
        return
    name = ".".join(str(part) for part in error.absolute_path)
    raise InputError(f"{name or 'preset'}: {error.message}")
