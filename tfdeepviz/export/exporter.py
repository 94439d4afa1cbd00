"""A trained run to a bundle."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from tfdeepviz import __version__
from tfdeepviz.data.files import write_json
from tfdeepviz.data.frontend import MfccFrontend
from tfdeepviz.data.segments import cut_segments
from tfdeepviz.export.bundle import KERAS_ENCODER, Bundle, fit_mappings, write_manifest
from tfdeepviz.export.extract import analyze
from tfdeepviz.export.goldens import SCALE, TOLERANCES, golden_pcm, write_goldens
from tfdeepviz.export.tfjs import QuantizationError, convert_encoder, convert_frontend, quantized_encoder
from tfdeepviz.mapping.scaling import Scaling
from tfdeepviz.models.evaluation import refuse_collapsed
from tfdeepviz.models.training import Run
from tfdeepviz.params import AudioParams

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
        How the encoder's kernels are stored for the browser: `none`, `float16` or `uint8`.

    Raises
    ------
    CollapsedEncoderError
        If the run's encoding is dead or unused.
    FileExistsError
        If `out` exists.
    """
    if out.exists():
        raise FileExistsError(f"{out}: exists; give another --out or delete it")
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
        encoder_tensors = convert_encoder(encoder, staging / "encoder", quantization=quantization)
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
        error = _quantization_error(encoder, golden.mfcc, params, preset.step_seconds, quantization)
        limit = TOLERANCES[quantization]["encoding"]
        if error > _QUANTIZATION_SHARE * limit:
            raise QuantizationError(
                f"stored as {quantization}, the encoder is off by {error:.2g}, and a client may be by {limit:g}; "
                "export with --quantize " + ("float16" if quantization == "uint8" else "none")
            )
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
                    "quantization_error": error,
                },
            },
        )
        staging.chmod(0o755)
        Bundle.load(staging)
        staging.rename(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Bundle.load(out)


def _quantization_error(
    encoder: keras.Model, mfcc: npt.NDArray[np.float32], params: AudioParams, hop_seconds: float, quantization: str
) -> float:
    hop_frames = params.hop_frames(hop_seconds)
    segments = cut_segments(mfcc, segment_frames=params.segment_frames, hop_frames=hop_frames).transpose(0, 2, 1)[
        ..., None
    ]
    exact, rounded = (
        np.asarray(model(segments, training=False)) for model in (encoder, quantized_encoder(encoder, quantization))
    )
    return float(np.abs(exact - rounded).max())
