"""Film strips for people who have to say where the beats are: frames below the sound, and how much they change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.follow_measures import FRAMES_PER_SECOND, Frames
from tfdeepviz.analysis.sound import RATE_HZ, Floats, Pcm, load_librosa
from tfdeepviz.files import atomic_path

_ROW_SECONDS = 2
_DPI = 100
#: In inches: as wide as twenty frames of 160 pixels and the margins.
_WIDTH = 33.0
#: In units of `_INCHES` inches.
_SOUND_HEIGHT, _FILM_HEIGHT, _CHANGE_HEIGHT, _INCHES = 0.5, 0.95, 0.6, 1.27
_MARK, _SOUND, _CHANGE = "#d62728", "#4c4c4c", "#1f77b4"


@dataclass(frozen=True)
class Strip:
    """Frames of a picture beside a clip.

    Attributes
    ----------
    picture
        Its name.
    pcm : np.ndarray [shape=(n_samples,)]
        The whole clip, mono, at `RATE_HZ`.
    change : np.ndarray [shape=(n_changes,)]
        Of each frame of the clip, from the second on, to the one before.
    frames : np.ndarray [shape=(n, height, width, 3)]
        Every so many of the clip.
    first_seconds, step_seconds
        When the first one is shown, and how much later each other.
    """

    picture: str
    pcm: Pcm
    change: Floats
    frames: Frames
    first_seconds: float
    step_seconds: float


def draw_strip(strip: Strip, title: str, out: Path) -> None:
    """Draw rows of two seconds: the sound with its onsets (librosa), the frames, each at its time, and their change."""
    n_rows = max(1, round(len(strip.frames) * strip.step_seconds / _ROW_SECONDS))
    firsts = [strip.first_seconds + row * _ROW_SECONDS for row in range(n_rows)]
    _draw([(first, [strip]) for first in firsts], title, out)


def draw_sheet(strips: Sequence[Strip], title: str, out: Path) -> None:
    """Draw the first two seconds of strips of one clip below each other, under its sound."""
    _draw([(strips[0].first_seconds, strips)], title, out, has_names=True)


def _draw(rows: Sequence[tuple[float, Sequence[Strip]]], title: str, out: Path, *, has_names: bool = False) -> None:
    """Draw rows of two seconds, each from its first second on: the sound, and strips of it."""
    pcm = rows[0][1][0].pcm
    onsets = load_librosa().onset.onset_detect(y=pcm, sr=RATE_HZ, units="time")
    heights = [
        height for _, strips in rows for height in (_SOUND_HEIGHT, *[_FILM_HEIGHT, _CHANGE_HEIGHT] * len(strips))
    ]
    figure = Figure(figsize=(_WIDTH, _INCHES * sum(heights) + 0.5), dpi=_DPI, layout="constrained")
    figure.suptitle(title, fontsize=16)
    parts = iter(figure.subplots(len(heights), 1, gridspec_kw={"height_ratios": heights, "hspace": 0}))
    for first, strips in rows:
        sound = next(parts)
        _draw_sound(sound, pcm, first)
        drawn = [sound]
        for strip in strips:
            film, change = next(parts), next(parts)
            _draw_frames(film, strip, first)
            _draw_change(change, strip)
            if has_names:
                film.set_ylabel(strip.picture, fontsize=14)
            drawn += [film, change]
            change.vlines(onsets, *change.get_ylim(), colors=_MARK, linewidth=1.5)
        sound.vlines(onsets, *sound.get_ylim(), colors=_MARK, linewidth=1.5)
        for axes in drawn:
            # A frame lies around its time.
            half = strips[0].step_seconds / 2
            axes.set_xlim(first - half, first + _ROW_SECONDS - half)
            axes.set_yticks([])
            if axes is not drawn[-1]:
                axes.set_xticks([])
        drawn[-1].tick_params(labelsize=11)
    with atomic_path(out) as temporary:
        figure.savefig(temporary, format="jpeg", pil_kwargs={"quality": 88})


def _draw_sound(axes: Axes, pcm: Pcm, first: float) -> None:
    begin, end = (round(max(0.0, seconds) * RATE_HZ) for seconds in (first - 0.1, first + _ROW_SECONDS + 0.1))
    samples = pcm[begin:end]
    axes.plot((begin + np.arange(len(samples))) / RATE_HZ, samples, color=_SOUND, linewidth=0.4)
    loudest = max(float(np.abs(pcm).max()), 1e-3)
    axes.set_ylim(-loudest, loudest)


def _draw_frames(axes: Axes, strip: Strip, first: float) -> None:
    half = strip.step_seconds / 2
    for i, frame in enumerate(strip.frames):
        seconds = strip.first_seconds + i * strip.step_seconds
        if first - half <= seconds < first + _ROW_SECONDS - half:
            axes.imshow(frame, extent=(seconds - half, seconds + half, 0, 1), aspect="auto")
    axes.set_ylim(0, 1)


def _draw_change(axes: Axes, strip: Strip) -> None:
    seconds = (1 + np.arange(len(strip.change))) / FRAMES_PER_SECOND
    axes.plot(seconds, strip.change, color=_CHANGE, linewidth=2, marker="o", markersize=4)
    shown = strip.change[round(strip.first_seconds * FRAMES_PER_SECOND) :]
    axes.set_ylim(0, 1.05 * max(float(shown.max()), 1e-3))
