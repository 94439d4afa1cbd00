"""The command that serves the playground."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tfdeepviz.commands.common import REPOSITORY, Add


def register(add: Add) -> None:
    """Add the command."""
    serve = add(
        "serve",
        _serve,
        "serve the playground",
        "Serve the built playground with its models and demo tracks, and a folder of FMA to search and play. The same "
        "as `python -m webapp.server`, which needs Flask alone and runs without this package.",
    )
    serve.add_argument("--fma-root", type=Path, metavar="DIR", help="what `tfdeepviz download` writes")
    serve.add_argument("--registry", type=Path, metavar="DIR", help="by default webapp/registry of the repository")
    serve.add_argument("--tracks", type=Path, metavar="DIR", help="by default webapp/tracks of the repository")
    serve.add_argument("--static", type=Path, metavar="DIR", help="by default webapp/static of the repository")
    serve.add_argument("--host", help="address to listen on; by default this machine's only")
    serve.add_argument("--port", help="by default 8000")


def _serve(args: argparse.Namespace) -> None:
    if not (REPOSITORY / "webapp" / "server.py").is_file():
        raise FileNotFoundError(
            f"{REPOSITORY}/webapp/server.py is not there: install from a checkout, with pip install -e '.[serve]'"
        )
    sys.path.append(str(REPOSITORY))  # the server is no part of the package
    try:
        from webapp.server import main
    except ModuleNotFoundError as error:
        raise FileNotFoundError(f"{error.name} is not installed: pip install -e '.[serve]'") from error
    names = ("fma_root", "registry", "tracks", "static", "host", "port")
    options = {name: getattr(args, name) for name in names}
    given = ((f"--{name.replace('_', '-')}", str(value)) for name, value in options.items() if value is not None)
    if status := main([argument for option in given for argument in option]):
        sys.exit(status)
