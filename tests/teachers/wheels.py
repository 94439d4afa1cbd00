"""A wheel like musicnn's, with random weights, and what its networks say, computed in the plainest way."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from tfdeepviz.files import sha256_file
from tfdeepviz.teachers import musicnn

Floats = npt.NDArray[np.float32]
Weights = dict[str, Floats]

_KERNELS = (
    *((7, 38, 1, 204), (7, 67, 1, 204)),
    *((128, 1, 1, 51), (64, 1, 1, 51), (32, 1, 1, 51)),
    *((7, 561, 1, 64), (7, 64, 1, 64), (7, 64, 1, 64)),
)
_NORMALIZED = (1, 204, 204, 51, 51, 51, 64, 64, 64, 1_506, 200)
_DENSE = ((1_506, 200), (200, 50))


def _scope(kind: str, number: int) -> str:
    return f"{kind}_{number}" if number else kind


def random_weights(seed: int) -> Weights:
    rng = np.random.default_rng(seed)
    weights: Weights = {}
    for kind, shapes in (("conv2d", _KERNELS), ("dense", _DENSE)):
        for number, shape in enumerate(shapes):
            n_inputs = int(np.prod(shape[:-1]))
            weights[f"{_scope(kind, number)}/kernel"] = rng.normal(0, n_inputs**-0.5, shape).astype(np.float32)
            weights[f"{_scope(kind, number)}/bias"] = rng.normal(0, 0.1, shape[-1]).astype(np.float32)
    for number, size in enumerate(_NORMALIZED):
        scope = _scope("batch_normalization", number)
        for name, least, most in (
            *(("gamma", -1.5, 1.5), ("beta", -0.5, 0.5)),
            *(("moving_mean", 0.0, 0.5), ("moving_variance", 0.5, 2.0)),
        ):
            weights[f"{scope}/{name}"] = rng.uniform(least, most, size).astype(np.float32)
    return weights


def write_checkpoint(folder: Path, weights: Weights) -> dict[str, bytes]:
    """Write a TensorFlow checkpoint; gives its files by their suffixes."""
    names = sorted(weights)
    prefix = folder / "weights"
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[weights[name] for name in names],
    )
    return {suffix: Path(f"{prefix}{suffix}").read_bytes() for suffix in (".index", ".data-00000-of-00001")}


def write_wheel(path: Path, files: dict[str, dict[str, bytes]]) -> Path:
    """Write a wheel that holds these files of each network."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for net, contents in files.items():
            for suffix, content in contents.items():
                archive.writestr(f"musicnn/{net.upper()}_musicnn/{suffix}", content)
    return path


def publish(monkeypatch: pytest.MonkeyPatch, wheel: Path) -> Path:
    """Let a wheel pass for the published one."""
    monkeypatch.setattr(musicnn, "_WHEEL_BYTES", wheel.stat().st_size)
    monkeypatch.setattr(musicnn, "WHEEL_SHA256", sha256_file(wheel))
    return wheel


def plain_answer(weights: Weights, patch: Floats) -> tuple[Floats, Floats]:
    """Tags and embedding of one patch [shape=(187, 96)], one operation after the other as the paper draws them."""

    def normalize(x: Floats, number: int) -> Floats:
        mean, variance, gamma, beta = (
            weights[f"{_scope('batch_normalization', number)}/{name}"]
            for name in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        normal: Floats = (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta
        return normal

    def convolve(x: Floats, number: int, before: int, after: int) -> Floats:
        kernel, bias = (weights[f"{_scope('conv2d', number)}/{name}"] for name in ("kernel", "bias"))
        x = np.pad(x, [(before, after), (0, 0)])
        runs = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2])
        heard = runs.reshape(-1, kernel[..., 0].size) @ kernel.reshape(-1, len(bias)) + bias
        heard = normalize(np.maximum(heard, 0), number + 1)
        highest: Floats = heard.reshape(*runs.shape[:2], -1).max(axis=1)
        return highest

    x = normalize(patch[..., None], 0)[..., 0]
    edges = ((3, 3), (3, 3), (63, 64), (31, 32), (15, 16))
    x0 = np.concatenate([convolve(x, number, *pair) for number, pair in enumerate(edges)], axis=1)
    x1 = convolve(x0, 5, 3, 3)
    x2 = convolve(x1, 6, 3, 3) + x1
    x3 = convolve(x2, 7, 3, 3) + x2
    everything = np.concatenate([x0, x1, x2, x3], axis=1)
    pooled = np.stack([everything.max(axis=0), everything.mean(axis=0)], axis=1).reshape(-1)
    hidden = np.maximum(normalize(pooled, 9) @ weights["dense/kernel"] + weights["dense/bias"], 0)
    embedding = normalize(hidden, 10)
    tags: Floats = 1 / (1 + np.exp(-(embedding @ weights["dense_1/kernel"] + weights["dense_1/bias"])))
    return tags, embedding
