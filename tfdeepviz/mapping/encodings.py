"""Encode whole tracks, to fit mappings and to apply them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.segments import Windows
from tfdeepviz.files import FormatError
from tfdeepviz.lazy import keras
from tfdeepviz.mapping.mappings import Encodings
from tfdeepviz.models.run import Run

#: Frames per batch: 256 of the paper's segments, or the same amount of shorter windows.
_FRAMES_AT_ONCE = 24_576

#: Maps unscaled windows [shape=(n, frames, width)] to `encoding` [shape=(n, encoding_size)] and, if an encoder gives
#: them, the probabilities `genres` [shape=(n, n_genres)] and `tags` [shape=(n, n_tags)].
Encode = Callable[[npt.NDArray[np.float32]], Mapping[str, npt.NDArray[np.float32]]]


def keras_encode(encoder: keras.Model) -> Encode:
    """Wrap a Keras model whose only output is the encoding, or whose outputs are named as in `Encode`."""

    def encode(windows: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
        outputs = encoder(windows.transpose(0, 2, 1)[..., None], training=False)
        named = outputs if isinstance(outputs, dict) else {"encoding": outputs}
        return {name: keras.ops.convert_to_numpy(value) for name, value in named.items()}

    return encode


def encode_track(encode: Encode, rows: npt.NDArray[np.float32], windows: Windows) -> Encodings:
    """Encode every window of a track's features [shape=(n_frames, width)]."""
    cut = windows.cut(rows)
    batches = np.array_split(cut, -(-len(cut) * windows.frames // _FRAMES_AT_ONCE))
    outputs = [encode(batch) for batch in batches]
    values = {name: np.concatenate([output[name] for output in outputs]) for name in outputs[0]}
    probabilities = {name: values.get(name) for name in ("genres", "tags")}
    return Encodings(windows.times(len(cut)), values["encoding"], **probabilities)


def encode_run(
    run: Run,
    dataset: PreparedDataset,
    split: str,
    *,
    layer: str | None = None,
    hop_seconds: float | None = None,
    max_tracks: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Encodings]:
    """Encode the tracks of a split with a finished run's encoder; with loudness if the features are MFCC.

    Parameters
    ----------
    layer
        Encoding layer of a classifier; by default the preset's.
    hop_seconds
        Time between encodings. By default, windows shorter than a segment use the run's own step; others are adjacent.
    max_tracks
        Maximum number of tracks, spread evenly over the split.
    progress
        Called with (tracks done, tracks in total).

    Raises
    ------
    FormatError
        If the run is not finished, or the dataset has other features or holds only selected segments.
    """
    run.check_features(dataset)
    if dataset.recipe.segments_per_track is not None:
        raise FormatError(f"{dataset.path}: holds chosen segments only; prepare a dataset without --segments-per-track")
    encoder = run.load_encoder(layer)
    encode = keras_encode(encoder)
    windows = run.windows(encoder, hop_seconds)
    n = dataset.n_tracks(split)
    taken = set(range(n) if max_tracks is None else np.linspace(0, n - 1, min(n, max_tracks)).round().astype(int))
    encodings = []
    for i, (_, rows) in enumerate(dataset.tracks(split)):
        if i in taken:
            encoded = encode_track(encode, rows, windows)
            if dataset.features.mode == "mfcc":
                # The first coefficient is the mean level of all bands.
                encoded = replace(encoded, loudness=windows.cut(rows)[:, :, 0].mean(axis=1))
            encodings.append(encoded)
            if progress is not None:
                progress(len(encodings), len(taken))
    return encodings
