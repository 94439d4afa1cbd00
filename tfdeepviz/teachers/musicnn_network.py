"""The network of musicnn in Keras, with weights from its TensorFlow 1 checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfdeepviz.files import FormatError

_PATCH_FRAMES = 187
_N_BANDS = 96
_EPSILON = 1e-3
# (frames, bands) of the kernels that listen for timbres, and frames of those that listen for rhythms.
_TIMBRES, _N_TIMBRES = ((7, 38), (7, 67)), 204
_RHYTHMS, _N_RHYTHMS = (128, 64, 32), 51
# Frames on each side of a kernel of 7.
_BESIDE = 3


class Convolution(keras.Layer):  # type: ignore[misc]  # Keras is not typed
    """Convolution, ReLU, then batch normalisation; in two dimensions then the maximum over frequency."""

    def __init__(self, filters: int, size: int | tuple[int, int], padding: str) -> None:
        super().__init__()
        self.is_2d = isinstance(size, tuple)
        kind = keras.layers.Conv2D if self.is_2d else keras.layers.Conv1D
        self.convolution = kind(filters, size, padding=padding, activation="relu")
        self.normalization = keras.layers.BatchNormalization(epsilon=_EPSILON)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Compute [shape=(n, n_frames, filters)]."""
        x = self.normalization(self.convolution(x))
        return ops.max(x, axis=2) if self.is_2d else x


class MusicnnNetwork:
    """One network. Pons, Nieto, Prockup, Schmidt, Ehmann and Serra 2018, "End-to-end learning for music audio tagging
    at scale", describe its architecture; Pons and Serra 2019, "musicnn", its weights.

    Kernels as high as most of the spectrum hear timbres, kernels of up to 2 s in one band hear rhythms. Three
    convolutions over time follow, and the maximum and mean of all of their inputs and outputs over the patch.

    Raises a FormatError if the checkpoint is another network's.
    """

    def __init__(self, checkpoint: Path) -> None:
        self._input = keras.layers.BatchNormalization(epsilon=_EPSILON)
        self._timbres = [Convolution(_N_TIMBRES, size, "valid") for size in _TIMBRES]
        self._rhythms = [Convolution(_N_RHYTHMS, (size, 1), "same") for size in _RHYTHMS]
        self._middle = [Convolution(64, 7, "same") for _ in range(3)]
        self._pooled = keras.layers.BatchNormalization(epsilon=_EPSILON)
        self._dense = keras.layers.Dense(200, activation="relu")
        self._embedding = keras.layers.BatchNormalization(epsilon=_EPSILON)
        self._tags = keras.layers.Dense(50, activation="sigmoid")
        self(tf.zeros([_PATCH_FRAMES, _N_BANDS]), tf.zeros([1], tf.int32))  # builds all layers
        convolutions = [*self._timbres, *self._rhythms, *self._middle]
        normalizations = [self._input, *(one.normalization for one in convolutions), self._pooled, self._embedding]
        _read(
            checkpoint,
            {
                "conv2d": [one.convolution for one in convolutions],
                "batch_normalization": normalizations,
                "dense": [self._dense, self._tags],
            },
        )

    def __call__(self, frames: tf.Tensor, starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Compute tags [shape=(n, 50)] and embeddings [shape=(n, 200)] of patches that begin at frames `starts`."""
        frames = self._input(frames[..., None])  # (n_frames, 96, 1)
        patches = _cut(frames, starts, _PATCH_FRAMES)  # (n, 187, 96, 1)
        heard = [_timbres(layer, frames, patches, starts) for layer in self._timbres]
        heard += [layer(patches) for layer in self._rhythms]
        first, second, third = self._middle
        x0 = ops.concatenate(heard, axis=2)  # (n, 187, 561)
        x1 = first(x0)
        x2 = second(x1) + x1
        x3 = third(x2) + x2
        x = ops.concatenate([x0, x1, x2, x3], axis=2)  # (n, 187, 753)
        pooled = ops.stack([ops.max(x, axis=1), ops.mean(x, axis=1)], axis=2)  # (n, 753, 2)
        embeddings = self._embedding(self._dense(self._pooled(ops.reshape(pooled, [-1, 2 * x.shape[2]]))))
        return self._tags(embeddings), embeddings


def _cut(frames: tf.Tensor, starts: tf.Tensor, length: int) -> tf.Tensor:
    return tf.gather(frames, starts[:, None] + tf.range(length))


def _timbres(layer: Convolution, frames: tf.Tensor, patches: tf.Tensor, starts: tf.Tensor) -> tf.Tensor:
    """What a kernel of 7 frames hears in each patch, with zeros around the patch [shape=(n, 187, filters)].

    Patches overlap, so all frames together are less work. Only the ends of a patch, where zeros are heard, are its own.
    """
    shared = layer(frames[None])[0]  # (n_frames - 6, filters)
    zeros = [[0, 0], [_BESIDE, 0], [0, 0], [0, 0]]
    begin = layer(tf.pad(patches[:, : 2 * _BESIDE], zeros))
    end = layer(tf.pad(patches[:, -2 * _BESIDE :], [pair[::-1] for pair in zeros]))
    return ops.concatenate([begin, _cut(shared, starts, _PATCH_FRAMES - 2 * _BESIDE), end], axis=1)


def _read(checkpoint: Path, layers: dict[str, Sequence[keras.Layer]]) -> None:
    """Set the weights of layers from the variables of a checkpoint, numbered in their order."""
    try:
        reader = tf.train.load_checkpoint(str(checkpoint))
        for kind, members in layers.items():
            for number, layer in enumerate(members):
                scope = f"{kind}_{number}" if number else kind
                for weight in layer.weights:
                    values = reader.get_tensor(f"{scope}/{weight.name}")
                    # Convolutions over time have kernels as high as their input, which is an axis of its own here.
                    if values.size != np.prod(weight.shape) or not np.isfinite(values).all():
                        raise ValueError(f"{scope}/{weight.name} has shape {values.shape} or is not finite")
                    weight.assign(values.reshape(weight.shape))
    except (tf.errors.OpError, IndexError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise FormatError(f"{checkpoint.name}: not the weights of a network of musicnn ({reason})") from error
