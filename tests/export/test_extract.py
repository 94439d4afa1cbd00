from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import RATE_HZ, music
from tests.export.conftest import reseal
from tfdeepviz.data.decode import AudioTooLongError, AudioTooShortError
from tfdeepviz.export.analysis_files import write_analysis
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.export.extract import Extractor
from tfdeepviz.export.goldens import TOLERANCES, allowed_error, as_sound, read_goldens
from tfdeepviz.files import FormatError
from tfdeepviz.mapping.time import play
from tfdeepviz.teachers.musicnn import TAGS

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


@pytest.mark.parametrize("name", ["bundle", "two_scales", "genre_bundle"])
def test_it_gives_the_bundles_goldens(name: str, write_sound: Write, request: pytest.FixtureRequest) -> None:
    bundle: Bundle = request.getfixturevalue(name)
    goldens, quantization = read_goldens(bundle), bundle.manifest["quantization"]
    analysis = Extractor(bundle).extract(write_sound("golden.flac", as_sound(goldens.pcm)))
    golden = goldens.stages
    np.testing.assert_allclose(analysis.mfcc, golden.mfcc, atol=1e-3)
    for encoder, encodings in analysis.encodings.items():
        expected = golden.encodings[encoder]
        np.testing.assert_allclose(encodings.values, expected, atol=allowed_error(quantization, expected))
        if encodings.genres is not None:
            np.testing.assert_allclose(
                encodings.genres, golden.genres[encoder], atol=TOLERANCES[quantization]["genres"]
            )
    tolerance = TOLERANCES[quantization]["parameters"]
    np.testing.assert_allclose(analysis.parameters, golden.parameters, atol=tolerance)


def test_silence_does_not_move(extractor: Extractor, write_sound: Write) -> None:
    analysis = extractor.extract(write_sound("a.wav", np.zeros(4 * RATE_HZ, np.float32)))
    assert np.ptp(analysis.parameters, axis=0).max() < 1e-4


def test_too_short_and_too_long_name_the_file(extractor: Extractor, write_sound: Write) -> None:
    with pytest.raises(AudioTooShortError, match=r"short\.wav.*0\.09 s"):
        extractor.extract(write_sound("short.wav", music(0.09)))
    with pytest.raises(AudioTooLongError, match=r"long\.wav"):
        extractor.extract(write_sound("long.wav", music(3.0)), max_seconds=2)


def test_sound_shorter_than_a_window_is_repeated(extractor: Extractor) -> None:
    short = music(0.3)
    analysis = extractor.analyze(short)
    mfcc = extractor.frontend.mfcc(short)
    (window,) = (mfcc[np.arange(96) % len(mfcc)][None],)
    expected = extractor.encoders["tiny"](window)["encoding"]
    np.testing.assert_allclose(analysis.encodings["tiny"].values, expected, atol=1e-6)


def test_all_formats_hold_the_same_numbers(extractor: Extractor, write_sound: Write, tmp_path: Path) -> None:
    analysis = extractor.extract(write_sound("a.wav", music(3.0)))
    for extension in (".json", ".npz", ".csv"):
        write_analysis(analysis, tmp_path / f"out{extension}", bundle=extractor.bundle)
    value = json.loads((tmp_path / "out.json").read_text())
    assert set(value) == {"bundle", "times", "encodings", "parameters"}
    assert set(value["encodings"]["tiny"]) == {"times", "values"}
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


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"modelTopology": {"node": []}}'])
def test_an_encoder_that_cannot_be_loaded_is_refused(bundle: Bundle, tmp_path: Path, content: str) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle.path, copy)
    (copy / "encoders" / "tiny" / "model.json").write_text(content)
    reseal(copy)
    extractor = Extractor(Bundle.load(copy))
    with pytest.raises(FormatError, match=r"tiny/model\.json"):
        _ = extractor.encoders


def test_an_encoder_of_another_size_is_refused(bundle: Bundle, genre_bundle: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle.path, copy)
    for name in ("model.json", "group1-shard1of1.bin"):
        shutil.copyfile(genre_bundle.path / "encoders" / "vgg16" / name, copy / "encoders" / "tiny" / name)
    reseal(copy)
    extractor = Extractor(Bundle.load(copy))
    with pytest.raises(FormatError, match="instead of"):
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
        onsets=analysis.onsets,
    )
    np.testing.assert_array_equal(played.parameters, expected)


def test_a_mapping_is_chosen_by_its_names(extractor: Extractor, write_sound: Write) -> None:
    track = write_sound("a.wav", music(3.0))
    raw, pca = extractor.extract(track), extractor.extract(track, projection="pca", method="per-track")
    assert np.ptp(pca.parameters, axis=0).min() > np.ptp(raw.parameters, axis=0).min()
    with pytest.raises(ValueError, match="umap/features/standard: the bundle offers raw/features/standard"):
        extractor.extract(track, projection="umap")


def test_probabilities_of_genres_are_written(genre_bundle: Bundle, write_sound: Write, tmp_path: Path) -> None:
    analysis = Extractor(genre_bundle).extract(write_sound("a.wav", music(3.0)))
    genres, names = analysis.encodings["vgg16"].genres, list(genre_bundle.encoders[0].genres)
    assert genres is not None
    for extension in (".json", ".npz", ".csv"):
        write_analysis(analysis, tmp_path / f"out{extension}", bundle=genre_bundle)
    value = json.loads((tmp_path / "out.json").read_text())["encodings"]["vgg16"]
    assert value["genre_names"] == names
    np.testing.assert_allclose(value["genres"], genres)
    with (tmp_path / "out.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        assert arrays["vgg16/genre_names"].tolist() == names
        np.testing.assert_array_equal(arrays["vgg16/genres"], genres)
    with (tmp_path / "out.csv").open(newline="") as text:
        rows = list(csv.DictReader(text))
    assert [float(row[f"vgg16_{names[0]}"]) for row in rows] == pytest.approx(genres[:, 0].tolist())


def test_tags_are_written(tag_bundle: Bundle, write_sound: Write, tmp_path: Path) -> None:
    analysis = Extractor(tag_bundle).extract(write_sound("a.wav", music(4.5)))
    tags = analysis.encodings["tags"].tags
    assert tags is not None
    assert tags.shape == (len(analysis.encodings["tags"].values), 100)
    for extension in (".json", ".csv"):
        write_analysis(analysis, tmp_path / f"out{extension}", bundle=tag_bundle)
    value = json.loads((tmp_path / "out.json").read_text())["encodings"]["tags"]
    assert value["tag_names"] == list(TAGS)
    np.testing.assert_allclose(value["tags"], tags)
    with (tmp_path / "out.csv").open(newline="") as text:
        rows = list(csv.DictReader(text))
    assert [float(row["tags_msd/rock"]) for row in rows] == pytest.approx(tags[:, 0].tolist())
