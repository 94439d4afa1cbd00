"""Packages of Debian's archive: fetched by apt's own client, and searched for audio files."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError, temporary_folder

_AUDIO = (".ogg", ".oga", ".opus", ".mp3", ".flac", ".wav")
_BEGINNINGS = (b"OggS", b"fLaC")  # of audio files without a suffix
_ARCHIVES = (".pk3", ".zip")
# Smaller files are sound effects, not music.
_MIN_BYTES, _MAX_BYTES = 100_000, 8 << 30
_MAX_FILES = 100_000
_TIMEOUT_SECONDS = 3600


class NoPackageError(InputError):
    """The archive that apt uses has no such package."""


def fetch(name: str, folder: Path) -> Path:
    """Return the `.deb` of a package in a folder; apt's client downloads it if it is not there.

    Raises
    ------
    NoPackageError
        If apt's archive has no such package.
    InputError
        If apt is missing or cannot download the package.
    """
    if found := sorted(folder.glob(f"{name}_*.deb")):
        return found[-1]
    if shutil.which("apt-get") is None:
        raise InputError(
            f"{folder}: {name}_*.deb is missing, and there is no apt-get to download it; use Debian or a system made "
            "from it, or copy the .deb there"
        )
    with temporary_folder(folder) as temporary:
        # The sandbox user of apt may not write to our folder.
        command = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", name]
        done = subprocess.run(
            command, cwd=temporary, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_SECONDS
        )
        loaded = list(temporary.glob(f"{name}_*.deb"))
        if done.returncode == 0 and len(loaded) == 1:
            return loaded[0].replace(folder / loaded[0].name)
    said = next((line for line in done.stderr.splitlines() if line.startswith("E:")), "E: nothing was downloaded")
    if "Unable to locate package" in said or "No candidate" in said or "no installation candidate" in said:
        raise NoPackageError(f"{name}: apt's archive has no such package")
    raise InputError(f"apt-get download {name}: {said[2:].strip()}; check the network, or run `apt-get update`")


def unpack(package: Path, folder: Path) -> None:
    """Copy the larger audio files of a `.deb` to a folder that does not exist yet, also out of archives in it.

    Paths are those of the package; in an archive, they continue with the paths inside. Raises a FormatError if the
    package is broken, and an InputError if dpkg is missing.
    """
    try:
        with temporary_folder(folder.parent) as temporary:
            for path, source in _audio_files(package, temporary):
                _copy(source, temporary, PurePosixPath(path))
            temporary.replace(folder)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        flaw = f"not a package that can be read ({error})"
        raise FormatError(f"{package}: {flaw}; delete it, and it is downloaded again") from error


def _copy(source: IO[bytes], folder: Path, path: PurePosixPath) -> None:
    beginning = source.read(4)
    if not path.suffix and beginning not in _BEGINNINGS:
        return
    # Only the parts that name something: neither the root nor parents.
    target = folder.joinpath(*(part for part in path.parts if part not in ("/", "..")))
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        file.write(beginning)
        shutil.copyfileobj(source, file)


def _audio_files(package: Path, folder: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Larger files that may be audio; archives in the package are copied to a folder."""
    with _contents(package) as stream, tarfile.open(fileobj=stream, mode="r|") as files:
        for number, member in enumerate(files):
            if number >= _MAX_FILES:
                raise tarfile.TarError(f"more than {_MAX_FILES} files")
            if not member.isreg() or not _MIN_BYTES <= member.size <= _MAX_BYTES:
                continue
            path = member.name.removeprefix("./")
            suffix = PurePosixPath(path).suffix.lower()
            source = files.extractfile(member)
            assert source is not None  # of a regular file
            if suffix in _ARCHIVES:
                yield from _inside(path, source, folder)
            elif suffix in _AUDIO or not suffix:
                yield path, source


def _inside(path: str, source: IO[bytes], folder: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Audio files in a zip archive, which is copied to a temporary file, because it has to be seekable."""
    with temporary_folder(folder) as temporary:
        copy = temporary / "archive.zip"
        with copy.open("wb") as target:
            shutil.copyfileobj(source, target)
        with zipfile.ZipFile(copy) as archive:
            for entry in archive.infolist()[:_MAX_FILES]:
                inner = f"{path}/{entry.filename}"
                is_audio = PurePosixPath(inner).suffix.lower() in _AUDIO
                if is_audio and _MIN_BYTES <= entry.file_size <= _MAX_BYTES:
                    with archive.open(entry) as content:
                        yield inner, content


@contextmanager
def _contents(package: Path) -> Iterator[IO[bytes]]:
    """Stream the files of a `.deb` as a tar archive."""
    if shutil.which("dpkg-deb") is None:
        raise InputError(f"{package}: dpkg-deb is missing to unpack it; install dpkg")
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
            # What follows the last file has to be read too: it may be missing.
            while process.stdout.read(1 << 20):
                pass
            if process.wait():
                raise tarfile.TarError("dpkg-deb cannot unpack it")
        finally:
            process.kill()
