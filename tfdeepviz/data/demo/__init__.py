"""A composed and synthesised demo corpus in FMA's layout.

`arrangement` writes scores: `genre` reads a genre's file and decides it for an artist, `ideas` invents material, and
`players` play the file's layers into a `sketch`. `drums`, `instruments` and `singing`, built on `take` and `dsp`,
perform the score, and `mixer` renders it to PCM. `plan` decides which tracks a corpus holds, and `corpus` writes it.
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
