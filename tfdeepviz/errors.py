"""Errors that the user can fix, as opposed to bugs."""

from __future__ import annotations


class TfdeepvizError(Exception):
    """An error that the user can fix; the message says what is wrong and what to do.

    The commands print it as one line. Any other error is a bug and keeps its traceback, except file system errors.
    """


class InputError(TfdeepvizError, ValueError):
    """A value, a file or a combination of them cannot be used; the message names it and says what would work."""


class DivergedError(TfdeepvizError, ArithmeticError):
    """The training loss is no longer finite; the message says what to change."""
