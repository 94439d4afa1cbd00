"""The shipped bundle on real music, where `TFDEEPVIZ_FMA_ROOT` names a corpus in FMA's layout."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tfdeepviz.data.fma import Metadata, Selection
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.export.extract import Extractor

_FMA_ROOT = os.environ.get("TFDEEPVIZ_FMA_ROOT")
_REGISTRY = Path(__file__).resolve().parent.parent / "webapp" / "registry" / "ae-shared"


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    newest = max(_REGISTRY.iterdir(), key=lambda version: int(version.name))
    return Extractor(Bundle.load(newest))


def test_the_shipped_bundle_is_small_alive_and_better_than_simple_baselines(extractor: Extractor) -> None:
    manifest = extractor.bundle.manifest
    assert sum(entry["bytes"] for entry in manifest["files"].values()) < 6_000_000
    for measured in manifest["provenance"]["metrics"].values():
        assert measured["mse"] < 0.7 * measured["pca_mse"] < 0.7 * measured["mean_mse"]
        assert measured["shuffle_rise"] > 0.2
        assert min(measured["encoding_std"]) > 0.05


@pytest.mark.skipif(_FMA_ROOT is None, reason="TFDEEPVIZ_FMA_ROOT is not set")
@pytest.mark.parametrize("every", [11, pytest.param(1, marks=pytest.mark.slow)])
def test_every_clip_gives_living_parameters(extractor: Extractor, every: int) -> None:
    tracks = Metadata.load(Path(str(_FMA_ROOT))).select(Selection())[::every]
    parameters = []
    for track in tracks:
        analysis = extractor.extract(track.path)
        assert analysis.parameters.shape == (31, 10), track.path
        assert ((analysis.parameters >= 0) & (analysis.parameters <= 1)).all()
        parameters.append(analysis.parameters)
    assert np.concatenate(parameters).std(axis=0).min() > 0.05
