"""Download FMA's archives: resumable, checked against FMA's own checksums, unpacked safely."""

from __future__ import annotations

import errno
import hashlib
import logging
import lzma
import re
import shutil
import stat
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util import Retry

from tfdeepviz.data.fma import SUBSETS
from tfdeepviz.errors import InputError, TfdeepvizError
from tfdeepviz.files import FormatError, atomic_path, read_json, write_json
from tfdeepviz.params import check_choice

#: Where FMA's authors host the archives.
FMA_URL = "https://os.unil.cloud.switch.ch/fma/"

#: Called with the current step (such as `downloading fma_small.zip`), the bytes done and the total bytes.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Archive:
    """An archive as FMA publishes it. Both sizes are approximate; up to twice as much is accepted."""

    sha1: str
    n_bytes: int
    n_unpacked_bytes: int


def _audio(sha1: str, size_gib: float) -> Archive:
    # Zip hardly compresses mp3.
    return Archive(sha1, round(size_gib * 2**30), round(1.05 * size_gib * 2**30))


ARCHIVES: Mapping[str, Archive] = {
    "fma_metadata": Archive("f0df49ffe5f2a6008d7dc83c6915b31835dfe733", 342 << 20, 1536 << 20),
    "fma_small": _audio("ade154f733639d52e35e32f5593efe5be76c6d70", 7.2),
    "fma_medium": _audio("c67b69ea232021025fca9231fc1c7c1a063ab50b", 22),
    "fma_large": _audio("497109f4dd721066b5ce5e5f250ec604dc78939e", 93),
    "fma_full": _audio("0f0ace23fbe9ba30ecb7e95f763e435ea802b8ab", 879),
}

_BLOCK_BYTES = 1 << 18
_TIMEOUT_SECONDS = (10.0, 60.0)  # connect, and between reads
_MAX_FAILURES = 8  # in a row without a single new byte: two minutes in total
_MAX_BACKOFF_SECONDS = 60.0
_MAX_RETRY_AFTER_SECONDS = 600.0
_MAX_NOTE_BYTES = 1 << 16
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")
_CONTENT_LENGTH = re.compile(r"[0-9]{1,18}")

_logger = logging.getLogger(__name__)


class DownloadError(TfdeepvizError):
    """An archive cannot be downloaded; the message says what is wrong and what to do."""


class DiskSpaceError(DownloadError):
    """The disk is full, or too small for the download."""


class ChecksumError(DownloadError):
    """An archive's checksum differs from FMA's."""


class ArchiveError(DownloadError):
    """An archive has forbidden content or cannot be unpacked."""


class _PassingError(Exception):
    """A transient failure: retry, after `wait_seconds` if the host gave a time."""

    def __init__(self, reason: str, *, wait_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds


def download(
    subset: str,
    out: Path,
    *,
    base_url: str = FMA_URL,
    keep_archives: bool = False,
    progress: Progress | None = None,
    archives: Mapping[str, Archive] = ARCHIVES,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Download and unpack FMA's archives into `out/fma_metadata/` and `out/fma_<subset>/`.

    Call it again to resume after any interruption. It fetches only the missing bytes, keeps intact unpacked files, and
    skips archives that are already done (marked by `out/.fma_<subset>.json`).

    Parameters
    ----------
    base_url
        Address of the folder with the archives, for mirrors; http or https.
    keep_archives
        Whether to keep `out/fma_<subset>.zip` after unpacking.
    progress
        Called often; restarts at 0 if the download has to start over.
    archives, sleep
        Checksum and sizes of each archive, and what waits between two attempts, for tests.

    Raises
    ------
    InputError
        If the subset is unknown or `base_url` is not an http(s) address.
    DownloadError
        If the host refuses or fails repeatedly, the archive is not FMA's, or the disk is too small, which is checked
        before the download starts.
    """
    check_choice("subset", subset, SUBSETS)
    if urlsplit(base_url).scheme not in ("http", "https") or not urlsplit(base_url).hostname:
        raise InputError(f"base_url={base_url!r}: give an http:// or https:// address, as {FMA_URL}")
    progress = progress or (lambda what, n_done, n_bytes: None)
    out.mkdir(parents=True, exist_ok=True)
    names = [name for name in ("fma_metadata", f"fma_{subset}") if not _is_finished(out, name, archives[name])]
    _check_space(out, {name: archives[name] for name in names})
    for name in names:
        archive, path = archives[name], out / f"{name}.zip"
        # The marker says that the folder is complete, so remove it until everything is unpacked.
        _marker(out, name).unlink(missing_ok=True)
        try:
            _fetch(f"{base_url.rstrip('/')}/{path.name}", path, archive, progress=progress, sleep=sleep)
            _unpack(path, archive, progress=progress)
            write_json(_marker(out, name), {"sha1": archive.sha1})
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise DiskSpaceError(f"{out}: the disk is full; free space and run the same command to resume") from error
        if not keep_archives:
            path.unlink()


def _marker(out: Path, name: str) -> Path:
    return out / f".{name}.json"


def _is_finished(out: Path, name: str, archive: Archive) -> bool:
    note = _read_note(_marker(out, name))
    return note is not None and note.get("sha1") == archive.sha1 and (out / name).is_dir()


def _read_note(path: Path) -> dict[str, Any] | None:
    """Read a small JSON file; None if it is missing or broken."""
    try:
        return read_json(path, max_bytes=_MAX_NOTE_BYTES)
    except FormatError:
        return None


def _check_space(out: Path, archives: Mapping[str, Archive]) -> None:
    n_needed = 0
    for name, archive in archives.items():
        path = out / f"{name}.zip"
        if not path.exists():
            n_needed += max(archive.n_bytes - _size(_part(path)), 0)
        n_unpacked = sum(_size(file) for file in (out / name).rglob("*") if file.is_file())
        n_needed += max(archive.n_unpacked_bytes - n_unpacked, 0)
    n_free = shutil.disk_usage(out).free
    if n_needed > n_free:
        raise DiskSpaceError(
            f"{out}: about {_text(n_needed)} are needed and {_text(n_free)} are free; "
            f"free {_text(n_needed - n_free)} more, or choose another disk or a smaller subset"
        )


def _text(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.2f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.2f} MiB"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _part_note(path: Path) -> Path:
    """Path of the record beside a partial file: the whole file's size, and its ETag or date."""
    return path.with_name(f"{path.name}.part.json")


def _fetch(url: str, path: Path, archive: Archive, *, progress: Progress, sleep: Callable[[float], None]) -> None:
    """Download the archive to `path`, which exists only once its checksum is verified."""
    if path.exists():
        _check_sum(path, archive, progress, remedy=f"remove {path} and run the same command")
        return
    part = _part(path)
    # Only bytes beyond the furthest point so far count as progress, so a host that always restarts at 0 cannot cause an
    # endless loop.
    n_furthest, n_failures = _size(part), 0
    while True:
        try:
            _fetch_rest(url, path, archive, progress)
            break
        except (_PassingError, requests.ConnectionError, requests.Timeout) as error:
            if _size(part) > n_furthest:
                n_furthest, n_failures = _size(part), 0
            n_failures += 1
            if n_failures == _MAX_FAILURES:
                raise DownloadError(
                    f"{url}: gave up after {n_failures} failures in a row ({error}) and keeps {_text(_size(part))}; "
                    "run the same command later to resume"
                ) from error
            wait_seconds = min(2.0 ** (n_failures - 1), _MAX_BACKOFF_SECONDS)
            if isinstance(error, _PassingError) and error.wait_seconds is not None:
                wait_seconds = error.wait_seconds
            _logger.warning("%s: %s; trying again in %.0f s", url, error, wait_seconds)
        except requests.RequestException as error:
            raise DownloadError(f"{url}: {error}; check the address") from error
        sleep(wait_seconds)
    try:
        _check_sum(part, archive, progress, remedy=f"run the same command to download it again from {url}")
    except ChecksumError:
        _discard(path)
        raise
    # In this order, because a part without its record would be fetched again.
    part.rename(path)
    _part_note(path).unlink()


def _fetch_rest(url: str, path: Path, archive: Archive, progress: Progress) -> None:
    """Fetch the rest of a partial file in one request."""
    part, (n_bytes, validator) = _part(path), _noted(path)
    n_have = _size(part)
    if n_have and n_have == n_bytes:
        return
    headers = {"Accept-Encoding": "identity"}
    if n_have and validator:
        # If the file has changed since, If-Range makes the host send all of the new one.
        headers |= {"Range": f"bytes={n_have}-", "If-Range": validator}
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_SECONDS) as response:
        _check_status(url, response)
        if response.status_code == 200:
            n_have, n_bytes = 0, _promised_bytes(url, response, archive)
            # Empty the part before writing its record, which must never describe bytes of another file.
            part.open("wb").close()
            write_json(_part_note(path), {"n_bytes": n_bytes, "validator": _validator(response)})
        elif response.status_code == 416 or not _fits(response, n_have, n_bytes):
            _discard(path)
            raise _PassingError(f"the host does not continue at byte {n_have}, so the file is fetched from its start")
        with part.open("ab") as file:
            progress(f"downloading {path.name}", n_have, n_bytes)
            for block in _blocks(response):
                n_have += len(block)
                if n_have > n_bytes:
                    break
                file.write(block)
                progress(f"downloading {path.name}", n_have, n_bytes)
    if n_have > n_bytes:
        _discard(path)
        raise DownloadError(f"{url}: the host sends more than the {n_bytes} bytes that it promised; try another mirror")
    if n_have < n_bytes:
        raise _PassingError(f"the connection ended after {n_have} of {n_bytes} bytes")


def _check_status(url: str, response: requests.Response) -> None:
    status = response.status_code
    if status == 429 or 500 <= status < 600:
        raise _PassingError(f"the host answered {status}", wait_seconds=_retry_after(response))
    asked_range = "Range" in response.request.headers
    if not (status == 200 or (status in (206, 416) and asked_range)):
        raise DownloadError(f"{url}: the host answered {status}; check the address")


def _blocks(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as it arrives."""
    try:
        # read1 returns whatever has arrived, so no bytes are lost if the connection breaks within a block.
        while block := response.raw.read1(_BLOCK_BYTES, decode_content=False):
            yield block
    except HTTPError as error:
        raise _PassingError(f"the connection broke off ({type(error).__name__})") from error


def _retry_after(response: requests.Response) -> float | None:
    try:
        seconds = Retry().parse_retry_after(response.headers["Retry-After"])
    except (KeyError, InvalidHeader, ValueError, OverflowError):
        return None  # missing or not valid HTTP: use our own backoff
    return min(seconds, _MAX_RETRY_AFTER_SECONDS)


def _promised_bytes(url: str, response: requests.Response, archive: Archive) -> int:
    length = response.headers.get("Content-Length", "")
    if not _CONTENT_LENGTH.fullmatch(length):
        raise DownloadError(f"{url}: the host does not say how long the file is ({length!r}); try another mirror")
    if int(length) > 2 * archive.n_bytes:
        raise DownloadError(
            f"{url}: the file has {_text(int(length))}, FMA's has about {_text(archive.n_bytes)}; check the address"
        )
    return int(length)


def _validator(response: requests.Response) -> str:
    """Strong ETag or modification date of the file; empty if the host sends neither."""
    etag = response.headers.get("ETag", "")
    # If-Range does not accept weak ETags.
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def _noted(path: Path) -> tuple[int, str]:
    """Size and validator of the file that a part belongs to; (0, "") if the record is unusable."""
    note = _read_note(_part_note(path)) or {}
    n_bytes, validator = note.get("n_bytes"), note.get("validator")
    return (n_bytes, validator) if isinstance(n_bytes, int) and isinstance(validator, str) else (0, "")


def _fits(response: requests.Response, n_have: int, n_bytes: int) -> bool:
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return match is not None and int(match[1]) == n_have and int(match[2]) < int(match[3]) == n_bytes


def _discard(path: Path) -> None:
    _part(path).unlink()
    _part_note(path).unlink()


def _check_sum(path: Path, archive: Archive, progress: Progress, *, remedy: str) -> None:
    # Hash the file on disk, not the incoming data: this checks exactly what is unpacked, after any number of runs.
    digest, n_done, n_bytes = hashlib.sha1(usedforsecurity=False), 0, _size(path)
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            n_done += len(block)
            progress(f"checking {path.name.removesuffix('.part')}", n_done, n_bytes)
    if digest.hexdigest() != archive.sha1:
        raise ChecksumError(f"{path}: its SHA-1 is {digest.hexdigest()} and FMA's is {archive.sha1}; {remedy}")


def _unpack(path: Path, archive: Archive, *, progress: Progress) -> None:
    """Unpack into the folder of the same name beside the archive."""
    n_done = 0
    try:
        file = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ArchiveError(f"{path}: not a zip archive that can be read ({error}); remove it and run again") from error
    with file:
        members = _checked_members(path, file, archive)
        n_bytes = sum(member.file_size for member in members)
        for member in members:
            target = path.parent / member.filename
            if not _is_unpacked(target, member):
                _unpack_member(path, file, member, target)
            n_done += member.file_size
            progress(f"unpacking {path.name}", n_done, n_bytes)


def _checked_members(path: Path, file: zipfile.ZipFile, archive: Archive) -> list[zipfile.ZipInfo]:
    """List the archive's files, after checking that all members are safe to unpack."""
    seen: set[str] = set()
    for member in file.infolist():
        steps = member.filename.removesuffix("/").split("/")
        is_below = member.filename.startswith(f"{path.stem}/") and {"", ".", ".."}.isdisjoint(steps)
        if not is_below or "\\" in member.filename:
            raise ArchiveError(f"{path}: {member.filename!r} does not lie below {path.stem}/; remove the archive")
        # Archivers without Unix modes write 0.
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise ArchiveError(f"{path}: {member.filename!r} is neither file nor folder; remove the archive")
        # On some disks, names that differ only in case are the same file.
        if (name := "/".join(steps).casefold()) in seen:
            raise ArchiveError(f"{path}: {member.filename!r} is in the archive twice; remove the archive")
        seen.add(name)
    members = [member for member in file.infolist() if not member.is_dir()]
    if (n_bytes := sum(member.file_size for member in members)) > 2 * archive.n_unpacked_bytes:
        raise ArchiveError(
            f"{path}: unpacks to {_text(n_bytes)}, FMA's to about {_text(archive.n_unpacked_bytes)}; remove the archive"
        )
    return members


def _is_unpacked(target: Path, member: zipfile.ZipInfo) -> bool:
    if not target.is_file() or _size(target) != member.file_size:
        return False
    crc = 0
    with target.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            crc = zlib.crc32(block, crc)
    return crc == member.CRC


def _unpack_member(path: Path, file: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    try:
        with atomic_path(target) as temporary:
            # zipfile reads at most the declared size, and checks the CRC at the end.
            with file.open(member) as source, temporary.open("wb") as sink:
                shutil.copyfileobj(source, sink, _BLOCK_BYTES)
            if _size(temporary) != member.file_size:
                raise zipfile.BadZipFile(f"shorter than {member.file_size} bytes")
    # RuntimeError: encrypted, or an unsupported compression method. OSError without errno: from bz2.
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ArchiveError(
            f"{path}: {member.filename!r} cannot be unpacked ({error}); remove the archive and run the same command"
        ) from error
