"""Drums and cymbals; the tone's pitch is their tuning."""

from __future__ import annotations

import numpy as np

from tfdeepviz.data.demo import dsp
from tfdeepviz.data.demo.dsp import Signal
from tfdeepviz.data.demo.instrument import Take, instrument, normalised


@instrument(peak=None, fade_in=0.0005, fade_out=0.03)
def kick(
    take: Take, *, sweep_hz: float = 180.0, ring_seconds: float = 0.35, click: float = 0.3, drive: float = 0.6
) -> Signal:
    """Bass drum: a sine that falls to the tone's pitch, with a click."""
    n = dsp.n_samples(ring_seconds * 1.2)
    body = dsp.sine(dsp.cycles(take.hz + sweep_hz * dsp.falling(n, 0.028))) * dsp.decay(n, ring_seconds * 1.1)
    body = dsp.saturate(body * (0.6 + 0.6 * take.velocity), drive)
    return normalised(body) + click * take.velocity * take.stroke(n, 3_200.0, 0.6, 0.025)


@instrument(fade_in=0.0005, fade_out=0.03)
def snare(take: Take, *, ring_seconds: float = 0.2, brightness_hz: float = 5_000.0) -> Signal:
    """Snare drum: modes of the head, which has the tone's pitch, and filtered noise."""
    n = dsp.n_samples(ring_seconds + 0.12)
    head = dsp.damped_sinusoids(take.hz * np.array([1.0, 1.76, 2.4]), [0.16, 0.12, 0.07], [0.6, 0.35, 0.2], n)
    wires = take.soften(dsp.equalise(dsp.noise(n, take.rng), "highpass", 1_400.0), brightness_hz, 0.7, 1.0)
    return dsp.saturate(head + 1.6 * (wires * dsp.decay(n, ring_seconds * 1.6)), 0.8)


@instrument(fade_in=0.0005, fade_out=0.03)
def clap(take: Take) -> Signal:
    """Hand claps: four bursts of band-passed noise, the last of which rings."""
    n = dsp.n_samples(0.37)
    t = dsp.time_axis(n)
    bursts = sum(np.where(t >= onset, dsp.falling(n, 0.003, onset), 0.0) for onset in (0.0, 0.011, 0.021))
    ring = np.where(t >= 0.031, np.exp(-np.maximum(t - 0.031, 0.0) * 6.9 / 0.22), 0.0)
    return take.hiss(n, take.hz, 0.9) * (bursts + ring)


@instrument(peak=0.4, fade_in=0.001, fade_out=0.02)
def cymbal(
    take: Take, *, metal: float = 0.6, highpass_hz: float = 7_000.0, ring_seconds: float | None = None
) -> Signal:
    """Hi-hat, ride or crash: inharmonic pulses and noise; rings for the gate unless `ring_seconds` is given."""
    ring = ring_seconds or take.gate_seconds
    n = dsp.n_samples(ring + 0.03)
    clang = np.zeros(n)
    for ratio in (2.0, 3.0, 4.16, 5.43, 6.79, 8.21):
        clang += dsp.pulse(np.full(n, take.hz * ratio), 0.5, take.rng.random())
    x = metal * clang * 0.25 + (1 - metal) * dsp.noise(n, take.rng) * 1.5
    x = dsp.equalise(dsp.equalise(x, "highpass", highpass_hz), "highpass", highpass_hz * 0.7)
    return x * (0.75 * dsp.decay(n, ring * 1.2) + 0.25 * dsp.decay(n, ring * 0.3))


@instrument(fade_in=0.0005, fade_out=0.03)
def tom(take: Take, *, ring_seconds: float = 0.4) -> Signal:
    """Tom-tom: membrane modes whose pitch drops a little."""
    n = dsp.n_samples(ring_seconds * 1.2)
    phase = dsp.cycles(take.hz * (1.0 + 0.5 * take.velocity * dsp.falling(n, 0.05)))
    skin = dsp.sine(phase) + 0.4 * dsp.sine(1.59 * phase) * dsp.decay(n, ring_seconds * 0.5)
    return skin * dsp.decay(n, ring_seconds) + 0.7 * take.stroke(n, 1_800.0, 0.7, 0.05)


@instrument(fade_in=0.0006, fade_out=0.03)
def hand_drum(take: Take, *, slap: float = 0.2, ring_seconds: float = 0.5) -> Signal:
    """Hand drum (darbuka, djembe, tabla): near-harmonic membrane modes, a slap, and a bend by the heel of the hand."""
    n = dsp.n_samples(ring_seconds * 1.1)
    phase = dsp.cycles(take.pitch(n, glide=0.3))
    x = np.zeros(n)
    for ratio, level, ring in ((1.0, 1.0, 1.0), (2.0, 0.5, 0.6), (2.98, 0.3, 0.45), (4.1, 0.2, 0.3), (5.2, 0.12, 0.2)):
        tilt = level ** (1.5 - take.velocity) * (1.0 - slap if ratio == 1.0 else 1.0)
        x += tilt * dsp.sine(ratio * phase) * dsp.decay(n, ring_seconds * ring)
    hand = take.hiss(n, 1_200.0 + 3_500.0 * slap, 0.8)
    return x + (0.3 + 2.2 * slap) * take.velocity * hand * dsp.decay(n, 0.03 + 0.09 * slap)


@instrument(peak=0.35, fade_in=0.001, fade_out=0.01)
def shaker(take: Take, *, centre_hz: float = 7_000.0) -> Signal:
    """Shaker or tambourine: a short swell of bright noise."""
    n = dsp.n_samples(0.11)
    swell: Signal = np.minimum(dsp.time_axis(n) / 0.018, 1.0)
    return take.hiss(n, centre_hz * (0.8 + 0.4 * take.velocity), 1.1) * swell * dsp.falling(n, 0.022, 0.018)
