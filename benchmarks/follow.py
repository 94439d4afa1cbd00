"""Does each picture follow the music? Frames of real songs, measured beside other visualisers: `make follow`.

    python -m benchmarks.follow --fma-root DIR [--tracks 20] [--pictures bar,waves] [--no-calm] [--no-peers]

Twenty seconds of each song are drawn as the player draws them (benchmarks/follow.mjs). What is drawn already and would
come out the same is not drawn again. Writes follow.json, follow.md and film strips; fails where a target is missed.
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
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import soundfile
from tqdm import tqdm

from benchmarks.corpus import add_corpus_argument
from benchmarks.follow_strips import Strip, draw_sheet, draw_strip
from tfdeepviz.analysis import following
from tfdeepviz.analysis.following import (
    FRAMES_PER_SECOND,
    Followed,
    Frames,
    Heard,
    Summary,
    changes,
    hear,
    measure,
    summarize,
)
from tfdeepviz.analysis.sound import RATE_HZ, Floats, Pcm, Sound
from tfdeepviz.data.decode import AudioError, decode_file
from tfdeepviz.data.fma import Track
from tfdeepviz.data.metadata import Metadata
from tfdeepviz.data.selection import Selection
from tfdeepviz.errors import InputError, TfdeepvizError
from tfdeepviz.files import atomic_path, read_json, write_json
from tfdeepviz.mapping import quality
from tfdeepviz.params import LIVE

_ROOT = Path(__file__).resolve().parent.parent
_SEED = 0

_WIDTH, _HEIGHT = 64, 36
#: Of a clip in its track.
_FIRST_SECONDS = 5
_SILENT_SECONDS = 4

_STRIP_WIDTH, _STRIP_HEIGHT, _STRIP_EVERY = 160, 90, 3
_STRIP_FIRST_SECONDS, _STRIP_SECONDS = 5, 10
#: Tempi between 240 and 60 beats a minute.
_BEAT_SECONDS = (0.25, 1.0)

#: Training tracks that scale the ten bands.
_N_FITTED_TRACKS = 32

#: What pictures should reach: means over the clips, the median of the lag.
_FOLLOWING, _N_FOLLOWING, _LEAST_FOLLOWING = 0.40, 6, 0.30
_LEAST_Z = 2.0
_LONGEST_LAG_SECONDS = 2 / FRAMES_PER_SECOND
_ENERGY, _STILLNESS, _VISIBILITY, _FLASHES = 0.6, 0.15, 2.0, 3


@dataclass(frozen=True)
class Clip:
    """Seconds of a track, as a file, and the same with silence after it."""

    track: Track
    pcm: Pcm
    music: Path
    silent: Path

    @property
    def name(self) -> str:
        """Names its files."""
        return f"{self.track.track_id:06d}"

    @property
    def title(self) -> str:
        """What people read."""
        return f"{self.track.title}, {self.track.artist}"


@dataclass(frozen=True)
class Row:
    """A line of the table: a picture, its calm form, or a peer."""

    name: str
    kind: str
    followed: dict[str, Followed]
    ms_per_frame: float
    summary: Summary


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
            "silence": _shot(n_frames, _SILENT_SECONDS * FRAMES_PER_SECOND),
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


# --- sound -------------------------------------------------------------------------------------------------------


def order_tracks(tracks: Sequence[Track]) -> list[Track]:
    """Tracks of different artists in random order, the genres in turn, those that no model was trained on first."""

    def rank(track: Track) -> str:
        return _digest(f"{_SEED} follow {track.track_id}".encode())

    order: list[Track] = []
    for is_training in (False, True):
        queues: dict[str, list[Track]] = defaultdict(list)
        for track in sorted(tracks, key=rank, reverse=True):
            if (track.split == "training") == is_training:
                queues[track.genre].append(track)
        while any(queues.values()):
            for genre in sorted(queues):
                known = {track.artist_id for track in order}
                while queues[genre] and queues[genre][-1].artist_id in known:
                    queues[genre].pop()
                if queues[genre]:
                    order.append(queues[genre].pop())
    return order


def cut_clips(tracks: Sequence[Track], n_clips: int, seconds: int, folder: Path) -> list[Clip]:
    """Cut clips out of the first tracks that are long enough."""
    folder.mkdir(parents=True, exist_ok=True)
    clips: list[Clip] = []
    for track in tracks:
        if len(clips) == n_clips:
            break
        try:
            whole = decode_file(track.path, sample_rate_hz=RATE_HZ)
        except (AudioError, OSError) as error:
            print(f"follow: left out: {error}", file=sys.stderr)
            continue
        pcm = whole[_FIRST_SECONDS * RATE_HZ : (_FIRST_SECONDS + seconds) * RATE_HZ]
        if len(pcm) < seconds * RATE_HZ:
            continue
        music, silent = (folder / f"{track.track_id:06d}-{kind}.wav" for kind in ("music", "silent"))
        _write_wav(music, pcm)
        _write_wav(silent, _with_silence(pcm))
        clips.append(Clip(track, pcm, music, silent))
    if not clips:
        raise InputError(f"no track lasts {_FIRST_SECONDS + seconds} s; choose another corpus, or fewer --seconds")
    if len(clips) < n_clips:
        print(f"follow: {len(clips)} tracks of different artists, not {n_clips}", file=sys.stderr)
    return clips


def choose_strips(clips: Sequence[Clip], heard: dict[str, Heard]) -> dict[str, str]:
    """Choose up to three clips by their sound; what each is chosen for, by its name."""

    def loudness(clip: Clip) -> float:
        return float(np.square(clip.pcm, dtype=np.float64).mean())

    def rhythm(clip: Clip) -> float:
        """How much the onsets resemble themselves a beat later, at the tempo that suits them best."""
        onset = heard[clip.name].onset - heard[clip.name].onset.mean()
        lags = range(*(round(seconds * FRAMES_PER_SECOND) for seconds in _BEAT_SECONDS))
        return max(float(onset[lag:] @ onset[:-lag]) for lag in lags) / max(float(onset @ onset), 1e-9)

    chosen: dict[str, str] = {}
    for what, value in (("rhythmic", rhythm), ("loudest", loudness), ("quietest", lambda clip: -loudness(clip))):
        left = [clip for clip in clips if clip.name not in chosen]
        if left:
            chosen[max(left, key=value).name] = what
    return chosen


def bands_of(clips: Sequence[Clip], tracks: Sequence[Track], folder: Path) -> dict[str, Path]:
    """Write each clip's ten band energies as the quality table's baseline has them, silence included."""
    # Not before it is needed: it takes TensorFlow along.
    from tfdeepviz.analysis import drivers

    fitted = [track for track in tracks if track.split == "training"][:_N_FITTED_TRACKS] or list(tracks)
    made_of = [inspect.getsource(drivers), *(str(track.path) for track in fitted), str(len(clips[0].pcm))]
    key = _digest("\n".join(made_of).encode())
    paths = {clip.name: folder / f"{clip.name}-bands-{key}.json" for clip in clips}
    if not all(path.exists() for path in paths.values()):
        sounds = (
            Sound(track.track_id, decode_file(track.path, sample_rate_hz=RATE_HZ))
            for track in tqdm(fitted, desc="ten bands", unit="track")
        )
        source = drivers.BaselineSource.fit(sounds, floor_db=LIVE.floor_db)
        step = 1 / quality.FRAMES_PER_SECOND
        for clip in clips:
            rows = next(source.play(Sound(clip.track.track_id, _with_silence(clip.pcm))))
            write_json(paths[clip.name], {"rows": rows.tolist(), "stepSeconds": step})
    return paths


def _with_silence(pcm: Pcm) -> Pcm:
    return np.concatenate([pcm, np.zeros(_SILENT_SECONDS * RATE_HZ, np.float32)])


def _write_wav(path: Path, pcm: Pcm) -> None:
    with atomic_path(path) as temporary:
        soundfile.write(temporary, pcm, RATE_HZ, format="WAV", subtype="PCM_16")


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:16]


# --- films -------------------------------------------------------------------------------------------------------


def measure_films(
    out: Path, plan: dict[str, Any], clips: Sequence[Clip], heard: dict[str, Heard], strips: dict[str, str]
) -> tuple[list[Row], bool]:
    """Draw what is missing, measure it as it comes, draw the strips; whether these are all pictures."""
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
            summary=summarize([followed[row["name"]][clip.name] for clip in clips], artists, _SEED),
        )
        for row in begin["rows"]
    ]
    return rows, begin["all"]


def _draw(plan: Path) -> Iterator[dict[str, Any]]:
    """What benchmarks/follow.mjs says; it goes on drawing meanwhile."""
    environment = {**os.environ, "TFDEEPVIZ_PYTHON": sys.executable}
    command = ["node", str(_ROOT / "benchmarks" / "follow.mjs"), str(plan)]
    # Its input is held open: it ends with it, however we do.
    with subprocess.Popen(
        command, cwd=_ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as node:
        assert node.stdout is not None
        for line in node.stdout:
            yield json.loads(line)
    if node.returncode:
        raise InputError(f"benchmarks/follow.mjs failed ({node.returncode}); what it said is above")


def _frames(path: str, shot: dict[str, int]) -> Frames:
    count = -(-shot["count"] // shot["every"])
    return np.fromfile(path, np.uint8).reshape(count, shot["height"], shot["width"], 3)


def _measured(out: Path, film: dict[str, Any], music: Frames, plan: dict[str, Any], heard: Heard) -> Followed:
    """Measure a film, or read what was measured of it."""
    measures = _digest("".join(inspect.getsource(module) for module in (following, quality)).encode())
    path = out / "films" / f"{film['stem']}-{measures}.measured.json"
    if path.exists():
        return Followed(**read_json(path))
    followed = measure(music, _frames(film["silence"], plan["shots"]["silence"]), heard)
    write_json(path, asdict(followed))
    return followed


def _shot(first: int, count: int, *, width: int = _WIDTH, height: int = _HEIGHT, every: int = 1) -> dict[str, int]:
    size = {"width": width, "height": height}
    return {**size, "framesPerSecond": FRAMES_PER_SECOND, "first": first, "count": count, "every": every}


# --- report ------------------------------------------------------------------------------------------------------


def misses_of(row: Row) -> list[str]:
    """What a picture misses by itself."""
    means = row.summary.means
    lag = means["lag_seconds"]
    found = [
        (means["onset"] < _LEAST_FOLLOWING, f"follows onsets by {means['onset']:.2f}, not {_LEAST_FOLLOWING:.2f}"),
        (means["z"] < _LEAST_Z, f"z is {means['z']:.1f}, not {_LEAST_Z:g}"),
        (
            not 0 <= lag < _LONGEST_LAG_SECONDS + 1e-9,
            f"comes {1_000 * lag:.0f} ms after the sound, not 0 to {1_000 * _LONGEST_LAG_SECONDS:.0f}",
        ),
        (means["energy"] < _ENERGY, f"follows loudness by {means['energy']:.2f}, not {_ENERGY:g}"),
        (means["stillness"] >= _STILLNESS, f"moves {means['stillness']:.2f} in silence, not below {_STILLNESS:g}"),
        (means["visibility"] < _VISIBILITY, f"shows onsets by {means['visibility']:.1f} JND, not {_VISIBILITY:g}"),
        (means["flashes"] > _FLASHES, f"flashes {means['flashes']:.0f} times in a second, not {_FLASHES}"),
    ]
    return [f"{row.name} {words}" for is_missed, words in found if is_missed]


def misses_of_all(rows: Sequence[Row]) -> list[str]:
    """What the pictures miss together."""
    well = [row.name for row in rows if row.summary.means["onset"] >= _FOLLOWING]
    if len(well) >= _N_FOLLOWING:
        return []
    return [f"{len(well)} pictures follow onsets by {_FOLLOWING:.2f} ({', '.join(well) or 'none'}), not {_N_FOLLOWING}"]


def report(
    args: argparse.Namespace, clips: Sequence[Clip], rows: Sequence[Row], misses: Sequence[str]
) -> dict[str, Any]:
    """Everything, for JSON."""
    return {
        "seconds": args.seconds,
        "frames_per_second": FRAMES_PER_SECOND,
        "tracks": [
            {
                "id": clip.track.track_id,
                **{name: getattr(clip.track, name) for name in ("title", "artist", "genre", "split")},
            }
            for clip in clips
        ],
        "rows": [
            {
                "name": row.name,
                "kind": row.kind,
                "ms_per_frame": row.ms_per_frame,
                **asdict(row.summary),
                "tracks": {name: asdict(followed) for name, followed in row.followed.items()},
            }
            for row in rows
        ],
        "misses": list(misses),
    }


def table_of(clips: Sequence[Clip], rows: Sequence[Row], misses: Sequence[str]) -> str:
    """A table in Markdown, and what is missed."""

    def cells(row: Row) -> list[str]:
        means, intervals = row.summary.means, row.summary.intervals

        def over_tracks(name: str, digits: int) -> str:
            low, high = intervals[name]
            return f"{means[name]:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"

        return [
            row.name,
            over_tracks("onset", 2),
            f"{means['z']:.1f}",
            f"{1_000 * means['lag_seconds']:.0f} ms",
            over_tracks("energy", 2),
            over_tracks("stillness", 2),
            over_tracks("visibility", 1),
            f"{means['visibility_ratio']:.1f}",
            f"{means['flashes']:.0f}",
            f"{means['change']:.2f}",
            f"{means['luma']:.0f}",
            f"{means['flow']:.1f}",
        ]

    columns = (
        *("picture", "onsets", "z", "lag", "energy", "in silence", "visibility (JND)", "times usual", "flashes"),
        *("change", "luma", "flow"),
    )
    lines = [columns, ["---"] * len(columns), *(cells(row) for row in rows)]
    genres = sorted({clip.track.genre or "unknown" for clip in clips})
    return "\n".join(
        [
            *(f"| {' | '.join(line)} |" for line in lines),
            "",
            f"{len(clips)} clips of {len(clips[0].pcm) / RATE_HZ:.0f} s ({', '.join(genres)}). In brackets: 95 % "
            "intervals over artists. Change in 8-bit steps a frame, flow in thousandths of the width a frame.",
            "",
            *(f"- missed: {miss}" for miss in misses),
            "",
        ]
    )


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
    parser.add_argument("--redo", action="store_true", help="draw all anew")
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
