"""All mappings of a bundle: fit, read and apply `mappings.json` (docs/bundle-format.md)."""

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
    """One encoder's encodings of one track.

    Attributes
    ----------
    times : np.ndarray [shape=(n,)]
        Seconds, strictly increasing.
    values : np.ndarray [shape=(n, encoding_size)]
    loudness : np.ndarray [shape=(n,)], optional
        Loudness of each encoding's window, in any unit. Used for fitting mappings, not for applying them.
    genres : np.ndarray [shape=(n, n_genres)], optional
        A classifier's probabilities; mappings ignore them.

    Raises
    ------
    InputError
        If the arrays are empty, not finite or inconsistent.
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
        """Mean time between encodings, rounded to nanoseconds; infinite if there is only one."""
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
        """Number of parameters that the part drives."""
        return self.steps[-1].n_out if self.steps else self.encoding_size


@dataclass(frozen=True)
class Projection:
    """Map from the encodings of all its encoders to unscaled parameters, and the scalings fitted to those."""

    name: str
    parts: tuple[Part, ...]
    scalings: tuple[Scaling, ...] = ()

    def rows(self, encodings: abc.Mapping[str, Encodings]) -> tuple[Floats, Floats]:
        """Project a track, on the time axis of the encoder with the smallest step (the first one in case of ties).

        Returns
        -------
        times : np.ndarray [shape=(n,)]
            Times of that encoder, in seconds.
        y : np.ndarray [shape=(n, n_parameters)]
            The concatenated parts; those of the other encoders are interpolated linearly.

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
        """Mark the parameters [shape=(n_parameters,)] of encoders with the smallest step: those that move."""
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
        """Return a track's times [shape=(n,)] and unsmoothed parameters [shape=(n, n_parameters)] in [0, 1]."""
        times, y = self.rows(encodings)
        return times, self.scaling.for_track(y, self.projection.moving(encodings)).apply(y)


class Offer(NamedTuple):
    """Key of a mapping."""

    projection: str
    mode: str
    method: str

    def __str__(self) -> str:
        return "/".join(self)


@dataclass(frozen=True)
class Mappings:
    """All mappings that a bundle offers.

    Attributes
    ----------
    n_parameters
        Number of parameters of every mapping.
    default
        Mapping used unless another one is requested.
    time
        Default motion settings of players.
    projections
        Projections, with their scalings.
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
        """All mappings, by key."""
        return {
            Offer(projection.name, scaling.mode, scaling.method): Mapping(projection, scaling)
            for projection in self.projections
            for scaling in projection.scalings
        }

    def find(self, projection: str | None = None, mode: str | None = None, method: str | None = None) -> Mapping:
        """Return a mapping; arguments that are None take the default's values.

        Raises
        ------
        InputError
            If the bundle does not offer it.
        """
        default, offers = self.default, self.offers
        wanted = Offer(projection or default.projection, mode or default.mode, method or default.method)
        if wanted not in offers:
            raise InputError(f"{wanted}: the bundle offers {', '.join(map(str, offers))}")
        return offers[wanted]

    def to_dict(self) -> dict[str, Any]:
        """Return the contents of `mappings.json`."""
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
        """Read and validate the untrusted output of `to_dict`.

        Parameters
        ----------
        values
            Contents of `mappings.json`.
        encoders
            Encoding size of each encoder of the bundle.
        where
            Prefix of field names in errors.

        Raises
        ------
        FormatError
            If a field is invalid; the message names it.
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
        Encodings by encoder, in the order of the parameters that they will drive. Each encoder has one entry per track,
        for the same tracks in the same order. Omit tracks that are too short for any of the encoders.
    n_parameters
        Number of parameters per encoder; a single number suffices for one encoder.
    projections
        Projections to try; those that an encoder does not allow are omitted, see `Mappings.left_out`.
    default
        Projection, mode and method. None uses the first possible projection, with standard scaling of each feature.
    time
        Motion settings; None uses the defaults of `TimeSettings`.
    seed
        See `fit_projection`.

    Raises
    ------
    ProjectionError
        If no projection is possible, or not the default's; the message gives all reasons.
    InputError
        If encoders, tracks and numbers of parameters are inconsistent.
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
