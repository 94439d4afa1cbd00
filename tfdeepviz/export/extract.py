"""A track to encodings and visual parameters: in Python what the browser does."""

from __future__ import annotations

import csv
import json
from collections import abc
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tfdeepviz.data.decode import MAX_SECONDS, AudioTooShortError, decode_file
from tfdeepviz.data.files import atomic_path
from tfdeepviz.data.frontend import MfccFrontend
from tfdeepviz.data.segments import Windows
from tfdeepviz.errors import InputError
from tfdeepviz.export.bundle import Bundle, EncoderInfo
from tfdeepviz.export.graph import Graph, load_checked
from tfdeepviz.mapping.encodings import Encode, encode_track
from tfdeepviz.mapping.mappings import Encodings, Mapping
from tfdeepviz.mapping.motion import Onsets
from tfdeepviz.mapping.time import TimeSettings, interpolate, play

FORMATS = (".json", ".npz", ".csv")


@dataclass(frozen=True)
class Analysis:
    """What every stage made of one track.

    Attributes
    ----------
    mfcc : np.ndarray [shape=(n_frames, n_mfcc)]
    encodings
        Of each encoder, by its name, on its own time axis; a classifier's with probabilities of genres.
    times : np.ndarray [shape=(n,)]
        Of the parameters, in seconds: the finest encoder's.
    parameters : np.ndarray [shape=(n, n_parameters)]
        In [0, 1].
    duration_seconds
        Of the track.
    onsets
        What musical time follows; without them, time.
    """

    mfcc: npt.NDArray[np.float32]
    encodings: dict[str, Encodings]
    times: npt.NDArray[np.float64]
    parameters: npt.NDArray[np.float64]
    duration_seconds: float
    onsets: Onsets | None = None

    def played(self, frames_per_second: float, settings: TimeSettings) -> Analysis:
        """Give the parameters as a player shows them, frame by frame: interpolated and smoothed."""
        times, parameters = play(
            self.times,
            self.parameters,
            duration_seconds=self.duration_seconds,
            frames_per_second=frames_per_second,
            settings=settings,
            onsets=self.onsets,
        )
        return replace(self, times=times, parameters=parameters)


def analyze(
    pcm: npt.NDArray[np.float32],
    *,
    frontend: MfccFrontend,
    encoders: abc.Mapping[str, tuple[Encode, Windows]],
    mapping: Mapping,
) -> Analysis:
    """Run the whole way from mono PCM [shape=(n_samples,)] to parameters.

    Raises
    ------
    AudioTooShortError
        If there is less than one window.
    """
    params = frontend.params
    longest = max(windows.frames for _, windows in encoders.values())
    if params.n_frames(pcm.size) < longest:
        raise AudioTooShortError(
            f"{pcm.size / params.sample_rate_hz:.2f} s of sound is less than the model looks at "
            f"({longest * params.frame_seconds:.2f} s); give a longer track"
        )
    mfcc = frontend.mfcc(pcm)
    encodings = {name: encode_track(encode, mfcc, windows) for name, (encode, windows) in encoders.items()}
    times, parameters = mapping.parameters(encodings)
    onsets = Onsets.of(mfcc, pcm, params)
    return Analysis(mfcc, encodings, times, parameters, pcm.size / params.sample_rate_hz, onsets)


class Extractor:
    """A loaded bundle, ready for many tracks."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.frontend = MfccFrontend(bundle.params)

    @cached_property
    def encoders(self) -> dict[str, Encode]:
        """The bundle's encoders, as the browser executes them.

        Raises
        ------
        FormatError
            If one cannot be loaded or does not fit the manifest.
        """
        return {info.name: _encoding_with(load_encoder(self.bundle, info)) for info in self.bundle.encoders}

    def analyze(
        self,
        pcm: npt.NDArray[np.float32],
        *,
        projection: str | None = None,
        mode: str | None = None,
        method: str | None = None,
        hop_seconds: float | None = None,
    ) -> Analysis:
        """Analyse mono PCM [shape=(n_samples,)] at the bundle's rate; for the rest see `extract`."""
        windows = {
            info.name: info.windows(self.bundle.params, hop_seconds=hop_seconds) for info in self.bundle.encoders
        }
        return analyze(
            pcm,
            frontend=self.frontend,
            encoders={name: (encode, windows[name]) for name, encode in self.encoders.items()},
            mapping=self.bundle.mappings.find(projection, mode, method),
        )

    def extract(
        self,
        track: Path,
        *,
        projection: str | None = None,
        mode: str | None = None,
        method: str | None = None,
        hop_seconds: float | None = None,
        max_seconds: float = MAX_SECONDS,
    ) -> Analysis:
        """Analyse one audio file.

        Parameters
        ----------
        track
            Any file that `tfdeepviz.data.decode.decode_file` reads.
        projection, mode, method
            The mapping; by default the bundle's.
        hop_seconds
            Time between encodings, rounded to whole frames; by default each encoder's own step.
        max_seconds
            Refuse longer tracks.

        Raises
        ------
        InputError
            If the bundle does not offer the mapping.
        AudioTooShortError
            If the track is shorter than what an encoder looks at.
        """
        pcm = decode_file(track, sample_rate_hz=self.bundle.params.sample_rate_hz, max_seconds=max_seconds)
        try:
            return self.analyze(pcm, projection=projection, mode=mode, method=method, hop_seconds=hop_seconds)
        except AudioTooShortError as error:
            raise AudioTooShortError(f"{track}: {error}") from error


def load_encoder(bundle: Bundle, info: EncoderInfo) -> Graph:
    """Load an encoder's graph, unscaled windows `segments` [shape=(n, window_frames, n_mfcc)] to its outputs.

    Raises
    ------
    FormatError
        If it cannot be loaded or does not fit the manifest.
    """
    windows = np.zeros((1, info.window_frames, bundle.params.n_mfcc), np.float32)
    shapes = {"encoding": (1, info.encoding_size), **({"genres": (1, len(info.genres))} if info.genres else {})}
    return load_checked(bundle.path / info.model, {"segments": windows}, shapes)


def _encoding_with(graph: Graph) -> Encode:
    return lambda windows: graph(segments=windows)


def write_analysis(analysis: Analysis, out: Path, *, bundle: Bundle) -> None:
    """Write times, parameters, encodings, probabilities of genres and the bundle's label as .json, .npz or .csv.

    A table has one time axis only: there, the encodings stand interpolated at the parameters' times.

    Raises
    ------
    InputError
        For another extension.
    """
    label = bundle.label
    genres = {info.name: list(info.genres) for info in bundle.encoders}
    with atomic_path(out) as temporary:
        if out.suffix == ".json":
            value: dict[str, Any] = {
                **{"bundle": label, "times": analysis.times.tolist(), "parameters": analysis.parameters.tolist()},
                "encodings": {
                    name: {"times": encodings.times.tolist(), "values": encodings.values.tolist()}
                    for name, encodings in analysis.encodings.items()
                },
                "genres": {
                    name: {"names": genres[name], "probabilities": encodings.genres.tolist()}
                    for name, encodings in analysis.encodings.items()
                    if encodings.genres is not None
                },
            }
            temporary.write_text(json.dumps(value, allow_nan=False) + "\n", encoding="utf-8")
        elif out.suffix == ".npz":
            arrays: dict[str, npt.NDArray[Any]] = {
                **{"bundle": np.array(label), "times": analysis.times, "parameters": analysis.parameters}
            }
            for name, encodings in analysis.encodings.items():
                arrays |= {f"{name}/times": encodings.times, f"{name}/values": encodings.values}
                if encodings.genres is not None:
                    arrays |= {f"{name}/genres": np.array(genres[name]), f"{name}/probabilities": encodings.genres}
            with temporary.open("wb") as file:
                np.savez(file, **arrays)
        elif out.suffix == ".csv":
            columns = {"time": analysis.times}
            columns |= {f"parameter_{i}": column for i, column in enumerate(analysis.parameters.T)}
            for name, encodings in analysis.encodings.items():
                values = interpolate(encodings.times, encodings.values, analysis.times)
                columns |= {f"{name}_{i}": column for i, column in enumerate(values.T)}
                if encodings.genres is not None:
                    values = interpolate(encodings.times, encodings.genres, analysis.times)
                    columns |= {f"{name}_{genre}": column for genre, column in zip(genres[name], values.T, strict=True)}
            with temporary.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(columns)
                writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
        else:
            raise InputError(f"{out}: write to a file that ends in {', '.join(FORMATS)}")
