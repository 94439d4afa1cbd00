"""Templates of pages and documents: HTML files that need no network and nothing beside them, and Markdown."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from tfdeepviz.files import atomic_path
from tfdeepviz.reports import charts, tables
from tfdeepviz.reports.formats import brief, clock, count, digits, percent, places, seconds, signed, size
from tfdeepviz.reports.measures import BY_NAME


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tfdeepviz.reports"),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for write in (brief, clock, count, digits, percent, places, seconds, size):
        environment.filters[write.__name__] = _with_minus_signs(write)
    environment.filters |= {"markdown": tables.markdown, "median": np.median, "one_line": _one_line, "signed": signed}
    environment.globals |= {"charts": charts, "measures": BY_NAME}
    return environment


def _with_minus_signs(write: Callable[..., str]) -> Callable[..., str]:
    return lambda *arguments: signed(write(*arguments))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def render(template: str, **values: Any) -> str:
    """Fill a template of `templates`; values are escaped in HTML, and a name that is missing is an error."""
    return _environment().get_template(template).render(values)


def write_page(path: Path, template: str, **values: Any) -> None:
    """Write a page or document, whole or not at all; equal values give equal bytes."""
    page = render(template, **values)
    with atomic_path(path) as temporary:
        # JSON can hold halves of surrogate pairs, which no encoding can: they become question marks.
        temporary.write_text(page, encoding="utf-8", errors="replace")
