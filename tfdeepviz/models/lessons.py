"""Lessons: models learn by ear what a published network says of music, its tags and its embeddings.

The network's outputs (`tfdeepviz.teachers`) were computed once per track. What is learnt is standardised: the log-odds
of the tags and the components of the embedding, which otherwise differ in their spread (Hinton et al. 2015 on soft
labels, Romero et al. 2015 on inner layers).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.data.windowed import WindowedDataset
from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError, atomic_path, read_npz
from tfdeepviz.models.descriptors import GENRES
from tfdeepviz.models.genre_head import Clip, fit_genre_head
from tfdeepviz.models.presets import Preset
from tfdeepviz.models.scores import history_columns, score_classifier, score_encoding, score_student
from tfdeepviz.models.tagger import GenreLayer
from tfdeepviz.models.tasks import ClassifierTask, Task
from tfdeepviz.teachers.musicnn import EMBEDDING_SIZE, PARAMS, TAGS
from tfdeepviz.teachers.outputs import TeacherOutputs

#: File of a run that holds the mean and spread of what it learns.
STANDARD = "standard.npz"

#: Time between windows: about what a teacher leaves between its own.
_HOP_SECONDS = 1.0
#: Tags less or more probable than this differ by rounding only.
_LEAST_PROBABILITY = 1e-3
#: Share of the training windows that only repeat their end, and how much of it: a live ear that has heard one second
#: repeats it until the window is full.
_REPEATED_SHARE, _REPEATED_SECONDS = 0.2, (1.0, 2.5)

#: Weight of the genres' cross-entropy beside a classifier's lessons. With 1, the few labelled artists are learnt by
#: heart: tags correlated less with the teacher's, and genres of other artists were told no better.
_GENRES_WEIGHT = 0.25

_SIZES = {"tags": len(TAGS), "embeddings": EMBEDDING_SIZE}

_Array = npt.NDArray[np.float32]
_Answers = dict[str, _Array]


def log_odds(probabilities: npt.NDArray[np.floating[Any]], least: float = _LEAST_PROBABILITY) -> _Array:
    """Return log(p / (1 - p)) of probabilities, which are first limited to `least` to 1 - `least`."""
    p = np.clip(probabilities.astype(np.float32), least, 1 - least)
    return np.asarray(np.log(p / (1 - p)), np.float32)


@dataclass(frozen=True)
class Standard:
    """Mean and standard deviation of what is learnt over the training split, by name [each shape=(size,)]."""

    mean: _Answers
    scale: _Answers

    @classmethod
    def fit(cls, answers: Mapping[str, npt.NDArray[np.floating[Any]]]) -> Self:
        """Fit to answers by name [each shape=(n, size)]; what never varies gets a scale of 1, and is 0 afterwards."""
        mean = {name: values.mean(axis=0, dtype=np.float64) for name, values in answers.items()}
        std = {name: values.std(axis=0, dtype=np.float64) for name, values in answers.items()}
        scale = {name: np.where(values > 1e-6, values, 1.0) for name, values in std.items()}
        return cls(*({name: values.astype(np.float32) for name, values in one.items()} for one in (mean, scale)))

    @property
    def sizes(self) -> dict[str, int]:
        """Numbers of components by name."""
        return {name: len(values) for name, values in self.mean.items()}

    def save(self, path: Path) -> None:
        """Write to a `.npz` file."""
        arrays: dict[str, Any] = {f"{name}_mean": values for name, values in self.mean.items()}
        arrays |= {f"{name}_scale": values for name, values in self.scale.items()}
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: Path, names: tuple[str, ...]) -> Self:
        """Read a file written by `save`; raises FormatError if `save` cannot have written it."""
        arrays = read_npz(path)
        expected = {f"{name}_{part}" for name in names for part in ("mean", "scale")}
        is_known = set(arrays) == expected and all(
            array.dtype == np.float32 and array.ndim == 1 and np.isfinite(array).all() for array in arrays.values()
        )
        if not is_known or any(arrays[f"{n}_mean"].shape != arrays[f"{n}_scale"].shape for n in names):
            raise FormatError(f"{path}: not what a run learns of its teacher; delete the run and distill again")
        return cls(*({name: arrays[f"{name}_{part}"] for name in names} for part in ("mean", "scale")))


class Lessons:
    """A teacher's answers to the tracks of a dataset, in memory: 1 kB for each second of music."""

    def __init__(self, outputs: TeacherOutputs, dataset: PreparedDataset, names: tuple[str, ...]) -> None:
        self.names = names
        self._tracks: dict[int, tuple[npt.NDArray[np.floating[Any]], dict[str, npt.NDArray[np.float16]]]] = {}
        unheard = []
        for split in SPLITS:
            for track in dataset.used(split):
                answers = outputs.answers_to(track)
                if answers is not None:
                    values = {"tags": log_odds(answers.tags), "embeddings": answers.embeddings}
                    kept = {name: values[name].astype(np.float16) for name in names}
                    self._tracks[track["track_id"]] = (answers.times, kept)
                elif track["seconds"] >= PARAMS.segment_seconds:
                    unheard.append(str(track["track_id"]))
        if unheard:
            some = f"{', '.join(unheard[:5])}{' ...' if len(unheard) > 5 else ''}"
            raise InputError(
                f"{outputs.path}: says nothing about {len(unheard)} tracks of {dataset.path} ({some}); run `tfdeepviz "
                f"teacher listen musicnn --dataset {dataset.path} --out {outputs.path}`"
            )

    def standard(self, dataset: PreparedDataset) -> Standard:
        """Fit to all answers to the training split; raises InputError if there are none."""
        ids = [track["track_id"] for track in dataset.used("training")]
        parts = [self._tracks[track_id][1] for track_id in ids if track_id in self._tracks]
        if not parts:
            raise InputError(f"{dataset.path}: no training track is as long as a teacher's patch; prepare longer ones")
        return Standard.fit({name: np.concatenate([part[name] for part in parts]) for name in self.names})

    def answers(
        self, track_ids: npt.NDArray[np.int64], centres: npt.NDArray[np.floating[Any]]
    ) -> tuple[dict[str, _Array], npt.NDArray[np.bool_]]:
        """Return answers by name [each shape=(n, size)] at times in tracks, and whether there are any [shape=(n,)].

        Between the middles of two patches they are interpolated linearly; beyond the first and the last, they stay.
        """
        heard = np.array([int(track_id) in self._tracks for track_id in track_ids])
        found: dict[str, list[_Array]] = {name: [] for name in self.names}
        for track_id, centre in zip(track_ids.tolist(), centres.tolist(), strict=True):
            if track_id in self._tracks:
                times, values = self._tracks[track_id]
                place = float(np.interp(centre - PARAMS.segment_seconds / 2, times, np.arange(len(times))))
                left, right = int(place), min(int(place) + 1, len(times) - 1)
                for name, rows in values.items():
                    between = rows[left].astype(np.float32) * (left + 1 - place) + rows[right] * (place - left)
                    found[name].append(between.astype(np.float32))
        answers = {name: np.zeros((len(heard), _SIZES[name]), np.float32) for name in self.names}
        for name, between_patches in found.items():
            answers[name][heard] = np.reshape(between_patches, (-1, _SIZES[name]))
        return answers, heard


class LessonTask(Task):
    """A model learns to answer as its teacher does; what has no answer, of very short tracks, does not count.

    If it learns tags, a layer for genres is fitted to the labelled tracks in the end.
    """

    #: Whether the model itself learns the genres of the training split.
    learns_genres = False
    _predictor: tuple[keras.Model, keras.Model] | None = None

    def __init__(
        self,
        preset: Preset,
        dataset: PreparedDataset,
        scaler: SegmentScaler,
        lessons: Lessons,
        standard: Standard,
        genre_layer: GenreLayer | None = None,
    ) -> None:
        if n_frames := preset.model.get("window_frames"):
            dataset = WindowedDataset.of(dataset, int(n_frames), dataset.params.hop_frames(_HOP_SECONDS))
        super().__init__(preset, dataset, scaler)
        self._sizes["heads"] = standard.sizes
        self._lessons, self.standard, self.genre_layer = lessons, standard, genre_layer

    def losses(self) -> dict[str, Any]:
        """Return the mean squared error of each head."""
        return {"loss": dict.fromkeys(self.standard.sizes, "mse")}

    def batches(self, seed: int) -> Iterator[tuple[Any, _Answers, Any]]:
        """Yield what the model is given, the teacher's standardised answers, and weights of 0 where there are none."""
        for segments, about in self._epoch(seed, about=True).as_numpy_iterator():
            answers, heard = self._taught(about)
            yield self.scaled(segments), answers, heard.astype(np.float32)

    def measure(self, model: keras.Model) -> dict[str, float]:
        """Measure the distance to the teacher, the correlations with it, and the spread of the encoding.

        The distance chooses the epoch. Genres could not: few tracks of a split are labelled, and by few artists.
        """
        scores = self.evaluate(model, self.watched)
        correlations = {f"val_{name}": value for name, value in scores.items() if name.endswith("_correlation")}
        return {"val_loss": scores["lesson_loss"], **history_columns(scores), **correlations}

    def evaluate(self, model: keras.Model, split: str) -> dict[str, Any]:
        """Score how closely the answers follow the teacher's, and the genres of labelled tracks.

        Raises InputError if the teacher has answered nothing of the split.
        """
        mine, about = self._describe(model, split)
        theirs, heard = self._taught(about)
        if not heard.any():
            raise InputError(f"{self.dataset.path}: no track of the {split} split is as long as a teacher's patch")
        pairs = {name: (theirs[name][heard], mine[name][heard]) for name in self.standard.sizes}
        named = {name.removesuffix("s"): pair for name, pair in pairs.items()}
        scores = score_student(named, about["track_id"][heard], self.artists)
        genres = self._score_genres(mine, about)
        intervals = {**scores.pop("intervals"), **genres.pop("intervals", {})}
        loss = float(np.mean([np.square(theirs - mine).mean() for theirs, mine in pairs.values()]))
        return {**genres, **scores, "lesson_loss": loss, "intervals": intervals, **score_encoding(mine["encoding"])}

    def finish(self, model: keras.Model) -> None:
        """Fit the layer for genres to the tracks of the training and the validation split."""
        if "tags" not in self.standard.sizes:
            return
        clips = []
        for split in ("training", "validation"):
            if self.n_segments(split):
                mine, about = self._describe(model, split)
                log_odds, ids = self._log_odds(mine["tags"]), about["track_id"]
                is_learnt = self.learns_genres and split == "training"
                for track in self.dataset.used(split):
                    own = ids == track["track_id"]
                    described = mine["features"][own], log_odds[own]
                    clips.append(Clip(*described, track["genre"], track["artist"], is_learnt))
        self.genre_layer = GenreLayer.of(fit_genre_head(clips))

    def encoder(self, model: keras.Model) -> keras.Model:
        """Build the encoder, which also gives the probabilities of `tags`, if they are learnt, and of `genres`."""
        inputs = keras.Input((*self._sizes["input_size"], 1), name="segments")
        described = model.describe(self.scaler(inputs))
        outputs = {"encoding": described["encoding"]}
        if "tags" in self.standard.sizes:
            scale, mean = (part["tags"].tolist() for part in (self.standard.scale, self.standard.mean))
            x = keras.layers.Rescaling(scale, mean, dtype="float32", name="log_odds")(described["tags"])
            outputs["tags"] = ops.sigmoid(x)
            if self.genre_layer is not None:
                outputs["genres"] = self.genre_layer(ops.concatenate([described["features"], x], axis=1))
        return keras.Model(inputs, outputs, name="encoder")

    def _taught(self, about: Mapping[str, npt.NDArray[np.int64]]) -> tuple[_Answers, npt.NDArray[np.bool_]]:
        """Return the teacher's standardised answers to segments, and whether there are any."""
        params = self.dataset.params
        centres = (about["start"] + (params.segment_frames - 1) / 2) * params.frame_seconds
        answers, heard = self._lessons.answers(about["track_id"], centres)
        standard = self.standard
        return {n: (values - standard.mean[n]) / standard.scale[n] for n, values in answers.items()}, heard

    def _describe(self, model: keras.Model, split: str) -> tuple[_Answers, dict[str, npt.NDArray[np.int64]]]:
        """Return what the model says of a split's segments (`describe`), and what they are of."""
        # Cached, because a new model would have to be compiled again.
        if self._predictor is None or self._predictor[0] is not model:
            inputs = keras.Input((*self._sizes["input_size"], 1))
            self._predictor = (model, keras.Model(inputs, model.describe(inputs)))
        parts = [
            (self._predictor[1].predict_on_batch(self.scaled(segments)), about)
            for segments, about in self.measured_batches(split, about=True)
        ]
        return _joined([part[0] for part in parts]), _joined([part[1] for part in parts])

    def _log_odds(self, tags: _Array) -> _Array:
        """Return the log-odds of standardised tags."""
        return np.asarray(tags * self.standard.scale["tags"] + self.standard.mean["tags"])

    def _score_genres(self, mine: _Answers, about: Mapping[str, npt.NDArray[np.int64]]) -> dict[str, Any]:
        """Score the genres of labelled tracks, if there are any."""
        known = [GENRES.index(genre) if genre in GENRES else -1 for genre in self.dataset.recipe.genres]
        labels = np.array([*known, -1])[about["label"]]  # -1 means unlabelled
        if self.genre_layer is None or not (usable := labels >= 0).any():
            return {}
        inputs = np.hstack([mine["features"], self._log_odds(mine["tags"])])[usable]
        probabilities = ops.convert_to_numpy(self.genre_layer(inputs))
        scores = score_classifier(probabilities, labels[usable], about["track_id"][usable], GENRES, self.artists)
        return {**scores, "n_labelled_tracks": scores["n_tracks"]}


class TaggerTask(LessonTask):
    """A tagger learns from windows, some of which only repeat their end."""

    def batches(self, seed: int) -> Iterator[tuple[Any, _Answers, Any]]:
        """Yield scaled windows, the teacher's standardised answers to them, and weights of 0 where there are none."""
        rng = np.random.default_rng(seed)
        for windows, answers, heard in super().batches(seed):
            yield self._repeated(windows, rng), answers, heard

    def _repeated(self, windows: _Array, rng: np.random.Generator) -> _Array:
        """Let some windows [shape=(n, n_coefficients, frames, 1)] repeat their end."""
        params = self.dataset.params
        frames = params.segment_frames
        low, high = (min(frames, params.hop_frames(seconds)) for seconds in _REPEATED_SECONDS)
        chosen = np.flatnonzero(rng.random(len(windows)) < _REPEATED_SHARE)
        for i, n in zip(chosen, rng.integers(low, high + 1, len(chosen)), strict=True):
            windows[i] = windows[i][:, frames - n + np.arange(frames) % n]
        return windows


class TaughtClassifierTask(LessonTask, ClassifierTask):
    """A classifier learns genres from labelled tracks, and from all tracks what a teacher says.

    Labelled segments weigh more, the fewer they are, so that genres count over an epoch as if all were labelled. The
    logits only serve training: the labelled tracks are too few to trust them with the genres.
    """

    labelled_only = False
    learns_genres = True

    def losses(self) -> dict[str, Any]:
        """Return the cross-entropy of the genres, and the mean squared error of the lessons."""
        genres, names = ClassifierTask.losses(self), self.standard.sizes
        return {
            "loss": {"logits": genres["loss"], **dict.fromkeys(names, "mse")},
            "loss_weights": {"logits": _GENRES_WEIGHT, **dict.fromkeys(names, 1 / len(names))},
        }

    def batches(self, seed: int) -> Iterator[tuple[Any, _Answers, Any]]:
        """Yield scaled segments, genres and standardised answers, and weights, which are 0 for what is unknown."""
        n_genres = len(self.genres)
        # The last row is that of the label -1, no genre.
        genres = np.eye(n_genres + 1, n_genres, dtype=np.float32)
        share = self.dataset.n_segments("training", labelled_only=True) / self.dataset.n_segments("training")
        weights = np.append(self.genre_weights() / share, 0).astype(np.float32)
        for segments, about in self._epoch(seed, about=True).as_numpy_iterator():
            answers, heard = self._taught(about)
            known = dict.fromkeys(answers, heard.astype(np.float32))
            labels = about["label"]
            yield self.scaled(segments), {"logits": genres[labels], **answers}, {"logits": weights[labels], **known}


def _joined(parts: Sequence[Mapping[str, npt.NDArray[Any]]]) -> dict[str, npt.NDArray[Any]]:
    """Concatenate arrays by name."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
