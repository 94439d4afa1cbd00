"""Imports point down, as docs/architecture.md says, and files stay short."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "tfdeepviz"
#: From top to bottom; each imports only from those below it, and from itself.
LAYERS = (
    ("cli", "commands"),
    ("pipeline", "lineage"),
    ("analysis",),
    ("export",),
    ("mapping",),
    ("models",),
    ("reports",),
    ("teachers",),
    ("data",),
    ("artifacts", "legacy"),
    ("params", "files", "locks", "notify", "provenance", "errors", "lazy"),
)
MAX_LINES = 500
FILES = sorted(PACKAGE.rglob("*.py"))


def layer_of(module: str) -> int:
    name = module.split(".")[1]
    return next(i for i, names in enumerate(LAYERS) if any(name == one or name.startswith(f"{one}_") for one in names))


def imported(path: Path) -> set[str]:
    """Modules of the package that a file imports, also inside functions and for types only."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            is_package = node.module == "tfdeepviz"
            found |= {f"tfdeepviz.{alias.name}" for alias in node.names} if is_package else {node.module}
    return {name for name in found if name.startswith("tfdeepviz.") and name != "tfdeepviz.__version__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    relative = path.relative_to(PACKAGE).with_suffix("")
    if relative.parts == ("__init__",):
        return
    own = layer_of(".".join(("tfdeepviz", *relative.parts)))
    assert {module for module in imported(path) if layer_of(module) < own} == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_long_files_say_why(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= MAX_LINES or "One file, because" in lines[0], f"{len(lines)} lines"
