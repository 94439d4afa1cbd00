from __future__ import annotations

import tracemalloc
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfdeepviz.data.features import Features, Recipe
from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.data.statistics import SegmentStatistics
from tfdeepviz.files import FormatError
from tfdeepviz.params import LIVE


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 9), min_size=1, max_size=6), st.floats(-1e3, 1e3))
def test_streaming_equals_numpy(seed: int, sizes: list[int], centre: float) -> None:
    rng = np.random.default_rng(seed)
    batches = [(rng.normal(centre, 5, (n, 3, 4))).astype(np.float32) for n in [*sizes, 2]]
    everything = np.concatenate(batches).astype(np.float64)
    fitted = SegmentStatistics.merge(SegmentStatistics.of(batch) for batch in batches if len(batch))
    assert fitted.count == len(everything)
    np.testing.assert_array_equal(fitted.minimum, everything.min(0))
    np.testing.assert_array_equal(fitted.maximum, everything.max(0))
    np.testing.assert_allclose(fitted.mean, everything.mean(0), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(fitted.variance, everything.var(0), rtol=1e-6, atol=1e-9)


def test_nothing_to_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        SegmentStatistics.merge([])


@pytest.mark.parametrize("kind", ["minmax", "standard"])
def test_layer_scales_and_survives_saving(kind: str, tmp_path: Path) -> None:
    segments = np.random.default_rng(0).normal(-300, 40, (50, 3, 4)).astype(np.float32)
    segments[:, 0, 0] = -7  # an element that never varies
    scaler = SegmentScaler(kind)
    scaler.adapt(SegmentStatistics.of(segments))
    inputs = keras.Input((3, 4, 1))
    model = keras.Model(inputs, scaler(inputs))
    model.save(tmp_path / "m.keras")
    scaled = np.asarray(keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)(segments[..., None]))[..., 0]
    np.testing.assert_array_equal(scaled[:, 0, 0], 0)
    rest = scaled.reshape(50, -1)[:, 1:]
    if kind == "minmax":
        np.testing.assert_allclose([rest.min(0), rest.max(0)], [np.zeros(11), np.ones(11)], atol=1e-4)
    else:
        np.testing.assert_allclose([rest.mean(0), rest.std(0)], [np.zeros(11), np.ones(11)], atol=1e-3)


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="robust"):
        SegmentScaler("robust")


def test_file_round_trip_and_broken_files(tmp_path: Path) -> None:
    fitted = SegmentStatistics.of(np.random.default_rng(1).normal(size=(5, 3, 4)))
    path = tmp_path / "scaler.npz"
    fitted.save(path)
    again = SegmentStatistics.load(path)
    assert again.count == 5
    np.testing.assert_array_equal(again.variance, fitted.variance)
    data = path.read_bytes()
    for broken in (b"", b"text", data[: len(data) // 2]):
        path.write_bytes(broken)
        with pytest.raises(FormatError, match="scaler"):
            SegmentStatistics.load(path)


_HEADER = "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }"


@pytest.mark.parametrize(
    ("member", "header", "method"),
    [
        ("mean", _HEADER.replace("{", "["), zipfile.ZIP_STORED),
        ("mean.npy", _HEADER.replace("(3, 4)", "(3, 4000000000000)"), zipfile.ZIP_STORED),
        ("mean.npy", _HEADER.replace("(3, 4)", "(-3, -4)"), zipfile.ZIP_STORED),
        ("mean.npy", _HEADER.replace("'<f8'", "[('a', '<f8')]"), zipfile.ZIP_STORED),
        ("mean.npy", _HEADER.replace("<f8", "|O8"), zipfile.ZIP_STORED),
        ("mean.npy", _HEADER.replace("<f8", "<z8"), zipfile.ZIP_STORED),
        ("mean.npy", "{" * 100, zipfile.ZIP_STORED),
        ("mean.npy", "{[]: 1}", zipfile.ZIP_STORED),
        ("mean.npy", _HEADER, zipfile.ZIP_DEFLATED),
        ("mean.npy", _HEADER, zipfile.ZIP_LZMA),
    ],
)
def test_arrays_that_numpy_did_not_write_are_refused(tmp_path: Path, member: str, header: str, method: int) -> None:
    SegmentStatistics.of(np.zeros((5, 3, 4))).save(tmp_path / "scaler.npz")
    path = tmp_path / "forged.npz"
    with zipfile.ZipFile(tmp_path / "scaler.npz") as whole, zipfile.ZipFile(path, "w") as forged:
        for name in set(whole.namelist()) - {"mean.npy"}:
            forged.writestr(name, whole.read(name))
        line = header.encode() + b"\n"
        forged.writestr(member, b"\x93NUMPY\1\0" + len(line).to_bytes(2, "little") + line + bytes(96), method)
    with pytest.raises(FormatError, match="forged"):
        SegmentStatistics.load(path)


def test_an_archive_that_claims_gigabytes_is_refused_before_there_is_room_for_them(tmp_path: Path) -> None:
    path = tmp_path / "scaler.npz"
    SegmentStatistics.of(np.random.default_rng(1).normal(size=(5, 3, 4))).save(path)
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")  # the first of the central directory; its compressed size stands at 20
    content[entry + 20 : entry + 24] = (3 << 30).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(FormatError, match="larger than the file"):
        SegmentStatistics.load(path)


@pytest.mark.parametrize("storage", ["float32", "float16"])
def test_statistics_of_windows_that_overlap_need_no_more_than_the_track(storage: str) -> None:
    recipe = Recipe(features=Features(LIVE), hop_frames=1, storage=storage)
    rows = np.random.default_rng(0).normal(size=(2_000, 64)).astype(np.float32)
    starts = recipe.starts(len(rows), 1)
    kept = recipe.keep(rows, starts)
    tracemalloc.start()
    statistics = recipe.statistics(kept, starts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # All windows together are 96 times as large as the track.
    assert peak < 10 * rows.nbytes
    windows = np.lib.stride_tricks.sliding_window_view(kept.astype(np.float64), 96, axis=0)  # (starts, 64, 96)
    assert statistics.count == len(starts) == len(windows)
    np.testing.assert_array_equal(statistics.minimum, windows.min(0))
    np.testing.assert_array_equal(statistics.maximum, windows.max(0))
    np.testing.assert_allclose(statistics.mean, windows.mean(0), atol=1e-12)
    np.testing.assert_allclose(statistics.variance, windows.var(0), atol=1e-12)
