"""Which packages hold free music, and who made it under which licence: the table `packages.toml`."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files

import msgspec

from tfdeepviz.files import convert


class Music(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files of a package with the same licence, and the artist if one made them all."""

    files: tuple[str, ...]  # patterns of their paths, in which * also matches /
    licence: str  # SPDX
    stated_in: str  # where the package states author and licence
    artist: str = ""  # empty: the file's own tag names the artist
    genre: str = ""  # as stated there; empty: the file's own tag names it


class Package(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A package of Debian's archive, and its music."""

    name: str
    music: tuple[Music, ...]

    def credits(self, path: str) -> Music | None:
        """Return the first entry that covers a file of the package; None if the table does not know the file."""
        covers = (one for one in self.music if any(fnmatchcase(path, pattern) for pattern in one.files))
        return next(covers, None)


class TopGenre(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A top-level genre of FMA."""

    id: int
    below: tuple[str, ...] = ()  # titles of all genres below it in FMA's tree
    also: tuple[str, ...] = ()  # other words for any of these


class Sources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All packages."""

    reserved_packages: tuple[str, ...]  # patterns
    reserved_titles: tuple[str, ...]
    packages: tuple[Package, ...]
    artists: dict[str, str]  # another name of an artist, as `plain` makes it: the name to use
    genres: dict[str, TopGenre]  # by title

    def __post_init__(self) -> None:
        for package in self.packages:
            if any(fnmatchcase(package.name, pattern) for pattern in self.reserved_packages):
                raise ValueError(f"{package.name} is reserved for evaluation")

    @classmethod
    @cache
    def load(cls) -> Sources:
        """Read the table that comes with tfdeepviz."""
        text = (files(__package__) / "packages.toml").read_text(encoding="utf-8")
        return convert(tomllib.loads(text), cls, "packages.toml")

    def artist(self, stated: str) -> str:
        """Name of an artist, the same for all ways to write it; empty if none is stated."""
        if known := self.artists.get(plain(stated)):
            return known
        name = re.sub(r"\s*[<(]?(https?://|www\.)[^\s>)]*[>)]?", "", " ".join(stated.split()))
        return "" if plain(name) in ("", "unknown") else name

    def is_reserved(self, title: str) -> bool:
        """Whether a title also occurs in a package that is reserved for evaluation."""
        return plain(title) in {plain(one) for one in self.reserved_titles}

    def genre(self, stated: str) -> str:
        """Title of FMA's top-level genre for what people write; empty if the table does not know it."""
        names = ((title, (title, *genre.below, *genre.also)) for title, genre in self.genres.items())
        return next((title for title, all_names in names if plain(stated) in map(plain, all_names)), "")


def plain(name: str) -> str:
    """Reduce a name to what distinguishes it: no accents, case, punctuation or spaces."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if letter.isalnum())
