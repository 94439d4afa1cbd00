from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from tfdeepviz import lineage as module
from tfdeepviz.artifacts import ARTIFACT, Artifact, Input, Kind, beside, digest_of
from tfdeepviz.cli import main
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.export.bundle import Blessing, Bundle, Check, write_manifest
from tfdeepviz.files import FormatError, read_json, write_json
from tfdeepviz.lineage import Edge, Lineage, Node, trace
from tfdeepviz.lineage_mermaid import to_mermaid
from tfdeepviz.mapping.mappings import Encodings, fit_mappings
from tfdeepviz.params import LIVE

LICENCES = {"CC BY 4.0": 7, "CC0 1.0": 3}


class Workshop:
    """Makes corpus, datasets, runs and bundles that hold nothing but what is recorded of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.corpus = root / "music"
        (self.corpus / "fma_metadata").mkdir(parents=True)

    def dataset(self, name: str = "ds", *, hours: float = 2.0) -> Path:
        folder = self.root / "data" / name
        corpus = Input.at(self.corpus, Artifact(kind="corpus", name="music"), seen_from=folder)
        facts = {"n_tracks": 10, "hours": hours, "features": "mfcc (live)", "licences": LICENCES}
        return made(folder, "dataset", [corpus], {"hours": hours}, facts, f"tfdeepviz prepare --out data/{name}")

    def run(self, name: str, dataset: Path, *, teacher: Path | None = None, seed: int = 0, mse: float = 0.5) -> Path:
        folder = self.root / "runs" / name
        inputs = [seen(dataset, folder, "dataset")]
        if teacher is not None:
            inputs.append(seen(teacher, folder, "teacher"))
        facts = {"title": f"The {name}", "split": "test", "mse_to_pca": mse}
        return made(folder, "run", inputs, {"seed": seed}, facts, f"tfdeepviz train {name}")

    def bundle(self, name: str, runs: list[Path], dataset: Path, folder: Path | None = None) -> Path:
        folder = self.root / "build" / name if folder is None else folder
        bundle = bundle_files(folder, name, [run.name for run in runs])
        inputs = [seen(run, folder, f"encoder {run.name}") for run in runs] + [seen(dataset, folder, "mappings")]
        facts = {"title": name.title(), "megabytes": 0.1}
        command = f"tfdeepviz export --out build/{name}"
        return made(folder, "bundle", inputs, {}, facts, command, f"sha256:{bundle.digest}")

    def evaluation(self, run: Path, dataset: Path) -> Path:
        out = run / "evaluation"
        inputs = [seen(run, out, "run"), seen(dataset, out, "dataset")]
        planned = Artifact.planned("evaluation", f"{run.name}, test split", {"split": "test"}, inputs)
        out.mkdir()
        planned.finished(f"sha256:{64 * 'e'}", split="test", mse_to_pca=0.5).write(beside(out / "test.html"))
        return out

    def pushed(self, bundle: Path, version: int = 1) -> Path:
        name = read_json(bundle / "manifest.json")["name"]
        registry = self.root / "registry"
        target: Path = registry / name / str(version)
        shutil.copytree(bundle, target)
        manifest = read_json(target / "manifest.json")
        front = manifest["frontend"]
        shutil.move(target / "frontend", registry / "frontends" / front["digest"])
        front["path"] = f"../../frontends/{front['digest']}/"
        write_json(target / "manifest.json", {**manifest, "version": version})
        Artifact.read(bundle / ARTIFACT).moved(bundle, target).write(target / ARTIFACT)
        return target


def made(
    folder: Path,
    kind: Kind,
    inputs: list[Input],
    settings: dict[str, Any],
    facts: dict[str, Any],
    command: str,
    digest: str | None = None,
) -> Path:
    planned = Artifact.planned(kind, folder.name, settings, inputs)
    digest = digest or digest_of({"settings": settings, "facts": facts, "name": folder.name})
    record = structs.replace(planned, command=command, code_version="0.2.0+g1234567", created="2026-11-30T00:00:00Z")
    record.finished(digest, **facts).write(folder / ARTIFACT)
    return folder


def seen(place: Path, folder: Path, role: str) -> Input:
    return Input.at(place, Artifact.read(place / ARTIFACT), seen_from=folder, role=role)


def bundle_files(folder: Path, name: str, encoders: list[str], provenance: Any = None) -> Bundle:
    for file in ("card.md", "goldens/goldens.json", "frontend/model.json", *(f"{one}.json" for one in encoders)):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("{}")
    write_json(folder / "mappings.json", mappings(tuple(encoders)))
    window = {"window_frames": 10, "window_seconds": 0.1, "step_seconds": 0.1, "time_offset_seconds": 0.045}
    write_manifest(
        folder,
        {
            **{"name": name, "version": None, "title": name.title(), "created": "2026-11-25T00:00:00Z"},
            **{"audio": LIVE.to_dict(), "frontend": {}, "mappings": "mappings.json"},
            "encoders": [{"name": one, "model": f"{one}.json", "encoding_size": 6, **window} for one in encoders],
            "provenance": provenance,
        },
    )
    return Bundle.load(folder)


@cache
def mappings(encoders: tuple[str, ...]) -> dict[str, Any]:
    values = np.random.default_rng(0).normal(size=(30, 6))
    tracks = [Encodings(np.arange(30) * 0.1, values)]
    counts = {name: 10 // len(encoders) for name in encoders}
    fitted: dict[str, Any] = fit_mappings(
        dict.fromkeys(encoders, tracks), n_parameters=counts, projections=["pca"] if len(encoders) > 1 else ["kmeans"]
    ).to_dict()
    return fitted


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.chdir(tmp_path)
    return Workshop(tmp_path)


def node(lineage: Lineage, kind: str, label: str) -> Node:
    (found,) = [one for one in lineage.nodes.values() if (one.record.kind, one.label) == (kind, label)]
    return found


def labels(lineage: Lineage, kind: str) -> set[str]:
    return {one.label for one in lineage.nodes.values() if one.record.kind == kind}


def edges(lineage: Lineage) -> set[tuple[str, str, str]]:
    def name(key: str) -> str:
        return lineage.nodes[key].heading

    return {(name(edge.source), name(edge.target), edge.role) for edge in lineage.edges}


def test_a_bundle_tells_everything_that_it_was_made_of(workshop: Workshop) -> None:
    dataset = workshop.dataset()
    teacher = workshop.run("large", dataset)
    runs = [workshop.run("beat", dataset), workshop.run("small", dataset, teacher=teacher)]
    lineage = trace(workshop.bundle("two", runs, dataset), [])
    assert edges(lineage) == {
        ("corpus music", "dataset ds", "corpus"),
        *(("dataset ds", f"run {name}", "dataset") for name in ("large", "beat", "small")),
        ("run large", "run small", "teacher"),
        ("run beat", "bundle two", "encoder beat"),
        ("run small", "bundle two", "encoder small"),
        ("dataset ds", "bundle two", "mappings"),
    }
    assert {one.state for one in lineage.nodes.values()} == {"here"}
    assert list(node(lineage, "run", "small").facts()) == ["The small", "MSE / PCA's 0.500 (test)"]
    assert node(lineage, "run", "small").paths == (str(runs[1]),)
    ds = node(lineage, "dataset", "ds")
    assert list(ds.facts()) == ["mfcc (live)", "10 tracks, 2.00 hours", "CC BY 4.0: 7, CC0 1.0: 3"]
    assert node(lineage, "bundle", "two").record.command == "tfdeepviz export --out build/two"
    assert lineage.unread == {}


def test_what_a_published_network_said_is_between_dataset_and_run(workshop: Workshop) -> None:
    dataset, folder = workshop.dataset(), workshop.root / "data" / "outputs"
    made(folder, "outputs", [seen(dataset, folder, "dataset")], {}, {"unheard": 0}, "tfdeepviz teacher listen musicnn")
    bundle = workshop.bundle("one", [workshop.run("tags", dataset, teacher=folder)], dataset)
    lineage = trace(bundle, [])
    assert edges(lineage) >= {
        ("dataset ds", "outputs outputs", "dataset"),
        ("outputs outputs", "run tags", "teacher"),
        ("run tags", "bundle one", "encoder tags"),
    }
    assert "teacher: outputs outputs" in lineage.to_text()
    assert labels(trace(dataset, [workshop.root / "build"]), "outputs") == {"outputs"}


def test_a_dataset_tells_everything_that_was_made_of_it(workshop: Workshop) -> None:
    dataset, other = workshop.dataset(), workshop.dataset("other", hours=1.0)
    beat, song = workshop.run("beat", dataset), workshop.run("song", other)
    workshop.bundle("one", [beat], dataset)
    workshop.bundle("both", [beat, song], other)
    workshop.bundle("none", [song], other)
    for start in (dataset, beat):
        lineage = trace(start, [workshop.root / "build"])
        assert lineage.unread == {}
        assert labels(lineage, "bundle") == {"one", "both"}
        assert labels(lineage, "run") == {"beat"}
    everything = trace(workshop.corpus, [workshop.root / "build"])
    assert labels(everything, "bundle") == {"one", "both", "none"}


def test_evaluations_are_found_beside_their_pages(workshop: Workshop) -> None:
    dataset = workshop.dataset()
    run = workshop.run("beat", dataset)
    path = workshop.evaluation(run, dataset) / "test.artifact.json"
    lineage = trace(run, [workshop.root / "runs"])
    assert ("run beat", "evaluation beat, test split", "run") in edges(lineage)
    found = node(lineage, "evaluation", "beat, test split")
    assert (found.paths, list(found.facts())) == ((str(path),), ["MSE / PCA's 0.500 (test)"])
    assert "└─ evaluation beat, test split\n" in lineage.to_text()


def test_what_is_gone_is_told_from_records(workshop: Workshop) -> None:
    dataset = workshop.dataset()
    teacher = workshop.run("large", dataset)
    run = workshop.run("small", dataset, teacher=teacher)
    bundle = workshop.bundle("one", [run], dataset)
    before = trace(bundle, [])
    for folder in (workshop.corpus, dataset, run, teacher):
        shutil.rmtree(folder)
    after = trace(bundle, [])
    gone = {one.label: one for one in after.nodes.values() if one.state == "gone"}
    assert gone.keys() == {"music", "ds", "small", "large"}
    assert all(one.record == node(before, one.record.kind, name).record for name, one in gone.items())
    assert gone["small"].note == "no longer at runs/small; told from the record of one"
    assert edges(after) == edges(before)
    # It can still be asked what became of it.
    forward = trace(run, [workshop.root / "build"])
    assert forward.nodes[forward.start].label == "small"
    assert ("run small", "bundle one", "encoder small") in edges(forward)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"seed": 1}, "runs/small holds another run now (other seed)"),
        ({"mse": 0.4}, "runs/small was made again"),
    ],
)
def test_a_run_that_was_trained_anew_is_not_the_one_of_the_bundle(
    change: dict[str, Any], note: str, workshop: Workshop
) -> None:
    dataset = workshop.dataset()
    bundle = workshop.bundle("one", [workshop.run("small", dataset)], dataset)
    run = workshop.run("small", dataset, **change)
    old = node(trace(bundle, []), "run", "small")
    assert (old.state, old.note) == ("changed", f"{note}; told from the record of one")
    lineage = trace(run, [workshop.root / "build"])
    assert lineage.nodes[lineage.start].state == "here"
    assert [lineage.nodes[key].record for key in lineage.before] == [old.record]
    text = lineage.to_text()
    assert "was made into\n" not in text.partition("what was here before")[0]
    assert "what was here before was made into\n└─ as encoder small: bundle one" in text


def test_a_dataset_or_a_teacher_that_changed_is_told(workshop: Workshop) -> None:
    dataset = workshop.dataset()
    teacher = workshop.run("large", dataset)
    run = workshop.run("small", dataset, teacher=teacher)
    bundle = workshop.bundle("one", [run], dataset)
    workshop.run("large", dataset, mse=0.4)
    workshop.dataset(hours=1.0)
    lineage = trace(bundle, [])
    assert node(lineage, "dataset", "ds").note.startswith("data/ds holds another dataset now (other hours)")
    assert node(lineage, "run", "large").note.startswith("runs/large was made again")
    assert node(lineage, "run", "small").state == "here"


def test_moving_and_copying_leave_a_run_what_it_is(workshop: Workshop) -> None:
    dataset = workshop.dataset()
    teacher = workshop.run("large", dataset)
    run = workshop.run("small", dataset, teacher=teacher)
    bundle = workshop.bundle("one", [run], dataset)
    attic = workshop.root / "attic"
    for folder in (run, teacher, dataset):
        shutil.copytree(folder, attic / folder.name)
        shutil.rmtree(folder)
    lineage = trace(bundle, [attic])
    assert {one.state for one in lineage.nodes.values()} == {"here"}
    assert node(lineage, "run", "small").paths == (str(attic / "small"),)
    assert ("run large", "run small", "teacher") in edges(lineage)


def test_a_pushed_bundle_is_the_one_that_was_exported(workshop: Workshop) -> None:
    dataset = workshop.dataset()
    bundle = workshop.bundle("one", [workshop.run("small", dataset)], dataset)
    version = workshop.pushed(bundle)
    lineage = trace(bundle, [workshop.root / "registry"])
    assert node(lineage, "bundle", "one/1").paths == (str(bundle), str(version))
    assert node(lineage, "bundle", "one/1").record.facts["judged"] == "not validated"
    for passed, judgement in ((False, "not blessed: size"), (True, "blessed")):
        check = Check("size", 1.0, "<= 2 MB", passed)
        Blessing(Bundle.load(version).digest, "2026-11-25T00:00:00Z", "0.1.0", "x", None, (check,)).write(version)
        assert node(trace(version, []), "bundle", "one/1").record.facts["judged"] == judgement


def test_identities_of_datasets_are_those_that_runs_note(two_genres: PreparedDataset) -> None:
    lineage = trace(two_genres.path, [])
    assert lineage.nodes[lineage.start].record.digest == two_genres.identity
    assert list(lineage.nodes[lineage.start].facts()) == ["mfcc (live)", "14 tracks, 0.02 hours"]
    assert lineage.nodes[lineage.start].label == two_genres.name


def spoil(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    values = read_json(path)
    change(values)
    write_json(path, values)


def set_record(**values: Any) -> Callable[[Path], object]:
    return lambda folder: spoil(folder / ARTIFACT, lambda record: record.update(values))


BREAKS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a bundle of an older schema": (
        "bundle",
        lambda p: spoil(p / "manifest.json", lambda v: v.update(schema_version=2)),
    ),
    "a swapped shard": ("bundle", lambda p: (p / "small.json").write_text("[]")),
    "another bundle's record": ("bundle", set_record(digest=f"sha256:{64 * '0'}")),
    "half a manifest": ("bundle", lambda p: os.truncate(p / "manifest.json", 100)),
    "half a record": ("run", lambda p: os.truncate(p / ARTIFACT, 20)),
    "a wrong type": ("run", set_record(settings=[1])),
    "a number that is none": (
        "run",
        lambda p: (p / ARTIFACT).write_text('{"step_schema": 1, "facts": {"mse": 1e999}}'),
    ),
    "no digest": ("dataset", set_record(digest="sha256:1")),
    "a later format": ("dataset", set_record(schema_version=2)),
}


@pytest.mark.parametrize("trouble", BREAKS)
def test_what_is_broken_is_named_and_does_not_hide_the_rest(trouble: str, workshop: Workshop) -> None:
    dataset = workshop.dataset()
    run = workshop.run("small", dataset)
    bundle = workshop.bundle("one", [run], dataset)
    other = workshop.bundle("other", [workshop.run("fine", dataset)], dataset)
    kind, change = BREAKS[trouble]
    broken = {"bundle": bundle, "run": run, "dataset": dataset}[kind]
    change(broken)
    with pytest.raises(FormatError) as caught:
        trace(broken, [])
    assert "\n" not in str(caught.value)
    lineage = trace(other, [workshop.root])
    assert list(lineage.unread) == [str(broken)]
    assert node(lineage, "run", "fine").state == "here"
    assert "could not be read, and may belong here" in lineage.to_text()


def test_what_is_not_ours_is_passed_over(workshop: Workshop) -> None:
    dataset = workshop.dataset()
    bundle = workshop.bundle("one", [workshop.run("small", dataset)], dataset)
    outside = shutil.copytree(workshop.root, workshop.root.parent / f"{workshop.root.name}-outside")
    among = workshop.root / "build"
    write_json(among / "app" / "manifest.json", {"name": "An app", "icons": []})
    write_json(among / "weights" / "config.json", {"model_type": "gpt2"})
    (among / "broken").mkdir()
    (among / "broken" / "manifest.json").write_text("{")
    (among / "link").symlink_to(outside)
    (among / "back").symlink_to(among)
    (among / "linked").mkdir()
    (among / "linked" / "manifest.json").symlink_to(outside / "build" / "one" / "manifest.json")
    os.mkfifo(among / "pipe")
    (among / "queue").mkdir()
    os.mkfifo(among / "queue" / "config.json")
    shutil.copytree(bundle, among / ".incoming-1")
    shutil.copytree(bundle, workshop.corpus / "fma_small" / "one")
    shutil.move(workshop.corpus, among / "music")
    lineage = trace(dataset, [among])
    assert lineage.unread == {}
    assert [one.paths for one in lineage.nodes.values() if one.record.kind == "bundle"] == [(str(bundle),)]
    shutil.rmtree(outside)


def test_searching_ends(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = workshop.dataset()
    for i in range(9):
        (workshop.root / "build" / f"{i}").mkdir(parents=True)
    deep = workshop.root / "build" / "/".join("abcdefgh")
    workshop.bundle("deep", [workshop.run("small", dataset)], dataset, deep)
    assert len(trace(dataset, [workshop.root / "build"]).nodes) == 2
    monkeypatch.setattr(module, "_MAX_ENTRIES", 5)
    (reason,) = trace(dataset, [workshop.root / "build"]).unread.values()
    assert reason == "build: only its first 5 files were looked at; give smaller folders with --among"


def test_by_default_the_usual_folders_are_searched(workshop: Workshop) -> None:
    dataset = workshop.dataset()
    bundle = workshop.bundle("one", [workshop.run("small", dataset)], dataset)
    found = trace(dataset)
    assert {one.record.kind for one in found.nodes.values()} == {"corpus", "dataset", "run", "bundle"}
    with pytest.raises(FormatError, match="nowhere: not a folder, so it cannot be searched"):
        trace(bundle, [Path("nowhere")])
    with pytest.raises(FormatError, match="nowhere: no such folder, and nothing that was found"):
        trace(Path("nowhere"))


def test_teachers_that_teach_each_other_do_not_hang(workshop: Workshop) -> None:
    dataset = workshop.dataset()
    first = workshop.run("first", dataset)
    second = workshop.run("second", dataset, teacher=first)
    record = Artifact.read(first / ARTIFACT)
    inputs = (*record.inputs, seen(second, first, "teacher"))
    structs.replace(record, inputs=inputs).write(first / ARTIFACT)
    lineage = trace(first, [])
    assert {("run first", "run second", "teacher"), ("run second", "run first", "teacher")} <= edges(lineage)
    assert "as above" in lineage.to_text()
    assert to_mermaid(lineage).count("-->") == len([edge for edge in lineage.edges if edge.role != "mappings"])


def test_a_tree_that_people_can_read(workshop: Workshop) -> None:
    dataset = workshop.dataset()
    run = workshop.run("small", dataset)
    bundle = workshop.bundle("one", [run], dataset)
    shutil.rmtree(run)
    lineage = trace(bundle, [])
    codes = [one.record.digest or "" for one in lineage.nodes.values() if one.record.digest]
    text = lineage.to_text().replace(str(workshop.root), "/home")
    for name, code in zip(("BUNDLE", "RUN", "DATASET"), codes, strict=True):
        text = text.replace(code[:19], f"sha256:{name}")
    assert text.splitlines() == [
        "bundle one",
        "  build/one",
        "  One",
        "  not validated",
        "  0.10 MB",
        "  sha256:BUNDLE, 0.2.0+g1234567, 2026-11-30T00:00:00Z",
        "  $ tfdeepviz export --out build/one",
        "",
        "comes from",
        "├─ encoder small: run small (gone)",
        "│  │  no longer at runs/small; told from the record of one",
        "│  │  The small",
        "│  │  MSE / PCA's 0.500 (test)",
        "│  │  sha256:RUN, 0.2.0+g1234567, 2026-11-30T00:00:00Z",
        "│  │  $ tfdeepviz train small",
        "│  └─ dataset ds",
        "│     │  data/ds",
        "│     │  mfcc (live)",
        "│     │  10 tracks, 2.00 hours",
        "│     │  CC BY 4.0: 7, CC0 1.0: 3",
        "│     │  sha256:DATASET, 0.2.0+g1234567, 2026-11-30T00:00:00Z",
        "│     │  $ tfdeepviz prepare --out data/ds",
        "│     └─ corpus music",
        "│           music",
        "└─ mappings: dataset ds, as above",
    ]
    assert max(len(line) for line in lineage.to_text().splitlines()) <= 80 + len(str(workshop.root))


@given(
    texts=st.lists(st.text(max_size=60), min_size=5, max_size=5),
    n_runs=st.integers(1, 4),
    state=st.sampled_from(("here", "gone", "changed")),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_manifest_says_is_safe_to_show(texts: list[str], n_runs: int, state: Any, tmp_path: Path) -> None:
    title, licence, command, layer, version = texts

    def said(kind: Kind, name: str) -> Node:
        facts = {"title": title, "licences": {licence: 3}}
        record = Artifact(kind=kind, name=name, digest=f"sha256:{64 * 'a'}", facts=facts, command=command)
        return Node(structs.replace(record, code_version=version), name, state, title, ("/x",))

    nodes = {"d": said("dataset", title), "b": said("bundle", "b")}
    nodes |= {f"r{i}": said("run", layer) for i in range(n_runs)}
    links = [Edge("d", f"r{i}", "dataset") for i in range(n_runs)] + [Edge(f"r{i}", "b", layer) for i in range(n_runs)]
    lineage = Lineage("b", (), nodes, tuple(links), {"/y": command})
    text = lineage.to_text()
    assert all(line.isprintable() for line in text.split("\n"))
    text.encode()
    assert json.loads(json.dumps(lineage.to_dict()))["nodes"]["d"]["label"] == title
    chart = to_mermaid(lineage)
    statement = r' {4}(n\d+\["[^"\[\]]*"\]|n\d+ -(-|\.-)>\|"[^"|]*"\| n\d+|style \w+ [\w:#, -]+)'
    assert all(re.fullmatch(statement, line) for line in chart.split("\n")[1:])


def test_a_flowchart(workshop: Workshop) -> None:
    dataset = workshop.dataset()
    teacher = workshop.run("large", dataset)
    bundle = workshop.bundle("one", [workshop.run("small", dataset, teacher=teacher)], dataset)
    shutil.rmtree(teacher)
    lineage = trace(bundle, [])
    lines = to_mermaid(lineage).split("\n")
    assert lines == to_mermaid(trace(bundle, [])).split("\n")
    assert lines[0] == "flowchart LR"
    name_of = {key: f"n{number}" for number, key in enumerate(lineage.nodes)}
    for key, node in lineage.nodes.items():
        (box,) = [line for line in lines if line.startswith(f'    {name_of[key]}["')]
        assert f"<b>{node.heading}</b>" in box
    for edge in lineage.edges:
        arrow = "-.->" if edge.role == "mappings" else "-->"
        assert f'    {name_of[edge.source]} {arrow}|"{edge.role}"| {name_of[edge.target]}' in lines
    (gone,) = [key for key, node in lineage.nodes.items() if node.state == "gone"]
    assert any(line.startswith(f"    style {name_of[gone]} ") and "dasharray" in line for line in lines)


def test_what_version_0_1_made_is_read(workshop: Workshop) -> None:
    dataset, run = workshop.root / "data" / "old", workshop.root / "runs" / "old"
    manifest = {"schema_version": 2, "name": "fma_small", "recipe": {}, "shards": []}
    write_json(dataset / "manifest.json", manifest)
    origin = {"fma_root": str(workshop.corpus), "licences": LICENCES, "command": "tfdeepviz prepare"}
    write_json(dataset / "origin.json", origin)
    preset = {"name": "ae", "title": "Old", "kind": "autoencoder"}
    config = {
        **{"preset": preset, "dataset": "fma_small", "dataset_digest": digest_of(manifest), "seed": 0, "teacher": None},
        **{"dataset_path": "../../data/old", "command": "tfdeepviz train ae", "code_version": "0.1.0+g1234567"},
    }
    metrics = {"test": {"mse_to_pca": 0.5}}
    write_json(run / "config.json", config)
    write_json(run / "metrics.json", metrics)
    known = {"name": "fma_small", "digest": digest_of(manifest), "path": str(dataset), "licences": LICENCES}
    provenance = {
        **{"code_version": "0.1.0", "command": "tfdeepviz export"},
        "mappings": {"dataset": known},
        "encoders": {"old": {"run": {"path": "runs/old", "config": config}, "dataset": known, "metrics": metrics}},
    }
    bundle = workshop.root / "build" / "old"
    bundle_files(bundle, "old", ["old"], provenance)
    lineage = trace(bundle, [])
    assert {one.state for one in lineage.nodes.values()} == {"here"}
    assert edges(lineage) == {
        ("corpus music", "dataset fma_small", "corpus"),
        ("dataset fma_small", "run old", "dataset"),
        ("run old", "bundle old", "encoder old"),
        ("dataset fma_small", "bundle old", "mappings"),
    }
    assert list(node(lineage, "run", "old").facts()) == ["Old", "MSE / PCA's 0.500 (test)"]
    assert edges(trace(dataset, [workshop.root / "build"])) == edges(lineage)
    for folder in (run, dataset):
        shutil.rmtree(folder)
    gone = node(trace(bundle, []), "dataset", "fma_small")
    assert (gone.state, gone.record.facts["licences"]) == ("gone", LICENCES)
    config["dataset_digest"] = f"sha256:{64 * '0'}"
    shutil.rmtree(bundle)
    bundle_files(bundle, "old", ["old"], provenance)
    with pytest.raises(FormatError, match=r"is not the dataset of the run.*export it again"):
        trace(bundle, [])


def test_the_command_prints_a_tree_or_json(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    run = workshop.run("small", workshop.dataset())

    def call(*arguments: str) -> str:
        assert main(["lineage", str(run), *arguments]) == 0
        return capsys.readouterr().out

    assert call() == trace(run).to_text() + "\n"
    assert call("--mermaid") == to_mermaid(trace(run)) + "\n"
    assert json.loads(call("--json", "--among", "data")) == json.loads(json.dumps(trace(run, [Path("data")]).to_dict()))
    assert main(["lineage", str(run), "--json", "--mermaid"]) == 2
