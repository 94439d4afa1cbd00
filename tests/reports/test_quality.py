from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.page import Page
from tfdeepviz.reports.measures import MAPPING, of_kind
from tfdeepviz.reports.quality import Driver, Example, Line, QualityTable, markdown, write_quality

_BAD = '"><script>alert(1)</script> | $x_'


def make_line(driver: Driver, **values: float | None) -> Line:
    """A line whose measures are 0.25 where nothing else is given."""
    rng = np.random.default_rng(0)
    values = {**dict.fromkeys((measure.name for measure in of_kind(MAPPING)), 0.25), "n_dead": 1, **values}
    estimated = ("responsiveness", "self_retrieval", "mean_std", "probe_accuracy")
    return Line(
        driver=driver,
        values=values,
        intervals={name: (0.1234567890123, -0.001) for name in estimated if values[name] is not None},
        std=(0.2, 0.1, 0.3),
        parameters=rng.uniform(size=(200, 3)),
        speed=rng.uniform(size=199),
    )


TABLE = QualityTable(
    dataset_name=f"fma {_BAD}",
    dataset_digest="sha256:0",
    splits=("test", "validation"),
    n_tracks=6,
    n_short=1,
    min_seconds=3.0,
    n_fitted=2,
    genres={"Folk": 3, _BAD: 3},
    seed=0,
    lines=(
        make_line(Driver(f"bundle {_BAD}", "cheats", "bundle"), responsiveness=2.0, lag_seconds=-0.06),
        make_line(Driver("original", "", "original"), responsiveness=0.0, clipped=0.056),
        make_line(Driver("bands", "", "baseline"), responsiveness=-0.123, silhouette=None, probe_accuracy=None),
        make_line(Driver("walk", "", "baseline"), self_retrieval=0.5),
    ),
    example=Example("Title", "half \ud800", (13.0, 17.0), np.linspace(0, 1, 200)),
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("written") / "new" / "folder"
    assert write_quality(TABLE, out) == out / "quality.html"
    return out


def test_numbers_are_the_same_in_all_files(written: Path) -> None:
    values = json.loads((written / "quality.json").read_text())
    with (written / "quality.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row, entry, line in zip(rows, values["drivers"], TABLE.lines, strict=True):
        assert row["driver"] == entry["driver"] == line.driver.name
        assert float(row["responsiveness"]) == entry["responsiveness"] == line.values["responsiveness"]
        assert float(row["mean_std_low"]) == pytest.approx(entry["intervals"]["mean_std"][0], abs=1e-9)
        assert row["silhouette"] == ("" if entry["silhouette"] is None else "0.25")
        assert (row["probe_accuracy_low"] == "") == (entry["probe_accuracy"] is None)
        assert row["n_dead"] == "1"
        assert entry["std"] == list(line.std)
    assert values["genres"] == TABLE.genres
    assert values["chance"] == TABLE.chance == {"self_retrieval": 1 / 6, "probe_accuracy": 0.5}


def test_equal_tables_give_equal_bytes(written: Path, tmp_path: Path) -> None:
    write_quality(TABLE, tmp_path)
    for path in written.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


def test_markdown_is_a_table_whatever_names_hold() -> None:
    *rows, _, data = markdown(TABLE).splitlines()
    assert len(rows) == len(TABLE.lines) + 2
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {len(of_kind(MAPPING)) + 2}
    assert "<script" not in markdown(TABLE)
    assert rows[0].replace(" ", "").startswith("|driver|responsiveness|z|lag,ms|songsrecognised|")
    assert re.search(r"\| original +\| +0\.00 \(0\.12 to 0\.00\) \| +0\.2 \|", rows[3])
    assert re.search(r"\| +- \| +- \|", rows[4])
    assert "Genres: Folk (3 tracks), " in data
    assert "guessing gives the probe 0.50. Baselines are scaled by 2 training tracks." in data
    assert "Left out, because shorter than 3 s: 1." in data


def test_what_is_missing_is_said() -> None:
    data = markdown(replace(TABLE, genres={}, n_fitted=0, n_short=0)).splitlines()[-1]
    assert "Genres are not compared: fewer than two of them have two artists here." in data
    assert "There are no training tracks: baselines are scaled by tracks that are measured" in data
    assert "Left out" not in data


def test_page_is_whole_and_can_be_used_without_seeing(written: Path) -> None:
    page = Page(written / "quality.html")
    page.check_loads_nothing()
    page.check_can_be_used_without_seeing()
    assert "<script" not in page.source
    assert page.texts.count(f"bundle {_BAD}") == 2


def test_page_compares_the_first_with_a_baseline_and_the_original(written: Path) -> None:
    (lede,) = re.findall(r'<p class="lede">(.*?)</p>', (written / "quality.html").read_text(), re.DOTALL)
    lede = " ".join(lede.split())
    assert lede.startswith("Responsiveness and songs recognised: 2.00 and 0.25 with bundle ")
    assert lede.endswith("; −0.12 and 0.25 with bands; 0.00 and 0.25 with original.")


def test_page_shows_a_picture_and_bars_for_every_driver(written: Path) -> None:
    page = Page(written / "quality.html")
    n = len(TABLE.lines)
    assert len(page.all("img")) == len(page.all("svg", **{"class": "unframed"})) == n
    assert len(page.all("svg", **{"class": "bar"})) == 3 * n
    bars = [float(bar["width"]) for bar in page.all("rect") if bar.get("class") in ("c0", "c1", "c2")]
    assert bars[:6] == [100, 25, 62.5, 0, 25, 62.5]
    assert bars[6] == 0
    assert page.texts.count("13.0 s") == page.texts.count("17.0 s") == n
