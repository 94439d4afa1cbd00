"""Golden values: a synthetic PCM input and the output of every stage for it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from tfdeepviz.export.bundle import GOLDENS, Bundle
from tfdeepviz.export.extract import Analysis
from tfdeepviz.files import FormatError, read_record, write_json
from tfdeepviz.params import AudioParams

SECONDS = 2.0
SCALE = 32_768

T = TypeVar("T")

#: Largest difference that a client may show, by quantisation of the encoder. It is absolute for MFCC, probabilities and
#: parameters; for encodings, whose units differ, it is relative to the largest component in the goldens. `genres` holds
#: for all probabilities.
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


def as_sound(pcm: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    """Return PCM as samples in [-1, 1)."""
    return pcm.astype(np.float32) / np.float32(SCALE)


class Stages(Struct, Generic[T]):
    """A value for each stage that has goldens; by encoder for encodings and, where there are any, genres and tags."""

    mfcc: T
    encodings: dict[str, T]
    genres: dict[str, T]
    parameters: T
    tags: dict[str, T] = {}

    @classmethod
    def of(cls, analysis: Analysis) -> Stages[Any]:
        """Arrays of a track."""
        encodings = {name: one.values for name, one in analysis.encodings.items()}
        genres = {name: one.genres for name, one in analysis.encodings.items() if one.genres is not None}
        tags = {name: one.tags for name, one in analysis.encodings.items() if one.tags is not None}
        return Stages(analysis.mfcc, encodings, genres, analysis.parameters, tags)

    @property
    def named(self) -> dict[str, T]:
        """Values by the names of the stages in checks."""
        encodings = {f"encodings of {name}": value for name, value in self.encodings.items()}
        genres = {f"genres of {name}": value for name, value in self.genres.items()}
        tags = {f"tags of {name}": value for name, value in self.tags.items()}
        return {"mfcc": self.mfcc, **encodings, **genres, **tags, "parameters": self.parameters}


class Goldens(NamedTuple):
    """Golden values as a client reads them: what `pcm` [shape=(n_samples,)] gives, and the tolerances by stage."""

    pcm: npt.NDArray[np.int16]
    stages: Stages[npt.NDArray[np.float32]]
    tolerance: dict[str, float]


class _Array(Struct):
    file: str
    dtype: str
    shape: tuple[Annotated[int, Meta(ge=0, le=1 << 31)], ...]


class _File(Struct):
    schema_version: Literal[3]
    stages: dict[str, _Array]
    encodings: dict[str, _Array]
    genres: dict[str, _Array]
    tolerance: dict[str, Annotated[float, Meta(gt=0, le=1e9)]]
    tags: dict[str, _Array] = {}


def read_goldens(bundle: Bundle) -> Goldens:
    """Read a bundle's goldens; raises FormatError if they are broken."""
    again = "export the bundle again"
    file = read_record(bundle.path / GOLDENS, _File, remedy=again)

    def read(what: str, arrays: dict[str, _Array], expected: Collection[str]) -> dict[str, npt.NDArray[Any]]:
        if arrays.keys() != set(expected):
            raise ValueError(f"{what}: there are {', '.join(arrays)} instead of {', '.join(expected)}")
        values = {}
        for name, array in arrays.items():
            dtype = "int16" if name == "pcm" and what == "stages" else "float32"
            if array.dtype != dtype or array.file not in bundle.manifest["files"]:
                raise ValueError(f"{array.file!r} has dtype {array.dtype!r}, or is not in the manifest")
            data = (bundle.path / array.file).read_bytes()
            values[name] = np.frombuffer(data, np.dtype(dtype).newbyteorder("<")).reshape(array.shape)
        return values

    try:
        stages = read("stages", file.stages, ("pcm", "mfcc", "parameters"))
        encodings = read("encodings", file.encodings, [info.name for info in bundle.encoders])
        genres = read("genres", file.genres, [info.name for info in bundle.encoders if info.genres])
        tags = read("tags", file.tags, [info.name for info in bundle.encoders if info.tags])
        golden = Stages(stages["mfcc"], encodings, genres, stages["parameters"], tags)
        return Goldens(stages["pcm"], golden, file.tolerance)
    except ValueError as error:
        raise FormatError(f"{bundle.path / GOLDENS}: {error}; {again}") from error


def allowed_error(quantization: str, encoding: npt.NDArray[np.floating[Any]]) -> float:
    """Return the largest absolute difference allowed from golden encodings [shape=(n, encoding_size)]."""
    return TOLERANCES[quantization]["encoding"] * float(np.abs(encoding).max())


def write_goldens(folder: Path, pcm: npt.NDArray[np.int16], analysis: Analysis, *, quantization: str) -> None:
    """Write `goldens.json` and one binary file per stage into `folder`, the `goldens/` of a bundle."""
    folder.mkdir(parents=True)

    def write(name: str, array: npt.NDArray[Any], dtype: str = "<f4") -> _Array:
        (folder / f"{name}.bin").write_bytes(array.astype(dtype).tobytes())
        return _Array(f"goldens/{name}.bin", np.dtype(dtype).name, array.shape)

    golden = Stages.of(analysis)
    described = {"pcm": write("pcm", pcm, "<i2")}
    described |= {name: write(name, getattr(golden, name)) for name in ("mfcc", "parameters")}
    file = _File(
        schema_version=3,
        stages=described,
        encodings={name: write(f"encoding-{name}", values) for name, values in golden.encodings.items()},
        genres={name: write(f"genres-{name}", values) for name, values in golden.genres.items()},
        tags={name: write(f"tags-{name}", values) for name, values in golden.tags.items()},
        tolerance=TOLERANCES[quantization],
    )
    write_json(folder / "goldens.json", msgspec.to_builtins(file))
