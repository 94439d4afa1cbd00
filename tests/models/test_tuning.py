from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from optuna.storages.journal import JournalFileBackend

from tests.data.mutants import mutant, mutate_bytes, mutate_text
from tfdeepviz.artifacts import ARTIFACT, Artifact
from tfdeepviz.data.features import Features
from tfdeepviz.data.prepare import prepare
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.selection import Selection
from tfdeepviz.files import FormatError, convert, write_json
from tfdeepviz.models import tuning, tuning_report
from tfdeepviz.models.build import ParameterCounts, count_parameters
from tfdeepviz.models.presets import Preset, load_preset, override
from tfdeepviz.models.progress import EpochProgress, Trial, TrialProgress
from tfdeepviz.models.run import Run
from tfdeepviz.models.search_space import Space
from tfdeepviz.models.tuning import ALGORITHMS, Search, tune
from tfdeepviz.models.tuning_report import report
from tfdeepviz.params import LIVE

TINY = {
    "name": "tiny",
    "title": "Tiny",
    "kind": "autoencoder",
    "model": {"n_initial_filters": 1, "n_pools": 4, "n_dense": 1, "normalize_encoding": True},
    "scaler": "minmax",
    "optimizer": {"name": "adamw", "learning_rate": 0.003},
    "batch_size": 12,
    "epochs": 2,
}
PARAMETERS: dict[str, Any] = {
    "optimizer.learning_rate": {"min": 1e-5, "max": 1e-2, "scale": "log"},
    "model.n_pools": {"min": 2, "max": 4},
    "batch_size": {"values": [2, 4, 8]},
    "patience": {"values": [None, 3]},
}


def space(parameters: dict[str, Any] = PARAMETERS, **values: Any) -> Space:
    return convert({"preset": TINY, "parameters": parameters, **values}, Space, "space")


@pytest.fixture(scope="module")
def dataset(fma_root: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    return prepare(fma_root, tmp_path_factory.mktemp("prepared") / "ds", selection=Selection(), features=Features(LIVE))


class Landscape:
    """Stands in for `train`: a loss that the preset decides, and a history that grows like a checkpointed run's."""

    def __init__(self) -> None:
        self.trained: list[tuple[str, int]] = []
        self.stop_at: int | None = None
        self.fail: Callable[[Preset], Exception | None] = lambda preset: None

    def __call__(
        self,
        preset: Preset,
        dataset: PreparedDataset,
        out: Path,
        *,
        seed: int = 0,
        progress: EpochProgress | None = None,
    ) -> Run:
        config = {"preset": preset.to_dict(), "audio": dataset.params.to_dict(), "mode": "mfcc", "genres": []}
        write_json(out / "config.json", {**config, "dataset": "ds", "dataset_digest": "", "seed": seed})
        run = Run.load(out)
        rate = preset.optimizer["learning_rate"]
        distance = (math.log10(rate) + 3) ** 2 + 0.1 * preset.model["n_pools"] + 0.01 * preset.batch_size
        for epoch in range(len(run.history()) + 1, preset.epochs + 1):
            if progress is not None:
                progress.start_epoch(epoch, preset.epochs, 1)
            if self.stop_at == len(self.trained):
                raise KeyboardInterrupt
            if (error := self.fail(preset)) is not None:
                raise error
            self.trained.append((out.name, epoch))
            with (out / "history.csv").open("a") as file:
                if epoch == 1:
                    file.write("epoch,loss,val_loss,seconds\n")
                file.write(f"{epoch},1.0,{distance + 1 / epoch},2.5\n")
            if progress is not None:
                progress.end_epoch(run.history()[-1], "validation")
        return run


_counted: dict[str, ParameterCounts | ValueError] = {}


def _count_once(preset: Preset, **sizes: Any) -> ParameterCounts:
    key = json.dumps([preset.model, sizes])
    if key not in _counted:
        try:
            _counted[key] = count_parameters(preset, **sizes)
        except ValueError as error:
            _counted[key] = error
    counts = _counted[key]
    if isinstance(counts, ValueError):
        raise counts
    return counts


@pytest.fixture
def landscape(monkeypatch: pytest.MonkeyPatch) -> Landscape:
    stand_in = Landscape()
    monkeypatch.setattr(tuning, "train", stand_in)
    # What takes long and changes nothing here: counting anew, and freeing memory.
    monkeypatch.setattr(tuning, "count_parameters", _count_once)
    monkeypatch.setattr(keras.utils, "clear_session", lambda free_memory: None)
    return stand_in


def outcome(result: Search) -> list[tuple[Any, ...]]:
    return [(t.number, t.status, t.values, t.val_loss, t.epochs, t.trainable_parameters) for t in result.trials]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_interrupted_anywhere_and_resumed_gives_the_same_trials(
    algorithm: str, dataset: PreparedDataset, landscape: Landscape, tmp_path: Path
) -> None:
    # Two dimensions: Bayesian optimisation takes its first six trials at random.
    parameters = {name: PARAMETERS[name] for name in ("optimizer.learning_rate", "batch_size")}
    wanted: dict[str, Any] = {"n_trials": 13, "algorithm": algorithm, "seed": 5}
    whole = tune(space(parameters, epochs=4, factor=2), dataset, tmp_path / "whole", **wanted)
    assert [trial.number for trial in whole.trials] == list(range(13))
    assert {trial.status for trial in whole.trials} <= {"finished", "stopped"}
    trained = landscape.trained.copy()
    assert len(set(trained)) == len(trained)

    landscape.trained.clear()
    for landscape.stop_at in (0, 1, 6, len(trained) - 3):
        with pytest.raises(KeyboardInterrupt):
            tune(space(parameters, epochs=4, factor=2), dataset, tmp_path / "parts", **wanted)
    landscape.stop_at = None
    parts = tune(space(parameters, epochs=4, factor=2), dataset, tmp_path / "parts", **wanted)
    assert outcome(parts) == outcome(whole)
    assert landscape.trained == trained
    assert outcome(tune(space(parameters, epochs=4, factor=2), dataset, tmp_path / "parts", **wanted)) == outcome(whole)
    assert landscape.trained == trained


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_killed_before_any_write_and_resumed_gives_the_same_trials(
    algorithm: str, dataset: PreparedDataset, landscape: Landscape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landscape.fail = lambda preset: ArithmeticError("nan") if preset.batch_size == 8 else None
    small = space({"batch_size": {"values": [2, 4, 8, 16]}, "model.n_pools": {"values": [3, 4]}}, factor=2)
    wanted: dict[str, Any] = {"n_trials": 3, "algorithm": algorithm, "seed": 2}
    whole = outcome(tune(small, dataset, tmp_path / "whole", **wanted))
    assert "failed" in {status for _, status, *_ in whole}
    append = JournalFileBackend.append_logs
    for n_writes in range(30):
        left = n_writes

        def append_or_die(backend: JournalFileBackend, logs: list[dict[str, Any]]) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            append(backend, logs)

        out = tmp_path / str(n_writes)
        with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
            patch.setattr(JournalFileBackend, "append_logs", append_or_die)
            tune(small, dataset, out, **wanted)
        assert outcome(tune(small, dataset, out, **wanted)) == whole
    assert left >= 0


def test_a_search_may_grow_and_its_seed_matters(dataset: PreparedDataset, landscape: Landscape, tmp_path: Path) -> None:
    whole = tune(space(), dataset, tmp_path / "whole", n_trials=11)
    tune(space(), dataset, tmp_path / "grown", n_trials=4)
    assert outcome(tune(space(), dataset, tmp_path / "grown", n_trials=11)) == outcome(whole)
    other = tune(space(), dataset, tmp_path / "other", n_trials=11, seed=1)
    rates = [{trial.values["optimizer.learning_rate"] for trial in result.trials} for result in (whole, other)]
    assert len(rates[0]) == 11 and not rates[0] & rates[1]


def test_bayesian_finds_lower_losses_than_it_began_with(
    dataset: PreparedDataset, landscape: Landscape, tmp_path: Path
) -> None:
    parameters = {"optimizer.learning_rate": PARAMETERS["optimizer.learning_rate"], "batch_size": {"values": [2, 4]}}
    trials = tune(space(parameters), dataset, tmp_path / "out", n_trials=12, algorithm="bayesian").trials
    losses = [trial.val_loss for trial in trials if trial.val_loss is not None]
    assert np.median(losses[6:]) < np.median(losses[:6])
    assert min(losses[6:]) < min(losses[:6])


def test_bayesian_keeps_to_the_bounds_where_its_optimum_is_outside(
    dataset: PreparedDataset, landscape: Landscape, tmp_path: Path
) -> None:
    # The fewer pools, the lower the loss, and the more parameters: 2 have 8,541, 3 have 4,547, and 4 have 3,327.
    parameters = {"model.n_pools": {"min": 2, "max": 4}, "optimizer.learning_rate": {"min": 9e-4, "max": 1.1e-3}}
    bounds = {"min": 1, "max": 5_000}
    result = tune(
        space(parameters, trainable_parameters=bounds), dataset, tmp_path / "out", n_trials=10, algorithm="bayesian"
    )
    assert len(result.trials) == 10
    assert {trial.values["model.n_pools"] for trial in result.trials} <= {3, 4}
    assert all(trial.trainable_parameters <= 5_000 for trial in result.trials)
    assert result.ranking[0].values["model.n_pools"] == 3


def test_hyperband_stops_poor_trials_early(dataset: PreparedDataset, landscape: Landscape, tmp_path: Path) -> None:
    landscape.fail = lambda preset: ArithmeticError("the loss is nan") if preset.batch_size == 8 else None
    result = tune(space(epochs=9), dataset, tmp_path / "out", n_trials=40, algorithm="hyperband")
    by_status: dict[str, list[Trial]] = {}
    for trial in result.trials:
        by_status.setdefault(trial.status, []).append(trial)
    assert {status: {trial.epochs for trial in trials} for status, trials in by_status.items()} == {
        "finished": {9},
        "stopped": {1, 3},
        "failed": {0},
    }
    assert len(by_status["stopped"]) > 2 * len(by_status["finished"])
    assert len(landscape.trained) == sum(trial.epochs for trial in result.trials)
    # At the same epoch, what was stopped was worse than the best that went on.
    losses = [Run.load(trial.run).history()[0]["val_loss"] for trial in by_status["stopped"] if trial.epochs == 1]
    assert min(losses) > min(Run.load(trial.run).history()[0]["val_loss"] for trial in by_status["finished"])
    assert result.ranking[0].status == "finished"
    assert [trial.val_loss for trial in by_status["stopped"]] == [
        min(row["val_loss"] for row in Run.load(trial.run).history()) for trial in by_status["stopped"]
    ]


def test_workers_share_a_search(dataset: PreparedDataset, landscape: Landscape, tmp_path: Path) -> None:
    """A second worker, which starts in the middle of the first one's third epoch, does all other trials."""
    wanted: dict[str, Any] = {"n_trials": 6, "seed": 3}
    alone = tune(space(), dataset, tmp_path / "alone", **wanted)
    others: list[list[Trial]] = []

    class Second(TrialProgress):
        def start_epoch(self, epoch: int, n_epochs: int, n_steps: int) -> None:
            if len(landscape.trained) == 14 and not others:
                others.append([])
                others[0] = tune(space(), dataset, tmp_path / "shared", **wanted).trials

    shared = tune(space(), dataset, tmp_path / "shared", progress=Second(), **wanted)
    assert [trial.status for trial in others[0]] == ["finished", "unfinished", *["finished"] * 4]
    assert outcome(shared) == outcome(alone)
    assert sorted(landscape.trained[12:]) == sorted(landscape.trained[:12])


@pytest.mark.slow
def test_processes_share_a_search(dataset: PreparedDataset, tmp_path: Path) -> None:
    """Two processes with a journal between them; each draws what the other one has not."""
    code = (
        "import sys; from pathlib import Path; from tests.models import test_tuning as t;"
        "from tfdeepviz.data.prepared import PreparedDataset; from tfdeepviz.models import tuning;"
        "landscape = t.Landscape(); tuning.train = landscape; tuning.count_parameters = t._count_once;"
        "tuning.tune(t.space(), PreparedDataset.load(Path(sys.argv[1])), Path(sys.argv[2]), n_trials=30);"
        "print(len(landscape.trained))"
    )
    command = [sys.executable, "-c", code, str(dataset.path), str(tmp_path / "out")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    trained = [int(process.communicate()[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sum(trained) == 60
    result = tune(space(), dataset, tmp_path / "out", n_trials=30)
    assert {trial.status for trial in result.trials} == {"finished"}
    assert len({json.dumps(trial.values) for trial in result.trials}) == len(result.trials) == 30


def test_failed_trials_are_noted_and_the_search_goes_on(
    dataset: PreparedDataset, landscape: Landscape, tmp_path: Path
) -> None:
    landscape.fail = lambda preset: (
        ArithmeticError("the loss is\nnan") if preset.optimizer["learning_rate"] > 1e-4 else None
    )
    told: list[tuple[int, str]] = []

    class Progress(TrialProgress):
        def start_trial(self, number: int, values: dict[str, Any], trainable_parameters: int) -> None:
            assert values["model.n_pools"] in (2, 3, 4) and trainable_parameters > 0
            told.append((number, "started"))

        def end_trial(self, trial: Trial) -> None:
            told.append((trial.number, trial.status))

    result = tune(space(), dataset, tmp_path / "out", n_trials=8, progress=Progress())
    for trial in result.trials:
        failed = trial.values["optimizer.learning_rate"] > 1e-4
        assert (trial.status, trial.reason) == (("failed", "the loss is nan") if failed else ("finished", ""))
    assert {trial.status for trial in result.trials} == {"finished", "failed"}
    expected = [(trial.number, what) for trial in result.trials for what in ("started", trial.status)]
    assert told == expected


def test_other_errors_end_the_search(dataset: PreparedDataset, landscape: Landscape, tmp_path: Path) -> None:
    landscape.fail = lambda preset: FormatError("a record is damaged")
    with pytest.raises(FormatError, match="a record is damaged"):
        tune(space(), dataset, tmp_path / "out", n_trials=3)
    landscape.fail = lambda preset: None
    assert [t.status for t in tune(space(), dataset, tmp_path / "out", n_trials=3).trials] == ["finished"] * 3


def test_combinations_outside_the_bounds_cost_no_trial(
    dataset: PreparedDataset, landscape: Landscape, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parameters = {"model.n_pools": {"min": 2, "max": 6}, "optimizer.learning_rate": {"min": 1e-4, "max": 1e-2}}
    bounds = {"min": 4_000, "max": 5_000}
    result = tune(space(parameters, trainable_parameters=bounds), dataset, tmp_path / "out", n_trials=6)
    assert len(landscape.trained) == 12
    assert {trial.values["model.n_pools"] for trial in result.trials} == {3}
    assert all(4_000 <= trial.trainable_parameters <= 5_000 for trial in result.trials)
    with pytest.raises(
        ValueError, match=r"500,000 to 600,000 trainable .* the nearest had 8,541; others were refused \(input_size"
    ):
        bounds = {"min": 500_000, "max": 600_000}
        tune(space(parameters, trainable_parameters=bounds), dataset, tmp_path / "none", n_trials=3)
    assert not list((tmp_path / "none").glob("trials/*"))
    assert capsys.readouterr().out == ""


def test_a_small_space_is_tried_to_its_end(dataset: PreparedDataset, landscape: Landscape, tmp_path: Path) -> None:
    for algorithm in ("random", "bayesian"):
        parameters = {"batch_size": {"values": [2, 4, 8]}, "model.n_pools": {"values": [3, 4]}}
        result = tune(space(parameters), dataset, tmp_path / algorithm, n_trials=20, algorithm=algorithm)
        assert len({json.dumps(trial.values) for trial in result.trials}) == len(result.trials) == 6
        assert result.ended == "every combination has been tried"


def test_another_search_is_refused(dataset: PreparedDataset, landscape: Landscape, tmp_path: Path) -> None:
    tune(space(), dataset, tmp_path / "out", n_trials=1)
    with pytest.raises(FormatError, match="another seed"):
        tune(space(), dataset, tmp_path / "out", n_trials=1, seed=1)
    with pytest.raises(FormatError, match=r"another space\.preset\.epochs, space\.epochs, algorithm"):
        tune(space(epochs=7), dataset, tmp_path / "out", n_trials=1, algorithm="bayesian")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(FormatError, match="not empty"):
        tune(space(), dataset, tmp_path / "mine", n_trials=1)
    with pytest.raises(ValueError, match="choose one of random, hyperband, bayesian"):
        tune(space(), dataset, tmp_path / "new", n_trials=1, algorithm="grid")
    with pytest.raises(ValueError, match="n_trials=0"):
        tune(space(), dataset, tmp_path / "new", n_trials=0)
    (tmp_path / "out" / "oracle").mkdir()
    with pytest.raises(FormatError, match=r"search of version 0.1.* `tfdeepviz tune SPACE .* another folder"):
        tune(space(), dataset, tmp_path / "out", n_trials=1)


class _Deep(str):
    """Nested so deep that Python refuses to read it; has a short name."""

    def __str__(self) -> str:
        return "deep"


_DEEP = _Deep("[" * 100_000)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('{"op_code":4', '["op_code":4', "line 2 is broken"),
        ('{"op_code":4', '{"op_code":1', "line 2 is broken"),
        ('{"op_code":0', '{"op_code":4', "line 1 is broken"),
        ('{"op_code":7', _DEEP, "line 3 is broken"),
        ('"study_name":"search"', '"study_name":"other"', "Record does not exist"),
        ('"directions":[1]', '"directions":[2]', "another objective"),
        ('"directions":[1]', '"directions":[7]', "7 is not a valid StudyDirection"),
        ('"study_id":0,"d', '"d', "study_id"),
        ('"study_id":0,"d', '"study_id":[],"d', "unhashable"),
        ('"patience":0', '"patience":7', "index out of range"),
        ('"params":{', '"params":{"seed":1,', "seed"),
        ('"model.n_pools":3', '"model.n_pools":30', "isn't contained"),
        ('\\"high\\": 4', '\\"high\\": 40', "trial 0: its state or its parameters"),
        ("IntDistribution", "FloatDistribution", "trial 0: its state or its parameters"),
        ("IntDistribution", "IntDistributor", "Unknown distribution"),
        ('"state":1', '"state":4', "trial 0: its state or its parameters"),
        ('"trainable_parameters":', '"parameters":', "trial 0: user_attrs.trainable_parameters is missing"),
        ('"trainable_parameters":', '"trainable_parameters":-', "trial 0: user_attrs.trainable_parameters .* -"),
        ('"step":1', '"step":"1"', "trial 0: intermediate_values"),
        ('"intermediate_value":', '"intermediate_value":"x","y":', "trial 0: intermediate_values"),
        ('"values":[', '"values":[null,', "trial 0: values"),
        ('"values":[', '"values":[Infinity],"z":[', "trial 0: values.* Infinity"),
        ('"values":[', '"values":null,"z":[', "values should be set"),
        (
            '"system_attr":{"completed_rung_0":',
            '"system_attr":{"completed_rung_0":"x"},"z":{"y":',
            "trial 0: system_attrs",
        ),
    ],
)
def test_broken_journals_are_refused(
    old: str, new: str, reason: str, dataset: PreparedDataset, landscape: Landscape, tmp_path: Path
) -> None:
    wanted: dict[str, Any] = {"n_trials": 2, "algorithm": "hyperband"}
    tune(space(), dataset, tmp_path / "out", **wanted)
    path = tmp_path / "out" / "journal.jsonl"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(FormatError, match=rf"journal\.jsonl: not what a search wrote \(.*{reason}.*--out"):
        tune(space(), dataset, tmp_path / "out", **wanted)


def test_damaged_journals_are_read_or_refused(dataset: PreparedDataset, landscape: Landscape, tmp_path: Path) -> None:
    wanted: dict[str, Any] = {"n_trials": 3, "algorithm": "hyperband"}
    tune(space(), dataset, tmp_path / "out", **wanted)
    path = tmp_path / "out" / "journal.jsonl"
    seeds = [path.read_bytes()]
    n_refused = 0
    for mutate in (mutate_bytes, mutate_text):
        for number in range(120):
            path.write_bytes(mutant(mutate, seeds, number))
            try:
                Search(space(), dataset, tmp_path / "out", "hyperband", 0, TrialProgress())
            except FormatError:
                n_refused += 1
    assert n_refused > 200


def test_a_line_that_was_cut_off_is_named(dataset: PreparedDataset, landscape: Landscape, tmp_path: Path) -> None:
    whole = tune(space(), dataset, tmp_path / "out", n_trials=2)
    path = tmp_path / "out" / "journal.jsonl"
    text = path.read_text()
    path.write_text(f'{text}{{"op_code":7,"trial')
    n_lines = text.count("\n")
    with pytest.raises(FormatError, match=f"line {n_lines + 1} is broken; if it is the last one, delete it"):
        tune(space(), dataset, tmp_path / "out", n_trials=2)
    path.write_text(text)
    assert outcome(tune(space(), dataset, tmp_path / "out", n_trials=2)) == outcome(whole)


def test_report(dataset: PreparedDataset, landscape: Landscape, tmp_path: Path) -> None:
    landscape.fail = lambda preset: ArithmeticError("nan, of course") if preset.batch_size == 8 else None
    result = tune(space(), dataset, tmp_path / "out", n_trials=9)
    best = result.ranking[0]
    finished = [trial for trial in result.ranking if trial.status == "finished"]
    failed = [trial for trial in result.ranking if trial.status == "failed"]
    first, *lines = report(result).splitlines()
    assert first.split() == ["trial", "status", "val_loss", "epochs", "seconds", "parameters", *PARAMETERS]
    assert [int(line.split()[0]) for line in lines[:9]] == [trial.number for trial in (*finished, *failed)]
    assert lines[0].split()[:4] == [str(best.number), "finished", f"{best.val_loss:.4g}", "2"]
    assert lines[9:] == [f"trial {trial.number} failed: nan, of course" for trial in failed]

    with (tmp_path / "out" / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [*first.split(), "run", "reason"]
    assert rows[0]["trial"] == str(best.number) and rows[0]["run"] == f"trials/{best.number:04d}"
    assert float(rows[0]["optimizer.learning_rate"]) == pytest.approx(best.values["optimizer.learning_rate"], rel=1e-8)
    assert (rows[0]["epochs"], rows[0]["seconds"], rows[-1]["reason"]) == ("2", "5", "nan, of course")
    assert {row["patience"] for row in rows} == {"null", "3"}

    preset = load_preset(str(tmp_path / "out" / "best.json"))
    assert (preset.name, preset.title) == ("tiny-tuned", "Tiny, tuned")
    assert preset.optimizer["learning_rate"] == best.values["optimizer.learning_rate"]
    assert (preset.batch_size, preset.epochs) == (best.values["batch_size"], 2)
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count('<svg viewBox="0 0 520 240"') == 2 + len(PARAMETERS)
    assert f"trial {best.number}, reached a validation loss of" in page and "nan, of course" in page
    record = Artifact.read(tmp_path / "out" / ARTIFACT)
    assert (record.kind, record.facts, record.inputs[0].artifact.digest) == ("search", {"trials": 9}, dataset.identity)
    assert record.digest is not None
    before = (tmp_path / "out" / "report.html").read_bytes()
    report(result)
    assert (tmp_path / "out" / "report.html").read_bytes() == before


def test_the_best_preset_is_there_only_with_all_that_belongs_to_it(
    dataset: PreparedDataset, landscape: Landscape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = tune(space(), dataset, tmp_path / "out", n_trials=1)
    report(result)
    assert (tmp_path / "out" / "best.json").is_file() and (tmp_path / "out" / "report.html").is_file()

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(tuning_report, "write_page", killed)
        report(result)
    assert not (tmp_path / "out" / "best.json").exists()


def test_a_report_without_a_finished_trial(
    dataset: PreparedDataset, landscape: Landscape, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    landscape.fail = lambda preset: MemoryError()
    result = tune(space(), dataset, tmp_path / "out", n_trials=2)
    assert report(result).count("MemoryError") == 2
    assert capsys.readouterr() == ("", "")
    assert not (tmp_path / "out" / "best.json").exists() and not (tmp_path / "out" / "report.html").exists()
    assert (tmp_path / "out" / "trials.csv").is_file()


@pytest.mark.slow
def test_real_runs(dataset: PreparedDataset, tmp_path: Path) -> None:
    class Stop(TrialProgress):
        def start_epoch(self, epoch: int, n_epochs: int, n_steps: int) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    parameters = {"optimizer.learning_rate": {"min": 1e-3, "max": 1e-2, "scale": "log"}}
    with pytest.raises(KeyboardInterrupt):
        tune(space(parameters), dataset, tmp_path / "out", n_trials=2, seed=4, progress=Stop())
    assert len(Run.load(tmp_path / "out" / "trials" / "0000").history()) == 1
    result = tune(space(parameters), dataset, tmp_path / "out", n_trials=2, seed=4)
    for trial in result.trials:
        run = Run.load(trial.run)
        assert run.preset == override(space(parameters).base, trial.values) and run.config["seed"] == 4
        assert trial.val_loss == min(row["val_loss"] for row in run.history())
        assert run.load_encoder().count_params() > 0
    assert str(result.ranking[0].number) == report(result).splitlines()[1].split()[0]
