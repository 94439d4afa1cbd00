"""Build Keras models from presets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.models.autoencoder import Autoencoder
from tfdeepviz.models.classifier import GenreClassifier, TaughtClassifier
from tfdeepviz.models.contrastive import ContrastiveEncoder
from tfdeepviz.models.presets import Preset
from tfdeepviz.models.run import outputs_of
from tfdeepviz.models.tagger import Tagger
from tfdeepviz.models.temporal import TemporalAutoencoder
from tfdeepviz.models.time_resolved import TimeResolvedAutoencoder
from tfdeepviz.params import PAPER, ParameterError

_AUTOENCODERS = {None: Autoencoder, "temporal": TemporalAutoencoder, "time-resolved": TimeResolvedAutoencoder}

#: The out-of-memory errors of Python and TensorFlow.
OUT_OF_MEMORY = (MemoryError, tf.errors.ResourceExhaustedError)

#: Coefficients, frames and genres (of FMA-medium) that the paper's models are counted for.
_PAPER_SIZE, _PAPER_N_GENRES = (PAPER.n_mfcc, PAPER.segment_frames), 16


@dataclass(frozen=True)
class ParameterCounts:
    """Trainable parameters of the model and of its encoder, and the size of the encoding."""

    trainable: int
    to_encoding: int
    encoding_size: int


def build_model(
    preset: Preset,
    *,
    input_size: tuple[int, int] = _PAPER_SIZE,
    n_genres: int = _PAPER_N_GENRES,
    heads: Mapping[str, int] | None = None,
) -> keras.Model:
    """Build a preset's model with all its weights, under the current dtype policy.

    `heads` are the sizes of what a tagger or classifier learns of a published network. By default, a tagger learns
    everything, a classifier nothing.

    Raises ParameterError if the preset's options are incompatible with each other or the input, or its weights do not
    fit into memory.
    """
    arguments = {**preset.model, "input_size": input_size}
    try:
        if preset.kind == "autoencoder":
            model = _AUTOENCODERS[arguments.pop("architecture", None)](**arguments)
        elif preset.kind == "contrastive":
            model = ContrastiveEncoder(**arguments)
        elif preset.kind == "tagger":
            window = (input_size[0], arguments.pop("window_frames"))
            model = Tagger(**{**arguments, "input_size": window}, **({} if heads is None else {"heads": dict(heads)}))
        else:
            arguments["n_genres"] = n_genres
            if heads is None:
                model = GenreClassifier(**arguments)
            else:
                model = TaughtClassifier(**arguments, encoder_layer=str(preset.encoder_layer), heads=dict(heads))
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
    encoder = keras.Model(encoder.input, outputs_of(encoder)["encoding"])
    trainable, to_encoding = (sum(math.prod(v.shape) for v in m.trainable_variables) for m in (model, encoder))
    return ParameterCounts(trainable, to_encoding, encoder.output_shape[-1])


def make_encoder(preset: Preset, model: keras.Model, scaler: SegmentScaler) -> keras.Model:
    """Build a preset's encoder, from unscaled segments to encodings; it shares the model's weights."""
    return model.encoder(scaler, *([preset.encoder_layer] if preset.kind == "classifier" else []))
