"""Distillation: a small encoder learns to imitate a large one (Hinton et al. 2015; Romero et al. 2015).

The student learns the teacher's encoding (its first principal components for wide classifier layers) and, if the
teacher is a classifier, also its softened probabilities. It needs no labels, so every track of a corpus can be used. An
autoencoder's student has no decoder: it is evaluated by the reconstructions of the teacher's decoder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from sklearn.decomposition import PCA

from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError, atomic_path, read_npz
from tfdeepviz.models.build import build_model
from tfdeepviz.models.lessons import STANDARD, Lessons, LessonTask, Standard, TaggerTask, TaughtClassifierTask
from tfdeepviz.models.network import Bypass
from tfdeepviz.models.presets import Preset
from tfdeepviz.models.reconstruction import Codec
from tfdeepviz.models.run import LEARNT, Run, check_teacher, outputs_of
from tfdeepviz.models.scores import history_columns, score_encoding
from tfdeepviz.models.tagger import GenreLayer
from tfdeepviz.models.tasks import TASKS, AutoencoderTask, ClassifierTask, Examples, Task
from tfdeepviz.teachers.outputs import TeacherOutputs

#: Softens the teacher's probabilities, so that the student learns which genres the teacher finds similar.
TEMPERATURE = 2.0
#: Weight of the soft labels relative to the encoding, whose components have unit variance.
SOFT_LABEL_WEIGHT = 0.5

#: File of a distilled run that holds what it learns of its teacher.
TARGETS = "targets.npz"

_Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Targets:
    """Map from a teacher's encoding to the student's targets: components of unit variance."""

    mean: _Array  # (teacher's size,)
    #: Principal directions (n_components, teacher's size); the identity if the encoding is small enough to be learnt
    #: directly.
    components: _Array
    #: Mean and standard deviation of the components over the training split, (n_components,).
    offset: _Array
    scale: _Array

    @classmethod
    def fit(cls, encodings: _Array, n_components: int) -> Targets:
        """Fit to a teacher's encodings [shape=(n, size)] of the training split."""
        size = encodings.shape[1]
        if size <= n_components:
            mean, components = np.zeros(size, np.float32), np.eye(size, dtype=np.float32)
        else:
            pca = PCA(min(n_components, len(encodings)), svd_solver="randomized", random_state=0).fit(encodings)
            mean, components = pca.mean_.astype(np.float32), pca.components_.astype(np.float32)
        projected = (encodings - mean) @ components.T
        scale = projected.std(axis=0)
        if (scale < 1e-6).any():
            raise InputError(
                f"components {np.flatnonzero(scale < 1e-6).tolist()} of the teacher's encoding are dead; there is "
                "nothing to learn from it"
            )
        return cls(mean, components, projected.mean(axis=0), scale)

    def __call__(self, encodings: _Array) -> _Array:
        """Return the standardised components [shape=(n, n_components)] of a teacher's encodings."""
        return ((encodings - self.mean) @ self.components.T - self.offset) / self.scale

    def save(self, path: Path) -> None:
        """Write to a `.npz` file."""
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **vars(self))

    @classmethod
    def load(cls, path: Path) -> Targets:
        """Read a file written by `save`; raises FormatError if `save` cannot have written it."""
        arrays = read_npz(path)
        is_known = set(arrays) == {field.name for field in fields(cls)}
        if is_known and all(a.dtype == np.float32 and np.isfinite(a).all() for a in arrays.values()):
            targets = cls(**arrays)
            n, size = targets.components.shape if targets.components.ndim == 2 else (0, 0)
            if n and [a.shape for a in (targets.mean, targets.offset, targets.scale)] == [(size,), (n,), (n,)]:
                return targets
        raise FormatError(f"{path}: not the targets of a distillation; delete the run and distill again")


class DistillationTask(Task):
    """Imitate the model of a finished run; the teacher's scaling applies."""

    def __init__(self, preset: Preset, dataset: PreparedDataset, teacher: Run, targets: Targets) -> None:
        check_teacher(teacher, preset, dataset)
        self.teacher, self._teacher_model, self._teach = _teacher(teacher, dataset)
        self.targets = targets
        super().__init__(preset, dataset, self.teacher.scaler, self.teacher.genres)

    def build(self) -> keras.Model:
        """Build the student: scaled segments to standardised components and, for classifiers, softened logits."""
        n_components = len(self.targets.scale)
        inputs = keras.Input((*self._sizes["input_size"], 1), name="scaled")
        if isinstance(self.teacher, AutoencoderTask):
            preset = replace(self.preset, model={**self.preset.model, "encoding_size": n_components})
            code = build_model(preset, **self._sizes).project(inputs)[0]
            return keras.Model(inputs, {"code": code}, name="student")
        student = build_model(self.preset, **self._sizes)
        encoding, logits = student.encode_and_classify(inputs, str(self.preset.encoder_layer))
        code = keras.layers.Dense(n_components, dtype="float32", name="code")(encoding)
        return keras.Model(inputs, {"code": code, "logits": logits / TEMPERATURE}, name="student")

    def losses(self) -> dict[str, Any]:
        """Return the MSE of the components and, for classifiers, the cross-entropy with the softened probabilities."""
        losses: dict[str, Any] = {"code": "mse"}
        weights = {"code": 1.0}
        if isinstance(self.teacher, ClassifierTask):
            losses["logits"] = keras.losses.CategoricalCrossentropy(from_logits=True)
            # Squared because softening divides the gradient by the squared temperature.
            weights["logits"] = SOFT_LABEL_WEIGHT * TEMPERATURE**2
        return {"loss": losses, "loss_weights": weights}

    def batches(self, seed: int) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Yield scaled segments and the teacher's answers to them."""
        for segments in self._epoch(seed).map(self.scaled).as_numpy_iterator():
            answers = self._teach.predict_on_batch(segments)
            yield segments, {**answers, "code": self.targets(answers["code"])}

    def measure(self, model: keras.Model) -> dict[str, float]:
        """Measure the distance to the teacher and the lowest correlation of a component with it."""
        theirs, mine = self._both(model, self.watched)
        encodings = self._in_teachers_units(mine)
        return {
            "val_loss": float(np.square(theirs - mine).mean()),
            **history_columns(score_encoding(encodings)),
            "min_correlation": min(_correlations(self._in_teachers_units(theirs), encodings)),
        }

    def evaluate(self, model: keras.Model, split: str) -> dict[str, Any]:
        """Compare the student with the teacher, and compute the teacher's metrics for the student."""
        theirs, mine = self._both(model, split)
        encodings = self._in_teachers_units(mine)
        metrics: dict[str, Any] = {
            **{"n_tracks": self.dataset.n_tracks(split), "n_segments": len(encodings)},
            "correlation": _correlations(self._in_teachers_units(theirs), encodings),
        }
        if isinstance(self.teacher, AutoencoderTask):
            metrics |= self.teacher.evaluate(self._codec(model), split)
        elif split in self.teacher.splits():

            def predict(segments: Any) -> tuple[Any, Any]:
                answer = model.predict_on_batch(segments)
                return answer["code"], answer["logits"] * TEMPERATURE

            metrics |= self.teacher.score(predict, split)
        return {**metrics, **score_encoding(encodings)}

    def examples(self, model: keras.Model, split: str) -> Examples | None:
        """Reconstruct some segments with the teacher's decoder."""
        is_autoencoder = isinstance(self.teacher, AutoencoderTask)
        return self.teacher.examples(self._codec(model), split) if is_autoencoder else None

    def encoder(self, model: keras.Model) -> keras.Model:
        """Build the student's encoder, in the teacher's units."""
        inputs = keras.Input((*self._sizes["input_size"], 1), name="segments")
        code = keras.Model(model.input, model.output["code"])(self.scaler(inputs))
        scale, offset = self.targets.scale.tolist(), self.targets.offset.tolist()
        x = keras.layers.Rescaling(scale, offset, dtype="float32", name="teachers_units")(code)
        is_sigmoid = isinstance(self.teacher, AutoencoderTask)
        return keras.Model(inputs, ops.sigmoid(x) if is_sigmoid else x, name="encoder")

    def _both(self, model: keras.Model, split: str) -> tuple[_Array, _Array]:
        """Return the standardised components of teacher and student [each shape=(n, n_components)]."""
        theirs, mine = [], []
        for segments in self.segments(split):
            theirs.append(self.targets(self._teach.predict_on_batch(segments)["code"]))
            mine.append(model.predict_on_batch(segments)["code"])
        return np.concatenate(theirs), np.concatenate(mine)

    def _in_teachers_units(self, code: _Array) -> _Array:
        values = code * self.targets.scale + self.targets.offset
        return 1 / (1 + np.exp(-values)) if isinstance(self.teacher, AutoencoderTask) else values

    def _codec(self, model: keras.Model) -> Codec:
        """Return the student as an encoder for the teacher's decoder."""

        def encode(segments: Any) -> tuple[Any, Bypass]:
            code = model.predict_on_batch(segments)["code"]
            return self._in_teachers_units(code), self._teacher_model.encode(segments)[1]

        return Codec(encode, self._teacher_model.decode, len(self.targets.scale))


def task_of(run: Run, dataset: PreparedDataset) -> Task:
    """Create the task of a finished run on a dataset: its own, or another one with the same features.

    Raises FormatError if the run is not finished, the dataset has other features, or a distilled run's teacher is
    missing, and InputError if a published teacher has not heard the dataset.
    """
    run.check_features(dataset)
    if run.config.get("lessons"):
        encoder = run.load_encoder()
        genre_layer = encoder.get_layer("genres") if "genres" in outputs_of(encoder) else None
        return lesson_task(run, dataset, encoder.get_layer("scaler"), run.find_outputs(), genre_layer)
    if run.config.get("teacher"):
        return DistillationTask(run.preset, dataset, run.find_teacher(), Targets.load(run.path / TARGETS))
    return TASKS[run.preset.kind](run.preset, dataset, run.load_encoder().get_layer("scaler"), run.config["genres"])


def lesson_task(
    run: Run,
    dataset: PreparedDataset,
    scaler: SegmentScaler,
    outputs: TeacherOutputs,
    genre_layer: GenreLayer | None = None,
) -> LessonTask:
    """Create the task of a run that learns of a published network; a new run first writes what it is to learn."""
    names = LEARNT[run.config["lessons"]["learn"]]
    lessons, file = Lessons(outputs, dataset, names), run.path / STANDARD
    if not file.is_file():
        lessons.standard(dataset).save(file)
    standard = Standard.load(file, names)
    task = TaughtClassifierTask if run.preset.kind == "classifier" else TaggerTask
    return task(run.preset, dataset, scaler, lessons, standard, genre_layer)


def _teacher(run: Run, dataset: PreparedDataset) -> tuple[AutoencoderTask | ClassifierTask, keras.Model, keras.Model]:
    """Return the task of a run that `check_teacher` accepts, its model, and what that teaches.

    Taught are the `code` of scaled segments, which is the encoding before its sigmoid, and a classifier's softened
    `logits`.
    """
    task = task_of(run, dataset)
    assert isinstance(task, AutoencoderTask | ClassifierTask)
    model = run.load_model()
    inputs = keras.Input((*model.input_size, 1), name="scaled")
    if isinstance(task, AutoencoderTask):
        return task, model, keras.Model(inputs, {"code": model.logits(inputs)[0]})
    encoding, logits = model.encode_and_classify(inputs, str(run.preset.encoder_layer))
    return task, model, keras.Model(inputs, {"code": encoding, "logits": ops.softmax(logits / TEMPERATURE)})


def fit_targets(teacher: Run, dataset: PreparedDataset, n_components: int) -> Targets:
    """Fit targets to the teacher's encodings of the training split, or of a sample if it is large."""
    task, model, teach = _teacher(teacher, dataset)
    if isinstance(task, AutoencoderTask):
        n_components = model.encoding_size  # its decoder needs them all
    encodings = [teach.predict_on_batch(segments)["code"] for segments in task.pca_sample()]
    return Targets.fit(np.concatenate(encodings), n_components)


def _correlations(theirs: _Array, mine: _Array) -> list[float]:
    """Pearson correlation of each component; 0 if the student's is constant."""
    a, b = theirs - theirs.mean(axis=0, dtype=np.float64), mine - mine.mean(axis=0, dtype=np.float64)
    norm = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return [round(float(value), 4) for value in np.divide((a * b).sum(axis=0), norm, where=norm > 0, out=norm * 0)]
