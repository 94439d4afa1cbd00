"""The table of packages, and the names in it."""

from __future__ import annotations

from importlib.resources import files

import msgspec
import pytest

from tfdeepviz.data.demo.genre import GENRES, genre_table
from tfdeepviz.data.opencorpus.sources import Music, Package, Sources, plain
from tfdeepviz.files import FormatError, convert

SOURCES = Sources.load()


def test_reserved_packages_are_refused() -> None:
    values = msgspec.to_builtins(SOURCES)
    values["packages"] = [{"name": "hyperrogue-music", "music": []}]
    with pytest.raises(FormatError, match="hyperrogue-music is reserved for evaluation"):
        convert(values, Sources, "packages.toml")


def test_the_table_is_in_order_and_says_where_everything_is_stated() -> None:
    names = [package.name for package in SOURCES.packages]
    assert names == sorted(set(names))
    for package in SOURCES.packages:
        assert package.music
        for music in package.music:
            assert music.files and music.licence and music.stated_in
            assert music.artist or "tags" in music.stated_in
            assert not {"NC", "ND"} & set(music.licence.split("-"))


def test_names_in_the_table_are_plain() -> None:
    text = (files("tfdeepviz.data.opencorpus") / "packages.toml").read_text(encoding="utf-8")
    assert text.count("[[packages]]") == len(SOURCES.packages)
    for name in SOURCES.artists:
        assert name == plain(name)


def test_first_entry_that_covers_a_file_counts() -> None:
    package = Package(
        name="songs",
        music=(
            Music(files=("*/a.ogg", "*/b?.ogg"), licence="CC0-1.0", artist="First", stated_in="copyright"),
            Music(files=("*/music/*.ogg",), licence="GPL-2.0-only", stated_in="copyright"),
        ),
    )
    assert package.credits("usr/share/music/a.ogg") == package.music[0]
    assert package.credits("usr/share/music/deep/c.ogg") == package.music[1]
    assert package.credits("usr/share/sounds/c.ogg") is None


def test_an_artist_has_one_name() -> None:
    assert SOURCES.artist("Joseph Toscano") == SOURCES.artist("  http://zhaymusic.com/ ") == "ZhayTee"
    assert SOURCES.artist("Somebody <http://example.org>") == "Somebody"
    assert SOURCES.artist("<Unknown>") == SOURCES.artist(" ") == ""
    assert plain("Àlex  O'Leary-2") == "alexoleary2"


def test_the_tree_of_genres_is_that_of_fma() -> None:
    genres = SOURCES.genres.values()
    assert (len(genres), sum(len(genre.below) for genre in genres)) == (16, 147)
    assert len({genre.id for genre in genres}) == 16
    ids = {title: genre.id for title, genre in SOURCES.genres.items()}
    assert {title: genre_table(title)["fma_id"] for title in GENRES}.items() <= ids.items()
    names = [plain(name) for title, genre in SOURCES.genres.items() for name in (title, *genre.below, *genre.also)]
    assert "" not in names and len(names) == len(set(names))


@pytest.mark.parametrize(
    ("stated", "title"),
    [
        ("classical", "Classical"),
        ("Romantic Classical", "Classical"),
        ("Chiptune", "Electronic"),
        ("Drum&Bass", "Electronic"),
        ("Ambient", "Instrumental"),
        ("soundtrack", "Instrumental"),
        ("Game soundtrack", "Instrumental"),
        ("Black Metal", "Rock"),
        ("Trash Metal", "Rock"),
        ("Game", ""),
        ("Psychedelic", ""),
        (" ", ""),
    ],
)
def test_a_stated_genre_counts_for_its_top_level_genre(stated: str, title: str) -> None:
    assert SOURCES.genre(stated) == title


def test_reserved_titles() -> None:
    assert SOURCES.is_reserved("Into The Shadows")
    assert not SOURCES.is_reserved("Into the Light")
