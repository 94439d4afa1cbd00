"""Decode audio files to mono PCM, with bounded memory and typed errors."""

from __future__ import annotations

import functools
import logging
import math
import os
import shutil
import struct
import subprocess
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile as sf
import soxr

from tfdeepviz.data.framing import id3_bytes, is_chained_ogg, is_joined_flac, mp3_frames, n_leading_zeros
from tfdeepviz.errors import InputError, TfdeepvizError

#: Default maximum length of a track.
MAX_SECONDS = 1_800.0

_BLOCK_FRAMES = 1 << 16

# glibc maps every block above a threshold afresh from the kernel, page by page. The threshold rises to the largest such
# block ever freed, up to 32 MiB (mallopt(3), M_MMAP_THRESHOLD). Freeing this array, whose pages are never touched,
# makes decoding and feature extraction a tenth faster.
np.empty(31 << 20, np.uint8)

_MAX_CHANNELS = 64
# 80 dB above full scale, because float files may exceed full scale. Below this limit nothing downstream overflows or
# leaves the range of float16.
MAX_AMPLITUDE = 1e4
_RATES_HZ = (2_000, 768_000)
_LONGEST_SECONDS = 1_000_000
# Channels cancel each other if the mean's power is below this share of the loudest channel's power (30 dB).
# The page does the same (webapp/frontend/src/analysis/pcm.ts).
_CANCELLED = 1e-3
# Share of the loudest channel's power that counts as equally loud. Browsers scale positive and negative samples
# differently, so equal channels are not exactly equal.
_AS_LOUD = 0.99

_FFMPEG_TIMEOUT_SECONDS = 300
_FFMPEG_FORMATS = "aac,aiff,caf,flac,matroska,mov,mp3,ogg,w64,wav"
# Encoders pad to whole packets, of at most this many frames.
_PADDING_FRAMES = 2_048

# libsndfile reports at least this many frames if it does not know the number.
_UNKNOWN_FRAMES = 1 << 62
# libsndfile searches this far for an mp3's first frame.
_RESYNC_BYTES = 1 << 16
# A larger file holds more than a header.
_HEADER_BYTES = 4_096

_logger = logging.getLogger(__name__)


class AudioError(TfdeepvizError):
    """A file is unusable; `reason` is a short stable word for reports."""

    reason = "unusable"


class EmptyAudioError(AudioError):
    """The file has no bytes or no samples."""

    reason = "empty"


class UnsupportedAudioError(AudioError):
    """The format cannot be decoded here."""

    reason = "unsupported"


class CorruptAudioError(AudioError):
    """The format is known but the content is broken."""

    reason = "corrupt"


class AudioTooShortError(AudioError):
    """The sound is shorter than one segment."""

    reason = "too-short"


class AudioTooLongError(AudioError):
    """The sound is longer than the caller allows."""

    reason = "too-long"


@dataclass(frozen=True)
class _Wanted:
    """Request to a decoder."""

    path: Path
    sample_rate_hz: int
    max_seconds: float
    channel: int | None = None  # instead of the mean


class _Mixer:
    """Mixes blocks of all channels to mono at the wanted rate.

    It works block by block, because a small file of silence at the highest rate decodes to gigabytes of samples.
    """

    def __init__(self, wanted: _Wanted, rate_hz: int, n_channels: int) -> None:
        if not 1 <= n_channels <= _MAX_CHANNELS or not _RATES_HZ[0] <= rate_hz <= _RATES_HZ[1]:
            raise CorruptAudioError(
                f"{wanted.path}: {n_channels} channels at {rate_hz} Hz; up to {_MAX_CHANNELS} channels and "
                f"{_RATES_HZ[0]} to {_RATES_HZ[1]} Hz can be read; encode it again"
            )
        self.rate_hz, self.n_channels, self.n_frames = rate_hz, n_channels, 0
        self._wanted = wanted
        self._max_frames = math.ceil(wanted.max_seconds * rate_hz)
        self._blocks: list[npt.NDArray[np.float32]] = []
        self._resampler: soxr.ResampleStream | None = None
        if rate_hz != wanted.sample_rate_hz:
            self._resampler = soxr.ResampleStream(rate_hz, wanted.sample_rate_hz, 1, dtype="float32")
        self._mean_energy = 0.0
        self._energies = np.zeros(n_channels)

    @property
    def seconds(self) -> float:
        """Duration of the input so far."""
        return self.n_frames / self.rate_hz

    @property
    def cancelled_channel(self) -> int | None:
        """The loudest channel (the first, if several are equally loud) if the channels cancel in the mean, or None."""
        most = float(self._energies.max())
        if not self._mean_energy < _CANCELLED * most:
            return None
        return int(np.argmax(self._energies >= _AS_LOUD * most))

    def add(self, block: npt.NDArray[np.float32]) -> None:
        """Add the next frames [shape=(n, n_channels)]."""
        self.n_frames += len(block)
        if self.n_frames > self._max_frames:
            limit = f"longer than {self._wanted.max_seconds:g} s"
            raise AudioTooLongError(f"{self._wanted.path}: {limit}; cut it or allow more with --max-seconds")
        # Samples that are not finite or overflow the sum are rejected after all is read.
        with np.errstate(over="ignore", invalid="ignore"):
            # Add whole channels: NumPy's mean over such a short axis takes as long as decoding.
            channels = np.ascontiguousarray(block.T)
            mono = functools.reduce(np.add, channels) / np.float32(self.n_channels)
            if self.n_channels > 1:
                self._mean_energy += float(np.dot(mono, mono))
                self._energies += [np.dot(channel, channel) for channel in channels]
        if self._wanted.channel is not None:
            mono = channels[self._wanted.channel].copy()  # a view would keep all channels in memory
        self._blocks.append(mono if self._resampler is None else self._resampler.resample_chunk(mono))

    def finish(self) -> npt.NDArray[np.float32]:
        """Return the mixed samples."""
        if self._blocks and self._resampler is not None:
            self._blocks.append(self._resampler.resample_chunk(np.empty(0, np.float32), last=True))
        return np.concatenate(self._blocks) if self._blocks else np.empty(0, np.float32)


def decode_file(path: Path, *, sample_rate_hz: int, max_seconds: float = MAX_SECONDS) -> npt.NDArray[np.float32]:
    """Decode an audio file to mono at one rate.

    libsndfile reads mp3, ogg, flac, wav and more. If installed, `ffmpeg` reads what libsndfile rejects or does not read
    to the end: m4a, aac, webm, joined files, files whose header states a wrong length. Memory grows only with the
    samples decoded, never with the length that a header claims.

    A truncated file yields the sound before the break. Without ffmpeg, a file that can only be read in part is rejected
    if the rest is known to be sound; if the rest may be sound, a warning is logged.

    Returns
    -------
    np.ndarray [shape=(n_samples,), dtype=float32]
        Mean of the channels; or the loudest channel, if the mean's power is more than 30 dB below that channel's
        because the channels cancel each other.

    Raises
    ------
    EmptyAudioError, UnsupportedAudioError, CorruptAudioError, AudioTooLongError
        The message names the file and the remedy.
    FileNotFoundError, InputError
        If there is no such file; if `max_seconds` is out of range.
    """
    path = Path(path)
    check_max_seconds(max_seconds)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such audio file")
    if path.stat().st_size == 0:
        raise EmptyAudioError(f"{path}: the file is empty (0 bytes); copy or download it again")
    wanted = _Wanted(path, sample_rate_hz, max_seconds)
    mixer = _read(wanted)
    if (channel := mixer.cancelled_channel) is not None:
        mixer = _read(replace(wanted, channel=channel))
    pcm = mixer.finish()
    if pcm.size == 0:
        raise EmptyAudioError(f"{path}: the file holds no samples; copy or download it again")
    # If any sample is NaN, so are both, and both comparisons fail.
    if not (pcm.min() > -MAX_AMPLITUDE and pcm.max() < MAX_AMPLITUDE):
        what = f"some samples are NaN, infinite or more than {MAX_AMPLITUDE:g} times full scale"
        raise CorruptAudioError(f"{path}: {what}; encode the file again")
    return np.ascontiguousarray(pcm, dtype=np.float32)


def check_max_seconds(max_seconds: float) -> None:
    """Raise an InputError unless a length limit is above 0 and at most 1,000,000 s, about 12 days."""
    if not 0 < max_seconds <= _LONGEST_SECONDS:
        raise InputError(f"max_seconds={max_seconds}: give a number of seconds above 0, at most {_LONGEST_SECONDS}")


def _read(wanted: _Wanted) -> _Mixer:
    """Read with libsndfile, or with ffmpeg if libsndfile does not read everything."""
    path = wanted.path
    kind = _kind_for_ffmpeg(path)
    mixer, missing = (None, None) if kind else _read_libsndfile(wanted)
    if mixer is not None and missing is None:
        return mixer
    ffmpeg = shutil.which("ffmpeg")
    whole, refusal = (None, "") if ffmpeg is None else _read_ffmpeg(ffmpeg, wanted)
    if mixer is None or missing is None:
        if whole is not None:
            return whole
        if ffmpeg is None:
            what = f"{kind}, which cannot be read" if kind else "not an audio file that can be read"
            raise UnsupportedAudioError(
                f"{path}: {what} without ffmpeg; install ffmpeg or convert the file to mp3, ogg, flac or wav"
            )
        if kind:
            raise CorruptAudioError(f"{path}: {kind}, but ffmpeg cannot read it ({refusal}); encode it again")
        raise UnsupportedAudioError(
            f"{path}: not an audio file that can be read ({refusal}); give mp3, ogg, flac, wav or m4a"
        )
    if whole is not None and whole.seconds >= mixer.seconds:
        if whole.seconds > mixer.seconds:
            return whole
        mixer = whole  # matches browsers
    if missing.is_certain:
        what = f"only the first {mixer.seconds:.1f} s can be read" if mixer.n_frames else "no sound can be read"
        if ffmpeg is None:
            raise UnsupportedAudioError(
                f"{path}: {what} without ffmpeg ({missing.what}); install ffmpeg or encode the file again"
            )
        raise CorruptAudioError(
            f"{path}: {what} ({missing.what}; ffmpeg: {refusal or 'stops there, too'}); encode the file again"
        )
    if mixer.n_frames == 0:
        raise CorruptAudioError(f"{path}: broken from its start ({missing.what}); copy or encode it again")
    if missing.what:
        _logger.warning("%s: broken after %.1f s (%s); the rest is omitted", path, mixer.seconds, missing.what)
    return mixer


def _kind_for_ffmpeg(path: Path) -> str:
    """Format of a file that libsndfile cannot read or reports with a wrong reason; otherwise empty."""
    with path.open("rb") as file:
        start = id3_bytes(file)
        file.seek(start)
        head = file.read(64)
    if head[4:8] == b"ftyp":
        return "MPEG-4 audio (m4a)"
    # ADTS has 12 sync bits and layer bits 00, which no MPEG-1/2 audio layer uses.
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "AAC after an ID3 tag" if start else "AAC"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "WebM or Matroska"
    if head.startswith(b"OggS") and head[28:33] == b"\x7fFLAC":
        return "FLAC in Ogg"
    if (n_zeros := n_leading_zeros(path)) == path.stat().st_size:
        raise EmptyAudioError(f"{path}: the file holds nothing but zero bytes; copy or download it again")
    if n_zeros >= _RESYNC_BYTES:
        return f"a file that begins with {n_zeros} zero bytes"
    return ""


class _Missing(NamedTuple):
    """Why libsndfile may not have read everything."""

    what: str  # empty if only ffmpeg is preferred, because it reads the file like browsers do
    is_certain: bool  # whether sound is certainly missing; otherwise it may be


class _SoundFile(sf.SoundFile):  # type: ignore[misc]  # soundfile is not typed
    """A non-seekable file: soundfile would seek after every block, which fails in a FLAC file of unknown length."""

    def seekable(self) -> bool:
        return False


def _read_libsndfile(wanted: _Wanted) -> tuple[_Mixer | None, _Missing | None]:
    """Read as far as libsndfile can; the mixer is None if it does not support the format."""
    try:
        # Pass bytes, because soundfile rejects names that are not UTF-8.
        file = _SoundFile(os.fsencode(wanted.path))
    except sf.LibsndfileError:
        return None, None
    with file:
        mixer = _Mixer(wanted, file.samplerate, file.channels)
        # Read into our own buffer: given a frame count, soundfile would allocate what the header claims.
        buffer = np.empty((_BLOCK_FRAMES, file.channels), np.float32)
        broken = ""
        try:
            while len(block := file.read(out=buffer)):
                mixer.add(block)
        except sf.LibsndfileError as error:
            broken = error.error_string.strip().removeprefix("Error : ").rstrip(".")
            with suppress(sf.LibsndfileError):  # the number of frames read is unknown
                mixer.add(buffer[: int(file.tell()) - mixer.n_frames])
        return mixer, _missing(wanted.path, file, mixer, broken)


def _missing(path: Path, file: sf.SoundFile, mixer: _Mixer, broken: str) -> _Missing | None:
    if file.format == "MP3" and (frames := mp3_frames(path)) is not None:
        # Decoders trim less than two frames at the ends.
        if frames.seconds - mixer.seconds > 2 * frames.frame_seconds:
            return _Missing(broken or f"its frames hold {frames.seconds:.1f} s", is_certain=not broken)
        # After leading junk, decoders start at different frames; prefer ffmpeg, which matches browsers.
        return None if frames.is_plain else _Missing("", is_certain=False)
    if file.format == "OGG" and is_chained_ogg(path):
        return _Missing("another Ogg stream follows the first", is_certain=True)
    if file.format == "FLAC" and is_joined_flac(path):
        return _Missing("another FLAC file follows the first", is_certain=True)
    if broken or (file.format in ("OGG", "FLAC") and mixer.n_frames < file.frames < _UNKNOWN_FRAMES):
        return _Missing(broken or "some of the stream cannot be decoded", is_certain=False)
    if mixer.n_frames == 0 and path.stat().st_size > _HEADER_BYTES:
        return _Missing("its header states a length of 0", is_certain=True)
    return None


def _read_ffmpeg(ffmpeg: str, wanted: _Wanted) -> tuple[_Mixer | None, str]:
    """Read with ffmpeg; the mixer is None if it cannot, and the text its message."""
    path = wanted.path
    command = [
        *(ffmpeg, "-v", "error", "-nostdin", "-protocol_whitelist", "file,pipe"),
        # Exclude playlists, which could name other files.
        *("-format_whitelist", _FFMPEG_FORMATS, "-i", f"file:{path}", "-map", "0:a:0"),
        # Decode one second more than allowed, to tell too long from just within the limit. Decode all channels, because
        # the mixer does the downmix. Sun's au format states their number and the rate, and allows any length.
        *("-t", f"{wanted.max_seconds + 1:g}", "-c:a", "pcm_f32be", "-f", "au", "pipe:1"),
    ]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
        timed_out = threading.Event()

        def stop() -> None:
            timed_out.set()
            process.kill()

        timer = threading.Timer(_FFMPEG_TIMEOUT_SECONDS, stop)
        timer.start()
        try:
            assert process.stdout is not None
            mixer = _mix_au(process.stdout, wanted, _mpeg4_seconds(ffmpeg, path))
        finally:
            timer.cancel()
            process.kill()
            process.communicate()
        if timed_out.is_set():
            remedy = "convert the file to mp3, ogg, flac or wav"
            raise CorruptAudioError(f"{path}: ffmpeg did not finish within {_FFMPEG_TIMEOUT_SECONDS} s; {remedy}")
        if mixer is None or mixer.n_frames == 0:
            errors.seek(0)
            lines = errors.read(_HEADER_BYTES).decode(errors="replace").strip().splitlines()
            return None, lines[-1].removeprefix(f"file:{path}: ") if lines else "no sound in it"
    return mixer, ""


def _mix_au(stream: IO[bytes], wanted: _Wanted, stated_seconds: float) -> _Mixer | None:
    """Mix ffmpeg's output, without the encoder's padding after the stated end; None if there is no output."""
    head = stream.read(24)
    if len(head) < 24:
        return None
    offset, _, _, rate_hz, n_channels = struct.unpack(">4x5I", head)
    stream.read(offset - 24)
    mixer = _Mixer(wanted, rate_hz, n_channels)
    end = round(stated_seconds * rate_hz) or _UNKNOWN_FRAMES
    after: list[npt.NDArray[np.float32]] = []
    while data := stream.read(4 * n_channels * _BLOCK_FRAMES):
        usable = len(data) // (4 * n_channels) * n_channels
        block = np.frombuffer(data, ">f4", usable).reshape(-1, n_channels).astype(np.float32)
        inside = max(0, end - mixer.n_frames)
        if inside:
            mixer.add(block[:inside])
        if inside < len(block):
            after.append(block[inside:])
            if sum(map(len, after)) > _PADDING_FRAMES:
                # This is more than padding, so the stated length is wrong.
                end = _UNKNOWN_FRAMES
                for kept in after:
                    mixer.add(kept)
                after = []
    return mixer


def _mpeg4_seconds(ffmpeg: str, path: Path) -> float:
    """Length stated in an MPEG-4 file, without the encoder's padding; 0 if unknown."""
    with path.open("rb") as file:
        if file.read(8)[4:] != b"ftyp":
            return 0.0
    ffprobe = Path(ffmpeg).with_name("ffprobe")
    command = [
        *(str(ffprobe), "-v", "error", "-protocol_whitelist", "file,pipe", "-format_whitelist", _FFMPEG_FORMATS),
        *("-select_streams", "a:0", "-show_entries", "stream=duration", "-of", "csv=p=0", f"file:{path}"),
    ]
    try:
        result = subprocess.run(command, capture_output=True, timeout=_FFMPEG_TIMEOUT_SECONDS, check=True)
        seconds = float(result.stdout.split()[0].strip(b","))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return 0.0
    return seconds if 0 < seconds < _LONGEST_SECONDS else 0.0
