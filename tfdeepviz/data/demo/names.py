"""Invented artist names and track titles, by genre."""

from __future__ import annotations

from numpy.random import Generator as Rng

from tfdeepviz.data.demo.genre import genre_table


def artist_names(genre: str, count: int, rng: Rng) -> list[str]:
    """Distinct artist names of a genre."""
    return _names(genre_table(genre)["artists"], count, rng)


def track_titles(genre: str, count: int, rng: Rng) -> list[str]:
    """Distinct track titles of a genre."""
    return _names(genre_table(genre)["titles"], count, rng)


def _names(words: list[str], count: int, rng: Rng) -> list[str]:
    """Names of a first and a second word; they repeat, numbered, once all (about a hundred) are used."""
    pairs = [f"{first} {second}" for first in words[0].split("/") for second in words[1].split("/")]
    order = rng.permutation(len(pairs))
    rounds = (divmod(i, len(pairs)) for i in range(count))
    return [f"{pairs[order[place]]} {again + 1}" if again else pairs[order[place]] for again, place in rounds]
