"""Schema, reading and writing of bundles (docs/bundle-format.md). No other module knows the layout."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tfdeepviz.data.segments import Windows
from tfdeepviz.files import FormatError, inside, read_json, sha256_file, write_json
from tfdeepviz.mapping.mappings import SCHEMA_VERSION, Mappings
from tfdeepviz.params import AudioParams, ParameterError

MANIFEST = "manifest.json"
MAPPINGS = "mappings.json"
CARD = "card.md"
GOLDENS = "goldens/goldens.json"
#: Folders of the front end's files: inside a standalone bundle, or in a registry, shared by bundles with the same one.
FRONTEND = "frontend/"
FRONTENDS = "frontends"
FRONTEND_MODEL = "model.json"
BLESSED, NOT_BLESSED = "BLESSED", "NOT_BLESSED"
#: Baseline that a blessing records when the user asked for no comparison.
NO_BASELINE = "none"

_MAX_FILE_BYTES = 1 << 30
_MAX_FILES = 1_000
_MAX_ENCODERS = 16
_MAX_WINDOW_FRAMES = 1 << 16
_MAX_GENRES = 256
_MAX_CHECKS = 1_000


@dataclass(frozen=True)
class EncoderInfo:
    """One encoder of a bundle, its windows and its time axis.

    Attributes
    ----------
    name
        Name within the bundle.
    model
        Path of its TensorFlow.js graph, relative to the bundle.
    encoding_size
        Number of components of an encoding.
    genres
        Genres whose probabilities the graph also outputs; empty unless it is a classifier.
    window_frames, window_seconds
        Length of the window that one encoding sees.
    step_seconds
        Time from one encoding to the next.
    time_offset_seconds
        Time of the first encoding: the middle of its window, or its end for a causal encoder.
    """

    name: str
    model: str
    encoding_size: int
    genres: tuple[str, ...]
    window_frames: int
    window_seconds: float
    step_seconds: float
    time_offset_seconds: float

    @classmethod
    def from_dict(cls, values: dict[str, Any], params: AudioParams) -> EncoderInfo:
        """Read an entry of a manifest.

        Raises
        ------
        FormatError
            If a value is impossible.
        KeyError, TypeError
            If a value is missing or of the wrong type.
        """
        info = cls(
            name=_name(values),
            model=_text(values, "model"),
            encoding_size=_whole(values, "encoding_size"),
            genres=_genres(values),
            window_frames=_whole(values, "window_frames"),
            **{name: _positive(values, name) for name in ("window_seconds", "step_seconds")},
            time_offset_seconds=float(values["time_offset_seconds"]),
        )
        if abs(info.window_seconds - info.window_frames * params.frame_seconds) > 1e-6:
            raise FormatError(
                f"window_seconds={info.window_seconds}: {info.window_frames} frames do not last that long"
            )
        # An encoding's time is always the middle or the end of its window.
        known = [info.windows(params, causal=causal).time_offset_seconds for causal in (False, True)]
        if not any(abs(info.time_offset_seconds - offset) < 1e-6 for offset in known):
            raise FormatError(
                f"time_offset_seconds={info.time_offset_seconds}: neither the window's middle nor its end"
            )
        return info

    def windows(self, params: AudioParams, *, hop_seconds: float | None = None, causal: bool | None = None) -> Windows:
        """Windows that the encoder looks at, by default at its own step."""
        if causal is None:
            causal = self.time_offset_seconds > self.window_seconds / 2
        return Windows(params, self.window_frames, params.hop_frames(hop_seconds or self.step_seconds), causal)


@dataclass(frozen=True)
class Check:
    """One figure by which a bundle was judged.

    Attributes
    ----------
    name
        Name of the measurement.
    value
        The figure; None if there is none, or if it is not finite.
    limit
        Requirement for the figure, in words.
    passed
        Whether the figure meets it.
    reason
        Why the check failed and how to fix it; empty if it passed.
    """

    name: str
    value: float | None
    limit: str
    passed: bool
    reason: str = ""


@dataclass(frozen=True)
class Blessing:
    """Verdict of `tfdeepviz validate` on a bundle. A bundle without any check is not blessed.

    Attributes
    ----------
    bundle_digest
        Digest of the judged bundle.
    created, code_version, machine
        When, by which code and on which machine it was judged.
    baseline
        Label of the version that it was compared with; `NO_BASELINE` if the user asked for no comparison; None if
        there was nothing to compare with.
    checks
        All checks, with their figures.
    """

    bundle_digest: str
    created: str
    code_version: str
    machine: str
    baseline: str | None
    checks: tuple[Check, ...]

    @property
    def is_blessed(self) -> bool:
        """Whether the bundle may be pushed."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    def write(self, bundle: Path) -> Path:
        """Write BLESSED or NOT_BLESSED into the bundle, replacing any earlier verdict."""
        name, other = (BLESSED, NOT_BLESSED) if self.is_blessed else (NOT_BLESSED, BLESSED)
        (bundle / other).unlink(missing_ok=True)
        write_json(bundle / name, {"schema_version": 1, **asdict(self)})
        return bundle / name

    @classmethod
    def read(cls, path: Path) -> Blessing:
        """Inverse of `write`.

        Raises
        ------
        FormatError
            If the file was not written by `write`.
        """
        values = read_json(path)
        try:
            if values.pop("schema_version") != 1:
                raise ValueError("another schema_version")
            if len(values["checks"]) > _MAX_CHECKS:
                raise ValueError(f"more than {_MAX_CHECKS} checks")
            checks = tuple(Check(**entry) for entry in values.pop("checks"))
            blessing = cls(**values, checks=checks)
            if any(type(check.passed) is not bool for check in checks):
                raise ValueError("checks: passed is true or false")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(f"{path}: not a judgement of `tfdeepviz validate` ({error})") from error
        return blessing


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk. Open it with `load`, which checks all of it."""

    path: Path
    manifest: dict[str, Any]
    params: AudioParams
    encoders: tuple[EncoderInfo, ...]
    frontend: Path

    @classmethod
    def load(cls, path: Path) -> Bundle:
        """Read a bundle and check every file's size and hash.

        Raises
        ------
        FormatError
            If a file or field is wrong; the message names it.
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
            check_files(path, files)
            frontend = path / _frontend_path(manifest["frontend"])
            check_files(frontend, manifest["frontend"]["files"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, FormatError):
                raise
            if isinstance(error, ParameterError):
                raise FormatError(f"{path / MANIFEST}: audio: {error}") from error
            raise FormatError(f"{path / MANIFEST}: a field is missing or of the wrong type ({error!r})") from error
        needed = {MAPPINGS, CARD, GOLDENS, *(encoder.model for encoder in encoders)}
        if manifest.get("mappings") != MAPPINGS or needed - set(files):
            raise FormatError(f"{path / MANIFEST}: files: {', '.join(sorted(needed))} have to be listed")
        bundle = cls(path, manifest, params, encoders, frontend)
        _ = bundle.mappings  # reads and checks them
        return bundle

    @property
    def name(self) -> str:
        """Name of the bundle in a registry."""
        return str(self.manifest["name"])

    @property
    def label(self) -> str:
        """Name and version, for display and for results."""
        version = self.manifest.get("version")
        return f"{self.name}/{version}" if version is not None else self.name

    @property
    def n_bytes(self) -> int:
        """Total size of the bundle's files, including the front end."""
        files = [*self.manifest["files"].values(), *self.manifest["frontend"]["files"].values()]
        return sum(entry["bytes"] for entry in files)

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 of the content, independent of location and version: pushing does not change it."""
        frontend = {name: value for name, value in self.manifest["frontend"].items() if name != "path"}
        return _digest({**self.manifest, "version": None, "frontend": frontend})

    @property
    def blessing(self) -> Blessing | None:
        """Verdict of `tfdeepviz validate`; None if there is none, or if the bundle has changed since.

        Raises
        ------
        FormatError
            If the verdict's file is broken.
        """
        for name in (NOT_BLESSED, BLESSED):
            if (self.path / name).is_file():
                blessing = Blessing.read(self.path / name)
                return blessing if blessing.bundle_digest == self.digest else None
        return None

    @cached_property
    def mappings(self) -> Mappings:
        """Mappings that the bundle offers."""
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


def _genres(values: dict[str, Any]) -> tuple[str, ...]:
    if "genres" not in values:
        return ()
    genres, outputs = values["genres"], values["outputs"]
    texts = isinstance(genres, list) and all(isinstance(genre, str) and genre for genre in genres)
    if not texts or not 2 <= len(set(genres)) == len(genres) <= _MAX_GENRES or "genres" not in outputs:
        raise FormatError(f"genres: 2 to {_MAX_GENRES} different names are expected, and an output of the graph")
    return tuple(genres)


def _frontend_path(values: dict[str, Any]) -> str:
    digest, path = _digest(values["files"]), values["path"]
    if values["digest"] != digest:
        raise FormatError(f"frontend: digest={values['digest']!r} is not that of its files ({digest})")
    if path not in (FRONTEND, f"../../{FRONTENDS}/{digest}/"):
        raise FormatError(f"frontend: path={path!r}: neither in the bundle nor where a registry has it")
    if FRONTEND_MODEL not in values["files"]:
        raise FormatError(f"frontend: {FRONTEND_MODEL} has to be listed")
    return str(path)


def _digest(values: dict[str, Any]) -> str:
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def check_files(folder: Path, files: dict[str, dict[str, Any]]) -> None:
    """Raise FormatError unless a folder holds what a manifest lists, each with its size and SHA-256."""
    if not 0 < len(files) <= _MAX_FILES:
        raise FormatError(f"{folder}: between 1 and {_MAX_FILES} files are expected to be listed")
    for name, entry in files.items():
        _check_file(folder, name, entry)


def _check_file(folder: Path, name: str, entry: dict[str, Any]) -> None:
    file = inside(folder, name)
    if file.is_symlink() or not file.is_file():
        raise FormatError(f"{file}: missing; export or pull the bundle again")
    size = file.stat().st_size
    if size > _MAX_FILE_BYTES or size != entry["bytes"]:
        raise FormatError(f"{file}: {size} bytes instead of {entry['bytes']}; export or pull the bundle again")
    if sha256_file(file) != entry["sha256"]:
        raise FormatError(f"{file}: its SHA-256 is not the manifest's; export or pull the bundle again")


def list_files(folder: Path) -> dict[str, dict[str, Any]]:
    """List every file below a folder, with its size and hash."""
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Complete a new bundle: list its files and write the manifest last."""
    files = list_files(folder / FRONTEND)
    frontend = {**manifest["frontend"], "path": FRONTEND, "digest": _digest(files), "files": files}
    others = {name: entry for name, entry in list_files(folder).items() if not name.startswith(FRONTEND)}
    complete = {"schema_version": SCHEMA_VERSION, **manifest, "frontend": frontend, "files": others}
    write_json(folder / MANIFEST, complete)
