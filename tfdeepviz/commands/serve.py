"""The command that serves the playground: serve."""

from __future__ import annotations

import argparse
import importlib
import sys

from tfdeepviz.commands.common import INSTALLED, WEBAPP
from tfdeepviz.errors import InputError


def serve(args: argparse.Namespace) -> None:
    """Pass the options on to the server."""
    if not INSTALLED:
        sys.path.append(str(WEBAPP.parent))
    try:
        server = importlib.import_module("tfdeepviz.webapp.server" if INSTALLED else "webapp.server")
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed: pip install 'tfdeepviz[serve]'") from error
    given = ((option, getattr(args, name)) for name, option in args.options.items())
    if status := server.main([str(text) for option, value in given if value is not None for text in (option, value)]):
        sys.exit(status)
