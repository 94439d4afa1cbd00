"""The Free Music Archive (FMA): its subsets and splits, where its audio lies, and which files it lists as bad."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: Each subset includes all smaller ones, so tracks are selected with `<=`.
SUBSETS = ("small", "medium", "large", "full")
SPLITS = ("training", "validation", "test")

_NO_AUDIO = "no audio"
_SHORT = "too short or mis-timed"

#: Files that FMA itself lists as bad, with the reason (its wiki, "Known issues").
PUBLISHED_BAD: dict[int, str] = {
    **dict.fromkeys((99134, 108925, 133297), _NO_AUDIO),
    **dict.fromkeys((1486, 5574, 65753, 80391, *range(98558, 98561), *range(98565, 98570), 98571), _SHORT),
    **dict.fromkeys((105247, 108924, 126981, 127336, 143992), _SHORT),
}

# FMA's clips last 30 s, but the encoder may drop up to a second.
_CLIP_SECONDS = 29.0


@dataclass(frozen=True)
class Track:
    """One track of FMA."""

    track_id: int
    split: str  # one of `SPLITS`
    genre: str  # title of its top-level genre; empty if FMA gives none
    title: str
    artist_id: int
    artist: str
    duration_seconds: float | None  # of the whole recording, of which FMA's clip is an excerpt; None if unknown
    path: Path  # absolute; where its audio should be


def audio_path(fma_root: Path, subset: str, track_id: int) -> Path:
    """Path of a track's audio in FMA's layout."""
    name = f"{track_id:06d}"
    return fma_root / f"fma_{subset}" / name[:3] / f"{name}.mp3"


def published_flaw(track: Track, decoded_seconds: float) -> str | None:
    """Flaw of a track's file according to FMA, or None.

    A listed file that decodes to a whole clip has been repaired and has no flaw. `decoded_seconds` is 0 if the file
    cannot be decoded.
    """
    # FMA writes a duration of 0 if it is unknown.
    whole = min(_CLIP_SECONDS, track.duration_seconds - 1) if track.duration_seconds else _CLIP_SECONDS
    if decoded_seconds > 0 and decoded_seconds >= whole:
        return None
    return PUBLISHED_BAD.get(track.track_id)
