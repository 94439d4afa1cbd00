from __future__ import annotations

from pathlib import Path

import pytest

from tfdeepviz.errors import InputError
from tfdeepviz.export.analysis_files import plan_outputs


@pytest.fixture
def albums(tmp_path: Path) -> Path:
    for name in ("one/b.mp3", "one/a.FLAC", "two/a.flac", "two/cover.jpg", "c.wav"):
        path = tmp_path / "albums" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "albums"


def test_a_single_track_goes_to_the_file_that_is_named(albums: Path) -> None:
    track = albums / "two" / "cover.jpg"  # whatever it is called
    assert plan_outputs([track], Path("x.npz"), ".csv") == {track: Path("x.npz")}


def test_a_folder_is_searched_and_mirrored(albums: Path) -> None:
    outputs = plan_outputs([albums], Path("out"), ".npz")
    assert {str(track.relative_to(albums)): str(out) for track, out in outputs.items()} == {
        "c.wav": "out/c.wav.npz",
        "one/a.FLAC": "out/one/a.FLAC.npz",
        "one/b.mp3": "out/one/b.mp3.npz",
        "two/a.flac": "out/two/a.flac.npz",
    }
    assert list(outputs) == sorted(outputs)


def test_tracks_and_folders_mix_and_a_track_counts_once(albums: Path) -> None:
    track = albums / "one" / "b.mp3"
    outputs = plan_outputs([track, albums / "one", track], Path("out"))
    assert {track: Path("out/b.mp3.json"), albums / "one" / "a.FLAC": Path("out/a.FLAC.json")} == outputs
    folder = albums / "out.v2"
    folder.mkdir()
    assert plan_outputs([track], folder) == {track: folder / "b.mp3.json"}


def test_what_does_not_fit_is_refused(albums: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing: no such audio file or folder"):
        plan_outputs([albums, tmp_path / "nothing"], Path("out"))
    with pytest.raises(InputError, match=r"x\.json: for several tracks, give a folder"):
        plan_outputs([albums], Path("x.json"))
    with pytest.raises(InputError, match=r"x\.txt: give a file that ends in \.json, \.npz, \.csv, \.jams, or a folder"):
        plan_outputs([albums / "c.wav"], Path("x.txt"))
    with pytest.raises(InputError, match=r"a\.flac.* both would be written to"):
        (albums / "one" / "a.flac").write_bytes(b"x")
        plan_outputs([albums / "one" / "a.flac", albums / "two" / "a.flac"], Path("out"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no audio file found"):
        plan_outputs([tmp_path / "empty"], Path("out"))
