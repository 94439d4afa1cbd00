"""The base class of tasks: what a kind of model adds to the training loop, namely batches, losses and metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfdeepviz.data.augment import Augmentation
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.models.bottleneck import SegmentEncoder
from tfdeepviz.models.build import make_encoder
from tfdeepviz.models.evaluation import MAX_PCA_SEGMENTS, Segments, describe_encoding
from tfdeepviz.models.presets import Preset

#: Segments per batch in evaluation.
MEASURED_BATCH = 128
#: Segments that determine the mean encoding to within 0.03 standard deviations.
N_CALIBRATION_SEGMENTS = 2_048

#: Captions, and images [shape=(n, height, width)] named `original`, `reconstruction` and, if any, `pca` and `alone`.
Examples = tuple[list[str], dict[str, npt.NDArray[np.float32]]]


class Task(ABC):
    """One preset on one dataset.

    Attributes
    ----------
    preset, dataset, scaler
        The preset, its training data, and the scaling that its model expects.
    labelled_only
        Whether segments without a genre are ignored.
    """

    labelled_only = False

    def __init__(self, preset: Preset, dataset: PreparedDataset, scaler: SegmentScaler) -> None:
        self.preset = preset
        self.dataset = dataset
        self.scaler = scaler
        self.scaled = scaler.function()

    @abstractmethod
    def build(self) -> keras.Model:
        """Build the untrained model."""

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
            model.recalibrate_batch_norm(self.sample(N_CALIBRATION_SEGMENTS, seed))

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
        batches = self.dataset.segments(split, batch_size=MEASURED_BATCH, labelled_only=self.labelled_only)
        yield from batches.map(self.scaled).as_numpy_iterator()

    def sample(self, n_segments: int, seed: int | None) -> Iterator[Segments]:
        """Yield scaled training segments, shuffled unless `seed` is None, in batches until there are enough."""
        batches = self.dataset.segments("training", batch_size=MEASURED_BATCH, seed=seed)
        yield from batches.take(-(-n_segments // MEASURED_BATCH)).map(self.scaled).as_numpy_iterator()

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

    @property
    def _augmentation(self) -> Augmentation | None:
        return None if self.preset.augmentation is None else Augmentation(**self.preset.augmentation)

    @property
    def _input_size(self) -> tuple[int, int]:
        height, width = self.dataset.features.segment_shape[:2]
        return height, width

    def _epoch(self, seed: int, *, about: bool = False) -> tf.data.Dataset:
        """Return shuffled unscaled segments in full batches, so that all steps weigh the same and divide evenly."""
        batches = self.dataset.segments(
            "training",
            batch_size=self.preset.batch_size,
            seed=seed,
            about=about,
            labelled_only=self.labelled_only,
            augmentation=self._augmentation,
        )
        return batches.take(self.n_steps)


def code_columns(encodings: npt.NDArray[np.float32]) -> dict[str, float]:
    """Return the history columns that show whether an encoding is alive."""
    described = describe_encoding(encodings)
    return {"min_encoding_std": min(described["encoding_std"]), "dead_components": described["dead_components"]}
