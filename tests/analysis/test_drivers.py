from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.analysis.conftest import make_bundle
from tests.conftest import RATE_HZ, music
from tfdeepviz.analysis.drivers import BaselineSource, BundleSource, band_levels, bundle_sources
from tfdeepviz.analysis.sound import Sound
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.export.extract import Extractor
from tfdeepviz.mapping.time import TimeSettings
from tfdeepviz.reports.quality import Driver

Floats = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def two_scales(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("two-scales"), {"quick": (10, 4), "slow": (96, 24)})


@pytest.mark.slow  # numba compiles anew what librosa imports
def test_librosa_can_be_used_where_numba_can_keep_nothing() -> None:
    # As in a read-only container without HOME.
    code = (
        "import numpy as np\n"
        "from numba.core import caching\n"
        "caching.CacheImpl._locator_classes = [caching.UserProvidedCacheLocator]\n"
        "from tfdeepviz.analysis import drivers, sound\n"
        "assert callable(sound.load_librosa().onset.onset_strength)\n"  # calling it would compile for 20 s
        "assert drivers.band_levels(np.ones(4_410, np.float32), [(40, 1_000)], floor_db=-80).size\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


# --- baselines ---------------------------------------------------------------------------------------------------


def test_levels_of_bands() -> None:
    t = np.arange(RATE_HZ) / RATE_HZ
    tone = np.sin(2 * np.pi * 1_000 * t).astype(np.float32)
    levels = band_levels(tone, [(100, 500), (500, 2_000), (2_000, 4_000)], floor_db=-55)
    assert levels.shape == (101, 3)
    middle = levels[10:-10]
    assert (middle.argmax(axis=1) == 1).all()
    # A Hann window's energy around the tone, over the bins of its main lobe.
    n = 1_102
    expected = 10 * math.log10(1.5 * (n / 4) ** 2)
    np.testing.assert_allclose(middle[:, 1], expected, atol=0.1)
    assert (band_levels(np.zeros(RATE_HZ, np.float32), [(100, 500)], floor_db=-55) == -55).all()
    halved = band_levels(tone / 2, [(500, 2_000)], floor_db=-55)
    np.testing.assert_allclose(levels[10:-10, 1:2] - halved[10:-10], 20 * math.log10(2), atol=1e-3)


def test_baselines_are_centred_on_what_they_were_scaled_by() -> None:
    sounds = [Sound(seed, music(5, seed=seed)) for seed in range(3)]
    source = BaselineSource(sounds, floor_db=-55)
    for driver, *played in zip(source.drivers, *(source.play(sound) for sound in sounds), strict=True):
        assert driver.kind == "baseline"
        together = np.concatenate(played)
        assert together.shape[0] == 750
        np.testing.assert_allclose(together.mean(axis=0), 0.5, atol=0.12)
        assert 0 <= together.min() < together.max() <= 1


def test_a_walk_is_of_its_track_alone() -> None:
    sounds = [Sound(1, music(3, seed=1)), Sound(1, music(3, seed=2)), Sound(2, music(3, seed=1))]
    source = BaselineSource(sounds, floor_db=-55)
    first, same, other = ([*source.play(sound)][-1] for sound in sounds)
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 0.1


def test_onsets_are_where_the_beats_are() -> None:
    pcm = np.zeros(5 * RATE_HZ, np.float32)
    for second in (1, 2, 3, 4):
        pcm[second * RATE_HZ :][:2_000] = np.random.default_rng(second).normal(0, 0.3, 2_000)
    onset = Sound(0, pcm).onset_strength()
    assert onset.shape == (250,)
    for second in (1, 2, 3, 4):
        window = onset[50 * second - 25 : 50 * second + 25]
        assert abs(int(window.argmax()) - 25) <= 3
    assert Sound(0, pcm[:-1]).onset_strength().shape == (250,)


# --- bundles -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bundle", "two_scales"])
def test_bundle_plays_as_its_player_does(name: str, request: pytest.FixtureRequest) -> None:
    bundle: Bundle = request.getfixturevalue(name)
    sound = Sound(0, music(4))
    source = BundleSource(bundle, name="tiny", all_mappings=True)
    played = dict(zip((driver.name for driver in source.drivers), source.play(sound), strict=True))
    offers = bundle.mappings.offers
    assert [driver.kind for driver in source.drivers] == [*["bundle"] * len(offers), "original"]
    extractor = Extractor(bundle)
    for offer in offers:
        one = extractor.analyze(sound.pcm, **offer._asdict()).played(50, bundle.mappings.time)
        np.testing.assert_allclose(played[f"tiny: {offer}"], one.parameters, atol=1e-6)


def test_default_mapping_alone_says_what_it_is(two_scales: Bundle) -> None:
    first, _ = BundleSource(two_scales, name="tiny").drivers
    assert first.name == "tiny: raw/features/robust"
    assert first.note == (
        "default mapping; quick: 0.10 s every 0.04 s, slow: 0.96 s every 0.24 s; linear interpolation, rising by "
        "14 ms, falling by 95 ms"
    )


@pytest.mark.parametrize("name", ["bundle", "two_scales"])
def test_originals_settings(name: str, request: pytest.FixtureRequest) -> None:
    bundle: Bundle = request.getfixturevalue(name)
    sound = Sound(0, music(4))
    source = BundleSource(bundle, name="tiny")
    assert source.drivers[-1] == Driver(
        "tiny: the original's settings",
        "raw/features/standard, an encoding every 0.96 s, linear interpolation, slider 0.5",
        "original",
    )
    *_, played = source.play(sound)
    analysis = Extractor(bundle).analyze(
        sound.pcm, projection="raw", mode="features", method="standard", hop_seconds=0.96
    )
    assert np.diff(analysis.times) == pytest.approx(0.96)
    assert played.shape == (200, 10)
    # The original smoothed in time, not in musical time.
    in_time = replace(analysis, onsets=None).played(50, TimeSettings()).parameters
    np.testing.assert_allclose(played, in_time, atol=1e-6)


def test_a_bundle_unlike_the_original_has_no_such_line(tmp_path: Path) -> None:
    quick = BundleSource(make_bundle(tmp_path, {"quick": (10, 4)}), name="quick")
    assert [driver.kind for driver in quick.drivers] == ["bundle"]
    assert len([*quick.play(Sound(0, music(3)))]) == 1


def test_another_rate_is_resampled() -> None:
    sound = Sound(0, music(3))
    assert sound.at(RATE_HZ) is sound.pcm
    assert len(sound.at(22_050)) == 3 * 22_050


def test_bundles_of_one_name_are_told_apart(bundle: Bundle) -> None:
    sources = bundle_sources([bundle, bundle])
    assert all(f"{bundle.label} ({bundle.path}): " in source.drivers[0].name for source in sources)
    (alone,) = bundle_sources([bundle])
    assert alone.drivers[0].name == f"{bundle.label}: {bundle.mappings.default}"
