"""Conversion of TensorFlow graphs to TensorFlow.js graph models."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tfdeepviz.errors import TfdeepvizError
from tfdeepviz.files import read_json
from tfdeepviz.lazy import keras, tf

if TYPE_CHECKING:
    from tfdeepviz.data.frontend import MfccFrontend

QUANTIZATIONS = ("none", "float16", "uint8")

_MIN_QUANTIZED_SIZE = 16_384


class MissingExtraError(TfdeepvizError, RuntimeError):
    """A package of an optional extra is not installed."""


@dataclass(frozen=True)
class QuantizationPlan:
    """How kernels are stored: `float16` or `uint8` by the name of the layer; all others stay float32."""

    dtypes: dict[str, str]
    max_error: float  # largest absolute change of an encoding, on the segments used for planning


def convert_frontend(frontend: MfccFrontend, out: Path) -> dict[str, Any]:
    """Write the front end's graph, in float32 for its 80 dB range; return the manifest's `inputs` and `outputs`."""
    return _convert(frontend, frontend.graph, out, {})


def convert_encoder(encoder: keras.Model, out: Path, *, plan: QuantizationPlan) -> dict[str, Any]:
    """Write the graph of an encoder with named outputs; return the manifest's `inputs` and `outputs`.

    The encoder takes unscaled segments [shape=(batch, n_mfcc, segment_frames, 1)], the graph takes them time first.
    """
    _, n_mfcc, segment_frames, _ = encoder.input_shape
    spec = tf.TensorSpec([None, segment_frames, n_mfcc], tf.float32, name="segments")
    module = tf.Module()
    module.encoder = encoder

    def encode(segments: tf.Tensor) -> Any:
        return encoder(tf.transpose(segments, [0, 2, 1])[..., None], training=False)

    # tfjs selects weights to quantise by name; a graph's constants are named after the layers that they come from.
    patterns = {
        dtype: [f"*/{layer}_*" for layer, chosen in plan.dtypes.items() if chosen == dtype]
        for dtype in set(plan.dtypes.values())
    }
    return _convert(module, tf.function(encode, input_signature=[spec]), out, patterns)


def plan_quantization(
    encoder: keras.Model, segments: npt.NDArray[np.float32], *, quantization: str, allowed: Mapping[str, float]
) -> QuantizationPlan:
    """Choose the fewest bits for each kernel, the largest first, that keep the outputs' absolute errors as `allowed`.

    They are measured on segments [shape=(n, n_mfcc, segment_frames, 1)]. With `uint8`, kernels that are too sensitive
    for it may still become float16. Small kernels save nothing and stay as they are, as does the scaler, whose values
    range too widely.
    """
    ladder = {"none": (), "float16": ("float16",), "uint8": ("uint8", "float16")}[quantization]
    exact = encoder(segments, training=False)
    sizes = {layer.name: int(np.prod(layer.kernel.shape)) for layer in encoder.layers if hasattr(layer, "kernel")}
    plan = QuantizationPlan({}, 0.0)
    for name in sorted((name for name in sizes if sizes[name] >= _MIN_QUANTIZED_SIZE), key=lambda name: -sizes[name]):
        for dtype in ladder:
            dtypes = {**plan.dtypes, name: dtype}
            rounded = quantized_encoder(encoder, dtypes)(segments, training=False)
            errors = {output: float(np.abs(np.subtract(rounded[output], exact[output])).max()) for output in exact}
            if all(error <= allowed[output] for output, error in errors.items()):
                plan = QuantizationPlan(dtypes, errors["encoding"])
                break
    return plan


def quantized_encoder(encoder: keras.Model, dtypes: Mapping[str, str]) -> keras.Model:
    """Copy an encoder and round its layers' kernels to the values that the browser will read."""
    quantize = _tensorflowjs("quantization")
    copy = keras.models.clone_model(encoder)
    copy.set_weights(encoder.get_weights())
    for name, dtype in dtypes.items():
        layer = copy.get_layer(name)
        kernel = np.asarray(layer.kernel)
        data, metadata = quantize.quantize_weights(kernel, getattr(np, dtype))
        layer.kernel.assign(quantize.dequantize_weights(data, metadata, kernel.dtype))
    return copy


def _convert(module: tf.Module, function: Any, out: Path, patterns: dict[str, list[str]]) -> dict[str, Any]:
    convert_tf_saved_model = _tensorflowjs("converters.tf_saved_model_conversion_v2").convert_tf_saved_model
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # Via another folder, because TensorFlow only accepts names in UTF-8.
    with tempfile.TemporaryDirectory() as temporary:
        saved, converted = f"{temporary}/saved", f"{temporary}/converted"
        tf.saved_model.save(module, saved, signatures=function.get_concrete_function())
        convert_tf_saved_model(saved, converted, quantization_dtype_map=patterns)
        shutil.copytree(converted, out, dirs_exist_ok=True)
    model = read_json(out / "model.json")
    # The converter writes attributes in random order, but files that are addressed by content must be reproducible.
    (out / "model.json").write_text(json.dumps(model, sort_keys=True, separators=(",", ":")) + "\n", encoding="utf-8")
    signature = model["signature"]
    inputs = {name: info["name"].removesuffix(":0") for name, info in signature["inputs"].items()}
    outputs = {name: info["name"] for name, info in signature["outputs"].items()}
    return {"inputs": inputs, "outputs": outputs}


def _tensorflowjs(module: str) -> Any:
    try:
        return import_module(f"tensorflowjs.{module}")
    except ImportError as error:
        raise MissingExtraError(
            f"exporting needs tensorflowjs ({error}): pip install 'tfdeepviz[export]', on Python 3.11"
        ) from error
