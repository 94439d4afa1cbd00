"""Genres as data: one TOML file each, settled for an artist, from which a track's sketch starts.

A value that differs between artists is written as a table: ``{ artist.dirt = [low, high] }`` lies between two ends,
``{ choice.2 = [...] }`` is one of several, ``{ sum = [...] }`` adds. A style overrides anything of its genre. In
``voices`` and ``mix``, an entry may be ``like`` one above it.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from functools import cache, partial
from importlib.resources import files
from typing import Any

from numpy.random import Generator as Rng

from tfdeepviz.data.demo import drums, voices
from tfdeepviz.data.demo.artist import Artist, between
from tfdeepviz.data.demo.score import Curve, Part, Production
from tfdeepviz.data.demo.sketch import Meter, Sketch
from tfdeepviz.data.demo.theory import SCALES, Section, plan_sections, shuffled_form

Table = dict[str, Any]

_INSTRUMENTS = {**vars(drums), **vars(voices)}


@cache
def genre_table(genre: str) -> Table:
    """Everything in a genre's file."""
    name = genre.lower().replace("-", "_")
    return tomllib.loads((files(__package__) / "genres" / f"{name}.toml").read_text(encoding="utf-8"))


def begin(artist: Artist, rng: Rng, duration_seconds: float) -> Sketch:
    """Draw tempo, form and key of a track, and assemble its band."""
    genre = genre_table(artist.genre)
    style = tuple(genre["styles"])[artist.variant % len(genre["styles"])]
    table = settle(overlay(genre, genre["styles"][style]), artist)
    if "tempo" in table:  # an artist's tracks differ by a few per cent
        slowest, fastest = table["tempo"]
        tempo = between(slowest, fastest, artist.tempo) * rng.uniform(0.965, 1.035)
        table["meter"]["beats_per_minute"] = round(tempo, 1)
    meter = Meter(**table["meter"])
    if "echo_beats" in table:
        table["production"]["echo_seconds"] = table["echo_beats"] * 60 / meter.beats_per_minute
    form = table["form"] if "form" in table else shuffled_form(rng, table["shuffled_form"])
    n_bars = max(1, math.ceil(duration_seconds / (meter.beats_per_bar * 60.0 / meter.beats_per_minute)))
    sections = plan_sections(form, n_bars, meter.beats_per_bar)
    lowest = table["lowest_tonic"]
    return Sketch(
        artist=artist,
        style=style,
        rng=rng,
        duration_seconds=duration_seconds,
        meter=meter,
        sections=sections,
        scale=SCALES[table["scale"]],
        tonic=lowest + (int(rng.choice(artist.keys)) - lowest) % 12,
        material=table["material"],
        drum_patterns=table.get("drums", {}),
        parts=_assemble(table, meter, sections),
        production=Production(**table["production"]),
        ducked_by=table.get("ducked_by"),
    )


def _assemble(table: Table, meter: Meter, sections: Sequence[Section]) -> dict[str, Part]:
    """Parts without notes, in the order of the mixing desk."""
    parts = {}
    for name in table["mix"]:
        ((instrument, character),) = _entry(table["voices"], name).items()
        voice = partial(_INSTRUMENTS[instrument], **character)
        automation = table.get("automation", {}).get(name, {})
        curves: Table = {target: _curve(values, meter, sections) for target, values in automation.items()}
        parts[name] = Part(name, voice, (), **_entry(table["mix"], name), **curves)
    return parts


def _entry(table: Table, name: str) -> Table:
    entry = dict(table[name])
    return dict(overlay(table[entry.pop("like")], entry)) if "like" in entry else entry


def _curve(values: Table, meter: Meter, sections: Sequence[Section]) -> Curve:
    """Move from the first to the second value over each section."""
    points = []
    for section in sections:
        first, last = values[section.name if section.name in values else "else"]
        start, end = meter.seconds(section.beat), meter.seconds(section.end)
        points += [(start + 0.01, first), (max(end - 0.01, start + 0.02), last)]
    return tuple(points)


def overlay(base: Any, over: Any) -> Any:
    """Replace `base` by `over`; tables are merged."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return base | {key: overlay(base.get(key), value) for key, value in over.items()}


def settle(value: Any, artist: Artist) -> Any:
    """Copy of a value in which everything is decided for an artist."""
    match value:
        case {"artist": habits}:
            ((habit, (low, high)),) = habits.items()
            return between(low, high, getattr(artist, habit))
        case {"choice": choices}:
            ((number, options),) = choices.items()
            return settle(artist.choose(int(number), options), artist)
        case {"sum": terms}:
            return sum(settle(term, artist) for term in terms)
        case dict():
            return {key: settle(item, artist) for key, item in value.items()}
        case list():
            return [settle(item, artist) for item in value]
    return value
