"""Presets: everything that a training run needs except its data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Self

import jsonschema

from tfdeepviz.errors import InputError, no_such
from tfdeepviz.files import FormatError, read_json
from tfdeepviz.reports.measures import KINDS

_HERE = Path(str(resources.files(__package__)))


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A model and its training settings; `preset.schema.json` says what each field means and which values are valid.

    Raises InputError if a value violates the schema; the message names it.
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
    contrast: dict[str, Any] | None = None
    precision: str = "float32"
    augmentation: dict[str, Any] | None = None
    step_seconds: float = 0.1
    thresholds: dict[str, dict[str, Any]] | None = None
    budget: dict[str, float] = field(default_factory=lambda: {"megabytes": 2.5, "milliseconds": 50.0})

    def __post_init__(self) -> None:
        _validate(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`; raises InputError for unknown or missing names and invalid values."""
        _validate(values)
        return cls(**deepcopy(dict(values)))


def preset_names() -> list[str]:
    """Names of the presets that come with the package."""
    return sorted(path.stem for path in (_HERE / "presets").glob("*.json"))


def parameter_counts() -> dict[str, Any]:
    """Sizes of the shipped presets' models on the paper's input grid; a test compares them with the built models."""
    return read_json(_HERE / "parameter_counts.json")


def load_preset(name: str, *, recipe: str | None = None) -> Preset:
    """Load a preset by name, or from a JSON file.

    A file names a recipe, whose values it may override. The argument `recipe` selects another recipe, whose values then
    override the file's. Raises FormatError if there is no preset of that name, or the file is not a preset.
    """
    if name in preset_names():
        path = _HERE / "presets" / f"{name}.json"
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
    except InputError as error:
        raise FormatError(f"{path}: {error}") from error


def override(preset: Preset, assignments: Mapping[str, Any]) -> Preset:
    """Change values by their dotted names, such as `{"optimizer.momentum": 0.9}`; InputError if one is not valid."""
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


def _recipe(values: Mapping[str, Any], name: object) -> dict[str, Any]:
    """Return the recipe for a preset's architecture if it has its own, else for its kind."""
    name, kind, architecture = str(name), str(values.get("kind")), str(values.get("model", {}).get("architecture"))
    if kind not in KINDS:
        given = f"kind={kind!r}" if "kind" in values else "kind is missing"
        raise InputError(f"{given}: choose one of {', '.join(KINDS)}")
    recipes = read_json(_HERE / "recipes.json")
    offered = recipes[architecture if kind == "autoencoder" and architecture in recipes else kind]
    if name not in offered:
        raise InputError(f"recipe={name!r}: choose one of {', '.join(offered)}")
    return dict(offered[name])


@cache
def _validator() -> jsonschema.Draft202012Validator:
    schema = json.loads((_HERE / "preset.schema.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)


def _validate(values: Any) -> None:
    try:
        # Presets made in Python may contain tuples; JSON has only lists.
        plain = json.loads(json.dumps(values, allow_nan=False))
    except ValueError as error:
        raise InputError(f"preset: {error}") from error
    flaw = jsonschema.exceptions.best_match(_validator().iter_errors(plain))
    if flaw is not None:
        name = ".".join(str(part) for part in flaw.absolute_path)
        if flaw.validator == "additionalProperties":
            known, place = flaw.schema["properties"], name and f"{name}."
            wrong = min(flaw.instance.keys() - known)
            raise InputError(no_such("setting", place + wrong, [place + one for one in known]))
        raise InputError(f"{name or 'preset'}: {flaw.message}")
