from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pytest

import tfdeepviz.pipeline
from tests.export.conftest import alive
from tests.teachers.test_outputs import answers
from tfdeepviz import artifacts
from tfdeepviz.artifacts import ARTIFACT, Artifact, Input, Kind, beside
from tfdeepviz.data.corpus import corpus_record
from tfdeepviz.data.index import index_files
from tfdeepviz.data.prepare import planned_dataset
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.errors import InputError
from tfdeepviz.export.bundle import JUDGEMENT, Blessing, Bundle, Check
from tfdeepviz.export.exporter import BundlePlan
from tfdeepviz.export.registry import entries, find, push
from tfdeepviz.export.validate import planned_judgement
from tfdeepviz.files import FormatError, write_json
from tfdeepviz.locks import BusyError, locked
from tfdeepviz.models import evaluation, training
from tfdeepviz.models.evaluation import CollapsedEncoderError
from tfdeepviz.models.run import Run, planned_evaluation, planned_run
from tfdeepviz.models.training import train
from tfdeepviz.pipeline import OLD_RECORD, PipelineError, PipelineProgress, run_pipeline
from tfdeepviz.pipeline_config import Config
from tfdeepviz.provenance import code_version
from tfdeepviz.teachers.fetch import FetchError, usual_place
from tfdeepviz.teachers.musicnn import Answers, Musicnn
from tfdeepviz.teachers.outputs import TeacherOutputs

CONFIGS = Path(__file__).parent.parent / "configs"
PRESET = {
    **{"title": "Tiny", "kind": "autoencoder", "scaler": "minmax", "batch_size": 8, "epochs": 1},
    "model": {"n_initial_filters": 2, "normalize_encoding": True},
    "optimizer": {"name": "adamw", "learning_rate": 1e-3},
}
CONFIG = """
work = "work"
[corpus]
fma-root = "fma"
[[train]]
name = "tiny"
preset = "tiny.json"
set = { epochs = 2 }
[[bundle]]
name = "tiny"
runs = ["tiny"]
quantize = "none"
[validate]
static = "static"
[push]
registry = "registry"
"""
STEPS = ("index", "prepare", "train tiny", "evaluate tiny", "export tiny", "validate tiny", "push tiny")
#: What the steps make; a push is a copy.
KINDS: dict[str, Kind] = dict(
    zip(STEPS[:-1], ("index", "dataset", "run", "evaluation", "bundle", "judgement"), strict=True)
)


class Killed(BaseException):
    """As much of a SIGKILL as a test survives: nothing that handles errors sees it."""


@dataclass
class Log(PipelineProgress):
    """What a pipeline told; can end it at a certain event."""

    done: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    results: dict[str, Path] = field(default_factory=dict)
    epochs: list[int] = field(default_factory=list)
    made_by: dict[str, str] = field(default_factory=dict)
    kept: dict[str, Path] = field(default_factory=dict)
    kill_at: str = ""

    def _tell(self, event: str) -> None:
        if self.kill_at and event.startswith(self.kill_at):
            raise Killed(event)

    def skip(self, step: str, result: Path, made_by: str | None) -> None:
        self.skipped.append(step)
        if made_by is not None:
            self.made_by[step] = made_by
        self.results[step] = result

    def keep(self, step: str, old: Path) -> None:
        self._tell(f"keep {step}")
        self.kept[step] = old

    def begin(self, step: str, reason: str) -> None:
        self.reasons[step] = reason

    def advance(self, what: str, done: int, total: int) -> None:
        self._tell(f"{what} {done}")

    def start_epoch(self, epoch: int, n_epochs: int, n_steps: int) -> None:
        self._tell(f"epoch {epoch}")
        self.epochs.append(epoch)

    def end(self, step: str, seconds: float, summary: str, result: Path) -> None:
        self.done.append(step)
        self.results[step] = result

    def refuse(self, step: str, reason: str) -> None:
        self.reasons[f"{step} refused"] = reason


def judge(passed: bool = True, asked: list[dict[str, Any]] | None = None) -> Callable[..., Blessing]:
    """Stands for `validate`, which needs Chromium."""

    def validate(path: Path, **options: Any) -> Blessing:
        if asked is not None:
            asked.append(options)
        checks = (Check("mse (test)", 0.1, "<= 0.2", passed, "" if passed else "train longer"),)
        bundle, registry = Bundle.load(path), options["registry"]
        is_compared = registry is not None and options["baseline"] != "none"
        has_name = is_compared and bundle.name in {entry.name for entry in entries(registry)}
        replaced = find(registry, bundle.name, options["baseline"]) if has_name else None
        baseline = None if replaced is None else replaced.label
        blessing = Blessing(bundle.digest, "2026-11-25T00:00:00Z", "0", "here", baseline, checks)
        written = blessing.write(path)
        planned_judgement(bundle, replaced).finished(artifacts.digest_of_files(written)).write(path / JUDGEMENT)
        return blessing

    return validate


def alive_after(*args: Any, **options: Any) -> Run:
    return alive(train(*args, **options))


@pytest.fixture(scope="module")
def finished(fma_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration of real steps, done through three kills."""
    home = tmp_path_factory.mktemp("pipeline")
    write_json(home / "tiny.json", PRESET)
    (home / "fma").symlink_to(fma_root)
    (home / "pipeline.toml").write_text(CONFIG)
    config = Config.load(home / "pipeline.toml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfdeepviz.pipeline, "validate", judge())
        patch.setattr(training, "train", alive_after)
        for kill_at, killed in (
            ("preparing 4", "prepare"),
            ("epoch 2", "train tiny"),
            ("encoding by", "export tiny"),
        ):
            log = Log(kill_at=kill_at)
            with pytest.raises(Killed):
                run_pipeline(config, progress=log)
            assert list(log.reasons)[-1] == killed
        log = Log()
        run_pipeline(config, progress=log)
        assert log.reasons["export tiny"] == "first time"
        assert (log.skipped, log.done) == (list(STEPS[:4]), list(STEPS[4:]))
        assert log.results["push tiny"] == home / "registry" / "tiny" / "1"
    return home


@pytest.fixture
def home(finished: Path, tmp_path: Path) -> Path:
    """A finished pipeline of one's own."""
    shutil.copytree(finished, tmp_path / "home", symlinks=True)
    return tmp_path / "home"


@dataclass
class Steps:
    """The functions of the steps: what the real ones made once, in no time. Each can be killed, before or after."""

    finished: Path
    called: list[str] = field(default_factory=list)
    killed: tuple[str, str] | None = None

    def install(self, patch: pytest.MonkeyPatch) -> None:
        made: dict[str, Callable[..., Any]] = {
            "prepare": self._prepare,
            "train": self._train,
            "evaluate": self._evaluate,
            "export_bundle": self._export,
            "validate": judge(),
            "push": push,
            "index_files": index_files,
        }
        places = {"train": training, "evaluate": evaluation}
        for name, function in made.items():
            patch.setattr(places.get(name, tfdeepviz.pipeline), name, self._wrapped(name, function))

    def _prepare(self, root: Path, out: Path, *, n_workers: int, progress: Any, **options: Any) -> PreparedDataset:
        corpus = corpus_record(root, options["selection"].subset)
        self._copy("dataset", out, planned_dataset(Input.at(root, corpus, seen_from=out), **options))
        return PreparedDataset.load(out)

    def _train(self, preset: Any, dataset: PreparedDataset, out: Path, *, progress: Any, **options: Any) -> Run:
        self._copy("runs/tiny", out, planned_run(preset, dataset, out, **options))
        write_json(out / "config.json", {**Run.load(out).config, "preset": preset.to_dict()})
        return Run.load(out)

    def _evaluate(self, run: Run, dataset: PreparedDataset, split: str) -> Path:
        out = run.path / "evaluation"
        shutil.copytree(self.finished / "work" / "runs" / "tiny" / "evaluation", out, dirs_exist_ok=True)
        path = beside(out / f"{split}.html")
        planned_evaluation(run, dataset, split, out).finished(Artifact.read(path).digest).write(path)
        return out / f"{split}.html"

    def _export(self, plan: BundlePlan, *, progress: Any) -> Bundle:
        self._copy("bundles/tiny", plan.out, plan.record)
        return Bundle.load(plan.out)

    def exported(self, plan: BundlePlan, changes: dict[str, Any]) -> Bundle:
        """Another bundle than the one that is finished."""
        out = plan.out
        self._copy("bundles/tiny", out, plan.record)
        manifest = json.loads((out / "manifest.json").read_text())
        write_json(out / "manifest.json", {**manifest, **changes})
        bundle = Bundle.load(out)
        Artifact.read(out / ARTIFACT).finished(f"sha256:{bundle.digest}").write(out / ARTIFACT)
        return bundle

    def _copy(self, name: str, out: Path, planned: Artifact) -> None:
        made = self.finished / "work" / name
        shutil.copytree(made, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns("evaluation", "*BLESSED*"))
        record = Artifact.read(made / ARTIFACT)
        planned.finished(record.digest, **record.facts).write(out / ARTIFACT)

    def _wrapped(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            self.called.append(name)
            if self.killed == (name, "before"):
                raise Killed(name)
            result = function(*args, **options)
            if self.killed == (name, "after"):
                raise Killed(name)
            return result

        return wrapped


@pytest.fixture
def steps(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Steps:
    steps = Steps(finished)
    steps.install(monkeypatch)
    return steps


def run(home: Path, **options: Any) -> Log:
    log = Log()
    run_pipeline(Config.load(home / "pipeline.toml"), progress=log, **options)
    return log


def change(home: Path, old: str, new: str) -> None:
    text = (home / "pipeline.toml").read_text()
    assert text.count(old) == 1
    (home / "pipeline.toml").write_text(text.replace(old, new))


def test_what_is_done_is_not_done_again(home: Path, steps: Steps) -> None:
    log = run(home)
    assert log.skipped == list(STEPS)
    assert steps.called == log.done == []
    assert log.results["evaluate tiny"] == home / "work" / "runs" / "tiny" / "evaluation" / "test.html"
    assert log.results["evaluate tiny"].is_file()
    assert log.results["push tiny"] == home / "registry" / "tiny" / "1"


def test_the_bundle_tells_what_made_it(home: Path) -> None:
    bundle = Bundle.load(home / "registry" / "tiny" / "1")
    trained = bundle.manifest["provenance"]["encoders"]["tiny"]
    assert trained["run"]["config"]["preset"]["epochs"] == 2
    assert trained["dataset"]["digest"] == PreparedDataset.load(home / "work" / "dataset").identity


@pytest.mark.parametrize(
    ("old", "new", "step", "reason"),
    [
        ("epochs = 2", "epochs = 1", "train tiny", "changed: preset.epochs"),
        ('preset = "tiny.json"', 'preset = "tiny.json"\nseed = 7', "train tiny", "changed: seed"),
        ('"none"', '"float16"', "export tiny", "changed: quantization"),
        ("[[train]]", '[prepare]\nstorage = "float16"\n[[train]]', "prepare", "changed: storage"),
        ('"registry"', '"another"', "push tiny", "first time"),
    ],
)
def test_changed_settings_are_told_and_done_again(
    home: Path, steps: Steps, old: str, new: str, step: str, reason: str
) -> None:
    change(home, old, new)
    promised = run(home, dry_run=True)
    assert steps.called == []
    assert promised.reasons[step] == reason
    # Whether what follows changes is not known yet.
    assert list(promised.reasons) == list(STEPS[STEPS.index(step) :])
    log = run(home)
    assert log.reasons[step] == reason
    # What was made is what was there before, so that what follows has nothing to do but for what lay in its folder.
    inside = {"train tiny": ["evaluate tiny"], "export tiny": ["validate tiny"]}
    assert log.done == [step, *inside.get(step, [])]
    assert run(home).done == []


def test_what_is_asked_of_a_model_may_change_without_training_it(
    home: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "train", train)
    write_json(home / "tiny.json", {**PRESET, "budget": {"megabytes": 3, "milliseconds": 50}})
    log = run(home)
    assert "train tiny" in log.skipped
    assert log.reasons["export tiny"] == "changed: required.tiny.budget.megabytes"
    assert Run.load(home / "work" / "runs" / "tiny").preset.budget == {"megabytes": 3, "milliseconds": 50}
    assert run(home).done == []


def test_a_changed_corpus_is_prepared_anew(home: Path, steps: Steps, fma_root: Path, tmp_path: Path) -> None:
    shutil.copytree(fma_root, tmp_path / "other")
    (home / "fma").unlink()
    (home / "fma").symlink_to(tmp_path / "other")
    assert run(home).done == []
    os.utime(tmp_path / "other" / "fma_small" / "000" / "000002.mp3", ns=(0, 0))
    log = run(home)
    assert log.reasons == {"index": "changed: corpus", "prepare": "changed: corpus"}
    # The new dataset is the old one to the bit.
    assert log.done == ["index", "prepare"]


def test_other_code_is_told_and_makes_nothing_anew(home: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(home).made_by == {}
    was = code_version()
    monkeypatch.setattr(artifacts, "code_version", lambda: "9.0")
    for module in (artifacts, tfdeepviz.pipeline):
        monkeypatch.setattr(module, "code_digest", lambda: "ff" * 32)
    log = run(home)
    assert (log.skipped, log.done) == (list(STEPS), [])
    assert log.made_by == dict.fromkeys(KINDS, was)
    log = run(home, redo=["train tiny"])
    assert log.reasons == {"train tiny": "asked for", "evaluate tiny": "first time"}
    assert set(log.made_by) == set(KINDS) - {"train tiny", "evaluate tiny"}
    assert Run.load(log.kept["train tiny"]).metrics() == Run.load(home / "work" / "runs" / "tiny").metrics()
    with pytest.raises(InputError, match="no step is called train x; the steps are index, prepare, train tiny, "):
        run(home, redo=["train x"])


@pytest.mark.parametrize("step", KINDS)
def test_another_schema_of_a_step_makes_it_anew_and_keeps_what_was(
    home: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    for number in (1, 2):
        before = {path.relative_to(home) for path in home.rglob("*") if path.is_file()}
        monkeypatch.setitem(artifacts.STEP_SCHEMAS, KINDS[step], artifacts.STEP_SCHEMAS[KINDS[step]] + 1)
        log = run(home)
        assert log.reasons[step] == "this version of tfdeepviz gives another result"
        assert step in log.done
        if step in ("prepare", "train tiny", "export tiny"):
            old = log.kept[step]
            assert old.name == f"{'dataset' if step == 'prepare' else 'tiny'}.old-{number}"
            assert (old / ("manifest.json" if step != "train tiny" else "metrics.json")).is_file()
        there = {path.relative_to(home) for path in home.rglob("*") if path.is_file()}
        assert len(there) >= len(before)
        assert run(home).done == []


def test_what_version_0_1_made_is_renamed_and_made_again(home: Path, steps: Steps) -> None:
    for path in (home / "work").rglob("*artifact.json"):
        path.unlink()
    with pytest.raises(PipelineError, match="dataset: not as a pipeline left it"):
        run(home)
    (home / "work" / OLD_RECORD).write_text("{}")
    log = run(home)
    assert log.done == list(STEPS[1:-1])  # the bundle is the published one to the bit
    assert log.reasons["train tiny"] == "made by version 0.1.0"
    assert {path.name for path in log.kept.values()} == {"dataset.old-1", "tiny.old-1", "pipeline.json.old-1"}
    assert Run.load(home / "work" / "runs" / "tiny.old-1").metrics()
    assert run(home).done == []


def test_a_moved_folder_stays_what_it_is(home: Path, steps: Steps, tmp_path: Path) -> None:
    moved = Path(shutil.move(home, tmp_path / "elsewhere"))
    log = run(moved)
    assert (log.skipped, log.made_by) == (list(STEPS), {})
    assert steps.called == []
    run_input = Artifact.read(moved / "work" / "bundles" / "tiny" / ARTIFACT).input("encoder tiny")
    assert run_input.place(moved / "work" / "bundles" / "tiny") == moved / "work" / "runs" / "tiny"


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    ("function", "step"),
    [
        ("index_files", "index"),
        ("prepare", "prepare"),
        ("train", "train tiny"),
        ("evaluate", "evaluate tiny"),
        ("export_bundle", "export tiny"),
        ("validate", "validate tiny"),
        ("push", "push tiny"),
    ],
)
def test_a_killed_pipeline_goes_on(home: Path, steps: Steps, function: str, step: str, moment: str) -> None:
    shutil.rmtree(home / "work")
    shutil.rmtree(home / "registry")
    steps.killed = (function, moment)
    with pytest.raises(Killed):
        run(home)
    assert steps.called[-1] == function
    steps.killed = None
    steps.called.clear()
    log = run(home)
    done = STEPS.index(step)
    assert log.skipped[:done] == list(STEPS[:done])
    assert set(log.skipped + log.done) == set(STEPS)
    assert [entry.versions for entry in entries(home / "registry")] == [(1,)]
    assert run(home).done == []


def test_a_kill_while_old_results_are_replaced(home: Path, steps: Steps) -> None:
    change(home, "epochs = 2", "epochs = 1")
    with pytest.raises(Killed):
        run_pipeline(Config.load(home / "pipeline.toml"), progress=Log(kill_at="keep train tiny"))
    assert not (home / "work" / "runs" / "tiny").exists()
    assert Run.load(home / "work" / "runs" / "tiny.old-1").metrics()
    change(home, "epochs = 1", "epochs = 2")
    log = run(home)
    assert log.reasons["train tiny"] == "first time"
    assert run(home).done == []


def test_what_is_gone_is_made_again(home: Path, steps: Steps) -> None:
    shutil.rmtree(home / "work" / "dataset")
    shutil.rmtree(home / "work" / "runs" / "tiny" / "evaluation")
    log = run(home)
    assert log.reasons == {"prepare": "first time", "evaluate tiny": "first time"}
    (home / "work" / "index.jsonl").unlink()
    assert run(home).reasons == {"index": "its result is gone"}


def test_what_no_pipeline_made_is_left_alone(home: Path, steps: Steps) -> None:
    trained = home / "work" / "runs" / "tiny"
    metrics = (trained / "metrics.json").read_text()
    (trained / "metrics.json").write_text(metrics + "\n")
    for epochs in (2, 1):
        change(home, "epochs = 2", f"epochs = {epochs}")
        with pytest.raises(PipelineError, match=r"runs/tiny: not as a pipeline left it; delete it"):
            run(home)
        assert (trained / "metrics.json").read_text() == metrics + "\n"
    shutil.rmtree(home / "work" / "dataset")
    (home / "work" / "dataset").mkdir()
    (home / "work" / "dataset" / "notes.txt").touch()
    with pytest.raises(PipelineError, match="dataset: not as a pipeline left it"):
        run(home)


def test_one_pipeline_at_a_time(home: Path, steps: Steps) -> None:
    with locked(home / "work"), pytest.raises(BusyError, match="is at work here"):
        run(home)
    assert run(home).done == []


def test_a_dry_run_writes_nothing(home: Path, steps: Steps) -> None:
    shutil.rmtree(home / "work")
    log = run(home, dry_run=True)
    assert log.reasons["index"] == "first time"
    assert log.reasons["train tiny"] == "dataset will be new"
    assert log.reasons["push tiny"] == "bundle tiny will be new"
    assert not (home / "work").exists()
    assert steps.called == []


def test_what_is_not_blessed_is_not_pushed_and_the_others_go_on(
    home: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (home / "pipeline.toml").read_text()
    (home / "pipeline.toml").write_text(text + '[[bundle]]\nname = "second"\nruns = ["tiny"]\n')
    change(home, 'name = "tiny"\nruns', 'name = "first"\nruns')
    good, bad = judge(), judge(passed=False)

    def exported(plan: BundlePlan, *, progress: Any) -> Bundle:
        return steps.exported(plan, {"name": plan.name})

    monkeypatch.setattr(tfdeepviz.pipeline, "export_bundle", exported)
    monkeypatch.setattr(
        tfdeepviz.pipeline, "validate", lambda path, **o: (bad if path.name == "first" else good)(path, **o)
    )
    logs = [Log(), Log()]
    for log in logs:
        with pytest.raises(PipelineError, match=r"1 of 2 bundles .*first: NOT_BLESSED: mse \(test\): train longer"):
            run_pipeline(Config.load(home / "pipeline.toml"), progress=log)
    assert "validate first" in logs[0].done
    # A verdict holds until its inputs change, or somebody asks for another one.
    assert (logs[1].done, "validate first" in logs[1].skipped) == ([], True)
    again = "train longer; `--redo 'validate first'` judges it again"
    assert logs[1].reasons == {"validate first refused": f"NOT_BLESSED: mse (test): {again}"}
    assert [entry.name for entry in entries(home / "registry")] == ["tiny", "second"]
    assert (home / "work" / "bundles" / "first" / "NOT_BLESSED").is_file()
    monkeypatch.setattr(tfdeepviz.pipeline, "validate", good)
    assert run(home, redo=["validate first"]).done == ["validate first", "push first"]


def test_a_collapsed_encoder_stops_its_bundle_only(home: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    def collapsed(*_: Any, **__: Any) -> Bundle:
        raise CollapsedEncoderError("2 of 10 components are dead")

    monkeypatch.setattr(tfdeepviz.pipeline, "export_bundle", collapsed)
    change(home, '"none"', '"uint8"')
    with pytest.raises(PipelineError, match="tiny: 2 of 10 components are dead"):
        run(home)
    assert [entry.versions for entry in entries(home / "registry")] == [(1,)]


def test_a_bundle_is_compared_with_what_it_would_replace(
    home: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(tfdeepviz.pipeline, "validate", judge(asked=asked))

    def exported(plan: BundlePlan, *, progress: Any) -> Bundle:
        return steps.exported(plan, {"title": "Another"})

    monkeypatch.setattr(tfdeepviz.pipeline, "export_bundle", exported)
    change(home, '"none"', '"uint8"')
    log = run(home)
    assert log.done == ["export tiny", "validate tiny", "push tiny"]
    assert log.results["push tiny"] == home / "registry" / "tiny" / "2"
    registry = {"registry": home / "registry", "static": home / "static"}
    assert asked[0].items() >= {**registry, "baseline": None}.items()
    # What is published is neither compared with itself nor published twice.
    assert run(home).done == []
    change(home, 'static = "static"', 'static = "static"\nbaseline = "none"')
    change(home, '"uint8"', '"none"')
    run(home)
    assert asked[1].items() >= {"registry": None, "baseline": "none"}.items()


def test_bundles_come_first_where_that_is_asked_for(home: Path, steps: Steps) -> None:
    shutil.copytree(home / "registry" / "tiny", home / "registry" / "other")
    manifest = home / "registry" / "other" / "1" / "manifest.json"
    write_json(manifest, {**json.loads(manifest.read_text()), "name": "other"})
    index = json.loads((home / "registry" / "index.json").read_text())
    other = {**index["bundles"][0], "name": "other"}
    write_json(home / "registry" / "index.json", {**index, "bundles": [other, *index["bundles"]]})
    assert run(home).done == []
    change(home, 'registry = "registry"', 'registry = "registry"\nfirst = "tiny"')
    assert run(home).done == ["push tiny"]
    assert [entry.name for entry in entries(home / "registry")] == ["tiny", "other"]
    assert run(home).done == []


def test_a_demo_corpus_is_rendered_and_a_teacher_comes_before_its_student(
    tmp_path: Path, finished: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[Path | None] = []

    def trained(preset: Any, dataset: Any, out: Path, *, teacher: Run | None, **options: Any) -> Run:
        taught.append(None if teacher is None else teacher.path)
        assert options.get("n_components") == (4 if teacher else None)
        return steps._train(preset, dataset, out, teacher=teacher, **options)

    monkeypatch.setattr(training, "train", trained)
    monkeypatch.setattr(tfdeepviz.pipeline, "_CORES", 1)
    shutil.copy(finished / "tiny.json", tmp_path)
    (tmp_path / "pipeline.toml").write_text(
        'work = "."\ncorpus.demo = { tracks = 2, seconds = 1.5, seed = 3 }\n'
        '[[train]]\nname = "big"\npreset = "tiny.json"\n'
        '[[train]]\nname = "small"\npreset = "tiny.json"\nteacher = "big"\ncomponents = 4\n'
    )
    log = run(tmp_path)
    steps_done = ["demo-corpus", "index", "prepare", "train big", "evaluate big", "train small", "evaluate small"]
    assert log.done == steps_done
    assert taught == [None, tmp_path / "runs" / "big"]
    assert (tmp_path / "corpus" / "fma_small" / "000" / "000003.mp3").is_file()
    assert "2" in (tmp_path / "index.jsonl").read_text()
    change_text = (tmp_path / "pipeline.toml").read_text()
    (tmp_path / "pipeline.toml").write_text(change_text.replace("seconds = 1.5", "seconds = 1.2"))
    log = run(tmp_path)
    assert log.reasons["demo-corpus"] == "changed: duration_seconds"
    assert log.done == ["demo-corpus", "index", "prepare"]


TEACHER = """
work = "work"
corpus.fma-root = "fma"
[teacher]
name = "musicnn"
hop = 0.5
[[train]]
name = "tags"
preset = "tags"
teacher = "musicnn"
learn = "both"
set = { epochs = 1, batch_size = 4, model.n_filters = 8, model.encoding_size = 6 }
"""


class Quick(Musicnn):
    """Answers at once; counts the tracks."""

    n_heard = 0

    def __init__(self, wheel: Path) -> None:
        assert wheel == usual_place()

    @classmethod
    def load(cls, wheel: Path) -> Self:
        return cls(wheel)

    def listen(self, pcm: npt.NDArray[np.float32], hop_seconds: float = 0.992) -> Answers:
        Quick.n_heard += 1
        return answers(1 + int((pcm.size / 16_000 - 2.976) / hop_seconds), Quick.n_heard)


@pytest.fixture
def taught(tmp_path: Path, fma_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration that has a teacher, who can be fetched."""
    monkeypatch.setattr(Quick, "n_heard", 0)
    monkeypatch.setattr(tfdeepviz.pipeline, "Musicnn", Quick)
    monkeypatch.setattr(tfdeepviz.pipeline, "fetch", lambda wheel: None)
    (tmp_path / "fma").symlink_to(fma_root)
    (tmp_path / "pipeline.toml").write_text(TEACHER)
    return tmp_path


def test_a_published_teacher_is_heard_and_learnt_from(taught: Path) -> None:
    config = Config.load(taught / "pipeline.toml")
    steps_done = ["index", "prepare", "listen", "train tags", "evaluate tags"]
    assert list(config.steps) == steps_done
    promised = run(taught, dry_run=True).reasons
    assert (promised["listen"], promised["train tags"]) == ("dataset will be new", "dataset, outputs will be new")
    with pytest.raises(Killed):
        run_pipeline(config, progress=Log(kill_at="listening 3"))
    log = Log(kill_at="epoch 1")
    with pytest.raises(Killed):
        run_pipeline(config, progress=log)
    assert (log.reasons["listen"], log.skipped, log.done) == ("was not finished", steps_done[:2], ["listen"])
    shutil.move(taught / "work", taught / "moved")
    change(taught, 'work = "work"', 'work = "moved"')
    log = run(taught)
    assert (log.reasons["train tags"], log.skipped) == ("was not finished", steps_done[:3])
    assert Quick.n_heard == 8
    outputs, path = taught / "moved" / "outputs", taught / "moved" / "runs" / "tags" / ARTIFACT
    assert Run.load(path.parent).find_outputs().path == outputs
    heard, trained = Artifact.read(outputs / ARTIFACT), Artifact.read(path)
    assert heard.facts == {"unheard": 0}
    assert trained.input("teacher").artifact == heard
    assert run(taught).done == []
    assert dry_run_without_tensorflow(taught) == steps_done


def test_what_was_heard_is_not_heard_again_unless_another_hop_or_somebody_asks(
    taught: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (taught / "pipeline.toml").write_text(TEACHER.partition("[[train]]")[0])
    outputs = taught / "work" / "outputs"
    assert run(taught).done == ["index", "prepare", "listen"]
    # As `teacher listen` left it when outputs had no records.
    (outputs / ARTIFACT).unlink()
    assert run(taught).reasons == {"listen": "first time"}
    change(taught, "[teacher]", 'prepare.storage = "float16"\n[teacher]')
    assert run(taught).reasons == {"prepare": "changed: storage", "listen": "changed: dataset"}
    assert Quick.n_heard == 8
    next(outputs.glob("*.npz")).unlink()
    assert run(taught).reasons == {"listen": "its result is gone"}
    assert Quick.n_heard == 9
    change(taught, "hop = 0.5", "hop = 0.25")
    log = run(taught)
    assert (log.reasons, Quick.n_heard) == ({"listen": "changed: hop_seconds"}, 17)
    assert TeacherOutputs.load(log.kept["listen"]).hop_seconds == 0.5
    monkeypatch.setitem(artifacts.STEP_SCHEMAS, "outputs", 2)
    assert run(taught).kept["listen"].name == "outputs.old-2"
    assert run(taught, redo=["listen"]).kept["listen"].name == "outputs.old-3"
    assert (run(taught).done, Quick.n_heard) == ([], 33)


def test_a_teacher_that_is_not_there_is_asked_for(taught: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(wheel: Path) -> None:
        raise FetchError("no network")

    monkeypatch.setattr(tfdeepviz.pipeline, "fetch", fail)
    with pytest.raises(FetchError, match="no network"):
        run(taught)
    monkeypatch.setattr(tfdeepviz.pipeline, "Musicnn", Musicnn)
    change(taught, "hop = 0.5", 'file = "musicnn.whl"')
    with pytest.raises(FormatError, match=r"musicnn\.whl: missing; `tfdeepviz teacher fetch musicnn` fetches it"):
        run(taught)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('[teacher]\nname = "musicnn"\nhop = 0.5', "", r"train.tags.teacher: \[teacher\] is missing; give it name"),
        ("hop = 0.5", "hop = 3", "teacher.hop must be a number, above 0"),
        ('name = "musicnn"', 'name = "yamnet"', 'teacher.name must be musicnn, but is "yamnet"'),
        ('learn = "both"', "components = 3", "train.tags: components: only a run with a teacher that is a run"),
        ('teacher = "musicnn"', "", 'train.tags: tags: taggers learn from a published network; give teacher = "musi'),
        ('preset = "tags"', 'preset = "ae-time"', "train.tags: ae-time: of musicnn only taggers and classifiers"),
        (
            'preset = "tags"\nteacher = "musicnn"',
            'preset = "ae-time"',
            'train.tags: learn: only a run with teacher = "musicnn"',
        ),
    ],
)
def test_a_wrong_teacher_is_refused_by_its_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "pipeline.toml"
    path.write_text(TEACHER.replace(", model.n_filters = 8, model.encoding_size = 6", ""))
    change(tmp_path, old, new)
    with pytest.raises(FormatError, match=message):
        Config.load(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('work = "work"', "", "work is missing"),
        ('work = "work"', "work = ", "not valid TOML"),
        ('work = "work"', 'work = "work"\nwrok = 1', "wrok is unknown; choose one of work, corpus"),
        ('fma-root = "fma"', "", "corpus: not one corpus; give fma-root"),
        ('fma-root = "fma"', 'fma-root = "fma"\ndemo = { tracks = 8 }', "corpus: not one corpus; give fma-root"),
        (
            'fma-root = "fma"',
            "demo = { trakcs = 8 }",
            "corpus.demo.trakcs is unknown; choose one of tracks, seconds",
        ),
        (
            'fma-root = "fma"',
            'fma-root = "fma"\nsubset = "tiny"',
            'corpus.subset must be one of .*, but is "tiny"',
        ),
        ("[[train]]", "[train]", "train must be a list.* in two brackets"),
        ("[[train]]", "[prepare]\nhop = 1\n[[train]]", "prepare.hop is unknown; choose one of split"),
        ("[[train]]", "[prepare]\nhop-seconds = nan\n[[train]]", "prepare.hop-seconds must be a number, above 0"),
        ("[[train]]", "[prepare]\nfractions = [0.5, 0.5, 0.5]\n[[train]]", "prepare: fractions=.* add up to 1"),
        ("[[train]]", "[prepare]\nset.n_mels = 4\n[[train]]", "prepare: n_mfcc=64: at most n_mels=4"),
        ("[[train]]", '[prepare]\nparams = "loud"\n[[train]]', "prepare: params='loud': choose paper, live"),
        (
            'name = "tiny"\npreset',
            'name = "Tiny one"\npreset',
            "train.Tiny one: name='Tiny one': use at most 64 lower-case letters",
        ),
        ('name = "tiny"\npreset', "preset", "train.number 1.name is missing"),
        ('"tiny.json"', '"vgg99"', "train.tiny: 'vgg99': no such preset; choose one of ae,"),
        ('"tiny.json"', '"nowhere.json"', "nowhere.json: missing"),
        ("epochs = 2", "optimizer.learning_rate = -1", "train.tiny: optimizer.learning_rate: -1"),
        ("epochs = 2", "since = 2026-11-25", "train.tiny: set.since: .*: give numbers, strings"),
        ("set = { epochs = 2 }", "teacher = 'tiny'", "train.tiny.teacher: no run before it is called 'tiny'"),
        ("set = { epochs = 2 }", "components = 3", "train.tiny: components: only a run with a teacher"),
        ("epochs = 2", "optimizer.learning_rate = nan", "train.tiny: preset: .*JSON"),
        ("[[train]]", "[prepare]\nset.f_min_hz = nan\n[[train]]", "prepare: f_min_hz=nan"),
        ('runs = ["tiny"]', 'runs = ["tiny", "big"]', "bundle.tiny.runs: no run is called big; choose from tiny"),
        ('quantize = "none"', "quantise = 1", "bundle.tiny.quantise is unknown; choose one of name, runs, title"),
        ('quantize = "none"', 'default = "pca"', 'bundle.tiny.default must be text, .*, but is "pca"'),
        ('static = "static"', "", "validate.static is missing"),
        ('[validate]\nstatic = "static"', "", r"\[validate\] is missing; it is needed because every"),
        (
            'static = "static"',
            'static = "s"\nbaseline = 0',
            "validate.baseline must be a whole number, at least 1",
        ),
        ('registry = "registry"', "", "push.registry is missing"),
        (
            'registry = "registry"',
            'registry = "r"\nfirst = "x"',
            "push.first: no bundle is called 'x'; choose",
        ),
    ],
)
def test_a_wrong_configuration_is_refused_by_its_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    write_json(tmp_path / "tiny.json", PRESET)
    assert CONFIG.count(old) == 1
    path = tmp_path / "pipeline.toml"
    path.write_text(CONFIG.replace(old, new))
    with pytest.raises(FormatError, match=message) as raised:
        Config.load(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a = " + b"[" * 5_000, b"# " + b"x" * (2 << 20)])
def test_what_is_no_configuration_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.toml").write_bytes(content)
    with pytest.raises(FormatError, match=r"x\.toml: "):
        Config.load(tmp_path / "x.toml")
    with pytest.raises(FormatError, match=r"y\.toml: missing; configs/demo.toml shows how"):
        Config.load(tmp_path / "y.toml")


def test_names_are_there_once(tmp_path: Path) -> None:
    write_json(tmp_path / "tiny.json", PRESET)
    path = tmp_path / "pipeline.toml"
    path.write_text(CONFIG + '[[train]]\nname = "tiny"\npreset = "ae"\n')
    with pytest.raises(FormatError, match=r"train.tiny: the name occurs twice"):
        Config.load(path)
    path.write_text(CONFIG + '[[bundle]]\nname = "tiny"\nruns = ["tiny"]\n')
    with pytest.raises(FormatError, match=r"bundle.tiny: the name occurs twice"):
        Config.load(path)


def test_every_option_reaches_its_function(tmp_path: Path) -> None:
    path = tmp_path / "configs" / "all.toml"
    path.parent.mkdir()
    path.write_text(
        """
        work = "../work"
        [corpus]
        fma-root = "/music/fma"
        subset = "medium"
        [prepare]
        split = "random-by-artist"
        fractions = [0.8, 0.1, 0.1]
        genre = ["Rock"]
        artist = ["A", "B"]
        licence = ["CC-BY"]
        min-duration = 10
        max-duration = 20.5
        max-tracks = 100
        balanced = true
        max-seconds = 60
        seed = 3
        params = "paper"
        set = { n_mels = 64, n_mfcc = 20 }
        mode = "log-mel"
        hop-seconds = 0.5
        segments-per-track = 4
        storage = "float16"
        tracks-per-shard = 8
        [[train]]
        name = "a"
        preset = "ae-shared"
        recipe = "modern"
        epochs = 3
        set = { optimizer.learning_rate = 0.5, "model.kernel_size" = 5 }
        seed = 9
        [[bundle]]
        name = "b"
        title = "B"
        runs = ["a"]
        layer = "L14"
        parameters = { a = 10 }
        default = "pca/across/standard"
        quantize = "uint8"
        note = "Of my own."
        split = "validation"
        [validate]
        static = "s"
        baseline = 4
        [push]
        registry = "r"
        first = "b"
        """
    )
    config = Config.load(path)
    assert config.push is not None
    assert (config.work, config.push.registry) == (tmp_path / "work", tmp_path / "configs" / "r")
    assert (config.push.first, config.fma_root, config.corpus.subset) == ("b", Path("/music/fma"), "medium")
    preparation = config.prepare.arguments(config.corpus.subset)
    assert asdict(preparation.pop("selection")) == {
        **{"subset": "medium", "splitting": "random-by-artist", "fractions": (0.8, 0.1, 0.1), "seed": 3},
        **{"genres": ("Rock",), "artists": ("A", "B"), "licences": ("CC-BY",), "min_seconds": 10, "max_seconds": 20.5},
        **{"max_tracks": 100, "balanced": True},
    }
    features = preparation.pop("features")
    assert (features.mode, features.params.n_mels, features.params.top_db) == ("log-mel", 64, 80.0)
    assert preparation == {
        **{"hop_seconds": 0.5, "segments_per_track": 4, "storage": "float16", "tracks_per_shard": 8},
        "max_seconds": 60,
    }
    preset = config.train[0].load_preset()
    assert (preset.recipe, preset.epochs, preset.optimizer["learning_rate"]) == ("modern", 3, 0.5)
    assert (preset.model["kernel_size"], config.train[0].given("seed", "n_components")) == (5, {"seed": 9})
    assert config.bundle[0].arguments() == {
        **{
            "name": "b",
            "title": "B",
            "layer": "L14",
            "parameters": {"a": 10},
            "default": ("pca", "across", "standard"),
        },
        **{"quantization": "uint8"},
        **{"note": "Of my own.", "split": "validation"},
    }
    assert config.validate is not None
    assert (config.validate.static, config.validate.baseline) == (tmp_path / "configs" / "s", 4)


def test_a_broken_record_is_refused(home: Path, steps: Steps) -> None:
    (home / "work" / "index.artifact.json").write_text('{"kind": "index"}')
    with pytest.raises(FormatError, match=r"index\.artifact\.json: name is missing"):
        run(home)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.name)
def test_the_configurations_that_come_along_are_right(path: Path) -> None:
    assert tomllib.loads(path.read_text())
    config = Config.load(path)
    assert config.bundle


def test_a_dry_run_answers_without_tensorflow(home: Path) -> None:
    assert dry_run_without_tensorflow(home) == list(STEPS)


def dry_run_without_tensorflow(home: Path) -> list[str]:
    """Names of the steps that the command calls unchanged."""
    code = (
        "import sys\nfrom tfdeepviz.cli import main\nstatus = main(sys.argv[1:])\n"
        "print(status, {'tensorflow', 'keras', 'scipy', 'pandas'} & set(sys.modules))"
    )
    arguments = [sys.executable, "-c", code, "pipeline", str(home / "pipeline.toml"), "--dry-run"]
    *steps, last = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.splitlines()
    assert last == "0 set()"
    return [line.partition(":")[0] for line in steps if "nothing has changed" in line]
