from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.data.statistics import SegmentStatistics
from tfdeepviz.models.classifier import GenreClassifier
from tfdeepviz.params import ParameterError

_SIZE = (32, 40)
_ARCHITECTURES = get_args(GenreClassifier.arguments()["architecture"][0])
_LAYERS = [("alexnet", "L6"), ("vgg11", "L8"), ("vgg13", "L10"), ("vgg16", "L13"), ("vgg16", "L14"), ("vgg16", "L15")]


def tiny(architecture: str = "vgg11", **options: Any) -> GenreClassifier:
    sizes = {"n_genres": 3, "input_size": _SIZE, "width": 0.1, "dense_units": 5}
    model = GenreClassifier(**{**sizes, "architecture": architecture, **options})
    model.build()
    return model


def segments(n: int = 4) -> npt.NDArray[Any]:
    return np.random.default_rng(0).normal(size=(n, *_SIZE, 1)).astype(np.float32)


def scaler_of(raw: npt.NDArray[Any]) -> SegmentScaler:
    scaler = SegmentScaler("standard")
    scaler.adapt(SegmentStatistics.of(raw[..., 0]))
    return scaler


def alive(model: GenreClassifier) -> GenreClassifier:
    """With weights so large that outputs of a tiny model differ, and normalisation that is not the identity."""
    rng = np.random.default_rng(1)
    for weight in model.weights:
        match weight.name:
            case "kernel":
                weight.assign(rng.normal(size=weight.shape) * np.sqrt(2 / np.prod(weight.shape[:-1])))
            case "gamma" | "moving_variance":
                weight.assign(rng.uniform(0.5, 1.5, weight.shape))
            case "beta" | "moving_mean":
                weight.assign(rng.normal(0, 0.2, weight.shape))
    return model


def n_trainable(model: keras.Model) -> int:
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


@pytest.mark.parametrize(
    ("architecture", "n_parameters"),
    [("alexnet", 44_470_992), ("vgg11", 38_658_704), ("vgg13", 38_843_600), ("vgg16", 44_155_856)],
)
def test_the_papers_models_have_exactly_their_parameters(architecture: str, n_parameters: int) -> None:
    model = GenreClassifier(architecture=architecture, batch_norm=architecture != "alexnet")
    model.build()
    assert n_trainable(model) == n_parameters
    sizes = {layer: model.encoding_size(layer) for layer in model.encoding_layers}
    if architecture == "alexnet":
        assert sizes == {"L6": 4096}
        assert model.head[1].kernel.shape == (256 * 6 * 4, 4096)
    else:
        assert set(sizes.values()) <= {3072, 4096}
        assert model.head[1].kernel.shape == (512 * 2 * 3, 4096)
    # What follows the last encoding layer is dense only.
    last = model.encoding_layers[-1]
    dense = [layer for layer in model.head if isinstance(layer, keras.layers.Dense)][{"L6": 1, "L15": 2}.get(last, 0) :]
    encoder = model.encoder(SegmentScaler("standard"), last)
    assert n_trainable(encoder) == n_parameters - sum(n_trainable(layer) for layer in dense)


def test_every_architecture_offers_its_layers() -> None:
    assert [(name, layer) for name in _ARCHITECTURES for layer in tiny(name).encoding_layers] == _LAYERS


@pytest.mark.parametrize(("architecture", "layer"), _LAYERS)
def test_encodings_lead_to_the_logits(architecture: str, layer: str) -> None:
    model = alive(tiny(architecture))
    x = segments()
    encoding, both_logits = map(np.asarray, model.encode_and_classify(x, layer))
    assert encoding.shape == (4, model.encoding_size(layer))
    assert encoding.min() >= 0  # after ReLU
    assert encoding.std(axis=0).max() > 0.01
    dense = [part for part in model.head if isinstance(part, keras.layers.Dense)]
    value = encoding
    for part in dense[{"L6": 1, "L14": 1, "L15": 2}.get(layer, 0) : -1]:
        value = np.maximum(value @ part.kernel.numpy() + part.bias.numpy(), 0)
    logits = value @ dense[-1].kernel.numpy() + dense[-1].bias.numpy()
    np.testing.assert_allclose(np.asarray(model(x)), logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(both_logits, logits, rtol=1e-4, atol=1e-5)


def test_weights_start_as_torchvisions() -> None:
    model = GenreClassifier(architecture="vgg11", dense_units=512)
    model.build()
    for layer in [*model.features[4:], *model.head]:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            std = np.sqrt(2 / (9 * layer.filters)) if isinstance(layer, keras.layers.Conv2D) else 0.01
            assert layer.kernel.numpy().std() == pytest.approx(std, rel=0.03)
            assert np.abs(layer.kernel.numpy()).max() > 3 * std  # not truncated
            assert not layer.bias.numpy().any()


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"architecture": "vgg19"}, "alexnet, vgg11, vgg13, vgg16"),
        ({"architecture": "alexnet", "batch_norm": True}, "only VGG"),
        ({"batch_norm": "false"}, "true or false"),
        ({"n_genres": 1}, "n_genres"),
        ({"dense_units": 2.5}, "dense_units"),
        ({"width": 0}, "width"),
        ({"width": float("nan")}, "width"),
        ({"dropout": 1.0}, "dropout"),
        ({"architecture": "alexnet", "input_size": (20, 35)}, "21 coefficients and 35 frames"),
        ({"architecture": "alexnet", "input_size": (21, 34)}, "21 coefficients and 35 frames"),
        ({"input_size": (31, 96)}, "32 coefficients and 32 frames"),
        ({"input_size": (64,)}, "2 long"),
    ],
)
def test_impossible_arguments_name_the_rule(options: dict[str, Any], rule: str) -> None:
    with pytest.raises(ParameterError, match=rule):
        tiny(**options)


@pytest.mark.parametrize(("architecture", "size"), [("alexnet", (21, 35)), ("vgg16", (32, 32))])
def test_the_smallest_input_has_one_value_left(architecture: str, size: tuple[int, int]) -> None:
    model = tiny(architecture, input_size=size)
    assert model(np.zeros((1, *size, 1), np.float32)).shape == (1, 3)
    assert model.head[1].kernel.shape[0] == model.features[-3].filters


def test_filters_never_vanish() -> None:
    assert tiny(width=1e-6).encoding_size("L8") == 1


def test_unknown_layers_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"L7.*vgg16 offers L13, L14, L15"):
        tiny("vgg16").encode_and_classify(segments(), "L7")


def test_dropout_acts_in_training_only() -> None:
    model = alive(tiny("vgg16", dense_units=64, dropout=0.9))
    x = segments()
    np.testing.assert_array_equal(np.asarray(model(x)), np.asarray(model(x)))
    assert np.abs(np.asarray(model(x, training=True)) - np.asarray(model(x))).max() > 1e-3
    inputs = keras.Input((*_SIZE, 1))
    encoder = keras.Model(inputs, model.encode_and_classify(inputs, "L15")[0])
    still, trained = (np.asarray(encoder(x, training=training)) for training in (False, True))
    assert np.abs(trained - still).max() > 1e-3


def test_it_learns() -> None:
    keras.utils.set_random_seed(0)
    model = alive(tiny(batch_norm=True, dropout=0.0, dense_units=16))
    x, y = segments(32), np.arange(32) % 3
    x += y[:, None, None, None]
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = model.fit(x, y, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize(
    "options", [{"batch_norm": True, "normalize_encoding": True}, {"architecture": "alexnet", "dropout": 0.0}]
)
def test_saving_in_safe_mode_keeps_everything(tmp_path: Path, options: dict[str, Any]) -> None:
    model = alive(tiny(**options))
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    assert again.get_config() == model.get_config()
    assert set(GenreClassifier.arguments()) <= set(again.get_config())
    np.testing.assert_allclose(np.asarray(again(segments())), np.asarray(model(segments())), atol=1e-6)


@pytest.mark.parametrize(("architecture", "layer"), [("vgg11", "L8"), ("vgg16", "L15"), ("alexnet", "L6")])
def test_the_encoder_alone_equals_scaling_and_encoding(tmp_path: Path, architecture: str, layer: str) -> None:
    raw = (segments(8) * 40 - 300).astype(np.float32)
    scaler = scaler_of(raw)
    model = alive(tiny(architecture, batch_norm=architecture != "alexnet"))
    encoder = model.encoder(scaler, layer)
    assert encoder.output_shape == (None, model.encoding_size(layer))
    expected = np.asarray(model.encode_and_classify(scaler(raw), layer)[0])
    assert expected.std(axis=0).max() > 0.01
    encoder.save(tmp_path / "e.keras")
    again = keras.saving.load_model(tmp_path / "e.keras", safe_mode=True)
    np.testing.assert_allclose(np.asarray(again(raw)), expected, atol=1e-5)
    encoder.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    np.testing.assert_allclose(exported.serve(raw).numpy(), expected, atol=1e-5)
    kernel = model.features[-3].kernel if architecture == "alexnet" else model.features[0].kernel
    kernel.assign(kernel * 0)
    assert np.abs(np.asarray(encoder(raw)) - expected).max() > 1e-3  # weights are shared


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_ends_in_float32(policy: str) -> None:
    exact = alive(tiny(batch_norm=True))
    model = GenreClassifier.from_config({**exact.get_config(), "dtype": policy})
    model.build()
    model.set_weights(exact.get_weights())
    x = segments()
    assert model.features[0](x).dtype == policy.removeprefix("mixed_")
    assert model(x).dtype == model.encode_and_classify(x, "L8")[0].dtype == "float32"
    np.testing.assert_allclose(np.asarray(model(x)), np.asarray(exact(x)), atol=0.2 * np.asarray(exact(x)).std())
    encoder = model.encoder(SegmentScaler("standard", dtype="float32"), "L8")
    assert encoder(x).dtype == "float32"


def test_the_policy_that_is_set_is_used() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = tiny(batch_norm=True)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.features[0].compute_dtype == "bfloat16"
    assert model(segments()).dtype == "float32"
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert np.isfinite(model.fit(segments(), np.arange(4) % 3, verbose=0).history["loss"]).all()


_ON_JAX = """
import keras, numpy as np
from tfdeepviz.models.classifier import GenreClassifier
assert keras.backend.backend() == "jax"
model = keras.saving.load_model("m.keras", safe_mode=True)
x = np.load("x.npy", allow_pickle=False)
np.savez("y.npz", logits=model(x), encoding=model.encode_and_classify(x, "L15")[0])
"""


def test_jax_gives_the_same(tmp_path: Path) -> None:
    model, x = alive(tiny("vgg16", batch_norm=True)), segments()
    assert np.asarray(model(x)).std(axis=0).min() > 0.01
    model.save(tmp_path / "m.keras")
    np.save(tmp_path / "x.npy", x)
    root = str(Path(__file__).parents[2])
    jax = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": root}
    subprocess.run([sys.executable, "-c", _ON_JAX], cwd=tmp_path, env={**os.environ, **jax}, check=True)
    with np.load(tmp_path / "y.npz", allow_pickle=False) as outputs:
        np.testing.assert_allclose(outputs["logits"], np.asarray(model(x)), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(
            outputs["encoding"], np.asarray(model.encode_and_classify(x, "L15")[0]), rtol=1e-4, atol=1e-4
        )
