"""Tasks: what each kind of model adds to the training loop, namely batches, losses and metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import ops
from scipy.special import log_softmax

from tfdeepviz.data.augment import Augmentation
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.errors import DivergedError, InputError
from tfdeepviz.files import FormatError
from tfdeepviz.models.build import build_model, make_encoder
from tfdeepviz.models.contrastive import ContrastiveLoss, contrastive_loss
from tfdeepviz.models.network import SegmentEncoder
from tfdeepviz.models.presets import Preset
from tfdeepviz.models.reconstruction import MAX_PCA_SEGMENTS, Baselines, Segments, measure_autoencoder
from tfdeepviz.models.scores import history_columns, score_autoencoder, score_classifier, score_encoding, score_songs

# Segments per batch in evaluation.
_MEASURED_BATCH = 128
# Segments that determine the mean encoding to within 0.03 standard deviations.
_N_CALIBRATION_SEGMENTS = 2_048
_N_EXAMPLES = 6
_LOSS_PASSES = 4

#: Captions, and images [shape=(n, height, width)] named `original`, `reconstruction` and, if any, `pca` and `alone`.
Examples = tuple[list[str], dict[str, npt.NDArray[np.float32]]]
#: Returns the encodings and logits of scaled segments.
Predict = Callable[[Any], tuple[Any, Any]]


class Task(ABC):
    """One preset on one dataset, with the scaling and, for classifiers, the genres of the model."""

    #: Whether segments without a genre are ignored.
    labelled_only = False

    def __init__(
        self, preset: Preset, dataset: PreparedDataset, scaler: SegmentScaler, genres: Sequence[str] | None = None
    ) -> None:
        self.preset, self.dataset, self.scaler = preset, dataset, scaler
        self.scaled = scaler.function()
        self.genres = list(dataset.recipe.genres if genres is None else genres)
        height, width = dataset.features.segment_shape[:2]
        self._sizes: dict[str, Any] = {"input_size": (height, width), "n_genres": len(self.genres)}
        self._augmentation = None if preset.augmentation is None else Augmentation(**preset.augmentation)
        self._measured: dict[tuple[str, bool, bool], tf.data.Dataset] = {}

    def build(self) -> keras.Model:
        """Build the untrained model."""
        return build_model(self.preset, **self._sizes)

    @abstractmethod
    def losses(self) -> dict[str, Any]:
        """Return the arguments of `keras.Model.compile` other than the optimizer."""

    @abstractmethod
    def batches(self, seed: int) -> Iterable[Any]:
        """Return the `n_steps` batches of an epoch: scaled segments, targets and, optionally, sample weights."""

    @abstractmethod
    def measure(self, model: keras.Model) -> dict[str, float]:
        """Measure the watched split after an epoch: `val_loss`, and other columns of the history."""

    @abstractmethod
    def evaluate(self, model: keras.Model, split: str) -> dict[str, Any]:
        """Return the metrics of a split, for JSON."""

    def encoder(self, model: keras.Model) -> keras.Model:
        """Build the encoder from unscaled segments to encodings, with the scaler inside."""
        return make_encoder(self.preset, model, self.scaler)

    def examples(self, model: keras.Model, split: str) -> Examples | None:
        """Reconstruct some segments of a split for display; None if the task does not reconstruct."""
        return None

    def finish(self, model: keras.Model) -> None:  # noqa: B027 (most tasks have nothing to do)
        """Normalise component signs after training; outputs keep their information."""

    def recalibrate_batch_norm(self, model: keras.Model, seed: int) -> None:
        """Recompute the batch-norm statistics of the encoding after each epoch."""
        if isinstance(model, SegmentEncoder):
            model.recalibrate_batch_norm(self.sample(_N_CALIBRATION_SEGMENTS, seed))

    @property
    def n_encodings(self) -> int:
        """Encodings per segment; more than one if the model is time-resolved."""
        width = int(self._sizes["input_size"][1])
        return width // int(self.preset.model.get("stride_frames", width))

    @property
    def n_steps(self) -> int:
        """Steps per epoch."""
        n_segments = self.dataset.n_segments("training", shifted=True, labelled_only=self.labelled_only)
        return max(1, n_segments // self.preset.batch_size)

    @property
    def watched(self) -> str:
        """Split that is measured after each epoch: validation if it has usable segments, else training."""
        return "validation" if self.n_segments("validation") else "training"

    def splits(self) -> list[str]:
        """Return the splits that have usable segments."""
        return [split for split in SPLITS if self.n_segments(split)]

    def n_segments(self, split: str) -> int:
        """Number of usable segments of a split."""
        return self.dataset.n_segments(split, labelled_only=self.labelled_only)

    def segments(self, split: str) -> Iterator[Segments]:
        """Yield the scaled segments of a split, in order, in batches for evaluation."""
        for segments in self.measured_batches(split, labelled_only=self.labelled_only):
            yield self.scaled(segments)

    def measured_batches(self, split: str, *, about: bool = False, labelled_only: bool = False) -> Iterator[Any]:
        """Yield the unscaled segments of a split, in order, in batches for evaluation."""
        # Kept, because every epoch measures a split, and TensorFlow keeps the graphs of a pipeline that is made anew.
        key = (split, about, labelled_only)
        if key not in self._measured:
            self._measured[key] = self.dataset.segments(
                split, batch_size=_MEASURED_BATCH, about=about, labelled_only=labelled_only
            )
        yield from self._measured[key].as_numpy_iterator()

    def sample(self, n_segments: int, seed: int | None) -> Iterator[Segments]:
        """Yield scaled training segments, shuffled unless `seed` is None, in batches until there are enough."""
        batches = self.dataset.segments("training", batch_size=_MEASURED_BATCH, seed=seed)
        yield from batches.take(-(-n_segments // _MEASURED_BATCH)).map(self.scaled).as_numpy_iterator()

    def pca_sample(self) -> Iterator[Segments]:
        """Yield scaled training segments to fit a PCA to: all, or a sample across all tracks if there are many."""
        is_small = self.dataset.n_segments("training") <= MAX_PCA_SEGMENTS
        return self.sample(MAX_PCA_SEGMENTS, None if is_small else 0)

    def track_ids(self, split: str) -> npt.NDArray[np.int64]:
        """Track id of each segment of a split, in order [shape=(n_segments,)]."""
        tracks = self.dataset.used(split)
        ids = np.array([track["track_id"] for track in tracks], np.int64)
        return np.repeat(ids, [track["n_segments"] for track in tracks])

    @cached_property
    def artists(self) -> dict[int, str]:
        """Artist of each track, by track id; "" means unknown."""
        return {track["track_id"]: track["artist"] for split in SPLITS for track in self.dataset.used(split)}

    def _epoch(self, seed: int, *, about: bool = False) -> tf.data.Dataset:
        """Return shuffled unscaled segments in full batches, so that all steps weigh the same and divide evenly."""
        options: dict[str, Any] = {
            "about": about,
            "labelled_only": self.labelled_only,
            "augmentation": self._augmentation,
        }
        batches = self.dataset.segments("training", batch_size=self.preset.batch_size, seed=seed, **options)
        return batches.take(self.n_steps)


class AutoencoderTask(Task):
    """Reconstruct segments; a `Codec` may be measured in place of the model."""

    _baselines: Baselines | None = None

    def build(self) -> keras.Model:
        """Build the autoencoder, whose first output is the mean segment."""
        model = super().build()
        mean = self.dataset.statistics().mean[None, ..., None].astype(np.float32)
        model.start_at(self.scaled(mean)[0, ..., 0])
        return model

    def losses(self) -> dict[str, Any]:
        """Return the mean squared error."""
        return {"loss": "mse"}

    def batches(self, seed: int) -> tf.data.Dataset:
        """Return batches in which each scaled segment is its own target."""
        return self._epoch(seed).map(self.scaled).map(lambda x: (x, x))

    def finish(self, model: keras.Model) -> None:
        """Normalise component signs if the features are MFCC."""
        if self.dataset.features.mode == "mfcc":
            model.orient(self.sample(_N_CALIBRATION_SEGMENTS, seed=0))

    def measure(self, model: keras.Model) -> dict[str, float]:
        """Measure the loss, the spread of the encoding, and the rise of the loss when encodings are exchanged."""
        split = self.watched
        errors, encodings = measure_autoencoder(model, lambda: self.segments(split), self.track_ids(split))
        means = {name: float(values.mean()) for name, values in errors.items()}
        return {
            "val_loss": means["model"],
            **history_columns(score_encoding(encodings)),
            "shuffle_rise": means["shuffled"] / means.get("unskipped", means["model"]) - 1,
        }

    def evaluate(self, model: Any, split: str) -> dict[str, Any]:
        """Compare the reconstruction with the training mean and with a PCA of the same number of components."""
        ids, baselines = self.track_ids(split), self.baselines(model.encoding_size)
        errors, encodings = measure_autoencoder(model, lambda: self.segments(split), ids, baselines)
        return {**score_autoencoder(errors, ids, self.artists), **score_encoding(encodings)}

    def examples(self, model: Any, split: str) -> Examples:
        """Reconstruct the middle segment of a few tracks, spread evenly over the split, also with the PCA."""
        tracks = self.dataset.used(split)
        chosen = np.unique(np.linspace(0, len(tracks) - 1, _N_EXAMPLES).round().astype(int))
        sizes = np.array([track["n_segments"] for track in tracks])
        middles = (sizes.cumsum() - sizes + sizes // 2)[chosen]
        n, found = 0, []
        for segments in self.segments(split):
            found += [segments[i - n] for i in middles if n <= i < n + len(segments)]
            n += len(segments)
        if n != sizes.sum():
            raise FormatError(
                f"{self.dataset.path}: the {split} split holds {n} segments, the manifest says {sizes.sum()}; find the "
                "file with `tfdeepviz inspect`, delete it and run `prepare` again"
            )
        x = np.stack(found)
        encoding, bypass = model.encode(x)
        answers = {"original": x, "reconstruction": model.decode(encoding, bypass)}
        if baselines := self.baselines(model.encoding_size):
            answers["pca"] = baselines.reconstruct(x)["pca"]
        if bypass:
            answers["alone"] = model.decode(encoding, {})
        about = (tracks[i] for i in chosen)
        captions = [f"track {track['track_id']}" + (f", {track['genre']}" if track["genre"] else "") for track in about]
        return captions, {name: ops.convert_to_numpy(value)[..., 0] for name, value in answers.items()}

    def baselines(self, n_components: int) -> Baselines | None:
        """Fit the baselines on first use; None if the dataset has no training split."""
        if self._baselines is None and self.n_segments("training"):
            self._baselines = Baselines.fit(self.pca_sample(), n_components, self.n_encodings)
        return self._baselines


class ClassifierTask(Task):
    """Classify segments by genre. Genres that the model does not know, found in other datasets, are ignored."""

    labelled_only = True
    _predictor: tuple[keras.Model, Predict] | None = None

    def build(self) -> keras.Model:
        """Build the classifier; raises InputError if no training track has a genre."""
        if not self.dataset.n_segments("training", labelled_only=True):
            raise InputError(f"{self.dataset.path}: no training track has a genre; a classifier needs them")
        return super().build()

    def losses(self) -> dict[str, Any]:
        """Return the cross-entropy."""
        smoothing = self.preset.label_smoothing
        return {"loss": keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)}

    def batches(self, seed: int) -> tf.data.Dataset:
        """Return batches of scaled segments, one-hot genres and genre weights."""
        weights = tf.constant(self.genre_weights(), tf.float32)

        def prepare(segments: tf.Tensor, about: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            labels = about["label"]
            return self.scaled(segments), tf.one_hot(labels, len(self.genres)), tf.gather(weights, labels)

        return self._epoch(seed, about=True).map(prepare)

    def measure(self, model: keras.Model) -> dict[str, float]:
        """Measure the cross-entropy, the accuracies and the spread of the encoding."""
        scores = self.evaluate(model, self.watched)
        return {
            "val_loss": scores["cross_entropy"],
            **history_columns(scores),
            "val_accuracy": scores["segment_accuracy"],
            "val_polled_accuracy": scores["polled_accuracy"],
        }

    def evaluate(self, model: keras.Model, split: str) -> dict[str, Any]:
        """Score the classification of segments and tracks."""
        return self.score(self._predict(model), split)

    def _predict(self, model: keras.Model) -> Predict:
        """Return what gives encodings and logits of scaled segments."""
        # Cached, because a new model would have to be compiled again.
        if self._predictor is None or self._predictor[0] is not model:
            inputs = keras.Input((*self._sizes["input_size"], 1))
            both = keras.Model(inputs, model.encode_and_classify(inputs, str(self.preset.encoder_layer)))
            self._predictor = (model, both.predict_on_batch)
        return self._predictor[1]

    def score(self, predict: Predict, split: str) -> dict[str, Any]:
        """Score predictions of the segments of a split whose genre is known.

        Raises InputError if there are none, and DivergedError if a logit is not finite.
        """
        known = {genre: i for i, genre in enumerate(self.genres)}
        output_of = np.array([known.get(genre, -1) for genre in self.dataset.recipe.genres], np.int64)
        parts: list[tuple[npt.NDArray[Any], ...]] = []
        for segments, about in self.measured_batches(split, about=True, labelled_only=True):
            labels = output_of[about["label"]]
            if (usable := labels >= 0).any():
                answers = predict(self.scaled(segments[usable]))
                parts.append((*answers, labels[usable], about["track_id"][usable]))
        if not parts:
            raise InputError(
                f"{self.dataset.path}: the {split} split has no segment of a known genre ({', '.join(self.genres)})"
            )
        encodings, logits, labels, track_ids = (np.concatenate(column) for column in zip(*parts, strict=True))
        if not np.isfinite(logits).all():
            raise DivergedError(
                f"{self.preset.name}: the model's outputs are not numbers; train another one with a lower learning rate"
            )
        log_probabilities = log_softmax(logits.astype(np.float64), axis=1)
        return {
            **score_classifier(np.exp(log_probabilities), labels, track_ids, self.genres, self.artists),
            "cross_entropy": float(-log_probabilities[np.arange(len(labels)), labels].mean()),
            **score_encoding(encodings),
        }

    def genre_weights(self) -> npt.NDArray[np.float64]:
        """Weight of each genre's segments [shape=(n_genres,)]; the mean over all segments is 1."""
        counts = Counter[str]()
        for track in self.dataset.used("training"):
            counts[track["genre"]] += track["n_segments"]
        per_genre = np.array([counts[genre] for genre in self.genres], float)
        weights = np.where(per_genre > 0, np.maximum(per_genre, 1) ** -self.preset.class_weights, 0)
        mean = (weights * per_genre).sum() / per_genre.sum()
        return np.asarray(weights / mean, np.float64)


class ContrastiveTask(Task):
    """Encode moments of one song alike, and different songs differently."""

    @property
    def n_steps(self) -> int:
        """Steps per epoch; an epoch uses as many segments as the training split has."""
        n_moments: int = self._contrast["n_moments"]
        return max(1, self.dataset.n_segments("training") // (self._n_songs("training") * n_moments))

    @property
    def _contrast(self) -> dict[str, Any]:
        assert self.preset.contrast is not None  # guaranteed by the schema
        return self.preset.contrast

    def _n_songs(self, split: str) -> int:
        """Tracks per batch."""
        return min(self.preset.batch_size, self.dataset.n_tracks(split))

    def build(self) -> keras.Model:
        """Build the encoder; raises InputError if there is only one song."""
        if self.dataset.n_tracks("training") < 2:
            raise InputError(f"{self.dataset.path}: songs are learnt by comparison; prepare at least two for training")
        return super().build()

    def losses(self) -> dict[str, Any]:
        """Return the contrastive loss, which needs no targets."""
        return {"loss": ContrastiveLoss(self._contrast["temperature"])}

    def batches(self, seed: int) -> tf.data.Dataset:
        """Return batches of scaled moments of tracks, one pass after another, with zeros as dummy targets."""
        batches = self._moments("training", seed * 1_009)
        n_passes = -(-self.n_steps // max(1, self.dataset.n_tracks("training") // self._n_songs("training")))
        for i in range(1, n_passes):
            batches = batches.concatenate(self._moments("training", seed * 1_009 + i))
        return batches.take(self.n_steps).map(lambda x: (self.scaled(x), tf.zeros(tf.shape(x)[:1])))

    def _moments(self, split: str, seed: int) -> tf.data.Dataset:
        return self.dataset.moments(
            split,
            n_moments=self._contrast["n_moments"],
            batch_size=self._n_songs(split),
            seed=seed,
            augmentation=self._augmentation if split == "training" else None,
        )

    def measure(self, model: keras.Model) -> dict[str, float]:
        """Measure the loss, the spread of the encoding, and the share of songs recognised."""
        scores = self.evaluate(model, self.watched)
        columns = {"val_self_retrieval": scores["self_retrieval"]}
        return {"val_loss": scores["contrastive_loss"], **history_columns(scores), **columns}

    def evaluate(self, model: keras.Model, split: str) -> dict[str, Any]:
        """Score how well the encodings tell the songs of a split apart."""
        encodings = np.concatenate([model.predict_on_batch(x) for x in self.segments(split)])
        # Always over the same moments.
        losses = [
            ops.convert_to_numpy(contrastive_loss(model(x), self._contrast["temperature"])).mean()
            for i in range(_LOSS_PASSES)
            for x in self._moments(split, i).map(self.scaled).as_numpy_iterator()
        ]
        return {
            **score_songs(encodings, self.track_ids(split), self.artists),
            "contrastive_loss": float(np.mean(losses)),
            **score_encoding(encodings),
        }


#: The task of each kind of model.
TASKS: dict[str, Callable[..., Task]] = {
    "autoencoder": AutoencoderTask,
    "classifier": ClassifierTask,
    "contrastive": ContrastiveTask,
}
