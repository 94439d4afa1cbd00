"""What jams, the format's own library, reads from our documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jams  # type: ignore[import-untyped]  # has no types
import numpy as np
import pytest

from tests.conftest import music
from tfdeepviz.cli import main
from tfdeepviz.errors import InputError
from tfdeepviz.export.analysis_files import write_analysis
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.export.extract import Extractor
from tfdeepviz.export.jams import check_annotates

Write = Callable[..., Path]

#: jams calls jsonschema as its next major version will no longer allow.
pytestmark = pytest.mark.filterwarnings("ignore:Passing a schema to Validator:DeprecationWarning")


def read(path: Path) -> Any:
    return jams.load(str(path), validate=True, strict=True)


def test_genres_are_annotations_of_the_whole_track(genre_bundle: Bundle, write_sound: Write, tmp_path: Path) -> None:
    analysis = Extractor(genre_bundle).extract(write_sound("a.wav", music(3.0)))
    write_analysis(analysis, tmp_path / "song.mp3.jams", bundle=genre_bundle)
    document = read(tmp_path / "song.mp3.jams")
    assert document.file_metadata.title == "song.mp3"
    assert document.file_metadata.duration == pytest.approx(3.0)
    (annotation,) = document.search(namespace="tag_fma_genre")
    info = genre_bundle.encoders[0]
    assert [one.value for one in annotation.data] == list(info.genres)
    assert {(one.time, one.duration) for one in annotation.data} == {(0.0, analysis.duration_seconds)}
    genres = analysis.encodings[info.name].genres
    assert genres is not None
    np.testing.assert_allclose([one.confidence for one in annotation.data], genres.mean(axis=0), atol=1e-6)
    assert annotation.annotation_metadata.data_source == "program"


def test_tags_have_an_open_namespace(tag_bundle: Bundle, write_sound: Write, tmp_path: Path) -> None:
    analysis = Extractor(tag_bundle).extract(write_sound("a.wav", music(4.0)))
    write_analysis(analysis, tmp_path / "song.jams", bundle=tag_bundle)
    document = read(tmp_path / "song.jams")
    (info,) = tag_bundle.encoders
    (genres,), (tags,) = (document.search(namespace=f"^{name}$") for name in ("tag_fma_genre", "tag_open"))
    assert info.tags is not None
    assert [one.value for one in tags.data] == list(info.tags.names)
    assert sum(one.confidence for one in genres.data) == pytest.approx(1, abs=1e-4)


def test_a_bundle_without_genres_is_refused_at_once(
    bundle: Bundle, write_sound: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="tiny tells neither genres nor tags"):
        check_annotates(bundle)
    track, out = write_sound("a.wav", music(3.0)), tmp_path / "song.jams"
    assert main(["extract", str(track), "--bundle", str(bundle.path), "--out", str(out)]) == 2
    assert "tells neither genres nor tags; write .json, .npz or .csv" in capsys.readouterr().err
    assert not out.exists()


def test_documents_are_plain_json(genre_bundle: Bundle, write_sound: Write, tmp_path: Path) -> None:
    out, track = tmp_path / "out", write_sound("a.wav", music(3.0))
    assert main(["extract", str(track), "--bundle", str(genre_bundle.path), "--out", str(out), "--format", "jams"]) == 0
    value = json.loads((out / "a.wav.jams").read_text())
    assert set(value) == {"annotations", "file_metadata", "sandbox"}
    assert value["sandbox"]["tfdeepviz"] == {"bundle": genre_bundle.label, "digest": genre_bundle.digest}
