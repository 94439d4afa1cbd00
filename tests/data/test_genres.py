from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.metadata import GENRES, load
from tfdeepviz.data.genres import Genre, GenreTree
from tfdeepviz.files import FormatError


def test_genre_tree() -> None:
    tree = load([{}], genres=GENRES).genres
    assert tree is not None
    assert tree.descendants(12) == {12, 25, 109}
    assert tree.descendants(109) == {109}
    assert tree.by_id[25] == Genre(25, "Punk", 12, 12, 20)
    assert (tree.find("punk"), tree.find("181"), tree.find("Hardcore")) == ((25,), (181,), (109, 181))
    with pytest.raises(ValueError, match="Electronic"):
        tree.find("electronics")


@given(st.lists(st.integers(0, 10**9), max_size=40))
def test_genres_below_a_root_are_the_descendants_of_the_root(choices: list[int]) -> None:
    genres: list[Genre] = []
    for genre_id, choice in enumerate(choices, 1):
        parent = genres[choice % len(genres)] if genres and choice % 3 else None
        parent_id, root = (None, genre_id) if parent is None else (parent.genre_id, parent.top_level_id)
        genres.append(Genre(genre_id, f"G{genre_id}", parent_id, root, 0))
    tree = GenreTree(tuple(reversed(genres)))
    for root in {genre.top_level_id for genre in genres}:
        assert tree.descendants(root) == {genre.genre_id for genre in genres if genre.top_level_id == root}
    for genre in genres:
        below = [tree.descendants(child.genre_id) for child in genres if child.parent_id == genre.genre_id]
        assert tree.descendants(genre.genre_id) == {genre.genre_id}.union(*below)
        assert 1 + sum(map(len, below)) == len(tree.descendants(genre.genre_id))


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (("25,20", "12,20"), "twice"),
        (("12,Punk", "13,Punk"), "13"),
        (("0,Rock,12", "109,Rock,12"), "themselves"),
        (("Punk,12", "Punk,15"), "top_level"),
        (("Rock,12", "Rock,15"), "top_level"),
        (("title", "name"), "columns"),
        (("25,20", "x,20"), "genre_id"),
        (("12,30,0", "12,30,"), "parent"),
    ],
)
def test_genres_that_are_no_tree_are_refused(change: tuple[str, str], flaw: str) -> None:
    with pytest.raises(FormatError, match=flaw):
        load([{}], genres=GENRES.replace(*change))
