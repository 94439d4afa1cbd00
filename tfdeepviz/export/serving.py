"""A bundle as a SavedModel for TensorFlow Serving: all stages from sound to parameters in one graph.

The graph is built from the bundle alone: its own TensorFlow.js graphs, and its default mapping rewritten in TensorFlow.
It needs neither this package nor custom operations.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tfdeepviz.data.decode import MAX_AMPLITUDE, MAX_SECONDS
from tfdeepviz.data.segments import SHORTEST_SECONDS, Windows
from tfdeepviz.export.bundle import FRONTEND_MODEL, Bundle, EncoderInfo
from tfdeepviz.export.extract import load_encoder
from tfdeepviz.export.graph import Graph, load_checked
from tfdeepviz.files import temporary_folder
from tfdeepviz.lazy import keras, tf
from tfdeepviz.mapping import mappings
from tfdeepviz.mapping.projections import Affine, InverseDistance, Scale, Select, Step
from tfdeepviz.mapping.scaling import REPEATED, Scaling
from tfdeepviz.params import AudioParams

#: Frames that go through the front end and through an encoder at once. For an encoder they make up 64 of the paper's
#: segments, or as much work with shorter windows. Apart from input and output, memory does not grow with the track.
_BLOCK_FRAMES = 1_024
_FRAMES_AT_ONCE = 6_144

_WAV_HEADER_BYTES = 36

Tensors: TypeAlias = "dict[str, tf.Tensor]"


def output_name(kind: str, encoder: str) -> str:
    """Return the name of an encoder's output.

    `kind` is `encoding`, `times`, `genres`, `genre_names`, `tags` or `tag_names`.
    """
    return f"{kind}_{encoder.replace('-', '_')}"


def write_serving(bundle: Bundle, models: Path) -> Path:
    """Write a bundle as a SavedModel in TensorFlow Serving's layout, `<models>/<name>/<version>/saved_model.pb`.

    The version's folder appears complete or not at all, so a server may already watch the folder of models; a bundle
    that was not pushed is served as version 1. The graph has no variables; docs/bundle-format.md describes its
    signatures. It processes tracks one by one and in chunks, so memory only grows with the request and its answer:
    11 MB for a minute of PCM at 44.1 kHz. Sound that no encoder can take is rejected with INVALID_ARGUMENT and a
    sentence that says what to do.

    Raises
    ------
    FileExistsError, FormatError
        If the version already exists; if a graph cannot be loaded or does not fit the manifest.
    """
    target = models / bundle.name / str(bundle.manifest.get("version") or 1)
    if target.exists():
        raise FileExistsError(f"{target}: exists, and may be in use; push the bundle for a new version, or delete it")
    signatures = _Served(bundle).signatures()
    # Servers only look for folders named by a whole number, so they ignore the staging folder.
    with temporary_folder(models) as staging:
        # Via another folder, because TensorFlow only accepts names in UTF-8.
        with tempfile.TemporaryDirectory() as temporary:
            saved = f"{temporary}/saved"  # mkdtemp's folder itself is private to its owner
            tf.saved_model.save(tf.Module(), saved, signatures=signatures)
            shutil.copytree(saved, staging, dirs_exist_ok=True)
        target.parent.mkdir(exist_ok=True)
        staging.rename(target)
    return target


class _Served:
    """The computations behind the signatures."""

    def __init__(self, bundle: Bundle) -> None:
        self._params = p = bundle.params
        # Checked first: an error inside `tf.map_fn` leaves a variable scope behind that breaks later calls.
        silence = np.zeros((p.overlap_hops + 1) * p.hop_length, np.float32)
        self._frontend = load_checked(
            bundle.frontend / FRONTEND_MODEL,
            {"pcm": silence, "floor_db": p.floor_db},
            {"mfcc": (1, p.n_mfcc), "peak_db": ()},
        )
        self._encoders = [(info, info.windows(p), load_encoder(bundle, info)) for info in bundle.encoders]
        self._mapping = bundle.mappings.find()
        self._n_parameters = bundle.mappings.n_parameters

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        pcm = tf.TensorSpec([None, None], tf.float32, name="pcm")
        # serve_bytes calls this as a function as well, so the graphs are stored only once.
        analyze = tf.function(self._analyze, input_signature=[pcm])

        def analyze_file(audio: tf.Tensor) -> Any:
            return analyze(self._decode(audio)[tf.newaxis])

        functions = {
            "serving_default": analyze,
            "serve_bytes": tf.function(analyze_file, input_signature=[tf.TensorSpec(None, tf.string, name="audio")]),
            "transform": tf.function(self._transform, input_signature=[pcm]),
        }
        return {name: function.get_concrete_function() for name, function in functions.items()}

    def _analyze(self, pcm: tf.Tensor) -> Tensors:
        pcm = self._checked(pcm, SHORTEST_SECONDS)
        n_frames = self._params.n_frames(tf.shape(pcm)[1])
        times = {info.name: _times(windows, n_frames) for info, windows, _ in self._encoders}

        def analyze_track(track: tf.Tensor) -> Tensors:
            mfcc = mfcc_in_graph(self._frontend, self._params, track)
            outputs: Tensors = {}
            encodings = {}
            for info, windows, graph in self._encoders:
                encoded = _encode(graph, info, windows, mfcc, tf.size(times[info.name]))
                encodings[info.name] = (times[info.name], encoded["encoding"])
                outputs |= {output_name(kind, info.name): values for kind, values in encoded.items()}
            outputs["times"], parameters = parameters_in_graph(self._mapping, encodings)
            return {**outputs, "parameters": tf.cast(parameters, tf.float32)}

        spec = {
            "times": tf.TensorSpec([None], tf.float64),
            "parameters": tf.TensorSpec([None, self._n_parameters], tf.float32),
        }
        labels = {}
        for info, _, _ in self._encoders:
            for kind, width in info.output_sizes.items():
                spec[output_name(kind, info.name)] = tf.TensorSpec([None, width], tf.float32)
            labels[output_name("times", info.name)] = times[info.name]
            for kind, names in info.probabilities.items():
                labels[output_name(f"{kind.removesuffix('s')}_names", info.name)] = tf.constant(names)
        outputs = tf.map_fn(analyze_track, pcm, parallel_iterations=1, fn_output_signature=spec)
        return {**outputs, "times": outputs["times"][0], **labels}

    def _decode(self, audio: tf.Tensor) -> tf.Tensor:
        """Decode the bytes of one WAV file to mono PCM [shape=(n_samples,)]."""
        file = tf.reshape(_require(audio, (tf.size(audio) == 1, "Give the bytes of one file.")), [])
        rate = self._params.sample_rate_hz
        remedy = f"give 16-bit PCM WAV at {rate} Hz, or decode the file yourself and ask serving_default"
        file = _require(file, (_is_wav(file), f"The bytes are not a file that is decoded here: {remedy}."))
        channels, rate_hz = tf.audio.decode_wav(file)
        sentence = tf.strings.format(f"The file has {{}} Hz, and nothing is resampled here: {remedy}.", rate_hz)
        return tf.reduce_mean(_require(channels, (rate_hz == rate, sentence)), axis=1)

    def _transform(self, pcm: tf.Tensor) -> Tensors:
        p = self._params
        mfcc = tf.map_fn(
            lambda track: mfcc_in_graph(self._frontend, p, track),
            self._checked(pcm, 0.0),
            parallel_iterations=1,
            fn_output_signature=tf.TensorSpec([None, p.n_mfcc], tf.float32),
        )
        n_segments = tf.shape(mfcc)[1] // p.segment_frames
        rows = mfcc[:, : n_segments * p.segment_frames]
        segments = tf.reshape(rows, [tf.shape(mfcc)[0], n_segments, p.segment_frames, p.n_mfcc])
        return {"mfcc": mfcc, "segments": tf.transpose(segments, [0, 1, 3, 2])[..., tf.newaxis]}

    def _checked(self, pcm: tf.Tensor, least_seconds: float) -> tf.Tensor:
        """Reject empty batches, tracks that are too short or too long, and samples that are not valid sound."""
        p, n_samples = self._params, tf.shape(pcm)[1]
        seconds = tf.strings.as_string(n_samples / p.sample_rate_hz, precision=2)
        return _require(
            pcm,
            (tf.shape(pcm)[0] > 0, "The batch is empty; give at least one track."),
            (
                n_samples >= math.ceil(least_seconds * p.sample_rate_hz),
                seconds + f" s of sound is too short; give at least {least_seconds:g} s.",
            ),
            (
                n_samples <= int(MAX_SECONDS * p.sample_rate_hz),
                seconds + f" s is longer than {MAX_SECONDS:g} s; cut the track.",
            ),
            (
                tf.reduce_all(tf.abs(pcm) < MAX_AMPLITUDE),  # which NaN fails, too
                "Samples are NaN, infinite or far out of range; give sound in [-1, 1].",
            ),
        )


def _require(value: tf.Tensor, *rules: tuple[tf.Tensor, str | tf.Tensor]) -> tf.Tensor:
    """Return the value if all conditions hold; otherwise the request fails with the sentence of one that does not."""
    with tf.control_dependencies([tf.debugging.Assert(condition, [sentence]) for condition, sentence in rules]):
        return tf.identity(value)


def _is_wav(file: tf.Tensor) -> tf.Tensor:
    """Tell whether a file starts like 16-bit PCM WAV; `tf.audio.decode_wav` checks the rest."""
    padded = tf.strings.join((tf.strings.substr(file, 0, _WAV_HEADER_BYTES), b"\0" * _WAV_HEADER_BYTES))
    header = tf.io.decode_raw(padded, tf.uint8)

    def has(text: bytes, at: int) -> tf.Tensor:
        return tf.reduce_all(header[at : at + len(text)] == tf.constant(list(text), tf.uint8))

    # Other chunks may precede the format chunk.
    is_pcm = has(b"\x01\x00", 20) & has(b"\x10\x00", 34)
    return has(b"RIFF", 0) & has(b"WAVE", 8) & (is_pcm | ~has(b"fmt ", 12))


def _in_chunks(
    function: Callable[[tf.Tensor, tf.Tensor], Tensors], n: tf.Tensor, n_at_once: int, widths: Mapping[str, int]
) -> Tensors:
    """Collect rows [shape=(n, width)] from a function that computes `count` rows from index `first` on."""
    rows = tf.map_fn(
        lambda first: function(first, tf.minimum(n_at_once, n - first)),
        tf.range(0, n, n_at_once),
        parallel_iterations=1,
        fn_output_signature={
            name: tf.RaggedTensorSpec([None, width], tf.float32, ragged_rank=0) for name, width in widths.items()
        },
    )
    return {name: chunks.values for name, chunks in rows.items()}


def mfcc_in_graph(frontend: Graph, params: AudioParams, pcm: tf.Tensor) -> tf.Tensor:
    """Compute MFCC [shape=(n_frames, n_mfcc)] of a track [shape=(n_samples,)] with a bundle's front end.

    Like `tfdeepviz.data.frontend.MfccFrontend.mfcc`: frames are centred, with zeros beyond the track's ends.
    """
    n_samples = tf.size(pcm)
    n_frames = params.n_frames(n_samples)
    n_padded = (n_frames + params.overlap_hops) * params.hop_length
    padded = tf.pad(pcm, [[params.pad_samples, tf.maximum(0, n_padded - params.pad_samples - n_samples)]])

    def run(output: str, width: int, floor_db: tf.Tensor) -> tf.Tensor:
        def run_chunk(first: tf.Tensor, count: tf.Tensor) -> Tensors:
            start = first * params.hop_length
            samples = padded[start : start + (count + params.overlap_hops) * params.hop_length]
            return {output: tf.reshape(frontend.tensors(pcm=samples, floor_db=floor_db)[output], [-1, width])}

        return _in_chunks(run_chunk, n_frames, _BLOCK_FRAMES, {output: width})[output]

    floor_db = tf.constant(params.floor_db, tf.float32)
    if params.top_db is not None:
        floor_db = tf.maximum(floor_db, tf.reduce_max(run("peak_db", 1, floor_db)) - params.top_db)
    return run("mfcc", params.n_mfcc, floor_db)


def _times(windows: Windows, n_frames: tf.Tensor) -> tf.Tensor:
    """Like `Windows.times`, for all windows of a track."""
    starts = tf.range(1 + tf.maximum(0, n_frames - windows.frames) // windows.hop_frames) * windows.hop_frames
    return tf.cast(starts, tf.float64) * windows.params.frame_seconds + windows.time_offset_seconds


def _encode(graph: Graph, info: EncoderInfo, windows: Windows, mfcc: tf.Tensor, n: tf.Tensor) -> Tensors:
    """Like `tfdeepviz.mapping.encodings.encode_track`, of all `n` windows and without times."""
    widths = info.output_sizes

    def encode(first: tf.Tensor, count: tf.Tensor) -> Tensors:
        starts = (first + tf.range(count)) * windows.hop_frames
        # All windows are complete, except that of a track that is too short for one, which is repeated.
        frames = (starts[:, tf.newaxis] + tf.range(windows.frames)) % tf.shape(mfcc)[0]
        outputs = graph.tensors(segments=tf.gather(mfcc, frames))
        return {name: tf.ensure_shape(outputs[name], [None, width]) for name, width in widths.items()}

    return _in_chunks(encode, n, max(1, _FRAMES_AT_ONCE // windows.frames), widths)


def parameters_in_graph(
    mapping: mappings.Mapping, encodings: Mapping[str, tuple[tf.Tensor, tf.Tensor]]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Compute `Mapping.parameters` in float64 as part of a graph, from the times and values of each encoder."""
    parts = mapping.projection.parts
    given = [encodings[part.encoder] for part in parts]
    steps = tf.stack([_step_seconds(times) for times, _ in given])
    # The first, if several are equally fine.
    at = tf.switch_case(tf.argmin(steps, output_type=tf.int32), [lambda t=times: tf.identity(t) for times, _ in given])
    aligned = [
        _interpolate(times, _project(part.steps, values), at)
        for part, (times, values) in zip(parts, given, strict=True)
    ]
    moving = tf.repeat(steps <= tf.reduce_min(steps), [part.n_out for part in parts])
    return at, _scale(mapping.scaling, tf.concat(aligned, axis=1), moving)


def _step_seconds(times: tf.Tensor) -> tf.Tensor:
    """Like `Encodings.step_seconds`."""
    n = tf.size(times)
    mean = (times[-1] - times[0]) / tf.cast(tf.maximum(n - 1, 1), tf.float64)
    return tf.where(n > 1, tf.round(mean * 1e9), float("inf"))


def _constant(values: Sequence[float] | Sequence[Sequence[float]]) -> tf.Tensor:
    return tf.constant(values, tf.float64)


def _project(steps: Sequence[Step], values: tf.Tensor) -> tf.Tensor:
    """Like `tfdeepviz.mapping.projections.project`."""
    x = tf.cast(values, tf.float64)
    for step in steps:
        match step:
            case Select(indices):
                x = tf.gather(x, indices, axis=1)
            case Scale(gain, offset):
                x = x * _constant(gain) + _constant(offset)
            case Affine(matrix, offset):
                x = tf.matmul(x, _constant(matrix)) + _constant(offset)
            case InverseDistance(centroids, floor):
                distances = [tf.norm(x - _constant(centroid), axis=1) for centroid in centroids]
                x = 1 / tf.maximum(_constant([floor]), tf.stack(distances, axis=1))
    return x


def _interpolate(times: tf.Tensor, rows: tf.Tensor, at: tf.Tensor) -> tf.Tensor:
    """Like linear `tfdeepviz.mapping.time.interpolate`."""
    last = tf.size(times) - 1
    wanted = tf.clip_by_value(at, times[0], times[-1])
    left = tf.searchsorted(times, wanted, side="right") - 1
    right = tf.minimum(left + 1, last)
    start, end = tf.gather(times, left), tf.gather(times, right)
    share = tf.math.divide_no_nan(wanted - start, end - start)[:, tf.newaxis]
    before, after = tf.gather(rows, left), tf.gather(rows, right)
    return before + share * (after - before)


def _scale(scaling: Scaling, y: tf.Tensor, moving: tf.Tensor) -> tf.Tensor:
    """Like `Scaling.apply` after `Scaling.for_track`."""
    gain, offset = _constant(scaling.gain), _constant(scaling.offset)
    if scaling.percentiles is not None and scaling.max_boost is not None:
        rows = tf.boolean_mask(y, moving, axis=1)
        steps = tf.boolean_mask(gain, moving) * (rows[1:] - rows[:-1])
        moved = tf.reduce_any(tf.abs(steps) >= REPEATED, axis=1)
        counted = tf.boolean_mask(rows, tf.concat([[True], moved], axis=0))
        if scaling.mode == "across":
            counted = tf.reshape(counted, [-1, 1])
        # Percentiles per fitted parameter, or one for all, are moved to the positions of the parameters.
        places = tf.maximum(tf.cumsum(tf.cast(moving, tf.int32)) - 1, 0)
        quantiles = keras.ops.quantile(counted, np.divide(scaling.percentiles, 100), axis=0)
        low, high = quantiles[0], quantiles[1]
        if scaling.mode == "features":
            low, high = tf.gather(low, places), tf.gather(high, places)
        widest = tf.where(high > low, 1 / (high - low), float("inf"))
        fitted = tf.minimum(widest, scaling.max_boost * tf.abs(gain)) * tf.sign(gain)
        gain = tf.where(moving, fitted, gain)
        offset = tf.where(moving, 0.5 - fitted * (low + high) / 2, offset)
    return tf.clip_by_value(y * gain + offset, 0.0, 1.0)
