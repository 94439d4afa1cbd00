"""The pictures of docs/mapping.md: what each way of mapping makes of one song.

    python -m benchmarks.mapping_pictures webapp/tracks/rock.mp3 --out docs/images

Each row of a picture is one of the ten parameters over time, dark at 0 and bright at 1.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from msgspec.structs import replace

from tfdeepviz.analysis.drivers import TEN_BANDS_HZ, band_levels
from tfdeepviz.data.decode import decode_file
from tfdeepviz.export.bundle import Bundle
from tfdeepviz.export.extract import Extractor
from tfdeepviz.files import atomic_path
from tfdeepviz.mapping.scaling import Scaling
from tfdeepviz.mapping.time import TimeSettings, play
from tfdeepviz.params import LIVE

_REGISTRY = Path(__file__).resolve().parent.parent / "webapp" / "registry"
_FRAMES_PER_SECOND = 100

Floats = npt.NDArray[np.float64]
#: A caption and parameters at 100 frames a second [shape=(n_frames, n_parameters)].
Row = tuple[str, Floats]


class Song:
    """One track, as bundles of a registry hear it."""

    def __init__(self, track: Path, registry: Path) -> None:
        self.registry = registry
        self._extractors: dict[str, Extractor] = {}
        self.pcm = decode_file(track, sample_rate_hz=44_100)
        self.seconds = self.pcm.size / 44_100

    def shown(
        self,
        bundle: str,
        projection: str | None = None,
        mode: str | None = None,
        method: str | None = None,
        *,
        hop_seconds: float | None = None,
        settings: TimeSettings | None = None,
    ) -> Floats:
        """Give what the player shows [shape=(n_frames, n_parameters)]."""
        if bundle not in self._extractors:
            newest = max((self.registry / bundle).iterdir(), key=lambda version: int(version.name))
            self._extractors[bundle] = Extractor(Bundle.load(newest))
        extractor = self._extractors[bundle]
        analysis = extractor.analyze(self.pcm, projection=projection, mode=mode, method=method, hop_seconds=hop_seconds)
        return analysis.played(_FRAMES_PER_SECOND, settings or extractor.bundle.mappings.time).parameters

    def bands(self) -> Floats:
        """Ten log-spaced band energies, as common visualisers show them, over the range that they have in this song."""
        levels = band_levels(self.pcm, TEN_BANDS_HZ, floor_db=LIVE.floor_db)
        kept = math.exp(-1 / 8)  # 80 ms
        _, shown = play(
            np.arange(len(levels)) / _FRAMES_PER_SECOND,
            Scaling.fit(levels, mode="features", method="robust").apply(levels),
            duration_seconds=self.seconds,
            frames_per_second=_FRAMES_PER_SECOND,
            settings=TimeSettings(attack=kept, release=kept),
        )
        return shown


def draw(rows: Sequence[Row], out: Path, *, first: float = 0, last: float = 30) -> None:
    """Draw rows one above the other, from `first` to `last` in seconds."""
    figure = Figure(figsize=(9, 0.95 * len(rows) + 0.5), layout="constrained")
    for axes, (caption, parameters) in zip(
        figure.subplots(len(rows), sharex=True, squeeze=False)[:, 0], rows, strict=True
    ):
        part = parameters[round(first * _FRAMES_PER_SECOND) : round(last * _FRAMES_PER_SECOND)]
        axes.imshow(
            part.T, aspect="auto", cmap="magma", vmin=0, vmax=1, extent=(first, last, 10.5, 0.5), interpolation="none"
        )
        axes.set_title(caption, loc="left", fontsize=9, pad=3)
        axes.set_yticks([1, 10])
        axes.tick_params(labelsize=7, length=2)
    axes.set_xlabel("seconds", fontsize=8)
    with atomic_path(out) as temporary:
        figure.savefig(temporary, format="png", dpi=100, metadata={"Software": "tfdeepviz"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("track", type=Path)
    parser.add_argument("--registry", type=Path, default=_REGISTRY)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    song = Song(args.track, args.registry)
    names = ("raw", "random", "pca", "kmeans", "kmeans-pca")
    draw(
        [(name, song.shown("ae-shared", name, "features", "robust")) for name in names],
        args.out / "mapping-projections.png",
    )
    scalings = [("features", method) for method in ("standard", "minmax", "robust", "per-track")]
    scalings += [("across", "standard"), ("across", "per-track")]
    draw(
        [(f"pca, {mode}, {method}", song.shown("ae-shared", "pca", mode, method)) for mode, method in scalings],
        args.out / "mapping-scalings.png",
    )
    base = TimeSettings()
    times = [
        ("hold, not smoothed", replace(base, interpolation="hold", attack=0, release=0)),
        ("linear, not smoothed", replace(base, attack=0, release=0)),
        ("0.5 a tick, the original's", base),
        ("0.9 a tick", replace(base, attack=0.9, release=0.9)),
        ("the bundle's own: up faster than down", None),
    ]
    draw(
        [(caption, song.shown("ae-time", settings=settings)) for caption, settings in times],
        args.out / "mapping-time.png",
        first=8,
        last=12,
    )
    original = song.shown("ae-shared", "raw", "features", "standard", hop_seconds=0.96, settings=base)
    draw(
        [
            ("the original's settings: an encoding every 0.96 s", original),
            ("ten band energies, as common visualisers", song.bands()),
            ("two-scale, the default: 1 to 5 follow the beat, 6 to 10 the song", song.shown("two-scale")),
        ],
        args.out / "mapping-scales.png",
        first=5,
        last=15,
    )


if __name__ == "__main__":
    main()
