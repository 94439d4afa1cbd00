"""The benchmark of genres: its figures, on probabilities and on bundles that ship."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.genres import AMONG, Answers, answers_of_bundle, cells, main
from tests.models.test_lessons import heard
from tfdeepviz.data.features import Features
from tfdeepviz.data.prepare import prepare
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.selection import Selection
from tfdeepviz.errors import InputError
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.params import LIVE

_REGISTRY = Path(__file__).parents[2] / "webapp" / "registry"


def clips(*genres: str) -> list[Any]:
    return [{"track_id": i, "genre": genre, "artist": f"artist {i}"} for i, genre in enumerate(genres)]


def test_figures_of_a_row() -> None:
    p = np.array([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1], [0.2, 0.1, 0.7], [0.9, 0.1, 0.0]])
    answers = Answers("one", ("Jazz", "Rock", "Folk"), p, 0.6)
    name, *figures = cells(answers, clips("Rock", "Rock", "Folk", "Blues"), ("Rock", "Folk", "Blues"))
    # Free: only Folk is right. Of three: Rock twice and Folk; Blues is not known.
    error = (0.5 + 0.6 + 0.3 + 0.9) / 4
    assert name == "one"
    assert [figure.split(" ")[0] for figure in figures] == ["0.25", "0.75", "0.67", f"{error:.3f}", "0.75", "0.33"]
    assert figures[0] == "0.25 (0.05 to 0.70)"


def test_a_row_may_know_none_of_the_genres_and_be_sure_of_nothing() -> None:
    p = np.array([[0.9, 0.1], [0.2, 0.8]])
    figures = cells(Answers("one", ("Jazz", "Folk"), p, None), clips("Rock", "Folk"), ("Rock",))
    assert [figures[2].split(" ")[0], *figures[5:]] == ["0.00", "-", "-"]
    assert cells(Answers("one", ("Jazz", "Folk"), p, 0.95), clips("Rock", "Folk"), ("Rock",))[6] == "-"
    with pytest.raises(InputError, match="no labelled clip is Pop or Blues"):
        cells(Answers("one", ("Jazz", "Folk"), p, None), clips("Rock", "Folk"), ("Pop", "Blues"))


def test_the_table_has_a_row_for_each_encoder_with_genres_and_the_teacher(
    two_genres: PreparedDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = heard(two_genres, tmp_path / "outputs")
    bundles = [str(next((_REGISTRY / name).iterdir())) for name in ("ae-time", "alexnet-l6", "tags")]
    main([*bundles, "--dataset", str(two_genres.path), "--outputs", str(outputs.path)])
    counts, _, _, head, _, *rows = capsys.readouterr().out.splitlines()
    assert counts == "2 labelled clips of the test split by 2 artists; 1 clips are one of"
    assert f"of {len(AMONG)}, balanced" in head
    assert [row.split("|")[1].strip().partition("/")[0] for row in rows] == ["alexnet-l6", "tags", "its teacher"]


def test_another_front_end_hears_the_audio(two_genres: PreparedDataset, tmp_path: Path) -> None:
    root = two_genres.origin
    assert root is not None
    other = prepare(root, tmp_path / "ds", selection=Selection(), features=Features(LIVE, mode="log-mel"))
    bundle = Bundle.load(next((_REGISTRY / "tags").iterdir()))
    (one,), (two,) = (list(answers_of_bundle(bundle, ds, "test", ds.used("test"))) for ds in (two_genres, other))
    assert one.probabilities.shape == (2, 16)
    np.testing.assert_allclose(one.probabilities, two.probabilities, atol=1e-4)
