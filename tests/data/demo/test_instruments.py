"""Instruments and voices: in tune, physical, and intelligible."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from tfdeepviz.data.demo import drums, dsp, instruments, singing
from tfdeepviz.data.demo.genre import toml
from tfdeepviz.data.demo.score import Tone

Pcm = npt.NDArray[np.float64]


def _level(x: Pcm, low_hz: float, high_hz: float) -> float:
    """RMS of a band."""
    spectrum = np.abs(np.fft.rfft(x)) ** 2
    hz = np.fft.rfftfreq(len(x), 1 / dsp.SAMPLE_RATE_HZ)
    return float(np.sqrt(spectrum[(hz >= low_hz) & (hz < high_hz)].sum()))


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("frequency_hz", [41.2, 110.0, 440.0])
def test_a_guitar_is_in_tune_and_loses_its_treble_first(frequency_hz: float) -> None:
    x = instruments.guitar(Tone(frequency_hz, 2.0, 1.0), _rng(), detune_cents=0.0, body=0.0, pick=0.0)
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)), 1 << 19))
    strongest = float(np.argmax(spectrum)) * dsp.SAMPLE_RATE_HZ / (1 << 19) / frequency_hz
    assert 1200 * abs(np.log2(strongest / round(strongest))) < 4
    early, late = x[2_000:22_000], x[62_000:82_000]
    low, high = 6 * frequency_hz, 8_000.0
    assert _level(late, low, high) / _level(early, low, high) < 0.7 * _level(late, 0, low) / _level(early, 0, low)


def test_a_bent_string_glides_into_its_pitch() -> None:
    tone = Tone(220.0, 1.0, 0.8, bend_semitones=-2.0)
    x = instruments.guitar(tone, _rng(), detune_cents=0.0, body=0.0, pick=0.0)
    start = x[:3_000] * np.hanning(3_000)
    assert np.argmax(np.abs(np.fft.rfft(start, 1 << 17))[:900]) * 44_100 / (1 << 17) < 212.0


def test_every_syllable_can_be_pronounced() -> None:
    phones = toml("material")["phones"]
    for syllables in toml("material")["lyrics"].values():
        for syllable in syllables:
            timed = singing._timed(syllable, 0.3)
            assert len(timed) == len(syllable)
            assert any("seconds" not in phones[symbol] for symbol in syllable), f"{syllable}: no vowel"
            assert timed[0][1] == pytest.approx(0.0) and timed[-1][2] == pytest.approx(0.3)
            assert all(end > start for _, start, end in timed)


def test_short_syllables_keep_their_vowel() -> None:
    (_, _, _), (_, start, end), (_, _, _) = singing._timed("sat", 0.1)
    assert end - start >= 0.049


def test_vowels_have_formants_and_hissing_sounds_hiss(monkeypatch: pytest.MonkeyPatch) -> None:
    def sing(syllable: str) -> Pcm:
        monkeypatch.setitem(toml("material")["lyrics"], "test", [syllable])
        return singing.voice(Tone(110.0, 0.5, 0.8), _rng(), lyrics="test", breath=0.0, vibrato_cents=0.0)

    ee, ah = sing("i"), sing("a")
    assert _level(ee, 1_900, 3_000) / _level(ee, 600, 1_300) > 4 * _level(ah, 1_900, 3_000) / _level(ah, 600, 1_300)
    assert _level(sing("sa")[:4_000], 5_000, 9_000) > 5 * _level(sing("ma")[:4_000], 5_000, 9_000)


def test_a_woman_has_a_shorter_tract_and_speech_falls() -> None:
    tone = Tone(220.0, 0.6, 0.8)
    man, woman = (singing.voice(tone, _rng(3), lyrics="aah", tract=tract) for tract in (1.0, 1.16))
    assert not np.allclose(man, woman) and man.shape == woman.shape
    tone = Tone(100.0, 0.5, 0.8)
    spoken = singing.voice(tone, _rng(3), lyrics="aah", breath=0.0, vibrato_cents=0.0, fall_semitones=6.0)
    halves = [part * np.hanning(len(part)) for part in np.array_split(spoken[2_000:20_000], 2)]
    first, second = (np.argmax(np.abs(np.fft.rfft(part, 1 << 17))[150:450]) for part in halves)
    assert second < first


def test_cymbals_keep_ringing_and_closed_ones_do_not() -> None:
    crash = drums.bronze(Tone(320.0, 2.0, 1.0), _rng())
    closed = drums.bronze(Tone(400.0, 0.08, 1.0), _rng())
    assert len(crash) > 2 * 44_100 and len(closed) < 0.2 * 44_100
    assert crash[20_000:30_000].std() > 0.1 * crash[:10_000].std()


def test_a_hard_stroke_is_brighter() -> None:
    for drum in (drums.kit_snare, drums.bass_drum):
        soft, hard = (drum(Tone(180.0, 0.1, velocity), _rng()) for velocity in (0.2, 1.0))
        assert _level(hard, 2_000, 9_000) > _level(soft, 2_000, 9_000)


def test_an_amplifier_distorts_and_its_cone_cuts() -> None:
    t = dsp.time_axis(44_100)
    x = 0.3 * np.sin(2 * np.pi * 330.0 * t)
    y = dsp.amplifier(x, 20.0)
    assert _level(y, 900, 1_100) > 0.05 * _level(y, 300, 360)  # the third partial
    assert _level(y, 12_000, 20_000) < 2e-3 * _level(y, 300, 360)
