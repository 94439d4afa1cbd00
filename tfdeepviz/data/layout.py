"""Writing of corpora in FMA's layout: mp3 files, `tracks.csv` and `genres.csv`."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from tfdeepviz.files import atomic_path

TRACKS_CSV = Path("fma_metadata", "tracks.csv")
GENRES_CSV = Path("fma_metadata", "genres.csv")

# All of FMA's columns by group, because readers expect them; most stay empty.
_COLUMNS = {
    "album": "comments date_created date_released engineer favorites id information listens producer tags title tracks "
    "type",
    "artist": "active_year_begin active_year_end associated_labels bio comments date_created favorites id latitude "
    "location longitude members name related_projects tags website wikipedia_page",
    "set": "split subset",
    "track": "bit_rate comments composer date_created date_recorded duration favorites genre_top genres genres_all "
    "information interest language_code license listens lyricist number publisher tags title",
}

# Values of columns that several groups have.
_COMMON = {"comments": 0, "date_created": "2026-11-23 00:00:00", "favorites": 0, "listens": 0, "tags": "[]"}

_MP3_LEVEL = 0.5  # LAME's V5: about 130 kbit/s
_MP3_PEAK = 0.98  # largest sample that a decoded file may have

#: Values of one track, by group and column of `tracks.csv`.
Row = Mapping[str, Mapping[str, object]]


def write_tracks(root: Path, rows: Mapping[int, Row]) -> None:
    """Write `tracks.csv` from the values of each track, by id; columns that a row does not name get FMA's defaults."""
    columns = [(group, name) for group, names in _COLUMNS.items() for name in names.split()]
    lines = [
        [track_id, *(row.get(group, {}).get(name, _COMMON.get(name, "")) for group, name in columns)]
        for track_id, row in rows.items()
    ]
    groups, names = zip(*columns, strict=True)
    header = [["", *groups], ["", *names], ["track_id", *("" for _ in columns)]]
    write_csv(root / TRACKS_CSV, [*header, *lines])


def write_genres(root: Path, genres: Mapping[int, tuple[str, int]]) -> None:
    """Write `genres.csv` of top-level genres: title and number of tracks by FMA's id."""
    rows = [[number, n_tracks, 0, title, number] for number, (title, n_tracks) in sorted(genres.items())]
    write_csv(root / GENRES_CSV, [["genre_id", "#tracks", "parent", "title", "top_level"], *rows])


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write a table atomically."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def write_mp3(
    path: Path, pcm: npt.NDArray[Any], rate_hz: int, *, title: str, artist: str, genre: str, licence: str
) -> None:
    """Write PCM [shape=(n_samples, n_channels)] as mp3, atomically; it is lowered where it would clip."""
    tags = {"title": title, "artist": artist, "genre": genre, "license": licence}
    mp3 = _encode(pcm, rate_hz, tags)
    peak = float(np.max(np.abs(soundfile.read(BytesIO(mp3))[0])))
    if peak > _MP3_PEAK:  # lossy encoding can raise peaks
        mp3 = _encode(pcm * (0.97 * _MP3_PEAK / peak), rate_hz, tags)
    with atomic_path(path) as temporary:
        temporary.write_bytes(mp3)


def _encode(pcm: npt.NDArray[Any], rate_hz: int, tags: Mapping[str, str]) -> bytes:
    # Not directly into the file: on a full disk, libsndfile reports only "system error".
    mp3 = BytesIO()
    how = {"format": "MP3", "subtype": "MPEG_LAYER_III", "compression_level": _MP3_LEVEL, "bitrate_mode": "VARIABLE"}
    with soundfile.SoundFile(mp3, "w", rate_hz, channels=pcm.shape[1], **how) as file:
        for name, text in tags.items():
            if text:
                setattr(file, name, text)
        file.write(pcm)
    return mp3.getvalue()
