"""A lineage as a picture: a column for each kind, from what things are made of on the left to what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path as Curve
from matplotlib.textpath import text_to_path

from tfdeepviz.data.files import atomic_path
from tfdeepviz.errors import InputError
from tfdeepviz.lineage import Edge, Kind, Lineage, Node, State, in_short, summary

FORMATS = (".svg", ".png")

_MAX_ROWS = 40
_MAX_LINES = 9
_MAX_BROKEN = 3
_MAX_CHARACTERS = 300

# All lengths are points.
_WIDTH, _GAP, _SPACE, _PADDING, _MARGIN = 188.0, 72.0, 16.0, 9.0, 14.0
_HEAD, _LINE, _HEAD_SIZE, _LINE_SIZE = 15.0, 11.0, 9.5, 7.5
_LANE = 10.0

_HEADINGS = ("corpus", "dataset", "teacher", "run", "bundle")
# Dark boxes with light text, and a grey that is 4.5:1 against white and against black: for any page.
_FILLS: dict[Kind, str] = {"corpus": "#3f4a5a", "dataset": "#1c5a5e", "run": "#4b3b7c", "bundle": "#7d4016"}
_BORDERS: dict[State, str] = {"here": "#8c8c99", "changed": "#e08a00", "gone": "#8c8c99"}
_ABSENT, _STRONG, _WEAK, _GREY, _START = "#55555e", "#ffffff", "#dedee6", "#767676", "#f2b33d"
_FONT = "DejaVu Sans"


@dataclass
class _Box:
    """A node, or a free lane through a column for edges that go on to a later one."""

    key: str
    column: int
    lines: list[str]
    height: float
    y: float = 0.0


def draw(lineage: Lineage, out: Path) -> None:
    """Draw a lineage on a transparent ground; equal lineages give equal bytes.

    Parameters
    ----------
    lineage
        From `tfdeepviz.lineage.trace`.
    out
        File to write, `.svg` or `.png`.

    Raises
    ------
    InputError
        If `out` has another ending.
    """
    if out.suffix not in FORMATS:
        raise InputError(f"{out}: a picture ends in {' or '.join(FORMATS)}")
    columns, edges, n_left_out = _layout(lineage)
    height = 2 * _MARGIN + _HEAD + _SPACE + max(_height(column) for column in columns) + (_SPACE if n_left_out else 0)
    width = 2 * _MARGIN + len(columns) * _WIDTH + (len(columns) - 1) * _GAP
    with style.context(["default", {"svg.hashsalt": "tfdeepviz", "font.family": _FONT}]):
        figure = Figure(figsize=(width / 72, height / 72))
        figure.patch.set_alpha(0)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        axes.set_axis_off()

        def write(x: float, y: float, text: str, size: float, colour: str, weight: str = "normal") -> None:
            axes.text(x, y, text, size=size, color=colour, weight=weight, va="baseline", parse_math=False)

        for column in columns:
            heading = next((_heading(lineage, box.key) for box in column if box.lines), "")
            write(_left(column[0]), _MARGIN + _HEAD / 2, heading, _HEAD_SIZE, _GREY)
        for points, dashed in _curves(columns, edges):
            codes = [Curve.MOVETO, *(3 * [Curve.CURVE4])]
            line = "--" if dashed else "-"
            axes.add_patch(PathPatch(Curve(points, codes), fill=False, edgecolor=_BORDERS["here"], ls=line, lw=1.1))
        for box in (box for column in columns for box in column if box.lines):
            node, left = lineage.nodes[box.key], _left(box)
            axes.add_patch(
                FancyBboxPatch(
                    (left, box.y),
                    _WIDTH,
                    box.height,
                    boxstyle="round,pad=0,rounding_size=6",
                    facecolor=_ABSENT if node.state == "gone" else _FILLS[node.kind],
                    edgecolor=_START if box.key == lineage.start else _BORDERS[node.state],
                    linewidth=2.0 if box.key == lineage.start else 1.0,
                    linestyle="-" if node.state == "here" else "--",
                    zorder=2,
                )
            )
            baseline = box.y + _PADDING + _HEAD_SIZE
            write(left + _PADDING, baseline, box.lines[0], _HEAD_SIZE, _STRONG, "bold")
            for i, text in enumerate(box.lines[1:], 1):
                write(left + _PADDING, baseline + i * _LINE + 2, text, _LINE_SIZE, _WEAK)
        if n_left_out:
            write(_MARGIN, height - _MARGIN, f"and {n_left_out} more that are not drawn", _LINE_SIZE, _GREY)
        metadata = {"Creator": "tfdeepviz", "Date": None} if out.suffix == ".svg" else {"Software": "tfdeepviz"}
        with atomic_path(out) as temporary:
            figure.savefig(temporary, format=out.suffix[1:], dpi=144, metadata=metadata)


def _layout(lineage: Lineage) -> tuple[list[list[_Box]], list[tuple[str, str, bool]], int]:
    """Columns of boxes, edges from column to column (dashed where mappings were fitted), and what has no room."""
    ranks = sorted({_rank(lineage, key) for key in lineage.nodes})
    columns: list[list[_Box]] = [[] for _ in ranks]
    for key, node in lineage.nodes.items():
        number = ranks.index(_rank(lineage, key))
        lines = _lines(node)
        columns[number].append(_Box(key, number, lines, 2 * _PADDING + _HEAD + (len(lines) - 1) * _LINE))
    columns = [_most_important(lineage, column) for column in columns]
    n_left_out = len(lineage.nodes) - sum(map(len, columns))
    at = {box.key: box.column for column in columns for box in column}
    edges: dict[tuple[str, str, bool], None] = {}
    for edge in lineage.edges:
        if edge.source not in at or edge.target not in at:
            continue
        before, dashed = edge.source, edge.role == "mappings"
        for between in range(at[edge.source] + 1, at[edge.target]):
            lane = f"{edge.source} in column {between}"
            if lane not in at:
                at[lane] = between
                columns[between].append(_Box(lane, between, [], _LANE))
            edges[before, lane, dashed] = None
            before = lane
        edges[before, edge.target, dashed] = None
    for column in columns:
        _order(column, columns, edges)
        y = _MARGIN + _HEAD + _SPACE + (max(map(_height, columns)) - _height(column)) / 2
        for box in column:
            box.y, y = y, y + box.height + _SPACE
    return columns, list(edges), n_left_out


def _most_important(lineage: Lineage, column: list[_Box]) -> list[_Box]:
    return sorted(column, key=lambda box: box.key != lineage.start)[:_MAX_ROWS]


def _order(column: list[_Box], columns: list[list[_Box]], edges: dict[tuple[str, str, bool], None]) -> None:
    """Put every box beside the middle of what it was made of, so that few edges cross."""
    middles = {box.key: box.y + box.height / 2 for other in columns[: column[0].column] for box in other}

    def place(box: _Box) -> float:
        sources = [middles[source] for source, target, _ in edges if target == box.key and source in middles]
        return sum(sources) / len(sources) if sources else 0.0

    column.sort(key=place)


def _curves(
    columns: list[list[_Box]], edges: list[tuple[str, str, bool]]
) -> Iterator[tuple[list[tuple[float, float]], bool]]:
    boxes = {box.key: box for column in columns for box in column}
    for source, target, dashed in edges:
        first, second = boxes[source], boxes[target]
        x0, y0 = _left(first) + _WIDTH, first.y + first.height / 2
        x1, y1 = _left(second), second.y + second.height / 2
        middle = (x0 + x1) / 2
        yield [(x0, y0), (middle, y0), (middle, y1), (x1, y1)], dashed
        if not second.lines:
            yield [(x1, y1), (x1, y1), (x1 + _WIDTH, y1), (x1 + _WIDTH, y1)], dashed


def _rank(lineage: Lineage, key: str) -> int:
    kind = lineage.nodes[key].kind
    if kind != "run":
        return {"corpus": 0, "dataset": 1, "bundle": 4}[kind]
    return 2 if _teaches(lineage.edges, key) else 3


def _teaches(edges: tuple[Edge, ...], key: str) -> bool:
    return any(edge.source == key and edge.role == "teacher" for edge in edges)


def _heading(lineage: Lineage, key: str) -> str:
    return _HEADINGS[_rank(lineage, key)]


def _lines(node: Node) -> list[str]:
    texts = [f"{node.state}: {node.note}"] if node.note else []
    texts += summary(node)
    texts.append(", ".join(part for part in (node.digest and in_short(node.digest), node.code_version) if part))
    rows = [row for text in texts for row in _broken(text)]
    return [_fitted(_drawable(node.label), _HEAD_SIZE, "bold"), *rows[: _MAX_LINES - 1]]


def _broken(text: str) -> list[str]:
    """Break a text into lines that have room, the last of which may be cut off."""
    rows: list[str] = []
    for word in _drawable(text).split():
        if rows and (len(rows) == _MAX_BROKEN or _has_room(f"{rows[-1]} {word}")):
            rows[-1] += f" {word}"
        else:
            rows.append(word)
    return [_fitted(row) for row in rows]


def _fitted(text: str, size: float = _LINE_SIZE, weight: str = "normal") -> str:
    if _has_room(text, size, weight):
        return text
    n = len(text) - 1
    while n and not _has_room(f"{text[:n]}…", size, weight):
        n -= 1
    return f"{text[:n].rstrip()}…"


def _has_room(text: str, size: float = _LINE_SIZE, weight: str = "normal") -> bool:
    # No text of that length has, and measuring takes its time.
    if len(text) > _WIDTH:
        return False
    font = FontProperties(family=_FONT, size=size, weight=weight)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, False)
    return bool(width <= _WIDTH - 2 * _PADDING)


def _drawable(text: str) -> str:
    """Replace characters that the font lacks."""
    known = get_font(findfont(FontProperties(family=_FONT))).get_charmap()
    return "".join(character if ord(character) in known else "?" for character in text[:_MAX_CHARACTERS])


def _height(column: list[_Box]) -> float:
    return sum(box.height + _SPACE for box in column) - _SPACE


def _left(box: _Box) -> float:
    return _MARGIN + box.column * (_WIDTH + _GAP)
