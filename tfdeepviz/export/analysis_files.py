"""Output files of `extract`: times, parameters and encodings of tracks as .json, .npz or .csv."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tfdeepviz.errors import InputError
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.files import atomic_path
from tfdeepviz.mapping.time import interpolate

if TYPE_CHECKING:
    from tfdeepviz.export.extract import Analysis

FORMATS = (".json", ".npz", ".csv")

#: Suffixes that mark audio files in a folder. A file that is given explicitly may have any name.
AUDIO_SUFFIXES = frozenset(
    {".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".wav", ".webm"}
)


def plan_outputs(sources: Sequence[Path], out: Path, file_format: str = FORMATS[0]) -> dict[Path, Path]:
    """Decide which tracks to analyse, and the file for each.

    Parameters
    ----------
    sources
        Audio files, and folders that are searched for them.
    out
        For a single audio file, a file whose name ends in one of `FORMATS`; otherwise a folder.
    file_format
        One of `FORMATS`, for files in a folder. They are named after the tracks: `album/song.mp3.json`.

    Returns
    -------
    dict of Path to Path
        Output file by track, in the order of `sources`, folders sorted by name.

    Raises
    ------
    InputError
        If there is no audio, if `out` does not fit `sources`, or if two tracks would share a file.
    FileNotFoundError
        If a source does not exist.
    """
    for source in sources:
        if not source.exists():
            raise FileNotFoundError(f"{source}: no such audio file or folder")
    is_single = len(sources) == 1 and not sources[0].is_dir()
    formats = ", ".join(FORMATS)
    if out.suffix in FORMATS:
        if not is_single:
            raise InputError(f"--out {out}: for several tracks, give a folder")
        return {sources[0]: out}
    if is_single and out.suffix and not out.is_dir():
        raise InputError(f"--out {out}: give a file that ends in {formats}, or a folder")
    outputs: dict[Path, Path] = {}
    tracks: dict[Path, Path] = {}
    for source in sources:
        found = _audio_in(source) if source.is_dir() else [source]
        for track in found:
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
    """Write times, parameters, encodings, genre probabilities and the bundle's label as .json, .npz or .csv.

    A .csv table has a single time axis, so its encodings are interpolated at the times of the parameters.

    Raises
    ------
    InputError
        If `out` has another extension.
    """
    label = bundle.label
    genres = {info.name: list(info.genres) for info in bundle.encoders}
    with atomic_path(out) as temporary:
        if out.suffix == ".json":
            value: dict[str, Any] = {
                **{"bundle": label, "times": analysis.times.tolist(), "parameters": analysis.parameters.tolist()},
                "encodings": {
                    name: {"times": encodings.times.tolist(), "values": encodings.values.tolist()}
                    for name, encodings in analysis.encodings.items()
                },
                "genres": {
                    name: {"names": genres[name], "probabilities": encodings.genres.tolist()}
                    for name, encodings in analysis.encodings.items()
                    if encodings.genres is not None
                },
            }
            temporary.write_text(json.dumps(value, allow_nan=False) + "\n", encoding="utf-8")
        elif out.suffix == ".npz":
            arrays: dict[str, npt.NDArray[Any]] = {
                **{"bundle": np.array(label), "times": analysis.times, "parameters": analysis.parameters}
            }
            for name, encodings in analysis.encodings.items():
                arrays |= {f"{name}/times": encodings.times, f"{name}/values": encodings.values}
                if encodings.genres is not None:
                    arrays |= {f"{name}/genres": np.array(genres[name]), f"{name}/probabilities": encodings.genres}
            with temporary.open("wb") as file:
                np.savez(file, **arrays)
        elif out.suffix == ".csv":
            columns = {"time": analysis.times}
            columns |= {f"parameter_{i}": column for i, column in enumerate(analysis.parameters.T)}
            for name, encodings in analysis.encodings.items():
                values = interpolate(encodings.times, encodings.values, analysis.times)
                columns |= {f"{name}_{i}": column for i, column in enumerate(values.T)}
                if encodings.genres is not None:
                    values = interpolate(encodings.times, encodings.genres, analysis.times)
                    columns |= {f"{name}_{genre}": column for genre, column in zip(genres[name], values.T, strict=True)}
            with temporary.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(columns)
                writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
        else:
            raise InputError(f"{out}: write to a file that ends in {', '.join(FORMATS)}")
