from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread

from tfdeepviz.reports import charts
from tfdeepviz.reports.charts import Chart, bars, histogram, lines, parallel, save_lines, scatter, spreads, strip

EPOCHS = np.arange(1, 9)


def _spread(n: int) -> Any:
    x = np.arange(n, dtype=float)
    return SimpleNamespace(mean=x, minimum=x - 2, maximum=x + 0.5, std=np.ones(n))


MAKERS: dict[str, Callable[[], Chart]] = {
    "lines": lambda: lines({"a": (EPOCHS, 1 / EPOCHS), "b": (EPOCHS, 2 / EPOCHS)}, x_title="epoch", level=0.1, mark=3),
    "bars": lambda: bars([0.2, 0.04, 0.0, 0.3], x_title="component", level=0.05, total=[0.2, 0.24, 0.24, 0.54]),
    "histogram": lambda: histogram({"a": [0, 2, 2, 2.5], "b": [1, 1, 2, 3]}, n_bins=3, x_title="s"),
    "spreads": lambda: spreads({"a": _spread(10), "b": _spread(12)}, 10, x_title="component"),
    "scatter": lambda: scatter({"c0": np.eye(2), "none": np.ones((3, 2))}, x_title="x", y_title="y"),
    "map": lambda: scatter({"c1": np.eye(2)}),
    "parallel": lambda: parallel([[0, 1, 0.5], [0.5, 0.25, 1]], ["a", "b", "c"]),
    "strip": lambda: strip([0, 1, 2], [0, 0.5, 0.1]),
}


def strokes(chart: Chart, colour: str) -> list[npt.NDArray[np.float64]]:
    """The points [shape=(n, 2)] of every path that is drawn in a colour."""
    root = ElementTree.fromstring(chart.svg)
    found = [path.attrib["d"] for path in root.iter("path") if f"stroke: var(--{colour})" in path.attrib["style"]]
    return [np.array(re.findall(r"[ML] (\S+) (\S+)", d), float) for d in found]


def boxes(chart: Chart, colour: str) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of every bar in a colour."""
    root = ElementTree.fromstring(chart.svg)
    found = [path.attrib["d"] for path in root.iter("path") if f"fill: var(--{colour})" in path.attrib["style"]]
    corners = [np.array(re.findall(r"[ML] (\S+) (\S+)", d), float) for d in found]
    return [(*points.min(axis=0), *points.max(axis=0)) for points in corners]


def texts(chart: Chart) -> list[str]:
    return [text.text or "" for text in ElementTree.fromstring(chart.svg).iter("text")]


@pytest.mark.parametrize("name", MAKERS)
def test_a_chart_needs_nothing_else_and_is_the_same_each_time(name: str) -> None:
    chart = MAKERS[name]()
    assert chart == MAKERS[name]()
    root = ElementTree.fromstring(chart.svg)
    assert root.tag == "svg"
    assert root.attrib["aria-hidden"] == "true"
    assert not {"id", "clip-path", "href"} & {key for element in root.iter() for key in element.attrib}
    assert {element.tag for element in root.iter()} <= {"svg", "g", "path", "text"}
    # Colours are those of the page.
    assert not re.search(r"#[0-9a-f]{6}|font-family|matplotlib|//", chart.svg)


def test_lines_go_through_their_points() -> None:
    chart = MAKERS["lines"]()
    (a,), (b,) = strokes(chart, "c0"), strokes(chart, "c1")
    assert chart.legend == [("c0", "a"), ("c1", "b")]
    assert np.diff(a[:, 0]) == pytest.approx(np.diff(a[:, 0]).mean(), abs=0.02)
    # Both begin at zero, and the second is twice as high.
    bottom = a[0, 1] + (a[0, 1] - b[0, 1])
    assert bottom - b[:, 1] == pytest.approx(2 * (bottom - a[:, 1]), abs=0.05)
    dashed = [points for points in strokes(chart, "text")]
    assert len(dashed) == 2
    assert dashed[0][0, 1] == pytest.approx(bottom - 0.1 * (bottom - a[0, 1]), abs=0.05)
    assert dashed[1][0, 0] == pytest.approx(a[2, 0], abs=0.02)


def test_losses_of_many_magnitudes_have_a_logarithmic_axis() -> None:
    chart = lines({"loss": (EPOCHS, 10.0**-EPOCHS)}, from_zero=False)
    (loss,) = strokes(chart, "c0")
    assert np.diff(loss[:, 1]) == pytest.approx(np.diff(loss[:, 1]).mean(), abs=0.02)
    assert {"0.1", "0.001"} <= set(texts(chart))


def test_a_single_point_is_a_dot() -> None:
    *_, dot = strokes(lines({"loss": ([1], [0.5])}), "c0")
    assert dot.tolist() == 2 * [dot[0].tolist()]


@pytest.mark.parametrize(
    "losses", [(1e-9, 1e-9), (3e-7, 0.9), (0.5, 0.5), (0.0, 0.2), (1.0, 1e-3), (5e5, 2e7), (0.999999, 0.2), (-1, 2)]
)
def test_every_value_lies_inside(losses: tuple[float, float]) -> None:
    for from_zero in (True, False):
        (loss,) = strokes(lines({"loss": ((1, 2), losses)}, from_zero=from_zero), "c0")
        assert ((loss >= 0) & (loss <= (520, 240))).all()


def test_bars_are_as_high_as_their_values_and_low_ones_stand_out() -> None:
    chart = MAKERS["bars"]()
    high, low = boxes(chart, "c0"), boxes(chart, "c2")
    heights = [bottom - top for _, top, _, bottom in (*high, *low)]
    # The bar of a constant can be seen, too.
    assert np.array(heights) / heights[0] == pytest.approx([1, 1.5, 0.2, 0.0075 * 0.54 / 0.2], abs=0.01)
    assert {"1", "2", "3", "4", "component"} <= set(texts(chart))


def test_counts_stand_on_each_other() -> None:
    chart = MAKERS["histogram"]()
    (a1, a3), (b2, b3) = boxes(chart, "c0"), boxes(chart, "c1")
    unit = a1[3] - a1[1]
    assert a3[3] - a3[1] == pytest.approx(3 * unit, abs=0.02)
    assert b3[3] == a3[1]
    assert b2[3] == a3[3]
    assert chart.numbers is not None
    assert chart.numbers.cells == [["0 to 1", "1", "0"], ["1 to 2", "0", "2"], ["2 to 3", "3", "2"]]


def test_whole_bins_leave_room_around_a_constant() -> None:
    chart = histogram({"": [30.0, 30.0]}, is_whole=True)
    ((left, _, right, _),) = boxes(chart, "c0")
    assert right - left < 520 / 8
    assert chart.numbers is not None
    assert chart.numbers.rows == [["30 to 31", 2]]


def test_spreads_reach_no_further_than_their_values() -> None:
    chart = spreads({"a": _spread(3)}, 3, limits=(-3, 3))
    (*ranges, wide_1, _, _) = boxes(chart, "c0")
    (thin, *_) = ranges
    unit = (thin[3] - thin[1]) / 2.5
    # One standard deviation above the mean would lie above the maximum.
    assert wide_1[1] == pytest.approx(thin[1], abs=0.02)
    assert wide_1[3] - wide_1[1] == pytest.approx(1.5 * unit, abs=0.05)


def test_scatter_plots_have_elements_by_colour_the_first_on_top() -> None:
    chart = MAKERS["scatter"]()
    classes = [
        element.attrib["class"] for element in ElementTree.fromstring(chart.svg).iter() if "class" in element.attrib
    ]
    assert classes == ["dots none", "dots c0"]
    assert {"x", "y"} <= set(texts(chart))
    assert texts(MAKERS["map"]()) == []
    assert 'preserveAspectRatio="none"' in MAKERS["map"]().svg


def test_scatter_plots_of_words_and_of_magnitudes() -> None:
    xy = np.array([[0.0, 1.0], [1.0, 2.0], [0.0, 3.0]])
    assert {"<b>", "$x_"} <= set(texts(scatter({"c0": xy}, x_title="x", words=["<b>", "$x_"])))
    (dots,) = strokes(scatter({"c0": 10.0**xy}, x_title="x", is_log=True), "c0")
    assert dots[0, 0] == dots[4, 0] < dots[2, 0]
    (dots,) = strokes(
        scatter({"c0": 10.0 ** np.stack([np.arange(3), np.arange(3)], 1)}, x_title="x", is_log=True), "c0"
    )
    assert dots[2, 0] - dots[0, 0] == pytest.approx(dots[4, 0] - dots[2, 0], abs=0.02)


def test_parallel_axes_are_equally_far_apart_and_the_first_row_stands_out() -> None:
    chart = MAKERS["parallel"]()
    (first,), (second,) = strokes(chart, "c1"), strokes(chart, "c0")
    assert first[1, 0] - first[0, 0] == pytest.approx(first[2, 0] - first[1, 0], abs=0.02)
    assert first[:, 1].argmin() == 1
    assert second[:, 1].argmin() == 2
    assert texts(chart) == ["a", "b", "c"]


def test_strips_reach_their_own_maximum() -> None:
    (line,) = strokes(MAKERS["strip"](), "c0")
    assert line.tolist() == [[0, 240], [260, 120], [520, 0]]
    assert all(before[0] < after[0] for before, after in pairwise(line.tolist()))


def test_pictures_have_the_colours_of_the_page() -> None:
    address = charts.picture(np.array([[0.0, 0.5], [1.0, 2.0]]), 0.0, 1.0)
    image = imread(io.BytesIO(base64.b64decode(address.split(",", 1)[1], validate=True)), format="png")
    expected = colormaps[charts.PICTURE_COLOURS](np.array([[1.0, 1.0], [0.0, 0.5]]))
    np.testing.assert_allclose(image, expected, atol=0.01)
    css = (Path(charts.__file__).parent / "templates" / "page.css").read_text()
    assert ", ".join(to_hex(colormaps[charts.PICTURE_COLOURS](i / 8)) for i in range(9)) in css
    assert all(f"--{name}: " in css for name in charts._COLOURS)


def test_loose_series_have_dots_and_no_line() -> None:
    (line,), (dots,) = (
        strokes(lines({"a": (EPOCHS, EPOCHS), "b": (EPOCHS, EPOCHS)}, loose=["b"]), c) for c in ("c0", "c1")
    )
    assert len(line) == 8
    np.testing.assert_array_equal(dots[::2], dots[1::2])


def test_curves_are_saved_as_a_picture(tmp_path: Path) -> None:
    save_lines([{"loss": (EPOCHS, 1 / EPOCHS)}, {}], tmp_path / "a.png", x_title="epoch")
    height, width, _ = imread(tmp_path / "a.png").shape
    assert (height, width) == (660, 880)


def test_equal_figures_give_equal_files(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        charts.save_png(Figure(), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert b"matplotlib" not in (tmp_path / "a.png").read_bytes()
