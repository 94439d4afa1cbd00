"""Scores and tracks: repeatable, sound, and music whose genres differ."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from tfdeepviz.data.demo import GENRES, dsp, render_track
from tfdeepviz.data.demo.arrangement import compose
from tfdeepviz.data.demo.genre import genre_table, make_artist, overlay, settle
from tfdeepviz.data.demo.mixer import render_score
from tfdeepviz.data.demo.players import pattern
from tfdeepviz.data.demo.sketch import Meter, Moment, Sketch
from tfdeepviz.data.demo.theory import SCALES, plan_sections

DURATION_SECONDS = 4.0

Pcm = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def tracks() -> dict[str, Pcm]:
    return {genre: render_track(genre, 0, 0, duration_seconds=DURATION_SECONDS) for genre in GENRES}


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


# Digests of notes, to a millisecond. When they change on purpose, `COMPOSER_VERSION` goes up.
NOTES = {
    "Electronic": "0f59a0d7",
    "Experimental": "9e4b4ca9",
    "Folk": "801c03ff",
    "Hip-Hop": "f495da78",
    "Instrumental": "9d9a0b44",
    "International": "c41ceb4e",
    "Pop": "531b6a88",
    "Rock": "8a0d21c2",
}


@pytest.mark.parametrize("genre", GENRES)
def test_the_music_stays_the_same(genre: str) -> None:
    lines = [
        f"{part.name} {note.start_seconds:.3f} {note.duration_seconds:.3f} {note.pitch:.2f} {note.velocity:.3f}"
        for artist in range(6)
        for part in compose(genre, artist, 0, seed=1, duration_seconds=30.0).parts
        for note in part.notes
    ]
    assert f"{zlib.crc32(chr(10).join(lines).encode()):08x}" == NOTES[genre]


def test_values_of_a_genres_file_are_settled_for_the_artist() -> None:
    artist = make_artist("Rock", 0, seed=0)
    low = replace(artist, habits={"dirt": 0.0}, choices=(3,) * 6)
    high = replace(artist, habits={"dirt": 1.0}, choices=(4,) * 6)
    value = {"a": {"artist": {"dirt": [2, 5]}}, "b": [{"choice": {"1": ["x", {"sum": [1, 2]}]}}]}
    assert settle(value, low) == {"a": 2, "b": [3]}
    assert settle(value, high) == {"a": 5, "b": ["x"]}
    value = {"above": {"dirt": 0.5}, "then": {"product": [2, 3]}, "else": "x"}
    assert (settle(value, low), settle(value, high)) == ("x", 6)


def _sketch() -> Sketch:
    """Two sections of two bars in C minor, one beat per second."""
    meter = Meter(60.0, looseness_seconds=0.0)
    sections = plan_sections([("verse", 2, 0.5), ("hook", 2, 1.0)], 4, 4.0)
    harmony = {"degrees": {"hook": [0, 4], "else": [0, 3]}, "centre": 12, "bass": {"transpose": -12, "highest": 50}}
    artist = make_artist("Pop", 0, seed=0)
    return Sketch(
        artist,
        np.random.default_rng(0),
        16.0,
        meter,
        sections,
        SCALES["minor"],
        48,
        harmony,
        {"bass": []},
        {"riff": "X..x"},
    )


def test_values_of_layers_follow_the_moment() -> None:
    sketch = _sketch()
    verse, hook = sketch.sections
    first, last = Moment(sketch, verse, 0), Moment(sketch, hook, 3)
    value = {"hook": {"last": {"idea": "riff"}, "else": "."}, "else": {"energy": [0.0, 10.0]}}
    assert (first.decide(value), last.decide(value)) == (5.0, "X..x")
    assert first.decide({"hook": 1}) is None
    assert first.decide({"pick": [3, 3]}) == 3
    assert first.names == {"all", "verse", "first", "opening"} and last.names == {"all", "hook", "last"}


def test_pitches_have_names() -> None:
    sketch = _sketch()
    hook = Moment(sketch, sketch.sections[1], 3)  # on G
    assert hook.pitches(["root", "scale.0-12", "scale.4", "degree.2", 31]) == (43, 36, 55, 58, 31)
    assert {pitch % 12 for pitch in hook.pitches("chord")} == {7, 10, 2}
    assert hook.pitches("chord.1+12") == (hook.pitches("chord")[1] + 12,)
    assert {pitch % 12 for pitch in hook.pitches("home")} == {0, 3, 7}


def test_patterns_climb_a_ladder() -> None:
    sketch = _sketch()
    hook = Moment(sketch, sketch.sections[1], 2)
    pattern(hook, "bass", pattern="0.1", pitch=[36, ["scale.0", "scale.4"]], step=2.0, beats=[0.5, 1.0], velocity=1.0)
    pattern(hook, "bass", pattern="01", pitch=[36, ["scale.0", "scale.4"]], step=2.0, beats=-1.0, highest=50)
    pattern(hook, "bass", pattern=None)
    notes = [(note.start_seconds, round(note.duration_seconds, 9), note.pitch) for note in sketch.notes["bass"]]
    assert notes == [(8, 0.5, 36), (8, 7, 36), (10, 7, 48), (10, 7, 43)]


def test_a_style_overrides_its_genre() -> None:
    base = {"scale": "minor", "mix": {"pad": {"level_db": -10, "pan": 0.5}}, "voices": {}}
    over = {"scale": "dorian", "mix": {"pad": {"level_db": -13}}, "voices": {"pad": {"organ": {}}}}
    mix = {"pad": {"level_db": -13, "pan": 0.5}}
    assert overlay(base, over) == {"scale": "dorian", "mix": mix, "voices": {"pad": {"organ": {}}}}


def test_a_genres_file_is_about_its_parts() -> None:
    for genre in GENRES:
        tables = [genre_table(genre), *genre_table(genre)["styles"].values()]
        parts = set(tables[0]["mix"])
        named = {name for table in tables for kind in ("voices", "mix", "automation") for name in table.get(kind, {})}
        assert named == parts
        names = {name for kind in ("bars", "sections", "track") for name in tables[0].get(kind, {})}
        assert all(set(table.get(kind, {})) <= names for table in tables for kind in ("bars", "sections", "track"))


def test_a_part_without_notes_is_silent() -> None:
    score = compose("Rock", 0, 0, seed=0, duration_seconds=1.0)
    assert any(not part.notes for part in score.parts)  # a second of chorus has no clean guitar
    assert render_score(score).shape == (2, 44_100)


def test_unknown_genre_is_named() -> None:
    with pytest.raises(ValueError, match="'Polka'"):
        render_track("Polka", 0, 0)
    with pytest.raises(ValueError, match="-1"):
        render_track("Pop", -1, 0)
