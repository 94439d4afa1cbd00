"""From score to stereo PCM: render each distinct tone once, mix the parts and master the sum."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from functools import cache

import numpy as np
from scipy import signal

from tfdeepviz.data.demo import dsp
from tfdeepviz.data.demo.dsp import SAMPLE_RATE_HZ, Signal
from tfdeepviz.data.demo.score import Curve, Note, Part, Production, Score, Tone

_CEILING = 0.76  # largest sample of a master: leaves room for peaks between samples and for what MP3 adds
_TAKES = 2  # recordings of the same tone that a part cycles through, so that repeats are not identical


def render_score(score: Score) -> Signal:
    """Render and master a score: stereo PCM at 44.1 kHz in [-1, 1] [shape=(2, n_samples)]."""
    n = dsp.n_samples(score.duration_seconds)
    mix, room_bus, echo_bus = (np.zeros((2, n)) for _ in range(3))
    duck = _duck_gain(score.duck_seconds, n)
    for part in (part for part in score.parts if part.notes):
        strip = _render_part(part, n, score.seed)
        if part.duck > 0:
            strip *= 1.0 - part.duck * duck
        mix += strip
        if part.reverb_db > -60:
            room_bus += strip * _gain(part.reverb_db)
        if part.echo_db > -60:
            echo_bus += strip * _gain(part.echo_db)
    return _master(mix, room_bus, echo_bus, score.production, _rng(score.seed, "master"))


def _rng(seed: tuple[int, ...], label: str) -> np.random.Generator:
    return np.random.default_rng([*seed, zlib.crc32(label.encode())])


def _gain(db: float) -> float:
    return float(10 ** (db / 20))


def _curve(points: Curve, n: int) -> Signal:
    seconds, values = zip(*points, strict=True)
    return np.asarray(np.interp(dsp.time_axis(n), seconds, values), dtype=np.float64)


def _duck_gain(times_seconds: tuple[float, ...], n: int) -> Signal:
    """Side-chain shape: 1 at each kick, back to 0 within about a quarter of a second [shape=(n,)]."""
    length = dsp.n_samples(0.26)
    shape = dsp.fade_edges((1.0 - np.arange(length) / length) ** 1.5, 0.006, 0.0)
    gain = np.zeros(n)
    for seconds in times_seconds:
        ducked = gain[round(seconds * SAMPLE_RATE_HZ) :][:length]
        np.maximum(ducked, shape[: len(ducked)], out=ducked)
    return gain


def _tone(note: Note, left_seconds: float) -> Tone:
    """Tone of a note, rounded so that similar notes share one rendering, and cut at the end of the track."""
    return Tone(
        frequency_hz=round(float(440.0 * 2.0 ** ((note.pitch - 69.0) / 12.0)), 3),
        gate_seconds=max(0.02, round(min(note.duration_seconds, left_seconds) * 50) / 50),
        velocity=round(min(max(note.velocity, 0.1), 1.0) * 6) / 6,
        bend_semitones=round(note.bend_semitones, 2),
    )


def _render_part(part: Part, n: int, seed: tuple[int, ...]) -> Signal:
    """Channel strip of a part [shape=(2, n)]."""

    @cache
    def record(tone: Tone, take: int) -> Signal:
        return part.voice(tone, _rng(seed, f"{part.name} {tone} {take}"))

    n_uses: Counter[Tone] = Counter()
    placed: list[tuple[int, float, float, Signal]] = []  # start, gain, pan, sound
    for note in part.notes:
        start = round(note.start_seconds * SAMPLE_RATE_HZ)
        if not 0 <= start < n:
            continue
        tone = _tone(note, (n - start) / SAMPLE_RATE_HZ)
        sound = record(tone, n_uses[tone] % _TAKES)
        n_uses[tone] += 1
        placed.append((start, note.velocity**1.3, note.pan, sound[..., : n - start]))
    # Most parts stay mono until panning, which halves the work for their effects.
    mono = all(pan == 0 and sound.ndim == 1 for _, _, pan, sound in placed)
    out = np.zeros(n) if mono else np.zeros((2, n))
    for start, gain, pan, sound in placed:
        out[..., start : start + sound.shape[-1]] += (gain if mono else gain * _sides(pan)) * sound
    return _sides(part.pan) * _channel_strip(out, part)


def _sides(pan: float) -> Signal:
    """Constant-power left and right gains, 1 in the centre [shape=(2, 1)]."""
    angle = (min(max(pan, -1.0), 1.0) + 1.0) * math.pi / 4
    return np.array([[math.cos(angle)], [math.sin(angle)]]) * math.sqrt(2.0)


def _channel_strip(x: Signal, part: Part) -> Signal:
    if part.drive > 0:
        x = dsp.distort(x, part.drive)
    if part.amplifier_drive > 0:
        x = dsp.amplifier(x, part.amplifier_drive)
    if part.highpass_hz > 0:
        x = dsp.equalise(x, "highpass", part.highpass_hz)
    if part.lowpass_hz > 0:
        x = dsp.equalise(x, "lowpass", part.lowpass_hz)
    if part.cutoff_hz:
        x = dsp.sweep(x, "lowpass", _curve(part.cutoff_hz, x.shape[-1]), q=1.3, block=256)
    if part.chorus_seconds > 0:
        x = dsp.chorus(x, part.chorus_seconds)
    if part.volume:
        x = x * _curve(part.volume, x.shape[-1])
    return x * _gain(part.level_db)


def _master(mix: Signal, room_bus: Signal, echo_bus: Signal, how: Production, rng: np.random.Generator) -> Signal:
    n = mix.shape[-1]
    if echo_bus.any():
        echoes = dsp.ping_pong(echo_bus, how.echo_seconds, how.echo_feedback)
        mix = mix + echoes
        room_bus = room_bus + 0.3 * echoes
    if room_bus.any():
        delay, darkness = how.pre_delay_seconds, how.reverb_darkness
        response = dsp.room(how.reverb_seconds, rng, pre_delay_seconds=delay, darkness=darkness)
        mix = mix + signal.oaconvolve(dsp.equalise(room_bus, "highpass", 180.0), response, axes=-1)[:, :n]
    if how.sampler_bits > 0:
        mix = dsp.crush(mix, how.sampler_bits, 2)
    mix = _worn(mix, how, rng)
    mid, side = (mix[0] + mix[1]) / 2, (mix[0] - mix[1]) / 2
    side = dsp.equalise(side, "highpass", 120.0) * how.width  # keep bass in the centre
    mix = np.stack([mid + side, mid - side])
    mix = dsp.equalise(mix, "highpass", 28.0)
    if how.treble_db:
        mix = dsp.equalise(mix, "highshelf", 6_000.0, gain_db=how.treble_db)
    if how.bass_db:
        mix = dsp.equalise(mix, "lowshelf", 110.0, gain_db=how.bass_db)
    # Normalise the level first, so that saturation and compression act the same on every track.
    mix = mix * _gain(-18.0 - dsp.gated_rms_db(mix))
    if how.compression_ratio > 1:
        mix = dsp.compress(mix, threshold_db=-20.0, ratio=how.compression_ratio)
    mix = dsp.equalise(dsp.saturate(mix, how.saturation), "highpass", 20.0)  # saturation leaves an offset
    for _ in range(2):  # the second round makes up the level lost by limiting
        mix = dsp.limit(mix * _gain(how.loudness_db - dsp.gated_rms_db(mix)), _CEILING)
    return dsp.fade_edges(mix, 0.005, min(0.6, 0.1 * n / SAMPLE_RATE_HZ))


def _worn(mix: Signal, how: Production, rng: np.random.Generator) -> Signal:
    """Wow, hiss and crackle of an old record or tape."""
    n = mix.shape[-1]
    t = dsp.time_axis(n)
    if how.wow_cents > 0:
        rate_hz = 0.55
        depth = (2 ** (how.wow_cents / 1200) - 1) / (2 * np.pi * rate_hz)
        moving = depth * (1.02 + np.sin(2 * np.pi * rate_hz * t))
        mix = np.stack([dsp.modulated_delay(side, moving) for side in mix])
    level = _gain(dsp.gated_rms_db(mix))
    if how.hiss_db > -90:
        hiss = dsp.equalise(rng.normal(0.0, 1.0, (2, n)), "bandpass", 4_000.0, q=0.35)
        mix = mix + hiss * level * _gain(how.hiss_db)
    if how.crackle_per_second > 0:
        clicks = np.zeros((2, n))
        n_clicks = rng.poisson(how.crackle_per_second * n / SAMPLE_RATE_HZ)
        at, side = rng.integers(0, n, n_clicks), rng.integers(0, 2, n_clicks)
        np.add.at(clicks, (side, at), rng.exponential(1.0, n_clicks) * rng.choice([-1, 1], n_clicks))
        mix = mix + dsp.equalise(clicks, "bandpass", 2_600.0, q=0.5) * level * 0.9
    return mix
