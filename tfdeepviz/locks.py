"""Folder locks: one writer at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfdeepviz.errors import TfdeepvizError


class BusyError(TfdeepvizError, RuntimeError):
    """Another process holds the lock on a folder."""


@contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Lock a folder for this process; the lock is released when the process ends, however it ends.

    Parameters
    ----------
    folder
        An existing folder.
    wait
        Wait for the lock instead of raising an error.

    Raises
    ------
    BusyError
        If another process holds the lock.
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
