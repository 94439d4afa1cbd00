"""Measure a finished run on a split of a dataset."""

from __future__ import annotations

from pathlib import Path

from tfdeepviz.artifacts import Artifact, Input, beside, digest_of_files, figures
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.errors import InputError
from tfdeepviz.files import write_json
from tfdeepviz.models.distillation import task_of
from tfdeepviz.models.evaluation import CollapsedEncoderError, refuse_collapsed
from tfdeepviz.models.run import Run
from tfdeepviz.models.tasks import AutoencoderTask
from tfdeepviz.reports.confusion import Confusion
from tfdeepviz.reports.run import write_run_page


def evaluate(run: Run, dataset: PreparedDataset, split: str, *, out: Path | None = None) -> Path:
    """Measure a finished run on a split of a dataset; write the figures as JSON, and a page beside them.

    The dataset is the run's own, or another one with the same features; genres that the run does not know are ignored.
    By default, `SPLIT.json`, `SPLIT.html` and, for a classifier, `SPLIT-confusion.png` go to the run's `evaluation`.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    FormatError
        If the run is not finished, or the dataset does not fit it.
    InputError
        If the split holds nothing of use.
    """
    dataset.verify(only_changed=True)
    task = task_of(run, dataset)
    if split not in task.splits():
        raise InputError(f"{dataset.path}: the {split} split holds nothing of use; choose {', '.join(task.splits())}")
    model = run.load_model()
    scores = task.evaluate(model, split)
    parameters, examples = run.config["parameters"], task.examples(model, split)
    n_encodings = task.n_encodings if isinstance(task, AutoencoderTask) else 1
    try:
        refuse_collapsed({split: scores}, split)
        collapsed = False
    except CollapsedEncoderError:
        collapsed = True
    evaluation = {
        "run": {
            **{"name": run.path.resolve().name, "title": run.preset.title, "kind": run.preset.kind},
            **{"preset": run.preset.to_dict(), "trainable_parameters": parameters["trainable"]},
            **{"encoding_size": parameters["encoding_size"], "encoder_layer": run.preset.encoder_layer},
            **{"encodings_per_segment": n_encodings, "encoding_seconds": dataset.params.segment_seconds / n_encodings},
            **{"epochs": len(run.history()), "dataset_name": dataset.name, "dataset_digest": dataset.identity},
            **{"seed": run.config["seed"], "code_version": run.record.code_version},
        },
        **{"split": split, "n_tracks": scores["n_tracks"], "n_segments": scores["n_segments"], "scores": scores},
        "encoding": {"encoding_std": scores["encoding_std"], "collapsed": collapsed},
        "history": run.history(),
    }
    out = run.path / "evaluation" if out is None else out
    record = planned_evaluation(run, dataset, split, out)
    # Goes first and comes last: where it is, the other files say the same.
    (out / f"{split}.json").unlink(missing_ok=True)
    if "confusion" in scores:
        Confusion.of(scores).draw(out / f"{split}-confusion.png")
    write_run_page(evaluation, examples, out / f"{split}.html")
    write_json(out / f"{split}.json", evaluation)
    page = out / f"{split}.html"
    record.finished(digest_of_files(page), **figures({split: scores})).write(beside(page))
    return page


def planned_evaluation(run: Run, dataset: PreparedDataset, split: str, out: Path) -> Artifact:
    """Return the record of what `evaluate` writes."""
    inputs = [Input.of(run, seen_from=out), Input.of(dataset, seen_from=out)]
    return Artifact.planned("evaluation", f"{run.path.resolve().name}, {split} split", {"split": split}, inputs)
