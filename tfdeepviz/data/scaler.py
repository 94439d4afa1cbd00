"""Element-wise scaling of segments, as a layer of the models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from tfdeepviz.data.statistics import SegmentStatistics
from tfdeepviz.params import check_choice

SCALER_KINDS = ("minmax", "standard", "coefficients")


@keras.saving.register_keras_serializable("tfdeepviz")
class SegmentScaler(keras.layers.Layer):  # type: ignore[misc]  # Keras is not typed
    """`(x - offset) * gain` for every element of the segment grid [shape=(batch, n_mfcc, segment_frames, 1)].

    `minmax` maps the fitted range of each element to [0, 1]. `standard` scales each element to zero mean and unit
    variance. `coefficients` does so with one mean and variance per coefficient, shared by all frames, so that it fits
    windows of any length. Elements that never varied become 0.
    """

    def __init__(self, kind: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_choice("scaler", kind, SCALER_KINDS)
        self.kind = kind

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the two grids as non-trainable weights."""
        grid = (input_shape[1], 1, input_shape[3]) if self.kind == "coefficients" else tuple(input_shape[1:])
        self.offset = self.add_weight(shape=grid, initializer="zeros", trainable=False, name="offset")
        self.gain = self.add_weight(shape=grid, initializer="ones", trainable=False, name="gain")

    def adapt(self, statistics: SegmentStatistics) -> None:
        """Set the weights from the statistics of the training split."""
        if self.kind == "minmax":
            offset, spread = statistics.minimum, statistics.maximum - statistics.minimum
        elif self.kind == "standard":
            offset, spread = statistics.mean, np.sqrt(statistics.variance)
        else:
            offset = statistics.mean.mean(axis=1, keepdims=True)
            spread = np.sqrt((statistics.variance + (statistics.mean - offset) ** 2).mean(axis=1, keepdims=True))
        gain = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-6)
        if not self.built:
            self.build((None, *offset.shape, 1))
        self.offset.assign(offset[..., None])
        self.gain.assign(gain[..., None])

    def function(self) -> Callable[[Any], Any]:
        """Return the same scaling on NumPy constants, for `tf.data` pipelines under any Keras backend."""
        offset, gain = ops.convert_to_numpy(self.offset), ops.convert_to_numpy(self.gain)
        return lambda segments: (segments - offset) * gain

    def call(self, inputs: Any) -> Any:
        """Scale segments [shape=(batch, n_mfcc, segment_frames, 1)]."""
        return (inputs - self.offset) * self.gain

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Same as the input shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "kind": self.kind}
