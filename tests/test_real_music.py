"""Every shipped bundle; on real music where `TFDEEPVIZ_FMA_ROOT` names a corpus in FMA's layout."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tfdeepviz.data.metadata import Metadata
from tfdeepviz.data.selection import Selection
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.export.extract import Extractor
from tfdeepviz.files import read_json

_FMA_ROOT = os.environ.get("TFDEEPVIZ_FMA_ROOT")
_REGISTRY = Path(__file__).resolve().parent.parent / "webapp" / "registry"
_SHIPPED = [f"{entry['name']}/{entry['latest']}" for entry in read_json(_REGISTRY / "index.json")["bundles"]]


@pytest.fixture(scope="module", params=_SHIPPED)
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return Bundle.load(_REGISTRY / request.param)


def test_a_shipped_bundle_is_small_and_alive(bundle: Bundle) -> None:
    assert bundle.n_bytes < 2_500_000
    assert bundle.blessing is not None
    assert bundle.blessing.is_blessed
    encoders = bundle.manifest["provenance"]["encoders"]
    assert list(encoders) == [encoder.name for encoder in bundle.encoders]
    for trained in encoders.values():
        assert set(trained["metrics"]) == {"training", "validation", "test"}
        assert all(min(measured["encoding_std"]) > 0.05 for measured in trained["metrics"].values())


def test_the_zoo_is_complete_and_small() -> None:
    names = {label.split("/")[0] for label in _SHIPPED}
    assert names >= {"ae", "ae-shared", "ae-skip", "alexnet-l6", "vgg11-l8", "vgg13-l10"}
    assert names >= {"vgg16-l13", "vgg16-l14", "vgg16-l15"}
    assert sum(path.stat().st_size for path in _REGISTRY.rglob("*") if path.is_file()) < 15_000_000


@pytest.mark.skipif(_FMA_ROOT is None, reason="TFDEEPVIZ_FMA_ROOT is not set")
@pytest.mark.parametrize("every", [33, pytest.param(1, marks=pytest.mark.slow)])
def test_clips_give_living_parameters(bundle: Bundle, every: int) -> None:
    extractor = Extractor(bundle)
    finest = min(bundle.encoders, key=lambda encoder: encoder.step_seconds)
    parameters = []
    for track in Selection().tracks(Metadata.load(Path(str(_FMA_ROOT))))[::every]:
        analysis = extractor.extract(track.path)
        for encoder in bundle.encoders:
            n = encoder.windows(bundle.params).count(len(analysis.mfcc))
            assert analysis.encodings[encoder.name].values.shape == (n, encoder.encoding_size), track.path
        assert analysis.parameters.shape == (len(analysis.encodings[finest.name].times), 10), track.path
        assert ((analysis.parameters >= 0) & (analysis.parameters <= 1)).all(), track.path
        parameters.append(analysis.parameters)
    assert np.concatenate(parameters).std(axis=0).min() > 0.05
