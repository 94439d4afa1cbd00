"""One writer at a time in a folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfdeepviz.errors import TfdeepvizError


class BusyError(TfdeepvizError, RuntimeError):
    """Another process works in a folder that two cannot share."""


@contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Let one process at a time work in a folder; the lock goes with its process, however that ends.

    Parameters
    ----------
    folder
        It has to be there.
    wait
        For the other one to end, instead of refusing.

    Raises
    ------
    BusyError
        If another process works there.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise BusyError(
                f"{folder}: another tfdeepviz process is at work here; wait for it to end, or give another folder"
            ) from error
        yield
    finally:
        os.close(handle)
