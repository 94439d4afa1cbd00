"""The mel filter bank, without librosa: importing that fails where numba cannot write its cache."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from tfdeepviz.params import AudioParams

# Slaney's mel scale: linear up to 1 kHz, logarithmic above.
_HZ_PER_MEL = 200 / 3
_CORNER_HZ = 1_000.0
_CORNER_MEL = _CORNER_HZ / _HZ_PER_MEL
_LOG_STEP = float(np.log(6.4)) / 27


def mel_filter_bank(params: AudioParams) -> npt.NDArray[np.float32]:
    """Triangular filters of equal area on Slaney's mel scale [shape=(n_mels, n_bins)], equal to `librosa.filters.mel`.

    The values are identical bit for bit.
    """
    p = params
    bins_hz = np.fft.rfftfreq(p.n_fft, 1 / p.sample_rate_hz)
    edges_hz = _to_hz(np.linspace(_to_mel(p.f_min_hz), _to_mel(p.f_max_hz), p.n_mels + 2))
    widths_hz, ramps = np.diff(edges_hz)[:, None], edges_hz[:, None] - bins_hz
    slopes = np.minimum(-ramps[:-2] / widths_hz[:-1], ramps[2:] / widths_hz[1:])
    filters: npt.NDArray[np.float32] = np.maximum(0, slopes).astype(np.float32)
    filters *= (2 / (edges_hz[2:] - edges_hz[:-2]))[:, None]
    if not filters.any(axis=1).all():
        warnings.warn(
            f"n_mels={p.n_mels}: some filters are narrower than a bin and stay empty; take fewer or a larger n_fft",
            stacklevel=2,
        )
    return filters


def _to_mel(hz: float) -> float:
    return hz / _HZ_PER_MEL if hz < _CORNER_HZ else float(_CORNER_MEL + np.log(hz / _CORNER_HZ) / _LOG_STEP)


def _to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    above = _CORNER_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _CORNER_MEL) - _CORNER_MEL))
    hz: npt.NDArray[np.float64] = np.where(mel < _CORNER_MEL, _HZ_PER_MEL * mel, above)
    return hz
