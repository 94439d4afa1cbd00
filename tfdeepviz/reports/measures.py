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
    title
        What pages call it.
    format
        Format specification of its values, or `DIGITS`.
    better
        Whether higher or lower values are better; None for baselines and mere descriptions.
    kinds
        Kinds of models that have it, all by default, or `MAPPING`.
    short
        What the heads of tables call it, if that differs from the title.
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
    format: str
    better: Literal["higher", "lower"] | None
    kinds: tuple[str, ...] = tuple(KINDS)
    short: str = ""
    in_summary: bool = True
    is_verdict: bool = False
    column: str = ""
    chart: str = ""
    label: str = ""
    least: float | None = None
    scale: float = 1.0

    @property
    def heading(self) -> str:
        """Head of its column."""
        return self.short or self.title[:1].lower() + self.title[1:]

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


_ERRORS, _GENRES, _SONGS, _PICTURE = (("autoencoder",), ("classifier",), ("contrastive",), (MAPPING,))

#: All measures, in the order of all tables; templates/meanings.jinja explains them.
MEASURES = (
    Measure("mse", "Mean squared error", DIGITS, "lower", _ERRORS, "MSE", column=VALIDATION_LOSS),
    Measure("alone_mse", "Error from the encoding alone", DIGITS, "lower", _ERRORS, in_summary=False),
    Measure("unskipped_mse", "Error without skips", DIGITS, "lower", _ERRORS, in_summary=False),
    Measure("pca_mse", "Error of a PCA", DIGITS, None, _ERRORS, "MSE of PCA"),
    Measure("mean_mse", "Error of the mean", DIGITS, None, _ERRORS, "MSE of the mean"),
    Measure("shuffled_mse", "Error with exchanged encodings", DIGITS, "higher", _ERRORS, in_summary=False),
    Measure("mse_to_pca", "Error relative to a PCA", ".3f", "lower", _ERRORS, "MSE / PCA's", is_verdict=True),
    Measure(
        "alone_mse_to_pca",
        "Error from the encoding alone, relative to a PCA",
        ".3f",
        "lower",
        _ERRORS,
        short="alone / PCA's",
    ),
    Measure(
        "shuffle_rise",
        "Error increase with exchanged encodings",
        "+.1%",
        "higher",
        _ERRORS,
        short="codes exchanged",
        column="shuffle_rise",
        label="code",
        least=MIN_SHUFFLE_RISE,
    ),
    Measure(
        "polled_accuracy",
        "Tracks, polled",
        ".3f",
        "higher",
        _GENRES,
        "polled",
        is_verdict=True,
        column="val_polled_accuracy",
        chart="Accuracy",
        label="tracks",
    ),
    Measure("pooled_accuracy", "Tracks, pooled", ".3f", "higher", _GENRES, "pooled"),
    Measure("top_3_accuracy", "Tracks, pooled, top 3", ".3f", "higher", _GENRES, "top 3"),
    Measure("macro_f1", "Macro F1", ".3f", "higher", _GENRES, is_verdict=True),
    Measure("majority_baseline", "Most common genre", ".3f", None, _GENRES),
    Measure("segment_accuracy", "Segments", ".3f", "higher", _GENRES, column="val_accuracy", chart="Accuracy"),
    Measure("segment_top_3_accuracy", "Segments, top 3", ".3f", "higher", _GENRES, in_summary=False),
    Measure("cross_entropy", "Cross-entropy", ".3f", "lower", _GENRES, column=VALIDATION_LOSS, in_summary=False),
    Measure("responsiveness", "Responsiveness", ".2f", "higher", _PICTURE),
    Measure("z", "z", ".1f", "higher", _PICTURE),
    Measure("lag_seconds", "Lag", ".0f", None, _PICTURE, "lag, ms", scale=1_000.0),
    Measure(
        "self_retrieval",
        "Songs recognised",
        ".3f",
        "higher",
        (*_SONGS, MAPPING),
        is_verdict=True,
        column="val_self_retrieval",
        label="songs",
    ),
    Measure("chance", "Guessing", ".3f", None, (*_GENRES, *_SONGS), "by guessing"),
    Measure("between_share", "Variance between songs", ".3f", "higher", (*_SONGS, MAPPING)),
    Measure("contrastive_loss", "Contrastive loss", ".3f", "lower", _SONGS, column=VALIDATION_LOSS),
    Measure(
        "min_encoding_std",
        "Smallest spread of a component",
        ".3f",
        "higher",
        short="smallest std",
        column="min_encoding_std",
        label="std",
        least=MIN_ENCODING_STD,
    ),
    Measure("dead_components", "Dead components", "d", "lower", in_summary=False),
    Measure(
        "min_correlation",
        "Lowest correlation with the teacher",
        ".3f",
        "higher",
        short="correlation",
        column="min_correlation",
        label="teacher",
    ),
    Measure("silhouette", "Silhouette", ".2f", "higher", _PICTURE),
    Measure("probe_accuracy", "Genre probe", ".2f", "higher", _PICTURE),
    Measure("mean_std", "Movement", ".2f", "higher", _PICTURE),
    Measure("min_std", "Least movement", ".2f", "higher", _PICTURE),
    Measure("clipped", "Clipped", ".0%", "lower", _PICTURE),
    Measure("n_dead", "Dead", "d", "lower", _PICTURE),
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
