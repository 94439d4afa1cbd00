"""Do the demo tracks sound like their genres? The tagging network musicnn is asked for its first three tags of each.

    git worktree add OLD v0.1
    tfdeepviz demo-corpus CORPUS
    python -m benchmarks.demo_tags OLD/webapp/tracks webapp/tracks CORPUS

A genre is heard if one of its tags is among the first three of the network that has the tag, by mean probability
over patches of 3 s, side by side.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tfdeepviz.data.metadata import Metadata
from tfdeepviz.data.selection import Selection
from tfdeepviz.teachers.fetch import usual_place
from tfdeepviz.teachers.musicnn import NETS, PARAMS, TAGS, Answers, Musicnn

N_FIRST = 3

#: Tags that say that a track is of the genre. No tag means FMA's International; most of our styles are traditional.
EXPECTED = {
    "Electronic": ("msd/electronic", "msd/electronica", "msd/electro", "msd/dance", "msd/House"),
    "Experimental": ("msd/experimental", "msd/ambient"),
    "Folk": ("msd/folk", "msd/acoustic"),
    "Hip-Hop": ("msd/Hip-Hop",),
    "Instrumental": ("msd/instrumental", "mtt/classical"),
    "International": ("mtt/indian", "mtt/sitar", "msd/folk"),
    "Pop": ("msd/pop",),
    "Rock": ("msd/rock",),
}


def first_tags(answers: Answers) -> dict[str, list[tuple[str, float]]]:
    """The first tags of each network, with their mean probabilities over the patches."""
    means = dict(zip(TAGS, answers.tags.mean(axis=0, dtype=np.float64).tolist(), strict=True))
    by_net = {net: [(tag, share) for tag, share in means.items() if tag.startswith(f"{net}/")] for net in NETS}
    return {net: sorted(tags, key=lambda item: -item[1])[:N_FIRST] for net, tags in by_net.items()}


def tracks(root: Path) -> Iterator[tuple[str, Path]]:
    """Genre and path of the tracks of a playground's folder, or of a corpus."""
    if (root / "index.json").is_file():
        for track in json.loads((root / "index.json").read_text(encoding="utf-8"))["tracks"]:
            yield track["genre"], root / track["file"]
    else:
        for track in sorted(Selection().tracks(Metadata.load(root)), key=lambda track: (track.genre, track.track_id)):
            yield track.genre, root / track.path


def report(root: Path, teacher: Musicnn) -> None:
    """Print a table of the tracks, then the share of those whose genre is heard."""
    print(f"\n{root}\n\n| Genre | Million Song Dataset | MagnaTagATune | Heard |\n|---|---|---|---|")
    heard: dict[str, list[bool]] = {}
    for genre, path in tracks(root):
        first = first_tags(teacher.hear(path, PARAMS.segment_seconds))
        is_heard = any(tag in EXPECTED[genre] for tags in first.values() for tag, _ in tags)
        heard.setdefault(genre, []).append(is_heard)
        named = (", ".join(f"{tag[4:]} {share:.2f}" for tag, share in first[net]) for net in NETS)
        print(f"| {genre} | {' | '.join(named)} | {'yes' if is_heard else 'no'} |", flush=True)
    print("\n" + ", ".join(f"{genre} {sum(each)} of {len(each)}" for genre, each in heard.items()))
    every = [is_heard for each in heard.values() for is_heard in each]
    print(f"Heard: {sum(every)} of {len(every)} ({np.mean(every):.0%})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("roots", metavar="DIR", type=Path, nargs="+", help="playground tracks, or a demo corpus")
    parser.add_argument("--teacher-file", type=Path, default=usual_place(), help="wheel of musicnn")
    args = parser.parse_args()
    teacher = Musicnn.load(args.teacher_file)
    for root in args.roots:
        report(root, teacher)


if __name__ == "__main__":
    main()
