"""Whole or not at all: atomic writing, and bounded reading of JSON."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import secrets
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from textwrap import shorten
from typing import Any

import numpy as np
import numpy.typing as npt

from tfdeepviz.errors import InputError

#: Begins the name of everything temporary, so that leftovers can be told from what users put there. Names of users are
#: no part of it: where theirs is as long as a disk takes, there is no room for more.
TEMPORARY = ".tfdeepviz-"

# What no format needs more of, and what leaves room.
_MAX_SUFFIX_CHARACTERS = 8


class FormatError(InputError):
    """A file is not what it should be; the message names the file, the flaw and the remedy."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that replaces it when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # With the suffix, because some writers go by it.
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}{path.suffix[:_MAX_SUFFIX_CHARACTERS]}")
    # Made with these permissions so that the kernel takes off what the umask says. To read the umask is to change it,
    # for all threads. Only a new file will do: nobody's link is followed.
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        temporary.replace(path)
    except Exception as error:
        # What fails in the middle of a file does not name it, and libraries have errors of their own for a full disk.
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = str(path)
        elif not isinstance(error, OSError) and (full := os.strerror(errno.ENOSPC)) in str(error):
            raise OSError(errno.ENOSPC, full, str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Give a new folder, which is gone when the block ends unless it was renamed; the umask says who may read it."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / f"{TEMPORARY}{secrets.token_hex(8)}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what a process that was killed could not; nobody may be writing to the folder."""
    for path in folder.glob(f"{TEMPORARY}*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON (no NaN) atomically."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: Path, *, max_bytes: int = 64 << 20) -> dict[str, Any]:
    """Read a JSON object of bounded size.

    Raises
    ------
    FormatError
        If the file is missing, too large, no JSON or no object.
    """
    try:
        if path.stat().st_size > max_bytes:
            raise FormatError(f"{path}: larger than {max_bytes} bytes; this is not a file that tfdeepviz wrote")
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError as error:
        raise FormatError(f"{path}: missing") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise FormatError(f"{path}: a JSON object was expected, not {type(value).__name__}")
    return value


def read_npz(path: Path, *, max_bytes: int = 4 << 30) -> dict[str, npt.NDArray[Any]]:
    """Read all arrays of an `.npz` file of bounded size; never unpickles.

    Raises
    ------
    FormatError
        If the file is missing, too large or broken.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > max_bytes:
                raise FormatError(f"{path}: holds more than {max_bytes} bytes; this is not a file that tfdeepviz wrote")
            # `np.savez` does not compress, and zipfile would make room for whatever an archive claims.
            n_bytes = path.stat().st_size
            if any(max(entry.file_size, entry.compress_size) > n_bytes for entry in entries):
                raise ValueError("an array claims to be larger than the file")
            return {entry.filename.removesuffix(".npy"): _read_array(archive, entry) for entry in entries}
    except _NPZ_ERRORS as error:
        if isinstance(error, FormatError):
            raise
        reason = shorten(str(error), 100, placeholder="...")
        raise FormatError(f"{path}: not an .npz file that can be read ({reason}); make it again") from error


# struct.error and RuntimeError are zipfile's, for broken fields and for methods that it lacks; TypeError is for dtypes.
_NPZ_ERRORS = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)

# What NumPy writes before plain values. NumPy would evaluate this as Python and allocate what it claims.
_NPY_HEADER = re.compile(
    rb"\x93NUMPY\x01\0..\{'descr': '([<>|][?a-zA-Z]\d{1,9})', 'fortran_order': (False|True), "
    rb"'shape': \(((?:\d{1,15}(?:, |,|(?=\))))*)\), \} *\n",
    re.DOTALL,
)


def _read_array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> npt.NDArray[Any]:
    header = None
    if entry.compress_type == zipfile.ZIP_STORED:
        content = archive.read(entry)
        header = _NPY_HEADER.match(content)
    if header is None:
        raise ValueError(f"{entry.filename!r} is no array of numbers that np.savez wrote")
    values = np.frombuffer(content, np.dtype(header[1].decode()), offset=header.end())
    shape = tuple(int(size) for size in header[3].split(b",") if size.strip())
    if math.prod(shape) != values.size:
        raise ValueError(f"{entry.filename!r} has {values.size} values; its shape is {shape}")
    return values.reshape(shape, order="F" if header[2] == b"True" else "C").copy()


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def inside(folder: Path, relative: str) -> Path:
    """Where a relative path leads that a file of other people names, if that is inside a folder.

    Links are followed. They are the user's own, and large corpora are often made of them.

    Raises
    ------
    FormatError
        If it leads out.
    """
    path = PurePosixPath(relative)
    if path.is_absolute() or ".." in path.parts or "\0" in relative:
        raise FormatError(f"{relative!r} leads out of {folder}")
    return folder / path


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
