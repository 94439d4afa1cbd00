"""The page of a run's evaluation: a verdict, scores, pictures and curves."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tfdeepviz.errors import InputError
from tfdeepviz.reports import charts
from tfdeepviz.reports.confusion import Confusion
from tfdeepviz.reports.measures import KINDS, MEASURES, MIN_ENCODING_STD, VALIDATION_LOSS, Measure, of_kind
from tfdeepviz.reports.pages import write_page
from tfdeepviz.reports.tables import Table

Images = npt.NDArray[np.floating[Any]]
Examples = tuple[Sequence[str], Mapping[str, Images]]
_History = Sequence[Mapping[str, Any]]

#: More bars could not be told apart; the components of a larger encoding are drawn as a curve through so many ranks.
MAX_BARS, MAX_RANKS = 64, 256
#: Rows of the history that a page shows; if it is longer, every second, third, ... and the last.
MAX_EPOCHS = 400

# Colours span all values of the original segments except this percentage at either end: a single outlier would leave
# no contrast to the others.
_OUTLIER_PERCENT = 0.5


def write_run_page(evaluation: Mapping[str, Any], examples: Examples | None, out: Path) -> None:
    """Write the page of a run's evaluation, whole or not at all.

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

    Raises
    ------
    KeyError
        If the evaluation lacks a value.
    InputError
        If the kind is unknown, or an image cannot be drawn.
    """
    run, scores, history = evaluation["run"], evaluation["scores"], evaluation["history"]
    if run["kind"] not in KINDS:
        raise InputError(f"kind={run['kind']!r}: choose one of {', '.join(KINDS)}")
    std = np.asarray(evaluation["encoding"]["encoding_std"], np.float64)
    step = math.ceil(len(history) / MAX_EPOCHS)
    history = [row for i, row in enumerate(history, 1) if i == len(history) or (i - 1) % step == 0]
    columns = list(dict.fromkeys(name for row in history for name in row))
    preset_file = f"{run['preset'].get('name', run['name'])}.json"
    write_page(
        out,
        "run.html.jinja",
        evaluation=evaluation,
        run=run,
        scores=scores,
        rows=[measure for measure in of_kind(run["kind"]) if measure.name in scores],
        captions=examples[0] if examples else [],
        images=_checked(*examples) if examples else {},
        scale=_scale(examples[1]["original"]) if examples else (),
        confusion=Confusion(scores) if "confusion" in scores else None,
        std=std,
        n_dead=int((std < MIN_ENCODING_STD).sum()),
        ranks=np.unique(np.linspace(0, len(std) - 1, MAX_RANKS).round().astype(int)) if len(std) > MAX_BARS else None,
        curves=_curves(run["kind"], history),
        history=Table(columns, [[row.get(name) for name in columns] for row in history]),
        preset=json.dumps(run["preset"], indent=2, ensure_ascii=False),
        preset_file=preset_file,
        command=f"tfdeepviz train {shlex.quote(preset_file)} --dataset DATASET --out RUN --seed {run['seed']}",
    )


def draw_history(history: _History, path: Path) -> None:
    """Plot a run's losses and, below them, its other measures over the epochs, as PNG."""
    titles = {"loss": "training loss", VALIDATION_LOSS: "validation loss"}
    others = {measure.column: measure.title for measure in MEASURES if measure.column not in ("", VALIDATION_LOSS)}
    panels = [{title: _points(history, column) for column, title in columns.items()} for columns in (titles, others)]
    charts.save_lines([{n: p for n, p in panel.items() if p[0]} for panel in panels], path, x_title="epoch")


def _checked(captions: Sequence[str], images: Mapping[str, Images]) -> Mapping[str, Images]:
    shape = (len(captions), *images["original"].shape[1:])
    for name, series in images.items():
        if series.shape != shape or not np.isfinite(series).all():
            raise InputError(f"{name}: not {len(captions)} finite images of shape {shape[1:]}")
    return images


def _scale(original: Images) -> tuple[float, float]:
    """Choose the values that the colours of pictures span."""
    low, high = np.percentile(original.astype(np.float64), [_OUTLIER_PERCENT, 100 - _OUTLIER_PERCENT]).tolist()
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _curves(kind: str, history: _History) -> dict[str, tuple[Measure, dict[str, charts.Points]]]:
    """Points of the measures that share a chart, by its title, with the first of them; the loss comes first."""
    found: dict[str, tuple[Measure, dict[str, charts.Points]]] = {}
    for measure in sorted(of_kind(kind), key=lambda measure: measure.column != VALIDATION_LOSS):
        columns = {measure.title: measure.column}
        if measure.column == VALIDATION_LOSS:
            columns = {"training": "loss", "validation": VALIDATION_LOSS}
        for name, column in columns.items():
            if column and len((points := _points(history, column))[0]):
                found.setdefault(measure.chart or measure.title, (measure, {}))[1][name] = points
    return found


def _points(history: _History, column: str) -> charts.Points:
    """Epochs, and the values of a column after them, where there are any."""
    values = [(int(row["epoch"]), row.get(column)) for row in history]
    known = [(epoch, float(value)) for epoch, value in values if value is not None and math.isfinite(value)]
    return [epoch for epoch, _ in known], [value for _, value in known]
