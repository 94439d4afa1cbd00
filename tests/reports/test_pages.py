from __future__ import annotations

from pathlib import Path

import jinja2
import pytest

from tfdeepviz.reports.pages import render, write_page


def test_a_value_that_is_missing_is_an_error_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(jinja2.UndefinedError):
        write_page(tmp_path / "page.html", "run.html.jinja")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(jinja2.TemplateNotFound):
        render("../pages.py")
