"""Folder locks: one writer at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from tfdeepviz.errors import TfdeepvizError

#: File in a locked folder. It stays there: a lock that is deleted while others wait for it excludes nobody.
LOCK = ".tfdeepviz.lock"


class BusyError(TfdeepvizError, RuntimeError):
    """Another process holds the lock on a folder."""


@contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Lock an existing folder for this process, until the block or the process ends.

    Raises BusyError if another process holds the lock, or waits for it.
    """
    lock = FileLock(folder / LOCK, timeout=-1 if wait else 0)
    try:
        lock.acquire()
    except Timeout as error:
        raise BusyError(
            f"{folder}: another tfdeepviz process is at work here; wait for it to end, or give another folder"
        ) from error
    try:
        yield
    finally:
        lock.release()
