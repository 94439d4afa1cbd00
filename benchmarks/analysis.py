"""The browser's analysis of one track beside Python's, in one run: `make bench`.

Python: soundfile + soxr, the TensorFlow front end, the Keras encoders, as `tfdeepviz extract` runs them. Browser:
decodeAudioData, the same graphs in TensorFlow.js. Both warm, median of several runs, same track, every encoder at its
own step. Machines are noisy: compare the ratios.
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

from tfdeepviz.data.decode import decode_file
from tfdeepviz.data.files import read_json
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.export.extract import Extractor
from tfdeepviz.mapping.encodings import encode_track

_ROOT = Path(__file__).resolve().parent.parent
_REGISTRY = _ROOT / "webapp" / "registry"
_RUNS = 5


def python_times(bundle: Bundle, track: Path) -> dict[str, float]:
    """Milliseconds of each stage, models loaded and warm; as in the browser, the total ends with the encodings."""
    extractor, params = Extractor(bundle), bundle.params
    windows = {info.name: info.windows(params) for info in bundle.encoders}
    mapping = bundle.mappings.find()
    runs: list[dict[str, float]] = []
    for _ in range(_RUNS + 1):  # the first one traces
        t0 = time.perf_counter()
        pcm = decode_file(track, sample_rate_hz=params.sample_rate_hz)
        t1 = time.perf_counter()
        mfcc = extractor.frontend.mfcc(pcm)
        t2 = time.perf_counter()
        encodings = {name: encode_track(model, mfcc, windows[name]) for name, model in extractor.encoders.items()}
        t3 = time.perf_counter()
        mapping.parameters(encodings)
        t4 = time.perf_counter()
        stages = {"decode_ms": t1 - t0, "frontend_ms": t2 - t1, "encoder_ms": t3 - t2, "total_ms": t3 - t0}
        runs.append({name: 1_000 * seconds for name, seconds in {**stages, "mapping_ms": t4 - t3}.items()})
    return {name: median(run[name] for run in runs[1:]) for name in runs[0]}


def browser_times(bundle: Bundle, track: Path) -> dict[str, Any]:
    """What the front end's own benchmark prints, in headless Chromium."""
    registry, name = bundle.path.parent.parent, f"{bundle.path.parent.name}/{bundle.path.name}"
    environment = {
        **os.environ,
        "TFDEEPVIZ_BENCH_AUDIO": str(track),
        "TFDEEPVIZ_REGISTRY": str(registry),
        "TFDEEPVIZ_PYTHON": sys.executable,
    }
    result = subprocess.run(
        ["npm", "run", "--silent", "bench", "--", "--json", "--bundle", name],
        cwd=_ROOT / "webapp" / "frontend",
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    values: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return values


def default_bundle() -> Path:
    """Give the bundle that the playground opens with."""
    first = read_json(_REGISTRY / "index.json")["bundles"][0]
    return _REGISTRY / f"{first['name']}/{first['latest']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--track", type=Path, default=_ROOT / "webapp" / "tracks" / "electronic.mp3")
    parser.add_argument("--bundle", type=Path, help="a version in a registry; by default the first that ships")
    args = parser.parse_args()
    bundle = Bundle.load((args.bundle or default_bundle()).resolve())
    track = args.track.resolve()
    ours, theirs = python_times(bundle, track), browser_times(bundle, track)
    print(f"{args.track.name}, {bundle.label}, {os.cpu_count()} cores; {theirs['encoders']}")
    first = theirs["first_block_ms"]
    print(f"browser: {theirs['backend']}, {theirs['threads']} thread(s); first encodings after {first:.0f} ms")
    print(f"{'':12} {'Python':>10} {'browser':>10} {'ratio':>7}")
    for name in ("decode_ms", "frontend_ms", "encoder_ms", "total_ms"):
        print(f"{name:12} {ours[name]:10.1f} {theirs[name]:10.1f} {theirs[name] / ours[name]:7.2f}")
    print(f"{'mapping_ms':12} {ours['mapping_ms']:10.1f} {'-':>10}  (after the total; the browser's runs as it plays)")


if __name__ == "__main__":
    main()
