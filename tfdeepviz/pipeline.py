"""From a corpus to pushed bundles; re-runs only the steps whose settings, inputs or code schema have changed."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from tfdeepviz.artifacts import ARTIFACT, Artifact, Input, beside, digest_of_files, is_free
from tfdeepviz.data.corpus import corpus_digest, corpus_record, planned_corpus
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.index import FileIndex, index_files
from tfdeepviz.data.metadata import Metadata
from tfdeepviz.data.prepare import planned_dataset, prepare
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.errors import InputError, TfdeepvizError
from tfdeepviz.export.bundle import BLESSED, JUDGEMENT, NO_BASELINE, Bundle
from tfdeepviz.export.exporter import BundlePlan, export_bundle
from tfdeepviz.export.registry import entries, find, push
from tfdeepviz.export.validate import planned_judgement, validate
from tfdeepviz.files import FormatError, remove_leftovers
from tfdeepviz.lazy import keras
from tfdeepviz.locks import locked
from tfdeepviz.models.progress import EpochProgress
from tfdeepviz.models.run import Run, planned_evaluation, planned_run
from tfdeepviz.pipeline_config import MUSICNN, BundleTable, Config, PushTable, TeacherTable, TrainTable
from tfdeepviz.provenance import code_digest
from tfdeepviz.teachers.fetch import fetch, usual_place
from tfdeepviz.teachers.listening import listen
from tfdeepviz.teachers.musicnn import WHEEL_SHA256, Musicnn
from tfdeepviz.teachers.outputs import TeacherOutputs

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
        """A step found, now or earlier, that a bundle is not good enough; the others go on."""


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
    """
    if unknown := [name for name in redo if name not in config.steps]:
        raise InputError(f"--redo: no step is called {', '.join(unknown)}; the steps are {', '.join(config.steps)}")
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
    # Records of the results so far, by name; None where a dry run cannot know.
    made: dict[str, Artifact | None] = field(default_factory=dict)
    dataset: PreparedDataset = field(init=False)

    def __post_init__(self) -> None:
        self._runs, self._bundles = self.config.work / "runs", self.config.work / "bundles"
        self._outputs = self.config.work / "outputs"

    def run(self) -> None:
        """Run the steps in order."""
        self._corpus()
        self._index()
        self._prepare()
        if self.config.teacher is not None:
            self._listen(self.config.teacher)
        for table in self.config.train:
            self._train(table)
            self._evaluate(table)
        refused: dict[str, str] = {}
        for bundle in self.config.bundle:
            try:
                self._export(bundle)
                self._validate(bundle.name)
                if self.config.push is not None:
                    self._push(bundle.name, self.config.push)
            except _RefusedError as error:
                refused[bundle.name] = str(error)
        if refused:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
            raise PipelineError(f"{len(refused)} of {len(self.config.bundle)} bundles are not good enough: {reasons}")

    def _corpus(self) -> None:
        root, subset, demo = self.config.fma_root, self.config.corpus.subset, self.config.corpus.demo
        if demo is None:
            self.made["corpus"] = corpus_record(root, subset)
            return

        def make() -> str:
            from tfdeepviz.data.demo.corpus import render_corpus

            advance = partial(self.progress.advance, "rendering")
            summary = render_corpus(root, n_workers=_CORES, progress=advance, **demo.given())
            return f"{summary.n_tracks} tracks by {summary.n_artists} artists"

        self._step(
            *("demo-corpus", "corpus", root, []),
            planned=lambda: planned_corpus(root, **demo.given()),
            digest=lambda: corpus_digest(root, subset),
            make=make,
        )

    def _index(self) -> None:
        root, subset, index = self.config.fma_root, self.config.corpus.subset, self.config.work / "index.jsonl"

        def planned() -> Artifact:
            return Artifact.planned("index", index.name, {"subset": subset}, [self._corpus_seen_from(index.parent)])

        def make() -> str:
            known = FileIndex.load(index) if index.exists() else None
            advance = partial(self.progress.advance, "indexing")
            found = index_files(Metadata.load(root), subset=subset, n_workers=_CORES, known=known, progress=advance)
            found.save(index)
            planned().finished(digest_of_files(index)).write(beside(index))
            return ", ".join(f"{count} {status}" for status, count in found.counts().items())

        self._step(
            *("index", "index", index, ["corpus"]),
            record=beside(index),
            planned=planned,
            digest=lambda: digest_of_files(index),
            make=make,
        )

    def _prepare(self) -> None:
        root, out = self.config.fma_root, self.config.work / "dataset"
        options = self.config.prepare.arguments(self.config.corpus.subset)

        def make() -> str:
            advance = partial(self.progress.advance, "preparing")
            dataset = prepare(root, out, n_workers=2 * _CORES, progress=advance, **options)
            counts = ", ".join(f"{dataset.n_tracks(split)} {split}" for split in SPLITS)
            return f"{counts} tracks, {len(dataset.skipped)} skipped"

        prepared = self._step(
            *("prepare", "dataset", out, ["corpus"]),
            planned=lambda: planned_dataset(self._corpus_seen_from(out), **options),
            digest=lambda: PreparedDataset.load(out).identity,
            make=make,
        )
        if prepared is not None:
            self.dataset = PreparedDataset.load(out)

    def _listen(self, table: TeacherTable) -> None:
        out, hop = self._outputs, table.hop_seconds

        def planned() -> Artifact:
            return TeacherOutputs(out, hop, WHEEL_SHA256).planned(self.dataset)

        def make() -> str:
            wheel = table.file or usual_place()
            if table.file is None:
                fetch(wheel)
            teacher, record, before = Musicnn.load(wheel), planned(), _read(out / ARTIFACT)
            # If only the dataset has changed, audio that was heard is not heard again.
            is_stale = before and (before.settings, before.step_schema) != (record.settings, record.step_schema)
            if is_stale or ("listen" in self.redo and out.exists()):
                self.set_aside("listen", out)
            root, advance = self.config.fma_root, partial(self.progress.advance, "listening")
            with TeacherOutputs.writing(out, hop) as outputs:
                unheard = listen(teacher, self.dataset, outputs, root=root, n_workers=_CORES, progress=advance)
            return "; ".join([f"{len(unheard)} tracks not heard", *list(unheard.values())[:_MAX_NAMED_CHANGES]])

        self._step(
            *("listen", "outputs", out, ["dataset"]),
            record=out / ARTIFACT,
            planned=planned,
            digest=lambda: TeacherOutputs.load(out).digest,
            make=make,
        )

    def _train(self, table: TrainTable) -> None:
        out, preset = self._runs / table.name, table.load_preset()
        teachers = {None: [], MUSICNN: ["outputs"]}.get(table.teacher, [f"run {table.teacher}"])

        def arguments() -> dict[str, Any]:
            given = table.given("seed", "n_components", "learn")
            if table.teacher == MUSICNN:
                return {**given, "teacher": TeacherOutputs.load(self._outputs)}
            return {**given, "teacher": table.teacher and Run.load(self._runs / table.teacher)}

        def make() -> str:
            from tfdeepviz.models.training import train

            # What models of earlier steps left would slow this one down, and number its layers.
            keras.utils.clear_session()
            run = train(preset, self.dataset, out, progress=self.progress, **arguments())
            best = run.best_epoch()
            return f"{preset.name}, val_loss {run.history()[best - 1]['val_loss']:.5f} after epoch {best}"

        trained = self._step(
            *(f"train {table.name}", f"run {table.name}", out, ["dataset", *teachers]),
            planned=lambda: planned_run(preset, self.dataset, out, **arguments()),
            digest=lambda: Run.load(out).digest,
            make=make,
        )
        if trained is not None and not self.dry_run and Run.load(out).preset != preset:
            make()  # nothing is trained: the finished run only notes by what its bundles are judged now

    def _evaluate(self, table: TrainTable) -> None:
        name, path = f"run {table.name}", self._runs / table.name
        run = self.made[name]
        split, out = str(run.facts.get("split")) if run else "test", path / "evaluation"

        def make() -> str:
            from tfdeepviz.models.evaluation import evaluate

            evaluate(Run.load(path), self.dataset, split)
            return f"the {split} split"

        page = out / f"{split}.html"
        self._step(
            *(f"evaluate {table.name}", f"evaluation of {name}", page, [name]),
            record=beside(page),
            planned=lambda: planned_evaluation(Run.load(path), self.dataset, split, out),
            digest=lambda: digest_of_files(page),
            make=make,
        )

    def _export(self, table: BundleTable) -> None:
        step, out = f"export {table.name}", self._bundles / table.name

        def plan() -> BundlePlan:
            # In a dry run, runs have not noted yet by what their bundles are judged now.
            presets = {run.name: run.load_preset() for run in self.config.train}
            runs = [replace(Run.load(self._runs / name), preset=presets[name]) for name in table.runs]
            return BundlePlan(runs, self.dataset, out, **table.arguments())

        def make() -> str:
            from tfdeepviz.models.evaluation import CollapsedEncoderError

            keras.utils.clear_session()
            try:
                bundle = export_bundle(
                    plan(), progress=lambda name, *n: self.progress.advance(f"encoding by {name}", *n)
                )
            except CollapsedEncoderError as error:
                self._refuse(step, str(error))
            size, quantization = f"{bundle.n_bytes / 1e6:.2f} MB", bundle.manifest["quantization"]
            return f"{size}, {quantization}, default {bundle.mappings.default}"

        self._step(
            *(step, f"bundle {table.name}", out, ["dataset", *(f"run {name}" for name in table.runs)]),
            planned=lambda: plan().record,
            digest=lambda: f"sha256:{Bundle.load(out).digest}",
            make=make,
        )

    def _validate(self, name: str) -> None:
        step, path, options = f"validate {name}", self._bundles / name, self.config.validate
        assert options is not None  # `Config` asks for it where there are bundles
        registry = self.config.push.registry if self.config.push else None

        def replaced() -> Bundle | None:
            if registry is None or options.baseline == NO_BASELINE or name not in _listed(registry):
                return None
            return find(registry, name, options.baseline)

        def planned() -> Artifact:
            bundle, before = Bundle.load(path), _read(path / JUDGEMENT)
            wanted = planned_judgement(bundle, replaced())
            if before is None or registry is None or _published(registry, bundle) is None:
                return wanted
            # What is published is not compared with itself, nor with what came after it.
            rest = [one for one in before.inputs if one.role == "baseline"]
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
            return f"{blessing.verdict}, {len(blessing.checks)} checks"

        judged = self._step(
            *(step, f"judgement of {name}", path, [f"bundle {name}"]),
            record=path / JUDGEMENT,
            planned=planned,
            digest=lambda: digest_of_files(*path.glob(f"*{BLESSED}")),
            make=make,
        )
        blessing = None if judged is None else Bundle.load(path).blessing
        if blessing is not None and not blessing.is_blessed:
            again = f"`--redo {shlex.quote(step)}` judges it again"
            self._refuse(step, f"{blessing.verdict}: {blessing.flaws}; {again}")

    def _push(self, name: str, table: PushTable) -> None:
        step, path = f"push {name}", self._bundles / name
        if self.made[f"judgement of {name}"] is None:
            self.progress.begin(step, f"bundle {name} will be new")
            return
        published, first = _published(table.registry, Bundle.load(path)), name == table.first
        if published is not None and step not in self.redo and (not first or _listed(table.registry)[0] == name):
            self.progress.skip(step, published, None)
            return
        reason = "not the first yet" if published else "first time"
        self.progress.begin(step, "asked for" if step in self.redo else reason)
        if not self.dry_run:
            started = time.monotonic()
            pushed = push(path, table.registry, first=first)
            summary = f"pushed as {pushed.parent.name}/{pushed.name}"
            self.progress.end(step, time.monotonic() - started, summary, pushed)

    def _corpus_seen_from(self, folder: Path) -> Input:
        root = self.config.fma_root
        return Input.at(root, corpus_record(root, self.config.corpus.subset), seen_from=folder)

    def _refuse(self, step: str, reason: str) -> NoReturn:
        self.progress.refuse(step, reason)
        raise _RefusedError(reason)

    def _step(
        self,
        name: str,
        key: str,
        place: Path,
        inputs: Collection[str],
        /,
        *,
        planned: Callable[[], Artifact],
        digest: Callable[[], str],
        make: Callable[[], str],
        record: Path | None = None,
    ) -> Artifact | None:
        """Run a step, unless it is done; notes and returns the record of its result, None where a dry run cannot know.

        Parameters
        ----------
        name, key, place, inputs
            The step; its result in `made` and on disk; and the keys of what it is made from. A folder is made in one
            go, or goes on where it was killed; before it is made again, it is renamed.
        planned, digest, make
            Return the record that is to be written; return the digest of the result, or raise FormatError if it is
            broken; make the result with its record, and return a line for people.
        record
            Path of the record of a file, which is replaced. A folder holds its own.
        """
        self.made[key] = None
        if new := [one for one in inputs if self.made[one] is None]:
            self.progress.begin(name, f"{', '.join(new)} will be new")
            return None
        path = record or place / ARTIFACT
        wanted, before, found = planned(), _read(path), None
        if before is not None:
            with suppress(FormatError, FileNotFoundError):  # gone or broken
                found = digest()
        reason = "asked for" if name in self.redo else _changes(before, wanted)
        if before is not None and not reason and before.digest is not None and before.digest == found:
            self.progress.skip(name, place, None if before.code_digest == code_digest() else before.code_version)
            self.made[key] = before
            return before
        goes_on = before is not None and before.digest is None and not reason
        if record is None and not goes_on and not is_free(place):
            is_ours = before.digest in (None, found) if before else (self.config.work / OLD_RECORD).exists()
            if not is_ours:
                raise PipelineError(
                    f"{place}: not as a pipeline left it; delete it so that it is made again, or give the pipeline "
                    "another `work` folder"
                )
            reason = reason if before else "made by version 0.1.0"
            self.set_aside(name, place)
        self.progress.begin(name, reason or ("was not finished" if goes_on else "its result is gone"))
        if self.dry_run:
            return None
        started = time.monotonic()
        summary = make()
        made = _read(path)
        if made is None or made.digest is None:
            raise PipelineError(
                f"{place}: disappeared as soon as {name} had made it; leave {self.config.work} to the pipeline"
            )
        self.progress.end(name, time.monotonic() - started, summary, place)
        self.made[key] = made
        return made

    def set_aside(self, step: str, path: Path) -> None:
        """Rename a former result."""
        if self.dry_run:
            return
        names = (path.with_name(f"{path.name}.old-{number}") for number in count(1))
        self.progress.keep(step, path.rename(next(old for old in names if not old.exists())))


def _read(path: Path) -> Artifact | None:
    return Artifact.read(path) if path.is_file() else None


def _changes(before: Artifact | None, wanted: Artifact) -> str:
    """Why a step has to run again; empty if nothing has changed."""
    if before is None:
        return "first time"
    if changed := wanted.changes(before):
        more = ", ..." if len(changed) > _MAX_NAMED_CHANGES else ""
        return f"changed: {', '.join(changed[:_MAX_NAMED_CHANGES])}{more}"
    return "" if wanted.step_schema == before.step_schema else "this version of tfdeepviz gives another result"


def _listed(registry: Path) -> list[str]:
    return [entry.name for entry in entries(registry, missing_ok=True)]


def _published(registry: Path, bundle: Bundle) -> Path | None:
    """The newest version in a registry with the content of a bundle."""
    versions = next((one.versions for one in entries(registry, missing_ok=True) if one.name == bundle.name), ())
    for version in reversed(versions):
        with suppress(FormatError):  # broken: `tfdeepviz registry verify` tells
            if (found := find(registry, bundle.name, version)).digest == bundle.digest:
                return found.path
    return None
