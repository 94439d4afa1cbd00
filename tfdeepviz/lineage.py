"""Where a bundle comes from, and what was made of a dataset: the graph that manifests on disk tell."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shlex
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice, pairwise
from pathlib import Path
from textwrap import wrap
from typing import Any, Literal

from tfdeepviz.data.manifest import identity_of
from tfdeepviz.errors import InputError
from tfdeepviz.export.bundle import MANIFEST, MAPPINGS, Bundle
from tfdeepviz.files import FormatError, read_json, sha256_file

Kind = Literal["corpus", "dataset", "run", "bundle"]
State = Literal["here", "changed", "gone"]

#: What is searched where nothing else is asked for: where the README puts datasets, runs, bundles and the registry.
SEARCHED = ("data", "runs", "build", "webapp/registry")

_MAX_DEPTH = 6
_MAX_ENTRIES = 200_000
_MAX_FOLLOWED = 10_000
_MAX_CONFIG_BYTES = 16 << 20
_MAX_MODEL_BYTES = 4 << 30
_MAX_TEXT = 2_000
_MAX_PATH = 4_096
_MAX_SHOWN_DEPTH = 12
_MIN_COLUMNS = 24
_SHOWN_LICENCES = 4

# What a copied or resumed run may say differently and be the same run.
_INCIDENTAL = ("command", "code_version", "dataset_path")
_JUDGED_BY = ("polled_accuracy", "macro_f1", "mse_to_pca", "self_retrieval")
# Those that the kinds of both ends tell.
_PLAIN_ROLES = ("corpus", "dataset")
# What reading an untrusted manifest raises.
_BROKEN = (OSError, KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError)


@dataclass(frozen=True)
class Node:
    """One artifact. Equal content is one artifact, however many copies lie about.

    Attributes
    ----------
    kind, label
        What it is, and its name for people.
    digest
        What identifies it; None of a corpus, which is known by its path.
    state
        `here`: on disk as it was; `changed`: something else is in its place; `gone`: not found. What is not here is
        told from the manifests of what was made of it.
    paths
        Where it lies; of what is not here where it was.
    note
        What has become of what is not here; otherwise empty.
    command, code_version, created
        What made it, and when; None where that was not written down.
    licences
        Tracks by licence, of a dataset that knows them.
    facts
        What else is worth showing, in a few words each.
    """

    kind: Kind
    label: str
    digest: str | None
    state: State
    paths: tuple[str, ...]
    note: str
    command: str | None
    code_version: str | None
    created: str | None
    licences: Mapping[str, int] | None
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Edge:
    """`target` was made of `source`, which had this role."""

    source: str
    target: str
    role: str


@dataclass(frozen=True)
class Lineage:
    """What one artifact was made of and what was made of it.

    Attributes
    ----------
    start
        Key of the node that was asked for.
    before
        Keys of what its folder held when other things were made of it.
    nodes
        All artifacts by key, origins and results of `start` and `before` only.
    edges
        Between them.
    unread
        Paths that are ours but could not be read, with the reason: they may belong here as well.
    """

    start: str
    before: tuple[str, ...]
    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    unread: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON can hold it."""
        return asdict(self)

    def to_text(self, width: int = 80) -> str:
        """Trees of what it comes from and of what was made of it."""
        start = self.nodes[self.start]
        lines = [_headline(start), *_details("  ", start, width)]
        for title, roots, backward in (
            ("comes from", (self.start,), True),
            ("was made into", (self.start,), False),
            ("what was here before was made into", self.before, False),
        ):
            shown: set[str] = set()
            tree = [line for root in roots for line in self._tree(root, "", width, shown, backward=backward)]
            lines += ["", title, *tree] if tree else []
        if self.unread:
            lines += ["", "could not be read, and may belong here"]
            lines += [row for reason in self.unread.values() for row in _wrapped("  ", "    ", reason, width)]
        return "\n".join(lines)

    def _tree(
        self, key: str, prefix: str, width: int, shown: set[str], *, backward: bool, depth: int = 1
    ) -> Iterator[str]:
        near = self._near(key, backward=backward)
        for edge in near:
            other = edge.source if backward else edge.target
            node = self.nodes[other]
            is_last, is_known = edge is near[-1], other in shown
            shown.add(other)
            below = prefix + ("   " if is_last else "│  ")
            role = "" if edge.role in _PLAIN_ROLES else edge.role if backward else f"as {edge.role}"
            headline = _headline(node, role) + (", as above" if is_known else "")
            yield from _wrapped(prefix + ("└─ " if is_last else "├─ "), f"{below}    ", headline, width)
            if not is_known:
                has_more = bool(self._near(other, backward=backward))
                yield from _details(below + ("│  " if has_more else "   "), node, width)
                if has_more and depth >= _MAX_SHOWN_DEPTH:
                    yield f"{below}└─ ..."
                elif has_more:
                    yield from self._tree(other, below, width, shown, backward=backward, depth=depth + 1)

    def _near(self, key: str, *, backward: bool) -> list[Edge]:
        return [edge for edge in self.edges if (edge.target if backward else edge.source) == key]


def trace(start: Path, among: Iterable[Path] | None = None) -> Lineage:
    """Follow a bundle, run, prepared dataset or corpus back to its origins and forward to what was made of it.

    Manifests are compared, not what they list, except a bundle's files and a teacher's model, which are hashed.

    Parameters
    ----------
    start
        Its folder. It may be gone, if something that was made of it is found.
    among
        Folders that are searched for results, and for origins that were moved; links are not followed. By default
        those of `SEARCHED` that exist.

    Raises
    ------
    FormatError
        If `start` is none of these or is broken, or a folder to be searched is none.
    """
    graph = _Graph()
    key = graph.read(start)
    for folder in [Path(name) for name in SEARCHED if Path(name).is_dir()] if among is None else among:
        if not folder.is_dir():
            raise FormatError(f"{folder}: no folder that could be searched; give others with --among")
        graph.search(folder)
    graph.follow()
    others = [other for other in graph.known_at(_place(start)) if other != key]
    if key is None:
        # A corpus, or something that is gone.
        if not others:
            raise FormatError(
                f"{start}: no bundle, run or prepared dataset, and nothing that was found was made of it; give a "
                "folder that `tfdeepviz export`, `train` or `prepare` made"
            )
        key = others.pop(0)
    return graph.around(key, [other for other in others if not graph.is_here(other)])


# What manifests tell --------------------------------------------------------------------------------------------------


@dataclass
class _Draft:
    """An artifact as one manifest, or several together, describe it."""

    kind: Kind
    label: str
    # Of a corpus its path.
    digest: str
    # Whose words these are.
    told_by: str
    command: str | None = None
    code_version: str | None = None
    created: str | None = None
    licences: dict[str, int] | None = None
    facts: dict[str, str] = field(default_factory=dict)
    # Where it lies, and where it was when something was made of it; dictionaries keep the order.
    found: dict[Path, None] = field(default_factory=dict)
    recorded: dict[Path, None] = field(default_factory=dict)
    # Of a run what its configuration says, as JSON, and of one that is known as a teacher only its model's SHA-256.
    fields: dict[str, str] = field(default_factory=dict)
    preset: str = ""
    model: str | None = None
    corpus: Path | None = None

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.digest}"

    def complete(self, other: _Draft) -> None:
        """Take over what only another description of the same thing knows."""
        self.command = self.command or other.command
        self.code_version = self.code_version or other.code_version
        self.licences = self.licences or other.licences
        self.corpus = self.corpus or other.corpus
        self.found |= other.found
        self.recorded |= other.recorded
        if self.kind == "bundle":
            # A pushed bundle is what it was before, when it had no version.
            labels = {*self.label.split(", "), *other.label.split(", ")}
            self.label = ", ".join(sorted({label for label in labels if "/" in label} or labels))


@dataclass
class _Told:
    """All that a manifest tells; first of what it is the manifest."""

    drafts: list[_Draft] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)

    def add(self, draft: _Draft) -> str:
        self.drafts.append(draft)
        return draft.key

    def bundle(self, folder: Path, place: Path) -> None:
        bundle = Bundle.load(folder)
        manifest, origin = bundle.manifest, bundle.manifest["provenance"]
        label = _clean(bundle.label)
        blessing = bundle.blessing
        if blessing is None:
            judgement = "not validated"
        else:
            failed = [_clean(check.name) for check in blessing.checks if not check.passed]
            judgement = "blessed" if blessing.is_blessed else f"not blessed: {', '.join(failed) or 'nothing checked'}"
        told_by = f"the manifest of {label}"
        key = self.add(
            _Draft(
                kind="bundle",
                label=label,
                digest=f"sha256:{bundle.digest}",
                told_by=told_by,
                created=_text_or_none(manifest["created"]),
                found={place: None},
                command=_text_or_none(origin.get("command")),
                code_version=_text_or_none(origin.get("code_version")),
                facts={
                    "title": _text(manifest["title"]),
                    "size": f"{bundle.n_bytes / 1e6:.2f} MB",
                    "judgement": judgement,
                },
            )
        )
        for encoder in bundle.encoders:
            entry = origin["encoders"][encoder.name]
            config, path = entry["run"]["config"], _place(entry["run"]["path"])
            if _hex(config["dataset_digest"]) != _hex(entry["dataset"]["digest"]):
                raise InputError(f"{encoder.name}: dataset.digest is not the dataset_digest of the run")
            run = self.run(config, entry["metrics"], path.name, told_by, recorded=path)
            self.dataset_of(run, entry["dataset"], "dataset", told_by)
            layer = _text_or_none(entry.get("layer"))
            self.edges.append(Edge(run, key, f"encoder {encoder.name}" + (f", layer {layer}" if layer else "")))
        self.dataset_of(key, origin["mappings"]["dataset"], "mappings", told_by)

    def run_folder(self, folder: Path, place: Path) -> None:
        config = read_json(folder / "config.json", max_bytes=_MAX_CONFIG_BYTES)
        path = folder / "metrics.json"
        metrics = read_json(path, max_bytes=_MAX_CONFIG_BYTES) if path.is_file() else None
        self.run(config, metrics, place.name, f"the configuration of {_clean(place.name)}", found=place)

    def run(
        self,
        config: dict[str, Any],
        metrics: dict[str, Any] | None,
        name: str,
        told_by: str,
        *,
        found: Path | None = None,
        recorded: Path | None = None,
    ) -> str:
        preset = config["preset"]
        facts = {"title": _text(preset["title"])}
        facts["metrics"] = "training is not finished" if metrics is None else _in_words(metrics)
        if config.get("weights"):
            facts["weights"] = f"starts from {_text(config['weights']['file'])}"
        if "parameters" in config:
            facts["parameters"] = f"{_number(config['parameters']['trainable']):,.0f} trainable parameters"
        rest = {field: value for field, value in config.items() if field not in ("preset", *_INCIDENTAL)}
        flat = {**rest, **{f"preset.{field}": value for field, value in preset.items()}}
        fields = {_clean(field): _canonical(value) for field, value in flat.items()}
        identity = _canonical({"config": fields, "metrics": metrics})
        key = self.add(
            _Draft(
                kind="run",
                label=_clean(name) or _text(preset["name"]),
                digest=f"sha256:{hashlib.sha256(identity.encode()).hexdigest()}",
                told_by=told_by,
                facts=facts,
                fields=fields,
                preset=_canonical(preset),
                command=_text_or_none(config.get("command")),
                code_version=_text_or_none(config.get("code_version")),
                found={} if found is None else {found: None},
                recorded={} if recorded is None else {recorded: None},
            )
        )
        dataset = config.get("dataset_path")
        place = None if dataset is None else str(_seen_from(found or recorded, dataset))
        record = {"name": config["dataset"], "digest": config["dataset_digest"], "path": place}
        self.dataset_of(key, record, "dataset", told_by)
        if (teacher := config.get("teacher")) is not None:
            path, preset = _seen_from(found or recorded, teacher["path"]), teacher["preset"]
            model = _hex(teacher["sha256"])
            known_by = _Draft(
                kind="run",
                label=_clean(path.name) or _text(preset["name"]),
                told_by=told_by,
                digest=f"model-sha256:{model}",
                facts={"title": _text(preset["title"])},
                recorded={path: None},
                preset=_canonical(preset),
                model=model,
            )
            self.edges.append(Edge(self.add(known_by), key, "teacher"))
        return key

    def dataset_folder(self, folder: Path, place: Path) -> None:
        manifest = read_json(folder / "manifest.json")
        path = folder / "origin.json"
        origin = read_json(path, max_bytes=_MAX_CONFIG_BYTES) if path.is_file() else {}
        splits = manifest["statistics"].values()
        n_tracks, seconds = (sum(_number(split[name]) for split in splits) for name in ("n_tracks", "seconds"))
        recipe, label, root = manifest["recipe"], _text(manifest["name"]), origin.get("fma_root")
        self.add(
            _Draft(
                kind="dataset",
                label=label,
                digest=identity_of(manifest),
                found={place: None},
                told_by=f"the manifest of {label}",
                licences=_licences(origin.get("licences")),
                corpus=None if root is None else _place(root),
                command=_text_or_none(origin.get("command")),
                code_version=_text_or_none(origin.get("code_version")),
                facts={
                    "tracks": f"{n_tracks:,.0f} tracks, {seconds / 3600:.1f} hours",
                    "features": f"{_text(recipe['mode'])} ({_text(recipe['audio']['preset'])})",
                },
            )
        )

    def dataset_of(self, target: str, record: dict[str, Any], role: str, told_by: str) -> None:
        """What something else knows of a dataset that it was made of."""
        command, path = _text_or_none(record.get("command")), record.get("path")
        root = _option(command, "--fma-root")
        draft = _Draft(
            kind="dataset",
            label=_text(record["name"]),
            digest=f"sha256:{_hex(record['digest'])}",
            told_by=told_by,
            command=command,
            licences=_licences(record.get("licences")),
            recorded={} if path is None else {_place(path): None},
            corpus=None if root is None else _place(root),
        )
        self.edges.append(Edge(self.add(draft), target, role))


# What lies on disk ----------------------------------------------------------------------------------------------------


class _Graph:
    def __init__(self) -> None:
        self._nodes: dict[str, _Draft] = {}
        self._edges: dict[Edge, None] = {}
        self._unread: dict[str, str] = {}
        # Key of what lies in a folder, None where that is nothing of ours.
        self._at: dict[Path, str | None] = {}
        self._models: dict[Path, str | None] = {}
        self._n_entries = 0

    def read(self, folder: Path) -> str | None:
        """Read what lies in a folder; gives its key, None if it is nothing of ours.

        Raises
        ------
        FormatError
            If it is ours and broken.
        """
        place = _place(folder)
        if place not in self._at:
            self._at[place] = None
            told = _Told()
            try:
                kind = _kind_of(folder)
                if kind is None:
                    return None
                {"bundle": told.bundle, "dataset": told.dataset_folder, "run": told.run_folder}[kind](folder, place)
            except FormatError as error:
                raise FormatError(_clean(str(error))) from error
            except _BROKEN as error:
                reason = _clean(f"{error!r:.200}")
                raise FormatError(f"{_shown(place)}: a field is missing or not what it should be ({reason})") from error
            for draft in told.drafts:
                self._add(draft)
            self._edges |= dict.fromkeys(told.edges)
            self._at[place] = told.drafts[0].key
        return self._at[place]

    def _add(self, draft: _Draft) -> None:
        known = self._nodes.setdefault(draft.key, draft)
        if known is draft:
            return
        if draft.found and not known.found:
            # What is here itself tells more than what others say of it.
            known, draft = draft, known
            self._nodes[known.key] = known
        known.complete(draft)

    def search(self, root: Path) -> None:
        """Read everything of ours below a folder, whatever else lies there."""
        waiting = deque([(root, 0)])
        while waiting:
            folder, depth = waiting.popleft()
            try:
                if self.read(folder) is None and depth < _MAX_DEPTH:
                    waiting.extend((path, depth + 1) for path in self._folders(folder))
            except (FormatError, OSError) as error:
                self._unread[str(_place(folder))] = _clean(str(error))
            if self._n_entries >= _MAX_ENTRIES:
                self._unread[str(_place(root))] = (
                    f"{_shown(_place(root))}: only its first {_MAX_ENTRIES:,} files were looked at; give smaller "
                    "folders with --among"
                )
                return

    def _folders(self, folder: Path) -> list[Path]:
        with os.scandir(folder) as entries:
            listed = list(islice(entries, _MAX_ENTRIES - self._n_entries))
        self._n_entries += len(listed)
        names = sorted(entry.name for entry in listed if entry.is_dir(follow_symlinks=False))
        # A corpus holds nothing of ours; hidden folders are unfinished, or other programs'.
        return [] if "fma_metadata" in names else [folder / name for name in names if not name.startswith(".")]

    def follow(self) -> None:
        """Look where manifests say that things were, and recognise teachers."""
        looked: set[Path] = set()
        while True:
            missing = [draft for draft in self._nodes.values() if draft.kind in ("run", "dataset") and not draft.found]
            places = dict.fromkeys(place for draft in missing for place in draft.recorded if place not in looked)
            for place in islice(places, _MAX_FOLLOWED - len(looked)):
                try:
                    # Bundles are not made of bundles, and nobody's manifest shall have us hash one.
                    if _kind_of(place) in ("run", "dataset"):
                        self.read(place)
                except (FormatError, OSError) as error:
                    self._unread[str(place)] = _clean(str(error))
            self._recognise_teachers()
            looked |= places.keys()
            if not places or len(looked) >= _MAX_FOLLOWED:
                break
        for draft in list(self._nodes.values()):
            if draft.corpus is not None:
                corpus = _Draft("corpus", _clean(draft.corpus.name), _clean(str(draft.corpus)), draft.told_by)
                (corpus.found if _is_folder(draft.corpus) else corpus.recorded)[draft.corpus] = None
                self._add(corpus)
                self._edges[Edge(corpus.key, draft.key, "corpus")] = None

    def _recognise_teachers(self) -> None:
        """Find the runs that are known by their model only among those that are here."""
        for key, wanted in [item for item in self._nodes.items() if item[1].model is not None]:
            for run in self._nodes.values():
                if run.preset == wanted.preset and any(self._model(place) == wanted.model for place in run.found):
                    del self._nodes[key]
                    self._edges = {_moved(edge, key, run.key): None for edge in self._edges}
                    break

    def _model(self, run: Path) -> str | None:
        if run not in self._models:
            self._models[run] = None
            path = run / "model.keras"
            try:
                if path.is_file() and path.stat().st_size <= _MAX_MODEL_BYTES:
                    self._models[run] = sha256_file(path)
            except OSError as error:
                self._unread[str(path)] = _clean(str(error))
        return self._models[run]

    def known_at(self, place: Path) -> list[str]:
        """Keys of what is, or was, in a folder."""
        return [key for key, draft in self._nodes.items() if place in draft.found or place in draft.recorded]

    def around(self, start: str, before: Sequence[str]) -> Lineage:
        """Give what `start` was made of, and what was made of it and of what was there before."""
        kept = self._reached([start], backward=True) | self._reached([start, *before], backward=False)
        edges = tuple(edge for edge in self._edges if {edge.source, edge.target} <= kept)
        nodes = {key: self._node(draft) for key, draft in self._nodes.items() if key in kept}
        return Lineage(start, tuple(before), nodes, edges, dict(sorted(self._unread.items())))

    def _reached(self, starts: list[str], *, backward: bool) -> set[str]:
        beyond: dict[str, list[str]] = {}
        for edge in self._edges:
            here, there = (edge.target, edge.source) if backward else (edge.source, edge.target)
            beyond.setdefault(here, []).append(there)
        reached, waiting = set(starts), list(starts)
        while waiting:
            new = set(beyond.get(waiting.pop(), [])) - reached
            reached |= new
            waiting.extend(new)
        return reached

    def is_here(self, key: str) -> bool:
        """Whether it was found."""
        return bool(self._nodes[key].found)

    def _node(self, draft: _Draft) -> Node:
        state, note = self._fate(draft)
        return Node(
            kind=draft.kind,
            label=draft.label,
            digest=None if draft.kind == "corpus" else draft.digest,
            state=state,
            paths=tuple(_clean(str(place)) for place in draft.found or draft.recorded),
            note=note,
            command=draft.command,
            code_version=draft.code_version,
            created=draft.created,
            licences=draft.licences,
            facts=draft.facts,
        )

    def _fate(self, draft: _Draft) -> tuple[State, str]:
        if draft.found:
            return "here", ""
        told = f"told from {draft.told_by}"
        if not draft.recorded:
            return "gone", f"not found; {told}"
        for place in draft.recorded:
            other = self._at.get(place)
            if other is not None and self._nodes[other].kind == draft.kind:
                return "changed", f"{_shown(place)} {_difference(draft, self._nodes[other])}; {told}"
        return "gone", f"no longer at {', '.join(map(_shown, draft.recorded))}; {told}"


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        # Out of reach, which is as good as gone.
        return False


def _kind_of(folder: Path) -> Kind | None:
    """Tell what a folder holds by the fields of its JSON and, where that is broken, by what lies beside it."""
    kinds: tuple[tuple[str, Kind, set[str], tuple[str, ...]], ...] = (
        (MANIFEST, "bundle", {"schema_version", "encoders", "mappings"}, (MAPPINGS, "goldens")),
        (MANIFEST, "dataset", {"schema_version", "recipe", "shards"}, ("origin.json", "scaler.npz")),
        ("config.json", "run", {"preset", "dataset_digest"}, ("history.csv", "encoder.keras", "checkpoints")),
    )
    for name, kind, fields, beside in kinds:
        path = folder / name
        # Other programs have files of these names as well.
        if path.is_file() and not path.is_symlink() and (fields <= _fields(path) or _has_any(folder, beside)):
            return kind
    return None


def _fields(path: Path) -> set[str]:
    try:
        return set(read_json(path))
    except FormatError:
        return set()


def _has_any(folder: Path, names: Iterable[str]) -> bool:
    return any((folder / name).exists() for name in names)


def _moved(edge: Edge, old: str, new: str) -> Edge:
    return replace(
        edge,
        source=new if edge.source == old else edge.source,
        target=new if edge.target == old else edge.target,
    )


def _difference(old: _Draft, new: _Draft) -> str:
    if old.kind == "dataset":
        return f"holds another dataset now ({in_short(new.digest)})"
    if old.model is not None:
        return "holds another model now"
    changed = [name for name in {**old.fields, **new.fields} if old.fields.get(name) != new.fields.get(name)]
    return f"holds another run now (other {', '.join(changed)})" if changed else "was trained anew, with other results"


# Untrusted values -----------------------------------------------------------------------------------------------------


def _option(command: str | None, name: str) -> str | None:
    """Value of an option in a command line."""
    try:
        words = shlex.split(command or "")
    except ValueError:
        return None
    for word, following in pairwise([*words, ""]):
        if word == name:
            return following or None
        if word.startswith(f"{name}="):
            return word.removeprefix(f"{name}=") or None
    return None


def _in_words(metrics: Mapping[str, Any]) -> str:
    """Metrics that runs are judged by, of the split that says most."""
    for split in ("test", "validation", "training"):
        if split in metrics:
            values = metrics[split]
            shown = [f"{name.replace('_', ' ')} {_number(values[name]):.2f}" for name in _JUDGED_BY if name in values]
            return f"{', '.join(shown) or 'no metrics'} ({split})"
    return "no metrics"


def _licences(values: Any) -> dict[str, int] | None:
    return None if values is None else {_text(name): int(_number(values[name])) for name in islice(values, 1_000)}


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"{value!r:.100} is no number")
    return value


def _hex(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"(sha256:)?[0-9a-f]{64}", value):
        raise InputError(f"{value!r:.100} is no SHA-256")
    return value.removeprefix("sha256:")


def _place(path: Any) -> Path:
    """Give an absolute path without links."""
    if isinstance(path, str) and (not path or len(path) > _MAX_PATH):
        raise InputError(f"{path!r:.100} is no path")
    return Path(os.path.realpath(path))


def _seen_from(run: Path | None, path: Any) -> Path:
    """Where a path leads that a run noted, seen from its own folder; version 0.1 noted absolute ones."""
    return _place(path) if run is None or not path else _place(run / path)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.100} is no text")
    return _clean(value)


def _text_or_none(value: Any) -> str | None:
    return None if value is None else _text(value)


def _clean(text: str) -> str:
    """Without what would steer a terminal, and of bounded length."""
    text = text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 3]}..."
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


# What is shown --------------------------------------------------------------------------------------------------------


def summary(node: Node) -> list[str]:
    """What is worth knowing of an artifact, in a few short lines."""
    lines = list(node.facts.values())
    if node.licences:
        common = sorted(node.licences.items(), key=lambda item: (-item[1], item[0]))
        shown = [f"{name}: {n}" for name, n in common[:_SHOWN_LICENCES]]
        if rest := common[_SHOWN_LICENCES:]:
            shown.append(f"{len(rest)} other licences: {sum(n for _, n in rest)}")
        lines.append(", ".join(shown))
    return lines


def _headline(node: Node, role: str = "") -> str:
    state = "" if node.state == "here" else f" ({node.state})"
    return f"{role and role + ': '}{node.kind} {node.label}{state}"


def _details(prefix: str, node: Node, width: int) -> list[str]:
    lines = [node.note] if node.note else [_shown(Path(path)) for path in node.paths]
    lines += summary(node)
    made = (node.digest and in_short(node.digest), node.code_version, node.created)
    lines.append(", ".join(part for part in made if part))
    if node.command is not None:
        lines.append(f"$ {node.command}")
    return [row for line in lines for row in _wrapped(prefix, f"{prefix}  ", line, width)]


def _wrapped(first: str, others: str, text: str, width: int) -> list[str]:
    # Deep in a tree lines become longer rather than slivers.
    width = max(width, len(others) + _MIN_COLUMNS)
    return wrap(text, width, initial_indent=first, subsequent_indent=others, break_on_hyphens=False)


def in_short(digest: str) -> str:
    """As much of a digest as tells things apart."""
    name, _, digits = digest.partition(":")
    return f"{name}:{digits[:12]}"


def _shown(place: Path) -> str:
    here = Path.cwd()
    return _clean(str(place.relative_to(here) if place != here and place.is_relative_to(here) else place))
