from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tfdeepviz.models.network import Bypass
from tfdeepviz.models.reconstruction import Codec, exchanged, measure_autoencoder


@pytest.mark.parametrize("sizes", [[4, 4, 4], [1, 1], [1, 2, 30], [128, 128], [50, 1, 1]])
def test_every_segment_gets_one_of_another_track(sizes: list[int]) -> None:
    rng = np.random.default_rng(0)
    for ids in (np.repeat(np.arange(len(sizes)) * 7, sizes), rng.permutation(np.repeat(np.arange(len(sizes)), sizes))):
        drawn = exchanged(ids, seed=3)
        assert (ids[drawn] != ids).all()
        np.testing.assert_array_equal(exchanged(ids, seed=3), drawn)


def test_all_other_tracks_are_drawn_alike() -> None:
    ids = np.repeat([5, 3, 8], [2, 3, 4])
    counts = np.zeros((9, 9), int)
    for seed in range(2_000):
        counts[np.arange(9), exchanged(ids, seed)] += 1
    same = ids[:, None] == ids
    expected = np.where(same, 0, 2_000 / (~same).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(counts, expected, atol=5 * np.sqrt(400))


def test_of_a_single_track_other_segments_are_drawn() -> None:
    for seed in range(20):
        drawn = exchanged([4] * 5, seed)
        assert (drawn != np.arange(5)).all()
    assert exchanged([4], 0).tolist() == [0]


Array = npt.NDArray[np.float32]


def batches_of_a_track_each() -> Iterator[Array]:
    for value in (0.1, 0.5, 0.9):
        yield np.full((8, 2, 4, 1), value, np.float32)


def encode(x: Array) -> tuple[Array, Bypass]:
    return x.mean(axis=(1, 2)), {}


def decode(z: Any, bypass: Bypass) -> Array:
    return np.broadcast_to(np.asarray(z)[:, None, None], (len(z), 2, 4, 1))


def test_codes_are_exchanged_across_batches() -> None:
    """Whose code says which track it is, and no more, is used by the decoder all the same."""
    ids = np.repeat([1, 2, 3], 8)
    measured = measure_autoencoder(Codec(encode, decode, 1), batches_of_a_track_each, ids.tolist())
    np.testing.assert_allclose(measured.errors["model"], 0, atol=1e-12)
    assert (measured.errors["shuffled"] > 0.15).all()
    assert measured.encodings.shape == (24, 1)
    again = measure_autoencoder(Codec(encode, decode, 1), batches_of_a_track_each, ids.tolist())
    np.testing.assert_array_equal(again.errors["shuffled"], measured.errors["shuffled"])


def test_only_the_code_is_exchanged_and_what_bypasses_it_stays() -> None:
    """A decoder that listens to what bypasses the code alone loses nothing by the exchange."""

    def encode_both(x: Array) -> tuple[Array, Bypass]:
        return np.zeros((len(x), 1), np.float32), {"positions": [x.mean(axis=(1, 2))]}

    def decode_bypass(z: Any, bypass: Bypass) -> Array:
        return decode(bypass["positions"][0], {})

    measured = measure_autoencoder(
        Codec(encode_both, decode_bypass, 1), batches_of_a_track_each, np.repeat([1, 2, 3], 8).tolist()
    )
    np.testing.assert_array_equal(measured.errors["shuffled"], measured.errors["model"])


def test_a_split_without_segments_and_wrong_ids_are_refused() -> None:
    with pytest.raises(ValueError, match="no segment"):
        measure_autoencoder(Codec(encode, decode, 1), lambda: iter(()), [])
    with pytest.raises(ValueError, match="5 track ids for 24 segments"):
        measure_autoencoder(Codec(encode, decode, 1), batches_of_a_track_each, [1] * 5)
