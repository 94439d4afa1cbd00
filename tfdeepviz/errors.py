"""What the user can mend, told apart from what only we can."""

from __future__ import annotations


class TfdeepvizError(Exception):
    """Something that the user can mend; the message says what it is and what to do.

    The commands show these as one line. Any other error but the file system's is a bug, and keeps its traceback.
    """


class InputError(TfdeepvizError, ValueError):
    """A value, a file or a combination of them cannot be used; the message names it and says what would do."""


class DivergedError(TfdeepvizError, ArithmeticError):
    """A training's loss is no longer a number; the message says what to change."""
