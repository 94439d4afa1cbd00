"""What came out of a search: a table, a preset to train, and parallel coordinates."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps, patheffects
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from tfdeepviz.errors import InputError
from tfdeepviz.files import atomic_path, write_json
from tfdeepviz.models.presets import override
from tfdeepviz.models.tuning import OBJECTIVE, Parameter, Trial, Tuning, loss_of


def report(out: Path) -> str:
    """Write a search's `trials.csv`, and if a trial finished `best.json` and `parallel_coordinates.png`.

    `best.json` is the preset of the best trial, ready for `tfdeepviz train`.

    Returns
    -------
    str
        A table of all trials, the best first.

    Raises
    ------
    FormatError
        If `out` holds no search, or its files are broken.
    """
    tuning = Tuning.load(out)
    finished = tuning.finished
    others = [trial for trial in tuning.trials if trial.status != "finished"]
    names = [parameter.name for parameter in tuning.space.parameters]
    # Goes first and comes last: where it is, the other files say the same.
    (out / "best.json").unlink(missing_ok=True)
    with (
        atomic_path(out / "trials.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.writer(file)
        after = ("trainable_parameters", OBJECTIVE, "epochs", "seconds", "reason", "run")
        writer.writerow(["trial", "status", *names, *after])
        for trial in tuning.trials:
            values = [_plain(trial.values[name]) for name in names]
            loss = "" if trial.val_loss is None else trial.val_loss
            run = trial.run.relative_to(out).as_posix()
            row = [trial.trainable_parameters, loss, trial.epochs, round(trial.seconds, 2), trial.reason, run]
            writer.writerow([trial.number, trial.status, *values, *row])
    if (best := tuning.best) is not None:
        name = f"{best.preset.name[:57]}-tuned"
        changes = {"name": name, "title": f"{best.preset.title[:190]}, tuned"}
        with atomic_path(out / "parallel_coordinates.png") as temporary:
            parallel_coordinates(tuning).savefig(temporary, dpi=130)
        write_json(out / "best.json", override(best.preset, changes).to_dict())
    return _table(names, [*finished, *others])


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str) and not isinstance(value, bool) else json.dumps(value)


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(_plain(value))


def _table(names: Sequence[str], trials: Sequence[Trial]) -> str:
    rows = [("trial", OBJECTIVE, "epochs", "seconds", "parameters", *names)]
    for trial in trials:
        loss = trial.status if trial.val_loss is None else f"{trial.val_loss:.5g}"
        numbers = (
            str(trial.number),
            loss,
            str(trial.epochs),
            f"{trial.seconds:.1f}",
            f"{trial.trainable_parameters:,}",
        )
        rows.append((*numbers, *(_text(trial.values[name]) for name in names)))
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    for i, trial in enumerate(trials, start=1):
        if trial.reason:
            lines[i] += f"  {trial.reason}"
    return "\n".join(lines)


Floats = npt.NDArray[np.float64]

_BEST = "#d9481c"
_INK = "#2b2f36"
_FAINT = "#8a919c"
# A range of at most so many whole numbers is drawn like a choice.
_MAX_SLOTS = 12
_CURVE_POINTS = 25
# Half the share of a slot that its lines spread over.
_SLOT = 0.36


@dataclass(frozen=True)
class _Scale:
    """One vertical axis: where values are, from 0 to 1, and its ticks."""

    at: Floats
    ticks: list[tuple[float, str]]
    n_slots: int | None = None


def parallel_coordinates(tuning: Tuning) -> Figure:
    """Draw one line a run over an axis a parameter, coloured by the objective; the best is emphasised.

    Of a combination that Hyperband let go on, the best of its trials is drawn; failed trials are left out.

    Raises
    ------
    InputError
        If no trial finished.
    """
    lines: dict[Path, Trial] = {}
    for trial in tuning.finished:
        lines.setdefault(trial.run, trial)
    trials = list(lines.values())
    if not trials:
        raise InputError(f"{tuning.path}: no trial finished, there is nothing to draw")
    losses = np.array([loss_of(trial) for trial in trials])
    parameters = tuning.space.parameters
    scales = [_scale(parameter, [trial.values[parameter.name] for trial in trials]) for parameter in parameters]
    objective, norm = _objective_scale(losses)
    heights = np.stack([*(_spread(scale) for scale in scales), objective.at], axis=1)  # (n_lines, n_axes)

    colours = ListedColormap(colormaps["viridis"](np.linspace(0.05, 0.95, 256)))
    n = len(parameters)
    figure = Figure(figsize=(max(7.0, 1.5 * n + 2.2), 5.6), layout="constrained")
    axes = figure.subplots()
    x, curves = _curves(heights)
    # The worst first, so that good ones lie above; many lines have to let each other through.
    axes.add_collection(
        LineCollection(
            [np.column_stack((x, curve)) for curve in curves[:0:-1]],
            colors=colours(norm(losses[:0:-1])),
            linewidths=1.6 if len(trials) <= 60 else 1.1,
            alpha=float(np.clip(6 / math.sqrt(len(trials)), 0.3, 0.85)),
            zorder=2,
        )
    )
    halo = [patheffects.withStroke(linewidth=3, foreground="white", alpha=0.9)]
    box = {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}
    axes.plot(x, curves[0], color=_BEST, linewidth=3, zorder=4, path_effects=[*_wide_halo(), patheffects.Normal()])
    axes.scatter(range(n + 1), heights[0], s=44, color=_BEST, edgecolor="white", linewidth=1.2, zorder=6)
    for i, scale in enumerate((*scales, objective)):
        axes.vlines(i, 0, 1, color=_INK, linewidth=1.1, zorder=3)
        for y, text in scale.ticks if i < n else ():
            axes.hlines(y, i - 0.03, i, color=_INK, linewidth=1, zorder=3)
            axes.text(i - 0.055, y, text, ha="right", va="center", size=8.5, color=_INK, zorder=5, bbox=box)
        if scale.n_slots is not None:
            # A bar for each slot: which lines belong together.
            half, centres = _SLOT / scale.n_slots, (np.arange(scale.n_slots) + 0.5) / scale.n_slots
            axes.vlines(np.full(scale.n_slots, i), centres - half, centres + half, "#dfe3e8", linewidth=7, zorder=1)
    for i, parameter in enumerate(parameters):
        _label(axes, i, parameter.name)
        # What a tick says already needs no second label.
        if scales[i].n_slots is None:
            text = _text(trials[0].values[parameter.name])
            style: dict[str, Any] = {"size": 8.5, "weight": "bold", "color": _BEST, "path_effects": halo, "zorder": 7}
            axes.text(i + 0.05, heights[0, i] + 0.015, text, ha="left", va="bottom", **style)
    _label(axes, n, OBJECTIVE)
    _colour_bar(axes, n, objective, colours, norm)
    axes.set(xlim=(-0.55, n + 0.62), ylim=(-0.04, 1.16))
    axes.axis("off")
    n_failed = sum(trial.status == "failed" for trial in tuning.trials)
    left_out = f" (failed and not drawn: {n_failed})" if n_failed else ""
    title = (
        f"{tuning.space.preset.name}, trials finished: {len(tuning.finished)}{left_out}\n"
        f"best {OBJECTIVE} {losses[0]:.5g}: trial {trials[0].number} with "
        f"{trials[0].trainable_parameters:,} trainable parameters"
    )
    axes.set_title(title, loc="left", size=11.5, color=_INK, linespacing=1.4)
    return figure


def _wide_halo() -> list[patheffects.AbstractPathEffect]:
    return [patheffects.Stroke(linewidth=5.5, foreground="white", alpha=0.9)]


def _curves(heights: Floats) -> tuple[Floats, Floats]:
    """Smooth lines through their heights, level at every axis [x: shape=(m,), y: shape=(n_lines, m)]."""
    t = np.linspace(0, 1, _CURVE_POINTS)
    ease = t * t * (3 - 2 * t)
    start, end = heights[:, :-1, np.newaxis], heights[:, 1:, np.newaxis]
    x = np.arange(heights.shape[1] - 1)[:, np.newaxis] + t
    return x.ravel(), (start + (end - start) * ease).reshape(len(heights), -1)


def _scale(parameter: Parameter, values: Sequence[Any]) -> _Scale:
    slots = parameter.values
    if slots is None and parameter.whole and parameter.high - parameter.low < _MAX_SLOTS:
        slots = tuple(range(int(parameter.low), int(parameter.high) + 1))
    if slots is not None:
        centres = (np.arange(len(slots)) + 0.5) / len(slots)
        texts = [_text(slot) for slot in slots]
        # By their texts: JSON's 1 and true are equal in Python.
        index = [texts.index(_text(value)) for value in values]
        # No more ticks than can be read.
        step = math.ceil(len(slots) / 24)
        shown = [text if len(text) <= 12 else f"{text[:11]}…" for text in texts]
        return _Scale(centres[index], list(zip(centres, shown, strict=True))[::step], len(slots))
    low, high = float(parameter.low), float(parameter.high)
    at, ticks = _numeric(np.array(values, dtype=np.float64), low, high, parameter.log)
    return _Scale(at, ticks)


def _objective_scale(losses: Floats) -> tuple[_Scale, Normalize]:
    low, high = float(losses.min()), float(losses.max())
    log = low > 0 and high > 5 * low
    if not high > low:  # one trial, or all the same
        low, high = low - abs(low) * 0.1 - 1e-9, high + abs(high) * 0.1 + 1e-9
    at, ticks = _numeric(losses, low, high, log)
    return _Scale(at, ticks), LogNorm(low, high) if log else Normalize(low, high)


def _numeric(values: Floats, low: float, high: float, log: bool) -> tuple[Floats, list[tuple[float, str]]]:
    def place(x: Floats) -> Floats:
        return np.asarray(np.log(x / low) / np.log(high / low) if log else (x - low) / (high - low), np.float64)

    if log:
        ticks = LogLocator(subs=(1.0,) if high / low >= 100 else (1.0, 2.0, 5.0), numticks=12).tick_values(low, high)
    else:
        ticks = MaxNLocator(6).tick_values(low, high)
    room = 1e-9 * (high - low)
    inside = np.array([tick for tick in ticks if low - room <= tick <= high + room])
    if len(inside) < 2:
        inside = np.array([low, high])
    heights = place(inside)
    return np.clip(place(values), 0, 1), [(float(y), f"{x:.6g}") for x, y in zip(inside, heights, strict=True)]


def _spread(scale: _Scale) -> Floats:
    """Lines that share a slot side by side, in the order of their objective, rather than on top of each other."""
    heights = scale.at.copy()
    if scale.n_slots is None:
        return heights
    for centre in np.unique(scale.at):
        here = np.flatnonzero(scale.at == centre)
        half = min(0.9 * _SLOT / scale.n_slots, 0.005 * len(here))
        if len(here) > 1:
            heights[here] += np.linspace(-half, half, len(here))
    return heights


def _label(axes: Axes, x: float, name: str) -> None:
    group, _, last = name.rpartition(".")
    axes.text(x, 1.055, last, ha="center", va="bottom", size=10, weight="bold", color=_INK)
    axes.text(x, 1.105, group, ha="center", va="bottom", size=8.5, color=_FAINT)


def _colour_bar(axes: Axes, x: float, scale: _Scale, colours: ListedColormap, norm: Normalize) -> None:
    """The objective's axis is its own colour bar."""
    steps = np.linspace(0, 1, 257)
    middles = np.asarray(norm.inverse((steps[1:] + steps[:-1]) / 2))
    axes.pcolormesh(
        [x + 0.03, x + 0.14], steps, middles[:, np.newaxis], cmap=colours, norm=norm, zorder=2, rasterized=True
    )
    for y, text in scale.ticks:
        axes.hlines(y, x + 0.14, x + 0.17, color=_INK, linewidth=1, zorder=3)
        axes.text(x + 0.2, y, text, ha="left", va="center", size=8.5, color=_INK)
