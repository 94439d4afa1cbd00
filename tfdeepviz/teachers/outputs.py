"""Outputs of a teacher on disk: one file per track, named after the content of its audio file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import msgspec
import numpy as np
from msgspec import Meta

from tfdeepviz.artifacts import ARTIFACT, Artifact, Input, digest_of_files
from tfdeepviz.data.manifest import UsedTrack
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError, atomic_path, read_npz, read_record, remove_leftovers, write_json
from tfdeepviz.locks import LOCK, locked
from tfdeepviz.teachers.musicnn import EMBEDDING_SIZE, PARAMS, TAGS, WHEEL_SHA256, Answers, hop_frames

#: What a folder of outputs says about itself.
ABOUT = "outputs.json"

_REMEDY = "`tfdeepviz teacher listen` into another folder makes outputs again"
_SHA256 = re.compile(r"[0-9a-f]{64}")
# A day of music with a patch per frame has fewer bytes than this.
_MAX_BYTES = 8 << 30


class _About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Contents of `outputs.json`."""

    teacher: Literal["musicnn"]
    teacher_sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]  # of the file with its weights
    hop_seconds: Annotated[float, Meta(gt=0, le=PARAMS.segment_seconds)]  # between patches
    schema_version: Literal[1] = 1


@dataclass(frozen=True)
class TeacherOutputs:
    """A folder of outputs; open it with `load`, or with `writing` to add some."""

    path: Path
    hop_seconds: float
    teacher_sha256: str

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what the outputs are; raises a FormatError if the folder holds none."""
        about = read_record(path / ABOUT, _About, max_bytes=1 << 16, remedy=_REMEDY)
        return cls(path, about.hop_seconds, about.teacher_sha256)

    @classmethod
    @contextmanager
    def writing(cls, path: Path, hop_seconds: float) -> Iterator[Self]:
        """Begin a folder, or go on with one, and lock it until the block ends.

        Raises
        ------
        InputError
            If the folder holds anything else, such as outputs with another hop.
        BusyError
            If another process is at work in it.
        """
        hop_frames(hop_seconds)
        path.mkdir(parents=True, exist_ok=True)
        if not (path / ABOUT).exists() and any(entry.name != LOCK for entry in path.iterdir()):
            raise InputError(f"{path}: holds other files; give a new folder")
        with locked(path):
            if not (path / ABOUT).exists():
                write_json(path / ABOUT, msgspec.to_builtins(_About("musicnn", WHEEL_SHA256, hop_seconds)))
            outputs = cls.load(path)
            if outputs != cls(path, hop_seconds, WHEEL_SHA256):
                is_hop = outputs.hop_seconds != hop_seconds
                difference = f"a hop of {outputs.hop_seconds:g} s" if is_hop else "other weights"
                raise InputError(f"{path}: holds outputs with {difference}; give another folder")
            remove_leftovers(path)
            yield outputs

    @property
    def digest(self) -> str:
        """SHA-256 of all outputs."""
        return digest_of_files(self.path / ABOUT, *self.path.glob("*.npz"))

    @property
    def record(self) -> Artifact:
        """Its record, which names the dataset that was heard last; raises a FormatError if it is broken."""
        # Outputs from before they had records do not say what was heard.
        record = Artifact(kind="outputs", name="musicnn", settings=self._settings)
        if (self.path / ARTIFACT).is_file():
            record = Artifact.read(self.path / ARTIFACT)
        return record.finished(self.digest)

    @property
    def _settings(self) -> dict[str, Any]:
        return {"sha256": self.teacher_sha256, "hop_seconds": self.hop_seconds}

    def planned(self, dataset: PreparedDataset) -> Artifact:
        """Return the record of these outputs, once a dataset has been heard; the folder need not be there yet."""
        return Artifact.planned("outputs", "musicnn", self._settings, [Input.of(dataset, seen_from=self.path)])

    def __contains__(self, source_sha256: str) -> bool:
        """Whether a track was heard, by the SHA-256 of its audio file."""
        return self._file(source_sha256).is_file()

    def track(self, source_sha256: str) -> Answers | None:
        """Return the outputs of a track, by the SHA-256 of its audio file; None if it was not heard.

        Raises a FormatError if the file is damaged; delete it, and `tfdeepviz teacher listen` makes it again.
        """
        if source_sha256 not in self:
            return None
        file = self._file(source_sha256)
        arrays = read_npz(file, max_bytes=_MAX_BYTES)
        n = arrays["times"].size if "times" in arrays else 0
        for name, dtype, shape in _layout(n):
            array = arrays.get(name, np.empty(0))
            if not n or array.dtype != dtype or array.shape != shape or not np.isfinite(array).all():
                raise FormatError(f"{file}: its {name} are not outputs of musicnn; delete it, and make it again")
        return Answers(*(arrays[name] for name in Answers._fields))

    def answers_to(self, track: UsedTrack) -> Answers | None:
        """Answers to a dataset's track, as `track` gives them; None if the dataset, of version 0.1, has no SHA-256."""
        source_sha256 = track.get("source_sha256")
        return None if source_sha256 is None else self.track(source_sha256)

    def add(self, source_sha256: str, answers: Answers) -> None:
        """Store the outputs of a track."""
        layout = _layout(len(answers.times))
        arrays: dict[str, Any] = {name: getattr(answers, name).astype(dtype) for name, dtype, _ in layout}
        with atomic_path(self._file(source_sha256)) as temporary:
            np.savez(temporary, **arrays)

    def _file(self, source_sha256: str) -> Path:
        if not _SHA256.fullmatch(source_sha256):
            raise ValueError(f"{source_sha256!r} is not a SHA-256 in hex")
        return self.path / f"{source_sha256}.npz"


def _layout(n: int) -> tuple[tuple[str, type[np.floating[Any]], tuple[int, ...]], ...]:
    """Name, type and shape of each array in the file of a track with `n` patches."""
    return (
        ("times", np.float32, (n,)),
        ("tags", np.float16, (n, len(TAGS))),
        ("embeddings", np.float16, (n, EMBEDDING_SIZE)),
    )
