from __future__ import annotations

import json
import os
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import tfdeepviz.pipeline
from tests.export.conftest import alive
from tfdeepviz.data.index import index_files
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.errors import InputError
from tfdeepviz.export.bundle import Blessing, Bundle, Check
from tfdeepviz.export.registry import entries, push
from tfdeepviz.files import FormatError, write_json
from tfdeepviz.locks import BusyError, locked
from tfdeepviz.models.evaluation import CollapsedEncoderError
from tfdeepviz.models.run import Run
from tfdeepviz.models.training import train
from tfdeepviz.pipeline import RECORD, Config, PipelineError, PipelineProgress, corpus_digest, run_pipeline
from tfdeepviz.provenance import code_version

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
        registry = options["registry"]
        has_name = registry is not None and "tiny" in {entry.name for entry in entries(registry)}
        baseline = "tiny/1" if has_name else None
        blessing = Blessing(Bundle.load(path).digest, "2026-11-25T00:00:00Z", "0", "here", baseline, checks)
        blessing.write(path)
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
        patch.setattr(tfdeepviz.pipeline, "train", alive_after)
        for kill_at, killed in (
            ("preparing 4", "prepare"),
            ("epoch 2", "train tiny"),
            ("encoding with", "export tiny"),
        ):
            log = Log(kill_at=kill_at)
            with pytest.raises(Killed):
                run_pipeline(config, progress=log)
            assert list(log.reasons)[-1] == killed
        log = Log()
        run_pipeline(config, progress=log)
        assert log.reasons["export tiny"] == "was not finished"
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
            "prepare": lambda root, out, **_: self._copy("dataset", out, PreparedDataset.load),
            "train": lambda preset, dataset, out, **_: self._copy("runs/tiny", out, Run.load),
            "evaluate": lambda run, dataset, split: self._copy("runs/tiny/evaluation", run.path / "evaluation", Path),
            "export_bundle": lambda runs, dataset, out, **_: self._copy("bundles/tiny", out, Bundle.load),
            "validate": judge(),
            "push": push,
            "index_files": index_files,
        }
        for name, function in made.items():
            patch.setattr(tfdeepviz.pipeline, name, self._wrapped(name, function))

    def _copy(self, name: str, out: Path, load: Callable[[Path], Any]) -> Any:
        shutil.copytree(self.finished / "work" / name, out, dirs_exist_ok=True)
        for judgement in out.glob("*BLESSED"):
            judgement.unlink()
        return load(out)

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
        ("epochs = 2", "epochs = 1", "train tiny", "settings changed (preset.epochs)"),
        ('preset = "tiny.json"', 'preset = "tiny.json"\nseed = 7', "train tiny", "settings changed (seed)"),
        ('"none"', '"float16"', "export tiny", "settings changed (quantization)"),
        ("[[train]]", '[prepare]\nstorage = "float16"\n[[train]]', "prepare", "settings changed (storage)"),
        ('"registry"', '"another"', "push tiny", "settings changed (registry)"),
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
    # What was made is what was there before, so that what follows has nothing to do; but BLESSED went with its bundle.
    assert log.done == ([step, "validate tiny"] if step == "export tiny" else [step])
    assert run(home).done == []


def test_what_is_asked_of_a_model_may_change_without_training_it(
    home: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tfdeepviz.pipeline, "train", train)
    write_json(home / "tiny.json", {**PRESET, "budget": {"megabytes": 3, "milliseconds": 50}})
    log = run(home)
    assert "train tiny" in log.skipped
    assert log.reasons["export tiny"] == "settings changed (asked.tiny.budget.megabytes)"
    assert Run.load(home / "work" / "runs" / "tiny").preset.budget == {"megabytes": 3, "milliseconds": 50}
    assert run(home).done == []


def test_a_changed_corpus_is_prepared_anew(home: Path, steps: Steps, fma_root: Path, tmp_path: Path) -> None:
    shutil.copytree(fma_root, tmp_path / "other")
    (home / "fma").unlink()
    (home / "fma").symlink_to(tmp_path / "other")
    assert run(home).done == []
    os.utime(tmp_path / "other" / "fma_small" / "000" / "000002.mp3", ns=(0, 0))
    log = run(home)
    assert log.reasons == {"index": "corpus changed", "prepare": "corpus changed"}
    # The new dataset is the old one to the bit.
    assert log.done == ["index", "prepare"]


def test_other_code_is_told_and_makes_nothing_anew(home: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(home).made_by == {}
    was = code_version()
    monkeypatch.setattr(tfdeepviz.pipeline, "code_version", lambda: "9.0")
    monkeypatch.setattr(tfdeepviz.pipeline, "code_digest", lambda: "ff" * 32)
    log = run(home)
    assert (log.skipped, log.done) == (list(STEPS), [])
    assert log.made_by == dict.fromkeys(STEPS, was)
    log = run(home, redo=["train tiny"])
    assert log.reasons == {"train tiny": "asked for"}
    assert set(log.made_by) == set(STEPS) - {"train tiny"}
    assert Run.load(log.kept["train tiny"]).metrics() == Run.load(home / "work" / "runs" / "tiny").metrics()
    with pytest.raises(InputError, match="no step is called train x; the steps are index, prepare, train tiny, "):
        run(home, redo=["train x"])


@pytest.mark.parametrize("step", STEPS)
def test_another_schema_of_a_step_makes_it_anew_and_keeps_what_was(
    home: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    for number in (1, 2):
        before = {path.relative_to(home) for path in home.rglob("*") if path.is_file()}
        schemas = tfdeepviz.pipeline.STEP_SCHEMAS
        monkeypatch.setattr(
            tfdeepviz.pipeline, "STEP_SCHEMAS", {**schemas, step.split()[0]: schemas[step.split()[0]] + 1}
        )
        log = run(home)
        assert log.reasons[step] == "tfdeepviz makes something else of them now"
        assert step in log.done
        if step in ("prepare", "train tiny", "export tiny"):
            old = log.kept[step]
            assert old.name == f"{'dataset' if step == 'prepare' else 'tiny'}.old-{number}"
            assert (old / ("manifest.json" if step != "train tiny" else "metrics.json")).is_file()
        there = {path.relative_to(home) for path in home.rglob("*") if path.is_file()}
        assert len(there) >= len(before)
        assert run(home).done == []


def test_records_of_before_there_were_schemas_still_count(home: Path, steps: Steps) -> None:
    record = json.loads((home / "work" / RECORD).read_text())
    for entry in record["steps"].values():
        del entry["schema"], entry["code"]
        entry |= {"fingerprint": "0", "code_version": "0.1.0"}
    write_json(home / "work" / RECORD, record)
    log = run(home)
    assert (log.skipped, log.made_by) == (list(STEPS), {})


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
    assert log.reasons["train tiny"] == "what it made is gone"
    assert run(home).done == []


def test_what_is_gone_is_made_again(home: Path, steps: Steps) -> None:
    shutil.rmtree(home / "work" / "dataset")
    shutil.rmtree(home / "work" / "runs" / "tiny" / "evaluation")
    log = run(home)
    assert log.reasons == {"prepare": "what it made is gone", "evaluate tiny": "what it made is gone"}


def test_what_no_pipeline_made_is_left_alone(home: Path, steps: Steps) -> None:
    trained = home / "work" / "runs" / "tiny"
    metrics = (trained / "metrics.json").read_text()
    (trained / "metrics.json").write_text(metrics + "\n")
    for epochs in (2, 1):
        change(home, "epochs = 2", f"epochs = {epochs}")
        with pytest.raises(PipelineError, match=r"runs/tiny: not as a pipeline left it; delete it"):
            run(home)
        assert (trained / "metrics.json").read_text() == metrics + "\n"
    (home / "work" / RECORD).unlink()
    shutil.rmtree(home / "work" / "dataset")
    (home / "work" / "dataset").mkdir()
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
    assert log.reasons["push tiny"] == "bundle and blessing will be new"
    assert not (home / "work").exists()
    assert steps.called == []


def test_what_is_not_blessed_is_not_pushed_and_the_others_go_on(
    home: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (home / "pipeline.toml").read_text()
    (home / "pipeline.toml").write_text(text + '[[bundle]]\nname = "second"\nruns = ["tiny"]\n')
    change(home, 'name = "tiny"\nruns', 'name = "first"\nruns')
    good, bad = judge(), judge(passed=False)

    def exported(runs: Any, dataset: Any, out: Path, *, name: str, **_: Any) -> Bundle:
        shutil.copytree(steps.finished / "work" / "bundles" / "tiny", out)
        manifest = json.loads((out / "manifest.json").read_text())
        write_json(out / "manifest.json", {**manifest, "name": name})
        (out / "artifact.json").unlink()
        (out / "BLESSED").unlink()
        return Bundle.load(out)

    monkeypatch.setattr(tfdeepviz.pipeline, "export_bundle", exported)
    monkeypatch.setattr(
        tfdeepviz.pipeline, "validate", lambda path, **o: (bad if path.name == "first" else good)(path, **o)
    )
    for _ in range(2):
        with pytest.raises(PipelineError, match=r"1 of 2 bundles .*first: NOT_BLESSED: mse \(test\): train longer"):
            run(home)
    assert [entry.name for entry in entries(home / "registry")] == ["tiny", "second"]
    assert (home / "work" / "bundles" / "first" / "NOT_BLESSED").is_file()
    monkeypatch.setattr(tfdeepviz.pipeline, "validate", good)
    assert run(home).done == ["validate first", "push first"]


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
    manifest = steps.finished / "work" / "bundles" / "tiny" / "manifest.json"

    def exported(runs: Any, dataset: Any, out: Path, **_: Any) -> Bundle:
        shutil.copytree(manifest.parent, out)
        write_json(out / "manifest.json", {**json.loads(manifest.read_text()), "title": "Another"})
        (out / "artifact.json").unlink()
        return Bundle.load(out)

    monkeypatch.setattr(tfdeepviz.pipeline, "export_bundle", exported)
    change(home, '"none"', '"uint8"')
    log = run(home)
    assert log.done == ["export tiny", "validate tiny", "push tiny"]
    assert log.reasons["validate tiny"] == "bundle changed, baseline changed"
    assert log.results["push tiny"] == home / "registry" / "tiny" / "2"
    registry = {"registry": home / "registry", "static": home / "static"}
    assert asked[0].items() >= {**registry, "baseline": None, "compare": True}.items()
    # What is published is neither compared with itself nor published twice.
    assert run(home).done == []
    change(home, 'static = "static"', 'static = "static"\nbaseline = "none"')
    change(home, '"uint8"', '"none"')
    run(home)
    assert asked[1].items() >= {**registry, "baseline": None, "compare": False}.items()


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

    def trained(preset: Any, dataset: Any, out: Path, *, teacher: Run | None, n_components: int, **_: Any) -> Run:
        taught.append(None if teacher is None else teacher.path)
        assert n_components == (4 if teacher else 10)
        shutil.copytree(finished / "work" / "runs" / "tiny", out)
        return Run.load(out)

    monkeypatch.setattr(tfdeepviz.pipeline, "train", trained)
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
    assert log.reasons["demo-corpus"] == "settings changed (duration_seconds)"
    assert log.done == ["demo-corpus", "index", "prepare"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('work = "work"', "", "'work' is a required property"),
        ('work = "work"', "work = ", "not valid TOML"),
        ('work = "work"', 'work = "work"\nwrok = 1', "unknown: wrok; it knows work, corpus"),
        ('fma-root = "fma"', "", "corpus: not one corpus; give fma-root"),
        ('fma-root = "fma"', 'fma-root = "fma"\ndemo = { tracks = 8 }', "corpus: not one corpus; give fma-root"),
        ('fma-root = "fma"', "demo = { trakcs = 8 }", "corpus.demo: unknown: trakcs; it knows tracks, seconds, seed"),
        ('fma-root = "fma"', 'fma-root = "fma"\nsubset = "tiny"', "corpus.subset: 'tiny' is not one of"),
        ("[[train]]", "[train]", "train: .* in two brackets"),
        ("[[train]]", "[prepare]\nhop = 1\n[[train]]", "prepare: unknown: hop; it knows split"),
        ("[[train]]", "[prepare]\nhop-seconds = nan\n[[train]]", "nan is no finite number"),
        ("[[train]]", "[prepare]\nfractions = [0.5, 0.5, 0.5]\n[[train]]", "prepare: fractions=.* add up to 1"),
        ("[[train]]", "[prepare]\nset.n_mels = 4\n[[train]]", "prepare: n_mfcc=64: at most n_mels=4"),
        ("[[train]]", '[prepare]\nparams = "loud"\n[[train]]', "prepare: params='loud': choose paper, live"),
        (
            'name = "tiny"\npreset',
            'name = "Tiny one"\npreset',
            "train.Tiny one.name: .* small letters, digits and hyphens",
        ),
        ('name = "tiny"\npreset', "preset", "train.number 1: 'name' is a required property"),
        ('"tiny.json"', '"vgg99"', "train.tiny: 'vgg99': no such preset; choose one of ae,"),
        ('"tiny.json"', '"nowhere.json"', "nowhere.json: missing"),
        ("epochs = 2", "optimizer.learning_rate = -1", "train.tiny: optimizer.learning_rate: -1"),
        ("epochs = 2", "since = 2026-11-25", "train.tiny.set.since: .*; give numbers, texts"),
        ("set = { epochs = 2 }", "teacher = 'tiny'", "train.tiny.teacher: no run before it is called 'tiny'"),
        ("set = { epochs = 2 }", "components = 3", "train.tiny: 'teacher' is needed for 'components'"),
        ('runs = ["tiny"]', 'runs = ["tiny", "big"]', "bundle.tiny.runs: no run is called big; choose of tiny"),
        ('quantize = "none"', "quantise = 1", "bundle.tiny: unknown: quantise; it knows name, title, runs"),
        ('quantize = "none"', 'default = "pca"', "bundle.tiny.default: .* give PROJECTION/MODE/METHOD"),
        ('static = "static"', "", "validate: 'static' is a required property"),
        ('[validate]\nstatic = "static"', "", "'validate' is needed for 'bundle'"),
        ('static = "static"', 'static = "s"\nbaseline = 0', "validate.baseline: .* give a version in the registry"),
        ('registry = "registry"', "", "push: 'registry' is a required property"),
        ('registry = "registry"', 'registry = "r"\nfirst = "x"', "push.first: no bundle is called 'x'; choose of tiny"),
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
    with pytest.raises(FormatError, match=r"train.tiny: the name is there twice"):
        Config.load(path)
    path.write_text(CONFIG + '[[bundle]]\nname = "tiny"\nruns = ["tiny"]\n')
    with pytest.raises(FormatError, match=r"bundle.tiny: the name is there twice"):
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
    assert (config.work, config.registry, config.first) == (tmp_path / "work", tmp_path / "configs" / "r", "b")
    assert (config.corpus.fma_root, config.corpus.subset) == (Path("/music/fma"), "medium")
    selection = config.preparation.pop("selection")
    assert selection.to_dict() == {
        **{"subset": "medium", "splitting": "random-by-artist", "fractions": [0.8, 0.1, 0.1], "seed": 3},
        **{"genres": ["Rock"], "artists": ["A", "B"], "licences": ["CC-BY"], "min_seconds": 10, "max_seconds": 20.5},
        **{"max_tracks": 100, "balanced": True},
    }
    features = config.preparation.pop("features")
    assert (features.mode, features.params.n_mels, features.params.top_db) == ("log-mel", 64, 80.0)
    assert config.preparation == {
        **{"hop_seconds": 0.5, "segments_per_track": 4, "storage": "float16", "tracks_per_shard": 8},
        "max_seconds": 60,
    }
    preset = config.runs[0].preset
    assert (preset.recipe, preset.epochs, preset.optimizer["learning_rate"]) == ("modern", 3, 0.5)
    assert (preset.model["kernel_size"], config.runs[0].seed) == (5, 9)
    assert config.bundles[0].options == {
        **{"title": "B", "layer": "L14", "parameters": {"a": 10}, "default": ("pca", "across", "standard")},
        **{"quantization": "uint8", "note": "Of my own.", "split": "validation"},
    }
    assert config.validation is not None
    assert (config.validation.static, config.validation.baseline) == (tmp_path / "configs" / "s", 4)


def test_a_record_of_another_kind_is_refused(home: Path, steps: Steps) -> None:
    for record in ({"schema_version": 2, "steps": {}}, {"schema_version": 1, "steps": {"index": {"digest": 1}}}):
        write_json(home / "work" / RECORD, record)
        with pytest.raises(FormatError, match=r"pipeline.json: not a pipeline's record"):
            run(home)


def test_the_corpus_is_known_by_its_files(fma_root: Path, tmp_path: Path) -> None:
    shutil.copytree(fma_root, tmp_path / "fma")
    before = corpus_digest(fma_root, "small")
    assert corpus_digest(tmp_path / "fma", "small") == before
    (tmp_path / "fma" / "fma_small" / "000" / "000002.mp3").unlink()
    assert corpus_digest(tmp_path / "fma", "small") != before
    with pytest.raises(FormatError, match=r"corpus\.fma-root"):
        corpus_digest(tmp_path, "small")


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.name)
def test_the_configurations_that_come_along_are_right(path: Path) -> None:
    assert tomllib.loads(path.read_text())
    config = Config.load(path)
    assert config.bundles
