"""A student of published tagging networks: it knows genres, moods, instruments and voices by ear."""

from __future__ import annotations

from typing import Annotated, Any

import keras
from keras import ops
from msgspec import Meta

from tfdeepviz.models.genre_head import GenreHead
from tfdeepviz.models.network import Bypass, Dropout, SegmentEncoder, Size

#: Keeps the square root of the variance differentiable at zero.
_LEAST_VARIANCE = 1e-3


@keras.saving.register_keras_serializable("tfdeepviz")
class GenreLayer(keras.layers.Dense):  # type: ignore[misc]  # Keras is not typed
    """Probabilities of genres, given a model's `features` and log-odds of tags side by side.

    `unsure_below` is the mean probability over a track that the likeliest genre needs to be an answer.
    """

    def __init__(self, unsure_below: float, **kwargs: Any) -> None:
        super().__init__(**{"activation": "softmax", "dtype": "float32", **kwargs})
        self.unsure_below = unsure_below

    @classmethod
    def of(cls, head: GenreHead) -> GenreLayer:
        """Make the layer of a fitted head."""
        layer = cls(head.unsure_below, units=len(head.bias), name="genres")
        layer.build((None, len(head.kernel)))
        layer.set_weights([head.kernel, head.bias])
        return layer

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "unsure_below": self.unsure_below}


@keras.saving.register_keras_serializable("tfdeepviz")
class Tagger(SegmentEncoder):
    """Convolutions over time, whose mean, standard deviation and maximum feed a dense layer: the encoding.

    Two convolutions with a stride of two frames reduce the time axis to a quarter; residual convolutions follow. They
    are plain ones, because these train faster than separable ones and cost as little in the browser, which has no
    dilation. The encoding is batch-normalised without trainable parameters before its sigmoid. `heads` are linear maps
    from it, before the sigmoid, to what a teacher says.

    Maps scaled windows [shape=(batch, *input_size, 1)] to the heads' outputs by name [each shape=(batch, size)].
    """

    encoding_size: Size = 64
    #: Filters of the convolutions over time; the last, over single frames, has half as many again.
    n_filters: Size = 128
    #: Residual convolutions.
    n_residual: Annotated[int, Meta(ge=0, le=8)] = 2
    #: Share of the statistics dropped in training.
    dropout: Dropout = 0.0
    #: Outputs by name, with their sizes.
    heads: dict[str, Size] = {"tags": 100, "embeddings": 400}  # noqa: RUF012 (never changed)

    def _create(self) -> None:
        shapes = [(5, 2), (3, 2), *[(3, 1)] * self.n_residual]
        options: dict[str, Any] = {"padding": "same", "use_bias": False}
        self.convolutions = [
            self._conv1d(self.n_filters, size, f"conv{i}", strides=stride, **options)
            for i, (size, stride) in enumerate(shapes, 1)
        ]
        self.convolutions.append(self._conv1d(3 * self.n_filters // 2, 1, f"conv{len(shapes) + 1}", **options))
        self.norms = [self._norm(f"{convolution.name}_norm") for convolution in self.convolutions]
        self.hiding = self._layer(keras.layers.Dropout, self.dropout, name="dropout")
        self.bottleneck = self._dense(self.encoding_size, "bottleneck")
        self.normalization = self._norm("encoding_norm", affine=False)
        self.head_layers = {
            name: self._layer(keras.layers.Dense, size, dtype="float32", name=name) for name, size in self.heads.items()
        }

    def project(self, x: Any, *, training: bool | None = None) -> tuple[Any, Bypass]:
        """Return the encodings before normalisation and sigmoid [shape=(batch, encoding_size)]; nothing bypasses."""
        x = ops.transpose(ops.squeeze(x, axis=3), (0, 2, 1))  # (batch, frames, coefficients)
        for i, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            y = ops.relu(norm(convolution(x), training=training))
            x = x + y if 2 <= i < 2 + self.n_residual else y
        mean = ops.mean(x, axis=1)
        std = ops.sqrt(ops.mean(ops.square(x - mean[:, None]), axis=1) + _LEAST_VARIANCE)
        statistics = ops.concatenate([mean, std, ops.max(x, axis=1)], axis=1)
        return self.bottleneck(self.hiding(statistics, training=training)), {}

    def describe(self, x: Any) -> dict[str, Any]:
        """Return the `encoding`, the same before its sigmoid as `features`, and the heads' outputs by name."""
        features = ops.cast(self.logits(x)[0], "float32")
        return {"encoding": ops.sigmoid(features), "features": features, **self._answers(features)}

    def call(self, x: Any, training: bool | None = False) -> dict[str, Any]:
        """Return the heads' outputs."""
        return self._answers(self.logits(x, training=training)[0])

    def _answers(self, logits: Any) -> dict[str, Any]:
        return {name: head(logits) for name, head in self.head_layers.items()}
