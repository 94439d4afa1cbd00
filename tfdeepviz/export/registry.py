"""A registry of bundles: versioned folders, and an index that is written last and atomically."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from tfdeepviz.artifacts import ARTIFACT, require_kind
from tfdeepviz.errors import InputError, TfdeepvizError
from tfdeepviz.export.bundle import BLESSED, FRONTENDS, MANIFEST, NOT_BLESSED, Blessing, Bundle, check_files, check_name
from tfdeepviz.files import FormatError, read_json, read_record, remove_leftovers, temporary_folder, write_json
from tfdeepviz.locks import locked

INDEX = "index.json"


class NotBlessedError(TfdeepvizError, RuntimeError):
    """A bundle that `tfdeepviz validate` has not cleared for pushing."""


def check_bundle_name(name: str) -> None:
    """Raise InputError unless a registry can hold a bundle of that name."""
    check_name(name)
    if name == FRONTENDS:
        raise InputError(f"name={name!r}: a registry keeps its front ends there; export with another --name")


_Version = Annotated[int, Meta(ge=1)]


class Entry(Struct, frozen=True):
    """A named bundle of a registry: its versions in ascending order, and the one that readers load, with its title."""

    name: str
    title: str
    versions: tuple[_Version, ...]
    latest: _Version

    def __post_init__(self) -> None:
        check_bundle_name(self.name)


class Index(Struct, tag_field="schema_version", tag=1):
    """Contents of `index.json`; a player starts with the first bundle."""

    bundles: list[Entry]


def push(bundle: Path, registry: Path, *, first: bool = False) -> Path:
    """Copy a blessed bundle into a registry as `<name>/<version>/`, the next version of its name; return the folder.

    With `first`, the bundle becomes the first of the index, where a player starts. Otherwise it keeps its place, or
    comes last if new.

    Raises NotBlessedError if the bundle is not blessed, has changed since, or replaces a version without having been
    compared with one.
    """
    source = Bundle.load(bundle)
    blessing, name = _blessing(source), source.name
    check_bundle_name(name)
    registry.mkdir(parents=True, exist_ok=True)
    with locked(registry, wait=True):
        is_new = name not in {entry.name for entry in entries(registry, missing_ok=True)}
        if blessing.baseline is None and not is_new and not _is_current(source, registry):
            raise NotBlessedError(
                f"{bundle}: was not compared with the {name!r} of {registry}, which it would replace; run "
                f"`{_validate(bundle, '--registry', registry)}` first"
            )
        target = registry / name / str(max(_on_disk(registry).get(name, ()), default=0) + 1)
        remove_leftovers(registry)
        # Inside the registry, so that renames stay within one file system; readers ignore names with a dot.
        with temporary_folder(registry) as staging:
            copy, frontend = _copy(source, staging, target)
            _share(source, frontend, registry / FRONTENDS)
            target.parent.mkdir(exist_ok=True)
            copy.rename(target)
        _write_index(registry, {name: int(target.name)}, first=[name] if first else [])
    return target


def _blessing(bundle: Bundle) -> Blessing:
    """Return the verdict on a bundle; raises NotBlessedError unless that is BLESSED."""
    blessing = bundle.blessing
    if blessing is None:
        raise NotBlessedError(f"{bundle.path}: not blessed; run `{_validate(bundle.path)}` first")
    if not blessing.is_blessed:
        raise NotBlessedError(f"{bundle.path}: {NOT_BLESSED} ({blessing.flaws})")
    return blessing


def _is_current(bundle: Bundle, registry: Path) -> bool:
    """Whether readers of a registry take the same bundle already."""
    try:
        return find(registry, bundle.name).digest == bundle.digest
    except FormatError:  # a broken current version is a different bundle
        return False


def _validate(*arguments: str | Path) -> str:
    return shlex.join(["tfdeepviz", "validate", *map(str, arguments)])


def _copy(source: Bundle, staging: Path, target: Path) -> tuple[Path, Path]:
    """Copy a bundle to be moved to `target` and check the copy; return the folders of the copy and its front end."""
    described = source.manifest["frontend"]
    copy, frontend = staging / source.name / target.name, staging / FRONTENDS / described["digest"]
    for origin, names, to in (
        (source.path, [*source.manifest["files"], BLESSED], copy),
        (source.frontend, described["files"], frontend),
    ):
        for name in names:
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin / name, to / name)
    shared = {**described, "path": f"../../{FRONTENDS}/{frontend.name}/"}
    write_json(copy / MANIFEST, {**source.manifest, "version": int(target.name), "frontend": shared})
    if (source.path / ARTIFACT).is_file():  # bundles of version 0.1.0 have none
        source.record.moved(source.path, target).write(copy / ARTIFACT)
    _blessing(Bundle.load(copy))
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


def entries(registry: Path, *, missing_ok: bool = False) -> list[Entry]:
    """Read a registry's index; raises FormatError if it is broken, or missing and not `missing_ok`."""
    if missing_ok and not (registry / INDEX).is_file():
        return []
    require_kind(registry, "registry", INDEX)
    return read_record(registry / INDEX, Index, remedy="delete the index and push a bundle").bundles


def find(registry: Path, name: str, version: int | None = None) -> Bundle:
    """Open a version of a bundle, by default the current one; raises FormatError if it is missing or broken."""
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
    """Delete all versions but the newest `keep` of each bundle and the current one, and front ends no longer used.

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
            read_json(registry / name / str(version) / MANIFEST)["frontend"]["digest"]
            for name, versions in _on_disk(registry).items()
            for version in versions
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
    there, known = _on_disk(registry), {entry.name: entry.versions for entry in listed}
    lost = {entry.name for entry in listed if entry.latest not in entry.versions}
    wrong = sorted(lost | {name for name in there | known if there.get(name) != known.get(name)})
    yield INDEX, f"does not match the versions of {', '.join(wrong)}; push a bundle to rewrite it" if wrong else None


def _on_disk(registry: Path) -> dict[str, tuple[int, ...]]:
    """Versions of each bundle that are there, in ascending order, whatever the index says."""
    found: dict[str, list[int]] = {}
    for version in (manifest.parent for manifest in sorted(registry.glob(f"*/*/{MANIFEST}"))):
        name = version.parent.name
        if version.name.isdecimal() and name != FRONTENDS and not name.startswith("."):
            found.setdefault(name, []).append(int(version.name))
    return {name: tuple(sorted(versions)) for name, versions in found.items()}


def _write_index(registry: Path, latest: Mapping[str, int], *, first: Sequence[str] = ()) -> None:
    """List existing versions, keeping the previous order; `latest` sets new current versions for some names."""
    before, there = {entry.name: entry for entry in entries(registry, missing_ok=True)}, _on_disk(registry)
    index = Index([])
    for name in dict.fromkeys([*first, *before, *there]):
        if name in there:
            chosen = latest.get(name, before[name].latest if name in before else 0)
            chosen = chosen if chosen in there[name] else there[name][-1]
            title = read_json(registry / name / str(chosen) / MANIFEST).get("title", name)
            index.bundles.append(Entry(name, str(title), there[name], chosen))
    write_json(registry / INDEX, msgspec.to_builtins(index))
