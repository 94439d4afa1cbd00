"""Index of a corpus: every expected file, what it contains, and what is wrong with it."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

import msgspec
import soundfile as sf
from msgspec import Meta
from msgspec.structs import replace

from tfdeepviz.data.decode import AudioError, decode_file
from tfdeepviz.data.fma import Track, published_flaw
from tfdeepviz.data.metadata import Metadata
from tfdeepviz.data.selection import Selection
from tfdeepviz.data.threads import map_ahead
from tfdeepviz.files import FormatError, read_jsonl, read_text, write_jsonl

Progress = Callable[[int, int], None]

#: `ok`; states of the file itself; reasons why it has no sound (`AudioError.reason`).
Status = Literal[
    "ok", "missing", "unexpected", "unreadable", "changed", "known-bad", "empty", "unsupported", "corrupt", "too-long"
]
STATUSES = get_args(Status)

_CHECKSUMS = "checksums"
_NO_AUDIO = (_CHECKSUMS, "README.txt")

_MAX_CHECKSUMS_BYTES = 64 << 20
_MAX_INDEX_BYTES = 256 << 20

# Used for formats that libsndfile cannot read, which have no header here and can be decoded at any rate. It also caps
# the rate in a header: half an hour of silence at 655,350 Hz is 5 MB of flac and 5 GB of samples.
_MAX_RATE_HZ = 48_000

_Whole = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]


class FileEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One file of a corpus. What is unknown, or not there, is None."""

    path: str  # relative to the corpus, with slashes
    track_id: _Whole | None = None  # FMA's; None for an unexpected file
    status: Status = "ok"
    n_bytes: _Whole | None = None  # size and modification time from the file system
    modified_ns: _Whole | None = None
    sha1: Annotated[str, Meta(pattern=r"^([0-9a-f]{40})?\Z")] = ""  # as in FMA's `checksums`; empty if it was not read
    seconds: Annotated[float, Meta(ge=0, lt=1e9)] | None = None  # duration and format of the decoded sound
    rate_hz: _Whole | None = None
    n_channels: _Whole | None = None
    message: str = ""  # the problem, for people


@dataclass(frozen=True)
class FileIndex:
    """Entries in ascending order of path."""

    entries: tuple[FileEntry, ...]

    def counts(self) -> dict[str, int]:
        """Number of files per status, without zeros, in the order of `STATUSES`."""
        found = Counter(entry.status for entry in self.entries)
        return {status: found[status] for status in STATUSES if found[status]}

    def problems(self) -> tuple[FileEntry, ...]:
        """Entries that are not `ok`."""
        return tuple(entry for entry in self.entries if entry.status != "ok")

    def save(self, path: Path) -> None:
        """Write the index atomically, one JSON object per line."""
        write_jsonl(path, self.entries)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Inverse of `save`; raises a FormatError if the file is missing, too large or not an index."""
        if path.is_dir():
            raise FormatError(f"{path}: is a folder; give the index, which is a file")
        remedy = "this is not an index of this version: delete it, and `tfdeepviz index` makes it again"
        entries = read_jsonl(path, FileEntry, max_bytes=_MAX_INDEX_BYTES, remedy=remedy)
        if any(before.path >= after.path for before, after in pairwise(entries)):
            raise FormatError(f"{path}: paths have to ascend; {remedy}")
        return cls(tuple(entries))


def index_files(
    metadata: Metadata,
    *,
    subset: str,
    n_workers: int,
    known: FileIndex | None = None,
    progress: Progress | None = None,
) -> FileIndex:
    """Read and decode every file that a subset should hold, and look for unexpected files.

    Problems with a file never raise an error here; they become its status. If the folder of the subset has FMA's
    `checksums`, files are compared with it; a FormatError is raised if that is not FMA's.

    The number of threads does not affect the index. Files that have the same size and modification time as in a `known`
    index are not read again. `progress` is called with (files done, total files).
    """
    tracks = Selection(subset=subset).tracks(metadata)
    folder = metadata.root / f"fma_{subset}"
    checksums = _read_checksums(folder / _CHECKSUMS)
    earlier = {entry.path: entry for entry in known.entries} if known is not None else {}

    def inspect(track: Track) -> FileEntry:
        path = track.path.relative_to(metadata.root).as_posix()
        checksum = checksums.get(track.path.relative_to(folder).as_posix())
        return _inspect(track, FileEntry(path=path, track_id=track.track_id), checksum, earlier.get(path))

    entries = []
    with closing(map_ahead(inspect, tracks, n_workers)) as inspected:
        for entry in inspected:
            entries.append(entry)
            if progress is not None:
                progress(len(entries), len(tracks))
    entries += _others(metadata.root, folder, {entry.path for entry in entries})
    return FileIndex(tuple(sorted(entries, key=lambda entry: entry.path)))


def _read_checksums(path: Path) -> dict[str, str]:
    """SHA-1 of each file by its path below the subset's folder; empty if FMA's list is missing."""
    if not path.exists():
        return {}
    # surrogateescape preserves file names that are not UTF-8.
    text = read_text(path, max_bytes=_MAX_CHECKSUMS_BYTES, errors="surrogateescape")
    checksums: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = re.fullmatch(r"([0-9a-f]{40}) [ *](\S.*)", line)
        if match is None or match[2] in checksums:
            raise FormatError(
                f"{path}: line {number}: {line[:60]!r} is not a SHA-1 and the path of one more file; "
                "take it from FMA's archive or delete it"
            )
        checksums[match[2]] = match[1]
    return checksums


def _inspect(track: Track, entry: FileEntry, checksum: str | None, known: FileEntry | None) -> FileEntry:
    """Complete an entry from the file on disk."""
    try:
        status = track.path.stat()
        if not stat.S_ISREG(status.st_mode):
            return replace(entry, status="missing", message=f"{entry.path}: not a file")
        found = replace(entry, n_bytes=status.st_size, modified_ns=status.st_mtime_ns)
        if known is not None and _still_holds(known, found, checksum):
            return known
        with track.path.open("rb") as file:
            found = replace(found, sha1=hashlib.file_digest(file, "sha1").hexdigest())
        found = _listen(track, found)
    except (FileNotFoundError, NotADirectoryError):
        return replace(entry, status="missing", message=f"{entry.path}: no such file; unpack FMA's archive again")
    except OSError as error:
        return replace(entry, status="unreadable", message=f"{entry.path}: {error.strerror}")
    if checksum is not None and found.sha1 != checksum:
        message = f"{entry.path}: not the file that FMA published (SHA-1); unpack FMA's archive again"
        return replace(found, status="changed", message=message)
    return found


def _still_holds(known: FileEntry, entry: FileEntry, checksum: str | None) -> bool:
    """Whether the earlier entry is still valid."""
    same_file = (known.track_id, known.n_bytes, known.modified_ns) == (entry.track_id, entry.n_bytes, entry.modified_ns)
    changed = checksum is not None and known.sha1 != checksum
    return same_file and known.sha1 != "" and (known.status == "changed") == changed


def _listen(track: Track, entry: FileEntry) -> FileEntry:
    """Complete an entry by decoding the whole file."""
    rate_hz = _MAX_RATE_HZ
    try:
        header = sf.info(os.fsencode(track.path))
        entry = replace(entry, rate_hz=header.samplerate, n_channels=header.channels)
        rate_hz = min(header.samplerate, rate_hz)
    except sf.LibsndfileError:
        pass  # the file is broken or needs another decoder; decoding will tell which
    try:
        seconds = decode_file(track.path, sample_rate_hz=rate_hz).size / rate_hz
        entry = replace(entry, seconds=round(seconds, 3))
    except AudioError as error:
        seconds, message = 0.0, str(error).replace(str(track.path), entry.path)
        entry = replace(entry, status=error.reason, message=message)
    if flaw := published_flaw(track, seconds):
        message = f"{entry.path}: FMA lists it as {flaw}; {seconds:.2f} s of sound"
        entry = replace(entry, status="known-bad", message=message)
    return entry


def _others(root: Path, folder: Path, expected: set[str]) -> Iterator[FileEntry]:
    """Entries for unexpected files below a folder, and for anything unreadable; links are not followed."""
    failures: list[OSError] = []
    for parent, _, names in os.walk(folder, onerror=failures.append):
        for name in names:
            file = Path(parent, name)
            path = file.relative_to(root).as_posix()
            if path in expected or (file.parent == folder and name in _NO_AUDIO):
                continue
            try:
                status = file.lstat()
            except OSError as error:
                failures.append(error)
                continue
            message = f"{path}: not a track of this subset; move it elsewhere"
            entry = FileEntry(path=path, status="unexpected", message=message)
            yield replace(entry, n_bytes=status.st_size, modified_ns=status.st_mtime_ns)
    for failure in failures:
        # A file that has vanished since its folder was listed is no longer unexpected.
        if not isinstance(failure, FileNotFoundError):
            path = Path(failure.filename).relative_to(root).as_posix()
            yield FileEntry(path=path, status="unreadable", message=f"{path}: {failure.strerror}")
