"""Model cards: what a bundle contains, what it was trained on and how well it works, from its manifest alone."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any

from jinja2 import UndefinedError

from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.metadata import NO_LICENCE, licence_terms
from tfdeepviz.files import FormatError
from tfdeepviz.reports.measures import numbers, of_kind
from tfdeepviz.reports.pages import render
from tfdeepviz.reports.tables import Table, markdown

_MAX_NAME_CHARACTERS = 200
_MAX_NOTE_CHARACTERS = 4_000
_MAX_COMMAND_CHARACTERS = 4_000
#: Licences and genres that are named individually.
_MAX_LISTED = 12
#: What licences ask for, with the pattern that recognises it in their names; the template has the words.
_CONDITIONS = {
    "nc": r"\bnc\b|non-?\s?commercial",
    "nd": r"\bnd\b|no-?\s?deriv",
    "by": r"\bby\b|attribution",
    "sa": r"\bsa\b|share-?\s?alike",
    "gpl": r"\bgpl|general public",
    "cc0": r"\bcc0\b|public domain",
}


def model_card(manifest: Mapping[str, Any], *, note: str | None = None) -> str:
    """Write the card of a bundle as Markdown with GitHub's tables; every text of the manifest is escaped.

    Sizes appear once the manifest lists `files`. `note` says what else there is to say about the data, as plain text:
    where its tracks come from, who labelled them. Raises a FormatError if a run's configuration or metrics lack what a
    finished run has.
    """
    try:
        encoders = [_Encoder(entry, manifest) for entry in manifest["encoders"]]
        missing, commands = _commands(manifest, encoders)
        card = render(
            "card.md.jinja",
            manifest=manifest,
            encoders=encoders,
            splits=set.intersection(*(set(encoder.splits) for encoder in encoders)),
            text=_text,
            hex=_hex,
            step_seconds=min(encoder.entry["step_seconds"] for encoder in encoders),
            n_bytes=sum(file["bytes"] for file in manifest.get("files", {}).values()),
            datasets=_datasets(manifest, encoders),
            note=None if note is None else _text(note, _MAX_NOTE_CHARACTERS),
            commands=commands,
            missing=missing,
        )
        return f"{card.strip()}\n"
    except (UndefinedError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise FormatError(f"provenance: not from finished runs ({error!r}); train them again") from error


class _Encoder:
    """An encoder's entry in the manifest, with its provenance."""

    def __init__(self, entry: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
        self.entry, self.provenance = entry, manifest["provenance"]["encoders"][entry["name"]]
        files, folder = manifest.get("files", {}), f"encoders/{entry['name']}/"
        self.n_bytes = sum(file["bytes"] for name, file in files.items() if name.startswith(folder))
        self.config: Mapping[str, Any] = self.provenance["run"]["config"]
        self.preset, self.teacher = self.config["preset"], self.config.get("teacher")
        #: What it learnt of a published network.
        self.lessons = self.config.get("lessons")
        self.kind = str(self.preset["kind"])
        # A classifier that a network taught tells genres as a tagger does.
        is_by_labels = self.kind == "classifier" and not self.lessons
        genres = list(self.config["genres"]) if is_by_labels else []
        # A student of a classifier gives encodings only.
        self.genres = [] if self.teacher else genres
        chance = {"chance": 1 / len(genres)} if genres else {}
        self.metrics = {split: numbers(values) | chance for split, values in self.provenance["metrics"].items()}
        self.splits = [split for split in SPLITS if split in self.metrics]

    @property
    def name(self) -> str:
        return f"**{_text(self.entry['name'])}**"

    @property
    def layer(self) -> str | None:
        """The classifier's layer that is the encoding."""
        return str(self.provenance["layer"]) if self.kind == "classifier" and not self.teacher else None

    @property
    def listed_genres(self) -> list[str]:
        return _listed([_text(genre) for genre in self.genres])

    @property
    def n_parameters(self) -> int | None:
        """Parameters up to the encoding; a run counts them for its preset's layer only."""
        is_counted = self.layer in (None, self.preset["encoder_layer"])
        return self.config.get("parameters", {}).get("to_encoding") if is_counted else None

    @property
    def best(self) -> Mapping[str, float]:
        """Metrics of the split that says most."""
        return self.metrics[self.splits[-1]]

    @property
    def intervals(self) -> Mapping[str, list[float]]:
        """Confidence intervals in the split that says most."""
        found = self.provenance["metrics"][self.splits[-1]].get("intervals", {})
        return {name: ends for name, ends in found.items() if isinstance(ends, list) and len(ends) == 2}

    @property
    def is_bypassed(self) -> bool:
        """Whether the decoder gets more than the encoding, and needs it."""
        whole, alone = self.best.get("mse_to_pca"), self.best.get("alone_mse_to_pca")
        return whole is not None and alone is not None and not math.isclose(whole, alone)

    @property
    def scores(self) -> str:
        """Table of its measures in each split."""
        rows = []
        for measure in of_kind(self.kind):
            values = [self.metrics[split].get(measure.name) for split in self.splits]
            is_repeated = measure.name == "alone_mse_to_pca" and not self.is_bypassed
            if not measure.in_summary or is_repeated or values.count(None) == len(values):
                continue
            cells = [measure.text(value) for value in values]
            if ends := self.intervals.get(measure.name):
                cells[-1] += f" ({measure.interval(ends)})"
            rows.append((measure.title, *cells))
        return Table((str(self.entry["name"]), *self.splits), rows).markdown()


def _datasets(manifest: Mapping[str, Any], encoders: list[_Encoder]) -> list[dict[str, Any]]:
    """Each dataset once, with the encoders that were trained on it and whether the mappings were fitted to it."""
    fitted = manifest["provenance"]["mappings"]["dataset"]
    found: dict[str, dict[str, Any]] = {}
    for encoder, dataset in (*((encoder, encoder.provenance["dataset"]) for encoder in encoders), (None, fitted)):
        known = found.setdefault(str(dataset["digest"]), {"name": dataset["name"], "encoders": [], "is_fitted": False})
        # A run may have lost its dataset; the mappings' entry then knows more.
        known["licences"] = known.get("licences") or _licences(dataset["licences"])
        if encoder is None:
            known["is_fitted"] = True
        else:
            known["encoders"].append(encoder)
    return [{"digest": _hex(digest.removeprefix("sha256:")), **known} for digest, known in found.items()]


def _licences(licences: Mapping[str, int] | None) -> dict[str, Any] | None:
    """Licences by their terms, with numbers of tracks; None if they are not recorded."""
    if not licences:
        return None
    counts: Counter[str] = Counter()
    for licence, n_tracks in licences.items():
        # The terms alone would lose the second part of "GPL-2.0 / CC-BY-SA-2.0".
        counts[licence if "/" in licence else licence_terms(licence)] += n_tracks

    def n_of(*patterns: str) -> int:
        pattern = "|".join(patterns)
        return sum(n for terms, n in counts.items() if re.search(pattern, terms, re.IGNORECASE))

    common = counts.most_common(_MAX_LISTED)
    return {
        "n_tracks": counts.total(),
        "common": [(_text(terms), n) for terms, n in common],
        "n_others": counts.total() - sum(n for _, n in common),
        "conditions": {name: n for name, pattern in _CONDITIONS.items() if (n := n_of(pattern))},
        "n_unstated": counts[NO_LICENCE],
        "n_unclear": counts.total() - counts[NO_LICENCE] - n_of(*_CONDITIONS.values()),
        "n_restricted": n_of(_CONDITIONS["nc"], _CONDITIONS["nd"]),
    }


def _commands(manifest: Mapping[str, Any], encoders: list[_Encoder]) -> tuple[list[str], str]:
    """List what has no recorded command; give the commands as a fenced block, in the order in which they ran."""
    provenance = manifest["provenance"]
    datasets = [*(encoder.provenance["dataset"] for encoder in encoders), provenance["mappings"]["dataset"]]
    steps = [(f"the dataset {_text(dataset['name'])}", dataset["command"]) for dataset in datasets]
    steps += [(encoder.name, encoder.config.get("command")) for encoder in encoders]
    steps.append(("this bundle", provenance["command"]))
    missing = list(dict.fromkeys(what for what, command in steps if not command))
    text = "\n".join(dict.fromkeys(_verbatim(command) for _, command in steps if command))
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return missing, f"{fence}sh\n{text}\n{fence}" if text else ""


def _listed(names: list[str]) -> list[str]:
    more = len(names) - _MAX_LISTED
    return [*names[:_MAX_LISTED], *([f"{more:,} more"] if more > 0 else [])]


def _text(value: object, n_characters: int = _MAX_NAME_CHARACTERS) -> str:
    return markdown(str(value), n_characters)


def _verbatim(command: str) -> str:
    """Keep a command as it was given, for a fenced block."""
    visible = [c for c in command if c == "\n" or not unicodedata.category(c).startswith("C")]
    return "".join(visible[:_MAX_COMMAND_CHARACTERS]) + ("..." if len(visible) > _MAX_COMMAND_CHARACTERS else "")


def _hex(value: object) -> str:
    """Give the beginning of a hash, for a code span."""
    return re.sub("[^0-9a-f]", "", str(value)[:128])[:16] or "unknown"
