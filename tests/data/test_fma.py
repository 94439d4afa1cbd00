from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import make_fma
from tfdeepviz.data.files import FormatError
from tfdeepviz.data.fma import audio_path, read_tracks


def test_tracks_are_read_in_order_with_their_metadata(fma_root: Path) -> None:
    tracks = read_tracks(fma_root, subset="small")
    assert [track.track_id for track in tracks] == [2, 3, 4, 5, 6, 7, 9, 1008]
    first, second = tracks[:2]
    assert (first.genre, second.genre) == ("", "Rock")
    assert (second.title, second.artist, second.artist_id, second.split) == ("Title 3", "Artist 3", 103, "training")
    assert tracks[-1].path == fma_root / "fma_small" / "001" / "001008.mp3"


def test_a_subset_holds_all_smaller_ones(fma_root: Path, tmp_path: Path) -> None:
    metadata = tmp_path / "fma_metadata"
    metadata.mkdir()
    text = (fma_root / "fma_metadata" / "tracks.csv").read_text()
    (metadata / "tracks.csv").write_text(
        text.replace("3,training,small", "3,training,large").replace("4,training,small", "4,training,medium")
    )
    assert [len(read_tracks(tmp_path, subset=name)) for name in ("small", "medium", "large", "full")] == [6, 7, 8, 8]


def test_audio_lies_where_fma_puts_it() -> None:
    assert audio_path(Path("r"), "medium", 133_297) == Path("r/fma_medium/133/133297.mp3")


def test_unknown_subset_and_missing_metadata(tmp_path: Path, fma_root: Path) -> None:
    with pytest.raises(ValueError, match="tiny"):
        read_tracks(fma_root, subset="tiny")
    with pytest.raises(FormatError, match="fma-root"):
        read_tracks(tmp_path, subset="small")


@pytest.mark.parametrize(
    "change", [("genre_top", "genre"), ("2,training", "two,training"), ("3,training", "2,training"), (",102,", ",x,")]
)
def test_csv_that_is_not_fmas_is_refused(tmp_path: Path, change: tuple[str, str]) -> None:
    make_fma(tmp_path, {2: "training", 3: "training"}, seconds=0.1)
    path = tmp_path / "fma_metadata" / "tracks.csv"
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(FormatError, match=r"tracks\.csv"):
        read_tracks(tmp_path, subset="small")


@pytest.mark.parametrize("content", ["", "\n", "a,b\n", "\0\0\0", '"'])
def test_broken_csv_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "fma_metadata").mkdir()
    (tmp_path / "fma_metadata" / "tracks.csv").write_text(content)
    with pytest.raises(FormatError, match=r"tracks\.csv"):
        read_tracks(tmp_path, subset="small")
