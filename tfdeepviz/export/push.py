"""Pushing bundles to a registry: versioned, atomic, the index last."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfdeepviz.data.files import read_json, write_json
from tfdeepviz.export.bundle import MANIFEST, Bundle

SCHEMA_VERSION = 1


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
        write_json(registry / "index.json", _index(registry, source.name if first else None))
    return target


def _versions(home: Path) -> list[int]:
    if not home.is_dir():
        return []
    return sorted(int(path.name) for path in home.iterdir() if path.name.isdecimal() and (path / MANIFEST).is_file())


def _index(registry: Path, first: str | None) -> dict[str, Any]:
    before = read_json(registry / "index.json")["bundles"] if (registry / "index.json").is_file() else []
    places = {entry["name"]: place for place, entry in enumerate(before)}
    homes = [path for path in registry.iterdir() if path.is_dir() and not path.name.startswith(".")]
    bundles = []
    for home in sorted(homes, key=lambda home: (home.name != first, places.get(home.name, len(places)), home.name)):
        if versions := _versions(home):
            title = read_json(home / str(versions[-1]) / MANIFEST).get("title", home.name)
            bundles.append({"name": home.name, "title": title, "versions": versions, "latest": versions[-1]})
    return {"schema_version": SCHEMA_VERSION, "bundles": bundles}


@contextmanager
def _locked(registry: Path) -> Iterator[None]:
    """Let one pusher at a time choose a version; the lock goes with its process, however that ends."""
    folder = os.open(registry, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
