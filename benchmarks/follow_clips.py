"""Songs for `benchmarks.follow`: excerpts as files, with silence after them, and what the measurements hear in them."""

from __future__ import annotations

import inspect
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import soundfile
from tqdm import tqdm

from benchmarks.follow_measures import FRAMES_PER_SECOND, Heard
from tfdeepviz.analysis.sound import RATE_HZ, Pcm, Sound
from tfdeepviz.data.decode import AudioError, decode_file
from tfdeepviz.data.fma import Track
from tfdeepviz.errors import InputError
from tfdeepviz.files import atomic_path, write_json
from tfdeepviz.mapping import quality
from tfdeepviz.params import LIVE

SEED = 0
SILENT_SECONDS = 4

#: Where an excerpt starts in its track.
_FIRST_SECONDS = 5
#: Beat periods at 240 and 60 beats per minute.
_BEAT_SECONDS = (0.25, 1.0)
#: Training tracks that scale the ten bands.
_N_FITTED_TRACKS = 32


@dataclass(frozen=True)
class Clip:
    """An excerpt of a track, as a file, and the same with silence after it."""

    track: Track
    pcm: Pcm
    music: Path
    silent: Path

    @property
    def name(self) -> str:
        """Stem of its files."""
        return f"{self.track.track_id:06d}"

    @property
    def title(self) -> str:
        """Title and artist."""
        return f"{self.track.title}, {self.track.artist}"


def order_tracks(tracks: Sequence[Track]) -> list[Track]:
    """Put tracks of different artists in random order: genres take turns, held-out tracks come first."""

    def rank(track: Track) -> str:
        return digest(f"{SEED} follow {track.track_id}".encode())

    order: list[Track] = []
    for is_training in (False, True):
        queues: dict[str, list[Track]] = defaultdict(list)
        for track in sorted(tracks, key=rank, reverse=True):
            if (track.split == "training") == is_training:
                queues[track.genre].append(track)
        while any(queues.values()):
            for genre in sorted(queues):
                known = {track.artist_id for track in order}
                while queues[genre] and queues[genre][-1].artist_id in known:
                    queues[genre].pop()
                if queues[genre]:
                    order.append(queues[genre].pop())
    return order


def cut_clips(tracks: Sequence[Track], n_clips: int, seconds: int, folder: Path) -> list[Clip]:
    """Cut clips from the first tracks that are long enough."""
    folder.mkdir(parents=True, exist_ok=True)
    clips: list[Clip] = []
    for track in tracks:
        if len(clips) == n_clips:
            break
        try:
            whole = decode_file(track.path, sample_rate_hz=RATE_HZ)
        except (AudioError, OSError) as error:
            print(f"follow: left out: {error}", file=sys.stderr)
            continue
        pcm = whole[_FIRST_SECONDS * RATE_HZ : (_FIRST_SECONDS + seconds) * RATE_HZ]
        if len(pcm) < seconds * RATE_HZ:
            continue
        music, silent = (folder / f"{track.track_id:06d}-{kind}.wav" for kind in ("music", "silent"))
        _write_wav(music, pcm)
        _write_wav(silent, _with_silence(pcm))
        clips.append(Clip(track, pcm, music, silent))
    if not clips:
        raise InputError(f"no track lasts {_FIRST_SECONDS + seconds} s; choose another corpus, or fewer --seconds")
    if len(clips) < n_clips:
        print(f"follow: {len(clips)} tracks of different artists, not {n_clips}", file=sys.stderr)
    return clips


def choose_strips(clips: Sequence[Clip], heard: dict[str, Heard]) -> dict[str, str]:
    """Choose up to three clips by their sound, and say why: reasons by name."""

    def loudness(clip: Clip) -> float:
        return float(np.square(clip.pcm, dtype=np.float64).mean())

    def rhythm(clip: Clip) -> float:
        """Autocorrelation of the onsets after one beat, at the tempo where it is largest."""
        onset = heard[clip.name].onset - heard[clip.name].onset.mean()
        lags = range(*(round(seconds * FRAMES_PER_SECOND) for seconds in _BEAT_SECONDS))
        return max(float(onset[lag:] @ onset[:-lag]) for lag in lags) / max(float(onset @ onset), 1e-9)

    chosen: dict[str, str] = {}
    for what, value in (("rhythmic", rhythm), ("loudest", loudness), ("quietest", lambda clip: -loudness(clip))):
        left = [clip for clip in clips if clip.name not in chosen]
        if left:
            chosen[max(left, key=value).name] = what
    return chosen


def bands_of(clips: Sequence[Clip], tracks: Sequence[Track], folder: Path) -> dict[str, Path]:
    """Write each clip's ten band energies, silence included, as the baseline of the quality table computes them."""
    # Imported late, because it imports TensorFlow.
    from tfdeepviz.analysis import drivers

    fitted = [track for track in tracks if track.split == "training"][:_N_FITTED_TRACKS] or list(tracks)
    made_of = [inspect.getsource(drivers), *(str(track.path) for track in fitted), str(len(clips[0].pcm))]
    key = digest("\n".join(made_of).encode())
    paths = {clip.name: folder / f"{clip.name}-bands-{key}.json" for clip in clips}
    if not all(path.exists() for path in paths.values()):
        sounds = (
            Sound(track.track_id, decode_file(track.path, sample_rate_hz=RATE_HZ))
            for track in tqdm(fitted, desc="ten bands", unit="track")
        )
        source = drivers.BaselineSource(sounds, floor_db=LIVE.floor_db)
        step = 1 / quality.FRAMES_PER_SECOND
        for clip in clips:
            rows = next(source.play(Sound(clip.track.track_id, _with_silence(clip.pcm))))
            write_json(paths[clip.name], {"rows": rows.tolist(), "stepSeconds": step})
    return paths


def _with_silence(pcm: Pcm) -> Pcm:
    return np.concatenate([pcm, np.zeros(SILENT_SECONDS * RATE_HZ, np.float32)])


def _write_wav(path: Path, pcm: Pcm) -> None:
    with atomic_path(path) as temporary:
        soundfile.write(temporary, pcm, RATE_HZ, format="WAV", subtype="PCM_16")


def digest(content: bytes) -> str:
    """Short digest for names of files."""
    return sha256(content).hexdigest()[:16]
