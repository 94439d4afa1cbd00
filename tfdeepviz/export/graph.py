"""TensorFlow.js graph models, executed by TensorFlow: exactly the graphs and weights that the browser runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf import json_format

from tfdeepviz.files import FormatError, inside, read_json
from tfdeepviz.lazy import tf

#: A graph is a program. Ours use only these operations, none of which reaches beyond its tensors.
# fmt: off
_ALLOWED = frozenset((
    "Add", "AddV2", "AvgPool", "BiasAdd", "Cast", "ConcatV2", "Const", "Conv2D", "DepthwiseConv2dNative", "Elu",
    "Exp", "ExpandDims", "GatherV2", "Identity", "Log", "MatMul", "Max", "MaxPool", "Maximum", "Mean", "Min",
    "Minimum", "Mul", "Neg", "Pack", "Pad", "PadV2", "Placeholder", "Prod", "RealDiv", "Relu", "Reshape", "Rsqrt",
    "Shape", "Sigmoid", "Softmax", "Sqrt", "Square", "SquaredDifference", "Squeeze", "StridedSlice", "Sub", "Sum",
    "Tanh", "Tile", "Transpose", "_FusedConv2D", "_FusedDepthwiseConv2dNative", "_FusedMatMul",
))
# fmt: on
_MAX_NODES = 10_000
_MAX_WEIGHT_BYTES = 1 << 30
_MAX_MODEL_BYTES = 16 << 20

#: Storage formats that are allowed for weights of each dtype.
_STORED = {"float32": ("float32", "float16", "uint8"), "int32": ("int32",), "bool": ("bool",)}


class Graph:
    """A graph model with its weights; `inputs` and `outputs` name its tensors by their names in its signature."""

    def __init__(self, definition: tf.compat.v1.GraphDef, inputs: dict[str, str], outputs: dict[str, str]) -> None:
        wrapped = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(definition, name=""), [])
        element = wrapped.graph.as_graph_element
        self._function = wrapped.prune(
            {name: element(tensor) for name, tensor in inputs.items()},
            {name: element(tensor) for name, tensor in outputs.items()},
        )

    def tensors(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Compute the outputs by name; also works inside another graph."""
        outputs: dict[str, tf.Tensor] = self._function(**inputs)
        return outputs

    def __call__(self, **inputs: npt.ArrayLike) -> dict[str, npt.NDArray[np.float32]]:
        """Run the graph on arrays, with inputs and outputs by name."""
        tensors = {name: tf.convert_to_tensor(value, tf.float32) for name, value in inputs.items()}
        return {name: np.asarray(value) for name, value in self.tensors(**tensors).items()}


def load_graph(model: Path) -> Graph:
    """Load a graph model from its `model.json`, which the weights lie beside.

    Raises FormatError if the model is broken, or contains an operation that none of our graphs uses: there are
    operations that read and write files.
    """
    values = read_json(model, max_bytes=_MAX_MODEL_BYTES)
    try:
        nodes = values["modelTopology"]["node"]
        if not 0 < len(nodes) <= _MAX_NODES:
            raise ValueError(f"it has {len(nodes)} nodes")
        if strange := {str(node["op"]) for node in nodes} - _ALLOWED:
            raise ValueError(f"it has operations that none of our graphs uses: {', '.join(sorted(strange))}")
        if values["modelTopology"].get("library", {}).get("function"):
            raise ValueError("it contains functions")
        definition = json_format.ParseDict(values["modelTopology"], tf.compat.v1.GraphDef())
        weights = _read_weights(model, values["weightsManifest"])
        for node in definition.node:
            if node.op == "Const":
                # The converter lists a scalar as a vector of length one; the node has the right shape.
                shape = [dim.size for dim in node.attr["value"].tensor.tensor_shape.dim]
                node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(weights[node.name].reshape(shape)))
        signature = values["signature"]
        inputs, outputs = (
            {name: str(info["name"]) for name, info in signature[kind].items()} for kind in ("inputs", "outputs")
        )
        return Graph(definition, inputs, outputs)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, OSError, tf.errors.OpError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{model}: not a graph that can be loaded ({error!r}); export the bundle again") from error


def load_checked(model: Path, inputs: Mapping[str, npt.ArrayLike], shapes: Mapping[str, tuple[int, ...]]) -> Graph:
    """Load a graph model and run it once; raises FormatError unless it gives outputs of these shapes."""
    graph = load_graph(model)
    try:
        found = {name: value.shape for name, value in graph(**inputs).items()}
    except (tf.errors.OpError, TypeError, ValueError) as error:
        raise FormatError(f"{model}: not a graph that can be run ({error}); export the bundle again") from error
    if found != dict(shapes):
        raise FormatError(f"{model}: gives {found} instead of {dict(shapes)}; export the bundle again")
    return graph


def _read_weights(model: Path, manifest: list[dict[str, Any]]) -> dict[str, npt.NDArray[Any]]:
    """Read the weights by name; quantised ones are restored as TensorFlow.js does it."""
    weights: dict[str, npt.NDArray[Any]] = {}
    for group in manifest:
        paths = [inside(model.parent, name) for name in group["paths"]]
        if sum(path.stat().st_size for path in paths) > _MAX_WEIGHT_BYTES:
            raise ValueError(f"weightsManifest: more than {_MAX_WEIGHT_BYTES} bytes")
        data = b"".join(path.read_bytes() for path in paths)
        offset = 0
        for entry in group["weights"]:
            quantization = entry.get("quantization", {})
            dtype, stored = entry["dtype"], quantization.get("dtype", entry["dtype"])
            if stored not in _STORED.get(dtype, ()):
                raise ValueError(f"weightsManifest: {entry['name']} has dtype {dtype}, stored as {stored}")
            shape = tuple(int(size) for size in entry["shape"])
            if any(size < 0 for size in shape):
                raise ValueError(f"weightsManifest: {entry['name']} has shape {shape}")
            raw = np.frombuffer(data, np.dtype(stored).newbyteorder("<"), math.prod(shape), offset).reshape(shape)
            offset += raw.nbytes
            if stored == "uint8":
                raw = raw * float(quantization["scale"]) + float(quantization["min"])
            weights[entry["name"]] = np.ascontiguousarray(raw, np.dtype(dtype))
        if offset != len(data):
            raise ValueError(f"weightsManifest: {len(data)} bytes of weights instead of {offset}")
    return weights
