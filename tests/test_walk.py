"""The whole way as its users walk it: from nothing to bars that move in a browser."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from tests.commands import REPOSITORY, tfdeepviz
from tfdeepviz.data.decode import decode_file
from tfdeepviz.data.frontend import MfccFrontend
from tfdeepviz.mapping.motion import Onsets
from tfdeepviz.params import LIVE

_CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

_PRESETS = REPOSITORY / "tfdeepviz" / "models" / "presets"

# In a hurry: as few steps on two minutes of music as bring both encoders to life.
_HURRY = {"ae-time": {"batch_size": 8, "epochs": 5}, "song": {"batch_size": 8, "epochs": 1}}
# So hurried a model is worth little; that it computes the same everywhere is asked of it all the same.
_EASY = {
    "ae-time": {"mse": {"max": "mean_mse"}},
    "song": {"self_retrieval": {"min": "chance"}},
}
_BUDGET = {"megabytes": 2.5, "milliseconds": 1_000}


@pytest.mark.browser
@pytest.mark.skipif(not Path(_CHROMIUM).exists(), reason=f"needs Chromium at {_CHROMIUM}")
@pytest.mark.skipif(not (REPOSITORY / "webapp" / "static" / "index.html").exists(), reason="needs the built front end")
def test_from_a_rendered_corpus_to_bars_in_a_browser(tmp_path: Path) -> None:
    corpus, dataset, bundle, registry = (tmp_path / name for name in ("fma", "ds", "bundle", "registry"))
    trainings: list[list[str | Path]] = []
    for name, hurry in _HURRY.items():
        preset = tmp_path / f"{name}.json"
        changes = {**hurry, "thresholds": _EASY[name], "budget": _BUDGET}
        preset.write_text(json.dumps({**json.loads((_PRESETS / preset.name).read_text()), **changes}))
        trainings.append(["train", preset, "--dataset", dataset, "--out", tmp_path / name])
    runs = [tmp_path / name for name in _HURRY]
    shares = ("--parameters", "ae-time=6", "song=4")
    pushed = registry / "walk" / "1"
    _, prepared, *_, judgement, pushing, table = tfdeepviz(
        ["demo-corpus", corpus, "--tracks", "24", "--seconds", "6"],
        ["prepare", "--fma-root", corpus, "--out", dataset],
        *trainings,
        ["export", *runs, "--dataset", dataset, *shares, "--out", bundle, "--name", "walk"],
        ["validate", bundle, "--baseline", "none"],
        ["push", bundle, "--registry", registry],
        ["quality", pushed, "--dataset", dataset, "--max-tracks", "2", "--out", tmp_path / "quality"],
    )
    assert "skipped" not in prepared
    assert "BLESSED by" in judgement
    for backend in ("wasm", "webgl"):
        assert f"Chromium, {backend}: encodings of ae-time" in judgement
    assert "walk/1" in pushing
    assert "walk/1" in table

    mp3 = sorted((corpus / "fma_small").rglob("*.mp3"))[0]
    samples, rate_hz = sf.read(mp3)
    # A browser and libsndfile trim an mp3's padding differently; samples are the same for both.
    track, expected = tmp_path / "track.wav", tmp_path / "expected.json"
    sf.write(track, samples, rate_hz, subtype="PCM_16")
    tfdeepviz(["extract", track, "--bundle", pushed, "--out", expected])
    moments = _moments_without_pulse(track)

    npx = shutil.which("npx")
    assert npx is not None
    environment = {
        **os.environ,
        "TFDEEPVIZ_WALK": str(track),
        "TFDEEPVIZ_EXPECTED": str(expected),
        "TFDEEPVIZ_MOMENTS": json.dumps(moments),
        "TFDEEPVIZ_REGISTRY": str(registry),
        "TFDEEPVIZ_PYTHON": sys.executable,
        "TFDEEPVIZ_E2E_PORT": "8223",
    }
    result = subprocess.run(
        [npx, "playwright", "test", "walk.spec.ts"],
        cwd=REPOSITORY / "webapp" / "frontend",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-5_000:]


def _moments_without_pulse(track: Path) -> list[float]:
    """Give three tenths of seconds, far apart, at which no pulse makes bars longer than their parameters."""
    pcm = decode_file(track, sample_rate_hz=LIVE.sample_rate_hz)
    tick_seconds = 0.01
    n_ticks = int(len(pcm) / LIVE.sample_rate_hz / tick_seconds)
    onsets = Onsets.of(MfccFrontend(LIVE).mfcc(pcm), pcm, LIVE)
    _, pulses = onsets.motion(n_ticks, tick_seconds)
    # What the page shows may be a tick or two away.
    highest = np.array([pulses[max(0, 10 * tenth - 2) : 10 * tenth + 3].max() for tenth in range(n_ticks // 10)])
    thirds = np.array_split(np.arange(len(highest)), 3)
    quietest = [int(third[np.argmin(highest[third])]) for third in thirds]
    assert highest[quietest].max() < 0.06, "no moment of the track is without a pulse"
    return [tenth / 10 for tenth in quietest]
