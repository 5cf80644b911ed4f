"""When two samples are alike, and how much a pair of them counts."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any, Literal, NamedTuple, Self, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.errors import DataError, did_you_mean
from engine.saving import locate, location_of

Mode = Literal["similar", "dissimilar"]
WeightMode = Literal["binary", "linear", "exp"]
Floats = NDArray[np.float64]

# What a pair counts that is only taken because there is no better one.
_FALLBACK = 0.1
BELOW_ONE = np.nextafter(1.0, 0.0)


class Weighed(NamedTuple):
    """What some pairs count, and which of them match; a score of 0 is no pair at all."""

    scores: Floats
    matches: NDArray[np.bool_]


@dataclass(frozen=True)
class SimilarityCondition:
    """Whether two values lie within the tolerance (similar) or beyond it (dissimilar).

    A match scores at least 1, the better the more, up to `max_weight`: by the ratio of tolerance
    and distance (linear), or by its exponential (exp); always 1 if binary. A pair that does not
    match scores 0, or with `allow_fallback` something below 1, from `min_weight` on (binary: 0.1).
    The distance is the absolute difference of numbers, and of times and durations in seconds; other
    values are equal or infinitely far apart. What is missing or NaN matches nothing.
    """

    mode: Mode = "similar"
    tolerance: float = 0.0
    metric: Callable[[Any, Any], float] | None = None
    weight_mode: WeightMode = "binary"
    max_weight: float = 1.0
    min_weight: float = 0.0
    allow_fallback: bool = False

    def __post_init__(self) -> None:
        _check_choice("mode", self.mode, get_args(Mode))
        _check_choice("weight_mode", self.weight_mode, get_args(WeightMode))
        if not 0 <= self.tolerance < math.inf:
            raise DataError(
                f"tolerance must be finite and not be negative, and is {self.tolerance}."
            )
        if not self.max_weight >= 1:
            raise DataError(f"max_weight must be at least 1, and is {self.max_weight}.")
        if not 0 <= self.min_weight < 1:
            raise DataError(f"min_weight must be in [0, 1), and is {self.min_weight}.")
        if self.metric is not None and not callable(self.metric):
            raise DataError(f"metric must be a function of two values, and is {self.metric!r}.")

    def score(self, a: Any, b: Any) -> float:
        """How much the pair of an anchor and a candidate counts; 0: not at all."""
        return float(self.scores(a, [b])[0])

    def scores(self, anchor: Any, candidates: Sequence[Any] | NDArray[Any]) -> Floats:
        """The scores of one anchor with each candidate."""
        return self.weigh(self._distances(anchor, candidates)).scores

    def weigh(self, distances: Floats) -> Weighed:
        """What pairs at these distances count; NaN is the distance of what is missing."""
        matches = distances <= self.tolerance
        if self.mode == "dissimilar":
            matches = distances > self.tolerance
        good = np.clip(self._weights(distances), 1.0, self.max_weight)
        fallback = np.clip(self._fallbacks(distances), self.min_weight, BELOW_ONE)
        scores = np.where(matches, good, fallback if self.allow_fallback else 0.0)
        return Weighed(scores, matches)

    @property
    def best_score(self) -> float:
        """What no pair can exceed."""
        if self.weight_mode == "binary":
            return 1.0
        if self.weight_mode == "exp" and self.mode == "similar" and self.tolerance > 0:
            return min(self.max_weight, float(np.exp(1.0)))
        return self.max_weight

    def get_config(self) -> dict[str, Any]:
        """Plain values; a metric by the place where it can be imported from.

        Raises PackagedCodeError for a metric without one, such as a lambda.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return values | {"metric": None if self.metric is None else location_of(self.metric)}

    @classmethod
    def from_config(cls, cfg: Mapping[str, Any]) -> Self:
        """An equal condition; imports the metric that is named."""
        metric = cfg.get("metric")
        return cls(**{**cfg, "metric": locate(metric) if isinstance(metric, str) else metric})

    def __str__(self) -> str:
        """The condition in words, as in a message."""
        measure = "" if self.metric is None else f" by {_name(self.metric)}"
        return f"{self.mode} with a tolerance of {self.tolerance:g}{measure}"

    def _distances(self, anchor: Any, candidates: Sequence[Any] | NDArray[Any]) -> Floats:
        if self.metric is not None:
            return measured(self.metric, [anchor] * len(candidates), list(candidates))
        values = np.asarray(candidates)
        if values.dtype.kind in "biuf" and _is_number(anchor):
            return differences(np.asarray([anchor]), values)
        distances = np.full(len(values), np.nan)
        known = [place for place, one in enumerate(candidates) if not _is_missing(one)]
        if known and not _is_missing(anchor):
            distances[known] = _apart(anchor, [candidates[place] for place in known])
        return distances

    def _weights(self, distance: Floats) -> Floats:
        if self.weight_mode == "binary":
            return np.ones_like(distance)
        similar = self.mode == "similar"
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if self.weight_mode == "linear":
                ratio = self.tolerance / distance if similar else distance / self.tolerance
            else:
                closeness = 1 - distance / self.tolerance
                ratio = np.exp(closeness if similar else -closeness)
        # Zero by zero: exactly at a tolerance of nothing, which is as near as can be.
        exact = np.inf if similar else 0.0
        return np.where((distance == 0) & (self.tolerance == 0), exact, ratio)

    def _fallbacks(self, distance: Floats) -> Floats:
        if self.weight_mode == "binary":
            return np.full_like(distance, _FALLBACK)
        return np.nan_to_num(self._weights(distance), nan=0.0)


def differences(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    """How far numbers lie apart; equal infinities do not, NaN is NaN away from everything."""
    exact = np.int64 if a.dtype.kind in "bi" and b.dtype.kind in "bi" else np.uint64
    if exact is np.int64 or a.dtype.kind == b.dtype.kind == "u":
        # Modulo 2**64 it is exact, whatever the signs; floats would confuse large neighbours.
        high, low = np.maximum(a, b).astype(exact), np.minimum(a, b).astype(exact)
        whole: Floats = (high.view(np.uint64) - low.view(np.uint64)).astype(np.float64)
        return whole
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(a.astype(np.float64) - b.astype(np.float64))
    return np.where(a == b, 0.0, apart)


def time_differences(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    """How many seconds times or durations of one type lie apart; from NaT it is NaN."""
    ticks = differences(a.view(np.int64), b.view(np.int64))
    per_second = ticks_per_second(a.dtype)
    # Of units longer than a second this is a fraction, and dividing by it would not be exact.
    apart = ticks / per_second if per_second >= 1 else ticks * round(1 / per_second)
    return np.where(np.isnat(a) | np.isnat(b), np.nan, apart)


def ticks_per_second(dtype: np.dtype[Any]) -> float:
    """How many units of this type of times or durations make a second."""
    one = np.ones((), np.int64).view(dtype.str.replace("M", "m"))
    return float(np.timedelta64(1, "s") / one)


def measured(metric: Callable[[Any, Any], float], a: Sequence[Any], b: Sequence[Any]) -> Floats:
    """The metric of each pair; it is not asked about what is missing, which is NaN away."""
    pairs = zip(a, b, strict=True)
    return np.fromiter(
        (math.nan if _is_missing(x) or _is_missing(y) else float(metric(x, y)) for x, y in pairs),
        np.float64,
        len(a),
    )


def _apart(anchor: Any, candidates: Sequence[Any]) -> Floats:
    """The distances of values of any kind, none of them missing."""
    everything = [anchor, *candidates]
    if all(map(_is_number, everything)):
        return differences(np.asarray([anchor]), np.asarray(candidates))
    times = [_as_time(value) for value in everything]
    kinds = {None if time is None else time.dtype.kind for time in times}
    if kinds in ({"M"}, {"m"}):
        array = np.asarray(times)
        return time_differences(array[:1], array[1:])
    equal = np.asarray([bool(one == anchor) for one in candidates])
    return np.where(equal, 0.0, np.inf)


def _as_time(value: Any) -> np.datetime64 | np.timedelta64 | None:
    """A time, that of UTC if it has a zone, or a duration; None for anything else."""
    if isinstance(value, np.datetime64 | np.timedelta64):
        return value
    if isinstance(value, datetime):
        moment = pd.Timestamp(value)
        return (moment.tz_convert(None) if moment.tzinfo else moment).to_datetime64()
    if isinstance(value, date):
        return np.datetime64(value)
    return pd.Timedelta(value).to_timedelta64() if isinstance(value, timedelta) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, bool | int | float | np.number | np.bool_) and not isinstance(
        value, np.timedelta64
    )


def _is_missing(value: Any) -> bool:
    if value is None or value is pd.NA:
        return True
    # Only NaN and NaT differ from themselves.
    return not isinstance(value, np.ndarray) and bool(value != value)  # noqa: PLR0124


def _name(metric: Callable[..., Any]) -> str:
    return metric.__qualname__ if inspect.isroutine(metric) else repr(metric)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise DataError(f"There is no {name} {value!r}.{did_you_mean(str(value), choices)}")
