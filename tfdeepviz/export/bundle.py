"""The bundle's schema, reading and writing (docs/bundle-format.md); the only module that knows its layout."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from tfdeepviz.data.files import FormatError, read_json, sha256_file, write_json
from tfdeepviz.data.segments import Windows
from tfdeepviz.mapping.mappings import SCHEMA_VERSION, Mappings
from tfdeepviz.params import AudioParams, ParameterError

MANIFEST = "manifest.json"
MAPPINGS = "mappings.json"

_MAX_FILE_BYTES = 1 << 30
_MAX_FILES = 1_000
_MAX_ENCODERS = 16
_MAX_WINDOW_FRAMES = 1 << 16


@dataclass(frozen=True)
class EncoderInfo:
    """One encoder of a bundle, its windows and its time axis.

    Attributes
    ----------
    name
        In the bundle.
    keras
        Its file for Python, relative to the bundle.
    encoding_size
        Components of an encoding.
    window_frames, window_seconds
        What an encoding sees.
    step_seconds
        From one encoding to the next.
    time_offset_seconds
        Time of the first: the middle of its window, or of a causal encoder the end.
    """

    name: str
    keras: str
    encoding_size: int
    window_frames: int
    window_seconds: float
    step_seconds: float
    time_offset_seconds: float

    @classmethod
    def from_dict(cls, values: dict[str, Any], params: AudioParams) -> EncoderInfo:
        """Read the entry of a manifest.

        Raises
        ------
        FormatError
            If a value cannot be.
        KeyError, TypeError
            If one is missing or of the wrong type.
        """
        info = cls(
            name=_name(values),
            keras=_text(values, "keras"),
            encoding_size=_whole(values, "encoding_size"),
            window_frames=_whole(values, "window_frames"),
            **{name: _positive(values, name) for name in ("window_seconds", "step_seconds")},
            time_offset_seconds=float(values["time_offset_seconds"]),
        )
        if abs(info.window_seconds - info.window_frames * params.frame_seconds) > 1e-6:
            raise FormatError(
                f"window_seconds={info.window_seconds}: {info.window_frames} frames do not last that long"
            )
        # Whatever a window stands for, it is its middle or its end.
        known = [info.windows(params, causal=causal).time_offset_seconds for causal in (False, True)]
        if not any(abs(info.time_offset_seconds - offset) < 1e-6 for offset in known):
            raise FormatError(
                f"time_offset_seconds={info.time_offset_seconds}: neither the window's middle nor its end"
            )
        return info

    def windows(self, params: AudioParams, *, hop_seconds: float | None = None, causal: bool | None = None) -> Windows:
        """Where it looks, by default at its own step."""
        if causal is None:
            causal = self.time_offset_seconds > self.window_seconds / 2
        return Windows(params, self.window_frames, params.hop_frames(hop_seconds or self.step_seconds), causal)


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk; open it with `load`, which checks it whole."""

    path: Path
    manifest: dict[str, Any]
    params: AudioParams
    encoders: tuple[EncoderInfo, ...]

    @classmethod
    def load(cls, path: Path) -> Bundle:
        """Read a bundle and check every file's size and hash.

        Raises
        ------
        FormatError
            Naming the file or field that is wrong.
        """
        if not (path / MANIFEST).is_file():
            raise FormatError(f"{path}: no bundle ({MANIFEST} is missing); make one with `tfdeepviz export`")
        manifest = read_json(path / MANIFEST, max_bytes=16 << 20)
        if manifest.get("schema_version") != SCHEMA_VERSION:
            raise FormatError(
                f"{path / MANIFEST}: schema_version={manifest.get('schema_version')!r}, this version reads "
                f"{SCHEMA_VERSION}; export the bundle again"
            )
        try:
            params = AudioParams.from_dict(manifest["audio"])
            entries = manifest["encoders"]
            if not 0 < len(entries) <= _MAX_ENCODERS:
                raise FormatError(f"{path / MANIFEST}: encoders: between 1 and {_MAX_ENCODERS} are expected")
            encoders = tuple(EncoderInfo.from_dict(entry, params) for entry in entries)
            if len({encoder.name for encoder in encoders}) < len(encoders):
                raise FormatError(f"{path / MANIFEST}: encoders: a name is there twice")
            _name(manifest)
            files = manifest["files"]
            if not 0 < len(files) <= _MAX_FILES:
                raise FormatError(f"{path / MANIFEST}: files: between 1 and {_MAX_FILES} are expected")
            for name, entry in files.items():
                _check_file(path, name, entry)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, FormatError):
                raise
            if isinstance(error, ParameterError):
                raise FormatError(f"{path / MANIFEST}: audio: {error}") from error
            raise FormatError(f"{path / MANIFEST}: a field is missing or of the wrong type ({error!r})") from error
        needed = {MAPPINGS, *(encoder.keras for encoder in encoders)}
        if manifest.get("mappings") != MAPPINGS or needed - set(files):
            raise FormatError(f"{path / MANIFEST}: files: {', '.join(sorted(needed))} have to be listed")
        bundle = cls(path, manifest, params, encoders)
        _ = bundle.mappings  # reads and checks them
        return bundle

    @property
    def name(self) -> str:
        """Name in a registry."""
        return str(self.manifest["name"])

    @property
    def label(self) -> str:
        """Name and version for people and results."""
        version = self.manifest.get("version")
        return f"{self.name}/{version}" if version is not None else self.name

    @cached_property
    def mappings(self) -> Mappings:
        """The mappings that it offers."""
        path = self.path / MAPPINGS
        sizes = {encoder.name: encoder.encoding_size for encoder in self.encoders}
        return Mappings.from_dict(read_json(path), sizes, where=f"{path}: ")


def _text(values: dict[str, Any], name: str) -> str:
    value = values[name]
    if not isinstance(value, str) or not value:
        raise FormatError(f"{name}={value!r}: a text is expected")
    return value


def _name(values: dict[str, Any]) -> str:
    name = _text(values, "name")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", name):
        raise FormatError(f"name={name!r}: use small letters, digits and hyphens")
    return name


def _whole(values: dict[str, Any], name: str) -> int:
    value = values[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MAX_WINDOW_FRAMES:
        raise FormatError(f"{name}={value!r}: a whole number from 1 to {_MAX_WINDOW_FRAMES} is expected")
    return value


def _positive(values: dict[str, Any], name: str) -> float:
    value = values[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise FormatError(f"{name}={value!r}: a positive number is expected")
    return value


def _check_file(folder: Path, name: str, entry: dict[str, Any]) -> None:
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name:
        raise FormatError(f"{folder / MANIFEST}: files: {name!r} leads out of the bundle")
    file = folder / pure
    if file.is_symlink() or not file.is_file():
        raise FormatError(f"{file}: missing; export or pull the bundle again")
    size = file.stat().st_size
    if size > _MAX_FILE_BYTES or size != entry["bytes"]:
        raise FormatError(f"{file}: {size} bytes instead of {entry['bytes']}; export or pull the bundle again")
    if sha256_file(file) != entry["sha256"]:
        raise FormatError(f"{file}: its SHA-256 is not the manifest's; export or pull the bundle again")


def list_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Every file of a bundle but the manifest, with size and hash."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
        for path in paths
    }


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Complete a bundle: list its files and write the manifest last."""
    write_json(folder / MANIFEST, {"schema_version": SCHEMA_VERSION, **manifest, "files": list_files(folder)})
