"""What a search may change in a preset, and the distributions that Optuna draws from."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from tfdeepviz.errors import InputError
from tfdeepviz.files import convert
from tfdeepviz.models.presets import Preset, load_preset, override

#: What is minimised: the lowest value over the epochs of a run.
OBJECTIVE = "val_loss"

# What the objective itself depends on, by kind: the lowest loss would not be the best model's.
_SET_THE_LOSS = {"contrastive": ("contrast", "batch_size")}
_NOT_SEARCHED = ("epochs", "name", "title")

_Number = Annotated[int, Meta(ge=-(10**12), le=10**12)] | Annotated[float, Meta(ge=-1e12, le=1e12)]
_Name = Annotated[str, Meta(pattern=r"^[a-z][a-z_]*(\.[a-z][a-z_]*)*$")]


class _Range(Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers from `min` to `max`, whole ones if both ends are."""

    min: _Number
    max: _Number
    scale: Literal["linear", "log"] = "linear"

    def __post_init__(self) -> None:
        if not self.min < self.max:
            raise ValueError(f"min={self.min} has to be less than max={self.max}")
        if self.scale == "log" and self.min <= 0:
            raise ValueError(f"min={self.min} has no logarithm; give a positive number or scale: linear")

    def distribution(self) -> BaseDistribution:
        if isinstance(self.min, int) and isinstance(self.max, int):
            return IntDistribution(self.min, self.max, log=self.scale == "log")
        return FloatDistribution(self.min, self.max, log=self.scale == "log")


class _Choice(Struct, frozen=True, forbid_unknown_fields=True):
    """One of any JSON values."""

    values: Annotated[list[Any], Meta(min_length=1, max_length=100)]

    def __post_init__(self) -> None:
        if len({json.dumps(value) for value in self.values}) < len(self.values):
            raise ValueError(f"values={self.values} repeat each other")

    def distribution(self) -> BaseDistribution:
        # Optuna's choices cannot be lists, and confuse 1 with true; texts stand for all.
        return CategoricalDistribution([json.dumps(value) for value in self.values])


class Bounds(Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of a model's trainable parameters."""

    min: Annotated[int, Meta(ge=0)] = 0
    max: Annotated[int, Meta(ge=1)] | None = None

    def __post_init__(self) -> None:
        if self.max is not None and self.min > self.max:
            raise ValueError(f"min={self.min} has to be at most max={self.max}")

    def __str__(self) -> str:
        numbers = f"at least {self.min:,}" if self.max is None else f"{self.min:,} to {self.max:,}"
        return f"{numbers} trainable parameters"

    def excess(self, n_parameters: int) -> float:
        """By what factor a number of parameters misses the bounds; 1 within them."""
        return max(1.0, self.min / max(n_parameters, 1), 0.0 if self.max is None else n_parameters / self.max)


class Space(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """What a search may change in a preset; `read_record` loads it from JSON, and raises FormatError."""

    #: Name or values of the preset that everything else comes from.
    preset: str | dict[str, Any]
    #: Names as in `tfdeepviz train --set`, each with `min`, `max` and `scale` or with `values`.
    parameters: Annotated[dict[_Name, dict[str, Any]], Meta(min_length=1, max_length=32)]
    #: Combinations outside these bounds are not tried.
    trainable_parameters: Bounds = Bounds()
    #: Replaces the preset's.
    epochs: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    #: Hyperband's: one of so many trials goes on, to so many times the epochs.
    factor: Annotated[int, Meta(ge=2, le=100)] = 3

    def __post_init__(self) -> None:
        for name in self.distributions:
            if name in _NOT_SEARCHED:
                raise InputError(f"parameters.{name}: cannot be searched; set it in the preset")
            if name.split(".")[0] in _SET_THE_LOSS.get(self.base.kind, ()):
                raise InputError(
                    f"parameters.{name}: changes what {OBJECTIVE} means for kind {self.base.kind}, so that trials "
                    "could not be compared; set it in the preset"
                )
            # One usable value proves the name. The others may need company: a momentum needs sgd.
            entry = self.parameters[name]
            refusals = [self._refusal(name, value) for value in entry.get("values") or (entry["min"], entry["max"])]
            if all(refusals):
                raise InputError(f"parameters.{name}: the preset takes none of its values ({refusals[-1]})")

    def _refusal(self, name: str, value: Any) -> str:
        try:
            override(self.base, {name: value})
        except ValueError as error:
            return str(error)
        return ""

    @cached_property
    def base(self) -> Preset:
        """The preset that is changed."""
        preset = load_preset(self.preset) if isinstance(self.preset, str) else Preset.from_dict(self.preset)
        return preset if self.epochs is None else override(preset, {"epochs": self.epochs})

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Distributions that Optuna draws from, by name."""
        distributions = {}
        for name, entry in self.parameters.items():
            kind: type[_Choice | _Range] = _Choice if "values" in entry else _Range
            distributions[name] = convert(entry, kind, f"parameters.{name}").distribution()
        return distributions

    def decode(self, drawn: dict[str, Any]) -> dict[str, Any]:
        """Give the preset's values for what Optuna drew."""
        return {name: json.loads(value) if isinstance(value, str) else value for name, value in drawn.items()}
