"""A voice that sings or raps one syllable per note: glottal pulses and noise through a vocal tract that moves.

The tract is a cascade of five formant resonators (Klatt, "Software for a cascade/parallel formant synthesizer", 1980).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from tfdeepviz.data.demo import dsp
from tfdeepviz.data.demo.dsp import SAMPLE_RATE_HZ, Signal
from tfdeepviz.data.demo.genre import Table, toml
from tfdeepviz.data.demo.take import Take, instrument, normalised

_BLOCK = 256  # samples for which the vocal tract stands still
_BANDWIDTHS_HZ = np.array([80.0, 100.0, 140.0, 220.0, 300.0])
_LONGEST_CONSONANTS = 0.5  # of a short syllable


@instrument(peak=0.5, fade_in=0.004, fade_out=0.02)
def voice(
    take: Take,
    *,
    lyrics: str = "sung",
    tract: float = 1.0,
    breath: float = 0.1,
    effort: float = 0.5,
    vibrato_cents: float = 28.0,
    fall_semitones: float = 0.0,
    release_seconds: float = 0.08,
) -> Signal:
    """A syllable of some lyrics; the vocal `tract` raises the formants above a man's (1.16 for a woman).

    `effort` in [0, 1] brightens the voice, `breath` adds noise, and the pitch drops by `fall_semitones`, as in speech.
    """
    n = dsp.n_samples(take.gate_seconds + release_seconds)
    syllables = toml("material")["lyrics"][lyrics]
    phones = _timed(syllables[int(take.rng.integers(len(syllables)))], take.gate_seconds)
    n_blocks = -(-n // _BLOCK)
    formants, voiced = np.empty((n_blocks, 5)), np.zeros(n_blocks)
    for phone, start, _ in phones:
        here = slice(int(start * SAMPLE_RATE_HZ / _BLOCK), None)
        formants[here], voiced[here] = phone["formants"], phone.get("voiced", 1.0)
    formants = ndimage.gaussian_filter1d(formants, 2.5, axis=0, mode="nearest") * tract
    voiced = np.interp(np.arange(n), np.arange(n_blocks) * _BLOCK, ndimage.gaussian_filter1d(voiced, 0.8))
    pitch = _intoned(take, n, vibrato_cents, fall_semitones)
    source = dsp.equalise(dsp.saw(pitch, take.rng.random()), "lowpass", 1_200.0 + 9_000.0 * effort * take.velocity, 0.5)
    source += breath * dsp.noise(n, take.rng)
    source = dsp.equalise(source, "highshelf", 2_500.0, 0.5, gain_db=14.0)  # stands for the tract's higher formants
    formants[:, 0] = np.maximum(formants[:, 0], 1.1 * take.hz)  # singers open the mouth for high notes
    sung = normalised(_resonate(source * voiced, formants))
    sung *= np.minimum(dsp.time_axis(n) / 0.015, 1.0) * dsp.falling(n, release_seconds / 4, take.gate_seconds)
    for phone, start, end in phones:
        if "noise" in phone:
            first = round(start * SAMPLE_RATE_HZ)
            hiss = dsp.fade_edges(_friction(take, phone, end - start), 0.003, 0.012)[: n - first]
            sung[first : first + len(hiss)] += hiss
    return sung


@cache
def _phone(symbol: str) -> Table:
    """Sound of a vowel or consonant."""
    phones = toml("material")["phones"]
    return {
        "formants": np.array(phones[symbol]["formants"]),
        **{k: v for k, v in phones[symbol].items() if k != "formants"},
    }


def _timed(syllable: str, seconds: float) -> list[tuple[Table, float, float]]:
    """Sounds of a syllable with their start and end; the first vowel takes what the others leave."""
    phones = [_phone(symbol) for symbol in syllable]
    nucleus = next(i for i, phone in enumerate(phones) if "seconds" not in phone)
    vowels = [i for i, phone in enumerate(phones) if "seconds" not in phone]
    lengths = np.array([phone.get("seconds", 0.0) for phone in phones])
    lengths *= min(1.0, _LONGEST_CONSONANTS * seconds / max(float(lengths.sum()), 1e-6))
    free = seconds - float(lengths.sum())
    lengths[vowels] = min(0.3 * free, 0.14)
    lengths[nucleus] = free - float(lengths[vowels[1:]].sum())
    ends = np.cumsum(lengths)
    return list(zip(phones, (ends - lengths).tolist(), ends.tolist(), strict=True))


def _intoned(take: Take, n: int, vibrato_cents: float, fall_semitones: float) -> Signal:
    """Pitch in Hz of a human voice, which is never quite steady [shape=(n,)]."""
    wander = ndimage.gaussian_filter1d(take.rng.normal(0.0, 1.0, n // 2_048 + 4), 1.5)
    semitones = 0.35 * np.interp(np.arange(n), np.arange(len(wander)) * 2_048, wander)
    semitones -= fall_semitones * np.linspace(-0.3, 0.7, n)
    pitch = take.pitch(n, vibrato_cents=vibrato_cents, glide=0.1, onset=0.22)
    return np.asarray(pitch * 2.0 ** (semitones / 12.0), dtype=np.float64)


def _friction(take: Take, phone: Table, seconds: float) -> Signal:
    """Noise of a fricative, or the burst after a stop's closure."""
    n = dsp.n_samples(seconds)
    hiss = take.hiss(n, phone["noise_hz"], phone.get("q", 1.0)) * phone["noise"]
    if "burst" in phone:
        hiss[: -dsp.n_samples(phone["burst"])] = 0.0
    return np.asarray(hiss, dtype=np.float64)


def _resonate(source: Signal, formants_hz: NDArray[np.float64]) -> Signal:
    """Pass a source through moving formants [shape=(n_blocks, 5)]; keeps the shape."""
    radius = np.exp(-np.pi * _BANDWIDTHS_HZ / SAMPLE_RATE_HZ)
    a1 = -2.0 * radius * np.cos(2 * np.pi * formants_hz / SAMPLE_RATE_HZ)
    sections = np.zeros((*formants_hz.shape, 6))
    sections[..., 0], sections[..., 3] = 1.0 + a1 + radius**2, 1.0
    sections[..., 4], sections[..., 5] = a1, radius**2
    out, state = np.empty_like(source), np.zeros((5, 2))
    for i, sos in enumerate(sections):
        block = slice(i * _BLOCK, (i + 1) * _BLOCK)
        out[block], state = signal.sosfilt(sos, source[block], zi=state)
    return out
