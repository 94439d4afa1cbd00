"""Export of trained runs as a bundle."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from tfdeepviz.artifacts import ARTIFACT, Artifact, Input
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.prepared import PreparedDataset, corpus_name, describe
from tfdeepviz.data.segments import Windows
from tfdeepviz.errors import InputError
from tfdeepviz.export.bundle import CARD, FRONTEND, MAPPINGS, Bundle, list_files, write_manifest
from tfdeepviz.export.extract import Analysis, analyze
from tfdeepviz.export.goldens import TOLERANCES, allowed_error, as_sound, golden_pcm, write_goldens
from tfdeepviz.export.registry import check_bundle_name
from tfdeepviz.export.tfjs import QUANTIZATIONS, QuantizationPlan, convert_encoder, convert_frontend, plan_quantization
from tfdeepviz.files import FormatError, temporary_folder, write_json
from tfdeepviz.lazy import keras
from tfdeepviz.mapping.encodings import encode_run, keras_encode
from tfdeepviz.mapping.mappings import Encodings, MappingKey, Mappings, fit_mappings
from tfdeepviz.mapping.projections import PROJECTIONS
from tfdeepviz.mapping.scaling import N_PARAMETERS, SCALING_METHODS, SCALING_MODES
from tfdeepviz.mapping.time import TimeSettings
from tfdeepviz.models.descriptors import GENRES, typical_descriptors
from tfdeepviz.models.run import Run, outputs_of
from tfdeepviz.params import check_choice
from tfdeepviz.reports.card import model_card
from tfdeepviz.reports.measures import MIN_ENCODING_STD
from tfdeepviz.teachers.musicnn import TAGS

# Share of the tolerance that quantization may use; the rest is left for the client's own rounding.
_QUANTIZATION_SHARE = 0.8

#: Descriptors' probabilities are limited to this and its complement before their log-odds are taken.
DESCRIBED_PROBABILITY = 1e-4

#: Largest number of tracks to fit mappings to; for a larger split, a sample is as informative.
MAX_FITTED_TRACKS = 512

#: An encoder resolves beats if its step is at most this long.
_BEAT_SECONDS = 0.05
#: Time constants with which the parameters of such an encoder rise and fall.
_RISE_SECONDS, _FALL_SECONDS = 0.15, 0.4
_BEAT_TIME = TimeSettings(attack=math.exp(-0.01 / _RISE_SECONDS), release=math.exp(-0.01 / _FALL_SECONDS))

#: Called with (encoder, tracks encoded, tracks in all).
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class BundlePlan:
    """What a bundle is to be made of, checked without TensorFlow. The encoders of all runs jointly drive one picture.

    An encoder is named after its preset, without `-compact` and followed by the layer if one is chosen; by default, the
    first gives the bundle its name and title. Mappings are fitted to a split of the dataset; from more than 512 tracks,
    an evenly spread sample is taken. The model card shows the note, which is about the data.

    Attributes
    ----------
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

    Raises InputError if the values, the runs and the dataset do not fit each other.
    """

    runs: Sequence[Run]
    dataset: PreparedDataset
    out: Path
    _: KW_ONLY
    name: str | None = None
    title: str | None = None
    parameters: Mapping[str, int] | None = None
    default: tuple[str, ...] | None = None
    split: str = "training"
    quantization: str = "float16"
    layer: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        check_choice("quantization", self.quantization, QUANTIZATIONS)
        check_choice("split", self.split, SPLITS)
        if not self.dataset.n_tracks(self.split):
            raise InputError(
                f"{self.dataset.path}: the {self.split} split holds no track, and mappings are fitted to it; give the "
                "dataset that the run was trained on"
            )
        if self.default is not None:
            if len(self.default) != 3:
                raise InputError(
                    f"default={'/'.join(self.default)}: give PROJECTION/MODE/METHOD, such as pca/features/robust"
                )
            for value, choices in zip(self.default, (PROJECTIONS, SCALING_MODES, SCALING_METHODS), strict=True):
                check_choice("default", value, choices)
        if self.layer is not None and (n := sum(run.classifies for run in self.runs)) != 1:
            raise InputError(f"layer={self.layer!r}: can only be chosen for a single classifier; here are {n}")
        for name in (*self.encoders, *([self.name] if self.name is not None else [])):
            check_bundle_name(name)
        if len(self.encoders) < len(self.runs):
            raise InputError(
                f"two of the runs are called {', '.join(sorted(self.encoders))}; a bundle needs different names"
            )
        for run in self.runs:
            if (mode := run.config.get("mode", "mfcc")) != "mfcc":
                raise FormatError(
                    f"{run.path}: was trained on {mode}; bundles hold the MFCC front end, so train on an mfcc dataset"
                )
            run.check_features(self.dataset)
        is_whole = all(type(n) is int and n > 0 for n in self.counts.values())
        if self.counts.keys() != self.encoders.keys() or not is_whole or sum(self.counts.values()) != N_PARAMETERS:
            given = "parameters" + "=" * bool(self.counts) + " ".join(f"{n}={m}" for n, m in self.counts.items())
            raise InputError(
                f"{given}: say how many of the {N_PARAMETERS} parameters each of "
                f"{', '.join(self.encoders)} drives, at least one (--parameters NAME=COUNT ...)"
            )

    @cached_property
    def encoders(self) -> dict[str, _Encoder]:
        """Encoders by name, in the order of the runs."""
        encoders = [_Encoder(run, self.layer if run.classifies else None) for run in self.runs]
        return {encoder.name: encoder for encoder in encoders}

    @property
    def counts(self) -> dict[str, int]:
        """How many parameters each encoder drives."""
        only = {} if len(self.encoders) > 1 else dict.fromkeys(self.encoders, N_PARAMETERS)
        return dict(only if self.parameters is None else self.parameters)

    @property
    def record(self) -> Artifact:
        """Record of the bundle, without a digest."""
        name = self.name or next(iter(self.encoders))
        runs = {encoder: one.run for encoder, one in self.encoders.items()}
        settings = {
            **{option.name: getattr(self, option.name) for option in fields(self) if option.kw_only},
            "name": name,
            # A bundle is judged by what its presets require, which no run depends on.
            "required": {
                encoder: {"thresholds": run.preset.thresholds, "budget": run.preset.budget}
                for encoder, run in runs.items()
            },
        }
        inputs = [Input.of(run, seen_from=self.out, role=f"encoder {encoder}") for encoder, run in runs.items()]
        inputs.append(Input.of(self.dataset, seen_from=self.out, role="mappings"))
        return Artifact.planned("bundle", name, settings, inputs)


def export_bundle(plan: BundlePlan, *, progress: Progress | None = None) -> Bundle:
    """Write a bundle; its folder appears complete or not at all.

    Raises
    ------
    FileExistsError, CollapsedEncoderError, ProjectionError
        If the folder exists; if an encoding is dead or unused; if the encodings do not allow the default mapping.
    """
    if plan.out.exists():
        raise FileExistsError(f"{plan.out}: exists; give another --out or delete it")
    record, encoders, quantization = plan.record, plan.encoders, plan.quantization
    from tfdeepviz.data.frontend import MfccFrontend
    from tfdeepviz.models.evaluation import refuse_collapsed

    for run in plan.runs:
        refuse_collapsed(run.metrics())
    encodings = {name: encoder.encode(plan.dataset, plan.split, progress) for name, encoder in encoders.items()}
    mappings = _fit(plan, encodings)
    params = plan.runs[0].params
    frontend, pcm = MfccFrontend(params), golden_pcm(params)
    golden = analyze(
        as_sound(pcm),
        frontend=frontend,
        encoders={name: (keras_encode(encoder.model), encoder.windows) for name, encoder in encoders.items()},
        mapping=mappings.find(),
    )
    plans = {name: encoder.quantized(golden, quantization) for name, encoder in encoders.items()}
    with temporary_folder(plan.out.parent) as staging:
        write_json(staging / MAPPINGS, mappings.to_dict())
        write_goldens(staging / "goldens", pcm, golden, quantization=quantization)
        manifest = {
            "name": record.name,
            "version": None,
            "title": plan.title or plan.runs[0].preset.title,
            "created": record.created,
            "audio": params.to_dict(),
            "frontend": {
                **convert_frontend(frontend, staging / FRONTEND),
                **{"pad_samples": params.pad_samples, "overlap_hops": params.overlap_hops},
            },
            "encoders": [encoder.write(staging, plans[name], encodings[name]) for name, encoder in encoders.items()],
            "quantization": quantization,
            "provenance": {
                **{"code_version": record.code_version, "command": record.command},
                "mappings": {"dataset": describe(plan.dataset), "split": plan.split, "left_out": mappings.left_out},
                "encoders": {name: encoder.provenance(plans[name]) for name, encoder in encoders.items()},
            },
        }
        card = model_card({**manifest, "files": list_files(staging)}, note=plan.note)
        (staging / CARD).write_text(card, encoding="utf-8")
        write_manifest(staging, manifest)
        bundle = Bundle.load(staging)
        facts = {"title": bundle.manifest["title"], "megabytes": round(bundle.n_bytes / 1e6, 3)}
        record.finished(f"sha256:{bundle.digest}", **facts).write(staging / ARTIFACT)
        staging.rename(plan.out)
    return Bundle.load(plan.out)


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
        """The finished encoder with named outputs: `encoding`; of a classifier or tagger also `genres` and `tags`."""
        encoder = self.run.load_encoder(self.layer)
        outputs = outputs_of(encoder)
        if self.run.classifies and "genres" not in outputs:
            scaled = encoder.get_layer("scaler")(encoder.input)
            layer = self.layer or self.run.preset.encoder_layer
            encoding, logits = self.run.load_model().encode_and_classify(scaled, layer)
            outputs = {"encoding": encoding, "genres": keras.layers.Softmax(name="genres", dtype="float32")(logits)}
        return keras.Model(encoder.input, outputs, name="encoder")

    @cached_property
    def windows(self) -> Windows:
        return self.run.windows(self.model, self.run.preset.step_seconds)

    def encode(self, dataset: PreparedDataset, split: str, progress: Progress | None) -> list[Encodings]:
        """Encode the tracks to fit mappings to; reject dead components of a chosen layer, which no metrics cover."""
        advance = None if progress is None else partial(progress, self.name)
        encodings = encode_run(
            self.run, dataset, split, layer=self.layer, max_tracks=MAX_FITTED_TRACKS, progress=advance
        )
        std = np.concatenate([track.values for track in encodings]).std(axis=0)
        if self.layer is not None and (n_dead := int((std < MIN_ENCODING_STD).sum())):
            from tfdeepviz.models.evaluation import CollapsedEncoderError

            raise CollapsedEncoderError(
                f"{self.run.path}: {n_dead} of {len(std)} components of its encodings are dead on the {split} split "
                f"(standard deviation below {MIN_ENCODING_STD}); train longer, or with --recipe modern (docs/models.md)"
            )
        return encodings

    def quantized(self, golden: Analysis, quantization: str) -> QuantizationPlan:
        """Choose how the kernels are stored, so that the goldens stay within tolerance."""
        exact = golden.encodings[self.name].values.astype(np.float32)
        probability = TOLERANCES[quantization]["genres"]
        allowed = {"encoding": allowed_error(quantization, exact), "genres": probability, "tags": probability}
        return plan_quantization(
            self.model,
            self.windows.cut(golden.mfcc).transpose(0, 2, 1)[..., None],
            quantization=quantization,
            allowed={output: _QUANTIZATION_SHARE * error for output, error in allowed.items()},
        )

    def write(self, bundle: Path, plan: QuantizationPlan, encodings: Sequence[Encodings]) -> dict[str, Any]:
        """Write the graph and return the encoder's entry in the manifest, given its encodings of the fitted tracks."""
        windows = self.windows
        return {
            "name": self.name,
            "model": f"encoders/{self.name}/model.json",
            "layer": self.layer or self.run.preset.encoder_layer or "encoding",
            **self._told(encodings),
            **convert_encoder(self.model, bundle / "encoders" / self.name, plan=plan),
            "encoding_size": self.model.output["encoding"].shape[-1],
            "window_frames": windows.frames,
            "window_seconds": windows.frames * windows.params.frame_seconds,
            "step_seconds": self.run.preset.step_seconds,
            "time_offset_seconds": windows.time_offset_seconds,
        }

    def _told(self, encodings: Sequence[Encodings]) -> dict[str, Any]:
        """Describe the genres and tags whose probabilities the graph gives."""
        told: dict[str, Any] = {}
        if "tags" in self.model.output:
            told |= {"genres": GENRES, "unsure_below": self.model.get_layer("genres").unsure_below}
        elif self.run.classifies:
            told |= {"genres": self.run.config["genres"]}
        tags = [track.tags for track in encodings if track.tags is not None]
        if tags:
            from tfdeepviz.models.lessons import log_odds

            means = np.stack([log_odds(of_track, DESCRIBED_PROBABILITY).mean(axis=0) for of_track in tags])
            told["tags"] = {"names": TAGS, "descriptors": typical_descriptors(means)}
        return told

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


def _dataset_of(run: Run) -> dict[str, Any]:
    """Describe the data that a run was trained on, as far as it is known."""
    dataset = run.record.input("dataset")
    path, record = dataset.place(run.path), dataset.artifact
    if path is not None and path.is_dir() and (here := PreparedDataset.load(path)).identity == record.digest:
        return describe(here)
    known = {"name": corpus_name(record), "digest": record.digest, "path": None}
    return {**known, "licences": record.facts.get("licences"), "command": record.command}


def _fit(plan: BundlePlan, encodings: Mapping[str, Sequence[Encodings]]) -> Mappings:
    counts, default = plan.counts, None if plan.default is None else MappingKey(*plan.default)
    cuts = [encoder.windows for encoder in plan.encoders.values()]
    resolves_beat = min(windows.hop_frames * windows.params.frame_seconds for windows in cuts) <= _BEAT_SECONDS
    segment_at_a_time = len(cuts) == 1 and cuts[0].frames == cuts[0].params.segment_frames
    if default is None and (resolves_beat or not segment_at_a_time):
        is_possible = all(track.values.shape[1] >= counts[name] for name, (track, *_) in encodings.items())
        default = MappingKey("pca", "features", "per-track" if resolves_beat else "robust") if is_possible else None
    time = _BEAT_TIME if resolves_beat else TimeSettings()
    return fit_mappings(encodings, n_parameters=counts, default=default, time=time)
