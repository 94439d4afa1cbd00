"""Progress callbacks of trainings and searches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


class EpochProgress:
    """Progress callbacks of a training run; override the ones you need."""

    def start_epoch(self, epoch: int, n_epochs: int, n_steps: int) -> None:
        """Epoch `epoch` (from 1) of `n_epochs` begins."""

    def step(self, loss: float) -> None:
        """One batch is done; `loss` is the epoch's mean so far."""

    def end_epoch(self, row: dict[str, float], split: str) -> None:
        """The epoch is done; `row` is its row of `history.csv`, whose `val_` columns are of `split`."""


@dataclass(frozen=True)
class Trial:
    """One combination of values, and what became of it; `number` counts from 0 in the order in which trials began."""

    number: int
    status: str
    values: dict[str, Any]
    trainable_parameters: int
    run: Path
    #: Lowest over the epochs; None unless the trial finished or was stopped.
    val_loss: float | None
    epochs: int
    #: Time of the epochs, as long as the run is there.
    seconds: float
    #: Why it failed.
    reason: str


class TrialProgress(EpochProgress):
    """Progress callbacks of a search, besides those of its runs; override the ones you need."""

    def start_trial(self, number: int, values: dict[str, Any], trainable_parameters: int) -> None:
        """Trial `number` (from 0) begins, or continues."""

    def end_trial(self, trial: Trial) -> None:
        """A trial finished, failed or was stopped."""
