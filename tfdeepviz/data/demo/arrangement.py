"""Arrange a track from its genre's file.

The file's ``ideas`` are made once, in order. Then the layers of ``bars`` play in every bar, those of ``sections`` after
every section, and those of ``track`` at the end. A layer names its player (``play``, by default `players.pattern`), its
parts (by default one of its own name), where it plays (``in`` which sections, ``at`` which moments, with what
``chance``), and the player's settings.
"""

from __future__ import annotations

import math
import zlib
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
from numpy.random import Generator as Rng

from tfdeepviz.data.demo import drums, ideas, instruments, players, singing
from tfdeepviz.data.demo.genre import GENRES, Artist, Table, between, entry, genre_table, make_artist, overlay, settle
from tfdeepviz.data.demo.score import Curve, Note, Part, Production, Score
from tfdeepviz.data.demo.sketch import Meter, Moment, Sketch
from tfdeepviz.data.demo.theory import SCALES, plan_sections, shuffled_form

_INSTRUMENTS = vars(drums) | vars(instruments) | vars(singing)
_DECIDED_LATER = ("harmony", "ideas", "bars", "sections", "track")  # by each moment


def compose(genre: str, artist_index: int, number: int, *, seed: int, duration_seconds: float) -> Score:
    """Compose track `number` of an artist; the result depends only on the arguments."""
    if genre not in GENRES:
        raise ValueError(f"unknown genre {genre!r}; known: {', '.join(GENRES)}")
    entropy = (seed, zlib.crc32(genre.encode()), artist_index, number)
    artist = make_artist(genre, artist_index, seed)
    styles = genre_table(genre)["styles"]
    arrangement = overlay(genre_table(genre), styles[tuple(styles)[artist.variant % len(styles)]])
    table = settle({key: value for key, value in arrangement.items() if key not in _DECIDED_LATER}, artist)
    sketch = _begin(artist, np.random.default_rng(entropy), table, arrangement["harmony"], duration_seconds)
    _write(sketch, arrangement)
    if "echo_beats" in table:
        table["production"]["echo_seconds"] = table["echo_beats"] * 60 / sketch.meter.beats_per_minute
    parts = tuple(_part(name, table, sketch) for name in table["mix"])
    ducks = sketch.notes[table["ducked_by"]] if "ducked_by" in table else []
    duck_seconds = tuple(note.start_seconds for note in ducks)
    return Score(duration_seconds, parts, Production(**table["production"]), duck_seconds, entropy)


def _begin(artist: Artist, rng: Rng, table: Table, harmony: Table, duration_seconds: float) -> Sketch:
    """Draw tempo, form and key of a track."""
    if "tempo" in table:  # an artist's tracks differ by a few per cent
        slowest, fastest = table["tempo"]
        tempo = between(slowest, fastest, artist.habits["tempo"]) * rng.uniform(0.965, 1.035)
        table["meter"]["beats_per_minute"] = round(tempo, 1)
    meter = Meter(**table["meter"])
    form = table["form"] if "form" in table else shuffled_form(rng, table["shuffled_form"])
    n_bars = max(1, math.ceil(duration_seconds / (meter.beats_per_bar * 60.0 / meter.beats_per_minute)))
    sections = plan_sections(form, n_bars, meter.beats_per_bar)
    lowest = table["lowest_tonic"]
    tonic = lowest + (int(rng.choice(artist.keys)) - lowest) % 12
    notes: dict[str, list[Note]] = {name: [] for name in table["mix"]}
    return Sketch(artist, rng, duration_seconds, meter, sections, SCALES[table["scale"]], tonic, harmony, notes)


def _write(sketch: Sketch, arrangement: Table) -> None:
    """Write the notes of all parts."""
    opening = Moment(sketch, sketch.sections[0], 0)
    for name, idea in arrangement["ideas"].items():
        invented = isinstance(idea, dict) and "invent" in idea
        sketch.ideas[name] = _call(ideas, "invent", idea, opening) if invented else opening.decide(idea)
    for section in sketch.sections:
        moments = [Moment(sketch, section, bar) for bar in section.bars]
        for moment in moments:
            _play(moment, arrangement.get("bars", {}))
        _play(moments[0], arrangement["sections"])
    _play(opening, arrangement.get("track", {}))


def _play(moment: Moment, layers: Table) -> None:
    """Let each layer play that is on."""
    for name in layers:
        layer = {"part": name, "play": "pattern", "in": ["all"], "at": ["all"], **entry(layers, name)}
        if not all(moment.names.intersection(moment.decide(layer.pop(where))) for where in ("in", "at")):
            continue
        if "chance" in layer and moment.sketch.rng.random() >= layer.pop("chance"):
            continue
        parts = layer.pop("part")
        for part in [parts] if isinstance(parts, str) else parts:
            _call(players, "play", layer, moment, part)


def _call(functions: ModuleType, key: str, settings: Table, moment: Moment, *args: str) -> Any:
    """Call the function that settings name."""
    decided = {name: moment.decide(value) for name, value in settings.items()}
    return getattr(functions, decided.pop(key))(moment, *args, **decided)


def _part(name: str, table: Table, sketch: Sketch) -> Part:
    """A part with its voice, channel strip and notes."""
    ((instrument, character),) = entry(table["voices"], name).items()
    automation = table.get("automation", {}).get(name, {})
    curves: Table = {target: _curve(values, sketch) for target, values in automation.items()}
    notes = sorted(sketch.notes[name], key=lambda note: (note.start_seconds, note.pitch))
    voice = partial(_INSTRUMENTS[instrument], **character)
    return Part(name, voice, tuple(notes), **entry(table["mix"], name), **curves)


def _curve(values: Table, sketch: Sketch) -> Curve:
    """Move from the first to the second value over each section."""
    points = []
    for section in sketch.sections:
        first, last = values[section.name if section.name in values else "else"]
        start, end = sketch.meter.seconds(section.beat), sketch.meter.seconds(section.end)
        points += [(start + 0.01, first), (max(end - 0.01, start + 0.02), last)]
    return tuple(points)
