"""The command that serves the playground: serve."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from tfdeepviz.commands.common import INSTALLED, WEBAPP, Add, add_places
from tfdeepviz.errors import InputError


def register(add: Add) -> None:
    """Add the command."""
    serve = add(
        "serve",
        _serve,
        "serve the playground",
        "Serve the built playground with its models and demo tracks, and optionally an FMA folder to search and play. "
        "Does the same as `python -m webapp.server`, which only needs Flask and runs without this package.",
    )
    serve.add_argument("--fma-root", type=Path, metavar="DIR", help="FMA folder, as written by `tfdeepviz download`")
    add_places(serve, "registry", "tracks", "static")
    serve.add_argument("--host", help="address to listen on (default: 127.0.0.1, this machine only)")
    serve.add_argument("--port", help="port to listen on (default: 8000)")


def _serve(args: argparse.Namespace) -> None:
    if not INSTALLED:
        sys.path.append(str(WEBAPP.parent))
    try:
        server = importlib.import_module("tfdeepviz.webapp.server" if INSTALLED else "webapp.server")
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed: pip install 'tfdeepviz[serve]'") from error
    names = ("fma_root", "registry", "tracks", "static", "host", "port")
    options = {name: getattr(args, name) for name in names}
    given = ((f"--{name.replace('_', '-')}", str(value)) for name, value in options.items() if value is not None)
    if status := server.main([argument for option in given for argument in option]):
        sys.exit(status)
