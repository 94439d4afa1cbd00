"""The manifest of a prepared dataset: its schema and its identity."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
import numpy as np
from msgspec import Meta

from tfdeepviz.artifacts import digest_of
from tfdeepviz.data.features import Recipe
from tfdeepviz.data.metadata import MAX_LICENCE_CHARACTERS, MAX_LICENCES
from tfdeepviz.files import Finite, FormatError

SCHEMA_VERSION: Literal[3] = 3
#: Schema of version 0.1, which lacks the SHA-256 of the audio files.
WITHOUT_SOURCES: Literal[2] = 2

_Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
_Id = Annotated[int, Meta(ge=0, lt=1 << 31)]
_Count = Annotated[int, Meta(ge=1, lt=1 << 31)]
_Licence = Annotated[str, Meta(max_length=MAX_LICENCE_CHARACTERS)]


class _Track(TypedDict):
    track_id: _Id
    genre: str
    artist: str
    title: str
    path: str  # relative to the corpus
    source_sha256: NotRequired[_Sha256 | None]  # of the audio file; None if it is missing or unreadable


class UsedTrack(_Track):
    """A track of a dataset."""

    seconds: Finite
    level_db: Finite
    n_frames: _Count
    n_segments: _Count


class SkippedTrack(_Track):
    """A track that cannot be used: a short stable word for the reason, and a sentence for people."""

    reason: str
    message: str


class ShardEntry(TypedDict):
    """A shard, in the manifest and in the shard's own JSON file."""

    file: Annotated[str, Meta(pattern=r"^[^/\\]+\Z")]
    split: Literal["training", "validation", "test"]
    bytes: int
    sha256: _Sha256
    tracks: list[UsedTrack]
    skipped: list[SkippedTrack]


class _Scaler(TypedDict):
    sha256: _Sha256


class Manifest(msgspec.Struct):
    """Contents of `manifest.json`, as far as they are used."""

    schema_version: Literal[2, 3]
    name: str
    selection: dict[str, Any]
    recipe: dict[str, Any]
    max_seconds: Finite
    statistics: dict[str, Any]
    scaler: _Scaler | None
    shards: list[ShardEntry]

    def __post_init__(self) -> None:
        tracks = (track for shard in self.shards for track in (*shard["tracks"], *shard["skipped"]))
        if self.schema_version != WITHOUT_SOURCES and not all("source_sha256" in track for track in tracks):
            raise ValueError("source_sha256 of a track is missing")


def identity_of(manifest: dict[str, Any]) -> str:
    """SHA-256 of the request and of the audio files' content; the same on every machine.

    It covers the selection, the recipe and, for each track, its id, split, genre, the SHA-256 of its audio file, and
    whether it was used or why it was skipped. It excludes computed values, which may round differently on other
    processors or library versions, and the division of tracks into shards. For datasets of version 0.1, the identity
    is the digest: the SHA-256 of the manifest.
    """
    if manifest["schema_version"] == WITHOUT_SOURCES:
        return digest_of(manifest)
    tracks = [
        [track["track_id"], shard["split"], track["genre"], track["source_sha256"], track.get("reason")]
        for shard in manifest["shards"]
        for track in (*shard["tracks"], *shard["skipped"])
    ]
    asked = {name: manifest[name] for name in ("schema_version", "name", "selection", "recipe", "max_seconds")}
    return digest_of({**asked, "tracks": sorted(tracks, key=lambda track: int(track[0]))})


class Facts(msgspec.Struct):
    """Facts in the record of a dataset."""

    #: Number of selected tracks per licence, as the corpus's metadata states it; None if it states none.
    licences: Annotated[dict[_Licence, _Count], Meta(max_length=MAX_LICENCES)] | None = None


def shard_sizes(folder: Path) -> dict[str, int]:
    """Size in bytes of every shard in a folder, by name."""
    return {path.name: path.stat().st_size for path in folder.glob("*.tfrecord-*")}


def check_shard(folder: Path, shard: ShardEntry, recipe: Recipe, sizes: Mapping[str, int], *, listed_in: Path) -> None:
    """Raise a FormatError unless a shard has the size that is listed, and the tracks listed fit into it."""
    name, n_bytes = shard["file"], shard["bytes"]
    if sizes.get(name) != n_bytes:
        raise FormatError(f"{folder / name}: missing or not {n_bytes} bytes long")
    row_bytes = recipe.features.width * np.dtype(recipe.storage).itemsize
    for track in shard["tracks"]:
        n_frames, n_rows = track["n_frames"], recipe.n_rows(track["n_frames"], track["n_segments"])
        # This bounds the work that is computed from the entry.
        if n_frames < recipe.features.params.segment_frames or n_rows * row_bytes > n_bytes:
            raise FormatError(f"{listed_in}: track {track['track_id']}: {n_frames} frames do not fit into {name}")
