"""Train several presets in sequence, each in its own process, and summarise the results in a table."""

from __future__ import annotations

import io
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
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import Annotated, Any, Literal

import msgspec

from tfdeepviz.errors import InputError, TfdeepvizError
from tfdeepviz.files import Finite, FormatError, atomic_path, convert
from tfdeepviz.locks import locked
from tfdeepviz.models.presets import load_preset
from tfdeepviz.models.run import METRICS, Run
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
#: Columns of `summary.csv`, with their headings in `summary.md`: known before a run is finished, and after.
_PROGRESS = {
    **{"trainable_parameters": "parameters", "parameters_to_encoding": "to the encoding"},
    **{"epochs": "epochs", "median_seconds_per_epoch": "seconds per epoch"},
}
_COLUMNS = {**_PROGRESS, "split": "split", "n_tracks": "tracks", "n_segments": "segments"}


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
    #: What is known about the run, by column of `summary.csv`.
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

    `presets` are names or .json files, and `extra` are further arguments, both as accepted by `tfdeepviz train`. `echo`
    is called with each piece of output of the batch and its runs; it writes to standard output by default. `trainer` is
    the training command, without its arguments.

    Raises
    ------
    FormatError, InputError
        Before training starts, if a preset cannot be loaded, two would share a folder or none is given.
    BusyError
        If another batch is running in `out`.
    KeyboardInterrupt
        On interruption, after telling the run to stop and writing the summary.
    """
    echo = echo or _print
    results = [_peek(result) for result in _plan(presets, out)]
    if taken := {argument.partition("=")[0] for argument in extra} & {"--dataset", "--out"}:
        raise InputError(f"{', '.join(sorted(taken))}: the batch itself gives this to every training; omit it")
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        for i, (preset, before) in enumerate(zip(presets, results, strict=True)):
            place = f"[{i + 1}/{len(presets)}] {before.name}"
            echo(f"{place}\n")
            command = [*trainer, preset, "--dataset", str(dataset), "--out", str(before.run), *extra]
            # A finished run may be trained further; until then, no table lists it as done.
            known = {name: before.values[name] for name in _PROGRESS if name in before.values}
            results[i] = replace(before, status="not finished", values=known)
            _write_summary(out, results)
            try:
                reason = _train(command, out / f"{before.name}.log", echo)
            except KeyboardInterrupt:
                results[i] = _peek(before)
                _write_summary(out, results)
                raise
            blank = replace(before, values={})
            results[i] = replace(blank, status="failed", reason=reason) if reason else _finished(blank)
            reason = results[i].reason
            echo(f"{place}: {results[i].status}{reason and f' ({reason})'}\n")
            _write_summary(out, results)
    return results


def refuse_failures(results: Sequence[BatchResult]) -> None:
    """Raise `BatchError` if any preset failed; the message names each one with its reason."""
    failed = [result for result in results if result.status == "failed"]
    if failed:
        reasons = "; ".join(f"{result.name} ({result.reason})" for result in failed)
        raise BatchError(f"{len(failed)} of {len(results)} failed: {reasons}")


def summarize(out: Path) -> str:
    """Return Markdown tables of the training runs in a folder, finished or not: one table per kind.

    Metrics are those of the test split or, if the dataset has none, of the validation split, else the training split.
    Raises FormatError if the folder holds no run, or an unreadable one.
    """
    runs = sorted(path.parent for path in out.glob("*/config.json"))
    if not runs:
        raise FormatError(f"{out}: no folder in it holds a training run; make some with `tfdeepviz batch`")
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
    """Run a training to its end; return the reason for a failure, or an empty string.

    Its output goes to the terminal as it arrives, and to the log by lines. The log keeps only the last state of a
    progress bar, which repeatedly returns to the start of its line.
    """
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    with (
        log.open("a", encoding="utf-8", buffering=1) as file,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
            # A terminal interrupts its whole foreground group; the child should receive one signal, from us.
            process_group=0,
        ) as process,
    ):
        assert process.stdout is not None
        # A line ends with "\n", or with the "\r" of a progress bar, which is kept.
        output = io.TextIOWrapper(process.stdout, "utf-8", "replace", newline="")

        def follow() -> None:
            for piece in iter(partial(output.readline, _MAX_LINE_CHARACTERS), ""):
                echo(piece)
                if not piece.endswith("\r"):
                    tail.append(_CONTROL.sub("", piece.rstrip("\r\n")))
                    file.write(f"{tail[-1]}\n")
            process.wait()

        try:
            follow()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            timer = threading.Timer(_GRACE_SECONDS, process.kill)
            timer.start()
            try:
                follow()
            finally:
                timer.cancel()
            raise
        finally:
            # A no-op if the process has ended.
            process.kill()
    return _failure(process.returncode, tail)


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


def _peek(result: BatchResult) -> BatchResult:
    """Read what is known about a run that this batch has not trained, or not finished."""
    try:
        return _read(result.run) if (result.run / "config.json").is_file() else result
    except (FormatError, OSError):
        # `tfdeepviz train` will report the problem when it reaches this run.
        return result


def _finished(result: BatchResult) -> BatchResult:
    try:
        found = _read(result.run)
    except (FormatError, OSError) as error:
        return replace(result, status="failed", reason=" ".join(str(error).split()))
    if found.status == "done":
        return found
    return replace(result, status="failed", reason="ended without an error and without metrics.json")


def _read(path: Path) -> BatchResult:
    run = Run.load(path)
    epochs = convert(run.history(), list[_Epoch], path / "history.csv")
    values: dict[str, Any] = {"epochs": len(epochs)}
    if parameters := run.config.get("parameters"):
        values["trainable_parameters"] = parameters["trainable"]
        values["parameters_to_encoding"] = parameters["to_encoding"]
    if epochs:
        values["median_seconds_per_epoch"] = statistics.median(epoch.seconds for epoch in epochs)
    if not (path / METRICS).is_file():
        return BatchResult(path.name, run.preset.kind, path, "not finished", values=values)
    by_split = run.metrics()
    split = next((split for split in _SPLITS if split in by_split), "training")
    where = f"{path / METRICS}: {split}"
    metrics = convert(by_split.get(split), _Metrics, where)
    values |= {"split": split, "n_tracks": metrics.n_tracks, "n_segments": metrics.n_segments}
    flat = {**by_split[split], **numbers(by_split[split])}
    names = [measure.name for measure in _columns(run.preset.kind)]
    values |= convert({name: flat[name] for name in names if name in flat}, dict[str, Finite], where)
    for name in metrics.intervals.keys() & names:
        values[f"{name}_low"], values[f"{name}_high"] = metrics.intervals[name]
    return BatchResult(path.name, run.preset.kind, path, "done", values=values)


def _columns(kind: str) -> list[Measure]:
    return [measure for measure in of_kind(kind) if measure.in_summary]


def _write_summary(out: Path, results: Sequence[BatchResult]) -> None:
    with atomic_path(out / "summary.md") as temporary:
        temporary.write_text(_markdown(results), encoding="utf-8")
    heads = ["name", "status", "reason", "kind", *_COLUMNS]
    # The columns do not depend on the batch, so that summaries can be concatenated.
    for name in dict.fromkeys(measure.name for kind in KINDS for measure in _columns(kind)):
        heads += [name, f"{name}_low", f"{name}_high"]
    lines = [{**vars(result), **result.values} for result in results]
    Table(heads, [[line.get(head) for head in heads] for line in lines]).write_csv(out / "summary.csv")


def _markdown(results: Sequence[BatchResult]) -> str:
    parts = []
    for kind, title in KINDS.items():
        chosen = [result for result in results if result.kind == kind]
        measures = [measure for measure in _columns(kind) if any(measure.name in one.values for one in chosen)]
        if chosen:
            heads = ["run", "status", *_COLUMNS.values(), *(measure.heading for measure in measures)]
            table = Table(heads, [_cells(result, measures) for result in chosen], n_left=2)
            parts.append(f"## {title}\n\n{table.markdown()}\n")
    if any(name.endswith("_low") for result in results for name in result.values):
        parts.append("In brackets: 95% confidence intervals.\n")
    return "\n".join(parts)


def _cells(result: BatchResult, measures: Iterable[Measure]) -> list[Cell]:
    cells: list[Cell] = [result.name, result.status + (f": {result.reason}" if result.reason else "")]
    values = result.values
    known = (values.get(name) for name in _COLUMNS)
    cells += [f"{value:.1f}" if isinstance(value, float) else value for value in known]
    for measure in measures:
        value, low, high = (values.get(f"{measure.name}{end}") for end in ("", "_low", "_high"))
        brackets = "" if low is None or high is None else f" ({measure.interval((low, high))})"
        cells.append(None if value is None else f"{measure.text(value)}{brackets}")
    return cells
