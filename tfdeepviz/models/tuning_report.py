"""Results of a search: a table of its trials, the best preset, and a page."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna

from tfdeepviz.artifacts import digest_of_files, finish
from tfdeepviz.files import write_json
from tfdeepviz.models.presets import override
from tfdeepviz.models.progress import Trial
from tfdeepviz.models.search_space import OBJECTIVE
from tfdeepviz.models.tuning import Search
from tfdeepviz.reports.pages import write_page
from tfdeepviz.reports.tables import Cell, Table


def report(search: Search) -> str:
    """Write a search's `trials.csv` and, if a trial finished, `report.html` and `best.json`.

    `best.json` is the preset of the best trial, ready for `tfdeepviz train`. Returns a table of all trials, the best
    first, and why some failed.
    """
    # Goes first and comes last: where it is, the other files say the same.
    (search.path / "best.json").unlink(missing_ok=True)
    ranking = search.ranking
    names = list(search.space.parameters)
    heads = ["trial", "status", OBJECTIVE, "epochs", "seconds", "parameters", *names, "run", "reason"]
    rows: list[list[Cell]] = []
    for trial in ranking:
        numbers = [trial.val_loss, trial.epochs, round(trial.seconds, 1), trial.trainable_parameters]
        cells = [*(_cell(trial.values[name]) for name in names), trial.run.relative_to(search.path).as_posix()]
        rows.append([trial.number, trial.status, *numbers, *cells, trial.reason])
    Table(heads, rows).write_csv(search.path / "trials.csv")
    table = Table(heads[:-2], [row[:-2] for row in rows])
    failures = [f"trial {trial.number} failed: {trial.reason}" for trial in ranking if trial.reason]
    if ranking and (best := ranking[0]).status == "finished":
        base = search.space.base
        finished = [trial for trial in ranking if trial.status == "finished"]
        analysis = _analysis(search, finished) if len(finished) > 1 else None
        page = {"search": search, "best": best, "table": table, "failures": failures}
        page |= {"finished": finished, "analysis": analysis}
        write_page(search.path / "report.html", "search.html.jinja", **page)
        changes = {"name": f"{base.name[:57]}-tuned", "title": f"{base.title[:190]}, tuned"}
        write_json(search.path / "best.json", override(base, {**best.values, **changes}).to_dict())
    finish(search.path, digest_of_files(search.path / "trials.csv"), trials=len(ranking))
    return "\n".join([table.text(), *failures])


def _cell(value: Any) -> Cell:
    return value if isinstance(value, int | float | str) and not isinstance(value, bool) else json.dumps(value)


def _analysis(search: Search, finished: Sequence[Trial]) -> dict[str, Any]:
    """Return what the charts of finished trials, the best first, show.

    `importances` has the share of each parameter (PED-ANOVA); `points` its values, or the indices of its choices, and
    the losses [shape=(n_trials, 2)], and the choices; `shares` all values and the losses, scaled to what was tried
    [shape=(n_trials, n_parameters + 1)].
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        importances = optuna.importance.get_param_importances(search.study)
    losses = np.array([trial.val_loss for trial in finished])
    points, shares = {}, []
    for name, entry in search.space.parameters.items():
        choices, tried = list(map(json.dumps, entry.get("values", ()))), [trial.values[name] for trial in finished]
        x = np.array([choices.index(json.dumps(value)) if choices else value for value in tried], float)
        points[name] = np.stack([x, losses], axis=1), choices
        shares.append(_share(np.log(x) if entry.get("scale") == "log" else x))
    return {"importances": importances, "points": points, "shares": np.stack([*shares, _share(losses)], axis=1)}


def _share(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Scale to [0, 1]; what does not vary lies in the middle."""
    return np.divide(x - x.min(), np.ptp(x), out=np.full_like(x, 0.5), where=np.ptp(x) > 0)
