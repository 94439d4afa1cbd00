"""Bytes of an audio file to mono PCM, with bounded memory and typed errors."""

from __future__ import annotations

import functools
import math
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile as sf
import soxr

from tfdeepviz.errors import TfdeepvizError

#: Longest track that is decoded unless the caller allows more.
MAX_SECONDS = 1_800.0

_BLOCK_FRAMES = 1 << 16

# glibc takes blocks above a threshold anew from the kernel each time, page by page. The threshold rises to the size of
# the largest such block that was ever freed (mallopt(3), M_MMAP_THRESHOLD; 32 MiB at most): with this one, which is
# never touched, decoding and features are a tenth faster.
np.empty(31 << 20, np.uint8)

_MAX_CHANNELS = 64
# 80 dB above full scale, which float files may exceed; what follows neither overflows nor leaves float16.
MAX_AMPLITUDE = 1e4
_RATES_HZ = (2_000, 768_000)
_FFMPEG_TIMEOUT_SECONDS = 300


class AudioError(TfdeepvizError):
    """A file cannot be used; `reason` is a short stable word for reports."""

    reason = "unusable"


class EmptyAudioError(AudioError):
    """The file has no bytes or no samples."""

    reason = "empty"


class UnsupportedAudioError(AudioError):
    """The bytes are of no format that can be decoded here."""

    reason = "unsupported"


class CorruptAudioError(AudioError):
    """The format is known but its content is broken."""

    reason = "corrupt"


class AudioTooShortError(AudioError):
    """There is less sound than one segment."""

    reason = "too-short"


class AudioTooLongError(AudioError):
    """There is more sound than the caller allows."""

    reason = "too-long"


def decode_file(path: Path, *, sample_rate_hz: int, max_seconds: float = MAX_SECONDS) -> npt.NDArray[np.float32]:
    """Decode an audio file to mono at one rate.

    mp3, ogg, flac, wav and all else that libsndfile reads; m4a and aac through `ffmpeg` where it is installed.
    Lengths that a file's header claims are never trusted: memory grows only with what is really decoded.

    Parameters
    ----------
    path
        The file.
    sample_rate_hz
        Rate of the result; soxr resamples if the file has another.
    max_seconds
        Refuse longer tracks.

    Returns
    -------
    np.ndarray [shape=(n_samples,), dtype=float32]
        Mean of the channels.

    Raises
    ------
    EmptyAudioError, UnsupportedAudioError, CorruptAudioError, AudioTooLongError
        Each names the file and what can be done.
    FileNotFoundError
        If there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such audio file")
    if path.stat().st_size == 0:
        raise EmptyAudioError(f"{path}: the file is empty (0 bytes); copy or download it again")
    with path.open("rb") as file:
        head = file.read(12)
    read = _read_ffmpeg if _is_mpeg4_or_adts(head) else _read_libsndfile
    pcm = read(path, sample_rate_hz, max_seconds)
    if pcm.size == 0:
        raise EmptyAudioError(f"{path}: the file holds no samples; copy or download it again")
    # Both are NaN if any sample is, and then not in range.
    if not (pcm.min() > -MAX_AMPLITUDE and pcm.max() < MAX_AMPLITUDE):
        raise CorruptAudioError(
            f"{path}: the file holds samples that are no sound (NaN, infinite or beyond {MAX_AMPLITUDE:g} times full "
            "scale); encode it again"
        )
    return np.ascontiguousarray(pcm, dtype=np.float32)


def _is_mpeg4_or_adts(head: bytes) -> bool:
    # ADTS: 12 sync bits and layer 00, which no MPEG-1/2 audio layer has.
    return head[4:8] == b"ftyp" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0)


def _read_libsndfile(path: Path, sample_rate_hz: int, max_seconds: float) -> npt.NDArray[np.float32]:
    blocks: list[npt.NDArray[np.float32]] = []
    n_frames = 0
    resampler: soxr.ResampleStream | None = None
    try:
        # As bytes: soundfile refuses names that are not UTF-8.
        with sf.SoundFile(os.fsencode(path)) as file:
            rate_hz, n_channels = file.samplerate, file.channels
            if not 1 <= n_channels <= _MAX_CHANNELS or not _RATES_HZ[0] <= rate_hz <= _RATES_HZ[1]:
                raise CorruptAudioError(
                    f"{path}: {n_channels} channels at {rate_hz} Hz; up to {_MAX_CHANNELS} channels and "
                    f"{_RATES_HZ[0]} to {_RATES_HZ[1]} Hz can be read; encode it again"
                )
            max_frames = math.ceil(max_seconds * rate_hz)
            # Block by block, or silence at the highest rate would be held whole: small as a file, gigabytes as samples.
            resampler = soxr.ResampleStream(rate_hz, sample_rate_hz, 1, dtype="float32")
            # Reading into our own block: with a frame count, soundfile would allocate what the header claims.
            buffer = np.empty((_BLOCK_FRAMES, n_channels), np.float32)
            while len(block := file.read(out=buffer)):
                n_frames += len(block)
                if n_frames > max_frames:
                    raise AudioTooLongError(
                        f"{path}: longer than {max_seconds:g} s; cut it or allow more with --max-seconds"
                    )
                # Whole channels are added; NumPy's mean over so short an axis takes as long as decoding.
                # What is not finite, or too large to be added, is refused when all is read.
                with np.errstate(over="ignore", invalid="ignore"):
                    mono = functools.reduce(np.add, block.T) / np.float32(n_channels)
                blocks.append(resampler.resample_chunk(mono) if rate_hz != sample_rate_hz else mono)
    except sf.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        if resampler is None:
            raise UnsupportedAudioError(
                f"{path}: not an audio file that can be read ({reason}); give mp3, ogg, flac, wav or m4a"
            ) from error
        # A stream that breaks off keeps what was good, as every player does.
        if not blocks:
            raise CorruptAudioError(f"{path}: broken from its start ({reason}); copy or encode it again") from error
    if blocks and rate_hz != sample_rate_hz:
        blocks.append(resampler.resample_chunk(np.empty(0, np.float32), last=True))
    return np.concatenate(blocks) if blocks else np.empty(0, np.float32)


def _read_ffmpeg(path: Path, sample_rate_hz: int, max_seconds: float) -> npt.NDArray[np.float32]:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise UnsupportedAudioError(
            f"{path}: m4a and aac need ffmpeg; install it or convert the file to mp3, ogg, flac or wav"
        )
    command = [
        *(ffmpeg, "-v", "error", "-nostdin", "-protocol_whitelist", "file,pipe", "-i", f"file:{path}", "-vn"),
        # One second more than allowed, so that too long can be told from just long enough.
        *("-t", f"{max_seconds + 1:g}", "-ac", "1", "-ar", str(sample_rate_hz), "-f", "f32le", "pipe:1"),
    ]
    try:
        result = subprocess.run(command, capture_output=True, timeout=_FFMPEG_TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise CorruptAudioError(
            f"{path}: ffmpeg was not done after {_FFMPEG_TIMEOUT_SECONDS} s; convert the file to mp3, ogg, flac or wav"
        ) from error
    pcm = np.frombuffer(result.stdout[: len(result.stdout) // 4 * 4], "<f4")
    if result.returncode != 0 and pcm.size == 0:
        reason = result.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise CorruptAudioError(f"{path}: ffmpeg cannot read it ({reason[0]}); encode it again")
    if pcm.size > max_seconds * sample_rate_hz:
        raise AudioTooLongError(f"{path}: longer than {max_seconds:g} s; cut it or allow more with --max-seconds")
    return pcm
