"""One small sound in many containers and codecs, and what Python decodes of each: for tests here and in the browser.

`python -m tests.data.containers OUT` makes the files and decodes them, `--folder FOLDER` decodes what lies there.
For each file OUT gets a line in `cases.json` and, if it can be decoded, its samples (`N.f32`).
"""

from __future__ import annotations

import argparse
import json
import logging
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile as sf

from tfdeepviz.data.decode import AudioError, decode_file

RATE_HZ = 44_100
SECONDS = 4.0

#: File name and ffmpeg's options, of twelve containers and codecs that people have.
CONTAINERS: dict[str, tuple[str, ...]] = {
    "s16.wav": ("-c:a", "pcm_s16le"),
    "float.wav": ("-c:a", "pcm_f32le"),
    "flac.flac": ("-c:a", "flac", "-sample_fmt", "s16"),
    "flac.ogg": ("-c:a", "flac", "-sample_fmt", "s16"),
    "vorbis.ogg": ("-c:a", "libvorbis"),
    "opus.opus": ("-c:a", "libopus"),
    "cbr.mp3": ("-c:a", "libmp3lame", "-b:a", "128k"),
    "vbr-untagged.mp3": ("-c:a", "libmp3lame", "-q:a", "4", "-write_xing", "0", "-id3v2_version", "0"),
    "aac.m4a": ("-c:a", "aac"),
    "alac.m4a": ("-c:a", "alac", "-sample_fmt", "s16p"),
    "adts.aac": ("-c:a", "aac"),
    "opus.webm": ("-c:a", "libopus"),
}


def sound() -> npt.NDArray[np.float32]:
    """Two different channels without anything above 10 kHz, where resamplers differ [shape=(n_samples, 2)]."""
    t = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    rng = np.random.default_rng(15)
    channels = []
    for hz in (220, 330):
        partials = [np.sin(2 * np.pi * hz * k * t + rng.uniform(0, 6)) / k for k in range(1, 30, 2)]
        swell = 0.6 + 0.4 * np.sin(2 * np.pi * rng.uniform(1, 3) * t)
        channels.append(0.2 * np.sum(partials, axis=0) * swell)
    fade = np.clip(np.minimum(t, t[::-1]) / 0.1, 0, 1)  # an edge would ring in every resampler in another way
    both: npt.NDArray[np.float32] = (np.stack(channels, axis=1) * fade[:, None]).astype(np.float32)
    return both


def make_container(folder: Path, name: str) -> Path | None:
    """Make one of `CONTAINERS`; None if this ffmpeg cannot."""
    source, path = folder / "source" / "sound.wav", folder / name
    if not source.exists():
        source.parent.mkdir()
        sf.write(source, sound(), RATE_HZ, subtype="FLOAT")
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", str(source), *CONTAINERS[name], str(path)]
    return path if subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0 else None


def _make_oddities(folder: Path) -> None:
    """Files that are joined, cut, or say something wrong of themselves, from what `make_container` made."""

    def write(name: str, of: str, change: Callable[[bytes], bytes]) -> None:
        if (folder / of).exists():
            (folder / name).write_bytes(change((folder / of).read_bytes()))

    def put(data: bytes, at: int, new: bytes) -> bytes:
        return data[:at] + new + data[at + len(new) :]

    write("joined.mp3", "cbr.mp3", lambda data: data * 2)
    write("chained.ogg", "vorbis.ogg", lambda data: data * 2)
    write("short-tag.mp3", "cbr.mp3", lambda data: put(data, data.index(b"Info") + 8, struct.pack(">I", 40)))
    write("after-zeros.mp3", "cbr.mp3", lambda data: bytes(200_000) + data)
    write("after-id3.aac", "adts.aac", lambda data: b"ID3\3\0\0\0\0\0\4" + bytes(4) + data)
    write("size-0.wav", "s16.wav", lambda data: put(data, data.index(b"data") + 4, bytes(4)))
    write("unknown-length.flac", "flac.flac", lambda data: put(data, 21, bytes([data[21] & 0xF0]) + bytes(20)))
    write("cut.flac", "flac.flac", lambda data: data[: len(data) // 2])
    write("cut.mp3", "cbr.mp3", lambda data: data[: len(data) // 2])
    write("no-sound.mp3", "cbr.mp3", lambda _: b"nothing that sounds")
    samples = sound()
    sf.write(folder / "antiphase.wav", samples[:, :1] * [1, -1], RATE_HZ)
    samples[RATE_HZ, 0] = np.nan
    sf.write(folder / "one-nan.wav", samples, RATE_HZ, subtype="FLOAT")


def _cases(folder: Path, out: Path) -> Iterator[dict[str, Any]]:
    for i, path in enumerate(sorted(path for path in folder.rglob("*") if path.is_file())):
        # Opus in WebM begins a fraction of a sample later in the page, unless it keeps its rate.
        rate_hz = 48_000 if path.suffix == ".webm" else RATE_HZ
        case = {"name": str(path.relative_to(folder)), "path": str(path.resolve()), "rateHz": rate_hz}
        try:
            decode_file(path, sample_rate_hz=rate_hz).tofile(out / f"{i}.f32")
            yield {**case, "pcm": str((out / f"{i}.f32").resolve()), "error": None}
        except AudioError as error:
            yield {**case, "pcm": None, "error": f"{error.reason}: {error}"}


def main() -> None:
    """Run as the module's docstring says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    folder = args.folder
    if folder is None:
        folder = args.out / "files"
        folder.mkdir()
        for name in CONTAINERS:
            make_container(folder, name)
        _make_oddities(folder)
    (args.out / "cases.json").write_text(json.dumps(list(_cases(folder, args.out))))


if __name__ == "__main__":
    main()
