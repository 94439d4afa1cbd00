from __future__ import annotations

import base64
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile as sf
from matplotlib import colormaps
from matplotlib.image import imread

from tests.conftest import make_fma
from tests.page import Page
from tfdeepviz.data.decode import decode_file
from tfdeepviz.data.features import Features
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.prepare import prepare
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.selection import Selection
from tfdeepviz.files import FormatError
from tfdeepviz.params import LIVE
from tfdeepviz.reports import dataset as dataset_page
from tfdeepviz.reports.dataset import summarize, write_dataset_page

_BAD_TITLE = "<script>alert(3)</script>"
_BAD_ARTIST = '"><img src=x onerror=alert(5)>'


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten tracks with names that would break a careless page, an empty file and one that is missing."""
    splits = {**dict.fromkeys(range(2, 8), "training"), 9: "validation", 10: "validation", 11: "test", 12: "training"}
    root = make_fma(tmp_path_factory.mktemp("fma"), splits)
    metadata = root / "fma_metadata" / "tracks.csv"
    quoted = _BAD_ARTIST.replace('"', '""')
    text = metadata.read_text().replace("Title 3,", f"{_BAD_TITLE},").replace("Artist 5\n", f'"{quoted}"\n')
    metadata.write_text(text)
    (root / "fma_small" / "000" / "000006.mp3").write_bytes(b"")
    (root / "fma_small" / "000" / "000012.mp3").unlink()
    return root


@pytest.fixture(scope="module")
def dataset(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    out = tmp_path_factory.mktemp("prepared") / "ds"
    return prepare(corpus, out, selection=Selection(), features=Features(LIVE), tracks_per_shard=2)


@pytest.fixture(scope="module")
def page(dataset: PreparedDataset, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    out = tmp_path_factory.mktemp("report") / "report.html"
    write_dataset_page(dataset, out, fma_root=corpus)
    return Page(out)


def changed(dataset: PreparedDataset, out: Path, **values: Any) -> PreparedDataset:
    """A copy whose manifest says something else of every track."""
    shutil.copytree(dataset.path, out)
    manifest = json.loads((out / "manifest.json").read_text())
    for shard in manifest["shards"]:
        for track in shard["tracks"]:
            track |= values
    (out / "manifest.json").write_text(json.dumps(manifest))
    return PreparedDataset.load(out)


def content(uri: str) -> io.BytesIO:
    return io.BytesIO(base64.b64decode(uri.split(",", 1)[1], validate=True))


def spans(labels: Iterator[str]) -> Iterator[tuple[str, float, float]]:
    """Titles, starts and stops in seconds from the words for pictures and players."""
    for label in labels:
        match = re.fullmatch(r"(.*), (\d+):([\d.]+) to (\d+):([\d.]+)", label)
        assert match is not None
        title, *clock = match.groups()
        yield title, 60 * int(clock[0]) + float(clock[1]), 60 * int(clock[2]) + float(clock[3])


def test_summary_says_what_the_manifest_says(dataset: PreparedDataset) -> None:
    lines = summarize(dataset).splitlines()
    statistics = json.loads((dataset.path / "manifest.json").read_text())["statistics"]
    for line, split in zip(lines[1:4], SPLITS, strict=True):
        name, tracks, segments, hours, mean, _, deviation = line.split()
        of_split = statistics[split]
        assert (name, int(tracks), int(segments)) == (split, of_split["n_tracks"], of_split["n_segments"])
        assert float(hours) == pytest.approx(of_split["seconds"] / 3_600, abs=0.006)
        assert float(mean) == pytest.approx(of_split["level_db_mean"], abs=0.06)
        assert float(deviation) == pytest.approx(of_split["level_db_std"], abs=0.06)
    assert lines[4].split()[:3] == ["all", "8", "32"]
    assert [line.split() for line in lines[6:9]] == [
        ["genre", *SPLITS, "all"],
        ["Rock", "3", "1", "1", "5"],
        ["(no", "genre)", "2", "1", "0", "3"],
    ]
    assert {len(line) for line in lines[:5]} == {len(lines[0])}
    assert lines[10] == "skipped  2 (1 empty, 1 missing)"
    assert "MFCC, 64 coefficients × 96 frames (0.96 s)" in lines[11]
    assert lines[12:] == [f"identity {dataset.identity}", f"digest   {dataset.digest}"]


def test_summary_gives_a_terminal_nothing_to_obey(dataset: PreparedDataset, tmp_path: Path) -> None:
    text = summarize(changed(dataset, tmp_path / "ds", genre="\x1b[31mRock\a"))
    assert "?[31mRock?" in text
    assert text.replace("\n", "").isprintable()


def test_page_is_whole_and_loads_nothing(page: Page) -> None:
    page.check_loads_nothing()


def test_page_can_be_used_without_seeing_it(page: Page) -> None:
    page.check_can_be_used_without_seeing()


def test_page_shows_the_counts(page: Page, dataset: PreparedDataset) -> None:
    texts = page.texts
    assert {dataset.identity, dataset.digest} <= set(texts)
    splits = texts.index("training", texts.index("Level, dBFS"))
    assert texts[splits : splits + 4] == ["training", "5", "62.5%", "20"]
    rock = texts.index("Rock", texts.index("Genres", splits))
    assert texts[rock : rock + 8] == ["Rock", "3", "60.0%", "1", "50.0%", "1", "100.0%", "5"]
    assert texts[rock + 8 : rock + 11] == ["(no genre)", "2", "40.0%"]
    for chart in ("Length of the tracks, s", "Level of the tracks, dBFS"):
        start = texts.index("Numbers of this chart", texts.index(chart))
        table = texts[start + 5 :]
        counts = [int(text) for text in table[: 3 * 4 * 8] if text.isdigit()]
        rows = next(n for n in range(0, len(counts) + 1, 3) if sum(counts[:n]) == 8)
        assert np.sum(np.reshape(counts[:rows], (-1, 3)), axis=0).tolist() == [5, 2, 1]


def test_names_are_shown_as_text(page: Page) -> None:
    assert _BAD_TITLE in page.texts
    assert _BAD_ARTIST in page.texts
    assert "<script" not in page.source
    assert "<img src=x" not in page.source


def test_lone_surrogates_do_not_stop_the_page(dataset: PreparedDataset, tmp_path: Path) -> None:
    write_dataset_page(changed(dataset, tmp_path / "ds", title="half \ud800"), tmp_path / "r.html", fma_root=None)
    assert "half ?" in Page(tmp_path / "r.html").texts


def test_skipped_files_are_listed(page: Page) -> None:
    start = page.texts.index("Message")
    empty = page.texts.index("6", start)
    assert page.texts[empty : empty + 3] == ["6", "fma_small/000/000006.mp3", "empty"]
    assert "fma_small/000/000006.mp3: the file is empty (0 bytes)" in page.texts[empty + 3]
    missing = page.texts.index("12", start)
    assert page.texts[missing + 2] == "missing"


def test_long_lists_of_skipped_files_are_cut(
    dataset: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_page, "MAX_SKIPPED_ROWS", 1)
    write_dataset_page(dataset, tmp_path / "r.html", fma_root=None)
    page = Page(tmp_path / "r.html")
    assert "The first 1 of 2; all are in the dataset's" in page.texts
    assert len(page.all("table", **{"class": "texts"})) == 1
    assert ("000006.mp3" in page.source) != ("000012.mp3" in page.source)


def original(corpus: Path, title: str, start: float, stop: float) -> npt.NDArray[np.float32]:
    number = 3 if title == _BAD_TITLE else int(title.split()[1])
    whole = decode_file(corpus / f"fma_small/000/{number:06d}.mp3", sample_rate_hz=44_100)
    return whole[round(start * 44_100) : round(stop * 44_100)]


def test_players_hold_exactly_their_segments(page: Page, corpus: Path) -> None:
    players = page.all("audio")
    assert len(players) == 8
    for player, (title, start, stop) in zip(players, spans(p["aria-label"] for p in players), strict=True):
        assert player["preload"] == "none"
        assert "controls" in player
        sound, rate_hz = sf.read(content(player["src"]), dtype="float32")
        assert (rate_hz, len(sound)) == (44_100, LIVE.segment_frames * LIVE.hop_length)
        expected = original(corpus, title, start, stop)
        assert np.corrcoef(sound, expected)[0, 1] > 0.9


def check_pictures(page: Page, dataset: PreparedDataset) -> None:
    mode, statistics, images = dataset.features.mode, dataset.statistics(), page.all("img")
    segments: dict[tuple[int, int], npt.NDArray[np.float64]] = {}
    for split in SPLITS:
        for batch, about in dataset.segments(split, batch_size=64, about=True).as_numpy_iterator():
            keys = zip(about["track_id"].tolist(), about["segment_index"].tolist(), strict=True)
            segments |= dict(zip(keys, batch[..., 0].astype(np.float64), strict=True))
    assert images
    for image, (title, start, _) in zip(images, spans(i["alt"] for i in images), strict=True):
        name = title.removeprefix(f"{mode} of ")
        number = 3 if name == _BAD_TITLE else int(name.split()[1])
        segment = segments[number, round(start / LIVE.segment_seconds)]
        if mode == "mfcc":
            unit = ((segment - statistics.mean) / np.sqrt(statistics.variance) + 3) / 6
        else:
            low, high = statistics.minimum.min(), statistics.maximum.max()
            unit = (segment - low) / (high - low)
        # The first row is the lowest on the page.
        expected = colormaps["magma"](unit)[::-1]
        np.testing.assert_allclose(imread(content(image["src"]), format="png"), expected, atol=0.02)


def test_pictures_are_the_segments(page: Page, dataset: PreparedDataset) -> None:
    check_pictures(page, dataset)


def test_log_mel_of_chosen_segments(corpus: Path, tmp_path: Path) -> None:
    dataset = prepare(
        corpus,
        tmp_path / "ds",
        selection=Selection(),
        features=Features(LIVE, "log-mel"),
        segments_per_track=2,
        storage="float16",
    )
    assert "Log-mel, 128 bands × 96 frames" in summarize(dataset)
    assert "at most 2 per track, float16" in summarize(dataset)
    write_dataset_page(dataset, tmp_path / "r.html", fma_root=None)
    check_pictures(Page(tmp_path / "r.html"), dataset)


def test_raw_audio_is_drawn_as_waveforms(corpus: Path, tmp_path: Path) -> None:
    dataset = prepare(corpus, tmp_path / "ds", selection=Selection(), features=Features(LIVE, "raw"))
    write_dataset_page(dataset, tmp_path / "r.html", fma_root=corpus)
    page = Page(tmp_path / "r.html")
    waves = page.all("svg", **{"class": "picture"})
    # Paths of charts have styles.
    paths = [path for path in page.all("path") if "style" not in path]
    assert page.all("img") == []
    assert len(page.all("audio")) == len(waves) == len(paths) == 8
    for path, (title, start, stop) in zip(paths, spans(wave["aria-label"] for wave in waves), strict=True):
        points = np.array([point.split() for point in path["d"].strip("MZ").split("L")], np.float64)
        sound = original(corpus, title.removeprefix("Waveform of "), start, stop)
        # y points down.
        assert -points[:, 1].min() == pytest.approx(100 * sound.max(), abs=0.1)
        assert -points[:, 1].max() == pytest.approx(100 * sound.min(), abs=0.1)


def test_without_the_corpus_the_page_says_how_to_get_players(dataset: PreparedDataset, tmp_path: Path) -> None:
    write_dataset_page(dataset, tmp_path / "r.html", fma_root=None)
    page = Page(tmp_path / "r.html")
    assert page.all("audio") == []
    assert len(page.all("img")) == 8
    assert "tfdeepviz inspect DATASET --fma-root DIR" in page.texts


def test_files_that_are_gone_or_broken_leave_the_picture(
    dataset: PreparedDataset, corpus: Path, tmp_path: Path
) -> None:
    root = tmp_path / "fma"
    shutil.copytree(corpus, root)
    (root / "fma_small" / "000" / "000002.mp3").unlink()
    (root / "fma_small" / "000" / "000005.mp3").write_bytes(b"no audio at all")
    write_dataset_page(dataset, tmp_path / "r.html", fma_root=root)
    page = Page(tmp_path / "r.html")
    assert (len(page.all("audio")), len(page.all("img"))) == (6, 8)
    assert "no player: missing" in page.texts
    assert "no player: unsupported" in page.texts
    assert any("Without a player: 1 (missing), 1 (unsupported);" in text for text in page.texts)


@pytest.mark.parametrize("kind", ["absolute", "parent", "nul"])
def test_paths_never_leave_the_corpus(dataset: PreparedDataset, corpus: Path, tmp_path: Path, kind: str) -> None:
    root = tmp_path / "fma"
    root.mkdir()
    sound = corpus / "fma_small" / "000" / "000002.mp3"
    shutil.copy(sound, tmp_path / "secret.mp3")
    path = {"absolute": str(sound), "parent": "../secret.mp3", "nul": "a\0b"}[kind]
    write_dataset_page(changed(dataset, tmp_path / "ds", path=path), tmp_path / "r.html", fma_root=root)
    page = Page(tmp_path / "r.html")
    assert page.all("audio") == []
    assert "no player: outside the corpus" in page.texts


def test_a_corpus_made_of_links_has_players(dataset: PreparedDataset, corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "fma").mkdir()
    (tmp_path / "fma" / "fma_small").symlink_to(corpus / "fma_small")
    write_dataset_page(dataset, tmp_path / "r.html", fma_root=tmp_path / "fma")
    page = Page(tmp_path / "r.html")
    assert len(page.all("audio")) == len(page.all("img"))


def test_equal_arguments_give_equal_bytes(dataset: PreparedDataset, corpus: Path, tmp_path: Path) -> None:
    pages = []
    steps: list[tuple[int, int]] = []

    def progress(*step: int) -> None:
        steps.append((step[0], step[1]))

    for name, seed in (("a.html", 1), ("b.html", 1), ("c.html", 2)):
        steps.clear()
        write_dataset_page(dataset, tmp_path / name, fma_root=corpus, n_examples=2, seed=seed, progress=progress)
        assert steps == [(i, 4) for i in range(1, 5)]
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1]
    assert pages[0] != pages[2]
    assert str(tmp_path).encode() not in pages[0]


def test_artists_differ_and_only_needed_shards_are_read(
    dataset: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    tracks = PreparedDataset.tracks

    def spy(self: PreparedDataset, split: str) -> Iterator[tuple[int, Any]]:
        read.extend(shard["file"] for shard in self.shards)
        return tracks(self, split)

    monkeypatch.setattr(PreparedDataset, "tracks", spy)
    write_dataset_page(dataset, tmp_path / "r.html", fma_root=None, n_examples=1)
    assert 1 <= len(set(read)) <= 2 < len(dataset.shards)
    same = changed(dataset, tmp_path / "ds", artist="One and the same")
    write_dataset_page(same, tmp_path / "r.html", fma_root=None, n_examples=3)
    assert len(Page(tmp_path / "r.html").all("img")) == 6


def test_damaged_datasets_are_refused_and_nothing_is_written(dataset: PreparedDataset, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    with pytest.raises(FormatError, match="track 9999"):
        write_dataset_page(changed(dataset, tmp_path / "ids", track_id=9999), out, fma_root=None)
    with pytest.raises(FormatError, match="do not fit"):
        write_dataset_page(changed(dataset, tmp_path / "frames", n_frames=900_000), out, fma_root=None)
    shutil.copytree(dataset.path, tmp_path / "bits")
    for shard in dataset.shards:
        file = tmp_path / "bits" / shard["file"]
        file.write_bytes(b"\xff" * file.stat().st_size)
    with pytest.raises(FormatError, match="damaged"):
        write_dataset_page(PreparedDataset.load(tmp_path / "bits"), out, fma_root=None)
    assert not out.exists()
    assert not list(tmp_path.glob(".*"))


def test_impossible_arguments_are_refused(dataset: PreparedDataset, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    with pytest.raises(ValueError, match="n_examples=0"):
        write_dataset_page(dataset, out, fma_root=None, n_examples=0)
    with pytest.raises(ValueError, match="seed=-1"):
        write_dataset_page(dataset, out, fma_root=None, seed=-1)
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        write_dataset_page(dataset, out, fma_root=tmp_path / "nowhere")
