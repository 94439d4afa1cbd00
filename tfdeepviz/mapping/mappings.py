"""All mappings of a bundle: fit, read and apply `mappings.json` (docs/bundle-format.md)."""

from __future__ import annotations

import math
from collections import abc
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct
from msgspec.structs import replace

from tfdeepviz.errors import InputError
from tfdeepviz.files import FormatError, convert
from tfdeepviz.mapping.projections import PROJECTIONS, ProjectionError, Step, fit_projection, output_size, project
from tfdeepviz.mapping.scaling import MAX_PARAMETERS, N_PARAMETERS, SCALING_METHODS, SCALING_MODES, Floats, Scaling
from tfdeepviz.mapping.time import TimeSettings, interpolate
from tfdeepviz.params import check_choice

SCHEMA_VERSION = 3

# From so many songs per parameter on, their means are enough to find the axes along which songs differ.
_SONGS_PER_PARAMETER = 10


@dataclass(frozen=True, eq=False)
class Encodings:
    """One encoder's encodings of a track: `values` [shape=(n, encoding_size)] at rising `times` [shape=(n,)] (seconds).

    `loudness` [shape=(n,)] of each encoding's window, in any unit, serves only to fit mappings. Mappings ignore the
    probabilities `genres` [shape=(n, n_genres)] and `tags` [shape=(n, n_tags)], which some encoders give.
    """

    times: npt.NDArray[np.floating[Any]]
    values: npt.NDArray[np.floating[Any]]
    loudness: npt.NDArray[np.floating[Any]] | None = None
    genres: npt.NDArray[np.floating[Any]] | None = None
    tags: npt.NDArray[np.floating[Any]] | None = None

    def __post_init__(self) -> None:
        times, values = self.times, self.values
        if times.ndim != 1 or values.ndim != 2 or len(times) != len(values) or not values.size:
            raise InputError(
                f"times of shape {times.shape} and values of shape {values.shape}: give a time per value, at least one"
            )
        if not (np.isfinite(times).all() and (np.diff(times) > 0).all()):
            raise InputError("times of encodings must be finite and must rise")
        if self.loudness is not None and (self.loudness.shape != times.shape or not np.isfinite(self.loudness).all()):
            raise InputError(f"loudness of shape {self.loudness.shape}: a finite number for each encoding is expected")
        if not np.isfinite(values).all():
            raise InputError("encodings with NaN or infinity; the encoder or its input is broken")

    @property
    def step_seconds(self) -> float:
        """Mean time between encodings, rounded to nanoseconds; infinite if there is only one."""
        n = len(self.times)
        return round(float(self.times[-1] - self.times[0]) / (n - 1), 9) if n > 1 else math.inf


class Part(Struct, frozen=True, omit_defaults=True):
    """One encoder's share of the parameters; a file does not repeat `encoding_size`, which is in the manifest."""

    encoder: str
    steps: Annotated[tuple[Step, ...], Meta(max_length=4)]
    encoding_size: int = 0

    @property
    def n_out(self) -> int:
        """Number of parameters that the part drives."""
        return output_size(self.steps, self.encoding_size)


class Projection(Struct, frozen=True):
    """Map from the encodings of all its encoders to unscaled parameters, and the scalings fitted to them."""

    name: str
    parts: Annotated[tuple[Part, ...], Meta(min_length=1, max_length=16)]
    scalings: Annotated[tuple[Scaling, ...], Meta(min_length=1)]

    def __post_init__(self) -> None:
        check_choice("name", self.name, PROJECTIONS)
        for what, keys in (
            ("parts: an encoder", [part.encoder for part in self.parts]),
            ("scalings: a mode and method", [(scaling.mode, scaling.method) for scaling in self.scalings]),
        ):
            if len(set(keys)) < len(keys):
                raise InputError(f"{what} occurs twice")

    def rows(self, encodings: abc.Mapping[str, Encodings]) -> tuple[Floats, Floats]:
        """Project a track, on the time axis of the encoder with the smallest step (the first one in case of ties).

        Returns the times [shape=(n,)] and the concatenated parts [shape=(n, n_parameters)]; those of the other encoders
        are interpolated linearly.
        """
        for part in self.parts:
            if part.encoder not in encodings:
                raise InputError(f"{self.name} needs encodings of {part.encoder!r}; given: {', '.join(encodings)}")
            if (size := encodings[part.encoder].values.shape[1]) != part.encoding_size:
                raise InputError(f"encodings of {part.encoder!r} have size {size} instead of {part.encoding_size}")
        given = [encodings[part.encoder] for part in self.parts]
        times = np.asarray(min(given, key=lambda one: one.step_seconds).times, np.float64)
        projected = [project(part.steps, one.values) for part, one in zip(self.parts, given, strict=True)]
        aligned = [interpolate(one.times, y, times) for one, y in zip(given, projected, strict=True)]
        return times, np.concatenate(aligned, axis=1)

    def moving(self, encodings: abc.Mapping[str, Encodings]) -> npt.NDArray[np.bool_]:
        """Mark the parameters [shape=(n_parameters,)] of encoders with the smallest step: those that move."""
        steps = [encodings[part.encoder].step_seconds for part in self.parts]
        return np.repeat([step == min(steps) for step in steps], [part.n_out for part in self.parts])


class MappingKey(NamedTuple):
    """Name of a mapping."""

    projection: str
    mode: str
    method: str

    def __str__(self) -> str:
        return "/".join(self)


@dataclass(frozen=True)
class Mapping:
    """One projection with one of its scalings."""

    projection: Projection
    scaling: Scaling

    @property
    def key(self) -> MappingKey:
        """Name of the mapping."""
        return MappingKey(self.projection.name, self.scaling.mode, self.scaling.method)

    def parameters(self, encodings: abc.Mapping[str, Encodings]) -> tuple[Floats, Floats]:
        """Return a track's times [shape=(n,)] and unsmoothed parameters [shape=(n, n_parameters)] in [0, 1]."""
        times, y = self.projection.rows(encodings)
        return times, self.scaling.for_track(y, self.projection.moving(encodings)).apply(y)


class _Key(Struct):
    projection: str
    mode: str
    method: str


class _File(Struct):
    schema_version: Annotated[int, Meta(ge=SCHEMA_VERSION, le=SCHEMA_VERSION)]
    n_parameters: Annotated[int, Meta(ge=1, le=MAX_PARAMETERS)]
    default: _Key
    time: TimeSettings
    projections: Annotated[tuple[Projection, ...], Meta(min_length=1)]


@dataclass(frozen=True)
class Mappings:
    """All mappings that a bundle offers, each of `n_parameters`, with the default motion settings of players.

    After fitting, `left_out` says why the encodings do not allow a projection, by its name; it is not stored.
    """

    n_parameters: int
    default: MappingKey
    time: TimeSettings
    projections: tuple[Projection, ...]
    left_out: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def offers(self) -> dict[MappingKey, Mapping]:
        """All mappings, by key."""
        offers = (Mapping(projection, scaling) for projection in self.projections for scaling in projection.scalings)
        return {mapping.key: mapping for mapping in offers}

    def find(self, projection: str | None = None, mode: str | None = None, method: str | None = None) -> Mapping:
        """Return a mapping that is offered; arguments that are None take the default's values."""
        default, offers = self.default, self.offers
        wanted = MappingKey(projection or default.projection, mode or default.mode, method or default.method)
        if wanted not in offers:
            raise InputError(f"{wanted}: the bundle offers {', '.join(map(str, offers))}")
        return offers[wanted]

    def to_dict(self) -> dict[str, Any]:
        """Return the contents of `mappings.json`."""
        stored = [
            replace(projection, parts=tuple(replace(part, encoding_size=0) for part in projection.parts))
            for projection in self.projections
        ]
        return {
            "schema_version": SCHEMA_VERSION,
            "n_parameters": self.n_parameters,
            "default": self.default._asdict(),
            "time": msgspec.to_builtins(self.time),
            "projections": msgspec.to_builtins(stored),
        }

    @classmethod
    def from_dict(cls, values: Any, encoders: abc.Mapping[str, int], *, where: object = "mappings.json") -> Mappings:
        """Read and validate the untrusted output of `to_dict`, for encoders of a bundle with these encoding sizes.

        A FormatError names an invalid field, after `where` the values come from.
        """
        file = convert(values, _File, where)
        for name in TimeSettings.__struct_fields__:  # their defaults are not for files
            if name not in values["time"]:
                raise FormatError(f"{where}: time.{name}: missing")
        key = MappingKey(file.default.projection, file.default.mode, file.default.method)
        try:
            projections = tuple(
                _sized(f"projections[{i}]", projection, file.n_parameters, encoders)
                for i, projection in enumerate(file.projections)
            )
            mappings = cls(file.n_parameters, key, file.time, projections)
            if len({projection.name for projection in projections}) < len(projections):
                raise InputError("projections: a name occurs twice")
            if key not in mappings.offers:
                raise InputError(f"default: {key} is not among the projections")
        except InputError as error:
            raise FormatError(f"{where}: {error}") from error
        return mappings


def _sized(where: str, projection: Projection, n_parameters: int, encoders: abc.Mapping[str, int]) -> Projection:
    """Complete a projection from a file with the sizes of its encodings, and check that all sizes fit."""
    parts = []
    for i, part in enumerate(projection.parts):
        check_choice(f"{where}.parts[{i}].encoder", part.encoder, encoders)
        parts.append(replace(part, encoding_size=encoders[part.encoder]))
        try:
            _ = parts[i].n_out
        except InputError as error:
            raise InputError(f"{where}.parts[{i}].{error}") from error
    if (n := sum(part.n_out for part in parts)) != n_parameters:
        raise InputError(f"{where}.parts: give {n} parameters together; n_parameters is {n_parameters}")
    for i, scaling in enumerate(projection.scalings):
        if len(scaling.gain) != n_parameters:
            raise InputError(f"{where}.scalings[{i}].gain: {len(scaling.gain)} numbers instead of {n_parameters}")
    return replace(projection, parts=tuple(parts))


def fit_mappings(
    encodings: abc.Mapping[str, Sequence[Encodings]],
    *,
    n_parameters: int | abc.Mapping[str, int] = N_PARAMETERS,
    projections: Sequence[str] = PROJECTIONS,
    default: tuple[str, str, str] | None = None,
    time: TimeSettings | None = None,
    seed: int = 0,
) -> Mappings:
    """Fit every mapping to the encodings of the training split.

    Parameters
    ----------
    encodings
        Encodings by encoder, in the order of the parameters that they will drive. Each encoder has one entry per track,
        for the same tracks in the same order. Omit tracks that are too short for any of the encoders. Encoders with a
        larger step than the finest choose the look: from ten tracks per parameter on, `pca` is fitted to their means
        over each track, which gives the axes along which songs differ.
    n_parameters
        Number of parameters per encoder; a single number suffices for one encoder.
    projections
        Projections to try; those that an encoder does not allow are omitted, see `Mappings.left_out`.
    default
        Projection, mode and method; by default the first possible projection, with standard scaling of each feature.

    Raises
    ------
    ProjectionError
        If no projection is possible, or not the default's; the message gives all reasons.
    """
    counts = dict.fromkeys(encodings, n_parameters) if isinstance(n_parameters, int) else dict(n_parameters)
    if isinstance(n_parameters, int) and len(encodings) != 1:
        raise InputError(f"n_parameters={n_parameters}: say how many each of {', '.join(encodings)} drives")
    if not counts or counts.keys() != encodings.keys() or min(counts.values()) < 1:
        raise InputError(f"n_parameters={counts}: give every encoder ({', '.join(encodings)}) at least one")
    if sum(counts.values()) > MAX_PARAMETERS:
        raise InputError(f"n_parameters={counts}: at most {MAX_PARAMETERS} together")
    n_tracks = {name: len(tracks) for name, tracks in encodings.items()}
    if len(set(n_tracks.values())) != 1 or not min(n_tracks.values()):
        raise InputError(f"encodings of {n_tracks} tracks: the same tracks are expected for all encoders")
    tracks = [dict(zip(encodings, track, strict=True)) for track in zip(*encodings.values(), strict=True)]

    steps = {encoder: min(track.step_seconds for track in one) for encoder, one in encodings.items()}
    fitted, left_out = [], {}
    for name in projections:
        try:
            parts = tuple(
                _fit_part(name, encoder, one, counts[encoder], seed, moves=steps[encoder] == min(steps.values()))
                for encoder, one in encodings.items()
            )
        except ProjectionError as error:
            left_out[name] = str(error)
            continue
        projection = Projection(name, parts, scalings=())
        y = np.concatenate([projection.rows(track)[1] for track in tracks])
        scalings = (Scaling.fit(y, mode=mode, method=method) for mode in SCALING_MODES for method in SCALING_METHODS)
        fitted.append(replace(projection, scalings=tuple(scalings)))
    reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
    if not fitted:
        raise ProjectionError(f"no projection is possible. {reasons}")
    default = default or (fitted[0].name, "features", "standard")
    mappings = Mappings(sum(counts.values()), MappingKey(*default), time or TimeSettings(), tuple(fitted), left_out)
    if mappings.default not in mappings.offers:
        raise ProjectionError(f"default={mappings.default} is not among the mappings. {reasons}")
    return mappings


def _fit_part(
    name: str, encoder: str, tracks: Sequence[Encodings], n_parameters: int, seed: int, *, moves: bool
) -> Part:
    rows = np.concatenate([track.values for track in tracks])
    known = [track.loudness for track in tracks if track.loudness is not None]
    loudness = np.concatenate(known) if len(known) == len(tracks) else None
    is_enough = len(tracks) >= _SONGS_PER_PARAMETER * n_parameters
    songs = None if moves or not is_enough else np.repeat(np.arange(len(tracks)), [len(one.times) for one in tracks])
    try:
        steps = fit_projection(name, rows, n_parameters=n_parameters, seed=seed, loudness=loudness, songs=songs)
    except ProjectionError as error:
        raise ProjectionError(f"{encoder}: {error}") from error
    return Part(encoder, steps, rows.shape[1])
