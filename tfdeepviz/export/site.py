"""The playground with its models and music as plain files, for hosts that only serve files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from tfdeepviz.export import registry as registries
from tfdeepviz.export.bundle import BLESSED, Bundle
from tfdeepviz.files import FormatError, inside, read_record, temporary_folder, write_json
from tfdeepviz.provenance import code_version

SITE = "site.json"
REGISTRY, TRACKS, FMA = "registry", "tracks", "fma"
# The page requests a list of FMA's tracks. A site has none: an empty list is fine, a missing one is an error.
_NO_TRACKS = {"schema_version": 1, "genres": [], "artists": [], "licences": [], "tracks": []}

# The page, and the service worker that isolates it if the host does not send the headers.
_BUILT = ("index.html", "service-worker.js")
# Unless this file exists, GitHub Pages runs Jekyll, which drops files such as `__vite-*.js`.
_NO_JEKYLL = ".nojekyll"


class _Site(Struct):
    """Contents of `site.json`: the files of a site, so that it can be replaced without deleting anything else."""

    schema_version: Literal[1]
    code_version: str
    files: list[str]


class _Track(Struct):
    file: str


class _Tracks(Struct):
    schema_version: Literal[1]
    tracks: list[_Track]


def write_site(out: Path, *, static: Path, registry: Path, tracks: Path, replace: bool = False) -> Path:
    """Write a site that any static file host can serve, under any path, and return its folder `out`.

    The site is the front end's build `static`, except names that begin with a dot, the current version of each bundle
    in the registry, and the demo tracks that are listed. It appears complete or not at all; with `replace`, an old site
    stays until the new one is complete, and is only missing for the moment between two renames.

    Raises
    ------
    FileExistsError
        If `out` exists and `replace` is false, or if it contains files that do not belong to a site.
    FormatError
        If the front end is not built, a bundle or a list is broken, or a symbolic link leads out of its folder.
    """
    if out.exists():
        if not replace:
            raise FileExistsError(f"{out}: exists; give another folder, or --replace if `tfdeepviz site` wrote it")
        _refuse_foreign(out)
    with temporary_folder(out.parent) as staging:
        site, old = staging / "new", staging / "old"
        _copy_static(static, site)
        _copy_registry(registry, site / REGISTRY)
        _copy_tracks(tracks, site / TRACKS)
        (site / FMA).mkdir()
        write_json(site / FMA / "index.json", _NO_TRACKS)
        (site / _NO_JEKYLL).touch()
        files = [path.relative_to(site).as_posix() for path in _files(site)]
        write_json(site / SITE, msgspec.to_builtins(_Site(1, code_version(), files)))
        try:
            if replace and out.exists():
                out.rename(old)
            site.rename(out)
        except BaseException:
            if old.exists() and not out.exists():
                old.rename(out)
            raise
    return out


def _refuse_foreign(out: Path) -> None:
    """Reject a folder that contains anything that `write_site` did not write."""
    try:
        known = read_record(out / SITE, _Site).files
    except FormatError as error:
        raise FileExistsError(f"{out}: not a site that `tfdeepviz site` wrote; give another folder") from error
    if out.is_symlink():
        raise FileExistsError(f"{out}: a link, not a site that `tfdeepviz site` wrote; give another folder")
    there = {path.relative_to(out).as_posix() for path in _files(out)}
    if foreign := sorted(there - {SITE, *known}):
        raise FileExistsError(
            f"{out}: holds {len(foreign)} files that `tfdeepviz site` did not write, such as {foreign[0]!r}; move them "
            "away, or give another folder"
        )


def _copy_static(static: Path, to: Path) -> None:
    for name in _BUILT:
        if not (static / name).is_file():
            raise FormatError(f"{static}: the front end is not built here ({name} is missing); run `make build`")
    for name in (REGISTRY, TRACKS, FMA, SITE):
        if (static / name).exists():
            raise FormatError(f"{static}: holds {name!r}, which a build of the front end does not; run `make build`")
    for path in _files(static):
        relative = path.relative_to(static)
        if not any(part.startswith(".") for part in relative.parts):
            _copy(static, path, to / relative)


def _copy_registry(registry: Path, to: Path) -> None:
    index = registries.Index([])
    for entry in registries.entries(registry):
        bundle, place = registries.find(registry, entry.name), to / entry.name / str(entry.latest)
        for name, path in bundle.files.items():
            _copy(registry, path, (place / name).resolve())
        if bundle.blessing is not None and bundle.blessing.is_blessed:
            _copy(registry, bundle.path / BLESSED, place / BLESSED)
        # The copy is published, so the copy is checked.
        if (label := Bundle.load(place).label) != f"{entry.name}/{entry.latest}":
            raise FormatError(f"{bundle.path}: its manifest says {label}; delete it and push the bundle again")
        index.bundles.append(msgspec.structs.replace(entry, versions=(entry.latest,)))
    if not index.bundles:
        raise FormatError(f"{registry}: holds no bundle; add one with `tfdeepviz push`")
    write_json(to / registries.INDEX, msgspec.to_builtins(index))


def _copy_tracks(tracks: Path, to: Path) -> None:
    index = tracks / "index.json"
    if not index.is_file():
        raise FormatError(f"{tracks}: index.json is missing; give a folder like webapp/tracks")
    listed = read_record(index, _Tracks, max_bytes=1 << 20, remedy="compare it with webapp/tracks").tracks
    for path in (*(inside(tracks, track.file) for track in listed), index):
        _copy(tracks, path, to / path.relative_to(tracks))


def _files(folder: Path) -> list[Path]:
    """List everything below a folder except folders; links are listed but not followed."""
    return [path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir()]


def _copy(root: Path, path: Path, to: Path) -> None:
    """Copy one file, following links as long as they stay below the root."""
    try:
        file = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        raise FormatError(f"{path}: missing; add it, or remove it from the list") from error
    if not file.is_relative_to(root.resolve()) or not file.is_file():
        raise FormatError(f"{path}: not a regular file inside {root}; put the file there")
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, to)
