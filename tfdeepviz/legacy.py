"""Records of what version 0.1.0 made, which wrote no `artifact.json`, from the files that it wrote instead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfdeepviz.artifacts import Artifact, digest_of, figures
from tfdeepviz.files import FormatError, convert, read_json


def dataset_record(folder: Path, name: str, digest: str) -> Artifact:
    """Return the record of a dataset; raises FormatError if its `origin.json` is broken."""
    path = folder / "origin.json"
    with _reading(path, "prepare it again"):
        origin = read_json(path) if path.is_file() else {}
        return convert(_dataset({**origin, "name": name, "digest": digest}), Artifact, path)


def run_record(name: str, config: dict[str, Any], metrics: dict[str, Any], where: object) -> Artifact:
    """Return the record of a run; raises FormatError, naming `where` the values are from, if they are broken."""
    with _reading(where, "train it again"):
        return convert(_run(name, config, metrics), Artifact, where)


def bundle_record(manifest: dict[str, Any], digest: str, where: object) -> Artifact:
    """Return the record of a bundle from its manifest, as far as that tells; raises FormatError if it is broken."""
    with _reading(where, "export it again"):
        provenance, inputs = manifest.get("provenance", {}), []
        for name, one in provenance.get("encoders", {}).items():
            run = _run(Path(one["run"]["path"]).name, one["run"]["config"], one["metrics"], one["dataset"])
            # Relative paths were those of the command line.
            path = str(Path(one["run"]["path"]).absolute())
            inputs.append({"role": f"encoder {name}", "path": path, "artifact": run})
        if "mappings" in provenance:
            dataset = provenance["mappings"]["dataset"]
            inputs.append({"role": "mappings", "path": dataset.get("path"), "artifact": _dataset(dataset)})
        values = {
            **_known(provenance),
            **{"kind": "bundle", "name": manifest["name"], "digest": digest, "inputs": inputs},
            **{"created": manifest.get("created"), "facts": {"title": manifest.get("title")}},
        }
        return convert(values, Artifact, where)


@contextmanager
def _reading(where: object, remedy: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        flaw = str(error) if isinstance(error, FormatError) else f"{where}: a field is missing or broken ({error!r})"
        raise FormatError(f"{flaw}; {remedy}") from error


def _run(
    name: str, config: dict[str, Any], metrics: dict[str, Any], dataset: dict[str, Any] | None = None
) -> dict[str, Any]:
    preset, teacher = config["preset"], config.get("teacher")
    known = {"name": config["dataset"], "digest": config["dataset_digest"], **(dataset or {})}
    if known["digest"] != config["dataset_digest"]:
        raise ValueError(f"{known['digest']} is not the dataset of the run")
    inputs = [{"role": "dataset", "path": config.get("dataset_path"), "artifact": _dataset(known)}]
    if teacher:
        model = {"kind": "run", "name": Path(teacher["path"]).name, "digest": f"sha256:{teacher['sha256']}"}
        inputs.append({"role": "teacher", "path": teacher["path"], "artifact": model})
    incidental = ("command", "code_version", "dataset_path")
    settings = {name: value for name, value in config.items() if name not in incidental}
    return {
        **_known(config),
        **{"kind": "run", "name": name, "inputs": inputs, "settings": {"preset": preset, "seed": config["seed"]}},
        "digest": digest_of({"config": settings, "metrics": metrics}) if metrics else None,
        "facts": {"title": preset["title"], **figures(metrics)},
    }


def _dataset(known: dict[str, Any]) -> dict[str, Any]:
    root = known.get("fma_root")
    corpus = {"kind": "corpus", "name": Path(root).name} if isinstance(root, str) else None
    return {
        **_known(known),
        **{"kind": "dataset", "name": known["name"], "digest": known["digest"]},
        "inputs": [{"role": "corpus", "path": root, "artifact": corpus}] if "fma_root" in known else [],
        "facts": {"licences": known.get("licences")},
    }


def _known(values: dict[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {name: values[name] for name in ("command", "code_version") if name in values}
    return {"code_version": "0.1.0", **known}
