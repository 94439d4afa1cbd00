"""Helpers shared by all commands."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Iterable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfdeepviz.errors import InputError
from tfdeepviz.models.progress import EpochProgress
from tfdeepviz.reports.measures import MEASURES

if TYPE_CHECKING:
    from tqdm import tqdm

    from tfdeepviz.export.bundle import Bundle

_PACKAGE = Path(str(files("tfdeepviz")))
#: Whether the package is installed, not a checkout.
INSTALLED = (_PACKAGE / "webapp").is_dir()
#: The front end, the registry, the demo tracks and their server.
WEBAPP = (_PACKAGE if INSTALLED else _PACKAGE.parent) / "webapp"


#: Adds a command: its name, its function, a line about it and a description; returns its parser.
Add = Callable[[str, Callable[[argparse.Namespace], None], str, str], argparse.ArgumentParser]


def bar(total: int | None, **options: Any) -> tqdm[Any]:
    """Open a progress bar on standard error."""
    from tqdm import tqdm

    return tqdm(total=total, dynamic_ncols=True, **options)


def advance(progress_bar: tqdm[Any], done: int) -> None:
    """Set a bar to a count."""
    progress_bar.update(done - progress_bar.n)


def advance_of(progress_bar: tqdm[Any]) -> Callable[[int, int], None]:
    """Make a progress callback (done, total) for a bar whose total is not known in advance."""

    def progress(done: int, total: int) -> None:
        if progress_bar.total != total:
            progress_bar.reset(total)
            # Earlier work must not count towards the speed of this run.
            progress_bar.initial = done
        advance(progress_bar, done)

    return progress


class EpochBars(EpochProgress):
    """One bar per epoch, with the time left for all epochs in its description."""

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
        """Advance the bar by one batch and show the loss."""
        self.bar.set_postfix(loss=f"{loss:.5f}", refresh=False)
        self.bar.update()

    def end_epoch(self, row: dict[str, float], split: str) -> None:
        """Show the epoch's metrics and close the bar."""
        values = {"loss": f"{row['loss']:.5f}"} | ({"val": f"{row['val_loss']:.5f}"} if split == "validation" else {})
        values |= {one.label: one.text(row[one.column]) for one in MEASURES if one.label and one.column in row}
        self.bar.set_postfix(values)
        self.bar.close()
        if row["dead_components"]:
            self.bar.write(f"  {row['dead_components']:.0f} components of the encoding are dead (docs/models.md)")


def add_dataset(parser: argparse.ArgumentParser, text: str = "dataset made by `tfdeepviz prepare`") -> None:
    """Add the option that names a prepared dataset."""
    parser.add_argument("--dataset", type=Path, required=True, help=text)


#: Folders that tfdeepviz ships.
_PLACES = {"registry": "registry folder", "tracks": "folder of demo tracks", "static": "built front end"}


def add_places(parser: argparse.ArgumentParser, *names: str) -> None:
    """Add options for folders that tfdeepviz ships: registry, tracks or static."""
    for name in names:
        parser.add_argument(f"--{name}", type=Path, metavar="DIR", help=f"{_PLACES[name]} (default: as shipped)")


def place(args: argparse.Namespace, name: str, *, writable: bool = False) -> Path:
    """Resolve an option added by `add_places`.

    Raises
    ------
    InputError
        If the option is omitted and the folder is missing, or is to be changed but belongs to an installed package.
    """
    given: Path | None = getattr(args, name)
    if given is not None:
        return given
    path = WEBAPP / name
    if writable and INSTALLED:
        raise InputError(f"--{name} is missing; the next update of tfdeepviz would replace {path}")
    if not path.is_dir():
        raise InputError(f"{path} is missing: give --{name}")
    return path


def load_bundle(text: str) -> Bundle:
    """Load a bundle from its folder, or by NAME or NAME/VERSION from the registry that tfdeepviz ships."""
    from tfdeepviz.export.bundle import Bundle
    from tfdeepviz.export.registry import find

    if Path(text).exists() or not re.fullmatch(r"[\w-]+(/\d+)?", text):
        return Bundle.load(Path(text))
    name, _, version = text.partition("/")
    return find(WEBAPP / "registry", name, int(version) if version else None)


def duration(seconds: float) -> str:
    """Format a duration in minutes, or in hours and minutes from one hour on."""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def at_least_one(name: str, value: int | None) -> None:
    """Reject counts below one."""
    if value is not None and value < 1:
        raise InputError(f"--{name} {value}: give at least 1")


def assignments(texts: Iterable[str], option: str = "--set") -> dict[str, Any]:
    """Parse `--set NAME=VALUE` options. Values are read as JSON where possible, otherwise kept as text."""
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
