"""Training runs: self-describing folders that can stop and resume after any epoch."""

from __future__ import annotations

import csv
import os
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tfdeepviz.data.dataset import PreparedDataset
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.data.segments import Windows
from tfdeepviz.errors import DivergedError, InputError
from tfdeepviz.files import FormatError, atomic_path, read_json, sha256_file, write_json
from tfdeepviz.locks import locked
from tfdeepviz.models.build import ParameterCounts, counts_of
from tfdeepviz.models.classifier import GenreClassifier
from tfdeepviz.models.distillation import DistillationTask, Targets, fit_targets
from tfdeepviz.models.distribution import distributed, own_share, synchronize
from tfdeepviz.models.imagenet import load_imagenet_start
from tfdeepviz.models.presets import Preset
from tfdeepviz.models.tasks import AutoencoderTask, ClassifierTask, ContrastiveTask, Task
from tfdeepviz.params import AudioParams
from tfdeepviz.provenance import code_version, command

#: Number of principal components of a teacher's encoding to distill; equals the number of a picture's parameters.
N_COMPONENTS = 10

#: Preset fields that may change when a run is resumed.
_NOT_LEARNT = ("epochs", "patience", "thresholds", "budget")

_CHECKPOINTS_KEPT = 2
_TARGETS = "targets.npz"


@dataclass(frozen=True)
class Run:
    """A training run on disk."""

    path: Path
    config: dict[str, Any]
    preset: Preset
    params: AudioParams

    @classmethod
    def load(cls, path: Path) -> Run:
        """Open a run.

        Raises
        ------
        FormatError
            If `path` holds no run, or its configuration is broken.
        """
        if not (path / "config.json").is_file():
            raise FormatError(f"{path}: no training run (config.json is missing); make one with `tfdeepviz train`")
        config = read_json(path / "config.json")
        try:
            return cls(path, config, Preset.from_dict(config["preset"]), AudioParams.from_dict(config["audio"]))
        except (KeyError, ValueError, TypeError) as error:
            raise FormatError(f"{path / 'config.json'}: not a run's configuration ({error})") from error

    @property
    def encoder_path(self) -> Path:
        """Path of the finished encoder, with the scaler inside."""
        return self.path / "encoder.keras"

    @property
    def model_path(self) -> Path:
        """Path of the whole finished model, which takes scaled segments."""
        return self.path / "model.keras"

    def load_encoder(self, layer: str | None = None) -> keras.Model:
        """Load the finished encoder, from unscaled segments to encodings.

        Parameters
        ----------
        layer
            Encoding layer of a classifier; by default the preset's `encoder_layer`.

        Raises
        ------
        InputError
            If the layer does not exist, or the run has only one encoding.
        """
        encoder = _load_model(self._finished(self.encoder_path))
        if layer in (None, self.preset.encoder_layer):
            return encoder
        if not self.classifies:
            raise InputError(f"layer={layer!r}: {self.preset.name} has one encoding only; leave it out")
        return self.load_model().encoder(encoder.get_layer("scaler"), layer)

    @property
    def classifies(self) -> bool:
        """Whether the finished model predicts genres; distilled classifiers only have an encoding."""
        return self.preset.kind == "classifier" and not self.config.get("teacher")

    def load_model(self) -> keras.Model:
        """Load the finished model; for a distilled run, the student."""
        return _load_model(self._finished(self.model_path))

    def load_scaler(self) -> SegmentScaler:
        """Load the scaler that the model expects."""
        scaler = self.load_encoder().get_layer("scaler")
        assert isinstance(scaler, SegmentScaler)
        return scaler

    def windows(self, encoder: keras.Model, hop_seconds: float | None = None) -> Windows:
        """Return the windows that the finished encoder takes.

        Parameters
        ----------
        encoder
            From `load_encoder`.
        hop_seconds
            Time between windows, rounded to whole frames. By default, windows shorter than a segment use the preset's
            step; others are adjacent.
        """
        frames = int(encoder.input_shape[2])
        if hop_seconds is None:
            hop_seconds = (
                self.preset.step_seconds if frames < self.params.segment_frames else self.params.segment_seconds
            )
        causal = bool(self.preset.model.get("causal", False))
        return Windows(self.params, frames, self.params.hop_frames(hop_seconds), causal)

    def check_features(self, dataset: PreparedDataset) -> None:
        """Raise FormatError unless a dataset has the features that the run was trained on."""
        mine = (self.config["audio"], self.config["mode"])
        if mine != (dataset.params.to_dict(), dataset.features.mode):
            raise FormatError(
                f"{dataset.path}: has other features than {self.path} was trained on; prepare a dataset with its "
                "--params and --mode"
            )

    @property
    def metrics_path(self) -> Path:
        """Path of the metrics; a run is unfinished as long as this file is missing."""
        return self.path / "metrics.json"

    def metrics(self) -> dict[str, Any]:
        """Return the metrics of each split, as computed by `Task.evaluate`."""
        return read_json(self._finished(self.metrics_path))

    def history(self) -> list[dict[str, float]]:
        """Return one row per epoch, with the columns of `history.csv`."""
        path = self.path / "history.csv"
        if not path.is_file():
            return []
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
        except (ValueError, TypeError, csv.Error) as error:
            raise FormatError(f"{path}: not a run's history ({error!r})") from error
        if any(row.get("epoch") != i or "val_loss" not in row for i, row in enumerate(rows, 1)):
            raise FormatError(f"{path}: not a run's history; delete the run and train again")
        return rows

    def best_epoch(self) -> int:
        """Return the epoch with the lowest validation loss, whose weights are the run's result; 0 before the first."""
        return _best_epoch(self.history())

    def checkpoint(self, epoch: int) -> Path:
        """Return the path of an epoch's checkpoint, which may no longer exist."""
        return self.path / "checkpoints" / f"epoch-{epoch:04d}.keras"

    def checkpoints(self) -> list[Path]:
        """Return the checkpoints, oldest first: the two newest and the best epoch's."""
        return sorted((self.path / "checkpoints").glob("epoch-[0-9][0-9][0-9][0-9].keras"))

    def task(self, dataset: PreparedDataset) -> Task:
        """Create the finished run's task on a dataset: its own, or another one with the same features.

        Raises
        ------
        FormatError
            If the run is not finished, the dataset has other features, or a distilled run's teacher is missing.
        """
        self.check_features(dataset)
        if self.config.get("teacher"):
            return _distillation(self.preset, dataset, self.find_teacher(), Targets.load(self.path / _TARGETS))
        return _plain_task(self.preset, dataset, self.load_scaler(), self.config["genres"])

    def find_teacher(self) -> Run:
        """Find the finished run that this one was distilled from, at its recorded relative path or next to this run.

        Raises
        ------
        FormatError
            If neither place holds that run, which is identified by the SHA-256 of its model.
        """
        known = self.config["teacher"]
        # Version 0.1 recorded absolute paths.
        recorded = Path(os.path.normpath(self.path.resolve() / known["path"]))
        places = dict.fromkeys((recorded, self.path.resolve().parent / recorded.name))
        seen = []
        for place in places:
            if not (place / "config.json").is_file():
                seen.append(f"{place} (no run)")
                continue
            teacher = Run.load(place)
            if not teacher.is_finished:
                seen.append(f"{place} (not finished)")
            elif sha256_file(teacher.model_path) != known["sha256"]:
                seen.append(f"{place} (another model)")
            else:
                return teacher
        raise FormatError(
            f"{self.path}: its teacher {known['preset']['name']} is not found, whose model.keras has the SHA-256 "
            f"{known['sha256'][:16]}...; looked at {', '.join(seen)}; put the teacher's run into one of these places"
        )

    @property
    def is_finished(self) -> bool:
        """Whether the run was trained to its end and evaluated."""
        return all(path.is_file() for path in (self.metrics_path, self.model_path, self.encoder_path))

    def _finished(self, path: Path) -> Path:
        for needed in (self.metrics_path, path):
            if not needed.is_file():
                raise FormatError(f"{needed}: missing; the run is not finished, resume it with `tfdeepviz train`")
        return path

    def _begin_again(self) -> None:
        """Mark the run as unfinished before anything else changes, and remove its evaluation."""
        self.metrics_path.unlink(missing_ok=True)
        # Written by version 0.1.
        (self.path / "encodings.npz").unlink(missing_ok=True)
        for split in SPLITS:
            for name in (f"{split}.json", f"{split}.html", f"{split}-confusion.png"):
                (self.path / "evaluation" / name).unlink(missing_ok=True)


class EpochProgress:
    """Progress callbacks of a training run; override the ones you need."""

    def start_epoch(self, epoch: int, n_epochs: int, n_steps: int) -> None:
        """Epoch `epoch` (from 1) of `n_epochs` begins."""

    def step(self, loss: float) -> None:
        """One batch is done; `loss` is the epoch's mean so far."""

    def end_epoch(self, row: dict[str, float]) -> None:
        """The epoch is done; `row` is its row of `history.csv`."""


def train(
    preset: Preset,
    dataset: PreparedDataset,
    out: Path,
    *,
    seed: int = 0,
    deterministic: bool = False,
    weights: Path | None = None,
    teacher: Run | None = None,
    n_components: int = N_COMPONENTS,
    distribute: str | None = None,
    progress: EpochProgress | None = None,
) -> Run:
    """Train a preset; call again with the same arguments to resume after any epoch.

    Parameters
    ----------
    preset
        Preset to train. On resuming, only `epochs`, `patience`, `thresholds` and `budget` may differ.
    dataset
        A prepared dataset; the training split is fitted and the validation split monitored.
    out
        Folder of the run.
    seed
        Seed of initialisation, shuffling and dropout. An epoch depends only on (seed, epoch), so a resumed run sees the
        same data as an uninterrupted one.
    deterministic
        Restrict TensorFlow to deterministic operations for the rest of this process: equal seeds then give identical
        weights, bit for bit, on the same kind of machine.
    weights
        ImageNet weights for initialising a classifier (`tfdeepviz.models.imagenet`).
    teacher
        A finished run for the preset's encoder to imitate (`tfdeepviz.models.distillation`).
    n_components
        Number of principal components to learn if the teacher's encoding has more components.
    distribute
        Training on several devices or machines (`tfdeepviz.models.distribution`).
    progress
        Receives progress callbacks.

    Raises
    ------
    FormatError
        If `out` holds another run.
    BusyError
        If another process is training the run.
    InputError
        If the arguments are incompatible.
    DivergedError
        If a loss or a weight is no longer finite. The run keeps its state after the previous epoch.
    """
    progress = progress or EpochProgress()
    if dataset.features.mode == "raw":
        raise InputError(f"{dataset.path}: models take mfcc or log-mel, not raw audio; prepare with --mode")
    dataset.require_training()
    if weights is not None and preset.kind != "classifier":
        raise InputError(f"{preset.name}: only classifiers start from ImageNet weights; leave --weights out")
    if deterministic and keras.backend.backend() == "tensorflow":
        tf.config.experimental.enable_op_determinism()
    dataset.verify(only_changed=True)
    out.mkdir(parents=True, exist_ok=True)
    with locked(out), distributed(distribute, preset.batch_size), _dtype_policy(preset.precision):
        run = _claim(out, preset, dataset, seed, deterministic, weights, teacher, n_components)
        if run.is_finished:
            return run
        keras.utils.set_random_seed(seed)
        task = _task(run, dataset, teacher)
        model, history = _restore(run)
        if model is None:
            model = task.build()
            if weights is not None:
                assert isinstance(model, GenreClassifier)
                load_imagenet_start(model, weights)
        _note_parameters(run, counts_of(model, task.encoder(model)))
        if distribute == "mirrored":
            synchronize(model)
        _compile(model, task)
        for epoch in range(len(history) + 1, preset.epochs + 1):
            if _is_over(history, preset):
                break
            progress.start_epoch(epoch, preset.epochs, task.n_steps)
            history.append(_train_epoch(run, task, model, epoch, seed, progress))
            _save_epoch(run, model, history)
            progress.end_epoch(history[-1])
        _finish(run, task)
    return run


def _train_epoch(
    run: Run, task: Task, model: keras.Model, epoch: int, seed: int, progress: EpochProgress
) -> dict[str, float]:
    started = time.monotonic()
    epoch_seed = seed * 1_000_003 + epoch
    generators = [variable for variable in model.variables if variable.path.endswith("seed_generator_state")]
    for i, state in enumerate(generators):
        state.assign([epoch_seed % 2**32, i])
    loss = model.fit(
        own_share(task.batches(epoch_seed), task.preset.batch_size),
        steps_per_epoch=task.n_steps,
        verbose=0,
        shuffle=False,
        callbacks=[_StepCallback(progress.step)],
    ).history["loss"][0]
    if not np.isfinite(loss):
        raise _diverged(run, epoch, f"the training loss is {loss}")
    # The last step of an epoch can corrupt the weights after a finite loss.
    if not all(np.isfinite(weights).all() for weights in model.get_weights()):
        raise _diverged(run, epoch, "weights are no longer numbers")
    task.settle(model, epoch_seed)
    trained = time.monotonic()
    try:
        measured = task.measure(model)
    except ArithmeticError as error:
        raise _diverged(run, epoch, str(error)) from error
    if not np.isfinite(measured["val_loss"]):
        raise _diverged(run, epoch, f"the validation loss is {measured['val_loss']}")
    columns = ("val_loss", *task.columns)
    return {
        **{"epoch": epoch, "loss": float(loss), **{name: measured[name] for name in columns}},
        **{"train_seconds": round(trained - started, 2), "seconds": round(time.monotonic() - started, 2)},
    }


def _diverged(run: Run, epoch: int, what: str) -> DivergedError:
    end = f", or end this one before that epoch (--epochs {epoch - 1})" if epoch > 1 else ""
    return DivergedError(
        f"{run.path}: diverged in epoch {epoch} ({what}); train another run, with a lower learning rate than "
        f"{run.preset.optimizer['learning_rate']:g} (--set optimizer.learning_rate=...){end}"
    )


def _finish(run: Run, task: Task) -> None:
    """Evaluate the best epoch's weights on every split and write the model, the encoder and, last, the metrics."""
    model = _load_model(run.checkpoint(run.best_epoch()))
    task.finish(model)
    metrics = {split: task.evaluate(model, split) for split in task.splits()}
    _save_model(model, run.model_path)
    _save_model(task.encoder(model), run.encoder_path)
    write_json(run.metrics_path, metrics)


class _StepCallback(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, step: Callable[[float], None]) -> None:
        super().__init__()
        self._step = step

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        loss = float((logs or {}).get("loss", np.nan))
        self._step(loss)
        # The loss is a running mean: once not finite, it stays so.
        if not np.isfinite(loss):
            self.model.stop_training = True


def _claim(
    out: Path,
    preset: Preset,
    dataset: PreparedDataset,
    seed: int,
    deterministic: bool,
    weights: Path | None,
    teacher: Run | None,
    n_components: int,
) -> Run:
    """Write a new run's configuration, or check that it matches that of the existing run."""
    config: dict[str, Any] = {
        "preset": preset.to_dict(),
        "audio": dataset.params.to_dict(),
        "mode": dataset.features.mode,
        "genres": list(dataset.recipe.genres),
        "dataset": dataset.name,
        "dataset_digest": dataset.identity,
        "dataset_path": _seen_from(out, dataset.path),
        "seed": seed,
        "deterministic": deterministic,
        "weights": weights and {"file": weights.name, "sha256": sha256_file(weights)},
        "teacher": teacher
        and {
            "path": _seen_from(out, teacher.path),
            "sha256": sha256_file(teacher._finished(teacher.model_path)),
            "preset": teacher.preset.to_dict(),
            "n_components": n_components,
        },
        "backend": keras.backend.backend(),
        "command": command(),
        "code_version": code_version(),
    }
    path = out / "config.json"
    if path.exists():
        before = read_json(path)
        names = ("audio", "mode", "dataset_digest", "seed", "deterministic", "weights")
        changed = [name for name in names if before.get(name) != config[name]]
        if _identity(before.get("teacher")) != _identity(config["teacher"]):
            changed.append("teacher")
        old = before.get("preset", {})
        changed += [
            f"preset.{name}"
            for name, value in config["preset"].items()
            if name not in _NOT_LEARNT and old.get(name) != value
        ]
        if changed:
            raise FormatError(f"{out}: holds a run with another {', '.join(changed)}; give another --out to train anew")
        # A resumed run keeps the provenance of its start.
        config |= {name: before[name] for name in ("parameters", "command", "code_version") if name in before}
        run = Run.load(out)
        if not (run.is_finished and _is_over(run.history(), preset)):
            run._begin_again()
    elif any(out.iterdir()):
        raise FormatError(f"{out}: not empty and not a training run; give another --out")
    write_json(path, config)
    return Run.load(out)


def _seen_from(run: Path, path: Path) -> str:
    """Return a path relative to the run's folder, so that both can be moved together."""
    return Path(os.path.relpath(path.resolve(), run.resolve())).as_posix()


def _identity(teacher: Any) -> Any:
    """Return a teacher's configuration without its path, which may change."""
    return {name: value for name, value in teacher.items() if name != "path"} if isinstance(teacher, dict) else teacher


def _note_parameters(run: Run, counts: ParameterCounts) -> None:
    run.config["parameters"] = asdict(counts)
    write_json(run.path / "config.json", run.config)


def _task(run: Run, dataset: PreparedDataset, teacher: Run | None) -> Task:
    if teacher is None:
        scaler = SegmentScaler(run.preset.scaler, name="scaler", dtype="float32")
        scaler.adapt(dataset.statistics())
        return _plain_task(run.preset, dataset, scaler, dataset.recipe.genres)
    path = run.path / _TARGETS
    if not path.is_file():
        n_components = run.config["teacher"]["n_components"]
        fit_targets(_teaching(teacher, dataset), teacher.load_model(), n_components).save(path)
    return _distillation(run.preset, dataset, teacher, Targets.load(path))


def _teaching(teacher: Run, dataset: PreparedDataset) -> AutoencoderTask | ClassifierTask:
    task = teacher.task(dataset)
    if isinstance(task, DistillationTask):
        raise InputError(f"{teacher.path}: was distilled itself; distill from its teacher {task.teacher.preset.name}")
    if isinstance(task, ContrastiveTask) or teacher.preset.scaler == "coefficients":
        raise InputError(f"{teacher.path}: {teacher.preset.name} is small already; train it itself")
    assert isinstance(task, AutoencoderTask | ClassifierTask)
    return task


def _plain_task(
    preset: Preset, dataset: PreparedDataset, scaler: SegmentScaler, genres: Any
) -> AutoencoderTask | ClassifierTask | ContrastiveTask:
    if preset.kind == "autoencoder":
        return AutoencoderTask(preset, dataset, scaler)
    if preset.kind == "contrastive":
        return ContrastiveTask(preset, dataset, scaler)
    task = ClassifierTask(preset, dataset, scaler, genres)
    if not task.n_segments("training"):
        raise InputError(f"{dataset.path}: no track of the training split has a genre; a classifier needs them")
    return task


def _distillation(preset: Preset, dataset: PreparedDataset, teacher: Run, targets: Targets) -> DistillationTask:
    task = _teaching(teacher, dataset)
    return DistillationTask(preset, dataset, teacher=task, teacher_model=teacher.load_model(), targets=targets)


def _is_over(history: list[dict[str, float]], preset: Preset) -> bool:
    if len(history) >= preset.epochs:
        return True
    if preset.patience is None or not history:
        return False
    return len(history) - _best_epoch(history) >= preset.patience


def _best_epoch(history: list[dict[str, float]]) -> int:
    # Version 0.1 continued after a validation loss that was not a number.
    losses = [row["val_loss"] if np.isfinite(row["val_loss"]) else np.inf for row in history]
    return losses.index(min(losses)) + 1 if losses else 0


def _restore(run: Run) -> tuple[keras.Model | None, list[dict[str, float]]]:
    """Load the newest readable checkpoint and the history up to it; later rows are removed from the file."""
    rows = run.history()
    for path in reversed(run.checkpoints()):
        epoch = int(path.stem.removeprefix("epoch-"))
        if len(rows) < epoch:
            continue
        try:
            model = keras.saving.load_model(path, safe_mode=True)
        except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
            warnings.warn(f"{path}: cannot be read ({error}); going on from the one before", stacklevel=2)
            continue
        if len(rows) > epoch:
            _write_history(run, rows[:epoch])
        return model, rows[:epoch]
    return None, []


def _compile(model: keras.Model, task: Task) -> None:
    """Compile anew, since the schedule may have changed; keep the state of a restored optimizer."""
    preset = task.preset
    total = task.n_steps * preset.epochs
    rate: Any = preset.optimizer["learning_rate"]
    if preset.schedule == "cosine":
        warmup = max(1, total // 20)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, max(1, total - warmup), warmup_target=rate, warmup_steps=warmup
        )
    if preset.optimizer["name"] == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=preset.optimizer.get("momentum", 0.0))
    else:
        optimizer = keras.optimizers.AdamW(rate, weight_decay=preset.optimizer.get("weight_decay", 0.0))
    before = getattr(model, "optimizer", None)
    state = None if before is None else [keras.ops.convert_to_numpy(variable) for variable in before.variables]
    model.compile(optimizer, **task.losses())
    model.optimizer.build(model.trainable_variables)
    if state is not None:
        for variable, value in zip(model.optimizer.variables, state, strict=True):
            variable.assign(value)


@contextmanager
def _dtype_policy(precision: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _write_history(run: Run, history: list[dict[str, float]]) -> None:
    with (
        atomic_path(run.path / "history.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, history[0])
        writer.writeheader()
        writer.writerows(history)


def _save_epoch(run: Run, model: keras.Model, history: list[dict[str, float]]) -> None:
    # Write the history first: a checkpoint is valid only if all its rows exist.
    _write_history(run, history)
    _save_model(model, run.checkpoint(len(history)))
    kept = {run.checkpoint(run.best_epoch()), *run.checkpoints()[-_CHECKPOINTS_KEPT:]}
    for path in run.checkpoints():
        if path not in kept:
            path.unlink()
    plot_history(history, run.path / "learning_curve.png")
    events = tf.summary.create_file_writer(os.fsencode(run.path / "tensorboard"))
    with events.as_default():
        for name, value in history[-1].items():
            if name != "epoch":
                tf.summary.scalar(name, value, step=len(history))
    events.close()


def _save_model(model: keras.Model, path: Path) -> None:
    with atomic_path(path) as temporary:
        model.save(temporary)


def _load_model(path: Path) -> keras.Model:
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise FormatError(
            f"{path}: no model that Keras can read ({shorten(str(error), 100, placeholder='...')}); train it anew"
        ) from error


_CURVES = {
    "loss": "training loss",
    "val_loss": "validation loss",
    "val_accuracy": "segments right",
    "val_polled_accuracy": "tracks right, polled",
    "val_self_retrieval": "songs recognised",
    "shuffle_rise": "rise of the loss, codes exchanged",
    "min_encoding_std": "smallest std of a component",
    "min_correlation": "lowest correlation with the teacher",
}


def plot_history(history: list[dict[str, float]], path: Path) -> None:
    """Plot a run's losses and, below them, accuracy and encoding metrics, as PNG."""
    figure = Figure(figsize=(8, 6), layout="constrained")
    losses, rest = figure.subplots(2, sharex=True)
    epochs = [row["epoch"] for row in history]
    for name, label in _CURVES.items():
        if name in history[0]:
            axes = losses if "loss" in name else rest
            axes.plot(epochs, [row[name] for row in history], "o-", markersize=3, label=label)
    losses.set(yscale="log")
    rest.set(xlabel="epoch", ylim=(0, None))
    rest.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (losses, rest):
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
