"""What all commands share."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tqdm import tqdm


class Add(Protocol):
    """Adds a command to the parser: its name, what it calls, a line for the list and a paragraph for its own help."""

    def __call__(
        self, name: str, command: Callable[[argparse.Namespace], None], text: str, details: str, /
    ) -> argparse.ArgumentParser:
        """Give the command's own parser, for its arguments."""


def bar(total: int | None, **options: Any) -> tqdm[Any]:
    """Progress bar on standard error."""
    from tqdm import tqdm

    return tqdm(total=total, dynamic_ncols=True, **options)


def advance(progress_bar: tqdm[Any], done: int) -> None:
    """Move a bar to a count."""
    progress_bar.update(done - progress_bar.n)


def advance_of(progress_bar: tqdm[Any]) -> Callable[[int, int], None]:
    """Progress callback (done, total) that moves a bar whose total is not known beforehand."""

    def progress(done: int, total: int) -> None:
        if progress_bar.total != total:
            progress_bar.reset(total)
            # What was done before this run says nothing about its speed.
            progress_bar.initial = done
        advance(progress_bar, done)

    return progress


def at_least_one(name: str, value: int | None) -> None:
    """Refuse counts below one."""
    if value is not None and value < 1:
        raise ValueError(f"--{name} {value}: give at least 1")


def assignments(texts: Iterable[str], option: str = "--set") -> dict[str, Any]:
    """Values of `--set NAME=VALUE`: JSON where it is JSON, otherwise the text itself."""
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise ValueError(f"{option} {text}: give NAME=VALUE")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return values
