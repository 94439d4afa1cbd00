"""Several devices give the losses that one gives; each backend in processes of its own, with simulated CPU devices."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.models.test_training import TINY
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.models.distribution import distributed
from tfdeepviz.models.run import Run

# Batch normalisation and dropping the bypass belong to what has to be the same.
PRESET = replace(
    TINY,
    batch_size=8,
    epochs=2,
    model={**TINY.model, "batch_norm": True, "bypass_dropout": 0.0},
    # AdamW's first steps divide rounding errors by rounding errors.
    optimizer={"name": "sgd", "learning_rate": 0.05, "momentum": 0.9},
)

_TRAIN = """
import os, sys
from pathlib import Path
import tensorflow as tf
preset, dataset, out, distribute = sys.argv[1:]
if distribute == "mirrored":
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
if "KERAS_DISTRIBUTION_JOB_ADDRESSES" in os.environ:
    import jax
    # Between CPUs, JAX 0.4 talks only if it is told how; between GPUs it knows.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.models.presets import load_preset
from tfdeepviz.models.training import train
train(
    load_preset(preset), PreparedDataset.load(Path(dataset)), Path(out),
    distribute=None if distribute == "none" else distribute,
)
"""


def start(folder: Path, dataset: PreparedDataset, distribute: str, **environment: str) -> subprocess.Popen[str]:
    preset = folder / "tiny.json"
    preset.write_text(json.dumps(PRESET.to_dict()))
    return subprocess.Popen(
        [sys.executable, "-c", _TRAIN, preset, dataset.path, folder / "run", distribute],
        env={**os.environ, "JAX_PLATFORMS": "cpu", **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(processes: list[subprocess.Popen[str]]) -> None:
    try:
        for process in processes:
            _, errors = process.communicate(timeout=500)
            assert process.returncode == 0, errors[-3_000:]
    finally:
        # One that waits for another which has failed would wait for ever.
        for process in processes:
            process.kill()
            process.communicate()


def assert_same(one: Path, several: Path) -> None:
    expected, actual = Run.load(one / "run").history(), Run.load(several / "run").history()
    assert [row["epoch"] for row in actual] == [1, 2]
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(
            [row[name] for row in actual], [row[name] for row in expected], rtol=1e-3, err_msg=name
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("distribute", "environment"),
    [
        ("mirrored", {"KERAS_BACKEND": "tensorflow"}),
        ("data-parallel", {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=4"}),
    ],
)
def test_losses_equal_those_of_one_device(
    distribute: str, environment: dict[str, str], two_genres: PreparedDataset, tmp_path: Path
) -> None:
    folders = [tmp_path / "one", tmp_path / "several"]
    for folder in folders:
        folder.mkdir()
    finish(
        [
            start(folder, two_genres, name, **environment)
            for folder, name in zip(folders, ("none", distribute), strict=True)
        ]
    )
    assert_same(*folders)


def test_a_distribution_needs_its_backend_and_a_batch_that_divides() -> None:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("names the TensorFlow backend")
    with pytest.raises(ValueError, match="KERAS_BACKEND=jax"), distributed("data-parallel", 64):
        pass
    with pytest.raises(ValueError, match="choose one of mirrored"), distributed("horovod", 64):
        pass
    with distributed("mirrored", 3) as n_devices:
        assert n_devices == 1
    with distributed(None, 3) as n_devices:
        assert n_devices == 1


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.slow
def test_two_processes_train_as_one(two_genres: PreparedDataset, tmp_path: Path) -> None:
    """As two machines would: each process has a device of its own and half of every batch."""
    one, first, second = (tmp_path / name for name in ("one", "first", "second"))
    for folder in (one, first, second):
        folder.mkdir()
    shared = {
        "KERAS_BACKEND": "jax",
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": f"127.0.0.1:{free_port()}",
        "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
    }
    processes = [
        start(folder, two_genres, "data-parallel", **shared, KERAS_DISTRIBUTION_PROCESS_ID=str(i))
        for i, folder in enumerate((first, second))
    ]
    processes.append(start(one, two_genres, "none", KERAS_BACKEND="jax"))
    finish(processes)
    assert_same(one, first)
