"""What all commands share."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tfdeepviz.errors import InputError

if TYPE_CHECKING:
    from tqdm import tqdm


#: Where the package lies in a checkout.
REPOSITORY = Path(__file__).resolve().parents[2]


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


class EpochBars:
    """Shows an `EpochProgress`: a bar an epoch, whose description tells when all of them will be done."""

    bar: tqdm[Any]
    first = 0
    started = 0.0

    def start_epoch(self, epoch: int, n_epochs: int, n_steps: int) -> None:
        """Open the epoch's bar."""
        description = f"epoch {epoch}/{n_epochs}"
        if self.first < epoch and self.first:
            done = epoch - self.first
            left = (time.monotonic() - self.started) / done * (n_epochs - epoch + 1)
            description += f", {duration(left)} left"
        else:
            self.first, self.started = epoch, time.monotonic()
        self.bar = bar(n_steps, unit="batch", desc=description)

    def step(self, loss: float) -> None:
        """Move it."""
        self.bar.set_postfix(loss=f"{loss:.5f}", refresh=False)
        self.bar.update()

    def end_epoch(self, row: dict[str, float]) -> None:
        """Close it with what was measured."""
        values = {"loss": f"{row['loss']:.5f}", "val": f"{row['val_loss']:.5f}"}
        if "val_polled_accuracy" in row:
            values["tracks"] = f"{row['val_polled_accuracy']:.0%}"
        if "val_self_retrieval" in row:
            values["songs"] = f"{row['val_self_retrieval']:.0%}"
        if "shuffle_rise" in row:
            values["code"] = f"{row['shuffle_rise']:+.0%}"
        if "min_correlation" in row:
            values["teacher"] = f"{row['min_correlation']:.3f}"
        values["std"] = f"{row['min_encoding_std']:.2f}"
        self.bar.set_postfix(values)
        self.bar.close()
        if row["dead_components"]:
            self.bar.write(f"  {row['dead_components']:.0f} components of the encoding are dead (docs/models.md)")


def add_place(parser: argparse.ArgumentParser, name: str, text: str) -> None:
    """Add an option for a folder below `webapp`, whose default is the repository's, wherever the command is run."""
    parser.add_argument(
        f"--{name}", type=Path, metavar="DIR", help=f"{text} (default: webapp/{name} of the repository)"
    )


def place(args: argparse.Namespace, name: str) -> Path:
    """Where an option of `add_place` points to.

    Raises
    ------
    InputError
        If it is not given and this package lies in no checkout, so that there is no default.
    """
    given: Path | None = getattr(args, name)
    path = REPOSITORY / "webapp" / name if given is None else given
    if given is None and not path.is_dir():
        raise InputError(f"{path} is not there: give --{name}")
    return path


def duration(seconds: float) -> str:
    """Minutes, and hours where there are any."""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def at_least_one(name: str, value: int | None) -> None:
    """Refuse counts below one."""
    if value is not None and value < 1:
        raise InputError(f"--{name} {value}: give at least 1")


def assignments(texts: Iterable[str], option: str = "--set") -> dict[str, Any]:
    """Values of `--set NAME=VALUE`: JSON where it is JSON, otherwise the text itself."""
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise InputError(f"{option} {text}: give NAME=VALUE")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return values
