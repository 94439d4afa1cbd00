"""Python's analysis of one track, stage by stage: the half of `benchmarks/browser.mjs` that runs here.

soundfile + soxr, the TensorFlow front end, the bundle's encoders, as `tfdeepviz extract` runs them: warm, medians of
several runs. As in the browser, a second of audio costs what lies between its samples and its encodings.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from tfdeepviz.data.decode import decode_file
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.export.extract import Extractor
from tfdeepviz.files import read_json
from tfdeepviz.mapping.encodings import encode_track

_ROOT = Path(__file__).resolve().parent.parent
_REGISTRY = _ROOT / "webapp" / "registry"
_RUNS = 3
#: `ru_maxrss` is in kilobytes, on macOS in bytes.
_RSS_BYTES = 1 if sys.platform == "darwin" else 1024


def python_times(path: Path, track: Path, hops: list[float]) -> dict[str, Any]:
    """Milliseconds of each stage at the encoders' own steps, and of a second of audio at other ones."""
    start = time.perf_counter()
    bundle = Bundle.load(path)
    extractor = Extractor(bundle)
    encoders = list(extractor.encoders)
    load_ms = 1_000 * (time.perf_counter() - start)
    own = _stages(extractor, track, None)
    at_hops = [{"hop_seconds": hop, "ms_per_second": _stages(extractor, track, hop)["ms_per_second"]} for hop in hops]
    peak_bytes = _RSS_BYTES * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        **{"bundle": bundle.label, "encoders": encoders, "cores": os.cpu_count(), "load_ms": load_ms},
        **own,
        **{"at_hops": at_hops, "peak_bytes": peak_bytes},
    }


def _stages(extractor: Extractor, track: Path, hop_seconds: float | None) -> dict[str, float]:
    bundle, params = extractor.bundle, extractor.bundle.params
    windows = {info.name: info.windows(params, hop_seconds=hop_seconds) for info in bundle.encoders}
    mapping = bundle.mappings.find()
    runs: list[dict[str, float]] = []
    for _ in range(_RUNS + 1):  # the first one traces
        t0 = time.perf_counter()
        pcm = decode_file(track, sample_rate_hz=params.sample_rate_hz)
        t1 = time.perf_counter()
        mfcc = extractor.frontend.mfcc(pcm)
        t2 = time.perf_counter()
        encodings = {name: encode_track(encode, mfcc, windows[name]) for name, encode in extractor.encoders.items()}
        t3 = time.perf_counter()
        mapping.parameters(encodings)
        t4 = time.perf_counter()
        seconds = pcm.size / params.sample_rate_hz
        stages = {"decode_ms": t1 - t0, "frontend_ms": t2 - t1, "encoder_ms": t3 - t2, "mapping_ms": t4 - t3}
        in_ms = {name: 1_000 * elapsed for name, elapsed in stages.items()}
        runs.append({**in_ms, "ms_per_second": 1_000 * (t3 - t1) / seconds, "audio_seconds": seconds})
    return {name: median(run[name] for run in runs[1:]) for name in runs[0]}


def default_bundle() -> Path:
    """Give the bundle that the playground opens with."""
    first = read_json(_REGISTRY / "index.json")["bundles"][0]
    return _REGISTRY / f"{first['name']}/{first['latest']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--track", type=Path, default=_ROOT / "webapp" / "tracks" / "electronic.mp3")
    parser.add_argument("--bundle", type=Path, help="a version in a registry; by default the first that ships")
    parser.add_argument("--hop-seconds", type=float, action="append", default=[], help="time this step as well")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    args = parser.parse_args()
    times = python_times((args.bundle or default_bundle()).resolve(), args.track.resolve(), args.hop_seconds)
    if args.json:
        print(json.dumps(times))
        return
    for name, value in times.items():
        print(f"{name:14} {value:.1f}" if isinstance(value, float) else f"{name:14} {value}")


if __name__ == "__main__":
    main()
