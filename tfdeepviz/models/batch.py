"""Train several presets in sequence, each in its own process, and summarise the results in a table."""

from __future__ import annotations

import codecs
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import shorten
from typing import IO, Annotated, Any, Literal

import msgspec

from tfdeepviz.errors import InputError, TfdeepvizError
from tfdeepviz.files import Finite, FormatError, atomic_path, convert
from tfdeepviz.locks import locked
from tfdeepviz.models.presets import load_preset
from tfdeepviz.models.run import Run
from tfdeepviz.reports.measures import KINDS, Measure, numbers, of_kind
from tfdeepviz.reports.tables import Cell, Table

Status = Literal["done", "failed", "not finished", "not begun"]

_TRAINER = (sys.executable, "-m", "tfdeepviz.cli", "train")
# A run writes a checkpoint after each epoch, so an interruption loses at most the current epoch.
_GRACE_SECONDS = 30.0
_TAIL_LINES = 50
_MAX_LINE_CHARACTERS = 10_000
_MAX_REASON_CHARACTERS = 300

# Escape sequences (colours, cursor) and control characters except tab.
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")

# The prefix of the command line's errors, and the last line of a traceback.
_ERROR = "tfdeepviz: error: "
_RAISED = re.compile(r"[\w.]+(Error|Exception)\b")

_SPLITS = ("test", "validation", "training")
#: Columns of `summary.csv` that are known before a run is finished.
_PROGRESS = ("trainable_parameters", "parameters_to_encoding", "epochs", "median_seconds_per_epoch")


class BatchError(TfdeepvizError, RuntimeError):
    """Training failed for some presets of a batch."""


@dataclass(frozen=True)
class BatchResult:
    """Outcome of one preset; `not finished` means interrupted, and `reason` is that of a failure, in one line."""

    name: str
    kind: str
    run: Path
    status: Status
    reason: str = ""


@dataclass(frozen=True)
class _Row:
    """A row of the summary: a result, and what is known about its run, by column of `summary.csv`."""

    result: BatchResult
    values: dict[str, Any] = field(default_factory=dict)


class _Epoch(msgspec.Struct):
    seconds: Finite


class _Metrics(msgspec.Struct):
    n_tracks: int
    n_segments: int
    encoding_std: Annotated[list[Finite], msgspec.Meta(min_length=1)]
    intervals: dict[str, tuple[Finite, Finite]] = {}


def run_batch(
    presets: Sequence[str],
    dataset: Path,
    out: Path,
    *,
    extra: Sequence[str] = (),
    echo: Callable[[str], None] | None = None,
    trainer: Sequence[str] = _TRAINER,
) -> list[BatchResult]:
    """Train presets in sequence, continuing after a failure.

    As with `tfdeepviz train`, finished runs are not trained again and interrupted ones are resumed. Every run has its
    own process, so a crash or an out-of-memory kill affects no other run. The batch writes one folder and one log per
    preset to `out`, and rewrites `summary.csv` and `summary.md` before and after each run.

    Parameters
    ----------
    presets
        Names or .json files, as accepted by `tfdeepviz train`.
    dataset, out
        A prepared dataset, and the parent folder of the runs.
    extra
        Further arguments for every `tfdeepviz train`.
    echo
        Called with each piece of output of the batch and its runs; writes to standard output by default.
    trainer
        The training command, without its arguments.

    Raises
    ------
    FormatError
        Before training starts, if a preset cannot be loaded.
    InputError
        Before training starts, if two presets would share a folder or no preset is given.
    BusyError
        If another batch is running in `out`.
    KeyboardInterrupt
        On interruption, after telling the run to stop and writing the summary.
    """
    echo = echo or _print
    rows = [_peek(result) for result in _plan(presets, out)]
    if taken := {argument.partition("=")[0] for argument in extra} & {"--dataset", "--out"}:
        raise InputError(f"{', '.join(sorted(taken))}: the batch itself gives this to every training; omit it")
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        for i, (preset, row) in enumerate(zip(presets, rows, strict=True)):
            result = row.result
            echo(f"[{i + 1}/{len(presets)}] {result.name}\n")
            command = [*trainer, preset, "--dataset", str(dataset), "--out", str(result.run), *extra]
            # A finished run may be trained further; until then, no table lists it as done.
            known = {name: row.values[name] for name in _PROGRESS if name in row.values}
            rows[i] = _Row(replace(result, status="not finished"), known)
            _write_summary(out, rows)
            try:
                reason = _train(command, out / f"{result.name}.log", echo)
            except KeyboardInterrupt:
                rows[i] = _peek(result)
                _write_summary(out, rows)
                raise
            rows[i] = _Row(replace(result, status="failed", reason=reason)) if reason else _finished(result)
            result = rows[i].result
            echo(f"[{i + 1}/{len(presets)}] {result.name}: {result.status}{result.reason and f' ({result.reason})'}\n")
            _write_summary(out, rows)
    return [row.result for row in rows]


def refuse_failures(results: Sequence[BatchResult]) -> None:
    """Raise `BatchError` if any preset failed; the message names each one with its reason."""
    failed = [result for result in results if result.status == "failed"]
    if failed:
        reasons = "; ".join(f"{result.name} ({result.reason})" for result in failed)
        raise BatchError(f"{len(failed)} of {len(results)} failed: {reasons}")


def find_runs(out: Path) -> list[Path]:
    """Find the folders in `out` that hold a training run, sorted by name; raises FormatError if none does."""
    runs = sorted(path.parent for path in out.glob("*/config.json"))
    if not runs:
        raise FormatError(f"{out}: no folder in it holds a training run; make some with `tfdeepviz batch`")
    return runs


def summarize(runs: Iterable[Path]) -> str:
    """Return Markdown tables of training runs, finished or not: one table per kind.

    Metrics are those of the test split or, if the dataset has none, of the validation split, else the training split.

    Raises
    ------
    FormatError
        If a folder holds no run, or an unreadable one.
    """
    return _markdown([_read(path) for path in runs])


def _plan(presets: Sequence[str], out: Path) -> list[BatchResult]:
    if not presets:
        raise InputError("no preset; give at least one to train")
    taken = {"summary.csv": "the summary", "summary.md": "the summary"}
    results = []
    for text in presets:
        preset = load_preset(text)
        # On case-insensitive file systems, presets whose names differ only in case share a folder.
        paths = [preset.name.casefold(), f"{preset.name}.log".casefold()]
        for path in paths:
            if path in taken:
                raise InputError(f"{text}: its {path} in {out} would be that of {taken[path]} too; drop or rename one")
        taken |= dict.fromkeys(paths, text)
        results.append(BatchResult(preset.name, preset.kind, out / preset.name, "not begun"))
    return results


def _train(command: Sequence[str], log: Path, echo: Callable[[str], None]) -> str:
    """Run a training to its end; return the reason for a failure, or an empty string."""
    with log.open("a", encoding="utf-8", buffering=1) as file:
        output = _Output(file, echo)
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
            # A terminal interrupts its whole foreground group; the child should receive one signal, from us.
            process_group=0,
        ) as process:
            try:
                output.copy(process)
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)
                timer = threading.Timer(_GRACE_SECONDS, process.kill)
                timer.start()
                try:
                    output.copy(process)
                finally:
                    timer.cancel()
                raise
            finally:
                # A no-op if the process has ended.
                process.kill()
    return _failure(process.returncode, output.tail)


class _Output:
    """Copies a process's output to the terminal as it arrives, and to the log line by line.

    The log keeps only the last state of a progress bar, which repeatedly returns to the start of its line.
    """

    def __init__(self, log: IO[str], echo: Callable[[str], None]) -> None:
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._log = log
        self._echo = echo
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line = ""

    def copy(self, process: subprocess.Popen[bytes]) -> None:
        """Copy until the process ends."""
        assert process.stdout is not None
        # `process.stdout.read` would wait for a whole block.
        while data := os.read(process.stdout.fileno(), 1 << 16):
            self._add(self._decoder.decode(data))
        self._add(self._decoder.decode(b"", final=True))
        if self._line:
            self._add("\n")
        process.wait()

    def _add(self, text: str) -> None:
        self._echo(text)
        *lines, line = (self._line + text).split("\n")
        for whole in lines:
            visible = _CONTROL.sub("", whole.rstrip("\r").rpartition("\r")[2])[:_MAX_LINE_CHARACTERS]
            self.tail.append(visible)
            self._log.write(f"{visible}\n")
        # A trailing "\r" may be the first half of "\r\n".
        end = "\r" if line.endswith("\r") else ""
        self._line = line.rstrip("\r").rpartition("\r")[2][:_MAX_LINE_CHARACTERS] + end


def _failure(status: int, tail: Iterable[str]) -> str:
    if not status:
        return ""
    if status < 0:
        name = signal.strsignal(-status) or "unknown"
        hint = "; memory may have run out" if -status == signal.SIGKILL else ""
        return f"ended by signal {-status}, {name}{hint}"
    lines = [line.strip() for line in tail if line.strip()]
    ours = [line.rpartition(_ERROR)[2] for line in lines if _ERROR in line]
    raised = [line for line in lines if _RAISED.match(line)]
    last = (ours or raised or lines or [""])[-1]
    return shorten(f"exit status {status}: {last}".removesuffix(": "), _MAX_REASON_CHARACTERS, placeholder="...")


def _print(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()


def _peek(result: BatchResult) -> _Row:
    """Read what is known about a run that this batch has not trained, or not finished."""
    try:
        return _read(result.run) if (result.run / "config.json").is_file() else _Row(result)
    except (FormatError, OSError):
        # `tfdeepviz train` will report the problem when it reaches this run.
        return _Row(result)


def _finished(result: BatchResult) -> _Row:
    try:
        row = _read(result.run)
        reason = "" if row.result.status == "done" else "ended without an error and without metrics.json"
    except (FormatError, OSError) as error:
        reason = " ".join(str(error).split())
    return _Row(replace(result, status="failed", reason=reason)) if reason else row


def _read(path: Path) -> _Row:
    run = Run.load(path)
    row = _Row(BatchResult(path.name, run.preset.kind, path, "not finished"))
    if parameters := run.config.get("parameters"):
        row.values["trainable_parameters"] = parameters["trainable"]
        row.values["parameters_to_encoding"] = parameters["to_encoding"]
    epochs = convert(run.history(), list[_Epoch], path / "history.csv")
    row.values["epochs"] = len(epochs)
    if epochs:
        row.values["median_seconds_per_epoch"] = statistics.median(epoch.seconds for epoch in epochs)
    if not (path / "metrics.json").is_file():
        return row
    by_split = run.metrics()
    split = next((split for split in _SPLITS if split in by_split), "training")
    where = f"{path / 'metrics.json'}: {split}"
    metrics = convert(by_split.get(split), _Metrics, where)
    row.values.update(split=split, n_tracks=metrics.n_tracks, n_segments=metrics.n_segments)
    flat = {**by_split[split], **numbers(by_split[split])}
    names = [measure.name for measure in _columns(run.preset.kind)]
    row.values.update(convert({name: flat[name] for name in names if name in flat}, dict[str, Finite], where))
    for name in metrics.intervals.keys() & names:
        row.values[f"{name}_low"], row.values[f"{name}_high"] = metrics.intervals[name]
    return replace(row, result=replace(row.result, status="done"))


def _columns(kind: str) -> list[Measure]:
    return [measure for measure in of_kind(kind) if measure.in_summary]


def _write_summary(out: Path, rows: Sequence[_Row]) -> None:
    with atomic_path(out / "summary.md") as temporary:
        temporary.write_text(_markdown(rows), encoding="utf-8")
    heads = ["name", "status", "reason", "kind", *_PROGRESS, "split", "n_tracks", "n_segments"]
    # The columns do not depend on the batch, so that summaries can be concatenated.
    for name in dict.fromkeys(measure.name for kind in KINDS for measure in _columns(kind)):
        heads += [name, f"{name}_low", f"{name}_high"]
    lines = [{**vars(row.result), **row.values} for row in rows]
    Table(heads, [[line.get(head) for head in heads] for line in lines]).write_csv(out / "summary.csv")


def _markdown(rows: Sequence[_Row]) -> str:
    heads = ["run", "status", "parameters", "to the encoding", "epochs", "seconds per epoch", "split"]
    parts = []
    for kind, title in KINDS.items():
        chosen = [row for row in rows if row.result.kind == kind]
        measures = [measure for measure in _columns(kind) if any(measure.name in row.values for row in chosen)]
        if chosen:
            columns = [*heads, "tracks", "segments", *(measure.heading for measure in measures)]
            table = Table(columns, [_cells(row, measures) for row in chosen], n_left=2)
            parts.append(f"## {title}\n\n{table.markdown()}\n")
    if any(name.endswith("_low") for row in rows for name in row.values):
        parts.append("In brackets: 95% confidence intervals.\n")
    return "\n".join(parts)


def _cells(row: _Row, measures: Iterable[Measure]) -> list[Cell]:
    values, seconds = row.values, row.values.get("median_seconds_per_epoch")
    status = row.result.status + (f": {row.result.reason}" if row.result.reason else "")
    cells: list[Cell] = [row.result.name, status]
    cells += [values.get(name) for name in ("trainable_parameters", "parameters_to_encoding", "epochs")]
    cells.append(None if seconds is None else f"{seconds:.1f}")
    cells += [values.get(name) for name in ("split", "n_tracks", "n_segments")]
    for measure in measures:
        value, low, high = (values.get(f"{measure.name}{end}") for end in ("", "_low", "_high"))
        brackets = "" if low is None or high is None else f" ({measure.interval((low, high))})"
        cells.append(None if value is None else f"{measure.text(value)}{brackets}")
    return cells
