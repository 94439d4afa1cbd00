"""Free music out of Debian's archive, as a corpus in FMA's layout."""

from tfdeepviz.data.opencorpus.build import OpenCorpusSummary, build_open_corpus

__all__ = ["OpenCorpusSummary", "build_open_corpus"]
