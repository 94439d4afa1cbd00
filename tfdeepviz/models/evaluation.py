"""What a trained autoencoder is worth: its loss beside simple baselines, and whether its code is alive."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA

from tfdeepviz.data.dataset import PreparedDataset
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.models.autoencoder import Autoencoder

#: A component with less spread over a split is dead.
MIN_ENCODING_STD = 0.05
#: An encoding that may be exchanged at less cost is not used by the decoder.
MIN_SHUFFLE_RISE = 0.01

#: Enough for the ten leading components; bounds the memory of the PCA baseline to 500 MB at the paper's grid.
_MAX_PCA_SEGMENTS = 20_000


class CollapsedEncoderError(RuntimeError):
    """The encoding carries nothing, however small the loss is."""


def measure_code(model: Autoencoder, batches: Any, *, seed: int = 0) -> dict[str, Any]:
    """Loss, spread of the encoding, and rise of the loss when encodings are exchanged within a batch.

    Parameters
    ----------
    model
        A built autoencoder.
    batches
        Scaled segments [shape=(batch, n_mfcc, segment_frames, 1)].
    seed
        Of the exchange.

    Returns
    -------
    dict
        `mse`, `shuffled_mse`, `shuffle_rise` (relative), `encoding_std` (a component), and `encodings`
        [np.ndarray, shape=(n, encoding_size)].
    """
    rng = np.random.default_rng(seed)
    encodings, totals, count = [], np.zeros(2), 0
    for batch in batches:
        x = np.asarray(batch)
        encoding, positions = model.encode(batch)
        z = np.asarray(encoding)
        # A roll by a random amount never leaves an encoding in its place.
        exchanged = np.roll(z, int(rng.integers(1, max(2, len(z)))), axis=0)
        for i, code in enumerate((z, exchanged)):
            error = np.asarray(model.decode(code, positions)) - x
            totals[i] += float(np.square(error, dtype=np.float64).mean(axis=(1, 2, 3)).sum())
        encodings.append(z)
        count += len(x)
    if not count:
        raise ValueError("the split holds no segment")
    mse, shuffled = totals / count
    codes = np.concatenate(encodings)
    return {
        "mse": float(mse),
        "shuffled_mse": float(shuffled),
        "shuffle_rise": float(shuffled / mse - 1),
        "encoding_std": codes.std(axis=0).round(4).tolist(),
        "encodings": codes,
    }


def evaluate_autoencoder(
    model: Autoencoder, scaler: SegmentScaler, dataset: PreparedDataset, *, batch_size: int = 128
) -> tuple[dict[str, Any], dict[str, npt.NDArray[np.float32]]]:
    """Measure every split beside predicting the training mean and a PCA with as many components as the encoding.

    Returns
    -------
    tuple of dict
        Metrics a split (`mse`, `mean_mse`, `pca_mse`, `shuffle_rise`, `encoding_std`, ...) and encodings a split.
    """

    def scaled(split: str, seed: int | None = None) -> Any:
        return dataset.segments(split, batch_size=batch_size, seed=seed).map(scaler)

    seed = None if dataset.n_segments("training") <= _MAX_PCA_SEGMENTS else 0
    batches = scaled("training", seed).take(-(-_MAX_PCA_SEGMENTS // batch_size))
    sample = np.concatenate([batch.reshape(len(batch), -1) for batch in batches.as_numpy_iterator()])
    n_components = min(model.encoding_size, *sample.shape)
    pca = PCA(n_components, svd_solver="randomized", random_state=0).fit(sample)
    metrics: dict[str, Any] = {}
    encodings: dict[str, npt.NDArray[np.float32]] = {}
    for split in SPLITS:
        if not dataset.n_segments(split):
            continue
        code = measure_code(model, scaled(split))
        encodings[split] = code.pop("encodings")
        totals = np.zeros(2)
        for batch in scaled(split).as_numpy_iterator():
            flat = batch.reshape(len(batch), -1)
            for i, guess in enumerate((pca.mean_, pca.inverse_transform(pca.transform(flat)))):
                totals[i] += np.square(flat - guess, dtype=np.float64).mean(axis=1).sum()
        mean_mse, pca_mse = totals / len(encodings[split])
        metrics[split] = {
            **{"n_tracks": dataset.n_tracks(split), "n_segments": len(encodings[split])},
            **{**code, "mean_mse": float(mean_mse), "pca_mse": float(pca_mse)},
        }
    return metrics, encodings


def refuse_collapsed(metrics: dict[str, Any]) -> None:
    """Raise `CollapsedEncoderError` if the encoding of the validation split (else training) is dead or unused."""
    split = "validation" if "validation" in metrics else "training"
    measured = metrics[split]
    dead = [i for i, std in enumerate(measured["encoding_std"]) if std < MIN_ENCODING_STD]
    if dead:
        raise CollapsedEncoderError(
            f"components {dead} of the encoding are dead on the {split} split (standard deviation below "
            f"{MIN_ENCODING_STD}); train longer, or use a preset with normalize_encoding and position_dropout "
            "(docs/models.md)"
        )
    if measured["shuffle_rise"] < MIN_SHUFFLE_RISE:
        raise CollapsedEncoderError(
            f"the decoder does not use the encoding: exchanging it raises the loss on the {split} split by only "
            f"{measured['shuffle_rise']:.1%} (at least {MIN_SHUFFLE_RISE:.0%} is needed); train longer, or use a "
            "preset with position_dropout (docs/models.md)"
        )
