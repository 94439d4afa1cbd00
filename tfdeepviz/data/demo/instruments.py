"""Instruments: drums and cymbals, then struck, plucked, electronic, blown, bowed and sung ones, and textures.

The pitch of a drum's tone is its tuning. All are functions made by `@instrument`, and named in genres' files.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
from numpy.random import Generator as Rng

from tfdeepviz.data.demo import dsp
from tfdeepviz.data.demo.dsp import Signal
from tfdeepviz.data.demo.genre import toml
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


def _fm(phase: Signal, ratio: float, depth: Signal | float, start: float = 0.0) -> Signal:
    """Frequency modulation: a sine whose phase another sine moves, at `ratio` times its frequency [shape=(n,)]."""
    moved = 2 * np.pi * phase + depth * np.sin(2 * np.pi * ratio * phase + start)
    return np.asarray(np.sin(moved), dtype=np.float64)


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


@instrument(peak=0.35, held=(0.03, 0.1, 0.9, 0.08))
def organ(take: Take) -> Signal:
    """Reed organ: steady partials with a slow beat between two ranks."""
    ratios, levels = np.array([0.5, 1.0, 1.5, 2.0, 3.0, 4.0]), np.array([0.3, 1.0, 0.15, 0.5, 0.25, 0.2])
    first, second = (
        dsp.damped_sinusoids(take.hz * ratios * (1 + cents / 1731.0), 1e4, levels, take.n)
        for cents in (-2.5 + take.rng.normal(0, 0.2), 2.5)
    )
    return np.stack([first + 0.5 * second, 0.5 * first + second])


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


@instrument(peak=0.4, held=(0.05, 0.4, 0.85, 0.12))
def voice(take: Take, *, vowels: str = "ao", breath: float = 0.12, vibrato_cents: float = 28.0) -> Signal:
    """Singing voice: glottal pulses through formants that move from vowel to vowel during the note."""
    f = take.pitch(take.n, vibrato_cents=vibrato_cents, glide=0.1, onset=0.3)
    source = dsp.equalise(dsp.saw(f, take.rng.random()), "lowpass", 2_600.0, 0.5)
    source = source + breath * dsp.equalise(dsp.noise(take.n, take.rng), "highpass", 1_500.0)
    first, second = (vowels[int(take.rng.integers(len(vowels)))] for _ in range(2))
    x = np.zeros(take.n)
    blend = np.clip(np.linspace(-0.3, 1.5, take.n), 0.0, 1.0)
    for vowel, weight in ((first, 1 - blend), (second, blend)):
        formants = toml("material")["vowels"][vowel]
        modes = [(max(hz, take.hz), 6.0 if hz < 1_000 else 9.0, level) for hz, level in formants]
        x += dsp.resonate(np.zeros(take.n), source, modes) * weight
    return x + 0.05 * source


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
