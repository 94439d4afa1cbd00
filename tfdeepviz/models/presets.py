"""Presets: everything that a training run needs but its data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any, Self

from tfdeepviz.data.files import FormatError, read_json

OPTIMIZERS = ("sgd", "adamw")


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A recipe.

    Attributes
    ----------
    name, title
        Stable identifier, and what people read.
    kind
        `autoencoder`.
    model
        Arguments of `tfdeepviz.models.autoencoder.Autoencoder`.
    scaler
        Scaling of segments before the model: `minmax` or `standard`.
    optimizer, learning_rate, momentum, weight_decay
        `sgd` uses the momentum, `adamw` the weight decay.
    schedule
        `constant`, or `cosine`: a warm-up of 5 % of all steps and a cosine to zero.
    batch_size, epochs
        As usual.
    step_seconds
        Hop at which a player should run the encoder.
    """

    name: str
    title: str
    kind: str
    model: dict[str, Any]
    scaler: str
    optimizer: str
    learning_rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    schedule: str = "constant"
    batch_size: int = 64
    epochs: int = 40
    step_seconds: float = 0.1

    def __post_init__(self) -> None:
        if self.kind != "autoencoder":
            raise ValueError(f"kind={self.kind!r}: only 'autoencoder' can be trained")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer={self.optimizer!r}: choose one of {', '.join(OPTIMIZERS)}")
        if self.schedule not in ("constant", "cosine"):
            raise ValueError(f"schedule={self.schedule!r}: choose constant or cosine")
        if not 0 < self.learning_rate < 10:
            raise ValueError(f"learning_rate={self.learning_rate}: give a value in (0, 10)")
        for name in ("batch_size", "epochs"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 1 <= value <= 1_000_000:
                raise ValueError(f"{name}={value!r}: give a whole number of at least 1")
        if not 0 < self.step_seconds <= 60:
            raise ValueError(f"step_seconds={self.step_seconds}: give a value in (0, 60]")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Inverse of `to_dict`.

        Raises
        ------
        ValueError
            For unknown or missing names and impossible values.
        """
        known = {field.name for field in fields(cls)}
        if unknown := set(values) - known:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}; a preset knows {', '.join(sorted(known))}")
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"not a preset ({error})") from error


def preset_names() -> list[str]:
    """Names of the presets that come with the package."""
    return sorted(
        path.name.removesuffix(".json")
        for path in (resources.files(__package__) / "presets").iterdir()
        if path.name.endswith(".json")
    )


def load_preset(name: str) -> Preset:
    """Load a preset by its name, or from a JSON file of your own.

    Raises
    ------
    FormatError
        If there is none of that name, or the file is no preset.
    """
    if name in preset_names():
        path = Path(str(resources.files(__package__) / "presets" / f"{name}.json"))
    elif name.endswith(".json"):
        path = Path(name)
    else:
        raise FormatError(f"{name!r}: no such preset; choose one of {', '.join(preset_names())} or give a .json file")
    try:
        return Preset.from_dict({"name": path.stem, **read_json(path)})
    except ValueError as error:
        raise FormatError(f"{path}: {error}") from error
