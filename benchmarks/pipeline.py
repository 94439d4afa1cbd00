"""Audio seconds per second of the data pipeline beside librosa's, on the same clips in one run, with all cores.

a  librosa.load and librosa's MFCC in a process pool
b  soundfile and librosa's MFCC in threads
c  ours from mp3: batches of segments straight from the files (`AudioFiles`)
d  ours from shards: the same batches from a prepared dataset, in order and shuffled
e  as c with tensorflow-io's decoder in the graph
p  `prepare`: mp3 to shards on disk

All warm; runs take turns, so that a busy moment of the machine hits all of them; medians.
`--memory N` measures instead the peak memory of preparing and of reading N clips and a tenth of them (links to the
clips of the corpus): it does not grow with N.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import librosa
import numpy as np
import numpy.typing as npt
import soundfile as sf

from benchmarks.corpus import add_corpus_argument, corpus
from tfdeepviz.data.fma import Track
from tfdeepviz.data.metadata import Metadata
from tfdeepviz.data.selection import Selection

_CORES = os.cpu_count() or 1
_BATCH = 64


def librosa_clip(path: Path) -> int:
    pcm, _ = librosa.load(path, sr=44_100)
    return _librosa_mfcc(pcm)


def soundfile_clip(path: Path) -> int:
    channels, _ = sf.read(path, dtype="float32", always_2d=True)
    return _librosa_mfcc(channels.mean(axis=1))


def _librosa_mfcc(pcm: npt.NDArray[np.float32]) -> int:
    return int(librosa.feature.mfcc(y=pcm, sr=44_100, n_mfcc=64, n_fft=1_102, hop_length=441).shape[1])


def _pooled(pool: Executor, clip: Callable[[Path], int], paths: Sequence[Path]) -> Callable[[], object]:
    return lambda: list(pool.map(clip, paths))


def throughput(root: Path, selection: Selection, n_runs: int) -> None:
    # Before TensorFlow's threads exist, and one BLAS thread a process: the cores are all taken by processes.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    processes = ProcessPoolExecutor(_CORES, mp_context=get_context("spawn"))
    tracks = selection.tracks(Metadata.load(root))
    paths = [track.path for track in tracks]
    list(processes.map(librosa_clip, paths[: 2 * _CORES]))

    import tensorflow as tf

    # As `tfdeepviz prepare` does: the cores are taken by clips.
    tf.config.threading.set_intra_op_parallelism_threads(1)

    from tfdeepviz.data.audio_files import AudioFiles
    from tfdeepviz.data.features import Features, Recipe
    from tfdeepviz.data.prepare import prepare
    from tfdeepviz.data.source import SegmentSource
    from tfdeepviz.params import LIVE

    features = Features(LIVE)
    recipe = Recipe(features=features, hop_frames=LIVE.segment_frames)
    audio_seconds = sum(sf.info(path).duration for path in paths)

    def consume(source: SegmentSource, seed: int | None = None) -> Callable[[], object]:
        def run() -> object:
            return sum(len(x) for x in source.segments("training", batch_size=_BATCH, seed=seed))

        return run

    with tempfile.TemporaryDirectory() as folder, processes, ThreadPoolExecutor(_CORES) as threads:

        def prepare_all() -> None:
            shutil.rmtree(Path(folder) / "p", ignore_errors=True)
            prepare(root, Path(folder) / "p", selection=selection, features=features, n_workers=2 * _CORES)

        dataset = prepare(root, Path(folder) / "d", selection=selection, features=features)
        candidates: dict[str, Callable[[], object]] = {
            "a librosa, processes": _pooled(processes, librosa_clip, paths),
            "b soundfile, threads": _pooled(threads, soundfile_clip, paths),
            "c ours from mp3": consume(AudioFiles(recipe, tracks)),
            "d ours from shards": consume(dataset),
            "d shuffled": consume(dataset, seed=1),
            "e tensorflow-io in graph": consume(AudioFiles(recipe, tracks, decoder="tensorflow-io")),
            "p prepare": prepare_all,
        }
        seconds: dict[str, list[float]] = {name: [] for name in candidates}
        for run in range(n_runs + 1):  # the first one warms up
            for name, candidate in candidates.items():
                started = time.perf_counter()
                candidate()
                if run:
                    seconds[name].append(time.perf_counter() - started)
    speeds = {name: audio_seconds / median(times) for name, times in seconds.items()}
    print(f"{len(tracks)} clips, {audio_seconds:.0f} s of audio, {_CORES} cores, median of {n_runs} runs")
    print(f"{'':26} {'audio s / s':>12} {'x a':>8} {'x c':>8}")
    for name, speed in speeds.items():
        a, c = speeds["a librosa, processes"], speeds["c ours from mp3"]
        print(f"{name:26} {speed:12.0f} {speed / a:8.2f} {speed / c:8.2f}")


_READ = """
from pathlib import Path
from tfdeepviz.data.prepared import PreparedDataset
dataset = PreparedDataset.load(Path({path!r}))
print(sum(len(x) for x in dataset.segments("training", batch_size=64, seed=1)), "segments")
"""


def memory(tracks: list[Track], n_clips: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'clips':>8} {'prepare, peak MB':>18} {'read shuffled, peak MB':>24}")
        for n in (n_clips // 10, n_clips):
            root, dataset = Path(folder) / f"fma-{n}", Path(folder) / f"dataset-{n}"
            _multiply(tracks, root, n)
            prepare = ["-m", "tfdeepviz.cli", "prepare", "--fma-root", str(root), "--out", str(dataset)]
            peaks = [_peak_mb(prepare), _peak_mb(["-c", _READ.format(path=str(dataset))])]
            print(f"{n:8d} {peaks[0]:18.0f} {peaks[1]:24.0f}", flush=True)
            shutil.rmtree(dataset)


def _multiply(tracks: list[Track], root: Path, n_clips: int) -> None:
    """A corpus of so many clips: links to those of `tracks`, one after the other."""
    rows = [",set,set,track,track,artist,artist", ",split,subset,genre_top,title,id,name", "track_id,,,,,,"]
    for i in range(n_clips):
        track_id, split = 200_000 + i, ("test" if i % 20 == 0 else "training")
        rows.append(f"{track_id},{split},small,,Clip {i},{i},Artist {i}")
        path = root / "fma_small" / f"{track_id}"[:3] / f"{track_id}.mp3"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(tracks[i % len(tracks)].path)
    (root / "fma_metadata").mkdir()
    (root / "fma_metadata" / "tracks.csv").write_text("\n".join(rows) + "\n")


def _peak_mb(arguments: list[str]) -> float:
    # A process of its own for each measurement: the kernel only keeps the largest of all children.
    code = (
        "import resource, subprocess, sys\n"
        f"subprocess.run([sys.executable, *{arguments!r}], check=True, capture_output=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return int(printed) * 1_024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_corpus_argument(parser)
    parser.add_argument("--clips", type=int, default=192, help="clips of the corpus to use")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--memory", type=int, metavar="N", help="measure peak memory with N clips instead")
    args = parser.parse_args()
    with corpus(args.fma_root) as (root, tracks):
        if args.memory is not None:
            memory(tracks, args.memory)
        else:
            # All in one split: an epoch is one pipeline.
            selection = Selection(max_tracks=args.clips, splitting="random", fractions=(1.0, 0.0, 0.0))
            throughput(root, selection, args.runs)


if __name__ == "__main__":
    main()
