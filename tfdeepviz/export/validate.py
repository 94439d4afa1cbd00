"""Decides whether a bundle may be pushed: checks its numbers on every platform, its metrics and its cost.

Modelled on TFX: its Evaluator compares metrics with thresholds and with the model to be replaced, its InfraValidator
loads the model as it will be served, and only models that both have blessed are pushed.
"""

from __future__ import annotations

import math
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tfdeepviz.artifacts import Artifact, Input, digest_of_files
from tfdeepviz.export.browser import Backend, check_in_browser
from tfdeepviz.export.bundle import BLESSED, JUDGEMENT, MANIFEST, NO_BASELINE, NOT_BLESSED, Blessing, Bundle, Check
from tfdeepviz.export.extract import Extractor
from tfdeepviz.export.goldens import TOLERANCES, Stages, allowed_error, as_sound, golden_pcm, read_goldens
from tfdeepviz.export.registry import INDEX, entries, find
from tfdeepviz.export.serving import output_name, write_serving
from tfdeepviz.files import FormatError
from tfdeepviz.lazy import tf
from tfdeepviz.models.presets import Preset
from tfdeepviz.params import check_choice
from tfdeepviz.provenance import code_version
from tfdeepviz.reports import measures
from tfdeepviz.reports.tables import Table

#: Split that is held out of training and of every choice made during training.
SPLIT = "test"

#: Figures by which an encoder is judged that was distilled from a run, or learnt of a published network.
_DISTILLED, _TAUGHT = frozenset(("min_correlation",)), frozenset(("tag_correlation", "embedding_correlation"))

_AGAIN = "export the bundle again"

Floats = npt.NDArray[np.floating[Any]]
Sound = npt.NDArray[np.float32]


def validate(
    path: Path,
    *,
    static: Path,
    registry: Path | None = None,
    baseline: int | Literal["none"] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Blessing:
    """Judge a bundle by what docs/bundle-format.md lists, and write BLESSED or NOT_BLESSED into it, with every figure.

    The bundle is compared with the baseline, a version in a registry, by default the current one of its name; without
    a registry, or with `none`, with nothing. The browser needs `static`, a build of the front end. `progress` is called
    with the name of each group of checks before it starts.

    Raises
    ------
    FormatError, BrowserError
        If the bundle is broken, or the registry or the baseline is missing; if Chromium cannot be run.
    """
    bundle = Bundle.load(path)
    replaced = None if baseline == NO_BASELINE else _find_baseline(bundle, registry, baseline)
    label = NO_BASELINE if baseline == NO_BASELINE else None if replaced is None else replaced.label
    encoders, before = _trained(bundle), None if replaced is None else _trained(replaced)
    record = planned_judgement(bundle, replaced)
    if unknown := {info.name for info in bundle.encoders} - encoders.keys():
        raise FormatError(f"{path / MANIFEST}: provenance: says nothing about {', '.join(sorted(unknown))}; {_AGAIN}")
    # An earlier verdict no longer counts, even if this run is interrupted.
    for name in (BLESSED, NOT_BLESSED, JUDGEMENT):
        (path / name).unlink(missing_ok=True)
    progress("goldens and front end")
    parity = _Parity(bundle)
    checks = [*parity.check_goldens()]
    for where, run in (("TensorFlow", _run_graphs), ("SavedModel", _run_saved_model)):
        progress(where)
        checks += parity.check_run(where, run)
    progress("Chromium")
    report = check_in_browser(bundle, static=static)
    for backend in report.backends:
        checks += parity.check_backend(backend)
    progress("metrics, size and speed")
    checks += _check_metrics(encoders, before, label)
    budgets = [trained.preset.budget for trained in encoders.values()]
    # For several encoders, the largest of their budgets applies.
    megabytes, milliseconds = (max(budget[name] for budget in budgets) for name in ("megabytes", "milliseconds"))
    reason = "too large; quantise (--quantize), or train a smaller preset"
    checks.append(_bounded("size in MB", bundle.n_bytes / 1e6, "<=", megabytes, reason))
    reason = "too slow on WebAssembly; is the machine busy? else take a smaller preset or a longer step"
    speed = report.backends[0].ms_per_second
    checks.append(_bounded("milliseconds for a second of audio", speed, "<=", milliseconds, reason))
    blessing = Blessing(
        bundle_digest=bundle.digest,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        code_version=code_version(),
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores; {report.user_agent}",
        baseline=label,
        checks=tuple(checks),
    )
    written = blessing.write(path)
    record.finished(digest_of_files(written)).write(path / JUDGEMENT)
    return blessing


def planned_judgement(bundle: Bundle, replaced: Bundle | None) -> Artifact:
    """Return the record of the verdict that `validate` gives a bundle when it compares it with another one."""
    inputs = []
    for role, one in (("bundle", bundle), ("baseline", replaced)):
        if one is not None:
            known = Artifact(kind="bundle", name=one.label, digest=f"sha256:{one.digest}")
            inputs.append(Input.at(one.path, known, seen_from=bundle.path, role=role))
    return Artifact.planned("judgement", bundle.label, {}, inputs)


def _find_baseline(bundle: Bundle, registry: Path | None, version: int | None) -> Bundle | None:
    if registry is not None and not (registry / INDEX).is_file():
        raise FormatError(
            f"{registry}: not a registry ({INDEX} is missing), so there is nothing to compare {bundle.name!r} with; "
            "give --registry, or --baseline none to compare with nothing"
        )
    if registry is not None and bundle.name in {entry.name for entry in entries(registry)}:
        return find(registry, bundle.name, version)
    if version is not None:
        raise FormatError(f"{registry}: holds no {bundle.name!r} to compare with; omit --baseline")
    return None


def _bounded(name: str, value: float | None, sign: str, limit: float | None, reason: str, note: str = "") -> Check:
    passed = value is not None and limit is not None and (value >= limit if sign == ">=" else value <= limit)
    required = f"{sign} {'?' if limit is None else format(limit, '.4g')}{note}"
    return Check(name, value, required, passed, "" if passed else reason)


class _Parity:
    """Compares all stages with the goldens, wherever the bundle is executed."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._quantization: str = bundle.manifest.get("quantization", "")
        check_choice(f"{bundle.path / MANIFEST}: quantization", self._quantization, tuple(TOLERANCES))
        self._tolerance = tolerance = TOLERANCES[self._quantization]
        self._goldens = read_goldens(bundle)
        golden = self._goldens.stages
        self._limits = Stages(
            tolerance["mfcc"],
            {name: allowed_error(self._quantization, encoding) for name, encoding in golden.encodings.items()},
            dict.fromkeys(golden.genres, tolerance["genres"]),
            tolerance["parameters"],
            dict.fromkeys(golden.tags, tolerance["genres"]),
        ).named

    def check_goldens(self) -> Iterator[Check]:
        """Check that the goldens are those of this version; easier ones would prove nothing."""
        stale = [name for name, value in self._tolerance.items() if self._goldens.tolerance.get(name) != value]
        reason = f"{', '.join(stale)} of {self._quantization} differ; {_AGAIN}"
        yield _bounded("goldens: tolerances", float(len(stale)), "<=", 0, reason, " other than this version's")
        pcm = golden_pcm(self._bundle.params)
        difference = _difference(self._goldens.pcm.astype(np.float64), pcm.astype(np.float64))
        yield _bounded("goldens: PCM", difference, "<=", 0, f"differs from this version's test sound; {_AGAIN}")
        difference = _difference(Extractor(self._bundle).frontend.mfcc(as_sound(pcm)), self._goldens.stages.mfcc)
        reason = f"stale: this version computes other MFCC with the same audio parameters; {_AGAIN}"
        yield _bounded("front end: this version's", difference, "<=", self._limits["mfcc"], reason)

    def check_run(self, where: str, run: Callable[[Bundle, Sound], Stages[Floats]]) -> Iterator[Check]:
        """Check what the bundle computes when it is run in one place."""
        try:
            found = run(self._bundle, as_sound(self._goldens.pcm)).named
        except (ValueError, tf.errors.OpError) as error:  # NaN, or an invalid graph
            yield Check(where, None, "runs", False, str(error))
            return
        reason = (
            "its graphs, weights or mappings are not those that the goldens were made with, or "
            f"{self._quantization} is too coarse; export again"
        )
        expected = self._goldens.stages.named
        for stage, limit in self._limits.items():
            yield _bounded(f"{where}: {stage}", _difference(found[stage], expected[stage]), "<=", limit, reason)

    def check_backend(self, backend: Backend) -> Iterator[Check]:
        """Check what the page measured on one backend."""
        where = f"Chromium, {backend.name}"
        if backend.status != "ok" or backend.differences is None:
            # WebGPU is not available everywhere yet; without it, the player uses another backend.
            passed = backend.name == "webgpu" and backend.status == "unsupported"
            yield Check(where, None, "runs", passed, f"{backend.status}: {backend.reason}")
            return
        found = backend.differences.named
        reason = "its numbers differ from those of Python; see the bundle on the page /check/"
        for stage, limit in self._limits.items():
            yield _bounded(f"{where}: {stage}", found.get(stage), "<=", limit, reason)


def _run_graphs(bundle: Bundle, pcm: Sound) -> Stages[Floats]:
    """Run the browser's graphs in TensorFlow."""
    return Stages.of(Extractor(bundle).analyze(pcm))


def _run_saved_model(bundle: Bundle, pcm: Sound) -> Stages[Floats]:
    """Run the SavedModel, loaded as a server would load it."""
    with tempfile.TemporaryDirectory(prefix="tfdeepviz-serving-") as models:
        signatures = tf.saved_model.load(str(write_serving(bundle, Path(models)))).signatures
        tracks = tf.constant(pcm[None])
        served = {**signatures["serving_default"](pcm=tracks), **signatures["transform"](pcm=tracks)}
    outputs = {name: np.asarray(value)[0] for name, value in served.items() if value.shape.rank == 3}
    encodings = {info.name: outputs[output_name("encoding", info.name)] for info in bundle.encoders}
    genres, tags = (
        {info.name: outputs[output_name(what, info.name)] for info in bundle.encoders if what in info.probabilities}
        for what in ("genres", "tags")
    )
    return Stages(outputs["mfcc"], encodings, genres, outputs["parameters"], tags)


def _difference(values: Floats, expected: Floats) -> float | None:
    """Return the largest difference; None for NaN, infinity or another shape."""
    difference = float(np.abs(values - expected).max()) if values.shape == expected.shape else math.nan
    return difference if math.isfinite(difference) else None


@dataclass(frozen=True)
class _Trained:
    """How an encoder was trained, and what it was measured to be worth on the held-out split."""

    preset: Preset
    dataset: str
    measured: dict[str, float]
    thresholds: dict[str, dict[str, Any]]


def _trained(bundle: Bundle) -> dict[str, _Trained]:
    """Read the provenance of encoders; raises FormatError if it is broken."""
    found = {}
    try:
        for name, known in bundle.manifest["provenance"]["encoders"].items():
            config, metrics = known["run"]["config"], known["metrics"].get(SPLIT, {})
            preset = Preset.from_dict(config["preset"])
            # A student is judged by its teacher, any other encoder by the data.
            thresholds = preset.thresholds or {}
            by_teacher = _DISTILLED if config.get("teacher") else _TAUGHT if config.get("lessons") else frozenset()
            wanted = by_teacher or thresholds.keys() - _DISTILLED - _TAUGHT
            thresholds = {metric: one for metric, one in thresholds.items() if metric in wanted}
            found[name] = _Trained(preset, known["dataset"]["digest"], measures.numbers(metrics), thresholds)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise FormatError(f"{bundle.path / MANIFEST}: provenance: broken ({error!r}); {_AGAIN}") from error
    return found


def _check_metrics(
    encoders: Mapping[str, _Trained], before: Mapping[str, _Trained] | None, label: str | None
) -> Iterator[Check]:
    """Check encoders against their presets' thresholds, and those of the same name in the version to be replaced."""
    remedy = "pass --baseline none if that is intended"
    if before is not None and not before.keys() & encoders.keys():
        reason = f"{label} has {', '.join(before)}: there is nothing to compare; {remedy}"
        yield Check(f"encoders of {label}", None, "one of the same name", False, reason)
    for name, trained in encoders.items():
        if not trained.thresholds:
            reason = "its preset has no thresholds, and nothing is blessed without any; add some (docs/models.md)"
            yield Check(f"{name}: thresholds", 0.0, ">= 1", False, reason)
        old = before.get(name) if before else None
        if old is not None and old.dataset != trained.dataset:
            reason = f"was trained and measured on other data, so figures cannot be compared; {remedy}"
            yield Check(f"{name}: data of {label}", None, "the same", False, reason)
            old = None
        for metric, threshold in trained.thresholds.items():
            value, check = trained.measured.get(metric), f"{name}: {metric} ({SPLIT})"
            sign, wanted = (">=", threshold["min"]) if "min" in threshold else ("<=", threshold["max"])
            limit = trained.measured.get(wanted) if isinstance(wanted, str) else float(wanted)
            reason = (
                f"was not measured; train on data with a {SPLIT} split"
                if value is None or limit is None
                else "worse than its preset requires; train longer, or on more data"
            )
            yield _bounded(check, value, sign, limit, reason, f" ({wanted})" if isinstance(wanted, str) else "")
            if old is None:
                continue
            if metric not in old.measured:
                reason = f"was not measured of {label}, so it cannot be compared; {remedy}"
                yield Check(f"{check} against {label}", value, "measured", False, reason)
                continue
            figure, share = old.measured[metric], threshold.get("may_worsen", 0.0)
            limit = figure * (1 - share if sign == ">=" else 1 + share)
            reason, note = f"worse than {label}, which it would replace; train longer", f"{share:.0%} worse at most"
            yield _bounded(f"{check} against {label}", value, sign, limit, reason, f" ({figure:.4g}, {note})")


def summary(blessing: Blessing) -> str:
    """Format all figures as a table for people."""
    rows = [
        ("" if check.passed else "!", check.name, check.limit, "-" if check.value is None else f"{check.value:.4g}")
        for check in blessing.checks
    ]
    failed = [f"  {check.name}: {check.reason}" for check in blessing.checks if not check.passed]
    return "\n".join([Table(("", "check", "required", "measured"), rows, n_left=3).text(), *failed])
