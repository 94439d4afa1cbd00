"""Packages: fetched by a client of our own that acts as apt's, and unpacked by dpkg."""

from __future__ import annotations

import io
import os
import shutil
import stat
import zipfile
from pathlib import Path

import pytest

from tests.data.opencorpus.debs import write_deb
from tfdeepviz.data.opencorpus.debian import NoPackageError, fetch, unpack
from tfdeepviz.errors import InputError
from tfdeepviz.files import TEMPORARY, FormatError

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs Debian's dpkg-deb, as the command does")
OGG = b"OggS" + bytes(200_000)


def write_apt(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put an `apt-get` before all others."""
    client = folder / "apt-get"
    client.write_text(f"#!/bin/sh\n{script}\n")
    client.chmod(client.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_packages_that_are_there_are_not_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    package = write_deb(tmp_path, "songs", {})
    write_deb(tmp_path, "songs-more", {})
    assert fetch("songs", tmp_path) == package


def test_apt_downloads_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bin_dir, folder = tmp_path / "bin", tmp_path / "debs"
    bin_dir.mkdir()
    folder.mkdir()
    write_apt(bin_dir, 'for name; do :; done; echo data > "${name}_1%3a2.0_all.deb"', monkeypatch)
    assert fetch("songs", folder) == folder / "songs_1%3a2.0_all.deb"
    assert [path.name for path in folder.iterdir()] == ["songs_1%3a2.0_all.deb"]


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        ("E: Unable to locate package songs", NoPackageError, "songs: apt's archive has no such package"),
        ("W: no\nE: Failed to fetch http://x", InputError, "songs: Failed to fetch http://x; check the network"),
        ("", InputError, "nothing was downloaded; check the network"),
    ],
)
def test_failures_of_apt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, error: type[Exception], message: str
) -> None:
    write_apt(tmp_path, f"cat >&2 <<'END'\n{said}\nEND\nexit 100", monkeypatch)
    with pytest.raises(error, match=message) as caught:
        fetch("songs", tmp_path)
    assert TEMPORARY not in str(caught.value)


def test_without_apt_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"songs_\*\.deb is missing, and there is no apt-get.*copy the \.deb there"):
        fetch("songs", tmp_path)


@needs_dpkg
def test_audio_is_unpacked_also_from_archives(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("sound/in.ogg", OGG)
        file.writestr("../../../evil.ogg", OGG)
        file.writestr("short.ogg", b"OggS")
    files = {
        "usr/a.ogg": OGG,
        "usr/short.ogg": b"OggS",
        "usr/picture.png": OGG,
        "usr/music/plain": OGG,
        "usr/music/text": bytes(200_000),
        "usr/data.pk3": archive.getvalue() + bytes(0),
    }
    with_padding = zipfile.ZipFile(archive, "a")
    with_padding.writestr("pad.bin", os.urandom(200_000))
    with_padding.close()
    files["usr/data.pk3"] = archive.getvalue()
    package = write_deb(tmp_path, "songs", files)
    out = tmp_path / "unpacked" / "songs"
    unpack(package, out)
    found = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert found == ["usr/a.ogg", "usr/data.pk3/evil.ogg", "usr/data.pk3/sound/in.ogg", "usr/music/plain"]
    assert all((out / name).read_bytes() == OGG for name in found)
    assert not list(tmp_path.rglob(f"{TEMPORARY}*"))


@needs_dpkg
@pytest.mark.parametrize("content", [b"", b"!<arch>\n", b"junk" * 1000])
def test_broken_packages_are_refused(tmp_path: Path, content: bytes) -> None:
    package = tmp_path / "songs_1_all.deb"
    package.write_bytes(content)
    with pytest.raises(FormatError, match=r"songs_1_all\.deb: not a package that can be read.*delete it"):
        unpack(package, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@needs_dpkg
def test_a_package_cut_off_in_the_middle_is_refused(tmp_path: Path) -> None:
    package = write_deb(tmp_path, "songs", {"usr/a.ogg": OGG, "usr/b.ogg": OGG})
    package.write_bytes(package.read_bytes()[:300_000])
    with pytest.raises(FormatError, match="not a package that can be read"):
        unpack(package, tmp_path / "out")


def test_without_dpkg_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="dpkg-deb is missing to unpack it; install dpkg"):
        unpack(write_deb(tmp_path, "songs", {}), tmp_path / "out")
