"""Evaluate finished runs: measure them on a split, and refuse encodings that carry nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tfdeepviz.artifacts import beside, digest_of_files, figures
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.errors import InputError, TfdeepvizError
from tfdeepviz.files import write_json
from tfdeepviz.models.distillation import task_of
from tfdeepviz.models.run import Run, planned_evaluation
from tfdeepviz.reports.confusion import Confusion
from tfdeepviz.reports.measures import MIN_ENCODING_STD, MIN_SHUFFLE_RISE
from tfdeepviz.reports.run import write_run_page


class CollapsedEncoderError(TfdeepvizError, RuntimeError):
    """The encoding carries no information, however low the loss."""


def evaluate(run: Run, dataset: PreparedDataset, split: str, *, out: Path | None = None) -> Path:
    """Measure a finished run on a split of a dataset; write the figures as JSON, and a page, whose path is returned.

    The dataset is the run's own, or another one with the same features; genres that the run does not know are ignored.
    By default, `SPLIT.json`, `SPLIT.html` and, for a classifier, `SPLIT-confusion.png` go to the run's `evaluation`.

    Raises FormatError if the run is not finished, or the dataset does not fit it, and InputError if the split holds
    nothing of use.
    """
    dataset.verify(only_changed=True)
    task = task_of(run, dataset)
    if split not in task.splits():
        raise InputError(f"{dataset.path}: the {split} split has no usable segments; choose {', '.join(task.splits())}")
    model = run.load_model()
    scores, examples = task.evaluate(model, split), task.examples(model, split)
    parameters, n_encodings = run.config["parameters"], task.n_encodings
    evaluation = {
        "run": {
            **{"name": run.path.resolve().name, "title": run.preset.title, "kind": run.preset.kind},
            **{"preset": run.preset.to_dict(), "trainable_parameters": parameters["trainable"]},
            **{"encoding_size": parameters["encoding_size"], "encoder_layer": run.preset.encoder_layer},
            **{
                "encodings_per_segment": n_encodings,
                "encoding_seconds": task.dataset.params.segment_seconds / n_encodings,
            },
            **{"epochs": len(run.history()), "dataset_name": dataset.name, "dataset_digest": dataset.identity},
            **{"seed": run.config["seed"], "code_version": run.record.code_version},
        },
        **{"split": split, "n_tracks": scores["n_tracks"], "n_segments": scores["n_segments"], "scores": scores},
        "encoding": {"encoding_std": scores["encoding_std"], "collapsed": bool(_collapse(scores, split))},
        "history": run.history(),
    }
    out = run.path / "evaluation" if out is None else out
    record = planned_evaluation(run, dataset, split, out)
    # Goes first and comes last: where it is, the other files say the same.
    (out / f"{split}.json").unlink(missing_ok=True)
    if "confusion" in scores:
        Confusion(scores).draw(out / f"{split}-confusion.png")
    page = out / f"{split}.html"
    write_run_page(evaluation, examples, page)
    write_json(out / f"{split}.json", evaluation)
    record.finished(digest_of_files(page), **figures({split: scores})).write(beside(page))
    return page


def refuse_collapsed(metrics: dict[str, Any]) -> None:
    """Raise `CollapsedEncoderError` if, by a run's metrics, its encoding is dead or unused.

    The validation split is checked if there is one, else the training split.
    """
    split = "validation" if "validation" in metrics else "training"
    if reason := _collapse(metrics[split], split):
        raise CollapsedEncoderError(f"{reason}; train longer, with more tracks or the modern recipe (docs/models.md)")


def _collapse(scores: dict[str, Any], split: str) -> str:
    """Say why the encoding of a split carries nothing; empty if it is alive and used."""
    std = scores["encoding_std"]
    if dead := [str(i) for i, value in enumerate(std) if value < MIN_ENCODING_STD]:
        return (
            f"{len(dead)} of {len(std)} components of the encoding are dead on the {split} split (standard deviation "
            f"below {MIN_ENCODING_STD}): {', '.join(dead[:10])}{' ...' if len(dead) > 10 else ''}"
        )
    if scores.get("shuffle_rise", np.inf) < MIN_SHUFFLE_RISE:
        return (
            f"the decoder does not use the encoding: exchanging it raises the loss on the {split} split by only "
            f"{scores['shuffle_rise']:.1%} (at least {MIN_SHUFFLE_RISE:.0%} is needed)"
        )
    return ""
