from __future__ import annotations

import resource
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import soxr

from tests.conftest import RATE_HZ, music
from tfdeepviz.data.decode import (
    AudioError,
    AudioTooLongError,
    CorruptAudioError,
    EmptyAudioError,
    UnsupportedAudioError,
    decode_file,
)

Write = Callable[..., Path]


@pytest.mark.parametrize(("name", "tolerance"), [("a.wav", 1e-4), ("a.flac", 1e-4), ("a.ogg", 0.4), ("a.mp3", 0.4)])
def test_formats_give_the_same_sound(write_sound: Write, name: str, tolerance: float) -> None:
    samples = music(2.0)
    pcm = decode_file(write_sound(name, samples), sample_rate_hz=RATE_HZ)
    assert pcm.dtype == np.float32
    assert abs(pcm.size - samples.size) <= 2_500  # mp3 pads to whole frames
    n = min(pcm.size, samples.size)
    assert np.sqrt(np.mean((pcm[:n] - samples[:n]) ** 2)) < tolerance * np.sqrt(np.mean(samples**2)) + 1e-4


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 48_000, 96_000])
def test_any_rate_keeps_length_and_pitch(write_sound: Write, rate_hz: int) -> None:
    t = np.arange(rate_hz * 2) / rate_hz
    pcm = decode_file(
        write_sound("a.wav", np.sin(2 * np.pi * 1_000 * t).astype(np.float32), rate_hz), sample_rate_hz=RATE_HZ
    )
    assert abs(pcm.size - 2 * RATE_HZ) <= 2
    assert np.argmax(np.abs(np.fft.rfft(pcm[: 2 * RATE_HZ]))) == pytest.approx(2_000, abs=1)


@pytest.mark.parametrize("n_channels", [1, 2, 8])
def test_channels_are_averaged(write_sound: Write, n_channels: int) -> None:
    channels = np.stack([music(0.5, seed=i) for i in range(n_channels)], axis=1)
    pcm = decode_file(write_sound("a.wav", channels), sample_rate_hz=RATE_HZ)
    np.testing.assert_allclose(pcm, channels.mean(axis=1), atol=1e-4)


@pytest.mark.parametrize("extension", ["m4a", "aac"])
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_mpeg4_through_ffmpeg(write_sound: Write, extension: str) -> None:
    samples = music(2.0)
    wav = write_sound("a.wav", samples)
    path = wav.with_suffix(f".{extension}")
    subprocess.run(["ffmpeg", "-v", "error", "-i", wav, path], check=True)
    pcm = decode_file(path, sample_rate_hz=RATE_HZ)
    assert pcm.size == pytest.approx(samples.size, abs=5_000)
    assert pcm.std() == pytest.approx(samples.std(), rel=0.1)
    with pytest.raises(AudioTooLongError, match="max-seconds"):
        decode_file(path, sample_rate_hz=RATE_HZ, max_seconds=1.0)


def test_mpeg4_without_ffmpeg_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.m4a"
    path.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UnsupportedAudioError, match="ffmpeg"):
        decode_file(path, sample_rate_hz=RATE_HZ)


def test_missing_and_empty_files(tmp_path: Path, write_sound: Write) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        decode_file(tmp_path / "nowhere.mp3", sample_rate_hz=RATE_HZ)
    empty = tmp_path / "empty.mp3"
    empty.touch()
    with pytest.raises(EmptyAudioError, match="0 bytes"):
        decode_file(empty, sample_rate_hz=RATE_HZ)
    with pytest.raises(EmptyAudioError, match="no samples"):
        decode_file(write_sound("none.wav", np.empty(0, np.float32)), sample_rate_hz=RATE_HZ)


@pytest.mark.parametrize(
    "content", [b"this is a text\n" * 50, bytes(4_096), b"\xff\xfb\x90\x00" * 3, b"\0\0\0\x20ftypM4A " + bytes(99)]
)
def test_what_is_no_sound_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "renamed.mp3"
    path.write_bytes(content)
    with pytest.raises(AudioError, match="renamed"):
        decode_file(path, sample_rate_hz=RATE_HZ)


def test_a_truncated_mp3_keeps_what_is_there(write_sound: Write) -> None:
    path = write_sound("a.mp3", music(4.0))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    pcm = decode_file(path, sample_rate_hz=RATE_HZ)
    assert 1.5 < pcm.size / RATE_HZ < 2.5


def test_a_forged_frame_count_costs_no_memory(write_sound: Write) -> None:
    path = write_sound("a.mp3", music(2.0))
    data = bytearray(path.read_bytes())
    tag = max(data.find(b"Xing"), data.find(b"Info"))
    assert tag > 0
    assert data[tag + 7] & 1  # the field is there
    data[tag + 8 : tag + 12] = struct.pack(">I", 0x7FFFFFFF)
    path.write_bytes(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pcm = decode_file(path, sample_rate_hz=RATE_HZ)
    assert pcm.size / RATE_HZ == pytest.approx(2.0, abs=0.1)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_a_forged_wav_size_costs_no_memory(write_sound: Write) -> None:
    path = write_sound("a.wav", music(1.0))
    data = bytearray(path.read_bytes())
    at = data.find(b"data")
    data[at + 4 : at + 8] = struct.pack("<I", 0xFFFFFFF0)
    path.write_bytes(data)
    assert decode_file(path, sample_rate_hz=RATE_HZ).size == pytest.approx(RATE_HZ, abs=8)


def test_silence_at_the_highest_rate_costs_no_memory(tmp_path: Path) -> None:
    path, rate_hz, seconds = tmp_path / "a.flac", 655_350, 120
    with sf.SoundFile(path, "w", rate_hz, 1, format="FLAC") as file:
        for _ in range(seconds):
            file.write(np.zeros(rate_hz, np.int16))
    assert path.stat().st_size < 1_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert decode_file(path, sample_rate_hz=8_000).size == pytest.approx(seconds * 8_000, abs=8)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB; all samples would take 300,000


def test_a_stream_that_breaks_at_once_is_corrupt(write_sound: Write) -> None:
    path = write_sound("a.flac", music(1.0))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(CorruptAudioError, match="broken from its start"):
        decode_file(path, sample_rate_hz=RATE_HZ)


def test_resampling_in_blocks_changes_nothing(write_sound: Write) -> None:
    path = write_sound("a.wav", music(5.0))  # more than a block
    whole = soxr.resample(decode_file(path, sample_rate_hz=RATE_HZ), RATE_HZ, 16_000)
    np.testing.assert_array_equal(decode_file(path, sample_rate_hz=16_000), whole)


@pytest.mark.parametrize("values", [(np.inf, -np.inf), (np.nan, 0.0), (3.3e38, 3.3e38), (0.1, 3e4)])
def test_samples_that_cannot_be_added_are_refused(tmp_path: Path, values: tuple[float, float]) -> None:
    sf.write(tmp_path / "a.wav", np.tile(np.array(values, np.float32), (9_000, 1)), RATE_HZ, subtype="FLOAT")
    for rate_hz in (RATE_HZ, 16_000):
        with pytest.raises(CorruptAudioError, match="NaN"):
            decode_file(tmp_path / "a.wav", sample_rate_hz=rate_hz)


def test_too_long_and_not_finite_are_refused(write_sound: Write, tmp_path: Path) -> None:
    with pytest.raises(AudioTooLongError, match="longer than"):
        decode_file(write_sound("a.wav", music(2.0)), sample_rate_hz=RATE_HZ, max_seconds=1.5)
    samples = music(1.0)
    samples[100] = np.nan
    sf.write(tmp_path / "nan.wav", samples, RATE_HZ, subtype="FLOAT")
    with pytest.raises(CorruptAudioError, match="NaN"):
        decode_file(tmp_path / "nan.wav", sample_rate_hz=RATE_HZ)
