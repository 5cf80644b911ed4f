"""What statistics are of: curves, and the values that several of them have at one place."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


class Curve(NamedTuple):
    """The values of one metric of one run: `x` never falls, `y` may hold NaN and infinities.

    Only moments may come several times in `x`.
    """

    x: Floats
    y: Floats


class Groups:
    """The values that several curves have at each place where any of them has one.

    Nothing is interpolated: a curve without a point at a place has no value there.
    """

    def __init__(self, curves: Sequence[Curve]) -> None:
        x = np.concatenate([curve.x for curve in curves])
        order = np.argsort(x, kind="stable")
        self.places, self.starts, self.counts = np.unique(
            x[order], return_index=True, return_counts=True
        )
        # One place after the other.
        self.values: Floats = np.concatenate([curve.y for curve in curves])[order]

    def spread_out(self, per_place: Floats) -> Floats:
        """One number a place, repeated for each of its values."""
        return np.repeat(per_place, self.counts)

    @cached_property
    def rising(self) -> Floats:
        """The values, rising within each place; NaN comes last."""
        order = np.lexsort((self.values, self.spread_out(self.places)))
        return np.asarray(self.values[order])

    @cached_property
    def has_nan(self) -> npt.NDArray[np.bool_]:
        """Whether any value at a place is NaN."""
        return np.asarray(np.logical_or.reduceat(np.isnan(self.values), self.starts))

    def ranked(self, ranks: Indices) -> Floats:
        """At each place the value of this rank, 0 being the lowest."""
        return np.asarray(self.rising[self.starts + ranks])
