"""The tables of a corpus, in the layout of FMA's metadata."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tfdeepviz.data.demo.genre import GENRES, genre_table
from tfdeepviz.data.demo.plan import PlannedTrack
from tfdeepviz.files import atomic_path

LICENSE = "CC0-1.0"

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


def genres_csv(root: Path) -> Path:
    """The table of genres. It is written last, and marks the corpus as complete."""
    return root / "fma_metadata" / "genres.csv"


def write_tables(root: Path, plan: Sequence[PlannedTrack], duration_seconds: float) -> None:
    """Write ``tracks.csv``, then ``genres.csv``."""
    columns = [(group, name) for group, names in _COLUMNS.items() for name in names.split()]
    n_by_artist = Counter(track.artist_id for track in plan)
    rows = []
    for track in plan:
        bit_rate = round((root / track.path).stat().st_size * 8 / duration_seconds)
        values = _values(track, n_by_artist[track.artist_id], bit_rate, round(duration_seconds))
        rows.append([track.track_id, *(values[group].get(name, _COMMON.get(name, "")) for group, name in columns)])
    groups, names = zip(*columns, strict=True)
    header = [["", *groups], ["", *names], ["track_id", *("" for _ in columns)]]
    _write_csv(root / "fma_metadata" / "tracks.csv", [*header, *rows])

    n_by_genre = Counter(track.genre for track in plan)
    genres = sorted((genre_table(genre)["fma_id"], genre) for genre in GENRES)
    rows = [[number, n_by_genre[genre], 0, genre, number] for number, genre in genres]
    _write_csv(genres_csv(root), [["genre_id", "#tracks", "parent", "title", "top_level"], *rows])


def _values(track: PlannedTrack, n_of_artist: int, bit_rate: int, duration: int) -> dict[str, dict[str, object]]:
    """Values of a track by group and column, without those of `_COMMON`."""
    genres = f"[{genre_table(track.genre)['fma_id']}]"
    album = f"{track.artist_name} (demo)"
    return {
        "album": {"id": track.artist_id, "title": album, "tracks": n_of_artist, "type": "Album"},
        "artist": {"id": track.artist_id, "name": track.artist_name},
        "set": {"split": track.split, "subset": "small"},
        "track": {"bit_rate": bit_rate, "duration": duration, "number": track.number + 1, "title": track.title}
        | {"genre_top": track.genre, "genres": genres, "genres_all": genres}
        | {"interest": 0, "language_code": "en", "license": LICENSE},
    }


def _write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
