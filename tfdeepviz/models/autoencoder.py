"""The paper's three convolutional autoencoders, and a variant whose decoder sees nothing but the encoding."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import keras
from keras import ops
from msgspec import Meta

from tfdeepviz.models.layers import TiedConv2DTranspose, TiedDense, pool_positions, unpool, unpool_evenly
from tfdeepviz.models.network import Bottleneck, Bypass, Dropout, Size

_Depth = Annotated[int, Meta(ge=1, le=16)]


@keras.saving.register_keras_serializable("tfdeepviz")
class Autoencoder(Bottleneck):
    """Convolutional autoencoder (paper, section 3.1).

    The encoder has `n_pools` blocks of two convolutions (ReLU) and a 2x2 max-pool that remembers its positions. The
    number of filters doubles from block to block. Then follow `n_dense` dense layers, each `dense_scale_down` times
    smaller than the previous one; the last has `encoding_size` units and a sigmoid. The decoder mirrors the encoder
    with dense layers, unpooling to the remembered positions, and transposed convolutions; its output is a sigmoid.

    | paper | `decoder` | `skip` |
    |---|---|---|
    | NET-AE | `own` | False |
    | NET-AE-SHARED | `shared` | False |
    | NET-AE-SKIP | `shared` | True |

    Input and output have the shape (batch, *input_size, 1), scaled to [0, 1].
    """

    #: Filters of the first block.
    n_initial_filters: Size = 32
    #: Blocks; both sides of a segment are divisible by `2**n_pools`.
    n_pools: _Depth = 4
    n_dense: _Depth = 2
    dense_scale_down: Size = 2
    kernel_size: Size = 3
    #: `shared` uses the encoder's kernels transposed, with its own biases; `own` has its own kernels.
    decoder: Literal["own", "shared"] = "shared"
    #: Add each convolution's output to the input of its mirror image (ReLU after the sum). Requires the shared decoder.
    skip: bool = False
    #: `remembered` returns values to the positions of the maxima, which tell the decoder more than the encoding does;
    #: `fixed` spreads them evenly, so that the encoding must carry everything.
    unpooling: Literal["remembered", "fixed"] = "remembered"
    #: Batch-normalise the output of every convolution and hidden dense layer before its ReLU, except in the decoder's
    #: last layer.
    batch_norm: bool = False
    #: Standard deviation of the dense kernels' initial values; 0.01 in the paper, None uses He initialisation.
    dense_initial_std: float | None = 0.01
    #: Batch-normalise the encoding (no trainable parameters) before its sigmoid, which keeps every component alive.
    normalize_encoding: bool = False
    #: Share of the training segments decoded without positions (unpooled evenly instead) and, drawn independently,
    #: without skipped values. A decoder that always has them soon ignores the encoding (docs/models.md).
    bypass_dropout: Dropout = 0.0
    #: Share decoded without skipped values, if different from `bypass_dropout`.
    skip_dropout: Dropout | None = None

    def _create(self) -> None:
        self.seed_generator = keras.random.SeedGenerator()

        filters = [self.n_initial_filters * 2**block for block in range(self.n_pools) for _ in (1, 2)]
        self._bottom = (*(side // 2**self.n_pools for side in self.input_size), filters[-1])
        self._flat = flat = math.prod(self._bottom)
        units = [flat // self.dense_scale_down**i for i in range(1, self.n_dense)] + [self.encoding_size]
        names = [f"conv{i // 2 + 1}_{i % 2 + 1}" for i in range(2 * self.n_pools)]
        std = self.dense_initial_std

        self.convolutions = [
            self._convolution(keras.layers.Conv2D, n, name) for n, name in zip(filters, names, strict=True)
        ]
        self.dense = [self._dense(n, f"dense{i}", std) for i, n in enumerate(units, 1)]
        self.normalization = self._norm("encoding_norm", affine=False) if self.normalize_encoding else None

        # Decoder layers are listed in the order of the layers they mirror.
        mirrored_units = list(enumerate([flat, *units[:-1]], 1))
        mirrored_filters = list(zip([1, *filters[:-1]], names, strict=True))
        if self.decoder == "shared":
            self.mirrored_dense = [self._layer(TiedDense, n, name=f"tied_dense{i}") for i, n in mirrored_units]
            self.mirrored_convolutions = [
                self._layer(TiedConv2DTranspose, n, name=f"tied_{name}") for n, name in mirrored_filters
            ]
        else:
            self.mirrored_dense = [self._dense(n, f"out_dense{i}", std) for i, n in mirrored_units]
            self.mirrored_convolutions = [
                self._convolution(keras.layers.Conv2DTranspose, n, f"out_{name}") for n, name in mirrored_filters
            ]
        # Layers followed by a ReLU.
        normed = [*self.convolutions, *self.dense[:-1], *self.mirrored_dense, *self.mirrored_convolutions[1:]]
        self.norms = {layer.name: self._norm(f"{layer.name}_norm") for layer in normed} if self.batch_norm else {}

    def _flaws(self) -> Iterator[str]:
        (height, width), step = self.input_size, 2**self.n_pools
        most = 2 * min(height, width) - 1
        if self.kernel_size > most:
            yield f"kernel_size={self.kernel_size}: an input of {self.input_size} cannot fill that; give at most {most}"
        if self.skip_dropout is not None and not self.skip:
            yield f"skip_dropout={self.skip_dropout}, skip=False: there is nothing to drop"
        if self.skip and self.decoder != "shared":
            yield f"skip=True, decoder={self.decoder!r}: skipped values need decoder='shared', as in NET-AE-SKIP"
        if self.skip and self.unpooling == "fixed":
            yield (
                "skip=True, unpooling='fixed': skipped values lead around the encoding, which fixed unpooling is there "
                "to prevent; choose one of the two"
            )
        if self.bypass_dropout and self.unpooling == "fixed":
            yield f"bypass_dropout={self.bypass_dropout}, unpooling='fixed': there is no bypass to drop; give 0"
        if height % step or width % step:
            yield f"input_size={self.input_size}: both sides have to be divisible by 2**n_pools = {step}"
        flat = (height // step) * (width // step) * self.n_initial_filters * step // 2
        divisor = self.dense_scale_down ** (self.n_dense - 1)
        if flat % divisor or flat // divisor < self.encoding_size:
            yield (
                f"dense_scale_down={self.dense_scale_down}, n_dense={self.n_dense}: the {flat} values after the last "
                f"pool have to be divisible by dense_scale_down**(n_dense - 1) = {divisor}, with a quotient of at "
                f"least encoding_size = {self.encoding_size}"
            )

    def _convolution(self, kind: type[keras.layers.Layer], filters: int, name: str) -> keras.layers.Layer:
        kernel = keras.initializers.RandomNormal(stddev=(2 / (self.kernel_size**2 * filters)) ** 0.5)
        return self._layer(kind, filters, self.kernel_size, padding="same", kernel_initializer=kernel, name=name)

    def project(self, x: Any, *, training: bool | None = None) -> tuple[Any, Bypass]:
        """Return the encoding before normalisation and sigmoid, and the bypass.

        The bypass holds each pool's positions (none with fixed unpooling) and, with `skip`, each convolution's output.
        """
        positions, skipped = [], []
        for i, conv in enumerate(self.convolutions):
            x = ops.relu(self._normalized(conv(x), conv, training))
            skipped.append(x)
            if i % 2:
                if self.unpooling == "remembered":
                    positions.append(pool_positions(x))
                x = ops.max_pool(x, 2, 2)
        x = ops.reshape(x, (-1, self._flat))
        for dense in self.dense[:-1]:
            x = ops.relu(self._normalized(dense(x), dense, training))
        bypass: Bypass = {"positions": positions} if positions else {}
        return self.dense[-1](x), bypass | ({"skipped": skipped} if self.skip else {})

    def _normalized(self, x: Any, layer: keras.layers.Layer, training: bool | None) -> Any:
        return self.norms[layer.name](x, training=training) if layer.name in self.norms else x

    def decode(self, encoding: Any, bypass: Bypass | None = None, *, training: bool | None = None) -> Any:
        """Reconstruct scaled segments from encodings and the bypass that `encode` returned with them, or parts of it.

        Maps encodings [shape=(batch, encoding_size)] to segments [shape=(batch, *input_size, 1)].
        """
        positions, skipped = (list((bypass or {}).get(name, [])) for name in ("positions", "skipped"))
        x = encoding
        for mirrored, dense in zip(reversed(self.mirrored_dense), reversed(self.dense), strict=True):
            x = ops.relu(self._mirrored(x, mirrored, dense, training))
        x = ops.reshape(x, (-1, *self._bottom))
        for i in reversed(range(len(self.convolutions))):
            if i % 2:
                x = unpool(x, positions.pop()) if positions else unpool_evenly(x)
            if skipped:
                x = x + skipped.pop()
            # Not directly after the previous convolution: the skipped value must be added first.
            x = self._mirrored(ops.relu(x), self.mirrored_convolutions[i], self.convolutions[i], training)
        return ops.sigmoid(ops.cast(x, "float32"))

    def _mirrored(self, x: Any, layer: keras.layers.Layer, original: keras.layers.Layer, training: bool | None) -> Any:
        x = layer(x, original.kernel) if self.decoder == "shared" else layer(x)
        return self._normalized(x, layer, training)

    def call(self, x: Any, training: bool | None = False) -> Any:
        """Reconstruct scaled segments; in training, without the parts of the bypass that dropout removes."""
        encoding, bypass = self.encode(x, training=training)
        if training:
            skipped = self.bypass_dropout if self.skip_dropout is None else self.skip_dropout
            # Even unpooling means 0.25 at each position. Independent draws let either part be missing alone.
            for name, share, absent in (("positions", self.bypass_dropout, 0.25), ("skipped", skipped, 0.0)):
                if share and name in bypass:
                    draws = keras.random.uniform((ops.shape(encoding)[0],), seed=self.seed_generator)
                    bypass[name] = [_without(draws < share, kept, absent) for kept in bypass[name]]
        return self.decode(encoding, bypass, training=training)


def _without(dropped: Any, kept: Any, absent: float) -> Any:
    """Fill the segments marked in `dropped` [shape=(batch,)] with `absent`."""
    mask = ops.reshape(dropped, (-1,) + (1,) * (len(kept.shape) - 1))
    return ops.where(mask, ops.cast(absent, kept.dtype), kept)
