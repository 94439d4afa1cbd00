"""What both languages have to compute: makes goldens.json, which the tests here and the front end's read.

`pytest tests/mapping --update-goldens` writes it anew. All numbers of inputs are exact in float32; results are float64
and hold to 1e-9 (absolute below 1, relative above), where results are kept in float32 to 1e-6. Where JSON has no number
for it, the texts "NaN", "Infinity" and "-Infinity" stand for one.

    {
      "mappings": {                  by name, referred to below
        NAME: {
          "encoders": {ENCODER: {"encoding_size": 3, "step_seconds": 0.125}},
          "values": what mappings.json holds
        }
      },
      "tracks": [                    encodings -> rows -> parameters
        {
          "name": what it tests,
          "mappings": NAME,
          "encodings": {ENCODER: {"times": [n], "values": [n][encoding_size]}},
          "expected": [              every projection of these mappings
            {
              "projection": "pca",
              "times": [m],          of the finest encoder
              "rows": [m][n_parameters],           projected and aligned, before scaling
              "parameters": [        every scaling of this projection
                {"mode": "features", "method": "per-track", "values": [m][n_parameters]}
              ]
            }
          ]
        }
      ],
      "onsets": {                    MFCC and samples -> rises and loudness
        "sample_rate_hz": 800, ..., "mfcc": [n][n_mfcc], "pcm": [...], "values": [m][2]
      },
      "motion": [                    as `time`, in musical time, with
        {
          "onsets": {"first_seconds": 0.015, "step_seconds": 0.01, "values": [m][2]},
          "rates": [n], "pulses": [n]         of every tick
        }
      ],
      "time": [                      scaled rows -> what the player shows
        {
          "name": what it tests,
          "settings": as `time` in mappings.json,
          "times": [n], "rows": [n][k],
          "duration_seconds": 1.0, "frames_per_second": 60,
          "frame_times": [m],        frame / frames_per_second, while before the duration
          "parameters": [m][k]
        }
      ],
      "refused": {
        "encodings": [               which no projection takes (ValueError, RangeError)
          {"name": why, "mappings": NAME, "encoder": ENCODER, "values": [1][whatever]}
        ],
        "mappings": [                which no reader takes (FormatError, BundleError)
          {"name": why, "mappings": NAME, "path": ["projections", 0, "name"], "value": what to put there}
        ]                            without "value": the field at the path is missing
      }
    }
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tfdeepviz.files import atomic_path
from tfdeepviz.mapping.mappings import Encodings, Mappings, fit_mappings
from tfdeepviz.mapping.motion import Onsets
from tfdeepviz.mapping.projections import InverseDistance, Scale
from tfdeepviz.mapping.time import TimeSettings, play
from tfdeepviz.params import LIVE, AudioParams

PATH = Path(__file__).with_name("goldens.json")

#: Time axis of each encoder: the first encoding and the step, in seconds.
AXES = {"beat": (0.0625, 0.125), "mood": (0.25, 0.3125)}

#: Encoding size and number of parameters of each encoder.
SIZES = {
    "even": {"beat": (3, 3), "mood": (2, 2)},
    # The finer one is the second, and sizes change on the way.
    "wide": {"mood": (4, 2), "beat": (6, 3)},
    "alone": {"beat": (4, 2)},
}

Floats = npt.NDArray[np.float64]


def encodings(encoder: str, values: npt.ArrayLike) -> Encodings:
    """Encodings in the places where their encoder gives them."""
    first, step = AXES[encoder]
    rows = np.asarray(values, np.float64)
    return Encodings(first + step * np.arange(len(rows)), rows)


def track(sizes: dict[str, tuple[int, int]], *, seed: int, n: int, spread: float = 1.0) -> dict[str, Encodings]:
    """Invent a track of `n` encodings of `beat` and fewer of others; their numbers are exact in float32."""
    rng = np.random.default_rng(seed)
    made = {}
    for encoder, (size, _) in sizes.items():
        rows = max(1, round(n * AXES["beat"][1] / AXES[encoder][1]))
        values = 0.5 + spread * rng.normal(0, np.linspace(0.3, 0.1, size), (rows, size))
        made[encoder] = encodings(encoder, np.round(values * 1024) / 1024)
    return made


def fit(name: str) -> Mappings:
    """Fit to a few invented tracks."""
    sizes = SIZES[name]
    tracks = [track(sizes, seed=seed, n=20) for seed in range(4)]
    counts = {encoder: n for encoder, (_, n) in sizes.items()}
    return fit_mappings({encoder: [one[encoder] for one in tracks] for encoder in sizes}, n_parameters=counts)


def in_silence(sizes: dict[str, tuple[int, int]]) -> dict[str, Encodings]:
    """A track that is silent for a third of its time before it begins and a third after its end."""
    silent = track(sizes, seed=8, n=15)
    for one in silent.values():
        third = len(one.values) // 3
        one.values[:third] = one.values[-third:] = -0.5
    return silent


def on_a_centroid(mappings: Mappings) -> dict[str, Encodings]:
    """A track that meets the first centroid of each encoder, at the first encoding."""
    hit = track(SIZES["even"], seed=7, n=3)
    for part in mappings.find("kmeans", "features", "robust").projection.parts:
        scale, distance = part.steps
        assert isinstance(scale, Scale) and isinstance(distance, InverseDistance)
        centroid = (np.asarray(distance.centroids[0]) - scale.offset) / scale.gain
        hit[part.encoder].values[0] = centroid.astype(np.float32)
    return hit


def expect(name: str, key: str, mappings: Mappings, given: dict[str, Encodings]) -> dict[str, Any]:
    """What all mappings make of a track."""
    expected = []
    for projection in mappings.projections:
        times, rows = projection.rows(given)
        parameters = [
            {
                "mode": scaling.mode,
                "method": scaling.method,
                "values": mappings.find(projection.name, scaling.mode, scaling.method)
                .parameters(given)[1]
                .round(12)
                .tolist(),
            }
            for scaling in projection.scalings
        ]
        expected.append(
            {
                "projection": projection.name,
                "times": times.tolist(),
                "rows": rows.round(12).tolist(),
                "parameters": parameters,
            }
        )
    given_values = {
        encoder: {"times": one.times.tolist(), "values": one.values.tolist()} for encoder, one in given.items()
    }
    return {"name": name, "mappings": key, "encodings": given_values, "expected": expected}


def expect_play(
    name: str,
    settings: TimeSettings,
    *,
    n: int = 4,
    duration_seconds: float = 0.5,
    frames_per_second: float = 40,
    onsets: Onsets | None = None,
) -> dict[str, Any]:
    """What the player shows of some rows."""
    times = 0.0625 + 0.125 * np.arange(n)
    rows = np.array([[0.25, 1.0], [0.875, 0.0], [0.125, 0.75], [0.5, 0.5]])
    rows = np.resize(rows, (n, 2))
    given = {"duration_seconds": duration_seconds, "frames_per_second": frames_per_second}
    frame_times, parameters = play(
        times,
        rows,
        duration_seconds=duration_seconds,
        frames_per_second=frames_per_second,
        settings=settings,
        onsets=onsets,
    )
    return {
        "name": name,
        "settings": msgspec.to_builtins(settings),
        **{"times": times.tolist(), "rows": rows.tolist(), **given},
        **{"frame_times": frame_times.round(12).tolist(), "parameters": parameters.round(12).tolist()},
    }


def _heard() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], AudioParams]:
    """MFCC and samples of three seconds with a beat, and silence."""
    params = replace(LIVE, sample_rate_hz=800, n_fft=20, hop_length=8, n_mels=8, n_mfcc=6, f_max_hz=400.0)
    rng = np.random.default_rng(7)
    seconds = np.arange(2_400) / 800
    envelope = np.exp(-8 * (seconds % 0.5)) * (seconds % 1 < 0.75)
    pcm = (envelope * rng.uniform(-0.5, 0.5, seconds.size)).astype(np.float32)
    frames = np.arange(params.n_frames(pcm.size)) * params.frame_seconds
    level = -60 + 40 * np.exp(-8 * (frames % 0.5)) * (frames % 1 < 0.75)
    mfcc = level[:, None] / (1 + np.arange(params.n_mfcc)) + rng.normal(size=(frames.size, params.n_mfcc))
    return mfcc.astype(np.float32), pcm, params


def expect_onsets() -> dict[str, Any]:
    """What is heard in a short stretch."""
    mfcc, pcm, params = _heard()
    mfcc, pcm = mfcc[:30], pcm[: 29 * params.hop_length]
    names = ("sample_rate_hz", "hop_length", "n_mels", "n_mfcc", "pad_samples")
    given = {name: getattr(params, name) for name in names} | {"mfcc": mfcc.tolist(), "pcm": pcm.tolist()}
    return given | {"values": Onsets.of(mfcc, pcm, params).values.tolist()}


def expect_motion(name: str, tick_seconds: float) -> dict[str, Any]:
    """How music moves, and what the player shows of rows in its time."""
    mfcc, pcm, params = _heard()
    heard = Onsets.of(mfcc, pcm, params)
    heard = replace(heard, values=heard.values.astype(np.float32).astype(np.float64))
    rates, pulses = heard.motion(int(3 / tick_seconds + 1e-9) + 1, tick_seconds)
    settings = TimeSettings(attack=0.9, release=0.95, tick_seconds=tick_seconds)
    given = {"first_seconds": heard.first_seconds, "step_seconds": heard.step_seconds, "values": heard.values.tolist()}
    shown = expect_play(name, settings, n=20, duration_seconds=3.0, onsets=heard)
    return shown | {"onsets": given, "rates": rates.tolist(), "pulses": pulses.tolist()}


def _select(*indices: int) -> dict[str, Any]:
    return {"encoder": "beat", "steps": [{"kind": "select", "indices": indices}]}


#: What is wrong, where in the mappings `wide`, and what stands there instead; None: the field is missing.
BROKEN: tuple[tuple[str, str, list[Any] | None], ...] = (
    ("another version", "schema_version", [1]),
    ("no version", "schema_version", None),
    ("no parameters", "n_parameters", [0]),
    ("a text for a number", "n_parameters", ["5"]),
    ("no default", "default", None),
    ("a default that is not offered", "default.projection", ["raw"]),
    ("an unknown mode", "default.mode", ["both"]),
    ("no time", "time", [[]]),
    ("an unknown interpolation", "time.interpolation", ["cubic"]),
    ("more than all of the past", "time.attack", [1.5]),
    ("less than nothing of the past", "time.release", [-0.5]),
    ("truth for a number", "time.attack", [True]),
    ("ticks without length", "time.tick_seconds", [0]),
    ("a look-ahead beyond the track", "time.look_ahead_seconds", [3600]),
    ("no projection", "projections", [[]]),
    ("an unknown projection", "projections.0.name", ["tsne"]),
    ("a projection twice", "projections.1.name", ["pca"]),
    ("no part", "projections.0.parts", [[]]),
    ("an encoder that the bundle lacks", "projections.0.parts.0.encoder", ["voice"]),
    ("an encoder twice", "projections.0.parts", [[_select(0, 1, 2), _select(3, 4)]]),
    ("fewer parameters than n_parameters", "projections.0.parts", [[_select(0, 1, 2)]]),
    ("more parameters than n_parameters", "projections.0.parts", [[_select(0, 1, 2, 3, 4, 5)]]),
    ("no steps", "projections.0.parts.0.steps", None),
    ("a projection that does nothing and so gives too many", "projections.0.parts.0.steps", [[]]),
    ("an unknown step", "projections.0.parts.0.steps.0.kind", ["eval"]),
    ("a matrix of the wrong size", "projections.0.parts.0.steps.0.matrix", [[[1, 2], [3, 4]]]),
    ("a ragged matrix", "projections.0.parts.0.steps.0.matrix.1", [[1]]),
    ("null in a matrix", "projections.0.parts.0.steps.0.matrix.1.0", [None]),
    ("infinity in a matrix", "projections.0.parts.0.steps.0.matrix.1.0", ["Infinity"]),
    ("an offset of the wrong size", "projections.0.parts.0.steps.0.offset", [[0, 0, 0]]),
    ("an index beyond the encoding", "projections.0.parts.0.steps.0", [{"kind": "select", "indices": [0, 4]}]),
    ("an index below 0", "projections.0.parts.0.steps.0", [{"kind": "select", "indices": [0, -1]}]),
    ("half an index", "projections.0.parts.0.steps.0", [{"kind": "select", "indices": [0, 0.5]}]),
    ("a gain of the wrong size", "projections.1.parts.0.steps.0.gain", [[1, 1]]),
    ("a centroid of the wrong size", "projections.1.parts.0.steps.1.centroids.0", [[1, 1]]),
    ("no floor under distances", "projections.1.parts.0.steps.1.floor", [0]),
    ("no scaling", "projections.0.scalings", [[]]),
    ("an unknown method", "projections.0.scalings.0.method", ["max"]),
    ("a scaling twice", "projections.0.scalings.0.method", ["minmax"]),
    ("NaN in a scaling", "projections.0.scalings.0.gain.0", ["NaN"]),
    ("a scaling of the wrong size", "projections.0.scalings.0.offset", [[0]]),
    ("no percentiles", "projections.0.scalings.3.percentiles", None),
    ("percentiles upside down", "projections.0.scalings.3.percentiles", [[97.5, 2.5]]),
    ("a negative boost", "projections.0.scalings.3.max_boost", [-4]),
)


def make() -> dict[str, Any]:
    """Everything that goldens.json holds."""
    fitted = {name: fit(name) for name in SIZES}
    even, sizes = fitted["even"], SIZES["even"]
    same = track(sizes, seed=3, n=1)
    constant = {encoder: encodings(encoder, np.repeat(one.values, 2, axis=0)) for encoder, one in same.items()}
    refused = [
        {"name": name, "mappings": "even", "encoder": "beat", "values": [values]}
        for name, values in {
            "NaN": [0.5, "NaN", 0.5],
            "infinity": [0.5, "Infinity", 0.5],
            "minus infinity": [0.5, "-Infinity", 0.5],
            "too small": [0.5, 0.5],
            "too large": [0.5, 0.5, 0.5, 0.5],
            "empty": [],
        }.items()
    ]
    broken = [
        {
            **{"name": name, "mappings": "wide"},
            "path": [int(key) if key.isdigit() else key for key in path.split(".")],
            **({} if value is None else {"value": value[0]}),
        }
        for name, path, value in BROKEN
    ]
    return {
        "mappings": {
            name: {
                "encoders": {
                    encoder: {"encoding_size": size, "step_seconds": AXES[encoder][1]}
                    for encoder, (size, _) in SIZES[name].items()
                },
                "values": mappings.to_dict(),
            }
            for name, mappings in fitted.items()
        },
        "tracks": [
            expect("two encoders", "even", even, track(sizes, seed=5, n=7)),
            expect("one row of each", "even", even, same),
            expect("constant, so per-track has no range", "even", even, constant),
            expect("so narrow that per-track is at its bound", "even", even, track(sizes, seed=6, n=4, spread=0.02)),
            expect("narrow, and per-track is not at its bound", "even", even, track(sizes, seed=21, n=4, spread=0.5)),
            expect("on a centroid", "even", even, on_a_centroid(even)),
            expect("silence before and after", "wide", fitted["wide"], in_silence(SIZES["wide"])),
            expect("other sizes", "wide", fitted["wide"], track(SIZES["wide"], seed=5, n=5)),
            expect("one encoder", "alone", fitted["alone"], track(SIZES["alone"], seed=5, n=4)),
        ],
        "onsets": expect_onsets(),
        "motion": [
            expect_motion("ticks as long as steps", 0.01),
            expect_motion("longer ticks", 0.025),
            expect_motion("shorter ticks", 0.004),
        ],
        "time": [
            expect_play("as the original", TimeSettings()),
            expect_play("hold", TimeSettings(interpolation="hold")),
            expect_play("hold without smoothing", TimeSettings(interpolation="hold", attack=0, release=0)),
            expect_play("attack faster than release", TimeSettings(attack=0.25, release=0.875)),
            expect_play("at once", TimeSettings(attack=0, release=0)),
            expect_play("never", TimeSettings(attack=1, release=1)),
            expect_play("look-ahead", TimeSettings(look_ahead_seconds=0.125)),
            expect_play("negative look-ahead", TimeSettings(look_ahead_seconds=-0.09375)),
            expect_play("frames between ticks", TimeSettings(tick_seconds=0.04), frames_per_second=60),
            expect_play("one row", TimeSettings(), n=1, duration_seconds=0.125),
            expect_play("a track that ends within a tick", TimeSettings(attack=0.75), duration_seconds=0.478),
        ],
        "refused": {"encodings": refused, "mappings": broken},
    }


def update() -> None:
    """Write goldens.json, with lists of numbers on one line."""
    text = json.dumps(make(), indent=1, allow_nan=False)
    text = re.sub(r"\[[^\[\]{}]*\]", lambda numbers: re.sub(r"(?<=\[)\s+|\s+(?=\])|(?<=,)\s+", "", numbers[0]), text)
    with atomic_path(PATH) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
