"""The page of `analyze`: what a run's encodings and their mappings are like, and a map of moments to listen to."""

from __future__ import annotations

import math
import os
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from tfdeepviz.files import FormatError, inside
from tfdeepviz.reports import charts
from tfdeepviz.reports.charts import Spread
from tfdeepviz.reports.pages import render, write_page
from tfdeepviz.reports.tables import Table

PAGE = "analysis.html"

#: Components of an encoding that are drawn, and that are drawn side by side for several groups; the CSVs have all.
MAX_BARS, MAX_GROUPED_BARS = 32, 10
#: Columns of a song's picture.
MAX_COLUMNS = 3_000

_NO_GENRE = "(no genre)"

Floats = npt.NDArray[np.float64]
Track = Mapping[str, Any]
#: Projection, mode and method of a mapping.
Key = tuple[str, str, str]

#: In place of a mapping: encodings as they come out of the encoder.
ENCODINGS: Key = ("", "", "")


class Group(NamedTuple):
    """Tracks that are described together: `kind` is all, genre or track, `name` a genre or a track's id."""

    kind: str
    name: str = ""


EVERYTHING = Group("all")


@dataclass(frozen=True, eq=False)
class Points:
    """A sample of the described encodings, each track's in order of time.

    Place `xy` [shape=(n, 2)] of each on the map, from 0 to 1, by `method`; index `track` and `seconds` [shape=(n,)] in
    it; and by name the values of `components` [shape=(n,)] that are shown in pairs: principal and the encoding's own.
    """

    xy: Floats
    method: str
    track: npt.NDArray[np.int64]
    seconds: Floats
    components: dict[str, Floats]


@dataclass(frozen=True, eq=False)
class Song:
    """A track, the times of its encodings [shape=(n,)] and its parameters by mapping [shape=(n, n_parameters)]."""

    track: Track
    times: Floats
    step_seconds: float
    parameters: dict[Key, Floats]

    @property
    def span(self) -> tuple[float, float]:
        """Where its picture begins and ends, in seconds: each encoding stands for the step around its time."""
        step = self.step_seconds if len(self.times) > 1 else 1.0
        return float(self.times[0]) - step / 2, float(self.times[-1]) + step / 2

    @property
    def every(self) -> int:
        """One of so many moments is drawn."""
        return -(-len(self.times) // MAX_COLUMNS)

    def image(self, key: Key) -> Floats:
        """Return the parameters of the moments that are drawn [shape=(n_parameters, n_columns)]."""
        return self.parameters[key][:: self.every].T

    def clipped(self, key: Key) -> float:
        """Return the share of its parameters that are 0 or 1."""
        return float(((self.parameters[key] <= 0) | (self.parameters[key] >= 1)).mean())


@dataclass(frozen=True, eq=False)
class Analysis:
    """All that the page shows: `tracks` of the dataset, `about` as plain values, one `song` by its best mappings.

    By projection: `warnings`, what scaling per parameter does to the order of the parameters (None if nothing);
    `left_out`, why the encodings do not allow it; `shares` of the variance that each principal component explains. By
    mapping: `statistics` of every group (also of `ENCODINGS`), and the share of the parameters that are `clipped` to 0
    or 1. `inertia` is that of k-means by number of clusters.
    """

    about: dict[str, Any]
    tracks: Sequence[Track]
    n_parameters: int
    warnings: dict[str, str | None]
    left_out: dict[str, str]
    statistics: dict[Group, dict[Key, Spread]]
    clipped: dict[Key, float]
    shares: dict[str, Floats]
    inertia: list[tuple[int, float]]
    points: Points
    song: Song

    def track(self, track_id: int) -> int:
        """Index of a track."""
        return next(i for i, track in enumerate(self.tracks) if track["track_id"] == track_id)


def genres_of(tracks: Iterable[Track]) -> list[str]:
    """List genres, those with most tracks first; the empty title of tracks without one comes last."""
    counts = Counter(track["genre"] for track in tracks)
    return sorted(counts, key=lambda genre: (genre == "", -counts[genre], genre))


def write_analysis(analysis: Analysis, out: Path, *, fma_root: Path | None = None) -> Path:
    """Write an analysis as a page, the numbers of its charts as CSV, and a song's pictures as PNG.

    Equal analyses give equal bytes. Every file is written whole or not at all, the page last.

    Parameters
    ----------
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
        If `fma_root` is not a folder.
    """
    if fma_root is not None and not fma_root.is_dir():
        raise FileNotFoundError(f"{fma_root}: no such folder; give the corpus that the dataset was prepared from")
    tables = _tables(analysis)
    for name, table in tables.items():
        table.write_csv(out / name)
    for key in analysis.song.parameters:
        _plot_song(analysis.song, key, out / f"song-{key[0]}.png")
    sounds = [_address(out, fma_root, track) for track in analysis.tracks]
    mappings: dict[str, dict[str, list[Key]]] = defaultdict(lambda: defaultdict(list))
    for projection, mode, method in analysis.clipped:
        mappings[projection][mode].append((projection, mode, method))
    groups: dict[str, dict[Key, dict[str, Spread]]] = defaultdict(lambda: defaultdict(dict))
    for group, by_key in analysis.statistics.items():
        for key in (ENCODINGS, *analysis.song.parameters):
            groups[group.kind][key][_name(analysis, group)] = by_key[key]
    encodings = analysis.statistics[EVERYTHING][ENCODINGS]
    script = render("analysis.js")
    write_page(
        out / PAGE,
        "analysis.html.jinja",
        script=script,
        script_digest=b64encode(sha256(script.encode()).digest()).decode(),
        about=analysis.about,
        analysis=analysis,
        statistics=analysis.statistics[EVERYTHING],
        encodings=encodings,
        encodings_key=ENCODINGS,
        no_genre=_NO_GENRE,
        infinity=math.inf,
        total=np.cumsum(analysis.shares["pca"]),
        colours=_Colours(analysis),
        data=_map_data(analysis, sounds),
        has_sound=any(sounds),
        song=analysis.song,
        song_name=_title(analysis.song.track),
        song_sound=sounds[analysis.track(analysis.song.track["track_id"])],
        max_bars=MAX_BARS,
        max_grouped=MAX_GROUPED_BARS,
        mappings=mappings,
        groups=groups,
        difference=_difference,
        pairs=list(_pairs(analysis.points.components)),
        numbers=Table(
            ("Component", "Mean", "Minimum", "Maximum", "Standard deviation"),
            [row[5:] for row in tables["components.csv"].rows[: min(len(encodings.mean), MAX_BARS)]],
        ),
        tables=list(tables),
    )
    return out / PAGE


# --- files beside the page ---------------------------------------------------------------------------------------


def _tables(analysis: Analysis) -> dict[str, Table]:
    """All CSVs by name."""
    points, song, mapping = analysis.points, analysis.song, ("projection", "mode", "method")
    return {
        "components.csv": Table(
            ("group", "name", *mapping, "component", "mean", "minimum", "maximum", "standard deviation"),
            [
                (*group, *key, k, *values)
                for group, by_key in analysis.statistics.items()
                for key, found in by_key.items()
                for k, values in enumerate(zip(found.mean, found.minimum, found.maximum, found.std, strict=True), 1)
            ],
        ),
        "scalings.csv": Table(
            (*mapping, "mean standard deviation", "share at 0 or 1"),
            [
                (*key, float(analysis.statistics[EVERYTHING][key].std.mean()), share)
                for key, share in analysis.clipped.items()
            ],
        ),
        "explained-variance.csv": Table(
            ("projection", "component", "share", "cumulative"),
            [
                (name, k, share, total)
                for name, shares in analysis.shares.items()
                for k, (share, total) in enumerate(zip(shares, np.cumsum(shares), strict=True), 1)
            ],
        ),
        "elbow.csv": Table(("clusters", "inertia"), analysis.inertia),
        "points.csv": Table(
            ("track", "genre", "seconds", "x", "y", *points.components),
            [
                (analysis.tracks[i]["track_id"], analysis.tracks[i]["genre"], seconds, *xy, *values)
                for i, seconds, xy, *values in zip(
                    points.track, points.seconds, points.xy, *points.components.values(), strict=True
                )
            ],
        ),
        "song.csv": Table(
            ("track", *mapping, "seconds", *(f"parameter {k + 1}" for k in range(analysis.n_parameters))),
            [
                (song.track["track_id"], *key, seconds, *row)
                for key, parameters in song.parameters.items()
                for seconds, row in zip(song.times, parameters, strict=True)
            ],
        ),
    }


def _plot_song(song: Song, key: Key, path: Path) -> None:
    """Draw a song's parameters over time, for documents."""
    n_parameters = song.parameters[key].shape[1]
    figure = Figure(figsize=(9, 2.2), layout="constrained")
    axes = figure.add_subplot(xlabel="seconds", ylabel="parameter", yticks=[1, n_parameters])
    extent = (*song.span, n_parameters + 0.5, 0.5)
    style: dict[str, Any] = {"cmap": charts.PICTURE_COLOURS, "vmin": 0, "vmax": 1, "interpolation": "nearest"}
    axes.imshow(song.image(key), aspect="auto", extent=extent, **style)
    axes.set_title(" / ".join(key), fontsize=10, loc="left")
    axes.spines[:].set_visible(False)
    charts.save_png(figure, path, dpi=120)


def _address(out: Path, fma_root: Path | None, track: Track) -> str:
    """Where the page finds a track's sound; "" if the manifest, which is not ours, refers outside the corpus."""
    if fma_root is None:
        return ""
    try:
        path = inside(fma_root.resolve(), track["path"])
    except FormatError:
        return ""
    return quote(os.fsencode(os.path.relpath(path, out.resolve()))) if path.is_file() else ""


# --- what the template cannot work out ---------------------------------------------------------------------------


def _title(track: Track) -> str:
    return " - ".join(text for text in (track["artist"], track["title"]) if text) or "untitled"


def _name(analysis: Analysis, group: Group) -> str:
    if group.kind == "genre":
        n = sum(track["genre"] == group.name for track in analysis.tracks)
        return f"{group.name}, {n:,} track{'s' * (n != 1)}"
    if group.kind == "all":
        return ""
    track = analysis.tracks[analysis.track(int(group.name))]
    return f"{_title(track)} ({track['genre'] or _NO_GENRE}, {group.name})"


def _difference(groups: Iterable[Spread]) -> float:
    """Return the standard deviation of the means of groups, averaged over all components."""
    return float(np.stack([one.mean for one in groups]).std(axis=0).mean())


def _pairs(components: Mapping[str, Floats]) -> Iterator[tuple[str, str, Floats, float | None]]:
    """Pair components of a kind: their names, values [shape=(n, 2)], and correlation unless one is constant."""
    for kind in ("principal component", "component"):
        names = [name for name in components if name.rpartition(" ")[0] == kind]
        for first, second in zip(names[::2], names[1::2], strict=False):
            xy = np.stack([components[first], components[second]], axis=1)
            yield first, second, xy, float(np.corrcoef(xy.T)[0, 1]) if xy.std(axis=0).min() >= 1e-9 else None


class _Colours:
    """Colours of genres; the largest have their own."""

    def __init__(self, analysis: Analysis) -> None:
        named = [genre for genre in genres_of(analysis.tracks) if genre]
        self.by_genre = {genre: f"c{i}" if i < charts.N_COLOURS else "other" for i, genre in enumerate(named)}
        self.by_genre[""] = "none"
        self.by_track = [self.by_genre[track["genre"]] for track in analysis.tracks]
        self.of_points = np.array([self.by_track[i] for i in analysis.points.track])

    def legend(self) -> list[tuple[str, str, int]]:
        """List colours in use with their genres and numbers of tracks."""
        texts = {colour: genre for genre, colour in self.by_genre.items()}
        texts.update(other="other genres", none=_NO_GENRE)
        counts = Counter(self.by_track)
        return [(colour, texts[colour], counts[colour]) for colour in texts if counts[colour]]

    def points(self, xy: Floats) -> dict[str, Floats]:
        """Group points [shape=(n, 2)] by colour, in the order of the legend."""
        return {colour: xy[of] for colour, *_ in self.legend() if (of := self.of_points == colour).any()}


def _map_data(analysis: Analysis, sounds: Sequence[str]) -> dict[str, Any]:
    """What the page's script knows: place of each point in percent with y downwards, track and seconds."""
    points = analysis.points
    shown = {index: place for place, index in enumerate(dict.fromkeys(points.track.tolist()))}
    low, size = points.xy.min(axis=0), np.ptp(points.xy, axis=0)
    # As in the chart, what does not vary stands in the middle.
    unit = np.divide(points.xy - low, size, out=np.full_like(points.xy, 0.5), where=size > 0)
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
            [round(100 * x, 2), round(100 - 100 * y, 2), shown[i], round(seconds, 2)]
            for (x, y), i, seconds in zip(unit.tolist(), points.track.tolist(), points.seconds.tolist(), strict=True)
        ],
        "song": list(analysis.song.span),
    }
