"""A time-resolved autoencoder: many encodings per second, so that a picture can follow the beat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.models.network import Bottleneck, Bypass, Depth, Size, residual


@keras.saving.register_keras_serializable("tfdeepviz")
class TimeResolvedAutoencoder(Bottleneck):
    """Convolutional autoencoder with one encoding every `stride_frames` frames.

    The encoder has three batch-normalised convolutions over time, the second with a stride, followed by dense layers
    at each step; the decoder mirrors it. Each encoding depends on exactly `window_frames` frames, so the encoder of a
    single window (`encoder`) gives the same result as the whole model at that step. The decoder may also look at the
    encodings before and after (`n_blocks`).

    Input and output have the shape (batch, *input_size, 1), each coefficient scaled to zero mean and unit variance.
    """

    normalization: keras.layers.BatchNormalization

    #: Filters of every convolution.
    n_filters: Size = 64
    #: Residual blocks at the rate of the encodings, in the encoder and in the decoder. The encoder's see one step, the
    #: decoder's three, twice as far apart as in the block before.
    n_blocks: Depth = 0
    #: Filters of the decoder, if different from the encoder's. It does not ship and may be larger.
    n_decoder_filters: Size | None = None
    #: Frames from one encoding to the next, an even number: 2 gives 50 encodings per second, 4 gives 25. The frames of
    #: a segment are divisible by it.
    stride_frames: Size = 2
    #: Restrict each encoding to its own frames and earlier ones, for live input. Otherwise windows are centred.
    causal: bool = False

    def _flaws(self) -> Iterator[str]:
        n_frames, stride = self.input_size[1], self.stride_frames
        if stride % 2 or n_frames % stride:
            yield f"stride_frames={stride}: give an even number that divides the segment's {n_frames} frames"

    def _create(self) -> None:
        n_coefficients, n_frames = self.input_size
        self.n_steps = n_frames // self.stride_frames
        self.convolutions = [
            self._conv1d(self.n_filters, size, f"conv{i}", strides=strides, use_bias=False)
            for i, size, strides in ((1, 3, 1), (2, 2 * self.stride_frames, self.stride_frames), (3, 3, 1))
        ]
        self.norms = [self._norm(f"conv{i}_norm") for i in (1, 2, 3)]
        self.blocks = self._residual_blocks(self.n_blocks, self.n_filters, 1, "block")
        self.bottleneck = self._dense(self.encoding_size, "bottleneck")
        self.normalization = self._norm("encoding_norm", affine=False)
        n_filters = self.n_decoder_filters or self.n_filters
        self.out_bottleneck = self._conv1d(n_filters, 3, "out_bottleneck", padding="same")
        self.out_blocks = self._residual_blocks(self.n_blocks, n_filters, 3, "out_block")
        upsampling = {"strides": self.stride_frames, "padding": "same", "kind": keras.layers.Conv1DTranspose}
        self.out_upsampling = self._conv1d(n_filters, 2 * self.stride_frames, "out_upsampling", **upsampling)
        self.out_convolution = self._conv1d(n_coefficients, 3, "out_conv", padding="same")

    @property
    def window_frames(self) -> int:
        """Frames that one encoding depends on."""
        return 4 * self.stride_frames + 2

    def project(self, x: Any, *, training: bool | None = None) -> tuple[Any, Bypass]:
        """Return the encodings before normalisation and sigmoid [shape=(batch, n_steps, encoding_size)]."""
        # Padding the input once makes windows at the edge of a segment like all others; zero is the mean.
        spare = self.window_frames - self.stride_frames
        before = spare if self.causal else spare // 2
        return self._project(ops.pad(x, ((0, 0), (0, 0), (before, spare - before), (0, 0))), training), {}

    def _project(self, x: Any, training: bool | None = None) -> Any:
        x = ops.transpose(ops.squeeze(x, axis=3), (0, 2, 1))  # (batch, frames, coefficients)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = ops.silu(norm(convolution(x), training=training))
        return self.bottleneck(residual(x, self.blocks))  # (batch, steps, encoding_size)

    def decode(self, encoding: Any, bypass: Bypass | None = None, *, training: bool | None = None) -> Any:
        """Reconstruct scaled segments from their encodings [shape=(batch, n_steps, encoding_size)]."""
        # The sigmoid of a unit-variance input varies little; its middle half is mapped to [-1, 1].
        x = self.out_bottleneck((ops.convert_to_tensor(encoding) - 0.5) * 4)
        x = ops.silu(self.out_upsampling(ops.silu(residual(x, self.out_blocks))))
        x = ops.cast(self.out_convolution(x), "float32")  # (batch, frames, coefficients)
        return ops.expand_dims(ops.transpose(x, (0, 2, 1)), 3)

    def orient(self, batches: Iterable[npt.NDArray[np.float32]]) -> None:
        """Flip the sign of components that fall with loudness (the first MFCC); reconstructions do not change.

        Signs are arbitrary after training. If parameters rise with loudness, a picture can follow onsets at once and
        decay slowly.
        """
        encodings, loudness = [], []
        for x in batches:
            encodings.append(ops.convert_to_numpy(self.encode(x)[0]).reshape(-1, self.encoding_size))
            loudness.append(np.asarray(x)[:, 0, :, 0].reshape(-1, self.stride_frames).mean(axis=1))
        centred = np.concatenate(loudness) - np.concatenate(loudness).mean()
        sign = np.where(centred @ np.concatenate(encodings) < 0, -1.0, 1.0).astype(np.float32)
        self.bottleneck.kernel.assign(self.bottleneck.kernel * sign)
        self.bottleneck.bias.assign(self.bottleneck.bias * sign)
        self.normalization.moving_mean.assign(self.normalization.moving_mean * sign)
        self.out_bottleneck.kernel.assign(self.out_bottleneck.kernel * sign[:, None])

    def encoder(self, scaler: SegmentScaler) -> keras.Model:
        """Build the encoder of unscaled windows [shape=(batch, coefficients, window_frames, 1)]; it shares weights."""
        inputs = keras.Input((self.input_size[0], self.window_frames, 1), name="segments")
        logits = ops.squeeze(self.normalization(self._project(scaler(inputs))), axis=1)
        return keras.Model(inputs, ops.sigmoid(ops.cast(logits, "float32")), name="encoder")
