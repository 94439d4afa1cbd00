"""Every measure of a model or a mapping, once: how it is called, written, compared and plotted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

#: A component of an encoding whose standard deviation over a split is lower counts as dead.
MIN_ENCODING_STD = 0.05
#: If exchanging encodings raises the loss by a smaller share, the decoder does not use them. The preset's thresholds
#: state how much is required for publication.
MIN_SHUFFLE_RISE = 0.1

#: Kinds of models, as in presets, with their titles; `MAPPING` is the kind of a picture's parameters over time.
KINDS = {"autoencoder": "Autoencoders", "classifier": "Genre classifiers", "contrastive": "Song encoders"}
MAPPING = "mapping"

#: Format of values of any magnitude: three significant digits, without an exponent.
DIGITS = "digits"

#: History column of every kind's validation loss; `loss` holds the training loss.
VALIDATION_LOSS = "val_loss"


@dataclass(frozen=True)
class Measure:
    """A number that says how good a model or a mapping is.

    Attributes
    ----------
    name
        Its key in JSON and CSV. For a list such as `encoding_std`, the measure is the smallest value, `min_NAME`.
    title, heading
        Its title in pages, and the heading of its column in tables.
    format
        Format specification of its values, or `DIGITS`.
    better
        Whether higher or lower values are better; None for baselines and mere descriptions.
    kinds
        Kinds of models that have it, all by default, or `MAPPING`.
    meaning
        What it is, in a few words.
    in_summary
        Whether the tables of training, of batches and of model cards show it.
    is_verdict
        Whether it sums up a run by itself.
    column, chart
        Its column in the history of a training, and the title of the chart that it shares with others.
    label
        Its label in the progress bar of an epoch.
    least
        Value below which an encoding carries nothing.
    scale
        Factor from its unit in JSON to the one that people read.
    """

    name: str
    title: str
    heading: str
    format: str
    better: Literal["higher", "lower"] | None
    kinds: tuple[str, ...] = tuple(KINDS)
    meaning: str = ""
    in_summary: bool = True
    is_verdict: bool = False
    column: str = ""
    chart: str = ""
    label: str = ""
    least: float | None = None
    scale: float = 1.0

    @property
    def is_percentage(self) -> bool:
        """Whether people read it in per cent."""
        return self.format.endswith("%")

    def text(self, value: float | None) -> str:
        """Write a value; "-" for None."""
        if value is None:
            return "-"
        value *= self.scale
        if self.format == DIGITS:
            return three_digits(value)
        # "z" keeps what rounds to zero from having a sign.
        return f"{round(value):,}" if self.format == "d" else format(value, self.format.replace(".", "z."))

    def interval(self, ends: tuple[float, float] | list[float]) -> str:
        """Write an interval."""
        low, high = ends
        return f"{self.text(low)} to {self.text(high)}"


def three_digits(value: float) -> str:
    """Write at least three significant digits without an exponent."""
    n_decimals = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{max(0, n_decimals)}f}"


_AUTOENCODER, _CLASSIFIER, _CONTRASTIVE = (("autoencoder",), ("classifier",), ("contrastive",))
_SONGS, _PICTURE = ("contrastive", MAPPING), (MAPPING,)

#: All measures, in the order of all tables.
MEASURES = (
    Measure("mse", "Mean squared error", "MSE", DIGITS, "lower", _AUTOENCODER, column=VALIDATION_LOSS),
    Measure(
        *("alone_mse", "Error from the encoding alone", "MSE, encoding alone", DIGITS, "lower", _AUTOENCODER),
        meaning="without positions of pools and skips, which bypass it",
        in_summary=False,
    ),
    Measure(
        *("unskipped_mse", "Error without skips", "MSE, no skips", DIGITS, "lower", _AUTOENCODER),
        meaning="without what skips pass to the decoder",
        in_summary=False,
    ),
    Measure(
        *("pca_mse", "Error of a PCA", "MSE of PCA", DIGITS, None, _AUTOENCODER),
        meaning="as many components, fitted to the training split",
    ),
    Measure(
        *("mean_mse", "Error of the mean", "MSE of the mean", DIGITS, None, _AUTOENCODER),
        meaning="always the mean of the training split",
    ),
    Measure(
        *("shuffled_mse", "Error with exchanged encodings", "MSE, exchanged", DIGITS, "higher", _AUTOENCODER),
        meaning="each segment with the encoding of another track's",
        in_summary=False,
    ),
    Measure("mse_to_pca", "Error, of a PCA's", "MSE / PCA's", ".3f", "lower", _AUTOENCODER, is_verdict=True),
    Measure(
        *("alone_mse_to_pca", "Error from the encoding alone, of a PCA's", "alone / PCA's", ".3f", "lower"),
        kinds=_AUTOENCODER,
    ),
    Measure(
        *("shuffle_rise", "Rise of the error when encodings are exchanged", "codes exchanged", "+.1%", "higher"),
        kinds=_AUTOENCODER,
        column="shuffle_rise",
        label="code",
        least=MIN_SHUFFLE_RISE,
    ),
    Measure(
        *("polled_accuracy", "Tracks, polled", "polled", ".3f", "higher", _CLASSIFIER),
        meaning="most votes of the segments; a tie is wrong",
        is_verdict=True,
        column="val_polled_accuracy",
        chart="Accuracy",
        label="tracks",
    ),
    Measure(
        *("pooled_accuracy", "Tracks, pooled", "pooled", ".3f", "higher", _CLASSIFIER),
        meaning="mean probabilities of the segments",
    ),
    Measure(
        *("top_3_accuracy", "Tracks, pooled, top 3", "top 3", ".3f", "higher", _CLASSIFIER),
        meaning="right genre among the three most probable",
    ),
    Measure(
        *("macro_f1", "Macro F1", "macro F1", ".3f", "higher", _CLASSIFIER),
        meaning="pooled; mean over the genres that occur",
        is_verdict=True,
    ),
    Measure(
        *("majority_baseline", "Most common genre", "majority", ".3f", None, _CLASSIFIER),
        meaning="share of the tracks that always answering it gets right",
    ),
    Measure(
        *("segment_accuracy", "Segments", "segments", ".3f", "higher", _CLASSIFIER),
        meaning="each by itself",
        column="val_accuracy",
        chart="Accuracy",
    ),
    Measure(
        *("segment_top_3_accuracy", "Segments, top 3", "segments, top 3", ".3f", "higher", _CLASSIFIER),
        in_summary=False,
    ),
    Measure(
        *("cross_entropy", "Cross-entropy", "cross-entropy", ".3f", "lower", _CLASSIFIER),
        meaning="mean over the segments, in nats",
        in_summary=False,
        column=VALIDATION_LOSS,
    ),
    Measure(
        *("self_retrieval", "Songs recognised", "songs recognised", ".3f", "higher", _SONGS),
        meaning="second half nearer to the first half of the same song than of any other",
        is_verdict=True,
        column="val_self_retrieval",
        label="songs",
    ),
    Measure(
        *("chance", "Guessing", "by guessing", ".3f", None),
        kinds=("classifier", "contrastive"),
        meaning="one of all songs or genres",
    ),
    Measure(
        *("between_share", "Variance between songs", "variance between songs", ".3f", "higher", _SONGS),
        meaning="mean over the components; the rest lies within songs",
    ),
    Measure(
        *("contrastive_loss", "Contrastive loss", "loss", ".3f", "lower", _CONTRASTIVE),
        meaning="in nats; rises with the number of songs compared at a time",
        column=VALIDATION_LOSS,
    ),
    Measure(
        *("min_encoding_std", "Smallest spread of a component", "smallest std", ".3f", "higher"),
        meaning="standard deviation",
        column="min_encoding_std",
        label="std",
        least=MIN_ENCODING_STD,
    ),
    Measure("dead_components", "Dead components", "dead", "d", "lower", in_summary=False),
    Measure(
        *("min_correlation", "Lowest correlation with the teacher", "correlation", ".3f", "higher"),
        column="min_correlation",
        label="teacher",
    ),
    Measure("responsiveness", "Responsiveness", "responsiveness", ".2f", "higher", _PICTURE),
    Measure("z", "z", "z", ".1f", "higher", _PICTURE),
    Measure("lag_seconds", "Lag", "lag, ms", ".0f", None, _PICTURE, scale=1_000.0),
    Measure("silhouette", "Silhouette", "silhouette", ".2f", "higher", _PICTURE),
    Measure("probe_accuracy", "Genre probe", "genre probe", ".2f", "higher", _PICTURE),
    Measure("mean_std", "Movement", "movement", ".2f", "higher", _PICTURE),
    Measure("min_std", "Least movement", "least movement", ".2f", "higher", _PICTURE),
    Measure("clipped", "Clipped", "clipped", ".0%", "lower", _PICTURE),
    Measure("n_dead", "Dead", "dead", "d", "lower", _PICTURE),
)

_BY_NAME = {measure.name: measure for measure in MEASURES}


def measure(name: str) -> Measure:
    """Find a measure by its name; KeyError if there is none."""
    return _BY_NAME[name]


def of_kind(kind: str) -> list[Measure]:
    """List the measures of a kind, in the order of all tables."""
    return [measure for measure in MEASURES if kind in measure.kinds]


def numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Flatten the metrics of a split to one finite number per name; a list counts by its smallest as `min_NAME`."""
    flat: dict[str, float] = {}
    for name, value in metrics.items():
        is_list = isinstance(value, list)
        known = [number for number in (value if is_list else [value]) if _is_finite(number)]
        if known:
            flat[f"min_{name}" if is_list else name] = min(known)
    return flat


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
