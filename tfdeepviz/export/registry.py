"""A registry of bundles: versioned folders, and an index that is written last and atomically."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from tfdeepviz.artifacts import ARTIFACT, require_kind
from tfdeepviz.errors import InputError, TfdeepvizError
from tfdeepviz.export.bundle import BLESSED, FRONTENDS, MANIFEST, NOT_BLESSED, Bundle, check_files, check_name
from tfdeepviz.files import FormatError, read_json, read_record, write_json
from tfdeepviz.locks import locked

INDEX = "index.json"

_INCOMING = ".incoming-"


class NotBlessedError(TfdeepvizError, RuntimeError):
    """A bundle that `tfdeepviz validate` has not cleared for pushing."""


_Version = Annotated[int, Meta(ge=1)]


class Entry(Struct, frozen=True):
    """A named bundle of a registry: its versions in ascending order, and the one that readers load, with its title."""

    name: str
    title: str
    versions: tuple[_Version, ...]
    latest: _Version

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.name == FRONTENDS:
            raise InputError(f"name={self.name!r}: is where a registry keeps front ends")


class Index(Struct, tag_field="schema_version", tag=1):
    """Contents of `index.json`; a player starts with the first bundle."""

    bundles: list[Entry]


def push(bundle: Path, registry: Path, *, first: bool = False) -> Path:
    """Copy a blessed bundle into a registry as `<name>/<version>/`, the next version of its name; return the folder.

    With `first`, the bundle becomes the first of the index, where a player starts. Otherwise it keeps its place, or
    comes last if new.

    Raises
    ------
    FormatError
        If the bundle is broken.
    NotBlessedError
        If it is not blessed, has changed since, or replaces a version without having been compared with one.
    """
    source = Bundle.load(bundle)
    _refuse_unblessed(source)
    if source.name == FRONTENDS:
        raise FormatError(f"{bundle}: name={source.name!r} is where a registry keeps front ends; export with --name")
    home = registry / source.name
    registry.mkdir(parents=True, exist_ok=True)
    with locked(registry, wait=True):
        _refuse_uncompared(source, registry)
        version = max(_versions(home), default=0) + 1
        for left in registry.glob(f"{_INCOMING}*"):
            shutil.rmtree(left)  # left by a killed writer: the lock rules out a running one
        # Inside the registry, so that renames stay within one file system; readers ignore names with a dot.
        staging = Path(tempfile.mkdtemp(dir=registry, prefix=_INCOMING))
        try:
            copy, frontend = _copy(source, staging, registry, version)
            _share(source, frontend, registry / FRONTENDS)
            home.mkdir(exist_ok=True)
            copy.rename(home / str(version))
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        _write_index(registry, {source.name: version}, first=source.name if first else None)
    return home / str(version)


def _refuse_unblessed(bundle: Bundle) -> None:
    blessing = bundle.blessing
    if blessing is None:
        raise NotBlessedError(f"{bundle.path}: not blessed; run `{_validate(bundle.path)}` first")
    if not blessing.is_blessed:
        failed = [check for check in blessing.checks if not check.passed]
        why = "; ".join(f"{check.name}: {check.reason}" for check in failed) or "nothing was checked"
        raise NotBlessedError(f"{bundle.path}: {NOT_BLESSED} ({why})")


def _refuse_uncompared(bundle: Bundle, registry: Path) -> None:
    """Reject an uncompared replacement, unless the user asked for no comparison or the bundle is the same."""
    blessing = bundle.blessing
    assert blessing is not None
    if blessing.baseline is None and bundle.name in {entry.name for entry in _listed(registry)}:
        with suppress(FormatError):  # a broken current version is a different bundle
            if find(registry, bundle.name).digest == bundle.digest:
                return
        raise NotBlessedError(
            f"{bundle.path}: was not compared with the {bundle.name!r} of {registry}, which it would replace; run "
            f"`{_validate(bundle.path, '--registry', registry)}` first"
        )


def _validate(*arguments: str | Path) -> str:
    return shlex.join(["tfdeepviz", "validate", *map(str, arguments)])


def _copy(source: Bundle, staging: Path, registry: Path, version: int) -> tuple[Path, Path]:
    """Copy a bundle into registry layout and check the copy; return the folders of the copy and its front end."""
    digest = source.manifest["frontend"]["digest"]
    frontend, copy = staging / FRONTENDS / digest, staging / source.name / str(version)
    for origin, names, to in (
        (source.frontend, source.manifest["frontend"]["files"], frontend),
        (source.path, [*source.manifest["files"], BLESSED], copy),
    ):
        for name in names:
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin / name, to / name)
    shared = {**source.manifest["frontend"], "path": f"../../{FRONTENDS}/{digest}/"}
    write_json(copy / MANIFEST, {**source.manifest, "version": version, "frontend": shared})
    if (source.path / ARTIFACT).is_file():  # bundles of version 0.1.0 have none
        source.record.moved(source.path, registry / source.name / str(version)).write(copy / ARTIFACT)
    _refuse_unblessed(Bundle.load(copy))
    return copy, frontend


def _share(source: Bundle, frontend: Path, shared: Path) -> None:
    """Move a checked front end to where all bundles find it, unless it is already there."""
    shared.mkdir(exist_ok=True)
    place = shared / frontend.name
    if place.exists():
        try:
            check_files(place, source.manifest["frontend"]["files"])
            return
        except FormatError:
            place.rename(frontend.parent / "broken")
    frontend.rename(place)


def entries(registry: Path) -> list[Entry]:
    """Read a registry's index.

    Raises
    ------
    FormatError
        If the index is missing or broken.
    """
    require_kind(registry, "registry", INDEX)
    return read_record(registry / INDEX, Index, remedy="delete the index and push a bundle").bundles


def _listed(registry: Path) -> list[Entry]:
    return entries(registry) if (registry / INDEX).is_file() else []


def find(registry: Path, name: str, version: int | None = None) -> Bundle:
    """Open a version of a bundle, by default the current one, and check all of it.

    Raises
    ------
    FormatError
        If the version is missing or broken.
    """
    found = {entry.name: entry for entry in entries(registry)}
    if name not in found:
        raise FormatError(f"{registry}: holds no {name!r}; choose one of {', '.join(found)}")
    version = found[name].latest if version is None else version
    if version not in found[name].versions:
        raise FormatError(f"{name}: has no version {version}; there are {', '.join(map(str, found[name].versions))}")
    return Bundle.load(registry / name / str(version))


def rollback(registry: Path, name: str, version: int) -> None:
    """Make an earlier or later version, checked by `find`, the current one; the next push becomes current again."""
    with locked(registry, wait=True):
        find(registry, name, version)
        _write_index(registry, {name: version})


def prune(registry: Path, *, keep: int = 1) -> list[Path]:
    """Delete all versions of each bundle but the newest `keep` and the current one, and front ends no longer used.

    Returns the folders of the deleted versions; raises InputError if `keep` is below 1.
    """
    if keep < 1:
        raise InputError(f"keep={keep}: give at least 1")
    with locked(registry, wait=True):
        old = [
            registry / entry.name / str(version)
            for entry in entries(registry)
            for version in entry.versions[:-keep]
            if version != entry.latest
        ]
        for path in old:
            # A folder without a manifest is not a version, so an interruption leaves no half-deleted version.
            (path / MANIFEST).unlink()
        _write_index(registry, {})
        for path in old:
            shutil.rmtree(path)
        used = {
            read_json(home / str(version) / MANIFEST)["frontend"]["digest"]
            for home in _homes(registry)
            for version in _versions(home)
        }
        for frontend in (registry / FRONTENDS).glob("*"):
            if frontend.name not in used:
                shutil.rmtree(frontend)
    return old


def verify(registry: Path) -> Iterator[tuple[str, str | None]]:
    """Check every version in a registry completely, and that the index lists what exists.

    Yields the name and the problem (None if fine) of each version `NAME/VERSION`, and finally of the index. Raises
    FormatError if there is no readable index.
    """
    listed = entries(registry)
    for entry in listed:
        for version in entry.versions:
            label = f"{entry.name}/{version}"
            try:
                bundle = Bundle.load(registry / entry.name / str(version))
                _ = bundle.record  # reads and checks it
                yield label, None if bundle.label == label else f"its manifest says {bundle.label}"
            except FormatError as error:
                yield label, str(error)
    there = {home.name: versions for home in _homes(registry) if (versions := _versions(home))}
    known = {entry.name: entry.versions for entry in listed}
    lost = {entry.name for entry in listed if entry.latest not in entry.versions}
    wrong = sorted(lost | {name for name in there | known if there.get(name) != known.get(name)})
    yield INDEX, f"does not match the versions of {', '.join(wrong)}; push a bundle to rewrite it" if wrong else None


def _homes(registry: Path) -> list[Path]:
    folders = (path for path in registry.iterdir() if path.is_dir())
    return [path for path in folders if path.name != FRONTENDS and not path.name.startswith(".")]


def _versions(home: Path) -> tuple[int, ...]:
    paths = home.iterdir() if home.is_dir() else []
    return tuple(sorted(int(path.name) for path in paths if path.name.isdecimal() and (path / MANIFEST).is_file()))


def _write_index(registry: Path, latest: dict[str, int], *, first: str | None = None) -> None:
    """List existing versions, keeping the previous order; `latest` sets new current versions for some names."""
    before = _listed(registry)
    latest = {entry.name: entry.latest for entry in before} | latest
    places = {entry.name: place for place, entry in enumerate(before)}
    homes = sorted(
        _homes(registry), key=lambda home: (home.name != first, places.get(home.name, len(places)), home.name)
    )
    index = Index([])
    for home in homes:
        if versions := _versions(home):
            chosen = latest.get(home.name)
            chosen = chosen if chosen in versions else versions[-1]
            title = read_json(home / str(chosen) / MANIFEST).get("title", home.name)
            index.bundles.append(Entry(home.name, str(title), versions, chosen))
    write_json(registry / INDEX, msgspec.to_builtins(index))
