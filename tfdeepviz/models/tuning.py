"""Search for better presets: Optuna proposes values, and every trial is an ordinary training run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import filelock
import keras
import msgspec
import numpy as np
import optuna
from msgspec import Meta
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from tfdeepviz.artifacts import Artifact, Input, claim
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.errors import InputError
from tfdeepviz.files import Finite, FormatError, convert
from tfdeepviz.locks import locked
from tfdeepviz.models.build import OUT_OF_MEMORY, count_parameters
from tfdeepviz.models.presets import override
from tfdeepviz.models.progress import EpochProgress, Trial, TrialProgress
from tfdeepviz.models.run import Run, check_trainable
from tfdeepviz.models.search_space import OBJECTIVE, Space
from tfdeepviz.models.training import train

ALGORITHMS = ("random", "hyperband", "bayesian")

_JOURNAL, _TRIALS = "journal.jsonl", "trials"
_MAX_JOURNAL_BYTES = 16 << 20
# Optuna's numbers for creating the study, and for creating trials and setting what belongs to them.
_CREATE_STUDY, _TRIAL_OPERATIONS = 0, (4, 6, 7, 8, 9)

# All exceptions that Optuna raises for records that it did not write.
_REPLAY_ERRORS = (ValueError, LookupError, TypeError, AttributeError, AssertionError, ArithmeticError, RecursionError)

# Unusable combinations drawn for one trial before the search ends: a usable one in twenty is found with 99.99 %.
_MAX_REFUSED = 200
# In a small space most draws repeat a combination.
_MAX_DRAWS = 1_000
# A sampler whose favourites cannot be used gives way to random draws.
_MAX_FAVOURITES = 50

# Failures that belong to a trial's values. All others, such as a damaged dataset, would befall every trial.
_TRIAL_FAILURES = (ArithmeticError, *OUT_OF_MEMORY)

# Hyperband stops trials.
_STATUS = {
    **{TrialState.COMPLETE: "finished", TrialState.PRUNED: "stopped"},
    **{TrialState.RUNNING: "unfinished", TrialState.FAIL: "failed"},
}

# Only errors: the progress is shown by us.
optuna.logging.set_verbosity(optuna.logging.ERROR)


def tune(
    space: Space,
    dataset: PreparedDataset,
    out: Path,
    *,
    n_trials: int,
    algorithm: str = "random",
    seed: int = 0,
    progress: TrialProgress | None = None,
) -> Search:
    """Search a space for the lowest validation loss, until the folder `out` holds `n_trials` trials.

    Call it again with the same arguments, but perhaps more trials, to resume: finished trials are kept, and an
    interrupted one continues from its checkpoint. Several processes may work on one search at the same time.

    The algorithm is `random` (Bergstra and Bengio 2012); `hyperband` (Li et al. 2018): random draws, of which poor ones
    are stopped early; or `bayesian`: a tree-structured Parzen estimator (Bergstra et al. 2011), after three random
    trials per parameter. The seed is that of the draws, and of every run.

    Raises FormatError if `out` holds another search or its files are broken, and InputError if the arguments are
    impossible, or no combination of the space can be used.
    """
    if n_trials < 1:
        raise InputError(f"n_trials={n_trials}: give at least 1")
    if algorithm not in ALGORITHMS:
        raise InputError(f"algorithm={algorithm!r}: choose one of {', '.join(ALGORITHMS)}")
    check_trainable(dataset)
    if (out / "oracle").exists():
        raise FormatError(
            f"{out}: a search of version 0.1, which cannot be continued; its runs in {_TRIALS} remain usable; search "
            "again with `tfdeepviz tune SPACE --dataset DS --trials N --out` another folder"
        )
    searched = {**msgspec.to_builtins(space), "preset": space.base.to_dict()}
    settings = {"space": searched, "algorithm": algorithm, "seed": seed}
    out.mkdir(parents=True, exist_ok=True)
    with locked(out, wait=True):
        claim(out, Artifact.planned("search", out.resolve().name, settings, [Input.of(dataset, seen_from=out)]))
    search = Search(space, dataset, out, algorithm, seed, progress or TrialProgress())
    while search.run_trial(n_trials):
        pass
    if search.ended and not search.study.trials:
        raise InputError(f"the space has no combination that can be used: {search.ended}")
    return search


@dataclass
class Search:
    """A worker's view of a search on disk."""

    space: Space
    dataset: PreparedDataset
    path: Path
    algorithm: str
    seed: int
    progress: TrialProgress
    #: Why there are fewer trials than were asked for; empty otherwise.
    ended: str = ""

    def __post_init__(self) -> None:
        #: The journal as Optuna reads it, with the drawn values as in `Space.distributions`.
        self.study = _open_study(self.path / _JOURNAL, self.space, is_hyperband=self.algorithm == "hyperband")
        self._counts: dict[str, int] = {}

    @property
    def trials(self) -> list[Trial]:
        """Trials in the order in which they began."""
        return [self._describe(trial) for trial in self.study.trials]

    @property
    def ranking(self) -> list[Trial]:
        """Finished trials, then all others; the lowest validation loss first."""

        def place(trial: Trial) -> tuple[bool, float]:
            return trial.status != "finished", math.inf if trial.val_loss is None else trial.val_loss

        return sorted(self.trials, key=place)

    def run_trial(self, n_trials: int) -> bool:
        """Train one trial that no other worker trains; False if there is none."""
        with ExitStack() as claim:
            # One worker at a time chooses, and keeps the trial until it is trained.
            with locked(self.path, wait=True):
                for number in self._candidates(n_trials):
                    with suppress(filelock.Timeout):
                        claim.enter_context(filelock.FileLock(f"{self._run(number)}.lock", blocking=False))
                        # Another worker may just have finished it.
                        if (trial := self.study.trials[number]).state == TrialState.RUNNING:
                            break
                else:
                    return False
            self._train(trial)
        return True

    def _candidates(self, n_trials: int) -> Iterator[int]:
        trials = self.study.trials
        yield from (trial.number for trial in trials if trial.state == TrialState.RUNNING)
        if len(trials) < n_trials and (drawn := self._propose(trials)) is not None:
            notes, space = {"trainable_parameters": self._count(drawn)}, self.space.distributions
            begun = create_trial(state=TrialState.RUNNING, params=drawn, distributions=space, user_attrs=notes)
            self.study.add_trial(begun)
            yield len(trials)

    def _propose(self, trials: list[FrozenTrial]) -> dict[str, Any] | None:
        """Draw a new combination that can be trained; it depends on the seed and the trials so far alone."""
        seed = int(np.random.SeedSequence([self.seed, len(trials)]).generate_state(1)[0])
        at_random = optuna.samplers.RandomSampler(seed)
        parzen = optuna.samplers.TPESampler(n_startup_trials=3 * len(self.space.parameters), seed=seed)
        # In memory, so that refused draws do not become trials.
        study = optuna.create_study(sampler=parzen if self.algorithm == "bayesian" else at_random)
        study.add_trials(trials)
        tried = {json.dumps(trial.params, sort_keys=True) for trial in trials}
        n_refused, nearest, refusal = 0, None, None
        for i in range(_MAX_DRAWS):
            if i == _MAX_FAVOURITES:
                study.sampler = at_random
            draw = study.ask(self.space.distributions)
            study.tell(draw, state=TrialState.FAIL)
            if (key := json.dumps(draw.params, sort_keys=True)) in tried:
                continue
            tried.add(key)
            try:
                n_parameters = self._count(draw.params)
            except ValueError as error:
                refusal = error
            else:
                excess = self.space.trainable_parameters.excess(n_parameters)
                if excess <= 1:
                    return draw.params
                nearest = min(nearest or (math.inf, 0), (excess, n_parameters))
            n_refused += 1
            if n_refused == _MAX_REFUSED:
                break
        is_exhausted = n_refused < _MAX_REFUSED
        self.ended = "every combination has been tried" if is_exhausted else f"{_MAX_REFUSED} draws gave no new one"
        if nearest:
            self.ended += f" with {self.space.trainable_parameters}; the nearest had {nearest[1]:,}"
        if refusal:
            self.ended += f"; others were refused ({refusal})"
        return None

    def _count(self, drawn: dict[str, Any]) -> int:
        """Count trainable parameters; raises ValueError if the model refuses the values."""
        preset = override(self.space.base, self.space.decode(drawn))
        # Most parameters do not change the model, and large models take their time.
        key = json.dumps([preset.kind, preset.model, preset.encoder_layer], sort_keys=True)
        if key not in self._counts:
            size, n_genres = self.dataset.features.segment_shape[:2], len(self.dataset.recipe.genres)
            self._counts[key] = count_parameters(preset, input_size=size, n_genres=n_genres).trainable
        return self._counts[key]

    def _train(self, chosen: FrozenTrial) -> None:
        values, run = self.space.decode(chosen.params), self._run(chosen.number)
        self.progress.start_trial(chosen.number, values, chosen.user_attrs["trainable_parameters"])
        # What the last trials left in Keras would add up.
        keras.utils.clear_session(free_memory=True)
        preset = override(self.space.base, values)
        trial = optuna.Trial(self.study, chosen._trial_id)
        reporter = _Reporter(trial, preset.epochs, self.progress)
        try:
            for row in _history(run)[len(chosen.intermediate_values) :]:
                reporter.report(row)
            history = train(preset, self.dataset, run, seed=self.seed, progress=reporter).history()
            self.study.tell(trial, min(row[OBJECTIVE] for row in history))
        except optuna.TrialPruned:
            self.study.tell(trial, state=TrialState.PRUNED)
        except _TRIAL_FAILURES as error:
            trial.set_user_attr("reason", " ".join(str(error).split()) or type(error).__name__)
            self.study.tell(trial, state=TrialState.FAIL)
        self.progress.end_trial(self._describe(self.study.trials[chosen.number]))

    def _describe(self, trial: FrozenTrial) -> Trial:
        status, run, losses = _STATUS[trial.state], self._run(trial.number), trial.intermediate_values.values()
        return Trial(
            number=trial.number,
            status=status,
            values=self.space.decode(trial.params),
            trainable_parameters=trial.user_attrs["trainable_parameters"],
            run=run,
            val_loss=min(losses, default=None) if status in ("finished", "stopped") else None,
            epochs=len(losses),
            seconds=sum(row.get("seconds", 0.0) for row in _history(run)),
            reason=trial.user_attrs.get("reason", "") if status == "failed" else "",
        )

    def _run(self, number: int) -> Path:
        return self.path / _TRIALS / f"{number:04d}"


def _history(run: Path) -> list[dict[str, float]]:
    # A run may be gone, to save space, or not have begun.
    return Run.load(run).history() if (run / "config.json").is_file() else []


class _Reporter(EpochProgress):
    """Passes on a run's progress, and tells Optuna its losses; Optuna may stop the run."""

    def __init__(self, trial: optuna.Trial, n_epochs: int, progress: EpochProgress) -> None:
        self._trial, self._n_epochs, self._progress = trial, n_epochs, progress

    def start_epoch(self, epoch: int, n_epochs: int, n_steps: int) -> None:
        self._progress.start_epoch(epoch, n_epochs, n_steps)

    def step(self, loss: float) -> None:
        self._progress.step(loss)

    def end_epoch(self, row: dict[str, float], split: str) -> None:
        self._progress.end_epoch(row, split)
        self.report(row)

    def report(self, row: dict[str, float]) -> None:
        epoch = int(row["epoch"])
        self._trial.report(row[OBJECTIVE], epoch)
        if epoch < self._n_epochs and self._trial.should_prune():
            raise optuna.TrialPruned


# --- the journal -------------------------------------------------------------------------------------------------


class _Notes(msgspec.Struct, frozen=True):
    trainable_parameters: Annotated[int, Meta(ge=0)]
    reason: str = ""


class _Record(msgspec.Struct, frozen=True):
    """What a trial of the journal holds, besides the drawn values, which Optuna checks."""

    user_attrs: _Notes
    values: Annotated[list[Finite], Meta(min_length=1, max_length=1)] | None
    intermediate_values: dict[Annotated[int, Meta(ge=1)], Finite]
    #: Hyperband's.
    system_attrs: dict[str, Finite]


def _open_study(path: Path, space: Space, *, is_hyperband: bool) -> optuna.Study:
    """Open or begin the journal; raises FormatError if it holds anything but trials of the space."""
    # Unlike Optuna's own locks, this one ends with its process. It has both methods that Optuna calls.
    lock = filelock.FileLock(f"{path}.lock")
    hyperband = optuna.pruners.HyperbandPruner(max_resource=space.base.epochs, reduction_factor=space.factor)
    try:
        with locked(path.parent, wait=True):
            with lock:
                _check_lines(path)
            storage = optuna.storages.JournalStorage(JournalFileBackend(str(path), lock))  # type: ignore[arg-type]
            study = (optuna.load_study if storage.get_all_studies() else optuna.create_study)(
                storage=storage,
                study_name="search",
                # Draws are made in `Search._propose`.
                sampler=optuna.samplers.RandomSampler(),
                pruner=hyperband if is_hyperband else optuna.pruners.NopPruner(),
            )
        if study.direction != optuna.study.StudyDirection.MINIMIZE:
            raise InputError("another objective")
        for trial in study.trials:
            fields = {name: getattr(trial, name) for name in _Record.__struct_fields__}
            convert(fields, _Record, f"trial {trial.number}")
            if trial.distributions != space.distributions or trial.state not in _STATUS:
                raise InputError(f"trial {trial.number}: its state or its parameters are not those of this search")
        # Optuna checks drawn values that are added to a study, but not those that it reads.
        optuna.create_study().add_trials(study.trials)
    except _REPLAY_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise FormatError(f"{path}: not what a search wrote ({reason}); start another search (--out)") from error
    return study


def _check_lines(path: Path) -> None:
    if not path.exists():
        return
    if path.stat().st_size > _MAX_JOURNAL_BYTES:
        raise InputError(f"larger than {_MAX_JOURNAL_BYTES} bytes")
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), start=1):
        try:
            operation = json.loads(line)["op_code"]
        except (ValueError, LookupError, TypeError, RecursionError):
            operation = None
        if operation not in (_TRIAL_OPERATIONS if number > 1 else (_CREATE_STUDY,)) or not line.endswith(b"\n"):
            raise InputError(f"line {number} is broken; if it is the last one, delete it")
