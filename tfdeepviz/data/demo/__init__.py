"""A demo corpus in FMA's layout, composed and synthesised here.

`composition` writes scores (with `theory` for the material and `sketch` for the sheet), `voices` are the instruments
on top of `dsp`, `mixer` turns a score into PCM and `corpus` lays the files out.
"""

from tfdeepviz.data.demo.composition import GENRES
from tfdeepviz.data.demo.corpus import (
    CorpusSummary,
    PlannedTrack,
    plan_corpus,
    render_corpus,
    render_track,
    write_playground_tracks,
)

__all__ = [
    "GENRES",
    "CorpusSummary",
    "PlannedTrack",
    "plan_corpus",
    "render_corpus",
    "render_track",
    "write_playground_tracks",
]
