"""From a track to encodings and visual parameters: does in Python what the browser does."""

from __future__ import annotations

from collections import abc
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tfdeepviz.data.decode import MAX_SECONDS, AudioTooShortError, decode_file
from tfdeepviz.data.segments import SHORTEST_SECONDS, Windows
from tfdeepviz.export.bundle import Bundle, EncoderInfo
from tfdeepviz.export.graph import Graph, load_checked
from tfdeepviz.mapping.encodings import Encode, encode_track
from tfdeepviz.mapping.mappings import Encodings, Mapping
from tfdeepviz.mapping.motion import Onsets
from tfdeepviz.mapping.time import TimeSettings, play

if TYPE_CHECKING:
    from tfdeepviz.data.frontend import MfccFrontend


@dataclass(frozen=True)
class Analysis:
    """Output of every stage for one track.

    `encodings` are by encoder, each on its own time axis; some include probabilities of genres and tags. `parameters`
    [shape=(n, n_parameters)] in [0, 1] are at the times of the finest encoder. Musical time follows `onsets`.
    """

    mfcc: npt.NDArray[np.float32]
    encodings: dict[str, Encodings]
    times: npt.NDArray[np.float64]
    parameters: npt.NDArray[np.float64]
    duration_seconds: float
    onsets: Onsets | None = None

    def played(self, frames_per_second: float, settings: TimeSettings) -> Analysis:
        """Return the parameters as a player shows them frame by frame: interpolated and smoothed."""
        options = {"duration_seconds": self.duration_seconds, "frames_per_second": frames_per_second}
        times, parameters = play(self.times, self.parameters, settings=settings, onsets=self.onsets, **options)
        return replace(self, times=times, parameters=parameters)


def analyze(
    pcm: npt.NDArray[np.float32],
    *,
    frontend: MfccFrontend,
    encoders: abc.Mapping[str, tuple[Encode, Windows]],
    mapping: Mapping,
) -> Analysis:
    """Run all stages on mono PCM [shape=(n_samples,)]; raises AudioTooShortError if that is hardly a sound."""
    params = frontend.params
    if pcm.size < SHORTEST_SECONDS * params.sample_rate_hz:
        raise AudioTooShortError(
            f"{pcm.size / params.sample_rate_hz:.2f} s of sound is too short; give at least {SHORTEST_SECONDS:g} s"
        )
    mfcc = frontend.mfcc(pcm)
    encodings = {name: encode_track(encode, mfcc, windows) for name, (encode, windows) in encoders.items()}
    times, parameters = mapping.parameters(encodings)
    onsets = Onsets.of(mfcc, pcm, params)
    return Analysis(mfcc, encodings, times, parameters, pcm.size / params.sample_rate_hz, onsets)


@dataclass(frozen=True)
class Extractor:
    """A loaded bundle, ready for many tracks."""

    bundle: Bundle

    @cached_property
    def frontend(self) -> MfccFrontend:
        """The front end of the bundle's parameters."""
        from tfdeepviz.data.frontend import MfccFrontend

        return MfccFrontend(self.bundle.params)

    @cached_property
    def encoders(self) -> dict[str, Encode]:
        """The bundle's encoders, as the browser executes them; raises FormatError as `load_encoder` does."""

        def encode(graph: Graph) -> Encode:
            return lambda windows: graph(segments=windows)

        return {info.name: encode(load_encoder(self.bundle, info)) for info in self.bundle.encoders}

    def analyze(
        self,
        pcm: npt.NDArray[np.float32],
        *,
        projection: str | None = None,
        mode: str | None = None,
        method: str | None = None,
        hop_seconds: float | None = None,
    ) -> Analysis:
        """Analyse mono PCM [shape=(n_samples,)] at the bundle's rate.

        The mapping is the bundle's default where its names are omitted. `hop_seconds`, the time between encodings, is
        rounded to whole frames; by default it is each encoder's own step.

        Raises
        ------
        InputError, AudioTooShortError
            If the bundle does not offer the mapping; if the track is shorter than 0.1 s.
        """
        params, mapping = self.bundle.params, self.bundle.mappings.find(projection, mode, method)
        windows = {info.name: info.windows(params, hop_seconds=hop_seconds) for info in self.bundle.encoders}
        encoders = {name: (encode, windows[name]) for name, encode in self.encoders.items()}
        return analyze(pcm, frontend=self.frontend, encoders=encoders, mapping=mapping)

    def extract(self, track: Path, *, max_seconds: float = MAX_SECONDS, **options: Any) -> Analysis:
        """Analyse one audio file of at most `max_seconds`; errors name it. The options are those of `analyze`."""
        pcm = decode_file(track, sample_rate_hz=self.bundle.params.sample_rate_hz, max_seconds=max_seconds)
        try:
            return self.analyze(pcm, **options)
        except AudioTooShortError as error:
            raise AudioTooShortError(f"{track}: {error}") from error


def load_encoder(bundle: Bundle, info: EncoderInfo) -> Graph:
    """Load an encoder's graph, which maps unscaled windows `segments` [shape=(n, window_frames, n_mfcc)] to outputs.

    Raises FormatError if the graph cannot be loaded or does not fit the manifest.
    """
    windows = np.zeros((1, info.window_frames, bundle.params.n_mfcc), np.float32)
    shapes = {output: (1, size) for output, size in info.output_sizes.items()}
    return load_checked(bundle.path / info.model, {"segments": windows}, shapes)
