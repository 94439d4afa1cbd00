"""What instruments share: `@instrument`, pitch curves, and the noise of a stroke."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import numpy as np
from numpy.random import Generator as Rng

from tfdeepviz.data.demo import dsp
from tfdeepviz.data.demo.dsp import Signal
from tfdeepviz.data.demo.score import Tone

_P = ParamSpec("_P")

_CONTROL_SAMPLES = 32
"""Pitch moves slowly: it is computed this often and interpolated."""


def instrument(
    *, peak: float | None = 0.5, fade_in: float = 0.0, fade_out: float = 0.0
) -> Callable[[Callable[_P, Signal]], Callable[_P, Signal]]:
    """Scale the sound of an instrument to a peak (None leaves it as it is) and fade it, in seconds.

    Instruments are functions ``(tone, rng, *, character) -> sound``, mono ``[n]`` or stereo ``[2, n]``.
    """

    def decorate(synthesise: Callable[_P, Signal]) -> Callable[_P, Signal]:
        @wraps(synthesise)
        def perform(*args: _P.args, **character: _P.kwargs) -> Signal:
            sound = synthesise(*args, **character)
            return dsp.fade_edges(sound if peak is None else normalised(sound, peak), fade_in, fade_out)

        return perform

    return decorate


def normalised(x: Signal, peak: float = 0.5) -> Signal:
    """Scale a sound to its peak."""
    return x * (peak / (float(np.max(np.abs(x))) + 1e-9))


def pitch_curve(
    tone: Tone,
    n: int,
    *,
    glide_seconds: float = 0.06,
    vibrato_cents: float = 0.0,
    vibrato_hz: float = 5.3,
    vibrato_onset_seconds: float = 0.25,
) -> Signal:
    """Pitch in Hz: a glide from the bend, then growing vibrato [shape=(n,)]."""
    if not tone.bend_semitones and not vibrato_cents:
        return np.full(n, tone.frequency_hz)
    t = dsp.time_axis(n // _CONTROL_SAMPLES + 2) * _CONTROL_SAMPLES
    semitones = tone.bend_semitones * np.exp(-t / glide_seconds * 2.5)
    if vibrato_cents:
        depth = np.clip((t - vibrato_onset_seconds) / 0.3, 0.0, 1.0) * vibrato_cents / 100
        semitones = semitones + depth * np.sin(2 * np.pi * vibrato_hz * t)
    slow = tone.frequency_hz * 2.0 ** (semitones / 12.0)
    return np.asarray(np.interp(np.arange(n), np.arange(len(t)) * _CONTROL_SAMPLES, slow), dtype=np.float64)


def stroke(n: int, rng: Rng, centre_hz: float, q: float, t60_seconds: float) -> Signal:
    """Noise of a stick, hammer or hand [shape=(n,)]."""
    return dsp.noise_band(n, rng, centre_hz, q) * dsp.decay(n, t60_seconds)
