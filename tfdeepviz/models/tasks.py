"""Tasks of the kinds of models: autoencoders, genre classifiers and contrastive encoders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import ops
from scipy.special import log_softmax

from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.errors import DivergedError, InputError
from tfdeepviz.files import FormatError
from tfdeepviz.models.bottleneck import Bottleneck
from tfdeepviz.models.build import build_model
from tfdeepviz.models.classifier import GenreClassifier
from tfdeepviz.models.contrastive import ContrastiveEncoder, ContrastiveLoss, contrastive_loss
from tfdeepviz.models.evaluation import Baselines, Decode, Encode, describe_encoding, measure_autoencoder
from tfdeepviz.models.presets import Preset
from tfdeepviz.models.scores import score_autoencoder, score_classifier, score_songs
from tfdeepviz.models.task import MEASURED_BATCH, N_CALIBRATION_SEGMENTS, Examples, Task, code_columns

_N_EXAMPLES = 6
_LOSS_PASSES = 4

Predict = Callable[[Any], tuple[Any, Any]]


@dataclass(frozen=True)
class Predicted:
    """A classifier's answers to the segments of a split, in order."""

    encodings: npt.NDArray[np.float32]  # (n, encoding_size)
    logits: npt.NDArray[np.float32]  # (n, n_genres)
    labels: npt.NDArray[np.int64]
    track_ids: npt.NDArray[np.int64]


class AutoencoderTask(Task):
    """Reconstruct segments."""

    _baselines: Baselines | None = None

    @property
    def n_encodings(self) -> int:
        """Encodings per segment; more than one if the model is time-resolved."""
        return self._input_size[1] // int(self.preset.model.get("stride_frames", self._input_size[1]))

    def build(self) -> Bottleneck:
        """Build the autoencoder."""
        model = build_model(self.preset, input_size=self._input_size)
        assert isinstance(model, Bottleneck)
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
            model.orient(self.sample(N_CALIBRATION_SEGMENTS, seed=0))

    def measure(self, model: keras.Model) -> dict[str, float]:
        """Measure the loss, the spread of the encoding, and the rise of the loss when encodings are exchanged."""
        split = self.watched
        measured = measure_autoencoder(model.encode, model.decode, lambda: self.segments(split), self.track_ids(split))
        means = {name: float(errors.mean()) for name, errors in measured.errors.items()}
        return {
            "val_loss": means["model"],
            **code_columns(measured.encodings),
            "shuffle_rise": means["shuffled"] / means.get("unskipped", means["model"]) - 1,
        }

    def evaluate(self, model: keras.Model, split: str) -> dict[str, Any]:
        """Compare the reconstruction with the training mean and with a PCA of the same number of components."""
        return self.evaluate_with(model.encode, model.decode, split, model.encoding_size)

    def evaluate_with(self, encode: Encode, decode: Decode, split: str, encoding_size: int) -> dict[str, Any]:
        """Evaluate any encoder and decoder."""
        measured = measure_autoencoder(
            encode, decode, lambda: self.segments(split), self.track_ids(split), self.baselines(encoding_size)
        )
        return {
            **score_autoencoder(measured.errors, self.track_ids(split), self.artists),
            **describe_encoding(measured.encodings),
        }

    def examples(self, model: keras.Model, split: str) -> Examples:
        """Reconstruct the middle segment of a few tracks, spread evenly over the split."""
        return self.examples_with(model.encode, model.decode, split, model.encoding_size)

    def examples_with(self, encode: Encode, decode: Decode, split: str, encoding_size: int) -> Examples:
        """Reconstruct examples with any encoder and decoder, and with the PCA."""
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
        encoding, bypass = encode(x)
        answers = {"original": x, "reconstruction": decode(encoding, bypass)}
        if baselines := self.baselines(encoding_size):
            answers["pca"] = baselines.reconstruct(x)["pca"]
        if bypass:
            answers["alone"] = decode(encoding, {})
        about = (tracks[i] for i in chosen)
        captions = [f"track {track['track_id']}" + (f", {track['genre']}" if track["genre"] else "") for track in about]
        return captions, {name: ops.convert_to_numpy(value)[..., 0] for name, value in answers.items()}

    def baselines(self, n_components: int) -> Baselines | None:
        """Fit the baselines on first use; None if the dataset has no training split."""
        if self._baselines is None and self.n_segments("training"):
            self._baselines = Baselines.fit(self.pca_sample(), n_components, self.n_encodings)
        return self._baselines


class ClassifierTask(Task):
    """Classify segments by genre."""

    labelled_only = True

    def __init__(
        self, preset: Preset, dataset: PreparedDataset, scaler: SegmentScaler, genres: Sequence[str] | None = None
    ) -> None:
        super().__init__(preset, dataset, scaler)
        #: Genres of the model's outputs. Segments of other genres, found in other datasets, are ignored.
        self.genres = list(dataset.recipe.genres if genres is None else genres)
        self.layer = str(preset.encoder_layer)
        self._predictor: tuple[keras.Model, Predict] | None = None
        known = {genre: i for i, genre in enumerate(self.genres)}
        self._output_of = np.array([known.get(genre, -1) for genre in dataset.recipe.genres], np.int64)

    def build(self) -> GenreClassifier:
        """Build the classifier."""
        model = build_model(self.preset, input_size=self._input_size, n_genres=len(self.genres))
        assert isinstance(model, GenreClassifier)
        return model

    def losses(self) -> dict[str, Any]:
        """Return the cross-entropy."""
        return {
            "loss": keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=self.preset.label_smoothing)
        }

    def batches(self, seed: int) -> tf.data.Dataset:
        """Return batches of scaled segments, one-hot genres and genre weights."""
        weights = tf.constant(self.genre_weights(), tf.float32)

        def prepare(segments: tf.Tensor, about: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            labels = about["label"]
            return self.scaled(segments), tf.one_hot(labels, len(self.genres)), tf.gather(weights, labels)

        return self._epoch(seed, about=True).map(prepare)

    def measure(self, model: keras.Model) -> dict[str, float]:
        """Measure the cross-entropy, the accuracies and the spread of the encoding."""
        predicted = self.predicted(self._predict_with(model), self.watched)
        scores = self.score(predicted)
        return {
            "val_loss": scores["cross_entropy"],
            **code_columns(predicted.encodings),
            "val_accuracy": scores["segment_accuracy"],
            "val_polled_accuracy": scores["polled_accuracy"],
        }

    def evaluate(self, model: keras.Model, split: str) -> dict[str, Any]:
        """Score the classification of segments and tracks."""
        predicted = self.predicted(self._predict_with(model), split)
        return {**self.score(predicted), **describe_encoding(predicted.encodings)}

    def _predict_with(self, model: keras.Model) -> Predict:
        # Cached, because a new model would have to be compiled again.
        if self._predictor is None or self._predictor[0] is not model:
            inputs = keras.Input((*self._input_size, 1))
            both = keras.Model(inputs, model.encode_and_classify(inputs, self.layer))
            self._predictor = (model, both.predict_on_batch)
        return self._predictor[1]

    def predicted(self, predict: Predict, split: str) -> Predicted:
        """Predict every segment of a split whose genre is known; raises InputError if there are none."""
        parts: list[tuple[npt.NDArray[Any], ...]] = []
        batches = self.dataset.segments(split, batch_size=MEASURED_BATCH, about=True, labelled_only=True)
        for segments, about in batches.as_numpy_iterator():
            labels = self._output_of[about["label"]]
            known = labels >= 0
            if known.any():
                encoding, logits = predict(self.scaled(segments[known]))
                parts.append((encoding, logits, labels[known], about["track_id"][known]))
        if not parts:
            raise InputError(
                f"{self.dataset.path}: the {split} split has no segment of a known genre ({', '.join(self.genres)})"
            )
        return Predicted(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def score(self, predicted: Predicted) -> dict[str, Any]:
        """Compute the metrics of predictions; raises DivergedError if a logit is not finite."""
        if not np.isfinite(predicted.logits).all():
            raise DivergedError(
                f"{self.preset.name}: the model's answers are not numbers; train another one with a lower learning rate"
            )
        labels, log_probabilities = predicted.labels, log_softmax(predicted.logits.astype(np.float64), axis=1)
        return {
            **score_classifier(np.exp(log_probabilities), labels, predicted.track_ids, self.genres, self.artists),
            "cross_entropy": float(-log_probabilities[np.arange(len(labels)), labels].mean()),
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

    def __init__(self, preset: Preset, dataset: PreparedDataset, scaler: SegmentScaler) -> None:
        super().__init__(preset, dataset, scaler)
        assert preset.contrast is not None  # guaranteed by the schema
        self._n_moments: int = preset.contrast["n_moments"]
        self._temperature: float = preset.contrast["temperature"]

    @property
    def n_steps(self) -> int:
        """Steps per epoch; an epoch uses as many segments as the training split has."""
        return max(1, self.dataset.n_segments("training") // (self._n_songs("training") * self._n_moments))

    def _n_songs(self, split: str) -> int:
        """Tracks per batch."""
        return min(self.preset.batch_size, self.dataset.n_tracks(split))

    def build(self) -> ContrastiveEncoder:
        """Build the encoder."""
        if self.dataset.n_tracks("training") < 2:
            raise InputError(
                f"{self.dataset.path}: a song has to differ from others; prepare at least two for training"
            )
        model = build_model(self.preset, input_size=self._input_size)
        assert isinstance(model, ContrastiveEncoder)
        return model

    def losses(self) -> dict[str, Any]:
        """Return the contrastive loss, which needs no targets."""
        return {"loss": ContrastiveLoss(self._temperature)}

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
            n_moments=self._n_moments,
            batch_size=self._n_songs(split),
            seed=seed,
            augmentation=self._augmentation if split == "training" else None,
        )

    def measure(self, model: keras.Model) -> dict[str, float]:
        """Measure the loss, the spread of the encoding, and the share of songs recognised."""
        scores, encodings = self._scored(model, self.watched)
        return {
            "val_loss": scores["contrastive_loss"],
            **code_columns(encodings),
            "val_self_retrieval": scores["self_retrieval"],
        }

    def evaluate(self, model: keras.Model, split: str) -> dict[str, Any]:
        """Score how well the encodings tell the songs of a split apart."""
        scores, encodings = self._scored(model, split)
        return {**scores, **describe_encoding(encodings)}

    def _scored(self, model: keras.Model, split: str) -> tuple[dict[str, Any], npt.NDArray[np.float32]]:
        encodings = np.concatenate([model.predict_on_batch(x) for x in self.segments(split)])
        scores = score_songs(encodings, self.track_ids(split), self.artists)
        return {**scores, "contrastive_loss": self._loss(model, split)}, encodings

    def _loss(self, model: keras.Model, split: str) -> float:
        """Mean loss over a few passes, always over the same moments."""
        losses = [
            ops.convert_to_numpy(contrastive_loss(model(x), self._temperature)).mean()
            for i in range(_LOSS_PASSES)
            for x in self._moments(split, i).map(self.scaled).as_numpy_iterator()
        ]
        return float(np.mean(losses))


def create_task(
    preset: Preset, dataset: PreparedDataset, scaler: SegmentScaler, genres: Sequence[str]
) -> AutoencoderTask | ClassifierTask | ContrastiveTask:
    """Create the task of a preset's kind; raises InputError if a classifier's dataset has no genres."""
    if preset.kind == "autoencoder":
        return AutoencoderTask(preset, dataset, scaler)
    if preset.kind == "contrastive":
        return ContrastiveTask(preset, dataset, scaler)
    task = ClassifierTask(preset, dataset, scaler, genres)
    if not task.n_segments("training"):
        raise InputError(f"{dataset.path}: no track of the training split has a genre; a classifier needs them")
    return task
