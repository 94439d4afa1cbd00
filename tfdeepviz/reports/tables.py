"""Tables as text, Markdown, CSV and HTML, and the text of other people in them."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tfdeepviz.files import atomic_path
from tfdeepviz.reports.formats import brief, count

#: Counts and measured values are numbers; whatever has a format of its own is text. None leaves a cell empty.
Cell = str | int | float | None

# What begins a list or becomes a link by itself in GitHub's dialect of Markdown.
_AUTOMATIC = re.compile(r"^[-+](?= )|(?<=^\d)[.)](?= )|:(?=//)|(?<=www)\.|@", re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """A table for people and programs; its first `n_left` columns are aligned to the left, as names are."""

    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    n_left: int = 1

    @property
    def cells(self) -> list[list[str]]:
        """All cells but the headings, for people."""
        return [[_for_people(cell) for cell in row] for row in self.rows]

    def text(self) -> str:
        """Align the table for a terminal."""
        rows = [[clean(cell) for cell in row] for row in (self.heads, *self.cells)]
        return "\n".join("  ".join(row).rstrip() for row in self._aligned(rows))

    def markdown(self) -> str:
        """Write the table for a document; no cell can end itself or become Markdown or HTML."""
        head, *rows = self._aligned([[markdown(cell) for cell in row] for row in (self.heads, *self.cells)])
        rule = [f"{'-' * (len(cell) - 1)}{'-' if i < self.n_left else ':'}" for i, cell in enumerate(head)]
        return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))

    def write_csv(self, path: Path) -> None:
        """Write the table as CSV, whole or not at all; numbers have nine significant digits."""
        with (
            atomic_path(path) as temporary,
            temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(self.heads)
            writer.writerows([f"{cell:.9g}" if isinstance(cell, float) else cell for cell in row] for row in self.rows)

    def _aligned(self, rows: Sequence[Sequence[str]]) -> list[list[str]]:
        widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
        return [
            [cell.ljust(width) if i < self.n_left else cell.rjust(width) for i, (cell, width) in enumerate(pairs)]
            for pairs in (zip(row, widths, strict=True) for row in rows)
        ]


def clean(text: str, n_characters: int | None = None) -> str:
    """Put a text of other people on one line, of at most so many characters; "?" for what would steer a terminal."""
    text = " ".join(text.split())
    if n_characters is not None and len(text) > n_characters:
        text = f"{text[: n_characters - 3]}..."
    return "".join("?" if unicodedata.category(character).startswith("C") else character for character in text)


def markdown(text: str, n_characters: int | None = None) -> str:
    """Write a text of other people as words of a Markdown document: neither Markdown nor HTML."""
    text = clean(text, n_characters)
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, entity)
    text = re.sub(r"[\\`*_\[\]|~$#]", r"\\\g<0>", text)
    return _AUTOMATIC.sub(lambda match: f"&#{ord(match[0])};", text)


def _for_people(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, int):
        return count(cell)
    return brief(cell, 4) if isinstance(cell, float) else cell
