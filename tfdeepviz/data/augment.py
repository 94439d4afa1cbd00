"""Augmentation of segments for classifiers: masks as in SpecAugment (Park et al. 2019), and gain."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_io as tfio

from tfdeepviz.data.features import Features
from tfdeepviz.params import ParameterError


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How far a segment may be changed. Everything is drawn anew for every segment.

    Shifts in time need no setting of their own: a seeded pipeline cuts each track from another first frame in every
    epoch, with true sound at the edges (but for datasets that hold chosen segments only).

    Attributes
    ----------
    max_gain_db
        Louder or quieter by up to this. Exact for log-mel and raw audio; in MFCC it moves the first coefficient only,
        which is exact where no band rests on the floor.
    n_frequency_masks, max_frequency_mask
        Runs of coefficients or bands that are replaced by their mean, and their largest width.
    n_time_masks, max_time_mask
        Runs of frames that are replaced by their mean, and their largest width.

    Raises
    ------
    ParameterError
        If a value is impossible.
    """

    max_gain_db: float = 6.0
    n_frequency_masks: int = 2
    max_frequency_mask: int = 8
    n_time_masks: int = 2
    max_time_mask: int = 16

    def __post_init__(self) -> None:
        if not 0 <= self.max_gain_db <= 60:
            raise ParameterError(f"max_gain_db={self.max_gain_db}: give a value from 0 to 60")
        for name in ("n_frequency_masks", "max_frequency_mask", "n_time_masks", "max_time_mask"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 10_000:
                raise ParameterError(f"{name}={value!r}: give a whole number from 0 to 10000")


@dataclass(frozen=True)
class Augmenter:
    """Applies an `Augmentation` to unscaled segments inside a `tf.data` pipeline.

    Attributes
    ----------
    augmentation, features
        What to do, and to what.
    mean : np.ndarray [shape=Features.scaler_shape]
        Mean of the training split: what a mask hides is replaced by it, so that it says nothing after any scaling.
    """

    augmentation: Augmentation
    features: Features
    mean: npt.NDArray[np.float64] = field(repr=False)

    def __call__(self, segment: tf.Tensor) -> tf.Tensor:
        """Change one segment [shape=Features.segment_shape]; call it in a mapped function whose graph has a seed."""
        return self._masked(self._louder(segment))

    def _louder(self, segment: tf.Tensor) -> tf.Tensor:
        limit, params = self.augmentation.max_gain_db, self.features.params
        if not limit:
            return segment
        gain_db = tf.random.uniform([], -limit, limit)
        if self.features.mode == "raw":
            return segment * 10 ** (gain_db / 20)
        if self.features.mode == "log-mel":
            return tf.maximum(segment + gain_db, params.floor_db)
        # The orthonormal DCT of a constant g over n bands is (g * sqrt(n), 0, 0, ...).
        first = tf.one_hot(0, params.n_mfcc)[:, tf.newaxis, tf.newaxis]
        return segment + gain_db * np.float32(np.sqrt(params.n_mels)) * first

    def _masked(self, segment: tf.Tensor) -> tf.Tensor:
        a = self.augmentation
        if self.features.mode == "raw":
            return segment
        mean = tf.constant(self.mean.T, tf.float32)
        spectrogram = tf.transpose(segment[..., 0]) - mean  # (frames, width), as tensorflow-io has it
        # tensorflow-io draws widths below its parameter, and fails on one that could hide everything.
        frames, width = self.features.params.segment_frames, self.features.width
        for _ in range(a.n_frequency_masks):
            spectrogram = tfio.audio.freq_mask(spectrogram, min(a.max_frequency_mask + 1, width))
        for _ in range(a.n_time_masks):
            spectrogram = tfio.audio.time_mask(spectrogram, min(a.max_time_mask + 1, frames))
        return tf.ensure_shape(tf.transpose(spectrogram + mean)[..., tf.newaxis], self.features.segment_shape)
