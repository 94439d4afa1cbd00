"""Atomic writing, and bounded reading of JSON and `.npz` files."""

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
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from textwrap import shorten
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import inspect

from tfdeepviz.errors import InputError

#: Prefix of all temporary names, to tell leftovers from the user's files. Temporary names do not include the target's
#: name, which may already have the maximum length.
TEMPORARY = ".tfdeepviz-"

#: A finite number for `convert`. The bound keeps whatever is computed from a few such numbers finite in float64.
Finite = Annotated[float, msgspec.Meta(ge=-1e38, le=1e38)]

T = TypeVar("T")

_DAMAGED = "restore or correct it, or make it again"

# Enough for every format here, and short enough for any file system.
_MAX_SUFFIX_CHARACTERS = 8


class FormatError(InputError):
    """A file does not have the expected content; the message names the file, the flaw and the remedy."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which replaces it when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Keep the suffix, because some writers infer the format from it.
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}{path.suffix[:_MAX_SUFFIX_CHARACTERS]}")
    # With mode 0o666 the kernel applies the umask. Reading the umask here would mean changing it, for all threads.
    # O_EXCL accepts only a new file, so no symbolic link is followed.
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        temporary.replace(path)
    except Exception as error:
        # Errors in the middle of a file do not name it, and some libraries raise their own errors for a full disk.
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = str(path)
        elif not isinstance(error, OSError) and (full := os.strerror(errno.ENOSPC)) in str(error):
            raise OSError(errno.ENOSPC, full, str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Yield a new folder that is deleted when the block ends, unless it was renamed; permissions follow the umask."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / f"{TEMPORARY}{secrets.token_hex(8)}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of killed processes; no process may be writing to the folder."""
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


def write_jsonl(path: Path, records: Iterable[Any]) -> None:
    """Write one JSON object per line, of dictionaries or structs, atomically."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(msgspec.to_builtins(record), allow_nan=False) + "\n" for record in records)


def read_text(path: Path, *, max_bytes: int, errors: str = "strict") -> str:
    """Read a UTF-8 text file, at most `max_bytes` long, or raise a FormatError; `errors` as in `bytes.decode`."""
    try:
        if path.stat().st_size > max_bytes:
            raise FormatError(f"{path}: larger than {max_bytes} bytes; this is not a file that tfdeepviz wrote")
        return path.read_text(encoding="utf-8", errors=errors)
    except FileNotFoundError as error:
        raise FormatError(f"{path}: missing; restore it, or give another path") from error
    except OSError as error:
        raise FormatError(
            f"{path}: cannot be read ({error.strerror}); change its permissions, or give another path"
        ) from error
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not UTF-8 text (byte {error.start}); {_DAMAGED}") from error


def read_json(path: Path, *, max_bytes: int = 64 << 20, remedy: str = "") -> dict[str, Any]:
    """Read a JSON object of bounded size, or raise a FormatError; NaN and Infinity are refused."""
    return _json_object(read_text(path, max_bytes=max_bytes), path, remedy)


def _json_object(text: str, where: object, remedy: str = "") -> dict[str, Any]:
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where}: not valid JSON ({error}); {remedy or _DAMAGED}") from error
    if not isinstance(value, dict):
        raise FormatError(f"{where}: must be a JSON object, but is {_shown(value)}; {remedy or _DAMAGED}")
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def read_jsonl(path: Path, kind: type[T], *, max_bytes: int, remedy: str = "") -> list[T]:
    """Read a file of one JSON object per line, of bounded size, and `convert` each."""
    lines = read_text(path, max_bytes=max_bytes).splitlines()
    places = ((line, f"{path}: line {number}") for number, line in enumerate(lines, 1))
    return [convert(_json_object(line, where, remedy), kind, where, remedy=remedy) for line, where in places]


def read_record(path: Path, kind: type[T], *, max_bytes: int = 64 << 20, remedy: str = "") -> T:
    """Read a JSON object of bounded size and `convert` it."""
    return convert(read_json(path, max_bytes=max_bytes, remedy=remedy), kind, path, remedy=remedy)


def convert(
    values: object,
    kind: type[T],
    where: object,
    *,
    remedy: str = "",
    dec_hook: Callable[[type, Any], Any] | None = None,
) -> T:
    """Check untrusted plain values against a type, usually a `msgspec.Struct`, and build it; for numbers use `Finite`.

    `dec_hook` builds values of types that msgspec does not know.

    Raises
    ------
    FormatError
        If a value is missing, of the wrong type or out of bounds, or if `__post_init__` raises ValueError; the message
        names `where` the values come from, the field, the flaw and the value, and ends with the remedy.
    """
    try:
        return msgspec.convert(values, kind, dec_hook=dec_hook)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        flaw = explain(error, values, kind)
        raise FormatError(f"{where}: {flaw}{'; ' if remedy else ''}{remedy}") from error


_FLAW = re.compile(r"(.*?)(?: - at `(key` in `)?\$\.?(.*)`)?", re.DOTALL)
_FIELD = re.compile(r"Object (missing required|contains unknown) field `(.*)`", re.DOTALL)
_WRONG_VALUE = re.compile(r"Expected `|Invalid (enum )?value |Number out of range|Integer value out of range")
_WORDS = {
    **{"IntType": "a whole number", "FloatType": "a number", "StrType": "text", "BoolType": "true or false"},
    **dict.fromkeys(("ListType", "VarTupleType", "TupleType"), "a list"),
    **dict.fromkeys(("DictType", "StructType", "TypedDictType", "DataclassType"), "an object"),
}
_BOUNDS = {
    **{"ge": "at least {:,}", "gt": "above {:,}", "le": "at most {:,}", "lt": "below {:,}", "pattern": "matching {}"},
    **{"min_length": "at least {:,} long", "max_length": "at most {:,} long"},
}


def explain(error: Exception, values: Any, kind: Any) -> str:
    """Say in plain words which of the values msgspec refuses to convert to a type, and what it must be."""
    if isinstance(error, UnicodeEncodeError):
        # JSON can hold half of a surrogate pair, which msgspec does not compare with names.
        return f"{error.object!r} is not a name that is known here"
    match = _FLAW.fullmatch(str(error))
    assert match is not None  # it fits any text
    problem, is_key, path = match.groups("")
    types, steps = _kinds(inspect.type_info(kind)), re.findall(r"\.{3}|[^.\[\]]+", path)
    for step in steps:
        types = [part for one in types for part in _kinds(_member(one, step))]
    if field := _FIELD.fullmatch(problem):
        name = f"{path}.{field[2]}".removeprefix(".")
        if field[1] != "contains unknown":
            return f"{name} is missing"
        known = [one.encode_name for node in types for one in getattr(node, "fields", ())]
        return shorten(f"{name} is unknown; choose one of {', '.join(known)}", 1_000, placeholder="...")
    if is_key:
        types = [part for one in types for part in _kinds(getattr(one, "key_type", None))]
    wanted = " or ".join(filter(None, dict.fromkeys(map(_words, types))))
    if not wanted or not _WRONG_VALUE.match(problem):
        return f"{path}{': ' if path else ''}{shorten(problem, 500, placeholder='...')}"
    if is_key:
        return f"{path}: each name must be {wanted}"
    if "..." not in steps:  # msgspec does not tell the key of a dict
        for step in steps:
            values = values[int(step) if isinstance(values, list | tuple) else step]
        wanted += f", but is {_shown(values)}"
    return f"{path} must be {wanted}".strip()


def _kinds(node: inspect.Type | None) -> Sequence[inspect.Type]:
    """Types that a type combines, such as `int | None`; otherwise itself."""
    return () if node is None else getattr(node, "types", (node,))


def _member(node: inspect.Type, name: str) -> inspect.Type | None:
    """Type of a field, of an item or of the tag that tells structs apart."""
    if name == getattr(node, "tag_field", None):
        return inspect.LiteralType((node.tag,))  # type: ignore[attr-defined]  # what has a tag_field has a tag
    if isinstance(node, inspect.TupleType):
        return node.item_types[int(name)]
    fields = {field.encode_name: field.type for field in getattr(node, "fields", ())}
    return getattr(node, "item_type", None) or getattr(node, "value_type", None) or fields.get(name)


def _words(node: inspect.Type) -> str:
    """Describe a type; empty for null and anything else that goes without saying."""
    if isinstance(node, inspect.LiteralType):
        return f"{'one of ' if len(node.values) > 1 else ''}{', '.join(map(str, node.values))}"
    bounds = [text.format(value) for name, text in _BOUNDS.items() if (value := getattr(node, name, None)) is not None]
    if isinstance(node, inspect.TupleType):
        bounds = [f"{len(node.item_types)} long"]
    word = _WORDS.get(type(node).__name__, "")
    return f"{word}, {' and '.join(bounds)}" if word and bounds else word


def _shown(value: object) -> str:
    """Show a value of JSON or TOML in a message; large ones only by their size."""
    if isinstance(value, list | tuple | dict):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    text = json.dumps(value, default=str)
    return text if len(text) <= 100 else f"{text[:100]}..."


def read_npz(path: Path, *, max_bytes: int = 4 << 30) -> dict[str, npt.NDArray[Any]]:
    """Read all arrays of an `.npz` file of bounded size, or raise a FormatError; never unpickles."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > max_bytes:
                raise FormatError(f"{path}: holds more than {max_bytes} bytes; this is not a file that tfdeepviz wrote")
            # `np.savez` does not compress, and zipfile would allocate whatever size an archive claims.
            n_bytes = path.stat().st_size
            if any(max(entry.file_size, entry.compress_size) > n_bytes for entry in entries):
                raise ValueError("an array claims to be larger than the file")
            return {entry.filename.removesuffix(".npy"): _read_array(archive, entry) for entry in entries}
    except _NPZ_ERRORS as error:
        if isinstance(error, FormatError):
            raise
        reason = shorten(str(error), 100, placeholder="...")
        raise FormatError(f"{path}: not an .npz file that can be read ({reason}); make it again") from error


# zipfile raises struct.error for broken fields and RuntimeError for unsupported methods. TypeError comes from dtypes.
_NPZ_ERRORS = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)

# The header that NumPy writes for plain values. NumPy itself would evaluate it as Python and allocate what it claims.
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
        raise ValueError(f"{entry.filename!r} is not an array of numbers that np.savez wrote")
    values = np.frombuffer(content, np.dtype(header[1].decode()), offset=header.end())
    shape = tuple(int(size) for size in header[3].split(b",") if size.strip())
    if math.prod(shape) != values.size:
        raise ValueError(f"{entry.filename!r} has {values.size} values; its shape is {shape}")
    return values.reshape(shape, order="F" if header[2] == b"True" else "C").copy()


def inside(folder: Path, relative: str) -> Path:
    """Resolve a relative path from an untrusted file against a folder; raises a FormatError if it leads out.

    Symbolic links are followed: they are the user's own, and large corpora often consist of them.
    """
    path = PurePosixPath(relative)
    if path.is_absolute() or ".." in path.parts or "\0" in relative:
        raise FormatError(f"{relative!r} leads out of {folder}")
    return folder / path


def sha256_file(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
