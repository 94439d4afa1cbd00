from __future__ import annotations

import hashlib
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

from tfdeepviz import lineage as module
from tfdeepviz.commands import lineage as family
from tfdeepviz.commands.common import Add
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.export.bundle import Blessing, Bundle, Check, write_manifest
from tfdeepviz.files import FormatError, read_json, sha256_file, write_json
from tfdeepviz.lineage import Edge, Lineage, Node, trace
from tfdeepviz.lineage_mermaid import to_mermaid
from tfdeepviz.mapping.mappings import Encodings, fit_mappings
from tfdeepviz.params import LIVE

LICENCES = {"CC BY 4.0": 7, "CC0 1.0": 3}


class Workshop:
    """Makes corpus, datasets, runs and bundles that hold nothing but what they say of themselves."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.corpus = root / "music"
        (self.corpus / "fma_metadata").mkdir(parents=True)

    def dataset(self, name: str = "ds", *, seconds: float = 3_600.0) -> Path:
        folder = self.root / "data" / name
        recipe = {"mode": "mfcc", "audio": LIVE.to_dict()}
        statistics = {"training": {"n_tracks": 8, "seconds": seconds}, "test": {"n_tracks": 2, "seconds": 3_600.0}}
        write_json(
            folder / "manifest.json",
            {"schema_version": 2, "name": name, "recipe": recipe, "statistics": statistics, "shards": []},
        )
        made = {"command": f"tfdeepviz prepare --fma-root music --out data/{name}", "code_version": "0.1.0"}
        write_json(folder / "origin.json", {"fma_root": str(self.corpus), "licences": LICENCES, **made})
        return folder

    def run(self, name: str, dataset: Path, *, teacher: Path | None = None, seed: int = 0, mse: float = 0.5) -> Path:
        folder = self.root / "runs" / name
        config: dict[str, Any] = {
            "preset": preset(name),
            **{"dataset": dataset.name, "dataset_digest": digest(dataset)},
            "dataset_path": os.path.relpath(dataset, folder),
            **{"seed": seed, "teacher": None, "command": f"tfdeepviz train {name}", "code_version": "0.1.0+g1234567"},
        }
        if teacher is not None:
            sha256 = sha256_file(teacher / "model.keras")
            path = Path("..", teacher.name).as_posix()
            config["teacher"] = {"path": path, "sha256": sha256, "preset": preset(teacher.name)}
        write_json(folder / "config.json", config)
        write_json(folder / "metrics.json", {"training": {"mse_to_pca": 0.1}, "test": {"mse_to_pca": mse}})
        (folder / "model.keras").write_text(f"{name} {seed} {mse}")
        return folder

    def bundle(self, name: str, runs: list[Path], dataset: Path, folder: Path | None = None) -> Path:
        folder = self.root / "build" / name if folder is None else folder
        for file in ("card.md", "goldens/goldens.json", "frontend/model.json", *(f"{run.name}.json" for run in runs)):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text("{}")
        write_json(folder / "mappings.json", mappings(tuple(run.name for run in runs)))
        window = {"window_frames": 10, "window_seconds": 0.1, "step_seconds": 0.1, "time_offset_seconds": 0.045}
        write_manifest(
            folder,
            {
                **{"name": name, "version": None, "title": name.title(), "created": "2026-11-25T00:00:00Z"},
                **{"audio": LIVE.to_dict(), "frontend": {}, "mappings": "mappings.json"},
                "encoders": [
                    {"name": run.name, "model": f"{run.name}.json", "encoding_size": 6, **window} for run in runs
                ],
                "provenance": {
                    **{"code_version": "0.1.0+g7654321", "command": f"tfdeepviz export --out build/{name}"},
                    "mappings": {"dataset": described(dataset), "split": "training", "left_out": {}},
                    "encoders": {
                        run.name: {
                            "run": {"path": str(run), "config": config},
                            "dataset": described((run / config["dataset_path"]).resolve()),
                            **{"layer": None, "metrics": read_json(run / "metrics.json")},
                        }
                        for run, config in ((run, read_json(run / "config.json")) for run in runs)
                    },
                },
            },
        )
        return folder

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
        return target


def preset(name: str) -> dict[str, Any]:
    return {"name": name, "title": f"The {name}", "kind": "autoencoder"}


def digest(dataset: Path) -> str:
    manifest = json.dumps(read_json(dataset / "manifest.json"), sort_keys=True)
    return "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()


def described(dataset: Path) -> dict[str, Any]:
    """What a bundle says of a dataset."""
    origin = read_json(dataset / "origin.json")
    known = {"name": dataset.name, "digest": digest(dataset), "path": str(dataset)}
    return {**known, "licences": origin["licences"], "command": origin["command"]}


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
    (found,) = [node for node in lineage.nodes.values() if (node.kind, node.label) == (kind, label)]
    return found


def edges(lineage: Lineage) -> set[tuple[str, str, str]]:
    def name(key: str) -> str:
        return f"{lineage.nodes[key].kind} {lineage.nodes[key].label}"

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
    assert node(lineage, "run", "small").facts["metrics"] == "mse to pca 0.50 (test)"
    assert node(lineage, "run", "small").paths == (str(runs[1]),)
    assert node(lineage, "dataset", "ds").licences == LICENCES
    assert node(lineage, "dataset", "ds").facts["tracks"] == "10 tracks, 2.0 hours"
    assert node(lineage, "bundle", "two").command == "tfdeepviz export --out build/two"
    assert lineage.unread == {}


def test_a_dataset_tells_everything_that_was_made_of_it(workshop: Workshop) -> None:
    dataset, other = workshop.dataset(), workshop.dataset("other", seconds=1.0)
    beat, song = workshop.run("beat", dataset), workshop.run("song", other)
    workshop.bundle("one", [beat], dataset)
    workshop.bundle("both", [beat, song], other)
    workshop.bundle("none", [song], other)
    for start in (dataset, beat):
        lineage = trace(start, [workshop.root / "build"])
        assert lineage.unread == {}
        assert {one.label for one in lineage.nodes.values() if one.kind == "bundle"} == {"one", "both"}
        assert {one.label for one in lineage.nodes.values() if one.kind == "run"} == {"beat"}
    everything = trace(workshop.corpus, [workshop.root / "build"])
    assert node(everything, "corpus", "music").digest is None
    assert {one.label for one in everything.nodes.values() if one.kind == "bundle"} == {"one", "both", "none"}


def test_what_is_gone_is_told_from_manifests(workshop: Workshop) -> None:
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
    assert gone["ds"].licences == LICENCES
    assert gone["ds"].command == node(before, "dataset", "ds").command
    assert gone["small"].digest == node(before, "run", "small").digest
    assert gone["small"].facts["metrics"] == "mse to pca 0.50 (test)"
    assert gone["small"].note == "no longer at runs/small; told from the manifest of one"
    # All but what only the teacher's own configuration said.
    assert edges(after) == edges(before) - {("dataset ds", "run large", "dataset")}
    # It can still be asked what became of it.
    forward = trace(run, [workshop.root / "build"])
    assert forward.nodes[forward.start].label == "small"
    assert ("run small", "bundle one", "encoder small") in edges(forward)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"seed": 1}, "runs/small holds another run now (other seed)"),
        ({"mse": 0.4}, "runs/small was trained anew, with other results"),
    ],
)
def test_a_run_that_was_trained_anew_is_not_the_one_of_the_bundle(
    change: dict[str, Any], note: str, workshop: Workshop
) -> None:
    dataset = workshop.dataset()
    bundle = workshop.bundle("one", [workshop.run("small", dataset)], dataset)
    run = workshop.run("small", dataset, **change)
    old = node(trace(bundle, []), "run", "small")
    assert (old.state, old.note) == ("changed", f"{note}; told from the manifest of one")
    lineage = trace(run, [workshop.root / "build"])
    assert lineage.nodes[lineage.start].state == "here"
    assert [lineage.nodes[key].digest for key in lineage.before] == [old.digest]
    text = lineage.to_text()
    assert "was made into\n" not in text.partition("what was here before")[0]
    assert "what was here before was made into\n└─ as encoder small: bundle one" in text


def test_a_dataset_or_a_teacher_that_changed_is_told(workshop: Workshop) -> None:
    dataset = workshop.dataset()
    teacher = workshop.run("large", dataset)
    run = workshop.run("small", dataset, teacher=teacher)
    bundle = workshop.bundle("one", [run], dataset)
    workshop.dataset(seconds=1.0)
    (teacher / "model.keras").write_text("another")
    lineage = trace(bundle, [])
    assert node(lineage, "dataset", "ds").note.startswith(f"data/ds holds another dataset now ({digest(dataset)[:19]})")
    assert node(lineage, "run", "large").note.startswith("runs/large holds another model now")
    assert node(lineage, "run", "small").state == "here"


def test_resuming_moving_and_copying_leave_a_run_what_it_is(workshop: Workshop) -> None:
    dataset = workshop.dataset()
    teacher = workshop.run("large", dataset)
    run = workshop.run("small", dataset, teacher=teacher)
    bundle = workshop.bundle("one", [run], dataset)
    resumed = {"command": "tfdeepviz train small --out x", "code_version": "0.2.0", "dataset_path": "/elsewhere"}
    write_json(run / "config.json", {**read_json(run / "config.json"), **resumed})
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
    assert node(lineage, "bundle", "one/1").facts["judgement"] == "not validated"
    for passed, judgement in ((False, "not blessed: size"), (True, "blessed")):
        check = Check("size", 1.0, "<= 2 MB", passed)
        Blessing(Bundle.load(version).digest, "2026-11-25T00:00:00Z", "0.1.0", "x", None, (check,)).write(version)
        assert node(trace(version, []), "bundle", "one/1").facts["judgement"] == judgement


def test_identities_of_datasets_are_those_that_runs_note(two_genres: PreparedDataset) -> None:
    lineage = trace(two_genres.path, [])
    assert lineage.nodes[lineage.start].digest == two_genres.identity
    assert lineage.nodes[lineage.start].label == two_genres.name


def spoil(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    values = read_json(path)
    change(values)
    write_json(path, values)


BREAKS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a bundle of an older schema": (
        "bundle",
        lambda p: spoil(p / "manifest.json", lambda v: v.update(schema_version=2)),
    ),
    "a swapped shard": ("bundle", lambda p: (p / "small.json").write_text("[]")),
    "no provenance": ("bundle", lambda p: spoil(p / "manifest.json", lambda v: v.pop("provenance"))),
    "another run's dataset": (
        "bundle",
        lambda p: spoil(
            p / "manifest.json",
            lambda v: v["provenance"]["encoders"]["small"]["dataset"].update(digest="sha256:" + 64 * "0"),
        ),
    ),
    "half a manifest": ("bundle", lambda p: os.truncate(p / "manifest.json", 100)),
    "half a run": ("run", lambda p: os.truncate(p / "config.json", 20)),
    "a run of a wrong type": ("run", lambda p: spoil(p / "config.json", lambda v: v.update(preset=[1]))),
    "a number that is none": ("run", lambda p: (p / "metrics.json").write_text('{"test": {"mse_to_pca": 1e999}}')),
    "half a dataset": ("dataset", lambda p: os.truncate(p / "manifest.json", 20)),
    "licences of a wrong type": ("dataset", lambda p: spoil(p / "origin.json", lambda v: v.update(licences=[1]))),
}


@pytest.mark.parametrize("trouble", BREAKS)
def test_what_is_broken_is_named_and_does_not_hide_the_rest(trouble: str, workshop: Workshop) -> None:
    dataset = workshop.dataset()
    run = workshop.run("small", dataset)
    (run / "history.csv").write_text("epoch")
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
    assert [one.paths for one in lineage.nodes.values() if one.kind == "bundle"] == [(str(bundle),)]
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
    assert {one.kind for one in found.nodes.values()} == {"corpus", "dataset", "run", "bundle"}
    with pytest.raises(FormatError, match="nowhere: no folder that could be searched"):
        trace(bundle, [Path("nowhere")])
    with pytest.raises(FormatError, match="nowhere: no bundle, run or prepared dataset, and nothing that was found"):
        trace(Path("nowhere"))


def test_teachers_that_teach_each_other_do_not_hang(workshop: Workshop) -> None:
    dataset = workshop.dataset()
    first = workshop.run("first", dataset)
    second = workshop.run("second", dataset, teacher=first)
    teacher = {"path": str(second), "sha256": sha256_file(second / "model.keras"), "preset": preset("second")}
    spoil(first / "config.json", lambda values: values.update(teacher=teacher))
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
    codes = [(one.digest or "")[:19] for one in lineage.nodes.values() if one.digest]
    text = lineage.to_text().replace(str(workshop.root), "/home")
    for name, code in zip(("BUNDLE", "RUN", "DATASET"), codes, strict=True):
        text = text.replace(code, f"sha256:{name}")
    size = Bundle.load(bundle).n_bytes / 1e6
    assert text.splitlines() == [
        "bundle one",
        "  build/one",
        "  One",
        f"  {size:.2f} MB",
        "  not validated",
        "  sha256:BUNDLE, 0.1.0+g7654321, 2026-11-25T00:00:00Z",
        "  $ tfdeepviz export --out build/one",
        "",
        "comes from",
        "├─ encoder small: run small (gone)",
        "│  │  no longer at runs/small; told from the manifest of one",
        "│  │  The small",
        "│  │  mse to pca 0.50 (test)",
        "│  │  sha256:RUN, 0.1.0+g1234567",
        "│  │  $ tfdeepviz train small",
        "│  └─ dataset ds",
        "│     │  data/ds",
        "│     │  10 tracks, 2.0 hours",
        "│     │  mfcc (live)",
        "│     │  CC BY 4.0: 7, CC0 1.0: 3",
        "│     │  sha256:DATASET, 0.1.0",
        "│     │  $ tfdeepviz prepare --fma-root music --out data/ds",
        "│     └─ corpus music",
        "│           music",
        "└─ mappings: dataset ds, as above",
    ]
    assert max(len(line) for line in lineage.to_text(60).splitlines()) <= 60 + len(str(workshop.root))


@given(
    texts=st.lists(st.text(max_size=60), min_size=5, max_size=5),
    n_runs=st.integers(1, 4),
    state=st.sampled_from(("here", "gone", "changed")),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_manifest_says_is_safe_to_show(texts: list[str], n_runs: int, state: Any, tmp_path: Path) -> None:
    title, licence, command, layer, version = map(module._clean, texts)

    def made(kind: Any, label: str) -> Node:
        facts = {"title": title}
        return Node(
            kind, label, f"sha256:{64 * 'a'}", state, ("/x",), title, command, version, None, {licence: 3}, facts
        )

    nodes = {"d": made("dataset", title), "b": made("bundle", "b")}
    nodes |= {f"r{i}": made("run", layer) for i in range(n_runs)}
    links = [Edge("d", f"r{i}", "dataset") for i in range(n_runs)] + [Edge(f"r{i}", "b", layer) for i in range(n_runs)]
    lineage = Lineage("b", (), nodes, tuple(links), {"/y": command})
    text = lineage.to_text()
    assert all(line.isprintable() for line in text.split("\n"))
    text.encode()
    assert json.loads(json.dumps(lineage.to_dict()))["nodes"]["d"]["label"] == title
    chart = to_mermaid(lineage)
    statement = r' {4}(n\d+\["[^"\[\]]*"\]:::\w+|n\d+ -(-|\.-)>\|"[^"|]*"\| n\d+|(classDef|style) \w+ [\w:#, -]+)'
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
        assert f"<b>{node.kind} {node.label}</b>" in box
        assert box.endswith(f":::{node.kind}")
    for edge in lineage.edges:
        arrow = "-.->" if edge.role == "mappings" else "-->"
        assert f'    {name_of[edge.source]} {arrow}|"{edge.role}"| {name_of[edge.target]}' in lines
    (gone,) = [key for key, node in lineage.nodes.items() if node.state == "gone"]
    assert any(line.startswith(f"    style {name_of[gone]} ") and "dasharray" in line for line in lines)


def test_the_command_prints_a_tree_or_json(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    import argparse

    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()

    def add(name: str, command: Any, text: str, details: str, /) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=details)
        sub.set_defaults(command=command)
        return sub

    adder: Add = add
    family.register(adder)
    dataset = workshop.dataset()
    run = workshop.run("small", dataset)

    def call(*arguments: str) -> str:
        args = parser.parse_args(["lineage", str(run), *arguments])
        args.command(args)
        return capsys.readouterr().out

    assert call() == trace(run).to_text() + "\n"
    assert call("--mermaid") == to_mermaid(trace(run)) + "\n"
    assert json.loads(call("--json", "--among", "data")) == json.loads(json.dumps(trace(run, [Path("data")]).to_dict()))
