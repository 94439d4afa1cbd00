from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
import soundfile as sf
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.protobuf import saved_model_pb2

from tests.conftest import RATE_HZ, Sound, music
from tfdeepviz.data.decode import decode_file
from tfdeepviz.data.fma import audio_path
from tfdeepviz.data.frontend import MfccFrontend
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.export.extract import Extractor
from tfdeepviz.export.graph import load_graph
from tfdeepviz.export.serving import mfcc_in_graph, output_name, parameters_in_graph, write_serving
from tfdeepviz.export.tfjs import convert_frontend
from tfdeepviz.files import FormatError
from tfdeepviz.mapping.mappings import Encodings, Mapping, Part, Projection
from tfdeepviz.mapping.projections import Affine, InverseDistance, Scale, Select, Step
from tfdeepviz.mapping.scaling import SCALING_METHODS, SCALING_MODES, Scaling
from tfdeepviz.params import LIVE, PAPER
from tfdeepviz.teachers.musicnn import TAGS

Arrays = dict[str, npt.NDArray[Any]]

#: Ask a bundle's SavedModel: the bundle, the name of a signature and its input.
Ask = Callable[..., Arrays]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def ask(models: Path) -> Ask:
    loaded: dict[str, tf.Module] = {}

    def ask(bundle: Bundle, signature: str, **inputs: object) -> Arrays:
        if bundle.name not in loaded:
            loaded[bundle.name] = tf.saved_model.load(str(write_serving(bundle, models)))
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        outputs = loaded[bundle.name].signatures[signature](**tensors)
        return {name: value.numpy() for name, value in outputs.items()}

    return ask


def file_of(samples: Sound, *, format: str = "WAV", subtype: str | None = None, rate_hz: int = RATE_HZ) -> bytes:
    file = io.BytesIO()
    sf.write(file, samples, rate_hz, format=format, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize("name", ["bundle", "two_scales", "genre_bundle", "tag_bundle"])
def test_it_gives_what_extract_gives(name: str, ask: Ask, request: pytest.FixtureRequest) -> None:
    """Two tracks in a batch, each longer than what the graphs get at once."""
    bundle: Bundle = request.getfixturevalue(name)
    tracks = np.stack([music(13.0, seed=seed) for seed in (1, 2)])
    found = ask(bundle, "serving_default", pcm=tracks)
    extractor = Extractor(bundle)
    for i, track in enumerate(tracks):
        expected = extractor.analyze(track)
        np.testing.assert_array_equal(found["times"], expected.times)
        np.testing.assert_allclose(found["parameters"][i], expected.parameters, atol=1e-5)
        for encoder, encodings in expected.encodings.items():
            np.testing.assert_array_equal(found[output_name("times", encoder)], encodings.times)
            np.testing.assert_allclose(found[output_name("encoding", encoder)][i], encodings.values, atol=1e-5)
            if encodings.genres is not None:
                np.testing.assert_allclose(found[output_name("genres", encoder)][i], encodings.genres, atol=1e-5)
            if encodings.tags is not None:
                np.testing.assert_allclose(found[output_name("tags", encoder)][i], encodings.tags, atol=1e-5)
                assert found[output_name("tag_names", encoder)].tolist() == [tag.encode() for tag in TAGS]
    named = {info.name: info.genres for info in bundle.encoders if info.genres}
    assert {name for name in found if name.startswith("genre")} == {
        output_name(kind, encoder) for encoder in named for kind in ("genres", "genre_names")
    }
    for encoder, genres in named.items():
        assert tuple(genre.decode() for genre in found[output_name("genre_names", encoder)].tolist()) == genres


def test_a_batch_is_each_track_alone(two_scales: Bundle, ask: Ask) -> None:
    tracks = np.stack([music(4.0, seed=seed) for seed in (1, 2)])
    both = ask(two_scales, "serving_default", pcm=tracks)
    alone = [ask(two_scales, "serving_default", pcm=track[None]) for track in tracks]
    for name, values in both.items():
        if name.startswith("times"):
            np.testing.assert_array_equal(values, alone[0][name])
        else:
            np.testing.assert_array_equal(values, np.concatenate([one[name] for one in alone]))


def test_a_wav_files_bytes_are_its_samples(bundle: Bundle, ask: Ask) -> None:
    left, right = (np.round(music(3.0, seed=seed) * 32_767).astype(np.int16) for seed in (1, 2))
    file = file_of(np.stack([left, right], axis=1))
    mono = (left / np.float32(32_768) + right / np.float32(32_768)) / 2
    expected = ask(bundle, "serving_default", pcm=mono[None])
    # Other chunks may stand before the format, as in broadcast WAV.
    tagged = file[:12] + b"JUNK" + (4).to_bytes(4, "little") + b"abcd" + file[12:]
    for audio in (file, [file], tagged):
        found = ask(bundle, "serve_bytes", audio=audio)
        assert found.keys() == expected.keys()
        for name, values in found.items():
            np.testing.assert_allclose(values, expected[name], atol=1e-6)


@pytest.mark.parametrize(
    ("audio", "sentence"),
    [
        (b"", r"not a file that is decoded here: give 16-bit PCM WAV at 44100 Hz, or decode the file yourself"),
        (b"RIFF", "give 16-bit PCM WAV"),
        (file_of(music(1.5), format="MP3"), "give 16-bit PCM WAV"),
        (file_of(music(1.5), subtype="PCM_24"), "give 16-bit PCM WAV"),
        (file_of(music(1.5), subtype="FLOAT"), "give 16-bit PCM WAV"),
        (file_of(music(1.5), rate_hz=22_050), "The file has 22050 Hz, and nothing is resampled here: give 16-bit"),
        (file_of(music(0.05)), r"0\.05 s of sound is too short; give at least 0\.1 s"),
        (file_of(music(1.5))[:1_000], "Data too short"),
        ([file_of(music(1.5))] * 2, "Give the bytes of one file"),
    ],
    ids=["empty", "cut", "mp3", "24-bit", "float", "rate", "short", "truncated", "two"],
)
def test_other_files_are_refused_with_a_sentence(
    audio: bytes | list[bytes], sentence: str, bundle: Bundle, ask: Ask
) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=sentence):
        ask(bundle, "serve_bytes", audio=audio)


def test_what_is_no_music_is_refused_with_a_sentence(two_scales: Bundle, ask: Ask) -> None:
    n_samples = RATE_HZ // 10
    pcm = music(4.0)
    short = ask(two_scales, "serving_default", pcm=pcm[None, :n_samples])
    expected = Extractor(two_scales).analyze(pcm[:n_samples])
    np.testing.assert_allclose(short["parameters"][0], expected.parameters, atol=1e-5)
    np.testing.assert_array_equal(short["times_song"], expected.encodings["song"].times)
    far, broken = pcm.copy(), pcm.copy()
    far[7], broken[7] = 1e5, np.nan
    for tracks, sentence in (
        (pcm[None, : n_samples - 1], r"0\.10 s of sound is too short; give at least 0\.1 s"),
        (np.stack([pcm, broken]), r"NaN, infinite or far out of range; give sound in \[-1, 1\]"),
        (far[None], "far out of range"),
        (pcm[None][:0], "batch is empty"),
        (np.broadcast_to(np.float32(0), (1, 1_800 * RATE_HZ + 1)), r"1800\.00 s is longer than 1800 s; cut the track"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=sentence):
            ask(two_scales, "serving_default", pcm=tracks)


def test_transform_is_what_a_dataset_holds(bundle: Bundle, dataset: PreparedDataset, fma_root: Path, ask: Ask) -> None:
    track_id, rows = next(dataset.tracks("training"))
    pcm = decode_file(audio_path(fma_root, "small", track_id), sample_rate_hz=RATE_HZ)
    found = ask(bundle, "transform", pcm=np.stack([pcm, pcm[::-1]]))
    np.testing.assert_allclose(found["mfcc"][0], rows, atol=1e-3)
    np.testing.assert_allclose(found["mfcc"][1], MfccFrontend(LIVE).mfcc(pcm[::-1]), atol=1e-3)
    n_segments = found["segments"].shape[1]
    assert n_segments == len(rows) // LIVE.segment_frames
    expected = next(iter(dataset.segments("training", batch_size=n_segments))).numpy()
    np.testing.assert_allclose(found["segments"][0], expected, atol=1e-3)
    short = ask(bundle, "transform", pcm=pcm[None, : RATE_HZ // 2])
    assert (short["mfcc"].shape, short["segments"].shape) == ((1, 51, 64), (1, 0, 64, 96, 1))


def test_the_paper_s_floor_is_below_the_loudest_of_the_whole_track(tmp_path: Path) -> None:
    """Which may be in another run of frames, and in the very last sample."""
    frontend = MfccFrontend(PAPER)
    convert_frontend(frontend, tmp_path / "frontend")
    graph = load_graph(tmp_path / "frontend" / "model.json")
    in_graph = tf.function(lambda pcm: mfcc_in_graph(graph, PAPER, pcm))
    for seconds in (0.0, 0.004, 12.3):
        pcm = 1e-4 * music(seconds)
        pcm[-1:] = 1.0
        found = in_graph(tf.constant(pcm)).numpy()
        np.testing.assert_allclose(found, frontend.mfcc(pcm), atol=1e-3)
        assert found.shape == (PAPER.n_frames(pcm.size), PAPER.n_mfcc)


@st.composite
def step_chains(draw: st.DrawFn, n_in: int, n_out: int, rng: np.random.Generator) -> tuple[Step, ...]:
    """Up to three steps of any kind, and one that ends in the size that is wanted."""
    steps: list[Step] = []
    for last in [False] * draw(st.integers(0, 3)) + [True]:
        size = n_out if last else draw(st.integers(1, 4))
        match draw(st.sampled_from(["select", "scale", "affine", "inverse-distance"])):
            case "select":
                steps.append(Select(tuple(rng.integers(0, n_in, size).tolist())))
            case "affine":
                steps.append(Affine(tuple(map(tuple, rng.normal(size=(n_in, size)))), tuple(rng.normal(size=size))))
            case "inverse-distance":
                centroids = tuple(map(tuple, rng.normal(size=(size, n_in))))
                steps.append(InverseDistance(centroids, draw(st.sampled_from([1e-3, 0.5]))))
            case _ if last and size != n_in:
                steps.append(Select(tuple(rng.integers(0, n_in, size).tolist())))
            case _:
                size = n_in
                steps.append(Scale(tuple(rng.normal(size=size)), tuple(rng.normal(size=size))))
        n_in = size
    return tuple(steps)


@st.composite
def mapped_tracks(draw: st.DrawFn) -> tuple[Mapping, dict[str, Encodings]]:
    """A mapping of one to three encoders, and a short track of encodings, some of them lone or all the same."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    parts, encodings = [], {}
    for name in ("a", "b", "c")[: draw(st.integers(1, 3))]:
        n, size, n_out = draw(st.integers(1, 9)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
        values = rng.normal(size=(1 if draw(st.booleans()) else n, size)).astype(np.float32)
        times = np.arange(n) * draw(st.sampled_from([0.02, 0.1, 0.25])) + draw(st.sampled_from([0.0, 0.045, 0.5]))
        encodings[name] = Encodings(times, np.broadcast_to(values, (n, size)))
        parts.append(Part(name, draw(step_chains(size, n_out, rng)), size))
    n_parameters = sum(part.n_out for part in parts)
    scaling = Scaling.fit(
        rng.normal(size=(20, n_parameters)) * rng.choice([0.0, 0.01, 1.0, 5.0], n_parameters),
        mode=draw(st.sampled_from(SCALING_MODES)),
        method=draw(st.sampled_from(SCALING_METHODS)),
    )
    # Nobody fits a parameter that runs backwards, but a file may hold one.
    signs = rng.choice([-1.0, 1.0], n_parameters)
    scaling = msgspec.structs.replace(scaling, gain=tuple((signs * scaling.gain).tolist()))
    return Mapping(Projection("pca", tuple(parts), (scaling,)), scaling), encodings


@settings(max_examples=40, deadline=None)
@given(mapped_tracks())
def test_the_mapping_is_numpy_s(problem: tuple[Mapping, dict[str, Encodings]]) -> None:
    mapping, encodings = problem
    given_ = {name: (tf.constant(one.times), tf.constant(one.values)) for name, one in encodings.items()}
    times, parameters = parameters_in_graph(mapping, given_)
    expected_times, expected = mapping.parameters(encodings)
    np.testing.assert_array_equal(times, expected_times)
    assert parameters.dtype == tf.float64
    np.testing.assert_allclose(parameters, expected, atol=1e-7)


def test_every_version_has_its_folder_and_keeps_it(bundle: Bundle, models: Path, ask: Ask) -> None:
    ask(bundle, "transform", pcm=music(1.0)[None])
    unpushed = models / "tiny" / "1" / "saved_model.pb"
    before = unpushed.read_bytes()
    with pytest.raises(FileExistsError, match="push the bundle for a new version, or delete it"):
        write_serving(bundle, models)
    assert unpushed.read_bytes() == before
    pushed = dataclasses.replace(bundle, manifest={**bundle.manifest, "version": 12})
    assert write_serving(pushed, models) == models / "tiny" / "12"
    assert {entry.name for entry in (models / "tiny").iterdir()} == {"1", "12"}
    assert not list(models.glob(".*"))
    # A server runs as somebody else: who may read what is for the umask to say.
    assert (models / "tiny" / "12").stat().st_mode == (models / "tiny").stat().st_mode


def test_it_appears_complete_or_not_at_all(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (info,) = bundle.encoders
    info = msgspec.structs.replace(info, genres=("Folk", "Rock"), outputs={**info.outputs, "genres": "Identity:0"})
    misfit = dataclasses.replace(bundle, encoders=(info,))
    with pytest.raises(FormatError, match="instead of"):
        write_serving(misfit, tmp_path / "models")

    def fill_disk(module: tf.Module, folder: str, **_: object) -> None:
        Path(folder).mkdir()
        (Path(folder) / "saved_model.pb").write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", fill_disk)
    with pytest.raises(OSError, match="No space left"):
        write_serving(bundle, tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


def test_the_graph_has_neither_python_nor_variables(two_scales: Bundle, models: Path, ask: Ask) -> None:
    ask(two_scales, "transform", pcm=music(1.0)[None])
    saved = saved_model_pb2.SavedModel.FromString((models / "two-scales" / "1" / "saved_model.pb").read_bytes())
    (graph,) = [meta.graph_def for meta in saved.meta_graphs]
    ops = {node.op for function in graph.library.function for node in function.node_def}
    ops |= {node.op for node in graph.node}
    assert "DecodeWav" in ops
    assert not {op for op in ops if "Py" in op or "Variable" in op or "VarHandle" in op}


_STRANGER = """
import json, sys
for name in ("tfdeepviz", "keras", "tensorflow_io", "tensorflowjs", "librosa", "scipy", "sklearn"):
    sys.modules[name] = None  # importing it would fail
import tensorflow as tf
model, track = sys.argv[1:]
loaded = tf.saved_model.load(model)
outputs = loaded.signatures["serve_bytes"](audio=tf.io.read_file(track))
print(json.dumps({name: value.numpy().tolist() for name, value in outputs.items()}))
"""


def test_a_stranger_needs_tensorflow_only(two_scales: Bundle, models: Path, ask: Ask, tmp_path: Path) -> None:
    file = file_of(music(3.0))
    expected = ask(two_scales, "serve_bytes", audio=file)
    (tmp_path / "track.wav").write_bytes(file)
    result = subprocess.run(
        [sys.executable, "-I", "-c", _STRANGER, str(models / "two-scales" / "1"), "track.wav"],
        cwd=tmp_path,
        env={"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3_000:]
    found = json.loads(result.stdout)
    assert found.keys() == expected.keys()
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], atol=1e-6)
