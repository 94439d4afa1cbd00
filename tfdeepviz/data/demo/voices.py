"""Instruments: functions ``(tone, rng, *, character) -> sound``, mono ``[n]`` or stereo ``[2, n]``, peaks near 0.5.

Genres fix an instrument's character with `functools.partial`.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from tfdeepviz.data.demo import dsp
from tfdeepviz.data.demo.dsp import Signal
from tfdeepviz.data.demo.score import Tone

Rng = np.random.Generator

_CONTROL_SAMPLES = 32
"""Pitch moves slowly: it is computed this often and interpolated."""


def _normalised(x: Signal, peak: float = 0.5) -> Signal:
    return x * (peak / (float(np.max(np.abs(x))) + 1e-9))


def _pitch(
    tone: Tone,
    n: int,
    *,
    glide_seconds: float = 0.06,
    vibrato_cents: float = 0.0,
    vibrato_hz: float = 5.3,
    vibrato_onset_seconds: float = 0.25,
) -> Signal:
    """Pitch curve in Hz: a glide from the bend, then growing vibrato [shape=(n,)]."""
    if not tone.bend_semitones and not vibrato_cents:
        return np.full(n, tone.frequency_hz)
    t = dsp.time_axis(n // _CONTROL_SAMPLES + 2) * _CONTROL_SAMPLES
    semitones = tone.bend_semitones * np.exp(-t / glide_seconds * 2.5)
    if vibrato_cents:
        depth = np.clip((t - vibrato_onset_seconds) / 0.3, 0.0, 1.0) * vibrato_cents / 100
        semitones = semitones + depth * np.sin(2 * np.pi * vibrato_hz * t)
    slow = tone.frequency_hz * 2.0 ** (semitones / 12.0)
    return np.asarray(np.interp(np.arange(n), np.arange(len(t)) * _CONTROL_SAMPLES, slow), dtype=np.float64)


# --- drums -------------------------------------------------------------------------------------------------------


def kick(
    tone: Tone, rng: Rng, *, sweep_hz: float = 180.0, ring_seconds: float = 0.35, click: float = 0.3, drive: float = 0.6
) -> Signal:
    """Bass drum: a sine that falls to the tone's pitch, with a click."""
    n = dsp.n_samples(ring_seconds * 1.2)
    t = dsp.time_axis(n)
    body = dsp.sine(dsp.cycles(tone.frequency_hz + sweep_hz * np.exp(-t / 0.028))) * dsp.decay(n, ring_seconds * 1.1)
    body = dsp.saturate(body * (0.6 + 0.6 * tone.velocity), drive)
    tick = dsp.equalise(dsp.noise(n, rng), "bandpass", 3_200.0, 0.6) * dsp.decay(n, 0.025)
    return dsp.fade_edges(_normalised(body) + click * tone.velocity * tick, 0.0005, 0.03)


def snare(
    tone: Tone, rng: Rng, *, ring_seconds: float = 0.2, wires: float = 1.0, brightness_hz: float = 5_000.0
) -> Signal:
    """Snare drum: two head modes and filtered noise; the tone's pitch is the head's."""
    n = dsp.n_samples(ring_seconds + 0.12)
    heads = dsp.damped_sinusoids(
        tone.frequency_hz * np.array([1.0, 1.76, 2.4]), [0.16, 0.12, 0.07], [0.6, 0.35, 0.2], n
    )
    hiss = dsp.equalise(dsp.noise(n, rng), "highpass", 1_400.0)
    hiss = dsp.equalise(hiss, "lowpass", brightness_hz * (0.7 + tone.velocity)) * dsp.decay(n, ring_seconds * 1.6)
    return dsp.fade_edges(_normalised(dsp.saturate(heads + wires * 1.6 * hiss, 0.8), 0.5), 0.0005, 0.03)


def clap(tone: Tone, rng: Rng, *, ring_seconds: float = 0.22) -> Signal:
    """Hand claps: four bursts of band-passed noise, the last of which rings."""
    n = dsp.n_samples(ring_seconds + 0.15)
    t = dsp.time_axis(n)
    envelope = np.zeros(n)
    for burst_seconds in (0.0, 0.011, 0.021):
        envelope += np.where(t >= burst_seconds, np.exp(-np.maximum(t - burst_seconds, 0.0) / 0.003), 0.0)
    envelope += np.where(t >= 0.031, np.exp(-np.maximum(t - 0.031, 0.0) * 6.9 / ring_seconds), 0.0)
    colour = dsp.equalise(dsp.noise(n, rng), "bandpass", tone.frequency_hz, 0.9)
    return dsp.fade_edges(_normalised(colour * envelope), 0.0005, 0.03)


def cymbal(
    tone: Tone, rng: Rng, *, metal: float = 0.6, highpass_hz: float = 7_000.0, ring_seconds: float | None = None
) -> Signal:
    """Hi-hat, ride or crash: inharmonic pulses and noise; rings for the gate unless `ring_seconds` is given."""
    ring = ring_seconds or tone.gate_seconds
    n = dsp.n_samples(ring + 0.03)
    ratios = np.array([2.0, 3.0, 4.16, 5.43, 6.79, 8.21])
    steady = np.full(n, 1.0)
    clang = np.zeros(n)
    for ratio in ratios:
        clang += dsp.pulse(steady * tone.frequency_hz * ratio, 0.5, float(rng.random()))
    x = dsp.equalise(metal * clang * 0.25 + (1 - metal) * dsp.noise(n, rng) * 1.5, "highpass", highpass_hz)
    x = dsp.equalise(x, "highpass", highpass_hz * 0.7) * (
        0.75 * dsp.decay(n, ring * 1.2) + 0.25 * dsp.decay(n, ring * 0.3)
    )
    return dsp.fade_edges(_normalised(x, 0.4), 0.001, 0.02)


def tom(tone: Tone, rng: Rng, *, ring_seconds: float = 0.4) -> Signal:
    """Tom-tom: membrane modes whose pitch drops a little."""
    n = dsp.n_samples(ring_seconds * 1.2)
    t = dsp.time_axis(n)
    phase = dsp.cycles(tone.frequency_hz * (1.0 + 0.5 * tone.velocity * np.exp(-t / 0.05)))
    skin = dsp.sine(phase) + 0.4 * dsp.sine(1.59 * phase) * dsp.decay(n, ring_seconds * 0.5)
    stick = dsp.equalise(dsp.noise(n, rng), "bandpass", 1_800.0, 0.7) * dsp.decay(n, 0.05)
    return dsp.fade_edges(_normalised(skin * dsp.decay(n, ring_seconds) + 0.7 * stick), 0.0005, 0.03)


def hand_drum(tone: Tone, rng: Rng, *, slap: float = 0.2, ring_seconds: float = 0.5) -> Signal:
    """Hand drum (darbuka, djembe, tabla): near-harmonic membrane modes, a slap, and a bend by the heel of the hand."""
    n = dsp.n_samples(ring_seconds * 1.1)
    phase = dsp.cycles(_pitch(tone, n, glide_seconds=0.3))
    x = np.zeros(n)
    for ratio, level, ring in ((1.0, 1.0, 1.0), (2.0, 0.5, 0.6), (2.98, 0.3, 0.45), (4.1, 0.2, 0.3), (5.2, 0.12, 0.2)):
        tilt = level ** (1.5 - tone.velocity) * (1.0 - slap if ratio == 1.0 else 1.0)
        x += tilt * dsp.sine(ratio * phase) * dsp.decay(n, ring_seconds * ring)
    hand = dsp.equalise(dsp.noise(n, rng), "bandpass", 1_200.0 + 3_500.0 * slap, 0.8)
    x += (0.3 + 2.2 * slap) * tone.velocity * hand * dsp.decay(n, 0.03 + 0.09 * slap)
    return dsp.fade_edges(_normalised(x), 0.0006, 0.03)


def shaker(tone: Tone, rng: Rng, *, centre_hz: float = 7_000.0) -> Signal:
    """Shaker or tambourine: a short swell of bright noise."""
    n = dsp.n_samples(0.11)
    t = dsp.time_axis(n)
    x = dsp.equalise(dsp.noise(n, rng), "bandpass", centre_hz * (0.8 + 0.4 * tone.velocity), 1.1)
    return dsp.fade_edges(
        _normalised(x * np.minimum(t / 0.018, 1.0) * np.exp(-np.maximum(t - 0.018, 0) / 0.022), 0.35), 0.001, 0.01
    )


MALLETS: dict[str, tuple[Sequence[float], Sequence[float], Sequence[float]]] = {
    # partial ratios, decay times relative to the first, levels
    "kalimba": ((1.0, 5.4, 9.1), (1.0, 0.25, 0.1), (1.0, 0.25, 0.12)),
    "marimba": ((1.0, 3.93, 9.2), (1.0, 0.3, 0.12), (1.0, 0.3, 0.1)),
    "vibraphone": ((1.0, 4.0, 10.1), (1.0, 0.5, 0.2), (1.0, 0.22, 0.05)),
    "gamelan": ((1.0, 1.007, 2.76, 2.79, 5.4, 7.1), (1.0, 0.95, 0.6, 0.5, 0.3, 0.2), (0.8, 0.6, 0.5, 0.3, 0.3, 0.15)),
    "balafon": ((1.0, 2.9, 4.7, 8.3), (1.0, 0.5, 0.3, 0.15), (1.0, 0.4, 0.3, 0.15)),
    "bell": ((0.5, 1.0, 1.183, 1.506, 2.0, 2.662, 3.01, 4.17), (1.3, 1.0, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2),
             (0.4, 0.8, 0.6, 0.3, 0.6, 0.3, 0.25, 0.15)),
    "woodblock": ((1.0, 2.57, 4.1), (1.0, 0.6, 0.4), (1.0, 0.6, 0.3)),
    "glass": ((1.0, 2.32, 4.25, 6.63, 9.38), (1.0, 0.9, 0.7, 0.4, 0.3), (1.0, 0.4, 0.3, 0.2, 0.1)),
}  # fmt: skip


def mallet(tone: Tone, rng: Rng, *, bar: str = "marimba", ring_seconds: float = 1.2, hardness: float = 0.5) -> Signal:
    """Struck bar, tongue or bell: a bank of modes (`MALLETS`) and the stroke's noise."""
    ratios, rings, levels = (np.array(v) for v in MALLETS[bar])
    ring = ring_seconds * (330.0 / tone.frequency_hz) ** 0.35
    n = dsp.n_samples(ring * 1.05)
    levels = levels * ratios ** (0.5 * (hardness + tone.velocity - 1.0))
    x = dsp.damped_sinusoids(
        tone.frequency_hz * ratios * (1 + rng.normal(0, 0.0006, len(ratios))), ring * rings, levels, n
    )
    stroke = dsp.equalise(dsp.noise(n, rng), "bandpass", 2_000.0 + 2_000.0 * hardness, 0.7) * dsp.decay(n, 0.018)
    return dsp.fade_edges(_normalised(x + 0.8 * hardness * stroke, 0.45), 0.001, 0.04)


# --- strings and keys --------------------------------------------------------------------------------------------


def plucked(
    tone: Tone,
    rng: Rng,
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
    ring = min(t60_seconds, tone.gate_seconds + 3 * choke_seconds)
    n = dsp.n_samples(ring)
    string = dsp.pluck_string(
        _pitch(tone, n, vibrato_cents=vibrato_cents, glide_seconds=glide_seconds),
        rng,
        t60_seconds=t60_seconds * (220.0 / tone.frequency_hz) ** 0.3,
        brightness=min(1.0, brightness * (0.6 + 0.55 * tone.velocity)),
        damping=damping,
        pick_position=pick_position,
    )
    if buzz > 0:
        string = string + buzz * dsp.equalise(np.abs(string) * np.sign(np.roll(string, 9)), "highpass", 1_500.0)
    if body_hz > 0:
        string = (
            string
            + 0.5 * dsp.equalise(string, "bandpass", body_hz, 1.5)
            + 0.3 * dsp.equalise(string, "bandpass", 2.1 * body_hz, 2.0)
        )
    t = dsp.time_axis(n)
    string *= np.exp(-np.maximum(t - tone.gate_seconds, 0.0) / choke_seconds * 2.0)
    return dsp.fade_edges(_normalised(dsp.equalise(string, "highpass", 50.0)), 0.0008, min(0.05, ring / 4))


def piano(tone: Tone, rng: Rng, *, brightness: float = 0.5, felt: float = 0.0) -> Signal:
    """Piano: stiff-string partials in slightly detuned pairs, hammer noise; harder strokes are brighter."""
    f = tone.frequency_hz
    ring = min(5.0, 6.5 * (130.0 / f) ** 0.45)
    n = dsp.n_samples(min(ring, tone.gate_seconds + 0.5))
    k = np.arange(1, max(4, min(22, int(9_000.0 / f))))
    stretch = k * np.sqrt(1 + 0.00035 * (f / 220.0) ** 1.2 * k**2)
    tilt = np.exp(-(k - 1) * (0.62 - 0.36 * tone.velocity - 0.2 * brightness + 0.25 * felt) * math.sqrt(f / 300.0))
    level = tilt * (0.35 + np.abs(np.sin(np.pi * k * 0.124)))
    t60 = ring / (1 + 0.12 * k)
    pair = [
        dsp.damped_sinusoids(f * stretch * (1 + cents / 1731.0), t60 * scale, level, n)
        for cents, scale in ((-0.7, 1.0), (0.8, 0.45))
    ]
    spread = np.stack([pair[0] + 0.7 * pair[1], 0.8 * pair[0] + pair[1]])
    hammer = dsp.equalise(dsp.noise(n, rng), "bandpass", 500.0 + 900.0 * tone.velocity, 0.6) * dsp.decay(n, 0.05)
    x = spread + (0.5 + felt) * 0.5 * tone.velocity * hammer
    x *= np.exp(-np.maximum(dsp.time_axis(n) - tone.gate_seconds, 0.0) / 0.12)
    return dsp.fade_edges(_normalised(x), 0.002, 0.06)


def electric_piano(tone: Tone, rng: Rng, *, bite: float = 0.5, tremolo_hz: float = 4.5) -> Signal:
    """Rhodes-like piano by FM: a soft body, a bell-like tine, stereo tremolo."""
    f = tone.frequency_hz
    n = dsp.n_samples(tone.gate_seconds + 0.25)
    t = dsp.time_axis(n)
    phase = dsp.cycles(_pitch(tone, n))
    body = np.sin(
        2 * np.pi * phase + (0.5 + 1.3 * bite * tone.velocity) * np.exp(-t / 0.35) * np.sin(2 * np.pi * phase)
    )
    tine = np.sin(2 * np.pi * phase + 1.1 * np.exp(-t / 0.06) * np.sin(2 * np.pi * 14.0 * phase)) if f < 1_200 else body
    x = (body + 0.35 * tone.velocity * tine) * np.exp(-t / (1.1 * (220.0 / f) ** 0.3))
    x *= np.exp(-np.maximum(t - tone.gate_seconds, 0.0) / 0.05)
    wobble = 0.22 * np.sin(2 * np.pi * tremolo_hz * t + rng.uniform(0.0, 0.5))
    return dsp.fade_edges(_normalised(np.stack([x * (1 + wobble), x * (1 - wobble)])), 0.003, 0.03)


def organ(tone: Tone, rng: Rng, *, drawbars: Sequence[float] = (0.6, 1.0, 0.4, 0.6, 0.15, 0.2)) -> Signal:
    """Drawbar organ or reed drone: steady partials with a slow beat between two ranks."""
    envelope = dsp.adsr(tone.gate_seconds, attack_seconds=0.03, decay_seconds=0.1, sustain=0.9, release_seconds=0.08)
    n = len(envelope)
    ratios = np.array([0.5, 1.0, 1.5, 2.0, 3.0, 4.0])[: len(drawbars)]
    ranks = [
        dsp.damped_sinusoids(tone.frequency_hz * ratios * (1 + cents / 1731.0), 1e4, np.array(drawbars), n)
        for cents in (-2.5 + rng.normal(0, 0.2), 2.5)
    ]
    return _normalised(np.stack([ranks[0] + 0.5 * ranks[1], 0.5 * ranks[0] + ranks[1]]) * envelope, 0.35)


# --- synthesisers ------------------------------------------------------------------------------------------------


def pad(
    tone: Tone,
    rng: Rng,
    *,
    n_voices: int = 3,
    detune_cents: float = 12.0,
    attack_seconds: float = 0.25,
    release_seconds: float = 0.5,
    cutoff_hz: float = 2_500.0,
    wave: Literal["saw", "pulse", "fm"] = "saw",
) -> Signal:
    """Detuned, wide chords: saws or pulses through a low-pass, or two FM pairs."""
    envelope = dsp.adsr(
        tone.gate_seconds,
        attack_seconds=attack_seconds,
        decay_seconds=1.0,
        sustain=0.8,
        release_seconds=release_seconds,
    )
    n = len(envelope)
    f = _pitch(tone, n)
    t = dsp.time_axis(n)
    sides = []
    for side in (-1.0, 1.0):
        x = np.zeros(n)
        for i in range(n_voices):
            cents = detune_cents * (((i + 0.5) / n_voices * 2 - 1) + 0.15 * side)
            detuned = f * 2 ** (cents / 1200)
            if wave == "saw":
                x += dsp.saw(detuned, float(rng.random()))
            elif wave == "pulse":
                x += dsp.pulse(detuned, 0.3 + 0.3 * float(rng.random()), float(rng.random()))
            else:
                phase = dsp.cycles(detuned, float(rng.random()))
                index = 1.2 + 0.8 * np.sin(2 * np.pi * (0.15 + 0.1 * i) * t + side)
                x += np.sin(2 * np.pi * phase + index * np.sin(4 * np.pi * phase))
        sides.append(x)
    stereo = dsp.equalise(np.stack(sides), "lowpass", cutoff_hz * (0.6 + 0.6 * tone.velocity))
    return _normalised(stereo * envelope, 0.4)


def synth_bass(
    tone: Tone,
    rng: Rng,
    *,
    wave: Literal["saw", "pulse"] = "saw",
    cutoff_hz: float = 400.0,
    sweep_octaves: float = 2.0,
    sweep_seconds: float = 0.15,
    resonance: float = 2.0,
    sub: float = 0.5,
    glide_seconds: float = 0.05,
) -> Signal:
    """Mono synthesiser with a resonant filter envelope: house bass, acid line or pluck, depending on the settings."""
    envelope = dsp.adsr(tone.gate_seconds, attack_seconds=0.003, decay_seconds=0.3, sustain=0.75, release_seconds=0.06)
    n = len(envelope)
    f = _pitch(tone, n, glide_seconds=glide_seconds)
    start = float(rng.random())
    x = dsp.saw(f, start) if wave == "saw" else dsp.pulse(f, 0.42, start)
    t = dsp.time_axis(n)
    moving = cutoff_hz * 2 ** (sweep_octaves * (0.4 + 0.8 * tone.velocity) * np.exp(-t / sweep_seconds))
    x = dsp.sweep(x, "lowpass", np.minimum(moving, 14_000.0), q=resonance)
    x = dsp.saturate(x, 1.0) + sub * dsp.sine(dsp.cycles(f))
    return dsp.fade_edges(_normalised(x * envelope), 0.002, 0.01)


def sub_bass(tone: Tone, rng: Rng, *, ring_seconds: float = 1.2, drive: float = 1.0, punch: float = 0.6) -> Signal:
    """808-like bass: a driven sine that drops into its pitch and rings."""
    n = dsp.n_samples(min(ring_seconds, tone.gate_seconds + 0.08))
    t = dsp.time_axis(n)
    f = _pitch(tone, n, glide_seconds=0.12) * (1 + punch * np.exp(-t / 0.018))
    x = dsp.saturate(dsp.sine(dsp.cycles(f)) * dsp.decay(n, ring_seconds * 1.8), drive * (0.5 + tone.velocity))
    x += 0.02 * dsp.noise(n, rng) * dsp.decay(n, 0.02)
    return dsp.fade_edges(_normalised(x), 0.003, 0.05)


def lead(
    tone: Tone,
    rng: Rng,
    *,
    wave: Literal["saw", "pulse"] = "saw",
    detune_cents: float = 9.0,
    cutoff_hz: float = 4_500.0,
    vibrato_cents: float = 14.0,
    attack_seconds: float = 0.01,
    release_seconds: float = 0.15,
) -> Signal:
    """Synthesiser lead: two detuned oscillators, portamento and delayed vibrato."""
    envelope = dsp.adsr(
        tone.gate_seconds,
        attack_seconds=attack_seconds,
        decay_seconds=0.3,
        sustain=0.7,
        release_seconds=release_seconds,
    )
    f = _pitch(tone, len(envelope), vibrato_cents=vibrato_cents)
    x = np.zeros(len(envelope))
    for cents in (-detune_cents, detune_cents):
        detuned = f * 2 ** (cents / 1200)
        x += dsp.saw(detuned, float(rng.random())) if wave == "saw" else dsp.pulse(detuned, 0.35, float(rng.random()))
    return _normalised(dsp.equalise(x, "lowpass", cutoff_hz * (0.5 + 0.7 * tone.velocity)) * envelope, 0.4)


def fm_bell(tone: Tone, rng: Rng, *, ratio: float = 1.41, index: float = 4.0, ring_seconds: float = 2.5) -> Signal:
    """FM tone with a non-integer ratio: inharmonic bells and metallic plucks."""
    n = dsp.n_samples(ring_seconds)
    phase = dsp.cycles(_pitch(tone, n, glide_seconds=0.4))
    depth = index * tone.velocity * dsp.decay(n, ring_seconds * 0.6)
    x = np.sin(2 * np.pi * phase + depth * np.sin(2 * np.pi * ratio * phase + rng.uniform(0, 6.28)))
    return dsp.fade_edges(_normalised(x * dsp.decay(n, ring_seconds), 0.4), 0.003, 0.05)


# --- sustained: winds, bowed strings, voices ---------------------------------------------------------------------


def flute(
    tone: Tone,
    rng: Rng,
    *,
    breath: float = 0.25,
    reed: float = 0.0,
    vibrato_cents: float = 18.0,
    attack_seconds: float = 0.05,
) -> Signal:
    """Flute, whistle or reed pipe: few partials and breath; `reed` adds the upper partials of a ney or duduk."""
    envelope = dsp.adsr(
        tone.gate_seconds, attack_seconds=attack_seconds, decay_seconds=0.2, sustain=0.85, release_seconds=0.1
    )
    n = len(envelope)
    t = dsp.time_axis(n)
    f = _pitch(tone, n, vibrato_cents=vibrato_cents, vibrato_onset_seconds=0.18)
    phase = dsp.cycles(f)
    swell = 1.0 + 0.12 * np.sin(2 * np.pi * 5.1 * t) * np.clip((t - 0.2) / 0.3, 0.0, 1.0)
    x = dsp.sine(phase)
    for k, level in ((2, 0.28), (3, 0.12 + 0.4 * reed), (4, 0.04 + 0.15 * reed), (5, 0.3 * reed), (7, 0.15 * reed)):
        if k * tone.frequency_hz < 14_000:
            x = x + level * (0.5 + 0.7 * tone.velocity) * dsp.sine(k * phase)
    air = dsp.equalise(dsp.noise(n, rng), "bandpass", 2.0 * tone.frequency_hz, 1.2)
    chiff = 1.0 + 2.5 * np.exp(-t / 0.04)
    return _normalised((x * swell + 2.2 * breath * air * chiff) * envelope, 0.4)


def bowed(
    tone: Tone, rng: Rng, *, brightness_hz: float = 3_800.0, vibrato_cents: float = 22.0, attack_seconds: float = 0.08
) -> Signal:
    """Solo bowed string: a saw with bow noise through the resonances of a violin's body."""
    envelope = dsp.adsr(
        tone.gate_seconds, attack_seconds=attack_seconds, decay_seconds=0.5, sustain=0.85, release_seconds=0.12
    )
    n = len(envelope)
    f = _pitch(tone, n, vibrato_cents=vibrato_cents, vibrato_hz=5.8, glide_seconds=0.09)
    x = dsp.saw(f, float(rng.random())) + 0.12 * dsp.equalise(dsp.noise(n, rng), "bandpass", 3_000.0, 0.6)
    body = 0.35 * x
    for hz, q, level in ((290.0, 3.0, 0.7), (480.0, 3.0, 0.8), (1_100.0, 2.0, 0.6), (2_500.0, 1.6, 0.8)):
        body = body + level * dsp.equalise(x, "bandpass", hz, q)
    return _normalised(dsp.equalise(body, "lowpass", brightness_hz * (0.5 + 0.7 * tone.velocity)) * envelope, 0.4)


def ensemble(tone: Tone, rng: Rng, *, attack_seconds: float = 0.35, brightness_hz: float = 3_000.0) -> Signal:
    """String section: several players per side, each with their own vibrato and tuning [shape=(2, n)]."""
    envelope = dsp.adsr(
        tone.gate_seconds, attack_seconds=attack_seconds, decay_seconds=1.0, sustain=0.9, release_seconds=0.45
    )
    n = len(envelope)
    sides = []
    for _ in range(2):
        x = np.zeros(n)
        for _ in range(3):
            f = _pitch(tone, n, vibrato_cents=10.0, vibrato_hz=float(rng.uniform(4.8, 6.2)), vibrato_onset_seconds=0.1)
            x += dsp.saw(f * 2 ** (float(rng.normal(0.0, 6.0)) / 1200), float(rng.random()))
        sides.append(x)
    x = np.stack(sides)
    x = x + 0.8 * dsp.equalise(x, "bandpass", 520.0, 1.2)
    return _normalised(dsp.equalise(x, "lowpass", brightness_hz * (0.35 + 0.9 * tone.velocity)) * envelope, 0.4)


VOWELS: dict[str, tuple[tuple[float, float], ...]] = {
    # formant frequencies in Hz and levels
    "a": ((800.0, 1.0), (1_150.0, 0.6), (2_900.0, 0.28), (3_900.0, 0.12)),
    "e": ((450.0, 1.0), (1_900.0, 0.45), (2_700.0, 0.3), (3_600.0, 0.12)),
    "i": ((320.0, 1.0), (2_300.0, 0.35), (3_000.0, 0.3), (3_700.0, 0.12)),
    "o": ((460.0, 1.0), (820.0, 0.6), (2_800.0, 0.14), (3_500.0, 0.08)),
    "u": ((340.0, 1.0), (700.0, 0.4), (2_700.0, 0.1), (3_400.0, 0.05)),
}


def voice(
    tone: Tone,
    rng: Rng,
    *,
    vowels: str = "ao",
    breath: float = 0.12,
    vibrato_cents: float = 28.0,
    attack_seconds: float = 0.05,
) -> Signal:
    """Singing voice: glottal pulses through formants that move from vowel to vowel during the note."""
    envelope = dsp.adsr(
        tone.gate_seconds, attack_seconds=attack_seconds, decay_seconds=0.4, sustain=0.85, release_seconds=0.12
    )
    n = len(envelope)
    f = _pitch(tone, n, vibrato_cents=vibrato_cents, glide_seconds=0.1, vibrato_onset_seconds=0.3)
    source = dsp.equalise(dsp.saw(f, float(rng.random())), "lowpass", 2_600.0, 0.5)
    source = source + breath * dsp.equalise(dsp.noise(n, rng), "highpass", 1_500.0)
    first = vowels[int(rng.integers(len(vowels)))]
    second = vowels[int(rng.integers(len(vowels)))]
    x = np.zeros(n)
    blend = np.clip(np.linspace(-0.3, 1.5, n), 0.0, 1.0)
    for vowel, weight in ((first, 1 - blend), (second, blend)):
        sung = np.zeros(n)
        for hz, level in VOWELS[vowel]:
            sung += level * dsp.equalise(source, "bandpass", max(hz, tone.frequency_hz), 6.0 if hz < 1_000 else 9.0)
        x += sung * weight
    return _normalised((x + 0.05 * source) * envelope, 0.4)


# --- textures ----------------------------------------------------------------------------------------------------


def riser(tone: Tone, rng: Rng, *, falling: bool = False) -> Signal:
    """Noise that sweeps up (or down) over its gate [shape=(2, n)]."""
    n = dsp.n_samples(tone.gate_seconds)
    ramp = np.linspace(0.0, 1.0, n)
    ramp = ramp[::-1] if falling else ramp
    x = dsp.sweep(rng.normal(0.0, 0.3, (2, n)), "bandpass", tone.frequency_hz * 2 ** (5.0 * ramp), q=1.2)
    return dsp.fade_edges(_normalised(x * ramp**1.5, 0.4), 0.01, 0.03)


def grain(tone: Tone, rng: Rng, *, roughness: float = 0.5) -> Signal:
    """One grain of a cloud: a windowed FM chirp at a random stereo position [shape=(2, n)]."""
    n = dsp.n_samples(tone.gate_seconds)
    window = np.hanning(n + 2)[1:-1] ** float(rng.uniform(0.6, 2.0))
    f = tone.frequency_hz * 2 ** (np.linspace(0.0, float(rng.normal(0.0, 0.4)), n))
    phase = dsp.cycles(f)
    x = np.sin(2 * np.pi * phase + roughness * 5.0 * np.sin(2 * np.pi * float(rng.uniform(0.3, 3.7)) * phase))
    place = float(rng.uniform(0.0, 0.5)) * np.pi
    return np.asarray(0.35 * np.stack([math.cos(place) * x, math.sin(place) * x]) * window, dtype=np.float64)


def glitch(tone: Tone, rng: Rng, *, bits: float = 4.0) -> Signal:
    """Burst of broken digital sound: a crushed, stuttering fragment."""
    n = dsp.n_samples(tone.gate_seconds)
    piece = dsp.n_samples(float(rng.uniform(0.008, 0.04)))
    raw = dsp.pulse(np.full(piece, tone.frequency_hz), float(rng.uniform(0.1, 0.5))) + dsp.noise(piece, rng)
    x = dsp.crush(np.resize(raw, n), bits, int(rng.integers(2, 14)))
    return dsp.fade_edges(_normalised(x, 0.4), 0.001, 0.004)
