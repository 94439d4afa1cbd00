"""A track's sound, as the measurements use it. Does not need TensorFlow."""

from __future__ import annotations

import atexit
import functools
import importlib
import shutil
import tempfile
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from tfdeepviz.mapping.motion import Onsets
from tfdeepviz.mapping.quality import FRAMES_PER_SECOND
from tfdeepviz.mapping.time import TimeSettings, play

#: Sample rate of all sound that is measured.
RATE_HZ = 44_100

# Sample rate and hop of librosa's onset strength, with its defaults.
_ONSET_RATE_HZ, _ONSET_HOP = 22_050, 512

Floats = npt.NDArray[np.float64]
Pcm = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sound:
    """A track's mono samples at `RATE_HZ` [shape=(n_samples,)]; its number seeds its random baseline."""

    track_id: int
    pcm: Pcm

    @property
    def seconds(self) -> float:
        """Length of the track."""
        return len(self.pcm) / RATE_HZ

    def at(self, sample_rate_hz: int) -> Pcm:
        """Resample the sound."""
        if sample_rate_hz == RATE_HZ:
            return self.pcm
        resampled: Pcm = soxr.resample(self.pcm, RATE_HZ, sample_rate_hz)
        return resampled

    def play(
        self, times: npt.ArrayLike, rows: npt.ArrayLike, settings: TimeSettings, onsets: Onsets | None = None
    ) -> Floats:
        """Play rows [shape=(n, k)] as a player would, at `FRAMES_PER_SECOND`; with onsets, in musical time."""
        options = {"duration_seconds": self.seconds, "frames_per_second": FRAMES_PER_SECOND}
        return play(times, rows, settings=settings, onsets=onsets, **options)[1]

    def onset_strength(self) -> Floats:
        """Compute librosa's onset strength at the same times [shape=(n,)]."""
        strength = load_librosa().onset.onset_strength(
            y=self.at(_ONSET_RATE_HZ), sr=_ONSET_RATE_HZ, hop_length=_ONSET_HOP
        )
        times = np.arange(len(strength)) * _ONSET_HOP / _ONSET_RATE_HZ
        unsmoothed = TimeSettings(attack=0, release=0)
        return self.play(times, np.asarray(strength, np.float64)[:, None], unsmoothed)[:, 0]


@functools.cache
def load_librosa() -> Any:
    """Import librosa, even if numba can write its compiled code neither to librosa's folder nor to the user's."""
    import librosa

    try:
        import librosa.onset
    except RuntimeError:
        config: Any = importlib.import_module("numba.core.config")
        config.CACHE_DIR = tempfile.mkdtemp(prefix="tfdeepviz-numba-")
        atexit.register(shutil.rmtree, config.CACHE_DIR, ignore_errors=True)
    return librosa
