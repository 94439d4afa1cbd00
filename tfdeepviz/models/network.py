"""Base classes of the networks: all; encoders whose encoding is a few numbers after a sigmoid; autoencoders."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from msgspec import Meta

from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.params import ParameterError, check_types

Size = Annotated[int, Meta(ge=1, le=1_000_000)]
#: Number of layers or blocks of a kind.
Depth = Annotated[int, Meta(ge=0, le=16)]
#: Share of the values to drop.
Dropout = Annotated[float, Meta(ge=0, lt=1)]
#: Values that bypass the encoding: pool `positions` and `skipped` values, in order from the input.
Bypass = dict[str, list[Any]]


def residual(x: Any, layers: Sequence[keras.layers.Layer]) -> Any:
    """Apply residual blocks of two layers each, with the activation first (He et al. 2016) [same shape as x]."""
    for convolution, dense in zip(layers[::2], layers[1::2], strict=True):
        x = x + dense(ops.silu(convolution(ops.silu(x))))
    return x


class Network(keras.Model):  # type: ignore[misc]  # Keras is not typed
    """Model of scaled segments [shape=(batch, *input_size, 1)].

    As in a dataclass, a network declares the arguments of its constructor as annotated attributes with defaults; they
    are also its configuration. A ParameterError names the rule that invalid arguments break. `_create` makes the
    layers, which follow the model's dtype policy.
    """

    #: Coefficients and frames of one segment.
    input_size: tuple[Size, Size] = (64, 96)

    def __init__(self, **arguments: Any) -> None:
        own = self.arguments()
        super().__init__(**{name: value for name, value in arguments.items() if name not in own})
        values = {name: arguments.get(name, default) for name, (_, default) in own.items()}
        # JSON has no tuples.
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        check_types(values, {name: kind for name, (kind, _) in own.items()})
        for name, value in values.items():
            setattr(self, name, value)
        for flaw in self._flaws():
            raise ParameterError(flaw)
        self._create()

    @classmethod
    def arguments(cls) -> dict[str, tuple[Any, Any]]:
        """Return the type and the default of each argument."""
        return {
            name: (kind, vars(base)[name])
            for base in reversed(cls.__mro__)
            if issubclass(base, Network)
            for name, kind in inspect.get_annotations(base, eval_str=True).items()
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

    def _flaws(self) -> Iterator[str]:
        """Yield the rules that the arguments break together."""
        yield from ()

    def _create(self) -> None:
        """Create the layers."""

    def _layer(self, kind: type[keras.layers.Layer], *arguments: Any, **options: Any) -> keras.layers.Layer:
        return kind(*arguments, **{"dtype": self.dtype_policy, **options})

    def _dense(self, units: int, name: str, std: float | None = None, **options: Any) -> keras.layers.Dense:
        """Create a dense layer with normal initial values; without `std`, He initialisation."""
        kernel = keras.initializers.HeNormal() if std is None else keras.initializers.RandomNormal(stddev=std)
        return self._layer(keras.layers.Dense, units, kernel_initializer=kernel, name=name, **options)

    def _conv1d(
        self, filters: int, n_frames: int, name: str, *, kind: Any = keras.layers.Conv1D, **options: Any
    ) -> keras.layers.Layer:
        """Create a convolution over time, by default with He initialisation."""
        return self._layer(kind, filters, n_frames, name=name, **{"kernel_initializer": "he_normal", **options})

    def _residual_blocks(self, n_blocks: int, n_filters: int, n_steps: int, name: str) -> list[keras.layers.Layer]:
        """Create the layers of `residual`, two per block: a convolution over `n_steps`, and a dense layer.

        The dilation doubles from block to block, if there is anything to dilate. The dense layers start at zero, so
        that a deep network starts as a shallow one.
        """
        growth = 2 if n_steps > 1 else 1
        return [
            layer
            for i in range(n_blocks)
            for layer in (
                self._conv1d(n_filters, n_steps, f"{name}{i + 1}_conv", padding="same", dilation_rate=growth**i),
                self._conv1d(n_filters, 1, f"{name}{i + 1}_dense", kernel_initializer="zeros"),
            )
        ]

    def _norm(self, name: str, *, affine: bool = True, epsilon: float = 1e-3) -> keras.layers.BatchNormalization:
        return self._layer(
            keras.layers.BatchNormalization, momentum=0.9, epsilon=epsilon, center=affine, scale=affine, name=name
        )


class SegmentEncoder(Network):
    """Encoder of scaled segments.

    Within a Keras model, `training=None` stands for the phase of that model; elsewhere, for inference.
    """

    #: Components of the encoding.
    encoding_size: Size = 10

    #: Batch normalisation of the encoding before its sigmoid, without trainable parameters; or None.
    normalization: keras.layers.BatchNormalization | None

    @abstractmethod
    def project(self, x: Any, *, training: bool | None = None) -> tuple[Any, Bypass]:
        """Return the encoding before normalisation and sigmoid, and the values that bypass it."""

    def logits(self, x: Any, *, training: bool | None = None) -> tuple[Any, Bypass]:
        """Return the encoding before its sigmoid [shape=(batch, encoding_size)], and the values that bypass it."""
        logits, bypass = self.project(x, training=training)
        return logits if self.normalization is None else self.normalization(logits, training=training), bypass

    def encode(self, x: Any, *, training: bool | None = None) -> tuple[Any, Bypass]:
        """Return the encoding in (0, 1) [shape=(batch, encoding_size)], and the values that bypass it."""
        logits, bypass = self.logits(x, training=training)
        return ops.sigmoid(ops.cast(logits, "float32")), bypass

    def recalibrate_batch_norm(self, batches: Iterable[Any]) -> None:
        """Normalise the encoding by the exact statistics of some scaled segments instead of a moving average.

        A moving average lags behind while weights change quickly, so a component that is alive in training can look
        dead afterwards. Does nothing if the encoding is not normalised. Training itself is not affected.
        """
        if self.normalization is None:
            return
        values = np.concatenate(
            [ops.convert_to_numpy(self.project(batch)[0]).reshape(-1, self.encoding_size) for batch in batches]
        )
        self.normalization.moving_mean.assign(values.mean(axis=0))
        self.normalization.moving_variance.assign(values.var(axis=0))

    def encoder(self, scaler: SegmentScaler) -> keras.Model:
        """Build the encoder of unscaled segments, with the scaler inside; it shares this model's weights."""
        inputs = keras.Input((*self.input_size, 1), name="segments")
        return keras.Model(inputs, self.encode(scaler(inputs))[0], name="encoder")


class Bottleneck(SegmentEncoder):
    """Autoencoder of scaled segments."""

    #: Encodings per segment. If more than one, encodings have the shape (batch, n_steps, encoding_size).
    n_steps = 1

    @abstractmethod
    def decode(self, encoding: Any, bypass: Bypass | None = None, *, training: bool | None = None) -> Any:
        """Reconstruct scaled segments from an encoding and, unless it is None, the bypass."""

    def orient(self, batches: Iterable[npt.NDArray[np.float32]]) -> None:
        """Normalise the sign of each component, using some scaled segments; does nothing by default."""

    def start_at(self, mean: npt.NDArray[np.floating[Any]]) -> None:
        """Make the untrained decoder output the mean segment [shape=input_size]; does nothing by default."""

    def call(self, x: Any, training: bool | None = False) -> Any:
        """Reconstruct scaled segments."""
        return self.decode(*self.encode(x, training=training), training=training)
