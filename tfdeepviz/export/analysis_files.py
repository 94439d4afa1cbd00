"""Output files of `extract`: times, parameters and encodings of tracks as .json, .npz, .csv or .jams."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfdeepviz.errors import InputError
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.export.jams import to_jams
from tfdeepviz.files import atomic_path
from tfdeepviz.mapping.time import interpolate

if TYPE_CHECKING:
    from tfdeepviz.export.extract import Analysis

FORMATS = (".json", ".npz", ".csv", ".jams")

#: Suffixes that mark audio files in a folder. A file that is given explicitly may have any name.
AUDIO_SUFFIXES = frozenset(
    {".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".wav", ".webm"}
)


def plan_outputs(sources: Sequence[Path], out: Path, file_format: str = FORMATS[0]) -> dict[Path, Path]:
    """Decide which tracks of files and folders to analyse, and the file to write for each.

    `out` is a file whose name ends in one of `FORMATS` if there is a single audio file, otherwise a folder, whose files
    are named after the tracks: `album/song.mp3.json`.

    Raises
    ------
    InputError, FileNotFoundError
        If there is no audio, `out` does not fit, or two tracks would share a file; if a source does not exist.
    """
    for source in sources:
        if not source.exists():
            raise FileNotFoundError(f"{source}: no such audio file or folder")
    is_single = len(sources) == 1 and not sources[0].is_dir()
    if out.suffix in FORMATS:
        if not is_single:
            raise InputError(f"--out {out}: for several tracks, give a folder")
        return {sources[0]: out}
    if is_single and out.suffix and not out.is_dir():
        raise InputError(f"--out {out}: give a file that ends in {', '.join(FORMATS)}, or a folder")
    outputs: dict[Path, Path] = {}
    tracks: dict[Path, Path] = {}
    for source in sources:
        for track in _audio_in(source) if source.is_dir() else [source]:
            inside = track.relative_to(source) if source.is_dir() else Path(track.name)
            output = out / inside.with_name(f"{inside.name}{file_format}")
            other = tracks.setdefault(output, track)
            if other != track:
                raise InputError(f"{other} and {track}: both would be written to {output}; analyse them one by one")
            outputs[track] = output
    if not outputs:
        named = ", ".join(map(str, sources))
        raise InputError(f"{named}: no audio file found ({', '.join(sorted(AUDIO_SUFFIXES))})")
    return outputs


def _audio_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file())


def write_analysis(analysis: Analysis, out: Path, *, bundle: Bundle) -> None:
    """Write times, parameters, encodings with their genres and tags, and the bundle's label as .json, .npz or .csv.

    A .csv table has a single time axis, so its encodings are interpolated at the times of the parameters. A .jams
    document only tells what is heard in the whole track.
    """
    if out.suffix not in FORMATS:
        raise InputError(f"{out}: write to a file that ends in {', '.join(FORMATS)}")
    track = {"bundle": bundle.label, "times": analysis.times, "parameters": analysis.parameters}
    encodings: dict[str, dict[str, Any]] = {}
    for info in bundle.encoders:
        one = analysis.encodings[info.name]
        encodings[info.name] = {"times": one.times, "values": one.values}
        for what, names in info.probabilities.items():
            encodings[info.name] |= {f"{what.removesuffix('s')}_names": names, what: getattr(one, what)}
    with atomic_path(out) as temporary:
        if out.suffix == ".json":
            value = {**track, "encodings": encodings}
            text = json.dumps(value, allow_nan=False, default=np.ndarray.tolist)
            temporary.write_text(f"{text}\n", encoding="utf-8")
        elif out.suffix == ".jams":
            text = json.dumps(to_jams(analysis, bundle=bundle, title=out.stem), allow_nan=False, indent=1)
            temporary.write_text(f"{text}\n", encoding="utf-8")
        elif out.suffix == ".npz":
            arrays: dict[str, Any] = {**track}
            for name, written in encodings.items():
                arrays |= {f"{name}/{key}": values for key, values in written.items()}
            with temporary.open("wb") as file:
                np.savez(file, **arrays)
        else:
            columns = {"time": analysis.times, **{f"parameter_{i}": one for i, one in enumerate(analysis.parameters.T)}}
            for info in bundle.encoders:
                encoded = analysis.encodings[info.name]
                values = np.hstack([encoded.values, *(getattr(encoded, what) for what in info.probabilities)])
                heads = [*range(encoded.values.shape[1]), *(n for some in info.probabilities.values() for n in some)]
                rows = interpolate(encoded.times, values, analysis.times)
                columns |= {f"{info.name}_{name}": column for name, column in zip(heads, rows.T, strict=True)}
            with temporary.open("w", newline="", encoding="utf-8") as text_file:
                writer = csv.writer(text_file)
                writer.writerow(columns)
                writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
