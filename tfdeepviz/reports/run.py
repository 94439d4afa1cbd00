"""The page of a run's evaluation: a verdict, scores, pictures and curves."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tfdeepviz.errors import InputError
from tfdeepviz.reports.charts import Chart, bars, lines, picture, save_png
from tfdeepviz.reports.confusion import Confusion
from tfdeepviz.reports.measures import (
    KINDS,
    MEASURES,
    MIN_ENCODING_STD,
    VALIDATION_LOSS,
    Measure,
    of_kind,
    three_digits,
)
from tfdeepviz.reports.pages import signed, write_page
from tfdeepviz.reports.tables import Table

Images = npt.NDArray[np.floating[Any]]
Examples = tuple[Sequence[str], Mapping[str, Images]]
_History = Sequence[Mapping[str, Any]]

#: More bars could not be told apart; the components of a larger encoding are drawn as a curve.
MAX_BARS = 64
#: Rows of the history that a page shows; if it is longer, every second, third, ... and the last.
MAX_EPOCHS = 400

_MAX_RANKS = 256
_IMAGES = ("original", "reconstruction", "alone", "pca")
# Colours span all values of the original segments except this percentage at either end: a single outlier would leave
# no contrast to the others.
_OUTLIER_PERCENT = 0.5


def write_run_page(evaluation: Mapping[str, Any], examples: Examples | None, out: Path) -> None:
    """Write the page of a run's evaluation.

    Parameters
    ----------
    evaluation
        Strict JSON:

        - `run`: `name`, `title`, `kind` (a key of `KINDS`), `preset` (a dictionary), `trainable_parameters`,
          `encoding_size`, `encoder_layer` (None unless a classifier's), `encodings_per_segment`, `encoding_seconds`
          (the part of a segment that each of them stands for), `epochs` (trained), `dataset_name`, `dataset_digest`,
          `seed`, `code_version`;
        - `split`, `n_tracks`, `n_segments`;
        - `scores`: of `score_autoencoder`, `score_classifier` or, with `contrastive_loss`, `score_songs`;
        - `encoding`: `encoding_std` (of each component) and `collapsed`;
        - `history`: a dictionary for each epoch, with `epoch`, `loss`, `val_loss`, `seconds` and others.
    examples
        Captions of some segments, and images of each [shape=(n, height, width)] by name: `original`, `reconstruction`
        and, where there are any, `alone` (from the encoding alone) and `pca`. None for other kinds than autoencoders.
    out
        File to write, whole or not at all.

    Raises
    ------
    KeyError
        If the evaluation lacks a value.
    InputError
        If the kind is unknown, or an image cannot be drawn.
    """
    run, scores = evaluation["run"], evaluation["scores"]
    if run["kind"] not in KINDS:
        raise InputError(f"kind={run['kind']!r}: choose one of {', '.join(KINDS)}")
    std = np.asarray(evaluation["encoding"]["encoding_std"], np.float64)
    history = _thinned(evaluation["history"])
    preset_file = f"{run['preset'].get('name', run['name'])}.json"
    write_page(
        out,
        "run.html.jinja",
        evaluation=evaluation,
        run=run,
        scores=scores,
        rows=[measure for measure in of_kind(run["kind"]) if measure.name in scores],
        examples=None if examples is None else _Pictures.of(*examples),
        confusion=Confusion.of(scores) if "confusion" in scores else None,
        n_dead=int((std < MIN_ENCODING_STD).sum()),
        std={"least": std.min(), "greatest": std.max(), "median": np.median(std), "n": len(std)},
        spread=_spread(std),
        is_ranked=len(std) > MAX_BARS,
        curves=_curves(run["kind"], history),
        history=_history_table(history),
        preset=json.dumps(run["preset"], indent=2, ensure_ascii=False),
        preset_file=preset_file,
        command=f"tfdeepviz train {shlex.quote(preset_file)} --dataset DATASET --out RUN --seed {run['seed']}",
    )


def draw_history(history: _History, path: Path) -> None:
    """Plot a run's losses and, below them, its other measures over the epochs, as PNG."""
    figure = Figure(figsize=(8, 6), layout="constrained")
    losses, others = figure.subplots(2, sharex=True)
    curves = [(losses, "loss", "training loss"), (losses, VALIDATION_LOSS, "validation loss")]
    columns = {measure.column: measure.title for measure in MEASURES}
    curves += [(others, column, title) for column, title in columns.items() if column not in ("", VALIDATION_LOSS)]
    for axes, column, title in curves:
        if points := _points(history, column):
            axes.plot(list(points), list(points.values()), "o-", markersize=3, label=title)
    losses.set(yscale="log")
    others.set(xlabel="epoch", ylim=(0, None))
    others.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (losses, others):
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    save_png(figure, path, dpi=110)


@dataclass(frozen=True)
class _Pictures:
    """Segments and their reconstructions in colours from `low` to `high`.

    `rows` hold a caption and, for each image, its name, mean squared error (None for the original) and data: URI.
    """

    low: float
    high: float
    aspect: str
    has_alone: bool
    rows: list[tuple[str, list[tuple[str, float | None, str]]]]

    @classmethod
    def of(cls, captions: Sequence[str], images: Mapping[str, Images]) -> _Pictures:
        original = images["original"].astype(np.float64)
        low, high = np.percentile(original, [_OUTLIER_PERCENT, 100 - _OUTLIER_PERCENT]).tolist()
        if low == high:
            low, high = low - 0.5, high + 0.5
        for name, series in images.items():
            if series.shape != original.shape or not np.isfinite(series).all():
                raise InputError(f"{name}: not {len(captions)} finite images of shape {original.shape[1:]}")

        def shown(name: str, i: int) -> tuple[str, float | None, str]:
            error = None if name == "original" else float(np.square(images[name][i] - original[i]).mean())
            return name, error, picture(images[name][i], low, high)

        rows = [(caption, [shown(name, i) for name in _IMAGES if name in images]) for i, caption in enumerate(captions)]
        return cls(low, high, "{2} / {1}".format(*original.shape), "alone" in images, rows)


def _spread(std: npt.NDArray[np.float64]) -> Chart:
    """Draw the standard deviation of each component; of many, the largest first."""
    if len(std) <= MAX_BARS:
        return bars(std, x_title="component", first=0, level=MIN_ENCODING_STD)
    ranks = np.unique(np.linspace(0, len(std) - 1, _MAX_RANKS).round().astype(int))
    return lines({"components": (ranks, np.sort(std)[::-1][ranks])}, x_title="component", level=MIN_ENCODING_STD)


@dataclass(frozen=True)
class _Curves:
    """Measures over the epochs, and their values after the last one."""

    title: str
    chart: Chart
    last: str
    has_level: bool


def _curves(kind: str, history: _History) -> list[_Curves]:
    by_chart: dict[str, list[Measure]] = {}
    for measure in sorted(of_kind(kind), key=lambda measure: measure.column != VALIDATION_LOSS):
        if measure.column:
            by_chart.setdefault(measure.chart or measure.title, []).append(measure)
    found = []
    for title, measures in by_chart.items():
        first = measures[0]
        columns = {measure.title: measure.column for measure in measures}
        if first.column == VALIDATION_LOSS:
            columns = {"training": "loss", "validation": VALIDATION_LOSS}
        series = {name: points for name, column in columns.items() if (points := _points(history, column))}
        if not series:
            continue
        chart = lines(
            {name: (list(points), list(points.values())) for name, points in series.items()},
            x_title="epoch",
            from_zero=first.column != VALIDATION_LOSS,
            is_percentage=first.is_percentage,
            level=first.least,
        )
        last = [(name, signed(first.text(list(points.values())[-1]))) for name, points in series.items()]
        text = last[0][1] if len(last) == 1 else "; ".join(f"{name.lower()} {value}" for name, value in last)
        found.append(_Curves(title, chart, text, first.least is not None))
    return found


def _points(history: _History, column: str) -> dict[int, float]:
    """Values by epoch, where there are any."""
    values = ((int(row["epoch"]), row.get(column)) for row in history)
    return {epoch: float(value) for epoch, value in values if value is not None and math.isfinite(value)}


def _thinned(history: _History) -> _History:
    step = math.ceil(len(history) / MAX_EPOCHS)
    return [row for i, row in enumerate(history, 1) if i == len(history) or (i - 1) % step == 0]


def _history_table(history: _History) -> Table:
    names = list(dict.fromkeys(name for row in history for name in row))
    whole = ("epoch", "dead_components")

    def cell(name: str, value: Any) -> str | int | None:
        return value if value is None else int(value) if name in whole else three_digits(float(value))

    return Table(names, [[cell(name, row.get(name)) for name in names] for row in history])
