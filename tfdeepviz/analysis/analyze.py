"""Every mapping of a run's encodings, fitted to one split and described on another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tfdeepviz import __version__
from tfdeepviz.analysis.statistics import MAP_METHODS, describe, elbow, explained_variance, map_rows
from tfdeepviz.data.fma import SPLITS
from tfdeepviz.data.prepared import PreparedDataset
from tfdeepviz.errors import InputError
from tfdeepviz.mapping.encodings import encode_run
from tfdeepviz.mapping.mappings import Encodings, MappingKey, fit_mappings
from tfdeepviz.mapping.projections import PROJECTIONS, sample, warning_for
from tfdeepviz.models.run import Run, outputs_of
from tfdeepviz.params import check_choice
from tfdeepviz.reports.analysis import (
    ENCODINGS,
    EVERYTHING,
    MAX_BARS,
    Analysis,
    Floats,
    Group,
    Key,
    Points,
    Song,
    Track,
    genres_of,
)
from tfdeepviz.reports.charts import Spread

#: Genres, and tracks, that are described individually.
MAX_GROUPS = 4
#: Points of the map and of the scatter plots.
MAX_POINTS = 2_000
#: Numbers that the encodings of a split may have; beyond that, whole shards are left out.
MAX_VALUES = 1 << 25

_MAX_SHARES = 32
_CLUSTERS = range(2, 21)
_MAX_SCATTERS = 4

Progress = Callable[[str, int, int], None]


def suited(projection: str) -> MappingKey:
    """Choose the scaling that shows a projection best: robust, and across parameters if that keeps their order."""
    return MappingKey(projection, "across" if warning_for(projection, "features") else "features", "robust")


def analyze(
    run: Run,
    dataset: PreparedDataset,
    *,
    fit: str = "training",
    split: str = "test",
    track_ids: Sequence[int] = (),
    n_genres: int = MAX_GROUPS,
    map_method: str = "t-sne",
    seed: int = 0,
    progress: Progress | None = None,
) -> Analysis:
    """Fit every mapping to one split of a dataset and describe another.

    Parameters
    ----------
    dataset
        A dataset with the finished run's features. If the encodings of a split would have more than 2**25 numbers, some
        of its shards are used, drawn with the seed.
    fit, split
        Splits that mappings are fitted to and that are described. The original used the test split for both.
    track_ids
        Up to four tracks of the described split to describe individually, by default of as many genres as possible.
        The parameters of the first are shown over time.
    n_genres
        Number of genres to describe individually, at most four; those with the most tracks.
    map_method
        One of `MAP_METHODS`.
    progress
        Called with what is being done, how much of it is done, and how much there is.

    Raises
    ------
    FormatError
        If the run is not finished, or the dataset does not fit it.
    InputError
        If a split contains no track, a track is not in it, or a value is out of range.
    """
    _check(dataset, fit, split, track_ids, n_genres, map_method, seed)
    run.check_features(dataset)
    dataset.verify(only_changed=True)
    tell = progress or (lambda what, done, total: None)

    def encode(part: PreparedDataset, name: str) -> list[Encodings]:
        return encode_run(run, part, name, progress=lambda done, total: tell(f"encoding {name}", done, total))

    encoder = run.preset.name
    fitted_part = _affordable(run, dataset, fit, seed)
    fitted = encode(fitted_part, fit)
    described_part = _affordable(run, dataset, split, seed, track_ids)
    is_same = (fit, fitted_part.shards) == (split, described_part.shards)
    described = fitted if is_same else encode(described_part, split)
    tracks = described_part.used(split)

    n_stages = 3 + len(PROJECTIONS)
    tell("analysing", 0, n_stages)
    mappings = fit_mappings({encoder: fitted}, seed=seed)
    tell("analysing", 1, n_stages)
    rows = np.concatenate([one.values for one in fitted])
    shares = {"pca": explained_variance(rows, n_components=_MAX_SHARES, seed=seed)}
    for projection in mappings.projections:
        if projection.name == "kmeans":
            y = np.concatenate([projection.rows({encoder: one})[1] for one in fitted])
            shares["kmeans-pca"] = explained_variance(y, n_components=_MAX_SHARES, seed=seed)
    inertia = elbow(rows, _CLUSTERS, seed=seed)
    tell("analysing", 2, n_stages)

    place = {track["track_id"]: i for i, track in enumerate(tracks)}
    chosen = [place[track_id] for track_id in track_ids] or _choose(tracks, seed)
    groups = {EVERYTHING: list(range(len(tracks)))}
    for genre in [genre for genre in genres_of(tracks) if genre][:n_genres]:
        groups[Group("genre", genre)] = [i for i, track in enumerate(tracks) if track["genre"] == genre]
    groups |= {Group("track", str(tracks[i]["track_id"])): [i] for i in chosen}

    of_encodings = _describe([one.values for one in described], groups)
    statistics: dict[Group, dict[Key, Spread]] = {group: {ENCODINGS: found} for group, found in of_encodings.items()}
    clipped: dict[Key, float] = {}
    song: dict[Key, Floats] = {}
    first_rows: list[Floats] = []
    for done, projection in enumerate(mappings.projections, 3):
        ys = [projection.rows({encoder: one})[1] for one in described]
        if projection.name == "pca":
            first_rows = ys
        for scaling in projection.scalings:
            key = MappingKey(projection.name, scaling.mode, scaling.method)
            parameters = [scaling.for_track(y).apply(y) for y in ys]
            for group, found in _describe(parameters, groups).items():
                statistics[group][key] = found
            n_clipped = sum(int(((p <= 0) | (p >= 1)).sum()) for p in parameters)
            clipped[key] = n_clipped / sum(p.size for p in parameters)
            if key == suited(projection.name):
                song[key] = parameters[chosen[0]]
        tell("analysing", done, n_stages)
    points = _points(described, first_rows, of_encodings[EVERYTHING], map_method, seed)
    tell("analysing", n_stages, n_stages)

    heard = described[chosen[0]]
    return Analysis(
        about={
            **{"run": run.path.resolve().name, "title": run.preset.title, "kind": run.preset.kind},
            **{"encoder_layer": run.preset.encoder_layer, "encoding_size": rows.shape[1]},
            **{"step_seconds": max(described, key=lambda one: len(one.times)).step_seconds},
            **{"dataset": dataset.name, "dataset_digest": dataset.identity},
            **{"fit": fit, "n_fit_tracks": len(fitted), "n_fit_encodings": len(rows)},
            **{"split": split, "n_encodings": sum(len(one.times) for one in described)},
            **{"n_fit_all": dataset.n_tracks(fit), "n_split_all": dataset.n_tracks(split)},
            **{"seed": seed, "code_version": __version__},
        },
        tracks=tracks,
        n_parameters=mappings.n_parameters,
        warnings={one.name: warning_for(one.name, "features") for one in mappings.projections},
        left_out=mappings.left_out,
        statistics=statistics,
        clipped=clipped,
        shares=shares,
        inertia=inertia,
        points=points,
        song=Song(tracks[chosen[0]], np.asarray(heard.times, np.float64), heard.step_seconds, song),
    )


# --- choices -----------------------------------------------------------------------------------------------------


def _check(
    dataset: PreparedDataset,
    fit: str,
    split: str,
    track_ids: Sequence[int],
    n_genres: int,
    map_method: str,
    seed: int,
) -> None:
    for name, value in (("fit", fit), ("split", split)):
        check_choice(name, value, SPLITS)
        if not dataset.n_tracks(value):
            raise InputError(f"{dataset.path}: the {value} split holds no track; choose another for {name}")
    check_choice("map", map_method, MAP_METHODS)
    if not 0 <= n_genres <= MAX_GROUPS:
        raise InputError(f"genres={n_genres}: give 0 to {MAX_GROUPS}")
    if seed < 0:
        raise InputError(f"seed={seed}: give at least 0")
    if len(track_ids) > MAX_GROUPS or len(set(track_ids)) < len(track_ids):
        raise InputError(f"tracks {', '.join(map(str, track_ids))}: give at most {MAX_GROUPS}, each once")
    held = sorted(track["track_id"] for track in dataset.used(split))
    for track_id in track_ids:
        if track_id not in held:
            some = ", ".join(map(str, held[:20])) + (", ..." if len(held) > 20 else "")
            raise InputError(f"track {track_id}: the {split} split of {dataset.path} does not hold it, only {some}")


def _affordable(
    run: Run, dataset: PreparedDataset, split: str, seed: int, track_ids: Iterable[int] = ()
) -> PreparedDataset:
    """Leave out shards of a split, drawn with the seed, whose encodings would be too many; never those of tracks."""
    encoder = run.load_encoder()
    windows, size = run.windows(encoder), int(outputs_of(encoder)["encoding"].shape[-1])
    wanted = set(track_ids)
    order = [dataset.shards[i] for i in np.random.default_rng(seed).permutation(len(dataset.shards))]
    order = [shard for shard in order if shard["split"] == split and shard["tracks"]]
    order.sort(key=lambda shard: wanted.isdisjoint(track["track_id"] for track in shard["tracks"]))
    left, kept = MAX_VALUES, list[str]()
    for shard in order:
        left -= size * sum(windows.count(track["n_frames"]) for track in shard["tracks"])
        if left >= 0 or not kept or not wanted.isdisjoint(track["track_id"] for track in shard["tracks"]):
            kept.append(shard["file"])
    return replace(dataset, shards=tuple(shard for shard in dataset.shards if shard["file"] in kept))


def _choose(tracks: Sequence[Track], seed: int) -> list[int]:
    """Up to four tracks of as many genres as possible, then of as many artists; drawn with the seed."""
    order = np.random.default_rng(seed).permutation(len(tracks)).tolist()
    rank = {genre: place for place, genre in enumerate(genres_of(tracks))}
    genre, artist = ([track[name] for track in tracks] for name in ("genre", "artist"))
    genres, artists, chosen = Counter[str](), Counter[str](), list[int]()
    while order and len(chosen) < MAX_GROUPS:
        chosen.append(min(order, key=lambda i: (genres[genre[i]], artists[artist[i]], rank[genre[i]])))
        order.remove(chosen[-1])
        genres[genre[chosen[-1]]] += 1
        artists[artist[chosen[-1]]] += 1
    return chosen


def _describe(by_track: Sequence[npt.NDArray[Any]], groups: Mapping[Group, Sequence[int]]) -> dict[Group, Spread]:
    return {group: describe(np.concatenate([by_track[i] for i in members])) for group, members in groups.items()}


def _points(
    described: Sequence[Encodings], principal: Sequence[Floats], statistics: Spread, method: str, seed: int
) -> Points:
    """Draw moments, evenly in time, of every track, or of as many tracks as there may be points."""
    shown = sample(len(described), MAX_POINTS, seed)
    most = MAX_POINTS // len(shown)
    lengths = [len(described[i].times) for i in shown]
    at = [np.linspace(0, n - 1, min(n, most)).round().astype(int) for n in lengths]

    def drawn(by_track: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return np.concatenate([by_track[i][moments] for i, moments in zip(shown, at, strict=True)])

    values = drawn([one.values for one in described])
    xy, method = map_rows(values, method, seed=seed)
    components = {}
    if principal:
        y = drawn(principal)
        components = {f"principal component {k + 1}": y[:, k] for k in range(min(y.shape[1], 2 * _MAX_SCATTERS))}
    size = values.shape[1]
    # In a wide encoding, the components that vary the most say the most.
    order = np.argsort(-statistics.std, kind="stable") if size > MAX_BARS else np.arange(size)
    for k in order[: 2 * _MAX_SCATTERS].tolist():
        components[f"component {k + 1}"] = values[:, k].astype(np.float64)
    return Points(
        xy=xy,
        method=method,
        track=np.repeat(shown, list(map(len, at))),
        seconds=drawn([one.times for one in described]),
        components=components,
    )
