"""Schema, reading and writing of bundles (docs/bundle-format.md). No other module knows the layout."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from tfdeepviz import legacy
from tfdeepviz.artifacts import ARTIFACT, Artifact, require_kind
from tfdeepviz.data.segments import Windows
from tfdeepviz.errors import InputError
from tfdeepviz.files import Finite, FormatError, convert, inside, read_json, read_record, sha256_file, write_json
from tfdeepviz.mapping.mappings import SCHEMA_VERSION, Mappings
from tfdeepviz.params import AudioParams

MANIFEST = "manifest.json"
MAPPINGS = "mappings.json"
CARD = "card.md"
GOLDENS = "goldens/goldens.json"
#: Folders of the front end's files: inside a standalone bundle, or in a registry, shared by bundles with the same one.
FRONTEND = "frontend/"
FRONTENDS = "frontends"
FRONTEND_MODEL = "model.json"
BLESSED, NOT_BLESSED = "BLESSED", "NOT_BLESSED"
#: Record of the verdict.
JUDGEMENT = f"judgement.{ARTIFACT}"
#: Baseline that a blessing records when the user asked for no comparison.
NO_BASELINE: Final = "none"

Count = Annotated[int, Meta(ge=1, le=1 << 16)]
Text = Annotated[str, Meta(min_length=1)]


def check_name(name: str) -> None:
    """Raise InputError unless a name can be used as a folder's name and as part of an address."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", name):
        raise InputError(f"name={name!r}: use at most 64 lower-case letters, digits and hyphens")


_Names = Annotated[tuple[Text, ...], Meta(min_length=2, max_length=256)]


class Descriptor(Struct, frozen=True):
    """A word for people, by the mean log-odds of some tags; docs/bundle-format.md says when it is shown."""

    kind: Literal["genre", "mood", "instrument", "voice"]
    name: Text
    tags: Annotated[tuple[Annotated[int, Meta(ge=0, lt=256)], ...], Meta(min_length=1, max_length=256)]  # indices
    typical: Finite
    spread: Annotated[float, Meta(gt=0, le=1e38)]


class Tags(Struct, frozen=True):
    """Tags whose probabilities an encoder gives, and descriptors made of them."""

    names: _Names
    descriptors: Annotated[tuple[Descriptor, ...], Meta(max_length=256)] = ()

    def __post_init__(self) -> None:
        if len(set(self.names)) < len(self.names):
            raise InputError("tags: different names are expected")
        for one in self.descriptors:
            if len(set(one.tags)) < len(one.tags) or max(one.tags) >= len(self.names):
                raise InputError(f"descriptors: {one.name!r}: different indices of tags are expected")
        if len({(one.kind, one.name) for one in self.descriptors}) < len(self.descriptors):
            raise InputError("descriptors: a name occurs twice")


class EncoderInfo(Struct, frozen=True):
    """One encoder of a bundle, as docs/bundle-format.md describes it."""

    name: str
    model: Text
    encoding_size: Count
    window_frames: Count
    window_seconds: Annotated[float, Meta(gt=0, le=1e6)]
    step_seconds: Annotated[float, Meta(gt=0, le=60)]
    time_offset_seconds: Finite
    outputs: dict[str, str] = {}
    genres: _Names = ()
    unsure_below: Annotated[float, Meta(ge=0, le=1)] | None = None  # of the probability of the likeliest genre
    tags: Tags | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.unsure_below is not None and not self.genres:
            raise InputError("unsure_below: only an encoder that gives genres can be unsure of them")
        if self.tags is not None and "tags" not in self.outputs:
            raise InputError("tags: an output of the graph is expected")
        if self.genres and (len(set(self.genres)) < len(self.genres) or "genres" not in self.outputs):
            raise InputError("genres: different names are expected, and an output of the graph")

    @property
    def output_sizes(self) -> dict[str, int]:
        """Sizes of the graph's outputs, by name."""
        return {"encoding": self.encoding_size, **{what: len(names) for what, names in self.probabilities.items()}}

    @property
    def probabilities(self) -> dict[str, tuple[str, ...]]:
        """What the graph gives probabilities of beside encodings: names of `genres` and `tags`, where there are any."""
        named = {"genres": tuple(self.genres), "tags": () if self.tags is None else self.tags.names}
        return {what: names for what, names in named.items() if names}

    def windows(self, params: AudioParams, *, hop_seconds: float | None = None, causal: bool | None = None) -> Windows:
        """Windows that the encoder looks at, by default at its own step."""
        if causal is None:
            causal = self.time_offset_seconds > self.window_seconds / 2
        return Windows(params, self.window_frames, params.hop_frames(hop_seconds or self.step_seconds), causal)

    def check_times(self, params: AudioParams) -> None:
        """Raise InputError unless the times agree with the frames."""
        offsets = [self.windows(params, causal=causal).time_offset_seconds for causal in (False, True)]
        for name, value, possible, what in (
            ("window_seconds", self.window_seconds, [self.window_frames * params.frame_seconds], "length"),
            ("time_offset_seconds", self.time_offset_seconds, offsets, "middle or end"),
        ):
            if min(abs(value - one) for one in possible) >= 1e-6:
                flaw = f"{name}={value}: not the {what} of {self.window_frames} frames"
                raise InputError(f"encoders: {self.name}: {flaw}")


class Check(Struct, frozen=True):
    """One figure by which a bundle was judged."""

    name: str
    value: Finite | None  # None if there is no figure, or if it is not finite
    limit: str  # the requirement in words
    passed: bool
    reason: str = ""  # why it did not pass, and how to fix it


class Blessing(Struct, frozen=True, tag_field="schema_version", tag=1):
    """Verdict of `tfdeepviz validate` on the bundle with a digest. A bundle without any check is not blessed."""

    bundle_digest: str
    created: str
    code_version: str
    machine: str
    baseline: str | None  # label of the version compared with, or `NO_BASELINE`; None if there was no version
    checks: Annotated[tuple[Check, ...], Meta(max_length=1_000)]

    @property
    def is_blessed(self) -> bool:
        """Whether the bundle may be pushed."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def flaws(self) -> str:
        """Why the bundle may not be pushed."""
        failed = [f"{check.name}: {check.reason}" for check in self.checks if not check.passed]
        return "; ".join(failed) or "nothing was checked"

    @property
    def verdict(self) -> str:
        """BLESSED or NOT_BLESSED."""
        return BLESSED if self.is_blessed else NOT_BLESSED

    def write(self, bundle: Path) -> Path:
        """Write the verdict into the bundle, replacing any earlier one; return the file."""
        (bundle / (NOT_BLESSED if self.is_blessed else BLESSED)).unlink(missing_ok=True)
        write_json(bundle / self.verdict, msgspec.to_builtins(self))
        return bundle / self.verdict


class _File(Struct):
    bytes: Annotated[int, Meta(ge=0, le=1 << 30)]
    sha256: str


_Files = Annotated[dict[str, _File], Meta(min_length=1, max_length=1_000)]


class _Frontend(Struct):
    path: str
    digest: str
    files: _Files

    def __post_init__(self) -> None:
        digest = _digest(msgspec.to_builtins(self.files))
        if self.digest != digest:
            raise InputError(f"digest={self.digest!r} is not that of its files ({digest})")
        if self.path not in (FRONTEND, f"../../{FRONTENDS}/{digest}/"):
            raise InputError(f"path={self.path!r}: neither in the bundle nor where a registry has it")
        if FRONTEND_MODEL not in self.files:
            raise InputError(f"files: {FRONTEND_MODEL} must be listed")


class _Manifest(Struct):
    """The fields that are computed with; the rest is for people."""

    schema_version: Literal[3]
    name: str
    audio: dict[str, Any]
    frontend: _Frontend
    encoders: Annotated[tuple[EncoderInfo, ...], Meta(min_length=1, max_length=16)]
    mappings: Literal["mappings.json"]
    files: _Files
    version: Annotated[int, Meta(ge=1)] | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        params = AudioParams.from_dict(self.audio)
        for encoder in self.encoders:
            encoder.check_times(params)
        if len({encoder.name for encoder in self.encoders}) < len(self.encoders):
            raise InputError("encoders: a name occurs twice")
        if missing := {MAPPINGS, CARD, GOLDENS, *(encoder.model for encoder in self.encoders)} - self.files.keys():
            raise InputError(f"files: {', '.join(sorted(missing))} must be listed")


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
        """Read a bundle and check every file's size and hash; raises FormatError, naming the wrong file or field."""
        where = path / MANIFEST
        require_kind(path, "bundle", MANIFEST)
        values = read_json(where, max_bytes=16 << 20)
        manifest = convert(values, _Manifest, where, remedy="export the bundle again")
        frontend = path / manifest.frontend.path
        check_files(path, values["files"])
        check_files(frontend, values["frontend"]["files"])
        bundle = cls(path, values, AudioParams.from_dict(manifest.audio), manifest.encoders, frontend)
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
        parts = (self.manifest, self.manifest["frontend"])
        return sum(entry["bytes"] for part in parts for entry in part["files"].values())

    @property
    def files(self) -> dict[str, Path]:
        """Paths of the manifest and all that it lists, by relative addresses; a front end's may lead up."""
        frontend = self.manifest["frontend"]
        return {
            **{name: self.path / name for name in (*self.manifest["files"], MANIFEST)},
            **{f"{frontend['path']}{name}": self.frontend / name for name in frontend["files"]},
        }

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 of the content, independent of location and version: pushing does not change it."""
        frontend = {name: value for name, value in self.manifest["frontend"].items() if name != "path"}
        return _digest({**self.manifest, "version": None, "frontend": frontend})

    @property
    def record(self) -> Artifact:
        """Its record, which the manifest does not list; raises FormatError if it is broken or another bundle's."""
        digest = f"sha256:{self.digest}"
        if not (self.path / ARTIFACT).is_file():
            return legacy.bundle_record(self.manifest, digest, self.path / MANIFEST)
        record = Artifact.read(self.path / ARTIFACT)
        if (record.kind, record.digest) != ("bundle", digest):
            raise FormatError(f"{self.path / ARTIFACT}: is the record of something else; export the bundle again")
        return record

    @property
    def blessing(self) -> Blessing | None:
        """Verdict of `tfdeepviz validate`; None if there is none, or if the bundle has changed since."""
        for name in (NOT_BLESSED, BLESSED):
            if (self.path / name).is_file():
                blessing = read_record(self.path / name, Blessing, remedy="run `tfdeepviz validate` again")
                return blessing if blessing.bundle_digest == self.digest else None
        return None

    @cached_property
    def mappings(self) -> Mappings:
        """Mappings that the bundle offers."""
        path = self.path / MAPPINGS
        sizes = {encoder.name: encoder.encoding_size for encoder in self.encoders}
        return Mappings.from_dict(read_json(path), sizes, where=path)


def _digest(values: dict[str, Any]) -> str:
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def check_files(folder: Path, files: Mapping[str, dict[str, Any]]) -> None:
    """Raise FormatError unless a folder holds what a manifest lists, each file with its size and SHA-256."""
    again = "export or pull the bundle again"
    for name, entry in files.items():
        file = inside(folder, name)
        if file.is_symlink() or not file.is_file():
            raise FormatError(f"{file}: missing; {again}")
        if (size := file.stat().st_size) != entry["bytes"]:
            raise FormatError(f"{file}: {size} bytes instead of {entry['bytes']}; {again}")
        if sha256_file(file) != entry["sha256"]:
            raise FormatError(f"{file}: its SHA-256 is not the manifest's; {again}")


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
    layout = {"frontend": frontend, "mappings": MAPPINGS, "goldens": GOLDENS, "card": CARD, "files": others}
    write_json(folder / MANIFEST, {"schema_version": SCHEMA_VERSION, **manifest, **layout})
