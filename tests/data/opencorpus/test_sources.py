"""The table of packages, and the names in it."""

from __future__ import annotations

from importlib.resources import files

import msgspec
import pytest

from tfdeepviz.data.opencorpus.build import _GENRE_IDS
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
    for name in (*SOURCES.artists, *SOURCES.genres):
        assert name == plain(name)
    assert set(SOURCES.genres.values()) <= set(_GENRE_IDS)


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


def test_genres_are_only_those_that_are_not_ambiguous() -> None:
    assert SOURCES.genre("Thrash Metal") == "Rock"
    assert SOURCES.genre("Soundtrack") == SOURCES.genre("Game") == ""


def test_reserved_titles() -> None:
    assert SOURCES.is_reserved("Into The Shadows")
    assert not SOURCES.is_reserved("Into the Light")
