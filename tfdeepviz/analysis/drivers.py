"""Drivers of the parameters: bundles, and simple baselines to compare them with. All start from a track's sound."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Protocol

import numpy as np
from scipy.signal import lfilter

from tfdeepviz.analysis.sound import RATE_HZ, Floats, Pcm, Sound, load_librosa
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.export.extract import Extractor
from tfdeepviz.mapping.encodings import encode_track
from tfdeepviz.mapping.mappings import Mapping
from tfdeepviz.mapping.scaling import N_PARAMETERS, Scaling
from tfdeepviz.mapping.time import TimeSettings
from tfdeepviz.reports.quality import Driver

# Frames of 25 ms, one every 10 ms.
_N_FFT, _HOP = 1_102, 441
_ROW_SECONDS = _HOP / RATE_HZ
#: Lower and upper ends of ten bands that are about equally wide to the ear.
TEN_BANDS_HZ = tuple(zip(np.geomspace(40, 16_000, 11)[:-1], np.geomspace(40, 16_000, 11)[1:], strict=True))
_THREE_BANDS_HZ = ((20.0, 250.0), (250.0, 4_000.0), (4_000.0, 16_000.0))

#: Time constant with which the random walk returns to its middle.
_WALK_SECONDS = 1.0

#: Length of the windows that the original encodes, one after another without overlap.
_ORIGINAL_SECONDS = 0.96
_ORIGINAL_TOLERANCE_SECONDS = 0.02
#: Smoothing of the original with its slider in the middle.
_ORIGINAL_TIME = TimeSettings(interpolation="linear", attack=0.5, release=0.5, tick_seconds=0.01)


class Source(Protocol):
    """Provides one or more drivers that share work."""

    @property
    def drivers(self) -> Sequence[Driver]:
        """Drivers of this source, in a fixed order."""

    def play(self, sound: Sound) -> Iterator[Floats]:
        """Yield each driver's parameters [shape=(n_frames, n_parameters)] at `FRAMES_PER_SECOND`, in their order.

        Raises an AudioTooShortError if the sound is too short for the source.
        """


class BundleSource:
    """The default mapping of a bundle or all of them, and the original's settings if it has an encoder like that.

    The encoders run once per track, whatever the number of mappings. `name` is that of the bundle in the table.
    """

    def __init__(self, bundle: Bundle, name: str, *, all_mappings: bool = False) -> None:
        mappings = bundle.mappings
        self._extractor = Extractor(bundle)
        self._time = mappings.time
        self._mappings = list(mappings.offers.values()) if all_mappings else [mappings.find()]
        encoders = ", ".join(
            f"{info.name}: {info.window_seconds:.2f} s every {info.step_seconds:.2f} s" for info in bundle.encoders
        )
        note = f"{encoders}; {mappings.time.interpolation} interpolation, {_smoothing(mappings.time)}"
        self.drivers = [
            Driver(f"{name}: {key}", f"{'default mapping; ' if key == mappings.default else ''}{note}", "bundle")
            for key in (mapping.key for mapping in self._mappings)
        ]
        self._original = _original_mapping(bundle)
        if self._original is not None:
            note = f"{self._original.key}, an encoding every 0.96 s, linear interpolation, slider 0.5"
            self.drivers.append(Driver(f"{name}: the original's settings", note, "original"))

    def play(self, sound: Sound) -> Iterator[Floats]:
        """See `Source.play`."""
        params = self._extractor.bundle.params
        analysis = self._extractor.analyze(sound.at(params.sample_rate_hz))
        for _, mappings in groupby(self._mappings, key=lambda mapping: mapping.key.projection):
            # These share their times, so all of them can be played as quickly as one.
            times, parameters = zip(*(mapping.parameters(analysis.encodings) for mapping in mappings), strict=True)
            played = sound.play(times[0], np.hstack(parameters), self._time, analysis.onsets)
            yield from np.hsplit(played, len(parameters))
        if self._original is not None:
            encoders = self._extractor.encoders
            sparse = {
                info.name: encode_track(
                    encoders[info.name], analysis.mfcc, info.windows(params, hop_seconds=_ORIGINAL_SECONDS)
                )
                for info in self._extractor.bundle.encoders
            }
            yield sound.play(*self._original.parameters(sparse), _ORIGINAL_TIME)


def bundle_sources(bundles: Sequence[Bundle], *, all_mappings: bool = False) -> list[BundleSource]:
    """Make a source for each bundle, with distinct names."""
    labels = Counter(bundle.label for bundle in bundles)
    names = [one.label if labels[one.label] == 1 else f"{one.label} ({one.path})" for one in bundles]
    return [BundleSource(*one, all_mappings=all_mappings) for one in zip(bundles, names, strict=True)]


def _original_mapping(bundle: Bundle) -> Mapping | None:
    """Return the mapping that comes closest to the original's, if an encoder sees as much as the original's."""
    seen = [abs(info.window_seconds - _ORIGINAL_SECONDS) for info in bundle.encoders]
    if min(seen) >= _ORIGINAL_TOLERANCE_SECONDS:
        return None
    offers = bundle.mappings.offers.values()
    standard = {one.key.projection: one for one in offers if one.key[1:] == ("features", "standard")}
    return standard.get("raw", next(iter(standard.values()), None))


def _smoothing(time: TimeSettings) -> str:
    def constant(kept: float) -> str:
        if kept in (0, 1):
            return "at once" if kept == 0 else "never"
        return f"{-1_000 * time.tick_seconds / math.log(kept):.0f} ms"

    if time.attack == time.release:
        return "not smoothed" if time.attack == 0 else f"smoothed by {constant(time.attack)}"
    return f"rising by {constant(time.attack)}, falling by {constant(time.release)}"


# --- baselines ---------------------------------------------------------------------------------------------------


def band_levels(pcm: Pcm, bands_hz: Sequence[tuple[float, float]], *, floor_db: float) -> Floats:
    """Measure the levels of bands in dB [shape=(n_rows, n_bands)] of sound at `RATE_HZ`, every 10 ms.

    The upper end of a band does not belong to it. Anything quieter than `floor_db` is raised to it.
    """
    librosa = load_librosa()
    power = np.square(np.abs(librosa.stft(pcm, n_fft=_N_FFT, hop_length=_HOP)))
    frequencies = librosa.fft_frequencies(sr=RATE_HZ, n_fft=_N_FFT)
    inside = np.stack([(low <= frequencies) & (frequencies < high) for low, high in bands_hz])
    levels: Floats = 10 * np.log10(np.maximum(inside @ power, 10 ** (floor_db / 10))).T.astype(np.float64)
    return levels


#: Columns of the features: ten bands, three bands, and a random walk.
_TEN, _THREE, _WALK = slice(0, 10), slice(10, 13), slice(13, 13 + N_PARAMETERS)


def _features(sound: Sound, floor_db: float) -> Floats:
    """Compute the features that all baselines are made of, every 10 ms."""
    levels = band_levels(sound.pcm, [*TEN_BANDS_HZ, *_THREE_BANDS_HZ], floor_db=floor_db)
    steps = np.random.default_rng(sound.track_id).normal(size=(len(levels), N_PARAMETERS))
    # A pure random walk would start its second half where its first half ends, and self-retrieval would notice.
    walk = lfilter([1], [1, -math.exp(-_ROW_SECONDS / _WALK_SECONDS)], steps, axis=0)
    return np.concatenate([levels, walk], axis=1)


def _smoothed(seconds: float) -> TimeSettings:
    kept = math.exp(-_ROW_SECONDS / seconds)
    return TimeSettings(attack=kept, release=kept, tick_seconds=_ROW_SECONDS)


#: Names, notes, columns of the features, and smoothing.
_BASELINES = (
    ("ten band energies, 80 ms", "40 Hz to 16 kHz, as common visualisers have them", _TEN, _smoothed(0.08)),
    ("ten band energies, 30 ms", "the same, smoothed less", _TEN, _smoothed(0.03)),
    ("bass, mid, treble, 80 ms", "envelopes of 20 to 250 Hz, to 4 kHz, to 16 kHz", _THREE, _smoothed(0.08)),
    ("random walk, 30 ms", "around the middle; hears nothing: the zero line", _WALK, _smoothed(0.03)),
)


class BaselineSource:
    """Baselines, scaled with training tracks: the mean of each is at 0.5, and one standard deviation 0.4 from it.

    The sounds, at least one, are read one at a time.
    """

    def __init__(self, sounds: Iterable[Sound], *, floor_db: float) -> None:
        self.drivers = [Driver(name, note, "baseline") for name, note, _, _ in _BASELINES]
        self._floor_db = floor_db
        rows = [_features(sound, floor_db).astype(np.float32) for sound in sounds]
        self._scaling = Scaling.fit(np.concatenate(rows), mode="features", method="standard")

    def play(self, sound: Sound) -> Iterator[Floats]:
        """See `Source.play`."""
        rows = self._scaling.apply(_features(sound, self._floor_db))
        for _, _, columns, time in _BASELINES:
            yield sound.play(np.arange(len(rows)) * _ROW_SECONDS, rows[:, columns], time)
