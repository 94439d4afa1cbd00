from __future__ import annotations

from pathlib import Path

import keras
import pytest

from tests.conftest import music
from tfdeepviz.data.frontend import MfccFrontend
from tfdeepviz.data.segments import Windows
from tfdeepviz.export.bundle import CARD, FRONTEND, GOLDENS, MAPPINGS, Bundle, write_manifest
from tfdeepviz.export.tfjs import QuantizationPlan, convert_encoder
from tfdeepviz.files import write_json
from tfdeepviz.mapping.encodings import encode_track, keras_encode
from tfdeepviz.mapping.mappings import fit_mappings
from tfdeepviz.mapping.time import TimeSettings
from tfdeepviz.params import LIVE


def make_bundle(folder: Path, windows: dict[str, tuple[int, int]]) -> Bundle:
    """A bundle of untrained encoders, each with so many frames in a window and from one to the next."""
    keras.utils.set_random_seed(0)
    mfcc = [MfccFrontend(LIVE).mfcc(music(4, seed=seed)) for seed in range(3)]
    counts = {name: 10 // len(windows) for name in windows}
    encodings, entries = {}, []
    for name, (frames, hop_frames) in windows.items():
        inputs = keras.Input((64, frames, 1))
        outputs = keras.layers.Dense(counts[name])(keras.layers.Flatten()(inputs))
        encoder = keras.Model(inputs, {"encoding": outputs})
        tensors = convert_encoder(encoder, folder / "encoders" / name, plan=QuantizationPlan({}, 0.0))
        where = Windows(LIVE, frames, hop_frames)
        encodings[name] = [encode_track(keras_encode(encoder), rows, where) for rows in mfcc]
        file = f"encoders/{name}/model.json"
        seconds = {"window_seconds": frames / 100, "step_seconds": hop_frames / 100, **tensors}
        offset = {"time_offset_seconds": where.time_offset_seconds}
        entries.append(
            {"name": name, "model": file, "encoding_size": counts[name], "window_frames": frames, **seconds, **offset}
        )
    mappings = fit_mappings(
        encodings,
        n_parameters=counts,
        projections=("raw", "pca"),
        default=("raw", "features", "robust"),
        time=TimeSettings(attack=0.5, release=0.9),
    )
    write_json(folder / MAPPINGS, mappings.to_dict())
    # Measuring looks at none of these.
    for file in (CARD, GOLDENS, f"{FRONTEND}model.json"):
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text("{}")
    manifest = {"name": "tiny", "audio": LIVE.to_dict(), "frontend": {}, "encoders": entries, "mappings": MAPPINGS}
    write_manifest(folder, manifest)
    return Bundle.load(folder)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Like the original's, a little denser."""
    return make_bundle(tmp_path_factory.mktemp("bundle"), {"ae": (96, 40)})
