"""Train presets. Training can stop and resume after any epoch."""

from __future__ import annotations

import os
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfdeepviz.artifacts import ARTIFACT, Artifact, begun
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.errors import DivergedError, TfdeepvizError
from tfdeepviz.files import atomic_path, sha256_file, write_json
from tfdeepviz.locks import locked
from tfdeepviz.models.build import counts_of
from tfdeepviz.models.distillation import TARGETS, DistillationTask, Targets, fit_targets, lesson_task
from tfdeepviz.models.distribution import distributed, own_share, synchronize
from tfdeepviz.models.imagenet import load_imagenet_start
from tfdeepviz.models.presets import Preset
from tfdeepviz.models.progress import EpochProgress
from tfdeepviz.models.run import (
    ENCODER,
    MAY_CHANGE,
    METRICS,
    MODEL,
    N_COMPONENTS,
    History,
    Run,
    load_model,
    planned_run,
)
from tfdeepviz.models.tasks import TASKS, Task
from tfdeepviz.reports.run import draw_history
from tfdeepviz.teachers.outputs import TeacherOutputs

_CHECKPOINTS_KEPT = 2


def train(
    preset: Preset,
    dataset: PreparedDataset,
    out: Path,
    *,
    seed: int = 0,
    deterministic: bool = False,
    weights: Path | None = None,
    teacher: Run | TeacherOutputs | None = None,
    n_components: int = N_COMPONENTS,
    learn: str = "both",
    distribute: str | None = None,
    progress: EpochProgress | None = None,
) -> Run:
    """Train a preset; call again with the same arguments to resume after any epoch.

    The training split is fitted, and the validation split monitored. On resuming, only the preset's `epochs`,
    `patience`, `thresholds` and `budget` may differ.

    Parameters
    ----------
    seed
        Seed of initialisation, shuffling and dropout. An epoch depends only on (seed, epoch), so a resumed run sees the
        same data as an uninterrupted one.
    deterministic
        Restrict TensorFlow to deterministic operations for the rest of this process: equal seeds then give identical
        weights, bit for bit, on the same kind of machine.
    weights
        ImageNet weights for initialising a classifier (`tfdeepviz.models.imagenet`).
    teacher, n_components, learn
        A finished run for the preset's encoder to imitate (`tfdeepviz.models.distillation`), and the number of
        principal components to learn if its encoding has more components; or the outputs of a published network
        (`tfdeepviz.models.lessons`), and which of them to learn: a key of `tfdeepviz.models.run.LEARNT`.
    distribute
        Several devices or machines to train on (`tfdeepviz.models.distribution`).

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
    record = planned_run(preset, dataset, out, seed, deterministic, weights, teacher, n_components, learn)
    begun(out, record, may_change=MAY_CHANGE)
    if deterministic and keras.backend.backend() == "tensorflow":
        tf.config.experimental.enable_op_determinism()
    dataset.verify(only_changed=True)
    out.mkdir(parents=True, exist_ok=True)
    with locked(out), distributed(distribute, preset.batch_size), _dtype_policy(preset.precision):
        config = {
            **{"preset": preset.to_dict(), "audio": dataset.params.to_dict(), "mode": dataset.features.mode},
            "genres": list(dataset.recipe.genres),
            **{"dataset": dataset.name, "dataset_digest": dataset.identity},
            **{name: record.settings[name] for name in ("seed", "deterministic", "weights")},
            **_described(teacher, record, out),
            "backend": keras.backend.backend(),
        }
        run = Run.claim(out, record, config)
        if run.is_finished:
            run.finish_record()
            return run
        keras.utils.set_random_seed(seed)
        task = _task(run, dataset, teacher)
        model, history = _restore(run)
        if model is None:
            model = task.build()
            if weights is not None:
                try:
                    load_imagenet_start(model, weights)
                except (TfdeepvizError, OSError):
                    # Nothing has been trained: the same folder may be used with other weights.
                    for name in (ARTIFACT, "config.json"):
                        (run.path / name).unlink()
                    raise
        run.config["parameters"] = asdict(counts_of(model, task.encoder(model)))
        write_json(run.path / "config.json", run.config)
        if distribute == "mirrored":
            synchronize(model)
        _compile(model, task)
        while not run.is_trained(preset):
            epoch = len(history) + 1
            progress.start_epoch(epoch, preset.epochs, task.n_steps)
            try:
                history.append(_train_epoch(task, model, epoch, seed * 1_000_003 + epoch, progress.step))
            except ArithmeticError as error:
                end = f", or end this one before that epoch (--epochs {epoch - 1})" if epoch > 1 else ""
                raise DivergedError(
                    f"{out}: diverged in epoch {epoch} ({error}); train another run, with a lower learning rate than "
                    f"{preset.optimizer['learning_rate']:g} (--set optimizer.learning_rate=...){end}"
                ) from error
            _save_epoch(run, model, history)
            progress.end_epoch(history[-1], task.watched)
        _finish(run, task)
    return run


def _described(teacher: Run | TeacherOutputs | None, record: Artifact, out: Path) -> dict[str, Any]:
    """Describe a run's teacher for its configuration."""
    if isinstance(teacher, TeacherOutputs):
        path = os.path.relpath(teacher.path.resolve(), out.resolve())
        return {"teacher": None, "lessons": {**record.settings["lessons"], "path": path}}
    if teacher is None:
        return {"teacher": None}
    about: dict[str, Any] = {"path": record.inputs[-1].path, "sha256": sha256_file(teacher.path / MODEL)}
    about |= {"preset": teacher.preset.to_dict(), "n_components": record.settings["n_components"]}
    return {"teacher": about}


def _task(run: Run, dataset: PreparedDataset, teacher: Run | TeacherOutputs | None) -> Task:
    if not isinstance(teacher, Run):
        scaler = SegmentScaler(run.preset.scaler, name="scaler", dtype="float32")
        scaler.adapt(dataset.statistics())
        if teacher is not None:
            return lesson_task(run, dataset, scaler, teacher)
        return TASKS[run.preset.kind](run.preset, dataset, scaler)
    targets = run.path / TARGETS
    if not targets.is_file():
        fit_targets(teacher, dataset, run.config["teacher"]["n_components"]).save(targets)
    return DistillationTask(run.preset, dataset, teacher, Targets.load(targets))


def _restore(run: Run) -> tuple[keras.Model | None, History]:
    """Load the newest readable checkpoint and the history up to it; later rows are removed from the file."""
    rows = run.history()
    for path in reversed(run.checkpoints()):
        epoch = int(path.stem.removeprefix("epoch-"))
        if len(rows) < epoch:
            continue
        try:
            model = keras.saving.load_model(path, safe_mode=True)
        except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
            warnings.warn(f"{path}: cannot be read ({error}); continuing from the one before", stacklevel=2)
            continue
        run.write_history(rows[:epoch])
        return model, rows[:epoch]
    run.write_history([])
    return None, []


def _compile(model: keras.Model, task: Task) -> None:
    """Compile again, since the schedule may have changed; keep the state of a restored optimizer."""
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


def _train_epoch(
    task: Task, model: keras.Model, epoch: int, seed: int, step: Callable[[float], None]
) -> dict[str, float]:
    """Train and measure an epoch; raises ArithmeticError for a loss or weight that is not finite."""
    started = time.monotonic()
    generators = [variable for variable in model.variables if variable.path.endswith("seed_generator_state")]
    for i, state in enumerate(generators):
        state.assign([seed % 2**32, i])

    def on_batch(_: int, logs: dict[str, float]) -> None:
        step(float(logs["loss"]))
        # The loss is a running mean: once not finite, it stays so.
        if not np.isfinite(logs["loss"]):
            model.stop_training = True

    loss = model.fit(
        own_share(task.batches(seed), task.preset.batch_size),
        steps_per_epoch=task.n_steps,
        verbose=0,
        shuffle=False,
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=on_batch)],
    ).history["loss"][0]
    if not np.isfinite(loss):
        raise ArithmeticError(f"the training loss is {loss}")
    # The last step of an epoch can corrupt the weights after a finite loss.
    if not all(np.isfinite(weights).all() for weights in model.get_weights()):
        raise ArithmeticError("weights are not finite")
    task.recalibrate_batch_norm(model, seed)
    trained = time.monotonic()
    measured = task.measure(model)
    if not np.isfinite(measured["val_loss"]):
        raise ArithmeticError(f"the validation loss is {measured['val_loss']}")
    return {
        **{"epoch": epoch, "loss": float(loss), **measured},
        **{"train_seconds": round(trained - started, 2), "seconds": round(time.monotonic() - started, 2)},
    }


def _save_epoch(run: Run, model: keras.Model, history: History) -> None:
    # Write the history first: a checkpoint is valid only if all its rows exist.
    run.write_history(history)
    _save_model(model, run.checkpoint(len(history)))
    kept = {run.checkpoint(run.best_epoch()), *run.checkpoints()[-_CHECKPOINTS_KEPT:]}
    for path in run.checkpoints():
        if path not in kept:
            path.unlink()
    draw_history(history, run.path / "learning_curve.png")
    events = tf.summary.create_file_writer(os.fsencode(run.path / "tensorboard"))
    with events.as_default():
        for name, value in history[-1].items():
            if name != "epoch":
                tf.summary.scalar(name, value, step=len(history))
    events.close()


def _save_model(model: keras.Model, path: Path) -> None:
    with atomic_path(path) as temporary:
        model.save(temporary)


def _finish(run: Run, task: Task) -> None:
    """Evaluate the best epoch's weights on every split and write the model, the encoder and, last, the metrics."""
    model = load_model(run.checkpoint(run.best_epoch()))
    task.finish(model)
    metrics = {split: task.evaluate(model, split) for split in task.splits()}
    _save_model(model, run.path / MODEL)
    _save_model(task.encoder(model), run.path / ENCODER)
    write_json(run.path / METRICS, metrics)
    run.finish_record()
