"""Tracks of several corpora as one in FMA's layout, as the tables of docs/models.md need it.

Audio is linked, not copied. Track, artist and album ids of the second corpus are moved behind those of the first, and
so on; every track keeps its split, so that artists stay on one side of it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from tfdeepviz.files import atomic_path


def join(corpora: list[Path], out: Path, *, labelled_only: bool) -> int:
    if out.exists():
        raise FileExistsError(f"{out}: exists; delete it or give another folder")
    tables, genres = [], []
    shift = 0
    for corpus in corpora:
        tracks = pd.read_csv(corpus / "fma_metadata" / "tracks.csv", index_col=0, header=[0, 1], low_memory=False)
        genres.append(pd.read_csv(corpus / "fma_metadata" / "genres.csv", index_col=0))
        if labelled_only:
            tracks = tracks[tracks["track", "genre_top"].notna()]
        moved = tracks.set_index(tracks.index + shift)
        for kind in ("artist", "album"):
            moved[kind, "id"] += shift
        for before, after in zip(tracks.index, moved.index, strict=True):
            link = out / _audio(after)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to((corpus / _audio(before)).resolve())
        tables.append(moved)
        shift = 1_000 * (1 + int(moved.index.max()) // 1_000)
    joined = pd.concat(tables)
    (out / "fma_metadata").mkdir()
    for name, table in (("tracks", joined), ("genres", _genres(genres))):
        with atomic_path(out / "fma_metadata" / f"{name}.csv") as temporary:
            table.to_csv(temporary)
    return len(joined)


def _genres(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """FMA's ids mean the same in every corpus; counts add up."""
    joined = pd.concat(tables)
    counts = joined.groupby(level=0)["#tracks"].sum()
    joined = joined[~joined.index.duplicated()].sort_index()
    return joined.assign(**{"#tracks": counts})


def _audio(track_id: int) -> Path:
    return Path("fma_small", f"{track_id:06d}"[:3], f"{track_id:06d}.mp3")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to make")
    parser.add_argument("corpora", type=Path, nargs="+", metavar="CORPUS", help="folders in FMA's layout (fma_small)")
    parser.add_argument("--labelled-only", action="store_true", help="leave out tracks without a genre")
    args = parser.parse_args()
    print(f"{args.out}: {join(args.corpora, args.out, labelled_only=args.labelled_only)} tracks")


if __name__ == "__main__":
    main()
