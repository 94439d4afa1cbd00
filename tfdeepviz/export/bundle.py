"""The bundle's schema, reading and writing (docs/bundle-format.md); the only module that knows its layout."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from tfdeepviz.data.files import FormatError, read_json, sha256_file, write_json
from tfdeepviz.mapping.scaling import N_PARAMETERS, SCALING_METHODS, SCALING_MODES, Scaling
from tfdeepviz.params import AudioParams, ParameterError

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
KERAS_ENCODER = "encoder.keras"

_MAX_FILE_BYTES = 1 << 30
_MAX_FILES = 1_000


@dataclass(frozen=True)
class EncoderInfo:
    """One encoder of a bundle and its time axis."""

    name: str
    encoding_size: int
    window_seconds: float
    step_seconds: float


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk; open it with `load`, which checks it whole."""

    path: Path
    manifest: dict[str, Any]
    params: AudioParams
    encoder: EncoderInfo

    @classmethod
    def load(cls, path: Path) -> Bundle:
        """Read a bundle and check every file's size and hash.

        Raises
        ------
        FormatError
            Naming the file or field that is wrong.
        """
        if not (path / MANIFEST).is_file():
            raise FormatError(f"{path}: no bundle ({MANIFEST} is missing); make one with `tfdeepviz export`")
        manifest = read_json(path / MANIFEST, max_bytes=16 << 20)
        if manifest.get("schema_version") != SCHEMA_VERSION:
            raise FormatError(
                f"{path / MANIFEST}: schema_version={manifest.get('schema_version')!r}, this version reads "
                f"{SCHEMA_VERSION}; export the bundle again"
            )
        try:
            params = AudioParams.from_dict(manifest["audio"])
            (encoder,) = manifest["encoders"]
            info = EncoderInfo(
                name=_text(encoder, "name"),
                encoding_size=int(_positive(encoder, "encoding_size")),
                window_seconds=_positive(encoder, "window_seconds"),
                step_seconds=_positive(encoder, "step_seconds"),
            )
            if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", _text(manifest, "name")):
                raise FormatError(f"name={manifest['name']!r}: use small letters, digits and hyphens")
            files = manifest["files"]
            if not 0 < len(files) <= _MAX_FILES:
                raise FormatError(f"{path / MANIFEST}: files: between 1 and {_MAX_FILES} are expected")
            for name, entry in files.items():
                _check_file(path, name, entry)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, FormatError):
                raise
            if isinstance(error, ParameterError):
                raise FormatError(f"{path / MANIFEST}: audio: {error}") from error
            raise FormatError(f"{path / MANIFEST}: a field is missing or of the wrong type ({error!r})") from error
        bundle = cls(path, manifest, params, info)
        if missing := {bundle.manifest.get("mappings"), KERAS_ENCODER} - set(files):
            raise FormatError(f"{path / MANIFEST}: files: {sorted(map(str, missing))} have to be listed")
        return bundle

    @property
    def name(self) -> str:
        """Name in a registry."""
        return str(self.manifest["name"])

    @property
    def label(self) -> str:
        """Name and version for people and results."""
        version = self.manifest.get("version")
        return f"{self.name}/{version}" if version is not None else self.name

    @cached_property
    def _mappings(self) -> dict[str, Any]:
        return read_json(self.path / str(self.manifest["mappings"]))

    def scaling(self, *, projection: str | None = None, mode: str | None = None, method: str | None = None) -> Scaling:
        """Get a fitted mapping; what is not named is the bundle's default.

        Raises
        ------
        ValueError
            If the bundle does not offer it.
        FormatError
            If the bundle's `mappings.json` is broken.
        """
        where = self.path / str(self.manifest["mappings"])
        try:
            default = self._mappings["default"]
            wanted = (projection or default["projection"], mode or default["mode"], method or default["method"])
            offers = {
                (entry["name"], scaling["mode"], scaling["method"]): scaling
                for entry in self._mappings["projections"]
                if entry["kind"] == "identity"
                for scaling in entry["scalings"]
            }
            if wanted not in offers:
                raise LookupError("/".join(map(str, wanted)), sorted("/".join(offer) for offer in offers))
            gain, offset = (np.asarray(offers[wanted][key], np.float64) for key in ("gain", "offset"))
        except LookupError as error:
            if type(error) is LookupError:
                raise ValueError(f"{error.args[0]}: the bundle offers {', '.join(error.args[1])}") from None
            raise FormatError(f"{where}: a field is missing ({error!r})") from error
        except (TypeError, ValueError) as error:
            raise FormatError(f"{where}: not a bundle's mappings ({error!r})") from error
        n = (self.encoder.encoding_size,)
        if gain.shape != n or offset.shape != n or not (np.isfinite(gain).all() and np.isfinite(offset).all()):
            raise FormatError(f"{where}: gain and offset have to be {n[0]} finite numbers each")
        return Scaling(str(wanted[1]), str(wanted[2]), tuple(gain.tolist()), tuple(offset.tolist()))


def _text(values: dict[str, Any], name: str) -> str:
    value = values[name]
    if not isinstance(value, str) or not value:
        raise FormatError(f"{name}={value!r}: a text is expected")
    return value


def _positive(values: dict[str, Any], name: str) -> float:
    value = values[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise FormatError(f"{name}={value!r}: a positive number is expected")
    return value


def _check_file(folder: Path, name: str, entry: dict[str, Any]) -> None:
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name:
        raise FormatError(f"{folder / MANIFEST}: files: {name!r} leads out of the bundle")
    file = folder / pure
    if file.is_symlink() or not file.is_file():
        raise FormatError(f"{file}: missing; export or pull the bundle again")
    size = file.stat().st_size
    if size > _MAX_FILE_BYTES or size != entry["bytes"]:
        raise FormatError(f"{file}: {size} bytes instead of {entry['bytes']}; export or pull the bundle again")
    if sha256_file(file) != entry["sha256"]:
        raise FormatError(f"{file}: its SHA-256 is not the manifest's; export or pull the bundle again")


def list_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Every file of a bundle but the manifest, with size and hash."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
        for path in paths
    }


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Complete a bundle: list its files and write the manifest last."""
    write_json(folder / MANIFEST, {"schema_version": SCHEMA_VERSION, **manifest, "files": list_files(folder)})


def fit_mappings(encodings: npt.NDArray[np.float32], *, encoder: str) -> dict[str, Any]:
    """Fit what `mappings.json` holds to the encodings [shape=(n, n_parameters)] of the training split.

    Raises
    ------
    ValueError
        If the encoding does not have one component a visual parameter, which `raw` needs.
    """
    if encodings.shape[1] != N_PARAMETERS:
        raise ValueError(
            f"encoding of size {encodings.shape[1]}: the raw mapping needs {N_PARAMETERS} components; "
            "`tfdeepviz distill` makes an encoder with as many"
        )
    scalings = [
        Scaling.fit(encodings, mode=mode, method=method).to_dict()
        for mode in SCALING_MODES
        for method in SCALING_METHODS
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "n_parameters": N_PARAMETERS,
        "default": {"projection": "raw", "mode": "features", "method": "standard"},
        # The original's playground: half of the past is kept a tick of 10 ms.
        "smoothing": {"retention": 0.5, "tick_seconds": 0.01},
        "projections": [{"name": "raw", "kind": "identity", "encoder": encoder, "scalings": scalings}],
    }
