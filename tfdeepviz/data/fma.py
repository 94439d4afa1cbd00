"""The Free Music Archive's metadata: tracks, subsets and the artist-disjoint split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tfdeepviz.data.files import FormatError

#: Each subset holds all smaller ones, so a subset is chosen with `<=`.
SUBSETS = ("small", "medium", "large", "full")
SPLITS = ("training", "validation", "test")

_MAX_CSV_BYTES = 1 << 30
_COLUMNS = (
    *(("set", "split"), ("set", "subset"), ("track", "genre_top"), ("track", "title")),
    *(("artist", "id"), ("artist", "name")),
)


@dataclass(frozen=True)
class Track:
    """One track of FMA; `genre` is its top-level genre, or empty where FMA gives none."""

    track_id: int
    split: str
    genre: str
    title: str
    artist_id: int
    artist: str
    path: Path


def read_tracks(fma_root: Path, *, subset: str) -> list[Track]:
    """Read the tracks of a subset in the order of their ids.

    Parameters
    ----------
    fma_root
        Folder with `fma_metadata/tracks.csv` and `fma_<subset>/000/000002.mp3`.
    subset
        One of `SUBSETS`. Audio is looked for in the folder of this subset, as FMA's archives hold it.

    Raises
    ------
    ValueError
        If there is no such subset.
    FormatError
        If the metadata is missing or is not FMA's.
    """
    if subset not in SUBSETS:
        raise ValueError(f"subset={subset!r}: choose one of {', '.join(SUBSETS)}")
    path = fma_root / "fma_metadata" / "tracks.csv"
    if not path.is_file():
        raise FormatError(f"{path}: missing; --fma-root names the folder that holds fma_metadata/ and fma_{subset}/")
    if path.stat().st_size > _MAX_CSV_BYTES:
        raise FormatError(f"{path}: larger than {_MAX_CSV_BYTES} bytes; FMA's own file has 260 MB")
    try:
        table = pd.read_csv(path, index_col=0, header=[0, 1], low_memory=False)
    except (ValueError, pd.errors.ParserError, pd.errors.EmptyDataError, IndexError) as error:
        raise FormatError(f"{path}: not FMA's tracks.csv ({error}); take it from fma_metadata.zip") from error
    if missing := [".".join(column) for column in _COLUMNS if column not in table.columns]:
        raise FormatError(f"{path}: columns missing: {', '.join(missing)}; take it from fma_metadata.zip")
    try:
        table.index = table.index.astype("int64")
        artist_ids = table[("artist", "id")].astype("int64")
    except (ValueError, TypeError) as error:
        raise FormatError(f"{path}: an id is not a whole number ({error})") from error
    if not table.index.is_unique or (table.index < 0).any():
        raise FormatError(f"{path}: track ids have to be unique and not negative")
    wanted = SUBSETS[: SUBSETS.index(subset) + 1]
    table = table[table[("set", "subset")].isin(wanted) & table[("set", "split")].isin(SPLITS)].sort_index()
    texts = table.loc[:, [column for column in _COLUMNS if column != ("artist", "id")]].fillna("").astype(str)
    return [
        Track(
            track_id=int(track_id),
            split=str(row[("set", "split")]),
            genre=str(row[("track", "genre_top")]),
            title=str(row[("track", "title")]),
            artist_id=int(artist_ids.loc[track_id]),
            artist=str(row[("artist", "name")]),
            path=audio_path(fma_root, subset, int(track_id)),
        )
        for track_id, row in zip(texts.index, texts.to_dict("records"), strict=True)
    ]


def audio_path(fma_root: Path, subset: str, track_id: int) -> Path:
    """Where FMA's archives keep a track's audio."""
    name = f"{track_id:06d}"
    return fma_root / f"fma_{subset}" / name[:3] / f"{name}.mp3"
