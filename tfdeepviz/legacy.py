"""Records of what version 0.1.0 made, which wrote no `artifact.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from tfdeepviz.artifacts import Artifact, Digest, Input, digest_of, figures
from tfdeepviz.files import FormatError, convert, read_record

_VERSION = "0.1.0"


class _Origin(msgspec.Struct):
    """A dataset's `origin.json`."""

    fma_root: str
    licences: dict[str, int] | None = None
    command: str | None = None
    code_version: str = _VERSION


def dataset_record(folder: Path, name: str, digest: str) -> Artifact:
    """Return the record of a dataset, from `origin.json` if it has one.

    Raises
    ------
    FormatError
        If `origin.json` is broken.
    """
    path = folder / "origin.json"
    if not path.is_file():
        return Artifact(kind="dataset", name=name, digest=digest, code_version=_VERSION)
    try:
        origin = read_record(path, _Origin, max_bytes=1 << 20)
    except FormatError as error:
        raise FormatError(f"{error}; run `tfdeepviz prepare` again") from error
    corpus = Artifact(kind="corpus", name=Path(origin.fma_root).name)
    return Artifact(
        kind="dataset",
        name=name,
        digest=digest,
        inputs=(Input("corpus", origin.fma_root, corpus),),
        facts={} if origin.licences is None else {"licences": origin.licences},
        command=origin.command,
        code_version=origin.code_version,
    )


class _Preset(msgspec.Struct):
    title: str
    kind: str


class _Teacher(msgspec.Struct):
    path: str
    sha256: str
    preset: _Preset


class _Config(msgspec.Struct):
    """A run's `config.json`."""

    preset: _Preset
    dataset: str
    dataset_digest: Digest
    seed: int
    dataset_path: str | None = None
    teacher: _Teacher | None = None
    command: str | None = None
    code_version: str = _VERSION


def run_record(name: str, config: dict[str, Any], metrics: dict[str, Any], where: object) -> Artifact:
    """Return the record of a finished run, from its `config.json` and `metrics.json`.

    Raises
    ------
    FormatError
        If one is broken; the message names `where` they come from.
    """
    run = convert(config, _Config, where)
    measured = convert(metrics, dict[str, dict[str, Any]], where)
    dataset = Artifact(kind="dataset", name=run.dataset, digest=run.dataset_digest)
    inputs = [Input("dataset", run.dataset_path, dataset)]
    if run.teacher is not None:
        model = Artifact(kind="run", name=Path(run.teacher.path).name, digest=f"sha256:{run.teacher.sha256}")
        inputs.append(Input("teacher", run.teacher.path, model))
    incidental = ("command", "code_version", "dataset_path")
    settings = {name: value for name, value in config.items() if name not in incidental}
    return Artifact(
        kind="run",
        name=name,
        digest=digest_of({"config": settings, "metrics": metrics}),
        settings={"preset": config["preset"], "seed": run.seed},
        inputs=tuple(inputs),
        facts={"title": run.preset.title, "model": run.preset.kind, **figures(measured)},
        command=run.command,
        code_version=run.code_version,
    )


class _Dataset(msgspec.Struct):
    """What a bundle's manifest says of a dataset."""

    name: str
    digest: Digest
    path: str | None = None
    licences: dict[str, int] | None = None
    command: str | None = None

    def record(self) -> Artifact:
        facts = {} if self.licences is None else {"licences": self.licences}
        return Artifact(kind="dataset", name=self.name, digest=self.digest, facts=facts, command=self.command)


class _Run(msgspec.Struct):
    path: str
    config: dict[str, Any]


class _Encoder(msgspec.Struct):
    run: _Run
    dataset: _Dataset
    metrics: dict[str, Any]


class _Mappings(msgspec.Struct):
    dataset: _Dataset


class _Provenance(msgspec.Struct):
    encoders: dict[str, _Encoder]
    mappings: _Mappings
    command: str | None = None
    code_version: str = _VERSION


class _Manifest(msgspec.Struct):
    name: str
    title: str
    created: str
    provenance: _Provenance


def bundle_record(manifest: dict[str, Any], digest: str, where: object) -> Artifact:
    """Return the record of a bundle, from its manifest.

    Raises
    ------
    FormatError
        If the manifest is broken; the message names `where` it comes from.
    """
    known = convert(manifest, _Manifest, where)
    inputs = []
    for name, encoder in known.provenance.encoders.items():
        run = run_record(Path(encoder.run.path).name, encoder.run.config, encoder.metrics, f"{where}: encoder {name}")
        dataset = msgspec.structs.replace(run.inputs[0], artifact=encoder.dataset.record())
        run = msgspec.structs.replace(run, inputs=(dataset, *run.inputs[1:]))
        inputs.append(Input(f"encoder {name}", encoder.run.path, run))
    mappings = known.provenance.mappings.dataset
    return Artifact(
        kind="bundle",
        name=known.name,
        digest=digest,
        inputs=(*inputs, Input("mappings", mappings.path, mappings.record())),
        facts={"title": known.title},
        command=known.provenance.command,
        code_version=known.provenance.code_version,
        created=known.created,
    )
