"""Records of what was made and from what: `artifact.json` in each folder that is written, or beside a file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, get_args

import msgspec

from tfdeepviz.files import FormatError, read_json, read_record, sha256_file, write_json
from tfdeepviz.locks import LOCK
from tfdeepviz.provenance import code_digest, code_version, command

#: Name of the record in a folder; of a file `x.html` it is `x.artifact.json`.
ARTIFACT = "artifact.json"

Kind = Literal["corpus", "index", "dataset", "outputs", "run", "search", "evaluation", "bundle", "judgement", "report"]

#: What the code of each step makes of the same settings and inputs. Raise a number when that changes, and only then:
#: `tfdeepviz pipeline` makes results of another number again.
STEP_SCHEMAS: dict[Kind, int] = dict.fromkeys(get_args(Kind), 1)

_MAX_BYTES = 16 << 20

_Name = Annotated[str, msgspec.Meta(max_length=4_096)]
_Text = Annotated[str, msgspec.Meta(max_length=1 << 16)]
Digest = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}$")]


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """A record of what was made, by which command and code. Settings and inputs determine the content."""

    kind: Kind
    name: _Name  # for people
    digest: Digest | None = None  # of the content; None while it is unfinished, and for a corpus elsewhere
    settings: dict[str, Any] = {}
    inputs: tuple[Input, ...] = ()  # roles differ
    facts: dict[str, Any] = {}  # to show: metrics, numbers of tracks, licences
    command: _Text | None = None
    code_version: _Name | None = None
    code_digest: _Name | None = None
    created: _Name | None = None
    step_schema: int = 0  # of `STEP_SCHEMAS`; 0 for what other programs or version 0.1.0 made
    schema_version: Literal[1] = 1

    @classmethod
    def planned(cls, kind: Kind, name: str, settings: Mapping[str, Any], inputs: Iterable[Input] = ()) -> Artifact:
        """Return the record of what this process is about to make."""
        return cls(
            kind=kind,
            name=name,
            settings=json.loads(json.dumps(settings, allow_nan=False)),
            inputs=tuple(inputs),
            command=command(),
            code_version=code_version(),
            code_digest=code_digest(),
            created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            step_schema=STEP_SCHEMAS[kind],
        )

    @classmethod
    def read(cls, path: Path) -> Artifact:
        """Read a record; raises FormatError if it is missing or broken."""
        try:
            return read_record(path, cls, max_bytes=_MAX_BYTES)
        except RecursionError as error:
            raise FormatError(f"{path}: inputs are nested too deeply") from error

    def write(self, path: Path) -> None:
        """Write the record atomically."""
        write_json(path, msgspec.to_builtins(self))

    def input(self, role: str) -> Input:
        """Return the input with a role; raises FormatError if there is none."""
        for one in self.inputs:
            if one.role == role:
                return one
        raise FormatError(f"the record of {self.name} names no {role}; make it again")

    def finished(self, digest: str | None, **facts: Any) -> Artifact:
        """Return the record of the finished content, with further facts."""
        return msgspec.structs.replace(self, digest=digest, facts={**self.facts, **facts})

    def moved(self, old: Path, new: Path) -> Artifact:
        """Return the record for a copy of its folder `old` at `new`."""
        inputs = (
            one if place is None else Input.at(place, one.artifact, seen_from=new, role=one.role)
            for one in self.inputs
            for place in [one.place(old)]
        )
        return msgspec.structs.replace(self, inputs=tuple(inputs))

    def changes(self, before: Artifact) -> list[str]:
        """Dotted names of settings that differ, and roles of inputs whose content does."""
        old, new = (
            {**dict(flat(record.settings)), **{one.role: one.artifact.digest for one in record.inputs}}
            for record in (before, self)
        )
        return [name for name in {**old, **new} if name not in old or name not in new or old[name] != new[name]]


class Input(msgspec.Struct, frozen=True):
    """What something was made from: its role, its path, and its record at that time.

    The path is relative to the folder of the record that names it, so that both can move together; absolute where they
    share no folder; a URL; or None if it is unknown.
    """

    role: _Name
    path: _Name | None
    artifact: Artifact

    @classmethod
    def at(cls, place: Path, artifact: Artifact, *, seen_from: Path, role: str | None = None) -> Input:
        """Return an input of a record in the folder `seen_from`; its role is its kind by default."""
        there, here = place.resolve(), seen_from.resolve()
        has_shared = here.anchor == there.anchor and here.parts[1:2] == there.parts[1:2]
        path = Path(os.path.relpath(there, here)) if has_shared else there
        return cls(role or artifact.kind, path.as_posix(), artifact)

    @classmethod
    def of(cls, thing: Recorded, *, seen_from: Path, role: str | None = None) -> Input:
        """Return a dataset, run or bundle as an input, see `at`."""
        return cls.at(thing.path, thing.record, seen_from=seen_from, role=role)

    def place(self, seen_from: Path) -> Path | None:
        """Where it was, given the folder of the record; None if unknown, or if that is a URL."""
        if self.path is None or "://" in self.path or "\0" in self.path:
            return None
        return Path(os.path.normpath(seen_from.resolve() / self.path))


class Recorded(Protocol):
    """A dataset, run or bundle on disk."""

    @property
    def path(self) -> Path:
        """Its folder."""

    @property
    def record(self) -> Artifact:
        """Its record."""


#: What folders of each kind are called, and the commands that make and check them.
_FOLDERS = {
    "corpus": ("a corpus", "demo-corpus` or `tfdeepviz download", "index"),
    "dataset": ("a prepared dataset", "prepare", "inspect"),
    "run": ("a training run", "train", "evaluate"),
    "bundle": ("a bundle", "export", "validate"),
    "registry": ("a registry", "push", "registry verify"),
}


def kind_of(folder: Path) -> str | None:
    """What a folder holds, judged by its record or, without one, by its files; None if tfdeepviz did not write it."""
    with suppress(FormatError):
        kind = str(read_json(folder / ARTIFACT, max_bytes=_MAX_BYTES).get("kind"))
        return kind if kind in _FOLDERS else None
    if (folder / "fma_metadata").is_dir():
        return "corpus"
    for file, kind, field in (
        ("index.json", "registry", "bundles"),
        ("config.json", "run", "preset"),
        ("manifest.json", "dataset", "shards"),
        ("manifest.json", "bundle", "encoders"),
    ):
        with suppress(FormatError):
            if field in read_json(folder / file, max_bytes=_MAX_BYTES):
                return kind
    return None


def require_kind(folder: Path, kind: str, mark: str, *, remedy: str = "") -> None:
    """Raise a FormatError unless a folder is of a kind, whose folders have a file `mark`; it names what is there."""
    found = kind_of(folder) or kind
    wanted, make, _ = _FOLDERS[kind]
    if found != kind:
        other, _, check = _FOLDERS[found]
        raise FormatError(
            f"{folder}: holds {other}, not {wanted}; `tfdeepviz {check}` checks {other}, `tfdeepviz {make}` makes "
            f"{wanted}"
        )
    if not (folder / mark).is_file():
        flaw = f"{mark} is missing" if folder.exists() else "there is no such folder"
        raise FormatError(f"{folder}: not {wanted} ({flaw}); {remedy or f'make one with `tfdeepviz {make}`'}")


def beside(file: Path) -> Path:
    """Path of the record of a single file."""
    return file.with_name(f"{file.stem}.{ARTIFACT}")


def is_free(folder: Path) -> bool:
    """Whether a folder is missing, or empty except for a lock."""
    return not folder.exists() or all(path.name == LOCK for path in folder.iterdir())


def begun(folder: Path, wanted: Artifact, *, may_change: Collection[str] = ()) -> Artifact | None:
    """Return the record of an artifact that was begun in a folder; None if the folder is free. See `claim`."""
    path = folder / ARTIFACT
    if not path.exists():
        if is_free(folder):
            return None
        raise FormatError(
            f"{folder}: not empty, and not a {wanted.kind} of this version ({ARTIFACT} is missing); give another folder"
        )
    before = Artifact.read(path)
    if before.kind != wanted.kind:
        raise FormatError(f"{folder}: holds a {before.kind}, not a {wanted.kind}; give another folder")
    if changed := [name for name in wanted.changes(before) if name not in may_change]:
        raise FormatError(
            f"{folder}: holds a {wanted.kind} with another {', '.join(changed)}; give another folder to make this one"
        )
    return before


def claim(folder: Path, wanted: Artifact, *, may_change: Collection[str] = ()) -> Artifact:
    """Begin an artifact in a free folder, or go on with the same one, and return its record.

    What was begun before keeps its command, code and time; `may_change` are settings and roles of inputs that may
    differ from those it was begun with. If the folder holds anything else, a FormatError names what differs.
    """
    before = begun(folder, wanted, may_change=may_change)
    record = wanted
    if before is not None:
        digest = before.digest if not wanted.changes(before) else None
        record = msgspec.structs.replace(before, settings=wanted.settings, inputs=wanted.inputs, digest=digest)
    if record != before:
        record.write(folder / ARTIFACT)
    return record


def finish(folder: Path, digest: str, **facts: Any) -> None:
    """Note in a claimed folder that its content is complete."""
    Artifact.read(folder / ARTIFACT).finished(digest, **facts).write(folder / ARTIFACT)


def reopen(folder: Path) -> None:
    """Note in a claimed folder that its content is about to change."""
    Artifact.read(folder / ARTIFACT).finished(None).write(folder / ARTIFACT)


def record_report(page: Path, settings: Mapping[str, Any], inputs: Mapping[str, Recorded]) -> None:
    """Write the record of a page, which was made from things with these roles."""
    seen = [Input.of(thing, seen_from=page.parent, role=role) for role, thing in inputs.items()]
    record = Artifact.planned("report", page.name, settings, seen)
    record.finished(digest_of_files(page)).write(beside(page))


def figures(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The split that says most among a run's metrics, and its plain numbers."""
    split = next((split for split in ("test", "validation", "training") if split in metrics), None)
    values = metrics[split].items() if split else ()
    return {"split": split, **{name: value for name, value in values if isinstance(value, int | float)}}


def digest_of(values: Mapping[str, Any]) -> str:
    """SHA-256 of JSON values."""
    return f"sha256:{hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()}"


def digest_of_files(*paths: Path) -> str:
    """SHA-256 of the names and contents of files in one folder."""
    return digest_of({path.name: sha256_file(path) for path in paths})


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Values of nested tables, by dotted names."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
