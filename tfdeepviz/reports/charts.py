"""Charts as SVG inside a page, in the page's colours; pictures as PNG. Templates call these functions."""

from __future__ import annotations

import io
import math
import re
from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from cycler import cycler
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.ticker import LogLocator, MaxNLocator

from tfdeepviz.files import atomic_path
from tfdeepviz.reports.formats import brief, signed
from tfdeepviz.reports.tables import Cell, Table

Values = Sequence[float] | npt.NDArray[Any]
Points = tuple[Values, Values]

#: The colours of pictures; templates/page.css has them as a gradient.
PICTURE_COLOURS = "magma"
#: Series that have a colour of their own, `c0`, `c1`, ...; scatter plots also know the colours `other` and `none`.
N_COLOURS = 8

# Each stands for the CSS variable of its name, which templates/page.css defines for dark and light pages.
_COLOURS = {
    name: f"#a000{i:02}"
    for i, name in enumerate([*(f"c{i}" for i in range(N_COLOURS)), "other", "none", "text", "muted", "line", "ground"])
}
_STYLE = mpl.rc_params_from_file(Path(__file__).with_name("house.mplstyle"), use_default_template=False)
_PAGE_STYLE: Any = {
    **_STYLE,
    **dict.fromkeys(("axes.labelcolor", "xtick.color", "ytick.color"), _COLOURS["muted"]),
    **{"grid.color": _COLOURS["line"], "axes.prop_cycle": cycler(color=list(_COLOURS.values())[:N_COLOURS])},
}
# A larger range of positive values needs a logarithmic axis.
_LINEAR_RANGE = 5.0
_STEPS = [1, 2, 2.5, 5, 10]


@dataclass(frozen=True)
class Chart:
    """An SVG element, the colours of its series with their names if there are several, and a histogram's numbers."""

    svg: Markup
    legend: list[tuple[str, str]] = field(default_factory=list)
    numbers: Table | None = None


@dataclass(frozen=True, eq=False)
class Spread:
    """Mean, minimum, maximum and (population) standard deviation of some components [each shape=(n_components,)]."""

    mean: npt.NDArray[np.float64]
    minimum: npt.NDArray[np.float64]
    maximum: npt.NDArray[np.float64]
    std: npt.NDArray[np.float64]


@mpl.rc_context(_PAGE_STYLE)
def lines(
    series: Mapping[str, Points],
    *,
    x_title: str = "",
    from_zero: bool = True,
    is_percentage: bool = False,
    level: float | None = None,
    mark: float | None = None,
    dotted: Collection[str] = (),
    loose: Collection[str] = (),
) -> Chart:
    """Draw lines through points (x, y) by name, x whole numbers.

    y begins at zero or at the least value, with a logarithmic axis for a wide range. A dashed line goes across at
    `level`, and one upwards at `mark`. The points of `dotted` series have dots; `loose` ones have no line.
    """
    figure, axes = _axes(x_title, is_percentage=is_percentage)
    _plot(axes, series, from_zero=from_zero, dotted=dotted, loose=loose)
    _dash(axes, level, mark)
    return Chart(_svg(figure), legend(series))


@mpl.rc_context(_PAGE_STYLE)
def bars(
    values: Values,
    *,
    x_title: str,
    first: int = 1,
    is_percentage: bool = False,
    level: float | None = None,
    total: Values | None = None,
) -> Chart:
    """Draw a bar per value, numbered from `first`; with a `level`, lower bars in another colour.

    `total` is a line with dots above the bars, one per bar.
    """
    figure, axes = _axes(x_title, is_percentage=is_percentage)
    numbers = np.arange(first, first + len(values))
    # The bar of a constant can be seen, too.
    heights = np.maximum(values, 0.0075 * max([*values, *([] if total is None else total)]))
    colours = ["C2" if level is not None and value < level else "C0" for value in values]
    axes.bar(numbers, heights, 0.8, color=colours)
    if total is not None:
        axes.plot(numbers, total, color="C1")
        _dots(axes, numbers, total, color="C1")
    _number(axes, numbers)
    _dash(axes, level)
    _from_tick_to_tick(axes)
    return Chart(_svg(figure))


@mpl.rc_context(_PAGE_STYLE)
def histogram(
    values: Mapping[str, Values], *, n_bins: int = 40, x_title: str = "", y_title: str = "", is_whole: bool = False
) -> Chart:
    """Count the values of each series in at most `n_bins` bins with round ends, the series on top of each other.

    `is_whole` puts the ends at whole numbers, at least ten bins apart: a bar of its own width says more than one that
    fills the chart.
    """
    parts = {name: np.asarray(part, float) for name, part in values.items()}
    everything = np.concatenate(list(parts.values()))
    low, high = _apart(everything.min(), everything.max())
    if is_whole:
        low, high = math.floor(everything.min()), math.ceil(everything.max())
        spare = max(0, 10 - (high - low)) // 2
        low, high = low - spare, high + spare
    edges = np.asarray(MaxNLocator(n_bins, integer=is_whole, steps=[1, 2, 5, 10]).tick_values(low, high))
    counts = {name: np.histogram(part, edges)[0] for name, part in parts.items()}
    figure, axes = _axes(x_title, y_title)
    left, width, bottom = edges[:-1], np.diff(edges), np.zeros(len(edges) - 1)
    for i, height in enumerate(counts.values()):
        seen = height > 0
        x, w = (left + 0.08 * width)[seen], (0.84 * width)[seen]
        axes.bar(x, height[seen], w, bottom[seen], align="edge", color=f"C{i}")
        bottom += height
    axes.set_xlim(edges[0], edges[-1])
    _from_tick_to_tick(axes)
    rows: list[list[Cell]] = [
        [f"{_tick(edges[i])} to {_tick(edges[i + 1])}", *(int(of_series[i]) for of_series in counts.values())]
        for i in np.flatnonzero(bottom)
    ]
    return Chart(_svg(figure), legend(counts), Table((x_title, *counts), rows))


@mpl.rc_context(_PAGE_STYLE)
def spreads(
    groups: Mapping[str, Spread], n: int, *, x_title: str = "", limits: tuple[float, float] | None = None
) -> Chart:
    """Draw the first `n` components of groups side by side.

    A thin bar reaches from minimum to maximum; a wide one a standard deviation to either side of the mean, but not
    beyond the thin one; the mean is a gap in it.
    """
    figure, axes = _axes(x_title)
    numbers, width = np.arange(1, n + 1), 0.74 / len(groups)
    for i, one in enumerate(groups.values()):
        low, high, mean, std = (np.asarray(part[:n]) for part in (one.minimum, one.maximum, one.mean, one.std))
        x = numbers + (i - (len(groups) - 1) / 2) * width
        bottom, colour = np.maximum(low, mean - std), f"C{i}"
        axes.bar(x, high - low, 0.28 * width, low, color=colour, alpha=0.45)
        axes.bar(x, np.minimum(high, mean + std) - bottom, 0.88 * width, bottom, color=colour)
        axes.hlines(mean, x - 0.44 * width, x + 0.44 * width, colors=_COLOURS["ground"], linewidth=2)
    _number(axes, numbers)
    _from_tick_to_tick(axes, *(limits or ()))
    return Chart(_svg(figure), legend(groups))


@mpl.rc_context(_PAGE_STYLE)
def scatter(
    points: Mapping[str, npt.NDArray[Any]],
    *,
    x_title: str = "",
    y_title: str = "",
    words: Sequence[str] = (),
    is_log: bool = False,
) -> Chart:
    """Draw points [shape=(n, 2)] by colour: `c0`, `c1`, ..., `other` or `none`; the first colours on top.

    Each colour is an element of the classes `dots` and its own. x may be numbers, on a logarithmic axis or not, or
    indices of words. Without titles there are no axes: the points fill the chart, which takes any aspect.
    """
    figure, axes = _axes(x_title, y_title) if x_title else _unframed()
    for colour, xy in reversed(list(points.items())):
        _dots(axes, xy[:, 0], xy[:, 1], color=_COLOURS[colour], alpha=0.85, gid=f"dots {colour}")
    (left, low), (right, high) = axes.dataLim.get_points()
    axes.set(xlim=_apart(left, right), ylim=_apart(low, high))
    if words:
        axes.set_xlim(-0.5, len(words) - 0.5)
        axes.set_xticks(range(len(words)), words)
    elif is_log:
        axes.set(xscale="log")
        axes.xaxis.set_major_formatter(_tick)
        axes.minorticks_off()
    return Chart(_svg(figure, is_framed=bool(x_title)))


@mpl.rc_context(_PAGE_STYLE)
def parallel(rows: Sequence[Values], titles: Sequence[str]) -> Chart:
    """Draw each row of shares, from 0 to 1, as a line through an axis per title; the first stands out."""
    figure, axes = _axes()
    for i in reversed(range(1, len(rows))):
        axes.plot(rows[i], color="C0", alpha=max(0.1, 0.7 * (1 - i / len(rows))), linewidth=1.5)
    axes.plot(rows[0], color="C1")
    axes.set(xlim=(0, len(titles) - 1), ylim=(0, 1), yticks=[])
    axes.set_xticks(range(len(titles)), titles, rotation=-25, ha="left", rotation_mode="anchor")
    axes.grid(axis="x")
    return Chart(_svg(figure))


@mpl.rc_context(_PAGE_STYLE)
def strip(line: Values, area: Values, *, colour: str = "c0") -> Chart:
    """Draw a line before an area, both from 0 to their own maximum, without axes and for any aspect."""
    figure, axes = _unframed()
    x = np.linspace(0, 1, len(line))
    front, back = (np.asarray(values) / max(np.max(values), 1e-9) for values in (line, area))
    axes.fill_between(x, back, color=_COLOURS["muted"], alpha=0.35, linewidth=0)
    axes.plot(x, front, color=_COLOURS[colour], linewidth=1.75)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    return Chart(_svg(figure, is_framed=False))


def legend(names: Collection[str]) -> list[tuple[str, str]]:
    """Return the colours of series with their names, if there are several."""
    return [(f"c{i % N_COLOURS}", name) for i, name in enumerate(names)] if len(names) > 1 else []


def picture(image: npt.NDArray[Any], low: float, high: float) -> str:
    """Draw an image [shape=(height, width)], its first row lowest, in `PICTURE_COLOURS`; gives a data: URI."""
    png = io.BytesIO()
    # matplotlib would write its version.
    options: dict[str, Any] = {"format": "png", "metadata": {"Software": "tfdeepviz"}}
    imsave(png, image, vmin=low, vmax=high, cmap=PICTURE_COLOURS, origin="lower", **options)
    return data_uri("image/png", png.getvalue())


def data_uri(kind: str, content: bytes) -> str:
    """Bytes as an address that a page can show or play."""
    return f"data:{kind};base64,{b64encode(content).decode()}"


@mpl.rc_context({**_STYLE, "lines.marker": "o", "lines.markersize": 5, "figure.constrained_layout.hspace": 0.1})
def save_lines(panels: Sequence[Mapping[str, Points]], path: Path, *, x_title: str) -> None:
    """Draw `lines` as PNG, in panels below each other; those of all but the first begin at zero."""
    figure = Figure(figsize=(8, 3 * len(panels)), layout="constrained")
    every = figure.subplots(len(panels), sharex=True, subplot_kw={"frame_on": False}).tolist()
    for axes, series in zip(every, panels, strict=True):
        if series:
            _plot(axes, series, from_zero=axes is not every[0])
            axes.legend()
    axes.set_xlabel(x_title)
    save_png(figure, path, dpi=110)


def save_png(figure: Figure, path: Path, **options: Any) -> None:
    """Write a figure as PNG, whole or not at all; equal figures give equal bytes."""
    with atomic_path(path) as temporary:
        # matplotlib would write its version.
        figure.savefig(temporary, format="png", metadata={"Software": "tfdeepviz"}, **options)


# --- axes --------------------------------------------------------------------------------------------------------


def _axes(x_title: str = "", y_title: str = "", *, is_percentage: bool = False) -> tuple[Figure, Axes]:
    figure = Figure(frameon=False, layout="constrained")
    axes = figure.add_subplot(xlabel=x_title, ylabel=y_title, frame_on=False)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=_STEPS))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=_STEPS))
    axes.xaxis.set_major_formatter(_tick)
    axes.yaxis.set_major_formatter(_percentage if is_percentage else _tick)
    return figure, axes


def _unframed() -> tuple[Figure, Axes]:
    figure = Figure(frameon=False)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    return figure, axes


def _plot(
    axes: Axes,
    series: Mapping[str, Points],
    *,
    from_zero: bool,
    dotted: Collection[str] = (),
    loose: Collection[str] = (),
) -> None:
    for i, (name, (x, y)) in enumerate(series.items()):
        if name not in loose:
            axes.plot(x, y, color=f"C{i}", label=name)
        if name in dotted or name in loose or len(x) == 1:
            _dots(axes, x, y, color=f"C{i}")
    (left, low), (right, high) = axes.dataLim.get_points()
    axes.set_xlim(_apart(left, right))
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    if not from_zero and 0 < low * _LINEAR_RANGE < high:
        axes.set(yscale="log", ylim=(low, high))
        n_powers = math.log10(high / low)
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if n_powers < 2 else (1.0,)))
        axes.yaxis.set_major_formatter(_tick)
        axes.minorticks_off()
    else:
        _from_tick_to_tick(axes, *([0.0] if from_zero else []))


def _tick(value: float, _: float = 0) -> str:
    decimals = brief(value, 6).partition(".")[2]
    return signed(f"{value:z,.{len(decimals)}f}")


def _percentage(share: float, _: float) -> str:
    return f"{_tick(100 * share)}%"


def _from_tick_to_tick(axes: Axes, *others: float) -> None:
    """Cover what is drawn, and other values, from tick to tick."""
    low, high = (choose([*axes.dataLim.intervaly, *others]) for choose in (min, max))
    ticks = axes.yaxis.get_major_locator().tick_values(*_apart(low, high))
    axes.set(yticks=ticks, ylim=(ticks[0], ticks[-1]))


def _dots(axes: Axes, x: Values, y: Values, **style: Any) -> None:
    # Lines of no length with round caps are dots in a tenth of the bytes of markers.
    points = np.stack([x, y], axis=1).astype(float)
    ends = np.stack([points, points, np.full_like(points, np.nan)], axis=1).reshape(-1, 2)
    axes.plot(*ends.T, linewidth=5, **style)


def _number(axes: Axes, numbers: npt.NDArray[np.int64]) -> None:
    """Number bars, as many as there is room for."""
    axes.set_xlim(numbers[0] - 0.5, numbers[-1] + 0.5)
    step = 1 if len(numbers) <= 16 else 5 if len(numbers) <= 40 else 10
    axes.set_xticks(numbers[(numbers % step == 0) | (numbers == numbers[0])])


def _dash(axes: Axes, level: float | None = None, mark: float | None = None) -> None:
    style: dict[str, Any] = {"linewidth": 1.25, "dashes": (5, 4), "color": _COLOURS["text"], "gid": "dashed"}
    if level is not None:
        axes.axhline(level, **style)
    if mark is not None:
        axes.axvline(mark, **style)


def _apart(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low - 0.5, high + 0.5)


# --- SVG ---------------------------------------------------------------------------------------------------------


def _svg(figure: Figure, *, is_framed: bool = True) -> Markup:
    """Make an SVG element for a page: in its colours and fonts, without ids and references. Its text is our own."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    root = ElementTree.fromstring(file.getvalue())
    for child in root.findall("{*}defs") + root.findall("{*}metadata"):
        root.remove(child)
    variables = {colour: f"var(--{name})" for name, colour in _COLOURS.items()}
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.text, element.tail = (element.text or "").strip(), ""
        element.attrib.pop("clip-path", None)
        identity = element.attrib.pop("id", "")
        if identity.startswith(("dots", "dashed")):
            element.set("class", identity)
        if style := element.get("style"):
            style = re.sub(r"; font-family: [^;]*|#a000\d\d", lambda match: variables.get(match[0], ""), style)
            element.set("style", style)
        for name in ("d", "x", "y", "transform"):
            if value := element.get(name):
                value = re.sub(r"\d+\.\d{3,}", lambda match: f"{float(match[0]):.2f}", value)
                element.set(name, " ".join(value.split()))
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag == "g" and not len(child)]:
            parent.remove(child)
    root.attrib = {"viewBox": root.attrib["viewBox"], "aria-hidden": "true"}
    root.attrib |= {} if is_framed else {"preserveAspectRatio": "none", "class": "unframed"}
    return Markup(ElementTree.tostring(root, encoding="unicode"))
