"""A scaler for each stretch of a sample."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from operator import index
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.metaestimators import available_if

from engine.errors import DataError
from engine.scalers.scaler import Scaler

Values = NDArray[Any]


def _is_invertible(segmented: "SegmentedScaler") -> bool:
    return Scaler(segmented.scaler, segmented.scaler_kwargs).is_invertible


class SegmentedScaler(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Cuts the columns at the boundaries and scales each segment by a scaler of its own.

    The boundaries lie between segments; 0 and the number of columns may be given or left out.
    There is a way back if the segments' scalers have one.
    """

    def __init__(
        self,
        boundaries: Sequence[int],
        scaler: Any,
        scaler_kwargs: dict[str, Any] | None = None,
    ) -> None:
        self.boundaries = boundaries
        self.scaler = scaler
        self.scaler_kwargs = scaler_kwargs

    def fit(self, x: Values, y: object = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        ends = _segment_ends(self.boundaries, x.shape[1])
        self.n_features_in_ = x.shape[1]
        self.segments_ = [[start, end] for start, end in pairwise(ends)]
        self.scalers_ = [
            Scaler(self.scaler, self.scaler_kwargs).clone_unfitted().fit(x[:, start:end])
            for start, end in self.segments_
        ]
        return self

    @property
    def undoes_columns_apart(self) -> bool:
        return Scaler(self.scaler, self.scaler_kwargs).undoes_columns_apart

    def transform(self, x: Values) -> Values:
        return self._by_segment(x, lambda scaler, segment: scaler.transform(segment))

    @available_if(_is_invertible)  # type: ignore[untyped-decorator]  # scikit-learn is untyped
    def inverse_transform(self, x: Values) -> Values:
        return self._by_segment(x, lambda scaler, segment: scaler.inverse_transform(segment))

    def _by_segment(self, x: Values, scaled: Callable[[Scaler, Values], Values]) -> Values:
        parts = zip(self.scalers_, self.segments_, strict=True)
        return np.hstack([scaled(scaler, x[:, start:end]) for scaler, (start, end) in parts])


def _segment_ends(boundaries: Sequence[int], n_columns: int) -> list[int]:
    try:
        ends = [index(boundary) for boundary in boundaries]
    except TypeError:
        raise DataError(
            f"Segment boundaries are whole numbers, and these are {list(boundaries)}."
        ) from None
    if any(a >= b for a, b in pairwise(ends)) or (ends and not 0 <= ends[0] <= ends[-1]):
        raise DataError(f"Segment boundaries must ascend from 0 on, and these are {ends}.")
    if ends and ends[-1] > n_columns:
        raise DataError(f"A segment ends at {ends[-1]}, but there are {n_columns} columns.")
    return sorted({0, *ends, n_columns})
