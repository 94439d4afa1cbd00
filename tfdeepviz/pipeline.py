"""From a corpus to a pushed bundle in one go: every step that what went into it has not left as it was."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import keras

from tfdeepviz.data.demo import render_corpus
from tfdeepviz.data.features import Features
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.index import FileIndex, index_files
from tfdeepviz.data.metadata import Metadata
from tfdeepviz.data.prepare import prepare
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.data.selection import Selection
from tfdeepviz.errors import InputError, TfdeepvizError
from tfdeepviz.export.bundle import BLESSED, NOT_BLESSED, Bundle
from tfdeepviz.export.exporter import export_bundle
from tfdeepviz.export.registry import INDEX, entries, find, push
from tfdeepviz.export.validate import validate
from tfdeepviz.files import FormatError, read_json, remove_leftovers, sha256_file, write_json
from tfdeepviz.locks import locked
from tfdeepviz.models.evaluate import evaluate
from tfdeepviz.models.evaluation import CollapsedEncoderError
from tfdeepviz.models.presets import Preset, load_preset, override
from tfdeepviz.models.progress import EpochProgress
from tfdeepviz.models.run import Run
from tfdeepviz.models.training import N_COMPONENTS, train
from tfdeepviz.params import AUDIO_PRESETS, AudioParams
from tfdeepviz.provenance import code_digest, code_version

#: What was done, in the working folder.
RECORD = "pipeline.json"

#: What the code of each step makes of the same settings and inputs. Raise a number by hand when that changes, and only
#: then: results of another number are made anew.
STEP_SCHEMAS = {
    **{"demo-corpus": 1, "index": 1, "prepare": 1},
    **{"train": 1, "evaluate": 1},
    **{"export": 1, "validate": 1, "push": 1},
}

_MAX_CONFIG_BYTES = 1 << 20
_MAX_NAMED_CHANGES = 4
# A run counts as measured on the first of these that it has.
_MEASURED = ("test", "validation", "training")
# What a preset asks of its model, without teaching it anything: of a finished run it may change.
_ASKED = ("thresholds", "budget")
_CORES = os.cpu_count() or 1


class PipelineError(TfdeepvizError, RuntimeError):
    """A pipeline cannot go on; the message says what to do about it."""


class _RefusedError(PipelineError):
    """A bundle is not good enough; the others go on."""


@dataclass(frozen=True)
class Corpus:
    """What a pipeline begins with.

    Attributes
    ----------
    fma_root
        Folder in FMA's layout.
    subset
        One of FMA's.
    demo
        Arguments of `render_corpus`, if it is the demo corpus; otherwise None.
    """

    fma_root: Path
    subset: str = "small"
    demo: dict[str, Any] | None = None


@dataclass(frozen=True)
class RunConfig:
    """A run to train, or to distill from another one (`teacher`, by its name)."""

    name: str
    preset: Preset
    seed: int = 0
    teacher: str | None = None
    n_components: int = N_COMPONENTS


@dataclass(frozen=True)
class BundleConfig:
    """A bundle to export: of which runs (by their names), and further arguments of `export_bundle`."""

    name: str
    runs: tuple[str, ...]
    options: dict[str, Any]


@dataclass(frozen=True)
class Validation:
    """How bundles are judged: arguments of `tfdeepviz.export.validate.validate`."""

    static: Path
    baseline: int | None = None
    compare: bool = True


@dataclass(frozen=True)
class Config:
    """What a pipeline does; `pipeline.schema.json` says how it is written.

    Attributes
    ----------
    work
        Folder for everything that is made.
    corpus
        Where the music is.
    preparation
        Arguments of `tfdeepviz.data.prepare.prepare`.
    runs, bundles
        In the order in which they are made.
    validation
        How bundles are judged; there is always one where there are bundles.
    registry
        Where bundles are pushed to, if anywhere.
    first
        Name of the bundle that comes first there, if that is to be changed.
    """

    work: Path
    corpus: Corpus
    preparation: dict[str, Any]
    runs: tuple[RunConfig, ...] = ()
    bundles: tuple[BundleConfig, ...] = ()
    validation: Validation | None = None
    registry: Path | None = None
    first: str | None = None

    @property
    def steps(self) -> tuple[str, ...]:
        """Names of the steps, in their order."""
        return (
            *(("demo-corpus",) if self.corpus.demo is not None else ()),
            *("index", "prepare"),
            *(f"{step} {run.name}" for run in self.runs for step in ("train", "evaluate")),
            *(
                f"{step} {bundle.name}"
                for bundle in self.bundles
                for step in ("export", "validate", *(("push",) if self.registry is not None else ()))
            ),
        )

    @classmethod
    def load(cls, path: Path) -> Config:
        """Read a configuration; paths in it are relative to its folder.

        Raises
        ------
        FormatError
            If it is missing or broken; the message names the key.
        """
        values = _read_toml(path)
        try:
            _validate(values)
            return cls._from_dict(values, path.absolute().parent)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{path}: {error}") from error

    @classmethod
    def _from_dict(cls, values: Mapping[str, Any], home: Path) -> Config:
        work = (home / values["work"]).resolve()
        runs: dict[str, RunConfig] = {}
        for entry in values.get("train", []):
            run = _run_config(entry, home)
            if run.name in runs:
                raise InputError(f"train.{run.name}: the name is there twice; runs differ in name")
            if run.teacher is not None and run.teacher not in runs:
                raise InputError(
                    f"train.{run.name}.teacher: no run before it is called {run.teacher!r}; a teacher comes first"
                )
            runs[run.name] = run
        bundles: dict[str, BundleConfig] = {}
        for entry in values.get("bundle", []):
            bundle = _bundle_config(entry)
            if bundle.name in bundles:
                raise InputError(f"bundle.{bundle.name}: the name is there twice; bundles differ in name")
            if unknown := [name for name in bundle.runs if name not in runs]:
                raise InputError(
                    f"bundle.{bundle.name}.runs: no run is called {', '.join(unknown)}; "
                    f"choose of {', '.join(runs) or 'runs that [[train]] makes'}"
                )
            bundles[bundle.name] = bundle
        pushing = values.get("push", {})
        first = pushing.get("first")
        if first is not None and first not in bundles:
            raise InputError(f"push.first: no bundle is called {first!r}; choose of {', '.join(bundles)}")
        corpus = _corpus(values["corpus"], work, home)
        return cls(
            work=work,
            corpus=corpus,
            preparation=_preparation(values.get("prepare", {}), corpus.subset, home),
            runs=tuple(runs.values()),
            bundles=tuple(bundles.values()),
            validation=_validation(values["validate"], home) if "validate" in values else None,
            registry=(home / pushing["registry"]).resolve() if pushing else None,
            first=first,
        )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_CONFIG_BYTES:
            raise FormatError(f"{path}: larger than {_MAX_CONFIG_BYTES} bytes; this is no configuration")
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=_finite)
    except FileNotFoundError as error:
        raise FormatError(f"{path}: missing; configs/demo.toml shows how a pipeline is written") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path}: not valid TOML ({error})") from error


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise InputError(f"{text} is no finite number")
    return value


@cache
def _validator(name: str | None = None) -> jsonschema.Draft202012Validator:
    schema = json.loads((resources.files(__package__) / "pipeline.schema.json").read_text(encoding="utf-8"))
    if name is not None:
        schema = {"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]}
    return jsonschema.Draft202012Validator(schema)


def _validate(values: Mapping[str, Any]) -> None:
    """Check a configuration against the schema; raises InputError."""
    error = jsonschema.exceptions.best_match(_validator().iter_errors(values))
    if error is None:
        return
    parts = [str(part) for part in error.absolute_path]
    if len(parts) > 1 and parts[0] in ("train", "bundle"):
        # What people called it, rather than its number.
        entry = values[parts[0]][int(parts[1])]
        parts[1] = str(entry.get("name", f"number {int(parts[1]) + 1}")) if isinstance(entry, dict) else parts[1]
    schema: Any = error.schema
    message = error.message
    if error.validator == "additionalProperties" and isinstance(error.instance, dict) and "properties" in schema:
        known = schema["properties"]
        unknown = sorted(set(error.instance) - set(known))
        message = f"unknown: {', '.join(unknown)}; it knows {', '.join(known)}"
    elif error.validator == "oneOf":
        message = "not one corpus"
    elif error.validator == "dependentRequired":
        message = message.replace("is a dependency of", "is needed for")
    # Of alternatives, the one that nearly fitted may not know what all of them are for.
    remedy = next((outer["description"] for outer in _outwards(error) if "description" in outer), None)
    raise InputError(f"{'.'.join(parts) or 'configuration'}: {message}{f'; {remedy}' if remedy else ''}")


def _outwards(error: Any) -> Iterator[Any]:
    """Schema that an error broke, and those that it was an alternative of."""
    while error is not None:
        yield error.schema
        error = error.parent


def _corpus(values: Mapping[str, Any], work: Path, home: Path) -> Corpus:
    if "demo" not in values:
        return Corpus((home / values["fma-root"]).resolve(), values.get("subset", "small"))
    demo = values["demo"]
    names = {"tracks": "n_tracks", "seconds": "duration_seconds", "seed": "seed"}
    return Corpus(work / "corpus", demo={names[name]: value for name, value in demo.items()})


def _preparation(values: Mapping[str, Any], subset: str, home: Path) -> dict[str, Any]:
    """Arguments of `prepare`, by its own names."""
    names = {
        **{"split": "splitting", "fractions": "fractions", "seed": "seed", "balanced": "balanced"},
        **{"genre": "genres", "artist": "artists", "licence": "licences"},
        **{"min-duration": "min_seconds", "max-duration": "max_seconds", "max-tracks": "max_tracks"},
    }
    chosen: dict[str, Any] = {
        name: tuple(values[key]) if isinstance(values[key], list) else values[key]
        for key, name in names.items()
        if key in values
    }
    try:
        selection = Selection(subset=subset, **chosen)
        params = _audio_params(values.get("params", "live"), values.get("set", {}), home)
        features = Features(params, values.get("mode", "mfcc"))
    except InputError as error:
        raise InputError(f"prepare: {error}") from error
    options = ("hop-seconds", "segments-per-track", "storage", "tracks-per-shard", "max-seconds")
    return {
        "selection": selection,
        "features": features,
        **{name.replace("-", "_"): values[name] for name in options if name in values},
    }


def _audio_params(name: str, changes: Mapping[str, Any], home: Path) -> AudioParams:
    if name in AUDIO_PRESETS:
        values = AUDIO_PRESETS[name].to_dict()
    elif name.endswith(".json"):
        values = read_json(home / name)
    else:
        raise InputError(f"params={name!r}: choose {', '.join(AUDIO_PRESETS)} or name a .json file")
    return AudioParams.from_dict({**values, "preset": "custom", **changes} if changes else values)


def _run_config(values: Mapping[str, Any], home: Path) -> RunConfig:
    name, preset = values["name"], values["preset"]
    try:
        loaded = load_preset(str(home / preset) if preset.endswith(".json") else preset, recipe=values.get("recipe"))
        changes = {**_flat(values.get("set", {})), **({"epochs": values["epochs"]} if "epochs" in values else {})}
        loaded = override(loaded, changes)
    except InputError as error:
        raise InputError(f"train.{name}: {error}") from error
    return RunConfig(name, loaded, values.get("seed", 0), values.get("teacher"), values.get("components", N_COMPONENTS))


def _bundle_config(values: Mapping[str, Any]) -> BundleConfig:
    names = ("title", "layer", "parameters", "note", "split")
    options = {name: values[name] for name in names if name in values}
    if "quantize" in values:
        options["quantization"] = values["quantize"]
    if "default" in values:
        options["default"] = tuple(values["default"].split("/"))
    return BundleConfig(values["name"], tuple(values["runs"]), options)


def _validation(values: Mapping[str, Any], home: Path) -> Validation:
    baseline = values.get("baseline")
    compare = baseline != "none"
    return Validation((home / values["static"]).resolve(), baseline if compare else None, compare)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by their dotted names: TOML reads `optimizer.momentum` as a table in a table."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


class PipelineProgress(EpochProgress):
    """What a pipeline tells while it works; override what you show. Of a training also every epoch."""

    def skip(self, step: str, result: Path, made_by: str | None) -> None:
        """A step has nothing to do: what it made is there, and what went into it has not changed.

        `made_by` is the version of the code that made it, where that is not this code to the byte; otherwise None.
        """

    def keep(self, step: str, old: Path) -> None:
        """What a step made before is out of its way, and kept."""

    def begin(self, step: str, reason: str) -> None:
        """A step begins, for a reason; in a dry run it would."""

    def advance(self, what: str, done: int, total: int) -> None:
        """So much of the step's work is done."""

    def say(self, what: str) -> None:
        """The step comes to something that cannot be counted."""

    def end(self, step: str, seconds: float, summary: str, result: Path) -> None:
        """A step is done."""

    def refuse(self, step: str, reason: str) -> None:
        """A step found a bundle that is not good enough; the others go on."""


def run_pipeline(
    config: Config, *, redo: Collection[str] = (), dry_run: bool = False, progress: PipelineProgress | None = None
) -> None:
    """Do every step that is not done yet, or whose settings, inputs or schema are other than when it was.

    Other code alone makes nothing anew: most changes change no result, and a training may have taken hours. Whose code
    does change its result raises the step's number in `STEP_SCHEMAS`; and of a result that is not this code's, progress
    is told.

    What a step made before, such as `runs/x`, is never deleted, but renamed to `runs/x.old-1`.

    Parameters
    ----------
    config
        What to make.
    redo
        Steps to do again in any case, by their names, as `train x`.
    dry_run
        Only tell what would be done.
    progress
        Told of every step.

    Raises
    ------
    BusyError
        If another pipeline works in the same folder.
    PipelineError
        If something is in the way that no pipeline made, or, after all else is done, bundles are not good enough.
    FormatError, InputError, DivergedError
        As the single steps do.
    """
    progress = progress or PipelineProgress()
    if unknown := [name for name in redo if name not in config.steps]:
        raise InputError(f"redo: no step is called {', '.join(unknown)}; the steps are {', '.join(config.steps)}")
    if dry_run:
        _Pipeline(config, progress, redo, dry_run=True).run()
        return
    config.work.mkdir(parents=True, exist_ok=True)
    with locked(config.work):
        # What a pipeline that was killed could not tidy up.
        remove_leftovers(config.work)
        for left in config.work.glob("bundles/.*/"):
            shutil.rmtree(left)
        _Pipeline(config, progress, redo, dry_run=False).run()


@dataclass
class _Pipeline:
    config: Config
    progress: PipelineProgress
    redo: Collection[str]
    dry_run: bool
    steps: dict[str, dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.steps = self._read_record()

    def run(self) -> None:
        corpus = self._corpus()
        dataset = self._prepare(corpus)
        runs: dict[str, str | None] = {}
        for run in self.config.runs:
            runs[run.name] = self._train(run, dataset, runs)
            self._evaluate(run, runs[run.name], dataset)
        refused: dict[str, str] = {}
        for bundle in self.config.bundles:
            try:
                digest = self._export(bundle, runs, dataset)
                self._publish(bundle, digest)
            except _RefusedError as error:
                refused[bundle.name] = str(error)
        if refused:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
            raise PipelineError(f"{len(refused)} of {len(self.config.bundles)} bundles are not good enough: {reasons}")

    # --- the steps ---------------------------------------------------------------------------------------------------

    def _corpus(self) -> str | None:
        corpus = self.config.corpus
        root, subset = corpus.fma_root, corpus.subset
        if corpus.demo is None:
            digest: str | None = corpus_digest(root, subset)
        else:
            options = corpus.demo

            def render() -> str:
                summary = render_corpus(root, n_workers=_CORES, progress=self._advance("rendering"), **options)
                return f"{summary.n_tracks} tracks by {summary.n_artists} artists"

            digest = self._step(
                *("demo-corpus", render),
                result=root,
                settings=options,
                # The tables come last, this one the last of all.
                digest=lambda: corpus_digest(root, subset) if (root / "fma_metadata/genres.csv").is_file() else None,
            )
        index = self.config.work / "index.jsonl"

        def list_files() -> str:
            known = FileIndex.load(index) if index.exists() else None
            found = index_files(
                Metadata.load(root), subset=subset, n_workers=_CORES, known=known, progress=self._advance("indexing")
            )
            found.save(index)
            return ", ".join(f"{count} {status}" for status, count in found.counts().items())

        self._step(
            *("index", list_files),
            result=index,
            settings={"subset": subset},
            inputs={"corpus": digest},
            digest=lambda: sha256_file(index) if index.is_file() else None,
            overwrites=True,
        )
        return digest

    def _prepare(self, corpus: str | None) -> str | None:
        root, out, options = self.config.corpus.fma_root, self._dataset, self.config.preparation
        features: Features = options["features"]

        def make() -> str:
            dataset = prepare(root, out, n_workers=2 * _CORES, progress=self._advance("preparing"), **options)
            counts = ", ".join(f"{dataset.n_tracks(split)} {split}" for split in SPLITS)
            return f"{counts} tracks, {len(dataset.skipped)} skipped"

        settings = {
            **options,
            "selection": options["selection"].to_dict(),
            "features": {"mode": features.mode, "params": features.params.to_dict()},
        }
        return self._step(
            *("prepare", make),
            result=out,
            settings=settings,
            inputs={"corpus": corpus},
            digest=lambda: PreparedDataset.load(out).identity if (out / "manifest.json").is_file() else None,
        )

    def _train(self, run: RunConfig, dataset: str | None, runs: Mapping[str, str | None]) -> str | None:
        out = self._run(run.name)
        preset = {name: value for name, value in run.preset.to_dict().items() if name not in _ASKED}
        settings: dict[str, Any] = {"preset": preset, "seed": run.seed}
        inputs = {"dataset": dataset}
        if run.teacher is not None:
            settings["components"] = run.n_components
            inputs[f"teacher {run.teacher}"] = runs[run.teacher]

        def make() -> str:
            # What models of earlier steps left would slow this one down, and number its layers.
            keras.utils.clear_session()
            teacher = None if run.teacher is None else Run.load(self._run(run.teacher))
            trained = train(
                run.preset,
                PreparedDataset.load(self._dataset),
                out,
                seed=run.seed,
                teacher=teacher,
                n_components=run.n_components,
                progress=self.progress,
            )
            best = trained.best_epoch()
            return f"{run.preset.name}, val_loss {trained.history()[best - 1]['val_loss']:.5f} after epoch {best}"

        made = self._step(
            f"train {run.name}", make, result=out, settings=settings, inputs=inputs, digest=lambda: run_digest(out)
        )
        if made is not None and not self.dry_run and _asked(Run.load(out).preset) != _asked(run.preset):
            make()  # nothing is trained: the finished run only notes what is asked of it now
        return made

    def _evaluate(self, run: RunConfig, digest: str | None, dataset: str | None) -> None:
        path = self._run(run.name)

        def pages() -> list[Path]:
            return [path / "evaluation" / f"{split}.html" for split in _MEASURED]

        def make() -> str:
            trained = Run.load(path)
            split = next(split for split in _MEASURED if split in trained.metrics())
            evaluate(trained, PreparedDataset.load(self._dataset), split)
            return f"the {split} split"

        def measured() -> str | None:
            page = next((page for page in pages() if page.is_file()), None)
            return None if page is None else _digest_files(page.parent, [page.name, f"{page.stem}.json"])

        self._step(
            *(f"evaluate {run.name}", make),
            result=lambda: next((page for page in pages() if page.is_file()), pages()[0]),
            inputs={f"run {run.name}": digest, "dataset": dataset},
            digest=measured,
            overwrites=True,
        )

    def _export(self, bundle: BundleConfig, runs: Mapping[str, str | None], dataset: str | None) -> str | None:
        out = self._bundle(bundle.name)

        def make() -> str:
            keras.utils.clear_session()
            loaded = [Run.load(self._run(name)) for name in bundle.runs]
            try:
                made = export_bundle(
                    *(loaded, PreparedDataset.load(self._dataset), out),
                    name=bundle.name,
                    progress=lambda encoder, done, total: self.progress.advance(
                        f"encoding with {encoder}", done, total
                    ),
                    **bundle.options,
                )
            except CollapsedEncoderError as error:
                raise _RefusedError(str(error)) from error
            return f"{made.n_bytes / 1e6:.2f} MB, {made.manifest['quantization']}, default {made.mappings.default}"

        return self._step(
            *(f"export {bundle.name}", make),
            result=out,
            settings={
                "runs": list(bundle.runs),
                "asked": {run.name: _asked(run.preset) for run in self.config.runs if run.name in bundle.runs},
                **bundle.options,
            },
            inputs={"dataset": dataset, **{f"run {name}": runs[name] for name in bundle.runs}},
            digest=lambda: Bundle.load(out).digest if out.exists() else None,
        )

    def _publish(self, bundle: BundleConfig, digest: str | None) -> None:
        """Validate a bundle, and push what is good enough."""
        path, registry = self._bundle(bundle.name), self.config.registry
        published = None if registry is None or digest is None else _find(registry, bundle.name, digest)
        validated = self.steps.get(f"validate {bundle.name}")
        if published is not None and validated is not None and validated["inputs"].get("bundle") == digest:
            # What is published is not compared with itself, nor with what came after it.
            baseline = validated["inputs"].get("baseline", "")
        else:
            baseline = self._baseline(bundle.name)

        def judge() -> str:
            validation = self.config.validation
            assert validation is not None  # `Config.load` asks for it where there are bundles
            blessing = validate(
                path,
                static=validation.static,
                # With its first bundle a registry begins; until then there is nothing to compare with.
                registry=registry if baseline else None,
                baseline=validation.baseline,
                compare=validation.compare,
                progress=self.progress.say,
            )
            if not blessing.is_blessed:
                failed = [check for check in blessing.checks if not check.passed]
                reasons = "; ".join(f"{check.name}: {check.reason}" for check in failed)
                raise _RefusedError(f"{NOT_BLESSED}: {reasons or 'nothing was checked'}")
            return f"{BLESSED}, {len(blessing.checks)} checks"

        def judged() -> str | None:
            if not (path / BLESSED).is_file():
                return None
            blessing = Bundle.load(path).blessing
            return sha256_file(path / BLESSED) if blessing is not None and blessing.is_blessed else None

        blessed = self._step(
            *(f"validate {bundle.name}", judge),
            result=path / BLESSED,
            inputs={"bundle": digest, "baseline": baseline},
            digest=judged,
            overwrites=True,
        )
        if registry is None:
            return
        first = bundle.name == self.config.first

        def publish() -> str:
            there = _find(registry, bundle.name, digest or "")
            if there is None or (first and entries(registry)[0].name != bundle.name):
                there = push(path, registry, first=first)
            return f"pushed as {there.parent.name}/{there.name}"

        self._step(
            *(f"push {bundle.name}", publish),
            result=lambda: _find(registry, bundle.name, digest or "") or registry / bundle.name,
            # Relative, so that nothing has changed where all of it was moved.
            settings={"registry": os.path.relpath(registry, self.config.work), "first": first},
            inputs={"bundle": digest, "blessing": blessed},
            digest=lambda: digest if _find(registry, bundle.name, digest or "") else None,
            overwrites=True,
        )

    def _baseline(self, name: str) -> str:
        """Digest of the version that a bundle is compared with; empty if there is none."""
        registry, validation = self.config.registry, self.config.validation
        if registry is None or validation is None or not validation.compare or not (registry / INDEX).is_file():
            return ""
        has_name = name in {entry.name for entry in entries(registry)}
        return find(registry, name, validation.baseline).digest if has_name else ""

    # --- where things are --------------------------------------------------------------------------------------------

    @property
    def _dataset(self) -> Path:
        return self.config.work / "dataset"

    def _run(self, name: str) -> Path:
        return self.config.work / "runs" / name

    def _bundle(self, name: str) -> Path:
        return self.config.work / "bundles" / name

    # --- doing and remembering ---------------------------------------------------------------------------------------

    def _advance(self, what: str) -> Callable[[int, int], None]:
        return lambda done, total: self.progress.advance(what, done, total)

    def _step(
        self,
        name: str,
        make: Callable[[], str],
        /,
        *,
        result: Path | Callable[[], Path],
        digest: Callable[[], str | None],
        settings: Mapping[str, Any] | None = None,
        inputs: Mapping[str, str | None] | None = None,
        overwrites: bool = False,
    ) -> str | None:
        """Do a step, unless it was done.

        Parameters
        ----------
        name, make
            The step, and what does it: goes on where it was killed, and gives a line for people.
        result
            What it makes; or where to find that, once it is made.
        digest
            Of what it made; None where that is not there, or not whole.
        settings, inputs
            What it depends on; of inputs digests, None where a dry run cannot know.
        overwrites
            It replaces what was there by itself, all or nothing. Otherwise what was there is renamed first, if it is
            what this pipeline made.

        Returns
        -------
        str or None
            Digest of what it made, None where a dry run cannot know.
        """
        place = result if callable(result) else lambda: result
        new = [name for name, value in (inputs or {}).items() if value is None]
        if new:
            self.progress.begin(name, f"{' and '.join(new)} will be new")
            return None
        schema = STEP_SCHEMAS[name.partition(" ")[0]]
        state = json.loads(json.dumps({"settings": settings or {}, "inputs": inputs or {}, "schema": schema}))
        code = {"version": code_version(), "digest": code_digest()}
        before = self.steps.get(name)
        if name not in self.redo and before is not None and all(before[part] == state[part] for part in state):
            reason = self._unfinished(before, digest, place(), overwrites)
            if reason is None:
                other = before.get("code", code)
                self.progress.skip(name, place(), None if other["digest"] == code["digest"] else other["version"])
                return self._remember(name, before, digest())
        else:
            reason = "asked for" if name in self.redo else _changes(before, state)
            if not overwrites and place().exists():
                if before is None or before["digest"] not in (None, _whole(digest)):
                    raise _in_the_way(place())
                self._set_aside(name, place())
        self.progress.begin(name, reason)
        if self.dry_run:
            return None
        entry = {**state, "code": code}
        self._remember(name, entry, None)
        started = time.monotonic()
        try:
            summary = make()
        except _RefusedError as error:
            self.progress.refuse(name, str(error))
            raise
        made = digest()
        if made is None:
            raise PipelineError(
                f"{place()}: gone as soon as {name} had made it; leave {self.config.work} to the pipeline"
            )
        self.progress.end(name, time.monotonic() - started, summary, place())
        return self._remember(name, entry, made)

    def _unfinished(
        self, before: Mapping[str, Any], digest: Callable[[], str | None], place: Path, overwrites: bool
    ) -> str | None:
        """Why a step is to be done again though nothing that it depends on has changed; None if it is done."""
        found = _whole(digest)
        if before["digest"] is None:
            # It may have been killed between its last file and the record.
            return "was not finished" if found is None or overwrites else None
        if found == before["digest"]:
            return None
        if not overwrites and place.exists():
            raise _in_the_way(place)
        return "what it made is gone"

    def _set_aside(self, step: str, path: Path) -> None:
        if self.dry_run:
            return
        prefix = f"{path.name}.old-"
        numbers = [old.name.removeprefix(prefix) for old in path.parent.iterdir() if old.name.startswith(prefix)]
        old = path.with_name(f"{prefix}{max((int(number) for number in numbers if number.isdecimal()), default=0) + 1}")
        path.rename(old)
        self.progress.keep(step, old)

    def _remember(self, name: str, entry: Mapping[str, Any], digest: str | None) -> str | None:
        entry = {**entry, "digest": digest}
        if not self.dry_run and self.steps.get(name) != entry:
            self.steps[name] = entry
            write_json(self.config.work / RECORD, {"schema_version": 1, "steps": self.steps})
        return digest

    def _read_record(self) -> dict[str, dict[str, Any]]:
        path = self.config.work / RECORD
        if not path.exists():
            return {}
        record = read_json(path)
        error = jsonschema.exceptions.best_match(_validator("record").iter_errors(record))
        if error is not None:
            place = ".".join(str(part) for part in error.absolute_path)
            raise FormatError(f"{path}: not a pipeline's record ({place}: {error.message}); give another work")
        # Records had no schemas at first.
        return {name: {"schema": 1, **entry} for name, entry in record["steps"].items()}


def _asked(preset: Preset) -> dict[str, Any]:
    values = preset.to_dict()
    return {name: values[name] for name in _ASKED}


def _whole(digest: Callable[[], str | None]) -> str | None:
    """Digest of what is there; None also where that is broken."""
    try:
        return digest()
    except FormatError:
        return None


def _in_the_way(path: Path) -> PipelineError:
    return PipelineError(
        f"{path}: not as a pipeline left it; delete it to have it made anew, or give the pipeline another work"
    )


def _changes(before: Mapping[str, Any] | None, state: Mapping[str, Any]) -> str:
    """Why a step is to be done, for people."""
    if before is None:
        return "first time"
    reasons = []
    old, new = _flat(before["settings"]), _flat(state["settings"])
    if changed := [name for name in {**old, **new} if old.get(name) != new.get(name)]:
        more = ", ..." if len(changed) > _MAX_NAMED_CHANGES else ""
        reasons.append(f"settings changed ({', '.join(changed[:_MAX_NAMED_CHANGES])}{more})")
    inputs = {**before["inputs"], **state["inputs"]}
    reasons += [f"{name} changed" for name in inputs if before["inputs"].get(name) != state["inputs"].get(name)]
    if before["schema"] != state["schema"]:
        reasons.append("tfdeepviz makes something else of them now")
    return ", ".join(reasons) or "settings changed"


def corpus_digest(fma_root: Path, subset: str) -> str:
    """SHA-256 of the names, sizes and times of change of a corpus' tables and of a subset's files.

    Raises
    ------
    FormatError
        If there is no corpus.
    """
    tables = [fma_root / "fma_metadata" / name for name in ("tracks.csv", "genres.csv")]
    if not tables[0].is_file():
        raise FormatError(
            f"{tables[0]}: missing; corpus.fma-root names the folder that holds fma_metadata/ and fma_<subset>/"
        )
    folder = fma_root / f"fma_{subset}"
    files = {}
    for path in (*tables, *folder.glob("*"), *folder.glob("*/*")):
        if path.is_file():
            status = path.stat()
            files[path.relative_to(fma_root).as_posix()] = [status.st_size, status.st_mtime_ns]
    return _digest(files)


def run_digest(run: Path) -> str | None:
    """SHA-256 of what others use of a finished run; None if it is not finished."""
    # The metrics are written last.
    return _digest_files(run, ["encoder.keras", "model.keras", "metrics.json"])


def _digest_files(folder: Path, names: list[str]) -> str | None:
    if not all((folder / name).is_file() for name in names):
        return None
    return _digest({name: sha256_file(folder / name) for name in names})


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _find(registry: Path, name: str, digest: str) -> Path | None:
    """The version of a bundle in a registry that has a digest."""
    if not (registry / INDEX).is_file():
        return None
    for entry in entries(registry):
        for version in reversed(entry.versions) if entry.name == name else ():
            path = registry / name / str(version)
            try:
                if Bundle.load(path).digest == digest:
                    return path
            except FormatError:
                continue  # broken: `tfdeepviz registry verify` tells
    return None
