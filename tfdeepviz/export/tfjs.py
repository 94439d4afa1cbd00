"""Conversion of TensorFlow graphs to TensorFlow.js graph models."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfdeepviz.data.files import read_json
from tfdeepviz.data.frontend import MfccFrontend

QUANTIZATIONS = ("none", "float16", "uint8")

_MIN_QUANTIZED_SIZE = 16_384


class MissingExtraError(RuntimeError):
    """A package of an optional extra is not installed."""


class QuantizationError(RuntimeError):
    """Stored with so few bits, an encoder is not the same encoder any more."""


def convert_frontend(frontend: MfccFrontend, out: Path) -> dict[str, Any]:
    """Write the front end's graph; returns the manifest's `inputs` and `outputs`.

    Its constants stay float32: float16 would cost the 80 dB range.
    """
    return _convert(frontend, frontend.graph, out, {})


def convert_encoder(encoder: keras.Model, out: Path, *, quantization: str) -> dict[str, Any]:
    """Write an encoder's graph, which takes segments time first; returns the manifest's `inputs` and `outputs`.

    Parameters
    ----------
    encoder
        From unscaled segments [shape=(batch, n_mfcc, segment_frames, 1)] to encodings.
    out
        Folder to make.
    quantization
        How `quantized_layers` store their kernels: one of `QUANTIZATIONS`. All else stays float32.
    """
    _refuse_unknown(quantization)
    _, n_mfcc, segment_frames, _ = encoder.input_shape

    def encode(segments: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"encoding": encoder(tf.transpose(segments, [0, 2, 1])[..., None], training=False)}

    spec = tf.TensorSpec([None, segment_frames, n_mfcc], tf.float32, name="segments")
    module = tf.Module()
    module.encoder = encoder
    # tfjs quantises what it finds by name; a graph's constants carry the names of the layers that they come from.
    patterns = [f"*/{layer.name}_*" for layer in quantized_layers(encoder)]
    dtypes = {} if quantization == "none" or not patterns else {quantization: patterns}
    return _convert(module, tf.function(encode, input_signature=[spec]), out, dtypes)


def quantized_layers(encoder: keras.Model) -> list[keras.layers.Layer]:
    """Layers whose kernels are worth quantising: small ones save nothing, and the scaler's values range too widely."""
    return [
        layer
        for layer in encoder.layers
        if hasattr(layer, "kernel") and np.prod(layer.kernel.shape) >= _MIN_QUANTIZED_SIZE
    ]


def quantized_encoder(encoder: keras.Model, quantization: str) -> keras.Model:
    """Make a copy of an encoder whose kernels are rounded as `convert_encoder` stores them."""
    _refuse_unknown(quantization)
    copy = keras.models.clone_model(encoder)
    copy.set_weights(encoder.get_weights())
    if quantization != "none":
        from tensorflowjs import quantization as tfjs_quantization

        for layer in quantized_layers(copy):
            kernel = np.asarray(layer.kernel)
            data, metadata = tfjs_quantization.quantize_weights(kernel, getattr(np, quantization))
            layer.kernel.assign(tfjs_quantization.dequantize_weights(data, metadata, kernel.dtype))
    return copy


def _refuse_unknown(quantization: str) -> None:
    if quantization not in QUANTIZATIONS:
        raise ValueError(f"quantization={quantization!r}: choose one of {', '.join(QUANTIZATIONS)}")


def _convert(module: tf.Module, function: Any, out: Path, dtypes: dict[str, list[str]]) -> dict[str, Any]:
    try:
        from tensorflowjs.converters.tf_saved_model_conversion_v2 import convert_tf_saved_model
    except ImportError as error:
        raise MissingExtraError(
            f"exporting needs tensorflowjs ({error}); install it with pip install 'tfdeepviz[export]'"
        ) from error
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as temporary:
        tf.saved_model.save(module, temporary, signatures=function.get_concrete_function())
        convert_tf_saved_model(temporary, str(out), quantization_dtype_map=dtypes)
    signature = read_json(out / "model.json")["signature"]
    inputs = {name: info["name"].removesuffix(":0") for name, info in signature["inputs"].items()}
    outputs = {name: info["name"] for name, info in signature["outputs"].items()}
    return {"inputs": inputs, "outputs": outputs}
