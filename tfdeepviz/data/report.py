"""A prepared dataset for people: a summary in text, and a page of charts and of segments to see and hear."""

from __future__ import annotations

import io
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile as sf
from matplotlib.ticker import MaxNLocator

from tfdeepviz.data.decode import AudioError, decode_file
from tfdeepviz.data.features import Recipe, Rows
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.scaler import SegmentStatistics
from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError, atomic_path, inside
from tfdeepviz.page import GRADIENT, data_uri, draw, load_template, signed

#: A page with more rows would be long to read; `skipped.jsonl` has them all.
MAX_SKIPPED_ROWS = 500

_UNLABELLED = "(no genre)"
_PLAYER_RATE_HZ = 44_100
#: Standard deviations that the colours of standardised coefficients span on both sides of the mean.
_SPAN_SIGMA = 3.0
_OUTLINE_POINTS = 192
#: Tracks that colours are scaled by where there is no training split.
_DESCRIBED_TRACKS = 16

Progress = Callable[[int, int], None]
_Entry = dict[str, Any]


def summarize(dataset: PreparedDataset) -> str:
    """Counts of a dataset as text: splits, genres, skipped files, recipe, identity and digest.

    Parameters
    ----------
    dataset
        Any prepared dataset; only its manifest is read.
    """
    used = {split: dataset.used(split) for split in SPLITS}
    everything = [track for split in SPLITS for track in used[split]]
    splits: list[tuple[str, ...]] = [("split", "tracks", "segments", "hours", "level dBFS")]
    for name, tracks in (*used.items(), ("all", everything)):
        totals = _Totals.of(tracks)
        splits.append((name, f"{totals.n_tracks:,}", f"{totals.n_segments:,}", f"{totals.hours:.2f}", totals.level))
    genres: list[tuple[str, ...]] = [("genre", *SPLITS, "all")]
    counters = [Counter(track["genre"] for track in tracks) for tracks in (*used.values(), everything)]
    for genre in _genres(dataset, everything):
        genres.append((_plain(genre) or _UNLABELLED, *(f"{counter[genre]:,}" for counter in counters)))
    reasons = ", ".join(f"{n:,} {_plain(reason)}" for reason, n in _reasons(dataset.skipped))
    return "\n".join(
        [
            *(*_aligned(splits), "", *_aligned(genres), ""),
            f"skipped  {len(dataset.skipped):,}" + (f" ({reasons})" if reasons else ""),
            f"recipe   {_describe(dataset.recipe)}",
            f"identity {dataset.identity}",
            f"digest   {dataset.digest}",
        ]
    )


def write_report(
    dataset: PreparedDataset,
    out: Path,
    *,
    fma_root: Path | None,
    n_examples: int = 6,
    seed: int = 0,
    progress: Progress | None = None,
) -> None:
    """Write a dataset's report: one HTML file that needs no other file, no network and no script.

    Equal datasets, corpora and arguments give equal bytes.

    Parameters
    ----------
    dataset
        What the page shows. Only shards that hold an example are read.
    out
        File to write, whole or not at all.
    fma_root
        Folder of the corpus, for the players; None writes a page without them. Files outside it are never read.
    n_examples
        Segments shown of each genre, of as many artists as possible.
    seed
        Of their choice.
    progress
        Called with (examples done, examples in all).

    Raises
    ------
    FormatError
        If the dataset is damaged or holds no track.
    FileNotFoundError
        If `fma_root` is no folder.
    InputError
        If a value is impossible.
    """
    if n_examples < 1:
        raise InputError(f"n_examples={n_examples}: give at least 1")
    if seed < 0:
        raise InputError(f"seed={seed}: give at least 0")
    if fma_root is not None and not fma_root.is_dir():
        raise FileNotFoundError(f"{fma_root}: no such folder; give the corpus that the dataset was prepared from")
    used = {split: dataset.used(split) for split in SPLITS}
    everything = [track for split in SPLITS for track in used[split]]
    if not everything:
        raise FormatError(f"{dataset.path}: holds no track; prepare the dataset again")
    genres = _genres(dataset, everything)
    canvas = _Canvas.of(dataset)
    examples = _examples(dataset, canvas, fma_root, n_examples=n_examples, seed=seed, progress=progress)
    page = load_template("tfdeepviz.data", clock=_clock).stream(
        name=dataset.name,
        identity=dataset.identity,
        digest=dataset.digest,
        recipe=dataset.recipe,
        description=_describe(dataset.recipe),
        parameters=_parameters(dataset.recipe),
        seed=seed,
        splits={split: _Totals.of(tracks) for split, tracks in used.items()},
        totals=_Totals.of(everything),
        skipped_by_split=Counter(shard["split"] for shard in dataset.shards for _ in shard["skipped"]),
        genres=_genre_rows(genres, used),
        n_labelled=sum(genre != "" for genre in genres),
        histograms=[
            _histogram("Length of the tracks", "s", {s: [t["seconds"] for t in used[s]] for s in SPLITS}),
            _histogram("Level of the tracks", "dBFS", {s: [t["level_db"] for t in used[s]] for s in SPLITS}),
        ],
        canvas=canvas,
        gradient=GRADIENT,
        examples={genre: examples[genre] for genre in genres if genre in examples},
        with_players=fma_root is not None,
        silent=_reasons([{"reason": e.no_sound} for group in examples.values() for e in group if e.no_sound]),
        reasons=_reasons(dataset.skipped),
        skipped=dataset.skipped[:MAX_SKIPPED_ROWS],
        n_skipped=len(dataset.skipped),
        unlabelled=_UNLABELLED,
    )
    with atomic_path(out) as temporary, temporary.open("wb") as file:
        # JSON can hold halves of surrogate pairs, which no encoding can: they become question marks.
        page.dump(file, encoding="utf-8", errors="replace")


# --- counts ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Totals:
    """Counts of some tracks; `level` is mean ± standard deviation, dBFS."""

    n_tracks: int
    n_segments: int
    hours: float
    level: str

    @classmethod
    def of(cls, tracks: Sequence[_Entry]) -> _Totals:
        levels = np.array([track["level_db"] for track in tracks])
        return cls(
            len(tracks),
            sum(track["n_segments"] for track in tracks),
            sum(track["seconds"] for track in tracks) / 3_600,
            f"{levels.mean():.1f} ± {levels.std():.1f}" if tracks else "-",
        )


@dataclass(frozen=True)
class _GenreRow:
    """Tracks of one genre in each split: how many, their share of the split in percent, and a bar's length for it."""

    title: str
    cells: list[tuple[str, int, float, float]]
    n_tracks: int


def _genres(dataset: PreparedDataset, tracks: Sequence[_Entry]) -> list[str]:
    """All genres, the largest first; the empty title of tracks without one comes last."""
    counts = Counter(track["genre"] for track in tracks)
    return sorted({*dataset.recipe.genres, *counts}, key=lambda genre: (genre == "", -counts[genre], genre))


def _genre_rows(genres: Sequence[str], used: Mapping[str, Sequence[_Entry]]) -> list[_GenreRow]:
    counts = {split: Counter(track["genre"] for track in tracks) for split, tracks in used.items()}
    share = {
        split: {genre: 100 * counts[split][genre] / max(1, len(tracks)) for genre in genres}
        for split, tracks in used.items()
    }
    longest = max(value for shares in share.values() for value in shares.values())
    return [
        _GenreRow(
            genre,
            [(s, counts[s][genre], share[s][genre], round(100 * share[s][genre] / longest, 2)) for s in used],
            sum(counts[split][genre] for split in used),
        )
        for genre in genres
    ]


def _reasons(entries: Sequence[_Entry]) -> list[tuple[str, int]]:
    """Reasons and how often each occurs, the most frequent first."""
    return sorted(Counter(entry["reason"] for entry in entries).items(), key=lambda item: (-item[1], item[0]))


def _describe(recipe: Recipe) -> str:
    """What one segment is, and which are kept, in one line."""
    params, features = recipe.features.params, recipe.features
    layout = {
        "mfcc": f"MFCC, {features.width} coefficients",
        "log-mel": f"Log-mel, {features.width} bands",
        "raw": f"Raw audio, {features.width} samples",
    }[features.mode]
    kept = "" if recipe.segments_per_track is None else f", at most {recipe.segments_per_track} a track"
    return (
        f"{layout} × {params.segment_frames} frames ({params.segment_seconds:.2f} s) at {params.sample_rate_hz:,} Hz, "
        f"a segment every {recipe.hop_frames * params.frame_seconds:.2f} s{kept}, {recipe.storage}"
    )


def _parameters(recipe: Recipe) -> dict[str, Any]:
    values = recipe.to_dict()
    audio = values.pop("audio")
    del values["genres"]
    return {**audio, **values}


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width, the first to the left and numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]


def _plain(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _clock(seconds: float) -> str:
    """Minutes and seconds, with the hundredths that segments need."""
    hundredths = round(100 * seconds)
    return f"{hundredths // 6_000}:{hundredths % 6_000 / 100:05.2f}"


# --- histograms --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Histogram:
    """Bars of all splits, one on the other, in a square of 100 x 100 with y downwards; ticks in percent."""

    title: str
    unit: str
    summary: str
    bars: list[tuple[str, float, float, float, float]]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    rows: list[tuple[str, list[int]]]


def _histogram(title: str, unit: str, by_split: Mapping[str, Sequence[float]]) -> _Histogram:
    values = np.concatenate([np.asarray(part, np.float64) for part in by_split.values()])
    low, high = math.floor(values.min()), math.ceil(values.max())
    # FMA's clips all have 30 s; a bar of its own width says more than one that fills the chart.
    spare = max(0, 10 - (high - low)) // 2
    edges = np.asarray(MaxNLocator(nbins=30, integer=True, steps=[1, 2, 5, 10]).tick_values(low - spare, high + spare))
    counts = np.stack([np.histogram(part, edges)[0] for part in by_split.values()])  # (splits, bins)
    y_ticks = np.asarray(MaxNLocator(nbins=4, integer=True).tick_values(0, counts.sum(0).max()))
    x, width = 100 * (edges - edges[0]) / (edges[-1] - edges[0]), 100 / (len(edges) - 1)
    tops = 100 - 100 * counts.cumsum(0) / y_ticks[-1]
    bars = [
        (split, round(x[i] + 0.08 * width, 3), round(tops[k, i], 3), round(0.84 * width, 3), round(height, 3))
        for k, split in enumerate(by_split)
        for i, height in enumerate(100 * counts[k] / y_ticks[-1])
        if height > 0
    ]
    x_ticks = np.asarray(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10]).tick_values(edges[0], edges[-1]))
    x_ticks = x_ticks[(edges[0] <= x_ticks) & (x_ticks <= edges[-1])]
    return _Histogram(
        title=title,
        unit=unit,
        summary=signed(f"{values.min():,.1f} to {values.max():,.1f} {unit}, median {np.median(values):,.1f}"),
        bars=bars,
        x_ticks=[(round(float(np.interp(tick, edges, x)), 3), signed(f"{tick:,.0f}")) for tick in x_ticks],
        y_ticks=[(round(100 - 100 * tick / y_ticks[-1], 3), f"{tick:,.0f}") for tick in y_ticks],
        rows=[
            (signed(f"{edges[i]:,.0f} to {edges[i + 1]:,.0f}"), counts[:, i].tolist())
            for i in range(len(edges) - 1)
            if counts[:, i].any()
        ],
    )


# --- examples ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Choice:
    """A track that an example is taken from."""

    shard: int
    split: str
    track: _Entry


@dataclass(frozen=True)
class _Example:
    """A segment to see, and to hear unless `no_sound` says why not.

    `picture` and `sound` are data: URIs, but for raw audio `picture` is the path of an SVG outline.
    """

    track: _Entry
    split: str
    start_seconds: float
    stop_seconds: float
    picture: str
    sound: str
    no_sound: str


def _choose(dataset: PreparedDataset, n_examples: int, seed: int) -> dict[str, list[_Choice]]:
    """Tracks of each genre: of different artists first, and taken from few shards, which have to be read."""
    rng = np.random.default_rng(seed)
    candidates = []
    for i in rng.permutation(len(dataset.shards)).tolist():
        shard = dataset.shards[i]
        order = rng.permutation(len(shard["tracks"]))
        candidates += [_Choice(i, shard["split"], shard["tracks"][k]) for k in order]
    chosen: dict[str, list[_Choice]] = defaultdict(list)
    artists: dict[str, set[str]] = defaultdict(set)
    left = []
    for choice in candidates:
        genre, artist = choice.track["genre"], choice.track["artist"]
        if len(chosen[genre]) < n_examples and artist not in artists[genre]:
            artists[genre].add(artist)
            chosen[genre].append(choice)
        else:
            left.append(choice)
    for choice in left:
        if len(group := chosen[choice.track["genre"]]) < n_examples:
            group.append(choice)
    return chosen


def _examples(
    dataset: PreparedDataset,
    canvas: _Canvas,
    fma_root: Path | None,
    *,
    n_examples: int,
    seed: int,
    progress: Progress | None,
) -> dict[str, list[_Example]]:
    params = dataset.params
    choices = [choice for group in _choose(dataset, n_examples, seed).values() for choice in group]
    examples: dict[str, list[_Example]] = defaultdict(list)
    for done, (choice, start_frame, rows) in enumerate(_windows(dataset, choices, seed), 1):
        start = start_frame * params.frame_seconds
        stop = start + params.segment_seconds
        sound = no_sound = ""
        if fma_root is not None:
            try:
                sound = data_uri("audio/mpeg", _mp3(_sound(fma_root, choice.track, start, stop)))
            except _NoSoundError as error:
                no_sound = str(error)
        example = _Example(choice.track, choice.split, start, stop, canvas.draw(rows), sound, no_sound)
        examples[choice.track["genre"]].append(example)
        if progress is not None:
            progress(done, len(choices))
    return examples


def _windows(dataset: PreparedDataset, choices: Sequence[_Choice], seed: int) -> Iterator[tuple[_Choice, int, Rows]]:
    """Of each chosen track one segment at random: its first frame and its rows [shape=(segment_frames, width)]."""
    recipe, frames = dataset.recipe, dataset.params.segment_frames
    by_shard: dict[int, dict[int, _Choice]] = defaultdict(dict)
    for choice in choices:
        by_shard[choice.shard][choice.track["track_id"]] = choice
    for i, wanted in sorted(by_shard.items()):
        shard = dataset.shards[i]
        # A dataset of this shard alone, so that the others are not read.
        for track_id, rows in replace(dataset, shards=(shard,)).tracks(shard["split"]):
            if track_id not in wanted:
                continue
            choice = wanted.pop(track_id)
            starts = recipe.starts(choice.track["n_frames"], track_id)
            index = int(np.random.default_rng([seed, track_id]).integers(len(starts)))
            row = index * frames if recipe.segments_per_track is not None else int(starts[index])
            window = rows[row : row + frames]
            if len(window) < frames:
                raise FormatError(
                    f"{dataset.path / shard['file']}: track {track_id} has other segments than the manifest says; "
                    "delete the file and run `prepare` again"
                )
            yield choice, int(starts[index]), window
            if not wanted:
                break


def _statistics(dataset: PreparedDataset) -> SegmentStatistics:
    """Statistics of the training split; where there is none, of a few tracks of the first split that holds any."""
    if dataset.used("training"):
        return dataset.statistics()
    split = next(split for split in SPLITS if dataset.used(split))
    n_frames = {track["track_id"]: track["n_frames"] for track in dataset.used(split)}
    recipe = dataset.recipe
    return SegmentStatistics.merge(
        recipe.statistics(rows, recipe.starts(n_frames[track_id], track_id))
        for track_id, rows in islice(dataset.tracks(split), _DESCRIBED_TRACKS)
    )


# --- pictures ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Canvas:
    """Draws segments on one scale for the whole dataset, so that they compare.

    MFCC are standardised by the scaler's statistics first: the first coefficient is so large that it would leave the
    others without contrast.
    """

    mode: str
    low: float
    high: float
    mean: npt.NDArray[np.float64]
    deviation: npt.NDArray[np.float64]

    @classmethod
    def of(cls, dataset: PreparedDataset) -> _Canvas:
        mode, statistics = dataset.features.mode, _statistics(dataset)
        low, high = float(statistics.minimum.min()), float(statistics.maximum.max())
        if mode == "mfcc":
            low, high = -_SPAN_SIGMA, _SPAN_SIGMA
        elif mode == "raw":
            # Full scale: a single file that overshoots would flatten the others.
            low, high = -1.0, 1.0
        return cls(mode, low, high, statistics.mean, np.sqrt(statistics.variance))

    @property
    def key(self) -> tuple[str, str, str]:
        """Words for the least, middle and greatest value."""
        if self.mode == "mfcc":
            return f"−{self.high:g} σ", "mean", f"+{self.high:g} σ"
        if self.mode == "log-mel":
            low, middle, high = (signed(f"{x:.0f} dB") for x in (self.low, (self.low + self.high) / 2, self.high))
            return low, middle, high
        return "−1", "0", "+1"

    def draw(self, rows: Rows) -> str:
        """Draw rows [shape=(segment_frames, width)], time to the right: a data: URI, or the path of raw audio."""
        if self.mode == "raw":
            return self._outline(rows.reshape(-1))
        image = rows.T.astype(np.float64)
        if self.mode == "mfcc":
            spread = self.deviation
            # As the scaler does: what never varied is 0.
            image = np.divide(image - self.mean, spread, out=np.zeros_like(image), where=spread > 1e-6)
        return draw(image, self.low, self.high)

    def _outline(self, samples: Rows) -> str:
        """Greatest and least sample of each of many short spans, as a closed path from -100 to 100."""
        spans = np.array_split(100 * samples.clip(self.low, self.high), _OUTLINE_POINTS)
        # Silence is drawn as a thin line.
        upper = [f"{i} {-max(0.4, span.max()):.1f}" for i, span in enumerate(spans)]
        lower = [f"{i} {-min(-0.4, span.min()):.1f}" for i, span in enumerate(spans)]
        return "M" + "L".join(upper + lower[::-1]) + "Z"

    @property
    def outline_width(self) -> int:
        """Greatest x of an outline."""
        return _OUTLINE_POINTS - 1


# --- sound -------------------------------------------------------------------------------------------------------


class _NoSoundError(Exception):
    """Why there is no player, in a word or two."""


def _sound(fma_root: Path, track: _Entry, start_seconds: float, stop_seconds: float) -> Rows:
    """Exactly the sound of a segment, decoded from the corpus."""
    try:
        path = inside(fma_root, track["path"])
    except FormatError:
        raise _NoSoundError("outside the corpus") from None
    try:
        # A longer file is not the one that the dataset was prepared from.
        pcm = decode_file(path, sample_rate_hz=_PLAYER_RATE_HZ, max_seconds=track["seconds"] + 1)
    except AudioError as error:
        raise _NoSoundError(error.reason) from error
    except FileNotFoundError as error:
        raise _NoSoundError("missing") from error
    except OSError as error:
        raise _NoSoundError("unreadable") from error
    start, stop = (round(seconds * _PLAYER_RATE_HZ) for seconds in (start_seconds, stop_seconds))
    # Frames are centred, so a track's last segment may end up to one hop after its sound.
    if len(pcm) <= start:
        raise _NoSoundError("too-short")
    return pcm[start:stop]


def _mp3(pcm: Rows) -> bytes:
    buffer = io.BytesIO()
    sf.write(buffer, pcm, _PLAYER_RATE_HZ, format="MP3", compression_level=0.5, bitrate_mode="VARIABLE")
    return buffer.getvalue()
