"""How well a rendered picture follows the music: compares its frames with the sound that they were drawn to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.registration import optical_flow_ilk

from tfdeepviz.analysis.sound import RATE_HZ, Floats, load_librosa
from tfdeepviz.errors import InputError
from tfdeepviz.mapping.quality import following
from tfdeepviz.models.scores import Interval, interval_of_mean

#: Rate of all measured frames; a frame lasts a whole number of samples.
FRAMES_PER_SECOND = 30

#: Time that a picture may take to come to rest after the music ends.
REST_SECONDS = 1.0

#: Lowest amplitude; anything quieter is raised to it.
_FLOOR_AMPLITUDE = 1e-5
#: Optical flow is computed for every sixth pair of frames: all pairs would take ten times as long as the rest.
_FLOW_EVERY = 6
#: Share of the frames that count as strong onsets, and how many frames a picture may take to answer one.
_STRONG_SHARE = 0.1
_ANSWER_FRAMES = 3
#: Lower limit, in 8-bit steps, for a median change that divides.
_LEAST_CHANGE = 1e-3
_CONSTANT = 1e-9

# As in webapp/frontend/src/visuals/flash-limiter.ts: WCAG's limits, with cells of 2.5 % of the picture.
_COLUMNS, _ROWS = 8, 5
_LIGHT_CHANGE, _RED_CHANGE = 0.1, 20 / 320
_LUMA = np.array([0.2126, 0.7152, 0.0722])

Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Heard:
    """What a picture can follow.

    `onset` is the onset strength of each frame, how much the sound rises from the previous one to it; `loudness_db` is
    the RMS of each whole second in dB of full scale.
    """

    onset: Floats
    loudness_db: Floats


@dataclass(frozen=True)
class Followed:
    """How a picture follows one clip.

    Attributes
    ----------
    onset, lag_seconds, z
        Spearman correlation of the change from frame to frame with the onset strength, at the best lag within 133 ms;
        see `quality.Responsiveness`.
    energy
        Spearman correlation of one-second means of the change with the loudness of the same seconds.
    stillness
        Change in silence divided by the median change in music; 0 for a picture that stands still.
    visibility, visibility_ratio
        How much more than usual the picture changes at strong onsets, in just noticeable differences (CIEDE2000); the
        change there, divided by the usual one.
    flashes
        Largest number within any second, in any cell of the picture; WCAG allows three.
    change, luma, flow
        Mean change of colour from frame to frame, in 8-bit steps; mean brightness, 0 to 255; mean length of the optical
        flow from frame to frame, in thousandths of the picture's width.
    """

    onset: float
    z: float
    lag_seconds: float
    energy: float
    stillness: float
    visibility: float
    visibility_ratio: float
    flashes: int
    change: float
    luma: float
    flow: float


@dataclass(frozen=True)
class Summary:
    """Mean over several clips and 95 % bootstrap interval over artists, by the name of each field of `Followed`.

    For the lag it is the median, for flashes the largest number in any clip; neither has an interval.
    """

    means: dict[str, float]
    intervals: dict[str, Interval]


def hear(pcm: npt.ArrayLike, n_frames: int) -> Heard:
    """Measure the mono sound of a clip at `RATE_HZ`, to which `n_frames` are drawn, the first one at its start."""
    samples = np.asarray(pcm, np.float32)
    hop = RATE_HZ // FRAMES_PER_SECOND
    # Padded, so that a frame at the very end has an onset strength, too.
    padded = np.pad(samples, (0, max(0, n_frames * hop - len(samples))))
    onset = load_librosa().onset.onset_strength(y=padded, sr=RATE_HZ, hop_length=hop)[:n_frames]
    seconds = samples[: len(samples) // RATE_HZ * RATE_HZ].reshape(-1, RATE_HZ)
    rms = np.sqrt(np.square(seconds, dtype=np.float64).mean(axis=1))
    return Heard(np.asarray(onset, np.float64), 20 * np.log10(np.maximum(rms, _FLOOR_AMPLITUDE)))


def measure(music: Frames, silence: Frames, heard: Heard) -> Followed:
    """Measure how a picture follows a clip.

    Parameters
    ----------
    music : np.ndarray [shape=(n_frames, height, width, 3)]
        Frames in sRGB at `FRAMES_PER_SECOND`, drawn to at least three seconds of the clip.
    silence : np.ndarray [shape=(n, height, width, 3)]
        The frames that follow, drawn to digital silence. The first `REST_SECONDS` do not count.
    """
    if music.ndim != 4 or len(music) != len(heard.onset):
        raise InputError(f"frames of shape {music.shape} and {len(heard.onset)} onsets: one onset for each frame")
    n_rest = round(REST_SECONDS * FRAMES_PER_SECOND)
    if len(silence) < n_rest + 2:
        raise InputError(f"{len(silence)} frames of silence: at least {n_rest + 2} are needed")
    change = changes(music)
    followed = following(change, heard.onset[1:], frames_per_second=FRAMES_PER_SECOND)
    still = changes(silence[n_rest:]).mean()
    more, ratio = visibility(colour_differences(music), heard.onset[1:])
    return Followed(
        onset=followed.r,
        z=followed.z,
        lag_seconds=followed.lag_seconds,
        energy=energy(change, heard.loudness_db),
        stillness=float(still / max(float(np.median(change)), _LEAST_CHANGE)),
        visibility=more,
        visibility_ratio=ratio,
        flashes=flashes(music),
        change=float(change.mean()),
        luma=float((music.mean(axis=(0, 1, 2)) * _LUMA).sum()),
        flow=flow(music),
    )


def changes(frames: Frames) -> Floats:
    """Mean absolute change of colour between each frame and the previous one, in 8-bit steps, from the second on."""
    change: Floats = np.abs(np.diff(frames.astype(np.int16), axis=0)).mean(axis=(1, 2, 3))
    return change


def energy(change: Floats, loudness_db: Floats) -> float:
    """Spearman correlation of one-second means of `changes` with loudness; 0 if either of them never changes."""
    frame = np.arange(1, len(change) + 1)  # the frame that each change leads to
    n_seconds = min((len(change) + 1) // FRAMES_PER_SECOND, len(loudness_db))
    means = np.array([change[frame // FRAMES_PER_SECOND == second].mean() for second in range(n_seconds)])
    loudness = loudness_db[:n_seconds]
    if len(means) < 3 or means.std() < _CONSTANT or loudness.std() < _CONSTANT:
        return 0.0
    return float(spearmanr(means, loudness).statistic)


def colour_differences(frames: Frames) -> Floats:
    """CIEDE2000 between each frame and the previous one, mean over the picture, from the second frame on."""
    lab = rgb2lab(frames)
    difference: Floats = deltaE_ciede2000(lab[1:], lab[:-1]).mean(axis=(1, 2)).astype(np.float64)
    return difference


def visibility(difference: Floats, onset: Floats) -> tuple[float, float]:
    """Measure how much more the picture changes at strong onsets than usual.

    The change at a frame is the largest difference among it and the next two. The usual change is the median over all
    frames, so a picture that changes at random scores as usual at onsets, however much it changes.

    Takes `colour_differences` and the onset strength, from the second frame on [each shape=(n,)]. Returns the mean
    change at the strongest tenth of the onsets minus the usual change, and divided by it; both are 0 for a picture that
    never changes.
    """
    padded = np.pad(difference, (0, _ANSWER_FRAMES - 1), mode="edge")
    answer = np.lib.stride_tricks.sliding_window_view(padded, _ANSWER_FRAMES).max(axis=1)
    strongest = np.argsort(-onset, kind="stable")[: max(1, round(_STRONG_SHARE * len(onset)))]
    at_onsets, usual = float(answer[strongest].mean()), float(np.median(answer))
    return at_onsets - usual, at_onsets / max(usual, _LEAST_CHANGE)


def flow(frames: Frames) -> float:
    """Mean length of the optical flow (iterative Lucas-Kanade) of luma, in thousandths of the picture's width."""
    luma = (frames[::_FLOW_EVERY] @ _LUMA).astype(np.float32) / 255
    after = (frames[1::_FLOW_EVERY] @ _LUMA).astype(np.float32) / 255
    lengths = [
        # Without any change there is no flow to solve for.
        0.0 if np.array_equal(a, b) else float(np.hypot(*optical_flow_ilk(a, b, radius=4, num_warp=3)).mean())
        for a, b in zip(luma, after, strict=False)
    ]
    return 1_000 * float(np.mean(lengths)) / frames.shape[2]


def flashes(frames: Frames) -> int:
    """Count flashes as the player's limiter does: the largest number within any second, in any of forty cells.

    A general flash is a rise of relative luminance by a tenth after a fall by as much. A red flash is the same for the
    excess of red over green plus blue, by 20 / 320, where red makes up four fifths of all three.
    """
    encoded = np.arange(256) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)[frames]
    light = linear @ _LUMA
    excess = np.maximum(0, linear[..., 0] - linear[..., 1] - linear[..., 2])
    # As in the limiter: nearly saturated colours count in part, so that a hue at the limit is not a flash.
    share = np.clip(10 * linear[..., 0] / np.maximum(1e-5, linear.sum(axis=-1)) - 7, 0, 1)
    return max(_most_flashes(_cells(light), _LIGHT_CHANGE), _most_flashes(_cells(share * excess), _RED_CHANGE))


def summarize(followed: Sequence[Followed], artists: Sequence[str], seed: int = 0) -> Summary:
    """Summarise the measurements of a picture over its clips, at least one, each by an artist ("" if unknown)."""
    means, intervals = {}, {}
    for name in (field.name for field in fields(Followed)):
        values = [float(getattr(one, name)) for one in followed]
        if name == "lag_seconds":
            means[name] = float(np.median(values))
        elif name == "flashes":
            means[name] = max(values)
        else:
            means[name] = float(np.mean(values))
            intervals[name] = interval_of_mean(values, artists, seed) if len(values) > 1 else (values[0], values[0])
    return Summary(means, intervals)


def _cells(values: Floats) -> Floats:
    """Average values [shape=(n_frames, height, width)] over cells [shape=(n_frames, 40)]; cells may share pixels."""
    _, height, width = values.shape
    cells: Floats = np.einsum("nhw,rh,cw->nrc", values, _shares(height, _ROWS), _shares(width, _COLUMNS), optimize=True)
    return cells.reshape(len(values), -1)


def _shares(n_pixels: int, n_cells: int) -> Floats:
    """Weight of each pixel in each cell [shape=(n_cells, n_pixels)]: the share of the pixel that lies in the cell."""
    edges = np.arange(n_cells + 1) * n_pixels / n_cells
    pixel = np.arange(n_pixels)
    inside = np.minimum(pixel + 1, edges[1:, None]) - np.maximum(pixel, edges[:-1, None])
    shares: Floats = np.maximum(0, inside) * n_cells / n_pixels
    return shares


def _most_flashes(cells: Floats, change: float) -> int:
    """Largest number of rises by `change` after equal falls within any second [values: shape=(n_frames, n_cells)]."""
    low, high = cells[0].copy(), cells[0].copy()
    rising = np.ones(cells.shape[1], bool)
    rises = np.zeros(cells.shape, int)
    for frame, now in enumerate(cells):
        high = np.where(rising, np.maximum(high, now), high)
        low = np.where(rising, low, np.minimum(low, now))
        fell, rose = rising & (now < high - change), ~rising & (now > low + change)
        low, high = np.where(fell, now, low), np.where(rose, now, high)
        rising = (rising & ~fell) | rose
        rises[frame] = rose
    counts = np.cumsum(np.pad(rises, ((FRAMES_PER_SECOND, 0), (0, 0))), axis=0)
    return int((counts[FRAMES_PER_SECOND:] - counts[:-FRAMES_PER_SECOND]).max())
