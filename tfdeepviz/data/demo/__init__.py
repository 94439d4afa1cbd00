"""A composed and synthesised demo corpus in FMA's layout.

`arrangement` writes scores: `genre` reads a genre's file, `players` play its layers into a `sketch`, `theory` makes
chords and melodies. `drums` and `voices` are the instruments, built on `dsp`. `mixer` renders a score to PCM. `plan`
decides which tracks a corpus holds; `corpus` and `tables` write it.
"""

from tfdeepviz.data.demo.corpus import CorpusSummary, render_corpus, render_track, write_playground_tracks
from tfdeepviz.data.demo.genre import GENRES
from tfdeepviz.data.demo.plan import PlannedTrack, plan_corpus

__all__ = [
    "GENRES",
    "CorpusSummary",
    "PlannedTrack",
    "plan_corpus",
    "render_corpus",
    "render_track",
    "write_playground_tracks",
]
