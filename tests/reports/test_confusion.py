from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from tfdeepviz.models.scores import score_classifier
from tfdeepviz.reports.confusion import Confusion


@pytest.mark.parametrize("n", [2, 30, 161])
def test_picture_of_the_confusion_matrix(tmp_path: Path, n: int) -> None:
    genres = ("Rock", "<script> $x_", "音楽", "\x1b[31mred\n", "x" * 300, *(f"$\\frac{{{i}" for i in range(n)))[:n]
    labels = np.arange(300) % n
    p = np.exp(np.random.default_rng(1).normal(size=(300, n)) + 4 * np.eye(n)[labels])
    matrix = Confusion(score_classifier(p / p.sum(axis=1, keepdims=True), labels, np.arange(300), genres))
    for name in ("a.png", "b.png"):
        matrix.draw(tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert b"matplotlib" not in (tmp_path / "a.png").read_bytes()
    height, width, _ = imread(tmp_path / "a.png").shape
    assert max(height, width) < 4_000
    assert min(height, width) > 200


def test_confusion_picture_has_the_shares_as_colours(tmp_path: Path) -> None:
    """Of two genres, always right and always wrong: one dark cell a row, in the left column."""
    scores = score_classifier(np.eye(2)[[0, 0, 0]], [0, 0, 1], [1, 2, 3], ("A", "B"))
    Confusion(scores).draw(tmp_path / "confusion.png")
    image = imread(tmp_path / "confusion.png")[..., :3]
    dark = np.argwhere(np.abs(image - np.array([0x5C, 0x2B, 0x05]) / 255).max(axis=2) < 0.02)
    (top, left), (bottom, right) = dark.min(axis=0), dark.max(axis=0)
    assert bottom - top == pytest.approx(2 * (right - left), rel=0.1)
