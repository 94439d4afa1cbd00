"""Segment augmentation for classifiers: SpecAugment masks (Park et al. 2019) and gain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from tfdeepviz.data.features import Features
from tfdeepviz.lazy import tf, tfio
from tfdeepviz.params import check_fields

_Count = Annotated[int, Meta(ge=0, le=10_000)]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Limits of the random changes; each segment gets its own.

    There is no setting for time shifts: a seeded pipeline starts each track at another frame in every epoch, with real
    sound at the edges (except for datasets that hold chosen segments only).

    The gain is exact for log-mel and raw audio; for MFCC it changes only the first coefficient, which is exact unless a
    band is at the floor.
    """

    max_gain_db: Annotated[float, Meta(ge=0, le=60)] = 6.0  # or attenuation
    n_frequency_masks: _Count = 2  # runs of coefficients or bands to replace by their mean
    max_frequency_mask: _Count = 8  # width of a run
    n_time_masks: _Count = 2  # runs of frames to replace by their mean
    max_time_mask: _Count = 16

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Augmenter:
    """Applies an `Augmentation` to unscaled segments inside a `tf.data` pipeline.

    Masks are filled with the mean of the training split [shape=Features.scaler_shape], so that they carry no
    information after any scaling.
    """

    augmentation: Augmentation
    features: Features
    mean: npt.NDArray[np.float64] = field(repr=False)

    def __call__(self, segment: tf.Tensor) -> tf.Tensor:
        """Augment one segment [shape=Features.segment_shape]; call this in a mapped function whose graph has a seed."""
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
        spectrogram = tf.transpose(segment[..., 0]) - mean  # (frames, width), as tensorflow-io expects
        # tensorflow-io draws widths below its parameter, and fails if that parameter exceeds the axis.
        frames, width = self.features.params.segment_frames, self.features.width
        for _ in range(a.n_frequency_masks):
            spectrogram = tfio.audio.freq_mask(spectrogram, min(a.max_frequency_mask + 1, width))
        for _ in range(a.n_time_masks):
            spectrogram = tfio.audio.time_mask(spectrogram, min(a.max_time_mask + 1, frames))
        return tf.ensure_shape(tf.transpose(spectrogram + mean)[..., tf.newaxis], self.features.segment_shape)
