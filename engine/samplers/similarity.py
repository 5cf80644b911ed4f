"""When two samples are alike, and how much a pair of them counts."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError, did_you_mean

Mode = Literal["similar", "dissimilar"]
WeightMode = Literal["binary", "linear", "exp"]

# What a pair counts that is only taken because there is no better one.
_FALLBACK = 0.1
_BELOW_ONE = np.nextafter(1.0, 0.0)


@dataclass(frozen=True)
class SimilarityCondition:
    """Whether two values lie within the tolerance (similar) or beyond it (dissimilar).

    A match scores at least 1, the better the more, up to `max_weight`: by the ratio of tolerance
    and distance (linear), or by its exponential (exp); always 1 if binary. A pair that does not
    match scores 0, or with `allow_fallback` something below 1, from `min_weight` on (binary: 0.1).
    The distance is the absolute difference of numbers; other values are equal or infinitely far
    apart. What is missing or NaN matches nothing.
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
        if not self.tolerance >= 0:
            raise DataError(f"tolerance must not be negative, and is {self.tolerance}.")
        if not self.max_weight >= 1:
            raise DataError(f"max_weight must be at least 1, and is {self.max_weight}.")
        if not 0 <= self.min_weight < 1:
            raise DataError(f"min_weight must be in [0, 1), and is {self.min_weight}.")

    def score(self, a: Any, b: Any) -> float:
        """How much the pair of an anchor and a candidate counts; 0: not at all."""
        return float(self.scores(a, [b])[0])

    def scores(self, anchor: Any, candidates: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64]:
        """The scores of one anchor with each candidate."""
        distance = self._distances(anchor, candidates)
        matches = distance <= self.tolerance
        if self.mode == "dissimilar":
            matches = distance > self.tolerance
        good = np.clip(self._weights(distance), 1.0, self.max_weight)
        fallback = np.clip(self._fallbacks(distance), self.min_weight, _BELOW_ONE)
        return np.where(matches, good, fallback if self.allow_fallback else 0.0)

    def get_config(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_config(cls, cfg: dict[str, Any]) -> Self:
        return cls(**cfg)

    def _distances(
        self, anchor: Any, candidates: Sequence[Any] | NDArray[Any]
    ) -> NDArray[np.float64]:
        if self.metric is not None:
            pairs = (float(self.metric(anchor, one)) for one in candidates)
            return np.fromiter(pairs, np.float64, len(candidates))
        values = np.asarray(candidates)
        if values.dtype.kind in "biuf" and isinstance(anchor, bool | int | float | np.number):
            return np.abs(values.astype(np.float64) - float(anchor))
        if anchor is None:
            return np.full(len(values), np.nan)
        known = np.asarray([one is not None for one in values.tolist()], dtype=bool)
        equal = np.asarray([one == anchor for one in values.tolist()], dtype=bool)
        return np.where(known, np.where(equal, 0.0, np.inf), np.nan)

    def _weights(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
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

    def _fallbacks(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.weight_mode == "binary":
            return np.full_like(distance, _FALLBACK)
        return np.nan_to_num(self._weights(distance), nan=0.0)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise DataError(f"There is no {name} {value!r}.{did_you_mean(str(value), choices)}")
