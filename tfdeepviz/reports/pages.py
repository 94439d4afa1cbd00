"""Templates of pages and documents: HTML files that need no network and nothing beside them, and Markdown."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from tfdeepviz.files import atomic_path
from tfdeepviz.reports import tables
from tfdeepviz.reports.measures import MEASURES, three_digits


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tfdeepviz.reports"),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "brief": brief,
        "count": lambda number: f"{number:,}",
        "digits": lambda value: signed(three_digits(value)),
        "places": lambda value, n: signed(f"{value:z,.{n}f}"),
        "percent": lambda share, n=0: signed(f"{share:z.{n}%}"),
        "signed": signed,
        "markdown": tables.markdown,
        "one_line": lambda text: " ".join(text.split()),
    }
    environment.globals["measures"] = {measure.name: measure for measure in MEASURES}
    return environment


def render(template: str, **values: Any) -> str:
    """Fill a template of `templates`; values are escaped in HTML, and a name that is missing is an error."""
    return _environment().get_template(template).render(values)


def write_page(path: Path, template: str, **values: Any) -> None:
    """Write a page or document, whole or not at all; equal values give equal bytes."""
    page = render(template, **values)
    with atomic_path(path) as temporary:
        # JSON can hold halves of surrogate pairs, which no encoding can: they become question marks.
        temporary.write_text(page, encoding="utf-8", errors="replace")


def brief(value: float) -> str:
    """Write at most three significant digits, without an exponent."""
    return signed(np.format_float_positional(float(f"{value:.3g}"), trim="-"))


def signed(text: str) -> str:
    """Give numbers the minus sign that is as wide as a plus, which a screen reader reads out."""
    return re.sub(r"(?<![\w-])-(?=[\d.])", "−", text)
