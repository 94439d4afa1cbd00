"""A composed and synthesised demo corpus in FMA's layout.

`composition` writes scores: `genre` reads a genre's file, `theory` makes chords and melodies, `sketch` collects notes.
`drums` and `voices` are the instruments, built on `dsp`. `mixer` renders a score to PCM, `corpus` writes the files.
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
