"""Export of trained runs as a bundle."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfdeepviz.artifacts import ARTIFACT, Artifact, Input
from tfdeepviz.data.frontend import MfccFrontend
from tfdeepviz.data.prepared import PreparedDataset, describe
from tfdeepviz.data.segments import Windows
from tfdeepviz.errors import InputError
from tfdeepviz.export.bundle import CARD, FRONTEND, GOLDENS, MAPPINGS, Bundle, list_files, write_manifest
from tfdeepviz.export.extract import analyze
from tfdeepviz.export.goldens import SCALE, TOLERANCES, allowed_error, golden_pcm, write_goldens
from tfdeepviz.export.tfjs import (
    QUANTIZATIONS,
    QuantizationPlan,
    convert_encoder,
    convert_frontend,
    plan_quantization,
)
from tfdeepviz.files import FormatError, temporary_folder, write_json
from tfdeepviz.mapping.encodings import encode_run, keras_encode
from tfdeepviz.mapping.mappings import Encodings, Mappings, fit_mappings
from tfdeepviz.mapping.scaling import N_PARAMETERS
from tfdeepviz.mapping.time import TimeSettings
from tfdeepviz.models.evaluation import CollapsedEncoderError, refuse_collapsed
from tfdeepviz.models.run import Run
from tfdeepviz.provenance import code_version, command
from tfdeepviz.reports.card import model_card
from tfdeepviz.reports.measures import MIN_ENCODING_STD

# Share of the tolerance that quantization may use; the rest is left for the client's own rounding.
_QUANTIZATION_SHARE = 0.8

#: Largest number of tracks to fit mappings to; for a larger split, a sample is as informative.
MAX_FITTED_TRACKS = 512

#: An encoder resolves beats if its step is at most this long.
_BEAT_SECONDS = 0.05
#: Time constants with which the parameters of such an encoder rise and fall.
_RISE_SECONDS, _FALL_SECONDS = 0.15, 0.4
_BEAT_TIME = TimeSettings(attack=math.exp(-0.01 / _RISE_SECONDS), release=math.exp(-0.01 / _FALL_SECONDS))


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
    layer: str | None = None,
    note: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Bundle:
    """Write a bundle from finished runs, whose encoders jointly drive one picture.

    Parameters
    ----------
    runs
        One run, or several with the same features. An encoder is named after its preset, without `-compact` and
        followed by the layer if one is chosen.
    dataset, split
        Data to fit the mappings to. From more than 512 tracks, an evenly spread sample is taken.
    out
        Folder to create; it appears complete or not at all.
    name, title
        Name in a registry, and title for people; by default the first encoder's.
    parameters
        How many of the ten parameters each encoder drives, by its name; required for several.
    default
        Projection, mode and method of the mapping that a player starts with. By default pca/features/per-track if an
        encoder resolves beats, the paper's raw/features/standard for a single encoder that looks at a whole segment at
        a time, and otherwise pca/features/robust (docs/mapping.md). If that is not possible, standard scaling after
        the first possible projection.
    quantization
        Storage format of the encoders' kernels: `none`, `float16` or `uint8`. Kernels that would push the goldens'
        encodings out of tolerance stay float32.
    layer
        Layer of the classifier among the runs, if it differs from the preset's.
    note
        Text about the data for the model card, in addition to what the datasets record.
    progress
        Called with (encoder, tracks encoded, tracks in all).

    Raises
    ------
    CollapsedEncoderError
        If a run's encoding is dead or unused.
    FileExistsError
        If `out` exists.
    FormatError
        If the runs and the dataset do not fit each other.
    ProjectionError
        If the encodings allow no mapping, or not the default one.
    InputError
        If the quantization is unknown, or the parameters do not fit the encoders.
    """
    if quantization not in QUANTIZATIONS:
        raise InputError(f"quantization={quantization!r}: choose one of {', '.join(QUANTIZATIONS)}")
    if out.exists():
        raise FileExistsError(f"{out}: exists; give another --out or delete it")
    record = planned_bundle(
        runs,
        dataset,
        out,
        name=name,
        title=title,
        parameters=parameters,
        default=default,
        split=split,
        quantization=quantization,
        layer=layer,
        note=note,
    )
    layers = _choose_layer(runs, layer)
    by_name = {_encoder_name(run, layers.get(run.path)): run for run in runs}
    if len(by_name) < len(runs):
        raise InputError(
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
        for model in [_exported(run, layers.get(run.path))]
    }
    counts = _share_parameters(by_name, parameters)
    encodings = {
        encoder: _encode(encoder, run, dataset, split, layers.get(run.path), progress)
        for encoder, run in by_name.items()
    }
    mappings = _fit(encodings, encoders, counts, default)
    frontend = MfccFrontend(params)
    pcm = golden_pcm(params)
    golden = analyze(
        pcm.astype(np.float32) / SCALE,
        frontend=frontend,
        encoders={encoder: (keras_encode(model), windows) for encoder, (model, windows) in encoders.items()},
        mapping=mappings.find(),
    )

    with temporary_folder(out.parent) as staging:
        frontend_tensors = convert_frontend(frontend, staging / FRONTEND)
        entries, plans = [], {}
        for encoder, (model, windows) in encoders.items():
            plans[encoder] = plan_quantization(
                model,
                windows.cut(golden.mfcc).transpose(0, 2, 1)[..., None],
                quantization=quantization,
                allowed={
                    "encoding": _QUANTIZATION_SHARE
                    * allowed_error(quantization, golden.encodings[encoder].values.astype(np.float32)),
                    "genres": _QUANTIZATION_SHARE * TOLERANCES[quantization]["genres"],
                },
            )
            run = by_name[encoder]
            entries.append(_write_encoder(encoder, run, layers.get(run.path), model, windows, plans[encoder], staging))
        write_json(staging / MAPPINGS, mappings.to_dict())
        write_goldens(staging / "goldens", pcm, golden, quantization=quantization)
        manifest = {
            "name": name,
            "version": None,
            "title": title or first.preset.title,
            "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "audio": params.to_dict(),
            "frontend": {
                **frontend_tensors,
                "pad_samples": params.pad_samples,
                "overlap_hops": params.overlap_hops,
            },
            "encoders": entries,
            "mappings": MAPPINGS,
            "goldens": GOLDENS,
            "card": CARD,
            "quantization": quantization,
            "provenance": {
                "code_version": code_version(),
                "command": command(),
                "mappings": {"dataset": describe(dataset), "split": split, "left_out": mappings.left_out},
                "encoders": {
                    encoder: {
                        "run": {"path": str(run.path), "config": {**run.config, **_made_by(run.record)}},
                        "dataset": _dataset_of(run),
                        "layer": layers.get(run.path) or run.preset.encoder_layer,
                        "metrics": run.metrics(),
                        "quantization": {"dtypes": plans[encoder].dtypes, "max_error": plans[encoder].max_error},
                    }
                    for encoder, run in by_name.items()
                },
            },
        }
        card = model_card({**manifest, "files": list_files(staging)}, note=note)
        (staging / CARD).write_text(card, encoding="utf-8")
        write_manifest(staging, manifest)
        bundle = Bundle.load(staging)
        facts = {"title": bundle.manifest["title"], "megabytes": round(bundle.n_bytes / 1e6, 3)}
        record.finished(f"sha256:{bundle.digest}", **facts).write(staging / ARTIFACT)
        staging.rename(out)
    return Bundle.load(out)


def planned_bundle(
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
    layer: str | None = None,
    note: str | None = None,
) -> Artifact:
    """Return the record of the bundle that `export_bundle` makes of these arguments."""
    encoders = {_encoder_name(run, layer if run.classifies else None): run for run in runs}
    name = name or next(iter(encoders))
    settings = {
        **{"name": name, "title": title, "parameters": parameters, "default": default, "split": split},
        **{"quantization": quantization, "layer": layer, "note": note},
        # A bundle is judged by what its presets require, which no run depends on.
        "required": {
            encoder: {"thresholds": run.preset.thresholds, "budget": run.preset.budget}
            for encoder, run in encoders.items()
        },
    }
    inputs = [
        Input.at(run.path, run.record, seen_from=out, role=f"encoder {encoder}") for encoder, run in encoders.items()
    ]
    mappings = Input.at(dataset.path, dataset.record, seen_from=out, role="mappings")
    return Artifact.planned("bundle", name, settings, [*inputs, mappings])


def _share_parameters(runs: Mapping[str, Run], parameters: Mapping[str, int] | None) -> dict[str, int]:
    """Decide how many parameters each encoder drives; `fit_mappings` checks the numbers themselves."""
    if parameters is None and len(runs) == 1:
        return dict.fromkeys(runs, N_PARAMETERS)
    given = dict(parameters or {})
    if given.keys() != runs.keys() or sum(given.values()) != N_PARAMETERS:
        raise InputError(
            f"parameters={given}: say how many of the {N_PARAMETERS} parameters each of {', '.join(runs)} drives "
            "(--parameters NAME=COUNT ...)"
        )
    # Keep the order of the runs.
    return {name: given[name] for name in runs}


def _choose_layer(runs: Sequence[Run], layer: str | None) -> dict[Path, str]:
    """Assign the layer to the only classifier among the runs."""
    if layer is None:
        return {}
    classifiers = [run.path for run in runs if run.classifies]
    if len(classifiers) != 1:
        raise InputError(f"layer={layer!r}: is chosen where there is one classifier; here are {len(classifiers)}")
    return {classifiers[0]: layer}


def _encoder_name(run: Run, layer: str | None) -> str:
    name = run.preset.name.removesuffix("-compact")
    return name if layer is None else f"{name}-{layer.lower()}"


def _exported(run: Run, layer: str | None) -> keras.Model:
    """Return the finished encoder with named outputs: `encoding`, and for a classifier also `genres`."""
    encoder = run.load_encoder(layer)
    if not run.classifies:
        return keras.Model(encoder.input, {"encoding": encoder.output}, name="encoder")
    scaled = encoder.get_layer("scaler")(encoder.input)
    encoding, logits = run.load_model().encode_and_classify(scaled, layer or run.preset.encoder_layer)
    genres = keras.layers.Softmax(name="genres", dtype="float32")(logits)
    return keras.Model(encoder.input, {"encoding": encoding, "genres": genres}, name="encoder")


def _dataset_of(run: Run) -> dict[str, Any]:
    """Describe the data that a run was trained on, as far as it is known."""
    dataset = run.record.input("dataset")
    path, record = dataset.place(run.path), dataset.artifact
    if path is not None and path.is_dir():
        here = PreparedDataset.load(path)
        if here.identity == record.digest:
            return describe(here)
    known = {"name": record.name, "digest": record.digest, "path": None}
    return {**known, "licences": record.facts.get("licences"), "command": record.command}


def _made_by(record: Artifact) -> dict[str, str | None]:
    return {"command": record.command, "code_version": record.code_version}


def _encode(
    name: str,
    run: Run,
    dataset: PreparedDataset,
    split: str,
    layer: str | None,
    progress: Callable[[str, int, int], None] | None,
) -> list[Encodings]:
    """Encode the tracks to fit mappings to; reject dead components of a chosen layer, which no metrics cover."""

    def advance(done: int, total: int) -> None:
        if progress is not None:
            progress(name, done, total)

    encodings = encode_run(run, dataset, split, layer=layer, max_tracks=MAX_FITTED_TRACKS, progress=advance)
    std = np.concatenate([track.values for track in encodings]).std(axis=0)
    if layer is not None and (n_dead := int((std < MIN_ENCODING_STD).sum())):
        raise CollapsedEncoderError(
            f"{run.path}: {n_dead} of {len(std)} components of its encodings are dead on the {split} split (standard "
            f"deviation below {MIN_ENCODING_STD}); train longer, or with --recipe modern (docs/models.md)"
        )
    return encodings


def _fit(
    encodings: Mapping[str, list[Encodings]],
    encoders: Mapping[str, tuple[keras.Model, Windows]],
    counts: Mapping[str, int],
    default: tuple[str, str, str] | None,
) -> Mappings:
    steps = [windows.hop_frames * windows.params.frame_seconds for _, windows in encoders.values()]
    resolves_beat = min(steps) <= _BEAT_SECONDS
    segment_at_a_time = len(encoders) == 1 and all(w.frames == w.params.segment_frames for _, w in encoders.values())
    if default is None and (resolves_beat or not segment_at_a_time):
        is_possible = all(track.values.shape[1] >= counts[name] for name, (track, *_) in encodings.items())
        default = ("pca", "features", "per-track" if resolves_beat else "robust") if is_possible else None
    return fit_mappings(
        encodings,
        n_parameters=counts,
        default=default,
        time=_BEAT_TIME if resolves_beat else TimeSettings(),
    )


def _write_encoder(
    name: str,
    run: Run,
    layer: str | None,
    model: keras.Model,
    windows: Windows,
    plan: QuantizationPlan,
    bundle: Path,
) -> dict[str, Any]:
    """Write one encoder's graph and return its entry in the manifest."""
    tensors = convert_encoder(model, bundle / "encoders" / name, plan=plan)
    return {
        "name": name,
        "model": f"encoders/{name}/model.json",
        "layer": layer or run.preset.encoder_layer or "encoding",
        **({"genres": run.config["genres"]} if run.classifies else {}),
        **tensors,
        "encoding_size": model.output["encoding"].shape[-1],
        "window_frames": windows.frames,
        "window_seconds": windows.frames * windows.params.frame_seconds,
        "step_seconds": run.preset.step_seconds,
        "time_offset_seconds": windows.time_offset_seconds,
    }
