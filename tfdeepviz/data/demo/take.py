"""Takes: what an instrument is asked to play, and the frame that makes an instrument of a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
from numpy.random import Generator as Rng

from tfdeepviz.data.demo import dsp
from tfdeepviz.data.demo.dsp import Signal
from tfdeepviz.data.demo.score import Tone

_CONTROL_SAMPLES = 32  # pitch moves slowly: it is computed this often and interpolated


@dataclass(frozen=True)
class Take:
    """A tone (see `Tone`), and the chance of this recording of it."""

    hz: float
    gate_seconds: float
    velocity: float
    bend_semitones: float
    rng: Rng
    n: int  # samples of a held tone

    def pitch(
        self, n: int, *, glide: float = 0.06, vibrato_cents: float = 0.0, vibrato_hz: float = 5.3, onset: float = 0.25
    ) -> Signal:
        """Pitch in Hz: a glide from the bend, then vibrato that grows after an onset; in seconds [shape=(n,)]."""
        if not self.bend_semitones and not vibrato_cents:
            return np.full(n, self.hz)
        t = dsp.time_axis(n // _CONTROL_SAMPLES + 2) * _CONTROL_SAMPLES
        semitones = self.bend_semitones * np.exp(-t / glide * 2.5)
        if vibrato_cents:
            depth = np.clip((t - onset) / 0.3, 0.0, 1.0) * vibrato_cents / 100
            semitones = semitones + depth * np.sin(2 * np.pi * vibrato_hz * t)
        slow = self.hz * 2.0 ** (semitones / 12.0)
        return np.asarray(np.interp(np.arange(n), np.arange(len(t)) * _CONTROL_SAMPLES, slow), dtype=np.float64)

    def hiss(self, n: int, centre_hz: float, q: float) -> Signal:
        """Band-passed noise [shape=(n,)]."""
        return dsp.equalise(dsp.noise(n, self.rng), "bandpass", centre_hz, q)

    def stroke(self, n: int, centre_hz: float, q: float, t60_seconds: float) -> Signal:
        """Noise of a stick, hammer or hand [shape=(n,)]."""
        return self.hiss(n, centre_hz, q) * dsp.decay(n, t60_seconds)

    def soften(self, x: Signal, cutoff_hz: float, least: float, gain: float) -> Signal:
        """Low-pass whose cutoff rises with velocity."""
        return dsp.equalise(x, "lowpass", cutoff_hz * (least + gain * self.velocity))


def instrument(
    *,
    peak: float | None = 0.5,
    fade_in: float = 0.0,
    fade_out: float = 0.0,
    held: tuple[float, float, float, float] | None = None,
) -> Callable[[Callable[..., Signal]], Callable[..., Signal]]:
    """Make an instrument ``(tone, rng, *, character) -> sound`` of a function ``(take, *, character) -> sound``.

    A sound is mono ``[n]`` or stereo ``[2, n]``. It is scaled to a peak (None keeps the level) and faded, in seconds.
    `held` tones have an envelope: attack, decay, sustain, release. ``attack_seconds`` and ``release_seconds`` of a
    character override it.
    """

    def decorate(synthesise: Callable[..., Signal]) -> Callable[..., Signal]:
        @wraps(synthesise)
        def perform(tone: Tone, rng: Rng, **character: Any) -> Signal:
            envelope = np.ones(1)
            if held:
                attack, decay, sustain, release = held
                attack, release = character.pop("attack_seconds", attack), character.pop("release_seconds", release)
                envelope = dsp.adsr(tone.gate_seconds, attack, decay, sustain, release)
            take = Take(tone.frequency_hz, tone.gate_seconds, tone.velocity, tone.bend_semitones, rng, len(envelope))
            sound = synthesise(take, **character) * envelope
            return dsp.fade_edges(sound if peak is None else normalised(sound, peak), fade_in, fade_out)

        return perform

    return decorate


def normalised(x: Signal, peak: float = 0.5) -> Signal:
    """Scale a sound to its peak."""
    return x * (peak / (float(np.max(np.abs(x))) + 1e-9))
