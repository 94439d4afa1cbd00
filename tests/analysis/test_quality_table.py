from __future__ import annotations

import csv
import json
import math
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
import soundfile as sf

from tests.conftest import RATE_HZ, make_fma, music
from tests.page import Page
from tfdeepviz.analysis import quality_table
from tfdeepviz.analysis.drivers import BaselineSource, BundleSource, Driver, band_levels, bundle_sources
from tfdeepviz.analysis.quality_table import QualityTable, markdown, measure, write
from tfdeepviz.analysis.sound import Sound
from tfdeepviz.cli import main
from tfdeepviz.data.decode import AudioTooShortError
from tfdeepviz.data.features import Features
from tfdeepviz.data.frontend import MfccFrontend
from tfdeepviz.data.prepare import prepare
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.segments import Windows
from tfdeepviz.data.selection import Selection
from tfdeepviz.export.bundle import CARD, FRONTEND, GOLDENS, MAPPINGS, Bundle, write_manifest
from tfdeepviz.export.extract import Extractor
from tfdeepviz.export.tfjs import QuantizationPlan, convert_encoder
from tfdeepviz.files import FormatError, write_json
from tfdeepviz.mapping.encodings import encode_track, keras_encode
from tfdeepviz.mapping.mappings import fit_mappings
from tfdeepviz.mapping.time import TimeSettings
from tfdeepviz.params import LIVE

Floats = npt.NDArray[np.float64]

_BAD = '"><script>alert(1)</script> | $x_'


class Onsets:
    """Moves exactly with the onsets, from another place in every track; a second driver stands still."""

    drivers = (Driver(f"onsets {_BAD}", "cheats", "bundle"), Driver("stands still", "", "original"))

    def __init__(self) -> None:
        self.heard: list[int] = []

    def play(self, sound: Sound) -> Iterator[Floats]:
        self.heard.append(sound.track_id)
        path = np.cumsum(sound.onset_strength())
        turns = np.arange(1, 4) * 0.05 * path[:, None]
        yield 0.5 + 0.1 * np.sin(turns) + 0.35 * np.sin(7 * sound.track_id + np.arange(3))
        yield np.full((len(path), 3), 0.5)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    """Two genres of three artists each to test, and some tracks to train; one is too short to measure."""
    splits = {**dict.fromkeys((2, 3), "training"), **dict.fromkeys(range(4, 10), "test"), 10: "validation"}
    folder = tmp_path_factory.mktemp("quality")
    root = make_fma(folder / "fma", splits, genres=("Folk", "Rock"), seconds=4)
    sf.write(root / "fma_small" / "000" / "000010.mp3", music(2, seed=10), RATE_HZ, format="MP3")
    return prepare(root, folder / "ds", selection=Selection(), features=Features(LIVE))


def make_bundle(folder: Path, windows: dict[str, tuple[int, int]]) -> Bundle:
    """A bundle of untrained encoders, each with so many frames in a window and from one to the next."""
    keras.utils.set_random_seed(0)
    mfcc = [MfccFrontend(LIVE).mfcc(music(4, seed=seed)) for seed in range(3)]
    counts = {name: 10 // len(windows) for name in windows}
    encodings, entries = {}, []
    for name, (frames, hop_frames) in windows.items():
        inputs = keras.Input((64, frames, 1))
        outputs = keras.layers.Dense(counts[name])(keras.layers.Flatten()(inputs))
        encoder = keras.Model(inputs, {"encoding": outputs})
        tensors = convert_encoder(encoder, folder / "encoders" / name, plan=QuantizationPlan({}, 0.0))
        where = Windows(LIVE, frames, hop_frames)
        encodings[name] = [encode_track(keras_encode(encoder), rows, where) for rows in mfcc]
        file = f"encoders/{name}/model.json"
        seconds = {"window_seconds": frames / 100, "step_seconds": hop_frames / 100, **tensors}
        offset = {"time_offset_seconds": where.time_offset_seconds}
        entries.append(
            {"name": name, "model": file, "encoding_size": counts[name], "window_frames": frames, **seconds, **offset}
        )
    mappings = fit_mappings(
        encodings,
        n_parameters=counts,
        projections=("raw", "pca"),
        default=("raw", "features", "robust"),
        time=TimeSettings(attack=0.5, release=0.9),
    )
    write_json(folder / MAPPINGS, mappings.to_dict())
    # Measuring looks at none of these.
    for file in (CARD, GOLDENS, f"{FRONTEND}model.json"):
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text("{}")
    manifest = {"name": "tiny", "audio": LIVE.to_dict(), "frontend": {}, "encoders": entries, "mappings": MAPPINGS}
    write_manifest(folder, manifest)
    return Bundle.load(folder)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Like the original's, a little denser."""
    return make_bundle(tmp_path_factory.mktemp("bundle"), {"ae": (96, 40)})


@pytest.fixture(scope="module")
def two_scales(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("two-scales"), {"quick": (10, 4), "slow": (96, 24)})


@pytest.fixture(scope="module")
def source() -> Onsets:
    return Onsets()


@pytest.fixture(scope="module")
def table(dataset: PreparedDataset, source: Onsets) -> QualityTable:
    return measure([source], dataset, ["test", "validation", "test"])


@pytest.fixture(scope="module")
def written(table: QualityTable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("written") / "new" / "folder"
    write(table, out)
    return out


# --- measuring ---------------------------------------------------------------------------------------------------


def test_every_driver_is_measured_on_the_same_tracks(table: QualityTable, source: Onsets) -> None:
    assert source.heard == list(range(4, 10))
    assert (table.n_tracks, table.n_short, table.n_fitted) == (6, 1, 2)
    assert table.splits == ("test", "validation")
    assert table.genres == {"Folk": 3, "Rock": 3}
    assert table.chance == {"self_retrieval": 1 / 6, "probe_accuracy": 0.5}
    assert [line.driver.kind for line in table.lines] == ["bundle", "original", *["baseline"] * 4]


def test_what_follows_the_onsets_is_told_from_what_does_not(table: QualityTable) -> None:
    follows, still, *baselines = (line.quality for line in table.lines)
    assert follows.responsiveness > 0.6 > max(one.responsiveness for one in baselines)
    assert follows.self_retrieval == 1
    assert follows.n_dead == 0
    assert (still.responsiveness, still.z, still.n_dead, still.self_retrieval) == (0, 0, 3, 0)
    ten, *_, walk = baselines
    assert ten.responsiveness > 0.25 > walk.responsiveness
    assert len(ten.std) == len(walk.std) == 10
    assert len(baselines[2].std) == 3


def test_example_is_some_music_that_was_measured(table: QualityTable) -> None:
    assert re.fullmatch(r"Title [4-9]", table.example.title)
    n = len(table.example.onset)
    # The whole of a short track; mp3 adds to its length.
    assert 200 <= n <= 205
    assert all(line.example.shape == (n, len(line.quality.std)) for line in table.lines)
    assert np.isfinite(table.example.onset).all()


def test_equal_seeds_give_equal_tables(dataset: PreparedDataset, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(measure([Onsets()], dataset, ["test"], max_tracks=3, seed=4), tmp_path / name)
    for file in ("quality.json", "quality.csv", "quality.md", "quality.html"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert json.loads((tmp_path / "a" / "quality.json").read_text())["n_tracks"] == 3


def test_progress_reaches_the_end(dataset: PreparedDataset) -> None:
    seen: list[tuple[int, int]] = []
    measure([], dataset, ["test"], max_tracks=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_only_so_many_training_tracks_are_taken(dataset: PreparedDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality_table, "N_FITTED_TRACKS", 1)
    monkeypatch.setattr(quality_table, "MAX_SECONDS", 3.5)
    table = measure([], dataset, ["test"], max_tracks=2)
    assert table.n_fitted == 1
    assert len(table.example.onset) == 175


def test_a_corpus_that_has_moved_is_asked_for(dataset: PreparedDataset, tmp_path: Path) -> None:
    copy = tmp_path / "ds"
    shutil.copytree(dataset.path, copy)
    moved = PreparedDataset.load(copy)
    with pytest.raises(FormatError, match=r"has moved; say where its sound is with --fma-root"):
        measure([], moved, ["test"])
    with pytest.raises(FormatError, match=r"--fma-root .*nowhere: no such folder"):
        measure([], moved, ["test"], fma_root=tmp_path / "nowhere")
    with pytest.raises(FormatError, match=r"000004\.mp3: missing; say where .* with --fma-root"):
        measure([], moved, ["test"], fma_root=tmp_path)
    assert measure([], moved, ["test"], fma_root=dataset.origin, max_tracks=2).n_tracks == 2


@pytest.mark.parametrize("path", ["../../secret.mp3", "/etc/passwd", "fma_small/\0"])
def test_paths_do_not_lead_out_of_the_corpus(dataset: PreparedDataset, path: str) -> None:
    shards: Any = [
        {**shard, "tracks": [{**track, "path": path} for track in shard["tracks"]]} for shard in dataset.shards
    ]
    with pytest.raises(FormatError, match=r"track 4: .* leads out of the corpus"):
        measure([], replace(dataset, shards=tuple(shards)), ["test"])


def test_too_few_tracks_are_refused(dataset: PreparedDataset) -> None:
    with pytest.raises(ValueError, match=r"0 tracks of at least 3 s to measure; at least 2"):
        measure([], dataset, ["validation"])
    with pytest.raises(ValueError, match="1 tracks"):
        measure([], dataset, ["test"], max_tracks=1)


def test_too_little_sound_for_a_source_names_the_file(dataset: PreparedDataset) -> None:
    class Long:
        drivers = (Driver("long", "", "bundle"),)

        def play(self, sound: Sound) -> Iterator[Floats]:
            if sound.seconds < 10:
                raise AudioTooShortError(f"{sound.seconds:.0f} s are not enough")
            yield np.zeros((500, 1))

    with pytest.raises(AudioTooShortError, match=r"000004\.mp3: 4 s are not enough"):
        measure([Long()], dataset, ["test"])


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
    source = BaselineSource.fit(sounds, floor_db=-55)
    for driver, *played in zip(source.drivers, *(source.play(sound) for sound in sounds), strict=True):
        assert driver.kind == "baseline"
        together = np.concatenate(played)
        assert together.shape[0] == 750
        np.testing.assert_allclose(together.mean(axis=0), 0.5, atol=0.12)
        assert 0 <= together.min() < together.max() <= 1


def test_a_walk_is_of_its_track_alone() -> None:
    sounds = [Sound(1, music(3, seed=1)), Sound(1, music(3, seed=2)), Sound(2, music(3, seed=1))]
    source = BaselineSource.fit(sounds, floor_db=-55)
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


def test_command(bundle: Bundle, dataset: PreparedDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["quality", str(bundle.path), "--dataset", str(dataset.path), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--split", "test", "validation", "--max-tracks", "2"]) == 0
    printed = capsys.readouterr().out
    assert f"| {bundle.label}: the original's settings" in printed
    assert "2 tracks (test, validation) of" in printed
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"quality.{suffix}" for suffix in ("csv", "html", "json", "md")
    ]
    assert main([*arguments, "--fma-root", str(tmp_path)]) == 2
    assert "--fma-root" in capsys.readouterr().err
    assert main([*arguments, "--max-tracks", "0"]) == 2
    assert "--max-tracks 0: give at least 1" in capsys.readouterr().err


# --- files -------------------------------------------------------------------------------------------------------


def test_numbers_are_the_same_in_all_files(table: QualityTable, written: Path) -> None:
    values = json.loads((written / "quality.json").read_text())
    with (written / "quality.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(values["drivers"]) == len(table.lines)
    for row, entry, line in zip(rows, values["drivers"], table.lines, strict=True):
        assert row["driver"] == entry["driver"] == line.driver.name
        assert float(row["responsiveness"]) == entry["responsiveness"] == line.quality.responsiveness
        assert float(row["mean_std_low"]) == entry["intervals"]["mean_std"][0] == line.quality.std_interval[0]
        assert entry["std"] == list(line.quality.std)
    assert values["genres"] == {"Folk": 3, "Rock": 3}


def test_markdown_is_a_table(table: QualityTable) -> None:
    lines = markdown(table).splitlines()
    rows = [line for line in lines if line.startswith("| ")]
    assert len(rows) == len(table.lines) + 2
    # What stands in a name does not end a cell.
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {12}
    assert {len(row) for row in rows} == {len(rows[0])}
    assert "<script" not in markdown(table)
    assert re.search(r"stands still .*\| 0\.00 \[0\.00, 0\.00\] \| +0\.0 \| +0 \|", markdown(table))
    assert "Genres: Folk (3 tracks), Rock (3 tracks); chance gives the probe 0.50." in lines[-1]
    assert "Left out, because shorter than 3 s: 1." in lines[-1]


def test_genres_that_cannot_be_compared_are_not(dataset: PreparedDataset, tmp_path: Path) -> None:
    table = measure([], dataset, ["test"], max_tracks=2)
    assert table.genres == {}
    assert "probe_accuracy" not in table.chance
    assert all(line.quality.silhouette is None and line.quality.probe_accuracy is None for line in table.lines)
    text = markdown(table)
    assert "Genres are not compared: fewer than two of them have two artists here." in text
    assert re.search(r"\| +- \| +- \|", text)
    write(table, tmp_path)
    assert json.loads((tmp_path / "quality.json").read_text())["drivers"][0]["silhouette"] is None


def test_page_is_whole_and_can_be_used_without_seeing(written: Path) -> None:
    page = Page(written / "quality.html")
    page.check_loads_nothing()
    page.check_can_be_used_without_seeing()
    assert "<script" not in page.source
    assert page.texts.count(f"onsets {_BAD}") == 2


def test_page_shows_a_picture_and_bars_for_every_driver(table: QualityTable, written: Path) -> None:
    page = Page(written / "quality.html")
    assert len(page.all("img")) == len(page.all("svg", **{"class": "curves"})) == len(table.lines)
    bars: list[dict[str, Any]] = page.all("rect", **{"class": "fill"})
    assert len(bars) == 3 * len(table.lines)
    assert all(0 <= float(bar["width"]) <= 100 for bar in bars)
    for path in page.all("path", **{"class": "speed"}):
        ys = [float(point.split()[1]) for point in path["d"].removeprefix("M").split("L")]
        assert 0 <= min(ys) <= max(ys) <= 100
