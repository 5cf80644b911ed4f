"""Scalers that look at one sample at a time.

They keep nothing of the samples, so there is no way back from the scaled values alone; a feature
set undoes them because it keeps the raw ones.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from engine.errors import DataError
from engine.scalers.elementwise import as_floats

Values = NDArray[Any]


class PerSampleMinMaxScaler(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Each sample's values stretched to the range; a sample of equal values lies at its start.

    NaN stays NaN and does not count.
    """

    def __init__(self, feature_range: tuple[float, float] = (0, 1)) -> None:
        self.feature_range = feature_range

    def fit(self, x: Values, y: object = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        low, high = self.feature_range
        if not low < high:
            raise DataError(f"feature_range must ascend, and this is {self.feature_range}.")
        self.n_features_in_ = x.shape[1]
        return self

    def transform(self, x: Values) -> Values:
        low, high = self.feature_range
        x = as_floats(x)
        smallest = np.fmin.reduce(x, axis=1, keepdims=True)
        span = np.fmax.reduce(x, axis=1, keepdims=True) - smallest
        return low + (x - smallest) / np.where(span == 0, 1, span) * (high - low)


class PerSampleZeroStart(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # as above
    """Each sample's values less its first one, so that all start at zero.

    A sample whose first value is NaN becomes NaN throughout.
    """

    def fit(self, x: Values, y: object = None) -> Self:  # noqa: ARG002 - as above
        self.n_features_in_ = x.shape[1]
        return self

    def transform(self, x: Values) -> Values:
        x = as_floats(x)
        return x - x[:, :1]
