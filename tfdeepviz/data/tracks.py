"""One track: from its audio file to the rows that a recipe keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tfdeepviz.data.decode import MAX_SECONDS, AudioError, AudioTooShortError, decode_file
from tfdeepviz.data.features import Recipe, Rows
from tfdeepviz.data.fma import Track, published_flaw

#: Level of silence, dB re full scale.
_SILENCE_DB = -120.0

Extract = Callable[[Rows], Rows]


@dataclass(frozen=True)
class PreparedTrack:
    """Result of preparing one track.

    `rows` [shape=(n_rows, width)] are all frames, or those of the chosen segments, concatenated; None if the track was
    skipped. `starts` [shape=(n_segments,)] are the first frames of its segments.
    """

    track: Track
    rows: npt.NDArray[Any] | None = None
    starts: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    n_frames: int = 0  # of the whole track, as the next two
    seconds: float = 0.0
    level_db: float = _SILENCE_DB  # mean power, dB re full scale
    reason: str = ""  # why it was skipped: a short stable word
    message: str = ""  # and a sentence for people


def prepare_track(track: Track, recipe: Recipe, extract: Extract, *, max_seconds: float = MAX_SECONDS) -> PreparedTrack:
    """Decode one track and keep what the recipe says; an unusable file yields a reason, not an exception.

    `extract` is the result of `recipe.features.extractor()`. Longer tracks than `max_seconds` are skipped.
    """
    params = recipe.features.params
    try:
        pcm = decode_file(track.path, sample_rate_hz=params.sample_rate_hz, max_seconds=max_seconds)
        seconds = pcm.size / params.sample_rate_hz
        if flaw := published_flaw(track, seconds):
            return PreparedTrack(track, reason="known-bad", message=f"{track.path}: {flaw}; {seconds:.2f} s of sound")
        n_frames = recipe.features.n_frames(pcm.size)
        if n_frames < params.segment_frames:
            raise AudioTooShortError(
                f"{track.path}: {seconds:.2f} s of sound is less than one segment ({params.segment_seconds:.2f} s)"
            )
    except AudioError as error:
        reason = error.reason if published_flaw(track, 0.0) is None else "known-bad"
        return PreparedTrack(track, reason=reason, message=str(error))
    except (FileNotFoundError, NotADirectoryError):
        return PreparedTrack(track, reason="missing", message=f"{track.path}: no such audio file")
    except OSError as error:
        return PreparedTrack(track, reason="unreadable", message=f"{track.path}: cannot be read ({error.strerror})")
    starts = recipe.starts(n_frames, track.track_id)
    rows = recipe.keep(extract(pcm), starts)
    power = float(np.mean(np.square(pcm)))
    level_db = max(_SILENCE_DB, 10 * np.log10(max(power, 1e-12)))
    return PreparedTrack(track, rows, starts, n_frames, seconds, level_db)
