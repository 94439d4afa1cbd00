"""musicnn's networks: as plain arithmetic has them, on music as others computed them, and only from the right file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import scipy.signal

from tests.conftest import Sound, music
from tests.teachers.wheels import Weights, plain_answer, publish, random_weights, write_checkpoint, write_wheel
from tfdeepviz.data.decode import AudioTooShortError
from tfdeepviz.data.fma import audio_path
from tfdeepviz.data.mel import mel_filter_bank
from tfdeepviz.files import FormatError
from tfdeepviz.params import ParameterError
from tfdeepviz.teachers.musicnn import EMBEDDING_SIZE, NETS, PARAMS, TAGS, Musicnn

_RATE_HZ = PARAMS.sample_rate_hz
_HOP_FRAMES = 62


@pytest.fixture(scope="module")
def weights() -> dict[str, Weights]:
    return {net: random_weights(seed) for seed, net in enumerate(NETS)}


@pytest.fixture(scope="module")
def files(weights: dict[str, Weights], tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    return {net: write_checkpoint(tmp_path_factory.mktemp(net), weights[net]) for net in NETS}


@pytest.fixture(scope="module")
def teacher(files: dict[str, dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> Musicnn:
    wheel = write_wheel(tmp_path_factory.mktemp("wheel") / "musicnn.whl", files)
    with pytest.MonkeyPatch.context() as monkeypatch:
        return Musicnn.load(publish(monkeypatch, wheel))


def test_tags_are_named_after_their_network() -> None:
    assert len(TAGS) == len(set(TAGS)) == 100
    assert (TAGS[0], TAGS[33], TAGS[49], TAGS[50], TAGS[-1]) == (
        "msd/rock", "msd/Hip-Hop", "msd/happy", "mtt/guitar", "mtt/choral",
    )  # fmt: skip


def test_overlapping_patches_are_heard_as_if_each_was_alone(teacher: Musicnn, weights: dict[str, Weights]) -> None:
    # 34 patches: two calls of the networks.
    pcm = music(2.976 + 33 * 0.992, rate_hz=_RATE_HZ)
    answers = teacher.listen(pcm)
    assert answers.tags.shape == (34, 100)
    assert answers.embeddings.shape == (34, EMBEDDING_SIZE)
    np.testing.assert_allclose(answers.times, 0.992 * np.arange(34), atol=1e-6)
    frames = _log_mel(pcm)
    for patch in (0, 17, 31, 32, 33):
        begin = patch * _HOP_FRAMES
        expected = [plain_answer(weights[net], frames[begin : begin + 187]) for net in NETS]
        tags, embeddings = (np.concatenate(parts) for parts in zip(*expected, strict=True))
        np.testing.assert_allclose(answers.tags[patch], tags, atol=2e-4)
        np.testing.assert_allclose(answers.embeddings[patch], embeddings, atol=2e-3)


def _log_mel(pcm: Sound) -> Sound:
    """Compute what the networks hear, centred on every 256th sample [shape=(n_frames, 96)]."""
    runs = np.lib.stride_tricks.sliding_window_view(np.pad(pcm, 256), 512)[::256]
    spectrum = np.fft.rfft(runs * scipy.signal.get_window("hann", 512))
    log_mel: Sound = np.log10(1 + 10_000 * (np.abs(spectrum) ** 2 @ mel_filter_bank(PARAMS).T)).astype(np.float32)
    return log_mel


def test_the_hop_is_rounded_to_frames(teacher: Musicnn) -> None:
    pcm = music(4.0, rate_hz=_RATE_HZ)
    assert teacher.listen(pcm, 0.5).times.tolist() == pytest.approx([0, 0.496, 0.992])
    assert teacher.listen(pcm, 2.992).times.tolist() == [0]
    for hop in (0, -1, 3.0, np.nan):
        with pytest.raises(ParameterError, match="hop_seconds"):
            teacher.listen(pcm, hop)


def test_too_short_a_track_is_refused(teacher: Musicnn) -> None:
    shortest = 186 * 256
    assert len(teacher.listen(np.zeros(shortest, np.float32)).times) == 1
    for n_samples in (shortest - 1, 0):
        with pytest.raises(AudioTooShortError, match="less than one patch"):
            teacher.listen(np.zeros(n_samples, np.float32))


def test_only_the_published_wheel_is_read(tmp_path: Path, files: dict[str, dict[str, bytes]]) -> None:
    wheel = write_wheel(tmp_path / "other.whl", files)
    for path, message in ((wheel, "as published"), (tmp_path / "missing", "teacher fetch"), (tmp_path, "published")):
        with pytest.raises(FormatError, match=message):
            Musicnn.load(path)


def test_another_checkpoint_is_refused(
    tmp_path: Path, files: dict[str, dict[str, bytes]], weights: dict[str, Weights], monkeypatch: pytest.MonkeyPatch
) -> None:
    without = {name: array for name, array in weights["mtt"].items() if name != "dense_1/bias"}
    narrow = weights["mtt"] | {"dense_1/bias": np.zeros(49, np.float32)}
    infinite = weights["mtt"] | {"dense_1/bias": np.full(50, np.inf, np.float32)}
    broken = files["mtt"] | {".data-00000-of-00001": files["mtt"][".data-00000-of-00001"][:-100_000]}
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for other in (*(write_checkpoint(folder, one) for one in (without, narrow, infinite)), broken):
        wheel = publish(monkeypatch, write_wheel(tmp_path / "other.whl", files | {"mtt": other}))
        with pytest.raises(FormatError, match="mtt: not the weights of a network of musicnn"):
            Musicnn.load(wheel)


def test_a_wheel_that_lacks_or_overfills_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = {".index": b"", ".data-00000-of-00001": bytes(10_000_001)}
    for content, message in (({}, "not a wheel of musicnn"), ({"msd": large}, "larger than 10000000 bytes")):
        wheel = publish(monkeypatch, write_wheel(tmp_path / "x.whl", content))
        with pytest.raises(FormatError, match=message):
            Musicnn.load(wheel)
    wheel.write_bytes(b"no zip")
    with pytest.raises(FormatError, match="not a wheel"):
        Musicnn.load(publish(monkeypatch, wheel))


@pytest.mark.slow
@pytest.mark.skipif(
    not {"TFDEEPVIZ_TEACHER_FILE", "TFDEEPVIZ_TEACHER_ANSWERS", "TFDEEPVIZ_FMA_ROOT"} <= set(os.environ),
    reason="needs the published wheel, answers of another implementation, and the music",
)
def test_real_music_is_heard_as_another_implementation_hears_it() -> None:
    """The answers are arrays `ID/NET_musicnn/y` (tags) and `/d` (embeddings), of float16, a patch every 62 frames."""
    teacher = Musicnn.load(Path(os.environ["TFDEEPVIZ_TEACHER_FILE"]))
    with np.load(os.environ["TFDEEPVIZ_TEACHER_ANSWERS"]) as theirs:
        ids = sorted({int(name.split("/")[0]) for name in theirs.files})
        for track_id in ids[::33]:
            answers = teacher.hear(audio_path(Path(os.environ["TFDEEPVIZ_FMA_ROOT"]), "small", track_id))
            for ours, kind, most in ((answers.tags, "y", 1e-3), (answers.embeddings, "d", 5e-3)):
                arrays = [theirs[f"{track_id}/{net.upper()}_musicnn/{kind}"] for net in NETS]
                assert np.abs(ours - np.concatenate(arrays, axis=1)).max() < most, track_id
