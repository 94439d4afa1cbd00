"""musicnn (Pons and Serra 2019): two networks that tag music, one trained on the Million Song Dataset, one on MTT."""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from tfdeepviz.data.decode import MAX_SECONDS, AudioTooShortError, decode_file
from tfdeepviz.files import FormatError, sha256_file
from tfdeepviz.lazy import tf
from tfdeepviz.params import AudioParams, ParameterError

#: The networks, by the data that they were trained on: Million Song Dataset and MagnaTagATune.
NETS = ("msd", "mtt")

_NAMES = {
    "msd": """rock, pop, alternative, indie, electronic, female vocalists, dance, 00s, alternative rock, jazz,
    beautiful, metal, chillout, male vocalists, classic rock, soul, indie rock, Mellow, electronica, 80s, folk, 90s,
    chill, instrumental, punk, oldies, blues, hard rock, ambient, acoustic, experimental, female vocalist, guitar,
    Hip-Hop, 70s, party, country, easy listening, sexy, catchy, funk, electro, heavy metal, Progressive rock, 60s,
    rnb, indie pop, sad, House, happy""",
    "mtt": """guitar, classical, slow, techno, strings, drums, electronic, rock, fast, piano, ambient, beat, violin,
    vocal, synth, female, indian, opera, male, singing, vocals, no vocals, harpsichord, loud, quiet, flute, woman,
    male vocal, no vocal, pop, soft, sitar, solo, man, classic, choir, voice, new age, dance, male voice,
    female vocal, beats, harp, cello, no voice, weird, country, metal, female voice, choral""",
}
#: All tags, in the order of the networks' outputs, with the name of the network before each.
TAGS = tuple(f"{net}/{' '.join(tag.split())}" for net in NETS for tag in _NAMES[net].split(","))
#: Numbers in an embedding: 200 of each network.
EMBEDDING_SIZE = 400

WHEEL = "musicnn-0.1.0-py3-none-any.whl"
WHEEL_SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
_WHEEL_BYTES = 29_292_476
# A checkpoint of one network, with the state of its optimiser.
_MAX_CHECKPOINT_BYTES = 10_000_000

#: The networks' own front end: what they call a patch is our segment.
PARAMS = AudioParams(
    preset="musicnn",
    sample_rate_hz=16_000,
    n_fft=512,
    hop_length=256,
    n_mels=96,
    f_max_hz=8_000.0,
    floor_db=-200.0,
    segment_frames=187,
)
#: Usual time between patches: a third of a patch.
HOP_SECONDS = 0.992

# Patches per call of a network. Memory does not grow with the track; the result does not depend on this number.
_CALL_PATCHES = 32


class Answers(NamedTuple):
    """What a teacher says of a track's patches."""

    times: npt.NDArray[np.floating[Any]]  # (n,): start of each patch, in seconds
    tags: npt.NDArray[np.floating[Any]]  # (n, 100): probabilities, in the order of `TAGS`
    embeddings: npt.NDArray[np.floating[Any]]  # (n, 400)


class Musicnn:
    """Both networks; get them with `load`. Several threads may use them at once."""

    def __init__(self, checkpoints: list[Path]) -> None:
        from tfdeepviz.data.frontend import MfccFrontend
        from tfdeepviz.teachers.musicnn_network import MusicnnNetwork

        self._frontend = MfccFrontend(PARAMS)
        self._networks = [MusicnnNetwork(path) for path in checkpoints]
        signature = [tf.TensorSpec([None, PARAMS.n_mels], tf.float32), tf.TensorSpec([None], tf.int32)]
        self._graph = tf.function(self._answer, input_signature=signature)

    @classmethod
    def load(cls, wheel: Path) -> Self:
        """Read the published wheel, without executing anything in it; raises a FormatError if it is another file."""
        with tempfile.TemporaryDirectory() as folder:
            return cls(_unpack(wheel, Path(folder)))

    def hear(self, path: Path, hop_seconds: float = HOP_SECONDS, *, max_seconds: float = MAX_SECONDS) -> Answers:
        """Decode an audio file and `listen` to it; raises an AudioError that names the file if it cannot be used."""
        pcm = decode_file(path, sample_rate_hz=PARAMS.sample_rate_hz, max_seconds=max_seconds)
        try:
            return self.listen(pcm, hop_seconds)
        except AudioTooShortError as error:
            raise AudioTooShortError(f"{path}: {error}") from error

    def listen(self, pcm: npt.NDArray[np.float32], hop_seconds: float = HOP_SECONDS) -> Answers:
        """Hear a whole track: mono samples at 16 kHz.

        A patch of 187 frames (3 s) begins every `hop_seconds`, rounded to frames of 16 ms.

        Raises
        ------
        AudioTooShortError
            If the track is shorter than a patch.
        ParameterError
            If the hop is longer than a patch, so that music would be skipped.
        """
        hop = hop_frames(hop_seconds)
        power = 10 ** (self._frontend.log_mel(pcm) / 10)
        frames = np.log10(1 + 10_000 * power)
        starts = np.arange(0, len(frames) - PARAMS.segment_frames + 1, hop, np.int32)
        if not starts.size:
            raise AudioTooShortError(
                f"{pcm.size / PARAMS.sample_rate_hz:.2f} s of sound is less than one patch of musicnn "
                f"({PARAMS.segment_seconds:.2f} s)"
            )
        parts = []
        for first in range(0, len(starts), _CALL_PATCHES):
            called = starts[first : first + _CALL_PATCHES]
            begin, end = called[0], called[-1] + PARAMS.segment_frames
            parts.append([part.numpy() for part in self._graph(frames[begin:end], called - begin)])
        tags, embeddings = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return Answers(starts * np.float32(PARAMS.frame_seconds), tags, embeddings)

    def _answer(self, frames: tf.Tensor, starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        tags, embeddings = zip(*(network(frames, starts) for network in self._networks), strict=True)
        return tf.concat(tags, axis=1), tf.concat(embeddings, axis=1)


def hop_frames(hop_seconds: float) -> int:
    """Convert the time between patches to frames, rounded; raises a ParameterError if music would be skipped."""
    if not 0 < hop_seconds <= PARAMS.segment_seconds:
        raise ParameterError(
            f"hop_seconds={hop_seconds}: give a value above 0, and at most the length of a patch, "
            f"{PARAMS.segment_seconds:g} s"
        )
    return PARAMS.hop_frames(hop_seconds)


def check_wheel(wheel: Path) -> None:
    """Raise a FormatError unless a file is the published wheel."""
    try:
        # The size is compared first, to read no file that is too large.
        is_it = wheel.stat().st_size == _WHEEL_BYTES and sha256_file(wheel) == WHEEL_SHA256
    except FileNotFoundError as error:
        raise FormatError(f"{wheel}: missing; `tfdeepviz teacher fetch musicnn` fetches it") from error
    except OSError as error:
        raise FormatError(f"{wheel}: cannot be read ({error.strerror})") from error
    if not is_it:
        raise FormatError(f"{wheel}: not {WHEEL} as published; `tfdeepviz teacher fetch musicnn` fetches it")


def _unpack(wheel: Path, folder: Path) -> list[Path]:
    """Unpack both networks' checkpoints, and return their paths without suffix."""
    check_wheel(wheel)
    paths = []
    try:
        with zipfile.ZipFile(wheel) as archive:
            for net in NETS:
                paths.append(folder / net)
                for suffix in (".index", ".data-00000-of-00001"):
                    # In the wheel, these files consist of suffixes only.
                    with archive.open(f"musicnn/{net.upper()}_musicnn/{suffix}") as file:
                        content = file.read(_MAX_CHECKPOINT_BYTES + 1)
                    if len(content) > _MAX_CHECKPOINT_BYTES:
                        raise FormatError(f"{wheel}: {file.name} is larger than {_MAX_CHECKPOINT_BYTES} bytes")
                    paths[-1].with_name(f"{net}{suffix}").write_bytes(content)
    except (zipfile.BadZipFile, KeyError, EOFError, zlib.error) as error:
        raise FormatError(f"{wheel}: not a wheel of musicnn ({error})") from error
    return paths
