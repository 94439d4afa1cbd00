"""Model cards: the right figures and words for every kind, and names of others that stay names."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from markdown_it import MarkdownIt

from tfdeepviz.files import FormatError
from tfdeepviz.models.presets import load_preset
from tfdeepviz.params import LIVE
from tfdeepviz.reports.card import model_card

DIGEST, OTHER_DIGEST = f"sha256:{'ab' * 32}", f"sha256:{'cd' * 32}"
GENRES = ["Blues", "Folk", "Hip-Hop", "Rock"]
PREPARE = "tfdeepviz prepare --fma-root FMA --out DS"

ERRORS = {
    **{"n_tracks": 29, "n_segments": 899, "mse": 0.0025, "mean_mse": 0.00885, "pca_mse": 0.00636},
    **{"mse_to_pca": 0.393, "alone_mse_to_pca": 1.32, "shuffle_rise": 0.394, "encoding_std": [0.2, 0.148]},
    "intervals": {"mse": [0.00237, 0.00265], "alone_mse_to_pca": [1.26, 1.39], "shuffle_rise": [0.283, 0.518]},
}
ANSWERS = {
    **{"n_tracks": 32, "n_segments": 992, "polled_accuracy": 0.78125, "pooled_accuracy": 0.72, "top_3_accuracy": 0.97},
    **{"macro_f1": 0.655, "majority_baseline": 0.25, "encoding_std": [0.3, 0.9]},
    "intervals": {"polled_accuracy": [0.612, 0.89]},
}
SONGS = {
    **{"n_tracks": 29, "self_retrieval": 0.655, "chance": 1 / 29, "between_share": 0.773, "encoding_std": [0.2]},
    "intervals": {"self_retrieval": [0.473, 0.801]},
}


def dataset(*, digest: str = DIGEST, **known: Any) -> dict[str, Any]:
    return {"name": "fma_small", "digest": digest, "path": None, "licences": None, "command": None, **known}


def encoder(
    preset: str, measured: Mapping[str, Any], *, layer: str | None = None, splits: tuple[str, ...] = (), **known: Any
) -> dict[str, Any]:
    """An encoder's provenance; `known` is of its configuration, or its dataset."""
    values = load_preset(preset)
    of = known.pop("dataset", dataset(licences={"CC0-1.0": 264}, command=PREPARE))
    config = {
        **{"preset": values.to_dict(), "genres": GENRES, "seed": 3, "weights": None, "teacher": None},
        **{"code_version": "0.1.0", "command": f"tfdeepviz train {preset}", "parameters": {"to_encoding": 41_994}},
    }
    return {
        "run": {"path": "/runs/1", "config": {**config, **known}},
        **{"dataset": of, "layer": layer or values.encoder_layer},
        "metrics": {split: dict(measured) for split in splits or ("training", "validation", "test")},
        "quantization": {"dtypes": {}, "max_error": 0.0000493},
    }


def manifest(title: str = "Title", /, **encoders: dict[str, Any]) -> dict[str, Any]:
    names = {name.replace("_", "-"): known for name, known in encoders.items()}
    fitted = next(iter(encoders.values()))["dataset"]
    return {
        **{"name": "bundle", "title": title, "created": "2026-11-24T14:00:00Z", "version": None},
        **{"audio": LIVE.to_dict(), "quantization": "float16"},
        "encoders": [
            {"name": name, "encoding_size": 10, "window_seconds": 0.96, "step_seconds": 0.02 * (i + 1)}
            for i, name in enumerate(names)
        ],
        "provenance": {
            **{"code_version": "0.1.0+g24bb88b", "command": "tfdeepviz export RUN"},
            "mappings": {"dataset": fitted, "split": "training", "left_out": {}},
            "encoders": names,
        },
    }


class Rendered:
    """What a reader of Markdown makes of a card."""

    def __init__(self, card: str) -> None:
        blocks = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(card)
        self.types = {token.type for block in blocks for token in (block, *(block.children or ()))}
        self.code = [block.content for block in blocks if block.type == "fence"]
        self.headings: list[str] = []
        self.tables: list[list[list[str]]] = []
        texts: list[str] = []
        for before, block in pairwise(blocks):
            if before.type == "table_open":
                self.tables.append([])
            elif before.type == "tr_open":
                self.tables[-1].append([])
            if block.type != "inline":
                continue
            words = "".join(token.content for token in block.children or ())
            texts.append(words)
            if before.type == "heading_open":
                self.headings.append(words)
            elif before.type in ("th_open", "td_open"):
                self.tables[-1][-1].append(words)
        self.text = "\n".join(texts)

    def row(self, name: str) -> list[str]:
        """Cells of the first row that begins so."""
        return next(row[1:] for table in self.tables for row in table if row[0] == name)


def card(*, note: str | None = None, **encoders: dict[str, Any]) -> Rendered:
    return Rendered(model_card(manifest(**encoders), note=note))


def test_a_tagger() -> None:
    answers = {"n_tracks": 29, "tag_correlation": 0.717, "encoding_std": [0.2], "intervals": {}}
    lessons = {"teacher": "musicnn", "sha256": "f38a4890c648c1dd" * 4, "learn": "both", "path": "../outputs"}
    values = manifest(tags=encoder("tags", answers, lessons=lessons))
    values["encoders"][0] |= {"tags": {"names": ["a", "b"]}, "genres": ["Folk", "Rock"], "unsure_below": 0.48}
    made = Rendered(model_card(values))
    assert "tags is a tagger: convolutions over time" in made.text
    assert "probabilities of 2 tags" in made.text
    assert "likeliest is below 0.48, it is unsure" in made.text
    assert "answer as musicnn does (Pons and Serra 2019; licence ISC; SHA-256 of the published wheel" in made.text
    assert "f38a4890c648c1dd" in made.text
    assert "its tags and embeddings for each 3 s" in made.text
    assert made.row("Tags: correlation with the teacher") == ["0.717"] * 3


def test_an_autoencoder() -> None:
    made = card(ae_time=encoder("ae-time", {**ERRORS, "alone_mse_to_pca": 0.393}))
    assert made.headings == [
        *("Title", "Contents", "Training data", "Evaluation", "Limitations", "Reproduction"),
    ]
    assert "10 values" in made.text
    assert "updates them every 0.02 s" in made.text
    assert made.row("ae-time")[:5] == ["Time-resolved autoencoder", "0.96 s", "0.02 s", "10", "41,994"]
    assert "ae-time is the encoder of an autoencoder: three short convolutions over time" in made.text
    assert "AdamW at 0.002 with a cosine schedule, batches of 16), 16 epochs, seed 3, with tfdeepviz 0.1.0" in made.text
    assert "ae-time (tracks: 29 training, 29 validation, 29 test)" in made.text
    assert made.row("Mean squared error") == ["0.00250", "0.00250", "0.00250 (0.00237 to 0.00265)"]
    assert made.row("Error of a PCA") == ["0.00636"] * 3
    assert made.row("Error increase with exchanged encodings")[2] == "+39.4% (+28.3% to +51.8%)"
    assert made.row("Smallest spread of a component") == ["0.148"] * 3
    assert "from the encoding alone" not in made.text
    assert "validation loss chose the epoch" in made.text
    assert "The test split was not used" in made.text
    assert "at most 4.9e-05" in made.text
    assert made.code == [f"{PREPARE}\ntfdeepviz train ae-time\ntfdeepviz export RUN\n"]
    assert "genre" not in made.text


@pytest.mark.parametrize(
    ("ratio", "interval", "words"),
    [
        (0.92, [0.90, 0.94], "the sound better than a PCA of the same size (0.920 of its error)"),
        (1.32, [1.26, 1.39], "the sound worse than a PCA of the same size (1.320 of its error)"),
        (0.97, [0.93, 1.02], "the sound about as well as a PCA of the same size (0.970 of its error)"),
        (1.10, None, "the sound worse than a PCA of the same size (1.100 of its error)"),
    ],
)
def test_a_decoder_that_gets_more_is_judged_by_the_encoding_alone(
    ratio: float, interval: list[float] | None, words: str
) -> None:
    measured = {**ERRORS, "alone_mse_to_pca": ratio, "intervals": {"alone_mse_to_pca": interval}}
    made = card(ae=encoder("ae-shared-compact", measured))
    assert "the same kernels, transposed, and also gets the positions of the maxima" in made.text
    assert "cannot be compared with that of a PCA" in made.text
    assert words in made.text


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        ("ae", "uses its own kernels and also gets the positions of the maxima"),
        ("ae-skip", "also gets the positions of the maxima and the output of each convolution"),
        ("ae-temporal-compact", "over time, then dense layers, to 10 values (sigmoid). Its decoder gets nothing"),
    ],
)
def test_decoders_are_told_apart(preset: str, words: str) -> None:
    assert words in card(ae=encoder(preset, ERRORS)).text


def test_fixed_unpooling_tells_the_decoder_nothing() -> None:
    provenance = encoder("ae-compact", ERRORS)
    provenance["run"]["config"]["preset"]["model"]["unpooling"] = "fixed"
    assert "uses its own kernels and gets nothing but these values" in card(ae=provenance).text


def test_a_classifier_at_another_layer() -> None:
    known = {**ANSWERS, "polled_accuracy": 1.0, "intervals": {}}
    provenance = encoder("vgg16-compact", ANSWERS, layer="L14")
    provenance["metrics"]["training"] = known
    made = card(vgg16_l14=provenance)
    # The run counted the parameters to the preset's layer.
    assert made.row("vgg16-l14")[3:5] == ["10 at L14", "-"]
    assert "VGG-16 on one channel, 0.125 times as wide as the original" in made.text
    assert "Its encoding is its first hidden dense layer, after ReLU." in made.text
    assert "the probabilities of 4 genres: Blues, Folk, Hip-Hop and Rock." in made.text
    assert "tracks with a genre: 32 training" in made.text
    assert "at most" in made.text
    assert made.row("Tracks, polled") == ["1.000", "0.781", "0.781 (0.612 to 0.890)"]
    assert made.row("Most common genre") == ["0.250"] * 3
    assert made.row("Guessing") == ["0.250"] * 3
    assert "25 of 32 test tracks are right" in made.text
    assert "has memorised some of them" in made.text
    assert "proves no skill" not in made.text
    assert "probabilities are not calibrated" in made.text
    assert "played or rendered by a program" in made.text
    at_presets = card(vgg16=encoder("vgg16-compact", ANSWERS))
    assert at_presets.row("vgg16")[3:5] == ["10 at L13", "41,994"]
    assert "its last block of convolutions, pooled" in at_presets.text
    assert "memorised" not in at_presets.text
    assert "AlexNet on one channel" in card(alexnet=encoder("alexnet-compact", ANSWERS)).text


def test_a_classifier_that_may_be_guessing() -> None:
    made = card(vgg11=encoder("vgg11-compact", {**ANSWERS, "intervals": {"polled_accuracy": [0.2, 0.9]}}))
    assert "proves no skill" in made.text


def test_a_contrastive_encoder() -> None:
    made = card(song=encoder("song", SONGS))
    assert "a contrastive encoder" in made.text
    assert "augmented segments" in made.text
    assert made.row("Songs recognised") == ["0.655", "0.655", "0.655 (0.473 to 0.801)"]
    assert made.row("Guessing") == ["0.034"] * 3
    assert (
        "a share of 0.655 of the test songs find their own other half among all halves; guessing gives 0.034"
        in made.text
    )


def test_two_encoders_and_their_datasets() -> None:
    genres = dataset(digest=OTHER_DIGEST, command="tfdeepviz prepare --out JOINT")
    lost = dataset()
    provenance = manifest(
        ae_time=encoder("ae-time", ERRORS, dataset=lost), alexnet=encoder("alexnet-compact", ANSWERS, dataset=genres)
    )
    provenance["provenance"]["mappings"]["dataset"] = dataset(licences={"CC0-1.0": 264}, command=PREPARE)
    made = Rendered(model_card(provenance, note="192 tracks were rendered <by us>."))
    assert [table[0][0] for table in made.tables] == ["encoder", "ae-time", "alexnet"]
    # One paragraph a dataset, with what is known of it from anywhere.
    assert made.text.count("fma_small (ab") == made.text.count("fma_small (cd") == 1
    assert "29 test) and to fit the mappings (training split). Licences of its 264 tracks" in made.text
    assert "The licences of its tracks are not recorded." in made.text
    assert "192 tracks were rendered <by us>." in made.text
    assert "played or rendered" not in made.text
    assert "4.9e-05 (ae-time) and 4.9e-05 (alexnet)" in made.text
    assert "alexnet: It knows 4 genres" in made.text
    (commands,) = made.code
    assert commands.splitlines() == [
        *("tfdeepviz prepare --out JOINT", PREPARE, "tfdeepviz train ae-time", "tfdeepviz train alexnet-compact"),
        "tfdeepviz export RUN",
    ]
    assert "No command is recorded for the dataset fma_small:" in made.text


def teacher(preset: str) -> dict[str, Any]:
    return {"path": "/runs/0", "sha256": "fd152a" * 10, "preset": load_preset(preset).to_dict(), "n_components": 10}


def test_a_distilled_autoencoder() -> None:
    measured = {**ERRORS, "correlation": [0.9903, 0.946, 0.97]}
    made = card(ae=encoder("ae-shared-compact", measured, teacher=teacher("ae-shared")))
    assert "learned without labels to reproduce the encoding of NET-AE-SHARED (teacher's SHA-256: fd152a" in made.text
    assert "Its decoder" not in made.text
    assert made.row("Lowest correlation with the teacher") == ["0.946"] * 3
    assert "errors are those of the teacher's decoder" in made.text
    assert "records how the teacher was made" in made.text


def test_a_classifier_that_also_learned_of_a_published_network() -> None:
    lessons = {"teacher": "musicnn", "sha256": "f38a4890c648c1dd" * 4, "learn": "tags", "path": "../outputs"}
    values = manifest(alexnet=encoder("alexnet-compact", {**ANSWERS, "tag_correlation": 0.717}, lessons=lessons))
    values["encoders"][0] |= {"tags": {"names": ["a", "b"]}, "genres": ["Folk", "Rock"], "unsure_below": 0.48}
    made = Rendered(model_card(values))
    assert (
        "Its encoding is its first hidden dense layer, after ReLU. It also gives the probabilities of 2 tags"
        in made.text
    )
    assert "likeliest is below 0.48, it is unsure" in made.text
    assert "not calibrated" not in made.text
    assert "half of the tags correlate with the teacher's answers by more than 0.717" in made.text
    assert "Beside the genres, it learned without labels to answer as musicnn does" in made.text
    assert made.row("Tags: correlation with the teacher") == ["0.717"] * 3


def test_a_distilled_classifier_knows_no_genres() -> None:
    measured = {**ANSWERS, "correlation": [0.9, 0.8]}
    made = card(vgg16=encoder("vgg16-compact", measured, teacher=teacher("vgg16")))
    assert made.row("vgg16")[3:5] == ["10", "41,994"]
    assert "VGG-16 on one channel, 0.125 times as wide as the original, with 10 values at its end." in made.text
    assert (
        "the first 10 principal components of the encoding of VGG-16 at L13, and its genre probabilities" in made.text
    )
    assert "a part of the model that is not in the bundle" in made.text
    assert made.row("Tracks, polled")[0] == "0.781"
    assert "It knows" not in made.text


@pytest.mark.parametrize(
    ("licences", "said", "unsaid"),
    [
        (
            {
                **{"CC-BY-3.0": 57, "CC-BY-SA-4.0": 1_030, "CC-BY (remark: CC0)": 2},
                **{"GPL-2.0 / CC-BY-SA-2.0": 5, "CC0-1.0": 7},
            },
            [
                "its 1,101 tracks, as stated in their metadata: CC-BY-SA (1,030), CC-BY (59), CC0 (7) and GPL-2.0 / CC",
                "wherever the music is passed on (1,094), the same terms for adaptations (1,035), the terms of "
                "the GNU GPL (5) and none at all (7). None excludes commercial use or derivatives.",
            ],
            ["no commercial use", "state no conditions"],
        ),
        (
            {"Attribution-NonCommercial 3.0 International": 4, "Attribution-Noncommercial-No Derivative Works 3.0": 2},
            ["names: no commercial use (6), no derivatives (2) and attribution"],
            ["None excludes"],
        ),
        (
            {"CC BY-NC-ND 4.0": 1, "none stated": 3, "FMA-Limited: Download Only": 2},
            [
                "no commercial use (1), no derivatives (1)",
                "without a stated licence (3) is not free",
                "names of some (2)",
            ],
            ["None excludes"],
        ),
        ({"none stated": 3}, ["without a stated licence (3)"], ["None excludes", "going by"]),
        ({f"Licence {letter}": 2 for letter in "abcdefghijklmnop"}, ["and others (8)."], ["Licence p"]),
        (None, ["The licences of its tracks are not recorded."], ["None excludes", "Licences of its"]),
        ({}, ["The licences of its tracks are not recorded."], ["None excludes"]),
    ],
)
def test_licences_are_counted_by_their_terms(
    licences: dict[str, int] | None, said: list[str], unsaid: list[str]
) -> None:
    made = card(ae=encoder("ae-time", ERRORS, dataset=dataset(licences=licences)))
    for words in said:
        assert words in made.text
    for words in unsaid:
        assert words not in made.text


EVIL = (
    "a|b <script>alert(1)</script>\n\n# Big\n\n![x](http://a.org/y) **b** `c` ~~d~~ &lt; www.a.org $x$ "
    "\u202eabc\ud800\0 \\"
)


def test_names_stay_names() -> None:
    """A corpus, a preset and a command of other people change no word around them."""
    wild = encoder(
        "alexnet-compact",
        ANSWERS,
        dataset=dataset(name=EVIL, licences={EVIL: 1}, command=f"tfdeepviz prepare --out '```\n# {EVIL}'"),
        genres=[EVIL, *(f"- {i}" for i in range(20))],
        seed=EVIL,
        code_version=EVIL,
        weights={"file": EVIL, "sha256": EVIL},
        teacher=None,
    )
    wild["run"]["config"]["preset"]["title"] = EVIL
    tame = card(alexnet=encoder("alexnet-compact", ANSWERS))
    text = model_card(manifest(EVIL, alexnet=wild), note=EVIL)
    made = Rendered(text)
    assert made.types == tame.types
    assert made.headings[1:] == tame.headings[1:]
    assert [[len(row) for row in table] for table in made.tables] == [
        [len(row) for row in table] for table in tame.tables
    ]
    shown = "a|b <script>alert(1)</script> # Big ![x](http://a.org/y) **b** `c` ~~d~~ &lt; www.a.org $x$ ?abc?? \\"
    assert made.headings[0] == shown
    assert made.row("alexnet")[0] == shown
    assert made.text.count(shown) == 9
    assert "<script" not in text.split("```")[0]
    assert len(made.code) == 1
    assert "\n# a|b <script>" in made.code[0]
    # Nothing that is not shown, and nothing that a file cannot hold; what GitHub would make a link by itself is none.
    assert not {"\u202e", "\ud800", "\0"} & set(text)
    prose = text.partition("## Reproduction")[0]
    assert "://" not in prose
    assert "www." not in prose


def test_long_names_are_cut() -> None:
    provenance = manifest("x" * 10_000, ae=encoder("ae-time", ERRORS, command="y" * 100_000))
    text = model_card(provenance, note="z " * 50_000)
    assert len(text) < 20_000
    assert Rendered(text).headings[0] == f"{'x' * 197}..."


def test_what_was_not_measured_is_left_open() -> None:
    measured: dict[str, Any] = {
        "n_tracks": None,
        "mse": float("nan"),
        "pca_mse": "0.1",
        "shuffle_rise": True,
        "encoding_std": [],
    }
    made = card(ae=encoder("ae-time", measured, splits=("training",), parameters={}))
    assert made.row("ae")[4] == "-"
    assert [row[0] for row in made.tables[1]] == ["ae"]
    assert "The training loss chose the epoch" in made.text
    assert "Without a test split, the figures are optimistic." in made.text
    assert "nan" not in made.text


def test_sizes_are_told_once_files_are_listed() -> None:
    provenance = manifest(ae=encoder("ae-time", ERRORS))
    assert "MB" not in model_card(provenance)
    provenance["files"] = {"encoders/ae/model.json": {"bytes": 2_000}, "encoders/ae/x.bin": {"bytes": 198_000}}
    provenance["files"]["mappings.json"] = {"bytes": 1_000_000}
    made = Rendered(model_card(provenance))
    assert made.row("ae")[5] == "200 kB"
    assert "1.2 MB" in made.text
    provenance["quantization"] = "none"
    plain = Rendered(model_card(provenance))
    assert "weights as float32" in plain.text
    assert "rounded" not in plain.text


@pytest.mark.parametrize("missing", ["seed", "preset", "code_version"])
def test_half_a_run_is_refused(missing: str) -> None:
    half = encoder("ae-time", ERRORS)
    del half["run"]["config"][missing]
    with pytest.raises(FormatError, match=f"provenance.*{missing}.*train"):
        model_card(manifest(ae=half))
