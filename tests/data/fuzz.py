"""Feed mutants to one reader, in a process of its own with bounded memory: what `test_fuzz` starts.

`python -m tests.data.fuzz mp3 --first 1234 --count 1` repeats one mutant.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import json
import math
import os
import re
import resource
import struct
import sys
import tempfile
import traceback
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import h5py
import numpy as np
import soundfile as sf

from tests.conftest import make_fma, music
from tests.data.mutants import (
    Mutate,
    Rng,
    mutant,
    mutate_bytes,
    mutate_json,
    mutate_sound,
    mutate_text,
    tfrecord,
    with_ogg_checksums,
)
from tfdeepviz.data.decode import AudioError, decode_file
from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError

#: A mutant that takes longer is taken for one that never ends.
MUTANT_SECONDS = 5.0

_RATE_HZ = 22_050
_MAX_SECONDS = 60.0
_MAX_TOLD = 3


@dataclass(frozen=True)
class Target:
    """A reader and what to feed it.

    Attributes
    ----------
    path
        File that is replaced by each mutant.
    seeds
        Valid contents of it.
    read
        Reads the file and looks at what came out.
    errors
        All that the reader may raise; anything else is a finding.
    mutate
        Makes mutants out of the seeds.
    headroom_mib
        Address space beyond what is taken before the first mutant.
    """

    path: Path
    seeds: Sequence[bytes]
    read: Callable[[], object]
    errors: tuple[type[Exception], ...] = (FormatError,)
    mutate: Mutate = mutate_bytes
    headroom_mib: int = 512


@contextmanager
def _documented(pattern: str) -> Iterator[None]:
    """Let pass a `InputError` that the reader raises itself: subclasses and others' are findings."""
    try:
        yield
    except InputError as error:
        if type(error) is not InputError or not re.search(pattern, str(error)):
            raise


# --- sound -------------------------------------------------------------------------------------------------------


def _sound(name: str, seconds: float, rate_hz: int, n_channels: int, *, gain: float = 1.0, **options: Any) -> bytes:
    samples = gain * np.stack([music(seconds, seed=i, rate_hz=rate_hz) for i in range(n_channels)], axis=1)
    file = io.BytesIO()
    sf.write(file, samples, rate_hz, format=name, **options)
    return file.getvalue()


def _with_chunks(wav: bytes) -> bytes:
    """A wav file with chunks before and after its samples."""
    chunks = b"LIST" + struct.pack("<I", 26) + b"INFOINAM" + struct.pack("<I", 14) + b"some title\0\0\0\0"
    body = wav[12:36] + chunks + wav[36:] + b"cue " + struct.pack("<7I", 28, 1, 1, 0, 0x61746164, 0, 0) + bytes(4)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body


def _sounds(name: str) -> list[bytes]:
    match name:
        case "mp3":
            modes = (("CONSTANT", 44_100, 1), ("VARIABLE", 44_100, 2), ("AVERAGE", 22_050, 1))
            return [_sound("MP3", 0.5, *grid, bitrate_mode=mode, compression_level=0.7) for mode, *grid in modes]
        case "ogg":
            vorbis = [_sound("OGG", 0.4, rate_hz, n) for rate_hz, n in ((44_100, 1), (22_050, 2))]
            opus = _sound("OGG", 0.4, 48_000, 1, subtype="OPUS")
            return [with_ogg_checksums(data) for data in (*vorbis, opus)]
        case "flac":
            short = [_sound("FLAC", 0.3, *grid) for grid in ((44_100, 1), (8_000, 2))]
            # The last one is longer than what is decoded at a time.
            return [*short, _sound("FLAC", 0.2, 96_000, 1, subtype="PCM_24"), _sound("FLAC", 1.6, 44_100, 1, gain=0.01)]
        case _:
            kinds = (("PCM_16", 8_000, 2), ("PCM_24", 11_025, 1), ("FLOAT", 8_000, 1), ("MS_ADPCM", 8_000, 1))
            wavs = [_sound("WAV", 0.3, rate_hz, n, subtype=subtype) for subtype, rate_hz, n in kinds]
            wavs.append(_sound("WAVEX", 0.3, 8_000, 4))
            return [*wavs, _with_chunks(wavs[0]), _sound("RF64", 0.3, 8_000, 1)]


def _mutate_ogg(rng: Rng, seeds: Sequence[bytes]) -> bytes:
    # Pages with a wrong checksum are passed over; what is behind that check has to be reached as well.
    data = mutate_sound(rng, seeds)
    return data if rng.random() < 0.3 else with_ogg_checksums(data)


def _sound_target(name: str) -> Callable[[Path], Target]:
    def make(folder: Path) -> Target:
        path = folder / f"mutant.{name}"
        os.environ["PATH"] = ""  # without ffmpeg, which is not ours to test and needs half a second each time

        def read() -> None:
            pcm = decode_file(path, sample_rate_hz=_RATE_HZ, max_seconds=_MAX_SECONDS)
            assert pcm.dtype == np.float32
            assert pcm.ndim == 1
            assert 0 < pcm.size <= _MAX_SECONDS * _RATE_HZ + 1
            assert np.isfinite(pcm).all()

        mutate = _mutate_ogg if name == "ogg" else mutate_sound
        return Target(path, _sounds(name), read, (AudioError,), mutate)

    return make


# --- tables ------------------------------------------------------------------------------------------------------

_TRACKS = """\
,set,set,track,track,track,track,track,track,track,track,artist,artist,artist,album
,split,subset,genre_top,title,duration,genres,genres_all,tags,date_created,license,id,name,latitude,id
track_id,,,,,,,,,,,,,,
2,training,small,Rock,Food,168,[21],[21],[],2008-11-26 01:48:12,CC-BY-3.0,1,AWOL,40.05,1
3,training,medium,,"Electric, Ave",237,[],"[10, 21]","['a', 'b']",2008-11-26,CC-BY,1,AWOL,,1
5,validation,large,Hip-Hop,"A ""World"" of",0,"[21]",[21],[],,,6,None,-74.4,1
1010,test,full,Rock,,5,[10],[10],['ü'],2009-01-01,CC0 1.0,7,NA,,-1
"""
_GENRES = """\
genre_id,#tracks,parent,title,top_level
1,8693,21,Avant-Garde,10
12,5,0,Rock,12
10,5271,0,International,10
21,1752,10,"Blues, old",10
76,4,0,,76
"""


def _metadata_target(file: str, text: str) -> Callable[[Path], Target]:
    def make(folder: Path) -> Target:
        from tfdeepviz.data.metadata import Metadata
        from tfdeepviz.data.selection import Selection

        path = folder / "fma_metadata" / file
        path.parent.mkdir()
        (path.parent / "tracks.csv").write_text(_TRACKS)

        def read() -> None:
            metadata = Metadata.load(folder)
            genres = metadata.genres
            for genre_id in genres.by_id if genres is not None else ():
                assert genres is not None
                assert genre_id in genres.descendants(genre_id)
            for selection in (
                Selection(subset="full", splitting="random-by-artist"),
                Selection(subset="medium", genres=("rock",)),
                Selection(subset="large", max_seconds=200, licences=("cc-by",)),
                Selection(subset="large", max_tracks=2, balanced=True),
            ):
                with _documented(r"no track is left|is not in the metadata|no track has a top-level genre"):
                    selection.tracks(metadata)

        return Target(path, [text.encode()], read, mutate=mutate_text)

    return make


def _index_target(folder: Path) -> Target:
    from tfdeepviz.data.index import FileEntry, FileIndex

    path = folder / "index.jsonl"
    about: dict[str, Any] = {"n_bytes": 5, "modified_ns": 10**18, "sha1": "0" * 40, "seconds": 29.977}
    whole = FileEntry(path="a/000002.mp3", track_id=2, **about, rate_hz=44_100, n_channels=2)
    lost = FileEntry(path="a/000003.mp3", track_id=3, status="missing", message='a/000003.mp3: no "such", file')
    FileIndex((whole, lost, FileEntry(path="b", status="unexpected", n_bytes=0))).save(path)
    seed = path.read_bytes()

    def read() -> None:
        index = FileIndex.load(path)
        assert sum(index.counts().values()) == len(index.entries) >= len(index.problems())
        index.save(folder / "again.jsonl")
        assert FileIndex.load(folder / "again.jsonl") == index

    return Target(path, [seed], read, mutate=mutate_text)


def _checksums_target(folder: Path) -> Target:
    from tfdeepviz.data.index import index_files
    from tfdeepviz.data.metadata import Metadata

    make_fma(folder, {2: "training", 3: "test"}, seconds=0.1)
    metadata, path = Metadata.load(folder), folder / "fma_small" / "checksums"
    seed = f"{'0' * 40}  000/000002.mp3\n{'ab' * 20}  000/000003.mp3\n".encode()

    def read() -> None:
        statuses = index_files(metadata, subset="small", n_workers=1).counts()
        assert set(statuses) <= {"ok", "changed"}

    return Target(path, [seed], read, mutate=mutate_text)


# --- prepared datasets -------------------------------------------------------------------------------------------


def _prepared(folder: Path, **options: Any) -> Any:
    """A tiny dataset, and a function that plans to prepare it again."""
    # TensorFlow takes seconds to import: only the readers that need it wait for that.
    from tfdeepviz.data.features import Features
    from tfdeepviz.data.prepare import plan, prepare
    from tfdeepviz.data.selection import Selection
    from tfdeepviz.params import AudioParams

    params = AudioParams(preset="tiny", n_mels=8, n_mfcc=4, segment_frames=6)
    splits = {2: "training", 3: "training", 4: "validation", 5: "test"}
    root = make_fma(folder / "fma", splits, seconds=0.2)
    (root / "fma_small" / "000" / "000003.mp3").write_bytes(b"")
    arguments = (root, folder / "ds")
    options |= {"selection": Selection(), "features": Features(params)}
    return prepare(*arguments, **options), lambda: plan(*arguments, **options)


def _manifest_target(folder: Path) -> Target:
    dataset, _ = _prepared(folder)
    path = dataset.path / "manifest.json"

    def read() -> None:
        loaded = type(dataset).load(dataset.path)
        for split in ("training", "validation", "test"):
            assert loaded.n_segments(split) >= 0
            with _documented("only segments at a hop of"):
                assert loaded.n_segments(split, hop_frames=1) >= loaded.n_tracks(split) == len(loaded.used(split))
        json.dumps(loaded.skipped)
        loaded.statistics()
        loaded.verify()

    return Target(path, [path.read_bytes()], read, mutate=mutate_json, headroom_mib=2_048)


def _resume_target(file: str) -> Callable[[Path], Target]:
    def make(folder: Path) -> Target:
        from tfdeepviz.data.prepare import finish

        dataset, plan = _prepared(folder)
        (path,) = dataset.path.glob(file)

        def read() -> None:
            job = plan()
            job.unfinished()
            with _documented("no track of the training split"):
                finish(job).verify()

        mutate = mutate_json if path.suffix == ".json" else _mutate_npz
        return Target(path, [path.read_bytes()], read, mutate=mutate, headroom_mib=2_048)

    return make


def _mutate_npz(rng: Rng, seeds: Sequence[bytes]) -> bytes:
    # The archive's checksums hide the arrays' headers: in half of the mutants they are right.
    if rng.random() < 0.5:
        return mutate_bytes(rng, seeds)
    with zipfile.ZipFile(io.BytesIO(seeds[rng.integers(len(seeds))])) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    damaged = list(members)[rng.integers(len(members))]
    members[damaged] = (mutate_text if rng.random() < 0.5 else mutate_bytes)(rng, [members[damaged]])
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def _scaler_target(folder: Path) -> Target:
    from tfdeepviz.data.statistics import SegmentStatistics

    path = folder / "scaler.npz"
    seeds = []
    for shape in ((9, 2, 3), (4, 1)):
        SegmentStatistics.of(np.random.default_rng(0).normal(size=shape)).save(path)
        seeds.append(path.read_bytes())

    def read() -> None:
        loaded = SegmentStatistics.load(path)
        assert loaded.count >= 1
        assert loaded.mean.dtype == np.float64
        assert math.isfinite(loaded.mean.sum())

    return Target(path, seeds, read, mutate=_mutate_npz, headroom_mib=2_048)


def _mutate_record(rng: Rng, seeds: Sequence[bytes]) -> bytes:
    """A shard of the same size whose bytes, or whose records' contents, are wrong."""
    shard = seeds[0]
    if rng.random() < 0.05:
        # No record, or one more than the manifest lists.
        return shard * int(rng.choice([0, 2]))
    if rng.random() < 0.5:
        payload = mutate_bytes(rng, [shard[12:-4]])
        claimed = int(rng.choice([1 << 20, 1 << 33, 1 << 62])) if rng.random() < 0.1 else None
        return tfrecord(payload, length=claimed)
    return mutate_bytes(rng, [shard])


def _crafted_record(rng: Rng, seeds: Sequence[bytes]) -> bytes:
    """A record that TensorFlow can parse, with features of another type, number or length."""
    import tensorflow as tf

    example = tf.train.Example.FromString(seeds[0][12:-4])
    features = example.features.feature
    for name in rng.choice(["track_id", "label", "starts", "rows"], rng.integers(1, 3)):
        n = int(rng.choice([0, 1, 2, 500]))
        match rng.integers(5):
            case 0:
                features.pop(name, None)
            case 1:
                values = rng.choice(np.array([0, -1, 1, 1 << 31, (1 << 63) - 1, -(1 << 63)]), n).tolist()
                features[name].int64_list.value[:] = values
            case 2:
                features[name].float_list.value[:] = [float("nan")] * n
            case 3:
                features[name].bytes_list.value[:] = [rng.bytes(n * int(rng.choice([1, 4, 16])))]
            case _:
                features[name].bytes_list.value[:] = [b""] * n
    return tfrecord(example.SerializeToString(deterministic=True))


def _records_target(mutate: Mutate, **options: Any) -> Callable[[Path], Target]:
    def make(folder: Path) -> Target:
        dataset, _ = _prepared(folder, **options)
        (shard,) = (shard for shard in dataset.shards if shard["split"] == "training")
        path = dataset.path / shard["file"]
        track = shard["tracks"][0]
        seed = path.read_bytes()
        assert tfrecord(seed[12:-4]) == seed

        def read() -> None:
            # The manifest knows the size of the file, which would refuse most mutants before any is read.
            shard["bytes"] = path.stat().st_size
            ((track_id, rows),) = dataset.tracks("training")
            assert track_id == track["track_id"]
            assert rows.shape == (track["n_frames"], dataset.features.width)

        return Target(path, [seed], read, mutate=mutate, headroom_mib=2_048)

    return make


# --- models ------------------------------------------------------------------------------------------------------


def _pth_target(folder: Path) -> Target:
    import torch

    from tfdeepviz.models.torch_file import read_state_dict

    path = folder / "mutant.pth"
    state = {"features.0.weight": torch.arange(12.0).reshape(2, 2, 3).half(), "n": torch.tensor(3)}
    seeds = []
    for zipped in (True, False):
        torch.save(state, path, _use_new_zipfile_serialization=zipped)
        seeds.append(path.read_bytes())
    return Target(path, seeds, lambda: read_state_dict(path), headroom_mib=1_024)


def _hdf5_target(folder: Path) -> Target:
    from tfdeepviz.models.classifier import GenreClassifier
    from tfdeepviz.models.imagenet import load_imagenet_start

    # The seed is refused as well, because it fits no model: a file that does has 9 MB.
    path = folder / "mutant.weights.h5"
    model = GenreClassifier(architecture="vgg11", n_genres=2, dense_units=1)
    model.build()
    with h5py.File(path, "w") as file:
        for i in range(8):
            file[f"layers/conv2d{f'_{i}' if i else ''}/vars/0"] = np.ones((3, 3, 1, 2), np.float32)
            file[f"layers/conv2d{f'_{i}' if i else ''}/vars/1"] = np.ones(2, np.float32)
    seeds = [path.read_bytes()]

    def read() -> None:
        with suppress(FormatError):
            load_imagenet_start(model, path)

    return Target(path, seeds, read, headroom_mib=1_024)


def _targets_target(folder: Path) -> Target:
    from tfdeepviz.models.distillation import Targets

    path = folder / "targets.npz"
    Targets.fit(np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32), 2).save(path)
    return Target(path, [path.read_bytes()], lambda: Targets.load(path))


def _run_target(name: str) -> Callable[[Path], Target]:
    def make(folder: Path) -> Target:
        from tfdeepviz.models.presets import load_preset
        from tfdeepviz.models.run import Run
        from tfdeepviz.params import LIVE

        config = {
            **{"preset": load_preset("vgg16-compact").to_dict(), "audio": LIVE.to_dict(), "mode": "mfcc"},
            **{"genres": ["Rock"], "dataset": "ds", "dataset_digest": "", "seed": 0},
        }
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "history.csv").write_text("epoch,loss,val_loss\n1.0,0.5,0.6\n2.0,0.4,0.5\n")
        path = folder / name

        def read() -> None:
            run = Run.load(folder)
            losses = {row["epoch"]: row["val_loss"] for row in run.history()}
            best = run.best_epoch()
            assert (best == 0) == (not losses)
            # A loss that is no number is never the best.
            assert not any(
                loss < losses[best] or math.isnan(losses[best]) for loss in losses.values() if math.isfinite(loss)
            )

        return Target(path, [path.read_bytes()], read, mutate=mutate_json if name == "config.json" else mutate_text)

    return make


# -----------------------------------------------------------------------------------------------------------------

TARGETS: dict[str, Callable[[Path], Target]] = {
    **{name: _sound_target(name) for name in ("mp3", "ogg", "flac", "wav")},
    "tracks": _metadata_target("tracks.csv", _TRACKS),
    "genres": _metadata_target("genres.csv", _GENRES),
    "index": _index_target,
    "checksums": _checksums_target,
    "manifest": _manifest_target,
    "record": _resume_target("artifact.json"),
    "note": _resume_target("shards/*training*.json"),
    "statistics": _resume_target("shards/*training*.npz"),
    "scaler": _scaler_target,
    "records": _records_target(_mutate_record),
    "crafted": _records_target(_crafted_record),
    "pth": _pth_target,
    "hdf5": _hdf5_target,
    "targets": _targets_target,
    "config": _run_target("config.json"),
    "history": _run_target("history.csv"),
}


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def run(name: str, first: int, count: int) -> int:
    """Feed mutants to a reader; tells of the first findings on stderr, and on stdout where it is.

    Returns
    -------
    int
        Mutants that made the reader raise what it does not document.
    """
    with tempfile.TemporaryDirectory() as folder:
        # The target before this one had a limit, under which nothing large can be imported.
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        target = TARGETS[name](Path(folder))
        limit = _address_space() + (target.headroom_mib << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        # Seeds have to be valid; and what is made once only is not taken for growth.
        for seed in target.seeds:
            target.path.write_bytes(seed)
            target.read()
        start, peak_mib, slowest, n_refused, n_findings = perf_counter(), _peak_mib(), 0.0, 0, 0
        for number in range(first, first + count):
            print(name, number, flush=True)
            target.path.write_bytes(mutant(target.mutate, target.seeds, number))
            before = perf_counter()
            faulthandler.dump_traceback_later(MUTANT_SECONDS, exit=True)
            try:
                target.read()
            except Exception as error:
                # People read the message: it has to be one line.
                typed = isinstance(error, target.errors) and "\n" not in str(error)
                n_refused += typed
                n_findings += not typed
                if not typed and n_findings <= _MAX_TOLD:
                    print(f"{name} {number}:\n{''.join(traceback.format_exception(error))}", file=sys.stderr)
            faulthandler.cancel_dump_traceback_later()
            slowest = max(slowest, perf_counter() - before)
    print(
        f"{name}: {count} mutants in {perf_counter() - start:.1f} s, slowest {slowest:.2f} s, "
        f"memory +{_peak_mib() - peak_mib} MiB, {n_refused} refused, {n_findings} findings"
    )
    return n_findings


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="+", choices=TARGETS)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1)
    options = parser.parse_args()
    faulthandler.enable()
    # As under pytest: a warning is an error that nobody should have to see.
    warnings.simplefilter("error")
    return int(sum(run(name, options.first, options.count) for name in options.names) > 0)


if __name__ == "__main__":
    sys.exit(main())
