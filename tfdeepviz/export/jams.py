"""JAMS documents (Humphrey et al. 2014) of what a bundle hears, for tools of music information retrieval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfdeepviz import __version__
from tfdeepviz.errors import InputError
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.models.descriptors import GENRES

if TYPE_CHECKING:
    from tfdeepviz.export.extract import Analysis

#: Version of the schema that documents follow.
SCHEMA_VERSION = "0.3.5"


def check_annotates(bundle: Bundle) -> None:
    """Raise an InputError if a bundle gives nothing that JAMS has a namespace for."""
    if not any(info.probabilities for info in bundle.encoders):
        raise InputError(f"{bundle.path}: {bundle.label} tells neither genres nor tags; write .json, .npz or .csv")


def to_jams(analysis: Analysis, *, bundle: Bundle, title: str) -> dict[str, Any]:
    """Make a JAMS document of a track.

    Every encoder that gives probabilities adds an annotation for genres and one for tags, whose observations span the
    whole track. Their confidence is the mean probability over the encoder's windows. The namespace is `tag_fma_genre`
    if all genres are among FMA's 16 top genres, otherwise `tag_open`.
    """
    annotations = []
    for info in bundle.encoders:
        encoded = analysis.encodings[info.name]
        for what, names in info.probabilities.items():
            confidence = getattr(encoded, what).mean(axis=0)
            span = {"time": 0.0, "duration": analysis.duration_seconds}
            annotations.append(
                {
                    "namespace": "tag_fma_genre" if what == "genres" and set(names) <= set(GENRES) else "tag_open",
                    **span,
                    "annotation_metadata": {
                        "corpus": "",
                        "version": bundle.label,
                        "curator": {"name": "", "email": ""},
                        "annotator": {"encoder": info.name},
                        "annotation_tools": f"tfdeepviz {__version__}",
                        "annotation_rules": f"{what}: mean probability over {len(encoded.times)} windows",
                        "validation": "",
                        "data_source": "program",
                    },
                    "data": [
                        {**span, "value": name, "confidence": round(float(share), 6)}
                        for name, share in zip(names, confidence, strict=True)
                    ],
                    "sandbox": {},
                }
            )
    return {
        "annotations": annotations,
        "file_metadata": {
            **{"title": title, "artist": "", "release": "", "duration": analysis.duration_seconds},
            **{"identifiers": {}, "jams_version": SCHEMA_VERSION},
        },
        "sandbox": {"tfdeepviz": {"bundle": bundle.label, "digest": bundle.digest}},
    }
