"""An autoencoder that is not from the paper: it convolves over time only, and nothing bypasses its encoding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from tfdeepviz.models.network import Bottleneck, Bypass, Size

# Scaled coefficients vary by only a few hundredths; Keras' default epsilon would mask the smallest variances.
_EPSILON = 1e-5


@keras.saving.register_keras_serializable("tfdeepviz")
class TemporalAutoencoder(Bottleneck):
    """Autoencoder that treats coefficients as channels, because neighbouring MFCCs are no more alike than distant ones.

    The encoder has a convolution over time, a max-pool and a hidden dense layer before the encoding. The decoder
    mirrors it with its own kernels and spreads pooled values evenly (fixed unpooling). Before its sigmoid, it adds a
    learnt segment (`picture`), initialised with the mean of the training split, so the encoding only has to describe
    deviations from the mean, from the first step on.

    Input and output have the shape (batch, *input_size, 1), scaled to [0, 1].
    """

    #: Filters of the convolution, and frames per kernel.
    n_filters: Size = 64
    kernel_frames: Size = 9
    #: Frames per pooling window; the frames of a segment are divisible by it.
    pool_frames: Size = 8
    #: Size of the hidden dense layers.
    dense_units: Size = 512

    def _flaws(self) -> Iterator[str]:
        if self.input_size[1] % self.pool_frames:
            yield f"input_size={self.input_size}: its frames have to be divisible by pool_frames = {self.pool_frames}"

    def _create(self) -> None:
        n_coefficients, n_frames = self.input_size
        self._flat = n_frames // self.pool_frames * self.n_filters

        self.input_norm = self._norm("input_norm", affine=False, epsilon=_EPSILON)
        self.convolution = self._conv1d(self.n_filters, self.kernel_frames, "conv", padding="same")
        self.convolution_norm = self._norm("conv_norm", epsilon=_EPSILON)
        self.hidden = self._dense(self.dense_units, "dense1")
        self.hidden_norm = self._norm("dense1_norm", epsilon=_EPSILON)
        self.bottleneck = self._dense(self.encoding_size, "dense2")
        self.normalization = self._norm("encoding_norm", affine=False, epsilon=_EPSILON)
        self.out_hidden = self._dense(self.dense_units, "out_dense2")
        self.out_flat = self._dense(self._flat, "out_dense1")
        # Small, so that the initial output is the learnt segment alone.
        small = keras.initializers.RandomNormal(stddev=0.01)
        self.out_convolution = self._conv1d(
            n_coefficients, self.kernel_frames, "out_conv", padding="same", kernel_initializer=small
        )

    def build(self, *_: Any) -> None:
        """Create all weights."""
        self.picture = self.add_weight(shape=self.input_size[::-1], initializer="zeros", name="picture")
        super().build()

    def start_at(self, mean: npt.NDArray[np.floating[Any]]) -> None:
        """Make the untrained decoder output the mean segment [shape=input_size]."""
        level = np.clip(mean.T, 1e-3, 1 - 1e-3)
        self.picture.assign(np.log(level / (1 - level)))

    def project(self, x: Any, *, training: bool | None = None) -> tuple[Any, Bypass]:
        """Return the encoding before normalisation and sigmoid, and an empty bypass."""
        x = ops.transpose(ops.squeeze(x, axis=3), (0, 2, 1))  # (batch, frames, coefficients)
        x = self.convolution(self.input_norm(x, training=training))
        x = ops.silu(self.convolution_norm(x, training=training))
        x = ops.reshape(ops.max_pool(x, self.pool_frames, self.pool_frames), (-1, self._flat))
        return self.bottleneck(ops.silu(self.hidden_norm(self.hidden(x), training=training))), {}

    def decode(self, encoding: Any, bypass: Bypass | None = None, *, training: bool | None = None) -> Any:
        """Reconstruct scaled segments [shape=(batch, *input_size, 1)] from encodings [shape=(batch, encoding_size)]."""
        # The sigmoid of a unit-variance input varies little; its middle half is mapped to [-1, 1].
        x = ops.silu(self.out_hidden((ops.convert_to_tensor(encoding) - 0.5) * 4))
        x = ops.reshape(ops.silu(self.out_flat(x)), (-1, self._flat // self.n_filters, self.n_filters))
        x = self.out_convolution(ops.repeat(x, self.pool_frames, axis=1))  # (batch, frames, coefficients)
        x = ops.sigmoid(ops.cast(x, "float32") + self.picture)
        return ops.expand_dims(ops.transpose(x, (0, 2, 1)), 3)
