"""The browser's analysis of one track beside Python's, in one run: `make bench`.

Python: soundfile + soxr, the TensorFlow front end, the Keras encoder. Browser: decodeAudioData, the same graphs in
TensorFlow.js. Both warm, median of several runs, same track, same hop. Machines are noisy: compare the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from tfdeepviz.data.decode import decode_file
from tfdeepviz.data.segments import cut_segments
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.export.extract import Extractor

_ROOT = Path(__file__).resolve().parent.parent
_RUNS = 5


def python_times(bundle: Bundle, track: Path, hop_seconds: float) -> dict[str, float]:
    """Milliseconds of each stage, model loaded and warm."""
    extractor, params = Extractor(bundle), bundle.params
    encode = extractor.encoder.predict_on_batch
    runs: list[dict[str, float]] = []
    for _ in range(_RUNS + 1):  # the first one traces
        t0 = time.perf_counter()
        pcm = decode_file(track, sample_rate_hz=params.sample_rate_hz)
        t1 = time.perf_counter()
        mfcc = extractor.frontend.mfcc(pcm)
        t2 = time.perf_counter()
        segments = cut_segments(mfcc, segment_frames=params.segment_frames, hop_frames=params.hop_frames(hop_seconds))
        keras.ops.convert_to_numpy(encode(segments.transpose(0, 2, 1)[..., None]))
        t3 = time.perf_counter()
        stages = {"decode_ms": t1 - t0, "frontend_ms": t2 - t1, "encoder_ms": t3 - t2, "total_ms": t3 - t0}
        runs.append({name: 1_000 * seconds for name, seconds in stages.items()})
    return {name: median(run[name] for run in runs[1:]) for name in runs[0]}


def browser_times(bundle: Bundle, track: Path, hop_seconds: float) -> dict[str, Any]:
    """What the front end's own benchmark prints, in headless Chromium."""
    registry, name = bundle.path.parent.parent, f"{bundle.path.parent.name}/{bundle.path.name}"
    environment = {
        **os.environ,
        "TFDEEPVIZ_BENCH_AUDIO": str(track),
        "TFDEEPVIZ_REGISTRY": str(registry),
        "TFDEEPVIZ_PYTHON": sys.executable,
    }
    result = subprocess.run(
        ["npm", "run", "--silent", "bench", "--", "--json", "--hop", str(hop_seconds), "--bundle", name],
        cwd=_ROOT / "webapp" / "frontend",
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    values: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--track", type=Path, default=_ROOT / "webapp" / "tracks" / "electronic.mp3")
    parser.add_argument("--bundle", type=Path, help="a version in a registry; by default the newest that ships")
    parser.add_argument("--hop-seconds", type=float, help="by default the player's")
    args = parser.parse_args()
    shipped = _ROOT / "webapp" / "registry" / "ae-shared"
    path = args.bundle or max(shipped.iterdir(), key=lambda version: int(version.name))
    bundle = Bundle.load(path.resolve())
    hop_seconds = args.hop_seconds or bundle.encoder.step_seconds
    track = args.track.resolve()
    ours, theirs = python_times(bundle, track, hop_seconds), browser_times(bundle, track, hop_seconds)
    print(f"{args.track.name}, {bundle.label}, hop {hop_seconds:g} s, {os.cpu_count()} cores")
    first = theirs["first_block_ms"]
    print(f"browser: {theirs['backend']}, {theirs['threads']} thread(s); first encodings after {first:.0f} ms")
    print(f"{'':12} {'Python':>10} {'browser':>10} {'ratio':>7}")
    for name in ("decode_ms", "frontend_ms", "encoder_ms", "total_ms"):
        print(f"{name:12} {ours[name]:10.1f} {theirs[name]:10.1f} {theirs[name] / ours[name]:7.2f}")


if __name__ == "__main__":
    main()
