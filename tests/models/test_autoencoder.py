from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.data.statistics import SegmentStatistics
from tfdeepviz.models.autoencoder import Autoencoder
from tfdeepviz.models.build import count_parameters
from tfdeepviz.models.presets import load_preset, override
from tfdeepviz.params import ParameterError


def tiny(**options: Any) -> Autoencoder:
    sizes = {"input_size": (8, 12), "encoding_size": 3, "n_initial_filters": 2, "n_pools": 2, "dense_initial_std": None}
    model = Autoencoder(**{**sizes, **options})
    model.build()
    return model


def segments(n: int = 4) -> npt.NDArray[Any]:
    return np.random.default_rng(0).uniform(size=(n, 8, 12, 1)).astype(np.float32)


def n_trainable(model: keras.Model) -> int:
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


#: NET-AE, NET-AE-SHARED, NET-AE-SKIP, and ours without a bypass.
VARIANTS: list[dict[str, Any]] = [
    {"decoder": "own"},
    {"decoder": "shared"},
    {"decoder": "shared", "skip": True},
    {"decoder": "own", "unpooling": "fixed"},
]


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("ae", {}, 40_165_579),
        ("ae-shared", {}, 20_089_771),
        ("ae-skip", {}, 20_089_771),
        ("ae-shared", {"model.n_dense": 4, "model.dense_scale_down": 8}, 5_973_883),
        ("ae-shared", {"model.n_dense": 3, "model.dense_scale_down": 8}, 5_973_547),
    ],
)
def test_the_papers_models_have_exactly_their_parameters(name: str, changes: dict[str, Any], expected: int) -> None:
    assert count_parameters(override(load_preset(name), changes)).trainable == expected


def test_normalising_the_encoding_adds_no_trainable_parameter() -> None:
    assert n_trainable(tiny(normalize_encoding=True)) == n_trainable(tiny())


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "options", [{}, {"n_dense": 1}, {"n_dense": 3, "kernel_size": 5, "batch_norm": True}, {"normalize_encoding": True}]
)
def test_shapes_and_ranges(variant: dict[str, Any], options: dict[str, Any]) -> None:
    keras.utils.set_random_seed(0)
    model = tiny(**variant, **options)
    encoding, bypass = model.encode(segments())
    assert encoding.shape == (4, 3)
    positions = [] if model.unpooling == "fixed" else [(4, 4, 6, 4, 2), (4, 2, 3, 4, 4)]
    assert [part.shape for part in bypass.get("positions", [])] == positions
    assert len(bypass.get("skipped", [])) == (4 if model.skip else 0)
    for output in (model(segments()), model.decode(encoding)):
        assert output.shape == (4, 8, 12, 1)
        # In float32 a sigmoid reaches both ends.
        assert ((np.asarray(output) >= 0) & (np.asarray(output) <= 1)).all()
        assert np.asarray(output).std() > 0


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"n_pools": 3}, r"2\*\*n_pools = 8"),
        ({"dense_scale_down": 5}, "divisible by dense_scale_down"),
        ({"dense_scale_down": 12}, "at least encoding_size"),
        ({"n_dense": 0}, "n_dense"),
        ({"kernel_size": 1.5}, "kernel_size"),
        ({"kernel_size": 16}, r"an input of \(8, 12\) cannot fill that; give at most 15"),
        ({"bypass_dropout": 1.0}, "bypass_dropout"),
        ({"decoder": "tied"}, "own, shared"),
        ({"unpooling": "none"}, "fixed, remembered"),
        ({"decoder": "own", "skip": True}, "skipped values need decoder='shared'"),
        ({"skip": True, "unpooling": "fixed"}, "lead around the encoding"),
        ({"unpooling": "fixed", "bypass_dropout": 0.5}, "no bypass to drop"),
    ],
)
def test_wrong_combinations_name_the_rule(options: dict[str, Any], rule: str) -> None:
    with pytest.raises(ParameterError, match=rule):
        tiny(**options)


@pytest.mark.parametrize("error", [MemoryError(), tf.errors.ResourceExhaustedError(None, None, "OOM")])
def test_weights_that_no_memory_holds_are_refused(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def build(model: Autoencoder, input_shape: object = None) -> None:
        raise error

    monkeypatch.setattr(Autoencoder, "build", build)
    with pytest.raises(ParameterError, match="too large for this machine's memory; make the model smaller"):
        count_parameters(load_preset("ae"))


def test_without_a_bypass_the_encoding_says_it_all() -> None:
    model = tiny(decoder="own", unpooling="fixed")
    x = segments()
    same = model.decode(model.encode(x)[0])
    np.testing.assert_array_equal(np.asarray(model(x)), np.asarray(same))


def test_skipped_values_lead_around_the_encoding() -> None:
    keras.utils.set_random_seed(0)
    model, x = tiny(skip=True), segments()
    encoding, bypass = model.encode(x)
    exchanged = np.roll(np.asarray(encoding), 1, axis=0)
    for i in range(4):
        parts = [np.roll(np.asarray(part), 1, axis=0) if i == j else part for j, part in enumerate(bypass["skipped"])]
        changed = model.decode(encoding, {**bypass, "skipped": parts})
        assert np.abs(np.asarray(changed) - np.asarray(model(x))).max() > 1e-6
    assert np.abs(np.asarray(model.decode(exchanged, bypass)) - np.asarray(model(x))).max() > 1e-6


def test_tied_kernels_get_gradient_from_both_sides() -> None:
    """Numerical gradient of the loss with respect to one weight of a tied convolution and of a tied dense layer."""
    # Seeded: where a step moves the largest value of a pool, the loss has a kink and no such gradient.
    keras.utils.set_random_seed(0)
    model, x = tiny(), tf.constant(segments())

    def loss() -> tf.Tensor:
        return tf.reduce_sum(tf.square(tf.cast(model(x), tf.float64) - tf.cast(x, tf.float64)))

    for kernel in (model.convolutions[1].kernel, model.dense[0].kernel):
        with tf.GradientTape() as tape:
            value = loss()
        analytic = tape.gradient(value, kernel.value).numpy()
        index = np.unravel_index(np.abs(analytic).argmax(), analytic.shape)
        start = kernel.numpy()
        step = np.zeros(kernel.shape, np.float32)
        step[index] = 1e-3
        kernel.assign(start + step)
        above = float(loss())
        kernel.assign(start - step)
        below = float(loss())
        kernel.assign(start)
        assert (above - below) / 2e-3 == pytest.approx(analytic[index], rel=2e-2)


@pytest.mark.parametrize("variant", VARIANTS[:3])
def test_bypass_dropout_acts_in_training_only(variant: dict[str, Any]) -> None:
    model = tiny(**variant, bypass_dropout=0.5)
    x = segments(32)
    still = np.asarray(model(x))
    np.testing.assert_array_equal(still, np.asarray(model(x)))
    encoding, bypass = model.encode(x)
    trained, total = np.asarray(model(x, training=True)), 0
    # Each segment has one of all combinations of what is left, and each of them occurs.
    for kept in ({}, *({name: bypass[name]} for name in bypass if model.skip), bypass):
        same = np.isclose(trained, np.asarray(model.decode(encoding, kept)), atol=1e-6).all(axis=(1, 2, 3))
        assert 0 < same.sum() < 28
        total += same.sum()
    assert total == 32


def test_recalibrating_makes_every_component_alive() -> None:
    model = tiny(normalize_encoding=True)
    x = segments(256) * 20  # so that the spread is large beside the normalisation's epsilon
    x *= np.random.default_rng(1).uniform(size=(256, 1, 1, 1)).astype(np.float32)
    model.recalibrate_batch_norm([x[:100], x[100:]])
    logits = np.asarray(model.encode(x)[0], np.float64)
    logits = np.log(logits / (1 - logits))
    np.testing.assert_allclose(logits.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(logits.std(axis=0), 1, atol=2e-2)


@pytest.mark.parametrize(
    "options", [*VARIANTS, {"normalize_encoding": True, "bypass_dropout": 0.25, "n_dense": 3, "batch_norm": True}]
)
def test_saving_in_safe_mode_keeps_everything(tmp_path: Path, options: dict[str, Any]) -> None:
    model = tiny(**options)
    model.compile("adam", "mse", run_eagerly=True)
    model.fit(segments(8), segments(8), verbose=0)
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    assert again.get_config() == model.get_config()
    assert set(Autoencoder.arguments()) <= set(again.get_config())
    np.testing.assert_allclose(np.asarray(again(segments())), np.asarray(model(segments())), atol=1e-6)


def test_mixed_precision_keeps_encoding_and_output_exact() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = tiny(decoder="shared", normalize_encoding=True, bypass_dropout=0.5)
        model.compile("adam", "mse")
        history = model.fit(segments(8), segments(8), verbose=0).history
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(history["loss"][0])
    encoding, bypass = model.encode(segments())
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    assert (encoding.dtype, model.decode(encoding, bypass).dtype) == ("float32", "float32")
    assert model.convolutions[0](segments()).dtype == "bfloat16"


def test_the_encoder_alone_equals_scaling_and_encoding(tmp_path: Path) -> None:
    raw = (segments(16) * 40 - 300).astype(np.float32)
    scaler = SegmentScaler("minmax")
    scaler.adapt(SegmentStatistics.of(raw[..., 0]))
    model = tiny(normalize_encoding=True, batch_norm=True)
    model.compile("adam", "mse")
    model.fit(scaler(raw), scaler(raw), verbose=0)
    model.encoder(scaler).save(tmp_path / "e.keras")
    encoder = keras.saving.load_model(tmp_path / "e.keras", safe_mode=True)
    np.testing.assert_allclose(np.asarray(encoder(raw)), np.asarray(model.encode(scaler(raw))[0]), atol=1e-6)
