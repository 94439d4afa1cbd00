"""The command that serves the playground: serve."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tfdeepviz.commands.common import REPOSITORY, Add, add_place


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
    add_place(serve, "registry", "registry folder")
    add_place(serve, "tracks", "folder of demo tracks")
    add_place(serve, "static", "built front end")
    serve.add_argument("--host", help="address to listen on (default: 127.0.0.1, this machine only)")
    serve.add_argument("--port", help="port to listen on (default: 8000)")


def _serve(args: argparse.Namespace) -> None:
    if not (REPOSITORY / "webapp" / "server.py").is_file():
        raise FileNotFoundError(
            f"{REPOSITORY}/webapp/server.py is not there: install from a checkout, with pip install -e '.[serve]'"
        )
    sys.path.append(str(REPOSITORY))  # the server is not part of the package
    try:
        from webapp.server import main
    except ModuleNotFoundError as error:
        raise FileNotFoundError(f"{error.name} is not installed: pip install -e '.[serve]'") from error
    names = ("fma_root", "registry", "tracks", "static", "host", "port")
    options = {name: getattr(args, name) for name in names}
    given = ((f"--{name.replace('_', '-')}", str(value)) for name, value in options.items() if value is not None)
    if status := main([argument for option in given for argument in option]):
        sys.exit(status)
