"""A prepared dataset for people: a summary in text, and a page of charts and of segments to see and hear."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import soundfile as sf

from tfdeepviz.artifacts import record_report
from tfdeepviz.data.decode import AudioError, decode_file
from tfdeepviz.data.features import Rows
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.manifest import UsedTrack
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.statistics import SegmentStatistics
from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError, inside
from tfdeepviz.reports import charts
from tfdeepviz.reports.pages import render, write_page
from tfdeepviz.reports.tables import Table, clean

#: A page with more rows would be long to read; `skipped.jsonl` has them all.
MAX_SKIPPED_ROWS = 500
#: Greatest and least values that a waveform is drawn through.
OUTLINE_POINTS = 192
#: What tables call tracks without a genre.
UNLABELLED = "(no genre)"

_PLAYER_RATE_HZ = 44_100
#: Standard deviations that the colours of standardised coefficients span on both sides of the mean.
_SPAN_SIGMA = 3.0
#: Tracks that set the colour scale of a dataset without a training split.
_DESCRIBED_TRACKS = 16

#: Index of a shard, and one of its tracks.
_Choice = tuple[int, UsedTrack]


def summarize(dataset: PreparedDataset) -> str:
    """Summarise a dataset as text, from its manifest: splits, genres, skipped files, recipe, identity and digest."""
    parts = _parts(dataset)
    splits = Table(
        ("split", "tracks", "segments", "hours", "level dBFS"),
        [(name, len(part.tracks), part.n_segments, f"{part.hours:.2f}", part.level) for name, part in parts.items()],
    )
    genres = Table(
        ("genre", *parts),
        [(genre or UNLABELLED, *(part.genres[genre] for part in parts.values())) for genre in _genres(dataset, parts)],
    )
    reasons = ", ".join(f"{n:,} {clean(reason)}" for reason, n in _count(track["reason"] for track in dataset.skipped))
    return "\n".join(
        [
            *(splits.text(), "", genres.text(), ""),
            f"skipped  {len(dataset.skipped):,}" + (f" ({reasons})" if reasons else ""),
            f"recipe   {_describe(dataset)}",
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
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the page of a dataset, whole or not at all: one HTML file that needs no other, no network and no script.

    Equal datasets, corpora and arguments give equal bytes. Only shards that contain an example are read.

    Parameters
    ----------
    fma_root
        Folder of the corpus, for the players; None writes a page without them. Files outside it are never read.
    n_examples
        Segments per genre, from as many artists as possible, chosen with the seed.
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
    parts = _parts(dataset)
    everything = parts.pop("all")
    if not everything.tracks:
        raise FormatError(f"{dataset.path}: contains no track; prepare the dataset again")
    choices, canvas = _choose(dataset, n_examples, seed), _Canvas(dataset)
    examples: dict[str, list[_Example]] = defaultdict(list)
    for done, (split, track, start_frame, rows) in enumerate(_windows(dataset, choices, seed), 1):
        start = start_frame * dataset.params.frame_seconds
        stop = start + dataset.params.segment_seconds
        sound, no_sound = ("", "") if fma_root is None else _sound(fma_root, track, start, stop)
        example = _Example(track, split, start, stop, canvas.draw(rows), sound, no_sound)
        examples[track["genre"]].append(example)
        if progress is not None:
            progress(done, len(choices))
    recipe = dataset.recipe.to_dict()
    genres = _genres(dataset, {**parts, "all": everything})
    write_page(
        out,
        "dataset.html.jinja",
        dataset=dataset,
        description=_describe(dataset),
        parameters={**recipe.pop("audio"), **{name: value for name, value in recipe.items() if name != "genres"}},
        seed=seed,
        everything=everything,
        splits=parts,
        largest_share=max(n / len(part.tracks) for part in parts.values() for n in part.genres.values()),
        skipped_by_split=Counter(shard["split"] for shard in dataset.shards for _ in shard["skipped"]),
        genres=genres,
        sound={
            name: {split: [track[name] for track in part.tracks] for split, part in parts.items()}
            for name in ("seconds", "level_db")
        },
        unlabelled=UNLABELLED,
        canvas=canvas,
        outline_width=OUTLINE_POINTS - 1,
        examples={genre: examples[genre] for genre in genres if genre in examples},
        has_players=fma_root is not None,
        silent=_count(example.no_sound for group in examples.values() for example in group if example.no_sound),
        reasons=_count(track["reason"] for track in dataset.skipped),
        skipped=dataset.skipped[:MAX_SKIPPED_ROWS],
        n_skipped=len(dataset.skipped),
    )
    settings = {"n_examples": n_examples, "seed": seed, "players": fma_root is not None}
    record_report(out, settings, {"dataset": dataset})


# --- counts ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """The usable tracks of a split, or of all, and their number by genre."""

    tracks: Sequence[UsedTrack]
    genres: Counter[str]

    @property
    def n_segments(self) -> int:
        return sum(track["n_segments"] for track in self.tracks)

    @property
    def hours(self) -> float:
        return sum(track["seconds"] for track in self.tracks) / 3_600

    @property
    def level(self) -> str:
        """Mean ± standard deviation in dBFS."""
        levels = np.array([track["level_db"] for track in self.tracks])
        return f"{levels.mean():.1f} ± {levels.std():.1f}" if self.tracks else "-"


def _parts(dataset: PreparedDataset) -> dict[str, _Part]:
    """Return the part of each split, and of all."""
    used = {split: dataset.used(split) for split in SPLITS}
    used["all"] = [track for split in SPLITS for track in used[split]]
    return {name: _Part(tracks, Counter(track["genre"] for track in tracks)) for name, tracks in used.items()}


def _genres(dataset: PreparedDataset, parts: Mapping[str, _Part]) -> list[str]:
    """List all genres, the largest first; the empty title of tracks without one comes last."""
    counts = parts["all"].genres
    return sorted({*dataset.recipe.genres, *counts}, key=lambda genre: (genre == "", -counts[genre], genre))


def _describe(dataset: PreparedDataset) -> str:
    return render("recipe.txt.jinja", recipe=dataset.recipe).strip()


def _count(reasons: Iterable[str]) -> list[tuple[str, int]]:
    """Count reasons, the most frequent first."""
    return sorted(Counter(reasons).items(), key=lambda item: (-item[1], item[0]))


# --- examples ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Example:
    """A segment, in seconds of its track, to see, and to hear unless `no_sound` says why not.

    `picture` and `sound` are data: URIs; for raw audio `picture` is the path of an SVG outline.
    """

    track: UsedTrack
    split: str
    start: float
    stop: float
    picture: str
    sound: str
    no_sound: str


def _choose(dataset: PreparedDataset, n_examples: int, seed: int) -> list[_Choice]:
    """Choose tracks of each genre, by different artists first, from few shards, which have to be read."""
    rng = np.random.default_rng(seed)
    new: dict[str, dict[str, _Choice]] = defaultdict(dict)  # by genre and artist
    others: dict[str, list[_Choice]] = defaultdict(list)
    for i in rng.permutation(len(dataset.shards)).tolist():
        tracks = dataset.shards[i]["tracks"]
        for track in (tracks[k] for k in rng.permutation(len(tracks))):
            choice = i, track
            if new[track["genre"]].setdefault(track["artist"], choice) is not choice:
                others[track["genre"]].append(choice)
    return [choice for genre in new for choice in [*new[genre].values(), *others[genre]][:n_examples]]


def _windows(
    dataset: PreparedDataset, choices: Sequence[_Choice], seed: int
) -> Iterator[tuple[str, UsedTrack, int, Rows]]:
    """Read a random segment of each chosen track: split, track, first frame, rows [shape=(segment_frames, width)]."""
    recipe, frames = dataset.recipe, dataset.params.segment_frames
    by_shard: dict[int, dict[int, UsedTrack]] = defaultdict(dict)
    for i, track in choices:
        by_shard[i][track["track_id"]] = track
    for i, wanted in sorted(by_shard.items()):
        shard = dataset.shards[i]
        # A dataset of this shard alone, so that the others are not read.
        for track_id, rows in replace(dataset, shards=(shard,)).tracks(shard["split"]):
            if track_id not in wanted:
                continue
            track = wanted.pop(track_id)
            starts = recipe.starts(track["n_frames"], track_id)
            index = int(np.random.default_rng([seed, track_id]).integers(len(starts)))
            row = index * frames if recipe.segments_per_track is not None else int(starts[index])
            window = rows[row : row + frames]
            if len(window) < frames:
                raise FormatError(
                    f"{dataset.path / shard['file']}: the segments of track {track_id} do not fit the manifest; delete "
                    "the file and run `prepare` again"
                )
            yield shard["split"], track, int(starts[index]), window
            if not wanted:
                break


class _Canvas:
    """Draws all segments of a dataset on one scale, so that they compare.

    MFCC are standardised by the scaler's statistics first: the first coefficient is so large that it would leave the
    others without contrast.
    """

    def __init__(self, dataset: PreparedDataset) -> None:
        self.mode, statistics = dataset.features.mode, _statistics(dataset)
        self.mean, self.deviation = statistics.mean, np.sqrt(statistics.variance)
        # Full scale for raw audio: a single file that overshoots would flatten the others.
        self.low, self.high = {"mfcc": (-_SPAN_SIGMA, _SPAN_SIGMA), "raw": (-1.0, 1.0)}.get(
            self.mode, (float(statistics.minimum.min()), float(statistics.maximum.max()))
        )

    def draw(self, rows: Rows) -> str:
        """Draw rows [shape=(segment_frames, width)], time to the right: a data: URI, or the path of raw audio."""
        if self.mode == "raw":
            return self._outline(rows.reshape(-1))
        image = rows.T.astype(np.float64)
        if self.mode == "mfcc":
            # As in the scaler, what never varied is 0.
            image = np.divide(image - self.mean, self.deviation, out=np.zeros_like(image), where=self.deviation > 1e-6)
        return charts.picture(image, self.low, self.high)

    def _outline(self, samples: Rows) -> str:
        """Trace the greatest and least sample of many short spans, as a closed path from -100 to 100."""
        spans = np.array_split(100 * samples.clip(self.low, self.high), OUTLINE_POINTS)
        # Silence is drawn as a thin line.
        upper = [f"{i} {-max(0.4, span.max()):.1f}" for i, span in enumerate(spans)]
        lower = [f"{i} {-min(-0.4, span.min()):.1f}" for i, span in enumerate(spans)]
        return "M" + "L".join(upper + lower[::-1]) + "Z"


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


def _sound(fma_root: Path, track: UsedTrack, start: float, stop: float) -> tuple[str, str]:
    """Encode exactly the sound of a segment, in seconds, as a data: URI; or "", and why not in a word or two."""
    try:
        # A longer file is not the one that the dataset was prepared from.
        path, max_seconds = inside(fma_root, track["path"]), track["seconds"] + 1
        pcm = decode_file(path, sample_rate_hz=_PLAYER_RATE_HZ, max_seconds=max_seconds)
    except FormatError:
        return "", "outside the corpus"
    except AudioError as error:
        return "", error.reason
    except FileNotFoundError:
        return "", "missing"
    except OSError:
        return "", "unreadable"
    segment = pcm[round(start * _PLAYER_RATE_HZ) : round(stop * _PLAYER_RATE_HZ)]
    # Frames are centred, so a track's last segment may end up to one hop after its sound.
    if not len(segment):
        return "", "too-short"
    mp3 = io.BytesIO()
    sf.write(mp3, segment, _PLAYER_RATE_HZ, format="MP3", compression_level=0.5, bitrate_mode="VARIABLE")
    return charts.data_uri("audio/mpeg", mp3.getvalue()), ""
