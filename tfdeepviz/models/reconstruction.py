"""How well an encoder and a decoder reconstruct segments, compared with simple baselines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from keras import ops
from sklearn.decomposition import PCA

from tfdeepviz.errors import InputError
from tfdeepviz.models.network import Bypass

#: Enough for the ten leading components; bounds the memory of the PCA baseline to 500 MB for the paper's segments.
MAX_PCA_SEGMENTS = 20_000

Segments = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Codec:
    """An encoder and a decoder of scaled segments, as in `Bottleneck`, which may stand for it."""

    encode: Callable[[Any], tuple[Any, Bypass]]
    decode: Callable[[Any, Bypass], Any]
    encoding_size: int


@dataclass(frozen=True)
class Baselines:
    """The training mean, and a PCA of the training split.

    A segment is cut into `n_steps` pieces of equal length, one per encoding. The PCA describes each piece with as many
    numbers as one encoding has.
    """

    pca: PCA
    n_steps: int = 1

    @classmethod
    def fit(cls, batches: Iterable[Segments], n_components: int, n_steps: int = 1) -> Baselines:
        """Fit to at most 20,000 scaled segments [shape=(batch, height, width, 1)]."""
        sample = np.concatenate([_pieces(batch, n_steps) for batch in batches])[: MAX_PCA_SEGMENTS * n_steps]
        return cls(PCA(min(n_components, *sample.shape), svd_solver="randomized", random_state=0).fit(sample), n_steps)

    def reconstruct(self, segments: Segments) -> dict[str, Segments]:
        """Return the baseline reconstructions `mean` and `pca`, each of the same shape as the scaled segments."""
        pieces = _pieces(segments, self.n_steps)
        guesses = {"mean": self.pca.mean_[None], "pca": self.pca.inverse_transform(self.pca.transform(pieces))}
        n, height, width, _ = segments.shape
        shape = (n, self.n_steps, height, width // self.n_steps)
        return {
            name: np.broadcast_to(guess, pieces.shape).reshape(shape).transpose(0, 2, 1, 3).reshape(segments.shape)
            for name, guess in guesses.items()
        }


def _pieces(segments: Segments, n_steps: int) -> Segments:
    """Cut segments [shape=(n, height, width, 1)] along time [shape=(n * n_steps, height * width / n_steps)]."""
    n, height, width, _ = segments.shape
    pieces = segments.reshape(n, height, n_steps, width // n_steps).transpose(0, 2, 1, 3)
    return pieces.reshape(n * n_steps, -1)


class Measured(NamedTuple):
    """Measurements of a split's segments, in order.

    `errors` are the mean squared errors of the segments [shape=(n,)] for `model` (unmodified), `unskipped` (without
    skipped values, if the model has any), `shuffled` (the same, with the encoding of another track's segment) and, if
    baselines were given, `alone` (from the encoding only), `mean` and `pca`. `encodings` [shape=(n, encoding_size)] has
    consecutive rows for the encodings of one segment.
    """

    errors: dict[str, npt.NDArray[np.float64]]
    encodings: npt.NDArray[np.float32]


def measure_autoencoder(
    codec: Any,
    batches: Callable[[], Iterable[Segments]],
    track_ids: Sequence[int] | npt.NDArray[np.int64],
    baselines: Baselines | None = None,
) -> Measured:
    """Measure the reconstructions of a `Codec` or `Bottleneck`, and how much they depend on the encoding.

    `batches` returns scaled segments [shape=(batch, height, width, 1)]. It is called twice, because encodings are
    `exchanged` across the whole split. Raises InputError if there are no segments, or their number differs from that of
    the track ids.
    """
    codes: list[npt.NDArray[np.float32]] = []
    has_bypass = False
    for x in batches():
        encoding, bypass = codec.encode(x)
        has_bypass = bool(bypass)
        codes.append(ops.convert_to_numpy(encoding))
    if not codes:
        raise InputError("the split holds no segment")
    encodings = np.concatenate(codes)
    donors = exchanged(track_ids, seed=0)
    if len(donors) != len(encodings):
        raise InputError(f"{len(donors)} track ids for {len(encodings)} segments: give one per segment")
    errors = defaultdict(list)
    for x, z in zip(batches(), codes, strict=True):
        others, donors = encodings[donors[: len(x)]], donors[len(x) :]
        bypass = codec.encode(x)[1] if has_bypass else {}
        answers = {"model": codec.decode(z, bypass)}
        # Skipped values contain the segment itself, so the effect of the encoding is measured without them.
        unskipped = {name: parts for name, parts in bypass.items() if name != "skipped"}
        if len(unskipped) < len(bypass):
            answers["unskipped"] = codec.decode(z, unskipped)
        answers["shuffled"] = codec.decode(others, unskipped)
        if baselines is not None:
            answers["alone"] = codec.decode(z, {}) if bypass else answers["model"]
            answers |= baselines.reconstruct(x)
        for name, answer in answers.items():
            difference = ops.convert_to_numpy(answer) - x
            errors[name].append(np.square(difference, dtype=np.float64).mean(axis=(1, 2, 3)))
    by_name = {name: np.concatenate(values) for name, values in errors.items()}
    return Measured(by_name, encodings.reshape(-1, encodings.shape[-1]))


def exchanged(track_ids: Sequence[int] | npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """Draw a segment of another track for each segment, because segments of one track resemble each other.

    If there is only one track, another of its segments is drawn; a single segment keeps its place. Maps the segments'
    track ids [shape=(n,)], in any order, to the indices of the drawn segments [shape=(n,)].
    """
    _, track, sizes = np.unique(track_ids, return_inverse=True, return_counts=True)
    n = len(track)
    order = np.argsort(track, kind="stable")
    # Arrange the sorted tracks in a circle: all other tracks then follow the end of a segment's own track.
    if len(sizes) > 1:
        ends, n_others = np.cumsum(sizes)[track[order]], n - sizes[track[order]]
    else:
        ends, n_others = np.arange(n) + 1, np.full(n, max(1, n - 1))
    drawn = np.empty(n, np.int64)
    drawn[order] = order[(ends + np.random.default_rng(seed).integers(n_others)) % n]
    return drawn
