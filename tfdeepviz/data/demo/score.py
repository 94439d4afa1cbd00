"""The score, as composed for the mixer: notes, parts with their voices, and production settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator as Rng

from tfdeepviz.data.demo.dsp import Signal


@dataclass(frozen=True)
class Tone:
    """A single sound requested from a voice. Its `repr` seeds the rendering."""

    frequency_hz: float  # for drums, the tuning
    gate_seconds: float  # until the key is released; the sound may ring longer
    velocity: float  # in (0, 1], for timbre only; the mixer applies loudness
    bend_semitones: float = 0.0  # initial pitch offset, from which the pitch glides to `frequency_hz`


Voice = Callable[[Tone, Rng], Signal]
"""Performs a tone: mono ``[n]`` or stereo ``[2, n]``."""


@dataclass(frozen=True)
class Note:
    """One note of a part."""

    start_seconds: float
    duration_seconds: float
    pitch: float  # MIDI note number; may lie between semitones
    velocity: float
    bend_semitones: float = 0.0
    pan: float = 0.0


Curve = tuple[tuple[float, float], ...]
"""Break points ``(seconds, value)``, linearly interpolated and held at both ends."""


@dataclass(frozen=True)
class Part:
    """Notes for one voice, and its channel strip."""

    name: str
    voice: Voice
    notes: tuple[Note, ...]
    level_db: float = -12.0
    pan: float = 0.0  # in [-1, 1], with constant power, applied after the effects
    reverb_db: float = -18.0  # send level to the room; at most -60 sends nothing
    echo_db: float = float("-inf")  # send level to the echo
    drive: float = 0.0  # saturation of the whole part
    amplifier_drive: float = 0.0  # of a guitar amplifier with its cabinet, in which notes intermodulate; 0 for none
    highpass_hz: float = 0.0  # fixed band limits; 0 disables them
    lowpass_hz: float = 0.0
    cutoff_hz: Curve = ()  # moving resonant low-pass
    volume: Curve = ()  # moving linear gain
    chorus_seconds: float = 0.0  # chorus depth
    duck: float = 0.0  # in [0, 1]: how far the score's kick ducks this part


@dataclass(frozen=True)
class Production:
    """How a track is mixed and mastered."""

    loudness_db: float = -14.0  # gated RMS of the master re full scale
    reverb_seconds: float = 1.6
    reverb_darkness: float = 0.5
    pre_delay_seconds: float = 0.015
    echo_seconds: float = 0.375
    echo_feedback: float = 0.4
    saturation: float = 0.2  # tape-like drive of the whole mix
    treble_db: float = 0.0  # gentle shelf at 6 kHz
    bass_db: float = 0.0  # gentle shelf at 110 Hz
    width: float = 1.0  # gain of the side signal: 0 is mono, 1 is unchanged
    compression_ratio: float = 2.0  # of the bus compressor; 1 disables it
    hiss_db: float = float("-inf")  # noise of an old record, re the music
    crackle_per_second: float = 0.0
    wow_cents: float = 0.0  # slow pitch drift, as on a worn tape
    sampler_bits: float = 0.0  # bit depth of an old sampler; 0 disables it


@dataclass(frozen=True)
class Score:
    """A composed track."""

    duration_seconds: float
    parts: tuple[Part, ...]
    production: Production
    duck_seconds: tuple[float, ...] = ()  # times of the kicks that trigger ducking
    seed: tuple[int, ...] = (0,)  # of all randomness in rendering
