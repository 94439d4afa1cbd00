"""Where something comes from and what was made from it: walks the inputs of the records on disk."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from textwrap import wrap
from typing import Any, Literal

from msgspec import structs, to_builtins

from tfdeepviz import legacy
from tfdeepviz.artifacts import ARTIFACT, Artifact
from tfdeepviz.data.manifest import identity_of
from tfdeepviz.export.bundle import MANIFEST, Bundle
from tfdeepviz.files import FormatError, read_json
from tfdeepviz.reports.measures import MEASURES, numbers
from tfdeepviz.reports.tables import clean
from tfdeepviz.teachers.outputs import ABOUT, TeacherOutputs

State = Literal["here", "changed", "gone"]

#: Folders that are searched by default: where the README puts datasets, runs, bundles and the registry.
SEARCHED = ("data", "runs", "build", "webapp/registry")

_MAX_DEPTH = 6
_MAX_ENTRIES = 200_000
_MAX_FOLLOWED = 10_000
_MAX_TEXT = 2_000
_WIDTH = 80
_MIN_WIDTH = 44
_SHOWN_LICENCES = 4
_NUMBERS = {
    ("n_tracks", "hours"): "{:,.0f} tracks, {:,.2f} hours",
    ("trainable_parameters",): "{:,.0f} trainable parameters",
    ("megabytes",): "{:.2f} MB",
}
_VERDICTS = [measure for measure in MEASURES if measure.is_verdict]

# Roles that the kinds of both ends imply.
_PLAIN_ROLES = ("corpus", "dataset", "run")


@dataclass(frozen=True)
class Node:
    """One artifact. Equal content is one artifact, however many copies there are.

    It is `here`, on disk as it was; `changed`, if something else is in its place; or `gone`. What is not here is
    described from the records of what was made from it.
    """

    record: Artifact
    label: str  # name for people
    state: State
    note: str  # what has become of what is not here
    paths: tuple[str, ...]  # where it is or, if it is not here, where it was

    @property
    def heading(self) -> str:
        """Its kind and name."""
        return f"{self.record.kind} {self.label}"

    @property
    def heading_and_state(self) -> str:
        """Its heading, and what has become of it if it is not here."""
        return self.heading if self.state == "here" else f"{self.heading} ({self.state})"

    @property
    def identity(self) -> str:
        """As much of its digest as tells things apart, the code that made it, and when."""
        digest = self.record.digest if self.record.kind != "corpus" else None
        return ", ".join(filter(None, (digest and digest[:19], self.record.code_version, self.record.created)))

    def facts(self) -> Iterator[str]:
        """What else is worth knowing, in a few short lines."""
        facts, measured = self.record.facts, numbers(self.record.facts)
        if self.record.digest is None and self.record.kind != "corpus":
            yield "not finished"
        yield from (str(facts[name]) for name in ("title", "judged", "features") if facts.get(name))
        for names, text in _NUMBERS.items():
            if measured.keys() >= set(names):
                yield text.format(*(measured[name] for name in names))
        verdicts = [f"{one.heading} {one.text(measured[one.name])}" for one in _VERDICTS if one.name in measured]
        if verdicts:
            yield f"{', '.join(verdicts)} ({facts.get('split')})"
        licences = numbers(facts["licences"]) if isinstance(facts.get("licences"), dict) else {}
        common = sorted(licences.items(), key=lambda item: (-item[1], item[0]))
        if rest := common[_SHOWN_LICENCES:]:
            common[_SHOWN_LICENCES:] = [(f"{len(rest)} other licences", sum(n for _, n in rest))]
        if common:
            yield ", ".join(f"{name}: {n:,.0f}" for name, n in common)

    def details(self, width: int) -> list[str]:
        """All that is known of it, as lines."""
        places = [self.note] if self.note else [_shown(Path(path)) for path in self.paths]
        lines = [*places, *self.facts(), self.identity, self.record.command and f"$ {self.record.command}"]
        return [row for line in lines if line for row in _wrapped(line, width)]


@dataclass(frozen=True)
class Edge:
    """`target` was made from `source`, which had this role."""

    source: str
    target: str
    role: str


@dataclass(frozen=True)
class Lineage:
    """What one artifact was made from and what was made from it; nodes are named by keys."""

    start: str
    before: tuple[str, ...]  # what the folder of `start` held when other things were made from it
    nodes: Mapping[str, Node]  # `start`, its origins and results, and results of `before`
    edges: tuple[Edge, ...]
    unread: Mapping[str, str]  # paths that could not be read, with the reason; they may belong here as well

    def to_dict(self) -> Any:
        """Everything as JSON values."""
        return to_builtins(self)

    def to_text(self) -> str:
        """Trees of what it comes from and of what was made from it."""
        start = self.nodes[self.start]
        lines = [*_wrapped(start.heading_and_state), *(f"  {line}" for line in start.details(_WIDTH - 2))]
        for title, roots, backward in (
            ("comes from", (self.start,), True),
            ("was made into", (self.start,), False),
            ("what was here before was made into", self.before, False),
        ):
            shown: set[str] = set()
            tree = [line for root in roots for line in self._tree(root, shown, _WIDTH, backward=backward)]
            lines += ["", title, *tree] if tree else []
        if self.unread:
            lines += ["", "could not be read, and may belong here"]
            lines += [f"  {row}" for reason in self.unread.values() for row in _wrapped(reason, _WIDTH - 2)]
        return "\n".join(lines)

    def _tree(self, key: str, shown: set[str], width: int, *, backward: bool) -> list[str]:
        """Draw what is next to an artifact, with all that is behind; each artifact in full only once."""
        near = [edge for edge in self.edges if (edge.target if backward else edge.source) == key]
        if near and width < _MIN_WIDTH:
            return ["└─ ..."]
        tree: list[str] = []
        for edge in near:
            other = edge.source if backward else edge.target
            node, role = self.nodes[other], edge.role if backward else f"as {edge.role}"
            title = node.heading_and_state if edge.role in _PLAIN_ROLES else f"{role}: {node.heading_and_state}"
            if other in shown:
                lines = _wrapped(f"{title}, as above", width - 3)
            else:
                shown.add(other)
                behind = self._tree(other, shown, width - 3, backward=backward)
                details = (f"{'│' if behind else ' '}  {line}" for line in node.details(width - 6))
                lines = [*_wrapped(title, width - 3), *details, *behind]
            first, others = ("└─ ", "   ") if edge is near[-1] else ("├─ ", "│  ")
            tree += [f"{others if number else first}{line}" for number, line in enumerate(lines)]
        return tree


def trace(start: Path, among: Iterable[Path] | None = None) -> Lineage:
    """Follow an artifact back to its origins and forward to what was made from it.

    Records are compared, not the content that they describe, except a bundle's files, which are hashed. The folder
    `start` may be gone, if something that was made from it is found. The folders `among` (those of `SEARCHED` that
    exist) are searched for results, and for origins that were moved; links are not followed.

    Raises FormatError if `start` is not an artifact or is broken, or a folder to be searched does not exist.
    """
    graph = _Graph()
    key = graph.read(start)
    for folder in [Path(name) for name in SEARCHED if Path(name).is_dir()] if among is None else among:
        if not folder.is_dir():
            raise FormatError(f"{folder}: not a folder, so it cannot be searched; give others with --among")
        graph.search(folder)
    graph.follow()
    others = [other for other in graph.known_at(_place(start)) if other != key]
    if key is None:
        # A corpus, or something that is gone.
        if not others:
            what = "not a bundle, run, prepared dataset or corpus" if start.exists() else "no such folder"
            raise FormatError(
                f"{start}: {what}, and nothing that was found was made from it; give a folder that `tfdeepviz export`, "
                "`train`, `prepare` or `demo-corpus` made"
            )
        key = others.pop(0)
    return graph.around(key, [other for other in others if not graph.drafts[other].found])


@dataclass
class _Draft:
    """An artifact as one record, or several together, describe it."""

    record: Artifact
    # Whose record tells of it.
    told_by: str
    labels: set[str] = field(default_factory=set)
    # Where it is, and where it was when something was made from it; dictionaries keep the order.
    found: dict[Path, None] = field(default_factory=dict)
    recorded: dict[Path, None] = field(default_factory=dict)


class _Graph:
    def __init__(self) -> None:
        self.drafts: dict[str, _Draft] = {}
        self._edges: dict[Edge, None] = {}
        self._unread: dict[str, str] = {}
        # Key of what a folder holds, None if that is nothing of ours.
        self._at: dict[Path, str | None] = {}

    def read(self, folder: Path) -> str | None:
        """Read what a folder holds; returns its key, or None if tfdeepviz did not write it; raises FormatError."""
        place = _place(folder)
        if place not in self._at:
            self._at[place] = None
            try:
                record = _record_in(folder)
            except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
                flaw = str(error) if isinstance(error, FormatError) else f"{_shown(place)}: broken ({error!r})"
                raise FormatError(clean(flaw, _MAX_TEXT)) from error
            if record is not None:
                self._at[place] = self._found(record, place, place)
        return self._at[place]

    def _found(self, record: Artifact, place: Path, home: Path) -> str:
        key = self._add(record, place, home, f"the record of {record.name}")
        # It says more than what others say of it.
        self.drafts[key].record = record
        self.drafts[key].found[place] = None
        return key

    def _add(self, record: Artifact, place: Path | None, home: Path | None, told_by: str) -> str:
        """Add what a record, found in `told_by`, says about an artifact and its inputs; returns its key."""
        is_known = record.digest is not None and record.kind != "corpus"
        key = f"{record.kind}:{record.digest if is_known else place or record.name}"
        draft = self.drafts.setdefault(key, _Draft(record, told_by))
        draft.labels.add(record.name)
        if place is not None:
            draft.recorded[place] = None
            with suppress(OSError):  # out of reach, which is as good as gone
                if record.kind == "corpus" and place.is_dir():
                    draft.found[place] = None
        for one in record.inputs:
            there = None if home is None else one.place(home)
            self._edges[Edge(self._add(one.artifact, there, there, told_by), key, one.role)] = None
        return key

    def search(self, root: Path) -> None:
        """Read every artifact below a folder, whatever else is there."""
        n_entries = 0
        for place, folders, names in os.walk(root, onerror=self._note):
            folder = Path(place)
            with self._noting(folder):
                self.read(folder)
            for path in [folder / name for name in sorted(names) if name.endswith(f".{ARTIFACT}")]:
                with self._noting(path):
                    if not path.is_symlink() and (record := Artifact.read(path)).kind != "judgement":
                        self._found(record, _place(path), _place(folder))
            n_entries += len(folders) + len(names)
            if n_entries > _MAX_ENTRIES:
                self._unread[str(_place(root))] = (
                    f"{_shown(_place(root))}: only its first {_MAX_ENTRIES:,} files were looked at; give smaller "
                    "folders with --among"
                )
                return
            # A corpus holds nothing of ours; hidden folders are unfinished, or other programs'.
            is_bottom = "fma_metadata" in folders or len(folder.relative_to(root).parts) == _MAX_DEPTH
            folders[:] = [] if is_bottom else sorted(name for name in folders if not name.startswith("."))

    @contextmanager
    def _noting(self, path: Path) -> Iterator[None]:
        """Note what cannot be read."""
        try:
            yield
        except (FormatError, OSError) as error:
            self._unread[str(_place(path))] = clean(str(error), _MAX_TEXT)

    def _note(self, error: OSError) -> None:
        self._unread[str(_place(error.filename))] = clean(str(error), _MAX_TEXT)

    def follow(self) -> None:
        """Look where records say that inputs were."""
        looked: set[Path] = set()
        while len(looked) < _MAX_FOLLOWED:
            missing = [draft for draft in self.drafts.values() if not draft.found]
            places = {place for draft in missing for place in draft.recorded} - looked
            if not places:
                break
            for place in islice(places, _MAX_FOLLOWED - len(looked)):
                with self._noting(place):
                    self.read(place)
            looked |= places

    def known_at(self, place: Path) -> list[str]:
        """Keys of what is, or was, in a folder."""
        return [key for key, draft in self.drafts.items() if place in draft.found or place in draft.recorded]

    def around(self, start: str, before: Sequence[str]) -> Lineage:
        """Return what `start` was made from, and what was made from it and from what was there before."""
        kept = self._reached([start], backward=True) | self._reached([start, *before], backward=False)
        edges = tuple(edge for edge in self._edges if {edge.source, edge.target} <= kept)
        nodes = {key: self._node(draft) for key, draft in self.drafts.items() if key in kept}
        return Lineage(start, tuple(before), nodes, edges, dict(sorted(self._unread.items())))

    def _reached(self, starts: list[str], *, backward: bool) -> set[str]:
        ends = [(edge.target, edge.source) if backward else (edge.source, edge.target) for edge in self._edges]
        reached, new = set[str](), set(starts)
        while new:
            reached |= new
            new = {there for here, there in ends if here in new} - reached
        return reached

    def _node(self, draft: _Draft) -> Node:
        # A pushed bundle is what it was before, when it had no version.
        labels = {label for label in draft.labels if "/" in label} or draft.labels
        places = draft.found or draft.recorded
        state: State = "here" if draft.found else "gone"
        note = f"no longer at {', '.join(map(_shown, places))}" if places else "not found"
        for place in draft.recorded:
            other = self._at.get(place)
            record = None if other is None else self.drafts[other].record
            if state == "gone" and record is not None and record.kind == draft.record.kind:
                changed = ", ".join(record.changes(draft.record))
                how = f"holds another {record.kind} now (other {changed})" if changed else "was made again"
                state, note = "changed", f"{_shown(place)} {how}"
        note = "" if state == "here" else f"{note}; told from {draft.told_by}"
        return Node(draft.record, ", ".join(sorted(labels)), state, note, tuple(map(str, places)))


def _record_in(folder: Path) -> Artifact | None:
    """Record of what a folder holds, by the fields of its files; None if tfdeepviz did not write it."""
    path = folder / ARTIFACT
    record = Artifact.read(path) if _is_plain(path) and "step_schema" in read_json(path) else None
    if record is not None and record.kind != "bundle":
        return record
    manifest, config = _fields(folder / MANIFEST), _fields(folder / "config.json")
    if record is not None or {"encoders", "mappings"} <= manifest.keys():
        bundle = Bundle.load(folder)
        record, blessing = bundle.record, bundle.blessing
        failed = [] if blessing is None else [check.name for check in blessing.checks if not check.passed]
        judged = f"not blessed: {', '.join(failed) or 'nothing checked'}"
        judged = "not validated" if blessing is None else "blessed" if blessing.is_blessed else judged
        return structs.replace(record.finished(record.digest, judged=judged), name=bundle.label)
    if {"recipe", "shards"} <= manifest.keys():
        return legacy.dataset_record(folder, str(manifest.get("name")), identity_of(manifest))
    if "teacher_sha256" in _fields(folder / ABOUT):
        return TeacherOutputs.load(folder).record
    if {"preset", "dataset_digest"} <= config.keys():
        return legacy.run_record(folder.name, config, _fields(folder / "metrics.json"), folder / "config.json")
    return None


def _fields(path: Path) -> dict[str, Any]:
    """Contents of a JSON file; empty if there is none, or if it is another program's and no JSON object."""
    with suppress(FormatError):
        return read_json(path) if _is_plain(path) else {}
    return {}


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _place(path: str | Path) -> Path:
    """Return an absolute path without links."""
    return Path(os.path.realpath(path))


def _wrapped(text: str, width: int = _WIDTH) -> list[str]:
    return wrap(clean(text, _MAX_TEXT), width, subsequent_indent="    ", break_on_hyphens=False)


def _shown(place: Path) -> str:
    here = Path.cwd()
    return str(place.relative_to(here) if place != here and place.is_relative_to(here) else place)
