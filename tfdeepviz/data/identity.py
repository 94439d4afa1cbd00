"""What a prepared dataset is, apart from the bytes that a machine stored of it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

#: Manifests of version 0.1, which do not say what the audio files held.
_WITHOUT_SOURCES = 2


def digest_of(manifest: dict[str, Any]) -> str:
    """SHA-256 of a manifest, which holds those of all stored files: equal only where every stored byte is."""
    return _sha256(manifest)


def identity_of(manifest: dict[str, Any]) -> str:
    """SHA-256 of what was asked for and of the audio files' content: the same on every machine.

    It covers the selection, the recipe, and of each track its id, split, genre, the SHA-256 of its audio file, and
    whether it was used or why it was skipped. It covers no number that a processor or a library may round otherwise,
    and not how the tracks are divided into files. Datasets of version 0.1 have their digest for an identity.

    Raises
    ------
    KeyError, TypeError
        If it is not the manifest of a prepared dataset.
    """
    if manifest["schema_version"] == _WITHOUT_SOURCES:
        return digest_of(manifest)
    tracks = [
        [track["track_id"], shard["split"], track["genre"], track["source_sha256"], track.get("reason")]
        for shard in manifest["shards"]
        for track in (*shard["tracks"], *shard["skipped"])
    ]
    asked = {name: manifest[name] for name in ("schema_version", "name", "selection", "recipe", "max_seconds")}
    return _sha256({**asked, "tracks": sorted(tracks, key=lambda track: int(track[0]))})


def _sha256(value: Any) -> str:
    return "sha256:" + hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
