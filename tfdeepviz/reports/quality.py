"""The table and the page of `quality`: how well bundles drive the picture, with baselines to compare them with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tfdeepviz.files import atomic_path, write_json
from tfdeepviz.reports import tables
from tfdeepviz.reports.measures import MAPPING, Measure, of_kind
from tfdeepviz.reports.pages import render, write_page
from tfdeepviz.reports.tables import Table

Floats = npt.NDArray[np.float64]

#: Kinds of drivers in the order of the table, with their colours.
COLOURS = {"bundle": "c0", "original": "c2", "baseline": "c1"}


@dataclass(frozen=True)
class Driver:
    """A driver, which makes one line of the table: its unique name, settings worth knowing, and what it is."""

    name: str
    note: str
    kind: Literal["bundle", "original", "baseline"]


@dataclass(frozen=True, eq=False)
class Line:
    """A driver, its quality, and what it does during the example.

    `values` are the measures of the kind `MAPPING` by name, None for those that the tracks do not allow; some have 95%
    `intervals`. `std` is that of each parameter within a track. `parameters` [shape=(n_frames, n_parameters)] and their
    `speed` from the second frame on [shape=(n_frames - 1,)] are those during the example.
    """

    driver: Driver
    values: dict[str, float | None]
    intervals: dict[str, tuple[float, float]]
    std: tuple[float, ...]
    parameters: Floats
    speed: Floats


@dataclass(frozen=True, eq=False)
class Example:
    """A few seconds, from start to stop, of the track whose onsets stand out most; `onset` is their strength."""

    title: str
    artist: str
    seconds: tuple[float, float]
    onset: Floats


@dataclass(frozen=True, eq=False)
class QualityTable:
    """All measurements, and what they were made on.

    `n_short` tracks were left out because they last less than `min_seconds`; the baselines are scaled by `n_fitted`
    training tracks; `genres` has the number of tracks of those that can be compared.
    """

    dataset_name: str
    dataset_digest: str
    splits: tuple[str, ...]
    n_tracks: int
    n_short: int
    min_seconds: float
    n_fitted: int
    genres: dict[str, int]
    seed: int
    lines: tuple[Line, ...]
    example: Example

    @property
    def chance(self) -> dict[str, float]:
        """Values that random guessing gives, by measure."""
        by_genre = {"probe_accuracy": 1 / len(self.genres)} if len(self.genres) > 1 else {}
        return {"self_retrieval": 1 / self.n_tracks, **by_genre}

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values for JSON."""
        names = ("dataset_name", "dataset_digest", "n_tracks", "n_short", "n_fitted", "seed", "splits", "genres")
        lines = [
            {**_of(line.driver), **line.values, "std": line.std, "intervals": line.intervals} for line in self.lines
        ]
        return {**{name: getattr(self, name) for name in names}, "chance": self.chance, "drivers": lines}


def _of(driver: Driver) -> dict[str, str]:
    return {"driver": driver.name, "kind": driver.kind, "note": driver.note}


def markdown(table: QualityTable) -> str:
    """Write the table for a terminal or a document, with what it was measured on."""

    def cell(line: Line, measure: Measure) -> str:
        interval = line.intervals.get(measure.name)
        return measure.text(line.values[measure.name]) + (f" ({measure.interval(interval)})" if interval else "")

    columns = of_kind(MAPPING)
    shown = Table(
        ["driver", *(measure.heading for measure in columns)],
        [[line.driver.name, *(cell(line, measure) for measure in columns)] for line in table.lines],
    )
    return f"{shown.markdown()}\n\n{tables.markdown(_data(table))}\n"


def write_quality(table: QualityTable, out: Path) -> Path:
    """Write `quality.json`, `quality.csv`, `quality.md` and a page; equal tables give equal bytes.

    Returns
    -------
    Path
        The page, `quality.html`. It is one file without scripts, and needs no network.
    """
    write_json(out / "quality.json", table.to_dict())
    with atomic_path(out / "quality.md") as temporary:
        temporary.write_text(markdown(table), encoding="utf-8")
    rows = [{**_of(line.driver), **_numbers(line)} for line in table.lines]
    # A measure that a line lacks has no interval there.
    longest = max(rows, key=len)
    Table(list(longest), [[row.get(head) for head in longest] for row in rows]).write_csv(out / "quality.csv")
    page = out / "quality.html"
    write_page(page, "quality.html.jinja", table=table, data=_data(table), columns=of_kind(MAPPING), colours=COLOURS)
    return page


def _data(table: QualityTable) -> str:
    return render("quality.txt.jinja", table=table)


def _numbers(line: Line) -> dict[str, float | None]:
    """Return the measures of a line, each followed by the ends of its interval."""
    found: dict[str, float | None] = {}
    for name, value in line.values.items():
        found[name] = value
        if name in line.intervals:
            found[f"{name}_low"], found[f"{name}_high"] = line.intervals[name]
    return found
