"""Render the demo corpus in FMA's layout, with its tables, and the playground's tracks."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from tfdeepviz.artifacts import claim, finish, reopen
from tfdeepviz.data.corpus import corpus_digest, planned_corpus
from tfdeepviz.data.demo.arrangement import compose
from tfdeepviz.data.demo.dsp import SAMPLE_RATE_HZ, Signal
from tfdeepviz.data.demo.genre import GENRES, genre_table
from tfdeepviz.data.demo.mixer import render_score
from tfdeepviz.data.demo.plan import Piece, PlannedTrack, check_arguments, genre_names, plan_corpus
from tfdeepviz.data.layout import GENRES_CSV, write_genres, write_mp3, write_tracks
from tfdeepviz.files import write_json
from tfdeepviz.locks import locked

_LICENSE = "CC0-1.0"


@dataclass(frozen=True)
class CorpusSummary:
    """Result of `render_corpus`."""

    n_tracks: int
    n_rendered: int
    n_artists: int


def render_track(
    genre: str, artist_index: int, number: int, *, seed: int = 0, duration_seconds: float = 30.0
) -> Signal:
    """Compose and render track `number` of an artist of one of `GENRES`; indices count from 0.

    Stereo PCM at 44.1 kHz in [-1, 1] [shape=(2, n_samples)]; depends only on the arguments.
    """
    check_arguments(artist_index=artist_index, number=number, seed=seed, duration_seconds=duration_seconds)
    return render_score(compose(genre, artist_index, number, seed=seed, duration_seconds=duration_seconds))


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
    written atomically, the tables last. `plan_corpus` says how small numbers of tracks are split. `n_workers` processes
    (by default one per core) do not affect the PCM. `progress` is called with ``(tracks done, total tracks)``.

    Raises `InputError` if an argument is out of range, `FormatError` if the folder holds anything else, and `BusyError`
    if another process is rendering there.
    """
    check_arguments(n_tracks=n_tracks, seed=seed, duration_seconds=duration_seconds, n_workers=n_workers)
    root = Path(out_dir)
    claim(root, planned_corpus(root, n_tracks=n_tracks, seed=seed, duration_seconds=duration_seconds))
    with locked(root):
        plan = plan_corpus(n_tracks, seed)
        missing = [(track, root / track.path) for track in plan if not (root / track.path).is_file()]
        if missing:
            (root / GENRES_CSV).unlink(missing_ok=True)
            reopen(root)
        for n_done, _ in enumerate(_render(missing, seed, duration_seconds, n_workers), n_tracks - len(missing) + 1):
            if progress is not None:
                progress(n_done, n_tracks)
        _write_tables(root, plan, duration_seconds)
        finish(root, corpus_digest(root, "small"), n_tracks=n_tracks)
    return CorpusSummary(n_tracks, len(missing), len({track.artist_id for track in plan}))


def write_playground_tracks(
    out_dir: str | os.PathLike[str], *, duration_seconds: float = 30.0, n_workers: int | None = None
) -> tuple[Path, ...]:
    """Render the playground's eight tracks, one per genre, and ``index.json``; returns the paths of the MP3s."""
    check_arguments(duration_seconds=duration_seconds, n_workers=n_workers)
    root = Path(out_dir)
    # The index marks the tracks as complete, so remove it until all are written.
    (root / "index.json").unlink(missing_ok=True)
    jobs: list[tuple[Piece, Path]] = []
    for genre in GENRES:
        artist = genre_table(genre)["playground_artist"]  # chosen for a clear form and lively visuals
        artist_names, titles = genre_names(genre, 0, artist + 1, artist + 1)
        jobs.append((Piece(genre, artist, 0, artist_names[-1], titles[-1]), root / f"{genre.lower()}.mp3"))
    for _ in _render(jobs, 0, duration_seconds, n_workers):
        pass
    length = {"duration_seconds": duration_seconds}
    tracks = [
        {"file": path.name, "title": piece.title, "artist": piece.artist_name, "genre": piece.genre, **length}
        for piece, path in jobs
    ]
    write_json(root / "index.json", {"schema_version": 1, "tracks": tracks})
    return tuple(path for _, path in jobs)


def _render(
    jobs: Sequence[tuple[Piece, Path]], seed: int, duration_seconds: float, n_workers: int | None
) -> Iterator[None]:
    """Render pieces to files, in processes, yielding after each."""
    n_processes = min(len(jobs), n_workers or os.cpu_count() or 1)
    render = partial(_render_file, seed=seed, duration_seconds=duration_seconds)
    if n_processes <= 1:
        yield from map(render, jobs)
        return
    # Spawn instead of fork, because the caller may have threads, such as TensorFlow's.
    with ProcessPoolExecutor(n_processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(render, jobs)


def _render_file(job: tuple[Piece, Path], seed: int, duration_seconds: float) -> None:
    piece, path = job
    pcm = render_track(piece.genre, piece.artist_index, piece.number, seed=seed, duration_seconds=duration_seconds)
    about = {"title": piece.title, "artist": piece.artist_name, "genre": piece.genre, "licence": _LICENSE}
    write_mp3(path, pcm.T, SAMPLE_RATE_HZ, **about)


def _write_tables(root: Path, plan: Sequence[PlannedTrack], duration_seconds: float) -> None:
    """Write ``tracks.csv``, then ``genres.csv``."""
    n_by_artist = Counter(track.artist_id for track in plan)
    rows = {}
    for track in plan:
        bit_rate = round((root / track.path).stat().st_size * 8 / duration_seconds)
        rows[track.track_id] = _values(track, n_by_artist[track.artist_id], bit_rate, round(duration_seconds))
    write_tracks(root, rows)
    n_by_genre = Counter(track.genre for track in plan)
    write_genres(root, {genre_table(genre)["fma_id"]: (genre, n_by_genre[genre]) for genre in GENRES})


def _values(track: PlannedTrack, n_of_artist: int, bit_rate: int, duration: int) -> dict[str, dict[str, object]]:
    """Values of a track by group and column."""
    genres = f"[{genre_table(track.genre)['fma_id']}]"
    album = f"{track.artist_name} (demo)"
    return {
        "album": {"id": track.artist_id, "title": album, "tracks": n_of_artist, "type": "Album"},
        "artist": {"id": track.artist_id, "name": track.artist_name},
        "set": {"split": track.split, "subset": "small"},
        "track": {"bit_rate": bit_rate, "duration": duration, "number": track.number + 1, "title": track.title}
        | {"genre_top": track.genre, "genres": genres, "genres_all": genres}
        | {"interest": 0, "language_code": "en", "license": _LICENSE},
    }
