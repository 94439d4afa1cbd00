"""All mappings of a bundle: `mappings.json` (docs/bundle-format.md), its fitting, reading and application."""

from __future__ import annotations

import math
from collections import abc
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tfdeepviz.errors import InputError
from tfdeepviz.mapping.fields import Fields
from tfdeepviz.mapping.projections import (
    PROJECTIONS,
    ProjectionError,
    Step,
    fit_projection,
    project,
    step_from_dict,
)
from tfdeepviz.mapping.scaling import (
    MAX_PARAMETERS,
    N_PARAMETERS,
    SCALING_METHODS,
    SCALING_MODES,
    Scaling,
)
from tfdeepviz.mapping.time import TimeSettings, interpolate

SCHEMA_VERSION = 3

_MAX_PARTS = 16
_MAX_STEPS = 4

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Encodings:
    """What one encoder says of one track.

    Attributes
    ----------
    times : np.ndarray [shape=(n,)]
        Seconds, rising.
    values : np.ndarray [shape=(n, encoding_size)]
    loudness : np.ndarray [shape=(n,)], optional
        Of what each encoding stands for, in any unit. Mappings are fitted with it, but do without when they are used.
    genres : np.ndarray [shape=(n, n_genres)], optional
        Probabilities that a classifier gave. No mapping looks at them.

    Raises
    ------
    InputError
        If there are none, they are not finite, or do not fit together.
    """

    times: npt.NDArray[np.floating[Any]]
    values: npt.NDArray[np.floating[Any]]
    loudness: npt.NDArray[np.floating[Any]] | None = None
    genres: npt.NDArray[np.floating[Any]] | None = None

    def __post_init__(self) -> None:
        times, values = self.times, self.values
        if times.ndim != 1 or values.ndim != 2 or len(times) != len(values) or not values.size:
            raise InputError(
                f"times of shape {times.shape} and values of shape {values.shape}: one for each, at least one"
            )
        if not (np.isfinite(times).all() and (np.diff(times) > 0).all()):
            raise InputError("the times of encodings have to be finite and to rise")
        if self.loudness is not None and (self.loudness.shape != times.shape or not np.isfinite(self.loudness).all()):
            raise InputError(f"loudness of shape {self.loudness.shape}: a finite number for each encoding is expected")
        if not np.isfinite(values).all():
            raise InputError("encodings with NaN or infinity; the encoder or its input is broken")

    @property
    def step_seconds(self) -> float:
        """Mean distance of two encodings, to the nanosecond; infinite where there is one only."""
        n = len(self.times)
        return round(float(self.times[-1] - self.times[0]) / (n - 1), 9) if n > 1 else math.inf


@dataclass(frozen=True)
class Part:
    """One encoder's share of the parameters."""

    encoder: str
    steps: tuple[Step, ...]
    encoding_size: int

    @property
    def n_out(self) -> int:
        """How many parameters it gives."""
        return self.steps[-1].n_out if self.steps else self.encoding_size


@dataclass(frozen=True)
class Projection:
    """Encodings of all its encoders to rows of parameters that are not scaled yet, and the scalings fitted to them."""

    name: str
    parts: tuple[Part, ...]
    scalings: tuple[Scaling, ...] = ()

    def rows(self, encodings: abc.Mapping[str, Encodings]) -> tuple[Floats, Floats]:
        """Project a track, on the time axis of the finest encoder (the first of equal ones).

        Returns
        -------
        times : np.ndarray [shape=(n,)]
            Of the encoder with the smallest step, in seconds.
        y : np.ndarray [shape=(n, n_parameters)]
            The parts one after the other, others than the finest interpolated linearly.

        Raises
        ------
        InputError
            If an encoder's encodings are missing or of the wrong size.
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
        """Say which parameters [shape=(n_parameters,)] are of encoders with the smallest step: what moves."""
        steps = [encodings[part.encoder].step_seconds for part in self.parts]
        return np.repeat([step == min(steps) for step in steps], [part.n_out for part in self.parts])


@dataclass(frozen=True)
class Mapping:
    """One projection with one of its scalings."""

    projection: Projection
    scaling: Scaling

    def rows(self, encodings: abc.Mapping[str, Encodings]) -> tuple[Floats, Floats]:
        """Project a track; see `Projection.rows`."""
        return self.projection.rows(encodings)

    def parameters(self, encodings: abc.Mapping[str, Encodings]) -> tuple[Floats, Floats]:
        """Give the times of a track's rows and its parameters [shape=(n, n_parameters)] in [0, 1], not smoothed."""
        times, y = self.rows(encodings)
        return times, self.scaling.for_track(y, self.projection.moving(encodings)).apply(y)


class Offer(NamedTuple):
    """What one asks for a mapping by."""

    projection: str
    mode: str
    method: str

    def __str__(self) -> str:
        return "/".join(self)


@dataclass(frozen=True)
class Mappings:
    """Everything that a bundle can do with its encodings.

    Attributes
    ----------
    n_parameters
        Of every mapping.
    default
        What is taken where nothing is asked for.
    time
        How parameters move, unless a player is told otherwise.
    projections
        With their scalings.
    left_out
        After fitting: why the encodings do not allow a projection, by its name. Not stored.
    """

    n_parameters: int
    default: Offer
    time: TimeSettings
    projections: tuple[Projection, ...]
    left_out: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def offers(self) -> dict[Offer, Mapping]:
        """Every mapping."""
        return {
            Offer(projection.name, scaling.mode, scaling.method): Mapping(projection, scaling)
            for projection in self.projections
            for scaling in projection.scalings
        }

    def find(self, projection: str | None = None, mode: str | None = None, method: str | None = None) -> Mapping:
        """Get a mapping; what is not named is the default's.

        Raises
        ------
        InputError
            If it is not offered.
        """
        default, offers = self.default, self.offers
        wanted = Offer(projection or default.projection, mode or default.mode, method or default.method)
        if wanted not in offers:
            raise InputError(f"{wanted}: the bundle offers {', '.join(map(str, offers))}")
        return offers[wanted]

    def to_dict(self) -> dict[str, Any]:
        """What `mappings.json` holds."""
        return {
            "schema_version": SCHEMA_VERSION,
            "n_parameters": self.n_parameters,
            "default": self.default._asdict(),
            "time": self.time.to_dict(),
            "projections": [
                {
                    "name": projection.name,
                    "parts": [
                        {"encoder": part.encoder, "steps": [step.to_dict() for step in part.steps]}
                        for part in projection.parts
                    ],
                    "scalings": [scaling.to_dict() for scaling in projection.scalings],
                }
                for projection in self.projections
            ],
        }

    @classmethod
    def from_dict(cls, values: object, encoders: abc.Mapping[str, int], *, where: str = "mappings.json: ") -> Mappings:
        """Read what `to_dict` gave and nobody vouches for.

        Parameters
        ----------
        values
            What `mappings.json` holds.
        encoders
            The encoding size of each encoder of the bundle.
        where
            What stands before a field's name in errors.

        Raises
        ------
        FormatError
            Naming the field that is wrong.
        """
        fields = Fields(values, where)
        fields.integer("schema_version", SCHEMA_VERSION, SCHEMA_VERSION)
        n_parameters = fields.integer("n_parameters", 1, MAX_PARAMETERS)
        projections = tuple(
            _read_projection(Fields(*item), n_parameters, encoders)
            for item in fields.items("projections", len(PROJECTIONS))
        )
        if len({projection.name for projection in projections}) < len(projections):
            fields.refuse("projections", "a name is there twice")
        chosen = Fields(*fields.item("default"))
        default = Offer(
            chosen.choice("projection", PROJECTIONS),
            chosen.choice("mode", SCALING_MODES),
            chosen.choice("method", SCALING_METHODS),
        )
        mappings = cls(n_parameters, default, TimeSettings.from_dict(*fields.item("time")), projections)
        if default not in mappings.offers:
            fields.refuse("default", f"{default} is not among the projections")
        return mappings


def _read_projection(fields: Fields, n_parameters: int, encoders: abc.Mapping[str, int]) -> Projection:
    name = fields.choice("name", PROJECTIONS)
    parts = tuple(_read_part(Fields(*item), encoders) for item in fields.items("parts", _MAX_PARTS))
    if len({part.encoder for part in parts}) < len(parts):
        fields.refuse("parts", "an encoder is there twice")
    if (n := sum(part.n_out for part in parts)) != n_parameters:
        fields.refuse("parts", f"give {n} parameters together; n_parameters is {n_parameters}")
    n_scalings = len(SCALING_MODES) * len(SCALING_METHODS)
    scalings = tuple(
        Scaling.from_dict(values, n_parameters, where) for values, where in fields.items("scalings", n_scalings)
    )
    if len({(scaling.mode, scaling.method) for scaling in scalings}) < len(scalings):
        fields.refuse("scalings", "a mode and method are there twice")
    return Projection(name, parts, scalings)


def _read_part(fields: Fields, encoders: abc.Mapping[str, int]) -> Part:
    encoder = fields.choice("encoder", tuple(encoders))
    size = encoders[encoder]
    steps: list[Step] = []
    for values, where in fields.items("steps", _MAX_STEPS, low=0):
        steps.append(step_from_dict(values, steps[-1].n_out if steps else size, where))
    return Part(encoder, tuple(steps), size)


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
        By encoder, in the order of the parameters that they will drive: one for each track, the same tracks in the
        same order for all. Leave tracks out that are too short for one of the encoders.
    n_parameters
        How many parameters each encoder drives; a number will do for one encoder.
    projections
        To try; what an encoder does not allow is left out, see `Mappings.left_out`.
    default
        Projection, mode and method. None takes the first projection that is possible, with standard scaling of each
        feature.
    time
        None takes the default of `TimeSettings`.
    seed
        See `fit_projection`.

    Raises
    ------
    ProjectionError
        If no projection is left, or not the default's; with all reasons.
    InputError
        If encoders, tracks or numbers of parameters do not fit together.
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
    rows = {name: np.concatenate([track[name].values for track in tracks]) for name in encodings}
    loudness = {name: _loudness([track[name] for track in tracks]) for name in encodings}

    fitted, left_out = [], {}
    for name in projections:
        try:
            parts = tuple(
                _fit_part(name, encoder, rows[encoder], counts[encoder], seed, loudness[encoder])
                for encoder in encodings
            )
        except ProjectionError as error:
            left_out[name] = str(error)
            continue
        projection = Projection(name, parts)
        y = np.concatenate([projection.rows(track)[1] for track in tracks])
        scalings = (Scaling.fit(y, mode=mode, method=method) for mode in SCALING_MODES for method in SCALING_METHODS)
        fitted.append(replace(projection, scalings=tuple(scalings)))
    if not fitted:
        raise ProjectionError(f"no projection is possible. {_reasons(left_out)}")

    default = default or (fitted[0].name, "features", "standard")
    mappings = Mappings(sum(counts.values()), Offer(*default), time or TimeSettings(), tuple(fitted), left_out)
    if mappings.default not in mappings.offers:
        raise ProjectionError(f"default={mappings.default} is not among the mappings. {_reasons(left_out)}")
    return mappings


def _loudness(tracks: Sequence[Encodings]) -> npt.NDArray[np.floating[Any]] | None:
    known = [track.loudness for track in tracks if track.loudness is not None]
    return np.concatenate(known) if len(known) == len(tracks) else None


def _fit_part(
    name: str,
    encoder: str,
    rows: npt.NDArray[Any],
    n_parameters: int,
    seed: int,
    loudness: npt.NDArray[np.floating[Any]] | None,
) -> Part:
    try:
        steps = fit_projection(name, rows, n_parameters=n_parameters, seed=seed, loudness=loudness)
    except ProjectionError as error:
        raise ProjectionError(f"{encoder}: {error}") from error
    return Part(encoder, steps, rows.shape[1])


def _reasons(left_out: dict[str, str]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
