"""The same models on TensorFlow and on JAX: equal answers, and an equal step of training."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.models.test_autoencoder import VARIANTS, tiny
from tfdeepviz.models.classifier import GenreClassifier
from tfdeepviz.models.network import Bottleneck
from tfdeepviz.models.temporal import TemporalAutoencoder

_ON_JAX = """
import sys
from pathlib import Path
import keras, numpy as np
import tfdeepviz.models.autoencoder, tfdeepviz.models.classifier, tfdeepviz.models.temporal
assert keras.backend.backend() == "jax"
folder = Path(sys.argv[1])
for path in sorted(folder.glob("*.keras")):
    given = np.load(path.with_suffix(".npz"))
    model = keras.saving.load_model(path, safe_mode=True)
    before = np.asarray(model(given["x"]))
    model.compile(keras.optimizers.SGD(0.003, momentum=0.9), "mse")
    losses = [float(model.train_on_batch(given["x"], given["y"])) for _ in range(2)]
    np.savez(path.with_suffix(".jax.npz"), before=before, losses=losses, after=np.asarray(model(given["x"])))
"""


def models() -> dict[str, Bottleneck | GenreClassifier]:
    keras.utils.set_random_seed(0)
    named: dict[str, Bottleneck | GenreClassifier] = {
        f"ae-{i}": tiny(**variant, batch_norm=i % 2 == 0, normalize_encoding=i > 1)
        for i, variant in enumerate(VARIANTS)
    }
    named["ae-temporal"] = TemporalAutoencoder(input_size=(6, 8), encoding_size=3, n_filters=4, pool_frames=4)
    for name in ("alexnet", "vgg11"):
        named[name] = GenreClassifier(
            architecture=name,
            n_genres=3,
            width=0.05,
            dense_units=6,
            dense_initial_std=None,
            normalize_encoding=True,
            batch_norm=name == "vgg11",
            dropout=0.0,
        )
    for model in named.values():
        if not model.built:
            model.build()
    return named


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="compares TensorFlow with JAX")
def test_tensorflow_and_jax_agree(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    mine: dict[str, dict[str, Any]] = {}
    for name, model in models().items():
        x = rng.uniform(size=(6, *model.input_size, 1)).astype(np.float32)
        y = x if name.startswith("ae") else rng.normal(size=(6, 3)).astype(np.float32)
        np.savez(tmp_path / f"{name}.npz", x=x, y=y)
        model.save(tmp_path / f"{name}.keras")
        before = np.asarray(model(x))
        model.compile(keras.optimizers.SGD(0.003, momentum=0.9), "mse")
        losses = [float(model.train_on_batch(x, y)) for _ in range(2)]
        mine[name] = {"before": before, "losses": losses, "after": np.asarray(model(x))}
    subprocess.run(
        [sys.executable, "-c", _ON_JAX, tmp_path],
        check=True,
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
    )
    for name, expected in mine.items():
        theirs = np.load(tmp_path / f"{name}.jax.npz")
        for part, values in expected.items():
            # Two steps of training multiply the rounding errors of the first pass.
            atol = 2e-5 if part == "before" else 2e-3
            np.testing.assert_allclose(theirs[part], values, atol=atol, rtol=2e-4, err_msg=f"{name}: {part}")
        assert expected["losses"][1] != expected["losses"][0]
