"""Trained runs to a bundle."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfdeepviz import __version__
from tfdeepviz.data.dataset import PreparedDataset
from tfdeepviz.data.files import FormatError, write_json
from tfdeepviz.data.frontend import MfccFrontend
from tfdeepviz.data.segments import Windows
from tfdeepviz.export.bundle import MAPPINGS, Bundle, write_manifest
from tfdeepviz.export.extract import analyze
from tfdeepviz.export.goldens import SCALE, TOLERANCES, golden_pcm, write_goldens
from tfdeepviz.export.tfjs import (
    QUANTIZATIONS,
    QuantizationPlan,
    convert_encoder,
    convert_frontend,
    plan_quantization,
)
from tfdeepviz.mapping.encodings import encode_run
from tfdeepviz.mapping.mappings import Mappings, fit_mappings
from tfdeepviz.mapping.scaling import N_PARAMETERS
from tfdeepviz.mapping.time import TimeSettings
from tfdeepviz.models.evaluation import refuse_collapsed
from tfdeepviz.models.training import Run

# The rest is left to the client's own rounding.
_QUANTIZATION_SHARE = 0.8

#: Tracks that mappings are fitted to; of a larger split a sample tells as much.
MAX_FITTED_TRACKS = 512

#: A step of at most so much resolves a beat.
_BEAT_SECONDS = 0.05
#: Rise with an onset within 10 ms, let go within 80 ms: found by `tfdeepviz quality` (docs/mapping.md).
_BEAT_TIME = TimeSettings(attack=math.exp(-1), release=math.exp(-1 / 8))


def export_bundle(
    runs: Sequence[Run],
    dataset: PreparedDataset,
    out: Path,
    *,
    name: str | None = None,
    title: str | None = None,
    parameters: Mapping[str, int] | None = None,
    default: tuple[str, str, str] | None = None,
    split: str = "training",
    quantization: str = "float16",
    progress: Callable[[str, int, int], None] | None = None,
) -> Bundle:
    """Write a bundle from finished runs, whose encoders drive one picture together.

    Parameters
    ----------
    runs
        One, or several with the same features. An encoder's name is its preset's without `-compact`.
    dataset, split
        What the mappings are fitted to: of more than 512 tracks a sample, spread evenly.
    out
        Folder to make; it appears complete or not at all.
    name, title
        Name in a registry, and what people read; by default the first encoder's.
    parameters
        How many of the ten parameters each encoder drives, by its name; needed for several.
    default
        Projection, mode and method of the mapping that a player begins with. By default the paper's
        raw/features/standard for one encoder that looks at a whole segment at a time, otherwise pca/features/robust
        (docs/mapping.md); where that is not possible, standard scaling after the first projection that is.
    quantization
        How the encoders' kernels are stored for the browser: `none`, `float16` or `uint8`. Kernels that would push the
        goldens' encodings out of the tolerance stay float32.
    progress
        Called with (encoder, tracks encoded, tracks in all).

    Raises
    ------
    CollapsedEncoderError
        If a run's encoding is dead or unused.
    FileExistsError
        If `out` exists.
    FormatError
        If the runs or the dataset do not fit each other.
    ProjectionError
        If the encodings allow no mapping, or not the default.
    ValueError
        If there is no such quantization, or the parameters do not fit the encoders.
    """
    if quantization not in QUANTIZATIONS:
        raise ValueError(f"quantization={quantization!r}: choose one of {', '.join(QUANTIZATIONS)}")
    if out.exists():
        raise FileExistsError(f"{out}: exists; give another --out or delete it")
    by_name = {run.preset.name.removesuffix("-compact"): run for run in runs}
    if len(by_name) < len(runs):
        raise ValueError(
            f"two of the runs are called {', '.join(sorted(by_name))}; encoders of a bundle differ in name"
        )
    for run in runs:
        if (mode := run.config.get("mode", "mfcc")) != "mfcc":
            raise FormatError(
                f"{run.path}: was trained on {mode}; bundles hold the MFCC front end, so train on a dataset of mfcc"
            )
        run.check_features(dataset)
        refuse_collapsed(run.metrics())
    first, params = runs[0], runs[0].params
    name = name or next(iter(by_name))
    encoders = {
        encoder: (model, run.windows(model, run.preset.step_seconds))
        for encoder, run in by_name.items()
        for model in [run.load_encoder()]
    }
    counts = _share_parameters(by_name, parameters)
    mappings = _fit(by_name, dataset, split, encoders, counts, default, progress)
    frontend = MfccFrontend(params)
    pcm = golden_pcm(params)
    golden = analyze(pcm.astype(np.float32) / SCALE, frontend=frontend, encoders=encoders, mapping=mappings.find())

    out.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    try:
        frontend_tensors = convert_frontend(frontend, staging / "frontend")
        entries, plans = [], {}
        for encoder, (model, windows) in encoders.items():
            plans[encoder] = plan_quantization(
                model,
                windows.cut(golden.mfcc).transpose(0, 2, 1)[..., None],
                quantization=quantization,
                max_error=_QUANTIZATION_SHARE * TOLERANCES[quantization]["encoding"],
            )
            entries.append(_write_encoder(encoder, by_name[encoder], model, windows, plans[encoder], staging))
        write_json(staging / MAPPINGS, mappings.to_dict())
        write_goldens(staging / "goldens", pcm, golden, quantization=quantization)
        write_manifest(
            staging,
            {
                "name": name,
                "version": None,
                "title": title or first.preset.title,
                "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "audio": params.to_dict(),
                "frontend": {
                    "model": "frontend/model.json",
                    **frontend_tensors,
                    "pad_samples": params.pad_samples,
                    "overlap_hops": params.overlap_hops,
                },
                "encoders": entries,
                "mappings": MAPPINGS,
                "goldens": "goldens/goldens.json",
                "quantization": quantization,
                "provenance": {
                    "code_version": __version__,
                    "mappings": {"dataset_digest": dataset.digest, "split": split, "left_out": mappings.left_out},
                    "encoders": {
                        encoder: {
                            "run_config": run.config,
                            "dataset_digest": run.config["dataset_digest"],
                            "metrics": run.metrics(),
                            "quantization": {"dtypes": plans[encoder].dtypes, "max_error": plans[encoder].max_error},
                        }
                        for encoder, run in by_name.items()
                    },
                },
            },
        )
        staging.chmod(0o755)
        Bundle.load(staging)
        staging.rename(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Bundle.load(out)


def _share_parameters(runs: Mapping[str, Run], parameters: Mapping[str, int] | None) -> dict[str, int]:
    """How many parameters each encoder drives; `fit_mappings` checks the numbers themselves."""
    if parameters is None and len(runs) == 1:
        return dict.fromkeys(runs, N_PARAMETERS)
    given = dict(parameters or {})
    if given.keys() != runs.keys() or sum(given.values()) != N_PARAMETERS:
        raise ValueError(
            f"parameters={given}: say how many of the {N_PARAMETERS} parameters each of {', '.join(runs)} drives "
            "(--parameters NAME=COUNT ...)"
        )
    # In the order of the runs.
    return {name: given[name] for name in runs}


def _fit(
    runs: Mapping[str, Run],
    dataset: PreparedDataset,
    split: str,
    encoders: Mapping[str, tuple[keras.Model, Windows]],
    counts: Mapping[str, int],
    default: tuple[str, str, str] | None,
    progress: Callable[[str, int, int], None] | None,
) -> Mappings:
    encodings = {}
    for name, run in runs.items():

        def advance(done: int, total: int, name: str = name) -> None:
            if progress is not None:
                progress(name, done, total)

        encodings[name] = encode_run(run, dataset, split, max_tracks=MAX_FITTED_TRACKS, progress=advance)
    segment_at_a_time = len(runs) == 1 and all(w.frames == w.params.segment_frames for _, w in encoders.values())
    if default is None and not segment_at_a_time:
        is_possible = all(model.output_shape[-1] >= counts[name] for name, (model, _) in encoders.items())
        default = ("pca", "features", "robust") if is_possible else None
    steps = [windows.hop_frames * windows.params.frame_seconds for _, windows in encoders.values()]
    return fit_mappings(
        encodings,
        n_parameters=counts,
        default=default,
        time=_BEAT_TIME if min(steps) <= _BEAT_SECONDS else TimeSettings(),
    )


def _write_encoder(
    name: str, run: Run, model: keras.Model, windows: Windows, plan: QuantizationPlan, bundle: Path
) -> dict[str, Any]:
    """Write one encoder's files; returns its entry in the manifest."""
    tensors = convert_encoder(model, bundle / "encoders" / name, plan=plan)
    keras_file = f"encoders/{name}.keras"
    shutil.copyfile(run.encoder_path, bundle / keras_file)
    return {
        "name": name,
        "model": f"encoders/{name}/model.json",
        "keras": keras_file,
        "layer": run.preset.encoder_layer or "encoding",
        **tensors,
        "encoding_size": model.output_shape[-1],
        "window_frames": windows.frames,
        "window_seconds": windows.frames * windows.params.frame_seconds,
        "step_seconds": run.preset.step_seconds,
        "time_offset_seconds": windows.time_offset_seconds,
    }
