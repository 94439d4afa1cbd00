"""Identity of a prepared dataset, independent of the bytes that a particular machine stored."""

from __future__ import annotations

import hashlib
import json
from typing import Any

#: Schema of version 0.1, whose manifests lack the hashes of the audio files.
_WITHOUT_SOURCES = 2


def digest_of(manifest: dict[str, Any]) -> str:
    """SHA-256 of a manifest. It contains the hashes of all stored files, so equal digests mean equal bytes."""
    return _sha256(manifest)


def identity_of(manifest: dict[str, Any]) -> str:
    """SHA-256 of the request and of the audio files' content; the same on every machine.

    It covers the selection, the recipe and, for each track, its id, split, genre, the SHA-256 of its audio file, and
    whether it was used or why it was skipped. It excludes computed values, which may round differently on other
    processors or library versions, and the division of tracks into shards. For datasets of version 0.1, the identity
    is the digest.

    Raises
    ------
    KeyError, TypeError
        If `manifest` is not the manifest of a prepared dataset.
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
