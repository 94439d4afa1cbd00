"""The score, as composed for the mixer: notes, parts with their voices, and production settings."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tfdeepviz.data.demo.dsp import Signal


@dataclass(frozen=True)
class Tone:
    """A single sound requested from a voice.

    Attributes
    ----------
    frequency_hz : float
        Pitch; for drums, the tuning.
    gate_seconds : float
        Time until the key is released; the sound may ring longer.
    velocity : float in (0, 1]
        How hard the note is struck. Voices use it for timbre only; the mixer applies loudness.
    bend_semitones : float
        Initial pitch offset, from which the pitch glides to `frequency_hz`.
    """

    frequency_hz: float
    gate_seconds: float
    velocity: float
    bend_semitones: float = 0.0


Voice = Callable[[Tone, np.random.Generator], Signal]


@dataclass(frozen=True)
class Note:
    """One note of a part; `pitch` is a MIDI note number and may lie between semitones."""

    start_seconds: float
    duration_seconds: float
    pitch: float
    velocity: float
    bend_semitones: float = 0.0
    pan: float = 0.0


Curve = tuple[tuple[float, float], ...]
"""Break points ``(seconds, value)``, linearly interpolated and held at both ends."""


@dataclass(frozen=True)
class Part:
    """Notes for one voice, and its channel strip.

    Attributes
    ----------
    name : str
    voice : callable
        ``(Tone, Generator) -> mono [n] or stereo [2, n]``.
    notes : tuple of Note
    level_db : float
    pan : float in [-1, 1]
        Constant-power pan, applied after the effects.
    reverb_db, echo_db : float
        Send levels to the room and the echo; -inf sends nothing.
    drive : float
        Distortion of the whole part; above 0, its notes intermodulate as in an amplifier.
    highpass_hz, lowpass_hz : float
        Fixed band limits; 0 disables them.
    cutoff_hz : Curve
        Moving resonant low-pass; empty disables it.
    volume : Curve
        Moving linear gain; empty disables it.
    chorus_seconds : float
        Chorus depth; 0 disables it.
    duck : float in [0, 1]
        How far the score's kick ducks this part.
    """

    name: str
    voice: Voice
    notes: tuple[Note, ...]
    level_db: float = -12.0
    pan: float = 0.0
    reverb_db: float = -18.0
    echo_db: float = float("-inf")
    drive: float = 0.0
    highpass_hz: float = 0.0
    lowpass_hz: float = 0.0
    cutoff_hz: Curve = ()
    volume: Curve = ()
    chorus_seconds: float = 0.0
    duck: float = 0.0


@dataclass(frozen=True)
class Production:
    """How a track is mixed and mastered.

    Attributes
    ----------
    loudness_db : float
        Gated RMS of the master in dB re full scale.
    reverb_seconds, reverb_darkness, pre_delay_seconds : float
        Reverb settings.
    echo_seconds, echo_feedback : float
        Echo settings.
    saturation : float
        Tape-like drive of the whole mix.
    treble_db, bass_db : float
        Gentle shelves at 6 kHz and 110 Hz.
    width : float
        Gain of the side signal; 0 is mono, 1 is unchanged.
    compression_ratio : float
        Ratio of the bus compressor; 1 disables it.
    hiss_db, crackle_per_second : float
        Noise of an old record; -inf and 0 disable it.
    wow_cents : float
        Slow pitch drift of the whole track, as on a worn tape.
    sampler_bits : float
        Bit depth of an old sampler; 0 disables it.
    """

    loudness_db: float = -14.0
    reverb_seconds: float = 1.6
    reverb_darkness: float = 0.5
    pre_delay_seconds: float = 0.015
    echo_seconds: float = 0.375
    echo_feedback: float = 0.4
    saturation: float = 0.2
    treble_db: float = 0.0
    bass_db: float = 0.0
    width: float = 1.0
    compression_ratio: float = 2.0
    hiss_db: float = float("-inf")
    crackle_per_second: float = 0.0
    wow_cents: float = 0.0
    sampler_bits: float = 0.0


@dataclass(frozen=True)
class Score:
    """A composed track.

    Attributes
    ----------
    duration_seconds : float
    beats_per_minute : float
    parts : tuple of Part
    production : Production
    duck_seconds : tuple of float
        Times of the kicks that trigger ducking.
    seed : tuple of int
        Seed for all randomness in rendering, which makes it repeatable.
    """

    duration_seconds: float
    beats_per_minute: float
    parts: tuple[Part, ...]
    production: Production
    duck_seconds: tuple[float, ...] = ()
    seed: tuple[int, ...] = field(default=(0,))


def midi_to_hz(pitch: float) -> float:
    """Frequency of a MIDI note number at A4 = 440 Hz."""
    return float(440.0 * 2.0 ** ((pitch - 69.0) / 12.0))
