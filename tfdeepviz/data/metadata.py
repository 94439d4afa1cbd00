"""FMA's metadata of all tracks, from `fma_metadata/`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tfdeepviz.artifacts import require_kind
from tfdeepviz.data.fma import SPLITS, SUBSETS, Track
from tfdeepviz.data.genres import GenreTree
from tfdeepviz.data.tables import Converter, dates, ids, lists_of, one_of, read_table, texts, whole_numbers
from tfdeepviz.files import FormatError
from tfdeepviz.lazy import pd

Column = tuple[str, str]

SPLIT: Column = ("set", "split")
SUBSET: Column = ("set", "subset")
GENRE_TOP: Column = ("track", "genre_top")
GENRES_ALL: Column = ("track", "genres_all")
TITLE: Column = ("track", "title")
DURATION: Column = ("track", "duration")
LICENCE: Column = ("track", "license")
ARTIST_ID: Column = ("artist", "id")
ARTIST: Column = ("artist", "name")

_REQUIRED = (SPLIT, SUBSET, GENRE_TOP, TITLE, ARTIST_ID, ARTIST)
_COUNTS = (
    *(("track", name) for name in ("bit_rate", "comments", "duration", "favorites", "interest", "listens", "number")),
    *(("album", name) for name in ("comments", "favorites", "id", "listens", "tracks")),
    *(("artist", name) for name in ("comments", "favorites")),
)
_DATES = (
    *(("track", name) for name in ("date_created", "date_recorded")),
    *(("album", name) for name in ("date_created", "date_released")),
    *(("artist", name) for name in ("date_created", "active_year_begin", "active_year_end")),
)
_TYPES: dict[Column | str, Converter] = {
    "track_id": ids,
    SPLIT: one_of(SPLITS),
    SUBSET: one_of(SUBSETS, ordered=True),
    ARTIST_ID: ids,
    **dict.fromkeys((TITLE, ARTIST), texts),
    **dict.fromkeys((GENRE_TOP, LICENCE, ("album", "type")), lambda values: values.astype("category")),
    **dict.fromkeys((("track", "genres"), GENRES_ALL), lists_of(int)),
    **{(group, "tags"): lists_of(str) for group in ("track", "album", "artist")},
    **dict.fromkeys(_COUNTS, whole_numbers),
    **dict.fromkeys((("artist", "latitude"), ("artist", "longitude")), lambda values: pd.to_numeric(values)),
    **dict.fromkeys(_DATES, dates),
}
_MAX_BYTES = 1 << 30

#: Names under which to count tracks without a licence, and rare licences.
NO_LICENCE, OTHER_LICENCES = "none stated", "others"
MAX_LICENCES = 256
MAX_LICENCE_CHARACTERS = 200


def find_metadata(fma_root: Path) -> Path:
    """Return the path of `fma_metadata/tracks.csv`; raises FormatError if it is missing."""
    path = Path(fma_root).absolute() / "fma_metadata" / "tracks.csv"
    remedy = "--fma-root (corpus.fma-root of a pipeline) names the folder with fma_metadata/ and fma_<subset>/"
    require_kind(path.parents[1], "corpus", "fma_metadata/tracks.csv", remedy=remedy)
    return path


@dataclass(frozen=True, eq=False)
class Metadata:
    """FMA's metadata of all tracks.

    The table has one row per track, by ascending id; columns are (group, name) as in `tracks.csv`. Lists and dates are
    parsed, whole numbers are `Int64`, and subsets are ordered categories. Most columns are optional.
    """

    root: Path  # absolute; the folder with `fma_metadata/` and `fma_<subset>/`
    tracks: pd.DataFrame
    genres: GenreTree | None  # None if there is no `genres.csv`

    @classmethod
    def load(cls, fma_root: Path) -> Self:
        """Read `fma_metadata/tracks.csv`, and `genres.csv` if present; raises a FormatError if they are not FMA's."""
        path = find_metadata(fma_root)
        root, genres = path.parents[1], path.with_name("genres.csv")
        tracks = read_table(path, _TYPES, required=_REQUIRED, max_bytes=_MAX_BYTES, index_col=0, header=[0, 1])
        # pandas reads the index name from the third line, whatever that holds. If the name is missing, a track is lost.
        if tracks.index.name != "track_id":
            raise FormatError(f"{path}: the third line has to begin with track_id; take it from fma_metadata.zip")
        if not tracks.index.is_unique or (tracks.index < 0).any():
            raise FormatError(f"{path}: track ids have to be unique and not negative; take it from fma_metadata.zip")
        return cls(root, tracks.sort_index(), GenreTree.load(genres) if genres.exists() else None)

    def column(self, column: Column) -> pd.Series[Any]:
        """One column of `tracks`; raises a FormatError if the metadata lacks it."""
        if column not in self.tracks:
            raise FormatError(f"{self.root}: fma_metadata/tracks.csv lacks {'.'.join(column)}; do not filter by it")
        return self.tracks[column]

    def licences(self, tracks: Iterable[Track]) -> dict[str, int] | None:
        """Count tracks per licence, as written in the metadata, most common first.

        Tracks without one count as `NO_LICENCE`. If there are more than 256 licences, the rarest count as
        `OTHER_LICENCES`. None if the metadata has no licence column.
        """
        if LICENCE not in self.tracks:
            return None
        stated = self.tracks[LICENCE].astype(object).fillna("").loc[[track.track_id for track in tracks]]
        counts = Counter(" ".join(str(text).split())[:MAX_LICENCE_CHARACTERS] or NO_LICENCE for text in stated)
        # Break ties by name, so that the result does not depend on the order of tracks.
        order = sorted(counts, key=lambda licence: (-counts[licence], licence))
        found = {licence: counts[licence] for licence in order[: MAX_LICENCES - 1]}
        if rare := order[MAX_LICENCES - 1 :]:
            found[OTHER_LICENCES] = found.get(OTHER_LICENCES, 0) + sum(counts[licence] for licence in rare)
        return found


def licence_terms(licence: str) -> str:
    """Strip version, country and remark from a licence name."""
    return re.sub(r"[\s-]+[\d(].*", "", licence, flags=re.DOTALL)
