"""FMA's genre tree."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Self

from tfdeepviz.data.tables import Converter, ids, read_table, texts
from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError

_COLUMNS: dict[str, Converter] = {
    "genre_id": ids,
    "title": texts,
    "parent": ids,
    "top_level": ids,
    "#tracks": ids,
}
_MAX_BYTES = 1 << 20


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
    """All genres, in any order.

    An InputError is raised if an id occurs twice, a parent is missing, the hierarchy has a cycle, or a top-level id is
    wrong.
    """

    genres: tuple[Genre, ...]

    def __post_init__(self) -> None:
        if len(self.by_id) < len(self.genres):
            raise InputError("a genre_id occurs twice; each genre has its own")
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
        """Read FMA's `genres.csv`; raises a FormatError if it is missing or not what FMA publishes."""
        table = read_table(path, _COLUMNS, required=tuple(_COLUMNS), max_bytes=_MAX_BYTES)
        rows = zip(*(table[name].tolist() for name in _COLUMNS), strict=True)
        try:
            return cls(tuple(Genre(genre_id, title, parent or None, *rest) for genre_id, title, parent, *rest in rows))
        except InputError as error:
            raise FormatError(f"{path}: {error}; take it from fma_metadata.zip") from error

    @cached_property
    def by_id(self) -> dict[int, Genre]:
        """Genres by id."""
        return {genre.genre_id: genre for genre in self.genres}

    def descendants(self, genre_id: int) -> frozenset[int]:
        """Ids of a genre and all its descendants."""
        found = level = frozenset([genre_id])
        while level:
            level = frozenset(genre.genre_id for genre in self.genres if genre.parent_id in level)
            found |= level
        return found

    def find(self, name: str) -> tuple[int, ...]:
        """Ids of all genres with this title (case-insensitive) or this id as text; raises an InputError if none."""
        wanted = name.casefold()
        found = [i for i, genre in sorted(self.by_id.items()) if wanted in (genre.title.casefold(), str(i))]
        if not found:
            raise unknown("genre", name, (genre.title for genre in self.genres))
        return tuple(found)


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """Make the error for a name that is not in the metadata; it suggests the nearest known names."""
    titles = {title.casefold(): title for title in known}
    nearest = [titles[match] for match in difflib.get_close_matches(name.casefold(), titles, cutoff=0)]
    return InputError(f"{kind} {name!r} is not in the metadata; nearest: {', '.join(nearest) or 'none'}")
