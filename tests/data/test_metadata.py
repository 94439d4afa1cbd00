from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import make_fma
from tests.data.metadata import GENRES, load, write_metadata
from tfdeepviz.data.fma import audio_path
from tfdeepviz.data.metadata import MAX_LICENCE_CHARACTERS, MAX_LICENCES, NO_LICENCE, OTHER_LICENCES, Metadata
from tfdeepviz.data.selection import Selection
from tfdeepviz.files import FormatError


def test_tracks_are_read_in_order_with_their_metadata(fma_root: Path) -> None:
    tracks = Selection().tracks(Metadata.load(fma_root))
    assert [track.track_id for track in tracks] == [2, 3, 4, 5, 6, 7, 9, 1008]
    first, second = tracks[:2]
    assert (first.genre, second.genre) == ("", "Rock")
    assert (second.title, second.artist, second.artist_id, second.split) == ("Title 3", "Artist 3", 103, "training")
    assert second.duration_seconds is None
    assert tracks[-1].path == fma_root / "fma_small" / "001" / "001008.mp3"


def test_audio_lies_where_fma_puts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert audio_path(Path("r"), "medium", 133_297) == Path("r/fma_medium/133/133297.mp3")
    write_metadata(tmp_path, [{}])
    monkeypatch.chdir(tmp_path)
    assert Selection(subset="large").tracks(Metadata.load(Path()))[0].path == tmp_path / "fma_large/000/000002.mp3"


def test_columns_get_their_types() -> None:
    full = {
        **{"track.genres": "[25, 12]", "track.genres_all": "[12, 25]", "track.tags": "['it\\'s', \"a\"]"},
        **{"track.date_created": "2008-11-26 01:48:12", "artist.active_year_begin": "2006-01-01 00:00:00"},
        **{"track.duration": "168", "track.license": "CC-BY-3.0", "album.type": "Album", "artist.latitude": "-3.5"},
        **{"track.listens": "1293.0", "album.id": "-1", "track.composer": "NA"},
    }
    table = load([full, {"set.subset": "large", "artist.name": "None"}, {"track.genre_top": "", **full}]).tracks
    assert table.index.dtype == "int64"
    assert table["track", "genres"].tolist() == [[25, 12], [], [25, 12]]
    assert table["track", "tags"].tolist() == [["it's", "a"], [], ["it's", "a"]]
    assert table["track", "tags"].iloc[0] is not table["track", "tags"].iloc[2]
    assert table["track", "date_created"].tolist()[0] == pd.Timestamp("2008-11-26 01:48:12")
    assert table["artist", "active_year_begin"].isna().tolist() == [False, True, False]
    assert table["track", "duration"].dtype == table["track", "listens"].dtype == "Int64"
    assert table["track", "duration"].tolist() == [168, pd.NA, 168]
    assert table["artist", "latitude"].iloc[0] == -3.5
    assert table["track", "genre_top"].isna().tolist() == [False, False, True]
    assert (table["set", "subset"] <= "medium").tolist() == [True, False, True]
    for column in (("set", "split"), ("track", "license"), ("album", "type"), ("track", "genre_top")):
        assert isinstance(table[column].dtype, pd.CategoricalDtype)
    # What pandas by itself would take for a missing value.
    assert table["artist", "name"].tolist() == ["Artist", "None", "Artist"]
    assert table["track", "composer"].iloc[0] == "NA"


def test_track_has_plain_values() -> None:
    (track,) = Selection().tracks(load([{"track.duration": "168"}]))
    assert [type(value) for value in (track.track_id, track.artist_id, track.split)] == [int, int, str]
    assert track.duration_seconds == 168.0
    assert isinstance(track.duration_seconds, float)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("track.genres", text) for text in ("12", "['Rock']", "[12", "[True]", "[1, [2]]", "f()", "[" * 999, "{[]}")),
        *(("track.tags", text) for text in ("[1]", "rock", "['\\x']", "['" + "x" * 70_000 + "']", "-" * 20_000 + "1")),
        *(("track.duration", text) for text in ("long", "1.5", "inf", "1e30", "9" * 30)),
        *(("artist.id", text) for text in ("", "x", "1.5")),
        *(("track_id", text) for text in ("", "-2", "two", "2.5")),
        *(("track.date_created", text) for text in ("soon", "2008-13-01")),
        *(("set.split", "train"), ("set.split", ""), ("set.subset", "tiny"), ("artist.longitude", "west")),
    ],
)
def test_values_that_are_not_fmas_are_refused(column: str, value: str) -> None:
    with pytest.raises(FormatError, match=column.replace("track_id", "track.?id")) as caught:
        load([{}, {column: value}])
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        *(("genre_top", "genre"), ("2,training", "two,training"), ("3,training", "2,training"), (",102,", ",x,")),
        # Without this line, pandas would lose the first track.
        ("track_id,,,,,,\n", ""),
    ],
)
def test_csv_that_is_not_fmas_is_refused(tmp_path: Path, change: tuple[str, str]) -> None:
    make_fma(tmp_path, {2: "training", 3: "training"}, seconds=0.1)
    path = tmp_path / "fma_metadata" / "tracks.csv"
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(FormatError, match=r"tracks\.csv"):
        Metadata.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\n", b"a,b\n", b"\0\0\0", b'"', b"\xff\xfe\xff"])
@pytest.mark.parametrize("name", ["tracks.csv", "genres.csv"])
def test_broken_csv_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    write_metadata(tmp_path, [{}], genres=GENRES)
    (tmp_path / "fma_metadata" / name).write_bytes(content)
    with pytest.raises(FormatError, match=name):
        Metadata.load(tmp_path)


def test_missing_and_oversized_metadata(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="fma-root"):
        Metadata.load(tmp_path)
    write_metadata(tmp_path, [{}], genres=GENRES)
    os.truncate(tmp_path / "fma_metadata" / "genres.csv", 1 << 21)  # sparse
    with pytest.raises(FormatError, match="larger than"):
        Metadata.load(tmp_path)


def test_licences_are_counted_as_they_are_written() -> None:
    metadata = load([{"track.license": text} for text in ("CC-BY-3.0", "", "CC0-1.0", "CC-BY-3.0", " CC \n0 ", "GPL")])
    *tracks, _ = Selection().tracks(metadata)
    licences = metadata.licences(tracks)
    assert licences == {"CC-BY-3.0": 2, "CC 0": 1, "CC0-1.0": 1, NO_LICENCE: 1}
    assert next(iter(licences)) == "CC-BY-3.0"
    assert load([{}]).licences(Selection().tracks(load([{}]))) is None


def test_very_many_licences_are_bounded() -> None:
    metadata = load([{"track.license": f"No {i // 2:03d} {'x' * 300}"} for i in range(2 * MAX_LICENCES)])
    licences = metadata.licences(Selection().tracks(metadata))
    assert licences is not None
    assert len(licences) == MAX_LICENCES
    assert licences[OTHER_LICENCES] == 2
    assert sum(licences.values()) == 2 * MAX_LICENCES
    assert {len(name) for name in licences} == {MAX_LICENCE_CHARACTERS, len(OTHER_LICENCES)}
