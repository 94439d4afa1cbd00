from __future__ import annotations

from typing import Any

import librosa
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from tests.conftest import music
from tfdeepviz.data.frontend import MfccFrontend
from tfdeepviz.params import LIVE, PAPER, AudioParams

# n_fft = 16 * 25 takes another split of the DFT than 38 * 29.
SMALL = AudioParams(
    preset="small", sample_rate_hz=16_000, n_fft=400, hop_length=160, n_mels=40, n_mfcc=20, f_max_hz=8_000.0
)


def librosa_mfcc(pcm: npt.NDArray[Any], p: AudioParams) -> npt.NDArray[Any]:
    mel = librosa.feature.melspectrogram(
        y=pcm,
        sr=p.sample_rate_hz,
        n_fft=p.n_fft,
        hop_length=p.hop_length,
        n_mels=p.n_mels,
        fmin=p.f_min_hz,
        fmax=p.f_max_hz,
    )
    log_mel = librosa.power_to_db(mel, amin=10 ** (p.floor_db / 10), top_db=p.top_db)
    mfcc: npt.NDArray[Any] = librosa.feature.mfcc(S=log_mel, n_mfcc=p.n_mfcc).T
    return mfcc


def test_paper_equals_librosa_on_a_whole_track() -> None:
    pcm = music(30.0)
    pcm[5 * 44_100 : 7 * 44_100] *= 1e-5  # so that the track-wide floor matters
    expected = librosa.feature.mfcc(y=pcm, sr=44_100, n_mfcc=64, n_fft=1_102, hop_length=441).T
    np.testing.assert_allclose(MfccFrontend(PAPER).mfcc(pcm), expected, atol=1e-3)


@pytest.mark.parametrize("params", [LIVE, SMALL], ids=lambda p: p.preset)
def test_other_parameters_equal_librosa(params: AudioParams) -> None:
    pcm = music(3.0, rate_hz=params.sample_rate_hz)
    np.testing.assert_allclose(MfccFrontend(params).mfcc(pcm), librosa_mfcc(pcm, params), atol=1e-3)


@pytest.mark.parametrize("n_samples", [1, 440, 441, 442, 1_102, 44_100])
def test_every_length_has_librosas_number_of_frames(n_samples: int) -> None:
    mfcc = MfccFrontend(LIVE).mfcc(music(1.0)[:n_samples])
    assert mfcc.shape == (1 + n_samples // 441, 64)
    assert np.isfinite(mfcc).all()


def test_silence_rests_on_the_floor() -> None:
    mfcc = MfccFrontend(LIVE).mfcc(np.zeros(44_100, np.float32))
    np.testing.assert_allclose(mfcc[:, 0], LIVE.floor_db * np.sqrt(LIVE.n_mels), rtol=1e-5)
    np.testing.assert_allclose(mfcc[:, 1:], 0, atol=1e-3)


def test_blocks_give_the_same_frames_as_the_whole() -> None:
    frontend, p = MfccFrontend(LIVE), LIVE
    pcm = music(3.0)
    padded = frontend._run(pcm, 0, p.n_frames(pcm.size))
    whole = frontend.graph(tf.constant(padded), p.floor_db)["mfcc"].numpy()
    first, count = 57, 100
    run = padded[first * p.hop_length : (first + count + p.overlap_hops) * p.hop_length]
    block = frontend.graph(tf.constant(run), p.floor_db)["mfcc"].numpy()
    np.testing.assert_allclose(block, whole[first : first + count], atol=1e-4)
