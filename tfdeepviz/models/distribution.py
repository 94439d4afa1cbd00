"""Training on several devices or machines: the steps stay the same, and each batch is split across devices."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from tfdeepviz.errors import InputError

DISTRIBUTIONS = ("mirrored", "data-parallel")


@contextmanager
def distributed(name: str | None, batch_size: int) -> Iterator[int]:
    """Distribute the training of variables that are created and trained in this context.

    `mirrored` uses all devices that TensorFlow sees on this machine (`tf.distribute.MirroredStrategy`), `data-parallel`
    all devices that JAX sees on one or several machines (Keras distribution API), and None one. To use several
    machines, run the same command on each, with the Keras variables `KERAS_DISTRIBUTION_JOB_ADDRESSES` (HOST:PORT of
    the first machine), `KERAS_DISTRIBUTION_NUM_PROCESSES` and `KERAS_DISTRIBUTION_PROCESS_ID` (from 0).

    Yields the number of devices, which get equal shares of a batch. Raises InputError if the distribution is unknown,
    needs another Keras backend, or cannot divide the batch evenly.
    """
    if name is None:
        yield 1
        return
    if name not in DISTRIBUTIONS:
        raise InputError(f"distribute={name!r}: choose one of {', '.join(DISTRIBUTIONS)}")
    needed = "tensorflow" if name == "mirrored" else "jax"
    if keras.backend.backend() != needed:
        raise InputError(
            f"distribute={name!r}: works on Keras' {needed} backend, not {keras.backend.backend()}; set "
            f"KERAS_BACKEND={needed}"
        )
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
        _check(batch_size, strategy.num_replicas_in_sync)
        with strategy.scope():
            yield strategy.num_replicas_in_sync
        return
    if "KERAS_DISTRIBUTION_JOB_ADDRESSES" in os.environ:
        keras.distribution.initialize()
    devices = keras.distribution.list_devices()
    _check(batch_size, len(devices))
    before = keras.distribution.distribution()
    # Keras cannot shard mapped datasets, as it does not see their batch size; `own_share` shards them instead.
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False))
    try:
        yield len(devices)
    finally:
        keras.distribution.set_distribution(before)


def own_share(batches: Iterable[Any], batch_size: int) -> Iterable[Any]:
    """Return this process's share of every batch: the whole batch, unless several machines train together."""
    n = int(os.environ.get("KERAS_DISTRIBUTION_NUM_PROCESSES", 1))
    if keras.distribution.distribution() is None or n == 1:
        return batches
    share = batch_size // n
    start = share * int(os.environ["KERAS_DISTRIBUTION_PROCESS_ID"])

    def part(*batch: Any) -> Any:
        return keras.tree.map_structure(lambda x: x[start : start + share], batch)

    return batches.map(part) if isinstance(batches, tf.data.Dataset) else (part(*batch) for batch in batches)


def synchronize(model: keras.Model) -> None:
    """In `mirrored` training, let batch normalisation use the statistics of the whole batch, not of each device."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True


def _check(batch_size: int, n_devices: int) -> None:
    if batch_size % n_devices:
        raise InputError(
            f"batch_size={batch_size}: {n_devices} devices need a multiple of {n_devices} (--set batch_size=...)"
        )
