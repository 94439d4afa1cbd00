from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.data.statistics import SegmentStatistics
from tfdeepviz.models.reconstruction import Baselines
from tfdeepviz.models.time_resolved import TimeResolvedAutoencoder
from tfdeepviz.params import ParameterError

SEGMENTS = np.random.default_rng(0).normal(size=(16, 6, 24, 1)).astype(np.float32)


def tiny(**options: Any) -> TimeResolvedAutoencoder:
    model = TimeResolvedAutoencoder(**{"input_size": (6, 24), "encoding_size": 3, "n_filters": 4, **options})
    model.build()
    # Untrained normalisations would be the identity, which hides whether they are applied.
    for norm in (*model.norms, model.normalization):
        norm.moving_mean.assign(np.linspace(-0.5, 0.5, norm.moving_mean.shape[0]))
        norm.moving_variance.assign(np.linspace(0.5, 2, norm.moving_mean.shape[0]))
    awaken([*model.blocks, *model.out_blocks])
    return model


def awaken(blocks: list[Any]) -> None:
    """Make residual blocks add something; untrained ones add nothing."""
    rng = np.random.default_rng(0)
    for dense in blocks[1::2]:
        dense.kernel.assign(rng.normal(size=dense.kernel.shape).astype(np.float32))


def scaler() -> SegmentScaler:
    scaler = SegmentScaler("coefficients", name="scaler")
    scaler.adapt(SegmentStatistics.of(SEGMENTS[..., 0] * 3 + 1))
    return scaler


def test_a_segment_has_an_encoding_at_every_step() -> None:
    model = tiny()
    encoding, bypass = model.encode(SEGMENTS)
    assert (encoding.shape, bypass, model.n_steps) == ((16, 12, 3), {}, 12)
    np.testing.assert_array_equal(np.asarray(model.decode(encoding)), np.asarray(model(SEGMENTS)))
    assert np.asarray(model(SEGMENTS)).shape == SEGMENTS.shape
    assert tiny(stride_frames=4).encode(SEGMENTS)[0].shape == (16, 6, 3)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"stride_frames": 3}, "even number"),
        ({"stride_frames": 10}, "divides"),
        ({"n_filters": 0}, "n_filters must be a whole number, at least 1"),
    ],
)
def test_wrong_sizes_name_the_rule(options: dict[str, Any], rule: str) -> None:
    with pytest.raises(ParameterError, match=rule):
        tiny(**options)


@pytest.mark.parametrize("stride_frames", [2, 4])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("n_blocks", [0, 2])
def test_an_encoding_sees_its_window_and_nothing_else(stride_frames: int, causal: bool, n_blocks: int) -> None:
    model = tiny(stride_frames=stride_frames, causal=causal, n_blocks=n_blocks)
    frames = model.window_frames
    step = 3
    last = stride_frames * (step + 1) + (0 if causal else (frames - stride_frames) // 2)
    before, x = np.asarray(model.encode(SEGMENTS[:1])[0])[0, step], SEGMENTS[:1].copy()
    outside = [frame for frame in range(24) if not last - frames <= frame < last]
    x[:, :, outside] += 5
    np.testing.assert_allclose(np.asarray(model.encode(x)[0])[0, step], before, atol=1e-6)
    for edge in (max(0, last - frames), last - 1):
        x = SEGMENTS[:1].copy()
        x[:, :, edge] += 5
        assert np.abs(np.asarray(model.encode(x)[0])[0, step] - before).max() > 1e-4


def test_the_encoder_of_a_window_says_what_the_model_says_at_that_step(tmp_path: Path) -> None:
    model, scale = tiny(n_blocks=2), scaler()
    unscaled = SEGMENTS * 3 + 1
    whole = np.asarray(model.encode(scale(unscaled))[0])
    model.encoder(scale).save(tmp_path / "encoder.keras")
    encoder = keras.saving.load_model(tmp_path / "encoder.keras", compile=False, safe_mode=True)
    assert encoder.input_shape == (None, 6, 10, 1)
    # Step 2 has the frames 4 and 5 in the middle of its window.
    np.testing.assert_allclose(np.asarray(encoder(unscaled[:, :, :10])), whole[:, 2], atol=1e-5)
    np.testing.assert_allclose(np.asarray(encoder(unscaled[:, :, 8:18])), whole[:, 6], atol=1e-5)


def test_the_decoder_looks_as_far_as_its_blocks_reach() -> None:
    model = tiny(n_blocks=2, n_decoder_filters=5)
    codes = np.random.default_rng(1).uniform(0.2, 0.8, size=(1, 12, 3)).astype(np.float32)
    changed = codes.copy()
    changed[0, 6] = 0.5
    differs = np.abs(np.asarray(model.decode(changed)) - np.asarray(model.decode(codes)))[0, ..., 0].max(axis=0) > 1e-6
    # A step has two frames. The blocks reach 1 + 2 steps, the convolutions around them 2 more in all.
    assert differs[2 * 6 - 2 * 3] and differs[2 * 6 + 1 + 2 * 3]
    assert not differs[: 2 * (6 - 5)].any() and not differs[2 * (6 + 6) :].any()


def test_without_blocks_it_is_the_network_of_version_0_1() -> None:
    model = TimeResolvedAutoencoder()
    model.build()
    assert sum(int(np.prod(variable.shape)) for variable in model.trainable_variables) == 72_778


def test_components_rise_with_loudness_and_reconstruct_as_before() -> None:
    model = tiny()
    before = np.asarray(model(SEGMENTS))
    model.orient([SEGMENTS[:8], SEGMENTS[8:]])
    np.testing.assert_allclose(np.asarray(model(SEGMENTS)), before, atol=1e-5)
    loudness = SEGMENTS[:, 0, :, 0].reshape(-1, 2).mean(axis=1)
    for component in np.asarray(model.encode(SEGMENTS)[0]).reshape(-1, 3).T:
        assert np.corrcoef(component, loudness)[0, 1] >= 0


def test_one_mean_and_spread_a_coefficient() -> None:
    unscaled = SEGMENTS * 3 + 1
    scaled = np.asarray(scaler()(unscaled))
    np.testing.assert_allclose(scaled.mean(axis=(0, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(axis=(0, 2)), 1, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(scaler()(unscaled[:, :, 3:9])), scaled[:, :, 3:9])


def test_the_baseline_of_steps_is_a_pca_of_pieces() -> None:
    baselines = Baselines.fit([SEGMENTS], n_components=12, n_steps=12)
    # Twelve components say everything of a piece of 6 x 2.
    np.testing.assert_allclose(baselines.reconstruct(SEGMENTS)["pca"], SEGMENTS, atol=1e-4)
    fewer = Baselines.fit([SEGMENTS], n_components=3, n_steps=12).reconstruct(SEGMENTS)
    assert 0 < np.square(fewer["pca"] - SEGMENTS).mean() < np.square(fewer["mean"] - SEGMENTS).mean()
