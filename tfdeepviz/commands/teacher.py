"""Commands about teachers: fetch, listen, tags."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from tfdeepviz.commands.common import Bars, without_decoder_notes
from tfdeepviz.data.decode import AudioError
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.errors import TfdeepvizError
from tfdeepviz.reports.tables import Table
from tfdeepviz.teachers.fetch import fetch, usual_place
from tfdeepviz.teachers.musicnn import TAGS, Musicnn, check_wheel


def teacher_fetch(args: argparse.Namespace) -> None:
    """Fetch a teacher's weights."""
    out = args.out or usual_place()
    fetch(out)
    print(f"{out}: the weights of {args.teacher}, as published")


def teacher_listen(args: argparse.Namespace) -> None:
    """Hear a dataset."""
    from tfdeepviz.teachers.listening import corpus_of, listen
    from tfdeepviz.teachers.outputs import TeacherOutputs

    dataset, wheel = PreparedDataset.load(args.dataset), _wheel(args)
    root = corpus_of(dataset, args.fma_root)
    # Tracks already keep all cores busy.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    with TeacherOutputs.writing(args.out, args.hop) as outputs, without_decoder_notes(), Bars(unit="track") as bars:
        unheard = listen(
            Musicnn.load(wheel),
            dataset,
            outputs,
            root=root,
            n_workers=args.workers or os.cpu_count() or 1,
            progress=bars.of("listening"),
        )
    for track_id, reason in unheard.items():
        print(f"not heard: {track_id}: {reason}")
    print(f"{args.out}: outputs of {args.teacher} for {args.dataset}, {len(unheard)} tracks not heard")


def teacher_tags(args: argparse.Namespace) -> None:
    """Print the first tags of audio files."""
    teacher = Musicnn.load(_wheel(args))
    heard, failures = [], []
    with without_decoder_notes():
        for path in args.tracks:
            try:
                means = teacher.hear(path, max_seconds=args.max_seconds).tags.mean(axis=0)
            except (AudioError, OSError) as error:
                failures.append(str(error))
                continue
            first = means.argsort()[::-1][: args.top]
            heard.append((path, {TAGS[index]: round(float(means[index]), 4) for index in first}))
    if args.json:
        print(json.dumps([{"file": str(path), "tags": tags} for path, tags in heard], indent=2))
    else:
        rows = [[path.name, ", ".join(f"{tag} {value:.2f}" for tag, value in tags.items())] for path, tags in heard]
        print(Table(["track", "tags"], rows, n_left=2).text())
    if failures:
        raise TfdeepvizError("; ".join(failures))


def _wheel(args: argparse.Namespace) -> Path:
    wheel = args.teacher_file or usual_place()
    check_wheel(wheel)
    return Path(wheel)
