"""Preparing a dataset: what is kept, resuming, and the same bytes however the work was divided."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import make_fma
from tfdeepviz.artifacts import ARTIFACT
from tfdeepviz.data.decode import decode_file
from tfdeepviz.data.features import MODES, Features
from tfdeepviz.data.fma import audio_path
from tfdeepviz.data.metadata import NO_LICENCE
from tfdeepviz.data.prepare import plan, prepare
from tfdeepviz.data.prepared import PreparedDataset, describe
from tfdeepviz.data.selection import Selection
from tfdeepviz.errors import InputError
from tfdeepviz.files import TEMPORARY, FormatError, write_json
from tfdeepviz.locks import LOCK
from tfdeepviz.params import LIVE, PAPER, ParameterError
from tfdeepviz.provenance import code_version
from tfdeepviz.reports.dataset import summarize, write_dataset_page

OPTIONS: dict[str, Any] = {"selection": Selection(), "features": Features(LIVE)}


def files(dataset: PreparedDataset) -> dict[str, bytes]:
    """Everything that belongs to a dataset; its record tells where the corpus was."""
    return {
        path.relative_to(dataset.path).as_posix(): path.read_bytes()
        for path in sorted(dataset.path.rglob("*"))
        if path.is_file() and path.name not in (ARTIFACT, LOCK)
    }


@pytest.fixture(scope="module")
def undisturbed(fma_root: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    return prepare(fma_root, tmp_path_factory.mktemp("whole") / "ds", tracks_per_shard=2, **OPTIONS)


@pytest.mark.parametrize("n_workers", [1, 3, 8])
def test_the_number_of_workers_changes_no_byte(
    fma_root: Path, undisturbed: PreparedDataset, tmp_path: Path, n_workers: int
) -> None:
    other = prepare(fma_root, tmp_path / "ds", tracks_per_shard=2, n_workers=n_workers, **OPTIONS)
    assert files(other) == files(undisturbed)
    assert other.digest == undisturbed.digest


_PREPARE = """
import sys
from pathlib import Path
from tfdeepviz.data.features import Features
from tfdeepviz.data.selection import Selection
from tfdeepviz.data.prepare import prepare
from tfdeepviz.params import PAPER
root, out = map(Path, sys.argv[1:])
print(prepare(root, out, selection=Selection(), features=Features(PAPER), n_workers=3).digest)
"""


@pytest.mark.slow
def test_the_number_of_threads_inside_of_tensorflow_changes_no_byte(tmp_path: Path) -> None:
    # About 100 frames at once, of which TensorFlow would cut the sums into pieces.
    root = make_fma(tmp_path / "fma", {2: "training", 3: "training"}, seconds=1.0)
    digests = set()
    for n_threads in ("1", "8"):
        # Without oneDNN, as on processors that it has nothing for: TensorFlow's own products depend on the threads.
        environment = {**os.environ, "TF_NUM_INTRAOP_THREADS": n_threads, "TF_ENABLE_ONEDNN_OPTS": "0"}
        command = [sys.executable, "-c", _PREPARE, str(root), str(tmp_path / n_threads)]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        digests.add(result.stdout.strip())
    assert len(digests) == 1


def test_a_relative_root_gives_the_same_dataset(
    fma_root: Path, undisturbed: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(fma_root.parent)
    other = prepare(Path(fma_root.name), tmp_path / "ds", tracks_per_shard=2, **OPTIONS)
    assert other.digest == undisturbed.digest
    assert other.origin == fma_root


def test_where_it_comes_from_is_noted_and_no_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_fma(tmp_path / "fma", {2: "training", 3: "training", 4: "test"}, seconds=1.5)
    plain = prepare(root, tmp_path / "ds", **OPTIONS)
    (corpus,) = plain.record.inputs
    assert (corpus.path, corpus.artifact.name, corpus.artifact.step_schema) == ("../fma", "fma", 0)
    assert (plain.record.digest, plain.record.command) == (plain.identity, None)
    assert (plain.record.code_version, plain.record.facts["n_tracks"]) == (code_version(), 3)
    assert describe(plain) == {
        **{"name": "fma", "digest": plain.identity, "path": str(tmp_path / "ds")},
        **{"licences": None, "command": None},
    }
    # The same corpus, whose metadata has learnt something that no byte of the dataset depends on.
    table = root / "fma_metadata" / "tracks.csv"
    lines = zip(table.read_text().splitlines(), (",track", ",license", ",", ",CC0-1.0", ",", ",CC0-1.0"), strict=True)
    table.write_text("".join(f"{line}{more}\n" for line, more in lines))
    monkeypatch.setattr(sys, "argv", ["/bin/tfdeepviz", "prepare", "--out", "ds"])
    shard = plain.path / plain.shards[0]["file"]
    before = shard.stat().st_mtime_ns
    again = prepare(root, tmp_path / "ds", **OPTIONS)
    assert again.record.inputs[0].artifact.digest != corpus.artifact.digest
    # Nothing was made by this command.
    assert again.record.command is None
    assert describe(again)["licences"] == {"CC0-1.0": 2, NO_LICENCE: 1}
    assert (again.digest, shard.stat().st_mtime_ns) == (plain.digest, before)


@pytest.mark.parametrize(
    "licences",
    [["CC0"], {"CC0": 0}, {"CC0": True}, {"CC0": "1"}, {"CC0": 1.5}, {"x" * 201: 1}, {str(i): 1 for i in range(257)}],
)
def test_licences_that_are_none_are_refused(undisturbed: PreparedDataset, tmp_path: Path, licences: Any) -> None:
    moved = replace(undisturbed, path=tmp_path)
    undisturbed.record.finished(None, licences=licences).write(tmp_path / ARTIFACT)
    with pytest.raises(FormatError, match="facts: licences"):
        describe(moved)


@pytest.mark.parametrize("change", [{"command": ["tfdeepviz"]}, {"code_version": 1}])
def test_origins_of_version_0_1_are_read_or_refused(
    undisturbed: PreparedDataset, tmp_path: Path, change: dict[str, Any]
) -> None:
    moved = replace(undisturbed, path=tmp_path)
    assert (moved.record.inputs, moved.record.code_version, moved.origin) == ((), "0.1.0", None)
    assert describe(moved)["name"] == "fma_small"
    origin = {"fma_root": str(tmp_path), "licences": {"CC0": 3}, "command": "tfdeepviz prepare"}
    write_json(tmp_path / "origin.json", origin)
    assert (moved.record.inputs[0].artifact.name, moved.origin) == (tmp_path.name, tmp_path)
    assert (describe(moved)["name"], describe(moved)["licences"]) == (tmp_path.name, {"CC0": 3})
    write_json(tmp_path / "origin.json", {**origin, **change})
    with pytest.raises(FormatError, match=r"origin\.json: .*again"):
        describe(moved)


def test_shards_are_named_as_tensorflow_names_them(undisturbed: PreparedDataset) -> None:
    assert [shard["file"] for shard in undisturbed.shards] == [
        *(f"fma_small-training.tfrecord-{i:05d}-of-00003" for i in range(3)),
        *("fma_small-validation.tfrecord-00000-of-00001", "fma_small-test.tfrecord-00000-of-00001"),
    ]


def test_the_manifest_counts_by_split_and_genre(undisturbed: PreparedDataset, fma_root: Path) -> None:
    training = undisturbed.summary["training"]
    # Of the ids 2 to 6, conftest labels the odd ones.
    assert {genre: totals["n_tracks"] for genre, totals in training["genres"].items()} == {"": 3, "Rock": 2}
    assert training["n_segments"] == undisturbed.n_segments("training") == 20
    pcm = [decode_file(audio_path(fma_root, "small", i), sample_rate_hz=44_100) for i in range(2, 7)]
    assert training["seconds"] == pytest.approx(sum(x.size for x in pcm) / 44_100, abs=0.01)
    levels = [10 * np.log10(np.mean(x.astype(np.float64) ** 2)) for x in pcm]
    assert training["level_db_mean"] == pytest.approx(np.mean(levels), abs=0.01)
    assert undisturbed.recipe.genres == ("Rock",)


def test_a_shard_that_is_lost_or_damaged_is_made_again(fma_root: Path, tmp_path: Path) -> None:
    dataset = prepare(fma_root, tmp_path / "ds", tracks_per_shard=2, **OPTIONS)
    before = files(dataset)
    (dataset.path / dataset.shards[0]["file"]).unlink()
    cut = dataset.path / dataset.shards[1]["file"]
    cut.write_bytes(cut.read_bytes()[:-1])
    (dataset.path / "shards" / f"{dataset.shards[2]['file']}.npz").write_bytes(b"no statistics")
    (dataset.path / "shards" / f"{dataset.shards[3]['file']}.json").write_text('{"file": 1}')
    job = plan(fma_root, dataset.path, tracks_per_shard=2, **OPTIONS)
    assert [shard.file for shard in job.unfinished()] == [shard["file"] for shard in dataset.shards[:4]]
    prepare(fma_root, dataset.path, tracks_per_shard=2, **OPTIONS)
    assert files(dataset) == before


def test_a_dataset_that_is_being_mended_is_not_complete(fma_root: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == total:
            raise KeyboardInterrupt

    dataset = prepare(fma_root, tmp_path, selection=Selection(), features=Features(LIVE), tracks_per_shard=2)
    (tmp_path / dataset.shards[0]["file"]).unlink()
    again: dict[str, Any] = {"selection": Selection(), "features": Features(LIVE), "tracks_per_shard": 2}
    with pytest.raises(KeyboardInterrupt):
        prepare(fma_root, tmp_path, **again, progress=interrupt)
    assert not (tmp_path / "manifest.json").exists()
    assert prepare(fma_root, tmp_path, **again).digest == dataset.digest


def test_verify_finds_a_changed_byte_and_prepare_mends_it(fma_root: Path, tmp_path: Path) -> None:
    dataset = prepare(fma_root, tmp_path / "ds", **OPTIONS)
    seen: list[tuple[int, int]] = []
    dataset.verify(progress=lambda *counts: seen.append(counts))
    assert seen[-1][0] == seen[-1][1] > 0
    shard = dataset.path / dataset.shards[0]["file"]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(FormatError, match=shard.name):
        dataset.verify()
    with pytest.raises(FormatError, match="damaged"):
        list(dataset.tracks("training"))
    shard.unlink()
    prepare(fma_root, dataset.path, **OPTIONS).verify()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("storage", ["float32", "float16"])
def test_modes_keep_what_their_extractor_gives(fma_root: Path, tmp_path: Path, mode: str, storage: str) -> None:
    features = Features(LIVE, mode)
    dataset = prepare(fma_root, tmp_path / "ds", selection=Selection(), features=features, storage=storage)
    extract = features.extractor()
    for track_id, rows in dataset.tracks("validation"):
        expected = extract(decode_file(audio_path(fma_root, "small", track_id), sample_rate_hz=44_100))
        assert rows.shape == expected.shape == (len(rows), features.width)
        if storage == "float32":
            np.testing.assert_array_equal(rows, expected)
        else:
            np.testing.assert_allclose(rows, expected, rtol=2**-11, atol=1e-6)
    assert dataset.statistics().mean.shape == features.scaler_shape


def test_raw_audio_has_the_papers_one_second_segments_if_asked(fma_root: Path, tmp_path: Path) -> None:
    features = Features(replace(PAPER, segment_frames=100), "raw")
    dataset = prepare(fma_root, tmp_path / "ds", selection=Selection(), features=features)
    segments = next(dataset.segments("test", batch_size=2).as_numpy_iterator())
    assert segments.shape == (2, 44_100, 1)
    pcm = decode_file(audio_path(fma_root, "small", 9), sample_rate_hz=44_100)
    np.testing.assert_array_equal(segments[1, :, 0], pcm[44_100:88_200])


def test_chosen_segments_keep_their_order_and_content(fma_root: Path, tmp_path: Path) -> None:
    whole = prepare(fma_root, tmp_path / "whole", hop_seconds=0.1, **OPTIONS)
    few = prepare(fma_root, tmp_path / "few", hop_seconds=0.1, segments_per_track=3, **OPTIONS)
    assert few.n_segments("training") == 5 * 3
    everything = {
        (int(about["track_id"]), int(about["segment_index"])): segment
        for segment, about in whole.segments("training", batch_size=1, about=True).unbatch().as_numpy_iterator()
    }
    chosen: dict[int, list[int]] = {}
    for segment, about in few.segments("training", batch_size=4, about=True).unbatch().as_numpy_iterator():
        track_id, index = int(about["track_id"]), int(about["segment_index"])
        chosen.setdefault(track_id, []).append(index)
        np.testing.assert_array_equal(segment, everything[track_id, index])
    assert all(indices == sorted(set(indices)) and len(indices) == 3 for indices in chosen.values())
    assert len({tuple(indices) for indices in chosen.values()}) > 1
    with pytest.raises(ValueError, match="without --segments-per-track"):
        few.segments("training", batch_size=4, hop_frames=96)

    other = prepare(
        fma_root,
        tmp_path / "other",
        selection=Selection(seed=1),
        features=Features(LIVE),
        hop_seconds=0.1,
        segments_per_track=3,
    )
    assert {file["sha256"] for file in other.shards}.isdisjoint({file["sha256"] for file in few.shards})


@pytest.mark.parametrize("options", [{}, {"segments_per_track": 2, "hop_seconds": 0.2, "storage": "float16"}])
def test_scaler_equals_numpy_in_float64(fma_root: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    dataset = prepare(fma_root, tmp_path / "ds", tracks_per_shard=2, **OPTIONS, **options)
    segments = np.concatenate(list(dataset.segments("training", batch_size=7).as_numpy_iterator()))
    segments = segments[..., 0].astype(np.float64)
    statistics = dataset.statistics()
    assert statistics.count == len(segments)
    np.testing.assert_allclose(statistics.mean, segments.mean(0), rtol=1e-6)
    np.testing.assert_allclose(statistics.variance, segments.var(0), rtol=1e-6)
    np.testing.assert_array_equal(statistics.minimum, segments.min(0))
    np.testing.assert_array_equal(statistics.maximum, segments.max(0))


def test_published_bad_files_are_skipped_unless_they_are_whole(tmp_path: Path) -> None:
    root = make_fma(tmp_path / "fma", dict.fromkeys((2, 1486, 99134), "training"), seconds=2.0)
    (root / "fma_small" / "099" / "099134.mp3").write_bytes(b"")
    dataset = prepare(root, tmp_path / "ds", **OPTIONS)
    assert {skip["track_id"]: skip["reason"] for skip in dataset.skipped} == dict.fromkeys((1486, 99134), "known-bad")
    lines = (dataset.path / "skipped.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == dataset.skipped


def test_too_long_tracks_are_skipped(fma_root: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="longer than 1 s"):
        prepare(fma_root, tmp_path / "ds", max_seconds=1.0, **OPTIONS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"storage": "float64"}, "storage='float64'"),
        ({"segments_per_track": 0}, "segments_per_track must be a whole number, at least 1.*, but is 0"),
        ({"hop_seconds": 0.0}, "hop_seconds=0.0"),
        ({"tracks_per_shard": 0}, "tracks_per_shard=0"),
        ({"max_seconds": -1.0}, "max_seconds=-1.0"),
        ({"max_seconds": float("inf")}, "max_seconds=inf"),
    ],
)
def test_impossible_values_are_refused_and_leave_nothing(
    fma_root: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        prepare(fma_root, tmp_path / "ds", **OPTIONS, **options)
    assert not (tmp_path / "ds").exists()


def test_unknown_modes_are_refused() -> None:
    with pytest.raises(ParameterError, match="chroma"):
        Features(LIVE, "chroma")


def test_other_settings_are_named(fma_root: Path, undisturbed: PreparedDataset) -> None:
    with pytest.raises(FormatError, match=r"holds a dataset with another features\.params\.preset, "):
        prepare(fma_root, undisturbed.path, selection=Selection(), features=Features(PAPER), tracks_per_shard=2)


# --- killed ------------------------------------------------------------------------------------------------------


def _killed_and_resumed(root: Path, out: Path, *, n_kills: int, seed: int) -> tuple[str, int]:
    """Start `prepare` again and again, kill -9 it at random moments, let it end at last; its digest and the kills."""
    command = [sys.executable, "-m", "tfdeepviz.cli", "prepare", "--fma-root", str(root), "--out", str(out)]
    command += ["--tracks-per-shard", "2", "--workers", "2"]
    rng, kills = random.Random(seed), 0
    while kills < n_kills:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Importing TensorFlow takes most of a short run: wait until the work begins, so that the blow falls into it.
        n_before = len(list(out.glob("*"))) if out.exists() else 0
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if (out / ARTIFACT).exists() and (n_before == 0 or any(out.glob(f"{TEMPORARY}*.tfrecor*"))):
                break
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.3))
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return result.stdout.rsplit("sha256:", 1)[1].strip(), kills


@pytest.mark.slow
def test_killed_twenty_times_and_resumed_gives_the_same_bytes(tmp_path: Path) -> None:
    root = make_fma(tmp_path / "fma", {i: ("training", "training", "test")[i % 3] for i in range(2, 202)}, seconds=20.0)
    whole = prepare(root, tmp_path / "whole", tracks_per_shard=2, **OPTIONS)
    digest, kills = _killed_and_resumed(root, tmp_path / "ds", n_kills=20, seed=int(os.environ.get("SEED", "0")))
    assert kills >= 15  # the rest of the work may be done earlier
    assert f"sha256:{digest}" == whole.digest
    assert files(PreparedDataset.load(tmp_path / "ds")) == files(whole)


def test_killed_once_and_resumed_gives_the_same_bytes(
    fma_root: Path, undisturbed: PreparedDataset, tmp_path: Path
) -> None:
    digest, _ = _killed_and_resumed(fma_root, tmp_path / "ds", n_kills=1, seed=1)
    assert f"sha256:{digest}" == undisturbed.digest


# --- what a dataset is -------------------------------------------------------------------------------------------


def test_the_identity_is_of_what_was_asked_for_and_of_the_files(
    fma_root: Path, undisturbed: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(name: str, root: Path = fma_root, **options: Any) -> PreparedDataset:
        return prepare(root, tmp_path / name, **{**OPTIONS, **options})

    assert undisturbed.identity != undisturbed.digest
    assert describe(undisturbed)["digest"] == undisturbed.identity
    other = again("divided")
    assert (other.identity, other.digest != undisturbed.digest) == (undisturbed.identity, True)
    with monkeypatch.context() as patch:
        # Another machine's last bits.
        extractor = Features.extractor
        patch.setattr(Features, "extractor", lambda self: lambda pcm: extractor(self)(pcm) * np.float32(1 + 1e-6))
        other = again("rounded")
    assert (other.identity, other.digest != again("divided").digest) == (undisturbed.identity, True)

    identities = [undisturbed.identity, again("f16", storage="float16").identity]
    identities.append(again("seed", selection=Selection(seed=1)).identity)
    copy = tmp_path / "fma"
    shutil.copytree(fma_root, copy)
    assert again("copied", copy).identity == undisturbed.identity
    sound = audio_path(copy, "small", 2)
    # A tag: the same sound from other bytes.
    sound.write_bytes(sound.read_bytes() + b"TAG".ljust(128, b"\0"))
    identities.append(again("tagged", copy).identity)
    sound.unlink()
    gone = again("gone", copy)
    identities.append(gone.identity)
    assert [(skip["reason"], skip["source_sha256"]) for skip in gone.skipped] == [("missing", None)]
    assert len(set(identities)) == len(identities)


def test_datasets_of_version_0_1_can_be_read(fma_root: Path, undisturbed: PreparedDataset, tmp_path: Path) -> None:
    old = tmp_path / "ds"
    shutil.copytree(undisturbed.path, old)
    manifest = json.loads((old / "manifest.json").read_text())
    for shard in manifest["shards"]:
        for track in shard["tracks"]:
            del track["source_sha256"]
    write_json(old / "manifest.json", {**manifest, "schema_version": 2})
    (old / ARTIFACT).unlink()
    (old / "settings.json").write_text("{}")
    dataset = PreparedDataset.load(old)
    dataset.verify()
    assert dataset.identity == dataset.digest != undisturbed.digest
    assert len(list(dataset.tracks("training"))) == 5
    with pytest.raises(FormatError, match=r"not a dataset of this version .* give another folder"):
        prepare(fma_root, old, tracks_per_shard=2, **OPTIONS)


# --- for measuring -----------------------------------------------------------------------------------------------


def test_a_corpus_without_training_tracks_is_a_dataset_for_measuring(tmp_path: Path) -> None:
    root = make_fma(tmp_path / "fma", {2: "test", 3: "test", 4: "validation"}, seconds=2.0)
    dataset = prepare(root, tmp_path / "ds", **OPTIONS)
    assert [dataset.n_tracks(split) for split in ("training", "validation", "test")] == [0, 1, 2]
    dataset.verify()
    assert not (dataset.path / "scaler.npz").exists()
    for refused in (dataset.statistics, dataset.require_training):
        with pytest.raises(InputError, match="no training tracks, so it only suits the evaluation"):
            refused()
    assert prepare(root, tmp_path / "ds", **OPTIONS).digest == dataset.digest
    assert dataset.identity in summarize(dataset)
    write_dataset_page(dataset, tmp_path / "page.html", fma_root=root, n_examples=1)
    for sound in root.rglob("*.mp3"):
        sound.write_bytes(b"")
    with pytest.raises(InputError, match=r"no track can be used; for example .*000004\.mp3"):
        prepare(root, tmp_path / "none", **OPTIONS)
