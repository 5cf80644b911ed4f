"""One condition on one column, as a search for pairs needs it: by positions, in bulk."""

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.batches.order import Positions
from engine.errors import DataError
from engine.samplers.similarity import (
    BELOW_ONE,
    Floats,
    SimilarityCondition,
    Weighed,
    differences,
    measured,
    ticks_per_second,
    time_differences,
)

if TYPE_CHECKING:
    from engine.features import FeatureSetView

# Of so few values the metric is asked once about each pair; of more, about each pair met.
_MOST_MEASURED = 1000


class Comparison:
    """How the samples at two positions compare in one column.

    Numbers and times have a distance, times in seconds; all else is equal or is not. A column of
    arrays can only be compared by a metric.
    """

    def __init__(
        self, source: "FeatureSetView", selector: str, condition: SimilarityCondition
    ) -> None:
        self.selector = selector
        self.condition = condition
        self.values = source.column(selector)
        if self.values.ndim > 1 and condition.metric is None:
            raise DataError(
                f"Column {selector!r} holds arrays of shape {self.values.shape[1:]}; a condition "
                "on it needs a metric."
            )

    def weigh(self, a: Positions, b: Positions) -> Weighed:
        """What the condition says of each pair of positions."""
        return self.condition.weigh(self._distances(a, b))

    def best_within(
        self, anchors: Positions, lows: Positions, highs: Positions, lacking: NDArray[np.bool_]
    ) -> Weighed:
        """What no pair can exceed of an anchor and a sample whose rank lies between these.

        `lacking` says that there may be samples without a value as well.
        """
        nearest, farthest = self._reach(anchors, lows, highs)
        similar = self.condition.mode == "similar"
        nobody = self.missing[anchors] | (highs < lows)
        apart = np.where(nobody, np.nan, nearest if similar else farthest)
        best = self.condition.weigh(apart)
        without = self.condition.weigh(np.full(1, np.nan)).scores[0]
        return Weighed(
            np.where(lacking, np.maximum(best.scores, without), best.scores), best.matches
        )

    def best(self, n: int) -> Weighed:
        """The same of n pairs of which nothing is known."""
        return Weighed(np.full(n, self.condition.best_score), np.ones(n, dtype=bool))

    def _reach(
        self, anchors: Positions, lows: Positions, highs: Positions
    ) -> tuple[Floats, Floats]:
        """The smallest and the largest distance from each anchor's value to ranks between these."""
        ranks, different = self._ranked
        if not self.is_numeric:
            own = ranks[anchors]
            inside, alone = (lows <= own) & (own <= highs), (lows == own) & (own == highs)
            return np.where(inside, 0.0, np.inf), np.where(alone, 0.0, np.inf)
        if not len(different):
            nothing = np.full(len(anchors), np.nan)
            return nothing, nothing
        ladder, values = different.view(self.values.dtype), self.values[anchors]
        last = len(different) - 1
        low, high, near = (
            self._apart(values, ladder[np.clip(places, 0, last)])
            for places in (lows, highs, np.clip(ranks[anchors], lows, np.maximum(lows, highs)))
        )
        return near, np.maximum(low, high)

    @property
    def is_measured(self) -> bool:
        """Whether a metric of the user's own says what is near."""
        return self.condition.metric is not None

    @cached_property
    def is_numeric(self) -> bool:
        """Whether values have an order and a distance."""
        return not self.is_measured and self.values.dtype.kind in "biufmM"

    @property
    def is_equality(self) -> bool:
        """Whether exactly the samples of equal value match."""
        exact = not self.is_numeric or self.condition.tolerance == 0
        return self.condition.mode == "similar" and exact and not self.is_measured

    @property
    def is_graded(self) -> bool:
        """Whether some pairs count more than others, as long as all of them match or none."""
        return self.condition.weight_mode != "binary" and not (
            self.condition.max_weight == 1 and not self.condition.allow_fallback
        )

    @cached_property
    def missing(self) -> NDArray[np.bool_]:
        """Which samples have no value, so that nothing matches them."""
        if self.values.ndim > 1:
            return np.zeros(len(self.values), dtype=bool)
        return np.asarray(pd.isna(self.values), dtype=bool)

    @cached_property
    def ranks(self) -> Positions:
        """The place of each sample's value among the different ones, in order if there is one.

        What is missing comes last.
        """
        return self._ranked[0]

    @property
    def n_ranks(self) -> int:
        """More than any rank."""
        return len(self._ranked[1]) + 1

    def near(self, *, surely: bool) -> tuple[Positions, Positions]:
        """From which rank on, and up to which, values lie within the tolerance of each sample's.

        Rounding leaves the ends open by a hair: what lies there is out if `surely`, else in.
        """
        ranks, different = self._ranked
        if not self.is_numeric:
            return ranks, ranks + 1
        values, ladder = _as_floats(self._numbers), _as_floats(different)
        reach = self.condition.tolerance * self._unit
        with np.errstate(invalid="ignore"):
            hair = 4 * (np.spacing(np.abs(values)) + np.spacing(reach))
            within = np.maximum(reach - hair, 0) if surely else reach + hair
            low, high = values - within, values + within
        # Nothing lies beyond an infinity, and its own hair is NaN.
        low, high = (np.where(np.isnan(ends), values, ends) for ends in (low, high))
        return np.searchsorted(ladder, low), np.searchsorted(ladder, high, side="right")

    @cached_property
    def _ranked(self) -> tuple[Positions, NDArray[Any]]:
        if self.is_numeric:
            known = self._numbers[~self.missing]
            different = np.unique(known)
            ranks = np.searchsorted(different, self._numbers)
            return np.where(self.missing, len(different), ranks), different
        codes, different = pd.factorize(self.values)
        return np.where(codes < 0, len(different), codes).astype(np.int64), np.asarray(different)

    @cached_property
    def _numbers(self) -> NDArray[Any]:
        """Times as whole numbers of their unit."""
        return self.values.view(np.int64) if self._is_time else self.values

    @property
    def _is_time(self) -> bool:
        return self.values.dtype.kind in "mM"

    @cached_property
    def _unit(self) -> float:
        """How many of the column's numbers make one of the condition's: times come in seconds."""
        return ticks_per_second(self.values.dtype) if self._is_time else 1.0

    def _distances(self, a: Positions, b: Positions) -> Floats:
        if self.is_measured:
            return self._measured(a, b)
        if not self.is_numeric:
            apart = np.where(self.ranks[a] == self.ranks[b], 0.0, np.inf)
            return np.where(self.missing[a] | self.missing[b], np.nan, apart)
        return self._apart(self.values[a], self.values[b])

    def _apart(self, a: NDArray[Any], b: NDArray[Any]) -> Floats:
        return time_differences(a, b) if self._is_time else differences(a, b)

    def _measured(self, a: Positions, b: Positions) -> Floats:
        if self._table is not None:
            codes, distances = self._table
            return distances[codes[a], codes[b]]
        return self._ask(self.values[a], self.values[b])

    @cached_property
    def _table(self) -> tuple[Positions, Floats] | None:
        """The distances of all pairs of different values, where these are few."""
        if self.values.ndim > 1:
            return None
        codes, different = pd.factorize(self.values, use_na_sentinel=False)
        n = len(different)
        if n > _MOST_MEASURED:
            return None
        first = np.zeros(n, dtype=np.int64)
        first[codes[::-1]] = np.arange(len(codes))[::-1]
        values = self.values[first]
        distances = self._ask(np.repeat(values, n), np.tile(values, n))
        return codes, distances.reshape(n, n)

    def _ask(self, a: NDArray[Any], b: NDArray[Any]) -> Floats:
        assert self.condition.metric is not None  # noqa: S101 - whoever asks has looked
        try:
            return measured(self.condition.metric, list(a), list(b))
        except Exception as error:
            raise DataError(
                f"The metric of the condition on column {self.selector!r} failed: {error}"
            ) from error

    def __str__(self) -> str:
        """What the condition asks for, and what the column holds."""
        return f"{self.selector!r} {self.condition}, and {self._describe_values()}"

    def _describe_values(self) -> str:
        n, missing = len(self.values), int(self.missing.sum())
        rest = f", {missing} of {n} missing" if missing else ""
        if missing == n:
            return "it has no value at all"
        if self.values.ndim > 1:
            return f"it holds arrays of shape {self.values.shape[1:]}"
        known = self.values[~self.missing]
        different = len(np.unique(self.ranks[~self.missing]))
        if different == 1:
            return f"it has the one value {known[0]} in all samples{rest}"
        if not self.is_numeric:
            return f"it has {different} different values in {n} samples{rest}"
        low, high = known.min(), known.max()
        return f"its {different} different values lie between {low} and {high}{rest}"


def weighed_together(parts: Iterable[Weighed], n: int) -> Weighed:
    """What the conditions on several columns say together of n pairs."""
    scores, matches = np.ones(n), np.ones(n, dtype=bool)
    for weighed in parts:
        scores *= weighed.scores
        matches &= weighed.matches
    return Weighed(np.where(matches, scores, np.minimum(scores, BELOW_ONE)), matches)


def _as_floats(values: NDArray[Any]) -> Floats:
    return values.astype(np.float64)
