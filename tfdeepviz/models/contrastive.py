"""An encoder trained so that moments of one song agree and songs differ; it chooses the look of a picture."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tfdeepviz.models.network import Bypass, Dropout, SegmentEncoder, Size

#: Keeps the square root of the variance differentiable at zero.
_LEAST_VARIANCE = 1e-3


@keras.saving.register_keras_serializable("tfdeepviz")
class ContrastiveEncoder(SegmentEncoder):
    """Segment encoder for `contrastive_loss`.

    The network applies two convolutions over time. A dense layer maps the mean and standard deviation over time of the
    input and of both convolutions to the encoding, which therefore hardly depends on when something happens within the
    segment. The encoding is batch-normalised without trainable parameters before its sigmoid, which keeps every
    component alive.

    Maps scaled segments [shape=(..., *input_size, 1)] to encodings [shape=(..., encoding_size)].
    """

    #: Filters per convolution, and frames per kernel.
    n_filters: Size = 32
    kernel_frames: Size = 5
    #: Share of the statistics dropped in training.
    dropout: Dropout = 0.5

    def _create(self) -> None:
        self.convolutions = [
            self._conv1d(self.n_filters, self.kernel_frames, f"conv{i}", strides=i, padding="same", use_bias=False)
            for i in (1, 2)
        ]
        self.norms = [self._norm(f"conv{i}_norm") for i in (1, 2)]
        self.statistics_norm = self._norm("statistics_norm")
        self.hiding = self._layer(keras.layers.Dropout, self.dropout, name="dropout")
        self.bottleneck = self._layer(keras.layers.Dense, self.encoding_size, name="bottleneck")
        self.normalization = self._norm("encoding_norm", affine=False)

    def call(self, x: Any, training: bool | None = False) -> Any:
        """Encode scaled segments."""
        encodings, _ = self.encode(ops.reshape(x, (-1, *self.input_size, 1)), training=training)
        return ops.reshape(encodings, (*ops.shape(x)[:-3], self.encoding_size))

    def project(self, x: Any, *, training: bool | None = None) -> tuple[Any, Bypass]:
        """Return the encodings before normalisation and sigmoid [shape=(batch, encoding_size)]; nothing bypasses."""
        x = ops.transpose(ops.squeeze(x, axis=3), (0, 2, 1))  # (batch, frames, coefficients)
        parts = [_mean_and_std(x)]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = ops.silu(norm(convolution(x), training=training))
            parts.append(_mean_and_std(x))
        statistics = self.statistics_norm(ops.concatenate(parts, axis=1), training=training)
        return self.bottleneck(self.hiding(statistics, training=training)), {}


def _mean_and_std(x: Any) -> Any:
    """Mean and standard deviation over time [shape=(batch, 2 * width)] of frames [shape=(batch, frames, width)]."""
    mean = ops.mean(x, axis=1)
    variance = ops.mean(ops.square(x - mean[:, None]), axis=1)
    return ops.concatenate([mean, ops.sqrt(variance + _LEAST_VARIANCE)], axis=1)


def contrastive_loss(encodings: Any, temperature: float) -> Any:
    """Normalised temperature-scaled cross-entropy (Chen et al. 2020, SimCLR, equation 1) over songs.

    The moments of a song are split into two halves; the mean encodings of the halves are the song's two views. Each
    view has to identify its partner among all other views in the batch, by the cosine similarity of their offsets from
    the centre of the unit cube.

    Parameters
    ----------
    encodings : tensor [shape=(n_songs, n_moments, encoding_size)]
        In [0, 1]; `n_moments` is even.
    temperature
        The lower it is, the more the most similar views of other songs count.

    Returns
    -------
    tensor [shape=(n_songs,)]
        Loss of each song; `log(2 * n_songs - 1)` by chance.
    """
    n, n_moments, size = encodings.shape
    n = ops.shape(encodings)[0] if n is None else n
    views = ops.mean(ops.reshape(encodings - 0.5, (n, 2, n_moments // 2, size)), axis=2)  # (songs, 2, size)
    views = ops.reshape(ops.transpose(views, (1, 0, 2)), (2 * n, size))
    views = views / ops.sqrt(ops.sum(ops.square(views), axis=1, keepdims=True) + 1e-9)
    similarity = ops.matmul(views, ops.transpose(views)) / temperature - 1e9 * ops.eye(2 * n)
    partner = ops.concatenate([ops.arange(n, 2 * n), ops.arange(n)])
    losses = keras.losses.sparse_categorical_crossentropy(partner, similarity, from_logits=True)
    return ops.mean(ops.reshape(losses, (2, n)), axis=0)


@keras.saving.register_keras_serializable("tfdeepviz")
class ContrastiveLoss(keras.losses.Loss):  # type: ignore[misc]  # Keras is not typed
    """`contrastive_loss` as a Keras loss; ignores `y_true`."""

    def __init__(self, temperature: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.temperature = temperature

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss [shape=(n_songs,)] of encodings `y_pred` [shape=(n_songs, n_moments, encoding_size)]."""
        return contrastive_loss(y_pred, self.temperature)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "temperature": self.temperature}
