"""Scalers that treat every number alike: they learn nothing."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

Values = NDArray[Any]


def as_floats(x: Values) -> Values:
    """Numbers with a fraction as they are, all others as float64: whole ones may wrap around."""
    return x if x.dtype.kind == "f" else x.astype(np.float64)


class Absolute(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Magnitudes without their signs; there is no way back."""

    def fit(self, x: Values, y: object = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        self.n_features_in_ = x.shape[1]
        return self

    def transform(self, x: Values) -> Values:
        return np.abs(as_floats(x))


class Negate(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # as above
    """Every number with the other sign."""

    def fit(self, x: Values, y: object = None) -> Self:  # noqa: ARG002 - as above
        self.n_features_in_ = x.shape[1]
        return self

    def transform(self, x: Values) -> Values:
        return np.negative(as_floats(x))

    def inverse_transform(self, x: Values) -> Values:
        return np.negative(as_floats(x))
