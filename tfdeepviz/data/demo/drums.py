"""Drums and cymbals, of a machine and of an acoustic kit, and hand percussion.

The pitch of a drum's tone is its tuning.
"""

from __future__ import annotations

import itertools

import numpy as np

from tfdeepviz.data.demo import dsp
from tfdeepviz.data.demo.dsp import Signal
from tfdeepviz.data.demo.take import Take, instrument, normalised


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


@instrument(fade_in=0.0005, fade_out=0.04)
def bass_drum(take: Take, *, ring_seconds: float = 0.22) -> Signal:
    """Bass drum of a kit: two damped skins, the shell, and a felt beater."""
    n = dsp.n_samples(ring_seconds * 1.4)
    skin = dsp.sine(dsp.cycles(take.hz * (1.0 + 0.9 * dsp.falling(n, 0.018)))) * dsp.decay(n, ring_seconds)
    modes = take.hz * np.array([1.59, 2.3, 3.1, 4.2]) * (1.0 + take.rng.normal(0.0, 0.01, 4))
    shell = dsp.damped_sinusoids(modes, [0.14, 0.1, 0.07, 0.05], [0.3, 0.2, 0.15, 0.1], n)
    return (
        skin
        + shell
        + take.velocity * (0.5 * take.stroke(n, 2_600.0, 0.5, 0.03) + 0.3 * take.stroke(n, 500.0, 0.5, 0.09))
    )


@instrument(fade_in=0.0004, fade_out=0.04)
def kit_snare(take: Take, *, ring_seconds: float = 0.28, wires: float = 1.0) -> Signal:
    """Snare drum of a kit: membrane modes, wires that rattle after them, and the stick."""
    n = dsp.n_samples(ring_seconds * 1.3)
    modes = take.hz * np.array([1.0, 1.59, 2.14, 2.3, 2.65, 2.92, 3.6]) * (1.0 + take.rng.normal(0.0, 0.008, 7))
    head = dsp.damped_sinusoids(
        modes, [0.2, 0.16, 0.12, 0.11, 0.09, 0.08, 0.06], [0.7, 0.45, 0.3, 0.25, 0.2, 0.16, 0.12], n
    )
    hiss = dsp.equalise(dsp.noise(n, take.rng), "highpass", 900.0)
    hiss = hiss + 1.5 * take.hiss(n, 3_200.0, 0.8)
    rattle = take.soften(hiss, 9_000.0, 0.3, 1.0) * (dsp.decay(n, ring_seconds) - 0.6 * dsp.decay(n, 0.02))
    head = head + 1.1 * wires * rattle
    return np.asarray(head + 0.8 * take.velocity * take.stroke(n, 4_500.0, 0.4, 0.012), dtype=np.float64)


@instrument(peak=0.4, fade_in=0.0005, fade_out=0.05)
def bronze(
    take: Take,
    *,
    ring_seconds: float | None = None,
    ping: float = 0.2,
    low_hz: float = 350.0,
    swell_seconds: float = 0.0,
) -> Signal:
    """Hi-hat, ride or crash of bronze: so many modes that they are noise in bands, of which high ones fade first.

    `ping` adds single modes and the stick. The treble builds up within `swell_seconds`. Rings for the gate by default.
    """
    ring = ring_seconds or take.gate_seconds
    n = dsp.n_samples(ring + 0.05)
    wash = np.zeros(n)
    edges = low_hz * (16_000.0 / low_hz) ** np.linspace(0.0, 1.0, 6)
    for band, (low, high) in enumerate(itertools.pairwise(edges)):
        centre, q = float(np.sqrt(low * high)), float(np.sqrt(low * high) / (high - low))
        colour = dsp.equalise(take.hiss(n, centre, q), "bandpass", centre, q)
        level = (0.25, 0.5, 0.8, 1.1, 1.2)[band] * (1.0 if band < 2 else 0.5 + 0.5 * take.velocity)
        wash += level * colour * dsp.decay(n, ring * (1.9 - 0.2 * band))
    if swell_seconds:
        wash *= 0.4 + 0.6 * np.minimum(dsp.time_axis(n) / swell_seconds, 1.0)
    modes = take.hz * np.sort(take.rng.uniform(1.0, 12.0, 24))
    shimmer = dsp.damped_sinusoids(modes, ring * take.rng.uniform(0.4, 1.0, 24), take.rng.uniform(0.2, 1.0, 24), n)
    return wash + ping * (0.12 * shimmer + 0.8 * take.stroke(n, 6_000.0, 0.5, 0.015))
