"""Export of trained runs as a bundle."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
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
from tfdeepviz.export.tfjs import QUANTIZATIONS, QuantizationPlan, convert_encoder, convert_frontend, plan_quantization
from tfdeepviz.files import FormatError, temporary_folder, write_json
from tfdeepviz.mapping.encodings import encode_run, keras_encode
from tfdeepviz.mapping.mappings import Encodings, Mappings, fit_mappings
from tfdeepviz.mapping.scaling import N_PARAMETERS
from tfdeepviz.mapping.time import TimeSettings
from tfdeepviz.models.evaluation import CollapsedEncoderError, refuse_collapsed
from tfdeepviz.models.run import Run
from tfdeepviz.params import check_choice
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
    FileExistsError
        If `out` exists.
    InputError
        If the arguments, the runs and the dataset do not fit each other.
    CollapsedEncoderError, ProjectionError
        If an encoding is dead or unused; if the encodings allow no mapping, or not the default one.
    """
    check_choice("quantization", quantization, QUANTIZATIONS)
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
    if layer is not None and (n := sum(run.classifies for run in runs)) != 1:
        raise InputError(f"layer={layer!r}: is chosen where there is one classifier; here are {n}")
    encoders = _encoders(runs, layer)
    if len(encoders) < len(runs):
        raise InputError(
            f"two of the runs are called {', '.join(sorted(encoders))}; encoders of a bundle differ in name"
        )
    for run in runs:
        if (mode := run.config.get("mode", "mfcc")) != "mfcc":
            raise FormatError(
                f"{run.path}: was trained on {mode}; bundles hold the MFCC front end, so train on a dataset of mfcc"
            )
        run.check_features(dataset)
        refuse_collapsed(run.metrics())
    params = runs[0].params
    counts = _share_parameters(encoders, parameters)
    encodings = {name: encoder.encode(dataset, split, progress) for name, encoder in encoders.items()}
    mappings = _fit(encodings, encoders, counts, default)
    frontend, pcm = MfccFrontend(params), golden_pcm(params)
    golden = analyze(
        pcm.astype(np.float32) / SCALE,
        frontend=frontend,
        encoders={name: (keras_encode(encoder.model), encoder.windows) for name, encoder in encoders.items()},
        mapping=mappings.find(),
    )

    with temporary_folder(out.parent) as staging:
        plans = {}
        for encoder_name, encoder in encoders.items():
            exact = golden.encodings[encoder_name].values.astype(np.float32)
            allowed = {"encoding": allowed_error(quantization, exact), "genres": TOLERANCES[quantization]["genres"]}
            plans[encoder_name] = plan_quantization(
                encoder.model,
                encoder.windows.cut(golden.mfcc).transpose(0, 2, 1)[..., None],
                quantization=quantization,
                allowed={output: _QUANTIZATION_SHARE * error for output, error in allowed.items()},
            )
        write_json(staging / MAPPINGS, mappings.to_dict())
        write_goldens(staging / "goldens", pcm, golden, quantization=quantization)
        manifest = {
            "name": record.name,
            "version": None,
            "title": title or runs[0].preset.title,
            "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "audio": params.to_dict(),
            "frontend": {
                **convert_frontend(frontend, staging / FRONTEND),
                **{"pad_samples": params.pad_samples, "overlap_hops": params.overlap_hops},
            },
            "encoders": [encoder.write(staging, plans[name]) for name, encoder in encoders.items()],
            "mappings": MAPPINGS,
            "goldens": GOLDENS,
            "card": CARD,
            "quantization": quantization,
            "provenance": {
                "code_version": code_version(),
                "command": command(),
                "mappings": {"dataset": describe(dataset), "split": split, "left_out": mappings.left_out},
                "encoders": {name: encoder.provenance(plans[name]) for name, encoder in encoders.items()},
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
    encoders = {name: encoder.run for name, encoder in _encoders(runs, layer).items()}
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
    inputs = [Input.of(run, seen_from=out, role=f"encoder {encoder}") for encoder, run in encoders.items()]
    mappings = Input.of(dataset, seen_from=out, role="mappings")
    return Artifact.planned("bundle", name, settings, [*inputs, mappings])


@dataclass(frozen=True)
class _Encoder:
    """An encoder of a bundle: the one of a run, or another layer of a classifier."""

    run: Run
    layer: str | None

    @property
    def name(self) -> str:
        name = self.run.preset.name.removesuffix("-compact")
        return name if self.layer is None else f"{name}-{self.layer.lower()}"

    @cached_property
    def model(self) -> keras.Model:
        """The finished encoder with named outputs: `encoding`, and for a classifier also `genres`."""
        encoder = self.run.load_encoder(self.layer)
        if not self.run.classifies:
            return keras.Model(encoder.input, {"encoding": encoder.output}, name="encoder")
        scaled = encoder.get_layer("scaler")(encoder.input)
        layer = self.layer or self.run.preset.encoder_layer
        encoding, logits = self.run.load_model().encode_and_classify(scaled, layer)
        genres = keras.layers.Softmax(name="genres", dtype="float32")(logits)
        return keras.Model(encoder.input, {"encoding": encoding, "genres": genres}, name="encoder")

    @cached_property
    def windows(self) -> Windows:
        return self.run.windows(self.model, self.run.preset.step_seconds)

    def encode(
        self, dataset: PreparedDataset, split: str, progress: Callable[[str, int, int], None] | None
    ) -> list[Encodings]:
        """Encode the tracks to fit mappings to; reject dead components of a chosen layer, which no metrics cover."""
        advance = None if progress is None else partial(progress, self.name)
        encodings = encode_run(
            self.run, dataset, split, layer=self.layer, max_tracks=MAX_FITTED_TRACKS, progress=advance
        )
        std = np.concatenate([track.values for track in encodings]).std(axis=0)
        if self.layer is not None and (n_dead := int((std < MIN_ENCODING_STD).sum())):
            raise CollapsedEncoderError(
                f"{self.run.path}: {n_dead} of {len(std)} components of its encodings are dead on the {split} split "
                f"(standard deviation below {MIN_ENCODING_STD}); train longer, or with --recipe modern (docs/models.md)"
            )
        return encodings

    def write(self, bundle: Path, plan: QuantizationPlan) -> dict[str, Any]:
        """Write the graph and return the encoder's entry in the manifest."""
        tensors = convert_encoder(self.model, bundle / "encoders" / self.name, plan=plan)
        windows = self.windows
        return {
            "name": self.name,
            "model": f"encoders/{self.name}/model.json",
            "layer": self.layer or self.run.preset.encoder_layer or "encoding",
            **({"genres": self.run.config["genres"]} if self.run.classifies else {}),
            **tensors,
            "encoding_size": self.model.output["encoding"].shape[-1],
            "window_frames": windows.frames,
            "window_seconds": windows.frames * windows.params.frame_seconds,
            "step_seconds": self.run.preset.step_seconds,
            "time_offset_seconds": windows.time_offset_seconds,
        }

    def provenance(self, plan: QuantizationPlan) -> dict[str, Any]:
        """Say what the encoder was made of."""
        run, record = self.run, self.run.record
        made_by = {"command": record.command, "code_version": record.code_version}
        return {
            "run": {"path": str(run.path), "config": {**run.config, **made_by}},
            "dataset": _dataset_of(run),
            "layer": self.layer or run.preset.encoder_layer,
            "metrics": run.metrics(),
            "quantization": {"dtypes": plan.dtypes, "max_error": plan.max_error},
        }


def _encoders(runs: Sequence[Run], layer: str | None) -> dict[str, _Encoder]:
    encoders = [_Encoder(run, layer if run.classifies else None) for run in runs]
    return {encoder.name: encoder for encoder in encoders}


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


def _share_parameters(encoders: Collection[str], parameters: Mapping[str, int] | None) -> dict[str, int]:
    """Decide how many parameters each encoder drives, in their order; `fit_mappings` checks the numbers themselves."""
    if parameters is None and len(encoders) == 1:
        return dict.fromkeys(encoders, N_PARAMETERS)
    given = dict(parameters or {})
    if given.keys() != set(encoders) or sum(given.values()) != N_PARAMETERS:
        raise InputError(
            f"parameters={given}: say how many of the {N_PARAMETERS} parameters each of {', '.join(encoders)} drives "
            "(--parameters NAME=COUNT ...)"
        )
    return {name: given[name] for name in encoders}


def _fit(
    encodings: Mapping[str, list[Encodings]],
    encoders: Mapping[str, _Encoder],
    counts: Mapping[str, int],
    default: tuple[str, str, str] | None,
) -> Mappings:
    cuts = [encoder.windows for encoder in encoders.values()]
    resolves_beat = min(windows.hop_frames * windows.params.frame_seconds for windows in cuts) <= _BEAT_SECONDS
    segment_at_a_time = len(cuts) == 1 and cuts[0].frames == cuts[0].params.segment_frames
    if default is None and (resolves_beat or not segment_at_a_time):
        is_possible = all(track.values.shape[1] >= counts[name] for name, (track, *_) in encodings.items())
        default = ("pca", "features", "per-track" if resolves_beat else "robust") if is_possible else None
    time = _BEAT_TIME if resolves_beat else TimeSettings()
    return fit_mappings(encodings, n_parameters=counts, default=default, time=time)
