from __future__ import annotations

import json
import os
import re
import resource
import shutil
import struct
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import soxr

from tests.conftest import RATE_HZ, music
from tfdeepviz.data import decode
from tfdeepviz.data.decode import (
    AudioError,
    AudioTooLongError,
    CorruptAudioError,
    EmptyAudioError,
    UnsupportedAudioError,
    decode_file,
)
from tfdeepviz.data.framing import mp3_frames
from tfdeepviz.errors import InputError

Write = Callable[..., Path]

#: Read by the page's tests as well.
DOWNMIX = json.loads((Path(__file__).parent / "downmix.json").read_text())["cases"]

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")


@pytest.fixture
def no_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


def ffmpeg(source: Path, name: str, *options: str) -> Path:
    """Encode a file into another one beside it."""
    path = source.with_name(name)
    subprocess.run(["ffmpeg", "-v", "error", "-i", source, *options, path], check=True)
    return path


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


@needs_ffmpeg
@pytest.mark.parametrize("extension", ["m4a", "aac"])
def test_mpeg4_through_ffmpeg(write_sound: Write, extension: str) -> None:
    samples = music(2.0)
    path = ffmpeg(write_sound("a.wav", samples), f"a.{extension}")
    pcm = decode_file(path, sample_rate_hz=RATE_HZ)
    # Of all these, only MPEG-4 states what the encoder has added.
    assert pcm.size == samples.size if extension == "m4a" else samples.size < pcm.size < samples.size + 2_500
    assert pcm.std() == pytest.approx(samples.std(), rel=0.1)
    with pytest.raises(AudioTooLongError, match="max-seconds"):
        decode_file(path, sample_rate_hz=RATE_HZ, max_seconds=1.0)


@needs_ffmpeg
@pytest.mark.parametrize("n_channels", [1, 2, 6])
def test_ffmpeg_gives_the_same_mean_as_libsndfile(write_sound: Write, n_channels: int) -> None:
    channels = np.stack([music(0.5, seed=i) for i in range(n_channels)], axis=1)
    wav = write_sound("a.wav", channels)
    # An encoder adds nothing to FLAC, and libsndfile does not read it in Ogg or Matroska.
    for name in ("a.ogg", "a.mka", "a.m4a")[: 3 if n_channels < 3 else 2]:
        path = ffmpeg(wav, name, "-c:a", "alac" if name.endswith("m4a") else "flac")
        for rate_hz in (RATE_HZ, 16_000):
            expected = decode_file(wav, sample_rate_hz=rate_hz)
            np.testing.assert_allclose(decode_file(path, sample_rate_hz=rate_hz), expected, atol=1e-6)


@needs_ffmpeg
@pytest.mark.parametrize("name", ["-i.m4a", "a:b.m4a", "http:a.m4a", "%d 'ü'.m4a"])
def test_ffmpeg_takes_a_name_for_nothing_but_a_name(
    write_sound: Write, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ffmpeg(write_sound("a.wav", music(0.5)), "a.m4a", "-c:a", "alac")
    monkeypatch.chdir(path.parent)
    path.rename(name)
    assert decode_file(Path(name), sample_rate_hz=RATE_HZ).size == RATE_HZ // 2


@needs_ffmpeg
def test_a_playlist_names_no_other_files(write_sound: Write) -> None:
    sound = write_sound("a.wav", music(0.5))
    path = sound.with_name("list.mp3")
    for text in (f"ffconcat version 1.0\nfile {sound.name}\n", f"#EXTM3U\n#EXTINF:1,\n{sound}\n#EXT-X-ENDLIST\n"):
        path.write_text(text)
        with pytest.raises(UnsupportedAudioError, match="not an audio file"):
            decode_file(path, sample_rate_hz=RATE_HZ)


@pytest.mark.usefixtures("no_ffmpeg")
@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x20ftypM4A ", "MPEG-4"),
        (b"\xff\xf1\x50\x80", "AAC"),
        (b"ID3\x03\0\0\0\0\0\x02ab\xff\xf1\x50\x80", "AAC after an ID3 tag"),
        (b"\x1a\x45\xdf\xa3", "WebM"),
        (b"OggS\0\x02" + bytes(20) + b"\x01\x33\x7fFLAC", "FLAC in Ogg"),
        (bytes(2_000_000) + b"\1", "begins with 2000000 zero bytes"),
        (b"MZ", "not an audio file that can be read"),
    ],
    ids=["m4a", "aac", "tagged-aac", "webm", "flac-in-ogg", "zeros", "unknown"],
)
def test_without_ffmpeg_it_says_what_the_file_is(tmp_path: Path, head: bytes, kind: str) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(head + bytes(100))
    with pytest.raises(UnsupportedAudioError, match=rf"{kind}.*without ffmpeg; install ffmpeg or convert"):
        decode_file(path, sample_rate_hz=RATE_HZ)


def joined_mp3(*rates_hz: int) -> Callable[[Write], tuple[Path, float]]:
    def make(write_sound: Write) -> tuple[Path, float]:
        path = write_sound("a.mp3", music(0.1))
        parts = [write_sound("part.mp3", music(2.0, rate_hz=rate_hz), rate_hz).read_bytes() for rate_hz in rates_hz]
        path.write_bytes(b"".join(parts))
        return path, 2.0 * len(parts)

    return make


def short_xing_mp3(write_sound: Write) -> tuple[Path, float]:
    path = write_sound("a.mp3", music(3.0))
    data = bytearray(path.read_bytes())
    tag = max(data.find(b"Xing"), data.find(b"Info"))
    data[tag + 8 : tag + 12] = struct.pack(">I", 40)
    path.write_bytes(data)
    return path, 3.0


def untagged_mp3(write_sound: Write) -> tuple[Path, float]:
    # It begins loud: by the size of its first frames it is shorter than it is.
    samples = np.concatenate([music(1.0), np.zeros(3 * RATE_HZ, np.float32)])
    path = write_sound("a.mp3", samples)
    sf.write(path, samples, RATE_HZ, bitrate_mode="VARIABLE", compression_level=0.3)
    data = path.read_bytes()
    path.write_bytes(data[data.find(b"\xff\xfb", 4) :])
    return path, 4.0


def chained(name: str, **options: str) -> Callable[[Write], tuple[Path, float]]:
    def make(write_sound: Write) -> tuple[Path, float]:
        parts = []
        for i in range(2):
            path = write_sound(name, music(2.0, seed=i, rate_hz=48_000), 48_000)
            sf.write(path, music(2.0, seed=i, rate_hz=48_000), 48_000, format=name[2:].upper(), **options)
            parts.append(path.read_bytes())
        path.write_bytes(b"".join(parts))
        return path, 4.0

    return make


PARTLY_READ = [
    pytest.param(joined_mp3(RATE_HZ, RATE_HZ), id="joined-mp3"),
    pytest.param(joined_mp3(48_000, 22_050), id="joined-mp3-of-two-rates"),  # MPEG-1, MPEG-2 with half as long frames
    pytest.param(joined_mp3(22_050, 48_000), id="joined-mp3-of-other-rates"),
    pytest.param(short_xing_mp3, id="short-xing"),
    pytest.param(untagged_mp3, id="vbr-without-xing"),
    pytest.param(chained("a.ogg"), id="chained-vorbis"),
    pytest.param(chained("a.ogg", subtype="OPUS"), id="chained-opus"),
    pytest.param(chained("a.flac"), id="joined-flac"),
]


@needs_ffmpeg
@pytest.mark.parametrize("make", PARTLY_READ)
def test_what_libsndfile_reads_in_part_is_read_whole(
    write_sound: Write, make: Callable[[Write], tuple[Path, float]]
) -> None:
    path, seconds = make(write_sound)
    pcm = decode_file(path, sample_rate_hz=RATE_HZ)
    # ffmpeg and browsers lose two blocks where FLAC files are joined.
    assert pcm.size / RATE_HZ == pytest.approx(seconds, abs=0.25)


@pytest.mark.usefixtures("no_ffmpeg")
@pytest.mark.parametrize("make", PARTLY_READ)
def test_without_ffmpeg_a_part_is_not_taken_for_the_whole(
    write_sound: Write, make: Callable[[Write], tuple[Path, float]]
) -> None:
    path, _ = make(write_sound)
    with pytest.raises(
        UnsupportedAudioError, match=r"only the first [0-3]\.\d s can be read without ffmpeg .*; install"
    ):
        decode_file(path, sample_rate_hz=RATE_HZ)


def test_junk_before_and_after_frames_is_no_sound(write_sound: Write) -> None:
    path = write_sound("a.mp3", music(1.0))
    whole = path.read_bytes()
    frames = mp3_frames(path)
    assert frames is not None
    assert frames.is_plain
    assert frames.seconds == decode_file(path, sample_rate_hz=RATE_HZ).size / RATE_HZ
    tag = b"ID3\x03\0\0\0\0\x02\x01" + bytes(257)
    junk = np.random.default_rng(0).bytes(3_000)
    for data in (tag + whole, tag + tag + whole, whole + b"TAG" + bytes(125), whole + junk):
        path.write_bytes(data)
        assert mp3_frames(path) == frames
    path.write_bytes(junk + whole)
    assert mp3_frames(path) == replace(frames, is_plain=False)


@pytest.mark.parametrize("search", [os.environ["PATH"], ""], ids=["as-it-is", "no-ffmpeg"])
def test_junk_before_an_mp3_is_no_damage(
    write_sound: Write, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, search: str
) -> None:
    monkeypatch.setenv("PATH", search)
    sound = write_sound("a.mp3", music(1.0))
    sound.write_bytes(bytes(3_000) + sound.read_bytes())
    assert decode_file(sound, sample_rate_hz=RATE_HZ).size / RATE_HZ == pytest.approx(1.0, abs=0.1)
    assert not caplog.records


def test_what_ffmpeg_reads_in_part_either_is_refused(write_sound: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = joined_mp3(RATE_HZ, RATE_HZ)(write_sound)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(decode, "_read_ffmpeg", lambda _, wanted: (decode._read_libsndfile(wanted)[0], ""))
    with pytest.raises(CorruptAudioError, match=r"only the first 2\.0 s can be read .*ffmpeg: stops there, too"):
        decode_file(path, sample_rate_hz=RATE_HZ)


@pytest.mark.parametrize(
    "data", [b"", b"ID3", b"\xff", b"\xff\xfb\x90", bytes(1 << 17), b"\xff" * 1_000, b"ID3" + b"\xff" * 9]
)
def test_files_without_frames_have_none(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(data)
    assert mp3_frames(path) is None


@needs_ffmpeg
def test_an_mp3_behind_zeros_is_read(write_sound: Write) -> None:
    path = write_sound("a.mp3", music(2.0))
    path.write_bytes(bytes(200_000) + path.read_bytes())
    assert decode_file(path, sample_rate_hz=RATE_HZ).size / RATE_HZ == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_wav_that_states_no_length(write_sound: Write, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_sound("a.wav", music(1.0))
    expected = decode_file(path, sample_rate_hz=RATE_HZ)
    data = bytearray(path.read_bytes())
    at = data.find(b"data")
    data[at + 4 : at + 8] = struct.pack("<I", size)
    path.write_bytes(data)
    if size or shutil.which("ffmpeg"):
        np.testing.assert_array_equal(decode_file(path, sample_rate_hz=RATE_HZ), expected)
    if size == 0:
        monkeypatch.setenv("PATH", "")
        with pytest.raises(UnsupportedAudioError, match="its header states a length of 0"):
            decode_file(path, sample_rate_hz=RATE_HZ)


@pytest.mark.usefixtures("no_ffmpeg")
@pytest.mark.parametrize("seconds", [1.0, 3.0])
def test_a_flac_of_unknown_length_keeps_all(
    write_sound: Write, caplog: pytest.LogCaptureFixture, seconds: float
) -> None:
    path = write_sound("a.flac", music(seconds))
    expected = decode_file(path, sample_rate_hz=RATE_HZ)
    data = bytearray(path.read_bytes())
    # As ffmpeg writes it to a pipe: no number of samples, and no digest of them.
    data[21] &= 0xF0
    data[22:42] = bytes(20)
    path.write_bytes(data)
    np.testing.assert_array_equal(decode_file(path, sample_rate_hz=RATE_HZ), expected)
    assert not caplog.records


@pytest.mark.parametrize("search", [os.environ["PATH"], ""], ids=["as-it-is", "no-ffmpeg"])
def test_a_stream_that_breaks_keeps_its_last_block(
    write_sound: Write, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, search: str
) -> None:
    monkeypatch.setenv("PATH", search)
    samples = music(1.0)  # less than is read at a time
    path = write_sound("a.flac", samples)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    pcm = decode_file(path, sample_rate_hz=RATE_HZ)
    assert 0.4 < pcm.size / RATE_HZ < 0.6
    np.testing.assert_allclose(pcm, samples[: pcm.size], atol=1e-4)
    assert "broken after 0.5 s (flac decoder lost sync)" in caplog.text


@pytest.mark.parametrize("container", ["wav", pytest.param("ogg", marks=needs_ffmpeg)])
@pytest.mark.parametrize("case", DOWNMIX, ids=lambda case: case["name"])
def test_channels_are_mixed_as_in_the_page(write_sound: Write, case: dict[str, Any], container: str) -> None:
    path = write_sound("a.wav", np.array(case["channels"]).T)
    if container == "ogg":
        path = ffmpeg(path, "a.ogg", "-c:a", "flac")
    np.testing.assert_allclose(decode_file(path, sample_rate_hz=RATE_HZ), case["expected"], atol=1e-4)


@pytest.mark.parametrize("max_seconds", [np.inf, np.nan, 0.0, -1.0, 1e300])
def test_a_limit_that_is_none_is_refused(write_sound: Write, max_seconds: float) -> None:
    with pytest.raises(InputError, match=re.escape(f"max_seconds={max_seconds}: give a number of seconds")):
        decode_file(write_sound("a.wav", music(0.1)), sample_rate_hz=RATE_HZ, max_seconds=max_seconds)


def test_missing_and_empty_files(tmp_path: Path, write_sound: Write) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        decode_file(tmp_path / "nowhere.mp3", sample_rate_hz=RATE_HZ)
    empty = tmp_path / "empty.mp3"
    empty.touch()
    with pytest.raises(EmptyAudioError, match="0 bytes"):
        decode_file(empty, sample_rate_hz=RATE_HZ)
    empty.write_bytes(bytes(100_000))
    with pytest.raises(EmptyAudioError, match="nothing but zero bytes"):
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


def test_silence_at_the_highest_rate_costs_no_memory(tmp_path: Path) -> None:
    path, rate_hz, seconds = tmp_path / "a.flac", 655_350, 120
    with sf.SoundFile(path, "w", rate_hz, 1, format="FLAC") as file:
        for _ in range(seconds):
            file.write(np.zeros(rate_hz, np.int16))
    assert path.stat().st_size < 1_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert decode_file(path, sample_rate_hz=8_000).size == pytest.approx(seconds * 8_000, abs=8)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB; all samples would take 300,000


@pytest.mark.usefixtures("no_ffmpeg")
def test_a_stream_that_breaks_at_once_is_corrupt(write_sound: Write) -> None:
    path = write_sound("a.flac", music(1.0))
    data = bytearray(path.read_bytes())
    data[100:] = bytes(len(data) - 100)
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
