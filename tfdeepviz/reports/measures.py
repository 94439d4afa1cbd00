"""Every measure of a model or a mapping, once: what it is called, how it is written, compared and plotted."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from tfdeepviz.reports.formats import count, digits

#: Kinds of models, as in presets, with their titles; `MAPPING` is the kind of a picture's parameters over time.
KINDS = {
    "autoencoder": "Autoencoders",
    "classifier": "Genre classifiers",
    "contrastive": "Song encoders",
    "tagger": "Taggers",
}
MAPPING = "mapping"

#: History column of every kind's validation loss; `loss` holds the training loss.
VALIDATION_LOSS = "val_loss"


class Measure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number that says how good a model or a mapping is; `measures.toml` lists all of them.

    Attributes
    ----------
    name
        Its key in JSON and CSV. For a list such as `encoding_std`, the measure is the smallest value, `min_NAME`.
    title, short, meaning
        What pages call it; what the heads of tables call it, if that differs; what it is, in a few words.
    format
        Format specification of its values, or `digits`: three significant digits, without an exponent.
    better
        Whether higher or lower values are better; None for baselines and mere descriptions.
    kinds
        Kinds of models that have it, all by default, or `MAPPING`.
    in_summary, is_verdict
        Whether the tables of training, of batches and of model cards show it; whether it sums up a run by itself.
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
    short: str = ""
    meaning: str = ""
    better: Literal["higher", "lower"] | None = None
    kinds: tuple[str, ...] = tuple(KINDS)
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
        if self.format == "digits":
            return digits(value)
        # "z" keeps what rounds to zero from having a sign.
        return count(round(value)) if self.format == "d" else format(value, self.format.replace(".", "z."))

    def interval(self, ends: tuple[float, float] | list[float]) -> str:
        """Write an interval."""
        return " to ".join(map(self.text, ends))


_TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
#: All measures, in the order of all tables.
MEASURES = msgspec.convert([{"name": name, **values} for name, values in _TABLE.items()], tuple[Measure, ...])
BY_NAME = {measure.name: measure for measure in MEASURES}
#: A component of an encoding whose standard deviation over a split is lower counts as dead.
MIN_ENCODING_STD = BY_NAME["min_encoding_std"].least or 0.0
#: If exchanging encodings raises the loss by a smaller share, the decoder does not use them. The preset's thresholds
#: state how much is required for publication.
MIN_SHUFFLE_RISE = BY_NAME["shuffle_rise"].least or 0.0


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
