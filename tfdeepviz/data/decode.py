"""Bytes of an audio file to mono PCM, with bounded memory and typed errors."""

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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import soundfile as sf
import soxr

from tfdeepviz.data.framing import id3_bytes, is_chained_ogg, is_joined_flac, mp3_frames, n_leading_zeros
from tfdeepviz.errors import InputError, TfdeepvizError

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
_LONGEST_SECONDS = 1_000_000
# Power of the mean, as a share of the loudest channel's, below which the channels cancel each other: 30 dB.
# The page does the same (webapp/frontend/src/analysis/pcm.ts).
_CANCELLED = 1e-3
# As loud as the loudest: browsers scale positive and negative samples differently, so equals are not quite equal.
_AS_LOUD = 0.99

_FFMPEG_TIMEOUT_SECONDS = 300
_FFMPEG_FORMATS = "aac,aiff,caf,flac,matroska,mov,mp3,ogg,w64,wav"
# An encoder pads to whole packets, of at most so many frames.
_PADDING_FRAMES = 2_048

# libsndfile's way to say that it does not know.
_UNKNOWN_FRAMES = 1 << 62
# It looks for an mp3's first frame no further.
_RESYNC_BYTES = 1 << 16
# Larger files hold more than a header.
_HEADER_BYTES = 4_096

_logger = logging.getLogger(__name__)


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


@dataclass(frozen=True)
class _Wanted:
    """What is asked of a decoder."""

    path: Path
    sample_rate_hz: int
    max_seconds: float
    #: Take this channel instead of the mean.
    channel: int | None = None


class _Mixer:
    """Blocks of all channels to mono at the wanted rate.

    Block by block, or silence at the highest rate would be held whole: small as a file, gigabytes as samples.
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
        """How much sound came in."""
        return self.n_frames / self.rate_hz

    @property
    def cancelled_channel(self) -> int | None:
        """The loudest channel, if the channels cancel each other in their mean; the first of those that are as loud."""
        most = float(self._energies.max())
        if not self._mean_energy < _CANCELLED * most:
            return None
        return int(np.argmax(self._energies >= _AS_LOUD * most))

    def add(self, block: npt.NDArray[np.float32]) -> None:
        """Take the next frames [shape=(n, n_channels)]."""
        self.n_frames += len(block)
        if self.n_frames > self._max_frames:
            raise AudioTooLongError(
                f"{self._wanted.path}: longer than {self._wanted.max_seconds:g} s; cut it or allow more with "
                "--max-seconds"
            )
        # What is not finite, or too large to be added, is refused when all is read.
        with np.errstate(over="ignore", invalid="ignore"):
            # Whole channels are added; NumPy's mean over so short an axis takes as long as decoding.
            channels = np.ascontiguousarray(block.T)
            mono = functools.reduce(np.add, channels) / np.float32(self.n_channels)
            if self.n_channels > 1:
                self._mean_energy += float(np.dot(mono, mono))
                self._energies += [np.dot(channel, channel) for channel in channels]
        if self._wanted.channel is not None:
            mono = channels[self._wanted.channel].copy()  # a view would hold all channels
        self._blocks.append(mono if self._resampler is None else self._resampler.resample_chunk(mono))

    def finish(self) -> npt.NDArray[np.float32]:
        """Return all that came in."""
        if self._blocks and self._resampler is not None:
            self._blocks.append(self._resampler.resample_chunk(np.empty(0, np.float32), last=True))
        return np.concatenate(self._blocks) if self._blocks else np.empty(0, np.float32)


def decode_file(path: Path, *, sample_rate_hz: int, max_seconds: float = MAX_SECONDS) -> npt.NDArray[np.float32]:
    """Decode an audio file to mono at one rate.

    libsndfile reads mp3, ogg, flac, wav and more. What it refuses or does not read to its end goes through `ffmpeg`
    where that is installed: m4a, aac, webm, files that were joined, lengths that a header states wrongly.
    Lengths that a file's header claims are never trusted: memory grows only with what is really decoded.

    A file that breaks off gives what comes before. A file of which only a part can be read because there is no
    ffmpeg is refused if the rest is known to be sound, and noted in the log if it may be.

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
        Mean of the channels, or the loudest channel where they cancel each other: where the mean's power is more than
        30 dB below that channel's.

    Raises
    ------
    EmptyAudioError, UnsupportedAudioError, CorruptAudioError, AudioTooLongError
        Each names the file and what can be done.
    FileNotFoundError
        If there is no such file.
    InputError
        If `max_seconds` is no such length.
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
    # Both are NaN if any sample is, and then not in range.
    if not (pcm.min() > -MAX_AMPLITUDE and pcm.max() < MAX_AMPLITUDE):
        raise CorruptAudioError(
            f"{path}: some samples are NaN, infinite or more than {MAX_AMPLITUDE:g} times full scale; encode the file "
            "again"
        )
    return np.ascontiguousarray(pcm, dtype=np.float32)


def check_max_seconds(max_seconds: float) -> None:
    """Refuse a limit that is none.

    Raises
    ------
    InputError
        Unless it lies above 0 and below about 12 days.
    """
    if not 0 < max_seconds <= _LONGEST_SECONDS:
        raise InputError(f"max_seconds={max_seconds}: give a number of seconds above 0, at most {_LONGEST_SECONDS}")


def _read(wanted: _Wanted) -> _Mixer:
    """Read by libsndfile if it reads all, else by ffmpeg."""
    path = wanted.path
    kind = _kind_for_ffmpeg(path)
    mixer, missing = (None, None) if kind else _read_libsndfile(wanted)
    if mixer is not None and missing is None:
        return mixer
    ffmpeg = shutil.which("ffmpeg")
    refusal = "stops there, too"
    if ffmpeg is not None:
        try:
            whole = _read_ffmpeg(ffmpeg, wanted)
        except _FfmpegError as error:
            refusal = str(error)
        else:
            if mixer is None or missing is None or whole.seconds > mixer.seconds:
                return whole
            if whole.seconds == mixer.seconds:
                mixer = whole  # as browsers read it
    if mixer is None or missing is None:
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
    if missing.is_certain:
        what = f"only the first {mixer.seconds:.1f} s can be read" if mixer.n_frames else "no sound can be read"
        if ffmpeg is None:
            raise UnsupportedAudioError(
                f"{path}: {what} without ffmpeg ({missing.what}); install ffmpeg or encode the file again"
            )
        raise CorruptAudioError(f"{path}: {what} ({missing.what}; ffmpeg: {refusal}); encode the file again")
    if mixer.n_frames == 0:
        raise CorruptAudioError(f"{path}: broken from its start ({missing.what}); copy or encode it again")
    if missing.what:
        _logger.warning("%s: broken after %.1f s (%s); what follows is left out", path, mixer.seconds, missing.what)
    return mixer


def _kind_for_ffmpeg(path: Path) -> str:
    """What a file is, if libsndfile does not read that or gives a wrong reason; else nothing."""
    with path.open("rb") as file:
        start = id3_bytes(file)
        file.seek(start)
        head = file.read(64)
    if head[4:8] == b"ftyp":
        return "MPEG-4 audio (m4a)"
    # ADTS: 12 sync bits and layer 00, which no MPEG-1/2 audio layer has.
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


@dataclass(frozen=True)
class _Missing:
    """Why libsndfile may not have read all."""

    #: Empty where ffmpeg is asked only because it reads the file otherwise.
    what: str
    #: There is sound left, or else there may be.
    is_certain: bool


class _SoundFile(sf.SoundFile):  # type: ignore[misc]
    """Read from start to end: soundfile would seek after every block, which fails in a FLAC file of unknown length."""

    def seekable(self) -> bool:
        return False


def _read_libsndfile(wanted: _Wanted) -> tuple[_Mixer | None, _Missing | None]:
    """Read as far as libsndfile comes; no mixer if it does not know the format."""
    try:
        # As bytes: soundfile refuses names that are not UTF-8.
        file = _SoundFile(os.fsencode(wanted.path))
    except sf.LibsndfileError:
        return None, None
    with file:
        mixer = _Mixer(wanted, file.samplerate, file.channels)
        # Reading into our own block: with a frame count, soundfile would allocate what the header claims.
        buffer = np.empty((_BLOCK_FRAMES, file.channels), np.float32)
        broken = ""
        try:
            while len(block := file.read(out=buffer)):
                mixer.add(block)
        except sf.LibsndfileError as error:
            broken = error.error_string.strip().removeprefix("Error : ").rstrip(".")
            mixer.add(buffer[: _n_read(file) - mixer.n_frames])
        return mixer, _missing(wanted.path, file, mixer, broken)


def _n_read(file: sf.SoundFile) -> int:
    """Frames that were read until the stream broke."""
    try:
        return int(file.tell())
    except sf.LibsndfileError:
        return 0


def _missing(path: Path, file: sf.SoundFile, mixer: _Mixer, broken: str) -> _Missing | None:
    if file.format == "MP3" and (frames := mp3_frames(path)) is not None:
        # What the decoders take away at the ends is less than two frames.
        if frames.seconds - mixer.seconds > 2 * frames.frame_seconds:
            return _Missing(broken or f"its frames hold {frames.seconds:.1f} s", is_certain=not broken)
        # Behind junk, decoders differ in what they begin with; we want what browsers do.
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


class _FfmpegError(Exception):
    """What ffmpeg says of a file that it cannot read."""


def _read_ffmpeg(ffmpeg: str, wanted: _Wanted) -> _Mixer:
    path = wanted.path
    command = [
        *(ffmpeg, "-v", "error", "-nostdin", "-protocol_whitelist", "file,pipe"),
        # A playlist could name other files.
        *("-format_whitelist", _FFMPEG_FORMATS, "-i", f"file:{path}", "-map", "0:a:0"),
        # One second more than allowed, so that too long can be told from just long enough. All channels, as their
        # mean is ours to take; Sun's au format tells their number and the rate, and can be of any length.
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
            raise CorruptAudioError(
                f"{path}: ffmpeg was not done after {_FFMPEG_TIMEOUT_SECONDS} s; convert the file to mp3, ogg, flac or "
                "wav"
            )
        if mixer is None or mixer.n_frames == 0:
            errors.seek(0)
            lines = errors.read(_HEADER_BYTES).decode(errors="replace").strip().splitlines()
            raise _FfmpegError(lines[-1].removeprefix(f"file:{path}: ") if lines else "no sound in it")
    return mixer


def _mix_au(stream: IO[bytes], wanted: _Wanted, stated_seconds: float) -> _Mixer | None:
    """Mix what ffmpeg writes, without what an encoder added after the stated end; None if it writes nothing."""
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
                # More than padding: the statement is wrong.
                end = _UNKNOWN_FRAMES
                for kept in after:
                    mixer.add(kept)
                after = []
    return mixer


def _mpeg4_seconds(ffmpeg: str, path: Path) -> float:
    """Length that an MPEG-4 file states, without its encoder's padding; 0 where nobody can tell."""
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
