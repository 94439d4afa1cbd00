"""The demo corpus: repeatable, shaped like FMA, and music whose genres differ."""

import ast
import itertools
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import soundfile

from tfdeepviz.artifacts import ARTIFACT
from tfdeepviz.data.demo import GENRES, dsp, plan_corpus, render_corpus, render_track, theory, write_playground_tracks
from tfdeepviz.data.demo.composition import compose
from tfdeepviz.data.demo.genre import genre_table
from tfdeepviz.data.demo.mixer import render_score
from tfdeepviz.data.demo.sketch import Meter
from tfdeepviz.files import TEMPORARY, FormatError

DURATION_SECONDS = 4.0

Pcm = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def tracks() -> dict[str, Pcm]:
    return {genre: render_track(genre, 0, 0, duration_seconds=DURATION_SECONDS) for genre in GENRES}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo") / "corpus"
    render_corpus(root, n_tracks=3, seed=3, duration_seconds=1.0, n_workers=2)
    return root


@pytest.mark.parametrize("genre", GENRES)
def test_tracks_are_sound(tracks: dict[str, Pcm], genre: str) -> None:
    pcm = tracks[genre]
    assert pcm.shape == (2, round(DURATION_SECONDS * 44_100))
    assert np.isfinite(pcm).all()
    assert 0.2 < np.abs(pcm).max() < 0.99
    assert np.abs(pcm.mean(axis=1)).max() < 0.005
    assert -19.0 < dsp.gated_rms_db(pcm) < -8.0
    assert np.abs(pcm[:, :8]).max() < 0.05 and np.abs(pcm[:, -8:]).max() < 0.05  # no click at the ends
    assert not np.allclose(pcm[0], pcm[1])  # stereo


def test_genres_differ(tracks: dict[str, Pcm]) -> None:
    def centroid_hz(pcm: Pcm) -> float:
        spectrum = np.abs(np.fft.rfft(pcm.mean(axis=0)))
        return float(np.sum(spectrum * np.fft.rfftfreq(pcm.shape[1], 1 / 44_100)) / spectrum.sum())

    def crest_db(pcm: Pcm) -> float:
        return float(20 * np.log10(np.abs(pcm).max() / np.sqrt(np.mean(pcm**2))))

    assert centroid_hz(tracks["Rock"]) > 1.3 * centroid_hz(tracks["Instrumental"])
    assert crest_db(tracks["Experimental"]) > crest_db(tracks["Rock"])
    assert dsp.gated_rms_db(tracks["Rock"]) > dsp.gated_rms_db(tracks["Folk"]) + 2.0


def test_artists_and_numbers_differ_and_repeat() -> None:
    first = render_track("Folk", 1, 0, seed=4, duration_seconds=2.0)
    np.testing.assert_array_equal(first, render_track("Folk", 1, 0, seed=4, duration_seconds=2.0))
    for artist, number, seed in ((2, 0, 4), (1, 1, 4), (1, 0, 5)):
        assert not np.array_equal(first, render_track("Folk", artist, number, seed=seed, duration_seconds=2.0))


def test_every_style_of_every_genre_composes() -> None:
    for genre in GENRES:
        for artist in range(6):
            score = compose(genre, artist, 0, seed=1, duration_seconds=30.0)
            notes = [note for part in score.parts for note in part.notes]
            assert len(notes) > 30
            assert max(note.start_seconds for note in notes) > 20.0


def test_a_genres_file_is_about_its_parts() -> None:
    for genre in GENRES:
        tables = [genre_table(genre), *genre_table(genre)["styles"].values()]
        parts = set(tables[0]["mix"])
        named = {name for table in tables for kind in ("voices", "mix", "automation") for name in table.get(kind, {})}
        assert named == parts


def test_a_part_without_notes_is_silent() -> None:
    score = compose("Rock", 0, 0, seed=0, duration_seconds=1.0)
    assert any(not part.notes for part in score.parts)  # a second of chorus has no clean guitar
    assert render_score(score).shape == (2, 44_100)


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
    with pytest.raises(FormatError, match="not empty, and no corpus of this version"):
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
        render_corpus(tmp_path / "x", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "x").exists()


def test_unknown_genre_is_named() -> None:
    with pytest.raises(ValueError, match="'Polka'"):
        render_track("Polka", 0, 0)
    with pytest.raises(ValueError, match="-1"):
        render_track("Pop", -1, 0)


def test_importing_is_light() -> None:
    code = (
        "import sys, tfdeepviz.data.demo; print([m for m in ('tensorflow', 'librosa', 'pandas') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


# --- building blocks ---------------------------------------------------------------------------------------------


def _pitch_hz(x: Pcm) -> float:
    """Frequency of the strongest partial, interpolated."""
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)), 1 << 18))
    return float(np.argmax(spectrum) * 44_100 / (1 << 18))


@pytest.mark.parametrize("frequency_hz", [82.4, 220.0, 659.3])
def test_strings_are_in_tune(frequency_hz: float) -> None:
    string = dsp.pluck_string(
        np.full(44_100, frequency_hz), np.random.default_rng(0), t60_seconds=4.0, brightness=0.05, damping=0.6
    )
    ratio = _pitch_hz(string) / frequency_hz
    assert 1200 * abs(np.log2(ratio / round(ratio))) < 3


def test_saw_aliases_little() -> None:
    f = 1_867.0
    spectrum = np.abs(np.fft.rfft(dsp.saw(np.full(44_100, f)) * np.hanning(44_100)))
    bins = np.arange(len(spectrum))
    distance = np.abs((bins + f / 2) % f - f / 2)
    audible_alias = spectrum[(distance > 8) & (bins > 40) & (bins < 8_000)].max()
    assert 20 * np.log10(audible_alias / spectrum.max()) < -45


def test_modes_equal_their_definition() -> None:
    t = np.arange(5_000) / 44_100
    expected = sum(a * 10 ** (-3 * t / d) * np.sin(2 * np.pi * f * t) for f, d, a in ((220, 0.5, 1.0), (903, 0.1, 0.3)))
    np.testing.assert_allclose(dsp.damped_sinusoids([220, 903], [0.5, 0.1], [1.0, 0.3], 5_000), expected, atol=1e-9)


def test_limiter_keeps_its_ceiling() -> None:
    x = np.random.default_rng(0).normal(0, 1, (2, 44_100))
    assert np.abs(dsp.limit(x, 0.8)).max() <= 0.8
    quiet = x * 0.01
    np.testing.assert_allclose(dsp.limit(quiet, 0.8), quiet)


def test_shelves_reach_their_gain() -> None:
    t = np.arange(44_100) / 44_100
    for kind, passed_hz, cut_hz in (("highshelf", 15_000, 60), ("lowshelf", 60, 15_000)):
        for hz, gain_db in ((passed_hz, 6.0), (cut_hz, 0.0)):
            x = np.sin(2 * np.pi * hz * t)
            y = dsp.equalise(x, kind, 1_000.0, gain_db=6.0)  # type: ignore[arg-type]
            assert 20 * np.log10(y[4_000:].std() / x[4_000:].std()) == pytest.approx(gain_db, abs=0.3)


def test_voice_leading_moves_little() -> None:
    scale = theory.SCALES["major"]
    chords = [theory.chord_pitches(scale, 60, degree) for degree in (0, 4, 5, 3, 0)]
    voicings = theory.voice_lead(chords, 64)
    for chord, voicing in zip(chords, voicings, strict=True):
        assert {p % 12 for p in chord} == {p % 12 for p in voicing}
    steps = [abs(a - b) for one, two in itertools.pairwise(voicings) for a, b in zip(one, two, strict=True)]
    assert np.mean(steps) < 3.0


def test_sections_cover_all_bars() -> None:
    form = (("a", 2, 0.2), ("b", 4, 1.0), ("c", 1, 0.5))
    for n_bars in (1, 2, 5, 7, 16, 40):
        sections = theory.plan_sections(form, n_bars, 3.0)
        assert [bar.index for section in sections for bar in section.bars] == list(range(n_bars))
        assert [section.beat for section in sections[1:]] == [section.end for section in sections[:-1]]


def test_time_runs_forward_with_swing_and_rubato() -> None:
    meter = Meter(90.0, 4.0, swing=0.15, swing_unit=0.25, rubato=0.22)
    assert np.all(np.diff([meter.seconds(beat) for beat in np.arange(0, 64, 0.125)]) > 0)
    swung = Meter(60.0, swing=0.15, swing_unit=0.5)
    assert swung.seconds(0.5) == pytest.approx(0.65)
