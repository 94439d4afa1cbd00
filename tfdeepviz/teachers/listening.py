"""Let a teacher hear all tracks of a dataset."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tfdeepviz.artifacts import ARTIFACT
from tfdeepviz.data.decode import AudioError
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.manifest import UsedTrack
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.threads import map_ahead
from tfdeepviz.errors import InputError
from tfdeepviz.files import inside, sha256_file
from tfdeepviz.teachers.musicnn import Musicnn
from tfdeepviz.teachers.outputs import TeacherOutputs


def corpus_of(dataset: PreparedDataset, fma_root: Path | None) -> Path:
    """Return the folder of a dataset's audio: the one given, or else the corpus that it was prepared from.

    Raises an InputError if that is not there.
    """
    root = dataset.origin if fma_root is None else fma_root
    if root is None or not root.is_dir():
        where = "the corpus that it was prepared from has moved" if root is None else f"there is no folder {root}"
        raise InputError(f"{dataset.path}: {where}; give its folder with --fma-root")
    return root


def listen(
    teacher: Musicnn,
    dataset: PreparedDataset,
    outputs: TeacherOutputs,
    *,
    root: Path,
    n_workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[int, str]:
    """Hear every usable track of a dataset that was not heard before, and store the outputs and their record.

    Parameters
    ----------
    root
        The corpus, as `corpus_of` finds it.
    n_workers
        Number of threads.
    progress
        Called with the numbers of tracks done and of all. Equal files count once.

    Returns
    -------
    dict
        Why a track was not heard, by its id: its file is missing, has changed or cannot be decoded.

    Raises
    ------
    InputError
        If the dataset does not record the SHA-256 of its audio files, as those of version 0.1 do not.
    """
    hop, tracks = outputs.hop_seconds, _by_content(dataset)
    left = {sha256: track for sha256, track in tracks.items() if sha256 not in outputs}
    unheard: dict[int, str] = {}
    record = outputs.planned(dataset)
    record.write(outputs.path / ARTIFACT)

    def hear(sha256: str) -> None:
        track = left[sha256]
        path = inside(root, track["path"])
        try:
            if sha256_file(path) != sha256:
                unheard[track["track_id"]] = f"{path}: has changed since the dataset was prepared"
                return
            answers = teacher.hear(path, hop, max_seconds=track["seconds"] + 1)
        except (AudioError, OSError) as error:
            unheard[track["track_id"]] = str(error)
        else:
            outputs.add(sha256, answers)

    before = len(tracks) - len(left)
    progress(before, len(tracks))
    with closing(map_ahead(hear, left, n_workers)) as results:
        for n_heard, _ in enumerate(results, before + 1):
            progress(n_heard, len(tracks))
    record.finished(outputs.digest, unheard=len(unheard)).write(outputs.path / ARTIFACT)
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
