from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from tests.conftest import make_fma
from tfdeepviz.data import prepare as module
from tfdeepviz.data import prepared as prepared_module
from tfdeepviz.data import source as source_module
from tfdeepviz.data.augment import Augmentation
from tfdeepviz.data.decode import decode_file
from tfdeepviz.data.features import Features
from tfdeepviz.data.frontend import MfccFrontend
from tfdeepviz.data.prepare import prepare
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.segments import Windows
from tfdeepviz.data.selection import Selection
from tfdeepviz.data.tracks import prepare_track
from tfdeepviz.files import FormatError, sha256_file
from tfdeepviz.params import LIVE, PAPER


@pytest.fixture(scope="module")
def prepared(fma_root: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    return prepare(fma_root, tmp_path_factory.mktemp("prepared") / "ds", selection=Selection(), features=Features(LIVE))


def batches(dataset: PreparedDataset, split: str, **options: Any) -> npt.NDArray[Any]:
    return np.concatenate(list(dataset.segments(split, batch_size=3, **options).as_numpy_iterator()))


def test_counts_splits_and_files(prepared: PreparedDataset) -> None:
    assert [prepared.n_tracks(split) for split in ("training", "validation", "test")] == [5, 2, 1]
    assert prepared.n_segments("training") == 5 * 4
    assert prepared.skipped == []
    assert (prepared.path / "fma_small-training.tfrecord-00000-of-00001").is_file()
    assert PreparedDataset.load(prepared.path).digest == prepared.digest
    with pytest.raises(ValueError, match="dev"):
        prepared.n_tracks("dev")


def test_segments_are_what_the_front_end_makes_of_the_files(prepared: PreparedDataset, fma_root: Path) -> None:
    frontend = MfccFrontend(LIVE)
    expected = np.concatenate(
        [
            Windows(LIVE, 96, 10).cut(
                frontend.mfcc(decode_file(fma_root / "fma_small" / folder / name, sample_rate_hz=44_100))
            )
            for folder, name in (("000", "000007.mp3"), ("001", "001008.mp3"))
        ]
    )
    segments = batches(prepared, "validation", hop_frames=10)
    assert segments.shape == (prepared.n_segments("validation", hop_frames=10), 64, 96, 1)
    np.testing.assert_allclose(segments[..., 0].transpose(0, 2, 1), expected, atol=1e-5)


def test_shuffling_is_seeded_and_the_number_of_batches_is_known(prepared: PreparedDataset) -> None:
    once, again, other = (batches(prepared, "training", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(once, again)
    assert once.shape == other.shape
    assert not np.array_equal(once, other)
    pipeline = prepared.segments("training", batch_size=3, seed=1)
    assert int(pipeline.cardinality()) == len(list(pipeline))


def test_bad_files_are_skipped_with_their_reason(tmp_path: Path) -> None:
    root = make_fma(tmp_path / "fma", dict.fromkeys(range(2, 8), "training"), seconds=1.5)
    folder = root / "fma_small" / "000"
    (folder / "000003.mp3").write_bytes(b"")
    (folder / "000004.mp3").write_bytes(b"no sound at all" * 9)
    (folder / "000005.mp3").unlink()
    shutil.copy(
        make_fma(tmp_path / "short", {2: "training"}, seconds=0.3) / "fma_small" / "000" / "000002.mp3",
        folder / "000006.mp3",
    )
    dataset = prepare(root, tmp_path / "ds", selection=Selection(), features=Features(LIVE))
    assert dataset.n_tracks("training") == 2
    reasons = {entry["track_id"]: entry["reason"] for entry in dataset.skipped}
    assert reasons == {3: "empty", 4: "unsupported", 5: "missing", 6: "too-short"}
    assert all(entry["path"] in entry["message"] for entry in dataset.skipped)
    assert str(tmp_path) not in (dataset.path / "manifest.json").read_text()


def test_about_says_what_each_segment_is(prepared: PreparedDataset) -> None:
    batches = list(prepared.segments("training", batch_size=64, about=True).as_numpy_iterator())
    ((_, about),) = batches
    assert about["track_id"].tolist() == [i for i in range(2, 7) for _ in range(4)]
    assert about["segment_index"].tolist() == [0, 1, 2, 3] * 5
    assert about["label"].tolist() == [label for i in range(2, 7) for label in [0 if i % 2 else -1] * 4]

    shuffled = prepared.segments("training", batch_size=64, about=True, seed=5, labelled_only=True)
    ((segments, about),) = list(shuffled.as_numpy_iterator())
    assert set(about["track_id"].tolist()) == {3, 5}
    assert set(about["label"].tolist()) == {0}
    assert len(segments) == int(prepared.segments("training", batch_size=1, seed=5, labelled_only=True).cardinality())


def test_shuffling_mixes_tracks(tmp_path: Path) -> None:
    root = make_fma(tmp_path / "fma", dict.fromkeys(range(2, 26), "training"), seconds=4.0)
    dataset = prepare(root, tmp_path / "ds", tracks_per_shard=4, selection=Selection(), features=Features(LIVE))
    pipeline = dataset.segments("training", batch_size=24, about=True, seed=1)
    first = next(pipeline.as_numpy_iterator())[1]["track_id"]
    assert len(set(first.tolist())) > 8
    assert first.tolist() != sorted(first.tolist())


def test_augmentation_is_seeded_and_changes_every_segment_by_itself(prepared: PreparedDataset) -> None:
    def augmented(seed: int, **options: Any) -> npt.NDArray[Any]:
        return batches(prepared, "training", seed=seed, augmentation=Augmentation(**options))

    nothing = {"max_gain_db": 0, "n_frequency_masks": 0, "n_time_masks": 0}
    plain = batches(prepared, "training", seed=3)
    np.testing.assert_allclose(augmented(3, **nothing), plain, atol=1e-4)
    once, again = augmented(3), augmented(3)
    np.testing.assert_array_equal(once, again)
    changed = np.abs(once - plain).reshape(len(plain), -1)
    assert (changed.max(axis=1) > 1).all()
    assert len({int(np.count_nonzero(row > 1e-3)) for row in changed}) > len(plain) // 2
    with pytest.raises(ValueError, match="seed"):
        batches(prepared, "training", augmentation=Augmentation())


def test_no_usable_training_track_is_an_error(tmp_path: Path) -> None:
    root = make_fma(tmp_path / "fma", {2: "training"}, seconds=0.2)
    with pytest.raises(ValueError, match="no track of the training split"):
        prepare(root, tmp_path / "ds", selection=Selection(), features=Features(LIVE))


def test_interrupted_and_other_worker_counts_give_the_same_bytes(
    fma_root: Path, prepared: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    real = prepare_track

    def failing(track: Any, *arguments: Any, **options: Any) -> Any:
        if len(done) == 6:
            raise KeyboardInterrupt
        done.append(track.track_id)
        return real(track, *arguments, **options)

    monkeypatch.setattr(module, "prepare_track", failing)
    with pytest.raises(KeyboardInterrupt):
        prepare(fma_root, tmp_path / "ds", selection=Selection(), features=Features(LIVE), n_workers=1)
    with pytest.raises(FormatError, match="prepare"):
        PreparedDataset.load(tmp_path / "ds")
    done.clear()
    resumed = prepare(fma_root, tmp_path / "ds", selection=Selection(), features=Features(LIVE), n_workers=4)
    assert len(done) == 3  # the shard of five training tracks was kept
    assert resumed.digest == prepared.digest
    for name in ("scaler.npz", *(shard["file"] for shard in prepared.shards)):
        assert (resumed.path / name).read_bytes() == (prepared.path / name).read_bytes()


def test_a_folder_with_other_settings_is_not_touched(fma_root: Path, prepared: PreparedDataset, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"holds a dataset with another features\.params"):
        prepare(fma_root, prepared.path, selection=Selection(), features=Features(PAPER))
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(FormatError, match="not empty"):
        prepare(fma_root, tmp_path, selection=Selection(), features=Features(LIVE))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"schema_version": 3', '"schema_version": 9'),
        ('"n_fft": 1102', '"n_fft": 1'),
        ('"shards"', '"shard"'),
        ('"source_sha256": "', '"source_sha256": "no'),
        ('"source_sha256"', '"sha256_source"'),
        ('"file": "fma', '"file": "../fma'),
        ('"n_frames": ', '"n_frames": -'),
        ("{", "["),
    ],
)
def test_broken_manifests_are_refused(prepared: PreparedDataset, tmp_path: Path, old: str, new: str) -> None:
    shutil.copytree(prepared.path, tmp_path / "ds")
    manifest = tmp_path / "ds" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(old, new, 1))
    with pytest.raises(FormatError, match=r"manifest\.json"):
        PreparedDataset.load(tmp_path / "ds")


def test_a_cut_shard_is_refused(prepared: PreparedDataset, tmp_path: Path) -> None:
    shutil.copytree(prepared.path, tmp_path / "ds")
    shard = tmp_path / "ds" / prepared.shards[0]["file"]
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(FormatError, match=shard.name):
        PreparedDataset.load(tmp_path / "ds")


def test_files_are_verified_again_only_when_they_changed(
    prepared: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(prepared.path, tmp_path / "ds")
    dataset = PreparedDataset.load(tmp_path / "ds")
    hashed: list[str] = []

    def sha256(path: Path) -> str:
        hashed.append(path.name)
        return sha256_file(path)

    monkeypatch.setattr(prepared_module, "sha256_file", sha256)

    def hashed_by_verifying(**options: Any) -> list[str]:
        hashed.clear()
        dataset.verify(only_changed=True, **options)
        return hashed.copy()

    seen: list[tuple[int, int]] = []
    everything = [*(shard["file"] for shard in dataset.shards), "scaler.npz"]
    assert hashed_by_verifying() == everything
    assert hashed_by_verifying(progress=lambda *counts: seen.append(counts)) == []
    assert seen[-1][0] == seen[-1][1] > 0
    hashed.clear()
    dataset.verify()
    assert hashed == everything

    shard = dataset.path / everything[0]
    os.utime(shard, ns=(0, 0))
    assert hashed_by_verifying() == everything[:1]
    (dataset.path / "verified.json").write_text('{"files": [1]}')
    assert hashed_by_verifying() == everything
    # Where nothing can be noted, verifying goes on.
    (dataset.path / "verified.json").unlink()
    (dataset.path / "verified.json").mkdir()
    assert hashed_by_verifying() == hashed_by_verifying() == everything
    (dataset.path / "verified.json").rmdir()
    assert hashed_by_verifying() == everything

    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    with pytest.raises(FormatError, match=shard.name):
        hashed_by_verifying()


@pytest.mark.parametrize("seed", [None, 4])
def test_what_is_cut_at_once_is_bounded_and_changes_nothing(
    prepared: PreparedDataset, monkeypatch: pytest.MonkeyPatch, seed: int | None
) -> None:
    whole = batches(prepared, "training", hop_frames=7, seed=seed)
    monkeypatch.setattr(source_module, "_CUT_BYTES", 3 * 4 * 64 * 96)
    largest = []

    def arrange(self: Features, windows: tf.Tensor) -> tf.Tensor:
        windows = tf.ensure_shape(windows, [None, 96, 64])
        tf.py_function(lambda n: largest.append(int(n)), [tf.shape(windows)[0]], [])
        return real(self, windows)

    real = Features.arrange
    monkeypatch.setattr(Features, "arrange", arrange)
    np.testing.assert_array_equal(batches(prepared, "training", hop_frames=7, seed=seed), whole)
    assert max(largest) == 3
