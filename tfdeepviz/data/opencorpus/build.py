"""Make an open corpus: fetch packages, choose clips of their songs, and write them in FMA's layout."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import soundfile
import soxr

from tfdeepviz.artifacts import ARTIFACT, Artifact, claim, digest_of, finish, reopen
from tfdeepviz.data.corpus import corpus_digest
from tfdeepviz.data.decode import MAX_SECONDS
from tfdeepviz.data.fma import audio_path
from tfdeepviz.data.layout import GENRES_CSV, Row, write_csv, write_genres, write_mp3, write_tracks
from tfdeepviz.data.metadata import ARTIST, SPLIT, Metadata
from tfdeepviz.data.opencorpus.debian import NoPackageError, fetch, unpack
from tfdeepviz.data.opencorpus.plan import Clip, Song, choose_clips, split_artists, without_copies
from tfdeepviz.data.opencorpus.sources import Package, Sources, plain
from tfdeepviz.errors import InputError
from tfdeepviz.files import remove_leftovers, sha256_file
from tfdeepviz.locks import locked

#: FMA's track ids are smaller.
FIRST_TRACK_ID = 1_000_000

_SUBSET = "small"
_RATE_HZ = 44_100
_SHORTEST = 10.0  # seconds of a whole song
_PEAK = 0.9  # leaves room for what mp3 encoding adds
_SILENCE = 1e-3  # root mean square of a clip, -60 dB
_LEFT_OUT, _SOURCES = "left_out.csv", "SOURCES.csv"
_PACKAGES, _UNPACKED = ".packages", ".unpacked"  # folders that are deleted when the corpus is complete

#: Callback (what, done, total).
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class OpenCorpusSummary:
    """Result of `build_open_corpus`."""

    n_tracks: int
    n_artists: int
    hours: float
    n_left_out: int


class LeftOut(NamedTuple):
    """Something that is not in the corpus, and why."""

    package: str
    path: str
    reason: str


def build_open_corpus(
    out_dir: str | os.PathLike[str],
    *,
    hours: float,
    seconds: float | None = 30.0,
    n_clips: int = 6,
    packages_dir: Path | None = None,
    beside: Path | None = None,
    n_workers: int | None = None,
    progress: Progress | None = None,
) -> OpenCorpusSummary:
    """Make a corpus of free music from Debian's archive in FMA's layout.

    Songs whose author or licence is not stated are left out. `SOURCES.csv` names package, file, artist and licence of
    every track, `left_out.csv` what is not there, and why. An interrupted run resumes with the same arguments.

    Parameters
    ----------
    out_dir
        Folder to create.
    hours
        Duration of the corpus; shorter if there is not so much music.
    seconds
        Duration of each clip; None keeps songs whole.
    n_clips
        Largest number of clips of a song.
    packages_dir
        Folder of `.deb` files; those that are missing are downloaded there and kept. By default they are deleted.
    beside
        Corpus whose artists keep their splits here, so that both can be used together.
    n_workers
        Encoding processes, by default one per core.
    progress
        Called with what is done, how much of it, and the total.

    Raises
    ------
    InputError
        If an argument is out of range, or apt or dpkg is missing or fails; `FormatError` if the folder holds anything
        else, or a package is broken.
    BusyError
        If another process is at work in the folder.
    """
    _check(hours, seconds, n_clips)
    root, sources = Path(out_dir), Sources.load()
    known = _known_splits(beside, sources)
    settings = {"hours": hours, "seconds": seconds, "n_clips": n_clips}
    # What the choice of clips depends on, so that files of another choice are never taken for those of this one.
    digests = {"known_artists": digest_of(known), "table": digest_of(msgspec.to_builtins(sources))}
    record = claim(root, Artifact.planned("corpus", root.resolve().name, {**settings, **digests}))
    report = progress or (lambda what, done, total: None)
    with locked(root):
        for folder in (root, root / _UNPACKED, *root.glob("fma_*/*")):
            remove_leftovers(folder)
        if record.digest is None or not _is_complete(root):
            reopen(root)
            songs, left_out = _collect(sources, packages_dir or root / _PACKAGES, root / _UNPACKED, seconds, report)
            if not songs:
                raise InputError(f"no package with music was found ({left_out[0].reason}); run `apt-get update`")
            clips = choose_clips(songs, hours=hours, seconds=seconds, most=n_clips)
            facts = _write(root, clips, left_out, known, sources, n_workers, report)
            finish(root, corpus_digest(root, _SUBSET), **facts)
    return OpenCorpusSummary(**Artifact.read(root / ARTIFACT).facts)


def _check(hours: float, seconds: float | None, n_clips: int) -> None:
    if not 0 < hours <= 1000:
        raise InputError(f"hours={hours}: give more than 0, at most 1000")
    if seconds is not None and not 1 <= seconds <= 600:
        raise InputError(f"seconds={seconds}: give 1 to 600, or keep songs whole")
    if n_clips < 1:
        raise InputError(f"n_clips={n_clips}: give at least 1")


def _known_splits(beside: Path | None, sources: Sources) -> dict[str, str]:
    if beside is None:
        return {}
    tracks = Metadata.load(beside).tracks
    return {plain(sources.artist(name)): str(split) for name, split in zip(tracks[ARTIST], tracks[SPLIT], strict=True)}


def _is_complete(root: Path) -> bool:
    if not (root / GENRES_CSV).is_file():
        return False
    return all(audio_path(root, _SUBSET, number).is_file() for number in Metadata.load(root).tracks.index)


def _collect(
    sources: Sources, packages_dir: Path, unpacked: Path, seconds: float | None, report: Progress
) -> tuple[list[Song], list[LeftOut]]:
    """Fetch and unpack all packages, and return their songs, and what is left out."""
    songs: list[Song] = []
    left_out: list[LeftOut] = []
    for number, package in enumerate(sources.packages):
        report("unpacking", number, len(sources.packages))
        for found in _songs(package, sources, packages_dir, unpacked, seconds):
            if isinstance(found, Song):
                songs.append(found)
            else:
                left_out.append(found)
    report("unpacking", len(sources.packages), len(sources.packages))
    songs, copies = without_copies(songs, {song.file: sha256_file(song.file) for song in songs})
    return songs, left_out + [LeftOut(song.package, song.path, "a copy of another song here") for song in copies]


def _write(
    root: Path,
    chosen: Sequence[Clip],
    left_out: list[LeftOut],
    known: Mapping[str, str],
    sources: Sources,
    n_workers: int | None,
    report: Progress,
) -> dict[str, float]:
    """Write the clips and the tables, and return facts for the record."""
    (root / GENRES_CSV).unlink(missing_ok=True)
    clips = dict(enumerate(chosen, FIRST_TRACK_ID))
    paths = {number: audio_path(root, _SUBSET, number) for number in clips}
    todo = [number for number in clips if not paths[number].is_file()]
    n_done = len(clips) - len(todo)
    for number, flaw in zip(todo, _encode_all([(clips[i], paths[i]) for i in todo], n_workers), strict=True):
        n_done += 1
        report("encoding", n_done, len(chosen))
        if flaw:
            clip = clips.pop(number)
            left_out.append(LeftOut(clip.song.package, clip.song.path, f"from {clip.start_seconds:g} s: {flaw}"))
    splits = split_artists(clips.values(), known)
    genre_ids = {title: genre.id for title, genre in sources.genres.items()}
    _write_tables(root, clips, splits, genre_ids, left_out)
    for name in (_PACKAGES, _UNPACKED):
        shutil.rmtree(root / name, ignore_errors=True)
    hours = sum(clip.seconds for clip in clips.values()) / 3600
    artists = {plain(clip.song.artist) for clip in clips.values()}
    return {"n_tracks": len(clips), "n_artists": len(artists), "hours": hours, "n_left_out": len(left_out)}


def _songs(
    package: Package, sources: Sources, packages_dir: Path, unpacked: Path, seconds: float | None
) -> Iterator[Song | LeftOut]:
    """Songs of a package, and what is left out of it."""
    folder = unpacked / package.name
    try:
        packages_dir.mkdir(parents=True, exist_ok=True)
        if not folder.is_dir():
            unpack(fetch(package.name, packages_dir), folder)
    except NoPackageError as error:
        yield LeftOut(package.name, "", str(error))
        return
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        path = file.relative_to(folder).as_posix()
        found = _credited(package, path, file, sources, seconds)
        if found is not None:
            yield LeftOut(package.name, path, found) if isinstance(found, str) else found


def _credited(package: Package, path: str, file: Path, sources: Sources, seconds: float | None) -> Song | str | None:
    """Return a song with its credits, or the reason to leave it out; None if the file is too short for a song."""
    try:
        with soundfile.SoundFile(file) as sound:
            duration, tags = sound.frames / sound.samplerate, sound.copy_metadata()
    except (soundfile.LibsndfileError, OSError, ValueError):
        return "cannot be decoded"
    if duration < (seconds or _SHORTEST):
        return None
    music = package.credits(path)
    if music is None:
        return "the table names no author and licence"
    if seconds is None and duration > MAX_SECONDS:
        return f"longer than {MAX_SECONDS:g} s"
    if re.search(r"\bnc\b|non-?commercial", f"{tags.get('license')} {tags.get('copyright')}", re.IGNORECASE):
        return "its tag states a licence that is not free"
    artist = sources.artist(music.artist or tags.get("artist", ""))
    if not artist:
        return "no author stated"
    title = " ".join(tags.get("title", "").split())
    if not plain(title) or re.fullmatch(r"\d*track\d+", plain(title)):
        title = " ".join(re.split(r"[_\s]+", file.stem))
    if sources.is_reserved(title):
        return "also in a package that is reserved for evaluation"
    genre = sources.genre(music.genre or tags.get("genre", ""))
    return Song(package.name, path, duration, artist, title[:200], music.licence, music.stated_in, genre, file)


def _encode_all(jobs: Sequence[tuple[Clip, Path]], n_workers: int | None) -> Iterator[str]:
    """Encode clips in processes, and yield what is wrong with each; empty if nothing is."""
    n_processes = min(len(jobs), n_workers or os.cpu_count() or 1)
    if n_processes <= 1:
        yield from map(_encode, jobs)
        return
    # Spawn instead of fork, because the caller may have threads, such as TensorFlow's.
    with ProcessPoolExecutor(n_processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_encode, jobs)


def _encode(job: tuple[Clip, Path]) -> str:
    clip, path = job
    song = clip.song
    try:
        with soundfile.SoundFile(song.file) as sound:
            rate_hz = sound.samplerate
            sound.seek(min(sound.frames, round(clip.start_seconds * rate_hz)))
            channels = sound.read(round(clip.seconds * rate_hz), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError, ValueError):
        return "cannot be decoded"
    pcm = channels.mean(axis=1)  # models hear one channel, and its encoding takes half the time
    if not np.isfinite(pcm).all() or len(pcm) < 0.99 * clip.seconds * rate_hz:
        return "cannot be decoded to its end"
    if np.sqrt(np.mean(pcm**2)) < _SILENCE:
        return "silent"
    pcm *= min(1.0, _PEAK / float(np.abs(pcm).max()))
    if rate_hz != _RATE_HZ:
        pcm = soxr.resample(pcm, rate_hz, _RATE_HZ)
    about = {"title": _title(clip), "artist": song.artist, "genre": song.genre, "licence": song.licence}
    write_mp3(path, pcm[:, np.newaxis], _RATE_HZ, **about)
    return ""


def _title(clip: Clip) -> str:
    return clip.song.title if clip.n_clips == 1 else f"{clip.song.title} (clip {clip.number}/{clip.n_clips})"


def _write_tables(
    root: Path,
    clips: Mapping[int, Clip],
    splits: Mapping[str, str],
    genre_ids: Mapping[str, int],
    left_out: Iterable[LeftOut],
) -> None:
    """Write the lists of sources and of what was left out, then FMA's tables."""
    artist_ids = {name: number for number, name in enumerate(sorted(splits), FIRST_TRACK_ID)}
    album_ids = {name: i for i, name in enumerate(sorted({c.song.package for c in clips.values()}), FIRST_TRACK_ID)}
    n_by_album = Counter(clip.song.package for clip in clips.values())
    rows: dict[int, Row] = {}
    lines: list[list[object]] = []
    for number, clip in clips.items():
        song = clip.song
        name = plain(song.artist)
        bit_rate = round(audio_path(root, _SUBSET, number).stat().st_size * 8 / clip.seconds)
        genres = f"[{genre_ids[song.genre]}]" if song.genre else "[]"
        about = f"Debian package {song.package}, {song.path}; licence and author: {song.stated_in}"
        rows[number] = {
            "album": {"id": album_ids[song.package], "title": song.package, "tracks": n_by_album[song.package]},
            "artist": {"id": artist_ids[name], "name": song.artist},
            "set": {"split": splits[name], "subset": _SUBSET},
            "track": {"bit_rate": bit_rate, "duration": round(song.seconds), "number": clip.number}
            | {"title": _title(clip), "genre_top": song.genre, "genres": genres, "genres_all": genres}
            | {"information": about, "interest": 0, "license": song.licence},
        }
        place = [song.package, song.path, clip.start_seconds, clip.seconds]
        lines.append(
            [number, *place, _title(clip), song.artist, song.licence, song.stated_in, song.genre, splits[name]]
        )
    header = ["track_id", "package", "file", "start_seconds", "seconds", "title", "artist", "licence", "stated_in"]
    write_csv(root / _SOURCES, [[*header, "genre", "split"], *lines])
    write_csv(root / _LEFT_OUT, [LeftOut._fields, *sorted(left_out)])
    write_tracks(root, rows)
    n_by_genre = Counter(clip.song.genre for clip in clips.values() if clip.song.genre)
    write_genres(root, {genre_ids[title]: (title, n_tracks) for title, n_tracks in n_by_genre.items()})
