"""Write the demo corpus in FMA's layout, and the playground's tracks."""

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soundfile

from tfdeepviz.artifacts import Artifact, claim, finish, reopen
from tfdeepviz.data.corpus import corpus_digest
from tfdeepviz.data.demo.composition import GENRES, compose
from tfdeepviz.data.demo.dsp import SAMPLE_RATE_HZ, Signal
from tfdeepviz.data.demo.mixer import render_score
from tfdeepviz.data.demo.names import artist_names, track_titles
from tfdeepviz.errors import InputError
from tfdeepviz.files import atomic_path
from tfdeepviz.locks import locked

COMPOSER_VERSION = 1
"""Goes up whenever the same settings would sound different, so that old and new tracks never mix in one corpus."""

_GENRE_IDS = {
    "Electronic": 15,
    "Experimental": 38,
    "Folk": 17,
    "Hip-Hop": 21,
    "Instrumental": 1235,
    "International": 2,
    "Pop": 10,
    "Rock": 12,
}
_FIRST_TRACK_ID = 2  # as in FMA
_LAST_TRACK_ID = 999_999  # ids have six digits
_TRACKS_PER_ARTIST = 5
_LICENSE = "CC0-1.0"
_DATE = "2026-11-23 00:00:00"
_MP3_LEVEL = 0.5  # LAME's V5: about 130 kbit/s
_MP3_PEAK = 0.98
"""Largest sample that a decoded file may have."""

# FMA's columns by group. Includes columns that the demo corpus leaves empty, because readers expect them.
_COLUMNS: dict[str, tuple[str, ...]] = {
    "album": (
        "comments", "date_created", "date_released", "engineer", "favorites", "id", "information", "listens",
        "producer", "tags", "title", "tracks", "type",
    ),
    "artist": (
        "active_year_begin", "active_year_end", "associated_labels", "bio", "comments", "date_created", "favorites",
        "id", "latitude", "location", "longitude", "members", "name", "related_projects", "tags", "website",
        "wikipedia_page",
    ),
    "set": (
        "split", "subset",
    ),
    "track": (
        "bit_rate", "comments", "composer", "date_created", "date_recorded", "duration", "favorites", "genre_top",
        "genres", "genres_all", "information", "interest", "language_code", "license", "listens", "lyricist",
        "number", "publisher", "tags", "title",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class PlannedTrack:
    """A track of the corpus, before rendering.

    Attributes
    ----------
    track_id : int
    genre : str
    artist_index : int
        Index of the artist within the genre.
    number : int
        Index of the track within the artist.
    split : str
        ``training``, ``validation`` or ``test``; the same for all tracks of an artist.
    artist_id : int
    artist_name, title : str
    """

    track_id: int
    genre: str
    artist_index: int
    number: int
    split: str
    artist_id: int
    artist_name: str
    title: str

    @property
    def path(self) -> Path:
        """Path of the track relative to the corpus."""
        name = f"{self.track_id:06d}"
        return Path("fma_small", name[:3], f"{name}.mp3")


@dataclass(frozen=True)
class CorpusSummary:
    """Result of `render_corpus`."""

    root: Path
    n_tracks: int
    n_rendered: int
    n_skipped: int
    n_artists: int
    n_per_split: dict[str, int]


def render_track(
    genre: str, artist_index: int, number: int, *, seed: int = 0, duration_seconds: float = 30.0
) -> Signal:
    """Compose and render one track.

    Parameters
    ----------
    genre : str
        One of `GENRES`.
    artist_index, number : int
        Index of the artist within the genre, and of the track within the artist.
    seed : int
    duration_seconds : float

    Returns
    -------
    ndarray [shape=(2, n_samples)]
        Stereo PCM at 44.1 kHz in [-1, 1]; depends only on the arguments.
    """
    _check(seed=seed, duration_seconds=duration_seconds)
    if min(artist_index, number) < 0:
        raise InputError(f"artist_index and number must not be negative, got {artist_index} and {number}")
    return render_score(compose(genre, artist_index, number, seed=seed, duration_seconds=duration_seconds))


def plan_corpus(n_tracks: int, seed: int = 0) -> tuple[PlannedTrack, ...]:
    """Plan the genre, artist, split and names of every track.

    Genres alternate. Within a genre, whole artists are held out: about a tenth of the tracks each for validation and
    test, and at least one artist each if the genre has three tracks or more (24 tracks in total). A genre with two
    tracks has none for validation; a genre with one track uses it for training.
    """
    _check(n_tracks=n_tracks, seed=seed)
    plan: list[PlannedTrack] = []
    next_artist_id = 1
    for genre_index, genre in enumerate(GENRES):
        track_ids = range(_FIRST_TRACK_ID + genre_index, _FIRST_TRACK_ID + n_tracks, len(GENRES))
        artists = _artists(len(track_ids))
        rng = np.random.default_rng([seed, _GENRE_IDS[genre]])
        names = artist_names(genre, len(artists), rng)
        titles = track_titles(genre, len(track_ids), rng)
        slots = [(number, index, split) for index, (split, count) in enumerate(artists) for number in range(count)]
        slots.sort()  # artists alternate in order of ids
        for track_id, title, (number, index, split) in zip(track_ids, titles, slots, strict=True):
            plan.append(
                PlannedTrack(track_id, genre, index, number, split, next_artist_id + index, names[index], title)
            )
        next_artist_id += len(artists)
    return tuple(sorted(plan, key=lambda track: track.track_id))


def _artists(n_tracks: int) -> list[tuple[str, int]]:
    """``(split, number of tracks)`` for each artist of a genre."""
    held_out = max(1, round(0.1 * n_tracks))
    n_test = held_out if n_tracks >= 2 else 0
    n_validation = held_out if n_tracks >= 3 else 0
    n_training = n_tracks - n_test - n_validation
    artists: list[tuple[str, int]] = []
    for split, count, least in (("training", n_training, 3), ("validation", n_validation, 1), ("test", n_test, 1)):
        n_artists = min(count, max(least, -(-count // _TRACKS_PER_ARTIST)))
        artists += [(split, len(part)) for part in np.array_split(np.arange(count), n_artists)] if n_artists else []
    return artists


def planned_corpus(root: Path, *, n_tracks: int = 64, seed: int = 0, duration_seconds: float = 30.0) -> Artifact:
    """Return the record of the corpus that `render_corpus` makes of these arguments."""
    settings = {"n_tracks": n_tracks, "seed": seed, "duration_seconds": duration_seconds}
    return Artifact.planned("corpus", root.resolve().name, {"composer_version": COMPOSER_VERSION, **settings})


def render_corpus(
    out_dir: str | os.PathLike[str],
    *,
    n_tracks: int = 64,
    seed: int = 0,
    duration_seconds: float = 30.0,
    n_workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CorpusSummary:
    """Compose, render and write a corpus in FMA's layout.

    Existing tracks are kept if they were made with the same settings, so an interrupted run resumes. All files are
    written atomically, the tables last.

    Parameters
    ----------
    out_dir : path
        Receives ``fma_metadata/tracks.csv``, ``fma_metadata/genres.csv``, ``fma_small/000/000002.mp3`` and so on.
    n_tracks : int
        Preferably a multiple of eight; see `plan_corpus` for how small numbers are split.
    seed : int
    duration_seconds : float in [1, 600]
    n_workers : int, optional
        Number of processes; by default one per core. Does not affect the PCM.
    progress : callable, optional
        Called with ``(tracks done, total tracks)`` after each track.

    Raises
    ------
    InputError
        If an argument is out of range.
    FormatError
        If the folder holds anything else.
    BusyError
        If another process is rendering there.
    """
    _check(n_tracks=n_tracks, seed=seed, duration_seconds=duration_seconds, n_workers=n_workers)
    root = Path(out_dir)
    claim(root, planned_corpus(root, n_tracks=n_tracks, seed=seed, duration_seconds=duration_seconds))
    with locked(root):
        plan = plan_corpus(n_tracks, seed)
        jobs = [
            _Job(
                track.genre,
                track.artist_index,
                track.number,
                seed,
                duration_seconds,
                root / track.path,
                track.title,
                track.artist_name,
            )
            for track in plan
            if not (root / track.path).is_file()
        ]
        if jobs:
            # The tables mark the corpus as complete, so remove this one until all tracks are written.
            _genres_csv(root).unlink(missing_ok=True)
            reopen(root)
        n_skipped = n_tracks - len(jobs)
        for n_done, _ in enumerate(_run(jobs, n_workers), n_skipped + 1):
            if progress is not None:
                progress(n_done, n_tracks)
        _write_tracks_csv(root, plan, duration_seconds)
        _write_genres_csv(root, plan)
        finish(root, corpus_digest(root, "small"), n_tracks=n_tracks)
    splits = ("training", "validation", "test")
    return CorpusSummary(
        root=root,
        n_tracks=n_tracks,
        n_rendered=len(jobs),
        n_skipped=n_skipped,
        n_artists=len({track.artist_id for track in plan}),
        n_per_split={split: sum(track.split == split for track in plan) for split in splits},
    )


@dataclass(frozen=True)
class _PlaygroundTrack:
    genre: str
    seed: int
    artist_index: int
    number: int


# Chosen for the playground for their clear form and lively visuals.
_PLAYGROUND = (
    _PlaygroundTrack("Electronic", 0, 3, 0),
    _PlaygroundTrack("Experimental", 0, 1, 0),
    _PlaygroundTrack("Folk", 0, 2, 0),
    _PlaygroundTrack("Hip-Hop", 0, 1, 0),
    _PlaygroundTrack("Instrumental", 0, 3, 0),
    _PlaygroundTrack("International", 0, 2, 0),
    _PlaygroundTrack("Pop", 0, 4, 0),
    _PlaygroundTrack("Rock", 0, 3, 0),
)


def write_playground_tracks(
    out_dir: str | os.PathLike[str], *, duration_seconds: float = 30.0, n_workers: int | None = None
) -> tuple[Path, ...]:
    """Render the playground's eight tracks, one per genre, and ``index.json``; returns the paths of the MP3s."""
    _check(duration_seconds=duration_seconds, n_workers=n_workers)
    root = Path(out_dir)
    root.mkdir(parents=True, exist_ok=True)
    # The index marks the tracks as complete, so remove it until all are written.
    (root / "index.json").unlink(missing_ok=True)
    jobs, entries = [], []
    for pick in _PLAYGROUND:
        rng = np.random.default_rng([pick.seed, _GENRE_IDS[pick.genre]])
        artist = artist_names(pick.genre, pick.artist_index + 1, rng)[-1]
        title = track_titles(pick.genre, pick.artist_index + 1, rng)[-1]
        name = f"{pick.genre.lower()}.mp3"
        jobs.append(
            _Job(pick.genre, pick.artist_index, pick.number, pick.seed, duration_seconds, root / name, title, artist)
        )
        entries.append(
            {"file": name, "title": title, "artist": artist, "genre": pick.genre, "duration_seconds": duration_seconds}
        )
    for _ in _run(jobs, n_workers):
        pass
    with atomic_path(root / "index.json") as path:
        path.write_text(json.dumps({"schema_version": 1, "tracks": entries}, indent=2) + "\n", encoding="utf-8")
    return tuple(job.path for job in jobs)


# --- rendering in processes --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Job:
    genre: str
    artist_index: int
    number: int
    seed: int
    duration_seconds: float
    path: Path
    title: str
    artist_name: str


def _run(jobs: Sequence[_Job], n_workers: int | None) -> Iterator[None]:
    """Run the jobs, yielding after each."""
    n_processes = min(len(jobs), n_workers or os.cpu_count() or 1)
    if n_processes <= 1:
        for job in jobs:
            _render_file(job)
            yield
        return
    # Spawn instead of fork, because the caller may have threads, such as TensorFlow's.
    with ProcessPoolExecutor(n_processes, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(_render_file, job) for job in jobs]
        try:
            for future in as_completed(futures):
                future.result()
                yield
        finally:
            pool.shutdown(cancel_futures=True)


def _render_file(job: _Job) -> None:
    pcm = render_track(job.genre, job.artist_index, job.number, seed=job.seed, duration_seconds=job.duration_seconds)
    mp3 = _encode(pcm, job)
    peak = float(np.max(np.abs(soundfile.read(BytesIO(mp3))[0])))
    if peak > _MP3_PEAK:  # lossy encoding can raise peaks
        mp3 = _encode(pcm * (0.97 * _MP3_PEAK / peak), job)
    with atomic_path(job.path) as path:
        path.write_bytes(mp3)


def _encode(pcm: Signal, job: _Job) -> bytes:
    # Not directly into the file: on a full disk, libsndfile reports only "system error".
    mp3 = BytesIO()
    with soundfile.SoundFile(
        mp3,
        "w",
        SAMPLE_RATE_HZ,
        channels=2,
        format="MP3",
        subtype="MPEG_LAYER_III",
        compression_level=_MP3_LEVEL,
        bitrate_mode="VARIABLE",
    ) as file:
        file.title, file.artist, file.genre, file.license = job.title, job.artist_name, job.genre, _LICENSE
        file.write(pcm.T)
    return mp3.getvalue()


# --- checks and tables -------------------------------------------------------------------------------------------


def _check(*, n_tracks: int = 1, seed: int = 0, duration_seconds: float = 30.0, n_workers: int | None = None) -> None:
    if not 1 <= n_tracks <= _LAST_TRACK_ID - _FIRST_TRACK_ID + 1:
        raise InputError(f"n_tracks must be from 1 to {_LAST_TRACK_ID - _FIRST_TRACK_ID + 1}, got {n_tracks}")
    if seed < 0:
        raise InputError(f"seed must not be negative, got {seed}")
    if not 1.0 <= duration_seconds <= 600.0:  # also rejects NaN
        raise InputError(f"duration_seconds must be from 1 to 600, got {duration_seconds}")
    if n_workers is not None and n_workers < 1:
        raise InputError(f"n_workers must be at least 1, got {n_workers}")


def _write_tracks_csv(root: Path, plan: Sequence[PlannedTrack], duration_seconds: float) -> None:
    columns = [(group, name) for group, names in _COLUMNS.items() for name in names]
    n_by_artist = {track.artist_id: 0 for track in plan}
    for track in plan:
        n_by_artist[track.artist_id] += 1
    rows = []
    for track in plan:
        genre_id = _GENRE_IDS[track.genre]
        bit_rate = round((root / track.path).stat().st_size * 8 / duration_seconds)
        values: dict[tuple[str, str], object] = {
            ("album", "comments"): 0,
            ("album", "date_created"): _DATE,
            ("album", "favorites"): 0,
            ("album", "id"): track.artist_id,
            ("album", "listens"): 0,
            ("album", "tags"): "[]",
            ("album", "title"): f"{track.artist_name} (demo)",
            ("album", "tracks"): n_by_artist[track.artist_id],
            ("album", "type"): "Album",
            ("artist", "comments"): 0,
            ("artist", "date_created"): _DATE,
            ("artist", "favorites"): 0,
            ("artist", "id"): track.artist_id,
            ("artist", "name"): track.artist_name,
            ("artist", "tags"): "[]",
            ("set", "split"): track.split,
            ("set", "subset"): "small",
            ("track", "bit_rate"): bit_rate,
            ("track", "comments"): 0,
            ("track", "date_created"): _DATE,
            ("track", "duration"): round(duration_seconds),
            ("track", "favorites"): 0,
            ("track", "genre_top"): track.genre,
            ("track", "genres"): f"[{genre_id}]",
            ("track", "genres_all"): f"[{genre_id}]",
            ("track", "interest"): 0,
            ("track", "language_code"): "en",
            ("track", "license"): _LICENSE,
            ("track", "listens"): 0,
            ("track", "number"): track.number + 1,
            ("track", "tags"): "[]",
            ("track", "title"): track.title,
        }
        rows.append([track.track_id, *(values.get(column, "") for column in columns)])
    header = [
        ["", *(group for group, _ in columns)],
        ["", *(name for _, name in columns)],
        ["track_id", *("" for _ in columns)],
    ]
    _write_csv(root / "fma_metadata" / "tracks.csv", [*header, *rows])


def _genres_csv(root: Path) -> Path:
    return root / "fma_metadata" / "genres.csv"


def _write_genres_csv(root: Path, plan: Sequence[PlannedTrack]) -> None:
    rows: list[list[object]] = [["genre_id", "#tracks", "parent", "title", "top_level"]]
    for genre, genre_id in sorted(_GENRE_IDS.items(), key=lambda item: item[1]):
        rows.append([genre_id, sum(track.genre == genre for track in plan), 0, genre, genre_id])
    _write_csv(_genres_csv(root), rows)


def _write_csv(path: Path, rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
