"""Results of `benchmarks.follow`: targets, what misses them, and the table."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.follow_clips import Clip
from benchmarks.follow_measures import FRAMES_PER_SECOND, Followed, Summary
from tfdeepviz.analysis.sound import RATE_HZ

#: Targets of a picture: means over the clips, and the median of the lag.
_LEAST_FOLLOWING, _LEAST_Z, _LONGEST_LAG_SECONDS = 0.30, 2.0, 2 / FRAMES_PER_SECOND
_ENERGY, _STILLNESS, _VISIBILITY, _FLASHES = 0.6, 0.15, 2.0, 3
#: Target of all: so many pictures follow onsets at least so well.
_N_FOLLOWING, _FOLLOWING = 6, 0.40


@dataclass(frozen=True)
class Row:
    """A line of the table: a picture, its calm form, or a peer."""

    name: str
    kind: str
    followed: dict[str, Followed]
    ms_per_frame: float
    summary: Summary


def misses_of(row: Row) -> list[str]:
    """List the targets that a picture misses."""
    onset, z, lag, energy, stillness, visibility, flashes = (
        row.summary.means[name]
        for name in ("onset", "z", "lag_seconds", "energy", "stillness", "visibility", "flashes")
    )
    in_time = 0 <= lag < _LONGEST_LAG_SECONDS + 1e-9
    found = {
        f"follows onsets by {onset:.2f}, not {_LEAST_FOLLOWING:.2f}": onset < _LEAST_FOLLOWING,
        f"z is {z:.1f}, not {_LEAST_Z:g}": z < _LEAST_Z,
        f"comes {1_000 * lag:.0f} ms after the sound, not 0 to {1_000 * _LONGEST_LAG_SECONDS:.0f}": not in_time,
        f"follows loudness by {energy:.2f}, not {_ENERGY:g}": energy < _ENERGY,
        f"moves {stillness:.2f} in silence, not below {_STILLNESS:g}": stillness >= _STILLNESS,
        f"shows onsets by {visibility:.1f} JND, not {_VISIBILITY:g}": visibility < _VISIBILITY,
        f"flashes {flashes:.0f} times in a second, not {_FLASHES}": flashes > _FLASHES,
    }
    return [f"{row.name} {words}" for words, is_missed in found.items() if is_missed]


def misses_of_all(rows: Sequence[Row]) -> list[str]:
    """List the targets that the pictures miss together."""
    well = [row.name for row in rows if row.summary.means["onset"] >= _FOLLOWING]
    if len(well) >= _N_FOLLOWING:
        return []
    return [f"{len(well)} pictures follow onsets by {_FOLLOWING:.2f} ({', '.join(well) or 'none'}), not {_N_FOLLOWING}"]


def report(
    args: argparse.Namespace, clips: Sequence[Clip], rows: Sequence[Row], misses: Sequence[str]
) -> dict[str, Any]:
    """Everything, as JSON values."""
    return {
        "seconds": args.seconds,
        "frames_per_second": FRAMES_PER_SECOND,
        "tracks": [
            {
                "id": clip.track.track_id,
                **{name: getattr(clip.track, name) for name in ("title", "artist", "genre", "split")},
            }
            for clip in clips
        ],
        "rows": [
            {
                "name": row.name,
                "kind": row.kind,
                "ms_per_frame": row.ms_per_frame,
                **asdict(row.summary),
                "tracks": {name: asdict(followed) for name, followed in row.followed.items()},
            }
            for row in rows
        ],
        "misses": list(misses),
    }


def table_of(clips: Sequence[Clip], rows: Sequence[Row], misses: Sequence[str]) -> str:
    """Table in Markdown, and the misses."""
    columns: dict[str, Callable[[Row], str]] = {
        "picture": lambda row: row.name,
        "onsets": lambda row: _with_interval(row, "onset", 2),
        "z": lambda row: f"{row.summary.means['z']:.1f}",
        "lag": lambda row: f"{1_000 * row.summary.means['lag_seconds']:.0f} ms",
        "energy": lambda row: _with_interval(row, "energy", 2),
        "in silence": lambda row: _with_interval(row, "stillness", 2),
        "visibility (JND)": lambda row: _with_interval(row, "visibility", 1),
        "times usual": lambda row: f"{row.summary.means['visibility_ratio']:.1f}",
        "flashes": lambda row: f"{row.summary.means['flashes']:.0f}",
        "change": lambda row: f"{row.summary.means['change']:.2f}",
        "luma": lambda row: f"{row.summary.means['luma']:.0f}",
        "flow": lambda row: f"{row.summary.means['flow']:.1f}",
    }
    lines = [list(columns), ["---"] * len(columns), *([cell(row) for cell in columns.values()] for row in rows)]
    genres = sorted({clip.track.genre or "unknown" for clip in clips})
    return "\n".join(
        [
            *(f"| {' | '.join(line)} |" for line in lines),
            "",
            f"{len(clips)} clips of {len(clips[0].pcm) / RATE_HZ:.0f} s ({', '.join(genres)}). In brackets: 95 % "
            "intervals over artists. Change in 8-bit steps a frame, flow in thousandths of the width a frame.",
            "",
            *(f"- missed: {miss}" for miss in misses),
            "",
        ]
    )


def _with_interval(row: Row, name: str, digits: int) -> str:
    low, high = row.summary.intervals[name]
    return f"{row.summary.means[name]:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
