from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tfdeepviz.export.graph import load_graph
from tfdeepviz.export.tfjs import QuantizationPlan, convert_encoder, quantized_encoder
from tfdeepviz.files import FormatError, write_json


@pytest.fixture(scope="module")
def encoder() -> keras.Model:
    """With every kind of layer that encoders have, and two outputs."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((64, 12, 1))
    x = keras.layers.Conv2D(16, 3, padding="same", activation="relu", name="conv")(inputs)
    x = keras.layers.MaxPooling2D(2)(keras.layers.BatchNormalization()(x))
    x = keras.layers.Dense(32, activation="relu", name="wide")(keras.layers.Flatten()(x))
    encoding = keras.layers.Dense(5, activation="sigmoid", name="code")(x)
    genres = keras.layers.Softmax()(keras.layers.Dense(3, name="logits")(x))
    return keras.Model(inputs, {"encoding": encoding, "genres": genres})


@pytest.fixture(scope="module")
def segments() -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(0).normal(size=(4, 12, 64)).astype(np.float32)


@pytest.fixture(scope="module")
def exact(encoder: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("graph") / "exact"
    convert_encoder(encoder, out, plan=QuantizationPlan({}, 0.0))
    return out


@pytest.mark.parametrize("dtypes", [{}, {"wide": "float16"}, {"wide": "uint8", "code": "float16"}])
def test_a_graph_gives_what_keras_gives_with_the_same_weights(
    dtypes: dict[str, str], encoder: keras.Model, segments: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    convert_encoder(encoder, tmp_path / "graph", plan=QuantizationPlan(dtypes, 0.0))
    outputs = load_graph(tmp_path / "graph" / "model.json")(segments=segments)
    expected = quantized_encoder(encoder, dtypes)(segments.transpose(0, 2, 1)[..., None], training=False)
    assert set(outputs) == {"encoding", "genres"}
    for name, values in outputs.items():
        np.testing.assert_allclose(values, expected[name], atol=1e-5)
    if dtypes:
        unrounded = encoder(segments.transpose(0, 2, 1)[..., None], training=False)["encoding"]
        assert np.abs(outputs["encoding"] - unrounded).max() > 1e-6


def _set_op(values: dict[str, Any]) -> None:
    values["modelTopology"]["node"][0] |= {"op": "ReadFile"}


def _add_function(values: dict[str, Any]) -> None:
    values["modelTopology"]["library"] = {"function": [{"signature": {"name": "f"}}]}


def _leave(values: dict[str, Any]) -> None:
    values["weightsManifest"][0]["paths"] = ["../model.json"]


def _rename_weight(values: dict[str, Any]) -> None:
    values["weightsManifest"][0]["weights"][0]["name"] = "other"


def _shrink(values: dict[str, Any]) -> None:
    values["weightsManifest"][0]["weights"].pop()


def _grow(values: dict[str, Any]) -> None:
    values["weightsManifest"][0]["weights"][-1]["shape"] = [1 << 40]


def _overflow(values: dict[str, Any]) -> None:
    values["weightsManifest"][0]["weights"][-1]["shape"] = [1 << 40, 1 << 40]


def _turn(values: dict[str, Any]) -> None:
    values["weightsManifest"][0]["weights"][0]["shape"] = [-1]


def _store(values: dict[str, Any]) -> None:
    values["weightsManifest"][0]["weights"][0]["dtype"] = "string"


def _strange_output(values: dict[str, Any]) -> None:
    values["signature"]["outputs"]["encoding"]["name"] = "nowhere:0"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (_set_op, "ReadFile"),
        (_add_function, "functions"),
        (_leave, "leads out"),
        (_rename_weight, "KeyError"),
        (_shrink, "bytes of weights"),
        (_grow, "buffer"),
        (_overflow, "too large"),
        (_turn, "shape"),
        (_store, "string"),
        (_strange_output, "nowhere"),
        (lambda values: values["modelTopology"].update(node=[]), "0 nodes"),
        (lambda values: values.pop("signature"), "signature"),
    ],
)
def test_a_graph_that_is_not_ours_is_refused(
    change: Callable[[dict[str, Any]], None], what: str, exact: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(exact, tmp_path / "graph")
    values = json.loads((copy / "model.json").read_text())
    change(values)
    write_json(copy / "model.json", values)
    with pytest.raises(FormatError, match=what):
        load_graph(copy / "model.json")


def test_weights_that_are_missing_are_refused(exact: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(exact, tmp_path / "graph")
    (copy / "group1-shard1of1.bin").unlink()
    with pytest.raises(FormatError, match="export the bundle again"):
        load_graph(copy / "model.json")
