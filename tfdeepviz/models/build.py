"""Build Keras models from presets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.models.autoencoder import Autoencoder
from tfdeepviz.models.bottleneck import Bottleneck
from tfdeepviz.models.classifier import GenreClassifier
from tfdeepviz.models.contrastive import ContrastiveEncoder
from tfdeepviz.models.presets import Preset
from tfdeepviz.models.temporal import TemporalAutoencoder
from tfdeepviz.models.time_resolved import TimeResolvedAutoencoder
from tfdeepviz.params import PAPER, ParameterError

Model: TypeAlias = Bottleneck | GenreClassifier | ContrastiveEncoder

_AUTOENCODERS = {None: Autoencoder, "temporal": TemporalAutoencoder, "time-resolved": TimeResolvedAutoencoder}

#: The out-of-memory errors of Python and TensorFlow.
OUT_OF_MEMORY = (MemoryError, tf.errors.ResourceExhaustedError)

#: Genres of FMA-medium, used to count the parameters of the paper's classifiers.
PAPER_N_GENRES = 16


@dataclass(frozen=True)
class ParameterCounts:
    """Trainable parameters of the model and of its encoder, and the size of the encoding."""

    trainable: int
    to_encoding: int
    encoding_size: int


def build_model(
    preset: Preset,
    *,
    input_size: tuple[int, int] = (PAPER.n_mfcc, PAPER.segment_frames),
    n_genres: int = PAPER_N_GENRES,
) -> Model:
    """Build a preset's model with all its weights, under the current dtype policy.

    Raises
    ------
    ParameterError
        If the preset's options are incompatible with each other or the input, or its weights do not fit into memory.
    """
    arguments = {**preset.model, "input_size": input_size}
    model: Model
    try:
        if preset.kind == "autoencoder":
            model = _AUTOENCODERS[arguments.pop("architecture", None)](**arguments)
        elif preset.kind == "contrastive":
            model = ContrastiveEncoder(**arguments)
        else:
            model = GenreClassifier(**arguments, n_genres=n_genres)
            model.encoding_size(str(preset.encoder_layer))  # rejects a layer the architecture lacks
        model.build()
    except OUT_OF_MEMORY as error:
        raise ParameterError(
            f"{preset.name}: its weights are too large for this machine's memory; make the model smaller"
        ) from error
    return model


def count_parameters(preset: Preset, **sizes: Any) -> ParameterCounts:
    """Count a preset's trainable parameters; takes the arguments of `build_model` and raises its errors."""
    model = build_model(preset, **sizes)
    return counts_of(model, make_encoder(preset, model, SegmentScaler(preset.scaler)))


def counts_of(model: keras.Model, encoder: keras.Model) -> ParameterCounts:
    """Count the parameters of a model and its encoder."""
    trainable, to_encoding = (sum(math.prod(v.shape) for v in m.trainable_variables) for m in (model, encoder))
    return ParameterCounts(trainable, to_encoding, encoder.output_shape[-1])


def make_encoder(preset: Preset, model: Model, scaler: SegmentScaler) -> keras.Model:
    """Build a preset's encoder, from unscaled segments to encodings; it shares the model's weights."""
    if isinstance(model, GenreClassifier):
        return model.encoder(scaler, str(preset.encoder_layer))
    return model.encoder(scaler)
