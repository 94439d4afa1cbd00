"""Base class of the networks: their arguments, and layers that follow the model's dtype policy."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import keras

from tfdeepviz.params import ParameterError

_VALID: dict[str, tuple[str, Any]] = {
    "int": ("a whole number from 1 to 1000000", lambda value: type(value) is int and 1 <= value <= 1_000_000),
    "float": ("a number", lambda value: type(value) in (int, float)),
    "bool": ("true or false", lambda value: type(value) is bool),
}


class Network(keras.Model):  # type: ignore[misc]
    """Model of scaled segments [shape=(batch, *input_size, 1)].

    As in a dataclass, a network declares the arguments of its constructor as annotated attributes with defaults; they
    are also its configuration. `_create` makes its layers.

    Raises
    ------
    ParameterError
        If arguments are invalid or incompatible; the message names the rule.
    """

    #: Coefficients and frames of one segment.
    input_size: tuple[int, int] = (64, 96)

    def __init__(self, **arguments: Any) -> None:
        own = self.arguments()
        super().__init__(**{name: value for name, value in arguments.items() if name not in own})
        for name, (kind, default) in own.items():
            value = arguments.get(name, default)
            text, is_valid = _VALID.get(kind, ("", lambda _: True))
            if not is_valid(value):
                raise ParameterError(f"{name}={value!r}: give {text}")
            # JSON has no tuples.
            setattr(self, name, tuple(value) if isinstance(value, list) else value)
        for holds, rule in self._rules():
            if not holds:
                raise ParameterError(rule)
        self._create()

    @classmethod
    def arguments(cls) -> dict[str, tuple[str, Any]]:
        """Return the type and the default of each argument."""
        networks = [base for base in reversed(cls.__mro__) if issubclass(base, Network)]
        return {
            name: (kind, vars(base)[name])
            for base in networks
            for name, kind in inspect.get_annotations(base).items()
            if name in vars(base)
        }

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), **{name: getattr(self, name) for name in self.arguments()}}

    def build(self, *_: Any) -> None:
        """Create all weights."""
        # A call with a symbolic tensor builds every layer.
        self.call(keras.Input(batch_shape=(1, *self.input_size, 1)))
        self.built = True

    def _rules(self) -> Iterator[tuple[bool, str]]:
        """Yield whether each rule about the arguments holds, and what to say if it does not."""
        yield from ()

    def _create(self) -> None:
        """Create the layers."""

    def _layer(self, kind: type[keras.layers.Layer], *arguments: Any, **options: Any) -> keras.layers.Layer:
        return kind(*arguments, **{"dtype": self.dtype_policy, **options})

    def _dense(self, units: int, name: str, std: float | None = None, **options: Any) -> keras.layers.Dense:
        """Create a dense layer with normal initial values; without `std`, He initialisation."""
        kernel = keras.initializers.HeNormal() if std is None else keras.initializers.RandomNormal(stddev=std)
        return self._layer(keras.layers.Dense, units, kernel_initializer=kernel, name=name, **options)

    def _conv1d(self, filters: int, n_frames: int, name: str, **options: Any) -> keras.layers.Conv1D:
        """Create a convolution over time, by default with He initialisation."""
        options = {"kernel_initializer": "he_normal", **options}
        return self._layer(keras.layers.Conv1D, filters, n_frames, name=name, **options)

    def _norm(self, name: str, *, affine: bool = True, epsilon: float = 1e-3) -> keras.layers.BatchNormalization:
        return self._layer(
            keras.layers.BatchNormalization, momentum=0.9, epsilon=epsilon, center=affine, scale=affine, name=name
        )
