"""Synthesis: in tune, clean, and as loud as asked."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from tfdeepviz.data.demo import dsp

Pcm = npt.NDArray[np.float64]


def _pitch_hz(x: Pcm) -> float:
    """Frequency of the strongest partial, interpolated."""
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)), 1 << 18))
    return float(np.argmax(spectrum) * 44_100 / (1 << 18))


@pytest.mark.parametrize("frequency_hz", [82.4, 220.0, 659.3])
def test_strings_are_in_tune(frequency_hz: float) -> None:
    string = dsp.pluck_string(
        np.full(44_100, frequency_hz), np.random.default_rng(0), t60_seconds=4.0, brightness=0.05, damping=0.6
    )
    ratio = _pitch_hz(string) / frequency_hz
    assert 1200 * abs(np.log2(ratio / round(ratio))) < 3


def test_saw_aliases_little() -> None:
    f = 1_867.0
    spectrum = np.abs(np.fft.rfft(dsp.saw(np.full(44_100, f)) * np.hanning(44_100)))
    bins = np.arange(len(spectrum))
    distance = np.abs((bins + f / 2) % f - f / 2)
    audible_alias = spectrum[(distance > 8) & (bins > 40) & (bins < 8_000)].max()
    assert 20 * np.log10(audible_alias / spectrum.max()) < -45


def test_modes_equal_their_definition() -> None:
    t = np.arange(5_000) / 44_100
    expected = sum(a * 10 ** (-3 * t / d) * np.sin(2 * np.pi * f * t) for f, d, a in ((220, 0.5, 1.0), (903, 0.1, 0.3)))
    np.testing.assert_allclose(dsp.damped_sinusoids([220, 903], [0.5, 0.1], [1.0, 0.3], 5_000), expected, atol=1e-9)


def test_limiter_keeps_its_ceiling() -> None:
    x = np.random.default_rng(0).normal(0, 1, (2, 44_100))
    assert np.abs(dsp.limit(x, 0.8)).max() <= 0.8
    quiet = x * 0.01
    np.testing.assert_allclose(dsp.limit(quiet, 0.8), quiet)


def test_shelves_reach_their_gain() -> None:
    t = np.arange(44_100) / 44_100
    for kind, passed_hz, cut_hz in (("highshelf", 15_000, 60), ("lowshelf", 60, 15_000)):
        for hz, gain_db in ((passed_hz, 6.0), (cut_hz, 0.0)):
            x = np.sin(2 * np.pi * hz * t)
            y = dsp.equalise(x, kind, 1_000.0, gain_db=6.0)  # type: ignore[arg-type]  # mypy takes it for any text
            assert 20 * np.log10(y[4_000:].std() / x[4_000:].std()) == pytest.approx(gain_db, abs=0.3)
