from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import rankdata

from benchmarks.follow_measures import (
    FRAMES_PER_SECOND,
    Followed,
    Frames,
    Heard,
    changes,
    colour_differences,
    energy,
    flashes,
    flow,
    hear,
    measure,
    summarize,
    visibility,
)

Floats = npt.NDArray[np.float64]

_HEIGHT, _WIDTH = 36, 64
_RATE_HZ = 44_100


def bursts(times: Floats, seconds: float, seed: int = 0) -> npt.NDArray[np.float32]:
    """Noise that sets in suddenly and fades within 100 ms."""
    rng = np.random.default_rng(seed)
    pcm = np.zeros(round(seconds * _RATE_HZ), np.float32)
    for time in times:
        begin = round(time * _RATE_HZ)
        n = min(_RATE_HZ // 10, len(pcm) - begin)
        pcm[begin : begin + n] += (rng.normal(size=n) * np.exp(-np.arange(n) / 1_500) * 0.3).astype(np.float32)
    return pcm


def beats(seconds: float, seed: int = 0) -> Floats:
    """Irregular times."""
    gaps = np.random.default_rng(seed).uniform(0.25, 0.9, round(4 * seconds))
    times = 0.3 + np.cumsum(gaps)
    chosen: Floats = times[times < seconds - 0.2]
    return chosen


def grey(levels: npt.ArrayLike) -> Frames:
    """Frames that are grey all over."""
    values = np.clip(np.round(np.asarray(levels, np.float64)), 0, 255).astype(np.uint8)
    return np.tile(values[:, None, None, None], (1, _HEIGHT, _WIDTH, 3))


def jumping(times: Floats, seconds: float, *, delay_frames: int = 0, step: float = 12) -> Frames:
    """Grey that goes a step up, then a step down at each time, and drifts a little in between."""
    n = round(seconds * FRAMES_PER_SECOND)
    frame = np.arange(n)
    # A sound at a time is first heard in the frame after it.
    jumps = np.ceil(times * FRAMES_PER_SECOND).astype(int) + delay_frames
    side = np.searchsorted(np.sort(jumps), frame, side="right") % 2
    return grey(120 + step * side + 0.3 * np.sin(frame))


def at_rest(seconds: float = 4.0) -> Frames:
    return grey(np.full(round(seconds * FRAMES_PER_SECOND), 120.0))


def noise(seed: int, n_frames: int, amount: float) -> Frames:
    """Every pixel by itself, by another amount in each frame."""
    rng = np.random.default_rng(seed)
    each = amount * rng.exponential(size=(n_frames, 1, 1, 1))
    values = 128 + each * rng.normal(size=(n_frames, _HEIGHT, _WIDTH, 3))
    frames: Frames = np.clip(np.round(values), 0, 255).astype(np.uint8)
    return frames


def test_a_picture_that_jumps_at_every_onset_follows() -> None:
    times = beats(20)
    heard = hear(bursts(times, 20), 600)
    followed = measure(jumping(times, 20), at_rest(), heard)
    assert followed.lag_seconds == 0
    assert followed.z > 5
    # Nearly all of what an ideal answer, as strong as each onset, would give.
    assert followed.onset > 0.5
    assert followed.visibility > 2
    assert followed.visibility_ratio > 5
    assert followed.stillness == 0


def test_a_picture_that_changes_as_much_as_the_sound_follows_perfectly() -> None:
    heard = hear(bursts(beats(20), 20), 600)
    # Brighter or darker, the further the stronger the onset.
    levels = [128.0]
    for step in np.round(rankdata(heard.onset)[1:] / 6):
        levels.append(levels[-1] + (step if levels[-1] < 128 else -step))
    followed = measure(grey(levels), at_rest(), heard)
    assert followed.onset > 0.9
    assert followed.lag_seconds == 0


@pytest.mark.parametrize("frames", [1, 2, 4])
def test_the_lag_is_how_much_later_the_picture_is(frames: int) -> None:
    times = beats(20)
    heard = hear(bursts(times, 20), 600)
    assert measure(jumping(times, 20, delay_frames=frames), at_rest(), heard).lag_seconds == pytest.approx(
        frames / FRAMES_PER_SECOND
    )


def test_a_picture_that_hears_nothing_scores_by_chance() -> None:
    scores = [measure(noise(seed, 240, 6), at_rest(), hear(bursts(beats(8, seed), 8, seed), 240)) for seed in range(8)]
    assert abs(np.mean([one.z for one in scores])) < 1
    assert np.mean([one.onset for one in scores]) < 0.15
    assert abs(np.mean([one.visibility for one in scores])) < 0.5
    assert np.mean([one.visibility_ratio for one in scores]) == pytest.approx(1, abs=0.15)


def test_a_still_picture_does_nothing() -> None:
    followed = measure(grey(np.full(300, 90)), at_rest(), hear(bursts(beats(10), 10), 300))
    assert followed == Followed(
        **dict.fromkeys(("onset", "z", "lag_seconds", "energy", "stillness", "visibility", "visibility_ratio"), 0.0),
        flashes=0,
        change=0.0,
        luma=followed.luma,
        flow=0.0,
    )
    assert followed.luma == pytest.approx(90)


def test_change_is_in_steps_of_the_colours() -> None:
    frames = grey([10, 14, 14, 11]).copy()
    frames[2, :, :, 0] += 6
    np.testing.assert_allclose(changes(frames), [4, 2, 5])


def test_visibility_grows_with_the_amplitude() -> None:
    times = beats(20)
    onset = hear(bursts(times, 20), 600).onset[1:]
    seen = [visibility(colour_differences(jumping(times, 20, step=step)), onset)[0] for step in (3, 6, 12, 24)]
    assert seen[0] > 0.5
    assert all(2.5 > more / less > 1.5 for less, more in pairwise(seen))


def test_a_step_of_grey_is_seen_by_about_as_many_differences() -> None:
    # Of L*, one is a just noticeable difference in the middle: 119 is L* = 50, and 121.4 is 51.
    assert colour_differences(grey([119, 124]))[0] == pytest.approx(2, abs=0.1)


def test_energy_is_that_of_the_seconds() -> None:
    loudness = np.array([-30.0, -10, -40, -20, -15])
    rates = np.repeat(10 ** (loudness / 40), FRAMES_PER_SECOND)[1:]
    assert energy(rates, loudness) == pytest.approx(1)
    assert energy(1 / rates, loudness) == pytest.approx(-1)
    assert energy(rates, np.full(5, -20.0)) == 0
    assert energy(np.ones_like(rates), loudness) == 0


def test_a_clip_is_heard() -> None:
    pcm = bursts(np.array([1.0, 2.5]), 4)
    heard = hear(pcm, 120)
    assert heard.onset.shape == (120,)
    assert sorted(np.argsort(-heard.onset)[:2].tolist()) == [30, 75]
    assert heard.loudness_db.shape == (4,)
    # Nothing is as quiet as the floor.
    assert heard.loudness_db[[0, 3]].tolist() == [-100, -100]
    full = np.ones(_RATE_HZ, np.float32)
    assert hear(full, 30).loudness_db[0] == pytest.approx(0)


def test_what_moves_on_in_silence_is_not_still() -> None:
    heard = hear(bursts(beats(10), 10), 300)
    moving = noise(0, 420, 6)
    assert measure(moving[:300], moving[300:], heard).stillness == pytest.approx(1, abs=0.4)
    # What comes to rest within a second is.
    resting = moving[300:].copy()
    resting[FRAMES_PER_SECOND:] = resting[FRAMES_PER_SECOND]
    assert measure(moving[:300], resting, heard).stillness == 0


def test_flow_is_how_far_the_picture_goes() -> None:
    x, y = np.meshgrid(np.arange(_WIDTH), np.arange(_HEIGHT))

    def waves(shift: float) -> Floats:
        one: Floats = 128 + 50 * np.sin((x - shift) / 3.0) + 50 * np.sin((y + 0.3 * (x - shift)) / 4.0)
        return one

    frames = np.stack([np.repeat(waves(0.5 * k)[..., None], 3, axis=2) for k in range(13)]).astype(np.uint8)
    assert flow(frames) == pytest.approx(1_000 * 0.5 / _WIDTH, rel=0.25)
    assert flow(np.broadcast_to(frames[:1], frames.shape)) == 0


@pytest.mark.parametrize(("half_frames", "most"), [(15, 1), (5, 3), (3, 5), (1, 15)])
def test_a_strobe_flashes(half_frames: int, most: int) -> None:
    on = np.arange(90) // half_frames % 2 == 0
    strobe = grey(np.where(on, 255, 0))
    assert flashes(strobe) == most
    # One cell of forty is enough, and a change below a tenth of the greatest luminance is none.
    corner = np.zeros_like(strobe)
    corner[:, :8, -8:] = strobe[:, :8, -8:]
    assert flashes(corner) == most
    assert flashes(grey(np.where(on, 85, 0))) == 0
    assert flashes(grey(np.full(90, 255))) == 0


def test_red_flashes_where_it_is_saturated() -> None:
    on = np.arange(90) // 5 % 2 == 0
    frames = np.zeros((90, _HEIGHT, _WIDTH, 3), np.uint8)
    frames[..., 0] = np.where(on, 130, 0)[:, None, None]  # luminance 0.05: no general flash
    assert flashes(frames) == 3
    frames[...] = np.where(on[:, None], (110, 60, 60), 0)[:, None, None]
    assert flashes(frames) == 0


def test_summary() -> None:
    one = Followed(0.5, 3, 0.033, 0.6, 0.1, 2, 1.5, 1, 3, 80, 4)
    other = Followed(0.3, 1, 0.1, 0.8, 0.3, 4, 2.5, 3, 5, 90, 6)
    summary = summarize([one, other, one], ["a", "b", "c"])
    assert summary.means["onset"] == pytest.approx(1.3 / 3)
    assert summary.means["lag_seconds"] == 0.033
    assert summary.means["flashes"] == 3
    low, high = summary.intervals["onset"]
    assert 0.3 <= low < summary.means["onset"] < high <= 0.5
    assert "lag_seconds" not in summary.intervals
    assert summarize([one], ["a"]).intervals["onset"] == (0.5, 0.5)


def test_what_cannot_be_measured_is_refused() -> None:
    heard = Heard(np.random.default_rng(0).random(300), np.zeros(10))
    frames = noise(0, 300, 6)
    with pytest.raises(ValueError, match="one onset for each frame"):
        measure(frames[1:], at_rest(), heard)
    with pytest.raises(ValueError, match="30 frames of silence"):
        measure(frames, frames[:30], heard)
    with pytest.raises(ValueError, match=r"at least 3 s"):
        measure(frames[:60], at_rest(), Heard(heard.onset[:60], heard.loudness_db[:2]))
