from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import keras
import matplotlib
import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.image import imread

from tests.conftest import make_fma
from tests.page import Page
from tfdeepviz.analysis import analyze as analyze_module
from tfdeepviz.analysis.analyze import analyze, suited
from tfdeepviz.cli import main
from tfdeepviz.data.features import Features
from tfdeepviz.data.prepare import prepare
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.selection import Selection
from tfdeepviz.files import FormatError, read_json, write_json
from tfdeepviz.mapping.encodings import encode_run
from tfdeepviz.mapping.mappings import MappingKey, fit_mappings
from tfdeepviz.mapping.projections import PROJECTIONS
from tfdeepviz.models.presets import load_preset
from tfdeepviz.models.run import Run
from tfdeepviz.params import LIVE
from tfdeepviz.reports import analysis as page_module
from tfdeepviz.reports.analysis import ENCODINGS, EVERYTHING, Analysis, Group, write_analysis
from tfdeepviz.reports.charts import Spread

_BAD = '"><script>alert(1)</script> $x_'
_GENRE = "<b>Rock</b> & Roll"
CSVS = ("components.csv", "scalings.csv", "explained-variance.csv", "elbow.csv", "points.csv", "song.csv")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    """Short tracks of two genres, two in a shard: six for training and six for test."""
    folder = tmp_path_factory.mktemp("analysis")
    splits = {**dict.fromkeys(range(2, 8), "training"), **dict.fromkeys(range(8, 14), "test")}
    root = make_fma(folder / "fma", splits, seconds=3.0, genres=("Folk", _GENRE))
    return prepare(root, folder / "ds", selection=Selection(), features=Features(LIVE), tracks_per_shard=2)


def make_run(
    path: Path, *, preset: str = "ae-shared-compact", size: int = 10, frames: int = 96, dead: bool = False
) -> Run:
    """A run that was never trained: all that is analysed of one is its encoder."""
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((64, frames, 1))
    for layer in (
        keras.layers.Rescaling(1 / 200),
        keras.layers.AveragePooling2D((8, frames)),
        keras.layers.Flatten(),
        keras.layers.Dense(
            size, activation="sigmoid", kernel_initializer="zeros" if dead else keras.initializers.RandomNormal(0, 1)
        ),
    ):
        x = layer(x)
    config = {"preset": load_preset(preset).to_dict(), "audio": LIVE.to_dict(), "mode": "mfcc", "genres": []}
    write_json(path / "config.json", {**config, "dataset": "ds", "dataset_digest": f"sha256:{64 * '0'}", "seed": 0})
    keras.Model(inputs, x).save(path / "encoder.keras")
    write_json(path / "metrics.json", {})
    return Run.load(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture(scope="module")
def analysis(run: Run, dataset: PreparedDataset) -> Analysis:
    return analyze(run, dataset)


@pytest.fixture(scope="module")
def folder(analysis: Analysis, dataset: PreparedDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("written") / "out"
    assert write_analysis(analysis, out, fma_root=dataset.origin) == out / "analysis.html"
    return out


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page(folder / "analysis.html")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def data_of(page: Page) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.source)
    assert match is not None
    values: dict[str, Any] = json.loads(match[1])
    return values


def plain(page: Page) -> str:
    """The page's text on one line, with simple blanks."""
    return " ".join(page.texts).replace("\N{NO-BREAK SPACE}", " ")


def n_dots(page: Page, style: str) -> list[int]:
    """How many dots of a colour each chart has."""
    groups = re.findall(rf'<g class="dots {style}"><path d="([^"]*)"', page.source)
    return [path.count("M") for path in groups]


def check_statistics(found: Spread, values: npt.NDArray[np.float64]) -> None:
    for name, expected in (("mean", values.mean(0)), ("minimum", values.min(0)), ("maximum", values.max(0))):
        np.testing.assert_allclose(getattr(found, name), expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.std, values.std(0), rtol=1e-6, atol=1e-9)


def test_what_an_encoder_gives_beside_its_encoding_is_ignored(
    run: Run, dataset: PreparedDataset, analysis: Analysis, tmp_path: Path
) -> None:
    several = make_run(tmp_path / "tiny")
    encoder = several.load_encoder()
    genres = keras.layers.Softmax()(encoder.output)
    keras.Model(encoder.input, {"encoding": encoder.output, "genres": genres}).save(several.path / "encoder.keras")
    assert analyze(several, dataset).inertia == analysis.inertia


def test_statistics_are_numpys_for_all_genres_and_tracks(
    analysis: Analysis, run: Run, dataset: PreparedDataset
) -> None:
    described = encode_run(run, dataset, "test")
    mappings = fit_mappings({run.preset.name: encode_run(run, dataset, "training")})
    tracks = dataset.used("test")
    assert analysis.tracks == tracks
    kinds = [group.kind for group in analysis.statistics]
    assert (kinds.count("all"), kinds.count("genre"), kinds.count("track")) == (1, 2, 4)
    chosen = next(group for group in analysis.statistics if group.kind == "track")
    members = {
        EVERYTHING: list(range(6)),
        Group("genre", _GENRE): [i for i in range(6) if tracks[i]["genre"] == _GENRE],
        chosen: [i for i in range(6) if str(tracks[i]["track_id"]) == chosen.name],
    }
    for group, indices in members.items():
        by_offer = analysis.statistics[group]
        assert set(by_offer) == {ENCODINGS, *mappings.offers}
        check_statistics(by_offer[ENCODINGS], np.concatenate([described[i].values.astype(float) for i in indices]))
        for offer in (MappingKey("pca", "across", "standard"), MappingKey("kmeans", "features", "per-track")):
            mapping = mappings.offers[offer]
            parameters = [mapping.parameters({run.preset.name: described[i]})[1] for i in indices]
            check_statistics(by_offer[offer], np.concatenate(parameters))


def test_chosen_tracks_are_of_all_genres_and_different_artists(analysis: Analysis) -> None:
    ids = [int(group.name) for group in analysis.statistics if group.kind == "track"]
    assert len(set(ids)) == 4
    assert sum(track_id % 2 for track_id in ids) == 2
    assert analysis.song.track["track_id"] == ids[0]


def test_page_is_whole_and_runs_only_its_own_script(page: Page, folder: Path) -> None:
    assert page.source.startswith("<!doctype html>")
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    assert policy.startswith("default-src 'none';")
    scripts = re.findall(r"<script>(.*?)</script>", page.source, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert len(scripts) == 1
    assert f"script-src 'sha256-{digest}'" in policy
    assert page.all("script") == [{"type": "application/json", "id": "data"}, {}]
    for tag in ("link", "iframe", "object"):
        assert page.all(tag) == []
    assert "url(" not in page.source
    assert "http" not in re.sub(r'http-equiv="', "", page.source)
    for _, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes)
        for address in (attributes.get("src", ""), attributes.get("href", "")):
            assert address.startswith(("data:image/png", "#")) or not address or (folder / unquote(address)).is_file()


def test_page_can_be_used_without_seeing_it(folder: Path) -> None:
    page = Page(folder / "analysis.html")
    # The CSVs are the charts in numbers.
    page.elements = [item for item in page.elements if not item[1].get("href", "").endswith(".csv")]
    page.check_can_be_used_without_seeing()
    figure = page.all("div", id="map-figure")[0]
    assert figure["tabindex"] == "0"
    assert figure["aria-label"]
    assert page.all("p", id="map-status") == [{"id": "map-status", "aria-live": "polite"}]


def test_everything_named_is_there(page: Page, analysis: Analysis) -> None:
    sections = {section["id"] for section in page.all("section")}
    assert sections == {
        *("map", "song", "encodings", "mappings", "variance", "genres", "tracks", "scatter", "paper", "made")
    }
    labels = [image["aria-label"].partition(".")[0] for image in page.all("div", role="img")]
    for method in ("standard", "minmax", "robust", "per-track"):
        assert labels.count(method) == 2 * len(PROJECTIONS)
    for title in ("Components of the encodings", "Explained variance, PCA of the encodings", "Elbow of k-means"):
        assert title in labels
    assert "Explained variance, PCA of the nearness to the clusters" in labels
    assert {f"Principal component {k} and {k + 1}" for k in (1, 3, 5, 7)} <= set(labels)
    assert {f"Component {k} and {k + 1}" for k in (1, 3, 5, 7)} <= set(labels)
    for projection in PROJECTIONS:
        # Once for the song, once for genres and once for tracks.
        assert page.texts.count(" / ".join(suited(projection))) == 3
    assert page.texts.count("undoes that; across keeps it") == 0
    assert plain(page).count("undoes that; across keeps it") == 2
    assert "Paper, section 5" in plain(page)
    assert "t-SNE of 18 encodings of 6 tracks." in plain(page)
    assert not analysis.left_out
    assert "Left out" not in page.texts


def test_names_are_shown_as_text(analysis: Analysis, tmp_path: Path) -> None:
    tracks: Any = [{**track, "title": f"Song {_BAD}", "artist": "half \ud800"} for track in analysis.tracks]
    about = {**analysis.about, "title": f"Run {_BAD}", "dataset": f"data {_BAD}"}
    song = replace(analysis.song, track=next(t for t in tracks if t["track_id"] == analysis.song.track["track_id"]))
    page = Page(write_analysis(replace(analysis, tracks=tracks, about=about, song=song), tmp_path))
    assert "<script>alert" not in page.source
    assert "<b>" not in page.source
    assert f"Run {_BAD}" in page.texts
    assert _GENRE in page.texts
    assert any(f"half ? - Song {_BAD}" in text for text in page.texts)
    assert data_of(page)["tracks"][0]["name"] == f"half \ud800 - Song {_BAD}"
    assert {row["genre"] for row in table(tmp_path / "points.csv")} == {"Folk", _GENRE}


def test_csvs_agree_with_the_page(page: Page, folder: Path, analysis: Analysis) -> None:
    assert set(CSVS) <= {path.name for path in folder.iterdir()}
    components = table(folder / "components.csv")
    assert len(components) == 7 * 41 * 10
    raw = [row for row in components if row["group"] == "all" and not row["projection"]]
    start = page.texts.index("Standard deviation")
    for k, row in enumerate(raw):
        cells = page.texts[start + 1 + 5 * k : start + 6 + 5 * k]
        assert cells[0] == row["component"] == str(k + 1)
        numbers = [row[name] for name in ("mean", "minimum", "maximum", "standard deviation")]
        assert [float(cell.replace("−", "-")) for cell in cells[1:]] == pytest.approx(
            list(map(float, numbers)), rel=6e-3
        )

    notes = [text.replace("\N{NO-BREAK SPACE}", " ") for text in page.texts if " at 0 or 1" in text]
    small = notes[len(PROJECTIONS) :]
    scalings = table(folder / "scalings.csv")
    assert len(scalings) == len(small) == 40
    for row, note in zip(scalings, small, strict=True):
        std, clipped = float(row["mean standard deviation"]), float(row["share at 0 or 1"])
        assert note == f"std {std:.2f}, {100 * clipped:.0f}% at 0 or 1"
        names = ("projection", "mode", "method")
        of = [
            float(one["standard deviation"])
            for one in components
            if one["group"] == "all" and [one[name] for name in names] == [row[name] for name in names]
        ]
        assert np.mean(of) == pytest.approx(std, rel=1e-6)

    variance = table(folder / "explained-variance.csv")
    assert [row["projection"] for row in variance] == ["pca"] * 10 + ["kmeans-pca"] * 10
    assert float(variance[9]["cumulative"]) == pytest.approx(1)
    assert (
        f"the first two principal components explain {100 * float(variance[1]['cumulative']):.0f}%".lower()
        in plain(page).lower()
    )
    elbow = table(folder / "elbow.csv")
    assert [int(row["clusters"]) for row in elbow] == [k for k, _ in analysis.inertia] == list(range(2, 19))
    assert [float(row["inertia"]) for row in elbow] == pytest.approx([value for _, value in analysis.inertia], rel=1e-8)
    chart = page.source.rpartition("Elbow of k-means")[2].partition("</svg>")[0]
    assert len(elbow) in [path.count("M") for path in re.findall(r' d="([^"]*)"', chart)]


def test_points_of_the_map_are_those_of_the_csv(page: Page, folder: Path, analysis: Analysis) -> None:
    data, points = data_of(page), table(folder / "points.csv")
    assert len(data["points"]) == len(points) == analysis.about["n_encodings"] == 18
    x = np.array([float(row["x"]) for row in points])
    shown = np.array([point[0] for point in data["points"]])
    np.testing.assert_allclose(np.corrcoef(x, shown)[0, 1], 1, atol=1e-6)
    assert [point[3] for point in data["points"]] == pytest.approx([float(r["seconds"]) for r in points], abs=0.006)
    assert [data["tracks"][point[2]]["genre"] for point in data["points"]] == [row["genre"] for row in points]
    # Every point is drawn on the map and on each of eight scatter plots, in its genre's colour.
    names = dict(zip(("c0", "c1"), sorted({"Folk", _GENRE}), strict=True))
    for style, genre in names.items():
        n_points = sum(row["genre"] == genre for row in points)
        assert (n_dots(page, style)[0], n_dots(page, style)[-8:]) == (n_points, [n_points] * 8)


def test_song_is_drawn_for_the_page_and_for_documents(page: Page, folder: Path, analysis: Analysis) -> None:
    song = table(folder / "song.csv")
    images = page.all("img")
    assert len(images) == len(PROJECTIONS)
    for image, projection in zip(images, PROJECTIONS, strict=True):
        rows = [row for row in song if row["projection"] == projection]
        picture = np.array([[float(row[f"parameter {k}"]) for k in range(1, 11)] for row in rows]).T
        content = base64.b64decode(image["src"].split(",", 1)[1], validate=True)
        (folder / "picture.png").write_bytes(content)
        expected = matplotlib.colormaps["magma"](picture)  # the first parameter on top
        np.testing.assert_allclose(imread(folder / "picture.png"), expected, atol=0.01)
        height, width, _ = imread(folder / f"song-{projection}.png").shape
        assert width > 3 * height
    (folder / "picture.png").unlink()
    assert page.all("audio", id="song-player")[0]["src"].endswith(f"{analysis.song.track['track_id']:06d}.mp3")


def test_sounds_are_those_of_the_corpus_and_nothing_else(
    page: Page, folder: Path, analysis: Analysis, dataset: PreparedDataset, tmp_path: Path
) -> None:
    for track, about in zip(data_of(page)["tracks"], analysis.tracks, strict=True):
        assert (folder / unquote(track["sound"])).resolve().name == f"{about['track_id']:06d}.mp3"
    assert dataset.origin is not None
    (dataset.origin.parent / "secret.mp3").write_bytes(b"")
    paths = ("../secret.mp3", str(dataset.origin.parent / "secret.mp3"), "fma_small/none.mp3", "\ud800", "\0", "")
    tracks: Any = [{**t, "path": path} for t, path in zip(analysis.tracks, paths, strict=True)]
    silent = Page(write_analysis(replace(analysis, tracks=tracks), tmp_path, fma_root=dataset.origin))
    assert [track["sound"] for track in data_of(silent)["tracks"]] == [""] * 6
    assert silent.all("audio") == []
    assert "--fma-root CORPUS" in plain(silent)
    with pytest.raises(FileNotFoundError, match="no such folder; give the corpus"):
        write_analysis(analysis, tmp_path, fma_root=tmp_path / "gone")


def test_equal_seeds_give_equal_bytes(
    analysis: Analysis, folder: Path, run: Run, dataset: PreparedDataset, tmp_path: Path
) -> None:
    assert analysis.points.method == "t-sne"
    # As far from the corpus, which the page refers to.
    out = folder.parent / "again"
    write_analysis(analyze(run, dataset), out, fma_root=dataset.origin)
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(["analysis.html", *CSVS, *(f"song-{name}.png" for name in PROJECTIONS)])
    for name in names:
        assert (out / name).read_bytes() == (folder / name).read_bytes()
    other = analyze(run, dataset, seed=1, map_method="pca")
    assert other.points.method == "pca"


def test_wide_encodings_are_drawn_in_part_and_say_what_is_left_out(dataset: PreparedDataset, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", preset="vgg13-compact", size=40)
    analysis = analyze(run, dataset, map_method="pca")
    page = Page(write_analysis(analysis, tmp_path / "out"))
    text = plain(page)
    assert "The first 32 of 40 components are drawn, and the distribution of all" in text
    assert {"Means of all 40 components", "Standard deviations of all 40 components"} <= set(page.texts)
    start = page.texts.index("Left out")
    assert page.texts[start + 1] == "raw"
    assert "vgg13-compact: raw needs an encoding of 10" in text
    assert "random needs an encoding of 10" in text
    assert [projection for projection, *_ in analysis.song.parameters] == ["pca", "kmeans", "kmeans-pca"]
    assert (
        len([row for row in table(tmp_path / "out/components.csv") if row["group"] == "all" and not row["projection"]])
        == 40
    )
    # The scatter plots show the components that vary the most.
    liveliest = np.argsort(-analysis.statistics[EVERYTHING][ENCODINGS].std)[:2] + 1
    assert f"Component {liveliest[0]} and {liveliest[1]}" in page.texts
    assert not (tmp_path / "out" / "song-raw.png").exists()


def test_time_resolved_encodings_are_sampled(
    dataset: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analyze_module, "MAX_POINTS", 60)
    monkeypatch.setattr(page_module, "MAX_COLUMNS", 100)
    run = make_run(tmp_path / "run", preset="ae-time", frames=9)
    analysis = analyze(run, dataset, split="training", fit="training", map_method="pca", track_ids=[5])
    assert analysis.about["step_seconds"] == 0.02
    assert analysis.about["n_encodings"] == analysis.about["n_fit_encodings"] > 800
    assert len(analysis.points.xy) == 60
    assert np.bincount(analysis.points.track).tolist() == [10] * 6
    assert all((np.diff(analysis.points.seconds[analysis.points.track == i]) > 0.2).all() for i in range(6))
    page = Page(write_analysis(analysis, tmp_path / "out"))
    assert f"PCA of 60 encodings of 6 tracks (of {analysis.about['n_encodings']:,}, evenly in time)" in plain(page)
    assert "One of 2 moments is shown" in plain(page)
    assert analysis.song.track["track_id"] == 5
    assert 100 < len(analysis.song.times) <= 200


def test_encodings_that_would_not_fit_into_memory_are_drawn_by_shard(
    run: Run, dataset: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analyze_module, "MAX_VALUES", 70)
    last = dataset.used("test")[-1]["track_id"]
    for seed in (0, 1):
        analysis = analyze(run, dataset, track_ids=[last], map_method="pca", seed=seed)
        assert [track["track_id"] for track in analysis.tracks] == [last - 1, last]
        assert analysis.about["n_fit_tracks"] == 2
    page = Page(write_analysis(analysis, tmp_path))
    assert "shards were drawn at random: 2 of 6 tracks for fitting, 2 of 6 for the description" in plain(page)


def test_an_encoder_that_says_nothing_is_shown_as_such(dataset: PreparedDataset, tmp_path: Path) -> None:
    analysis = analyze(make_run(tmp_path / "run", dead=True), dataset)
    assert set(analysis.left_out) == {"kmeans", "kmeans-pca"}
    assert analysis.inertia == []
    assert analysis.points.method == "pca"
    page = Page(write_analysis(analysis, tmp_path / "out"))
    assert "vary by 0 to 0 (standard deviation)" in plain(page)
    assert "Elbow of k-means" not in page.texts
    assert "the encoder gives the same for different music" in plain(page)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "tests"}, "split='tests': choose one of training, validation, test"),
        ({"fit": "validation"}, "the validation split holds no track; choose another for fit"),
        ({"track_ids": [8, 99]}, r"track 99: the test split of .* does not hold it, only 8, 9, 10, 11, 12, 13"),
        ({"track_ids": [8, 9, 10, 11, 12]}, "give at most 4, each once"),
        ({"track_ids": [8, 8]}, "tracks 8, 8: give at most 4, each once"),
        ({"n_genres": 5}, "genres=5: give 0 to 4"),
        ({"map_method": "umap"}, "map='umap': choose one of t-sne, pca"),
        ({"seed": -1}, "seed=-1: give at least 0"),
    ],
)
def test_impossible_values_are_refused(
    run: Run, dataset: PreparedDataset, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        analyze(run, dataset, **options)


def test_a_run_of_other_features_is_refused(run: Run, dataset: PreparedDataset, tmp_path: Path) -> None:
    config = read_json(run.path / "config.json")
    write_json(tmp_path / "run" / "config.json", {**config, "mode": "log-mel"})
    with pytest.raises(FormatError, match=r"has features that .* was not trained on; prepare a dataset"):
        analyze(Run.load(tmp_path / "run"), dataset)
    write_json(tmp_path / "run" / "config.json", config)
    with pytest.raises(FormatError, match=r"metrics\.json: missing; the run is not finished"):
        analyze(Run.load(tmp_path / "run"), dataset)


def test_no_genre_is_described_where_none_is_asked_for(run: Run, dataset: PreparedDataset, tmp_path: Path) -> None:
    told = []
    analysis = analyze(run, dataset, n_genres=0, map_method="pca", progress=lambda *step: told.append(step))
    assert not [group for group in analysis.statistics if group.kind == "genre"]
    assert "No track has a genre" in plain(Page(write_analysis(analysis, tmp_path)))
    assert ("encoding training", 6, 6) in told
    assert ("encoding test", 6, 6) in told
    done = [step[1:] for step in told if step[0] == "analysing"]
    assert done == [(i, 8) for i in range(9)]


def test_command_writes_the_page_and_names_what_is_left_out(
    dataset: PreparedDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", preset="vgg13-compact", size=12)
    arguments = ["analyze", str(run.path), "--dataset", str(dataset.path), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--map", "pca", "--track", "9", "--track", "8", "--genres", "1"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("left out: raw (vgg13-compact: raw needs an encoding of 10")
    assert printed.out.endswith(f"{tmp_path / 'out' / 'analysis.html'}: open it in a browser\n")
    assert "encoding test: " in printed.err
    assert "analysing: 100%" in printed.err
    page = Page(tmp_path / "out" / "analysis.html")
    assert page.all("audio", id="song-player")[0]["src"].endswith("fma_small/000/000009.mp3")
    assert main([*arguments, "--track", "77"]) == 2
    assert "track 77: the test split" in capsys.readouterr().err


def test_notebook_runs_through_the_public_functions(
    run: Run, dataset: PreparedDataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(__file__).parents[2] / "docs" / "analysis.ipynb"
    notebook = read_json(path)
    monkeypatch.setenv("RUN", str(run.path))
    monkeypatch.setenv("DATASET", str(dataset.path))
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names: dict[str, Any] = {}
    n_figures = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            # Committed as written, not as run.
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
            n_figures += len(plt.get_fignums())
            plt.close("all")
    assert n_figures == 1 + 5 + 1 + 2 * 6 + 1 + 1
    printed = capsys.readouterr().out
    assert "NET-AE-SHARED, compact on fma_small: 6 and 6 tracks" in printed
    assert len(re.findall(r"std \d\.\d\d", printed)) == 40
