"""Quality of bundles, their mappings and baselines on the tracks of a dataset, as a table and a page."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tfdeepviz.analysis.drivers import BaselineSource, Driver, Source
from tfdeepviz.analysis.sound import RATE_HZ, Sound
from tfdeepviz.data.decode import AudioTooShortError, decode_file
from tfdeepviz.data.manifest import UsedTrack
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError, atomic_path, inside, write_json
from tfdeepviz.mapping.quality import (
    FRAMES_PER_SECOND,
    MIN_SECONDS,
    Quality,
    TrackQuality,
    comparable_genres,
    measure_track,
    speed,
    summarize,
)
from tfdeepviz.page import GRADIENT, draw, load_template, signed

#: Number of training tracks that the baselines are scaled with.
N_FITTED_TRACKS = 64

#: Only this much of a track is measured, from its beginning; bounds the memory.
MAX_SECONDS = 300.0

_EXAMPLE_SECONDS = 10

Floats = npt.NDArray[np.float64]
_Track = UsedTrack


@dataclass(frozen=True)
class Line:
    """A driver and its quality.

    Attributes
    ----------
    driver, quality
        The driver, and its measured quality.
    example : np.ndarray [shape=(n_frames, n_parameters)]
        Parameters of the driver during the table's example.
    """

    driver: Driver
    quality: Quality
    example: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Example:
    """A few seconds of the track whose onsets stand out most.

    Attributes
    ----------
    title, artist
        Title and artist of the track.
    start_seconds
        Start of the example within the track.
    onset : np.ndarray [shape=(n_frames,)]
        Onset strength.
    """

    title: str
    artist: str
    start_seconds: float
    onset: Floats


@dataclass(frozen=True)
class QualityTable:
    """All measurements, and the data behind them.

    Attributes
    ----------
    dataset_name, dataset_digest, splits
        Source of the tracks.
    n_tracks, n_short
        Number of tracks measured, and of tracks left out because they are too short.
    n_fitted
        Number of training tracks that the baselines are scaled with.
    genres
        Number of tracks per comparable genre; see `tfdeepviz.mapping.quality.comparable_genres`.
    seed
        Seed for all random choices.
    lines, example
        Lines for bundles, the original's settings and baselines; and an excerpt of music to look at.
    """

    dataset_name: str
    dataset_digest: str
    splits: tuple[str, ...]
    n_tracks: int
    n_short: int
    n_fitted: int
    genres: dict[str, int]
    seed: int
    lines: tuple[Line, ...]
    example: Example

    @property
    def chance(self) -> dict[str, float]:
        """Values that random guessing gives, by measure."""
        by_genre = {"probe_accuracy": 1 / len(self.genres)} if len(self.genres) > 1 else {}
        return {"self_retrieval": 1 / self.n_tracks, **by_genre}

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values for JSON."""
        names = ("dataset_name", "dataset_digest", "n_tracks", "n_short", "n_fitted", "seed")
        return {
            **{name: getattr(self, name) for name in names},
            "splits": list(self.splits),
            "genres": self.genres,
            "chance": self.chance,
            "drivers": [
                {
                    **{"driver": line.driver.name, "note": line.driver.note, "kind": line.driver.kind},
                    **{name: getattr(line.quality, name) for name in _MEASURES},
                    "std": list(line.quality.std),
                    "intervals": {name: list(interval) for name, interval in _intervals(line.quality).items()},
                }
                for line in self.lines
            ],
        }


#: Measures in the order of all tables.
_MEASURES = (
    *("responsiveness", "z", "lag_seconds", "between_share", "self_retrieval", "silhouette", "probe_accuracy"),
    *("mean_std", "min_std", "clipped", "n_dead"),
)


def _intervals(quality: Quality) -> dict[str, tuple[float, float]]:
    return {
        "responsiveness": quality.responsiveness_interval,
        "self_retrieval": quality.self_retrieval_interval,
        "mean_std": quality.std_interval,
    }


def measure(
    sources: Sequence[Source],
    dataset: PreparedDataset,
    splits: Sequence[str],
    *,
    fma_root: Path | None = None,
    max_tracks: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> QualityTable:
    """Measure drivers and baselines on the same tracks.

    Parameters
    ----------
    sources
        Sources of drivers, such as bundles; the baselines are added. Every track is decoded once for all of them.
    dataset
        Lists the tracks, and defines the level that counts as silence for the baselines.
    splits
        Splits of the dataset, measured together.
    fma_root
        Corpus with the audio; by default the one that the dataset was prepared from.
    max_tracks
        Measure at most this many tracks, drawn at random.
    seed
        Seed for that draw, for the draw of training tracks that scale the baselines, and for resampling.
    progress
        Called with (tracks done, tracks in all).

    Raises
    ------
    FormatError
        If the audio is missing.
    AudioError
        If a file cannot be decoded, or is too short for a source.
    InputError
        If there are fewer than two tracks to measure.
    """
    root = _root(dataset, fma_root)
    rng = np.random.default_rng(seed)
    splits = tuple(dict.fromkeys(splits))
    used = [track for split in splits for track in dataset.used(split)]
    long = [track for track in used if track["seconds"] >= MIN_SECONDS]
    tracks = _choose(long, max_tracks, rng)
    training = _choose(dataset.used("training"), N_FITTED_TRACKS, rng)
    # Without a training split, the measured tracks also have to scale the baselines.
    fitted = training or _choose(tracks, N_FITTED_TRACKS, rng)
    if len(tracks) < 2:
        raise InputError(
            f"{dataset.path}: {len(tracks)} tracks of at least {MIN_SECONDS:g} s to measure; at least 2 are needed"
        )
    for track in (*tracks, *fitted):
        _file(root, track)

    n_done, total = 0, len(fitted) + len(tracks)

    def sounds(chosen: Iterable[_Track]) -> Iterator[Sound]:
        nonlocal n_done
        for track in chosen:
            yield _sound(root, track)
            n_done += 1
            if progress is not None:
                progress(n_done, total)

    baselines = BaselineSource.fit(sounds(fitted), floor_db=dataset.params.floor_db)
    drivers = [driver for source in (*sources, baselines) for driver in source.drivers]
    measured: list[list[TrackQuality]] = [[] for _ in drivers]
    example: Example | None = None
    examples: list[npt.NDArray[np.float32]] = []
    for track, sound in zip(tracks, sounds(tracks), strict=True):
        onset = sound.onset_strength()
        chosen = _middle(onset)
        is_best = example is None or onset[chosen].std() > example.onset.std()
        if is_best:
            example = Example(track["title"], track["artist"], chosen.start / FRAMES_PER_SECOND, onset[chosen])
            examples = []
        for of_driver, parameters in zip(measured, _play(sound, (*sources, baselines), root, track), strict=True):
            of_driver.append(measure_track(parameters, onset))
            if is_best:
                examples.append(parameters[chosen].astype(np.float32))
    assert example is not None

    genres, artists = ([track[name] for track in tracks] for name in ("genre", "artist"))
    lines = [
        Line(driver, summarize(of_driver, genres=genres, artists=artists, seed=seed), shown)
        for driver, of_driver, shown in zip(drivers, measured, examples, strict=True)
    ]
    return QualityTable(
        dataset_name=dataset.name,
        dataset_digest=dataset.identity,
        splits=splits,
        n_tracks=len(tracks),
        n_short=len(used) - len(long),
        n_fitted=len(training),
        genres={genre: genres.count(genre) for genre in comparable_genres(genres, artists)},
        seed=seed,
        lines=tuple(sorted(lines, key=lambda line: ("bundle", "original", "baseline").index(line.driver.kind))),
        example=example,
    )


def _play(sound: Sound, sources: Iterable[Source], root: Path, track: _Track) -> Iterator[Floats]:
    try:
        for source in sources:
            yield from source.play(sound)
    except AudioTooShortError as error:
        raise AudioTooShortError(f"{root / track['path']}: {error}") from error


def _middle(onset: Floats) -> slice:
    n = min(len(onset), _EXAMPLE_SECONDS * FRAMES_PER_SECOND)
    start = (len(onset) - n) // 2
    return slice(start, start + n)


def _choose(tracks: list[_Track], n: int | None, rng: np.random.Generator) -> list[_Track]:
    if n is None or n >= len(tracks):
        return tracks
    return [tracks[i] for i in sorted(rng.choice(len(tracks), n, replace=False).tolist())]


def _root(dataset: PreparedDataset, fma_root: Path | None) -> Path:
    root = dataset.origin if fma_root is None else fma_root
    if root is None:
        raise FormatError(
            f"{dataset.path}: the corpus that it was prepared from has moved; say where its sound is with --fma-root"
        )
    if not root.is_dir():
        raise FormatError(f"--fma-root {root}: no such folder; give the one with fma_metadata/ and fma_SUBSET/")
    return root


def _file(root: Path, track: _Track) -> Path:
    """Find a track's audio; the path is checked because the manifest may come from other people."""
    try:
        path = inside(root, track["path"])
    except FormatError as error:
        raise FormatError(f"track {track['track_id']}: {track['path']!r} leads out of the corpus") from error
    if not path.is_file():
        raise FormatError(f"{path}: missing; say where the dataset's sound is with --fma-root")
    return path


def _sound(root: Path, track: _Track) -> Sound:
    # A longer file cannot be the one that the dataset was prepared from.
    pcm = decode_file(_file(root, track), sample_rate_hz=RATE_HZ, max_seconds=track["seconds"] + 1)
    return Sound(track["track_id"], pcm[: round(MAX_SECONDS * RATE_HZ)])


# --- tables ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Column:
    """A column of the tables for people, with its title and a sentence that explains it."""

    measures: tuple[str, ...]
    title: str
    form: str
    sentence: str
    #: Value whose bar fills the cell; None for no bars.
    full: float | None = None


_COLUMNS = (
    _Column(
        ("responsiveness",),
        "Responsiveness",
        ".2f",
        "Does the picture move when the music does? Rank correlation of the speed of all parameters with the onset "
        "strength, at the best lag within 140 ms: 1 is perfect, and the best lag makes about 0.05 of nothing.",
        full=0.5,
    ),
    _Column(
        ("z",),
        "z",
        ".1f",
        "How far that is from what the same onsets give in other places of the track, in standard deviations: within "
        "about 1 of 0 it does not follow the music at all.",
    ),
    _Column(
        ("lag_seconds",),
        "Lag",
        ".0f",
        "How many milliseconds the picture comes after the music where both go together best; negative if before.",
    ),
    _Column(
        ("self_retrieval",),
        "Self-retrieval",
        ".2f",
        "Does every song look like itself? Share of tracks whose second half looks more like their own first half than "
        "like that of any other track.",
        full=1.0,
    ),
    _Column(
        ("between_share",),
        "Between tracks",
        ".2f",
        "Share of all variance that is between tracks: near 0 all songs look alike, near 1 each stands still.",
    ),
    _Column(
        ("silhouette",),
        "Silhouette",
        ".2f",
        "Are genres apart? From -1 to 1: at 0 they lie over each other.",
    ),
    _Column(
        ("probe_accuracy",),
        "Genre probe",
        ".2f",
        "Balanced accuracy of a linear classifier of genres, tried on artists that it does not know.",
    ),
    _Column(
        ("mean_std", "min_std"),
        "Movement",
        ".2f",
        "Is the range used? Standard deviation of a parameter within a track, mean over the parameters, and the least.",
        full=0.4,
    ),
    _Column(
        ("clipped",), "Clipped", ".0%", "Share of time that a parameter spends at its very end, where it is stuck."
    ),
    _Column(("n_dead",), "Dead", "d", "Parameters that vary by less than 0.05 within tracks: nobody sees them move."),
)


def _text(measure: str, value: float | None, form: str) -> str:
    if value is None:
        return "-"
    text = format(1_000 * value if measure == "lag_seconds" else value, form)
    # Values that round to zero get no sign.
    return (signed(text) if text.strip("-0.%") else text.removeprefix("-")).replace("%", " %")


def _texts(quality: Quality, column: _Column) -> tuple[list[str], list[str]]:
    """Format a cell's values, and the ends of the first value's interval if it has one."""
    values = [_text(name, getattr(quality, name), column.form) for name in column.measures]
    ends = _intervals(quality).get(column.measures[0], ())
    return values, [_text(column.measures[0], end, column.form) for end in ends]


def markdown(table: QualityTable) -> str:
    """Format the table for a terminal or a document."""
    rows = [["driver", *(f"{column.title.lower()}{' (least)' * (len(column.measures) - 1)}" for column in _COLUMNS)]]
    rows[0][3] += ", ms"
    for line in table.lines:
        cells = [line.driver.name]
        for column in _COLUMNS:
            (first, *rest), ends = _texts(line.quality, column)
            brackets = f" [{', '.join(ends)}]" if ends else ""
            cells.append(f"{first}{brackets}{''.join(f' ({text})' for text in rest)}")
        # Names come from other people: they must neither end a cell nor become HTML.
        rows.append([cell.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|") for cell in cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * widths[0], *(f"{'-' * (width - 1)}:" for width in widths[1:])])
    lines = ["| " + " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) + " |" for row in rows]
    return "\n".join(lines) + f"\n\n{_what(table)} In brackets: 95 % intervals over artists.\n"


def _what(table: QualityTable) -> str:
    """Describe in sentences what data the table was measured on."""
    sentences = [
        f"{table.n_tracks:,} tracks ({', '.join(table.splits)}) of {table.dataset_name}.",
        f"Chance finds {1 / table.n_tracks:.2f} of the tracks again.",
        f"Genres: {', '.join(f'{genre} ({n:,} tracks)' for genre, n in table.genres.items())}; chance gives the probe "
        f"{1 / len(table.genres):.2f}."
        if len(table.genres) > 1
        else "Genres are not compared: fewer than two of them have two artists here.",
        f"Baselines are scaled by {table.n_fitted:,} training tracks."
        if table.n_fitted
        else "There are no training tracks: baselines are scaled by tracks that are measured, to their advantage.",
    ]
    if table.n_short:
        sentences.append(f"Left out, because shorter than {MIN_SECONDS:g} s: {table.n_short:,}.")
    return " ".join(sentences)


def write(table: QualityTable, out: Path) -> None:
    """Write `quality.json`, `quality.csv`, `quality.md` and `quality.html`; equal tables give equal bytes.

    The page is a single file without scripts and works offline.
    """
    write_json(out / "quality.json", table.to_dict())
    with atomic_path(out / "quality.md") as temporary:
        temporary.write_text(markdown(table), encoding="utf-8", errors="replace")
    with (
        atomic_path(out / "quality.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="replace") as file,
    ):
        rows = [_csv(line) for line in table.lines]
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    page = load_template("tfdeepviz.analysis", "quality.html.jinja").stream(
        table=table,
        verdict=_verdict(table),
        what=_what(table),
        columns=_COLUMNS,
        rows=[(line.driver, [_Cell.of(line, column) for column in _COLUMNS]) for line in table.lines],
        figures=[_Figure.of(line, table.example) for line in table.lines],
        ticks=_ticks(table.example),
        gradient=GRADIENT,
    )
    with atomic_path(out / "quality.html") as temporary, temporary.open("wb") as opened:
        # JSON may contain lone surrogates, which cannot be encoded: they become question marks.
        page.dump(opened, encoding="utf-8", errors="replace")


def _csv(line: Line) -> dict[str, Any]:
    row: dict[str, Any] = {"driver": line.driver.name, "kind": line.driver.kind, "note": line.driver.note}
    intervals = _intervals(line.quality)
    for name in _MEASURES:
        row[name] = getattr(line.quality, name)
        if name in intervals:
            row[f"{name}_low"], row[f"{name}_high"] = intervals[name]
    return row


# --- page --------------------------------------------------------------------------------------------------------


def _verdict(table: QualityTable) -> str:
    """Compare the first driver with a common visualiser, and with the original if it was measured."""
    first, *rest = table.lines
    compared = (next((line for line in rest if line.driver.kind == kind), None) for kind in ("baseline", "original"))
    shown = [first, *(line for line in compared if line is not None)]
    r, found = (
        [_text(name, getattr(line.quality, name), ".2f") for line in shown]
        for name in ("responsiveness", "self_retrieval")
    )
    others = "".join(f"; {r[i]} and {found[i]} of {line.driver.name}" for i, line in enumerate(shown) if i)
    return f"Responsiveness {r[0]} and self-retrieval {found[0]} of {first.driver.name}{others}."


@dataclass(frozen=True)
class _Cell:
    """Text, notes below it, and the filled percentage of its bar (None for no bar)."""

    text: str
    notes: list[str]
    length: float | None

    @classmethod
    def of(cls, line: Line, column: _Column) -> _Cell:
        (first, *rest), ends = _texts(line.quality, column)
        notes = [" to ".join(ends)] if ends else []
        notes += [f"least {text}" for text in rest]
        value = getattr(line.quality, column.measures[0])
        length = None if column.full is None else round(100 * min(1.0, max(0.0, value / column.full)), 2)
        return cls(first, notes, length)


@dataclass(frozen=True)
class _Figure:
    """A driver during the example: paths of the onsets and of its speed in a 100 x 100 square, and its parameters."""

    driver: Driver
    responsiveness: str
    onset: str
    speed: str
    picture: str
    n_parameters: int

    @classmethod
    def of(cls, line: Line, example: Example) -> _Figure:
        moved = speed(line.example)
        return cls(
            driver=line.driver,
            responsiveness=signed(f"{line.quality.responsiveness:.2f}"),
            onset=f"{_path(example.onset)}L100 100L0 100Z",
            speed=_path(moved),
            picture=draw(line.example.T, 0, 1),
            n_parameters=line.example.shape[1],
        )


def _path(values: Floats) -> str:
    """Draw a line from left to right, with 0 at the bottom and the largest value at the top."""
    heights = values / max(values.max(), 1e-9)
    xs = np.linspace(0, 100, len(values))
    return "M" + "L".join(f"{x:.4g} {100 - 100 * y:.3g}" for x, y in zip(xs, heights, strict=True))


def _ticks(example: Example) -> list[tuple[float, str]]:
    seconds = len(example.onset) / FRAMES_PER_SECOND
    return [
        (round(100 * second / seconds, 3), f"{example.start_seconds + second:.0f}\N{NO-BREAK SPACE}s")
        for second in range(0, int(seconds) + 1, 2)
    ]
