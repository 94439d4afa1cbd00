"""The `tfdeepviz` command: parses, calls, prints. TensorFlow is imported only by the commands that need it."""

from __future__ import annotations

import argparse
import errno
import io
import logging
import os
import re
import select
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module

from tfdeepviz.commands.parser import parse
from tfdeepviz.errors import InputError, TfdeepvizError

#: Environment variable that also prints the traceback of errors that the user can fix.
DEBUG = "TFDEEPVIZ_DEBUG"

# The disk is full, or the user's quota is.
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


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
    # TensorFlow reads this on import, and the commands import it later.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", module=r"(tensorflow|tensorflowjs|tensorflow_hub|jax|flax|keras)\b")
    warnings.filterwarnings("ignore", message=".*pkg_resources.*")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    args = None
    try:
        args = parse(list(sys.argv[1:] if arguments is None else arguments))
        module, _, function = args.command.partition(":")
        getattr(import_module(f"tfdeepviz.commands.{module}"), function)(args)
    except KeyboardInterrupt:
        resumable = (
            "download, demo-corpus, prepare, teacher, train, batch, tune and pipeline resume when you run them again"
        )
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


def _for_the_user(error: Exception, args: argparse.Namespace | None) -> str | None:
    """Message for an error that the user can fix; None for a bug."""
    if isinstance(error, TfdeepvizError):
        from tfdeepviz.files import FormatError

        if args is None or not isinstance(error, InputError) or isinstance(error, FormatError):
            return str(error)
        return _naming_options(str(error), args.options)
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


def _naming_options(message: str, options: Mapping[str, str]) -> str:
    """Name options in place of a function's arguments: `max_tracks=0: ...` becomes `--max-tracks 0: ...`."""

    def named(match: re.Match[str]) -> str:
        option = options.get(match["name"])
        is_word = match["equals"] is None and "_" not in match["name"]
        return match[0] if option is None or is_word else f"{option} " if match["equals"] == "=" else option

    return re.sub(r"(?<![\w./-])(?P<name>[a-z]\w*)(?P<equals>=(?:True\b)?|(?=: | must be ))?", named, message)


def _without_reader() -> list[int]:
    """Return those of standard output and error that go to a pipe without a reader."""
    if not hasattr(select, "poll"):  # on Windows
        return []
    poll = select.poll()
    for stream in (1, 2):
        poll.register(stream, 0)
    return [stream for stream, event in poll.poll(0) if event & select.POLLERR]


if __name__ == "__main__":
    sys.exit(main())
