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

from tfdeepviz.artifacts import record_report
from tfdeepviz.data.decode import AudioError, decode_file
from tfdeepviz.data.features import Recipe, Rows
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.statistics import SegmentStatistics
from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError, inside
from tfdeepviz.reports import charts
from tfdeepviz.reports.pages import signed, write_page
from tfdeepviz.reports.tables import Table, clean

#: A page with more rows would be long to read; `skipped.jsonl` has them all.
MAX_SKIPPED_ROWS = 500

_UNLABELLED = "(no genre)"
_PLAYER_RATE_HZ = 44_100
#: Standard deviations that the colours of standardised coefficients span on both sides of the mean.
_SPAN_SIGMA = 3.0
_OUTLINE_POINTS = 192
#: Tracks that set the colour scale of a dataset without a training split.
_DESCRIBED_TRACKS = 16

Progress = Callable[[int, int], None]
_Entry = Mapping[str, Any]


def summarize(dataset: PreparedDataset) -> str:
    """Summarise a dataset as text, from its manifest: splits, genres, skipped files, recipe, identity and digest."""
    used = _used(dataset)
    counters = {split: Counter(track["genre"] for track in tracks) for split, tracks in used.items()}
    splits = Table(
        ("split", "tracks", "segments", "hours", "level dBFS"),
        [(name, t.n_tracks, t.n_segments, f"{t.hours:.2f}", t.level) for name, t in _totals(used).items()],
    )
    genres = Table(
        ("genre", *counters),
        [(genre or _UNLABELLED, *(counts[genre] for counts in counters.values())) for genre in _genres(dataset, used)],
    )
    reasons = ", ".join(f"{n:,} {clean(reason)}" for reason, n in _reasons(dataset.skipped))
    return "\n".join(
        [
            *(splits.text(), "", genres.text(), ""),
            f"skipped  {len(dataset.skipped):,}" + (f" ({reasons})" if reasons else ""),
            f"recipe   {_describe(dataset.recipe)}",
            f"identity {dataset.identity}",
            f"digest   {dataset.digest}",
        ]
    )


def write_dataset_page(
    dataset: PreparedDataset,
    out: Path,
    *,
    fma_root: Path | None,
    n_examples: int = 6,
    seed: int = 0,
    progress: Progress | None = None,
) -> None:
    """Write the page of a dataset: one HTML file that needs no other file, no network and no script.

    Equal datasets, corpora and arguments give equal bytes.

    Parameters
    ----------
    dataset
        What the page shows. Only shards that contain an example are read.
    out
        File to write, whole or not at all.
    fma_root
        Folder of the corpus, for the players; None writes a page without them. Files outside it are never read.
    n_examples
        Segments per genre, from as many artists as possible.
    seed
        Seed of their choice.
    progress
        Called with (examples done, examples in all).

    Raises
    ------
    FormatError
        If the dataset is damaged or contains no track.
    FileNotFoundError
        If `fma_root` is not a folder.
    InputError
        If a value is out of range.
    """
    if n_examples < 1:
        raise InputError(f"n_examples={n_examples}: give at least 1")
    if seed < 0:
        raise InputError(f"seed={seed}: give at least 0")
    if fma_root is not None and not fma_root.is_dir():
        raise FileNotFoundError(f"{fma_root}: no such folder; give the corpus that the dataset was prepared from")
    used = _used(dataset)
    everything = used["all"]
    if not everything:
        raise FormatError(f"{dataset.path}: contains no track; prepare the dataset again")
    genres, totals, canvas = _genres(dataset, used), _totals(used), _Canvas.of(dataset)
    choices = _choose(dataset, n_examples, seed)
    examples: dict[str, list[_Example]] = defaultdict(list)
    for done, (choice, start_frame, rows) in enumerate(_windows(dataset, choices, seed), 1):
        example = _Example.of(dataset, choice, start_frame, canvas.draw(rows), fma_root)
        examples[choice.track["genre"]].append(example)
        if progress is not None:
            progress(done, len(choices))
    write_page(
        out,
        "dataset.html.jinja",
        dataset=dataset,
        description=_describe(dataset.recipe),
        parameters=_parameters(dataset.recipe),
        seed=seed,
        totals=totals.pop("all"),
        splits=totals,
        skipped_by_split=Counter(shard["split"] for shard in dataset.shards for _ in shard["skipped"]),
        genres=_genre_rows(genres, used),
        n_labelled=sum(genre != "" for genre in genres),
        histograms=[
            _histogram("Length of the tracks", "s", {s: [t["seconds"] for t in used[s]] for s in SPLITS}),
            _histogram("Level of the tracks", "dBFS", {s: [t["level_db"] for t in used[s]] for s in SPLITS}),
        ],
        canvas=canvas,
        examples={genre: examples[genre] for genre in genres if genre in examples},
        has_players=fma_root is not None,
        silent=_reasons([{"reason": e.no_sound} for group in examples.values() for e in group if e.no_sound]),
        reasons=_reasons(dataset.skipped),
        skipped=dataset.skipped[:MAX_SKIPPED_ROWS],
        n_skipped=len(dataset.skipped),
        unlabelled=_UNLABELLED,
    )
    settings = {"n_examples": n_examples, "seed": seed, "players": fma_root is not None}
    record_report(out, settings, {"dataset": dataset})


# --- counts ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Totals:
    """Counts of some tracks; `level` is the mean ± standard deviation in dBFS."""

    n_tracks: int
    n_segments: int
    hours: float
    level: str


def _used(dataset: PreparedDataset) -> dict[str, list[_Entry]]:
    """List the tracks of each split, and of all."""
    used: dict[str, list[_Entry]] = {split: list(dataset.used(split)) for split in SPLITS}
    return {**used, "all": [track for tracks in used.values() for track in tracks]}


def _totals(used: Mapping[str, Sequence[_Entry]]) -> dict[str, _Totals]:
    def level(tracks: Sequence[_Entry]) -> str:
        levels = np.array([track["level_db"] for track in tracks])
        return f"{levels.mean():.1f} ± {levels.std():.1f}" if tracks else "-"

    return {
        name: _Totals(
            len(tracks), sum(t["n_segments"] for t in tracks), sum(t["seconds"] for t in tracks) / 3_600, level(tracks)
        )
        for name, tracks in used.items()
    }


def _genres(dataset: PreparedDataset, used: Mapping[str, Sequence[_Entry]]) -> list[str]:
    """List all genres, the largest first; the empty title of tracks without one comes last."""
    counts = Counter(track["genre"] for track in used["all"])
    return sorted({*dataset.recipe.genres, *counts}, key=lambda genre: (genre == "", -counts[genre], genre))


@dataclass(frozen=True)
class _GenreRow:
    """Tracks of one genre: in each split their number, share of the split, and that relative to the largest; in all."""

    title: str
    cells: list[tuple[str, int, float, float]]
    n_tracks: int


def _genre_rows(genres: Sequence[str], used: Mapping[str, Sequence[_Entry]]) -> list[_GenreRow]:
    counts = {split: Counter(track["genre"] for track in used[split]) for split in SPLITS}
    shares = {split: {genre: n / counts[split].total() for genre, n in counts[split].items()} for split in SPLITS}
    longest = max(share for split in SPLITS for share in shares[split].values())
    rows = []
    for genre in genres:
        cells = []
        for split in SPLITS:
            share = shares[split].get(genre, 0.0)
            cells.append((split, counts[split][genre], share, share / longest))
        rows.append(_GenreRow(genre, cells, sum(counts[split][genre] for split in SPLITS)))
    return rows


def _reasons(entries: Sequence[_Entry]) -> list[tuple[str, int]]:
    """Count reasons, the most frequent first."""
    return sorted(Counter(entry["reason"] for entry in entries).items(), key=lambda item: (-item[1], item[0]))


def _describe(recipe: Recipe) -> str:
    """Say in one line what a segment is and which are kept."""
    params, features = recipe.features.params, recipe.features
    layout = {
        "mfcc": f"MFCC, {features.width} coefficients",
        "log-mel": f"Log-mel, {features.width} bands",
        "raw": f"Raw audio, {features.width} samples",
    }[features.mode]
    kept = "" if recipe.segments_per_track is None else f", at most {recipe.segments_per_track} per track"
    return (
        f"{layout} × {params.segment_frames} frames ({params.segment_seconds:.2f} s) at {params.sample_rate_hz:,} Hz, "
        f"a segment every {recipe.hop_frames * params.frame_seconds:.2f} s{kept}, {recipe.storage}"
    )


def _parameters(recipe: Recipe) -> dict[str, Any]:
    values = recipe.to_dict()
    audio = values.pop("audio")
    del values["genres"]
    return {**audio, **values}


# --- histograms --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Histogram:
    """A histogram by split, with its numbers."""

    title: str
    summary: str
    chart: charts.Chart
    table: Table


def _histogram(title: str, unit: str, by_split: Mapping[str, Sequence[float]]) -> _Histogram:
    values = np.concatenate([np.asarray(part, np.float64) for part in by_split.values()])
    low, high = math.floor(values.min()), math.ceil(values.max())
    # FMA's clips all last 30 s; a bar of its own width says more than one that fills the chart.
    spare = max(0, 10 - (high - low)) // 2
    edges = np.asarray(MaxNLocator(nbins=30, integer=True, steps=[1, 2, 5, 10]).tick_values(low - spare, high + spare))
    counts = {split: np.histogram(part, edges)[0] for split, part in by_split.items()}
    rows = [
        (f"{edges[i]:,.0f} to {edges[i + 1]:,.0f}", *of_bin)
        for i, of_bin in enumerate(np.stack([*counts.values()], axis=1).tolist())
        if any(of_bin)
    ]
    return _Histogram(
        f"{title}, {unit}",
        signed(f"{values.min():,.1f} to {values.max():,.1f} {unit}, median {np.median(values):,.1f}"),
        charts.histogram(counts, edges, x_title=unit, y_title="tracks"),
        Table((unit, *by_split), rows),
    )


# --- examples ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Choice:
    """A track that an example is taken from."""

    shard: int
    split: str
    track: _Entry


def _choose(dataset: PreparedDataset, n_examples: int, seed: int) -> list[_Choice]:
    """Choose tracks of each genre, by different artists first, from few shards, which have to be read."""
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
    return [choice for group in chosen.values() for choice in group]


def _windows(dataset: PreparedDataset, choices: Sequence[_Choice], seed: int) -> Iterator[tuple[_Choice, int, Rows]]:
    """Read a random segment of each chosen track: its first frame and its rows [shape=(segment_frames, width)]."""
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
                    f"{dataset.path / shard['file']}: the segments of track {track_id} do not fit the manifest; delete "
                    "the file and run `prepare` again"
                )
            yield choice, int(starts[index]), window
            if not wanted:
                break


@dataclass(frozen=True)
class _Example:
    """A segment to see, and to hear unless `no_sound` says why not.

    `picture` and `sound` are data: URIs; for raw audio `picture` is the path of an SVG outline.
    """

    track: _Entry
    split: str
    start: str
    stop: str
    picture: str
    sound: str
    no_sound: str

    @classmethod
    def of(
        cls, dataset: PreparedDataset, choice: _Choice, start_frame: int, picture: str, fma_root: Path | None
    ) -> _Example:
        start = start_frame * dataset.params.frame_seconds
        stop = start + dataset.params.segment_seconds
        sound = no_sound = ""
        if fma_root is not None:
            try:
                sound = charts.data_uri("audio/mpeg", _mp3(_sound(fma_root, choice.track, start, stop)))
            except _NoSoundError as error:
                no_sound = str(error)
        return cls(choice.track, choice.split, _clock(start), _clock(stop), picture, sound, no_sound)


def _clock(seconds: float) -> str:
    """Write minutes and seconds, with the hundredths that segments need."""
    hundredths = round(100 * seconds)
    return f"{hundredths // 6_000}:{hundredths % 6_000 / 100:05.2f}"


@dataclass(frozen=True)
class _Canvas:
    """Draws all segments of a dataset on one scale, so that they compare.

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
            return signed(f"{self.low:g} σ"), "mean", f"+{self.high:g} σ"
        if self.mode == "log-mel":
            low, middle, high = (signed(f"{x:.0f} dB") for x in (self.low, (self.low + self.high) / 2, self.high))
            return low, middle, high
        return signed("-1"), "0", "+1"

    def draw(self, rows: Rows) -> str:
        """Draw rows [shape=(segment_frames, width)], time to the right: a data: URI, or the path of raw audio."""
        if self.mode == "raw":
            return self._outline(rows.reshape(-1))
        image = rows.T.astype(np.float64)
        if self.mode == "mfcc":
            spread = self.deviation
            # As in the scaler, what never varied is 0.
            image = np.divide(image - self.mean, spread, out=np.zeros_like(image), where=spread > 1e-6)
        return charts.picture(image, self.low, self.high)

    def _outline(self, samples: Rows) -> str:
        """Trace the greatest and least sample of many short spans, as a closed path from -100 to 100."""
        spans = np.array_split(100 * samples.clip(self.low, self.high), _OUTLINE_POINTS)
        # Silence is drawn as a thin line.
        upper = [f"{i} {-max(0.4, span.max()):.1f}" for i, span in enumerate(spans)]
        lower = [f"{i} {-min(-0.4, span.min()):.1f}" for i, span in enumerate(spans)]
        return "M" + "L".join(upper + lower[::-1]) + "Z"

    @property
    def outline_width(self) -> int:
        """Greatest x of an outline."""
        return _OUTLINE_POINTS - 1


def _statistics(dataset: PreparedDataset) -> SegmentStatistics:
    """Compute statistics of the training split or, without one, of a few tracks of the first split that has any."""
    if dataset.used("training"):
        return dataset.statistics()
    split = next(split for split in SPLITS if dataset.used(split))
    n_frames = {track["track_id"]: track["n_frames"] for track in dataset.used(split)}
    recipe = dataset.recipe
    return SegmentStatistics.merge(
        recipe.statistics(rows, recipe.starts(n_frames[track_id], track_id))
        for track_id, rows in islice(dataset.tracks(split), _DESCRIBED_TRACKS)
    )


class _NoSoundError(Exception):
    """Why there is no player, in a word or two."""


def _sound(fma_root: Path, track: _Entry, start_seconds: float, stop_seconds: float) -> Rows:
    """Decode exactly the sound of a segment from the corpus."""
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
