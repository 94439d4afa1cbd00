"""How well are genres told? Bundles, and the network that taught them, on the labelled clips of a dataset's split.

    git archive COMMIT webapp/registry | tar -x -C OLD      # bundles of an older version
    python -m benchmarks.genres OLD/webapp/registry/alexnet-l6/1 webapp/registry/tags/2 --dataset DS --outputs OUTPUTS

A row per encoder that gives genres, and with `--outputs` one for the teacher: a genre head, fitted to its embeddings
and tags of the training and the validation split. The answer to a clip is the mean probability over its windows.

- free: right among all genres that the row knows; a genre that it does not know is always wrong.
- of N: right among the genres of `--among` only, on the clips of these; the other probabilities are ignored.
- balanced: the same, where each of these genres counts the same, whatever its number of clips.
- calibration error: expected distance of confidence from accuracy, without an interval, because resampling inflates it.
- sure: share of the clips whose likeliest genre reaches the row's threshold, if it has one; and how many of those are
  right.

In brackets: 95 % intervals, which allow for several clips by one artist.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tfdeepviz.data.decode import decode_file
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.manifest import UsedTrack
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.errors import InputError
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.export.extract import Extractor
from tfdeepviz.files import inside
from tfdeepviz.mapping.encodings import encode_track
from tfdeepviz.models.descriptors import GENRES
from tfdeepviz.models.genre_head import Clip, fit_genre_head
from tfdeepviz.models.lessons import log_odds
from tfdeepviz.models.scores import (
    Interval,
    expected_calibration_error,
    interval_of_balanced_share,
    interval_of_share,
)
from tfdeepviz.reports.tables import Table
from tfdeepviz.teachers.listening import corpus_of
from tfdeepviz.teachers.outputs import TeacherOutputs

AMONG = ("Classical", "Electronic", "Instrumental", "Rock")

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Answers:
    """What a row says: probabilities [shape=(n_clips, n_genres)], and the least of which it is sure, if it says so."""

    name: str
    genres: Sequence[str]
    probabilities: Floats
    unsure_below: float | None


def cells(answers: Answers, clips: Sequence[UsedTrack], among: Sequence[str]) -> list[str]:
    """The row of a table: the name, then a cell for each of the columns."""
    p, names = answers.probabilities, np.array(answers.genres)
    genres, artists = np.array([clip["genre"] for clip in clips]), [clip["artist"] for clip in clips]
    right = names[p.argmax(axis=1)] == genres
    chosen, few = np.flatnonzero(np.isin(genres, among)), np.flatnonzero(np.isin(names, among))
    if not len(chosen):
        raise InputError(f"no labelled clip is {' or '.join(among)}; give other genres with --among")
    # A row that knows none of the genres is never right.
    answered = names[few][p[np.ix_(chosen, few)].argmax(axis=1)] if len(few) else np.full(len(chosen), "")
    right_of_few, kinds = answered == genres[chosen], genres[chosen].tolist()
    their_artists = [artists[i] for i in chosen]
    balanced = np.mean([right_of_few[genres[chosen] == kind].mean() for kind in set(kinds)])
    labels = np.array([answers.genres.index(genre) if genre in answers.genres else -1 for genre in genres])
    row = [
        answers.name,
        _shown(right.mean(), interval_of_share(right, artists)),
        _shown(right_of_few.mean(), interval_of_share(right_of_few, their_artists)),
        _shown(balanced, interval_of_balanced_share(right_of_few, kinds, their_artists)),
        f"{expected_calibration_error(p, labels):.3f}",
    ]
    if answers.unsure_below is None:
        return [*row, "-", "-"]
    sure = p.max(axis=1) >= answers.unsure_below
    row.append(_shown(sure.mean(), interval_of_share(sure, artists)))
    then, of_then = right[sure], [artists[i] for i in np.flatnonzero(sure)]
    return [*row, _shown(then.mean(), interval_of_share(then, of_then)) if len(then) else "-"]


def answers_of_bundle(
    bundle: Bundle, dataset: PreparedDataset, split: str, clips: Sequence[UsedTrack], fma_root: Path | None = None
) -> Iterator[Answers]:
    """What each encoder that gives genres says of clips of a split; audio is only decoded for another front end."""
    extractor, infos = Extractor(bundle), [info for info in bundle.encoders if info.genres]
    if not infos:
        return
    means: dict[str, list[Floats]] = {info.name: [] for info in infos}
    for mfcc in _mfccs(extractor, dataset, split, clips, fma_root):
        for info in infos:
            encoded = encode_track(extractor.encoders[info.name], mfcc, info.windows(bundle.params))
            assert encoded.genres is not None
            means[info.name].append(encoded.genres.mean(axis=0, dtype=np.float64))
    for info in infos:
        name = bundle.label if len(infos) == 1 else f"{bundle.label}, {info.name}"
        yield Answers(name, info.genres, np.stack(means[info.name]), info.unsure_below)


def _mfccs(
    extractor: Extractor, dataset: PreparedDataset, split: str, clips: Sequence[UsedTrack], fma_root: Path | None
) -> Iterator[npt.NDArray[np.float32]]:
    recipe, params = dataset.recipe, extractor.bundle.params
    if (dataset.features.mode, dataset.params, recipe.segments_per_track) == ("mfcc", params, None):
        wanted = {clip["track_id"] for clip in clips}
        yield from (rows for track_id, rows in dataset.tracks(split) if track_id in wanted)
        return
    root = corpus_of(dataset, fma_root)
    for clip in clips:
        path, most = inside(root, clip["path"]), clip["seconds"] + 1
        yield extractor.frontend.mfcc(decode_file(path, sample_rate_hz=params.sample_rate_hz, max_seconds=most))


def answers_of_teacher(outputs: TeacherOutputs, dataset: PreparedDataset, clips: Sequence[UsedTrack]) -> Answers:
    """What a genre head says that is fitted to the teacher's own answers, as a student's is to the student's."""
    known = [track for split in ("training", "validation") for track in dataset.used(split)]
    head = fit_genre_head([clip for track in known if (clip := _heard(outputs, track)) is not None])
    heard = [clip for track in clips if (clip := _heard(outputs, track)) is not None]
    means = [head.probabilities(clip.features, clip.log_odds).mean(axis=0) for clip in heard]
    return Answers("its teacher", GENRES, np.stack(means), head.unsure_below)


def _heard(outputs: TeacherOutputs, track: UsedTrack) -> Clip | None:
    answers = outputs.answers_to(track)
    if answers is None:
        return None
    features = answers.embeddings.astype(np.float64)
    return Clip(features, log_odds(answers.tags), genre=track["genre"], artist=track["artist"])


def _shown(share: float, interval: Interval) -> str:
    return f"{share:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "bundles", metavar="BUNDLE", type=Path, nargs="+", help="folders; those without genres are omitted"
    )
    parser.add_argument("--dataset", type=Path, required=True, help="a prepared dataset with genres")
    parser.add_argument("--outputs", type=Path, help="what the teacher said of it; adds the teacher's row")
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--among", metavar="GENRE", nargs="+", default=AMONG, help=f"default: {' '.join(AMONG)}")
    parser.add_argument("--fma-root", type=Path, help="the dataset's corpus, if it has moved")
    args = parser.parse_args(arguments)
    dataset = PreparedDataset.load(args.dataset)
    labelled = [track for track in dataset.used(args.split) if track["genre"]]
    outputs = None if args.outputs is None else TeacherOutputs.load(args.outputs)
    clips = [clip for clip in labelled if outputs is None or outputs.answers_to(clip) is not None]
    if not clips:
        raise InputError(f"{args.dataset}: the {args.split} split has no labelled clip that can be asked about")
    rows = [
        cells(answers, clips, args.among)
        for path in args.bundles
        for answers in answers_of_bundle(Bundle.load(path), dataset, args.split, clips, args.fma_root)
    ]
    if outputs is not None:
        rows.append(cells(answers_of_teacher(outputs, dataset, clips), clips, args.among))
    n_artists = len({clip["artist"] or clip["track_id"] for clip in clips})
    n_among, n_unheard = sum(clip["genre"] in args.among for clip in clips), len(labelled) - len(clips)
    print(f"{len(clips)} labelled clips of the {args.split} split by {n_artists} artists; {n_among} clips are one of")
    print(f"{', '.join(args.among)}. {n_unheard} others, which the teacher has not heard, are left out.\n")
    few = f"of {len(args.among)}"
    heads = ("genres by", "free", few, f"{few}, balanced", "calibration error", "sure", "right when sure")
    print(Table(heads, rows).markdown())


if __name__ == "__main__":
    main()
