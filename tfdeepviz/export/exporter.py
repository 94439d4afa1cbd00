"""A trained run to a bundle."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tfdeepviz import __version__
from tfdeepviz.data.files import write_json
from tfdeepviz.data.frontend import MfccFrontend
from tfdeepviz.data.segments import cut_segments
from tfdeepviz.export.bundle import KERAS_ENCODER, Bundle, fit_mappings, write_manifest
from tfdeepviz.export.extract import analyze
from tfdeepviz.export.goldens import SCALE, TOLERANCES, golden_pcm, write_goldens
from tfdeepviz.export.tfjs import QUANTIZATIONS, convert_encoder, convert_frontend, plan_quantization
from tfdeepviz.mapping.scaling import Scaling
from tfdeepviz.models.evaluation import refuse_collapsed
from tfdeepviz.models.training import Run

# The rest is left to the client's own rounding.
_QUANTIZATION_SHARE = 0.8


def export_bundle(run: Run, out: Path, *, name: str | None = None, quantization: str = "float16") -> Bundle:
    """Write a bundle from a finished run.

    Parameters
    ----------
    run
        Its encoder, metrics and training encodings are used; the dataset is not needed.
    out
        Folder to make; it appears complete or not at all.
    name
        Name in a registry; by default the preset's without `-compact`.
    quantization
        How the encoder's kernels are stored for the browser: `none`, `float16` or `uint8`. Kernels that would push the
        goldens' encodings out of the tolerance stay float32.

    Raises
    ------
    CollapsedEncoderError
        If the run's encoding is dead or unused.
    FileExistsError
        If `out` exists.
    ValueError
        If there is no such quantization, or the run was trained on other features than MFCC.
    """
    if quantization not in QUANTIZATIONS:
        raise ValueError(f"quantization={quantization!r}: choose one of {', '.join(QUANTIZATIONS)}")
    if out.exists():
        raise FileExistsError(f"{out}: exists; give another --out or delete it")
    if (mode := run.config.get("mode", "mfcc")) != "mfcc":
        raise ValueError(
            f"{run.path}: was trained on {mode}; bundles hold the MFCC front end, so train on a dataset of mfcc"
        )
    metrics = run.metrics()
    refuse_collapsed(metrics)
    preset, params = run.preset, run.params
    name = name or preset.name.removesuffix("-compact")
    encoder = run.load_encoder()
    frontend = MfccFrontend(params)
    mappings = fit_mappings(run.encodings("training"), encoder=name)

    out.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    try:
        frontend_tensors = convert_frontend(frontend, staging / "frontend")
        shutil.copyfile(run.encoder_path, staging / KERAS_ENCODER)
        write_json(staging / "mappings.json", mappings)

        pcm = golden_pcm(params)
        default = mappings["default"]
        (fitted,) = [
            entry
            for entry in mappings["projections"][0]["scalings"]
            if (entry["mode"], entry["method"]) == (default["mode"], default["method"])
        ]
        scaling = Scaling(fitted["mode"], fitted["method"], tuple(fitted["gain"]), tuple(fitted["offset"]))
        golden = analyze(
            pcm.astype(np.float32) / SCALE,
            **{"frontend": frontend, "encoder": encoder, "scaling": scaling, "hop_seconds": preset.step_seconds},
        )
        segments = cut_segments(
            golden.mfcc, segment_frames=params.segment_frames, hop_frames=params.hop_frames(preset.step_seconds)
        )
        plan = plan_quantization(
            encoder,
            segments.transpose(0, 2, 1)[..., None],
            quantization=quantization,
            max_error=_QUANTIZATION_SHARE * TOLERANCES[quantization]["encoding"],
        )
        encoder_tensors = convert_encoder(encoder, staging / "encoder", plan=plan)
        write_goldens(staging / "goldens", pcm, golden, hop_seconds=preset.step_seconds, quantization=quantization)
        write_manifest(
            staging,
            {
                "name": name,
                "version": None,
                "title": preset.title,
                "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "audio": params.to_dict(),
                "frontend": {
                    "model": "frontend/model.json",
                    **frontend_tensors,
                    "pad_samples": params.pad_samples,
                    "overlap_hops": params.overlap_hops,
                },
                "encoders": [
                    {
                        "name": name,
                        "model": "encoder/model.json",
                        "layer": "encoding",
                        **encoder_tensors,
                        "encoding_size": encoder.output_shape[-1],
                        "window_frames": params.segment_frames,
                        "window_seconds": params.segment_seconds,
                        "step_seconds": preset.step_seconds,
                        "time_offset_seconds": (params.segment_frames - 1) / 2 * params.frame_seconds,
                    }
                ],
                "mappings": "mappings.json",
                "goldens": "goldens/goldens.json",
                "quantization": quantization,
                "provenance": {
                    "code_version": __version__,
                    "run_config": run.config,
                    "dataset_digest": run.config["dataset_digest"],
                    "metrics": metrics,
                    "quantization": {"dtypes": plan.dtypes, "max_error": plan.max_error},
                },
            },
        )
        staging.chmod(0o755)
        Bundle.load(staging)
        staging.rename(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Bundle.load(out)
