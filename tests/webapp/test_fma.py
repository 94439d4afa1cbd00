"""The index of an FMA folder."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from webapp.fma import PUBLISHED_BAD, Index, build_index

COLUMNS = (
    *(("album", "title"), ("artist", "bio"), ("artist", "name"), ("track", "duration"), ("track", "genre_top")),
    *(("track", "license"), ("track", "title")),
)


def add_audio(root: Path, *track_ids: int, subset: str = "small") -> None:
    for track_id in track_ids:
        digits = f"{track_id:06d}"
        path = root / f"fma_{subset}" / digits[:3] / f"{digits}.mp3"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"sound")


def row(track_id: object, title: str = "Song", artist: str = "Ann", **other: str) -> list[str]:
    values = {"title": title, "name": artist, **other}
    return [str(track_id), *(values.get(name, "") if group != "album" else "" for group, name in COLUMNS)]


def write_table(root: Path, *rows: list[str], headings: bool = True) -> Path:
    path = root / "fma_metadata" / "tracks.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if headings:
            writer.writerow(["", *(group for group, _ in COLUMNS)])
            writer.writerow(["", *(name for _, name in COLUMNS)])
            writer.writerow(["track_id", *("" for _ in COLUMNS)])
        writer.writerows(rows)
    return path


def content(index: Index) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(index.compressed))
    return found


def titles(index: Index) -> list[str]:
    return [track[3] for track in content(index)["tracks"]]


def test_lists_what_is_there_by_artist_and_title(tmp_path: Path) -> None:
    add_audio(tmp_path, 2, 5, 140, 155066)
    write_table(
        tmp_path,
        row(2, "zebra", "ann", genre_top="Rock", duration="168", license="CC-BY-4.0"),
        row(3, "not there", "Nobody"),
        row(5, "Étude\n No. 1", "Bob", duration="12"),
        row(140, "Apple", "ann", genre_top="Folk", duration="0", license="CC0-1.0"),
        row(155066, "", "", duration="-3"),
    )
    index = build_index(tmp_path)
    assert content(index) == {
        "schema_version": 1,
        "genres": ["Folk", "Rock"],
        "artists": ["ann", "Bob"],
        "licences": ["CC-BY-4.0", "CC0-1.0"],
        "tracks": [
            [140, 0, 0, "Apple", 30, 1],
            [2, 0, 1, "zebra", 30, 0],
            [5, 1, -1, "Étude No. 1", 12, -1],
            [155066, -1, -1, "Track 155066", 30, -1],
        ],
    }
    assert (index.n_tracks, index.n_skipped, index.problem) == (4, 0, None)
    assert index.text() == "4 tracks"


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    add_audio(tmp_path, 2, 3)
    write_table(tmp_path, row(2), row(3))
    first, second = build_index(tmp_path), build_index(tmp_path)
    assert first == second
    write_table(tmp_path, row(2), row(3, "Another"))
    assert build_index(tmp_path).etag != first.etag


def test_whole_recordings_have_their_whole_length(tmp_path: Path) -> None:
    add_audio(tmp_path, 2, 3, 4, subset="full")
    add_audio(tmp_path, 3)
    write_table(tmp_path, row(2, duration="168"), row(3, duration="168"), row(4))
    assert {track[0]: track[4] for track in content(build_index(tmp_path))["tracks"]} == {2: 168, 3: 30, 4: 0}


def test_leaves_out_what_fma_lists_as_bad(tmp_path: Path) -> None:
    add_audio(tmp_path, 2, *PUBLISHED_BAD)
    write_table(tmp_path, row(2), *(row(track_id) for track_id in PUBLISHED_BAD))
    assert len(PUBLISHED_BAD) == 21
    index = build_index(tmp_path)
    assert titles(index) == ["Song"]
    assert index.text() == "1 track; left out: 21 that FMA lists as bad"


def test_malformed_rows_are_skipped_and_counted(tmp_path: Path) -> None:
    add_audio(tmp_path, 2, 3, 4)
    path = write_table(
        tmp_path,
        row(2, "good"),
        ["3", "too", "short"],
        [*row(3), "too long"],
        row("x3"),
        row("-3"),
        row("3000000"),
        row("²"),
        row(2, "a second one"),
        row(4, "t" * 5000, "a" * 5000),
    )
    with path.open("a", encoding="utf-8") as file:
        file.write("\n\n")  # blank lines are nothing
    index = build_index(tmp_path)
    assert index.n_skipped == 6
    assert "6 malformed rows" in index.text()
    assert sorted(titles(index)) == sorted(["good", "Track 3", "t" * 200])
    assert content(index)["artists"] == ["a" * 200, "Ann"]


def test_a_field_without_end_costs_its_row_only(tmp_path: Path) -> None:
    add_audio(tmp_path, 2, 3)
    write_table(tmp_path, row(2, bio="b" * (1 << 20) + "b"), row(3, "fine"))
    index = build_index(tmp_path)
    assert index.n_skipped >= 1
    assert "fine" in titles(index)
    assert csv.field_size_limit() == 131072  # as it was


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    add_audio(tmp_path, 2, 3)
    path = write_table(tmp_path, row(2, "before"))
    with path.open("ab") as file:
        file.write(b"3,,,\xff\xfe\x00,,,,B\x80ad\r\n")
    assert titles(build_index(tmp_path)) == ["before", "B\ufffdad"]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (None, "there is no fma_metadata/tracks.csv; unpack"),
        ("", "two rows of headings"),
        ("a,b\n1\n", "two rows of headings"),
        (",track\n,title\n", "lacks columns: artist name"),
        ('"' + "x" * (2 << 20), "two rows of headings"),
    ],
)
def test_without_titles_tracks_have_numbers(tmp_path: Path, table: str | None, told: str) -> None:
    add_audio(tmp_path, 7, 3)
    if table is not None:
        write_table(tmp_path).write_text(table, "utf-8")
    index = build_index(tmp_path)
    assert index.problem is not None
    assert told in index.problem
    assert index.text() == f"2 tracks; by number only: {index.problem}"
    assert titles(index) == ["Track 3", "Track 7"]


def test_a_table_that_is_a_folder(tmp_path: Path) -> None:
    add_audio(tmp_path, 2)
    (tmp_path / "fma_metadata" / "tracks.csv").mkdir(parents=True)
    assert "cannot be read" in str(build_index(tmp_path).problem)


def test_a_table_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_audio(tmp_path, 2)
    write_table(tmp_path, row(2))
    monkeypatch.setattr("webapp.fma._MAX_FILE_BYTES", 10)
    assert "larger" in str(build_index(tmp_path).problem)


def test_only_files_that_would_be_served(tmp_path: Path) -> None:
    root = tmp_path / "fma"
    add_audio(root, 2)
    folder = root / "fma_small" / "000"
    (folder / "000004.mp3").symlink_to(folder / "000004.mp3")
    (folder / "000005.mp3").symlink_to("000002.mp3")
    (folder / "000006.mp3").mkdir()
    (folder / "000007.ogg").write_bytes(b"")
    (folder / "000008.mp3").symlink_to("nothing")
    (folder / "123456.mp3").write_bytes(b"")  # lies in the wrong folder
    (folder / "00008.mp3").write_bytes(b"")
    (root / "fma_small" / "001").symlink_to("nothing")
    (root / "fma_small" / "checksums").write_bytes(b"")
    (root / "fma_full").symlink_to(root / "fma_full")
    index = build_index(root)
    assert titles(index) == ["Track 2", "Track 5"]
    assert index.left_out == ("3 whose file cannot be read", "2 folders that cannot be read")
    nothing = build_index(tmp_path / "nothing")
    assert (nothing.n_tracks, nothing.left_out) == (0, ())
    assert "there is no fma_<subset>/NNN/NNNNNN.mp3" in nothing.text()


def test_links_are_the_users_own(tmp_path: Path) -> None:
    root, disk = tmp_path / "fma", tmp_path / "disk"
    add_audio(root, 2)
    add_audio(disk, 3, 4, 1005, 2006)
    audio = disk / "fma_small"
    (root / "fma_small" / "001").symlink_to(audio / "001")
    (root / "fma_small" / "000" / "000003.mp3").symlink_to(audio / "000" / "000003.mp3")
    (root / "fma_large").symlink_to(audio)
    index = build_index(root)
    assert sorted(titles(index)) == [f"Track {i}" for i in (1005, 2, 2006, 3, 4)]
    assert index.left_out == ()


def test_8000_tracks_are_a_small_file(tmp_path: Path) -> None:
    track_ids = range(10, 160_010, 20)
    add_audio(tmp_path, *track_ids)
    rows = [row(i, f"Song {i}", f"Artist {i % 1700}", genre_top=f"Genre {i % 16}", duration="200") for i in track_ids]
    write_table(tmp_path, *rows)
    index = build_index(tmp_path)
    assert index.n_tracks == len(content(index)["tracks"]) == 8000
    assert len(index.compressed) < 200_000
