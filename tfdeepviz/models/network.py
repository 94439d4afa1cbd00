"""What the networks share: their configuration, checks, and layers that follow the model's dtype policy."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import keras

from tfdeepviz.params import ParameterError


class Configured:
    """Mix-in for Keras objects whose constructor's arguments are attributes of the same name."""

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        names = [name for name in inspect.signature(type(self).__init__).parameters if name not in ("self", "kwargs")]
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}  # type: ignore[misc]


class Network(Configured, keras.Model):  # type: ignore[misc]
    """Model of scaled segments [shape=(batch, *input_size, 1)], of `input_size` coefficients and frames each.

    Constructors raise `ParameterError` for impossible or incompatible arguments; the message names the rule.
    """

    input_size: tuple[int, int]

    def build(self, *_: Any) -> None:
        """Create all weights."""
        # A call with a symbolic tensor builds every layer.
        self.call(keras.Input(batch_shape=(1, *self.input_size, 1)))
        self.built = True

    def _check(self, *counts: str) -> None:
        """Raise ParameterError unless the attributes named are counts and all rules hold."""
        for name in counts:
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= 1_000_000:
                raise ParameterError(f"{name}={value!r}: give a whole number from 1 to 1000000")
        for holds, rule in self._rules():
            if not holds:
                raise ParameterError(rule)

    def _rules(self) -> Iterator[tuple[bool, str]]:
        """Yield whether each rule about the arguments holds, and what to say if it does not."""
        yield from ()

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
