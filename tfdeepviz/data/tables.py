"""Reading of FMA's CSV tables: bounded, with every column converted to its type."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np

from tfdeepviz.files import FormatError
from tfdeepviz.lazy import pd

_MAX_LIST_CHARACTERS = 1 << 16
_REMEDY = "take it from fma_metadata.zip"

#: Converts a column of strings, in which empty fields are missing; raises ValueError, TypeError or OverflowError.
Converter = Callable[["pd.Series[str]"], "pd.Series[Any]"]


def read_table(
    path: Path, types: Mapping[Any, Converter], *, required: Sequence[Any], max_bytes: int, **options: Any
) -> pd.DataFrame:
    """Read a table with `pandas.read_csv`, and convert the columns that `types` names; the others stay strings.

    Raises
    ------
    FormatError
        If the table is missing, too large or broken, or lacks a required column, or a value does not have its type.
    """
    try:
        if path.stat().st_size > max_bytes:
            raise FormatError(f"{path}: larger than {max_bytes} bytes; {_REMEDY}")
        # Only empty fields count as missing, because some artists are called None or NA.
        table = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], **options)
    except FormatError:
        raise
    except (OSError, ValueError, IndexError) as error:
        raise FormatError(f"{path}: not FMA's {path.name} ({_brief(error)}); {_REMEDY}") from error
    if missing := [_name(column) for column in required if column not in table]:
        raise FormatError(f"{path}: columns missing: {', '.join(missing)}; {_REMEDY}")
    # The index is one of the typed columns, under its own name.
    if table.index.name in types:
        ids = _converted(table.index.to_series(), table.index.name, types, path)
        table.index = pd.Index(ids.astype("int64"))
    return pd.DataFrame({column: _converted(table[column], column, types, path) for column in table})


def _converted(texts: pd.Series[str], column: Any, types: Mapping[Any, Converter], path: Path) -> pd.Series[Any]:
    try:
        return types[column](texts) if column in types else texts
    except (ValueError, TypeError, OverflowError) as error:
        raise FormatError(f"{path}: {_name(column)}: {_brief(error)}; {_REMEDY}") from error


def _name(column: str | tuple[str, str]) -> str:
    return column if isinstance(column, str) else ".".join(column)


def _brief(error: Exception) -> str:
    """Shorten an error to one line, because pandas quotes whole values and adds advice for programmers."""
    return shorten(str(error), 100, placeholder="...")


def texts(values: pd.Series[str]) -> pd.Series[str]:
    """Strings, empty where there is none."""
    return values.fillna("")


def whole_numbers(values: pd.Series[str]) -> pd.Series[Any]:
    """Whole numbers, as `Int64`."""
    # Numbers that do not fit raise an error, so NumPy's warning is redundant.
    with np.errstate(invalid="ignore"):
        return pd.to_numeric(values).astype("Int64")


def ids(values: pd.Series[str]) -> pd.Series[Any]:
    """Whole numbers, none of which is missing."""
    found = whole_numbers(values)
    if found.hasnans:
        raise ValueError("a whole number is missing")
    return found


def dates(values: pd.Series[str]) -> pd.Series[Any]:
    """Dates, as `datetime64[s]`."""
    return pd.to_datetime(values, format="ISO8601").astype("datetime64[s]")


def one_of(names: Sequence[str], *, ordered: bool = False) -> Converter:
    """Make a converter to categories with exactly these names."""

    def convert(values: pd.Series[str]) -> pd.Series[Any]:
        if unknown := set(values.unique()) - set(names):
            raise ValueError(f"{unknown.pop()!r} is not one of {', '.join(names)}")
        return values.astype(pd.CategoricalDtype(list(names), ordered=ordered))

    return convert


def lists_of(kind: type) -> Converter:
    """Make a converter to lists of one type, as Python writes them; an empty field is an empty list."""

    def convert(values: pd.Series[str]) -> pd.Series[Any]:
        # Most lists occur many times, so parse each once and copy it for every row.
        parsed = {text: _parse_list(text, kind) for text in values.dropna().unique()}
        return pd.Series([list(parsed.get(text, ())) for text in values], index=values.index, dtype=object)

    return convert


def _parse_list(text: str, kind: type) -> list[Any]:
    try:
        value = ast.literal_eval(text) if len(text) <= _MAX_LIST_CHARACTERS else None
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        value = None
    if not isinstance(value, list) or any(type(item) is not kind for item in value):
        raise ValueError(
            f"{text[:40]!r} is not a list of {kind.__name__}, or longer than {_MAX_LIST_CHARACTERS} characters"
        )
    return value
