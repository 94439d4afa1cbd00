"""Commands about models: presets, train, distill, evaluate, batch, tune."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfdeepviz.commands.common import Add, EpochBars, assignments, at_least_one
from tfdeepviz.errors import InputError

if TYPE_CHECKING:
    from tfdeepviz.models.presets import Preset
    from tfdeepviz.models.run import Run
    from tfdeepviz.models.tuning import Trial


def register(add: Add) -> None:
    """Add the commands."""
    presets = add(
        "presets",
        _presets,
        "list the models that can be trained",
        "List the presets that come with tfdeepviz: the paper's models with the paper's training recipe, and small "
        "ones for the browser. Parameters are counted for the paper's input grid and, for classifiers, 16 genres. The "
        "column `every` says how often a player should run the encoder.",
    )
    presets.add_argument("--json", action="store_true", help="print a JSON list of objects instead of a table")

    train = add(
        "train",
        _train,
        "train a preset on a prepared dataset",
        "Train a preset. You can stop at any time: the same command resumes after the last complete epoch. RUN "
        "receives the configuration, history, learning curve, TensorBoard events, metrics next to simple baselines, "
        "the model and the encoder.",
    )
    train.add_argument("preset", metavar="PRESET", help=f"{', '.join(_preset_files())}, or a .json file of your own")
    _add_training(train)
    train.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="ImageNet weights to start a classifier from: torchvision's .pth, keras.applications' .h5 or KerasHub's "
        ".weights.h5 (default: random weights)",
    )

    distill = add(
        "distill",
        _distill,
        "train a small encoder to imitate a large one",
        "Train a preset's encoder, the student, to reproduce the encodings of a finished run, the teacher. If the "
        "teacher is a classifier with a wide layer, the student learns the layer's first principal components and the "
        "genre probabilities. Labels are not needed.",
    )
    distill.add_argument("teacher", type=Path, metavar="TEACHER", help="a finished run")
    distill.add_argument("--preset", required=True, help="the student's preset, of the same kind as the teacher's")
    distill.add_argument(
        "--components", type=int, default=10, help="principal components to learn, if the encoding has more components"
    )
    _add_training(distill)

    evaluate = add(
        "evaluate",
        _evaluate,
        "measure a finished run on one split",
        "Measure a run on a split of its dataset, or of another dataset with the same features. Writes the figures as "
        "JSON, and an HTML page.",
    )
    evaluate.add_argument("run", type=Path, metavar="RUN", help="a finished run")
    evaluate.add_argument("--dataset", type=Path, required=True, help="dataset made by `tfdeepviz prepare`")
    evaluate.add_argument(
        "--split", default="test", choices=("training", "validation", "test"), help="split to measure"
    )
    evaluate.add_argument("--out", type=Path, help="folder for both files (default: RUN/evaluation)")

    batch = add(
        "batch",
        _batch,
        "train several presets, and continue after failures",
        "Train presets one after another, each in its own process. Finished runs are kept, and interrupted ones "
        "resume. RUNS receives a folder and a log per preset, and tables of all runs: summary.md and summary.csv.",
    )
    batch.add_argument(
        "presets", nargs="*", metavar="PRESET", help="as for `train`; without any, only print the tables"
    )
    batch.add_argument("--dataset", type=Path, help="dataset made by `tfdeepviz prepare`; required with presets")
    batch.add_argument("--out", type=Path, required=True, metavar="RUNS", help="folder for the runs")
    _add_recipe(batch)
    _add_notify(batch)

    tune = add(
        "tune",
        _tune,
        "search for better hyper-parameters",
        "Draw hyper-parameters and train each trial as an ordinary run. Writes trials.csv, best.json (a preset to "
        "train) and report.html with plots. Run the same command again to resume, or in several processes at once to "
        "share the work.",
    )
    tune.add_argument("space", type=Path, metavar="SPACE", help="search space, a .json file (docs/models.md)")
    tune.add_argument("--dataset", type=Path, required=True, help="dataset made by `tfdeepviz prepare`")
    tune.add_argument("--out", type=Path, required=True, help="folder for the search")
    tune.add_argument("--trials", type=int, required=True, metavar="N", help="total number of trials")
    tune.add_argument(
        "--algorithm",
        default="random",
        choices=("random", "hyperband", "bayesian"),
        help="hyperband stops poor trials early; bayesian draws where good ones were (TPE)",
    )
    tune.add_argument("--seed", type=int, default=0, help="seed for the search and for every run")
    _add_notify(tune)


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", type=Path, required=True, help="dataset made by `tfdeepviz prepare`")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder for the run")
    _add_recipe(parser)
    _add_notify(parser)


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", choices=("paper", "modern"), help="training recipe (default: the preset's)")
    parser.add_argument("--epochs", type=int, help="total number of epochs (default: the preset's)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="override a value of the preset, such as optimizer.momentum=0.9; repeatable",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed for initialisation, shuffling and dropout")
    parser.add_argument(
        "--deterministic", action="store_true", help="make equal seeds give bit-identical weights; slower"
    )
    parser.add_argument(
        "--distribute",
        choices=("mirrored", "data-parallel"),
        help="mirrored: use all GPUs of this machine; data-parallel: use all devices that JAX sees, on one or several "
        "machines (default: one device; see docs/models.md)",
    )


def _add_notify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--notify",
        action="append",
        default=[],
        metavar="URL",
        help="notify this Apprise service (e-mail, Slack, ...) when the command has finished or failed; repeatable",
    )


def _preset_files() -> list[str]:
    # Does not import tfdeepviz.models, which may become slow to import.
    return sorted(path.stem for path in (Path(__file__).parent.parent / "models" / "presets").glob("*.json"))


def _presets(args: argparse.Namespace) -> None:
    import json

    from tfdeepviz.models.build import count_parameters
    from tfdeepviz.models.presets import load_preset, preset_names
    from tfdeepviz.reports.tables import Table

    rows: list[dict[str, Any]] = []
    for name in preset_names():
        preset = load_preset(name)
        counts = count_parameters(preset)
        rows.append(
            {
                **{"name": name, "title": preset.title, "kind": preset.kind, "recipe": preset.recipe},
                **{"trainable_parameters": counts.trainable, "parameters_to_encoding": counts.to_encoding},
                **{"encoding_size": counts.encoding_size, "step_seconds": preset.step_seconds},
                **{"encoder_layer": preset.encoder_layer},
                **{"optimizer": preset.optimizer, "batch_size": preset.batch_size, "epochs": preset.epochs},
            }
        )
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


def _preset(name: str, args: argparse.Namespace) -> Preset:
    from tfdeepviz.models.presets import load_preset, override

    at_least_one("epochs", args.epochs)
    changes = assignments(args.set)
    if args.epochs is not None:
        changes["epochs"] = args.epochs
    return override(load_preset(name, recipe=args.recipe), changes)


def _train(args: argparse.Namespace) -> None:
    if args.weights is not None and not args.weights.is_file():
        raise InputError(f"--weights {args.weights}: no such file")
    _run(args, weights=args.weights)


def _distill(args: argparse.Namespace) -> None:
    at_least_one("components", args.components)
    from tfdeepviz.models.run import Run

    _run(args, teacher=Run.load(args.teacher), n_components=args.components)


def _run(args: argparse.Namespace, **options: Any) -> None:
    if args.distribute == "data-parallel":
        # Keras reads this on import, which happens later.
        os.environ.setdefault("KERAS_BACKEND", "jax")
    from tfdeepviz.data.prepared import PreparedDataset
    from tfdeepviz.notify import notifying

    preset = _preset(args.preset, args)
    options |= {"seed": args.seed, "deterministic": args.deterministic, "distribute": args.distribute}
    with notifying(args.notify, what=f"{args.out.name}: {preset.name}") as lines:
        dataset = PreparedDataset.load(args.dataset)
        from tfdeepviz.models.training import train

        run = train(preset, dataset, args.out, progress=EpochBars(), **options)
        lines += _table(run).splitlines()
    print("\n".join(lines))
    print(f"{run.path}: model.keras, encoder.keras, metrics.json, history.csv, learning_curve.png, tensorboard")


def _table(run: Run) -> str:
    """Format a run's metrics as a table with one line per split."""
    from tfdeepviz.reports.measures import numbers, of_kind
    from tfdeepviz.reports.tables import Table

    by_split = {split: numbers(measured) for split, measured in run.metrics().items()}
    known = {name for values in by_split.values() for name in values}
    measures = [measure for measure in of_kind(run.preset.kind) if measure.in_summary and measure.name in known]
    rows = [
        (split, *(measure.text(values.get(measure.name)) for measure in measures)) for split, values in by_split.items()
    ]
    return Table(("split", *(measure.heading for measure in measures)), rows).text()


def _evaluate(args: argparse.Namespace) -> None:
    from tfdeepviz.data.prepared import PreparedDataset
    from tfdeepviz.models.run import Run

    run, dataset = Run.load(args.run), PreparedDataset.load(args.dataset)
    from tfdeepviz.models.evaluation import evaluate

    page = evaluate(run, dataset, args.split, out=args.out)
    print(f"{page.with_suffix('.json')}: the figures")
    print(f"{page}: open it in a browser")


def _batch(args: argparse.Namespace) -> None:
    from tfdeepviz.data.prepared import PreparedDataset
    from tfdeepviz.models.batch import find_runs, refuse_failures, run_batch, summarize
    from tfdeepviz.notify import notifying

    if not args.presets:
        print(summarize(find_runs(args.out)))
        return
    if args.dataset is None:
        raise InputError("--dataset is missing; give the one to train the presets on")
    extra = ["--seed", str(args.seed)]
    for name in ("recipe", "epochs", "distribute"):
        if getattr(args, name) is not None:
            extra += [f"--{name}", str(getattr(args, name))]
    extra += ["--deterministic"] if args.deterministic else []
    extra += [text for assignment in args.set for text in ("--set", assignment)]
    with notifying(args.notify, what=f"{args.out.name}: {len(args.presets)} presets") as lines:
        PreparedDataset.load(args.dataset)  # each run would refuse it, after some seconds
        results = run_batch(args.presets, args.dataset, args.out, extra=extra)
        lines += [f"{result.name}: {result.status} {result.reason}".rstrip() for result in results]
        print(summarize(find_runs(args.out)))
        refuse_failures(results)


def _tune(args: argparse.Namespace) -> None:
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise InputError(f"a search needs Optuna ({error}); pip install 'tfdeepviz[tune]'") from error
    from tfdeepviz.data.prepared import PreparedDataset
    from tfdeepviz.files import read_record
    from tfdeepviz.models.progress import TrialProgress
    from tfdeepviz.models.search_space import Space
    from tfdeepviz.notify import notifying

    class Progress(EpochBars, TrialProgress):
        def start_trial(self, number: int, values: dict[str, Any], trainable_parameters: int) -> None:
            drawn = ", ".join(f"{name}={value}" for name, value in values.items())
            print(f"trial {number}: {drawn} ({trainable_parameters:,} parameters)")

        def end_trial(self, trial: Trial) -> None:
            print(f"trial {trial.number}: {trial.status}", trial.reason or trial.val_loss)

    at_least_one("trials", args.trials)
    with notifying(args.notify, what=f"{args.out.name}: search") as lines:
        space = read_record(args.space, Space, max_bytes=1 << 20)
        dataset = PreparedDataset.load(args.dataset)
        from tfdeepviz.models.tuning import tune
        from tfdeepviz.models.tuning_report import report

        options = {"n_trials": args.trials, "algorithm": args.algorithm, "seed": args.seed}
        search = tune(space, dataset, args.out, progress=Progress(), **options)
        lines += report(search).splitlines()
        lines += [f"ended early: {search.ended}"] if search.ended else []
    print("\n".join(lines))
    print(f"{args.out}: trials.csv, best.json, report.html")
