"""The index of an FMA folder: the tracks that can be played, with their titles from `fma_metadata/tracks.csv`.

FMA's table has 106,574 tracks and 53 columns, most of them prose. A browser only needs six values per track whose audio
exists. The table is untrusted input: its size is bounded, and malformed rows are skipped and counted.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: A track that is in several subsets is served from the first of them.
SUBSETS = ("small", "medium", "large", "full")

SCHEMA_VERSION = 1
METADATA = "fma_metadata/tracks.csv"

#: Files that FMA itself lists as bad: without audio, too short or mis-timed (its wiki, "Known issues").
PUBLISHED_BAD = frozenset(
    (
        *(99134, 108925, 133297, 1486, 5574, 65753, 80391, *range(98558, 98561), *range(98565, 98570), 98571),
        *(105247, 108924, 126981, 127336, 143992),
    )
)

# All subsets except the full one contain clips, but the table has the length of the full recordings.
_CLIP_SECONDS = 30
_LONGEST_SECONDS = 24 * 3600

_MAX_FILE_BYTES = 1 << 30
_MAX_FIELD_CHARACTERS = 1 << 20  # biographies are long
_MAX_NAME_CHARACTERS = 200
_MAX_LICENCES = 256

_TITLE, _ARTIST, _GENRE = ("track", "title"), ("artist", "name"), ("track", "genre_top")
_DURATION, _LICENCE = ("track", "duration"), ("track", "license")


@dataclass(frozen=True)
class Index:
    """Response of `/fma/index.json`.

    Attributes
    ----------
    compressed
        The JSON, as gzip.
    etag
        ETag of the JSON.
    n_tracks
        Number of tracks listed.
    left_out
        Phrases that count what exists but is not listed, by reason.
    n_skipped
        Number of malformed rows in the table.
    problem
        Reason why there are no titles; None if there are titles.
    """

    compressed: bytes
    etag: str
    n_tracks: int
    left_out: tuple[str, ...]
    n_skipped: int
    problem: str | None

    def text(self) -> str:
        """Summarise in one line what was found and what was left out."""
        line = "1 track" if self.n_tracks == 1 else f"{self.n_tracks:,} tracks"
        if not self.n_tracks and not self.left_out:
            line += "; there is no fma_<subset>/NNN/NNNNNN.mp3"
        if self.left_out:
            line += f"; left out: {', '.join(self.left_out)}"
        if self.problem is not None:
            return f"{line}; by number only: {self.problem}"
        return f"{line}; {self.n_skipped:,} malformed rows of {METADATA} skipped" if self.n_skipped else line


@dataclass(frozen=True)
class _Row:
    title: str
    artist: str
    genre: str
    seconds: int
    licence: str


class _MetadataError(ValueError):
    """The titles cannot be read; the message completes a sentence."""


def audio_name(subset: str, track_id: int) -> str:
    """Return the path of a track's audio below the root, as in FMA's archives."""
    digits = f"{track_id:06d}"
    return f"fma_{subset}/{digits[:3]}/{digits}.mp3"


def find_audio(root: Path, track_id: int) -> Path | None:
    """Find a track's audio.

    The path follows from the track's number, so a client cannot choose it. Links are therefore followed, wherever the
    owner of the folder has pointed them: a subset may be on another disk.
    """
    for subset in SUBSETS:
        path = root / audio_name(subset, track_id)
        if os.access(path, os.R_OK) and path.is_file():
            return path
    return None


def build_index(root: Path) -> Index:
    """List the tracks of an FMA folder that can be played.

    Parameters
    ----------
    root
        Folder with ``fma_metadata/tracks.csv`` and ``fma_<subset>/NNN/NNNNNN.mp3``. Without a usable table, tracks are
        named by their numbers.

    Notes
    -----
    ``{"schema_version", "genres", "artists", "licences", "tracks": [[id, artist, genre, title, seconds, licence]]}``:
    artist, genre and licence are positions in the lists, -1 if unknown; seconds are the length of the audio file, 0 if
    unknown. Tracks are sorted by artist and title; those without an artist come last, sorted by number.
    """
    audio, left_out = _audio(root)
    n_skipped, problem = 0, None
    rows: dict[int, _Row] = {}
    try:
        rows, n_skipped = _read_rows(root / METADATA, audio)
    except _MetadataError as error:
        problem = str(error)
    genres, artists, licences = (
        _distinct(getattr(row, name) for row in rows.values()) for name in ("genre", "artist", "licence")
    )
    licences = dict(list(licences.items())[:_MAX_LICENCES])

    def entry(track_id: int) -> tuple[int, int, int, str, int, int]:
        row = rows.get(track_id) or _Row(f"Track {track_id}", "", "", 0, "")
        seconds = row.seconds if audio[track_id] == "full" else min(row.seconds or _CLIP_SECONDS, _CLIP_SECONDS)
        artist, genre, licence = artists.get(row.artist, -1), genres.get(row.genre, -1), licences.get(row.licence, -1)
        return track_id, artist, genre, row.title, seconds, licence

    def place(track: tuple[int, int, int, str, int, int]) -> tuple[bool, int, str, int]:
        track_id, artist, _, title, _, _ = track
        return artist < 0, artist, title.casefold() if artist >= 0 else "", track_id

    names = {"genres": list(genres), "artists": list(artists), "licences": list(licences)}
    return _pack(names, sorted(map(entry, audio), key=place), left_out, n_skipped, problem)


def empty_index() -> Index:
    """Build the index of a server without FMA, so that a page can request it without an error in its console."""
    return _pack({"genres": [], "artists": [], "licences": []}, [], (), 0, None)


def _pack(
    names: Mapping[str, list[str]],
    tracks: list[tuple[int, int, int, str, int, int]],
    left_out: tuple[str, ...],
    n_skipped: int,
    problem: str | None,
) -> Index:
    content = json.dumps(
        {"schema_version": SCHEMA_VERSION, **names, "tracks": tracks}, ensure_ascii=False, separators=(",", ":")
    ).encode()
    # A fixed mtime makes equal indexes equal bytes.
    compressed = gzip.compress(content, compresslevel=6, mtime=0)
    return Index(compressed, hashlib.sha256(content).hexdigest()[:32], len(tracks), left_out, n_skipped, problem)


def _distinct(values: Iterable[str]) -> dict[str, int]:
    """Number the distinct values in alphabetical order, without empty ones."""
    return {value: i for i, value in enumerate(sorted({*values} - {""}, key=lambda text: (text.casefold(), text)))}


def _audio(root: Path) -> tuple[dict[int, str], tuple[str, ...]]:
    """Find the subset of every track that has a file, following links; also say what is left out."""
    found: dict[int, str] = {}
    unusable: set[int] = set()
    unreadable: list[OSError] = []
    for subset in SUBSETS:
        top = root / f"fma_{subset}"
        for folder in _entries(top, unreadable) if top.exists() or top.is_symlink() else ():
            if not (len(folder.name) == 3 and _is_number(folder.name)):
                continue
            for file in _entries(folder.path, unreadable):
                digits = file.name.removesuffix(".mp3")
                if not (file.name == f"{digits}.mp3" and len(digits) == 6 and _is_number(digits)):
                    continue
                if digits[:3] != folder.name:
                    continue
                if _is_file(file):
                    found.setdefault(int(digits), subset)
                else:
                    unusable.add(int(digits))
    n_bad, n_unusable, n_folders = len(found.keys() & PUBLISHED_BAD), len(unusable - found.keys()), len(unreadable)
    left_out = (
        f"{n_bad:,} that FMA lists as bad" if n_bad else "",
        f"{n_unusable:,} whose file cannot be read" if n_unusable else "",
        f"{n_folders:,} {'folder' if n_folders == 1 else 'folders'} that cannot be read" if n_folders else "",
    )
    return {i: subset for i, subset in found.items() if i not in PUBLISHED_BAD}, tuple(filter(None, left_out))


def _entries(folder: Path | str, unreadable: list[OSError]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        unreadable.append(error)
        return []


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        # Checking all of 100,000 files takes seconds, so only links are checked, which are often broken.
        return entry.is_file() and (not entry.is_symlink() or os.access(entry.path, os.R_OK))
    except OSError:  # a loop of links
        return False


def _read_rows(path: Path, wanted: Mapping[int, str]) -> tuple[dict[int, _Row], int]:
    """Read the rows of the tracks that have audio; also return the number of malformed rows."""
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            if os.fstat(file.fileno()).st_size > _MAX_FILE_BYTES:
                raise _MetadataError(f"{METADATA} is larger than 1 GiB, which FMA's is not")
            return _parse(iter(lambda: file.readline(_MAX_FIELD_CHARACTERS), ""), wanted)
    except FileNotFoundError:
        raise _MetadataError(f"there is no {METADATA}; unpack fma_metadata.zip there") from None
    except OSError as error:
        raise _MetadataError(f"{METADATA} cannot be read: {error.strerror}") from error


def _parse(lines: Iterator[str], wanted: Mapping[int, str]) -> tuple[dict[int, _Row], int]:
    limit = csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    try:
        reader = csv.reader(lines)
        groups, names = _next_row(reader), _next_row(reader)
        if groups is None or names is None or len(groups) != len(names):
            raise _MetadataError(f"{METADATA} does not begin with FMA's two rows of headings")
        columns = {column: i for i, column in enumerate(zip(groups, names, strict=True))}
        if missing := [" ".join(column) for column in (_TITLE, _ARTIST) if column not in columns]:
            raise _MetadataError(f"{METADATA} lacks columns: {', '.join(missing)}")
        rows: dict[int, _Row] = {}
        n_skipped = 0
        for cells in _rows(reader):
            if cells == []:
                continue
            if cells is None or len(cells) != len(columns) or not _is_number(cells[0]) or len(cells[0]) > 6:
                # The row that names the index is the third of FMA's headings.
                n_skipped += not (cells and cells[0] == "track_id")
                continue
            track_id = int(cells[0])
            if track_id in wanted and track_id not in rows:
                rows[track_id] = _row(track_id, {column: cells[i] for column, i in columns.items()})
        return rows, n_skipped
    finally:
        csv.field_size_limit(limit)


def _next_row(reader: Iterator[list[str]]) -> list[str] | None:
    try:
        return next(reader, None)
    except csv.Error:
        return None


def _rows(reader: Iterator[list[str]]) -> Iterator[list[str] | None]:
    """Yield all rows, with None for a row that is not valid CSV."""
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield None


def _row(track_id: int, cells: Mapping[tuple[str, str], str]) -> _Row:
    return _Row(
        title=_name(cells[_TITLE]) or f"Track {track_id}",
        artist=_name(cells[_ARTIST]),
        genre=_name(cells.get(_GENRE, "")),
        seconds=_seconds(cells.get(_DURATION, "")),
        licence=_name(cells.get(_LICENCE, "")),
    )


def _name(text: str) -> str:
    """Put a text on one line and shorten it to a length that a page can show."""
    return " ".join(text[: 4 * _MAX_NAME_CHARACTERS].split())[:_MAX_NAME_CHARACTERS].rstrip()


def _seconds(text: str) -> int:
    """Parse a duration; 0 if it is unknown, as in FMA's own table."""
    try:
        seconds = float(text)
    except ValueError:
        return 0
    return round(seconds) if 0 <= seconds <= _LONGEST_SECONDS else 0
