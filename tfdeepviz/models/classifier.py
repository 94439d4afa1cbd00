"""The paper's genre classifiers: AlexNet and VGG on one channel, whose inner layers serve as encodings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import keras
from keras import ops
from msgspec import Meta

from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.models.network import Dropout, Network, Size
from tfdeepviz.params import ParameterError

# Convolutions per block of VGG, and filters per convolution; each block ends in a pool.
_VGG_REPEATS = {"vgg11": (1, 1, 2, 2, 2), "vgg13": (2, 2, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3)}
_VGG_FILTERS = (64, 128, 256, 512, 512)

# Encoding layers, and the number of hidden dense layers before each. The names count convolutions and dense layers.
_ENCODING_LAYERS = {
    "alexnet": {"L6": 1},
    "vgg11": {"L8": 0},
    "vgg13": {"L10": 0},
    "vgg16": {"L13": 0, "L14": 1, "L15": 2},
}

# PyTorch's constant, so that PyTorch weights give the same outputs.
_EPSILON = 1e-5


@keras.saving.register_keras_serializable("tfdeepviz")
class GenreClassifier(Network):
    """AlexNet (Krizhevsky 2014) or VGG (Simonyan and Zisserman 2015) as the paper uses them (section 3.2).

    The convolutions are torchvision's, with two differences: they take one input channel, and AlexNet's first one has
    a stride of one coefficient and two frames. The head is new: two hidden dense layers with ReLU and dropout, then
    the logits.

    The input has the shape (batch, *input_size, 1), scaled to zero mean and unit variance. The output is logits
    [shape=(batch, n_genres)], float32 under any dtype policy.

    Weights are initialised as in torchvision's VGG: He normal by fan-out for convolutions, zero for biases. AlexNet
    uses the same initialisation instead of PyTorch's default uniform distribution.
    """

    architecture: Literal["alexnet", "vgg11", "vgg13", "vgg16"] = "alexnet"
    #: Number of logits.
    n_genres: Annotated[int, Meta(ge=2)] = 16
    #: Batch-normalise every convolution (VGG only, as in the paper).
    batch_norm: bool = False
    #: Factor applied to every number of filters, then rounded.
    width: Annotated[float, Meta(gt=0, le=8)] = 1.0
    #: Size of both hidden dense layers.
    dense_units: Size = 4096
    #: Standard deviation of the dense kernels' initial values; 0.01 in torchvision, None uses He initialisation, which
    #: narrow layers need.
    dense_initial_std: float | None = 0.01
    #: Batch-normalise the layers used as encodings (the hidden dense layers and VGG's last convolution) before their
    #: ReLU, without trainable parameters. This keeps every component alive.
    normalize_encoding: bool = False
    #: Share of the hidden dense layers' outputs dropped in training.
    dropout: Dropout = 0.5

    def _create(self) -> None:
        self.features = self._alexnet() if self.architecture == "alexnet" else self._vgg()
        self.head = self._head()

    def _flaws(self) -> Iterator[str]:
        name, (n_coefficients, n_frames) = self.architecture, self.input_size
        if name == "alexnet" and self.batch_norm:
            yield "batch_norm=True: only VGG has it; give batch_norm=False for alexnet"
        height, width = (21, 35) if name == "alexnet" else (32, 32)
        if n_coefficients < height or n_frames < width:
            yield f"input_size={self.input_size}: {name} needs at least {height} coefficients and {width} frames"

    @property
    def encoding_layers(self) -> tuple[str, ...]:
        """Names of the layers whose output can serve as an encoding, from input to output."""
        return tuple(_ENCODING_LAYERS[self.architecture])

    def _alexnet(self) -> list[keras.layers.Layer]:
        return [
            self._layer(keras.layers.ZeroPadding2D, 2),
            *self._convolution("conv1", 64, 11, strides=(1, 2), padding="valid"),
            self._pool("pool1", 3),
            *self._convolution("conv2", 192, 5),
            self._pool("pool2", 3),
            *self._convolution("conv3", 384, 3),
            *self._convolution("conv4", 256, 3),
            *self._convolution("conv5", 256, 3),
            self._pool("pool3", 3),
        ]

    def _vgg(self) -> list[keras.layers.Layer]:
        layers: list[keras.layers.Layer] = []
        for block, (n, filters) in enumerate(zip(_VGG_REPEATS[self.architecture], _VGG_FILTERS, strict=True), 1):
            for i in range(1, n + 1):
                is_encoding = block == len(_VGG_FILTERS) and i == n
                layers += self._convolution(f"conv{block}_{i}", filters, 3, is_encoding=is_encoding)
            layers.append(self._pool(f"pool{block}", 2))
        return layers

    def _convolution(
        self, name: str, filters: int, size: int, *, is_encoding: bool = False, **options: Any
    ) -> list[keras.layers.Layer]:
        kernel = keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
        options = {"padding": "same", "kernel_initializer": kernel, "name": name, **options}
        layers = [self._layer(keras.layers.Conv2D, max(1, round(filters * self.width)), size, **options)]
        if is_encoding and self.normalize_encoding:
            layers.append(self._norm(f"{name}_norm", affine=False, epsilon=_EPSILON))
        elif self.batch_norm:
            layers.append(self._norm(f"{name}_norm", epsilon=_EPSILON))
        return [*layers, self._layer(keras.layers.ReLU, name=f"{name}_relu")]

    def _pool(self, name: str, size: int) -> keras.layers.Layer:
        return self._layer(keras.layers.MaxPooling2D, size, strides=2, name=name)

    def _head(self) -> list[keras.layers.Layer]:
        layers = [self._layer(keras.layers.Flatten, name="flatten")]
        for i in (1, 2):
            layers.append(self._dense(self.dense_units, f"dense{i}", self.dense_initial_std))
            if self.normalize_encoding:
                layers.append(self._norm(f"dense{i}_norm", affine=False, epsilon=_EPSILON))
            layers.append(self._layer(keras.layers.ReLU, name=f"dense{i}_relu"))
            layers.append(self._layer(keras.layers.Dropout, self.dropout, name=f"dropout{i}"))
        return [*layers, self._dense(self.n_genres, "logits", self.dense_initial_std, dtype="float32")]

    def call(self, x: Any, training: bool | None = False) -> Any:
        """Return the logits [shape=(batch, n_genres)] of scaled segments."""
        for layer in (*self.features, *self.head):
            x = layer(x, training=training)
        return x

    def encode_and_classify(self, x: Any, layer: str, *, training: bool | None = None) -> tuple[Any, Any]:
        """Return the encodings [shape=(batch, encoding_size(layer)), dtype=float32] and logits of scaled segments.

        The encoding is the output of the last pool, flattened (coefficient, frame, filter), or of a hidden dense layer
        after ReLU; `layer` is one of `encoding_layers`.
        """
        last, encoding = self._to(layer)[-1], None
        for part in (*self.features, *self.head):
            x = part(x, training=training)
            if part is last:
                encoding = ops.cast(x, "float32")
        return encoding, x

    def layer_name(self, layer: str) -> str:
        """Name of the Keras layer whose output is the encoding taken from a layer."""
        return str(self._to(layer)[-1].name)

    def encoding_size(self, layer: str) -> int:
        """Size of the encoding taken from a layer."""
        shape: tuple[int | None, ...] = (None, *self.input_size, 1)
        for part in self._to(layer):
            shape = part.compute_output_shape(shape)
        return int(shape[-1] or 0)

    def encoder(self, scaler: SegmentScaler, layer: str) -> keras.Model:
        """Build the encoder of unscaled segments, with the scaler inside; it shares this model's weights."""
        inputs = keras.Input((*self.input_size, 1), name="segments")
        return keras.Model(inputs, self.encode_and_classify(scaler(inputs), layer)[0], name="encoder")

    def _to(self, layer: str) -> list[keras.layers.Layer]:
        if layer not in self.encoding_layers:
            raise ParameterError(f"layer={layer!r}: {self.architecture} offers {', '.join(self.encoding_layers)}")
        # The head begins with Flatten; each hidden layer ends with its ReLU, followed by Dropout.
        relus = [i for i, part in enumerate(self.head) if isinstance(part, keras.layers.ReLU)]
        return [*self.features, *self.head[: 1 + (0, *relus)[_ENCODING_LAYERS[self.architecture][layer]]]]


@keras.saving.register_keras_serializable("tfdeepviz")
class TaughtClassifier(GenreClassifier):
    """Genre classifier that also learns what a teacher says.

    `heads` are linear maps to the teacher's answers. They start where the logits do, at the last hidden layer, so that
    every layer that serves as an encoding learns from both.

    Maps scaled segments [shape=(batch, *input_size, 1)] to the `logits` and the heads' outputs by name [each
    shape=(batch, size)].
    """

    encoder_layer: str = "L6"
    #: The teacher's answers by name, with their sizes.
    heads: dict[str, Size] = {"tags": 100}  # noqa: RUF012 (never changed)

    def _create(self) -> None:
        super()._create()
        self.head_layers = {
            name: self._layer(keras.layers.Dense, size, dtype="float32", name=name) for name, size in self.heads.items()
        }

    def describe(self, x: Any) -> dict[str, Any]:
        """Return the `encoding`, the last hidden layer's output as `features`, and the heads' outputs by name."""
        last = self._to(self.encoder_layer)[-1]
        for part in (*self.features, *self.head[:-1]):
            x = part(x, training=False)
            if part is last:
                encoding = ops.cast(x, "float32")
        features = ops.cast(x, "float32")
        return {"encoding": encoding, "features": features, **self._answers(features)}

    def call(self, x: Any, training: bool | None = False) -> dict[str, Any]:
        """Return the logits and the heads' outputs."""
        for part in (*self.features, *self.head[:-1]):
            x = part(x, training=training)
        return {"logits": self.head[-1](x), **self._answers(x)}

    def _answers(self, features: Any) -> dict[str, Any]:
        return {name: head(features) for name, head in self.head_layers.items()}
