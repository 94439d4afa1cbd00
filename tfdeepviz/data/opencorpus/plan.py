"""Which parts of which songs become the tracks of an open corpus, and in which split they are."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfdeepviz.data.opencorpus.sources import plain

#: Shares of the splits, by duration.
_SHARES = {"training": 0.8, "validation": 0.1, "test": 0.1}


@dataclass(frozen=True, order=True)
class Song:
    """An audio file of a package, with its credits."""

    package: str
    path: str  # in the package
    seconds: float
    artist: str
    title: str
    licence: str
    stated_in: str
    genre: str  # of FMA's top level; empty if unknown
    file: Path  # where it was unpacked


@dataclass(frozen=True)
class Clip:
    """A part of a song, which becomes one track."""

    song: Song
    start_seconds: float
    seconds: float
    number: int  # within the song, from 1
    n_clips: int


def choose_clips(songs: Sequence[Song], *, hours: float, seconds: float | None, most: int) -> list[Clip]:
    """Choose clips of `seconds`, or whole songs if that is None, until they last `hours`; at most `most` of a song.

    Artists take turns, and so do the songs of each, so that many are heard. The clips of a song are spread evenly over
    it. Clips come in order of package, path and time.
    """
    by_artist: dict[str, list[Song]] = defaultdict(list)
    for song in sorted(songs):
        by_artist[plain(song.artist)].append(song)
    queues = [_turns(by_artist[name], seconds, most) for name in sorted(by_artist, key=_shuffled)]
    counts: dict[Song, int] = defaultdict(int)
    left = hours * 3600
    for turn in range(max(map(len, queues), default=0)):
        for queue in queues:
            if turn < len(queue) and left > 0:
                counts[queue[turn]] += 1
                left -= seconds or queue[turn].seconds
    return [clip for song in sorted(counts) for clip in _spread(song, seconds, counts[song])]


def _turns(songs: Sequence[Song], seconds: float | None, most: int) -> list[Song]:
    """Songs of an artist in the order in which they give clips: each once, then each once more."""
    shuffled = sorted(songs, key=lambda song: _shuffled(f"{song.package} {song.path}"))
    if seconds is None:
        return shuffled
    rounds = range(min(most, max((int(song.seconds // seconds) for song in songs), default=0)))
    return [song for turn in rounds for song in shuffled if song.seconds >= (turn + 1) * seconds]


def _spread(song: Song, seconds: float | None, n_clips: int) -> list[Clip]:
    if seconds is None:
        return [Clip(song, 0.0, song.seconds, 1, 1)]
    part = song.seconds / n_clips
    starts = [round(i * part + (part - seconds) / 2, 2) for i in range(n_clips)]
    return [Clip(song, max(0.0, start), seconds, i, n_clips) for i, start in enumerate(starts, 1)]


def split_artists(clips: Iterable[Clip], known: Mapping[str, str]) -> dict[str, str]:
    """Give each artist, by `plain` name, a split, about 80, 10 and 10 % by duration.

    Artists in `known` keep theirs. The others come in an order that depends on their names only, and each goes where
    most is missing. Artists who played together share a split.
    """
    durations: dict[str, float] = defaultdict(float)
    for clip in clips:
        durations[clip.song.artist] += clip.seconds
    missing = {split: share * sum(durations.values()) for split, share in _SHARES.items()}
    splits = {}
    groups = _groups(durations)
    for group in sorted(groups, key=lambda group: (known.keys().isdisjoint(group), _shuffled(min(group)))):
        split = next((known[name] for name in sorted(group) if name in known), None)
        split = split or max(missing, key=lambda split: missing[split])
        for artist in durations:
            if not group.isdisjoint(_members(artist)):
                splits[plain(artist)] = split
                missing[split] -= durations[artist]
    return splits


def _members(artist: str) -> set[str]:
    """Plain names of an artist and, if it is a list, of all in it."""
    return {plain(artist), *filter(None, map(plain, re.split(r"&|,|\band\b|\bfeat\.", artist)))}


def _groups(artists: Iterable[str]) -> list[set[str]]:
    """Plain names of artists who played together, directly or through others."""
    groups: list[set[str]] = []
    for artist in artists:
        members = _members(artist)
        joined = [group for group in groups if not group.isdisjoint(members)]
        groups = [group for group in groups if group.isdisjoint(members)] + [members.union(*joined)]
    return groups


def without_copies(songs: Iterable[Song], digests: Mapping[Path, str]) -> tuple[list[Song], list[Song]]:
    """Separate songs from those that are also in an earlier package: the same file, or artist and title."""
    first: list[Song] = []
    copies: list[Song] = []
    seen: set[str] = set()
    for song in sorted(songs):
        keys = {digests[song.file], f"{plain(song.artist)} {plain(song.title)}"}
        (copies if keys & seen else first).append(song)
        seen |= keys
    return first, copies


def _shuffled(name: str) -> str:
    """Sort by this for an order that looks random, and does not change when names are added."""
    return hashlib.sha256(name.encode()).hexdigest()
