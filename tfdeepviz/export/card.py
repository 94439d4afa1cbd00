"""Model cards: what a bundle is, what it learnt from and how far to trust it, told from its manifest alone."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.metadata import NO_LICENCE, licence_terms
from tfdeepviz.files import FormatError
from tfdeepviz.mapping.scaling import N_PARAMETERS

_MAX_NAME_CHARACTERS = 200
_MAX_NOTE_CHARACTERS = 4_000
_MAX_COMMAND_CHARACTERS = 4_000
#: Licences and genres that are named one by one.
_MAX_LISTED = 12
#: So much better on what it was trained on than on other tracks, it knows some of them by heart.
_BY_HEART = 0.1
_NONE = "-"
_OPTIMIZERS = {"sgd": "SGD", "adamw": "AdamW"}


def model_card(manifest: Mapping[str, Any], *, note: str | None = None) -> str:
    """Write the card of a bundle.

    Parameters
    ----------
    manifest
        The bundle's, finished or not: sizes are told once its `files` are listed. All names in it are escaped.
    note
        What there is to say of the data besides, in plain text: where its tracks come from, who labelled them.

    Returns
    -------
    str
        Markdown, with GitHub's tables.

    Raises
    ------
    FormatError
        If a run's configuration or metrics lack what a finished run has.
    """
    try:
        encoders = [_Encoder.of(entry, manifest) for entry in manifest["encoders"]]
        sections = (
            _head(manifest, encoders),
            _inside(encoders),
            _data(manifest, encoders, note),
            _figures(encoders),
            _limits(manifest, encoders),
            _commands(manifest, encoders),
        )
        return "\n\n".join(paragraph for section in sections for paragraph in section) + "\n"
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise FormatError(f"provenance: not what finished runs have ({error!r}); train them again") from error


@dataclass(frozen=True)
class _Encoder:
    """An encoder's entry in the manifest, and what is known of how it came about."""

    entry: Mapping[str, Any]
    provenance: Mapping[str, Any]
    n_bytes: int

    @classmethod
    def of(cls, entry: Mapping[str, Any], manifest: Mapping[str, Any]) -> _Encoder:
        folder = f"encoders/{entry['name']}/"
        sizes = (file["bytes"] for name, file in manifest.get("files", {}).items() if name.startswith(folder))
        return cls(entry, manifest["provenance"]["encoders"][entry["name"]], sum(sizes))

    @property
    def name(self) -> str:
        return f"**{_text(self.entry['name'])}**"

    @property
    def config(self) -> Mapping[str, Any]:
        config: Mapping[str, Any] = self.provenance["run"]["config"]
        return config

    @property
    def preset(self) -> Mapping[str, Any]:
        preset: Mapping[str, Any] = self.config["preset"]
        return preset

    @property
    def kind(self) -> str:
        return str(self.preset["kind"])

    @property
    def teacher(self) -> Mapping[str, Any] | None:
        teacher: Mapping[str, Any] | None = self.config.get("teacher")
        return teacher

    @property
    def layer(self) -> str | None:
        """Of a classifier; a student has one encoding only."""
        return str(self.provenance["layer"]) if self.genres else None

    @property
    def genres(self) -> list[str]:
        """What it knows; empty where it is no classifier."""
        return list(self.config["genres"]) if self.kind == "classifier" and not self.teacher else []

    @property
    def n_parameters(self) -> int | None:
        """Those to its encoding; to another layer than the preset's nobody has counted them."""
        if self.layer not in (None, self.preset["encoder_layer"]):
            return None
        n_parameters: int | None = self.config.get("parameters", {}).get("to_encoding")
        return n_parameters

    @property
    def metrics(self) -> Mapping[str, Mapping[str, Any]]:
        metrics: Mapping[str, Mapping[str, Any]] = self.provenance["metrics"]
        return metrics

    @property
    def splits(self) -> list[str]:
        """The split that says most comes last."""
        return [split for split in SPLITS if split in self.metrics]

    def figure(self, metric: str, split: str | None = None) -> float | None:
        """One figure, by default of the split that says most."""
        return _number(self.metrics[split or self.splits[-1]].get(metric))

    def interval(self, metric: str) -> tuple[float, float] | None:
        """Of the split that says most."""
        bounds = _numbers(self.metrics[self.splits[-1]].get("intervals", {}).get(metric))
        return (bounds[0], bounds[1]) if len(bounds) == 2 else None

    @property
    def is_bypassed(self) -> bool:
        """Whether its decoder is told more than the encoding, and does worse without."""
        whole, alone = self.figure("mse_to_pca"), self.figure("alone_mse_to_pca")
        return whole is not None and alone is not None and not math.isclose(whole, alone)


def _head(manifest: Mapping[str, Any], encoders: list[_Encoder]) -> Iterator[str]:
    weights = "float32" if manifest["quantization"] == "none" else _text(manifest["quantization"])
    facts = [
        f"Bundle **{_text(manifest['name'])}**",
        f"made {_text(str(manifest['created'])[:10])}",
        f"tfdeepviz {_text(manifest['provenance']['code_version'])}",
        f"weights as {weights}",
    ]
    if n_bytes := sum(file["bytes"] for file in manifest.get("files", {}).values()):
        facts.append(_megabytes(n_bytes))
    step = min(encoder.entry["step_seconds"] for encoder in encoders)
    yield f"# {_text(manifest['title'])}"
    yield " · ".join(facts)
    yield (
        f"It listens to music and gives {N_PARAMETERS} numbers between 0 and 1 that a picture can follow, with a new "
        f"look at the sound every {_seconds(step)}. It is made for people who make visuals to music, in the browser "
        "(TensorFlow.js) or in Python, and for anybody who wants to see what such a network hears. It is not made for "
        "decisions about music or people: it does not identify, tag, rate or recommend."
    )


# --- what is inside ----------------------------------------------------------------------------------------------


def _inside(encoders: list[_Encoder]) -> Iterator[str]:
    yield "## What is inside"
    rows = [
        (
            encoder.name,
            _text(encoder.preset["title"]),
            _seconds(encoder.entry["window_seconds"]),
            _seconds(encoder.entry["step_seconds"]),
            _count(encoder.entry["encoding_size"]) + (f" at {_text(encoder.layer)}" if encoder.layer else ""),
            _count(encoder.n_parameters),
            *([_megabytes(encoder.n_bytes)] if encoder.n_bytes else []),
        )
        for encoder in encoders
    ]
    heading = ("encoder", "model", "hears", "every", "numbers", "parameters to there", "size")
    yield _table(heading[: len(rows[0])], rows)
    for encoder in encoders:
        yield " ".join((f"{encoder.name} is", *_architecture(encoder), *_training(encoder)))


def _architecture(encoder: _Encoder) -> Iterator[str]:
    model, size = encoder.preset["model"], _count(encoder.entry["encoding_size"])
    if encoder.kind == "classifier":
        architecture = str(model["architecture"])
        network = "AlexNet" if architecture == "alexnet" else f"VGG-{_text(architecture.removeprefix('vgg'))}"
        width = model.get("width", 1)
        network += " on one channel" + ("" if width == 1 else f", {width:g} times as wide as the original")
        if not encoder.genres:
            yield f"{network}, with {size} numbers at its end."
            return
        hidden = {"L6": "first", "L14": "first", "L15": "second"}.get(encoder.layer or "")
        at = f"its {hidden} hidden dense layer, after ReLU" if hidden else "its last block of convolutions, pooled"
        yield f"a genre classifier: {network}. Its encoding is {at}."
        listed = [_text(genre) for genre in encoder.genres[:_MAX_LISTED]]
        if more := len(encoder.genres) - len(listed):
            listed.append(f"{_count(more)} more")
        yield f"It also gives the probabilities of {_count(len(encoder.genres))} genres: {_enumerated(listed)}."
    elif encoder.kind == "contrastive":
        yield (
            "a contrastive encoder: two convolutions over time, of which only means and spreads over the window are "
            f"kept, and a dense layer to {size} numbers (sigmoid). It learnt, without labels, to make moments of one "
            "song agree and songs differ."
        )
    else:
        body = {
            "temporal": "convolutions over time, then dense layers",
            "time-resolved": "three short convolutions over time",
        }.get(model.get("architecture", ""), "blocks of two convolutions and a max-pool, then dense layers")
        yield f"the encoder of an autoencoder: {body}, to {size} numbers (sigmoid)."
        if not encoder.teacher:
            yield f"Its decoder {_decoder(model)}."


def _decoder(model: Mapping[str, Any]) -> str:
    if "architecture" in model:
        return "gets nothing but these numbers"
    if model.get("skip"):
        return "uses the same kernels, transposed, and is also told the maxima's places and what each convolution gave"
    kernels = "the same kernels, transposed," if model.get("decoder") == "shared" else "kernels of its own"
    if model.get("unpooling") == "fixed":
        return f"uses {kernels} and gets nothing but these numbers"
    return f"uses {kernels} and is also told where the maxima were"


def _training(encoder: _Encoder) -> Iterator[str]:
    preset, config = encoder.preset, encoder.config
    if teacher := encoder.teacher:
        what = "its encoding"
        if teacher["preset"]["kind"] == "classifier":
            what = (
                f"the first {_count(teacher['n_components'])} principal components of its encoding at "
                f"{_text(teacher['preset']['encoder_layer'])}, and its genre probabilities"
            )
        yield (
            f"It was distilled: it learnt, without labels, to give what **{_text(teacher['preset']['title'])}** gives "
            f"({what}; the teacher has SHA-256 `{_hex(teacher['sha256'])}`)."
        )
    optimizer = preset["optimizer"]
    recipe = f"{_OPTIMIZERS[optimizer['name']]} at {optimizer['learning_rate']:g}"
    recipe += " with a cosine schedule" if preset["schedule"] == "cosine" else ""
    limit = "" if preset["patience"] is None else "at most "
    facts = [
        f"by the {_text(preset['recipe'])} recipe ({recipe}, batches of {_count(preset['batch_size'])})",
        f"{limit}{_count(preset['epochs'])} epochs",
        f"seed {_text(config['seed'])}",
    ]
    if preset["augmentation"]:
        facts.append("segments changed at random")
    if preset["class_weights"]:
        facts.append("rare genres lifted")
    if weights := config.get("weights"):
        facts.append(f"convolutions from {_text(weights['file'])} (SHA-256 `{_hex(weights['sha256'])}`)")
    yield f"Trained {', '.join(facts)}, with tfdeepviz {_text(config['code_version'])}."


# --- data --------------------------------------------------------------------------------------------------------


def _data(manifest: Mapping[str, Any], encoders: list[_Encoder], note: str | None) -> Iterator[str]:
    yield "## What it learnt from"
    fitted = manifest["provenance"]["mappings"]
    uses: dict[str, list[str]] = defaultdict(list)
    datasets: dict[str, Mapping[str, Any]] = {}
    for use, dataset in (
        *((_use(encoder), encoder.provenance["dataset"]) for encoder in encoders),
        (f"to fit the mappings to the numbers ({_text(fitted['split'])} split)", fitted["dataset"]),
    ):
        digest = str(dataset["digest"])
        uses[digest].append(use)
        # A run may have lost its dataset, which the mappings are fitted to.
        if digest not in datasets or not datasets[digest]["licences"]:
            datasets[digest] = dataset
    for digest, dataset in datasets.items():
        served = f"**{_text(dataset['name'])}** (`{_hex(digest.removeprefix('sha256:'))}`) served"
        yield " ".join((f"{served} {_enumerated(uses[digest])}.", *_licences(dataset["licences"])))
    if note:
        yield _text(note, _MAX_NOTE_CHARACTERS)
    elif any(encoder.kind == "classifier" for encoder in encoders):
        yield (
            "Genres are what the corpus's metadata says. Whether its tracks were played or rendered by a program, and "
            "who labelled them, is not recorded."
        )
    yield (
        "The bundle holds no music: only weights, statistics and a synthetic test signal. Whether the terms of music "
        "reach what was learnt from it is not settled; these are the facts, and no legal advice."
    )


def _use(encoder: _Encoder) -> str:
    counts = [f"{_count(encoder.figure('n_tracks', split))} {split}" for split in encoder.splits]
    tracks = "tracks with a genre" if encoder.kind == "classifier" else "tracks"
    return f"to train and measure {encoder.name} ({tracks}: {', '.join(counts)})"


#: What the name of a licence says that it asks for.
_RESTRICTIONS = (
    (r"\bnc\b|non-?\s?commercial", "**no commercial use**"),
    (r"\bnd\b|no-?\s?deriv", "**no derivatives**"),
)
_CONDITIONS = (
    *_RESTRICTIONS,
    (r"\bby\b|attribution", "the authors' names wherever the music is passed on"),
    (r"\bsa\b|share-?\s?alike", "the same terms for adaptations"),
    (r"\bgpl|general public", "the terms of the GNU GPL"),
    (r"\bcc0\b|public domain", "nothing at all"),
)


def _licences(licences: Mapping[str, int] | None) -> Iterator[str]:
    if not licences:
        yield (
            "The licences of its tracks are not recorded. Where the corpus's metadata states them, `tfdeepviz prepare` "
            "notes them when it is run on the dataset again."
        )
        return
    counts: Counter[str] = Counter()
    for licence, n_tracks in licences.items():
        # Of "GPL-2.0 / CC-BY-SA-2.0" the second would be lost.
        counts[licence if "/" in licence else licence_terms(licence)] += n_tracks

    def n_of(*conditions: tuple[str, str]) -> int:
        pattern = "|".join(pattern for pattern, _ in conditions)
        return sum(n for terms, n in counts.items() if re.search(pattern, terms, re.IGNORECASE))

    common = counts.most_common(_MAX_LISTED)
    listed = [f"{_text(terms)} ({_count(n)})" for terms, n in common]
    if rest := counts.total() - sum(n for _, n in common):
        listed.append(f"others ({_count(rest)})")
    yield f"Licences of its {_count(counts.total())} tracks, as their metadata states them: {', '.join(listed)}."
    asked = [f"{condition[1]} ({_count(n)})" for condition in _CONDITIONS if (n := n_of(condition))]
    if asked:
        yield f"By their names they ask for {_enumerated(asked)}."
    unstated = counts[NO_LICENCE]
    unclear = counts.total() - unstated - n_of(*_CONDITIONS)
    if unstated:
        yield f"That none is stated ({_count(unstated)}) does not make a track free."
    if unclear:
        yield f"What some ask for ({_count(unclear)}) their names do not tell."
    if not (unstated or unclear or n_of(*_RESTRICTIONS)):
        yield "None excludes commercial use or derivatives."


# --- figures -----------------------------------------------------------------------------------------------------


def _three_digits(value: float) -> str:
    return f"{value:#.3g}"


def _share(value: float) -> str:
    return f"{value:.2f}"


def _chance(value: float) -> str:
    return f"{value:.2g}"


def _rise(value: float) -> str:
    return f"{value:+.0%}"


#: Metrics a kind: name, words and format.
_ROWS: dict[str, tuple[tuple[str, str, Callable[[float], str]], ...]] = {
    "autoencoder": (
        ("mse", "mean squared error", _three_digits),
        ("mean_mse", "error of always answering the training mean", _three_digits),
        ("pca_mse", "error of a PCA with as many numbers", _three_digits),
        ("mse_to_pca", "its error, of the PCA's", _share),
        ("alone_mse_to_pca", "its error from the numbers alone, of the PCA's", _share),
        ("shuffle_rise", "its error when the numbers are exchanged", _rise),
    ),
    "classifier": (
        ("polled_accuracy", "tracks right, by their segments' votes", _share),
        ("pooled_accuracy", "tracks right, by mean probability", _share),
        ("top_3_accuracy", "right genre among the first three", _share),
        ("macro_f1", "macro F1", _share),
        ("majority_baseline", "always answering the commonest genre", _share),
        ("chance", "guessing", _chance),
    ),
    "contrastive": (
        ("self_retrieval", "songs that find their other half", _share),
        ("chance", "guessing", _chance),
        ("between_share", "share of the variance between songs", _share),
    ),
}


def _figures(encoders: list[_Encoder]) -> Iterator[str]:
    yield "## How good it is"
    for encoder in encoders:
        yield _table((encoder.name, *encoder.splits), _rows(encoder))
        if verdict := " ".join(_verdict(encoder)):
            yield verdict
    validated = all("validation" in encoder.metrics for encoder in encoders)
    tested = all("test" in encoder.metrics for encoder in encoders)
    # Runs of version 0.1 knew no artists.
    of_artists = all(
        "n_artists" in split for encoder in encoders for split in encoder.metrics.values() if "intervals" in split
    )
    yield " ".join(
        (
            f"In brackets: 95 % intervals over the split's {'artists' if of_artists else 'tracks'}.",
            f"The {'validation' if validated else 'training'} loss chose the epoch whose weights are kept.",
            "Training made no use of the test split." if tested else "Without a test split the figures flatter it.",
        )
    )


def _rows(encoder: _Encoder) -> Iterator[tuple[str, ...]]:
    splits = encoder.splits
    for metric, words, form in _ROWS[encoder.kind]:
        if metric == "alone_mse_to_pca" and not encoder.is_bypassed:
            continue
        values = [encoder.figure(metric, split) for split in splits]
        if metric == "chance" and encoder.kind == "classifier":
            values = [1 / len(genres) if (genres := encoder.config["genres"]) else None] * len(splits)
        if all(value is None for value in values):
            continue
        cells = [_NONE if value is None else form(value) for value in values]
        if interval := encoder.interval(metric):
            cells[-1] += f" [{', '.join(map(form, interval))}]"
        yield words, *cells
    if encoder.teacher:
        yield "correlation with the teacher", *(_range(encoder.metrics[split].get("correlation")) for split in splits)
    spreads = [_numbers(encoder.metrics[split].get("encoding_std")) for split in splits]
    yield "smallest standard deviation of a number", *(_share(min(std)) if std else _NONE for std in spreads)


def _verdict(encoder: _Encoder) -> Iterator[str]:
    if encoder.teacher:
        yield "The correlations, from the worst number's to the best's, say how closely it follows its teacher."
        if encoder.kind == "autoencoder":
            yield "The errors are those of the teacher's decoder, given this encoder's numbers."
        else:
            yield "Genres were answered by a part of it that the bundle leaves out."
    yield from {"autoencoder": _of_errors, "classifier": _of_genres, "contrastive": _of_songs}[encoder.kind](encoder)


def _of_errors(encoder: _Encoder) -> Iterator[str]:
    alone, rise = encoder.figure("alone_mse_to_pca"), encoder.figure("shuffle_rise")
    if encoder.is_bypassed:
        yield "The decoder is told more than the numbers, so its own error is no fair match for a PCA."
    if alone is not None:
        low, high = encoder.interval("alone_mse_to_pca") or (alone, alone)
        judged = "more" if high < 1 else "less" if low > 1 else "about as much"
        yield (
            f"By themselves its numbers tell {judged} of the sound {'as' if low <= 1 <= high else 'than'} a PCA's "
            f"({_share(alone)} of the error)."
        )
    if rise is not None:
        yield f"Exchanged between segments they change the error by {_rise(rise)}: so much depends on them."


def _of_genres(encoder: _Encoder) -> Iterator[str]:
    right, n_tracks, split = encoder.figure("polled_accuracy"), encoder.figure("n_tracks"), encoder.splits[-1]
    if right is None or n_tracks is None:
        return
    yield f"By votes it has {round(right * n_tracks)} of {_count(n_tracks)} {split} tracks right."
    known = encoder.figure("polled_accuracy", encoder.splits[0])
    if known is not None and known - right > _BY_HEART:
        yield f"Of the training tracks it has {_share(known)} right: some of them it knows by heart."
    interval, majority = encoder.interval("polled_accuracy"), encoder.figure("majority_baseline")
    if interval and majority is not None and interval[0] <= majority:
        yield "The interval reaches down to what the commonest genre alone would get, so this proves no skill."


def _of_songs(encoder: _Encoder) -> Iterator[str]:
    found, chance, split = encoder.figure("self_retrieval"), encoder.figure("chance"), encoder.splits[-1]
    if found is not None and chance is not None:
        yield (
            f"From the numbers alone, {_share(found)} of the {split} songs find their own other half among all; "
            f"guessing would find {_chance(chance)}."
        )


# --- limits and commands -----------------------------------------------------------------------------------------


def _limits(manifest: Mapping[str, Any], encoders: list[_Encoder]) -> Iterator[str]:
    audio, several = manifest["audio"], len(encoders) > 1
    limits = [
        f"It hears mono sound at {audio['sample_rate_hz'] / 1_000:g} kHz as {_count(audio['n_mfcc'])} MFCCs every "
        f"{_seconds(audio['hop_length'] / audio['sample_rate_hz'])}: timbre and loudness, little of melody and "
        "harmony, no words.",
        f"{'Each encoder' if several else 'It'} is one run with one seed. Another seed gives other numbers and "
        "somewhat other figures, which the intervals do not cover.",
        "Music unlike what it learnt from may move it little, or oddly. No number has a meaning of its own.",
    ]
    for encoder in encoders:
        if encoder.genres:
            limits.append(
                f"{f'{encoder.name}: ' if several else ''}{_count(len(encoder.genres))} genres are all it knows. It "
                "files every sound under them, speech and silence too, with probabilities that nobody has calibrated, "
                f"and was measured on {_count(encoder.figure('n_tracks'))} tracks. It is no oracle of genres."
            )
    if manifest["quantization"] != "none":
        errors = [
            f"{_chance(error)}{f' ({encoder.name})' if several else ''}"
            for encoder in encoders
            if (error := _number(encoder.provenance["quantization"]["max_error"])) is not None
        ]
        limits.append(
            f"Weights are rounded to {_text(manifest['quantization'])} where they bear it. On the bundle's test signal "
            f"that changes a number of the encoding by at most {_enumerated(errors) or 'an unknown amount'}."
        )
    yield "## Limits"
    yield "\n".join(f"- {limit}" for limit in limits)


def _commands(manifest: Mapping[str, Any], encoders: list[_Encoder]) -> Iterator[str]:
    provenance = manifest["provenance"]
    datasets = [*(encoder.provenance["dataset"] for encoder in encoders), provenance["mappings"]["dataset"]]
    steps = [(f"the dataset {_text(dataset['name'])}", dataset["command"]) for dataset in datasets]
    steps += [(encoder.name, encoder.config.get("command")) for encoder in encoders]
    steps.append(("this bundle", provenance["command"]))
    yield "## Making it again"
    if commands := dict.fromkeys(_verbatim(command) for _, command in steps if command):
        yield _fenced("\n".join(commands), "sh")
    if missing := list(dict.fromkeys(what for what, command in steps if not command)):
        yield f"No command is recorded for {_enumerated(missing)}: older versions kept none, nor does the Python API."
    if students := [encoder.name for encoder in encoders if encoder.teacher]:
        yield f"How the teacher of {_enumerated(students)} was made is recorded in the teacher's own run."
    yield (
        "The same data, code and seed give a model much like this one; with `--deterministic`, trained again on the "
        "same machine, the very same."
    )


# --- Markdown ----------------------------------------------------------------------------------------------------


_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
#: What would begin a list or become a link by itself, in GitHub's dialect.
_BY_ITSELF = re.compile(r"^[-+](?= )|(?<=^\d)[.)](?= )|:(?=//)|(?<=www)\.|@", re.IGNORECASE)


def _text(value: object, n_characters: int = _MAX_NAME_CHARACTERS) -> str:
    """Words of others on one line, as words: neither Markdown nor HTML."""
    text = " ".join(str(value)[: 2 * n_characters].split())
    text = "".join(filter(_is_visible, text))
    text = text if len(text) <= n_characters else f"{text[:n_characters]}..."
    text = re.sub("[&<>]", lambda match: _ENTITIES[match[0]], text)
    text = re.sub(r"[\\`*_\[\]|~$#]", r"\\\g<0>", text)
    return _BY_ITSELF.sub(lambda match: f"&#{ord(match[0])};", text)


def _verbatim(command: str) -> str:
    """A command as it was given, for a fenced block."""
    text = "".join(character for character in command if character == "\n" or _is_visible(character))
    return text if len(text) <= _MAX_COMMAND_CHARACTERS else f"{text[:_MAX_COMMAND_CHARACTERS]}..."


def _is_visible(character: str) -> bool:
    """Whether it is no control character, no mark that turns the direction of writing and no half of a pair."""
    return not unicodedata.category(character).startswith("C")


def _hex(value: object) -> str:
    """Beginning of a hash, for a code span."""
    return re.sub("[^0-9a-f]", "", str(value)[:128])[:16] or "unknown"


def _table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heading = tuple(heading)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heading, ("---",) * len(heading), *rows))


def _fenced(text: str, language: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def _enumerated(parts: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _numbers(values: object) -> list[float]:
    found = [_number(value) for value in values] if isinstance(values, list) else []
    return [number for number in found if number is not None]


def _count(value: object) -> str:
    number = _number(value)
    return _NONE if number is None else f"{number:,.0f}"


def _range(values: object) -> str:
    numbers = _numbers(values)
    return f"{min(numbers):.3f} to {max(numbers):.3f}" if numbers else _NONE


def _seconds(value: float) -> str:
    return f"{value:.3g} s"


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1_000_000 else f"{n_bytes / 1e3:.0f} kB"
