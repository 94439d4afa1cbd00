"""Quality of bundles, their mappings and baselines on the tracks of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from tfdeepviz.analysis.drivers import BaselineSource, Source
from tfdeepviz.analysis.sound import RATE_HZ, Floats, Sound
from tfdeepviz.data.decode import AudioTooShortError, decode_file
from tfdeepviz.data.manifest import UsedTrack
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError, inside
from tfdeepviz.mapping.quality import (
    FRAMES_PER_SECOND,
    MIN_SECONDS,
    TrackQuality,
    comparable_genres,
    measure_track,
    speed,
    summarize,
)
from tfdeepviz.reports.quality import COLOURS, Example, Line, QualityTable

#: Number of training tracks that the baselines are scaled with.
N_FITTED_TRACKS = 64

#: Only this much of a track is measured, from its beginning; bounds the memory.
MAX_SECONDS = 300.0

_EXAMPLE_SECONDS = 10


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
    dataset, splits
        Lists the tracks, and defines the level that counts as silence for the baselines. The splits are measured
        together.
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
    FormatError, AudioError
        If audio is missing, or a file cannot be decoded or is too short for a source.
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
    paths = {track["track_id"]: _file(root, track) for track in (*tracks, *fitted)}
    total = len(fitted) + len(tracks)

    def decode() -> Iterator[Sound]:
        for n_done, track in enumerate((*fitted, *tracks), 1):
            # A longer file cannot be the one that the dataset was prepared from.
            pcm = decode_file(paths[track["track_id"]], sample_rate_hz=RATE_HZ, max_seconds=track["seconds"] + 1)
            yield Sound(track["track_id"], pcm[: round(MAX_SECONDS * RATE_HZ)])
            if progress is not None:
                progress(n_done, total)

    sounds = decode()
    baselines = BaselineSource(islice(sounds, len(fitted)), floor_db=dataset.params.floor_db)
    drivers = [driver for source in (*sources, baselines) for driver in source.drivers]
    measured: list[list[TrackQuality]] = [[] for _ in drivers]
    example = Example("", "", (0.0, 0.0), np.zeros(1))
    shown: list[Floats] = []
    for track, sound in zip(tracks, sounds, strict=True):
        onset = sound.onset_strength()
        try:
            played = [parameters for source in (*sources, baselines) for parameters in source.play(sound)]
        except AudioTooShortError as error:
            raise AudioTooShortError(f"{root / track['path']}: {error}") from error
        for of_driver, parameters in zip(measured, played, strict=True):
            of_driver.append(measure_track(parameters, onset))
        n = min(len(onset), _EXAMPLE_SECONDS * FRAMES_PER_SECOND)
        start = (len(onset) - n) // 2
        if not shown or onset[start : start + n].std() > example.onset.std():
            seconds = start / FRAMES_PER_SECOND, (start + n) / FRAMES_PER_SECOND
            example = Example(track["title"], track["artist"], seconds, onset[start : start + n])
            shown = [parameters[start : start + n] for parameters in played]

    genres, artists = ([track[name] for track in tracks] for name in ("genre", "artist"))
    lines = []
    for driver, of_driver, parameters in zip(drivers, measured, shown, strict=True):
        quality = summarize(of_driver, genres=genres, artists=artists, seed=seed)
        lines.append(Line(driver, quality.values, quality.intervals, quality.std, parameters, speed(parameters)))
    return QualityTable(
        dataset_name=dataset.name,
        dataset_digest=dataset.identity,
        splits=splits,
        n_tracks=len(tracks),
        n_short=len(used) - len(long),
        min_seconds=MIN_SECONDS,
        n_fitted=len(training),
        genres={genre: genres.count(genre) for genre in comparable_genres(genres, artists)},
        seed=seed,
        lines=tuple(sorted(lines, key=lambda line: list(COLOURS).index(line.driver.kind))),
        example=example,
    )


def _choose(tracks: list[UsedTrack], n: int | None, rng: np.random.Generator) -> list[UsedTrack]:
    if n is None or n >= len(tracks):
        return tracks
    return [tracks[i] for i in sorted(rng.choice(len(tracks), n, replace=False).tolist())]


def _root(dataset: PreparedDataset, fma_root: Path | None) -> Path:
    root = dataset.origin if fma_root is None else fma_root
    if root is None:
        raise FormatError(
            f"{dataset.path}: the corpus that it was prepared from has moved; give its folder with --fma-root"
        )
    if not root.is_dir():
        raise FormatError(f"--fma-root {root}: no such folder; give the one with fma_metadata/ and fma_SUBSET/")
    return root


def _file(root: Path, track: UsedTrack) -> Path:
    """Find a track's audio; the path is checked because the manifest may come from other people."""
    try:
        path = inside(root, track["path"])
    except FormatError as error:
        raise FormatError(f"track {track['track_id']}: {track['path']!r} leads out of the corpus") from error
    if not path.is_file():
        raise FormatError(f"{path}: missing; give the dataset's corpus with --fma-root")
    return path
