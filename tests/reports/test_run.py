from __future__ import annotations

import base64
import io
import json
import re
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib import colormaps
from matplotlib.image import imread

from tests.page import Page
from tfdeepviz.models.presets import Preset, load_preset
from tfdeepviz.models.scores import score_autoencoder, score_classifier, score_songs
from tfdeepviz.reports import run
from tfdeepviz.reports.run import Examples, write_run_page

_BAD = '"><script>alert(1)</script> $x_'
GENRES = ("Rock", _BAD, "Jazz", "Pop")

Evaluation = dict[str, Any]


def evaluation(preset: str, scores: dict[str, Any], std: list[float], history: list[dict[str, Any]]) -> Evaluation:
    values = load_preset(preset).to_dict()
    return {
        "run": {
            **{"name": f"run of {_BAD}", "title": f"Title {_BAD}", "kind": values["kind"], "preset": values},
            **{"trainable_parameters": 1_234_567, "encoding_size": len(std), "encoder_layer": values["encoder_layer"]},
            **{"encodings_per_segment": 1, "encoding_seconds": 0.96},
            **{"epochs": len(history), "dataset_name": f"data {_BAD}", "dataset_digest": "5f" * 32, "seed": 3},
            "code_version": "0.4.0",
        },
        "split": "test",
        "n_tracks": scores["n_tracks"],
        "n_segments": scores["n_segments"],
        "scores": scores,
        "encoding": {"encoding_std": std, "collapsed": False},
        "history": history,
    }


def autoencoder(factor: float = 0.4, alone: float = 0.9, n_tracks: int = 12) -> Evaluation:
    """An autoencoder whose error is about `factor` of the PCA's, and `alone` without what bypasses the encoding."""
    rng = np.random.default_rng(0)
    track_ids = np.repeat(np.arange(n_tracks), 5)
    pca = rng.lognormal(-5, 0.5, len(track_ids))
    model = factor * pca * rng.uniform(0.9, 1.1, len(pca))
    errors = {"model": model, "pca": pca, "alone": alone * pca, "mean": 2 * pca, "shuffled": 3 * model}
    if alone == factor:
        errors["alone"] = model
    history = [
        {
            **{"epoch": i, "loss": 0.02 / i, "val_loss": 0.03 / i, "min_encoding_std": 0.2, "dead_components": 0},
            **{"shuffle_rise": 1 - 0.5**i, "seconds": 9.5},
        }
        for i in range(1, 9)
    ]
    return evaluation("ae-shared", score_autoencoder(errors, track_ids), [0.21, 0.12, 0.3], history)


def classifier(genres: tuple[str, ...] = GENRES, n_tracks: int = 60, sharpness: float = 4.0) -> Evaluation:
    rng = np.random.default_rng(1)
    track = np.repeat(np.arange(n_tracks), 3)
    labels = rng.permutation(np.arange(n_tracks) % len(genres))[track]
    p = np.exp(rng.normal(size=(len(track), len(genres))) + sharpness * np.eye(len(genres))[labels])
    scores = score_classifier(p / p.sum(axis=1, keepdims=True), labels, track, genres)
    history = [
        {"epoch": i, "loss": 1.5, "val_loss": 1.4, "val_accuracy": 0.1 * i, "val_polled_accuracy": 0.12 * i}
        for i in range(1, 6)
    ]
    return evaluation("vgg11", scores, np.linspace(0, 2, 3_072).tolist(), history)


def song_encoder(n_tracks: int = 30, spread: float = 0.1) -> Evaluation:
    """An encoder that gives each song a place of its own, from which its segments are `spread` away."""
    rng = np.random.default_rng(3)
    track = np.repeat(np.arange(n_tracks), 4)
    encodings = rng.uniform(size=(n_tracks, 2))[track] + spread * rng.normal(size=(len(track), 2))
    history = [
        {
            **{"epoch": i, "loss": 4 / i, "val_loss": 3 / i, "min_encoding_std": 0.2, "dead_components": 0},
            **{"val_self_retrieval": 0.1 * i, "seconds": 3.5},
        }
        for i in range(1, 6)
    ]
    scores = {**score_songs(encodings, track), "contrastive_loss": 2.125}
    return evaluation("song", scores, [0.21, 0.12], history)


def pictures(*, alone: bool = True) -> Examples:
    rng = np.random.default_rng(2)
    original = rng.normal(0.5, 0.1, (3, 8, 12))
    original[0, 0, 0] = 1e6  # one outlier
    names = ("reconstruction", "alone", "pca")
    images = {name: original + 0.02 * k * rng.normal(size=original.shape) for k, name in enumerate(names, 1)}
    images = {"original": original, **images}
    if not alone:
        del images["alone"]
    return [f"Track {i}, {_BAD}" for i in range(3)], images


def written(values: Evaluation, out: Path, shown: Examples | None = None) -> Page:
    # What is not JSON would never reach the page.
    write_run_page(json.loads(json.dumps(values, allow_nan=False)), shown, out / "page.html")
    return Page(out / "page.html")


def verdict(values: Evaluation, out: Path) -> str:
    """The page's first sentences."""
    match = re.search(r'<p class="lede">(.*?)</p>', written(values, out).source, re.DOTALL)
    assert match is not None
    return " ".join(match[1].replace("&#39;", "'").split())


def drawn(page: Page, colour: str) -> list[npt.NDArray[np.float64]]:
    """Points [shape=(n, 2)] of every line of a colour in the charts, in their order."""
    paths = [path["d"] for path in page.all("path") if f"stroke: var(--{colour})" in path["style"]]
    return [np.array(re.findall(r"[ML] (\S+) (\S+)", d), np.float64) for d in paths]


@pytest.fixture(params=[autoencoder, classifier, song_encoder])
def page(request: pytest.FixtureRequest, tmp_path: Path) -> Page:
    return written(request.param(), tmp_path, pictures() if request.param is autoencoder else None)


def test_page_is_whole_and_loads_nothing(page: Page) -> None:
    page.check_loads_nothing()


def test_page_can_be_used_without_seeing_it(page: Page) -> None:
    page.check_can_be_used_without_seeing()


def test_names_are_shown_as_text(page: Page) -> None:
    assert "<script" not in page.source
    assert f"Title {_BAD}" in page.texts
    assert f"run of {_BAD}" in page.texts
    assert f"data {_BAD}" in page.texts


def test_lone_surrogates_do_not_stop_the_page(tmp_path: Path) -> None:
    values = autoencoder()
    values["run"]["title"] = "half \ud800"
    assert "half ?" in written(values, tmp_path).texts


def test_equal_arguments_give_equal_bytes(tmp_path: Path) -> None:
    for make, shown in ((autoencoder, pictures), (classifier, lambda: None), (song_encoder, lambda: None)):
        for name in ("a.html", "b.html"):
            write_run_page(make(), shown(), tmp_path / name)
        assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_verdict_on_an_autoencoder(tmp_path: Path) -> None:
    values = autoencoder()
    low, high = values["scores"]["intervals"]["mse_to_pca"]
    ratio = values["scores"]["mse_to_pca"]
    assert 0.39 < low < ratio < high < 0.42
    assert verdict(values, tmp_path) == (
        f"The encoding is alive; the reconstruction's error is {ratio:.2f} times PCA-3's (95% interval {low:.2f} to "
        f"{high:.2f}). From the encoding alone, without what bypasses it, it is 0.90 times PCA-3's (95% interval "
        "0.90 to 0.90)."
    )


def test_verdict_without_a_bypass_says_nothing_of_it(tmp_path: Path) -> None:
    page = written(autoencoder(alone=0.4), tmp_path, pictures(alone=False))
    assert "bypass" not in page.source
    assert "encoding alone" not in page.source
    assert len(page.all("img")) == 9


@pytest.mark.parametrize(("factor", "words"), [(0.99, "may be chance"), (1.5, "so worse than a PCA")])
def test_verdict_admits_that_a_pca_is_as_good(tmp_path: Path, factor: float, words: str) -> None:
    assert words in verdict(autoencoder(factor, alone=factor), tmp_path)


def test_verdict_on_a_single_track_has_no_interval(tmp_path: Path) -> None:
    text = verdict(autoencoder(n_tracks=1), tmp_path)
    assert "times PCA-3's. From" in text
    assert "interval" not in text
    assert "A single track does not say" in written(autoencoder(n_tracks=1), tmp_path).source


def test_verdict_on_a_collapsed_encoding_says_why(tmp_path: Path) -> None:
    values = autoencoder()
    values["encoding"] = {"encoding_std": [0.2, 0.01, 0.0], "collapsed": True}
    assert verdict(values, tmp_path).startswith("The encoding has collapsed (2 of 3 components are dead); the")
    values["scores"]["shuffle_rise"] = 0.05
    assert "(2 of 3 components are dead, and exchanging it raises the error by only 5.0%);" in verdict(values, tmp_path)
    values["encoding"]["collapsed"] = False
    assert verdict(values, tmp_path).startswith("The encoding is alive, though 2 of 3 components are dead; ")


def test_verdict_on_a_classifier(tmp_path: Path) -> None:
    values = classifier()
    scores = values["scores"]
    low, high = scores["intervals"]["polled_accuracy"]
    n_right = sum(row["polled_accuracy"] * row["n_tracks"] for row in scores["per_genre"])
    assert verdict(values, tmp_path) == (
        f"{n_right:.0f} of 60 tracks right (polled {scores['polled_accuracy']:.2f}, 95% interval {low:.2f} to "
        f"{high:.2f}); always answering the most common genre gives 0.25."
    )


def test_autoencoder_of_several_encodings_a_segment_is_compared_with_a_pca_of_their_pieces(tmp_path: Path) -> None:
    values = autoencoder(alone=0.4)
    values["run"] |= {"encodings_per_segment": 48, "encoding_seconds": 0.02}
    page = written(values, tmp_path, pictures(alone=False))
    assert "the reconstruction's error is 0.41 times that of a PCA-3 of each 20 ms (95% interval" in verdict(
        values, tmp_path
    )
    assert page.texts[page.texts.index("encodings of each segment") + 1] == "48"
    assert "each segment with the encoding of another track's" in page.texts
    assert "PCA-3 of each 20 ms" in page.texts
    assert [image["alt"].rpartition(": ")[2] for image in page.all("img")][2] == "PCA-3 of each 20 ms"
    assert any("over all 48 encodings of each segment, one every 20 ms." in text for text in page.texts)
    assert "encodings of each segment" not in written(autoencoder(), tmp_path).source


def test_verdict_on_a_song_encoder(tmp_path: Path) -> None:
    values = song_encoder()
    scores = values["scores"]
    low, high = scores["intervals"]["self_retrieval"]
    n_right = round(30 * scores["self_retrieval"])
    assert 3 < n_right < 30
    text = (
        f"{n_right} of 30 songs recognised ({n_right / 30:.2f}, 95% interval {low:.2f} to {high:.2f}); guessing gives "
        f"0.0333. {scores['between_share']:.2f} of the encoding's variance lies between songs. "
    )
    assert verdict(values, tmp_path) == f"{text}The encoding is alive."
    values["encoding"] = {"encoding_std": [0.2, 0.01], "collapsed": True}
    assert verdict(values, tmp_path) == f"{text}The encoding has collapsed (1 of 2 components are dead)."


def test_verdict_admits_that_songs_may_be_recognised_by_chance(tmp_path: Path) -> None:
    assert "gives 0.0833. That may be chance. 0." in verdict(song_encoder(12, spread=100.0), tmp_path)


def test_page_of_a_song_encoder_has_its_measures_and_curves(tmp_path: Path) -> None:
    values = song_encoder()
    page = written(values, tmp_path)
    low, high = values["scores"]["intervals"]["self_retrieval"]
    start = page.texts.index("Songs recognised")
    assert page.texts[start + 2 : start + 4] == [
        f"{values['scores']['self_retrieval']:.3f}",
        f"{low:.3f} to {high:.3f}",
    ]
    for title, value in (("Guessing", "0.033"), ("Contrastive loss", "2.125")):
        assert page.texts[page.texts.index(title) + 2] == value
    assert "After the last epoch: training 0.800; validation 0.600" in page.texts
    assert "After the last epoch: 0.500" in page.texts
    recognised = next(points for points in drawn(page, "c0") if (np.diff(points[:, 1]) < 0).all())
    assert np.diff(recognised[:, 1]) == pytest.approx(np.diff(recognised[:, 1]).mean(), abs=0.02)
    assert 'id="confusion"' not in page.source
    assert 'id="reconstructions"' not in page.source


@pytest.mark.parametrize(("sharpness", "words"), [(0.1, "That may be chance."), (-3.0, "That is worse.")])
def test_verdict_admits_that_guessing_is_as_good(tmp_path: Path, sharpness: float, words: str) -> None:
    assert verdict(classifier(sharpness=sharpness), tmp_path).endswith(words)


def test_scores_are_shown_with_their_intervals(tmp_path: Path) -> None:
    values = classifier()
    values["scores"]["cross_entropy"] = 0.125
    texts = written(values, tmp_path).texts
    low, high = values["scores"]["intervals"]["pooled_accuracy"]
    start = texts.index("Tracks, pooled")
    assert texts[start + 2 : start + 4] == [
        f"{values['scores']['pooled_accuracy']:.3f}",
        f"{low:.3f} to {high:.3f}",
    ]
    assert texts[texts.index("Cross-entropy") + 2] == "0.125"
    values = autoencoder()
    texts = written(values, tmp_path).texts
    assert texts[texts.index("mean") + 4 : texts.index("mean") + 6] == ["2.000", "2.000 to 2.000"]


def test_a_taught_classifier_is_judged_by_its_teacher(tmp_path: Path) -> None:
    values = classifier()
    values["scores"] |= {"lesson_loss": 0.25, "tag_correlation": 0.6}
    page = written(values, tmp_path)
    assert page.texts[page.texts.index("Distance to the teacher") + 2] == "0.250"
    assert "the tags correlate with the teacher's by 0.60 in the median" in " ".join(page.texts)
    assert "Confusion" in page.texts


def test_pictures_are_the_segments_on_one_scale(tmp_path: Path) -> None:
    shown = pictures()
    page = written(autoencoder(), tmp_path, shown)
    captions, series = shown
    low, high = np.percentile(series["original"], [0.5, 99.5])
    assert high < 1  # the outlier takes no colours
    images = page.all("img")
    kinds = ["original", "reconstruction", "encoding alone", "PCA-3"]
    assert [image["alt"] for image in images] == [f"{c}: {kind}" for c in captions for kind in kinds]
    for i, image in enumerate(images):
        name = ("original", "reconstruction", "alone", "pca")[i % 4]
        content = base64.b64decode(image["src"].split(",", 1)[1], validate=True)
        # The first row is the lowest on the page.
        expected = colormaps["magma"]((series[name][i // 4] - low) / (high - low))[::-1]
        np.testing.assert_allclose(imread(io.BytesIO(content), format="png"), expected, atol=0.01)
    error = np.square(series["reconstruction"][1] - series["original"][1]).mean()
    assert page.texts.count(f"{error:.6f}") == 1


def test_pictures_that_cannot_be_drawn_are_refused(tmp_path: Path) -> None:
    one = np.zeros((1, 4, 6))
    for flawed in (one[..., :5], np.full_like(one, np.nan)):
        with pytest.raises(ValueError, match=r"pca: not 1 finite images of shape \(4, 6\)"):
            written(autoencoder(), tmp_path, (["a"], {"original": one, "reconstruction": one, "pca": flawed}))


def test_constant_pictures_are_drawn(tmp_path: Path) -> None:
    one = np.full((1, 4, 6), 0.5)
    images = dict.fromkeys(("original", "reconstruction", "pca"), one)
    assert len(written(autoencoder(), tmp_path, (["silence"], images)).all("img")) == 3


def test_confusion_is_a_table_of_the_genres_that_occur(tmp_path: Path) -> None:
    genres = ("Absent", *GENRES)
    track = np.arange(8)
    labels = np.array([1, 1, 1, 1, 2, 2, 3, 4])
    answers = np.array([1, 1, 2, 2, 2, 2, 4, 4])
    scores = score_classifier(np.eye(5)[answers], labels, track, genres)
    values = evaluation("vgg11", scores, [1.0], [])
    page = written(values, tmp_path)
    match = re.search(r'<table class="matrix">(.*?)</table>', page.source, re.DOTALL)
    assert match is not None
    rows = re.findall(r"<tr><th scope=\"row\".*?</tr>", match[1])
    cells = [re.findall(r"<td(?: style=\"--share: ([\d.]+)\")?>(\d*)</td>", row) for row in rows]
    assert cells == [
        [("0.500", "2"), ("0.500", "2"), ("", ""), ("", "")],
        [("", ""), ("1.000", "2"), ("", ""), ("", "")],
        [("", ""), ("", ""), ("", ""), ("1.000", "1")],
        [("", ""), ("", ""), ("", ""), ("1.000", "1")],
    ]
    often = page.texts[page.texts.index("Most often confused") + 1 :][:8]
    assert often == ["Rock", "taken for", _BAD, ": 2", "Jazz", "taken for", "Pop", ": 1"]
    assert any("1 genres neither occur" in text for text in page.texts)
    jazz = page.texts.index("Jazz", page.texts.index("Precision"))
    assert page.texts[jazz : jazz + 7] == ["Jazz", "1", "1", "-", "0.00", "0.00", "0.00"]


def test_large_genre_lists_have_numbers_to_point_at(tmp_path: Path) -> None:
    genres = tuple(f"Genre {i}" for i in range(161))
    page = written(classifier(genres, n_tracks=400, sharpness=9), tmp_path)
    page.check_can_be_used_without_seeing()
    assert len(page.all("table", **{"class": "dense"})) == 1
    cell = next(c for c in page.all("td") if c.get("title", "").startswith("Genre 7 answered Genre 7:"))
    assert cell["style"].startswith("--share: ")
    assert len(page.source) < 1 << 20


def test_curves_go_through_the_history(tmp_path: Path) -> None:
    page = written(autoencoder(), tmp_path)
    loss, rise, _ = drawn(page, "c0")
    (val_loss,) = drawn(page, "c1")
    assert len(loss) == len(val_loss) == 8
    assert np.diff(loss[:, 0]) == pytest.approx(np.diff(loss[:, 0]).mean(), abs=0.02)
    # 0.02 to 0.0025 beside 0.03 to 0.00375, on a logarithmic axis.
    fall = np.log(np.arange(1, 9)) / np.log(8)
    assert (loss[:, 1] - loss[0, 1]) / (loss[-1, 1] - loss[0, 1]) == pytest.approx(fall, abs=0.001)
    assert (val_loss[:, 1] < loss[:, 1]).all()
    assert all(before > after for before, after in pairwise(rise[:, 1]))
    assert "After the last epoch: training 0.00250; validation 0.00375" in page.texts
    assert "After the last epoch: +99.6%" in page.texts
    assert "least that is exported" in page.texts


def test_curves_of_one_epoch_and_of_gaps(tmp_path: Path) -> None:
    values = autoencoder()
    values["history"] = [{"epoch": 1, "loss": 0.5, "val_loss": None}]
    page = written(values, tmp_path)
    *_, dot = drawn(page, "c0")
    assert (dot[0] == dot[-1]).all()
    assert drawn(page, "c1") == []
    assert "The run holds no history." in written({**values, "history": []}, tmp_path).texts


def test_long_histories_are_thinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "MAX_EPOCHS", 3)
    page = written(autoencoder(), tmp_path)
    assert "Numbers of the curves (4 of 8 epochs)" in page.texts
    assert len(drawn(page, "c0")[0]) == 4


def test_spread_of_each_component(tmp_path: Path) -> None:
    values = autoencoder()
    values["encoding"]["encoding_std"] = [0.2, 0.04, 0.0, 0.3]
    page = written(values, tmp_path)
    assert [sum(f"fill: var(--{c})" in path["style"] for path in page.all("path")) for c in ("c0", "c2")] == [2, 2]
    assert "0 to 0.300, median 0.120; 2 of 4 dead" in page.texts


def test_many_components_are_a_falling_curve(tmp_path: Path) -> None:
    page = written(classifier(), tmp_path)
    curve = drawn(page, "c0")[0]
    assert 100 < len(curve) <= 256
    assert (np.diff(curve[:, 1]) >= 0).all()
    assert "Standard deviation of the components, the largest first" in page.texts


def test_page_says_how_to_train_again(tmp_path: Path) -> None:
    values = autoencoder()
    page = written(values, tmp_path)
    assert "tfdeepviz train ae-shared.json --dataset DATASET --out RUN --seed 3" in page.texts
    match = re.search(r"<pre><code>(\{.*?\})</code></pre>", page.source, re.DOTALL)
    assert match is not None
    saved = tmp_path / "ae-shared.json"
    saved.write_text(match[1].replace("&#34;", '"'))
    assert load_preset(str(saved)) == Preset.from_dict(values["run"]["preset"])
    values["run"]["preset"]["name"] = "a; rm b"
    assert "tfdeepviz train 'a; rm b.json' --dataset DATASET --out RUN --seed 3" in written(values, tmp_path).texts


def test_what_is_no_evaluation_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    values = deepcopy(autoencoder())
    values["run"]["kind"] = "oracle"
    with pytest.raises(ValueError, match="kind='oracle'"):
        write_run_page(values, None, tmp_path / "page.html")
    del values["run"]["kind"]
    with pytest.raises(KeyError, match="kind"):
        write_run_page(values, None, tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []
