"""Decides whether a bundle may be pushed: checks its numbers on every platform, its metrics and its cost.

Modelled on TFX: its Evaluator compares metrics with thresholds and with the model to be replaced, its InfraValidator
loads the model as it will be served, and only models that both have blessed are pushed.
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tfdeepviz.artifacts import Artifact, Input, beside
from tfdeepviz.export.browser import check_in_browser, figure
from tfdeepviz.export.bundle import BLESSED, NO_BASELINE, NOT_BLESSED, Blessing, Bundle, Check
from tfdeepviz.export.extract import Extractor
from tfdeepviz.export.goldens import SCALE, TOLERANCES, Goldens, allowed_error, golden_pcm, read_goldens
from tfdeepviz.export.registry import INDEX, entries, find
from tfdeepviz.export.serving import output_name, write_serving
from tfdeepviz.files import FormatError, sha256_file
from tfdeepviz.lazy import tf
from tfdeepviz.models.presets import Preset
from tfdeepviz.provenance import code_version

#: Split that is held out of training and of every choice made during training.
SPLIT = "test"

#: The only figure by which a distilled encoder is judged.
_DISTILLED = "min_correlation"


def validate(
    path: Path,
    *,
    static: Path,
    registry: Path | None = None,
    baseline: int | None = None,
    compare: bool = True,
    progress: Callable[[str], None] | None = None,
) -> Blessing:
    """Judge a bundle and write BLESSED or NOT_BLESSED into it, with every figure.

    The checks cover the goldens, this version's front end, the encoders in TensorFlow and the SavedModel; every stage
    in Chromium on WebAssembly and WebGL, and on WebGPU where it runs; the metrics on the test split, against the
    thresholds in the presets and against the version to be replaced; size and speed against the presets' budgets.

    Parameters
    ----------
    path
        The bundle; a broken one is rejected before anything is judged.
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
    say = progress or (lambda _: None)
    bundle = Bundle.load(path)
    replaced = _find_baseline(bundle, registry, baseline) if compare else None
    record = planned_judgement(bundle, replaced)
    # An earlier verdict no longer counts, even if this run is interrupted.
    for name in (BLESSED, NOT_BLESSED, beside(path / BLESSED).name):
        (path / name).unlink(missing_ok=True)
    goldens = read_goldens(bundle)
    say("goldens and front end")
    checks = [*_check_goldens(bundle, goldens)]
    say("TensorFlow")
    checks += _check_graphs(bundle, goldens)
    say("SavedModel")
    checks += _check_serving(bundle, goldens)
    say("Chromium")
    report = check_in_browser(bundle, static=static)
    for backend in report["backends"].values():
        checks += _check_backend(bundle, goldens, backend)
    say("metrics, size and speed")
    checks += _check_metrics(bundle)
    if replaced is not None:
        checks += _check_against(bundle, replaced)
    checks += _check_budget(bundle, report["backends"]["wasm"])
    blessing = Blessing(
        bundle_digest=bundle.digest,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        code_version=code_version(),
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores; {report['user_agent']}",
        baseline=replaced.label if replaced is not None else None if compare else NO_BASELINE,
        checks=tuple(checks),
    )
    written = blessing.write(path)
    if blessing.is_blessed:
        record.finished(f"sha256:{sha256_file(written)}").write(beside(written))
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
    listed = entries(registry) if registry is not None else []
    if registry is not None and bundle.name in {entry.name for entry in listed}:
        return find(registry, bundle.name, version)
    if version is not None:
        raise FormatError(f"{registry}: holds no {bundle.name!r} to compare with; omit --baseline")
    return None


def _at_most(name: str, value: float | None, limit: float, reason: str) -> Check:
    passed = value is not None and value <= limit
    return Check(name, value, f"<= {limit:.4g}", passed, "" if passed else reason)


def _difference(
    name: str, values: npt.ArrayLike, expected: npt.NDArray[np.floating[Any]], limit: float, reason: str
) -> Check:
    """Compare with the values of a golden stage; NaN counts as a failure."""
    given = np.asarray(values)
    if given.shape != expected.shape:
        return Check(name, None, f"shape {expected.shape}", False, f"has shape {given.shape}; {reason}")
    return _at_most(name, figure(float(np.abs(given - expected).max())), limit, reason)


def _check_goldens(bundle: Bundle, goldens: Goldens) -> Iterator[Check]:
    """Check that the goldens are those of this version; easier ones would prove nothing."""
    again = "export the bundle again"
    tolerance = TOLERANCES[bundle.manifest["quantization"]]
    stale = [name for name, value in tolerance.items() if goldens.tolerance.get(name) != value]
    yield Check(
        "goldens: tolerances",
        float(len(stale)),
        "== 0 other than this version's",
        not stale,
        f"{', '.join(stale)} of {bundle.manifest['quantization']} differ; {again}" if stale else "",
    )
    pcm, mfcc = golden_pcm(bundle.params), goldens.mfcc
    yield _difference(
        "goldens: PCM", goldens.pcm.astype(np.int64), pcm.astype(np.int64), 0, f"is another sound; {again}"
    )
    yield _difference(
        "front end: this version's",
        Extractor(bundle).frontend.mfcc(pcm.astype(np.float32) / SCALE),
        mfcc,
        tolerance["mfcc"],
        f"stale: this version makes other MFCC of the same audio parameters; {again}",
    )


def _check_graphs(bundle: Bundle, goldens: Goldens) -> Iterator[Check]:
    """Check the browser's graphs, executed by TensorFlow."""
    try:
        analysis = Extractor(bundle).analyze(goldens.pcm.astype(np.float32) / SCALE)
    except ValueError as error:  # NaN, or an invalid graph
        yield Check("TensorFlow", None, "runs", False, str(error))
        return
    stages = {name: one.values for name, one in analysis.encodings.items()}
    genres = {name: one.genres for name, one in analysis.encodings.items() if one.genres is not None}
    yield from _check_stages("TensorFlow", bundle, goldens, stages, genres, analysis.parameters)


def _check_serving(bundle: Bundle, goldens: Goldens) -> Iterator[Check]:
    """Check the SavedModel, loaded as a server would load it."""
    with tempfile.TemporaryDirectory(prefix="tfdeepviz-serving-") as models:
        try:
            loaded = tf.saved_model.load(str(write_serving(bundle, Path(models))))
            pcm = tf.constant(goldens.pcm[None].astype(np.float32) / SCALE)
            outputs = {name: np.asarray(value) for name, value in loaded.signatures["serving_default"](pcm=pcm).items()}
            mfcc = np.asarray(loaded.signatures["transform"](pcm=pcm)["mfcc"])
        except (ValueError, tf.errors.OpError) as error:
            yield Check("SavedModel", None, "runs", False, str(error))
            return
    limit = TOLERANCES[bundle.manifest["quantization"]]["mfcc"]
    yield _difference("SavedModel: mfcc", mfcc[0], goldens.mfcc, limit, "the front end's graph is stale; export again")
    yield from _check_stages(
        "SavedModel",
        bundle,
        goldens,
        {name: outputs[output_name("encoding", name)][0] for name in goldens.encodings},
        {name: outputs[output_name("genres", name)][0] for name in goldens.genres},
        outputs["parameters"][0],
    )


def _check_stages(
    where: str,
    bundle: Bundle,
    goldens: Goldens,
    encodings: Mapping[str, npt.NDArray[np.floating[Any]]],
    genres: Mapping[str, npt.NDArray[np.floating[Any]]],
    parameters: npt.NDArray[np.floating[Any]],
) -> Iterator[Check]:
    quantization = bundle.manifest["quantization"]
    why = f"its weights are not those that the goldens were made with, or {quantization} is too coarse; export again"
    for name, expected in goldens.encodings.items():
        limit = allowed_error(quantization, expected)
        yield _difference(f"{where}: encodings of {name}", encodings[name], expected, limit, why)
    for name, expected in goldens.genres.items():
        yield _difference(f"{where}: genres of {name}", genres[name], expected, TOLERANCES[quantization]["genres"], why)
    limit = TOLERANCES[quantization]["parameters"]
    yield _difference(f"{where}: parameters", parameters, goldens.parameters, limit, f"mappings or encodings: {why}")


def _check_backend(bundle: Bundle, goldens: Goldens, backend: dict[str, Any]) -> Iterator[Check]:
    """Check what the page measured on one backend."""
    where, quantization = f"Chromium, {backend['name']}", bundle.manifest["quantization"]
    tolerance = TOLERANCES[quantization]
    if backend["status"] != "ok":
        # WebGPU is not available everywhere yet; without it, the player uses another backend.
        is_needed = backend["name"] != "webgpu" or backend["status"] == "failed"
        reason = f"{backend['status']}: {backend['reason']}"
        yield Check(where, None, "runs", not is_needed, reason)
        return
    found = backend["differences"]
    reason = "this backend computes something else than Python; see the bundle on the page /check/"
    yield _at_most(f"{where}: mfcc", figure(found["mfcc"]), tolerance["mfcc"], reason)
    for name, expected in goldens.encodings.items():
        value = figure(found["encodings"].get(name))
        yield _at_most(f"{where}: encodings of {name}", value, allowed_error(quantization, expected), reason)
    for name in goldens.genres:
        yield _at_most(f"{where}: genres of {name}", figure(found["genres"].get(name)), tolerance["genres"], reason)
    yield _at_most(f"{where}: parameters", figure(found["parameters"]), tolerance["parameters"], reason)


def _check_metrics(bundle: Bundle) -> Iterator[Check]:
    """Check every encoder against its preset's thresholds."""
    for name, trained in bundle.manifest["provenance"]["encoders"].items():
        thresholds = _thresholds(trained)
        measured = _measured(trained)
        if not thresholds:
            reason = "its preset has no thresholds, and without nothing is blessed; give it some (docs/models.md)"
            yield Check(f"{name}: thresholds", 0.0, ">= 1", False, reason)
        for metric, threshold in thresholds.items():
            bound = "min" if "min" in threshold else "max"
            wanted = threshold[bound]
            limit = measured.get(wanted) if isinstance(wanted, str) else float(wanted)
            value = measured.get(metric)
            sign = ">=" if bound == "min" else "<="
            if value is None or limit is None:
                passed, reason = False, f"was not measured; train on data with a {SPLIT} split"
            else:
                passed = value >= limit if bound == "min" else value <= limit
                reason = "not as good as its preset asks; train longer, or on more data"
            yield Check(
                f"{name}: {metric} ({SPLIT})",
                value,
                f"{sign} {limit if limit is None else format(limit, '.4g')}"
                f"{f' ({wanted})' if isinstance(wanted, str) else ''}",
                passed,
                "" if passed else reason,
            )


def _check_against(bundle: Bundle, replaced: Bundle) -> Iterator[Check]:
    """Check every encoder against the one of the same name in the version to be replaced."""
    before = replaced.manifest["provenance"]["encoders"]
    remedy = "say --baseline none if that is meant"
    if not before.keys() & bundle.manifest["provenance"]["encoders"].keys():
        reason = f"{replaced.label} has {', '.join(before)}: there is nothing to compare; {remedy}"
        yield Check(f"encoders of {replaced.label}", None, "one of the same name", False, reason)
    for name, trained in bundle.manifest["provenance"]["encoders"].items():
        if name not in before:
            continue
        old_data, new_data = before[name]["dataset"]["digest"], trained["dataset"]["digest"]
        if old_data != new_data:
            yield Check(
                f"{name}: data of {replaced.label}",
                None,
                "the same",
                False,
                f"was trained and measured on other data, so that figures cannot be compared; {remedy}",
            )
            continue
        old, new = _measured(before[name]), _measured(trained)
        for metric, threshold in _thresholds(trained).items():
            share, value = threshold.get("may_worsen", 0.0), new.get(metric)
            if metric not in old:
                reason = f"was not measured of {replaced.label}, so that it cannot be compared; {remedy}"
                yield Check(f"{name}: {metric} ({SPLIT}) against {replaced.label}", value, "measured", False, reason)
                continue
            rises = "min" in threshold
            limit = old[metric] * (1 - share if rises else 1 + share)
            passed = value is not None and (value >= limit if rises else value <= limit)
            yield Check(
                f"{name}: {metric} ({SPLIT}) against {replaced.label}",
                value,
                f"{'>=' if rises else '<='} {limit:.4g} ({old[metric]:.4g}, {share:.0%} worse at most)",
                passed,
                "" if passed else f"worse than {replaced.label}, which it would replace; train longer",
            )


def _check_budget(bundle: Bundle, wasm: dict[str, Any]) -> Iterator[Check]:
    """Check download size and speed; for several encoders, the largest of their budgets applies."""
    budgets = [_preset(trained).budget for trained in bundle.manifest["provenance"]["encoders"].values()]
    limit = max(budget["megabytes"] for budget in budgets)
    yield _at_most(
        "size in MB", bundle.n_bytes / 1e6, limit, "too large; quantise (--quantize), or train a smaller preset"
    )
    milliseconds = figure(wasm.get("ms_per_second")) if wasm["status"] == "ok" else None
    limit = max(budget["milliseconds"] for budget in budgets)
    reason = "too slow on WebAssembly; is the machine busy? else take a smaller preset or a longer step"
    yield _at_most("milliseconds for a second of audio", milliseconds, limit, reason)


def _preset(trained: dict[str, Any]) -> Preset:
    return Preset.from_dict(trained["run"]["config"]["preset"])


def _thresholds(trained: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Select the thresholds that apply: a student is judged by its teacher, any other encoder by the data."""
    is_student = bool(trained["run"]["config"].get("teacher"))
    thresholds = _preset(trained).thresholds or {}
    return {name: value for name, value in thresholds.items() if (name == _DISTILLED) == is_student}


def _measured(trained: dict[str, Any]) -> dict[str, float]:
    """Return the figures on the test split by name; for a list, its smallest value."""
    figures: dict[str, float] = {}
    for name, value in trained["metrics"].get(SPLIT, {}).items():
        numbers = [figure(item) for item in (value if isinstance(value, list) else [value])]
        known = [number for number in numbers if number is not None]
        if known:
            figures[f"min_{name}" if isinstance(value, list) else name] = min(known)
    return figures


def summary(blessing: Blessing) -> str:
    """Format all figures as a table for people."""
    rows = [
        ("" if check.passed else "!", check.name, "-" if check.value is None else f"{check.value:.4g}", check.limit)
        for check in blessing.checks
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [f"{mark:1} {name:<{widths[1]}} {value:>{widths[2]}}  {limit}" for mark, name, value, limit in rows]
    lines += [f"  {check.name}: {check.reason}" for check in blessing.checks if not check.passed]
    return "\n".join(lines)
