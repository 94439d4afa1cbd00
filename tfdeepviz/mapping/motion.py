"""Musical time, which races at onsets and stops in silence (docs/mapping.md); mirrors the front end's `motion.ts`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tfdeepviz.params import AudioParams

#: Musical seconds per second if no onsets are given.
REST_RATE = 1.0

# Onsets: time over which a rise is measured, number of points on the mel axis, and level of digital silence.
_RISE_SECONDS, _N_BANDS, _SILENCE_DB = 0.03, 64, -70.0

# Documented in webapp/frontend/src/mapping/motion.ts.
_RISE_MEMORY_SECONDS, _RISE_PRIOR, _RISE_LEAST = 6.0, 2.0, 0.3
_ONSET_FROM, _ONSET_SPAN, _UNDERTOW = 0.5, 3.0, 0.2
_LOUDNESS_SECONDS, _LOUDNESS_MEMORY_SECONDS, _LOUDNESS_PRIOR, _LOUDNESS_LEAST = 0.2, 15.0, 4.0, 2.0
_LOUDNESS_SLOPE, _QUIET, _PRIOR_WEIGHT, _FULL_RATE = 2.0, 0.05, 0.3, 11.5
_PULSE_GAIN, _PULSE_SECONDS = 1.3, 0.5
# In steps: a tick that exceeds a whole number of steps by less counts as equal.
_ROUNDING = 1e-9

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Onsets:
    """Onset strength and loudness of a track.

    `values` [shape=(n, 2)] holds the rise of the bands in dB, at least 0, and the loudness in dBFS.
    """

    first_seconds: float
    step_seconds: float
    values: Floats

    @classmethod
    def of(cls, mfcc: npt.NDArray[np.float32], pcm: npt.NDArray[np.float32], params: AudioParams) -> Onsets:
        """Analyse a track, given its MFCCs [shape=(n_frames, n_mfcc)] and itself, mono [shape=(n_samples,)].

        The rise is each band's gain over 30 ms, averaged over the bands; losses count as 0 (spectral flux: Bello et al.
        2005, section III.A.2). There is one row per frame that is followed by another one 30 ms later.
        """
        n_rise = max(1, math.floor(_RISE_SECONDS / params.frame_seconds + 0.5))
        k, band = np.arange(params.n_mfcc), np.arange(_N_BANDS)[:, None]
        basis = np.sqrt(np.where(k == 0, 1, 2) / params.n_mels) * np.cos(np.pi * k * (band + 0.5) / _N_BANDS)
        bands = mfcc.astype(np.float64) @ basis.T
        rises = np.maximum(0, bands[n_rise:] - bands[:-n_rise]).mean(axis=1)
        # Loudness is measured from the centre of the first frame to the centre of the last.
        length = n_rise * params.hop_length
        total = np.concatenate([[0.0], np.cumsum(np.square(pcm, dtype=np.float64))])
        start = np.minimum(np.arange(len(rises)) * params.hop_length, len(pcm))
        power = (total[np.minimum(start + length, len(pcm))] - total[start]) / length
        loudness = 10 * np.log10(power + 10 ** (_SILENCE_DB / 10))
        return cls(n_rise * params.frame_seconds / 2, params.frame_seconds, np.stack([rises, loudness], axis=1))

    def motion(self, n_ticks: int, tick_seconds: float) -> tuple[Floats, Floats]:
        """Follow the track from onset to onset, tick by tick from its start.

        Returns the musical seconds per second from each tick to the next [shape=(n_ticks,)], and the strength of the
        last onset in [0, 1], decaying over time [shape=(n_ticks,)].
        """
        steps = max(1, math.ceil(tick_seconds / self.step_seconds - _ROUNDING))
        step_seconds = tick_seconds / steps
        moments = np.arange(n_ticks)[:, None] * tick_seconds - (steps - 1 - np.arange(steps)) * step_seconds
        times = self.first_seconds + np.arange(len(self.values)) * self.step_seconds
        rises, levels = (np.interp(np.maximum(0, moments.ravel()), times, column) for column in self.values.T)

        usual = np.maximum(_RISE_LEAST, _average(rises, _RISE_MEMORY_SECONDS, step_seconds, _RISE_PRIOR))
        onsets = np.clip((rises - _ONSET_FROM * usual) / (_ONSET_SPAN * usual), 0, 1) ** 2  # strong ones stand out
        loudness = _average(levels, _LOUDNESS_SECONDS, step_seconds)
        above = loudness - _average(loudness, _LOUDNESS_MEMORY_SECONDS, step_seconds)
        variance = _average(np.square(above), _LOUDNESS_MEMORY_SECONDS, step_seconds, _LOUDNESS_PRIOR**2)
        spread = np.maximum(_LOUDNESS_LEAST, np.sqrt(variance))
        level = _QUIET + (1 - _QUIET) / (1 + np.exp(-_LOUDNESS_SLOPE * above / spread))
        rates = _FULL_RATE * level * (onsets + _UNDERTOW * np.clip(rises / usual, 0, 1))
        pulses, pulse = np.minimum(1, _PULSE_GAIN * level * onsets), 0.0
        for i, strength in enumerate(pulses):
            pulse = pulses[i] = max(strength, pulse - step_seconds / _PULSE_SECONDS, 0.0)
        return rates.reshape(-1, steps).mean(axis=1), pulses[steps - 1 :: steps]


def _average(values: Floats, memory_seconds: float, step_seconds: float, prior: float | None = None) -> Floats:
    """Compute exponential averages that start from a prior, if given, and gradually forget it."""
    kept = math.exp(-step_seconds / memory_seconds)
    weight = 0.0 if prior is None else _PRIOR_WEIGHT
    total = weight * (prior or 0.0)
    averages = np.empty_like(values)
    for i, value in enumerate(values):
        total = kept * total + (1 - kept) * value
        weight = kept * weight + 1 - kept
        averages[i] = total / weight
    return averages
