from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tfdeepviz.models.layers import TiedConv2DTranspose, TiedDense, pool_positions, unpool

_IMAGES = hnp.arrays(np.float32, (2, 4, 6, 3), elements=st.integers(-4, 4).map(float))


@settings(deadline=None)
@given(_IMAGES)
def test_unpooling_puts_every_maximum_where_it_was(x: npt.NDArray[Any]) -> None:
    positions = np.asarray(pool_positions(keras.ops.convert_to_tensor(x)))
    pooled = np.asarray(keras.ops.max_pool(x, 2, 2))
    result = np.asarray(unpool(keras.ops.convert_to_tensor(pooled), positions))
    for b, i, j, c in np.ndindex(2, 2, 3, 3):
        window, back = (a[b, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c].ravel() for a in (x, result))
        expected = np.zeros(4, np.float32)
        expected[window.argmax()] = window.max()  # the first of equal ones, as PyTorch does
        np.testing.assert_array_equal(back, expected)


def test_no_gradient_flows_through_positions() -> None:
    x = tf.Variable(np.random.default_rng(0).normal(size=(1, 4, 4, 1)).astype(np.float32))
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(unpool(tf.ones((1, 2, 2, 1)), pool_positions(x)))
    assert tape.gradient(y, x) is None


def test_tied_dense_is_the_transpose() -> None:
    kernel = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    layer = TiedDense(5)
    layer.build()
    x = np.ones((2, 3), np.float32)
    np.testing.assert_allclose(np.asarray(layer(x, kernel)), x @ kernel.T, rtol=1e-6)
    assert [tuple(v.shape) for v in layer.trainable_variables] == [(5,)]


def test_tied_convolution_is_the_adjoint() -> None:
    """<conv(x), y> = <x, tied(y)> for all x and y defines the transposed convolution."""
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(3, 3, 2, 4)).astype(np.float32)
    x, y = rng.normal(size=(1, 6, 8, 2)).astype(np.float32), rng.normal(size=(1, 6, 8, 4)).astype(np.float32)
    layer = TiedConv2DTranspose(2)
    layer.build()
    convolved = np.asarray(keras.ops.conv(x, kernel, padding="same"))
    np.testing.assert_allclose(np.sum(convolved * y), np.sum(x * np.asarray(layer(y, kernel))), rtol=1e-4)
