"""Choosing tracks of a corpus and splitting them, reproducibly."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Annotated, Any

from msgspec import Meta

from tfdeepviz.data import metadata as columns
from tfdeepviz.data.fma import SPLITS, SUBSETS, Track, audio_path
from tfdeepviz.data.genres import unknown
from tfdeepviz.data.metadata import Metadata, licence_terms
from tfdeepviz.errors import InputError
from tfdeepviz.lazy import pd
from tfdeepviz.params import check_choice, check_fields

#: FMA's own artist-disjoint split, a random split by track as in the paper, and a random split by artist.
SPLITTINGS = ("fma", "random", "random-by-artist")

_Fraction = Annotated[float, Meta(ge=0, le=1)]
_Seconds = Annotated[float, Meta(ge=0, le=1e12)]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which tracks of a corpus to use, and how to split them; impossible values raise an InputError.

    Names are case-insensitive, and a genre includes all its descendants. `licences` are full names, or their terms
    without version, country and remark: `CC-BY` also matches `CC-BY-3.0`, and `Attribution` also matches `Attribution
    3.0 United States`, but neither matches a licence with NonCommercial.
    """

    subset: str = "small"  # one of `SUBSETS`; includes all smaller ones
    splitting: str = "fma"  # one of `SPLITTINGS`
    fractions: tuple[_Fraction, _Fraction, _Fraction] = (0.9, 0.05, 0.05)  # of tracks, in the order of `SPLITS`
    seed: Annotated[int, Meta(ge=0)] = 0  # of all random choices
    genres: tuple[str, ...] = ()  # titles, or ids as text
    artists: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    min_seconds: _Seconds | None = None  # limits for the length of the whole recording
    max_seconds: _Seconds | None = None
    max_tracks: Annotated[int, Meta(ge=1)] | None = None  # chosen at random, before splitting
    balanced: bool = False  # choose evenly from all top-level genres; tracks without one are omitted

    def __post_init__(self) -> None:
        check_fields(self)
        check_choice("subset", self.subset, SUBSETS)
        check_choice("splitting", self.splitting, SPLITTINGS)
        for name in ("genres", "artists", "licences"):
            if not all(map(str.strip, getattr(self, name))):
                raise InputError(f"{name}={getattr(self, name)!r}: a name is empty; omit it")
        if not math.isclose(sum(self.fractions), 1, abs_tol=1e-9):
            raise InputError(f"fractions={self.fractions!r}: give three numbers from 0 to 1 that add up to 1")
        if self.splitting == "fma" and self.fractions != Selection.fractions:
            raise InputError(f"fractions={self.fractions!r}: FMA's own split has its own; choose a random one")
        if self.min_seconds is not None and self.max_seconds is not None and self.min_seconds > self.max_seconds:
            raise InputError(f"min_seconds={self.min_seconds}: at most max_seconds={self.max_seconds}")
        if self.balanced and self.max_tracks is None:
            raise InputError("balanced=True: give max_tracks as well; it is shared among the genres")

    def tracks(self, metadata: Metadata) -> list[Track]:
        """Choose and split tracks, in ascending order of id; all depends only on the seed and the ids.

        Raises an InputError if a name is unknown or no track passes a filter, and a FormatError if the metadata lacks a
        column that a filter needs.
        """
        filters: dict[str, Callable[[Any], pd.Series[bool]]] = {
            "subset": lambda subset: metadata.tracks[columns.SUBSET] <= subset,
            "genres": lambda names: _of_genres(metadata, names),
            "artists": lambda names: _of_artists(metadata, names),
            "licences": lambda names: _of_licences(metadata, names),
            "min_seconds": lambda seconds: (metadata.column(columns.DURATION) >= seconds).fillna(False),
            "max_seconds": lambda seconds: (metadata.column(columns.DURATION) <= seconds).fillna(False),
        }
        table = metadata.tracks
        for name, chosen in filters.items():
            value = getattr(self, name)
            if value is None or value == ():
                continue
            table = table[chosen(value).loc[table.index]]
            if table.empty:
                raise InputError(f"{name}={value!r}: no track is left; relax the filter")
        tracks = _as_tracks(table, metadata, self.subset)
        if self.max_tracks is not None:
            tracks = _sample(tracks, self)[: self.max_tracks]
        return _split(sorted(tracks, key=lambda track: track.track_id), self)


def _of_genres(metadata: Metadata, names: Sequence[str]) -> pd.Series[bool]:
    tree, tops = metadata.genres, metadata.tracks[columns.GENRE_TOP]
    if tree is None:
        return tops.isin(_known("genre", names, {title: {title.casefold()} for title in tops.cat.categories}))
    ids = frozenset().union(*(tree.descendants(i) for name in names for i in tree.find(name)))
    chosen = tops.isin({tree.by_id[i].title for i in ids if tree.by_id[i].parent_id is None})
    if columns.GENRES_ALL in metadata.tracks:
        chosen |= metadata.tracks[columns.GENRES_ALL].map(lambda all_ids: not ids.isdisjoint(all_ids))
    return chosen


def _of_artists(metadata: Metadata, names: Sequence[str]) -> pd.Series[bool]:
    artists = metadata.tracks[columns.ARTIST]
    return artists.isin(_known("artist", names, {artist: {artist.casefold()} for artist in artists.unique()}))


def _of_licences(metadata: Metadata, names: Sequence[str]) -> pd.Series[bool]:
    licences = metadata.column(columns.LICENCE)
    forms = {name: {name.casefold(), licence_terms(name).casefold()} for name in licences.cat.categories}
    return licences.isin(_known("licence", names, forms))


def _known(kind: str, names: Iterable[str], forms: dict[str, set[str]]) -> set[str]:
    """All values with one of the names among their forms; raises an error for a name that matches none."""
    found = set()
    for name in names:
        values = {value for value, named in forms.items() if name.casefold() in named}
        if not values:
            raise unknown(kind, name, forms)
        found |= values
    return found


def _as_tracks(table: pd.DataFrame, metadata: Metadata, subset: str) -> list[Track]:
    durations: list[Any] = table[columns.DURATION].tolist() if columns.DURATION in table else [pd.NA] * len(table)
    values = (
        table.index.tolist(),
        table[columns.SPLIT].tolist(),
        table[columns.GENRE_TOP].astype(object).fillna("").tolist(),
        *(table[name].tolist() for name in (columns.TITLE, columns.ARTIST_ID, columns.ARTIST)),
        [None if duration is pd.NA else float(duration) for duration in durations],
        [audio_path(metadata.root, subset, track_id) for track_id in table.index],
    )
    return [Track(*row) for row in zip(*values, strict=True)]


def _rank(seed: int, purpose: str, number: int) -> bytes:
    """Random sort key that is the same on every machine and independent of the other candidates."""
    return hashlib.sha256(f"{seed} {purpose} {number}".encode()).digest()


def _sample(tracks: list[Track], selection: Selection) -> list[Track]:
    """Put tracks in the random order in which they are chosen."""
    order = sorted(tracks, key=lambda track: _rank(selection.seed, "sample", track.track_id))
    if not selection.balanced:
        return order
    by_genre = defaultdict(list)
    for track in order:
        by_genre[track.genre].append(track)
    if not (genres := sorted(by_genre.keys() - {""})):
        raise InputError("balanced=True: no track has a top-level genre; omit it")
    turns = zip_longest(*(by_genre[genre] for genre in genres))
    return [track for turn in turns for track in turn if track is not None]


def _split(tracks: list[Track], selection: Selection) -> list[Track]:
    """Fill the splits with whole groups (single tracks, or all tracks of an artist) in random order.

    The largest split gets the remainder. The others skip a group if adding it would leave them further from their
    target count than skipping it.
    """
    if selection.splitting == "fma":
        return tracks
    groups: dict[int, list[Track]] = defaultdict(list)
    for track in tracks:
        groups[track.artist_id if selection.splitting == "random-by-artist" else track.track_id].append(track)
    order = sorted(groups, key=lambda number: _rank(selection.seed, selection.splitting, number))
    *smaller, (_, largest) = sorted(zip(_apportion(len(tracks), selection.fractions), SPLITS, strict=True))
    splits = dict.fromkeys(order, largest)
    free = order
    for n_missing, split in smaller:
        for number in free:
            if len(groups[number]) < 2 * n_missing:
                splits[number] = split
                n_missing -= len(groups[number])
        free = [number for number in free if splits[number] == largest]
    return sorted(
        (replace(track, split=splits[number]) for number, group in groups.items() for track in group),
        key=lambda track: track.track_id,
    )


def _apportion(n_tracks: int, fractions: Sequence[float]) -> list[int]:
    """Split `n_tracks` into whole numbers in proportion to the fractions (largest remainder method)."""
    exact = [n_tracks * fraction for fraction in fractions]
    counts = [math.floor(share) for share in exact]
    for i in sorted(range(len(exact)), key=lambda i: counts[i] - exact[i])[: n_tracks - sum(counts)]:
        counts[i] += 1
    return counts
