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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tfdeepviz.artifacts import Artifact, Input, beside, digest_of_files
from tfdeepviz.export.browser import Backend, check_in_browser
from tfdeepviz.export.bundle import BLESSED, NO_BASELINE, NOT_BLESSED, Blessing, Bundle, Check
from tfdeepviz.export.extract import Extractor
from tfdeepviz.export.goldens import SCALE, TOLERANCES, allowed_error, golden_pcm, read_goldens
from tfdeepviz.export.registry import INDEX, entries, find
from tfdeepviz.export.serving import output_name, write_serving
from tfdeepviz.files import FormatError
from tfdeepviz.lazy import tf
from tfdeepviz.models.presets import Preset
from tfdeepviz.provenance import code_version
from tfdeepviz.reports import measures
from tfdeepviz.reports.tables import Table

#: Split that is held out of training and of every choice made during training.
SPLIT = "test"

#: The only figure by which a distilled encoder is judged.
_DISTILLED = "min_correlation"

Floats = npt.NDArray[np.floating[Any]]


def validate(
    path: Path,
    *,
    static: Path,
    registry: Path | None = None,
    baseline: int | None = None,
    compare: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> Blessing:
    """Judge a bundle and write BLESSED or NOT_BLESSED into it, with every figure.

    The checks cover the goldens, this version's front end, the encoders in TensorFlow and the SavedModel; every stage
    in Chromium on WebAssembly and WebGL, and on WebGPU where it runs; the metrics on the test split, against the
    thresholds in the presets and against the version to be replaced; size and speed against the presets' budgets.

    Parameters
    ----------
    static
        Build of the front end (`make build`), which the browser needs.
    registry, baseline
        Registry and version that the bundle would replace: by default the current version, if the registry has the
        name. The registry is None if there is none yet: `push` rejects a bundle that was not compared with the version
        it replaces.
    compare
        Whether to compare at all: metrics on other data are not comparable.
    progress
        Called with the name of each group of checks before it starts.

    Raises
    ------
    FormatError
        If the bundle is broken, or the registry or the baseline is missing.
    BrowserError
        If Chromium cannot be run.
    """
    bundle = Bundle.load(path)
    replaced = _find_baseline(bundle, registry, baseline) if compare else None
    record = planned_judgement(bundle, replaced)
    # An earlier verdict no longer counts, even if this run is interrupted.
    for name in (BLESSED, NOT_BLESSED, beside(path / BLESSED).name):
        (path / name).unlink(missing_ok=True)
    parity = _Parity(bundle)
    progress("goldens and front end")
    checks = [*parity.check_goldens()]
    progress("TensorFlow")
    checks += parity.check_tensorflow()
    progress("SavedModel")
    checks += parity.check_serving()
    progress("Chromium")
    report = check_in_browser(bundle, static=static)
    for backend in report.backends:
        checks += parity.check_backend(backend)
    progress("metrics, size and speed")
    checks += _check_metrics(bundle)
    if replaced is not None:
        checks += _check_against(bundle, replaced)
    checks += _check_budget(bundle, report.backends[0])
    blessing = Blessing(
        bundle_digest=bundle.digest,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        code_version=code_version(),
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores; {report.user_agent}",
        baseline=replaced.label if replaced is not None else None if compare else NO_BASELINE,
        checks=tuple(checks),
    )
    written = blessing.write(path)
    if blessing.is_blessed:
        record.finished(digest_of_files(written)).write(beside(written))
    return blessing


def planned_judgement(bundle: Bundle, replaced: Bundle | None) -> Artifact:
    """Return the record of the blessing that `validate` gives a bundle when it compares it with another one."""
    inputs = []
    for role, one in (("bundle", bundle), ("baseline", replaced)):
        if one is not None:
            known = Artifact(kind="bundle", name=one.label, digest=f"sha256:{one.digest}")
            inputs.append(Input.at(one.path, known, seen_from=bundle.path, role=role))
    return Artifact.planned("judgement", BLESSED, {}, inputs)


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
        self._goldens = goldens = read_goldens(bundle)
        self._quantization: str = bundle.manifest["quantization"]
        self._tolerance = TOLERANCES[self._quantization]
        self._expected = _stages(goldens.mfcc, goldens.encodings, goldens.genres, goldens.parameters)
        self._limits: dict[str, float] = _stages(
            self._tolerance["mfcc"],
            {name: allowed_error(self._quantization, encoding) for name, encoding in goldens.encodings.items()},
            dict.fromkeys(goldens.genres, self._tolerance["genres"]),
            self._tolerance["parameters"],
        )
        self._pcm = goldens.pcm.astype(np.float32) / SCALE

    def check_goldens(self) -> Iterator[Check]:
        """Check that the goldens are those of this version; easier ones would prove nothing."""
        again = "export the bundle again"
        stale = [name for name, value in self._tolerance.items() if self._goldens.tolerance.get(name) != value]
        reason = f"{', '.join(stale)} of {self._quantization} differ; {again}"
        yield _bounded("goldens: tolerances", float(len(stale)), "<=", 0, reason, " other than this version's")
        pcm = golden_pcm(self._bundle.params)
        difference = _difference(self._goldens.pcm.astype(np.float64), pcm.astype(np.float64))
        yield _bounded("goldens: PCM", difference, "<=", 0, f"differs from this version's test sound; {again}")
        mfcc = Extractor(self._bundle).frontend.mfcc(pcm.astype(np.float32) / SCALE)
        reason = f"stale: this version computes other MFCC with the same audio parameters; {again}"
        difference = _difference(mfcc, self._goldens.mfcc)
        yield _bounded("front end: this version's", difference, "<=", self._limits["mfcc"], reason)

    def check_tensorflow(self) -> Iterator[Check]:
        """Check the browser's graphs, executed by TensorFlow."""
        try:
            analysis = Extractor(self._bundle).analyze(self._pcm)
        except ValueError as error:  # NaN, or an invalid graph
            yield Check("TensorFlow", None, "runs", False, str(error))
            return
        encodings = {name: one.values for name, one in analysis.encodings.items()}
        genres = {name: one.genres for name, one in analysis.encodings.items() if one.genres is not None}
        yield from self._check("TensorFlow", _stages(analysis.mfcc, encodings, genres, analysis.parameters))

    def check_serving(self) -> Iterator[Check]:
        """Check the SavedModel, loaded as a server would load it."""
        with tempfile.TemporaryDirectory(prefix="tfdeepviz-serving-") as models:
            try:
                signatures = tf.saved_model.load(str(write_serving(self._bundle, Path(models)))).signatures
                pcm = tf.constant(self._pcm[None])
                served = {**signatures["serving_default"](pcm=pcm), **signatures["transform"](pcm=pcm)}
                outputs = {name: np.asarray(value)[0] for name, value in served.items() if value.shape.rank == 3}
            except (ValueError, tf.errors.OpError) as error:
                yield Check("SavedModel", None, "runs", False, str(error))
                return
        encodings, genres = (
            {name: outputs[output_name(kind, name)] for name in names}
            for kind, names in (("encoding", self._goldens.encodings), ("genres", self._goldens.genres))
        )
        yield from self._check("SavedModel", _stages(outputs["mfcc"], encodings, genres, outputs["parameters"]))

    def check_backend(self, backend: Backend) -> Iterator[Check]:
        """Check what the page measured on one backend."""
        where = f"Chromium, {backend.name}"
        if backend.status != "ok" or backend.differences is None:
            # WebGPU is not available everywhere yet; without it, the player uses another backend.
            passed = backend.name == "webgpu" and backend.status == "unsupported"
            yield Check(where, None, "runs", passed, f"{backend.status}: {backend.reason}")
            return
        found = backend.differences
        differences = _stages(found.mfcc, found.encodings, found.genres, found.parameters)
        reason = "its numbers differ from those of Python; see the bundle on the page /check/"
        for stage, limit in self._limits.items():
            yield _bounded(f"{where}: {stage}", differences.get(stage), "<=", limit, reason)

    def _check(self, where: str, found: Mapping[str, Floats]) -> Iterator[Check]:
        reason = (
            "its graphs, weights or mappings are not those that the goldens were made with, or "
            f"{self._quantization} is too coarse; export again"
        )
        for stage, limit in self._limits.items():
            difference = _difference(found[stage], self._expected[stage])
            yield _bounded(f"{where}: {stage}", difference, "<=", limit, reason)


def _stages(mfcc: Any, encodings: Mapping[str, Any], genres: Mapping[str, Any], parameters: Any) -> dict[str, Any]:
    """Return what is given for each stage by the name of the stage in checks."""
    return {
        "mfcc": mfcc,
        **{f"encodings of {name}": value for name, value in encodings.items()},
        **{f"genres of {name}": value for name, value in genres.items()},
        "parameters": parameters,
    }


def _difference(values: Floats, expected: Floats) -> float | None:
    """Return the largest difference; None for NaN, infinity or another shape."""
    difference = float(np.abs(values - expected).max()) if values.shape == expected.shape else math.nan
    return difference if math.isfinite(difference) else None


def _check_metrics(bundle: Bundle) -> Iterator[Check]:
    """Check every encoder against its preset's thresholds."""
    for name, trained in bundle.manifest["provenance"]["encoders"].items():
        thresholds, measured = _thresholds(trained), _measured(trained)
        if not thresholds:
            reason = "its preset has no thresholds, and nothing is blessed without any; add some (docs/models.md)"
            yield Check(f"{name}: thresholds", 0.0, ">= 1", False, reason)
        for metric, threshold in thresholds.items():
            sign, wanted = _bound(threshold)
            value = measured.get(metric)
            limit = measured.get(wanted) if isinstance(wanted, str) else float(wanted)
            reason = (
                f"was not measured; train on data with a {SPLIT} split"
                if value is None or limit is None
                else "worse than its preset requires; train longer, or on more data"
            )
            note = f" ({wanted})" if isinstance(wanted, str) else ""
            yield _bounded(f"{name}: {metric} ({SPLIT})", value, sign, limit, reason, note)


def _check_against(bundle: Bundle, replaced: Bundle) -> Iterator[Check]:
    """Check every encoder against the one of the same name in the version to be replaced."""
    before, now = (one.manifest["provenance"]["encoders"] for one in (replaced, bundle))
    remedy = "pass --baseline none if that is intended"
    if not before.keys() & now.keys():
        reason = f"{replaced.label} has {', '.join(before)}: there is nothing to compare; {remedy}"
        yield Check(f"encoders of {replaced.label}", None, "one of the same name", False, reason)
    for name in [name for name in now if name in before]:
        if before[name]["dataset"]["digest"] != now[name]["dataset"]["digest"]:
            reason = f"was trained and measured on other data, so figures cannot be compared; {remedy}"
            yield Check(f"{name}: data of {replaced.label}", None, "the same", False, reason)
            continue
        old, new = _measured(before[name]), _measured(now[name])
        for metric, threshold in _thresholds(now[name]).items():
            check, value = f"{name}: {metric} ({SPLIT}) against {replaced.label}", new.get(metric)
            if metric not in old:
                reason = f"was not measured of {replaced.label}, so it cannot be compared; {remedy}"
                yield Check(check, value, "measured", False, reason)
                continue
            sign, share = _bound(threshold)[0], threshold.get("may_worsen", 0.0)
            limit = old[metric] * (1 - share if sign == ">=" else 1 + share)
            reason = f"worse than {replaced.label}, which it would replace; train longer"
            note = f" ({old[metric]:.4g}, {share:.0%} worse at most)"
            yield _bounded(check, value, sign, limit, reason, note)


def _check_budget(bundle: Bundle, wasm: Backend) -> Iterator[Check]:
    """Check download size and speed; for several encoders, the largest of their budgets applies."""
    budgets = [_preset(trained).budget for trained in bundle.manifest["provenance"]["encoders"].values()]
    reason = "too large; quantise (--quantize), or train a smaller preset"
    limit = max(budget["megabytes"] for budget in budgets)
    yield _bounded("size in MB", bundle.n_bytes / 1e6, "<=", limit, reason)
    reason = "too slow on WebAssembly; is the machine busy? else take a smaller preset or a longer step"
    limit = max(budget["milliseconds"] for budget in budgets)
    yield _bounded("milliseconds for a second of audio", wasm.ms_per_second, "<=", limit, reason)


def _preset(trained: dict[str, Any]) -> Preset:
    return Preset.from_dict(trained["run"]["config"]["preset"])


def _thresholds(trained: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Select the thresholds that apply: a student is judged by its teacher, any other encoder by the data."""
    is_student = bool(trained["run"]["config"].get("teacher"))
    thresholds = _preset(trained).thresholds or {}
    return {name: value for name, value in thresholds.items() if (name == _DISTILLED) == is_student}


def _bound(threshold: dict[str, Any]) -> tuple[str, Any]:
    return (">=", threshold["min"]) if "min" in threshold else ("<=", threshold["max"])


def _measured(trained: dict[str, Any]) -> dict[str, float]:
    return measures.numbers(trained["metrics"].get(SPLIT, {}))


def summary(blessing: Blessing) -> str:
    """Format all figures as a table for people."""
    rows = [
        ("" if check.passed else "!", check.name, check.limit, "-" if check.value is None else f"{check.value:.4g}")
        for check in blessing.checks
    ]
    failed = [f"  {check.name}: {check.reason}" for check in blessing.checks if not check.passed]
    return "\n".join([Table(("", "check", "required", "measured"), rows, n_left=3).text(), *failed])
