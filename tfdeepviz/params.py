"""`AudioParams`: all parameters of the signal path from samples to segments."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from reprlib import repr as short_repr
from typing import Annotated, Any, Self, get_type_hints

import msgspec
from msgspec import Meta

from tfdeepviz.errors import InputError, no_such
from tfdeepviz.files import explain, read_json


class ParameterError(InputError):
    """A parameter has an impossible value; the message names it and says which values work."""


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Raise a ParameterError unless a value is one of the choices."""
    if value not in choices:
        raise ParameterError(f"{name}={short_repr(value)}: choose one of {', '.join(choices)}")


def check_types(values: Mapping[str, object], types: Mapping[str, Any]) -> None:
    """Raise a ParameterError unless values fit their types, which may hold msgspec's constraints."""
    kind = msgspec.defstruct("Values", list(types.items()))
    try:
        checked = msgspec.convert(values, kind)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:  # the latter for halves of surrogate pairs
        raise ParameterError(explain(error, values, kind)) from error
    for name, value in values.items():
        if isinstance(value, list) and isinstance(getattr(checked, name), tuple):
            raise ParameterError(f"{name}: give a tuple, not a list")


def check_fields(settings: object) -> None:
    """Check a dataclass's values against its annotations, as `check_types` does."""
    types = get_type_hints(type(settings), include_extras=True)
    check_types({name: getattr(settings, name) for name in types}, types)


def check_names(names: Iterable[str], kind: type) -> None:
    """Raise a ParameterError unless the names are exactly those of a dataclass's fields."""
    given, known = set(names), [field.name for field in fields(kind)]
    if unknown := given - set(known):
        raise ParameterError(no_such("setting", min(unknown), known))
    if missing := [name for name in known if name not in given]:
        raise ParameterError(f"{', '.join(missing)}: missing")


#: A size in samples, frames or bands.
_Size = Annotated[int, Meta(ge=1, le=1_000_000)]


@dataclass(frozen=True, kw_only=True)
class AudioParams:
    """Parameters of the MFCC front end and the segment grid."""

    preset: str  # name of this parameter set
    sample_rate_hz: _Size = 44_100  # all audio is resampled to this rate
    n_fft: _Size = 1_102  # frame length, in samples
    hop_length: _Size = 441  # in samples
    n_mels: _Size = 128  # mel bands (Slaney)
    n_mfcc: _Size = 64  # cepstral coefficients kept
    f_min_hz: float = 0.0  # lower end of the mel filter bank
    f_max_hz: float = 22_050.0  # upper end
    floor_db: Annotated[float, Meta(ge=-200, le=0)] = -100.0  # smallest log-mel value, dB re 1 (power)
    # How far below the *track's* maximum log-mel values are clipped, as in `librosa.power_to_db`. With None, each frame
    # is independent of the rest of its track.
    top_db: Annotated[float, Meta(gt=0, le=200)] | None = None
    segment_frames: _Size = 96  # frames per segment

    def __post_init__(self) -> None:
        check_fields(self)
        if self.n_fft % 2:
            raise ParameterError(
                f"n_fft={self.n_fft}: give an even number, the frame's halves are folded onto each other"
            )
        if self.hop_length > self.n_fft:
            raise ParameterError(
                f"hop_length={self.hop_length}: at most n_fft={self.n_fft}, or samples would be skipped"
            )
        if self.n_mfcc > self.n_mels:
            raise ParameterError(f"n_mfcc={self.n_mfcc}: at most n_mels={self.n_mels}")
        if not 0 <= self.f_min_hz < self.f_max_hz <= self.sample_rate_hz / 2:
            raise ParameterError(
                f"f_min_hz={self.f_min_hz}, f_max_hz={self.f_max_hz}: "
                f"give 0 <= f_min_hz < f_max_hz <= {self.sample_rate_hz / 2:g}"
            )

    @property
    def n_bins(self) -> int:
        """Number of frequency bins per frame."""
        return self.n_fft // 2 + 1

    @property
    def pad_samples(self) -> int:
        """Zeros before the first sample, so that frame `i` is centred on sample `i * hop_length`."""
        return self.n_fft // 2

    @property
    def overlap_hops(self) -> int:
        """Hops that a run of frames needs beyond one hop per frame."""
        return math.ceil(self.n_fft / self.hop_length) - 1

    @property
    def frame_seconds(self) -> float:
        """Time between frames."""
        return self.hop_length / self.sample_rate_hz

    @property
    def segment_seconds(self) -> float:
        """Duration of one segment; also the smallest hop without overlap."""
        return self.segment_frames * self.frame_seconds

    @property
    def segment_shape(self) -> tuple[int, int, int]:
        """Shape of one segment as the model sees it: (coefficients, frames, channels)."""
        return (self.n_mfcc, self.segment_frames, 1)

    def n_frames(self, n_samples: int) -> int:
        """Number of centred frames in `n_samples` samples."""
        return 1 + n_samples // self.hop_length

    def hop_frames(self, hop_seconds: float) -> int:
        """Convert a hop from seconds to frames, rounded, at least one; raises a ParameterError above 60 s."""
        if not 0 < hop_seconds <= 60:
            raise ParameterError(f"hop_seconds={hop_seconds}: give a value in (0, 60]")
        return max(1, round(hop_seconds / self.frame_seconds))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Inverse of `to_dict`; rejects unknown and missing names."""
        check_names(values, cls)
        return cls(**values)

    @classmethod
    def load(cls, name: str, changes: Mapping[str, Any]) -> Self:
        """Take a preset, or a JSON file, and change values by their names; raises an InputError if that is wrong."""
        if name not in AUDIO_PRESETS and not name.endswith(".json"):
            raise ParameterError(f"params={name!r}: choose {', '.join(AUDIO_PRESETS)} or name a .json file")
        values = AUDIO_PRESETS[name].to_dict() if name in AUDIO_PRESETS else read_json(Path(name))
        return cls.from_dict({**values, "preset": "custom", **changes} if changes else values)


#: The paper's front end, clipped 80 dB below the track's maximum.
PAPER = AudioParams(preset="paper", top_db=80.0)

#: The same grid with a fixed floor, so that each segment depends only on itself: for live input, and for playback
#: while the track is still loading. Mastered music peaks near +25 dB here, so the range is about the paper's 80 dB.
LIVE = AudioParams(preset="live", floor_db=-55.0)

AUDIO_PRESETS: dict[str, AudioParams] = {params.preset: params for params in (PAPER, LIVE)}
