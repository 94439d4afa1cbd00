from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from librosa.filters import mel as librosa_filters

from tfdeepviz.data.mel import mel_filter_bank
from tfdeepviz.params import LIVE, AudioParams


@pytest.mark.parametrize(
    "params",
    [
        LIVE,
        AudioParams(preset="narrow", sample_rate_hz=22_050, n_fft=2_048, hop_length=512, f_min_hz=50.0, f_max_hz=9e3),
    ],
    ids=lambda p: p.preset,
)
def test_filters_equal_librosas(params: AudioParams) -> None:
    p = params
    expected = librosa_filters(sr=p.sample_rate_hz, n_fft=p.n_fft, n_mels=p.n_mels, fmin=p.f_min_hz, fmax=p.f_max_hz)
    np.testing.assert_allclose(mel_filter_bank(params), expected, atol=1e-9)


def test_filters_without_a_bin_are_told() -> None:
    params = AudioParams(preset="wide", sample_rate_hz=16_000, n_fft=256, hop_length=128, n_mels=128, f_max_hz=8e3)
    with pytest.warns(UserWarning, match="n_mels=128: some filters are narrower"):
        mel_filter_bank(params)


def test_the_commands_work_where_numba_can_keep_nothing() -> None:
    # In a read-only container without HOME importing librosa fails.
    code = (
        "import sys\n"
        "sys.modules['numba'] = sys.modules['librosa'] = None\n"
        "import tfdeepviz.data.prepare, tfdeepviz.reports.dataset, tfdeepviz.export.extract\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
