"""Outputs on disk: read back as they were, and refused where they are another thing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError, read_json, write_json
from tfdeepviz.locks import BusyError
from tfdeepviz.params import ParameterError
from tfdeepviz.teachers.musicnn import EMBEDDING_SIZE, TAGS, WHEEL_SHA256, Answers
from tfdeepviz.teachers.outputs import TeacherOutputs

_TRACK = "0123456789abcdef" * 4


def answers(n: int = 3, seed: int = 0) -> Answers:
    rng = np.random.default_rng(seed)
    tags, embeddings = rng.uniform(size=(n, len(TAGS))), rng.normal(size=(n, EMBEDDING_SIZE))
    return Answers(0.992 * np.arange(n), tags, embeddings)


@pytest.fixture
def outputs(tmp_path: Path) -> TeacherOutputs:
    with TeacherOutputs.writing(tmp_path / "outputs", 0.992) as outputs:
        outputs.add(_TRACK, answers())
    return outputs


def test_outputs_are_read_back(outputs: TeacherOutputs) -> None:
    assert TeacherOutputs.load(outputs.path) == outputs
    assert (outputs.hop_seconds, outputs.teacher_sha256) == (0.992, WHEEL_SHA256)
    assert _TRACK in outputs
    track = outputs.track(_TRACK)
    assert track is not None
    assert [array.dtype for array in track] == [np.float32, np.float16, np.float16]
    for ours, theirs in zip(track, answers(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-6)
    assert outputs.track("f" * 64) is None
    assert "f" * 64 not in outputs
    assert read_json(outputs.path / "outputs.json") == {
        **{"teacher": "musicnn", "teacher_sha256": WHEEL_SHA256, "hop_seconds": 0.992, "schema_version": 1}
    }


def test_outputs_without_a_record_still_have_a_digest(outputs: TeacherOutputs) -> None:
    record = outputs.record
    assert (record.kind, record.digest, record.inputs) == ("outputs", outputs.digest, ())
    outputs.add("f" * 64, answers())
    assert outputs.record.digest == outputs.digest != record.digest


def test_a_name_that_is_no_hash_reads_nothing(outputs: TeacherOutputs) -> None:
    for name in ("../outputs", "F" * 64, f"{_TRACK}\n", ""):
        with pytest.raises(ValueError, match="not a SHA-256"):
            outputs.track(name)


def test_damaged_outputs_are_refused(outputs: TeacherOutputs) -> None:
    file = outputs.path / f"{_TRACK}.npz"
    good: dict[str, Any] = {"times": np.zeros(3, np.float32), "tags": np.zeros((3, 100), np.float16)}
    good["embeddings"] = np.zeros((3, 400), np.float16)
    bad: tuple[tuple[str, npt.NDArray[Any]], ...] = (
        ("tags", np.zeros((2, 100), np.float16)),
        ("tags", np.zeros((3, 100))),
        ("tags", np.full((3, 100), np.nan, np.float16)),
        ("embeddings", np.zeros((3, 200), np.float16)),
        ("times", np.zeros(0, np.float32)),
        ("times", np.zeros((3, 1), np.float32)),
    )
    for name, array in bad:
        np.savez(file, **(good | {name: array}))
        with pytest.raises(FormatError, match=f"its {name} are not outputs of musicnn; delete it"):
            outputs.track(_TRACK)
    np.savez(file, times=good["times"], tags=good["tags"])
    with pytest.raises(FormatError, match="its embeddings are not outputs of musicnn"):
        outputs.track(_TRACK)
    content = file.read_bytes()
    for broken in (content[:-30], b"", content[:200] + b"\xff" * 50 + content[250:]):
        file.write_bytes(broken)
        with pytest.raises(FormatError, match=r"\.npz"):
            outputs.track(_TRACK)


def test_a_folder_holds_outputs_of_one_kind(outputs: TeacherOutputs, tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"a hop of 0\.992 s; give another folder"),
        TeacherOutputs.writing(outputs.path, 1.0),
    ):
        pass
    about = read_json(outputs.path / "outputs.json")
    write_json(outputs.path / "outputs.json", about | {"teacher_sha256": "0" * 64})
    with pytest.raises(InputError, match="other weights"), TeacherOutputs.writing(outputs.path, 0.992):
        pass
    for name, value in (("teacher", "vgg"), ("schema_version", 2), ("hop_seconds", 0), ("tags", 3)):
        write_json(outputs.path / "outputs.json", about | {name: value})
        with pytest.raises(FormatError, match=name):
            TeacherOutputs.load(outputs.path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").touch()
    with pytest.raises(InputError, match="holds other files"), TeacherOutputs.writing(tmp_path / "other", 0.992):
        pass
    with pytest.raises(ParameterError, match="hop_seconds"), TeacherOutputs.writing(tmp_path / "new", 4):
        pass
    assert not (tmp_path / "new").exists()


def test_one_process_writes_at_a_time(tmp_path: Path) -> None:
    with TeacherOutputs.writing(tmp_path, 0.992) as outputs:
        with pytest.raises(BusyError), TeacherOutputs.writing(tmp_path, 0.992):
            pass
        outputs.add(_TRACK, answers())
    with TeacherOutputs.writing(tmp_path, 0.992) as outputs:
        assert _TRACK in outputs
