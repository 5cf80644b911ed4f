"""The middle of several runs' values at each place. A NaN among them makes it NaN."""

from collections.abc import Callable

import numpy as np

from tracker.plots.statistics.base import Floats, Groups


def mean(groups: Groups) -> Floats:
    """The arithmetic mean; equal values have themselves for their mean, to the last bit."""
    first = groups.values[groups.starts]
    with np.errstate(invalid="ignore", over="ignore"):  # inf - inf is NaN, as it should be
        beyond = np.add.reduceat(groups.values - groups.spread_out(first), groups.starts)
        plain = np.add.reduceat(groups.values, groups.starts) / groups.counts
        shifted = first + beyond / groups.counts
    return np.where(np.isfinite(shifted), shifted, plain)


def median(groups: Groups) -> Floats:
    """The value in the middle, or the mean of the two that are."""
    return quantile(groups, 0.5)


def quantile(groups: Groups, share: float) -> Floats:
    """Linear between neighbouring values, as `numpy.quantile` (Hyndman and Fan's type 7)."""
    place = share * (groups.counts - 1)
    below = np.floor(place).astype(np.intp)
    low, high = groups.ranked(below), groups.ranked(np.ceil(place).astype(np.intp))
    with np.errstate(invalid="ignore", over="ignore"):
        between = low + (high - low) * (place - below)
    # Between two equal infinities lies that infinity.
    found = np.where(low == high, low, between)
    return np.where(groups.has_nan, np.nan, found)


CENTRES: dict[str, Callable[[Groups], Floats]] = {"mean": mean, "median": median}
