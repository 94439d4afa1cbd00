"""Which clips are chosen, and which split they get."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from tfdeepviz.data.opencorpus.plan import Song, choose_clips, split_artists, without_copies
from tfdeepviz.data.opencorpus.sources import plain


def song(artist: str, title: str, *, seconds: float = 200.0, package: str = "songs") -> Song:
    path = f"usr/{artist}-{title}.ogg"
    about = {"licence": "CC0-1.0", "stated_in": "copyright", "genre": ""}
    return Song(package, path, seconds, artist, title, file=Path("/", package, path), **about)


MANY = [song(f"artist {i}", f"title {j}") for i in range(40) for j in range(1 + i % 7)]


def test_artists_and_songs_take_turns() -> None:
    songs = [song("prolific", str(i)) for i in range(20)] + [song("rare", "one"), song("scarce", "two", seconds=40.0)]
    clips = choose_clips(songs, hours=10 * 30 / 3600, seconds=30.0, most=6)
    counts = Counter(clip.song.artist for clip in clips)
    assert counts["scarce"] == 1 and {counts["prolific"], counts["rare"]} == {4, 5}
    assert len({clip.song for clip in clips}) == 2 + counts["prolific"]
    assert clips == choose_clips(songs[::-1], hours=10 * 30 / 3600, seconds=30.0, most=6)


def test_clips_are_spread_evenly_and_do_not_overlap() -> None:
    clips = choose_clips([song("a", "b")], hours=1, seconds=30.0, most=4)
    assert [clip.start_seconds for clip in clips] == [10.0, 60.0, 110.0, 160.0]
    assert [(clip.number, clip.n_clips) for clip in clips] == [(i, 4) for i in range(1, 5)]
    clips = choose_clips([song("a", "b", seconds=90.5)], hours=1, seconds=30.0, most=6)
    starts = [clip.start_seconds for clip in clips]
    assert len(starts) == 3 and starts[0] >= 0 and starts[-1] + 30 <= 90.5
    assert all(after - before >= 30 for before, after in pairwise(starts))


def test_whole_songs() -> None:
    clips = choose_clips(MANY, hours=1, seconds=None, most=6)
    assert len(clips) == 18 and {(clip.start_seconds, clip.seconds) for clip in clips} == {(0.0, 200.0)}
    assert len({clip.song.artist for clip in clips}) == 18


def test_splits_are_by_artist_and_near_their_shares() -> None:
    clips = choose_clips(MANY, hours=5, seconds=30.0, most=6)
    splits = split_artists(clips, {})
    assert set(splits) == {plain(clip.song.artist) for clip in clips}
    shares = Counter(splits[plain(clip.song.artist)] for clip in clips)
    assert shares["training"] / len(clips) == pytest.approx(0.8, abs=0.05)
    assert shares["test"] / len(clips) == pytest.approx(0.1, abs=0.03)
    assert splits == split_artists(clips[::-1], {})


def test_known_artists_keep_their_splits() -> None:
    clips = choose_clips(MANY, hours=5, seconds=30.0, most=6)
    known = {"artist3": "test", "artist4": "validation", "elsewhere": "test"}
    splits = split_artists(clips, known)
    assert (splits["artist3"], splits["artist4"]) == ("test", "validation")
    assert "elsewhere" not in splits


def test_artists_who_played_together_share_a_split() -> None:
    songs = [*MANY, song("artist 1 & artist 2", "duo"), song("artist 2, artist 3 and artist 4", "trio")]
    splits = split_artists(choose_clips(songs, hours=5, seconds=30.0, most=6), {"artist3": "test"})
    assert {splits[f"artist{i}"] for i in range(1, 5)} == {"test"}
    assert splits["artist1artist2"] == splits["artist2artist3andartist4"] == "test"


def test_copies_are_recognised_by_content_and_by_title() -> None:
    songs = [song("a", "One"), song("a", "one!", package="z"), song("b", "Two"), song("c", "Three"), song("d", "Four")]
    digests = {one.file: one.title for one in songs} | {songs[4].file: "Two"}
    first, copies = without_copies(songs, digests)
    assert [one.title for one in first] == ["One", "Two", "Three"]
    assert {one.title for one in copies} == {"one!", "Four"}
