"""Golden values: a synthetic PCM input and the output of every stage for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from tfdeepviz.export.bundle import GOLDENS, Bundle
from tfdeepviz.export.extract import Analysis
from tfdeepviz.files import FormatError, read_record, write_json
from tfdeepviz.mapping.mappings import SCHEMA_VERSION
from tfdeepviz.params import AudioParams

SECONDS = 2.0
SCALE = 32_768

#: Largest difference that a client may show, by quantisation of the encoder. It is absolute for MFCC, probabilities and
#: parameters; for encodings, whose units differ, it is relative to the largest component in the goldens.
TOLERANCES = {
    "none": {"mfcc": 2e-3, "encoding": 1e-3, "genres": 1e-3, "parameters": 5e-3},
    "float16": {"mfcc": 2e-3, "encoding": 4e-3, "genres": 1e-2, "parameters": 2e-2},
    "uint8": {"mfcc": 2e-3, "encoding": 3e-2, "genres": 5e-2, "parameters": 8e-2},
}


def golden_pcm(params: AudioParams) -> npt.NDArray[np.int16]:
    """Make two seconds of all that a front end can get wrong: tones, a sweep, a click, noise, silence, full scale."""
    rate = params.sample_rate_hz
    t = np.arange(round(SECONDS * rate)) / rate
    rng = np.random.default_rng(20_000)
    chord = sum(0.15 * np.sin(2 * np.pi * f * t + f) for f in (110.0, 277.2, 659.3)) * np.exp(-2 * (t % 0.5))
    sweep = 0.3 * np.sin(2 * np.pi * (50 * t + (rate / 4.4 - 50) * t**2 / (2 * SECONDS)))
    pcm = chord + np.where((t > 0.5) & (t < 1.2), sweep, 0) + rng.normal(0, 0.003, t.size)
    pcm[(t > 1.3) & (t < 1.5)] = 0
    pcm[rate // 3] = 1.0
    burst = (t >= 1.5) & (t < 1.6)
    pcm[burst] += rng.uniform(-1, 1, int(burst.sum()))
    rounded: npt.NDArray[np.int16] = np.clip(np.round(pcm * SCALE), -SCALE, SCALE - 1).astype(np.int16)
    return rounded


@dataclass(frozen=True)
class Goldens:
    """Golden values as written by `write_goldens`, and the tolerances by stage, as a client reads them.

    `pcm` [shape=(n_samples,)] gives `mfcc` [shape=(n_frames, n_mfcc)], encodings and (of classifiers only) genres by
    encoder [shape=(n, size) each], and the default mapping's `parameters` [shape=(n, n_parameters)].
    """

    pcm: npt.NDArray[np.int16]
    mfcc: npt.NDArray[np.float32]
    encodings: dict[str, npt.NDArray[np.float32]]
    genres: dict[str, npt.NDArray[np.float32]]
    parameters: npt.NDArray[np.float32]
    tolerance: dict[str, float]


class _Array(Struct):
    file: str
    dtype: str
    shape: tuple[Annotated[int, Meta(ge=0, le=1 << 31)], ...]


class _Stages(Struct):
    pcm: _Array
    mfcc: _Array
    parameters: _Array


class _File(Struct):
    schema_version: Annotated[int, Meta(ge=SCHEMA_VERSION, le=SCHEMA_VERSION)]
    stages: _Stages
    encodings: dict[str, _Array]
    genres: dict[str, _Array]
    tolerance: dict[str, Annotated[float, Meta(gt=0, le=1e9)]]


def read_goldens(bundle: Bundle) -> Goldens:
    """Read a bundle's goldens.

    Raises
    ------
    FormatError
        If the goldens are broken.
    """
    again = "export the bundle again"
    file = read_record(bundle.path / GOLDENS, _File, remedy=again)

    def read(array: _Array, dtype: str) -> npt.NDArray[Any]:
        if array.dtype != dtype or array.file not in bundle.manifest["files"]:
            raise ValueError(f"{array.file!r} of {array.dtype!r}")
        values = np.frombuffer((bundle.path / array.file).read_bytes(), np.dtype(dtype).newbyteorder("<"))
        return values.reshape(array.shape)

    try:
        for what, found, expected in (
            ("encodings", file.encodings.keys(), {info.name for info in bundle.encoders}),
            ("genres", file.genres.keys(), {info.name for info in bundle.encoders if info.genres}),
        ):
            if found != expected:
                raise ValueError(f"{what}: of {', '.join(found)} instead of {', '.join(expected)}")
        return Goldens(
            pcm=read(file.stages.pcm, "int16"),
            mfcc=read(file.stages.mfcc, "float32"),
            encodings={name: read(array, "float32") for name, array in file.encodings.items()},
            genres={name: read(array, "float32") for name, array in file.genres.items()},
            parameters=read(file.stages.parameters, "float32"),
            tolerance=file.tolerance,
        )
    except ValueError as error:
        raise FormatError(f"{bundle.path / GOLDENS}: {error}; {again}") from error


def allowed_error(quantization: str, encoding: npt.NDArray[np.floating[Any]]) -> float:
    """Return the largest absolute difference allowed from golden encodings [shape=(n, encoding_size)]."""
    return TOLERANCES[quantization]["encoding"] * float(np.abs(encoding).max())


def write_goldens(folder: Path, pcm: npt.NDArray[np.int16], analysis: Analysis, *, quantization: str) -> None:
    """Write `goldens.json` and one binary file per stage into `folder`, the `goldens/` of a bundle."""
    folder.mkdir(parents=True)

    def write(name: str, array: npt.NDArray[Any]) -> _Array:
        (folder / f"{name}.bin").write_bytes(array.tobytes())
        return _Array(f"goldens/{name}.bin", array.dtype.name, array.shape)

    stages = _Stages(
        pcm=write("pcm", pcm.astype("<i2")),
        mfcc=write("mfcc", analysis.mfcc.astype("<f4")),
        parameters=write("parameters", analysis.parameters.astype("<f4")),
    )
    file = _File(SCHEMA_VERSION, stages, {}, {}, TOLERANCES[quantization])
    for name, encodings in analysis.encodings.items():
        file.encodings[name] = write(f"encoding-{name}", encodings.values.astype("<f4"))
        if encodings.genres is not None:
            file.genres[name] = write(f"genres-{name}", encodings.genres.astype("<f4"))
    write_json(folder / "goldens.json", msgspec.to_builtins(file))
