"""Which tracks a corpus holds: genres, artists, splits and names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator as Rng

from tfdeepviz.data.demo.genre import GENRES, genre_table
from tfdeepviz.errors import InputError

_FIRST_TRACK_ID = 2  # as in FMA
_MAX_TRACKS = 999_999 - _FIRST_TRACK_ID + 1  # ids have six digits
_TRACKS_PER_ARTIST = 5
_RANGES = {"n_tracks": (1, _MAX_TRACKS), "duration_seconds": (1, 600), "n_workers": (1, math.inf)}


@dataclass(frozen=True)
class Piece:
    """A track before rendering; `number` is its index within the artist, who has an index within the genre."""

    genre: str
    artist_index: int
    number: int
    artist_name: str
    title: str


@dataclass(frozen=True)
class PlannedTrack(Piece):
    """A track of a corpus, before rendering."""

    track_id: int
    artist_id: int
    split: str  # training, validation or test; the same for all tracks of an artist

    @property
    def path(self) -> Path:
        """Path of the track relative to the corpus."""
        name = f"{self.track_id:06d}"
        return Path("fma_small", name[:3], f"{name}.mp3")


def check_arguments(**given: float | None) -> None:
    """Refuse arguments that are out of range."""
    for name, value in given.items():
        least, most = _RANGES.get(name, (0, math.inf))
        if value is not None and not least <= value <= most:  # also rejects NaN
            allowed = f"at least {least}" if most == math.inf else f"from {least} to {most}"
            raise InputError(f"{name} must be {allowed}, got {value}")


def plan_corpus(n_tracks: int, seed: int = 0) -> tuple[PlannedTrack, ...]:
    """Plan the genre, artist, split and names of every track.

    Genres alternate. Within a genre, whole artists are held out: about a tenth of the tracks each for validation and
    test, and at least one artist each if the genre has three tracks or more (24 tracks in total). A genre with two
    tracks has none for validation; a genre with one track uses it for training.
    """
    check_arguments(n_tracks=n_tracks, seed=seed)
    plan: list[PlannedTrack] = []
    n_artists = 0
    for genre_index, genre in enumerate(GENRES):
        track_ids = range(_FIRST_TRACK_ID + genre_index, _FIRST_TRACK_ID + n_tracks, len(GENRES))
        artists = _artists(len(track_ids))
        artist_names, titles = genre_names(genre, seed, len(artists), len(track_ids))
        slots = [(number, index, split) for index, (split, count) in enumerate(artists) for number in range(count)]
        slots.sort()  # artists alternate in order of ids
        for track_id, title, (number, index, split) in zip(track_ids, titles, slots, strict=True):
            artist_id = n_artists + index + 1
            plan.append(PlannedTrack(genre, index, number, artist_names[index], title, track_id, artist_id, split))
        n_artists += len(artists)
    return tuple(sorted(plan, key=lambda track: track.track_id))


def _artists(n_tracks: int) -> list[tuple[str, int]]:
    """``(split, number of tracks)`` for each artist of a genre."""
    held_out = max(1, round(0.1 * n_tracks))
    n_test = held_out if n_tracks >= 2 else 0
    n_validation = held_out if n_tracks >= 3 else 0
    n_training = n_tracks - n_test - n_validation
    artists: list[tuple[str, int]] = []
    for split, count, least in (("training", n_training, 3), ("validation", n_validation, 1), ("test", n_test, 1)):
        n_artists = min(count, max(least, -(-count // _TRACKS_PER_ARTIST)))
        artists += [(split, len(part)) for part in np.array_split(np.arange(count), n_artists)] if n_artists else []
    return artists


def genre_names(genre: str, seed: int, n_artists: int, n_tracks: int) -> tuple[list[str], list[str]]:
    """Distinct invented names of artists, and titles of tracks."""
    table = genre_table(genre)
    rng = np.random.default_rng([seed, table["fma_id"]])
    return _names(table["artists"], n_artists, rng), _names(table["titles"], n_tracks, rng)


def _names(words: list[str], count: int, rng: Rng) -> list[str]:
    """Pairs of a first and a second word; they repeat, numbered, once all (about a hundred) are used."""
    first_words, second_words = (alternatives.split("/") for alternatives in words)
    pairs = [f"{first} {second}" for first in first_words for second in second_words]
    order = rng.permutation(len(pairs))
    rounds = (divmod(i, len(pairs)) for i in range(count))
    return [f"{pairs[order[place]]} {again + 1}" if again else pairs[order[place]] for again, place in rounds]
