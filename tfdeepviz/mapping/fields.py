"""Read untrusted JSON objects field by field, so that errors name the wrong field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from tfdeepviz.files import FormatError

#: Maximum magnitude of every number, so that results computed from a few of them stay finite in float64.
LIMIT = 1e38

Vector = tuple[float, ...]
Matrix = tuple[Vector, ...]


class Fields:
    """Fields of a JSON object; all methods raise FormatError for invalid values.

    Parameters
    ----------
    values
        The value to read, which should be an object.
    where
        Prefix of field names in errors, such as `mappings.json: time.`.
    """

    def __init__(self, values: object, where: str) -> None:
        if not isinstance(values, dict):
            raise FormatError(f"{where.rstrip(' .:')}: an object is expected, not {_short(values)}")
        self._values = values
        self.where = where

    def refuse(self, name: str, problem: str) -> NoReturn:
        """Raise FormatError for a field."""
        raise FormatError(f"{self.where}{name}: {problem}")

    def _get(self, name: str) -> Any:
        if name not in self._values:
            self.refuse(name, "missing")
        return self._values[name]

    def choice(self, name: str, offers: Sequence[str]) -> str:
        """Return a string that must be one of `offers`."""
        value = self._get(name)
        if not isinstance(value, str) or value not in offers:
            self.refuse(name, f"{_short(value)} is none of {', '.join(offers)}")
        return value

    def number(self, name: str, low: float, high: float) -> float:
        """Return a number in [low, high]."""
        value = self._get(name)
        if not _is_number(value) or not low <= value <= high:
            self.refuse(name, f"{_short(value)} is no number in {low:g} ... {high:g}")
        return float(value)

    def integer(self, name: str, low: int, high: int) -> int:
        """Return an integer in [low, high]."""
        value = self.number(name, low, high)
        if value != int(value):
            self.refuse(name, f"{value:g} is no whole number")
        return int(value)

    def item(self, name: str) -> tuple[Any, str]:
        """Return a nested object, not validated yet, and the prefix of its fields in errors."""
        return self._get(name), f"{self.where}{name}."

    def items(self, name: str, high: int, low: int = 1) -> Iterator[tuple[Any, str]]:
        """Yield the items of a list of length `low` to `high`, each with the prefix of its fields in errors."""
        for i, item in enumerate(self._list(self._get(name), name, low, high)):
            yield item, f"{self.where}{name}[{i}]."

    def vector(self, name: str, size: int | None = None, high: int = 0) -> Vector:
        """Return `size` finite numbers, or 1 to `high` if `size` is None."""
        return self._vector(self._get(name), name, size, high)

    def matrix(self, name: str, n_rows: int | None, n_columns: int | None, high: int) -> Matrix:
        """Return rows of finite numbers, all of the same length; a size that is None may be 1 to `high`."""
        value = self._get(name)
        rows = self._list(value, name, n_rows or 1, n_rows or high)
        first = self._vector(rows[0], f"{name}[0]", n_columns, high)
        return first, *(self._vector(row, f"{name}[{i}]", len(first)) for i, row in enumerate(rows[1:], 1))

    def _list(self, value: object, name: str, low: int, high: int) -> Sequence[Any]:
        if not isinstance(value, list) or not low <= len(value) <= high:
            found = f"{len(value)}" if isinstance(value, list) else _short(value)
            self.refuse(name, f"a list of {low if low == high else f'{low} to {high}'} is expected, not {found}")
        return value

    def _vector(self, value: object, name: str, size: int | None, high: int = 0) -> Vector:
        numbers = self._list(value, name, size or 1, size or high)
        for i, number in enumerate(numbers):
            if not _is_number(number) or not -LIMIT <= number <= LIMIT:
                self.refuse(f"{name}[{i}]", f"{_short(number)} is no number of at most {LIMIT:g}")
        return tuple(map(float, numbers))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: object) -> str:
    """Shorten any value for a one-line error."""
    if isinstance(value, dict | list):
        return f"{type(value).__name__} of {len(value)}"
    if isinstance(value, int) and not -LIMIT <= value <= LIMIT:
        return "a number too large"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
