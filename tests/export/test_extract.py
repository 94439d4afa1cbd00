from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import RATE_HZ, music
from tfdeepviz.data.decode import AudioTooLongError, AudioTooShortError
from tfdeepviz.data.files import FormatError, write_json
from tfdeepviz.export.bundle import Bundle, list_files
from tfdeepviz.export.extract import Extractor, write_analysis
from tfdeepviz.export.goldens import SCALE
from tfdeepviz.mapping.time import play

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def extractor(bundle: Bundle) -> Extractor:
    return Extractor(bundle)


def test_windows_side_by_side_give_31_rows_of_a_30_second_track(extractor: Extractor, write_sound: Write) -> None:
    analysis = extractor.extract(write_sound("a.mp3", music(30.0)), hop_seconds=0.96)
    assert analysis.encodings["tiny"].values.shape == analysis.parameters.shape == (31, 10)
    assert ((analysis.parameters >= 0) & (analysis.parameters <= 1)).all()
    np.testing.assert_allclose(np.diff(analysis.times), 0.96)


def test_a_finer_hop_meets_the_coarse_one(extractor: Extractor, write_sound: Write) -> None:
    track = write_sound("a.wav", music(4.0))
    coarse, fine = extractor.extract(track, hop_seconds=0.96), extractor.extract(track, hop_seconds=0.12)
    np.testing.assert_allclose(fine.times[::8][: len(coarse.times)], coarse.times)
    few, many = (analysis.encodings["tiny"].values for analysis in (coarse, fine))
    np.testing.assert_allclose(many[::8][: len(few)], few, atol=1e-5)
    np.testing.assert_allclose(np.diff(extractor.extract(track).times), 0.1)


@pytest.mark.parametrize("name", ["bundle", "two_scales"])
def test_it_gives_the_bundles_goldens(name: str, write_sound: Write, request: pytest.FixtureRequest) -> None:
    bundle: Bundle = request.getfixturevalue(name)
    folder = bundle.path
    goldens = json.loads((folder / "goldens" / "goldens.json").read_text())
    stages = {
        name: np.fromfile(folder / stage["file"], stage["dtype"]).reshape(stage["shape"])
        for name, stage in {**goldens["stages"], **goldens["encodings"]}.items()
    }
    track = write_sound("golden.flac", stages["pcm"].astype(np.float32) / SCALE)
    analysis = Extractor(bundle).extract(track)
    np.testing.assert_allclose(analysis.mfcc, stages["mfcc"], atol=1e-3)
    for encoder, encodings in analysis.encodings.items():
        np.testing.assert_allclose(encodings.values, stages[encoder], atol=1e-5)
    np.testing.assert_allclose(analysis.parameters, stages["parameters"], atol=1e-4)


def test_silence_does_not_move(extractor: Extractor, write_sound: Write) -> None:
    analysis = extractor.extract(write_sound("a.wav", np.zeros(4 * RATE_HZ, np.float32)))
    assert np.ptp(analysis.parameters, axis=0).max() < 1e-4


def test_too_short_and_too_long_name_the_file(extractor: Extractor, write_sound: Write) -> None:
    with pytest.raises(AudioTooShortError, match=r"short\.wav.*0\.30 s"):
        extractor.extract(write_sound("short.wav", music(0.3)))
    with pytest.raises(AudioTooLongError, match=r"long\.wav"):
        extractor.extract(write_sound("long.wav", music(3.0)), max_seconds=2)


def test_all_formats_hold_the_same_numbers(extractor: Extractor, write_sound: Write, tmp_path: Path) -> None:
    analysis = extractor.extract(write_sound("a.wav", music(3.0)))
    for extension in (".json", ".npz", ".csv"):
        write_analysis(analysis, tmp_path / f"out{extension}", bundle=extractor.bundle)
    value = json.loads((tmp_path / "out.json").read_text())
    assert set(value) == {"bundle", "times", "encodings", "parameters"}
    assert value["bundle"] == "tiny"
    np.testing.assert_allclose(value["parameters"], analysis.parameters)
    with (tmp_path / "out.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["tiny/values"], analysis.encodings["tiny"].values)
    with (tmp_path / "out.csv").open(newline="") as text:
        rows = list(csv.DictReader(text))
    assert [float(row["parameter_9"]) for row in rows] == pytest.approx(analysis.parameters[:, 9].tolist())
    assert [float(row["time"]) for row in rows] == pytest.approx(analysis.times.tolist())
    with pytest.raises(ValueError, match="csv"):
        write_analysis(analysis, tmp_path / "out.xlsx", bundle=extractor.bundle)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + bytes(60)])
def test_an_encoder_that_cannot_be_loaded_is_refused(bundle: Bundle, tmp_path: Path, content: bytes) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle.path, copy)
    (copy / "encoders" / "tiny.keras").write_bytes(content)
    write_json(copy / "manifest.json", {**bundle.manifest, "files": list_files(copy)})
    extractor = Extractor(Bundle.load(copy))
    with pytest.raises(FormatError, match=r"tiny\.keras"):
        _ = extractor.encoders


def test_scales_have_their_own_times_and_one_table(two_scales: Bundle, write_sound: Write, tmp_path: Path) -> None:
    analysis = Extractor(two_scales).extract(write_sound("a.wav", music(4.0)))
    beat, song = analysis.encodings["ae-time"], analysis.encodings["song"]
    np.testing.assert_allclose([np.diff(beat.times).mean(), np.diff(song.times).mean()], [0.02, 0.24])
    np.testing.assert_array_equal(analysis.times, beat.times)
    assert analysis.parameters.shape == (len(beat.times), 10)
    write_analysis(analysis, tmp_path / "out.csv", bundle=two_scales)
    with (tmp_path / "out.csv").open(newline="") as text:
        rows = list(csv.DictReader(text))
    expected = np.interp(beat.times, song.times, song.values[:, 3])
    assert [float(row["song_3"]) for row in rows] == pytest.approx(expected.tolist())


def test_frames_are_what_the_player_shows(two_scales: Bundle, write_sound: Write) -> None:
    analysis = Extractor(two_scales).extract(write_sound("a.wav", music(4.0)))
    played = analysis.played(25, two_scales.mappings.time)
    np.testing.assert_allclose(played.times, np.arange(100) / 25)
    _, expected = play(
        analysis.times,
        analysis.parameters,
        duration_seconds=4.0,
        frames_per_second=25,
        settings=two_scales.mappings.time,
    )
    np.testing.assert_array_equal(played.parameters, expected)


def test_a_mapping_is_chosen_by_its_names(extractor: Extractor, write_sound: Write) -> None:
    track = write_sound("a.wav", music(3.0))
    raw, pca = extractor.extract(track), extractor.extract(track, projection="pca", method="per-track")
    assert np.ptp(pca.parameters, axis=0).min() > np.ptp(raw.parameters, axis=0).min()
    with pytest.raises(ValueError, match="umap/features/standard: the bundle offers raw/features/standard"):
        extractor.extract(track, projection="umap")
