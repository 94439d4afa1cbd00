"""Confusion matrices: what a page shows of one, and one as a picture."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from tfdeepviz.reports.charts import save_png
from tfdeepviz.reports.tables import clean

#: With more genres, counts in the cells would be too small to read.
MAX_COUNTED_GENRES = 30

_MAX_CONFUSIONS = 10
_MAX_INCHES = 24.0
_MAX_TITLE_CHARACTERS = 40
_SHARES = LinearSegmentedColormap.from_list("share", ["#ffffff", "#f3cf8a", "#c9791f", "#5c2b05"])


class Confusion:
    """A confusion matrix of the genres that occur, as a right genre or as an answer, from `score_classifier`.

    `counts` and `shares` [shape=(n, n)] have the right genres as rows; `often` holds the most frequent confusions
    (right genre, answer, number of tracks), `rows` the scores of each genre, those with the most tracks first.
    """

    def __init__(self, scores: Mapping[str, Any]) -> None:
        counts = np.asarray(scores["confusion"], np.int64)
        occurs = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
        self.genres = [scores["genres"][i] for i in occurs]
        self.n_absent = len(scores["genres"]) - len(self.genres)
        self.counts = counts = counts[np.ix_(occurs, occurs)]
        self.shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
        wrong = counts * ~np.eye(len(counts), dtype=bool)
        order = np.argsort(-wrong, axis=None, kind="stable")[:_MAX_CONFUSIONS]
        pairs = (divmod(int(i), len(counts)) for i in order)
        self.often = [(self.genres[i], self.genres[j], int(wrong[i, j])) for i, j in pairs if wrong[i, j]]
        self.rows = sorted((scores["per_genre"][i] for i in occurs), key=lambda row: -row["n_tracks"])

    @property
    def is_counted(self) -> bool:
        """Whether there is room for numbers in the cells."""
        return len(self.genres) <= MAX_COUNTED_GENRES

    def draw(self, path: Path) -> None:
        """Draw the matrix as PNG: shares of each row as colours and, if there is room, numbers of tracks in the cells.

        Equal matrices give equal bytes.
        """
        n = len(self.genres)
        cell = min(0.42 if self.is_counted else 0.16, _MAX_INCHES / n)
        # The cells fill the figure; what stands around them is added when it is saved.
        figure = Figure(figsize=(n * cell, n * cell))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.pcolormesh(self.shares, cmap=_SHARES, vmin=0, vmax=1, edgecolors="#d9d4dc", linewidth=0.5)
        axes.invert_yaxis()
        # Titles are text, whatever dollar signs they hold.
        style: dict[str, Any] = {"fontsize": min(9.0, 0.75 * 72 * cell), "parse_math": False}
        genres, middles = [clean(genre, _MAX_TITLE_CHARACTERS) for genre in self.genres], np.arange(n) + 0.5
        axes.set_xticks(middles, genres, rotation=90, **style)
        axes.set_yticks(middles, genres, **style)
        axes.set(xlabel="answer", ylabel="right genre", frame_on=False)
        axes.xaxis.set_label_position("top")
        axes.tick_params(length=0, labeltop=True, labelbottom=False)
        for row, column in zip(*self.counts.nonzero(), strict=True) if self.is_counted else ():
            text = f"{self.counts[row, column]:,}"
            fitting = min(9.0, 1.4 * 72 * cell / max(3, len(text)))
            colour = "white" if self.shares[row, column] > 0.5 else "#1d1a24"
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=colour, fontsize=fitting)
        with warnings.catch_warnings():
            # Titles in scripts that matplotlib's font lacks become boxes; the page has them as text.
            warnings.filterwarnings("ignore", message="Glyph")
            save_png(figure, path, dpi=150 if self.is_counted else 100, bbox_inches="tight")
