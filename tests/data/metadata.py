"""FMA's metadata as tests make it."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tfdeepviz.data.metadata import Metadata

GENRES = (
    "genre_id,#tracks,parent,title,top_level\n"
    "12,30,0,Rock,12\n25,20,12,Punk,12\n109,5,25,Hardcore,12\n15,9,0,Electronic,15\n181,3,15,Hardcore,15\n"
)
_FILLED = {
    **{"set.split": "training", "set.subset": "small", "track.genre_top": "Rock"},
    **{"track.title": "Title", "artist.id": "1", "artist.name": "Artist"},
}


def write_metadata(root: Path, rows: Sequence[dict[str, str]], *, genres: str | None = None) -> Path:
    """Write tracks.csv with the columns that rows name, over those that every corpus has; ids are 2, 3 and so on."""
    rows = [{**_FILLED, **row} for row in rows]
    names = sorted({name for row in rows or [_FILLED] for name in row} - {"track_id"})
    folder = root / "fma_metadata"
    folder.mkdir(exist_ok=True)
    with (folder / "tracks.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["", *(name.split(".")[0] for name in names)])
        writer.writerow(["", *(name.split(".")[1] for name in names)])
        writer.writerow(["track_id", *("" for _ in names)])
        for track_id, row in enumerate(rows, 2):
            writer.writerow([row.get("track_id", track_id), *(row.get(name, "") for name in names)])
    if genres is not None:
        (folder / "genres.csv").write_text(genres)
    return root


def load(rows: Sequence[dict[str, str]], *, genres: str | None = None) -> Metadata:
    with tempfile.TemporaryDirectory() as folder:
        return Metadata.load(write_metadata(Path(folder), rows, genres=genres))
