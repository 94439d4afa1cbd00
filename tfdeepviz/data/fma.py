"""Metadata of the Free Music Archive (FMA): tracks, genres and splits."""

from __future__ import annotations

import ast
import difflib
import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from textwrap import shorten
from typing import Any, Self, cast

import numpy as np
import pandas as pd

from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError

#: Each subset includes all smaller ones, so tracks are selected with `<=`.
SUBSETS = ("small", "medium", "large", "full")
SPLITS = ("training", "validation", "test")

#: FMA's own artist-disjoint split, a random split by track as in the paper, and a random split by artist.
SPLITTINGS = ("fma", "random", "random-by-artist")

_NO_AUDIO = "no audio"
_SHORT = "too short or mis-timed"

#: Files that FMA itself lists as bad, with the reason.
PUBLISHED_BAD: dict[int, str] = {
    **dict.fromkeys((99134, 108925, 133297), _NO_AUDIO),
    **dict.fromkeys((1486, 5574, 65753, 80391, *range(98558, 98561), *range(98565, 98570), 98571), _SHORT),
    **dict.fromkeys((105247, 108924, 126981, 127336, 143992), _SHORT),
}

# FMA's clips last 30 s, but the encoder may drop up to a second.
_CLIP_SECONDS = 29.0

_Column = tuple[str, str]

_GENRE_TOP: _Column = ("track", "genre_top")
_GENRES_ALL: _Column = ("track", "genres_all")
_LICENCE: _Column = ("track", "license")
_DURATION: _Column = ("track", "duration")
_SPLIT: _Column = ("set", "split")
_SUBSET: _Column = ("set", "subset")
_TITLE: _Column = ("track", "title")
_ARTIST_ID: _Column = ("artist", "id")
_ARTIST: _Column = ("artist", "name")

_REQUIRED = (_SPLIT, _SUBSET, _GENRE_TOP, _TITLE, _ARTIST_ID, _ARTIST)
_LISTS: dict[_Column, type] = {
    **dict.fromkeys((("track", "genres"), _GENRES_ALL), int),
    **dict.fromkeys((("track", "tags"), ("album", "tags"), ("artist", "tags")), str),
}
_DATES: tuple[_Column, ...] = (
    *(("track", "date_created"), ("track", "date_recorded"), ("album", "date_created"), ("album", "date_released")),
    *(("artist", "date_created"), ("artist", "active_year_begin"), ("artist", "active_year_end")),
)
_INTEGERS: tuple[_Column, ...] = (
    *(("track", name) for name in ("bit_rate", "comments", "duration", "favorites", "interest", "listens", "number")),
    *(("album", name) for name in ("comments", "favorites", "id", "listens", "tracks")),
    *(("artist", name) for name in ("comments", "favorites", "id")),
)
_NUMBERS: tuple[_Column, ...] = (("artist", "latitude"), ("artist", "longitude"))
_CATEGORIES: tuple[_Column, ...] = (_GENRE_TOP, _LICENCE, ("album", "type"))

_MAX_TRACKS_BYTES = 1 << 30
_MAX_GENRES_BYTES = 1 << 20
_MAX_LIST_CHARACTERS = 1 << 16

#: Names under which to count tracks without a licence, and rare licences.
NO_LICENCE, OTHER_LICENCES = "none stated", "others"
MAX_LICENCES = 256
MAX_LICENCE_CHARACTERS = 200


@dataclass(frozen=True)
class Track:
    """One track of FMA.

    Attributes
    ----------
    track_id
        FMA's number.
    split
        One of `SPLITS`.
    genre
        Title of its top-level genre; empty if FMA gives none.
    title, artist_id, artist
        Values from FMA.
    duration_seconds
        Length of the whole recording, of which FMA's clip is an excerpt; None if unknown.
    path
        Absolute path where its audio should be.
    """

    track_id: int
    split: str
    genre: str
    title: str
    artist_id: int
    artist: str
    duration_seconds: float | None
    path: Path


def audio_path(fma_root: Path, subset: str, track_id: int) -> Path:
    """Path of a track's audio in FMA's layout."""
    name = f"{track_id:06d}"
    return fma_root / f"fma_{subset}" / name[:3] / f"{name}.mp3"


def published_flaw(track: Track, decoded_seconds: float) -> str | None:
    """Known flaw of a track's file according to FMA, unless the file on disk has been repaired.

    Parameters
    ----------
    track
        Any track.
    decoded_seconds
        Duration of the decoded sound; 0 if the file cannot be decoded. A listed file with a whole clip counts as
        repaired.

    Returns
    -------
    str or None
        A reason from `PUBLISHED_BAD`, or None.
    """
    # FMA writes a duration of 0 if it is unknown.
    whole = min(_CLIP_SECONDS, track.duration_seconds - 1) if track.duration_seconds else _CLIP_SECONDS
    if decoded_seconds > 0 and decoded_seconds >= whole:
        return None
    return PUBLISHED_BAD.get(track.track_id)


@dataclass(frozen=True)
class Genre:
    """One genre: `parent_id` is None for a top-level genre, `top_level_id` is the genre's root."""

    genre_id: int
    title: str
    parent_id: int | None
    top_level_id: int
    n_tracks: int


@dataclass(frozen=True)
class GenreTree:
    """FMA's genre hierarchy.

    Parameters
    ----------
    genres
        All genres, in any order.

    Raises
    ------
    InputError
        If an id occurs twice, a parent is missing, the hierarchy has a cycle, or a top-level id is wrong.
    """

    genres: tuple[Genre, ...]

    def __post_init__(self) -> None:
        if len(self.by_id) < len(self.genres):
            raise InputError("a genre_id is taken twice; each genre has its own")
        for genre in self.genres:
            if genre.parent_id is not None and genre.parent_id not in self.by_id:
                raise InputError(f"genre {genre.genre_id} has the parent {genre.parent_id}, which is missing")
        try:
            TopologicalSorter({genre.genre_id: {genre.parent_id} - {None} for genre in self.genres}).prepare()
        except CycleError as error:
            raise InputError(f"genres {error.args[1]} descend from themselves; a root has parent 0") from error
        for genre in self.genres:
            root = genre.genre_id if genre.parent_id is None else self.by_id[genre.parent_id].top_level_id
            if genre.top_level_id != root:
                raise InputError(f"genre {genre.genre_id} has top_level {genre.top_level_id}; its parents say {root}")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read FMA's `genres.csv`.

        Raises
        ------
        FormatError
            If it is missing or not what FMA publishes.
        """
        table = _read_csv(path, max_bytes=_MAX_GENRES_BYTES)
        names = ("genre_id", "#tracks", "parent", "title", "top_level")
        if missing := [name for name in names if name not in table.columns]:
            raise FormatError(f"{path}: columns missing: {', '.join(missing)}; take it from fma_metadata.zip")
        table["title"] = table["title"].fillna("")
        columns = [table[name] if name == "title" else _whole_numbers(table[name], path, name) for name in names]
        try:
            return cls(
                tuple(
                    Genre(genre_id, title, parent_id or None, top_level_id, n_tracks)
                    for genre_id, n_tracks, parent_id, title, top_level_id in zip(
                        *(column.tolist() for column in columns), strict=True
                    )
                )
            )
        except ValueError as error:
            raise FormatError(f"{path}: {error}; take it from fma_metadata.zip") from error

    @cached_property
    def by_id(self) -> dict[int, Genre]:
        """Genres by id."""
        return {genre.genre_id: genre for genre in self.genres}

    @cached_property
    def roots(self) -> tuple[int, ...]:
        """Ids of the top-level genres, ascending."""
        return self._children.get(None, ())

    def children(self, genre_id: int) -> tuple[int, ...]:
        """Ids of a genre's direct children, ascending."""
        return self._children.get(genre_id, ())

    @cached_property
    def _children(self) -> dict[int | None, tuple[int, ...]]:
        children: dict[int | None, tuple[int, ...]] = defaultdict(tuple)
        for genre_id, genre in sorted(self.by_id.items()):
            children[genre.parent_id] += (genre_id,)
        return children

    def descendants(self, genre_id: int) -> frozenset[int]:
        """Ids of a genre and all its descendants."""
        return frozenset(self._walk(genre_id))

    def _walk(self, genre_id: int) -> Iterator[int]:
        pending = [genre_id]
        while pending:
            yield (genre_id := pending.pop())
            pending += self.children(genre_id)

    def find(self, name: str) -> tuple[int, ...]:
        """Ids of all genres with this title (case-insensitive) or this id as text.

        Raises
        ------
        InputError
            If there is none; the message suggests the nearest titles.
        """
        wanted = name.casefold()
        found = [i for i, genre in sorted(self.by_id.items()) if wanted in (genre.title.casefold(), str(i))]
        if not found:
            raise _unknown("genre", name, (genre.title for genre in self.genres))
        return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which tracks of a corpus to use, and how to split them; reproducible for equal metadata.

    Attributes
    ----------
    subset
        One of `SUBSETS`; includes all smaller ones.
    splitting
        One of `SPLITTINGS`.
    fractions
        Fractions of tracks for training, validation and test; used by the random splittings.
    seed
        Seed of all random choices.
    genres
        Titles, or ids as text, case-insensitive; a genre includes all its descendants.
    artists
        Names, case-insensitive.
    licences
        Full licence names, or their terms without version, country and remark, case-insensitive. `CC-BY` also matches
        `CC-BY-3.0`, and `Attribution` also matches `Attribution 3.0 United States`, but neither matches a licence with
        NonCommercial.
    min_seconds, max_seconds
        Limits for the length of the whole recording.
    max_tracks
        Keep at most this many tracks, chosen at random before splitting.
    balanced
        Balance the choice of `max_tracks` across top-level genres; tracks without one are left out.

    Raises
    ------
    InputError
        If a value is impossible.
    """

    subset: str = "small"
    splitting: str = "fma"
    fractions: tuple[float, float, float] = (0.9, 0.05, 0.05)
    seed: int = 0
    genres: tuple[str, ...] = ()
    artists: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    min_seconds: float | None = None
    max_seconds: float | None = None
    max_tracks: int | None = None
    balanced: bool = False

    def __post_init__(self) -> None:
        if self.subset not in SUBSETS:
            raise InputError(f"subset={self.subset!r}: choose one of {', '.join(SUBSETS)}")
        if self.splitting not in SPLITTINGS:
            raise InputError(f"splitting={self.splitting!r}: choose one of {', '.join(SPLITTINGS)}")
        if (
            not isinstance(self.fractions, tuple)
            or len(self.fractions) != len(SPLITS)
            or not all(_is_number(fraction) and 0 <= fraction <= 1 for fraction in self.fractions)
            or not math.isclose(sum(self.fractions), 1, abs_tol=1e-9)
        ):
            raise InputError(f"fractions={self.fractions!r}: give three numbers from 0 to 1 that add up to 1")
        if not _is_whole(self.seed) or self.seed < 0:
            raise InputError(f"seed={self.seed!r}: give a whole number, at least 0")
        for name in ("genres", "artists", "licences"):
            values = getattr(self, name)
            if not isinstance(values, tuple) or not all(isinstance(value, str) and value.strip() for value in values):
                raise InputError(f"{name}={values!r}: give a tuple of texts that are not empty")
        for name in ("min_seconds", "max_seconds"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and 0 <= value < math.inf):
                raise InputError(f"{name}={value!r}: give None or a number of seconds, at least 0")
        if self.min_seconds is not None and self.max_seconds is not None and self.min_seconds > self.max_seconds:
            raise InputError(f"min_seconds={self.min_seconds}: at most max_seconds={self.max_seconds}")
        if self.max_tracks is not None and not (_is_whole(self.max_tracks) and self.max_tracks >= 1):
            raise InputError(f"max_tracks={self.max_tracks!r}: give None or a whole number, at least 1")
        if not isinstance(self.balanced, bool):
            raise InputError(f"balanced={self.balanced!r}: give True or False")
        if self.balanced and self.max_tracks is None:
            raise InputError("balanced=True: give max_tracks as well; it is what the genres take turns for")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Inverse of `to_dict`.

        Raises
        ------
        InputError
            For unknown or missing names and impossible values.
        """
        if wrong := set(values) ^ {field.name for field in fields(cls)}:
            raise InputError(f"selection: unknown or missing names: {', '.join(sorted(wrong))}")
        arguments: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(**arguments)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_whole(value) or isinstance(value, float)


@dataclass(frozen=True, eq=False)
class Metadata:
    """FMA's metadata of all tracks.

    Attributes
    ----------
    root
        Absolute path of the folder with `fma_metadata/` and `fma_<subset>/`.
    tracks
        One row per track, by ascending id; columns are (group, name) as in `tracks.csv`. Lists and dates are parsed,
        whole numbers are `Int64`, and subsets are ordered categories. Most columns are optional.
    genres
        The genre tree; None if there is no `genres.csv`.
    """

    root: Path
    tracks: pd.DataFrame
    genres: GenreTree | None

    @classmethod
    def load(cls, fma_root: Path) -> Self:
        """Read `fma_metadata/tracks.csv`, and `genres.csv` if present.

        Raises
        ------
        FormatError
            If the metadata is missing or not FMA's.
        """
        root = Path(fma_root).absolute()
        path, genres = root / "fma_metadata" / "tracks.csv", root / "fma_metadata" / "genres.csv"
        if not path.is_file():
            raise FormatError(
                f"{path}: missing; --fma-root names the folder that holds fma_metadata/ and fma_<subset>/"
            )
        return cls(root, _read_tracks(path), GenreTree.load(genres) if genres.exists() else None)

    def select(self, selection: Selection) -> list[Track]:
        """Choose tracks and split them.

        Parameters
        ----------
        selection
            The criteria. Random choices depend only on the seed and the ids, not on the order of rows.

        Returns
        -------
        list of Track
            In ascending order of id.

        Raises
        ------
        InputError
            If a genre, artist or licence is unknown, or no track passes a filter.
        FormatError
            If the metadata lacks a column that a filter needs.
        """
        filters: dict[str, Callable[[pd.DataFrame, Any], pd.Series[bool]]] = {
            "subset": lambda table, subset: table[_SUBSET] <= subset,
            "genres": self._of_genres,
            "artists": self._of_artists,
            "licences": self._of_licences,
            "min_seconds": lambda table, seconds: (self._column(table, _DURATION) >= seconds).fillna(False),
            "max_seconds": lambda table, seconds: (self._column(table, _DURATION) <= seconds).fillna(False),
        }
        table = self.tracks
        for name, chosen in filters.items():
            value = getattr(selection, name)
            if value is None or value == ():
                continue
            table = table[chosen(table, value)]
            if table.empty:
                raise InputError(f"{name}={value!r}: no track is left; choose more widely")
        tracks = self._as_tracks(table, selection.subset)
        if selection.max_tracks is not None:
            tracks = _sample(tracks, selection, selection.max_tracks)
        return _split(sorted(tracks, key=lambda track: track.track_id), selection)

    def licences(self, tracks: Iterable[Track]) -> dict[str, int] | None:
        """Count tracks per licence, as written in the metadata, most common first.

        Tracks without one count as `NO_LICENCE`. If there are more than 256 licences, the rarest count as
        `OTHER_LICENCES`. None if the metadata has no licence column.
        """
        if _LICENCE not in self.tracks:
            return None
        ids = [track.track_id for track in tracks]
        stated = map(str, self.tracks[_LICENCE].astype(object).fillna("").loc[ids])
        counts = Counter(" ".join(text.split())[:MAX_LICENCE_CHARACTERS] or NO_LICENCE for text in stated)
        # Break ties by name, so that the result does not depend on the order of tracks.
        order = sorted(counts, key=lambda licence: (-counts[licence], licence))
        common, rare = order[: MAX_LICENCES - 1], order[MAX_LICENCES - 1 :]
        found = {licence: counts[licence] for licence in common}
        if rare:
            found[OTHER_LICENCES] = found.get(OTHER_LICENCES, 0) + sum(counts[licence] for licence in rare)
        return found

    def _of_genres(self, table: pd.DataFrame, names: tuple[str, ...]) -> pd.Series[bool]:
        known = self.tracks[_GENRE_TOP].cat.categories
        if self.genres is None:
            ids = frozenset[int]()
            titles = _known("genre", names, {title: {title.casefold()} for title in known})
        else:
            ids = frozenset().union(*(self.genres.descendants(i) for name in names for i in self.genres.find(name)))
            titles = {self.genres.by_id[i].title for i in ids.intersection(self.genres.roots)}
        chosen = table[_GENRE_TOP].isin(titles)
        if ids and _GENRES_ALL in table:
            chosen |= table[_GENRES_ALL].map(lambda all_ids: not ids.isdisjoint(all_ids))
        return chosen

    def _of_artists(self, table: pd.DataFrame, names: tuple[str, ...]) -> pd.Series[bool]:
        known = self.tracks[_ARTIST].unique()
        return table[_ARTIST].isin(_known("artist", names, {artist: {artist.casefold()} for artist in known}))

    def _of_licences(self, table: pd.DataFrame, names: tuple[str, ...]) -> pd.Series[bool]:
        known = self._column(self.tracks, _LICENCE).cat.categories
        forms = {licence: {licence.casefold(), licence_terms(licence).casefold()} for licence in known}
        return table[_LICENCE].isin(_known("licence", names, forms))

    def _column(self, table: pd.DataFrame, column: _Column) -> pd.Series[Any]:
        if column not in table:
            raise FormatError(f"{self.root}: fma_metadata/tracks.csv lacks {'.'.join(column)}; do not filter by it")
        return table[column]

    def _as_tracks(self, table: pd.DataFrame, subset: str) -> list[Track]:
        durations = table[_DURATION].tolist() if _DURATION in table else [pd.NA] * len(table)
        return [
            Track(
                track_id=track_id,
                split=split,
                genre=genre,
                title=title,
                artist_id=artist_id,
                artist=artist,
                duration_seconds=None if duration is pd.NA else float(duration),
                path=audio_path(self.root, subset, track_id),
            )
            for track_id, split, genre, title, artist_id, artist, duration in zip(
                table.index.tolist(),
                table[_SPLIT].tolist(),
                table[_GENRE_TOP].astype(object).fillna("").tolist(),
                table[_TITLE].tolist(),
                table[_ARTIST_ID].tolist(),
                table[_ARTIST].tolist(),
                durations,
                strict=True,
            )
        ]


# --- choosing ----------------------------------------------------------------------------------------------------


def licence_terms(licence: str) -> str:
    """Strip version, country and remark from a licence name."""
    return re.sub(r"[\s-]+[\d(].*", "", licence, flags=re.DOTALL)


def _known(kind: str, names: Iterable[str], forms: dict[str, set[str]]) -> set[str]:
    """All values with one of the names among their forms; raises an error for a name that matches none."""
    found = set()
    for name in names:
        values = {value for value, named in forms.items() if name.casefold() in named}
        if not values:
            raise _unknown(kind, name, forms)
        found |= values
    return found


def _unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    titles = {title.casefold(): title for title in known}
    nearest = [titles[match] for match in difflib.get_close_matches(name.casefold(), titles, cutoff=0)]
    return InputError(f"{kind} {name!r} is not in the metadata; nearest: {', '.join(nearest) or 'none'}")


def _rank(seed: int, purpose: str, number: int) -> bytes:
    """Random sort key that is the same on every machine and independent of the other candidates."""
    return hashlib.sha256(f"{seed} {purpose} {number}".encode()).digest()


def _sample(tracks: list[Track], selection: Selection, n_tracks: int) -> list[Track]:
    order = sorted(tracks, key=lambda track: _rank(selection.seed, "sample", track.track_id))
    if selection.balanced:
        order = [track for track in order if track.genre]
        if not order:
            raise InputError("balanced=True: no track has a top-level genre; leave this out")
        turns: Counter[str] = Counter()
        turn: dict[int, int] = {}
        for track in order:
            turn[track.track_id] = turns[track.genre]
            turns[track.genre] += 1
        order.sort(key=lambda track: (turn[track.track_id], track.genre))
    return order[:n_tracks]


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
    by_remainder = sorted(range(len(exact)), key=lambda i: counts[i] - exact[i])
    for i in by_remainder[: n_tracks - sum(counts)]:
        counts[i] += 1
    return counts


# --- reading -----------------------------------------------------------------------------------------------------


def _read_csv(path: Path, *, max_bytes: int, **options: Any) -> pd.DataFrame:
    """Read a table of strings. Only empty fields count as missing, because some artists are called None or NA."""
    try:
        if path.stat().st_size > max_bytes:
            raise FormatError(f"{path}: larger than {max_bytes} bytes; take it from fma_metadata.zip")
        table: pd.DataFrame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], **options)
    except (OSError, ValueError, IndexError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path}: not FMA's {path.name} ({_brief(error)}); take it from fma_metadata.zip") from error
    return table


def _read_tracks(path: Path) -> pd.DataFrame:
    table = _read_csv(path, max_bytes=_MAX_TRACKS_BYTES, index_col=0, header=[0, 1])
    if missing := [".".join(column) for column in _REQUIRED if column not in table.columns]:
        raise FormatError(f"{path}: columns missing: {', '.join(missing)}; take it from fma_metadata.zip")
    # pandas reads the index name from the third line, whatever that holds. If the name is missing, a track is lost.
    if table.index.name != "track_id":
        raise FormatError(f"{path}: the third line has to begin with track_id; take it from fma_metadata.zip")
    ids = _whole_numbers(table.index.to_series(), path, "track_id")
    if not ids.is_unique or (ids < 0).any():
        raise FormatError(f"{path}: track ids have to be unique and not negative; take it from fma_metadata.zip")
    columns = cast("list[_Column]", table.columns.tolist())
    typed = pd.DataFrame({column: _typed(table[column], column, path) for column in columns})
    typed.index = pd.Index(ids.astype("int64"), name="track_id")
    return typed.sort_index()


def _typed(values: pd.Series[str], column: _Column, path: Path) -> pd.Series[Any]:
    """Convert a column of strings to its type."""
    name = ".".join(column)
    if column == _SPLIT:
        return _one_of(SPLITS, values, path, name)
    if column == _SUBSET:
        return _one_of(SUBSETS, values, path, name, ordered=True)
    if column in (_TITLE, _ARTIST):
        return values.fillna("")
    if column in _CATEGORIES:
        return values.astype("category")
    if column in _LISTS:
        return _lists(values, path, name, of=_LISTS[column])
    if column in _INTEGERS:
        return _whole_numbers(values, path, name, required=column == _ARTIST_ID)
    if column in _NUMBERS:
        return _converted(pd.to_numeric, values, path, name, "a number")
    if column in _DATES:
        return _converted(_dates, values, path, name, "a date")
    return values


def _converted(
    convert: Callable[[pd.Series[str]], pd.Series[Any]], values: pd.Series[str], path: Path, name: str, wanted: str
) -> pd.Series[Any]:
    try:
        return convert(values)
    except (ValueError, TypeError, OverflowError) as error:
        raise FormatError(
            f"{path}: {name}: a value is not {wanted} ({_brief(error)}); take it from fma_metadata.zip"
        ) from error


def _brief(error: Exception) -> str:
    """Shorten an error to one line, because pandas quotes whole values and adds advice for programmers."""
    return shorten(str(error), 100, placeholder="...")


def _whole_numbers(values: pd.Series[str], path: Path, name: str, *, required: bool = True) -> pd.Series[int]:
    numbers = _converted(_integers, values, path, name, "a whole number")
    if required and numbers.hasnans:
        raise FormatError(f"{path}: {name}: a whole number is missing; take it from fma_metadata.zip")
    return numbers


def _integers(texts: pd.Series[str]) -> pd.Series[Any]:
    # Numbers that do not fit raise an error, so NumPy's warning is redundant.
    with np.errstate(invalid="ignore"):
        return pd.to_numeric(texts).astype("Int64")


def _dates(texts: pd.Series[str]) -> pd.Series[Any]:
    return pd.to_datetime(texts, format="ISO8601").astype("datetime64[s]")


def _lists(values: pd.Series[str], path: Path, name: str, *, of: type) -> pd.Series[Any]:
    # Most lists occur many times, so parse each once and copy it for every row.
    parsed = {text: _parse_list(text, path, name, of=of) for text in values.dropna().unique()}
    return pd.Series([list(parsed.get(text, ())) for text in values], index=values.index, dtype=object)


def _parse_list(text: str, path: Path, name: str, *, of: type) -> list[Any]:
    try:
        value = ast.literal_eval(text) if len(text) <= _MAX_LIST_CHARACTERS else None
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        value = None
    if not isinstance(value, list) or any(type(item) is not of for item in value):
        raise FormatError(
            f"{path}: {name}: {text[:40]!r} is no list of {of.__name__}, or longer than {_MAX_LIST_CHARACTERS} "
            "characters; take it from fma_metadata.zip"
        )
    return value


def _one_of(
    names: Sequence[str], values: pd.Series[str], path: Path, name: str, *, ordered: bool = False
) -> pd.Series[Any]:
    if unknown := set(values.unique()) - set(names):
        raise FormatError(f"{path}: {name}: {unknown.pop()!r} is none of {', '.join(names)}")
    return values.astype(pd.CategoricalDtype(list(names), ordered=ordered))
