"""The demo corpus: shaped like FMA, resumable, split by artist."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import soundfile

from tfdeepviz.artifacts import ARTIFACT
from tfdeepviz.data.demo import GENRES, plan_corpus, render_corpus, write_playground_tracks
from tfdeepviz.files import TEMPORARY, FormatError


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo") / "corpus"
    render_corpus(root, n_tracks=3, seed=3, duration_seconds=1.0, n_workers=2)
    return root


def test_layout_is_fma(corpus: Path) -> None:
    tracks = pd.read_csv(corpus / "fma_metadata" / "tracks.csv", index_col=0, header=[0, 1])
    assert tracks.index.name == "track_id"
    assert list(tracks.index) == list(range(2, 5))
    assert tracks.columns.nlevels == 2 and len(tracks.columns) == 52
    assert (tracks["set", "subset"] == "small").all()
    assert (tracks["track", "license"] == "CC0-1.0").all()
    genres = pd.read_csv(corpus / "fma_metadata" / "genres.csv", index_col=0)
    assert list(genres.columns) == ["#tracks", "parent", "title", "top_level"]
    for track_id, row in tracks.iterrows():
        assert ast.literal_eval(row["track", "genres"]) == [
            genres.index[genres["title"] == row["track", "genre_top"]][0]
        ]
        info = soundfile.info(corpus / "fma_small" / "000" / f"{track_id:06d}.mp3")
        assert (info.samplerate, info.channels, info.format) == (44_100, 2, "MP3")
        assert info.duration == pytest.approx(1.0, abs=0.06)
    assert not list(corpus.rglob(f"{TEMPORARY}*"))


def test_files_do_not_depend_on_the_number_of_workers(corpus: Path, tmp_path: Path) -> None:
    render_corpus(tmp_path, n_tracks=3, seed=3, duration_seconds=1.0, n_workers=1)
    for name in [*(f"fma_small/000/{i:06d}.mp3" for i in range(2, 5)), "fma_metadata/tracks.csv"]:
        assert (tmp_path / name).read_bytes() == (corpus / name).read_bytes(), name


def test_reruns_render_what_is_missing(corpus: Path) -> None:
    missing = corpus / "fma_small" / "000" / "000004.mp3"
    before = missing.read_bytes()
    missing.unlink()
    calls: list[tuple[int, int]] = []
    summary = render_corpus(
        corpus, n_tracks=3, seed=3, duration_seconds=1.0, n_workers=1, progress=lambda *n: calls.append(n)
    )
    assert (summary.n_rendered, summary.n_tracks) == (1, 3)
    assert calls == [(3, 3)]
    assert missing.read_bytes() == before


def test_what_says_complete_goes_before_anything_is_made_anew(tmp_path: Path) -> None:
    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    settings: dict[str, Any] = {"n_tracks": 2, "seed": 3, "duration_seconds": 1.0, "n_workers": 1}
    render_corpus(tmp_path, **settings)
    (tmp_path / "fma_small" / "000" / "000003.mp3").unlink()
    with pytest.raises(KeyboardInterrupt):
        render_corpus(tmp_path, **settings, progress=stop)
    assert not (tmp_path / "fma_metadata" / "genres.csv").exists()
    render_corpus(tmp_path, **settings)
    assert (tmp_path / "fma_metadata" / "genres.csv").is_file()


def test_other_folders_are_left_alone(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="holds a corpus with another seed"):
        render_corpus(corpus, n_tracks=3, seed=4, duration_seconds=1.0)
    (tmp_path / "fma_metadata").mkdir()
    with pytest.raises(FormatError, match="not empty, and not a corpus of this version"):
        render_corpus(tmp_path, n_tracks=1, duration_seconds=1.0)
    (tmp_path / ARTIFACT).write_text("{")
    with pytest.raises(FormatError, match="not valid JSON"):
        render_corpus(tmp_path, n_tracks=1, duration_seconds=1.0)


@pytest.mark.parametrize("n_tracks", [1, 8, 16, 24, 30, 64, 1000])
def test_splits_are_disjoint_by_artist(n_tracks: int) -> None:
    plan = plan_corpus(n_tracks, seed=7)
    assert [track.track_id for track in plan] == list(range(2, 2 + n_tracks))
    assert len({track.title + track.genre for track in plan}) == n_tracks
    splits = defaultdict(set)
    by_genre = defaultdict(set)
    for track in plan:
        splits[track.artist_id].add(track.split)
        by_genre[track.genre].add((track.split, track.artist_id))
    assert all(len(found) == 1 for found in splits.values())
    assert len({(track.artist_id, track.number) for track in plan}) == n_tracks
    if n_tracks >= 24:
        assert all({split for split, _ in found} == {"training", "validation", "test"} for found in by_genre.values())
        share = sum(track.split == "training" for track in plan) / n_tracks
        assert n_tracks < 64 or 0.7 < share < 0.85
    if n_tracks >= 64:
        assert all(len(found) >= 4 for found in by_genre.values())


def test_playground_tracks(tmp_path: Path) -> None:
    paths = write_playground_tracks(tmp_path, duration_seconds=1.0, n_workers=1)
    index = json.loads((tmp_path / "index.json").read_text())
    assert index["schema_version"] == 1
    assert [track["genre"] for track in index["tracks"]] == list(GENRES)
    assert [tmp_path / track["file"] for track in index["tracks"]] == list(paths)
    assert all(set(track) == {"file", "title", "artist", "genre", "duration_seconds"} for track in index["tracks"])
    assert {path.name for path in tmp_path.iterdir()} == {"index.json", *(path.name for path in paths)}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"n_tracks": 0}, "n_tracks .* 0"),
        ({"seed": -1}, "seed .* -1"),
        ({"duration_seconds": 0.5}, r"duration_seconds .* 0\.5"),
        ({"duration_seconds": float("nan")}, "duration_seconds .* nan"),
        ({"n_workers": 0}, "n_workers .* 0"),
    ],
)
def test_bad_arguments_are_named(tmp_path: Path, arguments: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        render_corpus(tmp_path / "x", **arguments)  # type: ignore[arg-type]  # one argument each
    assert not (tmp_path / "x").exists()


def test_importing_is_light() -> None:
    code = (
        "import sys, tfdeepviz.data.demo; print([m for m in ('tensorflow', 'librosa', 'pandas') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
