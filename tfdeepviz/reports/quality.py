"""The table and the page of `quality`: how well bundles drive the picture, with baselines to compare them with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tfdeepviz.files import atomic_path, write_json
from tfdeepviz.reports import charts, tables
from tfdeepviz.reports.measures import MAPPING, of_kind
from tfdeepviz.reports.pages import render, write_page
from tfdeepviz.reports.tables import Cell, Table

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

    Attributes
    ----------
    values, intervals
        Measures of the kind `MAPPING` by name, None for those that the tracks do not allow; 95% intervals of some.
    std
        Standard deviation of each parameter within a track.
    parameters, speed
        Parameters [shape=(n_frames, n_parameters)] during the example, and their speed [shape=(n_frames - 1,)], from
        the second frame on.
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
    """All measurements, and the data behind them.

    Attributes
    ----------
    dataset_name, dataset_digest, splits
        Source of the tracks.
    n_tracks, n_short, min_seconds
        Number of tracks measured, and of tracks left out because they are shorter than `min_seconds`.
    n_fitted
        Number of training tracks that the baselines are scaled with.
    genres
        Number of tracks per genre that can be compared.
    seed
        Seed for all random choices.
    lines, example
        Lines for bundles, the original's settings and baselines; and an excerpt of music to look at.
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
        return {
            **{name: getattr(self, name) for name in names},
            "chance": self.chance,
            "drivers": [
                {
                    **{"driver": line.driver.name, "note": line.driver.note, "kind": line.driver.kind},
                    **line.values,
                    "std": line.std,
                    "intervals": line.intervals,
                }
                for line in self.lines
            ],
        }


def markdown(table: QualityTable) -> str:
    """Write the table for a terminal or a document, with what it was measured on."""
    columns = of_kind(MAPPING)
    rows = []
    for line in table.lines:
        cells = [line.driver.name]
        for measure in columns:
            interval = f" ({measure.interval(line.intervals[measure.name])})" if measure.name in line.intervals else ""
            cells.append(f"{measure.text(line.values[measure.name])}{interval}")
        rows.append(cells)
    shown = Table(["driver", *(measure.heading for measure in columns)], rows)
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
    rows = [dict(_csv(line)) for line in table.lines]
    Table(list(rows[0]), [list(row.values()) for row in rows]).write_csv(out / "quality.csv")
    page = out / "quality.html"
    write_page(
        page,
        "quality.html.jinja",
        table=table,
        data=_data(table),
        columns=of_kind(MAPPING),
        colours=COLOURS,
        strips=[
            charts.strip(line.speed, table.example.onset[1:], colour=COLOURS[line.driver.kind]) for line in table.lines
        ],
        pictures=[charts.picture(line.parameters.T, 0, 1) for line in table.lines],
        seconds=np.linspace(*table.example.seconds, 6).tolist(),
    )
    return page


def _data(table: QualityTable) -> str:
    return render("quality.txt.jinja", table=table)


def _csv(line: Line) -> Iterator[tuple[str, Cell]]:
    yield from (("driver", line.driver.name), ("kind", line.driver.kind), ("note", line.driver.note))
    for name, value in line.values.items():
        yield name, value
        if name in line.intervals:
            yield from zip((f"{name}_low", f"{name}_high"), line.intervals[name], strict=True)
