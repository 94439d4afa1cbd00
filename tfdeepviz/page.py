"""Pages of HTML that are one file: no script, no network, nothing beside it."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Callable
from importlib import resources
from typing import Any

import jinja2
import numpy.typing as npt
from markupsafe import Markup
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.image import imsave

_COLOURS = "magma"
#: The colours of pictures from the least to the greatest value, as CSS.
GRADIENT = f"linear-gradient(to right, {', '.join(to_hex(colormaps[_COLOURS](i / 8)) for i in range(9))})"


def load_template(package: str, name: str = "report.html.jinja", **filters: Callable[[Any], str]) -> jinja2.Template:
    """Load a package's template.

    Every value is escaped, a name that is missing is an error, and `{{ style }}` is what all pages look like.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"count": lambda number: f"{number:,}", "signed": signed, **filters}
    # Our own file, the only thing that is not escaped.
    environment.globals["style"] = Markup(_read("tfdeepviz.reports", "templates/page.css"))
    return environment.from_string(_read(package, name))


def signed(text: str) -> str:
    """With the minus sign that is as wide as a plus, which a screen reader reads out."""
    return text.replace("-", "−")


def data_uri(kind: str, content: bytes) -> str:
    """Bytes as an address that a page can show or play."""
    return f"data:{kind};base64,{b64encode(content).decode()}"


def draw(image: npt.NDArray[Any], low: float, high: float) -> str:
    """Draw an image [shape=(height, width)], its first row lowest, in the colours of `GRADIENT`; gives a data: URI."""
    png = io.BytesIO()
    imsave(
        png,
        image,
        vmin=low,
        vmax=high,
        cmap=_COLOURS,
        origin="lower",
        format="png",
        # matplotlib would write its version.
        metadata={"Software": "tfdeepviz"},
    )
    return data_uri("image/png", png.getvalue())


def _read(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")
