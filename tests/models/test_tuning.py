from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from keras_tuner.src.tuners import bayesian

from tfdeepviz.data.features import Features
from tfdeepviz.data.prepare import prepare
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.selection import Selection
from tfdeepviz.files import FormatError, write_json
from tfdeepviz.models import tuning, tuning_report
from tfdeepviz.models.build import ParameterCounts, count_parameters
from tfdeepviz.models.presets import Preset, load_preset
from tfdeepviz.models.run import Run
from tfdeepviz.models.training import EpochProgress
from tfdeepviz.models.tuning import ALGORITHMS, Parameter, Space, Trial, TrialProgress, Tuning, tune
from tfdeepviz.models.tuning_report import report
from tfdeepviz.params import LIVE

# KerasTuner calls threading.currentThread.

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
    return Space.from_dict({"preset": TINY, "parameters": parameters, **values})


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
        write_json(out / "config.json", {"preset": preset.to_dict(), "audio": dataset.params.to_dict()})
        run = Run.load(out)
        rate = preset.optimizer["learning_rate"]
        distance = (math.log10(rate) + 3) ** 2 + 0.1 * preset.model["n_pools"] + 0.01 * preset.batch_size
        for epoch in range(len(run.history()) + 1, preset.epochs + 1):
            if self.stop_at == len(self.trained):
                raise KeyboardInterrupt
            if (error := self.fail(preset)) is not None:
                raise error
            self.trained.append((out.name, epoch))
            with (out / "history.csv").open("a") as file:
                if epoch == 1:
                    file.write("epoch,loss,val_loss,seconds\n")
                file.write(f"{epoch},1.0,{distance + 1 / epoch},2.5\n")
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
    # What takes long and changes nothing here: counting anew, freeing memory, and polishing each of 50 candidates.
    monkeypatch.setattr(tuning, "count_parameters", _count_once)
    monkeypatch.setattr(keras.utils, "clear_session", lambda free_memory: None)
    optimize = SimpleNamespace(minimize=lambda f, x0, **_: SimpleNamespace(x=x0, fun=f(x0)))
    monkeypatch.setattr(bayesian, "scipy", SimpleNamespace(optimize=optimize))
    return stand_in


def outcome(result: Tuning) -> list[tuple[Any, ...]]:
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
    assert {trial.status for trial in whole.trials} == {"finished"}
    trained = landscape.trained.copy()
    assert len(set(trained)) == len(trained)

    landscape.trained.clear()
    for landscape.stop_at in (0, 1, 6, len(trained) - 3):
        with pytest.raises(KeyboardInterrupt):
            tune(space(parameters, epochs=4, factor=2), dataset, tmp_path / "parts", **wanted)
    assert Tuning.load(tmp_path / "parts").trials[-1].status == "unfinished"
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
    assert {status for _, status, *_ in whole} == {"finished", "failed"}
    for n_writes in range(1, 30):
        left = n_writes

        def write_or_die(path: Path, value: Any) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            write_json(path, value)

        out = tmp_path / str(n_writes)
        with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
            patch.setattr(tuning, "write_json", write_or_die)
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
    assert result.best is not None and result.best.values["model.n_pools"] == 3


def test_hyperband_lets_the_best_go_on_in_their_runs(
    dataset: PreparedDataset, landscape: Landscape, tmp_path: Path
) -> None:
    result = tune(space(epochs=9), dataset, tmp_path / "out", n_trials=13, algorithm="hyperband")
    first, second, last = result.trials[:9], result.trials[9:12], result.trials[12]
    assert {trial.epochs for trial in first} == {1} and {trial.epochs for trial in second} == {3} and last.epochs == 9
    best = sorted(first, key=lambda trial: trial.val_loss or math.inf)[:3]
    assert [trial.run for trial in second] == [trial.run for trial in best]
    assert last.run == best[0].run and last.values == best[0].values
    assert (second[0].seconds, last.seconds, last.preset.epochs) == (5.0, 15.0, 9)
    assert len(list((tmp_path / "out" / "trials").iterdir())) == 9


def test_hyperband_draws_others_for_failed_trials(
    dataset: PreparedDataset, landscape: Landscape, tmp_path: Path
) -> None:
    landscape.fail = lambda preset: ArithmeticError("the loss is nan") if preset.model["n_pools"] == 4 else None
    result = tune(space(epochs=9), dataset, tmp_path / "out", n_trials=40, algorithm="hyperband")
    n_failed = sum(trial.status == "failed" for trial in result.trials)
    assert n_failed > 0
    assert sum(trial.epochs == 9 for trial in result.trials) >= 1
    assert [trial.status for trial in result.trials if trial.epochs == 3][:3] == ["finished"] * 3


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
    with pytest.raises(FormatError, match="another space, algorithm"):
        tune(space(epochs=7), dataset, tmp_path / "out", n_trials=1, algorithm="bayesian")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(FormatError, match="not empty"):
        tune(space(), dataset, tmp_path / "mine", n_trials=1)
    with pytest.raises(ValueError, match="choose one of random, hyperband, bayesian"):
        tune(space(), dataset, tmp_path / "new", n_trials=1, algorithm="grid")
    with pytest.raises(ValueError, match="n_trials=0"):
        tune(space(), dataset, tmp_path / "new", n_trials=0)
    with pytest.raises(FormatError, match="no search"):
        report(tmp_path / "mine")


@pytest.mark.parametrize(
    ("file", "change", "match"),
    [
        ("oracle.json", {"start_order": ["../../x"]}, "does not match"),
        ("oracle.json", {"brackets": [{"bracket_num": 10**9, "rounds": [[]]}]}, "bracket_num"),
        ("oracle.json", {"trainable_parameters": {}}, "trainable_parameters of trial 0"),
        ("oracle.json", {"retry_queue": ["7"]}, "'7' is missing"),
        ("oracle.json", {"ongoing_trials": {"tuner0": "7"}}, "'7' is missing"),
        ("trial_0/trial.json", {"hyperparameters": {"values": {"batch_size": "3"}}}, "not in the space"),
        ("trial_0/trial.json", {"status": "COMPLETED", "score": None}, "score=None"),
        ("trial_0/trial.json", {"status": "LOST"}, "status"),
    ],
)
def test_broken_states_are_refused(
    file: str, change: dict[str, Any], match: str, dataset: PreparedDataset, landscape: Landscape, tmp_path: Path
) -> None:
    tune(space(), dataset, tmp_path / "out", n_trials=2, algorithm="hyperband")
    path = tmp_path / "out" / "oracle" / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(FormatError, match=match):
        tune(space(), dataset, tmp_path / "out", n_trials=2, algorithm="hyperband")


def test_a_trial_continues_only_what_began_before_it(
    dataset: PreparedDataset, landscape: Landscape, tmp_path: Path
) -> None:
    tune(space(), dataset, tmp_path / "out", n_trials=2)
    for past in ("0", "1"):
        path = tmp_path / "out" / "oracle" / "trial_0" / "trial.json"
        saved = json.loads(path.read_text())
        saved["hyperparameters"]["values"]["tuner/trial_id"] = past
        path.write_text(json.dumps(saved))
        with pytest.raises(FormatError, match=f"continues trial {past}"):
            report(tmp_path / "out")


def test_spaces_are_checked(tmp_path: Path) -> None:
    loaded = Space.load(_write(tmp_path, {"preset": "ae-shared-compact", "parameters": PARAMETERS, "epochs": 7}))
    assert loaded.preset == load_preset("ae-shared-compact") or loaded.preset.epochs == 7
    assert Space.from_dict(loaded.to_dict()) == loaded
    rate, pools, *_ = loaded.parameters
    assert rate == Parameter("optimizer.learning_rate", 1e-5, 1e-2, log=True) and not rate.whole and pools.whole
    for parameters, match in (
        ({"batch_sise": {"values": [2]}}, r"parameters\.batch_sise: the preset takes none .*batch_sise"),
        ({"model.n_pools": {"min": 4, "max": 2}}, "min=4 has to be less than max=2"),
        ({"optimizer.learning_rate": {"min": 0, "max": 1, "scale": "log"}}, "no logarithm"),
        ({"epochs": {"values": [2]}}, "epochs"),
        ({"batch_size": {"values": []}}, "batch_size"),
        ({}, "parameters"),
    ):
        with pytest.raises(FormatError, match=match):
            Space.load(_write(tmp_path, {"preset": TINY, "parameters": parameters}))
    for name in ("contrast.temperature", "batch_size"):
        with pytest.raises(FormatError, match=f"{name}: changes what val_loss means for kind contrastive"):
            Space.load(_write(tmp_path, {"preset": "song", "parameters": {name: {"values": [1, 2]}}}))
    filters = {"model.n_filters": {"values": [16, 32]}}
    assert Space.load(_write(tmp_path, {"preset": "song", "parameters": filters})).preset == load_preset("song")
    with pytest.raises(FormatError, match="min=5 has to be at most max=3"):
        bounds = {"min": 5, "max": 3}
        Space.load(_write(tmp_path, {"preset": TINY, "parameters": PARAMETERS, "trainable_parameters": bounds}))


def _write(folder: Path, value: Any) -> Path:
    path = folder / "space.json"
    path.write_text(json.dumps(value))
    return path


def test_report(dataset: PreparedDataset, landscape: Landscape, tmp_path: Path) -> None:
    landscape.fail = lambda preset: ArithmeticError("nan, of course") if preset.batch_size == 8 else None
    result = tune(space(), dataset, tmp_path / "out", n_trials=9)
    best = result.best
    assert best is not None
    first, *lines = report(tmp_path / "out").splitlines()
    assert first.split() == ["trial", "val_loss", "epochs", "seconds", "parameters", *PARAMETERS]
    assert [int(line.split()[0]) for line in lines[: len(result.finished)]] == [t.number for t in result.finished]
    assert lines[0].split()[:3] == [str(best.number), f"{best.val_loss:.5g}", "2"]
    assert lines[-1].split()[1] == "failed" and lines[-1].endswith("nan, of course")

    header, *rows = (tmp_path / "out" / "trials.csv").read_text().splitlines()
    assert header.startswith(
        "trial,status,optimizer.learning_rate,model.n_pools,batch_size,patience,trainable_parameters"
    )
    assert len(rows) == 9
    assert rows[best.number].startswith(f"{best.number},finished,{best.values['optimizer.learning_rate']}")
    assert rows[best.number].endswith(f",{best.val_loss},2,5.0,,trials/{best.number:04d}")
    assert '"nan, of course"' in next(row for row in rows if ",failed," in row)

    preset = load_preset(str(tmp_path / "out" / "best.json"))
    assert (preset.name, preset.title) == ("tiny-tuned", "Tiny, tuned")
    assert preset.optimizer["learning_rate"] == best.values["optimizer.learning_rate"]
    assert (preset.batch_size, preset.epochs) == (best.values["batch_size"], 2)
    assert (tmp_path / "out" / "parallel_coordinates.png").read_bytes().startswith(b"\x89PNG")


def test_the_best_preset_is_there_only_with_all_that_belongs_to_it(
    dataset: PreparedDataset, landscape: Landscape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tune(space(), dataset, tmp_path / "out", n_trials=1)
    report(tmp_path / "out")
    assert (tmp_path / "out" / "best.json").is_file()

    def killed(tuning: Tuning) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(tuning_report, "parallel_coordinates", killed)
        report(tmp_path / "out")
    assert not (tmp_path / "out" / "best.json").exists()


def test_a_report_without_a_finished_trial(
    dataset: PreparedDataset, landscape: Landscape, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    landscape.fail = lambda preset: MemoryError()
    tune(space(), dataset, tmp_path / "out", n_trials=2)
    assert report(tmp_path / "out").count("MemoryError") == 2
    assert capsys.readouterr() == ("", "")
    assert sorted(path.name for path in (tmp_path / "out").glob("*.*")) == ["trials.csv", "tuning.json"]


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
        assert run.preset == trial.preset and run.config["seed"] == 4
        assert trial.val_loss == min(row["val_loss"] for row in run.history())
        assert run.load_encoder().count_params() > 0
    assert str(result.finished[0].number) == report(tmp_path / "out").splitlines()[1].split()[0]
