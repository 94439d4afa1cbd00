from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.conftest import make_fma
from tfdeepviz.data.audio_files import AudioFiles
from tfdeepviz.data.features import MODES, Features, Recipe
from tfdeepviz.data.metadata import Metadata
from tfdeepviz.data.prepare import prepare
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.selection import Selection
from tfdeepviz.data.source import SegmentSource
from tfdeepviz.data.tracks import prepare_track
from tfdeepviz.errors import InputError
from tfdeepviz.params import LIVE, PAPER, AudioParams, ParameterError


def source(root: Path, mode: str = "mfcc", params: AudioParams = LIVE, **options: Any) -> AudioFiles:
    recipe = Recipe(features=Features(params, mode), hop_frames=96, genres=("Rock",))
    return AudioFiles(recipe, Selection().tracks(Metadata.load(root)), **options)


def segments(of: SegmentSource, split: str = "training", **options: Any) -> npt.NDArray[Any]:
    return np.concatenate(list(of.segments(split, batch_size=8, **options).as_numpy_iterator()))


@pytest.fixture(scope="module")
def prepared(fma_root: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    folder = tmp_path_factory.mktemp("prepared") / "ds"
    return prepare(fma_root, folder, selection=Selection(), features=Features(LIVE))


def test_files_and_shards_give_the_same_segments(fma_root: Path, prepared: PreparedDataset) -> None:
    files = source(fma_root)
    for split in ("training", "validation"):
        np.testing.assert_array_equal(segments(files, split), segments(prepared, split))
    np.testing.assert_allclose(files.statistics().mean, prepared.statistics().mean, rtol=1e-9)
    pairs = zip(
        files.segments("test", batch_size=8, about=True).as_numpy_iterator(),
        prepared.segments("test", batch_size=8, about=True).as_numpy_iterator(),
        strict=True,
    )
    for (_, mine), (_, theirs) in pairs:
        assert {name: values.tolist() for name, values in mine.items()} == {
            name: values.tolist() for name, values in theirs.items()
        }


def test_shuffled_epochs_are_seeded(fma_root: Path) -> None:
    files = source(fma_root)
    once, again, other = (segments(files, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(once, again)
    assert once.shape != other.shape or not np.array_equal(once, other)


@pytest.mark.parametrize("in_files", [False, True])
def test_a_cache_decodes_once(fma_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_files: bool) -> None:
    decoded: list[int] = []
    real = prepare_track

    def counting(track: Any, *arguments: Any, **options: Any) -> Any:
        decoded.append(track.track_id)
        return real(track, *arguments, **options)

    monkeypatch.setattr("tfdeepviz.data.audio_files.prepare_track", counting)
    files = source(fma_root, cache=tmp_path / "cache" if in_files else True)
    first = segments(files)
    np.testing.assert_array_equal(segments(files), first)
    shuffled = segments(files, seed=1)
    assert sorted(decoded) == [2, 3, 4, 5, 6]
    assert shuffled.shape[1:] == first.shape[1:]


def test_bad_files_are_left_out_and_noted(tmp_path: Path) -> None:
    root = make_fma(tmp_path / "fma", dict.fromkeys(range(2, 6), "training"), seconds=2.0)
    (root / "fma_small" / "000" / "000003.mp3").write_bytes(b"no sound")
    (root / "fma_small" / "000" / "000004.mp3").unlink()
    files = source(root)
    assert len(segments(files)) == 2 * 2
    assert {track_id: skip.reason for track_id, skip in files.skipped.items()} == {3: "unsupported", 4: "missing"}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("params", [LIVE, PAPER], ids=lambda params: params.preset)
def test_the_decoder_in_the_graph_gives_the_same(fma_root: Path, mode: str, params: AudioParams) -> None:
    mine = segments(source(fma_root, mode, params), "test")
    graph = segments(source(fma_root, mode, params, decoder="tensorflow-io"), "test")
    assert graph.shape == mine.shape
    # The two mp3 decoders differ in the last bits of quiet samples, which the logarithm magnifies.
    np.testing.assert_allclose(graph, mine, atol=1e-5 if mode == "raw" else 0.05)


def test_the_decoder_in_the_graph_leaves_out_what_it_cannot_read(tmp_path: Path) -> None:
    root = make_fma(tmp_path / "fma", dict.fromkeys(range(2, 5), "training"), seconds=2.0)
    (root / "fma_small" / "000" / "000003.mp3").write_bytes(b"no sound")
    assert len(segments(source(root, decoder="tensorflow-io"))) == 2 * 2


def test_impossible_choices_are_refused(fma_root: Path) -> None:
    with pytest.raises(ParameterError, match="ffmpeg"):
        source(fma_root, decoder="ffmpeg")
    recipe = Recipe(features=Features(LIVE), hop_frames=96, segments_per_track=2)
    with pytest.raises(ParameterError, match="segments_per_track"):
        AudioFiles(recipe, [], decoder="tensorflow-io")
    with pytest.raises(InputError, match="max_seconds=inf"):
        source(fma_root, max_seconds=float("inf"))
