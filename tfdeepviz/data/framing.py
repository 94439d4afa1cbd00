"""Measure a compressed file from its framing alone, because libsndfile may stop early without an error.

Each function reads the file once, in bounded memory, without decoding.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# Layer III. Bit rates in kbit/s by index, for MPEG-1 and for MPEG-2 and 2.5; sample rates by version bits and index.
_KBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}

_OGG_HEADER_BYTES = 27
_OGG_FIRST_PAGE = 2


@dataclass(frozen=True)
class Mp3Frames:
    """Frame statistics of an mp3 file."""

    seconds: float  # of all frames except the Xing tag's, minus the delay and padding that the tag states
    frame_seconds: float  # of the longest frame
    is_plain: bool  # the first frame is at the start of the file or right after an ID3 tag


def mp3_frames(path: Path) -> Mp3Frames | None:
    """Measure an mp3 file from its frame headers; None if it has no frame of known length.

    This skips junk and handles joined files, even with mixed sample rates.
    """
    with path.open("rb") as file:
        start = id3_bytes(file)
        at: int | None = start
        first: int | None = None
        first_frame, n_samples = b"", Counter[int]()  # by rate in Hz
        frame_seconds = 0.0
        while at is not None:
            file.seek(at)
            header = _mp3_header(file.read(4))
            if header is None:
                at = _next_mp3_frame(file, at + 1)
                continue
            n_bytes, frame_samples, rate_hz = header
            if first is None:
                first, first_samples, first_rate_hz = at, frame_samples, rate_hz
                file.seek(at)
                first_frame = file.read(n_bytes)
            n_samples[rate_hz] += frame_samples
            frame_seconds = max(frame_seconds, frame_samples / rate_hz)
            at += n_bytes
    if first is None:
        return None
    n_tags, trimmed = _xing_tag(first_frame)
    n_samples[first_rate_hz] -= n_tags * first_samples + trimmed
    seconds = sum(n / rate_hz for rate_hz, n in n_samples.items())
    return Mp3Frames(max(0.0, seconds), frame_seconds, is_plain=first == start)


def id3_bytes(file: IO[bytes]) -> int:
    """Return the size of the ID3v2 tags at a file's start, in bytes."""
    at = 0
    while True:
        file.seek(at)
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3":
            return at
        size = 0
        for byte in head[6:]:
            size = size << 7 | byte & 0x7F
        at += 10 + size


def _mp3_header(header: bytes) -> tuple[int, int, int] | None:
    """Size in bytes, number of samples and sample rate of a frame, from its header; None if it is not one."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:  # sync, layer III
        return None
    version, bitrate, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or bitrate in (0, 15) or rate == 3:
        return None
    kbits, n_samples = (_KBITS_1, 1_152) if version == 3 else (_KBITS_2, 576)
    rate_hz = _RATES_HZ[version][rate]
    n_bytes = n_samples // 8 * 1_000 * kbits[bitrate] // rate_hz + (header[2] >> 1 & 1)
    return n_bytes, n_samples, rate_hz


def _next_mp3_frame(file: IO[bytes], at: int) -> int | None:
    """Offset of the next frame that is followed by another frame or by the end of the file."""
    for first, chunk in _chunks(file, at, overlap=3):
        for match in re.finditer(rb"\xff(?=...)", chunk, re.DOTALL):
            like = chunk[match.start() : match.start() + 4]
            if (header := _mp3_header(like)) is None:
                continue
            file.seek(first + match.start() + header[0])
            following = file.read(4)
            if len(following) < 4 or (following[1] == like[1] and not (following[2] ^ like[2]) & 0x0C):
                return first + match.start()
    return None


def _xing_tag(frame: bytes) -> tuple[int, int]:
    """Number of frames that hold a tag instead of sound (0 or 1), and samples trimmed by its LAME part."""
    at = max(frame.find(b"Xing", 0, 64), frame.find(b"Info", 0, 64))
    if at < 0 or len(frame) < at + 8:
        return 0, 0
    flags = frame[at + 7]
    lame = at + 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    trim = frame[lame + 21 : lame + 24]
    if not frame[lame : lame + 4].strip(b"\0") or len(trim) < 3:
        return 1, 0
    return 1, (trim[0] << 4 | trim[1] >> 4) + ((trim[1] & 15) << 8 | trim[2])


def is_chained_ogg(path: Path) -> bool:
    """Whether an Ogg file holds several streams in sequence, as in joined files and recorded radio."""
    with path.open("rb") as file:
        at, began = 0, False
        while True:
            file.seek(at)
            page = file.read(_OGG_HEADER_BYTES + 255)
            if len(page) < _OGG_HEADER_BYTES:
                return False
            if page[:4] != b"OggS":
                if (next_page := _find(file, at + 1, b"OggS")) is None:
                    return False
                at = next_page
                continue
            if not page[5] & _OGG_FIRST_PAGE:
                began = True
            elif began:
                return True
            sizes = page[_OGG_HEADER_BYTES : _OGG_HEADER_BYTES + page[26]]
            at += _OGG_HEADER_BYTES + len(sizes) + sum(sizes)


def is_joined_flac(path: Path) -> bool:
    """Whether a file holds two FLAC files in sequence."""
    with path.open("rb") as file:
        start = id3_bytes(file)
        stream_infos = (b"fLaC\0\0\0\x22", b"fLaC\x80\0\0\x22")  # as an inner and as the last metadata block
        return any(_find(file, start + 4, stream_info) is not None for stream_info in stream_infos)


def _find(file: IO[bytes], at: int, needle: bytes) -> int | None:
    """Offset of the next occurrence of `needle`, or None."""
    for first, chunk in _chunks(file, at, overlap=len(needle) - 1):
        if (found := chunk.find(needle)) >= 0:
            return first + found
    return None


def n_leading_zeros(path: Path) -> int:
    """Number of zero bytes at the start of a file."""
    with path.open("rb") as file:
        for first, chunk in _chunks(file, 0, overlap=0):
            if rest := chunk.lstrip(b"\0"):
                return first + len(chunk) - len(rest)
        return file.tell()


def _chunks(file: IO[bytes], at: int, *, overlap: int) -> Iterator[tuple[int, bytes]]:
    """Read on from an offset, in small steps first: what is sought is usually close. Yields offsets and bytes."""
    n_bytes = 512
    while True:
        file.seek(at)
        chunk = file.read(n_bytes)
        yield at, chunk
        if len(chunk) < n_bytes:
            return
        at += n_bytes - overlap
        n_bytes = min(2 * n_bytes, 1 << 16)
