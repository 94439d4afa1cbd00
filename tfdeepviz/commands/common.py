"""Helpers shared by all commands: progress bars, what tfdeepviz ships, and native libraries' messages."""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfdeepviz.errors import InputError
from tfdeepviz.models.progress import EpochProgress

if TYPE_CHECKING:
    from tqdm import tqdm

    from tfdeepviz.export.bundle import Bundle

_PACKAGE = Path(str(files("tfdeepviz")))
#: Whether the package is installed, not a checkout.
INSTALLED = (_PACKAGE / "webapp").is_dir()
#: The front end, the registry, the demo tracks and their server.
WEBAPP = (_PACKAGE if INSTALLED else _PACKAGE.parent) / "webapp"

# What libmpg123 writes about odd frames, which it reads nevertheless.
_DECODER_NOTE = re.compile(r"(Note|Warning): |\[src/libmpg123/")


def bar(total: int | None, **options: Any) -> tqdm[Any]:
    """Open a progress bar on standard error."""
    from tqdm import tqdm

    return tqdm(total=total, dynamic_ncols=True, **options)


class Bars:
    """Progress bars on standard error, one after another: one for each kind of work.

    The object is a callback (what, done, total) and a context that closes the last bar.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._bar: tqdm[Any] | None = None
        self._what = ""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show how much of the work is done; work of another name or size gets another bar."""
        if self._bar is None or (self._what, self._bar.total) != (what, total):
            self.close()
            # Work that was done before must not count towards the speed.
            self._bar, self._what = bar(total, desc=what, initial=done, **self._options), what
        self._bar.update(done - self._bar.n)

    def of(self, what: str) -> partial[None]:
        """Return a callback (done, total)."""
        return partial(self, what)

    def write(self, text: str) -> None:
        """Print a line to standard error, above the bar."""
        from tqdm import tqdm

        tqdm.write(text, file=sys.stderr)

    def close(self) -> None:
        """Close the bar, so that it does not count the time of what follows."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


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
        from tfdeepviz.reports.measures import MEASURES  # not needed to serve the playground, which loads no NumPy

        shown = {"loss": f"{row['loss']:.5f}"} | ({"val": f"{row['val_loss']:.5f}"} if split == "validation" else {})
        shown |= {one.label: one.text(row[one.column]) for one in MEASURES if one.label and one.column in row}
        self.bar.set_postfix(shown)
        self.bar.close()
        if row["dead_components"]:
            self.bar.write(f"  {row['dead_components']:.0f} components of the encoding are dead (docs/models.md)")


def values(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return some arguments by name."""
    return {name: getattr(args, name) for name in names}


def place(args: argparse.Namespace, name: str, *, writable: bool = False) -> Path:
    """Resolve the option for a folder that tfdeepviz ships: registry, tracks or static.

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

    is_label = re.fullmatch(r"[\w-]+(/\d+)?", text) and not Path(text).exists()
    return find(WEBAPP / "registry", *split_label(text)) if is_label else Bundle.load(Path(text))


def split_label(text: str, version: int | None = None) -> tuple[str, int | None]:
    """Split NAME or NAME/VERSION; raises an InputError if the version is not a number."""
    name, slash, given = text.partition("/")
    if slash and not given.isdecimal():
        raise InputError(f"{text}: give NAME or NAME/VERSION, such as two-scale/6")
    return name, int(given) if slash else version


def duration(seconds: float) -> str:
    """Format a duration in seconds below 90, then in minutes, and in hours and minutes from one hour on."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


@contextmanager
def without_decoder_notes() -> Iterator[None]:
    """Drop the notes that libsndfile's mp3 decoder writes to the file of standard error, and nothing else.

    Our own messages say what is wrong with a file. Other libraries' messages appear when the block ends.
    """
    if sys.stderr is not sys.__stderr__ or sys.stderr is None:
        yield  # nobody or somebody else reads it
        return
    sys.stderr.flush()
    ours = os.dup(2)
    with tempfile.TemporaryFile() as native, os.fdopen(ours, "w", 1, errors="backslashreplace") as stream:
        os.dup2(native.fileno(), 2)
        try:
            with redirect_stderr(stream):
                yield
        finally:
            os.dup2(ours, 2)
            native.seek(0)
            for line in native.read().decode(errors="replace").splitlines():
                if line.strip() and not _DECODER_NOTE.match(line):
                    print(line, file=sys.stderr)
