"""The manifest of a prepared dataset: its schema and its identity."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from tfdeepviz.artifacts import Artifact, digest_of
from tfdeepviz.data.features import Recipe
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.metadata import MAX_LICENCE_CHARACTERS, MAX_LICENCES
from tfdeepviz.files import FormatError, convert

SCHEMA_VERSION = 3
#: Schema of version 0.1, which lacks the SHA-256 of the audio files.
WITHOUT_SOURCES = 2
READABLE_SCHEMAS = (WITHOUT_SOURCES, SCHEMA_VERSION)


def identity_of(manifest: dict[str, Any]) -> str:
    """SHA-256 of the request and of the audio files' content; the same on every machine.

    It covers the selection, the recipe and, for each track, its id, split, genre, the SHA-256 of its audio file, and
    whether it was used or why it was skipped. It excludes computed values, which may round differently on other
    processors or library versions, and the division of tracks into shards. For datasets of version 0.1, the identity
    is the digest: the SHA-256 of the manifest.

    Raises
    ------
    KeyError, TypeError
        If `manifest` is not the manifest of a prepared dataset.
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


class _Facts(msgspec.Struct):
    """What the record of a dataset notes for others."""

    licences: (
        Annotated[
            dict[
                Annotated[str, msgspec.Meta(max_length=MAX_LICENCE_CHARACTERS)],
                Annotated[int, msgspec.Meta(gt=0, lt=1 << 31)],
            ],
            msgspec.Meta(max_length=MAX_LICENCES),
        ]
        | None
    ) = None


def licences_of(record: Artifact, where: object) -> dict[str, int] | None:
    """Number of selected tracks per licence, as the corpus's metadata states it; None if it states none.

    Raises
    ------
    FormatError
        If the record of the dataset was not written by `prepare`.
    """
    return convert(record.facts, _Facts, f"{where}: facts").licences


def shard_sizes(folder: Path) -> dict[str, int]:
    """Size in bytes of every shard in a folder, by name."""
    return {path.name: path.stat().st_size for path in folder.glob("*.tfrecord-*")}


def check_shard(
    folder: Path, shard: dict[str, Any], recipe: Recipe, sizes: Mapping[str, int], *, listed_in: Path
) -> None:
    """Check a shard's entry in the manifest or in the shard's own JSON file, and the size of the shard.

    Raises
    ------
    FormatError
        If anything in it differs from what `prepare` writes.
    """
    try:
        _check_entry(folder, shard, recipe, sizes, listed_in)
    except (KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"{listed_in}: not the entry of a shard ({error!r}); prepare the dataset again") from error


def _check_entry(folder: Path, shard: dict[str, Any], recipe: Recipe, sizes: Mapping[str, int], manifest: Path) -> None:
    name = shard["file"]
    if not isinstance(name, str) or Path(name).name != name:
        raise FormatError(f"{manifest}: {name!r} is no plain file name")
    if name not in sizes or sizes[name] != shard["bytes"]:
        raise FormatError(f"{folder / name}: missing or not {shard['bytes']} bytes long; run `prepare` again")
    if shard["split"] not in SPLITS:
        raise FormatError(f"{manifest}: {shard['split']!r} is no split")
    if not isinstance(shard["sha256"], str):
        raise FormatError(f"{manifest}: {name}: sha256={shard['sha256']!r}")
    least = {"track_id": 0, "n_frames": recipe.features.params.segment_frames, "n_segments": 1}
    for entry, used in (*((track, True) for track in shard["tracks"]), *((skip, False) for skip in shard["skipped"])):
        source = entry.get("source_sha256")
        if source is not None and not (isinstance(source, str) and re.fullmatch("[0-9a-f]{64}", source)):
            raise FormatError(f"{manifest}: track {entry['track_id']!r}: source_sha256={source!r}")
        texts = ("genre", "path", "title", "artist", *(() if used else ("reason", "message")))
        if not all(isinstance(entry[key], str) for key in texts):
            raise FormatError(f"{manifest}: track {entry['track_id']!r}: {', '.join(texts)} have to be texts")
        for key in least if used else ("track_id",):
            value = entry[key]
            if not isinstance(value, int) or isinstance(value, bool) or not least[key] <= value < 1 << 31:
                raise FormatError(f"{manifest}: a track has {key}={value!r}")
        for key in ("seconds", "level_db") if used else ():
            value = entry[key]
            if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e9:
                raise FormatError(f"{manifest}: track {entry['track_id']}: {key}={value!r}")
    for track in shard["tracks"]:
        # Bounds the work computed from the entry: a track's frames and segments have to fit into its shard.
        n_frames, n_segments = track["n_frames"], track["n_segments"]
        n_rows = n_frames
        if recipe.segments_per_track is not None:
            n_rows = n_segments * recipe.features.params.segment_frames
        if n_rows * recipe.features.width * np.dtype(recipe.storage).itemsize > shard["bytes"]:
            raise FormatError(f"{manifest}: track {track['track_id']}: n_frames={n_frames} does not fit into {name}")
