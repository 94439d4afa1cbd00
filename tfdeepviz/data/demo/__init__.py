"""A composed and synthesised demo corpus in FMA's layout.

`composition` writes scores, using `theory` for the musical material and `sketch` to collect notes. `drums` and `voices`
are the instruments, built on `dsp`. `mixer` renders a score to PCM, and `corpus` writes the files.
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
