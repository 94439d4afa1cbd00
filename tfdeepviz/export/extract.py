"""A track to encodings and visual parameters: in Python what the browser does."""

from __future__ import annotations

import csv
import json
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tfdeepviz.data.decode import MAX_SECONDS, AudioTooShortError, decode_file
from tfdeepviz.data.files import FormatError, atomic_path
from tfdeepviz.data.frontend import MfccFrontend
from tfdeepviz.data.scaler import SegmentScaler
from tfdeepviz.data.segments import cut_segments, segment_times
from tfdeepviz.export.bundle import KERAS_ENCODER, Bundle
from tfdeepviz.mapping.scaling import Scaling
from tfdeepviz.params import AudioParams

FORMATS = (".json", ".npz", ".csv")


@dataclass(frozen=True)
class Analysis:
    """What every stage made of one track.

    Attributes
    ----------
    times : np.ndarray [shape=(n,)]
        Middle of each segment in seconds.
    encoding : np.ndarray [shape=(n, encoding_size)]
    parameters : np.ndarray [shape=(n, n_parameters)]
        In [0, 1].
    mfcc : np.ndarray [shape=(n_frames, n_mfcc)]
    """

    times: npt.NDArray[np.float64]
    encoding: npt.NDArray[np.float32]
    parameters: npt.NDArray[np.float64]
    mfcc: npt.NDArray[np.float32]


def analyze(
    pcm: npt.NDArray[np.float32], *, frontend: MfccFrontend, encoder: keras.Model, scaling: Scaling, hop_seconds: float
) -> Analysis:
    """Run the whole way from mono PCM [shape=(n_samples,)] to parameters.

    Raises
    ------
    AudioTooShortError
        If there is less than one segment.
    """
    params = frontend.params
    hop_frames = params.hop_frames(hop_seconds)
    if params.n_frames(pcm.size) < params.segment_frames:
        raise AudioTooShortError(
            f"{pcm.size / params.sample_rate_hz:.2f} s of sound is less than one segment "
            f"({params.segment_seconds:.2f} s); give a longer track"
        )
    mfcc = frontend.mfcc(pcm)
    segments = cut_segments(mfcc, segment_frames=params.segment_frames, hop_frames=hop_frames)
    encoding = np.concatenate(
        [
            keras.ops.convert_to_numpy(encoder(batch.transpose(0, 2, 1)[..., None], training=False))
            for batch in np.array_split(segments, -(-len(segments) // 256))
        ]
    )
    times = segment_times(len(segments), params, hop_frames=hop_frames)
    return Analysis(times, encoding, scaling.apply(encoding), mfcc)


class Extractor:
    """A loaded bundle, ready for many tracks."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.frontend = MfccFrontend(bundle.params)

    @cached_property
    def encoder(self) -> keras.Model:
        """The bundle's Keras encoder.

        Raises
        ------
        FormatError
            If it cannot be loaded safely or does not fit the manifest.
        """
        path = self.bundle.path / KERAS_ENCODER
        try:
            encoder = keras.saving.load_model(
                path, custom_objects={"SegmentScaler": SegmentScaler}, compile=False, safe_mode=True
            )
        except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
            raise FormatError(
                f"{path}: not an encoder that can be loaded ({error}); export the bundle again"
            ) from error
        expected = ((None, *self.bundle.params.segment_shape), (None, self.bundle.encoder.encoding_size))
        if (encoder.input_shape, encoder.output_shape) != expected:
            raise FormatError(
                f"{path}: {encoder.input_shape} to {encoder.output_shape} instead of {expected[0]} to {expected[1]}"
            )
        return encoder

    def extract(
        self,
        track: Path,
        *,
        hop_seconds: float | None = None,
        mode: str | None = None,
        method: str | None = None,
        max_seconds: float = MAX_SECONDS,
    ) -> Analysis:
        """Analyse one audio file.

        Parameters
        ----------
        track
            Any file that `tfdeepviz.data.decode.decode_file` reads.
        hop_seconds
            Time between encodings, rounded to whole frames; by default the encoder's window, so that segments do not
            overlap.
        mode, method
            Scaling of the raw encoding; by default the bundle's.
        max_seconds
            Refuse longer tracks.
        """
        params: AudioParams = self.bundle.params
        scaling = self.bundle.scaling(mode=mode, method=method)
        pcm = decode_file(track, sample_rate_hz=params.sample_rate_hz, max_seconds=max_seconds)
        hop = self.bundle.encoder.window_seconds if hop_seconds is None else hop_seconds
        try:
            return analyze(pcm, frontend=self.frontend, encoder=self.encoder, scaling=scaling, hop_seconds=hop)
        except AudioTooShortError as error:
            raise AudioTooShortError(f"{track}: {error}") from error


def write_analysis(analysis: Analysis, out: Path, *, bundle: Bundle) -> None:
    """Write times, encoding, parameters and the bundle's label as .json, .npz or .csv.

    Raises
    ------
    ValueError
        For another extension.
    """
    label = bundle.label
    with atomic_path(out) as temporary:
        if out.suffix == ".json":
            value: dict[str, Any] = {
                "bundle": label,
                **{name: getattr(analysis, name).tolist() for name in ("times", "encoding", "parameters")},
            }
            temporary.write_text(json.dumps(value, allow_nan=False) + "\n", encoding="utf-8")
        elif out.suffix == ".npz":
            with temporary.open("wb") as file:
                np.savez(
                    file,
                    bundle=np.array(label),
                    times=analysis.times,
                    encoding=analysis.encoding,
                    parameters=analysis.parameters,
                )
        elif out.suffix == ".csv":
            with temporary.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                names = [f"encoding_{i}" for i in range(analysis.encoding.shape[1])]
                writer.writerow(["time", *names, *[f"parameter_{i}" for i in range(analysis.parameters.shape[1])]])
                for row in zip(analysis.times, analysis.encoding, analysis.parameters, strict=True):
                    writer.writerow([row[0], *row[1].tolist(), *row[2].tolist()])
        else:
            raise ValueError(f"{out}: write to a file that ends in {', '.join(FORMATS)}")
