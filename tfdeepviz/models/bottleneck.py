"""Base classes of encoders whose encoding is a few numbers after a sigmoid, and of autoencoders around them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.models.network import Network

#: Values that bypass the encoding: pool `positions` and `skipped` values, in order from the input.
Bypass = dict[str, list[Any]]


class SegmentEncoder(Network):
    """Encoder of scaled segments.

    Attributes
    ----------
    encoding_size
        Components of the encoding.
    normalization
        Batch normalisation of the encoding before its sigmoid, without trainable parameters; or None.
    """

    encoding_size: int
    normalization: keras.layers.BatchNormalization | None

    @abstractmethod
    def project(self, x: Any, *, training: bool | None = False) -> tuple[Any, Bypass]:
        """Return the encoding before normalisation and sigmoid, and the values that bypass it."""

    def encode(self, x: Any, *, training: bool | None = False) -> tuple[Any, Bypass]:
        """Return the encoding in (0, 1) [shape=(batch, encoding_size)], and the values that bypass it."""
        logits, bypass = self.project(x, training=training)
        if self.normalization is not None:
            logits = self.normalization(logits, training=training)
        return ops.sigmoid(ops.cast(logits, "float32")), bypass

    def logits(self, x: Any) -> Any:
        """Return the encoding before its sigmoid [shape=(batch, encoding_size)]."""
        logits, _ = self.project(x)
        return logits if self.normalization is None else self.normalization(logits)

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
        """Build the encoder with the scaler inside; it shares this model's weights.

        Returns
        -------
        keras.Model
            Maps unscaled segments [shape=(batch, *input_size, 1)] to encodings [shape=(batch, encoding_size)].
        """
        inputs = keras.Input((*self.input_size, 1), name="segments")
        return keras.Model(inputs, self.encode(scaler(inputs))[0], name="encoder")


class Bottleneck(SegmentEncoder):
    """Autoencoder of scaled segments.

    Attributes
    ----------
    n_steps
        Encodings per segment. If more than one, encodings have the shape (batch, n_steps, encoding_size).
    """

    n_steps = 1

    @abstractmethod
    def decode(self, encoding: Any, bypass: Bypass | None = None, *, training: bool | None = False) -> Any:
        """Reconstruct scaled segments from an encoding and, unless it is None, the bypass."""

    def orient(self, batches: Iterable[npt.NDArray[np.float32]]) -> None:
        """Normalise the sign of each component, using some scaled segments; does nothing by default."""

    def start_at(self, mean: npt.NDArray[np.floating[Any]]) -> None:
        """Make the untrained decoder output the mean segment [shape=input_size]; does nothing by default."""

    def call(self, x: Any, training: bool | None = False) -> Any:
        """Reconstruct scaled segments."""
        encoding, bypass = self.encode(x, training=training)
        return self.decode(encoding, bypass, training=training)
