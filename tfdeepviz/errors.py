"""Errors that the user can fix, as opposed to bugs."""

from __future__ import annotations

import difflib
from collections.abc import Collection


class TfdeepvizError(Exception):
    """An error that the user can fix; the message says what is wrong and what to do.

    The commands print it as one line. Any other error is a bug and keeps its traceback, except file system errors.
    """


class InputError(TfdeepvizError, ValueError):
    """A value, a file or a combination of them cannot be used; the message names it and says what would work."""


class DivergedError(TfdeepvizError, ArithmeticError):
    """The training loss is no longer finite; the message says what to change."""


def no_such(kind: str, name: str, known: Collection[str]) -> str:
    """Say that a name is unknown, which known one is nearest, and which there are."""
    nearest = difflib.get_close_matches(name, known, n=1)
    question = f"did you mean {nearest[0]!r}? " if nearest else ""
    return f"there is no {kind} {name!r}; {question}known: {', '.join(known)}"
