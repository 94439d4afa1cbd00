"""What a run's encodings and their mappings are like, for people: charts, their numbers, and a map to listen to."""

from __future__ import annotations

import csv
import os
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tfdeepviz import __version__
from tfdeepviz.analysis.statistics import MAP_METHODS, Statistics, elbow, explained_variance, map_rows, sample
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError, atomic_path, inside
from tfdeepviz.mapping.encodings import encode_run
from tfdeepviz.mapping.mappings import Encodings, MappingKey, Mappings, fit_mappings
from tfdeepviz.mapping.projections import PROJECTIONS, warning_for
from tfdeepviz.mapping.scaling import SCALING_METHODS, SCALING_MODES
from tfdeepviz.models.run import Run
from tfdeepviz.page import GRADIENT, draw, load_template, signed

PAGE = "analysis.html"

#: Genres, and tracks, that are described one by one.
MAX_GROUPS = 4
#: Components of an encoding that are drawn, and that are drawn side by side for several groups; the CSVs have all.
MAX_BARS, MAX_GROUPED_BARS = 32, 10
#: Points of the map and of the scatter plots.
MAX_POINTS = 2_000
#: Columns of a song's picture.
MAX_COLUMNS = 3_000
#: Numbers that the encodings of a split may have; of more, whole shards are left out.
MAX_VALUES = 1 << 25

#: Genres with a colour of their own.
_COLOURS = 8
_MAX_SHARES = 32
_CLUSTERS = range(2, 21)
_MAX_SCATTERS = 4
_HISTOGRAM_BINS = 40
_NO_GENRE = "(no genre)"

Floats = npt.NDArray[np.float64]
Progress = Callable[[str, int, int], None]
Track = dict[str, Any]


class Group(NamedTuple):
    """Tracks that are described together: `kind` is all, genre or track, `name` a genre or a track's id."""

    kind: str
    name: str = ""


EVERYTHING = Group("all")

#: In place of a mapping: encodings as they come out of the encoder.
ENCODINGS = MappingKey("", "", "")


@dataclass(frozen=True, eq=False)
class Points:
    """A sample of the described encodings, each track's in order of time.

    Attributes
    ----------
    xy : np.ndarray [shape=(n, 2)]
        Where each is on the map, from 0 to 1.
    method
        How the map was made.
    track : np.ndarray [shape=(n,)]
        Index into the tracks.
    seconds : np.ndarray [shape=(n,)]
        Time in the track.
    components
        By name, values of the principal components and of the encoding's own that are shown in pairs [shape=(n,)].
    """

    xy: Floats
    method: str
    track: npt.NDArray[np.int64]
    seconds: Floats
    components: dict[str, Floats]


@dataclass(frozen=True, eq=False)
class Song:
    """One track, the times of its encodings [shape=(n,)] and its parameters by mapping [shape=(n, n_parameters)]."""

    track: Track
    times: Floats
    step_seconds: float
    parameters: dict[MappingKey, Floats]


@dataclass(frozen=True, eq=False)
class Analysis:
    """All that a report shows.

    Attributes
    ----------
    about
        Plain values that say what was analysed, and how.
    tracks
        Those that are described, as the dataset lists them.
    mappings
        All that the encodings allow.
    statistics
        By group, then by mapping, or `ENCODINGS`.
    clipped
        Share of the parameters that lie at 0 or 1, by mapping.
    shares
        Of the variance, that each principal component explains, by projection.
    inertia
        Of k-means, for each number of clusters.
    points, song
        Moments of all tracks, and one track over time.
    """

    about: dict[str, Any]
    tracks: list[Track]
    mappings: Mappings
    statistics: dict[Group, dict[MappingKey, Statistics]]
    clipped: dict[MappingKey, float]
    shares: dict[str, Floats]
    inertia: list[tuple[int, float]]
    points: Points
    song: Song


def suited(projection: str) -> MappingKey:
    """The scaling that shows a projection best: robust, and of all parameters as one where that keeps their order."""
    return MappingKey(projection, "across" if warning_for(projection, "features") else "features", "robust")


def analyze(
    run: Run,
    dataset: PreparedDataset,
    *,
    fit: str = "training",
    split: str = "test",
    track_ids: Sequence[int] = (),
    n_genres: int = MAX_GROUPS,
    map_method: str = "t-sne",
    seed: int = 0,
    progress: Progress | None = None,
) -> Analysis:
    """Fit every mapping to one split of a dataset and describe another.

    Parameters
    ----------
    run
        A finished run.
    dataset
        With the run's features. Where the encodings of a split would have more than 2**25 numbers, shards of it are
        drawn with the seed.
    fit, split
        What mappings are fitted to, and what is described. The original took the test split for both.
    track_ids
        Up to four tracks of the described split to describe one by one, by default of as many genres as possible. The
        first is the one whose parameters are shown over time.
    n_genres
        How many genres to describe one by one, at most four; those with the most tracks.
    map_method
        One of `MAP_METHODS`.
    seed
        Of every choice.
    progress
        Called with what is being done, how much of it is done, and how much there is.

    Raises
    ------
    FormatError
        If the run is not finished, or the dataset does not fit it.
    InputError
        If a split holds no track, a track is not in it, or a value is impossible.
    """
    _check(dataset, fit, split, track_ids, n_genres, map_method, seed)
    run.check_features(dataset)
    dataset.verify(only_changed=True)
    tell = progress or (lambda what, done, total: None)

    def encode(part: PreparedDataset, name: str) -> list[Encodings]:
        return encode_run(run, part, name, progress=lambda done, total: tell(f"encoding {name}", done, total))

    encoder = run.preset.name
    fitted_part = _affordable(run, dataset, fit, seed)
    fitted = encode(fitted_part, fit)
    described_part = _affordable(run, dataset, split, seed, track_ids)
    is_same = (fit, fitted_part.shards) == (split, described_part.shards)
    described = fitted if is_same else encode(described_part, split)
    tracks = described_part.used(split)

    n_stages = 3 + len(PROJECTIONS)
    tell("analysing", 0, n_stages)
    mappings = fit_mappings({encoder: fitted}, seed=seed)
    tell("analysing", 1, n_stages)
    rows = np.concatenate([one.values for one in fitted])
    shares = {"pca": explained_variance(rows, n_components=_MAX_SHARES, seed=seed)}
    for projection in mappings.projections:
        if projection.name == "kmeans":
            y = np.concatenate([projection.rows({encoder: one})[1] for one in fitted])
            shares["kmeans-pca"] = explained_variance(y, n_components=_MAX_SHARES, seed=seed)
    inertia = elbow(rows, _CLUSTERS, seed=seed)
    tell("analysing", 2, n_stages)

    chosen = [_index(tracks, track_id) for track_id in track_ids] or _choose(tracks, seed)
    groups = {EVERYTHING: list(range(len(tracks)))}
    for genre in [genre for genre in _genres(tracks) if genre][:n_genres]:
        groups[Group("genre", genre)] = [i for i, track in enumerate(tracks) if track["genre"] == genre]
    groups |= {Group("track", str(tracks[i]["track_id"])): [i] for i in chosen}

    of_encodings = _describe([one.values for one in described], groups)
    statistics = {group: {ENCODINGS: found} for group, found in of_encodings.items()}
    clipped: dict[MappingKey, float] = {}
    song: dict[MappingKey, Floats] = {}
    first_rows: list[Floats] = []
    for done, projection in enumerate(mappings.projections, 3):
        ys = [projection.rows({encoder: one})[1] for one in described]
        if projection.name == "pca":
            first_rows = ys
        for scaling in projection.scalings:
            offer = MappingKey(projection.name, scaling.mode, scaling.method)
            parameters = [scaling.for_track(y).apply(y) for y in ys]
            for group, found in _describe(parameters, groups).items():
                statistics[group][offer] = found
            n_clipped = sum(int(((p <= 0) | (p >= 1)).sum()) for p in parameters)
            clipped[offer] = n_clipped / sum(p.size for p in parameters)
            if offer == suited(projection.name):
                song[offer] = parameters[chosen[0]]
        tell("analysing", done, n_stages)
    points = _points(described, first_rows, statistics[EVERYTHING][ENCODINGS], map_method, seed)
    tell("analysing", n_stages, n_stages)

    heard = described[chosen[0]]
    return Analysis(
        about={
            **{"run": run.path.resolve().name, "title": run.preset.title, "kind": run.preset.kind},
            **{"encoder_layer": run.preset.encoder_layer, "encoding_size": rows.shape[1]},
            **{"step_seconds": max(described, key=lambda one: len(one.times)).step_seconds},
            **{"dataset": dataset.name, "dataset_digest": dataset.identity},
            **{
                "fit": fit,
                "n_fit_tracks": len(fitted),
                "n_fit_encodings": len(rows),
                "n_fit_all": dataset.n_tracks(fit),
            },
            **{"split": split, "n_encodings": sum(len(one.times) for one in described)},
            **{"n_split_all": dataset.n_tracks(split), "seed": seed, "code_version": __version__},
        },
        tracks=tracks,
        mappings=mappings,
        statistics=statistics,
        clipped=clipped,
        shares=shares,
        inertia=inertia,
        points=points,
        song=Song(tracks[chosen[0]], np.asarray(heard.times, np.float64), heard.step_seconds, song),
    )


def write_report(analysis: Analysis, out: Path, *, fma_root: Path | None = None) -> Path:
    """Write an analysis as a page, the numbers of its charts as CSV, and a song's pictures as PNG.

    Equal analyses give equal bytes. Every file is written whole or not at all, the page last.

    Parameters
    ----------
    analysis
        Of `analyze`.
    out
        Folder for `analysis.html`, which needs no network and no other file but the corpus's, to play them;
        `components.csv`, `scalings.csv`, `explained-variance.csv`, `elbow.csv`, `points.csv`, `song.csv`; and
        `song-PROJECTION.png`.
    fma_root
        Folder of the corpus, which the page refers to; None writes a page without sound.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    FileNotFoundError
        If `fma_root` is no folder.
    """
    if fma_root is not None and not fma_root.is_dir():
        raise FileNotFoundError(f"{fma_root}: no such folder; give the corpus that the dataset was prepared from")
    for name, (header, rows) in _tables(analysis).items():
        _write_csv(out / name, header, rows)
    for offer, parameters in analysis.song.parameters.items():
        _plot_song(analysis.song, offer, parameters, out / f"song-{offer.projection}.png")
    sounds = [_address(out, fma_root, track) for track in analysis.tracks]
    page = load_template("tfdeepviz.analysis", digest=_digest).stream(
        about=analysis.about,
        n_tracks=len(analysis.tracks),
        lede=_lede(analysis),
        figures=_figures(analysis),
        legend=_legend(analysis.tracks),
        map=_map_chart(analysis),
        map_method=analysis.points.method,
        data=_map_data(analysis, sounds),
        has_sound=any(sounds),
        song=_SongView.of(analysis.song, sounds[_index(analysis.tracks, analysis.song.track["track_id"])]),
        gradient=GRADIENT,
        encodings=_encoding_charts(analysis),
        numbers=_numbers(analysis),
        max_bars=MAX_BARS,
        mappings=[_MappingView.of(analysis, projection.name) for projection in analysis.mappings.projections],
        left_out=analysis.mappings.left_out,
        variance=_variance_charts(analysis),
        genres=_GroupView.of(analysis, "genre"),
        tracks=_GroupView.of(analysis, "track"),
        max_grouped=MAX_GROUPED_BARS,
        scatters=_scatter_charts(analysis),
        no_genre=_NO_GENRE,
        tables=list(_tables(analysis)),
    )
    with atomic_path(out / PAGE) as temporary, temporary.open("wb") as file:
        # JSON can hold halves of surrogate pairs, which no encoding can: they become question marks.
        page.dump(file, encoding="utf-8", errors="replace")
    return out / PAGE


# --- choices -----------------------------------------------------------------------------------------------------


def _check(
    dataset: PreparedDataset,
    fit: str,
    split: str,
    track_ids: Sequence[int],
    n_genres: int,
    map_method: str,
    seed: int,
) -> None:
    for name, value in (("fit", fit), ("split", split)):
        if value not in SPLITS:
            raise InputError(f"{name}={value!r}: choose one of {', '.join(SPLITS)}")
        if not dataset.n_tracks(value):
            raise InputError(f"{dataset.path}: the {value} split holds no track; choose another for {name}")
    if map_method not in MAP_METHODS:
        raise InputError(f"map={map_method!r}: choose one of {', '.join(MAP_METHODS)}")
    if not 0 <= n_genres <= MAX_GROUPS:
        raise InputError(f"genres={n_genres}: give 0 to {MAX_GROUPS}")
    if seed < 0:
        raise InputError(f"seed={seed}: give at least 0")
    if len(track_ids) > MAX_GROUPS or len(set(track_ids)) < len(track_ids):
        raise InputError(f"tracks {', '.join(map(str, track_ids))}: give at most {MAX_GROUPS}, each once")
    held = sorted(track["track_id"] for track in dataset.used(split))
    for track_id in track_ids:
        if track_id not in held:
            some = ", ".join(map(str, held[:20])) + (", ..." if len(held) > 20 else "")
            raise InputError(f"track {track_id}: the {split} split of {dataset.path} does not hold it, but {some}")


def _affordable(
    run: Run, dataset: PreparedDataset, split: str, seed: int, track_ids: Iterable[int] = ()
) -> PreparedDataset:
    """Leave out shards of a split, drawn with the seed, whose encodings would be too many; never those of tracks."""
    encoder = run.load_encoder()
    windows, size = run.windows(encoder), int(encoder.output_shape[-1])
    wanted = set(track_ids)
    order = [dataset.shards[i] for i in np.random.default_rng(seed).permutation(len(dataset.shards))]
    order = [shard for shard in order if shard["split"] == split and shard["tracks"]]
    order.sort(key=lambda shard: wanted.isdisjoint(track["track_id"] for track in shard["tracks"]))
    left, kept = MAX_VALUES, list[str]()
    for shard in order:
        left -= size * sum(windows.count(track["n_frames"]) for track in shard["tracks"])
        if left >= 0 or not kept or not wanted.isdisjoint(track["track_id"] for track in shard["tracks"]):
            kept.append(shard["file"])
    return replace(dataset, shards=tuple(shard for shard in dataset.shards if shard["file"] in kept))


def _index(tracks: Sequence[Track], track_id: int) -> int:
    return next(i for i, track in enumerate(tracks) if track["track_id"] == track_id)


def _genres(tracks: Iterable[Track]) -> list[str]:
    """All genres, those of most tracks first; the empty title of tracks without one comes last."""
    counts = Counter(track["genre"] for track in tracks)
    return sorted(counts, key=lambda genre: (genre == "", -counts[genre], genre))


def _choose(tracks: Sequence[Track], seed: int) -> list[int]:
    """Up to four tracks of as many genres as possible, then of as many artists; drawn with the seed."""
    order = np.random.default_rng(seed).permutation(len(tracks)).tolist()
    chosen: list[int] = []
    rank = {genre: place for place, genre in enumerate(_genres(tracks))}
    while order and len(chosen) < MAX_GROUPS:
        genres = Counter(tracks[i]["genre"] for i in chosen)
        artists = Counter(tracks[i]["artist"] for i in chosen)

        def repeats(i: int, genres: Counter[str] = genres, artists: Counter[str] = artists) -> tuple[int, int, int]:
            genre = tracks[i]["genre"]
            return genres[genre], artists[tracks[i]["artist"]], rank[genre]

        chosen.append(min(order, key=repeats))
        order.remove(chosen[-1])
    return chosen


def _describe(by_track: Sequence[npt.NDArray[Any]], groups: Mapping[Group, Sequence[int]]) -> dict[Group, Statistics]:
    return {group: Statistics.of(np.concatenate([by_track[i] for i in members])) for group, members in groups.items()}


def _points(
    described: Sequence[Encodings], principal: Sequence[Floats], statistics: Statistics, method: str, seed: int
) -> Points:
    """Draw moments, evenly in time, of every track, or of as many tracks as there may be points."""
    shown = sample(len(described), MAX_POINTS, seed)
    most = MAX_POINTS // len(shown)
    lengths = [len(described[i].times) for i in shown]
    at = [np.linspace(0, n - 1, min(n, most)).round().astype(int) for n in lengths]
    values = np.concatenate([described[i].values[moments] for i, moments in zip(shown, at, strict=True)])
    xy, method = map_rows(values, method, seed=seed)
    components = {}
    if principal:
        y = np.concatenate([principal[i][moments] for i, moments in zip(shown, at, strict=True)])
        components = {f"principal component {k + 1}": y[:, k] for k in range(min(y.shape[1], 2 * _MAX_SCATTERS))}
    size = values.shape[1]
    # Of a wide encoding, the components that vary the most say the most.
    order = np.argsort(-statistics.std, kind="stable") if size > MAX_BARS else np.arange(size)
    for k in order[: 2 * _MAX_SCATTERS].tolist():
        components[f"component {k + 1}"] = values[:, k].astype(np.float64)
    return Points(
        xy=xy,
        method=method,
        track=np.repeat(shown, list(map(len, at))),
        seconds=np.concatenate([described[i].times[moments] for i, moments in zip(shown, at, strict=True)]),
        components=components,
    )


# --- files beside the page ---------------------------------------------------------------------------------------

_Cell = str | int | float
_Table = tuple[Sequence[str], list[Sequence[_Cell]]]


def _tables(analysis: Analysis) -> dict[str, _Table]:
    """Header and rows of every CSV."""
    points, song = analysis.points, analysis.song
    components: list[Sequence[_Cell]] = [
        (*group, *offer, k, *values)
        for group, by_offer in analysis.statistics.items()
        for offer, found in by_offer.items()
        for k, values in enumerate(zip(found.mean, found.minimum, found.maximum, found.std, strict=True), 1)
    ]
    scalings: list[Sequence[_Cell]] = [
        (*offer, _mean_std(analysis, offer), share) for offer, share in analysis.clipped.items()
    ]
    variance: list[Sequence[_Cell]] = [
        (name, k, share, total)
        for name, shares in analysis.shares.items()
        for k, (share, total) in enumerate(zip(shares, np.cumsum(shares), strict=True), 1)
    ]
    moments: list[Sequence[_Cell]] = [
        (analysis.tracks[i]["track_id"], analysis.tracks[i]["genre"], seconds, *xy, *values)
        for i, seconds, xy, *values in zip(
            points.track, points.seconds, points.xy, *points.components.values(), strict=True
        )
    ]
    played: list[Sequence[_Cell]] = [
        (song.track["track_id"], *offer, seconds, *row)
        for offer, parameters in song.parameters.items()
        for seconds, row in zip(song.times, parameters, strict=True)
    ]
    mapping = ("projection", "mode", "method")
    names = [f"parameter {k + 1}" for k in range(analysis.mappings.n_parameters)]
    return {
        "components.csv": (
            ("group", "name", *mapping, "component", "mean", "minimum", "maximum", "standard deviation"),
            components,
        ),
        "scalings.csv": ((*mapping, "mean standard deviation", "share at 0 or 1"), scalings),
        "explained-variance.csv": (("projection", "component", "share", "cumulative"), variance),
        "elbow.csv": (("clusters", "inertia"), list(analysis.inertia)),
        "points.csv": (("track", "genre", "seconds", "x", "y", *points.components), moments),
        "song.csv": (("track", *mapping, "seconds", *names), played),
    }


def _mean_std(analysis: Analysis, offer: MappingKey) -> float:
    return float(analysis.statistics[EVERYTHING][offer].std.mean())


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[_Cell]]) -> None:
    with (
        atomic_path(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="replace") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([f"{cell:.9g}" if isinstance(cell, float) else cell for cell in row] for row in rows)


def _plot_song(song: Song, offer: MappingKey, parameters: Floats, path: Path) -> None:
    """Draw a song's parameters over time, for documents."""
    figure = Figure(figsize=(9, 2.2), layout="constrained")
    axes = figure.add_subplot()
    span = (*_span(song), len(parameters.T) + 0.5, 0.5)
    image = axes.imshow(_columns(parameters), cmap="magma", vmin=0, vmax=1, aspect="auto", extent=span)
    image.set_interpolation("nearest")
    axes.set_title(" / ".join(offer), fontsize=10, loc="left")
    axes.set_xlabel("seconds")
    axes.set_ylabel("parameter")
    axes.set_yticks([1, len(parameters.T)])
    axes.spines[:].set_visible(False)
    with atomic_path(path) as temporary:
        # matplotlib would write its version.
        figure.savefig(temporary, dpi=120, metadata={"Software": "tfdeepviz"})


def _span(song: Song) -> tuple[float, float]:
    """Where a song's picture begins and ends, in seconds: every encoding stands for the step around its time."""
    step = song.step_seconds if len(song.times) > 1 else 1.0
    return float(song.times[0]) - step / 2, float(song.times[-1]) + step / 2


def _columns(parameters: Floats) -> Floats:
    """Make an image [shape=(n_parameters, n_columns)], of a long song every second, third, ... moment."""
    return parameters[:: -(-len(parameters) // MAX_COLUMNS)].T


# --- words -------------------------------------------------------------------------------------------------------


def _lede(analysis: Analysis) -> str:
    std = analysis.statistics[EVERYTHING][ENCODINGS].std
    n, split = len(std), analysis.about["split"]
    text = f"On the {split} split its {n:,} components vary by {_number(std.min())} to {_number(std.max())}"
    text += " (standard deviation)."
    total = np.cumsum(analysis.shares["pca"])
    if len(total) > 1 and total[1] > 0:
        text += f" The first two principal components hold {_percent(float(total[1]))} of the variance"
        enough = int(np.searchsorted(total, 0.9)) + 1
        text += f"; 90\N{NO-BREAK SPACE}% take {enough}." if enough <= len(total) else "."
    return text


def _figures(analysis: Analysis) -> list[tuple[str, str]]:
    about = analysis.about
    return [
        (f"tracks, {about['split']}", f"{len(analysis.tracks):,}"),
        ("encodings", f"{about['n_encodings']:,}"),
        ("components", f"{about['encoding_size']:,}"),
        ("seconds between two", f"{about['step_seconds']:.3g}" if np.isfinite(about["step_seconds"]) else "-"),
        ("mappings", f"{len(analysis.clipped):,}"),
    ]


def _number(value: float) -> str:
    """At most three significant digits, without an exponent."""
    text: str = np.format_float_positional(float(f"{value:.3g}"), trim="-")
    return signed(text)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def _label(offer: MappingKey) -> str:
    return " / ".join(offer) if offer != ENCODINGS else "encodings"


def _digest(script: str) -> str:
    """SHA-256 of a script as a page's policy names it: no other may run."""
    return f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}"


# --- charts ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Axis:
    """Where values are drawn, in percent, with evenly spaced ticks."""

    low: float
    high: float
    ticks: list[float]

    @classmethod
    def of(cls, low: float, high: float, *, n_ticks: int = 4, tight: bool = False) -> _Axis:
        """Cover a range of values; not `tight`, from tick to tick."""
        if not high > low:
            low, high = low - 0.5, high + 0.5
        ticks = np.asarray(MaxNLocator(nbins=n_ticks, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)).tolist()
        if tight:
            margin = 0.03 * (high - low)
            low, high = low - margin, high + margin
            return cls(low, high, [tick for tick in ticks if low <= tick <= high])
        return cls(ticks[0], ticks[-1], ticks)

    def x(self, value: float) -> float:
        """Percent from the left."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)

    def y(self, value: float) -> float:
        """Percent from the top."""
        return round(100 - 100 * (value - self.low) / (self.high - self.low), 2)

    def labels(self, *, upwards: bool, percent: bool = False) -> list[tuple[float, str]]:
        """Place and text of each tick."""
        place = self.y if upwards else self.x
        return [(place(tick), _percent(tick) if percent else _tick(tick)) for tick in self.ticks]


def _tick(value: float) -> str:
    text: str = np.format_float_positional(float(f"{value:.6g}"), trim="-")
    return signed(text)


_UNIT = _Axis(0.0, 1.0, [0.0, 0.5, 1.0])


@dataclass(frozen=True)
class _Chart:
    """Paths in a square of 100 x 100 with y downwards, each with the names of its styles; ticks in percent."""

    title: str
    summary: str
    paths: list[tuple[str, str]]
    x_title: str = ""
    y_title: str = ""
    x_ticks: Sequence[tuple[float, str]] = ()
    y_ticks: Sequence[tuple[float, str]] = ()
    legend: Sequence[tuple[str, str]] = ()


def _statistics_paths(
    groups: Sequence[tuple[str, Statistics]], axis: _Axis, n_components: int
) -> list[tuple[str, str]]:
    """Of every component and group: a thin bar from minimum to maximum, a wide one around the mean, and the mean.

    The wide bar reaches a standard deviation to either side, but not beyond the thin one.
    """
    slot = 100 / n_components
    width = 0.74 * slot / len(groups)
    paths = []
    for g, (style, found) in enumerate(groups):
        ranges, spreads, means = [], [], []
        for k in range(n_components):
            low, high, mean, std = (float(of[k]) for of in (found.minimum, found.maximum, found.mean, found.std))
            x = (k + 0.13) * slot + g * width
            ranges.append(_bar(x + 0.36 * width, axis.y(high), 0.28 * width, axis.y(low)))
            spreads.append(
                _bar(x + 0.06 * width, axis.y(min(high, mean + std)), 0.88 * width, axis.y(max(low, mean - std)))
            )
            means.append(f"M{x + 0.06 * width:.2f} {axis.y(mean):g}h{0.88 * width:.2f}")
        paths += [(f"range {style}", "".join(ranges)), (f"spread {style}", "".join(spreads)), ("mean", "".join(means))]
    return paths


def _bar(x: float, top: float, width: float, bottom: float) -> str:
    return f"M{x:.2f} {top:g}h{width:.2f}V{bottom:g}h{-width:.2f}z"


def _component_ticks(n: int) -> list[tuple[float, str]]:
    """Numbers of components below their bars, as many as there is room for."""
    return [(round((k + 0.5) * 100 / n, 2), f"{k + 1}") for k in range(n) if n <= 12 or k % 5 == 4 or k == 0]


def _extent(found: Iterable[Statistics], n: int) -> _Axis:
    pairs = [(float(one.minimum[:n].min()), float(one.maximum[:n].max())) for one in found]
    return _Axis.of(min(low for low, _ in pairs), max(high for _, high in pairs))


def _encoding_charts(analysis: Analysis) -> list[_Chart]:
    found = analysis.statistics[EVERYTHING][ENCODINGS]
    size = len(found.mean)
    n = min(size, MAX_BARS)
    axis = _extent([found], n)
    first = "" if n == size else f", the first {n}"
    charts = [
        _Chart(
            f"Components of the encodings{first}",
            f"standard deviation {_number(found.std[:n].min())} to {_number(found.std[:n].max())}, "
            f"median {_number(float(np.median(found.std[:n])))}",
            _statistics_paths([("c0", found)], axis, n),
            x_title="component",
            x_ticks=_component_ticks(n),
            y_ticks=axis.labels(upwards=True),
        )
    ]
    if n < size:
        for name, values in (("Means", found.mean), ("Standard deviations", found.std)):
            charts.append(_histogram(f"{name} of all {size:,} components", values))
    return charts


def _histogram(title: str, values: Floats) -> _Chart:
    across = _Axis.of(float(values.min()), float(values.max()), n_ticks=6)
    counts, edges = np.histogram(values, _HISTOGRAM_BINS, (across.low, across.high))
    up = _Axis.of(0.0, float(counts.max()))
    width = 100 / _HISTOGRAM_BINS
    bars = [
        _bar(across.x(float(edge)) + 0.08 * width, up.y(float(count)), 0.84 * width, 100.0)
        for edge, count in zip(edges, counts, strict=False)
        if count
    ]
    return _Chart(
        title,
        f"{_number(float(values.min()))} to {_number(float(values.max()))}, median {_number(float(np.median(values)))}",
        [("spread c0", "".join(bars))],
        x_ticks=across.labels(upwards=False),
        y_ticks=up.labels(upwards=True),
        y_title="components",
    )


def _numbers(analysis: Analysis) -> list[tuple[int, list[str]]]:
    found = analysis.statistics[EVERYTHING][ENCODINGS]
    columns = zip(found.mean, found.minimum, found.maximum, found.std, strict=True)
    return [(k, [_number(float(value)) for value in row]) for k, row in enumerate(columns, 1)][:MAX_BARS]


@dataclass(frozen=True)
class _MappingView:
    """A projection with all its scalings."""

    name: str
    warning: str | None
    charts: list[tuple[str, list[_Chart]]]

    @classmethod
    def of(cls, analysis: Analysis, name: str) -> _MappingView:
        charts: list[tuple[str, list[_Chart]]] = []
        for mode in SCALING_MODES:
            row = []
            for method in SCALING_METHODS:
                offer = MappingKey(name, mode, method)
                found = analysis.statistics[EVERYTHING][offer]
                row.append(
                    _Chart(
                        method,
                        f"std {_mean_std(analysis, offer):.2f}, {_percent(analysis.clipped[offer])} at 0 or 1",
                        _statistics_paths([("c0", found)], _UNIT, len(found.mean)),
                        y_ticks=_UNIT.labels(upwards=True),
                    )
                )
            charts.append((mode, row))
        return cls(name, warning_for(name, "features"), charts)


@dataclass(frozen=True)
class _GroupView:
    """Several genres or tracks side by side: their colours, and a chart of the encodings and of every projection."""

    legend: list[tuple[str, str]]
    charts: list[_Chart]

    @classmethod
    def of(cls, analysis: Analysis, kind: str) -> _GroupView:
        groups = [group for group in analysis.statistics if group.kind == kind]
        styles = [f"c{i}" for i in range(len(groups))]
        if not groups:
            return cls([], [])
        charts = []
        for offer in (ENCODINGS, *map(suited, (projection.name for projection in analysis.mappings.projections))):
            found = [analysis.statistics[group][offer] for group in groups]
            n = min(len(found[0].mean), MAX_GROUPED_BARS)
            axis = _extent(found, n) if offer == ENCODINGS else _UNIT
            spread = np.stack([one.mean for one in found]).std(axis=0).mean()
            title = _label(offer).capitalize() if offer == ENCODINGS else _label(offer)
            charts.append(
                _Chart(
                    title + (f", the first {n} components" if n < len(found[0].mean) else ""),
                    f"their means differ by {_number(float(spread))} (standard deviation, mean of all components)",
                    _statistics_paths(list(zip(styles, found, strict=True)), axis, n),
                    x_title="component" if offer == ENCODINGS else "parameter",
                    x_ticks=_component_ticks(n),
                    y_ticks=axis.labels(upwards=True),
                )
            )
        return cls([(style, _name(analysis, group)) for style, group in zip(styles, groups, strict=True)], charts)


def _name(analysis: Analysis, group: Group) -> str:
    if group.kind == "genre":
        n = sum(track["genre"] == group.name for track in analysis.tracks)
        return f"{group.name}, {n:,} track{'s' * (n != 1)}"
    track = analysis.tracks[_index(analysis.tracks, int(group.name))]
    return f"{_title(track)} ({track['genre'] or _NO_GENRE}, {group.name})"


def _title(track: Track) -> str:
    return " - ".join(text for text in (track["artist"], track["title"]) if text) or "untitled"


def _variance_charts(analysis: Analysis) -> list[_Chart]:
    charts = []
    for name, shares in analysis.shares.items():
        total = np.cumsum(shares)
        slot = 100 / len(shares)
        bars = [_bar((k + 0.13) * slot, _UNIT.y(float(share)), 0.74 * slot, 100.0) for k, share in enumerate(shares)]
        curve = [f"{(k + 0.5) * slot:.2f} {_UNIT.y(float(value)):g}" for k, value in enumerate(total)]
        of = "encodings" if name == "pca" else "nearness to the clusters"
        charts.append(
            _Chart(
                f"Explained variance, PCA of the {of}",
                f"the first holds {_percent(float(shares[0]))}, the first {len(shares)} {_percent(float(total[-1]))}",
                [("spread c0", "".join(bars)), ("line", "M" + "L".join(curve)), ("dots c1", _dots(curve))],
                x_title="principal component",
                x_ticks=_component_ticks(len(shares)),
                y_ticks=_UNIT.labels(upwards=True, percent=True),
                legend=[("c0", "each"), ("c1", "up to here")],
            )
        )
    if analysis.inertia:
        n = analysis.mappings.n_parameters
        across = _Axis.of(1.0, float(_CLUSTERS[-1]), n_ticks=10, tight=True)
        across = replace(across, ticks=[float(k) for k in range(2, _CLUSTERS[-1] + 1, 2)])
        up = _Axis.of(0.0, max(value for _, value in analysis.inertia))
        curve = [f"{across.x(k):g} {up.y(value):g}" for k, value in analysis.inertia]
        here = f"M{across.x(n):g} 0V100"
        charts.append(
            _Chart(
                "Elbow of k-means",
                "sum of squared distances to the nearest centroid, by the number of clusters",
                [("mark", here), ("line", "M" + "L".join([*curve, curve[-1]])), ("dots c1", _dots(curve))],
                x_title="clusters",
                x_ticks=across.labels(upwards=False),
                y_ticks=up.labels(upwards=True),
                legend=[("mark", f"as many as the picture has parameters: {n}")],
            )
        )
    return charts


def _dots(points: Iterable[str]) -> str:
    # With round caps, a line of no length is a dot.
    return "".join(f"M{point}h0" for point in points)


# --- scatter plots and the map -----------------------------------------------------------------------------------


def _styles(tracks: Iterable[Track]) -> dict[str, str]:
    """A colour for each genre: the largest have their own."""
    named = [genre for genre in _genres(tracks) if genre]
    return {**{genre: f"c{i}" if i < _COLOURS else "other" for i, genre in enumerate(named)}, "": "none"}


def _legend(tracks: Sequence[Track]) -> list[tuple[str, str, int]]:
    """Style, text and number of tracks."""
    counts = Counter(style for style in (_styles(tracks)[track["genre"]] for track in tracks))
    texts = {style: genre for genre, style in _styles(tracks).items()} | {"other": "other genres", "none": _NO_GENRE}
    return [(style, texts[style], counts[style]) for style in dict.fromkeys(_styles(tracks).values()) if counts[style]]


def _scatter(analysis: Analysis, x: Floats, y: Floats) -> tuple[list[tuple[str, str]], _Axis, _Axis]:
    across, up = (_Axis.of(float(values.min()), float(values.max()), tight=True) for values in (x, y))
    styles = _styles(analysis.tracks)
    style_of = np.array([styles[analysis.tracks[i]["genre"]] for i in analysis.points.track])
    paths = []
    # What has a genre lies on what has none.
    for style in reversed(dict.fromkeys(styles.values())):
        of = style_of == style
        dots = [f"{across.x(float(a)):g} {up.y(float(b)):g}" for a, b in zip(x[of], y[of], strict=True)]
        if dots:
            paths.append((f"dots {style}", _dots(dots)))
    return paths, across, up


def _scatter_charts(analysis: Analysis) -> list[_Chart]:
    charts = []
    for kind in ("principal component", "component"):
        names = [name for name in analysis.points.components if name.rpartition(" ")[0] == kind]
        for first, second in zip(names[::2], names[1::2], strict=False):
            x, y = analysis.points.components[first], analysis.points.components[second]
            paths, across, up = _scatter(analysis, x, y)
            charts.append(
                _Chart(
                    f"{first.capitalize()} and {second.rpartition(' ')[2]}",
                    f"correlation {_correlation(x, y)}",
                    paths,
                    x_title=first,
                    y_title=second,
                    x_ticks=across.labels(upwards=False),
                    y_ticks=up.labels(upwards=True),
                )
            )
    return charts


def _correlation(x: Floats, y: Floats) -> str:
    if min(x.std(), y.std()) < 1e-9:
        return "-"
    return signed(f"{np.corrcoef(x, y)[0, 1]:.2f}")


def _map_chart(analysis: Analysis) -> _Chart:
    xy = analysis.points.xy
    kind = "t-SNE" if analysis.points.method == "t-sne" else "PCA"
    paths, *_ = _scatter(analysis, xy[:, 0], xy[:, 1])
    return _Chart(
        "Map of moments", f"{kind} of {len(xy):,} encodings of {len(set(analysis.points.track)):,} tracks", paths
    )


def _map_data(analysis: Analysis, sounds: Sequence[str]) -> dict[str, Any]:
    """What the page's script knows of the points: place in percent, track and seconds."""
    points = analysis.points
    across, up = (_Axis.of(float(xy.min()), float(xy.max()), tight=True) for xy in points.xy.T)
    shown = {index: place for place, index in enumerate(dict.fromkeys(points.track.tolist()))}
    return {
        "tracks": [
            {
                "name": _title(analysis.tracks[i]),
                "genre": analysis.tracks[i]["genre"] or _NO_GENRE,
                "sound": sounds[i],
            }
            for i in shown
        ],
        "points": [
            [across.x(x), up.y(y), shown[i], round(seconds, 2)]
            for (x, y), i, seconds in zip(
                points.xy.tolist(), points.track.tolist(), points.seconds.tolist(), strict=True
            )
        ],
        "song": list(_span(analysis.song)),
    }


# --- one song ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _SongView:
    """A song's pictures as data: URIs, each with the mapping and what its parameters do."""

    name: str
    genre: str
    sound: str
    n_parameters: int
    every: int
    pictures: list[tuple[str, str, str]]
    x_ticks: list[tuple[float, str]]

    @classmethod
    def of(cls, song: Song, sound: str) -> _SongView:
        low, high = _span(song)
        axis = _Axis.of(max(0.0, low), high, n_ticks=6)
        axis = _Axis(low, high, [tick for tick in axis.ticks if low <= tick <= high])
        pictures = []
        for offer, parameters in song.parameters.items():
            clipped = float(((parameters <= 0) | (parameters >= 1)).mean())
            summary = f"std {parameters.std(axis=0).mean():.2f}, {_percent(clipped)} at 0 or 1"
            # Parameter 1 on top.
            pictures.append((_label(offer), summary, draw(_columns(parameters)[::-1], 0.0, 1.0)))
        return cls(
            name=_title(song.track),
            genre=song.track["genre"] or _NO_GENRE,
            sound=sound,
            n_parameters=next(iter(song.parameters.values())).shape[1],
            every=-(-len(song.times) // MAX_COLUMNS),
            pictures=pictures,
            x_ticks=axis.labels(upwards=False),
        )


def _address(out: Path, fma_root: Path | None, track: Track) -> str:
    """Where the page finds a track's sound, relative to itself; "" if it is not in the corpus.

    Manifests come from other people: nothing outside the corpus is referred to.
    """
    if fma_root is None:
        return ""
    try:
        path = inside(fma_root.resolve(), track["path"])
    except FormatError:
        return ""
    return quote(os.fsencode(os.path.relpath(path, out.resolve()))) if path.is_file() else ""
