"""Commands about models: presets, train, distill, evaluate, batch, tune."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from tfdeepviz.artifacts import begun
from tfdeepviz.commands.common import EpochBars, values
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.errors import InputError
from tfdeepviz.files import read_record
from tfdeepviz.models.presets import load_preset, override, parameter_counts, preset_names
from tfdeepviz.models.progress import Trial, TrialProgress
from tfdeepviz.models.run import MAY_CHANGE, Run, planned_run
from tfdeepviz.notify import notifying
from tfdeepviz.reports.measures import numbers, of_kind
from tfdeepviz.reports.tables import Table
from tfdeepviz.teachers.outputs import TeacherOutputs


def presets(args: argparse.Namespace) -> None:
    """List presets with the sizes of their models."""
    counts = parameter_counts()
    rows: list[dict[str, Any]] = [
        {
            **{"name": name, "title": preset.title, "kind": preset.kind, "recipe": preset.recipe, **counts[name]},
            **{"step_seconds": preset.step_seconds, "encoder_layer": preset.encoder_layer},
            **{"optimizer": preset.optimizer, "batch_size": preset.batch_size, "epochs": preset.epochs},
        }
        for name in preset_names()
        for preset in [load_preset(name)]
    ]
    if args.json:
        print(json.dumps(rows, indent=2))
        return
    heads = ("name", "kind", "recipe", "parameters", "to encoding", "encoding", "every", "layer")
    names = ("name", "kind", "recipe", "trainable_parameters", "parameters_to_encoding", "encoding_size")
    cells = [
        [*(row[name] for name in names), f"{row['step_seconds']:.2f} s", row["encoder_layer"] or "bottleneck"]
        for row in rows
    ]
    print(Table(heads, cells, n_left=3).text())


def train(args: argparse.Namespace) -> None:
    """Train a preset."""
    if args.weights is not None and not args.weights.is_file():
        raise InputError(f"--weights {args.weights}: no such file")
    _run(args, weights=args.weights)


def distill(args: argparse.Namespace) -> None:
    """Train a preset to imitate a run, or to answer as a published network does."""
    if args.teacher == "musicnn":
        if args.outputs is None:
            raise InputError("--outputs is missing; give the folder that `tfdeepviz teacher listen musicnn` wrote")
        _run(args, teacher=TeacherOutputs.load(args.outputs), learn=args.learn)
        return
    if args.outputs is not None:
        raise InputError(f"--outputs: are those of musicnn, not of {args.teacher}; omit it")
    _run(args, teacher=Run.load(Path(args.teacher)), n_components=args.components)


def _run(args: argparse.Namespace, **options: Any) -> None:
    if args.distribute == "data-parallel":
        # Keras reads this on import, which happens later.
        os.environ.setdefault("KERAS_BACKEND", "jax")
    changes = dict(args.set) | ({} if args.epochs is None else {"epochs": args.epochs})
    preset = override(load_preset(args.preset, recipe=args.recipe), changes)
    options |= values(args, "seed", "deterministic")
    with notifying(args.notify, what=f"{args.out.name}: {preset.name}") as lines:
        dataset = PreparedDataset.load(args.dataset)
        begun(args.out, planned_run(preset, dataset, args.out, **options), may_change=MAY_CHANGE)
        from tfdeepviz.models.training import train

        run = train(preset, dataset, args.out, **options, distribute=args.distribute, progress=EpochBars())
        lines += _table(run).splitlines()
        if (n_done := len(run.history())) > preset.epochs:
            lines.append(f"note: {n_done} epochs had been done already; {preset.epochs} were asked for")
    print("\n".join(lines))
    print(f"{run.path}: model.keras, encoder.keras, metrics.json, history.csv, learning_curve.png, tensorboard")


def _table(run: Run) -> str:
    """Format a run's metrics as a table with one line per split."""
    by_split = {split: numbers(measured) for split, measured in run.metrics().items()}
    known = {name for figures in by_split.values() for name in figures}
    measures = [measure for measure in of_kind(run.preset.kind) if measure.in_summary and measure.name in known]
    rows = [(split, *(one.text(figures.get(one.name)) for one in measures)) for split, figures in by_split.items()]
    return Table(("split", *(measure.heading for measure in measures)), rows).text()


def evaluate(args: argparse.Namespace) -> None:
    """Measure a run."""
    run, dataset = Run.load(args.run), PreparedDataset.load(args.dataset)
    from tfdeepviz.models.evaluation import evaluate

    page = evaluate(run, dataset, args.split, out=args.out)
    print(f"{page.with_suffix('.json')}: the figures")
    print(f"{page}: open it in a browser")


def batch(args: argparse.Namespace) -> None:
    """Train several presets."""
    from tfdeepviz.models.batch import refuse_failures, run_batch, summarize

    if not args.presets:
        print(summarize(args.out))
        return
    if args.dataset is None:
        raise InputError("--dataset is missing; give the one to train the presets on")
    given = [(f"--{name}", value) for name, value in values(args, "seed", "recipe", "epochs", "distribute").items()]
    given += [("--set", f"{name}={json.dumps(value)}") for name, value in args.set]
    extra = [str(text) for option, value in given if value is not None for text in (option, value)]
    extra += ["--deterministic"] if args.deterministic else []
    with notifying(args.notify, what=f"{args.out.name}: {len(args.presets)} presets") as lines:
        PreparedDataset.load(args.dataset)  # each run would refuse it, after some seconds
        results = run_batch(args.presets, args.dataset, args.out, extra=extra)
        lines += [f"{result.name}: {result.status} {result.reason}".rstrip() for result in results]
        print(summarize(args.out))
        refuse_failures(results)


class _SearchBars(EpochBars, TrialProgress):
    def start_trial(self, number: int, drawn: dict[str, Any], trainable_parameters: int) -> None:
        shown = ", ".join(f"{name}={value}" for name, value in drawn.items())
        print(f"trial {number}: {shown} ({trainable_parameters:,} parameters)")

    def end_trial(self, trial: Trial) -> None:
        print(f"trial {trial.number}: {trial.status}", trial.reason or trial.val_loss)


def tune(args: argparse.Namespace) -> None:
    """Search for hyper-parameters."""
    try:
        from tfdeepviz.models.search_space import Space
    except ImportError as error:
        raise InputError(f"a search needs Optuna ({error}); pip install 'tfdeepviz[tune]'") from error
    with notifying(args.notify, what=f"{args.out.name}: search") as lines:
        space = read_record(args.space, Space, max_bytes=1 << 20)
        dataset = PreparedDataset.load(args.dataset)
        from tfdeepviz.models.tuning import tune
        from tfdeepviz.models.tuning_report import report

        options = {"n_trials": args.trials, "algorithm": args.algorithm, "seed": args.seed}
        search = tune(space, dataset, args.out, progress=_SearchBars(), **options)
        lines += report(search).splitlines()
        lines += [f"ended early: {search.ended}"] if search.ended else []
    print("\n".join(lines))
    print(f"{args.out}: trials.csv, best.json, report.html")
