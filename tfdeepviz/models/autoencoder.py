"""NET-AE-SHARED: the paper's convolutional autoencoder whose decoder uses the encoder's kernels transposed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.models.layers import TiedConv2DTranspose, TiedDense, pool_positions, unpool
from tfdeepviz.params import ParameterError


@keras.saving.register_keras_serializable("tfdeepviz")
class Autoencoder(keras.Model):  # type: ignore[misc]
    """NET-AE-SHARED (paper, section 3.1).

    The encoder has `n_pools` blocks of two convolutions (ReLU) and a 2x2 max-pool that remembers its positions, with
    filters doubling from block to block, then `n_dense` dense layers, each `dense_scale_down` times smaller than the
    one before, the last of `encoding_size` with a sigmoid. The decoder mirrors it with tied kernels, its own biases
    and unpooling to the remembered positions; its output is a sigmoid.

    Parameters
    ----------
    input_size
        Coefficients and frames of one segment; both divisible by `2**n_pools`.
    encoding_size
        Components of the encoding.
    n_initial_filters, n_pools, n_dense, dense_scale_down, kernel_size
        Shape of the network as above.
    dense_initial_std
        Standard deviation of the dense kernels' initial values; the paper's is 0.01, None takes He's.
    normalize_encoding
        Batch-normalise the encoding (no trainable parameters) before its sigmoid, which keeps every component alive.
    position_dropout
        Share of the training segments that are unpooled evenly instead of to the remembered positions. Positions
        alone explain most of a picture, so that a decoder which always has them soon ignores the encoding
        (docs/models.md).

    Raises
    ------
    ParameterError
        If the sizes do not fit each other; the message names the rule.

    Input and output have the shape (batch, *input_size, 1), scaled to [0, 1].
    """

    def __init__(
        self,
        *,
        input_size: tuple[int, int] = (64, 96),
        encoding_size: int = 10,
        n_initial_filters: int = 32,
        n_pools: int = 4,
        n_dense: int = 2,
        dense_scale_down: int = 2,
        kernel_size: int = 3,
        dense_initial_std: float | None = 0.01,
        normalize_encoding: bool = False,
        position_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.input_size = tuple(input_size)
        self.encoding_size = encoding_size
        self.n_initial_filters = n_initial_filters
        self.n_pools = n_pools
        self.n_dense = n_dense
        self.dense_scale_down = dense_scale_down
        self.kernel_size = kernel_size
        self.dense_initial_std = dense_initial_std
        self.normalize_encoding = normalize_encoding
        self.position_dropout = position_dropout
        self.seed_generator = keras.random.SeedGenerator()

        filters = [n_initial_filters * 2**block for block in range(n_pools)]
        self._bottom = self._bottom_shape(filters[-1])
        flat = self._bottom[0] * self._bottom[1] * self._bottom[2]
        units = [flat // dense_scale_down**i for i in range(1, n_dense)] + [encoding_size]

        self.convolutions = [self._convolution(f, f"conv{b + 1}_{i}") for b, f in enumerate(filters) for i in (1, 2)]
        self.dense = [self._dense(n, f"dense{i + 1}") for i, n in enumerate(units)]
        self.normalization = (
            keras.layers.BatchNormalization(momentum=0.9, center=False, scale=False, name="encoding_norm")
            if normalize_encoding
            else None
        )
        self.tied_dense = [TiedDense(n, name=f"tied_dense{i + 1}") for i, n in enumerate([flat, *units[:-1]])]
        inputs = [1, *[f for f in filters for _ in (1, 2)]][:-1]
        self.tied_convolutions = [
            TiedConv2DTranspose(n, name=f"tied_{conv.name}") for n, conv in zip(inputs, self.convolutions, strict=True)
        ]

    def _bottom_shape(self, n_filters: int) -> tuple[int, int, int]:
        for name in ("encoding_size", "n_initial_filters", "n_pools", "n_dense", "dense_scale_down", "kernel_size"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ParameterError(f"{name}={value!r}: give a whole number of at least 1")
        if not 0 <= self.position_dropout < 1:
            raise ParameterError(f"position_dropout={self.position_dropout}: give a share in [0, 1)")
        step = 2**self.n_pools
        if self.input_size[0] % step or self.input_size[1] % step:
            raise ParameterError(
                f"input_size={self.input_size}: both sides have to be divisible by 2**n_pools = {step}"
            )
        bottom = (self.input_size[0] // step, self.input_size[1] // step, n_filters)
        flat, divisor = bottom[0] * bottom[1] * bottom[2], self.dense_scale_down ** (self.n_dense - 1)
        if flat % divisor or flat // divisor < self.encoding_size:
            raise ParameterError(
                f"dense_scale_down={self.dense_scale_down}, n_dense={self.n_dense}: the {flat} values after the last "
                f"pool have to be divisible by dense_scale_down**(n_dense - 1) = {divisor}, with a quotient of at "
                f"least encoding_size = {self.encoding_size}"
            )
        return bottom

    def _convolution(self, filters: int, name: str) -> keras.layers.Conv2D:
        std = (2 / (self.kernel_size**2 * filters)) ** 0.5
        kernel = keras.initializers.RandomNormal(stddev=std)
        return keras.layers.Conv2D(filters, self.kernel_size, padding="same", kernel_initializer=kernel, name=name)

    def _dense(self, units: int, name: str) -> keras.layers.Dense:
        std = self.dense_initial_std
        kernel = keras.initializers.HeNormal() if std is None else keras.initializers.RandomNormal(stddev=std)
        return keras.layers.Dense(units, kernel_initializer=kernel, name=name)

    def build(self, *_: Any) -> None:
        """Make all weights."""
        channels: int = 1
        for conv in self.convolutions:
            conv.build((None, None, None, channels))
            channels = conv.filters
        width = self._bottom[0] * self._bottom[1] * self._bottom[2]
        for dense in self.dense:
            dense.build((None, width))
            width = dense.units
        if self.normalization is not None:
            self.normalization.build((None, width))
        tied: list[keras.layers.Layer] = [*self.tied_dense, *self.tied_convolutions]
        for layer in tied:
            layer.build()
        self.built = True

    def encode(self, x: Any, *, training: bool = False) -> tuple[Any, list[Any]]:
        """Encode scaled segments.

        Returns
        -------
        tuple of tensor [shape=(batch, encoding_size)] and list of tensors
            The encoding in (0, 1) and the positions that each pool remembers.
        """
        x, positions = self._project(x)
        if self.normalization is not None:
            x = self.normalization(x, training=training)
        return ops.sigmoid(x), positions

    def settle_normalization(self, batches: Iterable[Any]) -> None:
        """Normalise the encoding by the exact statistics of some scaled segments instead of a moving average.

        A moving average lags behind while weights still change quickly, so that a component that is alive in training
        can look dead afterwards. Does nothing without `normalize_encoding`; training itself is not affected.
        """
        if self.normalization is None:
            return
        values = np.concatenate([ops.convert_to_numpy(self._project(batch)[0]) for batch in batches])
        self.normalization.moving_mean.assign(values.mean(axis=0))
        self.normalization.moving_variance.assign(values.var(axis=0))

    def _project(self, x: Any) -> tuple[Any, list[Any]]:
        """Encoding before normalisation and sigmoid, and the pools' positions."""
        positions = []
        for first, second in zip(self.convolutions[::2], self.convolutions[1::2], strict=True):
            x = ops.relu(second(ops.relu(first(x))))
            positions.append(pool_positions(x))
            x = ops.max_pool(x, 2, 2)
        x = ops.reshape(x, (-1, self._bottom[0] * self._bottom[1] * self._bottom[2]))
        for dense in self.dense[:-1]:
            x = ops.relu(dense(x))
        return self.dense[-1](x), positions

    def decode(self, encoding: Any, positions: list[Any]) -> Any:
        """Reconstruct scaled segments [shape=(batch, *input_size, 1)] from what `encode` returns."""
        x = encoding
        for tied, dense in zip(reversed(self.tied_dense), reversed(self.dense), strict=True):
            x = ops.relu(tied(x, dense.kernel))
        x = ops.reshape(x, (-1, *self._bottom))
        for i in reversed(range(len(self.convolutions))):
            if i % 2:
                x = unpool(x, positions[i // 2])
            x = self.tied_convolutions[i](x, self.convolutions[i].kernel)
            x = ops.relu(x) if i else ops.sigmoid(x)
        return x

    def call(self, x: Any, training: bool = False) -> Any:
        """Reconstruct scaled segments."""
        encoding, positions = self.encode(x, training=training)
        if training and self.position_dropout:
            shape = (ops.shape(encoding)[0], 1, 1, 1, 1)
            dropped = keras.random.uniform(shape, seed=self.seed_generator) < self.position_dropout
            positions = [ops.where(dropped, 0.25, kept) for kept in positions]
        return self.decode(encoding, positions)

    def encoder(self, scaler: SegmentScaler) -> keras.Model:
        """Make the encoder alone, with the scaler inside; it shares this model's weights.

        Returns
        -------
        keras.Model
            From unscaled segments [shape=(batch, *input_size, 1)] to encodings [shape=(batch, encoding_size)].
        """
        inputs = keras.Input((*self.input_size, 1), name="segments")
        x = scaler(inputs)
        for first, second in zip(self.convolutions[::2], self.convolutions[1::2], strict=True):
            x = keras.layers.MaxPooling2D()(ops.relu(second(ops.relu(first(x)))))
        x = keras.layers.Flatten()(x)
        for dense in self.dense[:-1]:
            x = ops.relu(dense(x))
        x = self.dense[-1](x)
        if self.normalization is not None:
            x = self.normalization(x)
        return keras.Model(inputs, ops.sigmoid(x), name="encoder")

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        names = [
            *("input_size", "encoding_size", "n_initial_filters", "n_pools", "n_dense", "dense_scale_down"),
            *("kernel_size", "dense_initial_std", "normalize_encoding", "position_dropout"),
        ]
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
