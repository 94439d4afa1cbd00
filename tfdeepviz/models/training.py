"""Training runs: a folder that says what it is, stops and resumes at any epoch."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from tfdeepviz import __version__
from tfdeepviz.data.dataset import PreparedDataset
from tfdeepviz.data.files import FormatError, atomic_path, read_json, read_npz, write_json
from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.models.autoencoder import Autoencoder
from tfdeepviz.models.evaluation import evaluate_autoencoder, measure_code
from tfdeepviz.models.presets import Preset
from tfdeepviz.params import AudioParams

_HISTORY = ("epoch", "loss", "val_loss", "shuffle_rise", "min_encoding_std", "seconds")
_CHECKPOINTS_KEPT = 2
# 2,048 segments give the encoding's mean within 0.03 standard deviations.
_SETTLING_BATCHES = 16


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
            If `path` holds none, or its configuration is broken.
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
        """The finished encoder, with the scaler inside."""
        return self.path / "encoder.keras"

    def load_encoder(self) -> keras.Model:
        """Load the finished encoder, unscaled segments to encodings."""
        self._finished(self.encoder_path)
        return keras.saving.load_model(self.encoder_path, compile=False, safe_mode=True)

    def metrics(self) -> dict[str, Any]:
        """Metrics a split, as `evaluate_autoencoder` gives them."""
        return read_json(self._finished(self.path / "metrics.json"))

    def encodings(self, split: str) -> npt.NDArray[np.float32]:
        """Encodings of a split [shape=(n, encoding_size)]."""
        path = self._finished(self.path / "encodings.npz")
        encodings = read_npz(path).get(split)
        if (
            encodings is None
            or encodings.ndim != 2
            or encodings.dtype != np.float32
            or not np.isfinite(encodings).all()
        ):
            raise FormatError(f"{path}: no encodings of the {split} split; train the run to its end again")
        return encodings

    def history(self) -> list[dict[str, float]]:
        """One row an epoch, with the columns of `history.csv`."""
        path = self.path / "history.csv"
        if not path.is_file():
            return []
        try:
            with path.open(newline="", encoding="utf-8") as file:
                return [{name: float(row[name]) for name in _HISTORY} for row in csv.DictReader(file)]
        except (ValueError, KeyError, TypeError) as error:
            raise FormatError(f"{path}: not a run's history ({error!r})") from error

    def checkpoints(self) -> list[Path]:
        """Checkpoints, the oldest first; `epoch-0007.keras` was written after 7 epochs."""
        return sorted((self.path / "checkpoints").glob("epoch-[0-9][0-9][0-9][0-9].keras"))

    def _finished(self, path: Path) -> Path:
        if not path.is_file():
            raise FormatError(f"{path}: missing; the run is not finished, resume it with `tfdeepviz train`")
        return path


class EpochProgress:
    """What a training run tells while it works; override what you show."""

    def start_epoch(self, epoch: int, n_epochs: int, n_steps: int) -> None:
        """Epoch `epoch` of `n_epochs` (from 1) begins."""

    def step(self, loss: float) -> None:
        """One batch is done; `loss` is the epoch's mean so far."""

    def end_epoch(self, row: dict[str, float]) -> None:
        """The epoch's row of `history.csv`."""


def train(
    preset: Preset,
    dataset: PreparedDataset,
    out: Path,
    *,
    seed: int = 0,
    progress: EpochProgress | None = None,
) -> Run:
    """Train a preset; call again with the same arguments to resume after any epoch.

    Parameters
    ----------
    preset
        What to train. On resuming only `epochs` may differ.
    dataset
        A prepared dataset; its training split is fitted, its validation split watched.
    out
        Folder of the run.
    seed
        Of initialisation, shuffling and dropout. An epoch depends on (seed, epoch) only, so that a resumed run sees
        what an undisturbed one would have seen.
    progress
        Told of every step.

    Raises
    ------
    FormatError
        If `out` holds another run.
    ValueError
        If the dataset's segments do not fit the model.
    """
    progress = progress or EpochProgress()
    config = {
        "preset": preset.to_dict(),
        "audio": dataset.params.to_dict(),
        "mode": dataset.features.mode,
        "dataset_digest": dataset.digest,
        "seed": seed,
        "code_version": __version__,
    }
    if dataset.features.mode == "raw":
        raise ValueError(f"{dataset.path}: an autoencoder takes mfcc or log-mel, not raw audio; prepare with --mode")
    dataset.verify()
    _claim(out, config)
    run = Run.load(out)

    keras.utils.set_random_seed(seed)
    scaler = SegmentScaler(preset.scaler, name="scaler")
    scaler.adapt(dataset.statistics())
    n_steps = int(dataset.segments("training", batch_size=preset.batch_size, seed=seed).cardinality())
    model, history = _restore(run)
    if model is None:
        model = Autoencoder(**{"input_size": dataset.features.segment_shape[:2], **preset.model})
        model.build()
    elif len(history) >= preset.epochs and (out / "metrics.json").is_file():
        return run
    _compile(model, preset, n_steps)

    validation = "validation" if dataset.n_segments("validation") else "training"
    for epoch in range(len(history) + 1, preset.epochs + 1):
        started = time.monotonic()
        progress.start_epoch(epoch, preset.epochs, n_steps)
        epoch_seed = seed * 1_000_003 + epoch
        model.seed_generator.state.assign([epoch_seed % 2**32, 0])
        batches = dataset.segments("training", batch_size=preset.batch_size, seed=epoch_seed)
        loss = model.fit(
            batches.map(scaler).map(lambda x: (x, x)),
            verbose=0,
            shuffle=False,
            callbacks=[_StepCallback(progress.step)],
        ).history["loss"][0]
        model.settle_normalization(
            dataset.segments("training", batch_size=128, seed=epoch_seed).take(_SETTLING_BATCHES).map(scaler)
        )
        code = measure_code(model, dataset.segments(validation, batch_size=128).map(scaler))
        if not np.isfinite(loss):
            raise ArithmeticError(f"{out}: the loss is {loss} after epoch {epoch}; train with a lower learning_rate")
        row = {
            **{"epoch": epoch, "loss": loss, "val_loss": code["mse"], "shuffle_rise": code["shuffle_rise"]},
            **{"min_encoding_std": min(code["encoding_std"]), "seconds": round(time.monotonic() - started, 2)},
        }
        history.append(row)
        _save_epoch(run, model, history)
        progress.end_epoch(row)

    metrics, encodings = evaluate_autoencoder(model, scaler, dataset)
    with atomic_path(out / "encodings.npz") as temporary, temporary.open("wb") as file:
        np.savez(file, **encodings)
    _save_model(model.encoder(scaler), run.encoder_path)
    write_json(out / "metrics.json", metrics)
    return run


class _StepCallback(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, step: Callable[[float], None]) -> None:
        super().__init__()
        self._step = step

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._step(float((logs or {}).get("loss", np.nan)))


def _claim(out: Path, config: dict[str, Any]) -> None:
    path = out / "config.json"
    if path.exists():
        before = read_json(path)
        changed = [key for key in ("audio", "mode", "dataset_digest", "seed") if before.get(key) != config[key]]
        old, new = before.get("preset", {}), config["preset"]
        changed += [f"preset.{key}" for key in new if key != "epochs" and old.get(key) != new[key]]
        if changed:
            raise FormatError(f"{out}: holds a run with another {', '.join(changed)}; give another --out to train anew")
    elif out.exists() and any(out.iterdir()):
        raise FormatError(f"{out}: not empty and not a training run; give another --out")
    write_json(path, config)


def _restore(run: Run) -> tuple[Autoencoder | None, list[dict[str, float]]]:
    """The newest checkpoint that can be read, and the history up to it."""
    for path in reversed(run.checkpoints()):
        epoch = int(path.stem.removeprefix("epoch-"))
        history = run.history()[:epoch]
        if len(history) == epoch:
            return keras.saving.load_model(path, safe_mode=True), history
    return None, []


def _compile(model: Autoencoder, preset: Preset, n_steps: int) -> None:
    """Compile afresh, with the restored optimizer's state if there is one: the schedule may be another."""
    total = n_steps * preset.epochs
    rate: Any = preset.learning_rate
    if preset.schedule == "cosine":
        warmup = max(1, total // 20)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, max(1, total - warmup), warmup_target=preset.learning_rate, warmup_steps=warmup
        )
    if preset.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=preset.momentum)
    else:
        optimizer = keras.optimizers.AdamW(rate, weight_decay=preset.weight_decay)
    restored = getattr(model, "optimizer", None)
    optimizer.build(model.trainable_variables)
    if restored is not None:
        for new, old in zip(optimizer.variables, restored.variables, strict=True):
            new.assign(old)
    model.compile(optimizer, loss="mse")


def _save_epoch(run: Run, model: Autoencoder, history: list[dict[str, float]]) -> None:
    # The history first: a checkpoint counts only once all its rows are there.
    with (
        atomic_path(run.path / "history.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, _HISTORY)
        writer.writeheader()
        writer.writerows(history)
    _save_model(model, run.path / "checkpoints" / f"epoch-{len(history):04d}.keras")
    for old in run.checkpoints()[:-_CHECKPOINTS_KEPT]:
        old.unlink()
    _plot(history, run.path / "learning_curve.png")


def _save_model(model: keras.Model, path: Path) -> None:
    with atomic_path(path) as temporary:
        model.save(temporary)


def _plot(history: list[dict[str, float]], path: Path) -> None:
    figure = Figure(figsize=(8, 6), layout="constrained")
    losses, code = figure.subplots(2, sharex=True)
    epochs = [row["epoch"] for row in history]
    for name, label in (("loss", "training"), ("val_loss", "validation")):
        losses.plot(epochs, [row[name] for row in history], "o-", markersize=3, label=label)
    losses.set(ylabel="mean squared error", yscale="log")
    losses.legend()
    code.plot(
        epochs, [row["shuffle_rise"] for row in history], "o-", markersize=3, label="rise of the loss, codes exchanged"
    )
    code.plot(
        epochs, [row["min_encoding_std"] for row in history], "o-", markersize=3, label="smallest std of a component"
    )
    code.set(xlabel="epoch", ylim=(0, None))
    code.legend()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
