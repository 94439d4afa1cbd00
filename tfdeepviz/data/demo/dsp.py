"""Building blocks for synthesis, in this order: oscillators, modes and strings, envelopes, filters, effects, dynamics.

Signals are float64 arrays with time as the last axis: mono ``[n]`` or stereo ``[2, n]``.
Nothing here loops over samples: recursions run in `scipy.signal.lfilter`, or over whole periods and blocks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.random import Generator as Rng
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage, signal

Signal = NDArray[np.float64]
FilterKind = Literal["lowpass", "highpass", "bandpass", "highshelf", "lowshelf"]

SAMPLE_RATE_HZ = 44_100
NYQUIST_HZ = SAMPLE_RATE_HZ / 2
_DYNAMICS_BLOCK = 256


def n_samples(seconds: float) -> int:
    """Number of samples in a time span, at least one."""
    return max(1, round(seconds * SAMPLE_RATE_HZ))


def time_axis(n: int) -> Signal:
    """Times of ``n`` samples in seconds [shape=(n,)]."""
    return np.arange(n, dtype=np.float64) / SAMPLE_RATE_HZ


def cycles(frequency_hz: Signal, start: float = 0.0) -> Signal:
    """Unwrapped phase, in cycles, of an oscillator that follows ``frequency_hz`` [shape=(n,)]."""
    phase = np.cumsum(frequency_hz) / SAMPLE_RATE_HZ
    return np.asarray(phase - phase[0] + start, dtype=np.float64)


def sine(phase: Signal) -> Signal:
    """Sine of a phase in cycles."""
    return np.asarray(np.sin(2 * np.pi * phase), dtype=np.float64)


def _poly_blep(phase: Signal, increment: Signal) -> Signal:
    """Polynomial residual that smooths a unit step at phase 0 to reduce aliasing."""
    residual = np.zeros_like(phase)
    after = phase < increment
    t = phase[after] / increment[after]
    residual[after] = 2 * t - t * t - 1
    before = phase > 1 - increment
    t = (phase[before] - 1) / increment[before]
    residual[before] = t * t + 2 * t + 1
    return residual


def saw(frequency_hz: Signal, start: float = 0.0) -> Signal:
    """Band-limited (PolyBLEP) sawtooth in [-1, 1] [shape=(n,)]."""
    phase = cycles(frequency_hz, start)
    phase -= np.floor(phase)
    return 2 * phase - 1 - _poly_blep(phase, frequency_hz / SAMPLE_RATE_HZ)


def pulse(frequency_hz: Signal, width: float = 0.5, start: float = 0.0) -> Signal:
    """Band-limited pulse: the zero-mean difference of two sawtooths [shape=(n,)]."""
    return (saw(frequency_hz, start) - saw(frequency_hz, start + width)) * 0.8


def noise(n: int, rng: Rng) -> Signal:
    """White Gaussian noise of standard deviation 0.3 [shape=(n,)]."""
    return rng.normal(0.0, 0.3, n)


def damped_sinusoids(frequencies_hz: ArrayLike, t60_seconds: ArrayLike, amplitudes: ArrayLike, n: int) -> Signal:
    """Sum of exponentially decaying sines [shape=(n,)].

    Powers of a complex pole factor into coarse and fine steps. This turns the sum over modes into one small matrix
    product, instead of a sine per mode and sample. Modes above 0.9 of the Nyquist frequency are left out.
    """
    frequency, t60, amplitude = np.broadcast_arrays(frequencies_hz, t60_seconds, amplitudes)
    keep = frequency < 0.9 * NYQUIST_HZ
    pole = (-math.log(1000.0) / t60[keep] + 2j * np.pi * frequency[keep]) / SAMPLE_RATE_HZ
    n_fine = math.isqrt(n) + 1
    coarse = amplitude[keep] * np.exp(np.arange(0, n, n_fine)[:, None] * pole)  # [n_coarse, modes]
    fine = np.exp(np.arange(n_fine) * pole[:, None])  # [modes, n_fine]
    # Not `@`, because BLAS would start threads that compete with the other worker processes.
    out = np.einsum("ck,kf->cf", coarse.real, fine.imag) + np.einsum("ck,kf->cf", coarse.imag, fine.real)
    return np.asarray(out.reshape(-1)[:n], dtype=np.float64)


def pluck_string(
    frequency_hz: Signal, rng: Rng, t60_seconds: float, brightness: float, damping: float, pick_position: float = 0.2
) -> Signal:
    """Karplus-Strong string that follows `frequency_hz` [shape=(n,)].

    The loop runs one integer period at a time. Reading the result at variable speed gives exact tuning and pitch bends.
    The lowest partials decay by 60 dB in `t60_seconds`; `damping` in [0, 1] makes high ones decay faster.
    `brightness` in (0, 1] is that of the excitation; `pick_position` is a fraction of the string's length.
    """
    period = max(6, round(SAMPLE_RATE_HZ / float(frequency_hz[-1])))
    excitation = rng.uniform(-1.0, 1.0, period)
    # Circular smoothing keeps the excitation periodic, so that the loop starts without a discontinuity.
    spectrum = np.fft.rfft(excitation)
    rolloff = np.exp(-np.arange(len(spectrum)) / len(spectrum) * (1.0 - brightness) * 9.0)
    spectrum *= rolloff * np.abs(np.sin(np.pi * np.arange(len(spectrum)) * pick_position))
    excitation = np.fft.irfft(spectrum, period)
    excitation /= np.max(np.abs(excitation)) + 1e-9
    read = np.cumsum(frequency_hz) * period / SAMPLE_RATE_HZ
    length = int(read[-1]) + 3
    y = np.empty(length + 2 * period + 2)
    y[: period + 2] = np.resize(excitation, period + 2)
    gain = 10.0 ** (-3.0 * period / (SAMPLE_RATE_HZ * t60_seconds))
    side, middle = gain * 0.25 * damping, gain * (1.0 - 0.5 * damping)
    step = period - 1
    for i in range(period + 2, length + period, step):
        j = i - period
        y[i : i + step] = side * (y[j - 1 : j - 1 + step] + y[j + 1 : j + 1 + step]) + middle * y[j : j + step]
    return np.asarray(np.interp(read, np.arange(length), y[:length]), dtype=np.float64)


def adsr(gate: float, attack: float, decay: float, sustain: float, release: float) -> Signal:
    """Attack, exponential decay to the level ``sustain``, release after the gate; times in seconds [shape=(n,)]."""
    t = time_axis(n_samples(gate + release))
    held = sustain + (1.0 - sustain) * np.exp(-np.maximum(t - attack, 0.0) * 4.0 / decay)
    held *= np.minimum(t / attack, 1.0)
    held *= np.exp(-np.maximum(t - gate, 0.0) * 5.0 / release)
    return fade_edges(held, 0.0, min(0.01, release))


def decay(n: int, t60_seconds: float) -> Signal:
    """Exponential decay by 60 dB in ``t60_seconds`` [shape=(n,)]."""
    return np.asarray(np.exp(-time_axis(n) * math.log(1000.0) / t60_seconds), dtype=np.float64)


def falling(n: int, time_constant: float, onset_seconds: float = 0.0) -> Signal:
    """Exponential fall from 1, starting at an onset; `time_constant` in seconds [shape=(n,)]."""
    return np.asarray(np.exp(-np.maximum(time_axis(n) - onset_seconds, 0.0) / time_constant), dtype=np.float64)


def fade_edges(x: Signal, fade_in_seconds: float, fade_out_seconds: float) -> Signal:
    """Apply raised-cosine fades at both ends; returns a new array of the same shape."""
    y = x.copy()
    for seconds, from_edge in ((fade_in_seconds, y), (fade_out_seconds, y[..., ::-1])):
        n = min(y.shape[-1], round(seconds * SAMPLE_RATE_HZ))
        from_edge[..., :n] *= 0.5 - 0.5 * np.cos(np.pi * (np.arange(n) + 0.5) / max(n, 1))
    return y


def biquad(kind: FilterKind, frequency_hz: float, q: float = 0.707, gain_db: float = 0.0) -> tuple[Signal, Signal]:
    """Coefficients ``(b, a)`` of a second-order section (the usual bilinear "cookbook" designs)."""
    w = 2 * math.pi * min(max(frequency_hz, 10.0), 0.95 * NYQUIST_HZ) / SAMPLE_RATE_HZ
    cos, alpha = math.cos(w), math.sin(w) / (2 * q)
    if kind in ("lowpass", "highpass", "bandpass"):
        sign = -1.0 if kind == "highpass" else 1.0
        passed = 1 - sign * cos
        b = (alpha, 0.0, -alpha) if kind == "bandpass" else (passed / 2, sign * passed, passed / 2)
        a = (1 + alpha, -2 * cos, 1 - alpha)
    else:
        # A low shelf is a high shelf mirrored at a quarter of the sample rate: the cosine's sign flips.
        sign = 1.0 if kind == "highshelf" else -1.0
        cos *= sign
        amplitude = 10 ** (gain_db / 40)
        up, down, root = amplitude + 1, amplitude - 1, 2 * math.sqrt(amplitude) * alpha
        middle = -2 * sign * amplitude * (down + up * cos)
        b = (amplitude * (up + down * cos + root), middle, amplitude * (up + down * cos - root))
        a = (up - down * cos + root, 2 * sign * (down - up * cos), up - down * cos - root)
    return np.array(b) / a[0], np.array(a) / a[0]


def equalise(x: Signal, kind: FilterKind, frequency_hz: float, q: float = 0.707, gain_db: float = 0.0) -> Signal:
    """Filter a signal with one fixed biquad; keeps the shape."""
    b, a = biquad(kind, frequency_hz, q, gain_db)
    return np.asarray(signal.lfilter(b, a, x, axis=-1), dtype=np.float64)


def resonate(x: Signal, source: Signal, modes: Sequence[tuple[float, float, float]]) -> Signal:
    """Add resonances ``(centre in Hz, q, level)`` of a source to a signal; keeps the shape."""
    for centre_hz, q, level in modes:
        x = x + level * equalise(source, "bandpass", centre_hz, q)
    return x


def sweep(x: Signal, kind: FilterKind, cutoff_hz: Signal, q: float = 0.707, block: int = 128) -> Signal:
    """Filter with a moving cutoff [shape=(n,)], updated every ``block`` samples; the filter state carries over."""
    y = np.empty_like(x)
    state = np.zeros((*x.shape[:-1], 2))
    for start in range(0, x.shape[-1], block):
        b, a = biquad(kind, float(cutoff_hz[start]), q)
        y[..., start : start + block], state = signal.lfilter(b, a, x[..., start : start + block], axis=-1, zi=state)
    return y


def saturate(x: Signal, drive: float) -> Signal:
    """Soft, slightly asymmetric (tube-like) saturation with unit gain for small signals at ``drive`` 0."""
    if drive <= 0:
        return x
    bias = 0.15
    y = np.tanh((1 + drive) * x + bias) - math.tanh(bias)
    return np.asarray(y / math.sqrt(1 + drive), dtype=np.float64)


def distort(x: Signal, drive: float) -> Signal:
    """Amplifier distortion, oversampled twice to reduce aliasing."""
    up = signal.resample_poly(x, 2, 1, axis=-1)
    shaped = saturate(np.asarray(up, dtype=np.float64), drive)
    return np.asarray(signal.resample_poly(shaped, 1, 2, axis=-1)[..., : x.shape[-1]], dtype=np.float64)


def amplifier(x: Signal, drive: float, *, presence_db: float = 6.0, cone_hz: float = 5_000.0) -> Signal:
    """Guitar amplifier: tight input, two clipping stages with a mid boost between them, and a closed cabinet.

    `presence_db` is the rise of the loudspeaker at 3 kHz, `cone_hz` the frequency from which it falls off steeply.
    """
    x = equalise(x, "highpass", 140.0)
    x = distort(x + 0.8 * equalise(x, "bandpass", 900.0, 0.5), drive)
    x = distort(equalise(x, "highpass", 90.0), 2.0)
    x = x - 0.45 * equalise(x, "bandpass", 500.0, 0.8)
    x = x + 0.6 * equalise(x, "bandpass", 115.0, 1.4)
    x = x + (10 ** (presence_db / 20) - 1.0) * equalise(x, "bandpass", 3_000.0, 1.0)
    sos = signal.butter(4, cone_hz, "lowpass", fs=SAMPLE_RATE_HZ, output="sos")
    return np.asarray(signal.sosfilt(sos, x, axis=-1), dtype=np.float64)


def crush(x: Signal, bits: float, hold: int) -> Signal:
    """Reduce bit depth and sample rate, as in an old sampler."""
    levels = 2.0**bits
    return np.asarray(np.repeat(np.round(x[..., ::hold] * levels) / levels, hold, axis=-1)[..., : x.shape[-1]])


def modulated_delay(x: Signal, delay_seconds: Signal) -> Signal:
    """Read a mono signal with a moving delay, linearly interpolated [shape=(n,)]."""
    index = np.arange(len(x), dtype=np.float64)
    return np.asarray(np.interp(index - delay_seconds * SAMPLE_RATE_HZ, index, x, left=0.0), dtype=np.float64)


def chorus(x: Signal, depth_seconds: float) -> Signal:
    """Widen a mono or stereo signal with two slowly moving copies [shape=(2, n)]."""
    stereo = np.broadcast_to(x, (2, x.shape[-1]))
    swing = 2 * np.pi * 0.6 * time_axis(x.shape[-1])
    copies = [modulated_delay(stereo[c], 0.012 + depth_seconds * np.sin(swing + c * np.pi * 0.55)) for c in (0, 1)]
    return 0.72 * stereo + 0.55 * np.stack(copies)


def ping_pong(x: Signal, delay_seconds: float, feedback: float) -> Signal:
    """Echoes of a mono or stereo signal that alternate between sides and darken each time [shape=(2, n)]."""
    n, lag = x.shape[-1], n_samples(delay_seconds)
    source = np.broadcast_to(x, (2, n)).mean(axis=0)
    y = np.zeros((2, n))
    for echo in range(1, 12):
        if echo * lag >= n or feedback**echo < 0.01:
            break
        source = equalise(source, "lowpass", 5_500.0)
        side = echo % 2
        y[side, echo * lag :] += feedback**echo * source[: n - echo * lag]
        y[1 - side, echo * lag :] += 0.25 * feedback**echo * source[: n - echo * lag]
    return y


def room(t60_seconds: float, rng: Rng, *, pre_delay_seconds: float, darkness: float) -> Signal:
    """Impulse response of a diffuse room, with unit energy per channel [shape=(2, n)].

    Noise in four bands, each with its own decay time (treble decays fastest), and a few early reflections.
    """
    n = n_samples(t60_seconds * 1.1)
    response = np.zeros((2, n))
    t = time_axis(n)
    edges = (120.0, 700.0, 2_800.0, 7_500.0, 16_000.0)
    for band, (low_hz, high_hz) in enumerate(itertools.pairwise(edges)):
        sos = signal.butter(1, (low_hz, high_hz), "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
        colour = np.asarray(signal.sosfilt(sos, rng.normal(0.0, 1.0, (2, n)), axis=-1))
        band_t60 = t60_seconds * (1.0, 0.95, 0.7 - 0.2 * darkness, 0.5 - 0.3 * darkness)[band]
        response += colour * np.exp(-t * math.log(1000.0) / band_t60)
    response *= 1.0 - np.exp(-t / 0.008)
    for channel in (0, 1):
        for place in rng.integers(n_samples(0.004), n_samples(0.045), 6):
            response[channel, min(int(place), n - 1)] += float(rng.normal(0.0, 1.5))
    response /= np.sqrt(np.sum(response**2, axis=-1, keepdims=True))
    return np.pad(response, ((0, 0), (n_samples(pre_delay_seconds), 0)))


def compress(x: Signal, *, threshold_db: float, ratio: float) -> Signal:
    """Feed-forward compressor with linked channels; the detector works on blocks of 256 samples."""
    n = x.shape[-1]
    starts = np.arange(0, n, _DYNAMICS_BLOCK)
    power = np.add.reduceat(np.mean(x.reshape(-1, n) ** 2, axis=0), starts) / np.diff(np.append(starts, n))
    wanted = np.maximum(10 * np.log10(power + 1e-12) - threshold_db, 0.0) * (1.0 / ratio - 1.0)
    attack, release = (math.exp(-_DYNAMICS_BLOCK / (s * SAMPLE_RATE_HZ)) for s in (0.012, 0.18))

    def follow(current: float, target: float) -> float:
        weight = attack if target < current else release
        return weight * current + (1 - weight) * target

    gain_db = list(itertools.accumulate(wanted.tolist(), follow, initial=0.0))[1:]
    gain = 10 ** (np.interp(np.arange(n), starts + _DYNAMICS_BLOCK / 2, gain_db) / 20)
    return np.asarray(x * gain, dtype=np.float64)


def limit(x: Signal, ceiling: float) -> Signal:
    """Look-ahead limiter with linked channels: no output sample exceeds ``ceiling``.

    The minimum gain within the look-ahead, averaged over the look-ahead, never exceeds the gain that a peak needs.
    """
    width = 2 * n_samples(0.004) + 1
    needed = np.minimum(1.0, ceiling / np.maximum(np.max(np.abs(x), axis=0), 1e-9))
    held = ndimage.minimum_filter1d(needed, width, mode="nearest")
    smooth = ndimage.uniform_filter1d(held, width, mode="nearest")
    return np.asarray(np.clip(x * smooth, -ceiling, ceiling), dtype=np.float64)


def gated_rms_db(x: Signal) -> float:
    """Loudness in dB re full scale: RMS over those 0.4 s blocks that are at most 15 dB below the mean level."""
    block = n_samples(0.4)
    n_blocks = max(1, x.shape[-1] // block)
    power = np.array([np.mean(part**2) for part in np.array_split(x, n_blocks, axis=-1)])
    floor = np.mean(power) * 10**-1.5
    return float(10 * np.log10(np.mean(power[power >= floor]) + 1e-12))
