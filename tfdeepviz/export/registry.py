"""A registry of bundles: versioned folders and an index that is replaced atomically and last."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfdeepviz.data.files import FormatError, read_json, write_json
from tfdeepviz.export.bundle import MANIFEST, Bundle

SCHEMA_VERSION = 1
INDEX = "index.json"


@dataclass(frozen=True)
class Entry:
    """One name of a registry.

    Attributes
    ----------
    name, title
        Of the bundle; the title is its latest version's.
    versions
        Those that are there, rising.
    latest
        The one that readers take.
    """

    name: str
    title: str
    versions: tuple[int, ...]
    latest: int


def push(bundle: Path, registry: Path, *, first: bool = False) -> Path:
    """Copy a bundle into a registry under the next version of its name.

    Parameters
    ----------
    bundle
        A complete bundle; every hash is checked first.
    registry
        Folder of `<name>/<version>/` with `index.json`; made if missing.
    first
        Put the bundle first in the index, where a player begins; otherwise it keeps its place, or comes last.

    Returns
    -------
    Path
        The folder of the new version.

    Raises
    ------
    FormatError
        If the bundle is broken.
    """
    source = Bundle.load(bundle)
    registry.mkdir(parents=True, exist_ok=True)
    with _locked(registry):
        home = registry / source.name
        version = max(_versions(home), default=0) + 1
        # Beside the versions, so that the rename stays within one file system; readers ignore names that are no number.
        staging = Path(tempfile.mkdtemp(dir=registry, prefix=".incoming-"))
        try:
            for name in source.manifest["files"]:
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(bundle / name, staging / name)
            write_json(staging / MANIFEST, {**source.manifest, "version": version})
            Bundle.load(staging)
            staging.chmod(0o755)
            home.mkdir(exist_ok=True)
            target = staging.rename(home / str(version))
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        _write_index(registry, {source.name: version}, first=source.name if first else None)
    return target


def entries(registry: Path) -> list[Entry]:
    """Read a registry's index.

    Raises
    ------
    FormatError
        If there is none, or it is broken.
    """
    path = registry / INDEX
    if not path.is_file():
        raise FormatError(f"{registry}: no registry ({INDEX} is missing); make one with `tfdeepviz push`")
    values = read_json(path)
    try:
        if values["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema_version={values['schema_version']!r}, this version reads {SCHEMA_VERSION}")
        listed = [Entry(**{**entry, "versions": tuple(entry["versions"])}) for entry in values["bundles"]]
        for entry in listed:
            # A name becomes a path.
            if not isinstance(entry.name, str) or Path(entry.name).name != entry.name or entry.name.startswith("."):
                raise ValueError(f"name={entry.name!r}")
            if not all(type(version) is int and version > 0 for version in (*entry.versions, entry.latest)):
                raise ValueError(f"{entry.name}: versions={entry.versions}, latest={entry.latest!r}")
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{path}: not a registry's index ({error}); delete it and push a bundle") from error
    return listed


def find(registry: Path, name: str, version: int | None = None) -> Bundle:
    """Open a version of a bundle, by default the latest, and check it whole.

    Raises
    ------
    FormatError
        If it is not there, or broken.
    """
    found = {entry.name: entry for entry in entries(registry)}
    if name not in found:
        raise FormatError(f"{registry}: holds no {name!r}; choose one of {', '.join(found)}")
    version = found[name].latest if version is None else version
    if version not in found[name].versions:
        raise FormatError(f"{name}: has no version {version}; there are {', '.join(map(str, found[name].versions))}")
    return Bundle.load(registry / name / str(version))


def rollback(registry: Path, name: str, version: int) -> None:
    """Let readers take an earlier version, or a later one again; nothing is deleted, and the next push is the latest.

    Raises
    ------
    FormatError
        If it is not there, or broken.
    """
    with _locked(registry):
        find(registry, name, version)
        _write_index(registry, {name: version})


def prune(registry: Path, *, keep: int = 1) -> list[Path]:
    """Delete old versions: of each name all but the newest `keep` and the one that readers take.

    Returns
    -------
    list of Path
        What was deleted.

    Raises
    ------
    ValueError
        If `keep` is below 1.
    """
    if keep < 1:
        raise ValueError(f"keep={keep}: give at least 1")
    with _locked(registry):
        old = [
            registry / entry.name / str(version)
            for entry in entries(registry)
            for version in entry.versions[:-keep]
            if version != entry.latest
        ]
        for path in old:
            # Without its manifest it is no version any more, so that a kill in the middle leaves none half there.
            (path / MANIFEST).unlink()
        _write_index(registry, {})
        for path in old:
            shutil.rmtree(path)
    return old


def verify(registry: Path) -> Iterator[tuple[str, str | None]]:
    """Check every version in a registry whole, and that the index lists what is there.

    Yields
    ------
    tuple
        Of each version `NAME/VERSION`, and at the end of the index: what it is, and what is wrong with it or None.

    Raises
    ------
    FormatError
        If there is no index that can be read.
    """
    listed = entries(registry)
    for entry in listed:
        for version in entry.versions:
            label = f"{entry.name}/{version}"
            try:
                loaded = Bundle.load(registry / entry.name / str(version)).label
                yield label, None if loaded == label else f"says of itself that it is {loaded}"
            except FormatError as error:
                yield label, str(error)
    there = {home.name: tuple(_versions(home)) for home in _homes(registry) if _versions(home)}
    known = {entry.name: entry.versions for entry in listed}
    lost = [entry.name for entry in listed if entry.latest not in entry.versions]
    wrong = sorted({name for name in there | known if there.get(name) != known.get(name)} | set(lost))
    yield INDEX, f"does not list what is there of {', '.join(wrong)}; push a bundle to write it anew" if wrong else None


def _homes(registry: Path) -> list[Path]:
    return [path for path in registry.iterdir() if path.is_dir() and not path.name.startswith(".")]


def _versions(home: Path) -> list[int]:
    if not home.is_dir():
        return []
    return sorted(int(path.name) for path in home.iterdir() if path.name.isdecimal() and (path / MANIFEST).is_file())


def _write_index(registry: Path, latest: dict[str, int], *, first: str | None = None) -> None:
    """List what is there, in the order of before; `latest` is what readers take from now on of some names."""
    before = entries(registry) if (registry / INDEX).is_file() else []
    latest = {**{entry.name: entry.latest for entry in before}, **latest}
    places = {entry.name: place for place, entry in enumerate(before)}
    bundles: list[dict[str, Any]] = []
    for home in sorted(
        _homes(registry), key=lambda home: (home.name != first, places.get(home.name, len(places)), home.name)
    ):
        if versions := _versions(home):
            chosen = latest.get(home.name)
            chosen = chosen if chosen in versions else versions[-1]
            title = read_json(home / str(chosen) / MANIFEST).get("title", home.name)
            bundles.append(asdict(Entry(home.name, str(title), tuple(versions), chosen)))
    write_json(registry / INDEX, {"schema_version": SCHEMA_VERSION, "bundles": bundles})


@contextmanager
def _locked(registry: Path) -> Iterator[None]:
    """Let one writer at a time change a registry; the lock goes with its process, however that ends."""
    folder = os.open(registry, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
