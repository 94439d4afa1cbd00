"""From a corpus to pushed bundles; re-runs only the steps whose settings, inputs or code schema have changed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from tfdeepviz.artifacts import ARTIFACT, Artifact, Input, beside, digest_of_files, is_free
from tfdeepviz.data.corpus import corpus_digest, corpus_record
from tfdeepviz.data.demo.corpus import planned_corpus, render_corpus
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.index import FileIndex, index_files
from tfdeepviz.data.metadata import Metadata
from tfdeepviz.data.prepare import planned_dataset, prepare
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.errors import InputError, TfdeepvizError
from tfdeepviz.export.bundle import BLESSED, NOT_BLESSED, Bundle
from tfdeepviz.export.exporter import BundlePlan, export_bundle
from tfdeepviz.export.registry import entries, find, push
from tfdeepviz.export.validate import planned_judgement, validate
from tfdeepviz.files import FormatError, remove_leftovers
from tfdeepviz.lazy import keras
from tfdeepviz.locks import locked
from tfdeepviz.models.evaluation import CollapsedEncoderError, evaluate, planned_evaluation
from tfdeepviz.models.progress import EpochProgress
from tfdeepviz.models.run import Run
from tfdeepviz.models.training import planned_run, train
from tfdeepviz.pipeline_config import BundleTable, Config, PushTable, TrainTable
from tfdeepviz.provenance import code_digest

#: What version 0.1.0 recorded in the working folder.
OLD_RECORD = "pipeline.json"

_MAX_NAMED_CHANGES = 4
_CORES = os.cpu_count() or 1


class PipelineError(TfdeepvizError, RuntimeError):
    """A pipeline cannot go on; the message says what to do about it."""


class _RefusedError(PipelineError):
    """A bundle is not good enough; the others go on."""


class PipelineProgress(EpochProgress):
    """Progress callbacks of a pipeline and its trainings; override the ones you need."""

    def skip(self, step: str, result: Path, made_by: str | None) -> None:
        """A step has nothing to do; `made_by` is the version of the code that made it, if that was other code."""

    def keep(self, step: str, old: Path) -> None:
        """A step's former result was renamed."""

    def begin(self, step: str, reason: str) -> None:
        """A step begins, for a reason; in a dry run it would."""

    def advance(self, what: str, done: int, total: int) -> None:
        """A part of the step's work is done."""

    def say(self, what: str) -> None:
        """The step begins something that cannot be counted."""

    def end(self, step: str, seconds: float, summary: str, result: Path) -> None:
        """A step is done."""

    def refuse(self, step: str, reason: str) -> None:
        """A step found that a bundle is not good enough; the others go on."""


def run_pipeline(
    config: Config, *, redo: Collection[str] = (), dry_run: bool = False, progress: PipelineProgress | None = None
) -> None:
    """Run every step that is not done yet, or whose settings, inputs or number in `STEP_SCHEMAS` have changed.

    The records of the results say what is done, wherever the folder is moved. Other code alone makes no step run again;
    progress is told which code made a result. What a step made before, such as `runs/x`, is renamed to `runs/x.old-1`.

    `redo` names steps to run again in any case, such as `train x`; a dry run only tells what would be done.

    Raises
    ------
    BusyError
        If another pipeline works in the same folder.
    PipelineError
        If something is in the way that no step made, or, after all else is done, bundles are not good enough.
    FormatError, InputError, DivergedError
        See the functions of the single steps.
    """
    if unknown := [name for name in redo if name not in config.steps]:
        raise InputError(f"redo: no step is called {', '.join(unknown)}; the steps are {', '.join(config.steps)}")
    pipeline = _Pipeline(config, progress or PipelineProgress(), redo, dry_run)
    if dry_run:
        pipeline.run()
        return
    config.work.mkdir(parents=True, exist_ok=True)
    with locked(config.work):
        # What a killed pipeline left.
        remove_leftovers(config.work)
        for left in config.work.glob("bundles/.*/"):
            shutil.rmtree(left)
        pipeline.run()
        if (config.work / OLD_RECORD).exists():
            pipeline.set_aside(OLD_RECORD, config.work / OLD_RECORD)


@dataclass
class _Pipeline:
    config: Config
    progress: PipelineProgress
    redo: Collection[str]
    dry_run: bool

    def run(self) -> None:
        """Run the steps in order."""
        corpus = self._corpus()
        self._index(corpus)
        made = {"dataset": self._prepare(corpus)}
        for table in self.config.train:
            made[f"run {table.name}"] = self._train(table, made)
            self._evaluate(table, made)
        refused: dict[str, str] = {}
        for bundle in self.config.bundle:
            try:
                exported = self._export(bundle, made)
                judged = self._validate(bundle.name, exported)
                if self.config.push is not None:
                    self._push(bundle.name, self.config.push, judged)
            except _RefusedError as error:
                refused[bundle.name] = str(error)
        if refused:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
            raise PipelineError(f"{len(refused)} of {len(self.config.bundle)} bundles are not good enough: {reasons}")

    def _corpus(self) -> Artifact | None:
        root, subset, demo = self.config.fma_root, self.config.corpus.subset, self.config.corpus.demo
        if demo is None:
            return corpus_record(root, subset)

        def make() -> str:
            summary = render_corpus(root, n_workers=_CORES, progress=self._advance("rendering"), **demo.arguments())
            return f"{summary.n_tracks} tracks by {summary.n_artists} artists"

        return self._step(
            *("demo-corpus", root, {}),
            planned=lambda: planned_corpus(root, **demo.arguments()),
            digest=lambda: corpus_digest(root, subset),
            make=make,
        )

    def _index(self, corpus: Artifact | None) -> None:
        root, subset, index = self.config.fma_root, self.config.corpus.subset, self.config.work / "index.jsonl"

        def planned() -> Artifact:
            return Artifact.planned("index", index.name, {"subset": subset}, [self._corpus_of(index.parent)])

        def make() -> str:
            known = FileIndex.load(index) if index.exists() else None
            found = index_files(
                Metadata.load(root), subset=subset, n_workers=_CORES, known=known, progress=self._advance("indexing")
            )
            found.save(index)
            planned().finished(digest_of_files(index)).write(beside(index))
            return ", ".join(f"{count} {status}" for status, count in found.counts().items())

        self._step(*("index", index, {"corpus": corpus}), planned=planned, make=make)

    def _prepare(self, corpus: Artifact | None) -> Artifact | None:
        root, out = self.config.fma_root, self.config.work / "dataset"
        options = self.config.prepare.arguments(self.config.corpus.subset)

        def make() -> str:
            dataset = prepare(root, out, n_workers=2 * _CORES, progress=self._advance("preparing"), **options)
            counts = ", ".join(f"{dataset.n_tracks(split)} {split}" for split in SPLITS)
            return f"{counts} tracks, {len(dataset.skipped)} skipped"

        return self._step(
            *("prepare", out, {"corpus": corpus}),
            planned=lambda: planned_dataset(self._corpus_of(out), **options),
            digest=lambda: self._dataset().identity,
            make=make,
        )

    def _train(self, table: TrainTable, made: Mapping[str, Artifact | None]) -> Artifact | None:
        out, preset = self._run_folder(table.name), table.load_preset()
        teacher = {} if table.teacher is None else {f"run {table.teacher}": made[f"run {table.teacher}"]}

        def arguments() -> dict[str, Any]:
            return {**table.arguments(), "teacher": table.teacher and Run.load(self._run_folder(table.teacher))}

        def make() -> str:
            # What models of earlier steps left would slow this one down, and number its layers.
            keras.utils.clear_session()
            run = train(preset, self._dataset(), out, progress=self.progress, **arguments())
            best = run.best_epoch()
            return f"{preset.name}, val_loss {run.history()[best - 1]['val_loss']:.5f} after epoch {best}"

        trained = self._step(
            *(f"train {table.name}", out, {"dataset": made["dataset"], **teacher}),
            planned=lambda: planned_run(preset, self._dataset(), out, **arguments()),
            digest=lambda: Run.load(out).digest,
            make=make,
        )
        if trained is not None and not self.dry_run and Run.load(out).preset != preset:
            make()  # nothing is trained: the finished run only notes by what its bundles are judged now
        return trained

    def _evaluate(self, table: TrainTable, made: Mapping[str, Artifact | None]) -> None:
        name, path = f"run {table.name}", self._run_folder(table.name)
        run = made[name]
        split, out = str(run.facts.get("split")) if run else "test", path / "evaluation"

        def make() -> str:
            evaluate(Run.load(path), self._dataset(), split)
            return f"the {split} split"

        self._step(
            *(f"evaluate {table.name}", out / f"{split}.html", {name: run}),
            planned=lambda: planned_evaluation(Run.load(path), self._dataset(), split, out),
            make=make,
        )

    def _export(self, table: BundleTable, made: Mapping[str, Artifact | None]) -> Artifact | None:
        out, names = self._bundle_folder(table.name), [f"run {name}" for name in table.runs]

        def plan() -> BundlePlan:
            # In a dry run, runs have not noted yet by what their bundles are judged now.
            presets = {run.name: run.load_preset() for run in self.config.train}
            runs = [replace(Run.load(self._run_folder(name)), preset=presets[name]) for name in table.runs]
            return BundlePlan(runs, self._dataset(), out, **table.arguments())

        def make() -> str:
            keras.utils.clear_session()
            try:
                bundle = export_bundle(
                    plan(),
                    progress=lambda encoder, done, n: self.progress.advance(f"encoding with {encoder}", done, n),
                )
            except CollapsedEncoderError as error:
                raise _RefusedError(str(error)) from error
            return (
                f"{bundle.n_bytes / 1e6:.2f} MB, {bundle.manifest['quantization']}, default {bundle.mappings.default}"
            )

        return self._step(
            *(f"export {table.name}", out, {name: made[name] for name in ("dataset", *names)}),
            planned=lambda: plan().record,
            digest=lambda: f"sha256:{Bundle.load(out).digest}",
            make=make,
        )

    def _validate(self, name: str, bundle: Artifact | None) -> Artifact | None:
        path, options = self._bundle_folder(name), self.config.validate
        assert options is not None  # `Config` asks for it where there are bundles
        registry = self.config.push.registry if self.config.push else None

        def replaced() -> Bundle | None:
            if registry is None or options.baseline == "none" or name not in _listed(registry):
                return None
            return find(registry, name, options.baseline)

        def planned() -> Artifact:
            loaded = Bundle.load(path)
            judged = _read(beside(path / BLESSED))
            wanted = planned_judgement(loaded, replaced())
            if judged is None or registry is None or _published(registry, loaded) is None:
                return wanted
            # What is published is not compared with itself, nor with what came after it.
            rest = [one for one in judged.inputs if one.role == "baseline"]
            return msgspec.structs.replace(wanted, inputs=(wanted.inputs[0], *rest))

        def make() -> str:
            blessing = validate(
                path,
                static=options.static,
                # With its first bundle a registry begins; until then there is nothing to compare with.
                registry=registry if replaced() else None,
                baseline=options.baseline,
                progress=self.progress.say,
            )
            if not blessing.is_blessed:
                raise _RefusedError(f"{NOT_BLESSED}: {blessing.flaws}")
            return f"{BLESSED}, {len(blessing.checks)} checks"

        return self._step(
            *(f"validate {name}", path / BLESSED, {"bundle": bundle}),
            planned=planned,
            make=make,
        )

    def _push(self, name: str, table: PushTable, judged: Artifact | None) -> None:
        step, path = f"push {name}", self._bundle_folder(name)
        if judged is None:
            self.progress.begin(step, "bundle will be new")
            return
        published, first = _published(table.registry, Bundle.load(path)), name == table.first
        is_done = published is not None and (not first or _listed(table.registry)[0] == name)
        if published is not None and is_done and step not in self.redo:
            self.progress.skip(step, published, None)
            return
        self.progress.begin(step, "asked for" if is_done else "not the first yet" if published else "first time")
        if not self.dry_run:
            started = time.monotonic()
            if published is None or not is_done:
                published = push(path, table.registry, first=first)
            summary = f"pushed as {published.parent.name}/{published.name}"
            self.progress.end(step, time.monotonic() - started, summary, published)

    def _corpus_of(self, folder: Path) -> Input:
        root = self.config.fma_root
        return Input.at(root, corpus_record(root, self.config.corpus.subset), seen_from=folder)

    def _dataset(self) -> PreparedDataset:
        return PreparedDataset.load(self.config.work / "dataset")

    def _run_folder(self, name: str) -> Path:
        return self.config.work / "runs" / name

    def _bundle_folder(self, name: str) -> Path:
        return self.config.work / "bundles" / name

    def _advance(self, what: str) -> Callable[[int, int], None]:
        return lambda done, total: self.progress.advance(what, done, total)

    def _step(
        self,
        name: str,
        place: Path,
        inputs: Mapping[str, Artifact | None],
        /,
        *,
        planned: Callable[[], Artifact],
        make: Callable[[], str],
        digest: Callable[[], str] | None = None,
    ) -> Artifact | None:
        """Run a step, unless it is done; returns the record of its result, None where a dry run cannot know.

        Parameters
        ----------
        name, place
            The step, and what it makes: a file, which is replaced, or a folder, which is renamed before it is made
            again. A folder is made in one go, or goes on where it was killed.
        inputs
            Records of what it is made from; None where a dry run cannot know.
        planned, make
            Return the record that is to be written, and make the result with its record and return a line for people.
        digest
            Returns the digest of the folder, or raises FormatError if it is broken; None for a file.
        """
        if new := [role for role, record in inputs.items() if record is None]:
            self.progress.begin(name, f"{' and '.join(new)} will be new")
            return None
        is_file = digest is None
        path = beside(place) if is_file else place / ARTIFACT
        wanted, before = planned(), _read(path)
        found = None if before is None else _whole(digest or (lambda: digest_of_files(place)))
        reason = "asked for" if name in self.redo else _changes(before, wanted)
        if before is not None and not reason and before.digest is not None and before.digest == found:
            self.progress.skip(name, place, None if before.code_digest == code_digest() else before.code_version)
            return before
        goes_on = before is not None and before.digest is None and not reason
        if not (is_file or goes_on or is_free(place)):
            is_ours = before.digest in (None, found) if before else (self.config.work / OLD_RECORD).exists()
            if not is_ours:
                raise PipelineError(
                    f"{place}: not as a pipeline left it; delete it to have it made anew, or give the pipeline another "
                    "work"
                )
            reason = reason if before else "made by version 0.1.0"
            self.set_aside(name, place)
        self.progress.begin(name, reason or ("was not finished" if goes_on else "what it made is gone"))
        if self.dry_run:
            return None
        started = time.monotonic()
        try:
            summary = make()
        except _RefusedError as error:
            self.progress.refuse(name, str(error))
            raise
        made = _read(path)
        if made is None or made.digest is None:
            raise PipelineError(
                f"{place}: gone as soon as {name} had made it; leave {self.config.work} to the pipeline"
            )
        self.progress.end(name, time.monotonic() - started, summary, place)
        return made

    def set_aside(self, step: str, path: Path) -> None:
        """Rename a former result."""
        if self.dry_run:
            return
        names = (path.with_name(f"{path.name}.old-{number}") for number in count(1))
        self.progress.keep(step, path.rename(next(old for old in names if not old.exists())))


def _read(path: Path) -> Artifact | None:
    return Artifact.read(path) if path.is_file() else None


def _whole(digest: Callable[[], str]) -> str | None:
    """Digest of what is there; None if it is gone or broken."""
    try:
        return digest()
    except (FormatError, FileNotFoundError):
        return None


def _changes(before: Artifact | None, wanted: Artifact) -> str:
    """Why a step has to run again; empty if nothing has changed."""
    if before is None:
        return "first time"
    if changed := wanted.changes(before):
        more = ", ..." if len(changed) > _MAX_NAMED_CHANGES else ""
        return f"changed: {', '.join(changed[:_MAX_NAMED_CHANGES])}{more}"
    return "" if wanted.step_schema == before.step_schema else "this version of tfdeepviz makes something else of it"


def _listed(registry: Path) -> list[str]:
    return [entry.name for entry in entries(registry, missing_ok=True)]


def _published(registry: Path, bundle: Bundle) -> Path | None:
    """The newest version in a registry with the content of a bundle."""
    if bundle.name not in _listed(registry):
        return None
    (entry,) = (entry for entry in entries(registry) if entry.name == bundle.name)
    for version in reversed(entry.versions):
        path = registry / bundle.name / str(version)
        try:
            if Bundle.load(path).digest == bundle.digest:
                return path
        except FormatError:
            continue  # broken: `tfdeepviz registry verify` tells
    return None
