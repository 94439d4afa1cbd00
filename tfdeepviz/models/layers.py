"""Layers and operations of the paper's autoencoders that Keras lacks, written in `keras.ops` only."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def pool_positions(x: Any) -> Any:
    """Return the position of the maximum of each 2x2 window, as a one-hot tensor for `unpool`.

    Maps x [shape=(batch, height, width, channels)], height and width even, to a tensor
    [shape=(batch, height / 2, width / 2, 4, channels)]. Ties go to the first position in row-major order. No gradient
    flows through the result.
    """
    _, height, width, channels = x.shape
    windows = ops.reshape(x, (-1, height // 2, 2, width // 2, 2, channels))
    windows = ops.transpose(windows, (0, 1, 3, 2, 4, 5))  # (batch, height/2, width/2, 2, 2, channels)
    windows = ops.reshape(windows, (-1, height // 2, width // 2, 4, channels))
    return ops.stop_gradient(ops.one_hot(ops.argmax(windows, axis=3), 4, axis=3, dtype=x.dtype))


def unpool(x: Any, positions: Any) -> Any:
    """Return pooled values to their original positions, with zeros elsewhere.

    Maps x [shape=(batch, height, width, channels)] and positions [shape=(batch, height, width, 4, channels)], from
    `pool_positions`, to a tensor [shape=(batch, 2 * height, 2 * width, channels)].
    """
    _, height, width, channels = x.shape
    windows = ops.expand_dims(x, 3) * positions
    windows = ops.reshape(windows, (-1, height, width, 2, 2, channels))
    windows = ops.transpose(windows, (0, 1, 3, 2, 4, 5))
    return ops.reshape(windows, (-1, 2 * height, 2 * width, channels))


def unpool_evenly(x: Any) -> Any:
    """Spread every value evenly over its 2x2 window, a quarter to each position: unpooling without positions.

    Maps x [shape=(batch, height, width, channels)] to a tensor [shape=(batch, 2 * height, 2 * width, channels)].
    """
    return ops.repeat(ops.repeat(x / 4, 2, axis=1), 2, axis=2)


class _Tied(keras.layers.Layer):  # type: ignore[misc]  # Keras is not typed
    """Layer of `n_out` units or filters that uses another layer's kernel and owns only its bias."""

    def __init__(self, n_out: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_out = n_out

    def build(self, *_: Any) -> None:
        """Create the bias."""
        self.bias = self.add_weight(shape=(self.n_out,), initializer="zeros", name="bias")


@keras.saving.register_keras_serializable("tfdeepviz")
class TiedDense(_Tied):
    """Dense layer with the transposed kernel of another one."""

    def call(self, inputs: Any, kernel: Any) -> Any:
        """Return `inputs @ kernel.T + bias`, given inputs [shape=(batch, n)] and a kernel [shape=(n_out, n)]."""
        return ops.matmul(inputs, ops.transpose(ops.cast(kernel, inputs.dtype))) + self.bias


@keras.saving.register_keras_serializable("tfdeepviz")
class TiedConv2DTranspose(_Tied):
    """Transposed convolution ('same', stride 1) with the kernel of a convolution."""

    def call(self, inputs: Any, kernel: Any) -> Any:
        """Map inputs [shape=(batch, height, width, n)] to `n_out` channels, by a kernel [shape=(k, k, n_out, n)]."""
        return ops.conv_transpose(inputs, ops.cast(kernel, inputs.dtype), strides=1, padding="same") + self.bias
