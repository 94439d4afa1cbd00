"""The configuration of a pipeline: its TOML file, read and checked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from tfdeepviz.artifacts import flat
from tfdeepviz.data.features import Features
from tfdeepviz.data.selection import Selection
from tfdeepviz.errors import InputError
from tfdeepviz.export.bundle import check_name
from tfdeepviz.files import FormatError, convert, read_text
from tfdeepviz.models.presets import Preset, load_preset, override
from tfdeepviz.models.run import check_pupil
from tfdeepviz.params import AudioParams
from tfdeepviz.teachers.musicnn import HOP_SECONDS, PARAMS

#: What runs call the network of `[teacher]`.
MUSICNN = "musicnn"

_MAX_BYTES = 1 << 20
_MAX_TEXT = 4_096

_Text = Annotated[str, Meta(min_length=1, max_length=_MAX_TEXT)]
_Seed = Annotated[int, Meta(ge=0, lt=1 << 32)]
_Count = Annotated[int, Meta(ge=1)]
_Length = Annotated[float, Meta(ge=0)]


class _NameOrFile(str):
    """A name, or the path of a .json file."""


class _Table(Struct, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """A table of the file, with the names of the commands' options; its attributes have those of the functions'."""

    def given(self, *names: str) -> dict[str, Any]:
        """Attributes that the file gives, all or only some."""
        values = {name: getattr(self, name) for name in names or self.__struct_fields__}
        return {name: value for name, value in values.items() if value is not None}


class DemoTable(_Table):
    """A corpus to render."""

    n_tracks: Annotated[int, Meta(ge=1, le=999_998)] | None = field(name="tracks", default=None)
    duration_seconds: Annotated[float, Meta(ge=1, le=600)] | None = field(name="seconds", default=None)
    seed: _Seed | None = None


class CorpusTable(_Table):
    """Where the music is."""

    fma_root: Path | None = None
    subset: Literal["small", "medium", "large", "full"] = "small"
    demo: DemoTable | None = None

    def __post_init__(self) -> None:
        if (self.fma_root is None) == (self.demo is None) or (self.demo and self.subset != "small"):
            raise ValueError(
                "not one corpus; give fma-root (a folder in FMA's layout) or demo = { tracks = 64 }, which is rendered"
            )


class PrepareTable(_Table):
    """How the dataset is prepared."""

    splitting: Literal["fma", "random", "random-by-artist"] | None = field(name="split", default=None)
    fractions: tuple[float, float, float] | None = None
    genres: tuple[_Text, ...] | None = field(name="genre", default=None)
    artists: tuple[_Text, ...] | None = field(name="artist", default=None)
    licences: tuple[_Text, ...] | None = field(name="licence", default=None)
    min_seconds: _Length | None = field(name="min-duration", default=None)
    max_seconds: _Length | None = field(name="max-duration", default=None)
    max_tracks: _Count | None = None
    balanced: bool | None = None
    longest: Annotated[float, Meta(gt=0, le=86_400)] | None = field(name="max-seconds", default=None)
    seed: _Seed | None = None
    params: _NameOrFile = _NameOrFile("live")
    changes: dict[str, Any] = field(default_factory=dict, name="set")
    mode: Literal["mfcc", "log-mel", "raw"] = "mfcc"
    hop_seconds: Annotated[float, Meta(gt=0, le=60)] | None = None
    segments_per_track: _Count | None = None
    storage: Literal["float32", "float16"] | None = None
    tracks_per_shard: Annotated[int, Meta(ge=1, le=100_000)] | None = None

    def __post_init__(self) -> None:
        self.arguments("small")

    def arguments(self, subset: str) -> dict[str, Any]:
        """Arguments of `prepare`; raises InputError if they are impossible."""
        tracks = self.given(*({one.name for one in fields(Selection)} & {*self.__struct_fields__}))
        return {
            "selection": Selection(subset=subset, **tracks),
            "features": Features(AudioParams.load(self.params, _changes(self.changes)), self.mode),
            **self.given("hop_seconds", "segments_per_track", "storage", "tracks_per_shard"),
            **({} if self.longest is None else {"max_seconds": self.longest}),
        }


class TeacherTable(_Table):
    """A published network that hears the dataset, for taggers and classifiers to learn from."""

    name: Literal["musicnn"]
    file: Path | None = None  # with its weights; by default they are fetched
    hop_seconds: Annotated[float, Meta(gt=0, le=PARAMS.segment_seconds)] = field(name="hop", default=HOP_SECONDS)


class TrainTable(_Table):
    """A run to train, or to distill from another one or from a published network."""

    name: str
    preset: _NameOrFile
    recipe: Literal["paper", "modern"] | None = None
    epochs: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    changes: dict[str, Any] = field(default_factory=dict, name="set")
    seed: _Seed = 0
    teacher: str | None = None
    n_components: _Count | None = field(name="components", default=None)
    learn: Literal["tags", "embeddings", "both"] | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        preset, has_network = self.load_preset(), self.teacher == MUSICNN
        if has_network:
            check_pupil(preset, self.learn or "both")
        elif preset.kind == "tagger":
            raise ValueError(f'{self.preset}: taggers learn from a published network; give teacher = "{MUSICNN}"')
        if self.n_components is not None and (self.teacher is None or has_network):
            raise ValueError("components: only a run with a teacher that is a run has them; give another teacher")
        if self.learn is not None and not has_network:
            raise ValueError(f'learn: only a run with teacher = "{MUSICNN}" chooses what to learn; omit it')

    def load_preset(self) -> Preset:
        """Return the preset with all changes; raises InputError if there is none, or a change is impossible."""
        changes = {**_changes(self.changes), **self.given("epochs")}
        return override(load_preset(str(self.preset), recipe=self.recipe), changes)


class BundleTable(_Table):
    """A bundle to export."""

    name: str
    runs: Annotated[list[str], Meta(min_length=1, max_length=16)]
    title: _Text | None = None
    layer: _Text | None = None
    parameters: dict[str, _Count] | None = None
    default: Annotated[str, Meta(pattern="^[^/]+/[^/]+/[^/]+$")] | None = None
    quantization: Literal["none", "float16", "uint8"] | None = field(name="quantize", default=None)
    note: _Text | None = None
    split: Literal["training", "validation", "test"] | None = None

    def __post_init__(self) -> None:
        check_name(self.name)

    def arguments(self) -> dict[str, Any]:
        """Arguments of `export_bundle`."""
        given = self.given("name", "title", "layer", "parameters", "note", "split", "quantization")
        return given if self.default is None else {**given, "default": tuple(self.default.split("/"))}


class ValidateTable(_Table):
    """How bundles are judged."""

    static: Path
    baseline: _Count | Literal["none"] | None = None


class PushTable(_Table):
    """Where bundles are pushed to, and which one comes first there."""

    registry: Path
    first: str | None = None


class Config(_Table):
    """What a pipeline does. Everything is made in the folder `work`, in the order of the file."""

    work: Path
    corpus: CorpusTable
    prepare: PrepareTable = field(default_factory=PrepareTable)
    teacher: TeacherTable | None = None
    train: Annotated[list[TrainTable], Meta(max_length=100)] = field(default_factory=list)
    bundle: Annotated[list[BundleTable], Meta(max_length=100)] = field(default_factory=list)
    validate: ValidateTable | None = None
    push: PushTable | None = None

    def __post_init__(self) -> None:
        runs, bundles = [run.name for run in self.train], [bundle.name for bundle in self.bundle]
        for kind, names in (("train", runs), ("bundle", bundles)):
            if twice := [name for place, name in enumerate(names) if name in names[:place]]:
                raise ValueError(f"{kind}.{twice[0]}: the name occurs twice; rename one of them")
        for place, run in enumerate(self.train):
            if run.teacher == MUSICNN:
                if self.teacher is None:
                    raise ValueError(f'train.{run.name}.teacher: [teacher] is missing; give it name = "{MUSICNN}"')
            elif run.teacher is not None and run.teacher not in runs[:place]:
                raise ValueError(
                    f"train.{run.name}.teacher: no run before it is called {run.teacher!r}; a teacher comes first"
                )
        for bundle in self.bundle:
            if unknown := [name for name in bundle.runs if name not in runs]:
                raise ValueError(
                    f"bundle.{bundle.name}.runs: no run is called {', '.join(unknown)}; "
                    f"choose from {', '.join(runs) or 'runs that [[train]] makes'}"
                )
        if bundles and self.validate is None:
            raise ValueError("[validate] is missing; it is needed because every [[bundle]] is judged")
        if self.push is not None and self.push.first not in (None, *bundles):
            raise ValueError(f"push.first: no bundle is called {self.push.first!r}; choose from {', '.join(bundles)}")

    @property
    def fma_root(self) -> Path:
        """Folder of the corpus."""
        return self.corpus.fma_root or self.work / "corpus"

    @property
    def steps(self) -> tuple[str, ...]:
        """Names of the steps, in their order."""
        corpus = ("index", "prepare") if self.corpus.demo is None else ("demo-corpus", "index", "prepare")
        heard = () if self.teacher is None else ("listen",)
        runs = (f"{step} {run.name}" for run in self.train for step in ("train", "evaluate"))
        exported = ("export", "validate", *(("push",) if self.push else ()))
        return *corpus, *heard, *runs, *(f"{step} {bundle.name}" for bundle in self.bundle for step in exported)

    @classmethod
    def load(cls, path: Path) -> Config:
        """Read a configuration; paths in it are relative to its folder.

        Raises
        ------
        FormatError
            If it is missing or broken; the message names the key.
        """
        home = path.absolute().parent

        def at_home(kind: type, value: object) -> Any:
            if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT:
                raise ValueError(f"a text of 1 to {_MAX_TEXT} characters is expected, not {value!r:.100}")
            if kind is _NameOrFile and not value.endswith(".json"):
                return _NameOrFile(value)
            return kind((home / value).resolve())

        if not path.is_file():
            raise FormatError(f"{path}: missing; configs/demo.toml shows how a pipeline is written")
        try:
            values = tomllib.loads(read_text(path, max_bytes=_MAX_BYTES))
        except FormatError:
            raise
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{path}: not valid TOML ({error}); correct it") from error
        try:
            return convert(values, cls, path, dec_hook=at_home)
        except FormatError as error:
            raise FormatError(_by_name(str(error), values)) from error


def _changes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of `set` by dotted names, which TOML reads as tables in tables."""
    changes = dict(flat(values))
    for name, value in changes.items():
        if not isinstance(value, str | int | float | list | dict):
            raise InputError(f"set.{name}: {value}: give numbers, strings, true or false, or lists of them")
    return changes


def _by_name(message: str, values: Mapping[str, Any]) -> str:
    """Call runs and bundles by their names, not by their numbers."""

    def named(match: re.Match[str]) -> str:
        entry = values[match[1]][int(match[2])]
        name = entry.get("name") if isinstance(entry, dict) else None
        return f": {match[1]}.{name or f'number {int(match[2]) + 1}'}"

    if table := re.search(r": (train|bundle) must be a list", message):
        message += f"; write [[{table[1]}]], in two brackets"
    return re.sub(r": (train|bundle)\[(\d+)\]", named, message)
