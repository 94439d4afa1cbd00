"""Instruments: struck, plucked, electronic, blown and bowed ones, and textures.

All are functions made by `@instrument`, and named in genres' files.
"""

from __future__ import annotations

import math

import numpy as np

from tfdeepviz.data.demo import dsp
from tfdeepviz.data.demo.dsp import Signal
from tfdeepviz.data.demo.genre import toml
from tfdeepviz.data.demo.take import Take, instrument, normalised


def _fm(phase: Signal, ratio: float, depth: Signal | float, start: float = 0.0) -> Signal:
    """Frequency modulation: a sine whose phase another sine moves, at `ratio` times its frequency [shape=(n,)]."""
    moved = 2 * np.pi * phase + depth * np.sin(2 * np.pi * ratio * phase + start)
    return np.asarray(np.sin(moved), dtype=np.float64)


@instrument(peak=0.45, fade_in=0.001, fade_out=0.04)
def mallet(take: Take, *, bar: str, ring_seconds: float = 1.2, hardness: float = 0.5) -> Signal:
    """Struck bar, tongue or bell: a bank of modes and the stroke's noise."""
    ratios, rings, levels = np.array(toml("material")["mallets"][bar]).T
    ring = ring_seconds * (330.0 / take.hz) ** 0.35
    n = dsp.n_samples(ring * 1.05)
    levels = levels * ratios ** (0.5 * (hardness + take.velocity - 1.0))
    modes_hz = take.hz * ratios * (1 + take.rng.normal(0, 0.0006, len(ratios)))
    x = dsp.damped_sinusoids(modes_hz, ring * rings, levels, n)
    return x + 0.8 * hardness * take.stroke(n, 2_000.0 + 2_000.0 * hardness, 0.7, 0.018)


@instrument(peak=None)
def plucked(
    take: Take,
    *,
    brightness: float = 0.5,
    damping: float = 0.5,
    t60_seconds: float = 3.0,
    pick_position: float = 0.2,
    body_hz: float = 110.0,
    buzz: float = 0.0,
    vibrato_cents: float = 0.0,
    choke_seconds: float = 0.12,
    glide_seconds: float = 0.06,
) -> Signal:
    """Plucked string with a resonant body; `buzz` distorts the wave like a flat bridge (sitar) or a fret."""
    ring = min(t60_seconds, take.gate_seconds + 3 * choke_seconds)
    n = dsp.n_samples(ring)
    f = take.pitch(n, vibrato_cents=vibrato_cents, glide=glide_seconds)
    decay = t60_seconds * (220.0 / take.hz) ** 0.3
    brightness = min(1.0, brightness * (0.6 + 0.55 * take.velocity))
    string = dsp.pluck_string(f, take.rng, decay, brightness, damping, pick_position)
    if buzz > 0:
        string = string + buzz * dsp.equalise(np.abs(string) * np.sign(np.roll(string, 9)), "highpass", 1_500.0)
    if body_hz > 0:
        string = dsp.resonate(string, string, ((body_hz, 1.5, 0.5), (2.1 * body_hz, 2.0, 0.3)))
    string *= dsp.falling(n, choke_seconds / 2, take.gate_seconds)
    return dsp.fade_edges(normalised(dsp.equalise(string, "highpass", 50.0)), 0.0008, min(0.05, ring / 4))


@instrument(peak=None, fade_in=0.0006, fade_out=0.03)
def guitar(
    take: Take,
    *,
    ring_seconds: float = 4.0,
    loss_hz: float = 900.0,
    hardness_hz: float = 3_500.0,
    pick_position: float = 0.17,
    body: float = 0.6,
    pick: float = 0.15,
    detune_cents: float = 3.0,
    choke_seconds: float = 0.12,
    glide_seconds: float = 0.1,
    vibrato_cents: float = 0.0,
) -> Signal:
    """Stiff steel string, as on acoustic, electric and bass guitars: its partials fade the faster the higher they are.

    The lowest partials decay by 60 dB in `ring_seconds`, those at `loss_hz` in half of that. A hard pick excites
    partials up to `hardness_hz`. `body` is the share of a wooden body; the tuning has a standard deviation.
    """
    n = dsp.n_samples(min(ring_seconds, take.gate_seconds + 2.0 * choke_seconds))
    k = np.arange(1, max(4, min(56, int(8_000.0 / take.hz))))
    partials = take.hz * k * np.sqrt(1.0 + 6e-5 * k**2) * 2.0 ** (take.rng.normal(0.0, detune_cents) / 1200.0)
    hardness_hz *= 0.4 + 0.8 * take.velocity
    level = np.sin(np.pi * k * pick_position) / k * np.exp(-partials / hardness_hz) * take.rng.uniform(0.7, 1.3, len(k))
    t60 = ring_seconds * (220.0 / take.hz) ** 0.3 / (1.0 + (partials / loss_hz) ** 1.5)
    string = dsp.damped_sinusoids(partials, t60, level, n)
    if take.bend_semitones or vibrato_cents:
        speed = take.pitch(n, glide=glide_seconds, vibrato_cents=vibrato_cents) / take.hz
        string = np.interp(np.cumsum(speed), np.arange(n), string)
    string = normalised(string) + pick * take.velocity * take.stroke(n, 3_000.0, 0.4, 0.025)
    if body > 0:
        thump = take.stroke(n, 110.0, 1.0, 0.12)
        modes = (
            (105.0, 2.0, 0.5 * body),
            (210.0, 2.5, 0.6 * body),
            (420.0, 2.0, 0.3 * body),
            (2_400.0, 0.8, 0.5 * body),
        )
        string = dsp.resonate(string, string, modes) + 0.5 * body * take.velocity * thump
    return normalised(string) * dsp.falling(n, choke_seconds / 2.5, take.gate_seconds)


@instrument(fade_in=0.002, fade_out=0.06)
def piano(take: Take, *, brightness: float = 0.5, felt: float = 0.0) -> Signal:
    """Piano: stiff-string partials in slightly detuned pairs, hammer noise; harder strokes are brighter."""
    f = take.hz
    ring = min(5.0, 6.5 * (130.0 / f) ** 0.45)
    n = dsp.n_samples(min(ring, take.gate_seconds + 0.5))
    k = np.arange(1, max(4, min(22, int(9_000.0 / f))))
    stretch = k * np.sqrt(1 + 0.00035 * (f / 220.0) ** 1.2 * k**2)
    tilt = np.exp(-(k - 1) * (0.62 - 0.36 * take.velocity - 0.2 * brightness + 0.25 * felt) * math.sqrt(f / 300.0))
    level = tilt * (0.35 + np.abs(np.sin(np.pi * k * 0.124)))
    t60 = ring / (1 + 0.12 * k)
    first, second = (
        dsp.damped_sinusoids(f * stretch * (1 + cents / 1731.0), t60 * scale, level, n)
        for cents, scale in ((-0.7, 1.0), (0.8, 0.45))
    )
    hammer = take.stroke(n, 500.0 + 900.0 * take.velocity, 0.6, 0.05)
    x: Signal = np.stack([first + 0.7 * second, 0.8 * first + second]) + (0.5 + felt) * 0.5 * take.velocity * hammer
    return x * dsp.falling(n, 0.12, take.gate_seconds)


@instrument(fade_in=0.003, fade_out=0.03)
def electric_piano(take: Take, *, bite: float = 0.5, tremolo_hz: float = 4.5) -> Signal:
    """Rhodes-like piano by FM: a soft body, a bell-like tine, stereo tremolo."""
    n = dsp.n_samples(take.gate_seconds + 0.25)
    phase = dsp.cycles(take.pitch(n))
    body = _fm(phase, 1.0, (0.5 + 1.3 * bite * take.velocity) * dsp.falling(n, 0.35))
    tine = _fm(phase, 14.0, 1.1 * dsp.falling(n, 0.06)) if take.hz < 1_200 else body
    x = (body + 0.35 * take.velocity * tine) * dsp.falling(n, 1.1 * (220.0 / take.hz) ** 0.3)
    x *= dsp.falling(n, 0.05, take.gate_seconds)
    wobble = 0.22 * np.sin(2 * np.pi * tremolo_hz * dsp.time_axis(n) + take.rng.uniform(0.0, 0.5))
    return np.stack([x * (1 + wobble), x * (1 - wobble)])


@instrument(peak=0.4, held=(0.25, 1.0, 0.8, 0.5))
def pad(
    take: Take, *, n_voices: int = 3, detune_cents: float = 12.0, cutoff_hz: float = 2_500.0, wave: str = "saw"
) -> Signal:
    """Detuned, wide chords: saws or pulses through a low-pass, or FM pairs."""
    f, t, rng = take.pitch(take.n), dsp.time_axis(take.n), take.rng
    stereo = np.zeros((2, take.n))
    for x, side in zip(stereo, (-1.0, 1.0), strict=True):
        for i in range(n_voices):
            detuned = f * 2 ** (detune_cents * (((i + 0.5) / n_voices * 2 - 1) + 0.15 * side) / 1200)
            if wave == "saw":
                x += dsp.saw(detuned, rng.random())
            elif wave == "pulse":
                x += dsp.pulse(detuned, 0.3 + 0.3 * rng.random(), rng.random())
            else:
                index = 1.2 + 0.8 * np.sin(2 * np.pi * (0.15 + 0.1 * i) * t + side)
                x += _fm(dsp.cycles(detuned, rng.random()), 2.0, index)
    return take.soften(stereo, cutoff_hz, 0.6, 0.6)


@instrument(fade_in=0.002, fade_out=0.01, held=(0.003, 0.3, 0.75, 0.06))
def synth_bass(
    take: Take,
    *,
    wave: str = "saw",
    cutoff_hz: float = 400.0,
    sweep_octaves: float = 2.0,
    sweep_seconds: float = 0.15,
    resonance: float = 2.0,
    sub: float = 0.5,
) -> Signal:
    """Mono synthesiser with a resonant filter envelope: house bass, acid line or pluck, depending on the settings."""
    f, start = take.pitch(take.n, glide=0.05), take.rng.random()
    x = dsp.saw(f, start) if wave == "saw" else dsp.pulse(f, 0.42, start)
    cutoff = cutoff_hz * 2 ** (sweep_octaves * (0.4 + 0.8 * take.velocity) * dsp.falling(take.n, sweep_seconds))
    x = dsp.sweep(x, "lowpass", np.minimum(cutoff, 14_000.0), q=resonance)
    return dsp.saturate(x, 1.0) + sub * dsp.sine(dsp.cycles(f))


@instrument(fade_in=0.003, fade_out=0.05)
def sub_bass(take: Take, *, ring_seconds: float = 1.2, drive: float = 1.0) -> Signal:
    """808-like bass: a driven sine that drops into its pitch and rings."""
    n = dsp.n_samples(min(ring_seconds, take.gate_seconds + 0.08))
    f = take.pitch(n, glide=0.12) * (1 + 0.6 * dsp.falling(n, 0.018))
    x = dsp.saturate(dsp.sine(dsp.cycles(f)) * dsp.decay(n, ring_seconds * 1.8), drive * (0.5 + take.velocity))
    return x + 0.02 * dsp.noise(n, take.rng) * dsp.decay(n, 0.02)


@instrument(peak=0.4, held=(0.01, 0.3, 0.7, 0.15))
def lead(
    take: Take, *, wave: str = "saw", detune_cents: float = 9.0, cutoff_hz: float = 4_500.0, vibrato_cents: float = 14.0
) -> Signal:
    """Synthesiser lead: two detuned oscillators, portamento and delayed vibrato."""
    f = take.pitch(take.n, vibrato_cents=vibrato_cents)
    x = np.zeros(take.n)
    for cents in (-detune_cents, detune_cents):
        detuned, start = f * 2 ** (cents / 1200), take.rng.random()
        x += dsp.saw(detuned, start) if wave == "saw" else dsp.pulse(detuned, 0.35, start)
    return take.soften(x, cutoff_hz, 0.5, 0.7)


@instrument(peak=0.4, fade_in=0.003, fade_out=0.05)
def fm_bell(take: Take, *, ratio: float = 1.41, index: float = 4.0, ring_seconds: float = 2.5) -> Signal:
    """FM tone with a non-integer ratio: inharmonic bells and metallic plucks."""
    n = dsp.n_samples(ring_seconds)
    phase = dsp.cycles(take.pitch(n, glide=0.4))
    depth = index * take.velocity * dsp.decay(n, ring_seconds * 0.6)
    return _fm(phase, ratio, depth, take.rng.uniform(0, 6.28)) * dsp.decay(n, ring_seconds)


@instrument(peak=0.4, held=(0.05, 0.2, 0.85, 0.1))
def flute(take: Take, *, breath: float = 0.25, reed: float = 0.0, vibrato_cents: float = 18.0) -> Signal:
    """Flute, whistle or reed pipe: few partials and breath; `reed` adds the upper partials of a ney or duduk."""
    t = dsp.time_axis(take.n)
    phase = dsp.cycles(take.pitch(take.n, vibrato_cents=vibrato_cents, onset=0.18))
    x = dsp.sine(phase)
    for k, level in ((2, 0.28), (3, 0.12 + 0.4 * reed), (4, 0.04 + 0.15 * reed), (5, 0.3 * reed), (7, 0.15 * reed)):
        if k * take.hz < 14_000:
            x = x + level * (0.5 + 0.7 * take.velocity) * dsp.sine(k * phase)
    swell: Signal = 1.0 + 0.12 * np.sin(2 * np.pi * 5.1 * t) * np.clip((t - 0.2) / 0.3, 0.0, 1.0)
    chiff = 1.0 + 2.5 * dsp.falling(take.n, 0.04)
    return x * swell + 2.2 * breath * take.hiss(take.n, 2.0 * take.hz, 1.2) * chiff


@instrument(peak=0.4, held=(0.08, 0.5, 0.85, 0.12))
def bowed(take: Take, *, brightness_hz: float = 3_800.0, vibrato_cents: float = 22.0) -> Signal:
    """Solo bowed string: a saw with bow noise through the resonances of a violin's body."""
    f = take.pitch(take.n, vibrato_cents=vibrato_cents, vibrato_hz=5.8, glide=0.09)
    x = dsp.saw(f, take.rng.random()) + 0.12 * take.hiss(take.n, 3_000.0, 0.6)
    body = ((290.0, 3.0, 0.7), (480.0, 3.0, 0.8), (1_100.0, 2.0, 0.6), (2_500.0, 1.6, 0.8))
    return take.soften(dsp.resonate(0.35 * x, x, body), brightness_hz, 0.5, 0.7)


@instrument(peak=0.4, held=(0.35, 1.0, 0.9, 0.45))
def ensemble(take: Take, *, brightness_hz: float = 3_000.0) -> Signal:
    """String section: several players per side, each with their own vibrato and tuning."""
    stereo = np.zeros((2, take.n))
    for side in stereo:
        for _ in range(3):
            f = take.pitch(take.n, vibrato_cents=10.0, vibrato_hz=take.rng.uniform(4.8, 6.2), onset=0.1)
            side += dsp.saw(f * 2 ** (take.rng.normal(0.0, 6.0) / 1200), take.rng.random())
    return take.soften(dsp.resonate(stereo, stereo, ((520.0, 1.2, 0.8),)), brightness_hz, 0.35, 0.9)


@instrument(peak=0.4, fade_in=0.01, fade_out=0.03)
def riser(take: Take, *, falling: bool = False) -> Signal:
    """Noise that sweeps up (or down) over its gate."""
    n = dsp.n_samples(take.gate_seconds)
    ramp = np.linspace(0.0, 1.0, n)[:: -1 if falling else 1]
    noise = take.rng.normal(0.0, 0.3, (2, n))
    return dsp.sweep(noise, "bandpass", take.hz * 2 ** (5.0 * ramp), q=1.2) * ramp**1.5


@instrument(peak=None)
def grain(take: Take, *, roughness: float = 0.5) -> Signal:
    """One grain of a cloud: a windowed FM chirp at a random stereo position."""
    n, rng = dsp.n_samples(take.gate_seconds), take.rng
    window = np.hanning(n + 2)[1:-1] ** rng.uniform(0.6, 2.0)
    phase = dsp.cycles(take.hz * 2 ** (np.linspace(0.0, rng.normal(0.0, 0.4), n)))
    x = _fm(phase, rng.uniform(0.3, 3.7), roughness * 5.0)
    place = rng.uniform(0.0, 0.5) * np.pi
    return np.asarray(0.35 * np.stack([math.cos(place) * x, math.sin(place) * x]) * window, dtype=np.float64)


@instrument(peak=0.4, fade_in=0.001, fade_out=0.004)
def glitch(take: Take, *, bits: float = 4.0) -> Signal:
    """Burst of broken digital sound: a crushed, stuttering fragment."""
    piece = dsp.n_samples(take.rng.uniform(0.008, 0.04))
    raw = dsp.pulse(np.full(piece, take.hz), take.rng.uniform(0.1, 0.5)) + dsp.noise(piece, take.rng)
    return dsp.crush(np.resize(raw, dsp.n_samples(take.gate_seconds)), bits, int(take.rng.integers(2, 14)))
