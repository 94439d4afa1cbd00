"""What came out of a search: a table of its trials, the best preset, and a page."""

from __future__ import annotations

import io
import json
import warnings
from typing import Any

import matplotlib as mpl
import optuna
from matplotlib import pyplot as plt
from optuna.visualization import matplotlib as plots

from tfdeepviz.artifacts import digest_of_files, finish
from tfdeepviz.files import write_json
from tfdeepviz.models.presets import override
from tfdeepviz.models.search_space import OBJECTIVE
from tfdeepviz.models.tuning import Search
from tfdeepviz.reports.charts import data_uri
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
        figures = _figures(search.study) if sum(trial.status == "finished" for trial in ranking) > 1 else {}
        page = {"search": search, "best": best, "table": table, "figures": figures, "failures": failures}
        write_page(search.path / "report.html", "search.html.jinja", **page)
        changes = {"name": f"{base.name[:57]}-tuned", "title": f"{base.title[:190]}, tuned"}
        write_json(search.path / "best.json", override(base, {**best.values, **changes}).to_dict())
    finish(search.path, digest_of_files(search.path / "trials.csv"), trials=len(ranking))
    return "\n".join([table.text(), *failures])


def _cell(value: Any) -> Cell:
    return value if isinstance(value, int | float | str) and not isinstance(value, bool) else json.dumps(value)


def _figures(study: optuna.Study) -> dict[str, str]:
    """Draw Optuna's plots as SVG images, by name."""
    style: Any = {"svg.fonttype": "none", "svg.hashsalt": "tfdeepviz", "savefig.bbox": "tight"}
    width = 2.5 * len(study.trials[0].params) + 2
    figures = {}
    with mpl.rc_context(style), warnings.catch_warnings():
        # Everything that Optuna draws with matplotlib.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        for plot in ("optimization_history", "param_importances", "slice", "parallel_coordinate"):
            getattr(plots, f"plot_{plot}")(study, target_name=OBJECTIVE)
            figure, file = plt.gcf(), io.BytesIO()
            # The page has its own titles.
            figure.suptitle("")
            for axes in figure.axes:
                axes.set_title("")
                axes.set_title("", loc="left")
            if plot in ("slice", "parallel_coordinate"):
                figure.set_size_inches(width, 4)
            figure.savefig(file, format="svg", metadata={"Date": None})
            plt.close(figure)
            figures[plot] = data_uri("image/svg+xml", file.getvalue())
    return figures
