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
from functools import reduce
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import msgspec
import requests
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util import Retry

from tfdeepviz.data.fma import SUBSETS
from tfdeepviz.errors import InputError, TfdeepvizError
from tfdeepviz.files import FormatError, atomic_path, read_record, write_json
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
    base_url: str = FMA_URL,  # of the folder with the archives; http or https
    keep_archives: bool = False,  # keep `out/fma_<subset>.zip` after unpacking
    progress: Progress | None = None,  # called often; restarts at 0 if the download has to start over
    archives: Mapping[str, Archive] = ARCHIVES,  # other ones are for tests, as is another `sleep`
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Download and unpack FMA's archives into `out/fma_metadata/` and `out/fma_<subset>/`.

    Call it again to resume after any interruption. It fetches only the missing bytes, keeps intact unpacked files, and
    skips archives that are already done (marked by `out/.fma_<subset>.json`).

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
        raise InputError(f"base_url={base_url!r}: give an http:// or https:// address, such as {FMA_URL}")
    out.mkdir(parents=True, exist_ok=True)
    progress = progress or (lambda what, n_done, n_bytes: None)
    downloads = [_Download(out, name, base_url, archives[name], progress) for name in ("fma_metadata", f"fma_{subset}")]
    downloads = [one for one in downloads if not one.is_finished]
    n_needed, n_free = sum(one.n_bytes_needed for one in downloads), shutil.disk_usage(out).free
    if n_needed > n_free:
        raise DiskSpaceError(
            f"{out}: about {_text(n_needed)} are needed and {_text(n_free)} are free; "
            f"free {_text(n_needed - n_free)} more, or choose another disk or a smaller subset"
        )
    for one in downloads:
        # The marker says that the folder is complete, so remove it until everything is unpacked.
        one.marker.unlink(missing_ok=True)
        try:
            one.fetch(sleep)
            one.unpack()
            write_json(one.marker, {"sha1": one.archive.sha1})
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise DiskSpaceError(f"{out}: the disk is full; free space and run the same command to resume") from error
        if not keep_archives:
            one.path.unlink()


class _Note(msgspec.Struct):
    """Contents of a marker (`sha1`) or of the note beside a part (the whole file's size, and its ETag or date)."""

    sha1: str = ""
    n_bytes: int = 0
    validator: str = ""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a note; an empty one if it is missing or broken."""
        try:
            return read_record(path, cls, max_bytes=_MAX_NOTE_BYTES)
        except FormatError:
            return cls()


class _Download:
    """One archive on its way from the host to a part, to the archive, and to the folder of the same name."""

    def __init__(self, out: Path, name: str, base_url: str, archive: Archive, progress: Progress) -> None:
        self.archive, self._progress = archive, progress
        self._url = f"{base_url.rstrip('/')}/{name}.zip"
        self.path, self._folder = out / f"{name}.zip", out / name
        self._part, self._part_note = out / f"{name}.zip.part", out / f"{name}.zip.part.json"
        self.marker = out / f".{name}.json"

    @property
    def is_finished(self) -> bool:
        return _Note.read(self.marker).sha1 == self.archive.sha1 and self._folder.is_dir()

    @property
    def n_bytes_needed(self) -> int:
        """Disk space that is still needed, about."""
        n_packed = 0 if self.path.exists() else max(self.archive.n_bytes - _size(self._part), 0)
        n_unpacked = sum(_size(file) for file in self._folder.rglob("*") if file.is_file())
        return n_packed + max(self.archive.n_unpacked_bytes - n_unpacked, 0)

    def fetch(self, sleep: Callable[[float], None]) -> None:
        """Download the archive to `path`, which exists only once its checksum is verified."""
        if self.path.exists():
            self._check_sum(self.path, remedy=f"remove {self.path} and run the same command")
            return
        # Only bytes beyond the furthest point so far count as progress, so a host that always restarts at 0 cannot
        # cause an endless loop.
        n_furthest, n_failures = _size(self._part), 0
        while True:
            try:
                self._fetch_rest()
                break
            except (_PassingError, requests.ConnectionError, requests.Timeout) as error:
                n_have = _size(self._part)
                n_failures = 1 if n_have > n_furthest else n_failures + 1
                n_furthest = max(n_furthest, n_have)
                if n_failures == _MAX_FAILURES:
                    raise DownloadError(
                        f"{self._url}: gave up after {n_failures} failures in a row ({error}) and keeps "
                        f"{_text(n_have)}; run the same command later to resume"
                    ) from error
                wait_seconds = min(2.0 ** (n_failures - 1), _MAX_BACKOFF_SECONDS)
                if isinstance(error, _PassingError) and error.wait_seconds is not None:
                    wait_seconds = error.wait_seconds
                _logger.warning("%s: %s; trying again in %.0f s", self._url, error, wait_seconds)
            except requests.RequestException as error:
                raise DownloadError(f"{self._url}: {error}; check the address") from error
            sleep(wait_seconds)
        try:
            self._check_sum(self._part, remedy=f"run the same command to download it again from {self._url}")
        except ChecksumError:
            self._discard()
            raise
        # In this order, because a part without its note would be fetched again.
        self._part.rename(self.path)
        self._part_note.unlink()

    def _fetch_rest(self) -> None:
        """Fetch the rest of the part in one request."""
        n_have, note = _size(self._part), _Note.read(self._part_note)
        n_bytes = note.n_bytes
        if n_have and n_have == n_bytes:
            return
        headers = {"Accept-Encoding": "identity"}
        if n_have and note.validator:
            # If the file has changed since, If-Range makes the host send all of the new one.
            headers |= {"Range": f"bytes={n_have}-", "If-Range": note.validator}
        with requests.get(self._url, headers=headers, stream=True, timeout=_TIMEOUT_SECONDS) as response:
            status = response.status_code
            if status == 429 or 500 <= status < 600:
                raise _PassingError(f"the host answered {status}", wait_seconds=_retry_after(response))
            if status == 200:
                n_have, n_bytes = 0, self._promised_bytes(response)
                # Empty the part before writing its note, which must never describe bytes of another file.
                self._part.open("wb").close()
                write_json(self._part_note, {"n_bytes": n_bytes, "validator": _validator(response)})
            elif status not in (206, 416) or "Range" not in headers:
                raise DownloadError(f"{self._url}: the host answered {status}; check the address")
            elif status == 416 or not _continues(response, n_have, n_bytes):
                self._discard()
                raise _PassingError(
                    f"the host does not continue at byte {n_have}, so the file is fetched from its start"
                )
            with self._part.open("ab") as file:
                self._progress(f"downloading {self.path.name}", n_have, n_bytes)
                for block in _arriving(response):
                    n_have += len(block)
                    if n_have > n_bytes:
                        break
                    file.write(block)
                    self._progress(f"downloading {self.path.name}", n_have, n_bytes)
        if n_have > n_bytes:
            self._discard()
            raise DownloadError(
                f"{self._url}: the host sends more than the {n_bytes} bytes that it promised; try another mirror"
            )
        if n_have < n_bytes:
            raise _PassingError(f"the connection ended after {n_have} of {n_bytes} bytes")

    def _promised_bytes(self, response: requests.Response) -> int:
        length = response.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]{1,18}", length):
            raise DownloadError(
                f"{self._url}: the host does not say how long the file is ({length!r}); try another mirror"
            )
        if int(length) > 2 * self.archive.n_bytes:
            raise DownloadError(
                f"{self._url}: the file has {_text(int(length))}, FMA's has about {_text(self.archive.n_bytes)}; check "
                "the address"
            )
        return int(length)

    def _discard(self) -> None:
        self._part.unlink()
        self._part_note.unlink()

    def _check_sum(self, path: Path, *, remedy: str) -> None:
        # Hash the file on disk, not the incoming data: this checks exactly what is unpacked, after any number of runs.
        digest, n_done, n_bytes = hashlib.sha1(usedforsecurity=False), 0, _size(path)
        for block in _blocks(path):
            digest.update(block)
            n_done += len(block)
            self._progress(f"checking {self.path.name}", n_done, n_bytes)
        if digest.hexdigest() != self.archive.sha1:
            raise ChecksumError(f"{path}: its SHA-1 is {digest.hexdigest()} and FMA's is {self.archive.sha1}; {remedy}")

    def unpack(self) -> None:
        """Unpack the archive, except for files that are there already."""
        n_done = 0
        try:
            file = zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise ArchiveError(
                f"{self.path}: not a zip archive that can be read ({error}); remove it and run again"
            ) from error
        with file:
            members = self._checked_members(file)
            n_bytes = sum(member.file_size for member in members)
            for member in members:
                if not _is_unpacked(target := self.path.parent / member.filename, member):
                    self._unpack_member(file, member, target)
                n_done += member.file_size
                self._progress(f"unpacking {self.path.name}", n_done, n_bytes)

    def _checked_members(self, file: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
        """List the archive's files, after checking that all members are safe to unpack."""
        seen: set[str] = set()
        for member in file.infolist():
            steps = member.filename.removesuffix("/").split("/")
            name = "/".join(steps).casefold()
            is_below = member.filename.startswith(f"{self.path.stem}/") and {"", ".", ".."}.isdisjoint(steps)
            flaw = ""
            if not is_below or "\\" in member.filename:
                flaw = f"does not lie below {self.path.stem}/"
            # Archivers without Unix modes write 0.
            elif stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                flaw = "is neither file nor folder"
            # On some disks, names that differ only in case are the same file.
            elif name in seen:
                flaw = "is in the archive twice"
            if flaw:
                raise ArchiveError(f"{self.path}: {member.filename!r} {flaw}; remove the archive")
            seen.add(name)
        members = [member for member in file.infolist() if not member.is_dir()]
        if (n_bytes := sum(member.file_size for member in members)) > 2 * self.archive.n_unpacked_bytes:
            usual = _text(self.archive.n_unpacked_bytes)
            raise ArchiveError(f"{self.path}: unpacks to {_text(n_bytes)}, FMA's to about {usual}; remove the archive")
        return members

    def _unpack_member(self, file: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
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
                f"{self.path}: {member.filename!r} cannot be unpacked ({error}); remove the archive and run the same "
                "command"
            ) from error


def _text(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.2f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.2f} MiB"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block


def _arriving(response: requests.Response) -> Iterator[bytes]:
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


def _validator(response: requests.Response) -> str:
    """Strong ETag or modification date of the file; empty if the host sends neither."""
    etag = response.headers.get("ETag", "")
    # If-Range does not accept weak ETags.
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def _continues(response: requests.Response, n_have: int, n_bytes: int) -> bool:
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return match is not None and int(match[1]) == n_have and int(match[2]) < int(match[3]) == n_bytes


def _is_unpacked(target: Path, member: zipfile.ZipInfo) -> bool:
    if not target.is_file() or _size(target) != member.file_size:
        return False
    return reduce(lambda crc, block: zlib.crc32(block, crc), _blocks(target), 0) == member.CRC
