"""The `tfdeepviz` command: parses, calls, prints. TensorFlow is imported only by the commands that need it."""

from __future__ import annotations

import argparse
import errno
import io
import logging
import os
import select
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from tfdeepviz import __version__
from tfdeepviz.commands import analysis, bundles, data, lineage, pipeline, serve, training
from tfdeepviz.errors import TfdeepvizError

#: Environment variable that also prints the traceback of errors that the user can fix.
DEBUG = "TFDEEPVIZ_DEBUG"

# The disk is full, or the user's quota is.
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))

_EPILOG = """\
from music to a model in the browser:
  tfdeepviz demo-corpus data/demo            (or: tfdeepviz download --subset small --out data/fma)
  tfdeepviz prepare --fma-root data/demo --out data/demo-live
  tfdeepviz train ae-shared-compact --dataset data/demo-live --out runs/demo
  tfdeepviz export runs/demo --dataset data/demo-live --out build/ae-demo --name ae-demo
  tfdeepviz validate build/ae-demo
  tfdeepviz push build/ae-demo --registry webapp/registry
  make play
or all steps in one command, which skips those whose inputs have not changed:
  tfdeepviz pipeline configs/demo.toml
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns
    -------
    int
        The exit status: 0 for success, 1 for a bug in tfdeepviz, 2 for an error that the user can fix, 130 when
        interrupted, 141 when the reader of the output has closed the pipe, as `| head` does.
    """
    try:
        try:
            return _run(arguments)
        finally:
            # Flush here: at exit, nobody could catch the exception.
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as error:
        gone = _without_reader()
        if not gone:
            print(f"tfdeepviz: error: standard output: {error.strerror}", file=sys.stderr)
        # Discard what is left in the buffer; otherwise Python would flush it again at exit and complain.
        for stream in gone or [1]:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        return 141 if gone else 2


def _run(arguments: Sequence[str] | None) -> int:
    for stream in (sys.stdout, sys.stderr):
        # Some file names are not valid text, and some text cannot be displayed; neither should make a command fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = _parser()
    args, rest = parser.parse_known_args(arguments)
    args.pipeline_options = rest
    if rest and getattr(args, "runner", None) is None:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    # TensorFlow reads this on import, and the commands import it later.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", module=r"(tensorflow|tensorflowjs|tensorflow_hub|jax|flax|keras)\b")
    warnings.filterwarnings("ignore", message=".*pkg_resources.*")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        args.command(args)
    except KeyboardInterrupt:
        resumable = "download, demo-corpus, prepare, train, batch, tune and pipeline resume when you run them again"
        print(f"\ntfdeepviz: stopped; {resumable}", file=sys.stderr)
        return 130
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _without_reader():
            raise
        message = _for_the_user(error, args)
        if message is None or os.environ.get(DEBUG):
            traceback.print_exc()
        if message is None:
            print("tfdeepviz: this is a bug; please report it with all of the above", file=sys.stderr)
            return 1
        print(f"tfdeepviz: error: {message}", file=sys.stderr)
        return 2
    return 0


def _for_the_user(error: Exception, args: argparse.Namespace) -> str | None:
    """Message for an error that the user can fix; None for a bug."""
    if isinstance(error, TfdeepvizError):
        return str(error)
    cause: BaseException | None = error
    while cause is not None:
        # TensorFlow, soundfile and HDF5 raise their own errors, which quote the system's message.
        if getattr(cause, "errno", None) in _FULL or any(os.strerror(number) in str(cause) for number in _FULL):
            # When a copy fails, the second name is the file being written.
            named = (getattr(cause, name, None) for name in ("filename2", "filename"))
            given = (getattr(args, name, None) for name in ("out", "models"))
            place = next((place for place in (*named, *given) if place), "output")
            return f"{place}: the disk is full; make room and run the same command again"
        cause = cause.__cause__ or cause.__context__
    if not isinstance(error, OSError):
        return None
    # Our own messages have no number; the system's would begin with one.
    has_number = error.errno is not None and error.filename is not None
    return f"{error.filename}: {(error.strerror or '').lower()}; give another path" if has_number else str(error)


def _without_reader() -> list[int]:
    """Return those of standard output and error that go to a pipe without a reader."""
    if not hasattr(select, "poll"):  # on Windows
        return []
    poll = select.poll()
    for stream in (1, 2):
        poll.register(stream, 0)
    return [stream for stream, event in poll.poll(0) if event & select.POLLERR]


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Adds defaults to the help, except None, switches and empty lists."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        says_nothing = action.default is None or action.default is False or action.default == []
        return action.help if says_nothing else super()._get_help_string(action)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tfdeepviz",
        description="Music visualisation driven by deep audio features: prepare data, train encoders, export them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tfdeepviz {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str, command: Callable[[argparse.Namespace], None], text: str, details: str
    ) -> argparse.ArgumentParser:
        # `prepare` passes unknown options on to Beam; as abbreviations, they might match ours.
        options: dict[str, Any] = {"formatter_class": _HelpFormatter, "allow_abbrev": False}
        parser = commands.add_parser(name, help=text, description=details, **options)
        parser.set_defaults(command=command)
        return parser

    for family in (data, training, bundles, analysis, lineage, pipeline, serve):
        family.register(add)
    return parser


if __name__ == "__main__":
    sys.exit(main())
