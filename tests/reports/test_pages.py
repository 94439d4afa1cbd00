from __future__ import annotations

from pathlib import Path

import jinja2
import pytest

from tfdeepviz.reports.pages import render, signed, write_page


@pytest.mark.parametrize(
    ("text", "written"),
    [("-0.5 to -.1", "−0.5 to −.1"), ("PCA-10", "PCA-10"), ("1e-6", "1e-6"), ("a-b -", "a-b -"), ("2-3", "2-3")],
)
def test_numbers_get_a_minus_sign(text: str, written: str) -> None:
    assert signed(text) == written


def test_a_value_that_is_missing_is_an_error_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(jinja2.UndefinedError):
        write_page(tmp_path / "page.html", "run.html.jinja")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(jinja2.TemplateNotFound):
        render("../pages.py")
