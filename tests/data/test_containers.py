from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.data.containers import CONTAINERS, RATE_HZ, make_container, sound
from tfdeepviz.data.decode import decode_file

# AAC's encoder puts a packet before the sound, and without a container nobody knows; an mp3 without a tag begins with
# the delay of its encoder and decoder.
_DELAYS = {"adts.aac": 1_024, "vbr-untagged.mp3": 576 + 529}
_LOSSLESS = {"s16.wav": 4e-5, "float.wav": 1e-6, "flac.flac": 4e-5, "flac.ogg": 4e-5, "alac.m4a": 4e-5}
# Two packets at most are only there to fill up.
_FILLED = 2_304


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_holds_the_same_sound(name: str, tmp_path: Path) -> None:
    path = make_container(tmp_path, name)
    if path is None:
        pytest.skip("this ffmpeg has no such encoder")
    expected = sound().mean(axis=1)
    pcm = decode_file(path, sample_rate_hz=RATE_HZ)
    delay = _DELAYS.get(name, 0)
    assert pcm.size == expected.size if delay == 0 else expected.size < pcm.size <= expected.size + _FILLED
    pcm = pcm[delay : delay + expected.size]
    assert pcm.std() == pytest.approx(expected.std(), rel=0.1)
    assert np.abs(pcm - expected[: pcm.size]).max() < _LOSSLESS.get(name, 0.2)
    assert np.corrcoef(pcm, expected[: pcm.size])[0, 1] > 0.98
