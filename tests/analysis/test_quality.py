from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile as sf

from tests.conftest import RATE_HZ, make_fma, music
from tfdeepviz.analysis import quality
from tfdeepviz.analysis.quality import measure
from tfdeepviz.analysis.sound import Sound
from tfdeepviz.cli import main
from tfdeepviz.data.decode import AudioTooShortError
from tfdeepviz.data.features import Features
from tfdeepviz.data.prepare import prepare
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.selection import Selection
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.files import FormatError
from tfdeepviz.params import LIVE
from tfdeepviz.reports.quality import Driver, QualityTable, markdown, write_quality

Floats = npt.NDArray[np.float64]


class Onsets:
    """Moves exactly with the onsets, from another place in every track; a second driver stands still."""

    drivers = (Driver("onsets", "cheats", "bundle"), Driver("stands still", "", "original"))

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


@pytest.fixture(scope="module")
def source() -> Onsets:
    return Onsets()


@pytest.fixture(scope="module")
def table(dataset: PreparedDataset, source: Onsets) -> QualityTable:
    return measure([source], dataset, ["test", "validation", "test"])


def test_every_driver_is_measured_on_the_same_tracks(table: QualityTable, source: Onsets) -> None:
    assert source.heard == list(range(4, 10))
    assert (table.n_tracks, table.n_short, table.n_fitted) == (6, 1, 2)
    assert table.splits == ("test", "validation")
    assert table.genres == {"Folk": 3, "Rock": 3}
    assert table.chance == {"self_retrieval": 1 / 6, "probe_accuracy": 0.5}
    assert [line.driver.kind for line in table.lines] == ["bundle", "original", *["baseline"] * 4]
    for line in table.lines:
        assert set(line.intervals) == {"responsiveness", "self_retrieval", "mean_std", "probe_accuracy"}


def test_what_follows_the_onsets_is_told_from_what_does_not(table: QualityTable) -> None:
    follows, still, *baselines = (line.values for line in table.lines)
    responsiveness = [float(one["responsiveness"] or 0) for one in baselines]
    assert float(follows["responsiveness"] or 0) > 0.6 > max(responsiveness)
    assert follows["self_retrieval"] == 1
    assert follows["n_dead"] == 0
    assert [still[name] for name in ("responsiveness", "z", "n_dead", "self_retrieval")] == [0, 0, 3, 0]
    assert responsiveness[0] > 0.25 > responsiveness[-1]
    assert [len(line.std) for line in table.lines] == [3, 3, 10, 10, 3, 10]


def test_example_is_some_music_that_was_measured(table: QualityTable) -> None:
    assert re.fullmatch(r"Title [4-9]", table.example.title)
    n = len(table.example.onset)
    # The whole of a short track; mp3 adds to its length.
    assert 200 <= n <= 205
    start, stop = table.example.seconds
    assert (start, stop * 50) == (0, n)
    assert all(line.parameters.shape == (n, len(line.std)) for line in table.lines)
    assert all(line.speed.shape == (n - 1,) for line in table.lines)
    assert np.isfinite(table.example.onset).all()


def test_equal_seeds_give_equal_tables(dataset: PreparedDataset, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_quality(measure([Onsets()], dataset, ["test"], max_tracks=3, seed=4), tmp_path / name)
    for file in ("quality.json", "quality.csv", "quality.md", "quality.html"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert json.loads((tmp_path / "a" / "quality.json").read_text())["n_tracks"] == 3


def test_progress_reaches_the_end(dataset: PreparedDataset) -> None:
    seen: list[tuple[int, int]] = []
    measure([], dataset, ["test"], max_tracks=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_only_so_many_training_tracks_are_taken(dataset: PreparedDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "N_FITTED_TRACKS", 1)
    monkeypatch.setattr(quality, "MAX_SECONDS", 3.5)
    table = measure([], dataset, ["test"], max_tracks=2)
    assert table.n_fitted == 1
    assert len(table.example.onset) == 175


def test_a_corpus_that_has_moved_is_asked_for(dataset: PreparedDataset, tmp_path: Path) -> None:
    copy = tmp_path / "ds"
    shutil.copytree(dataset.path, copy)
    moved = PreparedDataset.load(copy)
    with pytest.raises(FormatError, match=r"has moved; give its folder with --fma-root"):
        measure([], moved, ["test"])
    with pytest.raises(FormatError, match=r"--fma-root .*nowhere: no such folder"):
        measure([], moved, ["test"], fma_root=tmp_path / "nowhere")
    with pytest.raises(FormatError, match=r"000004\.mp3: missing; give .* with --fma-root"):
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


def test_command(bundle: Bundle, dataset: PreparedDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["quality", str(bundle.path), "--dataset", str(dataset.path), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--split", "test", "validation", "--max-tracks", "2"]) == 0
    printed = capsys.readouterr().out
    assert f"| {bundle.label}: the original's settings" in printed
    assert "2 tracks (test, validation) of" in printed
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"quality.{suffix}" for suffix in ("artifact.json", "csv", "html", "json", "md")
    ]
    assert main([*arguments, "--fma-root", str(tmp_path)]) == 2
    assert "--fma-root" in capsys.readouterr().err
    assert main([*arguments, "--max-tracks", "0"]) == 2
    assert "--max-tracks: 0: give a whole number, at least 1" in capsys.readouterr().err


def test_genres_that_cannot_be_compared_are_not(dataset: PreparedDataset, tmp_path: Path) -> None:
    table = measure([], dataset, ["test"], max_tracks=2)
    assert table.genres == {}
    assert "probe_accuracy" not in table.chance
    assert all(line.values["silhouette"] is line.values["probe_accuracy"] is None for line in table.lines)
    assert "Genres are not compared: fewer than two of them have two artists here." in markdown(table)
    assert re.search(r"\| +- \| +- \|", markdown(table))
    write_quality(table, tmp_path)
    assert json.loads((tmp_path / "quality.json").read_text())["drivers"][0]["silhouette"] is None
