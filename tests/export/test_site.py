from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TypedDict

import pytest

from tfdeepviz.export.bundle import BLESSED, FRONTENDS, NO_BASELINE, Blessing, Bundle, Check
from tfdeepviz.export.registry import entries, push, rollback, verify
from tfdeepviz.export.site import write_site
from tfdeepviz.files import FormatError, write_json


class Roots(TypedDict):
    static: Path
    registry: Path
    tracks: Path


@pytest.fixture(scope="session")
def pushed(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry: two bundles with one front end, of one of them three versions, of which the second is taken."""
    folder = tmp_path_factory.mktemp("site-registry")
    for name in ("tiny", "small"):
        shutil.copytree(bundle.path, folder / name, ignore=shutil.ignore_patterns("artifact.json"))
        write_json(folder / name / "manifest.json", {**bundle.manifest, "name": name})
        copy = Bundle.load(folder / name)
        check = Check("size", 1.0, "<= 2.0", True)
        Blessing(copy.digest, "2026-01-01T00:00:00+00:00", "0.1.0", "here", NO_BASELINE, (check,)).write(copy.path)
    for name in ("tiny", "small", "tiny", "tiny"):
        push(folder / name, folder / "registry")
    rollback(folder / "registry", "tiny", 2)
    return folder / "registry"


@pytest.fixture
def roots(pushed: Path, tmp_path: Path) -> Roots:
    """What a site is made of, to be changed by tests."""
    shutil.copytree(pushed, tmp_path / "registry")
    for name, text in {
        "static/index.html": "<!doctype html>",
        "static/service-worker.js": "",
        "static/assets/__vite-1a2b.js": "export {};",
        "static/check/index.html": "<!doctype html>",
        "static/.env": "secret",
        "static/.git/config": "secret",
        "tracks/index.json": json.dumps({"schema_version": 1, "tracks": [{"file": "a.mp3"}, {"file": "more/b.mp3"}]}),
        "tracks/a.mp3": "music",
        "tracks/more/b.mp3": "music",
        "tracks/private.mp3": "secret",
        "outside.txt": "secret",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Roots(static=tmp_path / "static", registry=tmp_path / "registry", tracks=tmp_path / "tracks")


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def nothing_is_left(tmp_path: Path) -> bool:
    return sorted(path.name for path in tmp_path.iterdir()) == ["outside.txt", "registry", "static", "tracks"]


def test_a_name_may_be_as_long_as_the_disk_takes(roots: Roots, tmp_path: Path) -> None:
    out = tmp_path / ("か" * 85)
    assert files(write_site(out, **roots)) == files(write_site(out, replace=True, **roots))


def test_a_site_is_the_build_the_newest_bundles_and_the_listed_tracks(roots: Roots, tmp_path: Path) -> None:
    site = write_site(tmp_path / "www" / "site", **roots)
    written = files(site)
    assert {name for name in written if not name.startswith("registry/")} == {
        ".nojekyll",
        "assets/__vite-1a2b.js",
        "check/index.html",
        "fma/index.json",
        "index.html",
        "service-worker.js",
        "site.json",
        "tracks/a.mp3",
        "tracks/index.json",
        "tracks/more/b.mp3",
    }
    assert b"secret" not in written.values()
    assert set(json.loads(written["site.json"])["files"]) == written.keys() - {"site.json"}

    before, after = entries(roots["registry"]), entries(site / "registry")
    assert [(entry.name, entry.versions, entry.latest) for entry in after] == [("tiny", (2,), 2), ("small", (1,), 1)]
    assert [entry.title for entry in after] == [entry.title for entry in before]
    assert all(problem is None for _, problem in verify(site / "registry"))
    tiny = site / "registry" / "tiny"
    assert [path.name for path in tiny.iterdir()] == ["2"]
    assert (tiny / "2" / BLESSED).read_bytes() == (roots["registry"] / "tiny" / "2" / BLESSED).read_bytes()
    assert len(list((site / "registry" / FRONTENDS).iterdir())) == 1
    # A web server runs as somebody else: who may read what is for the umask to say.
    folder, file = ((tmp_path / name).stat().st_mode for name in ("static", "outside.txt"))
    assert all(path.stat().st_mode == (folder if path.is_dir() else file) for path in (site, *site.rglob("*")))


def test_front_ends_that_nobody_uses_stay(roots: Roots, tmp_path: Path) -> None:
    (roots["registry"] / FRONTENDS / ("0" * 64)).mkdir()
    (roots["registry"] / FRONTENDS / ("0" * 64) / "model.json").write_text("{}")
    site = write_site(tmp_path / "site", **roots)
    assert not (site / "registry" / FRONTENDS / ("0" * 64)).exists()


def test_what_exists_is_kept_and_only_a_site_is_replaced(roots: Roots, tmp_path: Path) -> None:
    out = tmp_path / "site"
    write_site(out, **roots)
    before = files(out)
    with pytest.raises(FileExistsError, match="--replace"):
        write_site(out, **roots)
    assert files(out) == before

    (roots["static"] / "assets" / "__vite-1a2b.js").rename(roots["static"] / "assets" / "index-3c4d.js")
    write_site(out, **roots, replace=True)
    assert "assets/index-3c4d.js" in files(out)
    assert "assets/__vite-1a2b.js" not in files(out)

    (out / "CNAME").write_text("example.org")
    before = files(out)
    with pytest.raises(FileExistsError, match=r"did not write, such as 'CNAME'"):
        write_site(out, **roots, replace=True)
    assert files(out) == before

    home = tmp_path / "home"
    home.mkdir()
    (home / "letter.txt").write_text("dear")
    for text in (None, "{}", '{"schema_version": 9, "files": ["letter.txt"]}', '{"schema_version": 1, "files": 3}'):
        if text is not None:
            (home / "site.json").write_text(text)
        with pytest.raises(FileExistsError, match="not a site"):
            write_site(home, **roots, replace=True)
    assert (home / "letter.txt").read_text() == "dear"

    (tmp_path / "link").symlink_to(out)
    (out / "CNAME").unlink()
    with pytest.raises(FileExistsError, match="not a site"):
        write_site(tmp_path / "link", **roots, replace=True)


def test_what_appears_meanwhile_is_kept(roots: Roots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, copyfile = tmp_path / "site", shutil.copyfile

    def slow(source: Path, target: Path) -> None:
        out.mkdir(exist_ok=True)
        (out / "letter.txt").write_text("dear")
        copyfile(source, target)

    monkeypatch.setattr(shutil, "copyfile", slow)
    with pytest.raises(OSError, match="not empty"):
        write_site(out, **roots)
    assert files(out) == {"letter.txt": b"dear"}


def test_there_need_be_nothing_to_replace(roots: Roots, tmp_path: Path) -> None:
    assert "index.html" in files(write_site(tmp_path / "site", **roots, replace=True))


def test_a_failure_leaves_the_old_site_and_nothing_else(
    roots: Roots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "site"
    write_site(out, **roots)
    before = files(out)
    copyfile, rename = shutil.copyfile, Path.rename

    def full(source: Path, target: Path) -> None:
        if target.name == "a.mp3":
            raise OSError(28, "No space left on device")
        copyfile(source, target)

    def refused(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise OSError(13, "Permission denied")
        return rename(path, target)

    for owner, name, function, message in ((shutil, "copyfile", full, "space"), (Path, "rename", refused, "denied")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, function)
            with pytest.raises(OSError, match=message):
                write_site(out, **roots, replace=True)
        assert files(out) == before
        shutil.move(out, tmp_path / "registry" / ".aside")
        assert nothing_is_left(tmp_path)
        shutil.move(tmp_path / "registry" / ".aside", out)


def test_a_page_that_is_not_built_says_how(roots: Roots, tmp_path: Path) -> None:
    for name in ("service-worker.js", "index.html"):
        (roots["static"] / name).unlink()
        with pytest.raises(FormatError, match=rf"{name} is missing.*make build"):
            write_site(tmp_path / "site", **roots)
    assert nothing_is_left(tmp_path)


def test_a_site_is_no_build(roots: Roots, tmp_path: Path) -> None:
    site = write_site(tmp_path / "site", **roots)
    with pytest.raises(FormatError, match="which a build of the front end does not"):
        write_site(tmp_path / "another", static=site, registry=roots["registry"], tracks=roots["tracks"])


def test_broken_bundles_are_not_published(roots: Roots, tmp_path: Path) -> None:
    registry = roots["registry"]
    (registry / "tiny" / "3" / "mappings.json").write_text("{}")
    shutil.rmtree(write_site(tmp_path / "site", **roots))  # nobody is handed the third
    shutil.rmtree(registry / "small" / "1")
    shutil.copytree(registry / "tiny" / "2", registry / "small" / "1")
    with pytest.raises(FormatError, match="its manifest says tiny/2"):
        write_site(tmp_path / "site", **roots)
    write_json(registry / "index.json", {"schema_version": 1, "bundles": []})
    with pytest.raises(FormatError, match="holds no bundle; add one with `tfdeepviz push`"):
        write_site(tmp_path / "site", **roots)
    assert nothing_is_left(tmp_path)


@pytest.mark.parametrize(
    ("tracks", "message"),
    [
        ({"schema_version": 2, "tracks": []}, "schema_version must be 1, but is 2"),
        ({"tracks": []}, "schema_version"),
        ({"schema_version": 1}, r"tracks.*compare it with webapp/tracks"),
        ({"schema_version": 1, "tracks": [{"title": "A"}]}, r"tracks.*compare it with webapp/tracks"),
        ({"schema_version": 1, "tracks": [{"file": 3}]}, r"tracks.*compare it with webapp/tracks"),
        ({"schema_version": 1, "tracks": [{"file": "../outside.txt"}]}, "leads out of"),
        ({"schema_version": 1, "tracks": [{"file": "gone.mp3"}]}, "missing; add it, or remove it from the list"),
        ({"schema_version": 1, "tracks": [{"file": "more"}]}, "not a regular file"),
    ],
)
def test_a_list_of_tracks_has_to_be_true(tracks: dict[str, object], message: str, roots: Roots, tmp_path: Path) -> None:
    write_json(roots["tracks"] / "index.json", tracks)
    with pytest.raises(FormatError, match=message):
        write_site(tmp_path / "site", **roots)
    assert nothing_is_left(tmp_path)


def test_without_a_list_there_are_no_tracks(roots: Roots, tmp_path: Path) -> None:
    (roots["tracks"] / "index.json").unlink()
    with pytest.raises(FormatError, match=r"index\.json is missing.*webapp/tracks"):
        write_site(tmp_path / "site", **roots)


def test_links_inside_are_followed(roots: Roots, tmp_path: Path) -> None:
    (roots["tracks"] / "a.mp3").unlink()
    (roots["tracks"] / "a.mp3").symlink_to("more/b.mp3")
    (tmp_path / "moved").symlink_to(roots["static"])
    roots["static"] = tmp_path / "moved"
    site = write_site(tmp_path / "site", **roots)
    assert (site / "tracks" / "a.mp3").read_text() == "music"
    assert not any(path.is_symlink() for path in site.rglob("*"))


@pytest.mark.parametrize("link", ["static/assets/x.js", "static/assets/up", "tracks/a.mp3", "registry/tiny/2"])
def test_links_out_are_refused(link: str, roots: Roots, tmp_path: Path) -> None:
    path = tmp_path / link
    target = tmp_path / "outside.txt"
    if path.is_dir():
        target = path.rename(tmp_path / "outside")
    elif link.endswith("up"):
        target = tmp_path
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    with pytest.raises(FormatError, match=r"not a regular file inside|missing"):
        write_site(tmp_path / "site", **roots)
    assert not (tmp_path / "site").exists()


def test_only_regular_files(roots: Roots, tmp_path: Path) -> None:
    os.mkfifo(roots["static"] / "pipe")
    with pytest.raises(FormatError, match="not a regular file inside"):
        write_site(tmp_path / "site", **roots)
