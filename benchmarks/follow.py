"""Does each picture follow the music? Frames of real songs, measured beside other visualisers: `make follow`.

    python -m benchmarks.follow --fma-root DIR [--tracks 20] [--pictures bar,waves] [--no-calm] [--no-peers]

Draws twenty seconds of each song as the player does (benchmarks/follow.mjs), except films that exist and would come out
the same. Writes follow.json, follow.md and film strips; fails if a target is missed.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks import follow_measures
from benchmarks.corpus import add_corpus_argument
from benchmarks.follow_clips import SEED, SILENT_SECONDS, Clip, bands_of, choose_strips, cut_clips, digest, order_tracks
from benchmarks.follow_measures import (
    FRAMES_PER_SECOND,
    Followed,
    Frames,
    Heard,
    changes,
    hear,
    measure,
    summarize,
)
from benchmarks.follow_report import Row, misses_of, misses_of_all, report, table_of
from benchmarks.follow_strips import Strip, draw_sheet, draw_strip
from tfdeepviz.analysis.sound import Floats
from tfdeepviz.data.metadata import Metadata
from tfdeepviz.data.selection import Selection
from tfdeepviz.errors import InputError, TfdeepvizError
from tfdeepviz.files import atomic_path, read_json, write_json
from tfdeepviz.mapping import quality

_ROOT = Path(__file__).resolve().parent.parent

_WIDTH, _HEIGHT = 64, 36
_STRIP_WIDTH, _STRIP_HEIGHT, _STRIP_EVERY = 160, 90, 3
_STRIP_FIRST_SECONDS, _STRIP_SECONDS = 5, 10


def main() -> int:
    try:
        return run(_arguments())
    except TfdeepvizError as error:
        print(f"follow: {error}", file=sys.stderr)
        return 2


def run(args: argparse.Namespace) -> int:
    if args.fma_root is None:
        raise InputError("name a folder with FMA's audio and metadata: --fma-root DIR, or make follow FMA_ROOT=DIR")
    pictures = args.pictures and tuple(args.pictures.split(","))
    out = args.out.resolve()
    tracks = order_tracks(Selection().tracks(Metadata.load(Path(args.fma_root))))
    clips = cut_clips(tracks, args.tracks, args.seconds, out / "clips")
    n_frames = args.seconds * FRAMES_PER_SECOND
    heard = {clip.name: hear(clip.pcm, n_frames) for clip in clips}
    strips = choose_strips(clips, heard) if args.strips else {}
    bands = bands_of(clips, tracks, out / "clips") if args.peers else {}
    plan = {
        "fmaRoot": str(Path(args.fma_root).resolve()),
        "films": str(out / "films"),
        "clipFolder": str(out / "clips"),
        "pictures": pictures or None,
        "calm": args.calm,
        "peers": args.peers,
        "redo": args.redo,
        "nPages": min(args.pages, len(clips)),
        "shots": {
            "music": _shot(0, n_frames),
            "silence": _shot(n_frames, SILENT_SECONDS * FRAMES_PER_SECOND),
        },
        "stripShot": _shot(
            min(_STRIP_FIRST_SECONDS, max(0, args.seconds - _STRIP_SECONDS)) * FRAMES_PER_SECOND,
            min(_STRIP_SECONDS, args.seconds) * FRAMES_PER_SECOND,
            width=_STRIP_WIDTH,
            height=_STRIP_HEIGHT,
            every=_STRIP_EVERY,
        ),
        "strips": list(strips),
        "clips": [
            {
                "name": clip.name,
                "music": str(clip.music),
                "silent": str(clip.silent),
                "bands": str(bands[clip.name]) if args.peers else None,
            }
            for clip in clips
        ],
    }
    write_json(out / "plan.json", plan)
    rows, is_whole = measure_films(out, plan, clips, heard, strips)
    misses = [miss for row in rows if row.kind == "picture" for miss in misses_of(row)]
    if is_whole:
        misses += misses_of_all([row for row in rows if row.kind == "picture"])
    write_json(out / "follow.json", report(args, clips, rows, misses))
    table = table_of(clips, rows, misses)
    with atomic_path(out / "follow.md") as temporary:
        temporary.write_text(table)
    print(table)
    for row in rows:
        print(f"{row.name}: drawn in {row.ms_per_frame:.1f} ms a frame")
    return 1 if is_whole and misses else 0


def measure_films(
    out: Path, plan: dict[str, Any], clips: Sequence[Clip], heard: dict[str, Heard], strips: dict[str, str]
) -> tuple[list[Row], bool]:
    """Draw missing films and the strips, and measure each film; also tell whether these are all pictures."""
    by_name = {clip.name: clip for clip in clips}
    artists = [str(clip.track.artist_id) for clip in clips]
    followed: dict[str, dict[str, Followed]] = defaultdict(dict)
    draw_ms: dict[str, list[float]] = defaultdict(list)
    changed: dict[tuple[str, str], Floats] = {}
    drawn: dict[str, list[Strip]] = defaultdict(list)
    titles = {name: f"{by_name[name].title} ({what})" for name, what in strips.items()}
    messages = _draw(out / "plan.json")
    begin = next(messages)
    with tqdm(total=begin["nFilms"] + begin["nStrips"], unit="film", smoothing=0.05) as progress:
        for message in messages:
            row, clip = message["row"], by_name[message["clip"]]
            progress.set_postfix_str(f"{row}, {clip.name}")
            if message["kind"] == "film":
                music = _frames(message["music"], plan["shots"]["music"])
                if clip.name in strips:
                    changed[row, clip.name] = changes(music)
                followed[row][clip.name] = _measured(out, message, music, plan, heard[clip.name])
                n_frames = sum(plan["shots"][part]["count"] for part in ("music", "silence"))
                draw_ms[row].append(message["drawMs"] / n_frames)
            else:
                shot = plan["stripShot"]
                strip = Strip(
                    picture=row,
                    pcm=clip.pcm,
                    change=changed[row, clip.name],
                    frames=_frames(message["strip"], shot),
                    first_seconds=shot["first"] / FRAMES_PER_SECOND,
                    step_seconds=shot["every"] / FRAMES_PER_SECOND,
                )
                draw_strip(strip, f"{row}: {titles[clip.name]}", out / "strips" / f"{row}-{strips[clip.name]}.jpg")
                drawn[clip.name].append(strip)
            progress.update()
    for name, sheet in drawn.items() if begin["all"] else ():
        draw_sheet(sheet, titles[name], out / "strips" / f"all-{strips[name]}.jpg")
    rows = [
        Row(
            name=row["name"],
            kind=row["kind"],
            followed=followed[row["name"]],
            ms_per_frame=float(np.mean(draw_ms[row["name"]])),
            summary=summarize([followed[row["name"]][clip.name] for clip in clips], artists, SEED),
        )
        for row in begin["rows"]
    ]
    return rows, begin["all"]


def _draw(plan: Path) -> Iterator[dict[str, Any]]:
    """Run benchmarks/follow.mjs and yield its messages as they come."""
    environment = {**os.environ, "TFDEEPVIZ_PYTHON": sys.executable}
    command = ["node", str(_ROOT / "benchmarks" / "follow.mjs"), str(plan)]
    # It ends when its standard input closes, so it never outlives this process.
    with subprocess.Popen(
        command, cwd=_ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as node:
        assert node.stdout is not None
        for line in node.stdout:
            yield json.loads(line)
    if node.returncode:
        raise InputError(f"benchmarks/follow.mjs failed ({node.returncode}); its message is above")


def _frames(path: str, shot: dict[str, int]) -> Frames:
    count = -(-shot["count"] // shot["every"])
    return np.fromfile(path, np.uint8).reshape(count, shot["height"], shot["width"], 3)


def _measured(out: Path, film: dict[str, Any], music: Frames, plan: dict[str, Any], heard: Heard) -> Followed:
    """Measure a film, or read its measures if they exist."""
    measures = digest("".join(inspect.getsource(module) for module in (follow_measures, quality)).encode())
    path = out / "films" / f"{film['stem']}-{measures}.measured.json"
    if path.exists():
        return Followed(**read_json(path))
    followed = measure(music, _frames(film["silence"], plan["shots"]["silence"]), heard)
    write_json(path, asdict(followed))
    return followed


def _shot(first: int, count: int, *, width: int = _WIDTH, height: int = _HEIGHT, every: int = 1) -> dict[str, int]:
    size = {"width": width, "height": height}
    return {**size, "framesPerSecond": FRAMES_PER_SECOND, "first": first, "count": count, "every": every}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add_corpus_argument(parser)
    parser.add_argument("--tracks", type=int, default=20, help="how many, each of another artist")
    parser.add_argument("--pictures", help="only these, between commas; by default all")
    parser.add_argument("--seconds", type=int, default=20, help="of each track")
    parser.add_argument("--out", type=Path, default=_ROOT / "build" / "follow")
    parser.add_argument(
        "--pages", type=int, default=min(4, os.cpu_count() or 1), help="browsers that draw side by side"
    )
    parser.add_argument("--redo", action="store_true", help="draw everything again")
    for name, what in (
        ("calm", "the calm form of each picture"),
        ("peers", "other visualisers"),
        ("strips", "film strips of three songs"),
    ):
        option = argparse.BooleanOptionalAction
        parser.add_argument(f"--{name}", action=option, default=None, help=f"{what}; by default with all pictures")
    args = parser.parse_args()
    if args.tracks < 1 or args.seconds < 5 or args.pages < 1:
        parser.error("at least one track, 5 seconds of it and one page are needed")
    for name in ("calm", "peers", "strips"):
        if getattr(args, name) is None:
            setattr(args, name, args.pictures is None)
    return args


if __name__ == "__main__":
    sys.exit(main())
