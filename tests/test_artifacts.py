from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tfdeepviz import artifacts
from tfdeepviz.artifacts import ARTIFACT, Artifact, Input, begun, beside, claim, figures, finish, record_report, reopen
from tfdeepviz.files import FormatError, write_json
from tfdeepviz.locks import locked

DIGEST = f"sha256:{64 * 'a'}"


def dataset(corpus: Path, out: Path, **settings: Any) -> Artifact:
    return Artifact.planned("dataset", "ds", settings, [Input.at(corpus, known(), seen_from=out)])


def known(digest: str = DIGEST) -> Artifact:
    return Artifact(kind="corpus", name="music", digest=digest)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"M\xfcsik")
    out = tmp_path / "ds"
    record = dataset(odd, out, fractions=(0.5, 0.5), recipe={"hop": 1}).finished(DIGEST, n_tracks=3)
    record.write(out / ARTIFACT)
    read = Artifact.read(out / ARTIFACT)
    assert read == record
    assert (read.settings["fractions"], read.facts, read.step_schema) == ([0.5, 0.5], {"n_tracks": 3}, 1)
    assert read.inputs[0].place(out) == odd
    assert (read.command, read.created and len(read.created)) == (None, 20)
    assert beside(tmp_path / "report.html") == tmp_path / "report.artifact.json"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "song"}, 'kind must be one of bundle, .*, but is "song"'),
        ({"name": 3}, "name must be text, at most 4,096 long, but is 3"),
        ({"name": "x" * 5_000}, 'name must be text, at most 4,096 long, but is "xxx'),
        ({"digest": "sha256:1"}, 'digest must be text, matching .*, but is "sha256:1"'),
        ({"inputs": {}}, "inputs must be a list, but is an object of 0"),
        ({"inputs": [{"role": "corpus", "path": None}]}, r"inputs\[0\].artifact is missing"),
        ({"facts": [1]}, "facts must be an object, but is a list of 1"),
        ({"schema_version": 2}, "schema_version must be 1, but is 2"),
    ],
)
def test_a_broken_record_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / ARTIFACT
    write_json(path, {**msgspec.to_builtins(known()), **change})
    with pytest.raises(FormatError, match=message) as raised:
        Artifact.read(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("depth", [400, 100_000])
def test_inputs_nested_without_end_are_refused(tmp_path: Path, depth: int) -> None:
    end = '{"kind": "run", "name": "x"}'
    nested = '{"kind": "run", "name": "x", "inputs": [{"role": "teacher", "path": null, "artifact": '
    (tmp_path / ARTIFACT).write_text(nested * depth + end + "}]}" * depth)
    try:
        assert Artifact.read(tmp_path / ARTIFACT).kind == "run"
    except FormatError as error:
        assert ARTIFACT in str(error)


def test_what_is_claimed_goes_on_as_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, out = tmp_path / "music", tmp_path / "ds"
    wanted = dataset(corpus, out, seed=1, epochs=2)
    assert claim(out, wanted) == wanted
    monkeypatch.setattr(artifacts, "command", lambda: "tfdeepviz prepare")
    assert claim(out, dataset(corpus, out, seed=1, epochs=2)).command is None
    finish(out, DIGEST, n_tracks=3)
    assert claim(out, dataset(corpus, out, seed=1, epochs=2)).digest == DIGEST
    again = claim(out, dataset(corpus, out, seed=1, epochs=3), may_change=["epochs"])
    assert (again.digest, again.facts, again.settings["epochs"]) == (None, {"n_tracks": 3}, 3)
    finish(out, DIGEST)
    reopen(out)
    assert Artifact.read(out / ARTIFACT) == again


def test_other_folders_are_not_claimed(tmp_path: Path) -> None:
    corpus, out = tmp_path / "music", tmp_path / "ds"
    claim(out, dataset(corpus, out, seed=1, recipe={"hop": 1, "mode": "mfcc"}))
    before = (out / ARTIFACT).read_bytes()
    other = Artifact.planned("dataset", "ds", {"seed": 1, "recipe": {"hop": 2}}, [])
    with pytest.raises(FormatError, match=r"ds: holds a dataset with another recipe\.hop, recipe\.mode, corpus; give"):
        claim(out, other)
    with pytest.raises(FormatError, match="ds: holds a dataset, not a run"):
        claim(out, Artifact.planned("run", "x", {}))
    assert (out / ARTIFACT).read_bytes() == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(FormatError, match=r"not empty, and not a run of this version \(artifact.json is missing\)"):
        claim(tmp_path / "mine", Artifact.planned("run", "x", {}))


def test_a_locked_folder_is_free(tmp_path: Path) -> None:
    for folder in (tmp_path / "locked", tmp_path / "missing"):
        run = Artifact.planned("run", "x", {})
        if folder.name == "locked":
            folder.mkdir()
            with locked(folder):
                assert begun(folder, run) is None
        assert claim(folder, run) == run


def test_inputs_move_together_with_what_was_made_from_them(tmp_path: Path) -> None:
    home, registry = tmp_path / "home", tmp_path / "registry" / "x" / "1"
    run = Input.at(home / "runs" / "a", known(), seen_from=home / "bundles" / "x", role="encoder a")
    url = Input("corpus", "s3://bucket/music", known())
    bundle = Artifact.planned("bundle", "x", {}, [run, url])
    assert run.path == "../../runs/a"
    assert run.place(tmp_path / "elsewhere" / "bundles" / "x") == tmp_path / "elsewhere" / "runs" / "a"
    assert url.place(home) is None
    pushed = bundle.moved(home / "bundles" / "x", registry)
    assert pushed.inputs[0].place(registry) == home / "runs" / "a"
    assert pushed.inputs[1] == url
    # Without a common folder.
    assert Input.at(Path("/music"), known(), seen_from=tmp_path).path == "/music"


def test_the_split_that_says_most_is_noted() -> None:
    metrics = {"training": {"mse": 0.1}, "test": {"mse": 0.2, "n_tracks": 3, "genres": ["Rock"], "intervals": {}}}
    assert figures(metrics) == {"split": "test", "mse": 0.2, "n_tracks": 3}
    assert figures({}) == {"split": None}


@dataclass
class Known:
    path: Path
    record: Artifact


def test_a_page_tells_what_it_was_made_from(tmp_path: Path) -> None:
    page = tmp_path / "pages" / "quality.html"
    page.parent.mkdir()
    page.write_text("<p>")
    record_report(page, {"seed": 1}, {"dataset": Known(tmp_path / "ds", known())})
    record = Artifact.read(page.with_name("quality.artifact.json"))
    assert (record.kind, record.settings, record.input("dataset").path) == ("report", {"seed": 1}, "../ds")
    assert record.digest == artifacts.digest_of_files(page)
    with pytest.raises(FormatError, match="names no run"):
        record.input("run")
