"""Search for better presets: KerasTuner proposes, every trial is an ordinary training run."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import takewhile
from pathlib import Path
from typing import Any, Self

import jsonschema
import keras
import keras_tuner
import numpy as np
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial as OracleTrial
from sklearn.exceptions import ConvergenceWarning

from tfdeepviz import __version__
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.errors import DivergedError, InputError
from tfdeepviz.files import FormatError, read_json, write_json
from tfdeepviz.locks import locked
from tfdeepviz.models.build import OUT_OF_MEMORY, count_parameters
from tfdeepviz.models.presets import Preset, load_preset, override
from tfdeepviz.models.run import Run
from tfdeepviz.models.training import EpochProgress, train

_CONFIG = "tuning.json"
_ORACLE = "oracle"
#: What is looked for the lowest of, over the epochs of a run.
OBJECTIVE = "val_loss"

#: Draws for one trial before the search ends: a combination in twenty is found with a probability above 99.99 %.
MAX_DRAWS = 200
# Among as many usable draws Bayesian optimisation chooses, where the optimum itself cannot be used.
_N_CANDIDATES = 16
# KerasTuner gives up after 20 repetitions, which in a small space is before everything has been tried.
_MAX_REPETITIONS = 1_000

# Failures that belong to a trial's values. All others, such as a damaged dataset, would befall every trial.
_TRIAL_FAILURES = (ArithmeticError, *OUT_OF_MEMORY)

# What the objective itself depends on, by kind: the lowest loss would not be the best model's.
_SET_THE_LOSS = {"contrastive": ("contrast", "batch_size")}

_STATUS = {"COMPLETED": "finished", "FAILED": "failed", "RUNNING": "unfinished"}


@dataclass(frozen=True)
class Parameter:
    """One dimension of a space: a range, of whole numbers if both its ends are, or a choice of any JSON values."""

    name: str
    low: float = 0
    high: float = 0
    log: bool = False
    values: tuple[Any, ...] | None = None

    @classmethod
    def from_dict(cls, name: str, entry: Mapping[str, Any]) -> Self:
        """Read an entry of a space; raises InputError if its range is empty or has no logarithm."""
        if "values" in entry:
            return cls(name, values=tuple(entry["values"]))
        low, high, log = entry["min"], entry["max"], entry.get("scale") == "log"
        if not low < high:
            raise InputError(f"parameters.{name}: min={low} has to be less than max={high}")
        if log and low <= 0:
            raise InputError(f"parameters.{name}: min={low} has no logarithm; give a positive number or scale: linear")
        return cls(name, low, high, log)

    def to_dict(self) -> dict[str, Any]:
        """Inverse of `from_dict`."""
        if self.values is not None:
            return {"values": list(self.values)}
        return {"min": self.low, "max": self.high, "scale": "log" if self.log else "linear"}

    @property
    def whole(self) -> bool:
        """Whether it is a range of whole numbers."""
        return self.values is None and isinstance(self.low, int) and isinstance(self.high, int)

    def declare(self, hyperparameters: keras_tuner.HyperParameters) -> None:
        """Add it to what an oracle draws from."""
        if self.values is not None:
            # KerasTuner's choices know neither null nor lists, nor values of different types; texts do for all.
            hyperparameters.Choice(self.name, [json.dumps(value) for value in self.values])
        elif self.whole:
            hyperparameters.Int(self.name, self.low, self.high, sampling="log" if self.log else "linear")
        else:
            hyperparameters.Float(self.name, self.low, self.high, sampling="log" if self.log else "linear")

    def decode(self, drawn: Any) -> Any:
        """Give the preset's value for what an oracle drew; raises InputError if it cannot have drawn that."""
        if self.values is not None:
            for value in self.values:
                if json.dumps(value) == drawn:
                    return value
        # A little room: the exponential of a logarithm may leave the range by a rounding error.
        elif (
            isinstance(drawn, int if self.whole else float)
            and not isinstance(drawn, bool)
            and self.low - 1e-9 * abs(self.low) <= drawn <= self.high + 1e-9 * abs(self.high)
        ):
            return drawn
        raise InputError(f"{self.name}={drawn!r} is not in the space")


@dataclass(frozen=True)
class Space:
    """What a search may change of a preset; `space.schema.json` says how it is written.

    Attributes
    ----------
    preset
        Where everything else comes from, `epochs` too.
    parameters
        What is drawn; names are those of `tfdeepviz train --set`.
    min_parameters, max_parameters
        Bounds of a model's trainable parameters.
    factor
        Hyperband's: of so many trials one goes on, with so many times the epochs, up to the preset's.
    """

    preset: Preset
    parameters: tuple[Parameter, ...]
    min_parameters: int = 0
    max_parameters: int | None = None
    factor: int = 3

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a space from JSON.

        Raises
        ------
        FormatError
            If it is missing or broken, or a parameter has no value that the preset would take.
        """
        values = read_json(path, max_bytes=1 << 20)
        try:
            return cls.from_dict(values)
        except ValueError as error:
            raise FormatError(f"{path}: {error}") from error

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make a space of JSON's values.

        Raises
        ------
        InputError
            As `load`.
        """
        _validate(values, None)
        preset = values["preset"]
        preset = load_preset(preset) if isinstance(preset, str) else Preset.from_dict(preset)
        if "epochs" in values:
            preset = override(preset, {"epochs": values["epochs"]})
        bounds = values.get("trainable_parameters", {})
        low, high = bounds.get("min", 0), bounds.get("max")
        if high is not None and low > high:
            raise InputError(f"trainable_parameters: min={low} has to be at most max={high}")
        parameters = tuple(Parameter.from_dict(*item) for item in values["parameters"].items())
        for parameter in parameters:
            _check_name(preset, parameter)
        return cls(preset, parameters, low, high, values.get("factor", 3))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with the whole preset."""
        bounds = {"min": self.min_parameters, "max": self.max_parameters}
        return {
            "preset": self.preset.to_dict(),
            "parameters": {parameter.name: parameter.to_dict() for parameter in self.parameters},
            "trainable_parameters": {name: value for name, value in bounds.items() if value is not None},
            "factor": self.factor,
        }

    def decode(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """Values by name for what an oracle drew; raises InputError if it cannot have drawn that."""
        return {parameter.name: parameter.decode(drawn.get(parameter.name)) for parameter in self.parameters}

    def excess(self, n_parameters: int) -> float:
        """By what factor a number of trainable parameters misses the bounds; 1 within them."""
        low = self.min_parameters / max(n_parameters, 1)
        high = 0.0 if self.max_parameters is None else n_parameters / self.max_parameters
        return max(1.0, low, high)

    @property
    def bounds(self) -> str:
        """The bounds of trainable parameters, as a text."""
        if self.max_parameters is None:
            return f"at least {self.min_parameters:,} trainable parameters"
        return f"{self.min_parameters:,} to {self.max_parameters:,} trainable parameters"


def _check_name(preset: Preset, parameter: Parameter) -> None:
    if parameter.name.split(".")[0] in _SET_THE_LOSS.get(preset.kind, ()):
        raise InputError(
            f"parameters.{parameter.name}: changes what {OBJECTIVE} means for kind {preset.kind}, so that trials could "
            "not be compared; set it in the preset"
        )
    # One usable value proves the name. The others may need company: a momentum needs sgd.
    values = (parameter.low, parameter.high) if parameter.values is None else parameter.values
    for value in values:
        try:
            override(preset, {parameter.name: value})
        except ValueError as error:
            reason = error
        else:
            return
    raise InputError(f"parameters.{parameter.name}: the preset takes none of its values ({reason})")


@cache
def _validator(name: str | None) -> jsonschema.Draft202012Validator:
    schema = json.loads((resources.files(__package__) / "space.schema.json").read_text(encoding="utf-8"))
    if name is not None:
        schema = {"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]}
    return jsonschema.Draft202012Validator(schema)


def _validate(values: Mapping[str, Any], name: str | None) -> None:
    """Check against the schema, or against one of its definitions; raises InputError."""
    error = jsonschema.exceptions.best_match(_validator(name).iter_errors(values))
    if error is not None:
        place = ".".join(str(part) for part in error.absolute_path)
        raise InputError(f"{place or 'space'}: {error.message}")


@dataclass(frozen=True)
class Trial:
    """One combination of values and what became of it.

    Attributes
    ----------
    number
        Counts from 0 in the order in which trials began.
    status
        `finished`, `failed` or `unfinished`.
    values
        What was drawn, by name.
    trainable_parameters
        Of its model.
    preset
        What was trained; in Hyperband's early rounds for few epochs.
    run
        Folder of its run. A trial that Hyperband lets go on has the folder of the trial that it continues.
    val_loss
        Lowest validation loss of its epochs, None unless it finished.
    epochs
        Epochs of the run at the trial's end.
    seconds
        Time of the epochs that it trained itself.
    reason
        Why it failed.
    """

    number: int
    status: str
    values: dict[str, Any]
    trainable_parameters: int
    preset: Preset
    run: Path
    val_loss: float | None
    epochs: int
    seconds: float
    reason: str


@dataclass(frozen=True)
class Tuning:
    """A search on disk.

    Attributes
    ----------
    path, config, space
        Its folder, and what it was started with.
    trials
        In the order in which they began.
    ended
        Why a search gave fewer trials than were asked for; only known to the search itself.
    """

    path: Path
    config: dict[str, Any]
    space: Space
    trials: tuple[Trial, ...]
    ended: str | None = None

    @classmethod
    def load(cls, path: Path, ended: str | None = None) -> Self:
        """Open a search.

        Raises
        ------
        FormatError
            If `path` holds none, or its files are broken.
        """
        if not (path / _CONFIG).is_file():
            raise FormatError(f"{path}: no search ({_CONFIG} is missing); make one with `tfdeepviz tune`")
        config = read_json(path / _CONFIG)
        try:
            space = Space.from_dict(config["space"])
        except (KeyError, ValueError, TypeError) as error:
            raise FormatError(f"{path / _CONFIG}: not a search's configuration ({error})") from error
        return cls(path, config, space, tuple(_read_trials(path, space)), ended)

    @property
    def finished(self) -> list[Trial]:
        """Finished trials, the best first."""
        return sorted(
            (trial for trial in self.trials if trial.status == "finished"),
            key=lambda trial: (loss_of(trial), trial.number),
        )

    @property
    def best(self) -> Trial | None:
        """The trial of the lowest validation loss, if any finished."""
        return next(iter(self.finished), None)


def loss_of(trial: Trial) -> float:
    """Give a trial's objective; infinite if it did not finish."""
    return math.inf if trial.val_loss is None else trial.val_loss


class TrialProgress(EpochProgress):
    """What a search tells while it works, beside what its runs tell; override what you show."""

    def start_trial(self, number: int, values: dict[str, Any], trainable_parameters: int) -> None:
        """Trial `number` (from 0) begins, or goes on."""

    def end_trial(self, trial: Trial) -> None:
        """A trial finished or failed."""


def tune(
    space: Space,
    dataset: PreparedDataset,
    out: Path,
    *,
    n_trials: int,
    algorithm: str = "random",
    seed: int = 0,
    progress: TrialProgress | None = None,
) -> Tuning:
    """Search a space for the lowest validation loss; call again with the same arguments to resume.

    Finished trials are kept, and an interrupted one goes on from its checkpoint. More trials may be asked for later.

    Parameters
    ----------
    space
        What may change.
    dataset
        A prepared dataset, as for `train`.
    out
        Folder of the search; the runs are in `trials/`.
    n_trials
        Trials in all. A combination that Hyperband lets go on counts again.
    algorithm
        `random` (Bergstra and Bengio 2012), `hyperband` (Li et al. 2018) or `bayesian`: a Gaussian process and its
        lower confidence bound, after three random trials a parameter.
    seed
        Of the draws, and of every run.
    progress
        Told of every trial and every step.

    Raises
    ------
    FormatError
        If `out` holds another search or its files are broken.
    BusyError
        If another process searches there.
    InputError
        If the arguments are impossible, or no combination of the space can be used.
    """
    if n_trials < 1:
        raise InputError(f"n_trials={n_trials}: give at least 1")
    if algorithm not in _ORACLES:
        raise InputError(f"algorithm={algorithm!r}: choose one of {', '.join(_ORACLES)}")
    if dataset.features.mode == "raw":
        raise InputError(f"{dataset.path}: models take mfcc or log-mel, not raw audio; prepare with --mode")
    dataset.require_training()
    _claim(
        out,
        {
            "space": space.to_dict(),
            "algorithm": algorithm,
            "seed": seed,
            "dataset_digest": dataset.identity,
            "code_version": __version__,
        },
    )
    oracle = _ORACLES[algorithm](space, dataset, seed)
    oracle.max_trials = n_trials
    with locked(out):
        # KerasTuner says on standard output that it resumes.
        with redirect_stdout(None):
            tuner = _Tuner(oracle, space, dataset, out, seed, progress or TrialProgress())
        tuner.search(verbose=0)
    if oracle.ended and not oracle.trials:
        raise InputError(f"the space has no combination that can be used: {oracle.ended}")
    return Tuning.load(out, oracle.ended)


def _claim(out: Path, config: dict[str, Any]) -> None:
    path = out / _CONFIG
    if path.exists():
        before = read_json(path)
        changed = [name for name in config if name != "code_version" and before.get(name) != config[name]]
        if changed:
            raise FormatError(f"{out}: holds a search with another {', '.join(changed)}; give another --out")
        return
    if out.exists() and any(out.iterdir()):
        raise FormatError(f"{out}: not empty and not a search; give another --out")
    write_json(path, config)


class _Tuner(BaseTuner):  # type: ignore[misc]
    """Makes an ordinary training run of every trial."""

    def __init__(
        self,
        oracle: _UsableOracle,
        space: Space,
        dataset: PreparedDataset,
        out: Path,
        seed: int,
        progress: TrialProgress,
    ) -> None:
        self._space, self._dataset, self._out, self._seed, self._progress = space, dataset, out, seed, progress
        super().__init__(oracle, directory=str(out), project_name=_ORACLE)

    def on_search_begin(self) -> None:
        # KerasTuner saves first when a trial ends, and would not resume the first one.
        self.save()

    def run_trial(self, trial: OracleTrial, **_: Any) -> dict[str, float]:
        drawn = trial.hyperparameters.values
        values = self._space.decode(drawn)
        self._progress.start_trial(int(trial.trial_id), values, self.oracle.trainable_parameters[trial.trial_id])
        # What the last trials left in Keras would add up.
        keras.utils.clear_session(free_memory=True)
        preset, run = _preset_and_run(self._out, self._space, trial.trial_id, self._drawn())
        history = train(preset, self._dataset, run, seed=self._seed, progress=self._progress).history()
        losses = [row[OBJECTIVE] for row in history[: preset.epochs] if math.isfinite(row[OBJECTIVE])]
        if not losses:
            raise DivergedError(f"{run}: no epoch has a finite {OBJECTIVE}")
        return {OBJECTIVE: min(losses)}

    def _try_run_and_update_trial(self, trial: OracleTrial, **_: Any) -> None:
        # KerasTuner's own takes every error for the trial's, prints its traceback and keeps that as the message.
        trial.message = None
        try:
            self.oracle.update_trial(trial.trial_id, self.run_trial(trial))
            trial.status = "COMPLETED"
        except _TRIAL_FAILURES as error:
            trial.status, trial.message = "FAILED", " ".join(str(error).split()) or type(error).__name__

    def on_trial_end(self, trial: OracleTrial) -> None:
        super().on_trial_end(trial)
        state = self.oracle.trials[trial.trial_id].get_state()
        self._progress.end_trial(
            _describe(self._out, self._space, state, self.oracle.trainable_parameters, self._drawn())
        )

    def _drawn(self) -> dict[str, dict[str, Any]]:
        return {trial_id: trial.hyperparameters.values for trial_id, trial in self.oracle.trials.items()}

    def save(self) -> None:
        self.oracle.save()
        # Its presence makes KerasTuner resume.
        write_json(Path(self._get_tuner_fname()), {})

    def reload(self) -> None:
        self.oracle.reload()


class _UsableOracle(keras_tuner.Oracle):  # type: ignore[misc]
    """What all oracles get: draws that can be used, and a state that is written whole and read with care.

    Attributes
    ----------
    trainable_parameters
        Of each trial's model, by the trial's id.
    ended
        Why there are no more trials, if not because enough were made.
    """

    def __init__(self, space: Space, dataset: PreparedDataset, seed: int, **options: Any) -> None:
        hyperparameters = keras_tuner.HyperParameters()
        for parameter in space.parameters:
            parameter.declare(hyperparameters)
        super().__init__(
            objective=keras_tuner.Objective(OBJECTIVE, "min"),
            hyperparameters=hyperparameters,
            tune_new_entries=False,
            # KerasTuner takes 0 for none, and every draw uses the next seed: those of two searches must be far apart.
            seed=max(1, int(np.random.SeedSequence(seed).generate_state(1)[0])),
            max_consecutive_failed_trials=1 << 30,
            **options,
        )
        self._max_collisions = _MAX_REPETITIONS
        self._space = space
        height, width = dataset.features.segment_shape[:2]
        self._sizes: dict[str, Any] = {"input_size": (height, width), "n_genres": len(dataset.recipe.genres)}
        self._counts: dict[str, int] = {}
        self.trainable_parameters: dict[str, int] = {}
        self.ended: str | None = None
        self.verbose = 0

    def count(self, drawn: Mapping[str, Any]) -> int:
        """Trainable parameters of a combination; raises InputError if it is none that could be trained."""
        preset = override(self._space.preset, self._space.decode(drawn))
        # Most parameters do not change the model, and large models take their time.
        key = json.dumps([preset.kind, preset.model, preset.encoder_layer], sort_keys=True)
        if key not in self._counts:
            self._counts[key] = count_parameters(preset, **self._sizes).trainable
        return self._counts[key]

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        proposal: dict[str, Any] = super().populate_space(trial_id)
        if proposal["status"] == "RUNNING" and not self._usable(proposal["values"]):
            proposal = self._instead()
        if proposal["status"] == "RUNNING":
            self.trainable_parameters[trial_id] = self.count(proposal["values"])
        return proposal

    def _usable(self, drawn: Mapping[str, Any]) -> bool:
        try:
            return not self._duplicate(drawn) and self._space.excess(self.count(drawn)) <= 1
        except ValueError:
            return False

    def _instead(self) -> dict[str, Any]:
        """Propose something else; only needed where proposals are not from `_random_values`."""
        return {"status": "STOPPED"}

    def _random_values(self) -> dict[str, Any] | None:
        nearest, refusal = None, None
        for _ in range(MAX_DRAWS):
            drawn: dict[str, Any] | None = super()._random_values()
            if drawn is None:
                self.ended = "every combination has been tried"
                return None
            try:
                n_parameters = self.count(drawn)
            except ValueError as error:
                refusal = error
                continue
            if self._space.excess(n_parameters) <= 1:
                return drawn
            if nearest is None or self._space.excess(n_parameters) < self._space.excess(nearest):
                nearest = n_parameters
        self.ended = (
            f"{MAX_DRAWS} draws gave no new one with {self._space.bounds}"
            + (f"; the nearest had {nearest:,}" if nearest is not None else "")
            + (f"; others were refused ({refusal})" if refusal is not None else "")
        )
        return None

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "trainable_parameters": self.trainable_parameters}

    def save(self) -> None:
        write_json(Path(self._get_oracle_fname()), self.get_state())

    def _save_trial(self, trial: OracleTrial) -> None:
        write_json(Path(self._get_trial_dir(trial.trial_id)) / "trial.json", trial.get_state())

    def reload(self) -> None:
        """Go on where a search was left; its files are not trusted with more than they have to tell."""
        path = Path(self._get_oracle_fname())
        state, trials = _read_oracle(path.parent, self._space)
        rounds = [entry for bracket in state.get("brackets", []) for round_ in bracket["rounds"] for entry in round_]
        try:
            for trial_id, saved in trials.items():
                hyperparameters = self.hyperparameters.copy()
                hyperparameters.values = saved["hyperparameters"]["values"]
                self.trials[trial_id] = trial = OracleTrial(hyperparameters, trial_id, saved["status"])
                trial.score, trial.message = saved["score"], saved["message"]
            for trial_id in (*state["end_order"], *state["retry_queue"], *(entry["id"] for entry in rounds)):
                self.trials[trial_id]
            # What the arguments say is not the file's to change.
            self.set_state(
                {**state, **{name: now for name, now in self.get_state().items() if name in _FROM_ARGUMENTS}}
            )
        except KeyError as error:
            raise FormatError(f"{path}: not what a search wrote ({error} is missing)") from error
        self.trainable_parameters = state["trainable_parameters"]
        self._retry_queue += list(state["ongoing_trials"].values())
        self.ongoing_trials: dict[str, OracleTrial] = {}


_FROM_ARGUMENTS = (
    *("hyperparameters", "seed", "display", "num_initial_points", "alpha", "beta"),
    *("hyperband_iterations", "max_epochs", "min_epochs", "factor"),
)


class _RandomOracle(_UsableOracle, keras_tuner.oracles.RandomSearchOracle):  # type: ignore[misc]
    """Draws every trial by itself."""


class _HyperbandOracle(_UsableOracle, keras_tuner.oracles.HyperbandOracle):  # type: ignore[misc]
    """Lets the best of many short trials go on."""

    def __init__(self, space: Space, dataset: PreparedDataset, seed: int) -> None:
        # As often as the number of trials allows.
        options = {"max_epochs": space.preset.epochs, "factor": space.factor, "hyperband_iterations": 1 << 30}
        super().__init__(space, dataset, seed, **options)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        # KerasTuner counts failed trials among those that are left behind; too many, and none would go on. Draw others.
        for bracket in self._brackets:
            first = bracket["rounds"][0]
            first[:] = [entry for entry in first if self.trials[entry["id"]].status != "FAILED"]
        return super().populate_space(trial_id)


class _BayesianOracle(_UsableOracle, keras_tuner.oracles.BayesianOptimizationOracle):  # type: ignore[misc]
    """Goes where a Gaussian process expects low losses or knows little."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        # KerasTuner does not save this generator: a resumed search would choose other trials than an undisturbed one.
        self._random_state = np.random.RandomState([self.seed, len(self.trials)])
        with warnings.catch_warnings():
            # Length scales at the end of their range: parameters of little effect.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return super().populate_space(trial_id)

    def _instead(self) -> dict[str, Any]:
        draws = (self._random_values() for _ in range(_N_CANDIDATES))
        candidates = [drawn for drawn in takewhile(bool, draws) if drawn]
        if not candidates:
            return {"status": "STOPPED"}
        self.ended = None
        x = [[hp.value_to_prob(drawn[hp.name]) for hp in self.hyperparameters.space] for drawn in candidates]
        mean, std = self.gpr.predict(np.array(x), return_std=True)
        return {"status": "RUNNING", "values": candidates[int(np.argmin(mean - self.beta * std))]}


_ORACLES = {"random": _RandomOracle, "hyperband": _HyperbandOracle, "bayesian": _BayesianOracle}
ALGORITHMS = tuple(_ORACLES)


def _read_oracle(folder: Path, space: Space) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Read the oracle's state and its trials by id, in the order in which they began."""
    path = folder / "oracle.json"
    state = read_json(path)
    trials = {}
    try:
        _validate(state, "oracle")
        for trial_id in state["start_order"]:
            if trial_id not in state["trainable_parameters"]:
                raise InputError(f"trainable_parameters of trial {trial_id} are missing")
            path = folder / f"trial_{trial_id}" / "trial.json"
            trials[trial_id] = saved = {**read_json(path), "trial_id": trial_id}
            _validate(saved, "trial")
            drawn = saved["hyperparameters"]["values"]
            override(space.preset, space.decode(drawn))
            if (past := drawn.get("tuner/trial_id", trial_id)) not in trials or (past == trial_id) != (
                "tuner/trial_id" not in drawn
            ):
                raise InputError(f"continues trial {past}, which did not begin before it")
            if saved["status"] == "COMPLETED" and not (saved["score"] is not None and math.isfinite(saved["score"])):
                raise InputError(f"score={saved['score']!r} of a finished trial")
    except ValueError as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path}: not what a search wrote ({error})") from error
    return state, trials


def _read_trials(out: Path, space: Space) -> list[Trial]:
    if not (out / _ORACLE / "oracle.json").is_file():
        return []  # stopped before it drew anything
    state, trials = _read_oracle(out / _ORACLE, space)
    drawn = {trial_id: saved["hyperparameters"]["values"] for trial_id, saved in trials.items()}
    return [_describe(out, space, saved, state["trainable_parameters"], drawn) for saved in trials.values()]


def _preset_and_run(
    out: Path, space: Space, trial_id: str, drawn: Mapping[str, Mapping[str, Any]]
) -> tuple[Preset, Path]:
    """Give what a trial trains and where: Hyperband's later rounds go on with the run of the first."""
    mine = drawn[trial_id]
    preset = override(space.preset, space.decode(mine))
    preset = override(preset, {"epochs": mine.get("tuner/epochs", preset.epochs)})
    while (past := drawn[trial_id].get("tuner/trial_id")) is not None:
        trial_id = past
    return preset, out / "trials" / f"{int(trial_id):04d}"


def _describe(
    out: Path,
    space: Space,
    saved: Mapping[str, Any],
    counts: Mapping[str, int],
    drawn: Mapping[str, Mapping[str, Any]],
) -> Trial:
    trial_id, mine = saved["trial_id"], saved["hyperparameters"]["values"]
    preset, run = _preset_and_run(out, space, trial_id, drawn)
    # A run may be gone, to save space, or not have begun.
    history = Run.load(run).history()[: preset.epochs] if (run / "config.json").is_file() else []
    status = _STATUS[saved["status"]]
    return Trial(
        number=int(trial_id),
        status=status,
        values=space.decode(mine),
        trainable_parameters=counts[trial_id],
        preset=preset,
        run=run,
        val_loss=saved["score"] if status == "finished" else None,
        epochs=len(history),
        seconds=sum(row.get("seconds", 0.0) for row in history[mine.get("tuner/initial_epoch", 0) :]),
        reason=saved["message"] or "",
    )
