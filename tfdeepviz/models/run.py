"""Training runs on disk: self-describing folders with the configuration, history, checkpoints and finished models."""

from __future__ import annotations

import csv
import math
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

import msgspec

from tfdeepviz import artifacts, legacy
from tfdeepviz.artifacts import ARTIFACT, Artifact, Input, digest_of_files, require_kind
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.segments import Windows
from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError, atomic_path, convert, read_json, read_record, sha256_file, write_json
from tfdeepviz.lazy import keras
from tfdeepviz.models.presets import Preset
from tfdeepviz.params import AudioParams, check_choice
from tfdeepviz.teachers.outputs import TeacherOutputs

#: Files of a finished run: the metrics; the whole model, which takes scaled segments; the encoder, with the scaler
#: inside. A run is unfinished as long as the metrics are missing.
METRICS, MODEL, ENCODER = "metrics.json", "model.keras", "encoder.keras"

#: Settings that may change when a run is resumed.
MAY_CHANGE = ("preset.epochs", "preset.patience")

#: Number of principal components of a teacher's encoding to distill; equals the number of a picture's parameters.
N_COMPONENTS = 10

#: What can be learnt of a published teacher, with the names of its outputs.
LEARNT = {"tags": ("tags",), "embeddings": ("embeddings",), "both": ("tags", "embeddings")}

#: Preset fields that do not affect training.
_NOT_LEARNT = ("thresholds", "budget")

#: One row per epoch.
History = list[dict[str, float]]


class _Parameters(msgspec.Struct):
    trainable: int
    to_encoding: int
    encoding_size: int


class _TeachersPreset(msgspec.Struct):
    name: str


class _Teacher(msgspec.Struct):
    path: str
    sha256: str
    preset: _TeachersPreset
    n_components: int


class _Lessons(msgspec.Struct):
    teacher: str
    sha256: str
    learn: str
    path: str


class _Config(msgspec.Struct):
    """Required contents of a run's `config.json`."""

    preset: dict[str, Any]
    audio: dict[str, Any]
    mode: str
    genres: list[str]
    dataset: str
    dataset_digest: str
    seed: int
    teacher: _Teacher | None = None
    lessons: _Lessons | None = None
    parameters: _Parameters | None = None


@dataclass(frozen=True)
class Run:
    """A training run on disk."""

    path: Path
    config: dict[str, Any]
    preset: Preset
    params: AudioParams

    @classmethod
    def load(cls, path: Path) -> Run:
        """Open a run; raises FormatError if `path` holds none, or its configuration is broken."""
        require_kind(path, "run", "config.json")
        config = read_json(path / "config.json")
        convert(config, _Config, path / "config.json")
        try:
            return cls(path, config, Preset.from_dict(config["preset"]), AudioParams.from_dict(config["audio"]))
        except InputError as error:
            raise FormatError(f"{path / 'config.json'}: not a run's configuration ({error})") from error

    @classmethod
    def claim(cls, path: Path, record: Artifact, config: dict[str, Any]) -> Run:
        """Begin a run in a free folder, or go on with the same run; raises as `tfdeepviz.artifacts.claim` does."""
        artifacts.claim(path, record, may_change=MAY_CHANGE)
        if (path / "config.json").exists():
            run = cls.load(path)
            if "parameters" in run.config:
                config["parameters"] = run.config["parameters"]
            if not (run.is_finished and run.is_trained(Preset.from_dict(config["preset"]))):
                run._reopen()
        write_json(path / "config.json", config)
        return cls.load(path)

    def _reopen(self) -> None:
        """Mark the run as unfinished before anything else changes, and remove its evaluation."""
        (self.path / METRICS).unlink(missing_ok=True)
        artifacts.reopen(self.path)
        # Written by version 0.1.
        (self.path / "encodings.npz").unlink(missing_ok=True)
        for split in SPLITS:
            for name in (f"{split}.{ARTIFACT}", f"{split}.json", f"{split}.html", f"{split}-confusion.png"):
                (self.path / "evaluation" / name).unlink(missing_ok=True)

    @property
    def is_finished(self) -> bool:
        """Whether the run was trained to its end and evaluated."""
        return all((self.path / name).is_file() for name in (METRICS, MODEL, ENCODER))

    def _finished(self, name: str) -> Path:
        """Return the path of a finished run's file; raises FormatError if the run is not finished."""
        for path in (self.path / METRICS, self.path / name):
            if not path.is_file():
                raise FormatError(f"{path}: missing; the run is not finished, resume it with `tfdeepviz train`")
        return self.path / name

    @property
    def digest(self) -> str:
        """SHA-256 of the files of a finished run that others use."""
        return digest_of_files(*(self._finished(name) for name in (ENCODER, MODEL, METRICS)))

    @property
    def record(self) -> Artifact:
        """Record of a finished run; raises FormatError if the run is not finished, or its record is broken."""
        path = self._finished(ENCODER).with_name(ARTIFACT)
        if path.is_file():
            return Artifact.read(path)
        return legacy.run_record(self.path.resolve().name, self.config, self.metrics(), self.path)

    def finish_record(self) -> None:
        """Complete the record of a finished run."""
        history, best = self.history(), self.best_epoch()
        facts: dict[str, Any] = {
            **{"title": self.preset.title, "model": self.preset.kind},
            "trainable_parameters": self.config["parameters"]["trainable"],
            **{"epochs": len(history), "best_epoch": best, "val_loss": history[best - 1]["val_loss"]},
        }
        artifacts.finish(self.path, self.digest, **facts, **artifacts.figures(self.metrics()))

    @property
    def classifies(self) -> bool:
        """Whether the finished model predicts genres; distilled classifiers only have an encoding."""
        return self.preset.kind == "classifier" and not self.config.get("teacher")

    def load_model(self) -> keras.Model:
        """Load the finished model; for a distilled run, the student."""
        return load_model(self._finished(MODEL))

    def load_encoder(self, layer: str | None = None) -> keras.Model:
        """Load the finished encoder, from unscaled segments to encodings.

        The encoding of a classifier may be that of another `layer` than the preset's `encoder_layer`. Raises InputError
        if that layer does not exist, or the run has only one encoding.
        """
        encoder = load_model(self._finished(ENCODER))
        if layer in (None, self.preset.encoder_layer):
            return encoder
        if not self.classifies:
            raise InputError(f"layer={layer!r}: {self.preset.name} has only one encoding; omit the layer")
        model = self.load_model()
        if not self.config.get("lessons"):
            return model.encoder(encoder.get_layer("scaler"), layer)
        # A taught one's encoder holds all of the network.
        encoding = keras.ops.cast(encoder.get_layer(model.layer_name(layer)).output, "float32")
        return keras.Model(encoder.input, {**encoder.output, "encoding": encoding}, name="encoder")

    def windows(self, encoder: keras.Model, hop_seconds: float | None = None) -> Windows:
        """Return the windows that an encoder of `load_encoder` takes.

        The hop is rounded to whole frames. By default, segments are adjacent, and windows of another length use the
        preset's step.
        """
        frames = int(encoder.input_shape[2])
        if hop_seconds is None:
            is_segment = frames == self.params.segment_frames
            hop_seconds = self.params.segment_seconds if is_segment else self.preset.step_seconds
        causal = bool(self.preset.model.get("causal", False))
        return Windows(self.params, frames, self.params.hop_frames(hop_seconds), causal)

    def metrics(self) -> dict[str, dict[str, Any]]:
        """Return the metrics of each split, as computed by `Task.evaluate`."""
        return read_record(self._finished(METRICS), dict[str, dict[str, Any]])

    def history(self) -> History:
        """Return the columns of `history.csv` by epoch; raises FormatError if the file is broken."""
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

    def write_history(self, history: History) -> None:
        """Replace `history.csv`; without rows, delete it."""
        path = self.path / "history.csv"
        if not history:
            path.unlink(missing_ok=True)
            return
        with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, history[0])
            writer.writeheader()
            writer.writerows(history)

    def best_epoch(self) -> int:
        """Return the epoch with the lowest validation loss, whose weights are the run's result; 0 before the first."""
        # Version 0.1 continued after a validation loss that was not a number.
        losses = [row["val_loss"] if math.isfinite(row["val_loss"]) else math.inf for row in self.history()]
        return losses.index(min(losses)) + 1 if losses else 0

    def is_trained(self, preset: Preset) -> bool:
        """Whether all epochs of a preset are done, or its patience has run out."""
        n_epochs, patience = len(self.history()), preset.patience
        return n_epochs >= preset.epochs or (patience is not None and n_epochs - self.best_epoch() >= patience)

    def checkpoint(self, epoch: int) -> Path:
        """Return the path of an epoch's checkpoint, which may no longer exist."""
        return self.path / "checkpoints" / f"epoch-{epoch:04d}.keras"

    def checkpoints(self) -> list[Path]:
        """Return the checkpoints, oldest first: the two newest and the best epoch's."""
        return sorted((self.path / "checkpoints").glob("epoch-[0-9][0-9][0-9][0-9].keras"))

    def check_features(self, dataset: PreparedDataset) -> None:
        """Raise FormatError unless a dataset has the features that the run was trained on."""
        if (self.config["audio"], self.config["mode"]) != (dataset.params.to_dict(), dataset.features.mode):
            raise FormatError(
                f"{dataset.path}: has features that {self.path} was not trained on; prepare a dataset with its "
                "--params and --mode"
            )

    def find_outputs(self) -> TeacherOutputs:
        """Find the outputs that this run learnt from; raises FormatError if they are not where the run recorded it."""
        known = self.config["lessons"]
        place = Path(os.path.normpath(self.path.resolve() / known["path"]))
        if not place.is_dir():
            raise FormatError(
                f"{self.path}: the outputs of its teacher {known['teacher']} are not found at {place}; put them there, "
                "or make them again with `tfdeepviz teacher listen`"
            )
        outputs = TeacherOutputs.load(place)
        if outputs.teacher_sha256 != known["sha256"]:
            raise FormatError(f"{place}: outputs of another teacher than {self.path} learnt from")
        return outputs

    def find_teacher(self) -> Run:
        """Find the finished run that this one was distilled from, at its recorded relative path or next to this run.

        Raises FormatError if neither place holds that run, which is identified by the SHA-256 of its model.
        """
        known, here = self.config["teacher"], self.path.resolve()
        # Version 0.1 recorded absolute paths.
        recorded = Path(os.path.normpath(here / known["path"]))
        seen = []
        for place in dict.fromkeys((recorded, here.parent / recorded.name)):
            teacher = Run.load(place) if (place / "config.json").is_file() else None
            if teacher is None:
                seen.append(f"{place} (no run)")
            elif not teacher.is_finished:
                seen.append(f"{place} (not finished)")
            elif sha256_file(place / MODEL) != known["sha256"]:
                seen.append(f"{place} (another model)")
            else:
                return teacher
        raise FormatError(
            f"{self.path}: its teacher {known['preset']['name']} is not found, whose model.keras has the SHA-256 "
            f"{known['sha256'][:16]}...; looked at {', '.join(seen)}; put the teacher's run into one of these places"
        )


def outputs_of(encoder: keras.Model) -> dict[str, Any]:
    """Return an encoder's outputs by name: `encoding`, and what else it gives, such as `tags` and `genres`."""
    return encoder.output if isinstance(encoder.output, dict) else {"encoding": encoder.output}


def planned_run(
    preset: Preset,
    dataset: PreparedDataset,
    out: Path,
    seed: int = 0,
    deterministic: bool = False,
    weights: Path | None = None,
    teacher: Run | TeacherOutputs | None = None,
    n_components: int = N_COMPONENTS,
    learn: str = "both",
) -> Artifact:
    """Return the record of the run that `train` makes of these arguments; InputError if they do not fit each other."""
    check_trainable(dataset)
    if weights is not None and preset.kind != "classifier":
        raise InputError(f"{preset.name}: only classifiers start from ImageNet weights; omit --weights")
    settings: dict[str, Any] = {
        "preset": {name: value for name, value in preset.to_dict().items() if name not in _NOT_LEARNT},
        "seed": seed,
        "deterministic": deterministic,
        "weights": weights and {"file": weights.name, "sha256": sha256_file(weights)},
    }
    inputs = [Input.of(dataset, seen_from=out)]
    if isinstance(teacher, TeacherOutputs):
        check_choice("learn", learn, LEARNT)
        check_pupil(preset, learn)
        settings["lessons"] = {"teacher": "musicnn", "sha256": teacher.teacher_sha256, "learn": learn}
        settings["lessons"]["hop_seconds"] = teacher.hop_seconds
        inputs.append(Input.of(teacher, seen_from=out, role="teacher"))
    elif preset.kind == "tagger":
        raise InputError(
            f"{preset.name}: taggers learn of a published network; use `tfdeepviz distill musicnn` with its --outputs"
        )
    elif teacher is not None:
        check_teacher(teacher, preset, dataset)
        settings["n_components"] = n_components
        inputs.append(Input.of(teacher, seen_from=out, role="teacher"))
    return Artifact.planned("run", out.resolve().name, settings, inputs)


def check_trainable(dataset: PreparedDataset) -> None:
    """Raise InputError if no model can be trained on a dataset."""
    if dataset.features.mode == "raw":
        raise InputError(f"{dataset.path}: models take mfcc or log-mel, not raw audio; prepare with --mode")
    dataset.require_training()


def check_pupil(preset: Preset, learn: str) -> None:
    """Raise InputError if a preset cannot learn this of a published network."""
    if preset.kind not in ("tagger", "classifier"):
        raise InputError(f"{preset.name}: of musicnn only taggers and classifiers learn; choose one of these")
    if preset.kind == "classifier" and "tags" not in LEARNT[learn]:
        raise InputError(f"learn={learn}: {preset.name} tells genres by tags, too; learn tags or both")


def check_teacher(teacher: Run, preset: Preset, dataset: PreparedDataset) -> None:
    """Raise InputError if a run cannot be the teacher of a preset."""
    teacher.check_features(dataset)
    theirs = teacher.preset
    if known := teacher.config.get("teacher"):
        raise InputError(f"{teacher.path}: was distilled itself; distill from its teacher {known['preset']['name']}")
    if theirs.kind == "contrastive" or theirs.scaler == "coefficients":
        raise InputError(f"{teacher.path}: {theirs.name} is small already; train it directly")
    if preset.scaler == "coefficients":
        raise InputError(f"{preset.name}: does not encode whole segments; train it directly")
    if preset.kind != theirs.kind:
        raise InputError(
            f"{preset.name} is of kind {preset.kind}, its teacher {theirs.name} of kind {theirs.kind}; give a student "
            "of the teacher's kind"
        )


def planned_evaluation(run: Run, dataset: PreparedDataset, split: str, out: Path) -> Artifact:
    """Return the record of what `evaluate` writes."""
    inputs = [Input.of(run, seen_from=out), Input.of(dataset, seen_from=out)]
    return Artifact.planned("evaluation", f"{run.path.resolve().name}, {split} split", {"split": split}, inputs)


def load_model(path: Path) -> keras.Model:
    """Load a model without its optimizer; raises FormatError if the file is broken."""
    import tfdeepviz.models.build  # noqa: F401 (registers the layers)

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise FormatError(
            f"{path}: not a model that Keras can read ({shorten(str(error), 100, placeholder='...')}); train it again"
        ) from error
