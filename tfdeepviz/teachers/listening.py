"""Let a teacher hear all tracks of a dataset."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tfdeepviz.data.decode import AudioError, decode_file
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.manifest import UsedTrack
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.threads import map_ahead
from tfdeepviz.errors import InputError
from tfdeepviz.files import inside, sha256_file
from tfdeepviz.teachers.musicnn import PARAMS, Musicnn
from tfdeepviz.teachers.outputs import TeacherOutputs


@dataclass(frozen=True)
class Unheard:
    """A track that could not be heard."""

    track_id: int
    reason: str


def listen(
    teacher: Musicnn,
    dataset: PreparedDataset,
    outputs: TeacherOutputs,
    *,
    fma_root: Path | None = None,
    n_workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Unheard]:
    """Hear every usable track of a dataset that was not heard before, and store the outputs.

    Parameters
    ----------
    fma_root
        The corpus; by default the one that the dataset was prepared from.
    n_workers
        Number of threads.
    progress
        Called with the numbers of tracks done and of all.

    Returns
    -------
    list
        Tracks whose file is missing, has changed or cannot be decoded.

    Raises
    ------
    InputError
        If there is no corpus, or the dataset does not record what its audio files were.
    """
    root = dataset.origin if fma_root is None else fma_root
    if root is None or not root.is_dir():
        where = "the corpus that it was prepared from has moved" if root is None else f"there is no folder {root}"
        raise InputError(f"{dataset.path}: {where}; give its folder with --fma-root")
    hop, tracks = outputs.hop_seconds, _by_content(dataset)
    left = {sha256: track for sha256, track in tracks.items() if sha256 not in outputs}

    def hear(sha256: str) -> Unheard | None:
        track = left[sha256]
        path = inside(root, track["path"])
        try:
            if sha256_file(path) != sha256:
                return Unheard(track["track_id"], f"{path}: has changed since it was prepared; prepare it again")
            pcm = decode_file(path, sample_rate_hz=PARAMS.sample_rate_hz, max_seconds=track["seconds"] + 1)
            outputs.add(sha256, teacher.listen(pcm, hop))
        except AudioError as error:
            return Unheard(track["track_id"], f"{'' if str(path) in str(error) else f'{path}: '}{error}")
        except FileNotFoundError:
            return Unheard(track["track_id"], f"{path}: missing; --fma-root names the folder of the corpus")
        return None

    before = len(tracks) - len(left)
    progress(before, len(tracks))
    unheard = []
    with closing(map_ahead(hear, left, n_workers)) as results:
        for n_heard, failure in enumerate(results, 1):
            if failure is not None:
                unheard.append(failure)
            progress(before + n_heard, len(tracks))
    return unheard


def _by_content(dataset: PreparedDataset) -> dict[str, UsedTrack]:
    tracks = {}
    for split in SPLITS:
        for track in dataset.used(split):
            sha256 = track.get("source_sha256")
            if sha256 is None:
                raise InputError(f"{dataset.path}: does not record its audio files' SHA-256; prepare it again")
            tracks[sha256] = track
    return tracks
