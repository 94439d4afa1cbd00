"""A run's evaluation for people: a page with a verdict, scores, pictures and curves."""

from __future__ import annotations

import json
import math
import shlex
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.errors import InputError
from tfdeepviz.files import atomic_path, write_json
from tfdeepviz.models.evaluation import MIN_ENCODING_STD, MIN_SHUFFLE_RISE, CollapsedEncoderError, refuse_collapsed
from tfdeepviz.models.run import Run
from tfdeepviz.models.tasks import AutoencoderTask
from tfdeepviz.page import GRADIENT, draw, load_template, signed

Images = npt.NDArray[np.floating[Any]]
_Evaluation = Mapping[str, Any]

#: With more genres, counts in the cells of a confusion matrix would be too small to read.
MAX_COUNTED_GENRES = 30
#: More bars could not be told apart; the components of a larger encoding are drawn as a curve.
MAX_BARS = 64
#: Rows of the history that a page shows; of a longer one, every second, third, ... and the last.
MAX_EPOCHS = 400

_MAX_CONFUSIONS = 10
_MAX_INCHES = 24.0
# Colours span all values of the original segments but so many percent at either end: a single outlier would leave no
# contrast to the others.
_OUTLIER_PERCENT = 0.5
# A larger range needs a logarithmic axis.
_LINEAR_RANGE = 5.0


@dataclass(frozen=True)
class Pictures:
    """Some segments, and what came out of an autoencoder for them.

    Attributes
    ----------
    captions
        Of each segment, such as its track and genre.
    original, reconstruction, pca : np.ndarray [shape=(n, height, width)]
        Scaled segments, their reconstructions, and those of a PCA with as many components as the encoding (None where
        there is no training split to fit it to).
    alone : np.ndarray [shape=(n, height, width)] or None
        Reconstructions from the encoding alone, if the decoder gets anything else (positions, skips).

    Raises
    ------
    InputError
        If the shapes do not fit each other.
    """

    captions: Sequence[str]
    original: Images
    reconstruction: Images
    pca: Images | None = None
    alone: Images | None = None

    def __post_init__(self) -> None:
        shape = self.original.shape
        if len(shape) != 3 or shape[0] != len(self.captions) or 0 in shape:
            raise InputError(f"original: shape {shape}; give (n, height, width) with a caption for each of the n")
        for name, images in self.series():
            if images.shape != shape:
                raise InputError(f"{name}: shape {images.shape}; the originals' is {shape}")
            if not np.isfinite(images).all():
                raise InputError(f"{name}: {images[~np.isfinite(images)][0]} cannot be drawn")

    def series(self) -> list[tuple[str, Images]]:
        """All images of each kind, in the order in which they are shown."""
        alone = [] if self.alone is None else [("encoding alone", self.alone)]
        pca = [] if self.pca is None else [("PCA", self.pca)]
        return [("original", self.original), ("reconstruction", self.reconstruction), *alone, *pca]


def evaluate(run: Run, dataset: PreparedDataset, split: str, *, out: Path | None = None) -> Path:
    """Measure a finished run on a split of a dataset; write the figures as JSON, and a page beside them.

    Parameters
    ----------
    run
        A finished run.
    dataset
        The run's own dataset, or another one with the same features; of that, genres that the run does not know are
        left out.
    split
        One of `tfdeepviz.data.fma.SPLITS`.
    out
        Folder for `SPLIT.json`, `SPLIT.html` and, of a classifier, `SPLIT-confusion.png`; by default the run's
        `evaluation`.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    FormatError
        If the run is not finished, or the dataset does not fit it.
    InputError
        If the split holds nothing of use.
    """
    dataset.verify(only_changed=True)
    task = run.task(dataset)
    if split not in task.splits():
        raise InputError(f"{dataset.path}: the {split} split holds nothing of use; choose {', '.join(task.splits())}")
    model = run.load_model()
    scores = task.evaluate(model, split)
    parameters, examples = run.config["parameters"], task.examples(model, split)
    n_encodings = task.n_encodings if isinstance(task, AutoencoderTask) else 1
    try:
        refuse_collapsed({split: scores}, split)
        collapsed = False
    except CollapsedEncoderError:
        collapsed = True
    evaluation = {
        "run": {
            **{"name": run.path.resolve().name, "title": run.preset.title, "kind": run.preset.kind},
            **{"preset": run.preset.to_dict(), "trainable_parameters": parameters["trainable"]},
            **{"encoding_size": parameters["encoding_size"], "encoder_layer": run.preset.encoder_layer},
            **{"encodings_per_segment": n_encodings, "encoding_seconds": dataset.params.segment_seconds / n_encodings},
            **{"epochs": len(run.history()), "dataset_name": dataset.name, "dataset_digest": dataset.identity},
            **{"seed": run.config["seed"], "code_version": run.config["code_version"]},
        },
        **{"split": split, "n_tracks": scores["n_tracks"], "n_segments": scores["n_segments"], "scores": scores},
        "encoding": {"encoding_std": scores["encoding_std"], "collapsed": collapsed},
        "history": run.history(),
    }
    out = run.path / "evaluation" if out is None else out
    # Goes first and comes last: where it is, the other files say the same.
    (out / f"{split}.json").unlink(missing_ok=True)
    if "confusion" in scores:
        plot_confusion(scores, out / f"{split}-confusion.png")
    pictures = None if examples is None else Pictures(examples[0], **examples[1])
    write_evaluation(evaluation, pictures, out / f"{split}.html")
    write_json(out / f"{split}.json", evaluation)
    return out / f"{split}.html"


def write_evaluation(evaluation: Mapping[str, Any], pictures: Pictures | None, out: Path) -> None:
    """Write the page of a run's evaluation: one HTML file that needs no other file, no network and no script.

    Equal arguments give equal bytes.

    Parameters
    ----------
    evaluation
        Strict JSON:

        - `run`: `name`, `title`, `kind` (one of `tfdeepviz.models.presets.KINDS`), `preset` (a dictionary),
          `trainable_parameters`, `encoding_size`, `encoder_layer` (None unless a classifier's),
          `encodings_per_segment`, `encoding_seconds` (of a segment that each of them stands for), `epochs` (trained),
          `dataset_name`, `dataset_digest`, `seed`, `code_version`;
        - `split`, `n_tracks`, `n_segments`;
        - `scores`: of `score_autoencoder`, `score_classifier` or, with `contrastive_loss`, `score_songs`;
        - `encoding`: `encoding_std` (of each component) and `collapsed`;
        - `history`: a dictionary for each epoch, with `epoch`, `loss`, `val_loss`, `seconds` and whatever else.
    pictures
        Segments of an autoencoder to show; None for other kinds.
    out
        File to write, whole or not at all.

    Raises
    ------
    KeyError
        If the evaluation lacks a value.
    InputError
        If the kind is unknown.
    """
    run, scores = evaluation["run"], evaluation["scores"]
    if run["kind"] not in _KINDS:
        raise InputError(f"kind={run['kind']!r}: choose one of {', '.join(_KINDS)}")
    kind = _KINDS[run["kind"]]
    history = _thinned(evaluation["history"])
    page = load_template("tfdeepviz.models").stream(
        run=run,
        evaluation=evaluation,
        verdict=_unbroken(kind.verdict(evaluation)),
        figures=_figures(kind, evaluation),
        kind=kind,
        note=_unbroken(kind.note),
        measures=kind.measures(evaluation),
        examples=None if pictures is None else _Examples.of(pictures, _pca(run)),
        confusion=_Confusion.of(scores) if "confusion" in scores else None,
        every=_every(run),
        spread=_spread_chart(evaluation["encoding"]["encoding_std"]),
        min_std=MIN_ENCODING_STD,
        curves=_curves(kind.curves, history),
        history=_history_table(history),
        n_epochs=len(evaluation["history"]),
        preset=json.dumps(run["preset"], indent=2, ensure_ascii=False),
        preset_file=f"{run['preset'].get('name', run['name'])}.json",
        command=_command(run),
    )
    with atomic_path(out) as temporary, temporary.open("wb") as file:
        # JSON can hold halves of surrogate pairs, which no encoding can: they become question marks.
        page.dump(file, encoding="utf-8", errors="replace")


def plot_confusion(scores: Mapping[str, Any], file: Path | IO[bytes]) -> None:
    """Draw a classifier's confusion matrix as PNG: shares of each row as colours, numbers of tracks in the cells.

    Genres that are neither right nor answered for any track are left out, and numbers if there are more than 30.
    Equal scores give equal bytes.

    Parameters
    ----------
    scores
        Of `score_classifier`.
    file
        Path, written whole or not at all, or an open file.
    """
    matrix = _Confusion.of(scores)
    n = len(matrix.genres)
    is_counted = n <= MAX_COUNTED_GENRES
    cell = min(0.42 if is_counted else 0.16, _MAX_INCHES / n)
    # The cells fill the figure; what stands around them is added when it is saved.
    figure = Figure(figsize=(n * cell, n * cell))
    axes = figure.add_axes((0, 0, 1, 1))
    colours = LinearSegmentedColormap.from_list("share", ["#ffffff", "#f3cf8a", "#c9791f", "#5c2b05"])
    axes.pcolormesh(matrix.shares, cmap=colours, vmin=0, vmax=1, edgecolors="#d9d4dc", linewidth=0.5)
    axes.invert_yaxis()
    # Titles are text, whatever dollar signs they hold.
    style: dict[str, Any] = {"fontsize": min(9.0, 0.75 * 72 * cell), "parse_math": False}
    genres, middles = [_printable(genre) for genre in matrix.genres], np.arange(n) + 0.5
    axes.set_xticks(middles, genres, rotation=90, **style)
    axes.set_yticks(middles, genres, **style)
    axes.set_xlabel("answer")
    axes.set_ylabel("right genre")
    axes.xaxis.set_label_position("top")
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
    if is_counted:
        for row, column in zip(*matrix.counts.nonzero(), strict=True):
            text = f"{matrix.counts[row, column]:,}"
            colour = "white" if matrix.shares[row, column] > 0.5 else "#1d1a24"
            fitting = min(9.0, 1.4 * 72 * cell / max(3, len(text)))
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=colour, fontsize=fitting)
    if isinstance(file, Path):
        with atomic_path(file) as temporary, temporary.open("wb") as opened:
            _save(figure, opened, is_counted)
    else:
        _save(figure, file, is_counted)


def _save(figure: Figure, file: IO[bytes], is_counted: bool) -> None:
    with warnings.catch_warnings():
        # Titles in scripts that matplotlib's font lacks become boxes; the page has them as text.
        warnings.filterwarnings("ignore", message="Glyph")
        # matplotlib would write its version.
        metadata = {"Software": "tfdeepviz"}
        figure.savefig(file, format="png", dpi=150 if is_counted else 100, bbox_inches="tight", metadata=metadata)


def _printable(text: str) -> str:
    """On one line, and short enough to stand beside a matrix."""
    plain = "".join(character if character.isprintable() else "?" for character in text)
    return plain if len(plain) <= 40 else f"{plain[:37]}..."


# --- words -------------------------------------------------------------------------------------------------------


def _verdict_on_autoencoder(evaluation: _Evaluation) -> str:
    run, scores = evaluation["run"], evaluation["scores"]
    pca = f"that of a {_pca(run)}" if _every(run) else f"{_pca(run)}'s"
    sentences = [_life(evaluation)]
    if "mse_to_pca" in scores:
        sentences.append(
            f"the reconstruction's error is {_share_of(scores, 'mse_to_pca', pca)}."
            + (
                f" From the encoding alone, without what bypasses it, it is "
                f"{_share_of(scores, 'alone_mse_to_pca', pca)}."
                if _has_bypass(scores) and "alone_mse_to_pca" in scores
                else ""
            )
        )
    else:
        sentences.append(f"the reconstruction's mean squared error is {_number(scores['mse'])}.")
    return "; ".join(sentences)


def _share_of(scores: Mapping[str, Any], name: str, whole: str) -> str:
    text = f"{scores[name]:.2f} of {whole}"
    if name not in scores["intervals"]:
        return text
    low, high = scores["intervals"][name]
    text += f" (95 % interval {low:.2f} to {high:.2f})"
    if low > 1:
        return f"{text}, so worse than a PCA"
    return f"{text}, which may be chance" if high >= 1 else text


def _life(evaluation: _Evaluation) -> str:
    """Whether the encoding carries anything."""
    std = np.asarray(evaluation["encoding"]["encoding_std"])
    dead = f"{(std < MIN_ENCODING_STD).sum():,} of {len(std):,} components are dead"
    is_partly_dead = bool((std < MIN_ENCODING_STD).any())
    if not evaluation["encoding"]["collapsed"]:
        return "The encoding is alive" + (f", though {dead}" if is_partly_dead else "")
    rise = evaluation["scores"].get("shuffle_rise", math.inf)
    unused = f"exchanging it raises the error by only {rise:.1%}".replace("%", " %")
    reasons = [dead] * is_partly_dead + [unused] * (rise < MIN_SHUFFLE_RISE)
    return "The encoding has collapsed" + (f" ({', and '.join(reasons)})" if reasons else "")


def _verdict_on_classifier(evaluation: _Evaluation) -> str:
    scores = evaluation["scores"]
    n_tracks, accuracy, guess = scores["n_tracks"], scores["polled_accuracy"], scores["majority_baseline"]
    low, high = scores["intervals"]["polled_accuracy"]
    collapsed = f" {_life(evaluation)}." if evaluation["encoding"]["collapsed"] else ""
    return (
        f"{round(accuracy * n_tracks):,} of {n_tracks:,} tracks right (polled {accuracy:.2f}, 95 % interval {low:.2f} "
        f"to {high:.2f}); always answering the commonest genre gives {guess:.2f}."
        f"{_beside_chance(low, high, guess)}{collapsed}"
    )


def _verdict_on_song_encoder(evaluation: _Evaluation) -> str:
    scores = evaluation["scores"]
    n_tracks, share, guess = scores["n_tracks"], scores["self_retrieval"], scores["chance"]
    low, high = scores["intervals"]["self_retrieval"]
    return (
        f"{round(share * n_tracks):,} of {n_tracks:,} songs recognised ({share:.2f}, 95 % interval {low:.2f} to "
        f"{high:.2f}); guessing gives {_number(guess)}.{_beside_chance(low, high, guess)} Of the encoding's variance, "
        f"{scores['between_share']:.2f} lies between songs. {_life(evaluation)}."
    )


def _beside_chance(low: float, high: float, guess: float) -> str:
    """What an interval says of a share beside what guessing gives."""
    return " That may be chance." if low <= guess <= high else " That is worse." if high < guess else ""


def _reconstruction_figure(scores: Mapping[str, Any]) -> tuple[str, str]:
    if "mse_to_pca" in scores:
        return "of the error of a PCA", f"{scores['mse_to_pca']:.2f}"
    return "mean squared error", _number(scores["mse"])


def _figures(kind: _Kind, evaluation: _Evaluation) -> list[tuple[str, str]]:
    """The few numbers below the verdict: what they are, and how much."""
    run = evaluation["run"]
    n_encodings = run["encodings_per_segment"]
    return [
        kind.figure(evaluation["scores"]),
        ("tracks", f"{evaluation['n_tracks']:,}"),
        ("segments", f"{evaluation['n_segments']:,}"),
        ("trainable parameters", f"{run['trainable_parameters']:,}"),
        ("components of the encoding", f"{run['encoding_size']:,}"),
        *([("encodings of each segment", f"{n_encodings:,}")] if n_encodings > 1 else []),
    ]


def _every(run: Mapping[str, Any]) -> str:
    """How often a segment is encoded; nothing where that is once."""
    return f"{1_000 * run['encoding_seconds']:.3g} ms" if run["encodings_per_segment"] > 1 else ""


def _pca(run: Mapping[str, Any]) -> str:
    """What a reconstruction is compared with: a PCA of what one encoding stands for."""
    return f"PCA-{run['encoding_size']}" + (f" of each {_every(run)}" if _every(run) else "")


def _unbroken(text: str) -> str:
    """Without line breaks between a number and its per cent."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def _command(run: Mapping[str, Any]) -> str:
    name = shlex.quote(f"{run['preset'].get('name', run['name'])}.json")
    return f"tfdeepviz train {name} --dataset DATASET --out RUN --seed {run['seed']}"


# --- scores ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Measure:
    """A row of the table of scores: a name, an explanation, and cells of a value and its interval ("" for none)."""

    title: str
    note: str
    cells: list[tuple[str, str]]


def _has_bypass(scores: Mapping[str, Any]) -> bool:
    """Whether the decoder gets anything but the encoding."""
    return bool(scores.get("alone_mse", scores["mse"]) != scores["mse"])


def _autoencoder_measures(evaluation: _Evaluation) -> list[_Measure]:
    run, scores = evaluation["run"], evaluation["scores"]
    encodings = "encodings" if _every(run) else "encoding"
    rows = [
        ("mse", "this autoencoder", "as it is"),
        ("alone_mse", "the encoding alone", "without positions of the pools and skips, which bypass it"),
        ("pca_mse", _pca(run), "as many components, fitted to the training split"),
        ("mean_mse", "mean", "always the mean of the training split"),
        ("shuffled_mse", "encodings exchanged", f"each segment with the {encodings} of another track's"),
    ]
    if not _has_bypass(scores):
        rows = [row for row in rows if row[0] != "alone_mse"]
    known = {name for name, _, _ in rows} | {"alone_mse"}
    rows += [(name, name.removesuffix("_mse"), "") for name in scores if name.endswith("_mse") and name not in known]
    return [
        _Measure(
            title,
            note,
            [_cell(scores, name, _number), _cell(scores, f"{name}_to_pca", lambda value: f"{value:.3f}")],
        )
        for name, title, note in rows
        if name in scores
    ]


def _classifier_measures(evaluation: _Evaluation) -> list[_Measure]:
    return _values(
        evaluation["scores"],
        ("polled_accuracy", "Tracks, polled", "most votes of the segments; a tie is wrong"),
        ("pooled_accuracy", "Tracks, pooled", "mean probabilities of the segments"),
        ("top_3_accuracy", "Tracks, pooled, top 3", "right genre among the three most probable"),
        ("macro_f1", "Macro F1", "pooled; mean over the genres that occur"),
        ("majority_baseline", "Commonest genre", "what always answering it gives, of the tracks"),
        ("segment_accuracy", "Segments", "each by itself"),
        ("segment_top_3_accuracy", "Segments, top 3", ""),
        ("cross_entropy", "Cross-entropy", "of the segments, in nats"),
    )


def _song_measures(evaluation: _Evaluation) -> list[_Measure]:
    return _values(
        evaluation["scores"],
        ("self_retrieval", "Songs recognised", "by the nearest of all songs"),
        ("chance", "Guessing", "one of all songs"),
        ("between_share", "Variance between songs", "mean over the components; the rest lies within songs"),
        ("contrastive_loss", "Contrastive loss", "in nats; lower is better, and the more songs at a time the higher"),
    )


def _values(scores: Mapping[str, Any], *rows: tuple[str, str, str]) -> list[_Measure]:
    """Measures of one value each: the score's name, a title and a note."""
    return [
        _Measure(title, note, [_cell(scores, name, lambda value: f"{value:.3f}")])
        for name, title, note in rows
        if name in scores
    ]


def _cell(scores: Mapping[str, Any], name: str, text: Any) -> tuple[str, str]:
    if name not in scores:
        return "", ""
    interval = scores["intervals"].get(name)
    return text(scores[name]), "" if interval is None else f"{text(interval[0])} to {text(interval[1])}"


def _number(value: float) -> str:
    """At least three significant digits, without an exponent."""
    n_decimals = 2 - math.floor(math.log10(abs(value))) if value else 0
    return signed(f"{value:,.{max(0, n_decimals)}f}")


@dataclass(frozen=True)
class _Confusion:
    """A confusion matrix of the genres that occur, as a right genre or as an answer.

    `often` holds the most frequent confusions: right genre, answer and number of tracks; `rows` the genres of the
    table, those of most tracks first.
    """

    genres: list[str]
    counts: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]
    often: list[tuple[str, str, int]]
    rows: list[dict[str, Any]]
    n_absent: int

    @classmethod
    def of(cls, scores: Mapping[str, Any]) -> _Confusion:
        counts = np.asarray(scores["confusion"], np.int64)
        occurs = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
        genres = [scores["genres"][i] for i in occurs]
        rows = [scores["per_genre"][i] for i in occurs]
        counts = counts[np.ix_(occurs, occurs)]
        wrong = counts * ~np.eye(len(counts), dtype=bool)
        order = np.argsort(-wrong, axis=None, kind="stable")[:_MAX_CONFUSIONS]
        pairs = (divmod(int(i), len(counts)) for i in order)
        return cls(
            genres=genres,
            counts=counts,
            shares=counts / np.maximum(1, counts.sum(axis=1, keepdims=True)),
            often=[(genres[i], genres[j], int(wrong[i, j])) for i, j in pairs if wrong[i, j]],
            rows=sorted(rows, key=lambda row: -row["n_tracks"]),
            n_absent=len(scores["genres"]) - len(genres),
        )

    @property
    def is_counted(self) -> bool:
        """Whether there is room for numbers in the cells."""
        return len(self.genres) <= MAX_COUNTED_GENRES


# --- pictures ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Examples:
    """Segments and their reconstructions as data: URIs, in colours from `low` to `high`."""

    low: str
    middle: str
    high: str
    aspect: str
    gradient: str
    has_alone: bool
    rows: list[tuple[str, list[tuple[str, str, str]]]]

    @classmethod
    def of(cls, pictures: Pictures, pca: str) -> _Examples:
        low, high = np.percentile(pictures.original, [_OUTLIER_PERCENT, 100 - _OUTLIER_PERCENT]).tolist()
        if low == high:
            low, high = low - 0.5, high + 0.5
        rows = []
        for i, caption in enumerate(pictures.captions):
            images = []
            for name, series in pictures.series():
                error = np.square(series[i].astype(np.float64) - pictures.original[i]).mean()
                title = pca if name == "PCA" else name
                images.append((title, "" if name == "original" else _number(error), draw(series[i], low, high)))
            rows.append((caption, images))
        return cls(
            low=_number(low),
            middle=_number((low + high) / 2),
            high=_number(high),
            aspect="{2} / {1}".format(*pictures.original.shape),
            gradient=GRADIENT,
            has_alone=pictures.alone is not None,
            rows=rows,
        )


# --- charts ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Chart:
    """Lines and bars in a square of 100 x 100 with y downwards; ticks in percent.

    `lines` are the name of a style, a label and the path; `bars` are the name of a style, x, y, width and height.
    """

    title: str
    summary: str
    lines: list[tuple[str, str, str]]
    bars: list[tuple[str, float, float, float, float]]
    threshold: float | None
    x_title: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


@dataclass(frozen=True)
class _Axis:
    """Where values are drawn: ticks from the least to the greatest, evenly or logarithmically."""

    ticks: npt.NDArray[np.float64]
    low: float
    high: float
    is_logarithmic: bool = False

    @classmethod
    def of(cls, values: Sequence[float], *, from_zero: bool) -> _Axis:
        low, high = min(values), max(values)
        if not from_zero and 0 < low * _LINEAR_RANGE < high:
            exponents = np.arange(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1.0)
            fine = np.outer(10.0**exponents, [1, 2, 5]).ravel()
            # At the ends the rounding of a power must not leave a value outside.
            low, high = fine[fine <= low * (1 + 1e-9)][-1], fine[fine >= high * (1 - 1e-9)][0]
            ticks = fine[(low <= fine) & (fine <= high)]
            if len(ticks) > 7:
                ticks = 10.0 ** exponents[(low <= 10.0**exponents) & (10.0**exponents <= high)]
            return cls(ticks, low, high, is_logarithmic=True)
        if from_zero:
            low = min(0.0, low)
        ticks = np.asarray(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
        return cls(ticks, float(ticks[0]), float(ticks[-1]))

    def place(self, value: float) -> float:
        """Where a value is, from 0 at the bottom to 100 at the top."""
        if self.is_logarithmic:
            return round(100 * math.log(value / self.low) / math.log(self.high / self.low), 3)
        return round(100 * (value - self.low) / (self.high - self.low), 3)

    def labels(self, *, percent: bool = False) -> list[tuple[float, str]]:
        """Place, y downwards, and text of each tick."""
        texts = [f"{100 * tick:.6g}\N{NO-BREAK SPACE}%" if percent else _tick(tick) for tick in self.ticks]
        return [(100 - self.place(tick), signed(text)) for tick, text in zip(self.ticks, texts, strict=True)]


def _tick(value: float) -> str:
    text: str = np.format_float_positional(float(f"{value:.6g}"), trim="-")
    return text


@dataclass(frozen=True)
class _Curve:
    """A chart of some columns of the history."""

    title: str
    columns: dict[str, str]
    from_zero: bool = True
    percent: bool = False
    threshold: float | None = None


_Row = Mapping[str, Any]


def _thinned(history: Sequence[_Row]) -> list[_Row]:
    step = math.ceil(len(history) / MAX_EPOCHS)
    return [row for i, row in enumerate(history, 1) if i == len(history) or (i - 1) % step == 0]


def _curves(curves: Iterable[_Curve], history: Sequence[_Row]) -> list[_Chart]:
    charts = []
    for curve in curves:
        lines = {label: _points(history, column) for column, label in curve.columns.items()}
        lines = {label: points for label, points in lines.items() if points}
        if lines:
            charts.append(_line_chart(curve, lines))
    return charts


def _points(history: Iterable[_Row], column: str) -> list[tuple[int, float]]:
    """Epochs and values, where there are any."""
    values = ((int(row["epoch"]), row.get(column)) for row in history)
    return [(epoch, float(value)) for epoch, value in values if value is not None and math.isfinite(value)]


def _line_chart(curve: _Curve, lines: Mapping[str, list[tuple[int, float]]]) -> _Chart:
    values = [value for points in lines.values() for _, value in points]
    y = _Axis.of([*values, *([] if curve.threshold is None else [curve.threshold])], from_zero=curve.from_zero)
    epochs = [epoch for points in lines.values() for epoch, _ in points]
    first, last = min(epochs), max(epochs)

    def x(epoch: float) -> float:
        return 50.0 if first == last else round(100 * (epoch - first) / (last - first), 3)

    def text(value: float) -> str:
        return f"{100 * value:.3g}\N{NO-BREAK SPACE}%" if curve.percent else _number(value)

    ticks = np.unique([first, last])
    if len(ticks) > 1:
        inner = MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10]).tick_values(first, last)
        ticks = np.asarray([tick for tick in inner if first <= tick <= last])
    ends = (f"{label} {signed(text(points[-1][1]))}" for label, points in lines.items())
    return _Chart(
        title=curve.title,
        summary=f"After the last epoch: {', '.join(ends)}",
        lines=[
            (f"line-{i}", label, _path([(x(epoch), round(100 - y.place(value), 3)) for epoch, value in points]))
            for i, (label, points) in enumerate(lines.items(), 1)
        ],
        bars=[],
        threshold=None if curve.threshold is None else 100 - y.place(curve.threshold),
        x_title="epoch",
        x_ticks=[(x(float(tick)), f"{tick:,.0f}") for tick in ticks],
        y_ticks=y.labels(percent=curve.percent),
    )


def _spread_chart(encoding_std: Sequence[float]) -> _Chart:
    std = np.asarray(encoding_std, np.float64)
    n = len(std)
    y = _Axis.of([*std.tolist(), 2 * MIN_ENCODING_STD], from_zero=True)
    n_dead = int((std < MIN_ENCODING_STD).sum())
    lines, bars = [], []
    if n <= MAX_BARS:
        title = "Standard deviation of each component"
        width = 100 / n
        bars = [
            (
                "dead" if value < MIN_ENCODING_STD else "line-1",
                round((i + 0.1) * width, 3),
                round(100 - height, 3),
                round(0.8 * width, 3),
                height,
            )
            # The bar of a constant can be seen, too.
            for i, (value, height) in enumerate((value, max(0.75, y.place(value))) for value in std.tolist())
        ]
        step = 1 if n <= 16 else 8
        x_ticks = [(round((i + 0.5) * width, 3), str(i)) for i in range(0, n, step)]
    else:
        title = "Standard deviation of the components, the largest first"
        chosen = np.unique(np.linspace(0, n - 1, 256).round().astype(int))
        ranked = np.sort(std)[::-1]
        points = [(round(100 * i / (n - 1), 3), round(100 - y.place(ranked[i]), 3)) for i in chosen.tolist()]
        lines = [("line-1", "components", _path(points))]
        ticks = [t for t in MaxNLocator(nbins=5, integer=True, steps=[1, 2, 5, 10]).tick_values(0, n - 1) if 0 <= t < n]
        x_ticks = [(round(100 * float(t) / (n - 1), 3), f"{t:,.0f}") for t in ticks]
    return _Chart(
        title=title,
        summary=f"{_number(std.min())} to {_number(std.max())}, median {_number(float(np.median(std)))}; "
        f"{n_dead:,} of {n:,} dead",
        lines=lines,
        bars=bars,
        threshold=100 - y.place(MIN_ENCODING_STD),
        x_title="component",
        x_ticks=x_ticks,
        y_ticks=y.labels(),
    )


def _path(points: Sequence[tuple[float, float]]) -> str:
    # A line to where it begins is a dot: with round caps even a single epoch is seen.
    pairs = [f"{x:g} {y:g}" for x, y in points]
    return "M" + "L".join(pairs if len(pairs) > 1 else 2 * pairs)


def _history_table(history: Sequence[_Row]) -> tuple[list[str], list[list[str]]]:
    names = list(dict.fromkeys(name for row in history for name in row))
    return names, [[_history_cell(name, row.get(name)) for name in names] for row in history]


def _history_cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if name in ("epoch", "dead_components") else _number(float(value))


# --- kinds -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Kind:
    """What the page of a run says that other kinds of runs have not.

    `figure` is the first of the numbers below the verdict; `heads` are the table's of scores, whose cells are values
    but for the first.
    """

    name: str
    verdict: Callable[[_Evaluation], str]
    figure: Callable[[Mapping[str, Any]], tuple[str, str]]
    note: str
    heads: tuple[str, ...]
    measures: Callable[[_Evaluation], list[_Measure]]
    curves: tuple[_Curve, ...]


_LOSS = {"loss": "training", "val_loss": "validation"}
_SPREAD = _Curve("Smallest spread of a component", {"min_encoding_std": "validation"}, threshold=MIN_ENCODING_STD)
_KINDS = {
    "autoencoder": _Kind(
        name="An autoencoder",
        verdict=_verdict_on_autoencoder,
        figure=_reconstruction_figure,
        note="Mean squared error of the scaled segments, and its share of the PCA's. Lower is better, except for "
        "encodings exchanged for those of other tracks: if that costs nothing, the decoder does not use them. "
        "Intervals are 95 %, by resampling artists with all their tracks.",
        heads=("Reconstruction from", "Error", "of PCA's"),
        measures=_autoencoder_measures,
        curves=(
            _Curve("Mean squared error", _LOSS, from_zero=False),
            _Curve(
                "Rise of the error when encodings are exchanged",
                {"shuffle_rise": "validation"},
                percent=True,
                threshold=MIN_SHUFFLE_RISE,
            ),
            _SPREAD,
        ),
    ),
    "classifier": _Kind(
        name="A genre classifier",
        verdict=_verdict_on_classifier,
        figure=lambda scores: ("of the tracks right, polled", f"{scores['polled_accuracy']:.2f}"),
        note="Shares, 1 is best. Intervals are 95 % (Wilson) and take the tracks of an artist together.",
        heads=("Measure", "Value"),
        measures=_classifier_measures,
        curves=(
            _Curve("Cross-entropy", _LOSS, from_zero=False),
            _Curve("Accuracy, validation", {"val_accuracy": "segments", "val_polled_accuracy": "tracks, polled"}),
        ),
    ),
    "contrastive": _Kind(
        name="A song encoder",
        verdict=_verdict_on_song_encoder,
        figure=lambda scores: ("of the songs recognised", f"{scores['self_retrieval']:.2f}"),
        note="Shares, 1 is best, and the loss. A song is recognised if the mean encoding of its second half is nearer "
        "to that of its own first half than to any other song's. The interval is 95 % (Wilson) and takes the songs of "
        "an artist together.",
        heads=("Measure", "Value"),
        measures=_song_measures,
        curves=(
            _Curve("Contrastive loss (the more songs at a time, the higher)", _LOSS, from_zero=False),
            _Curve("Songs recognised, validation", {"val_self_retrieval": "songs"}, percent=True),
            _SPREAD,
        ),
    ),
}
