"""What surrounds a mean or a median: (low, high) at each place.

`std`    centre +- s, the sample standard deviation of the values (n - 1)
`sem`    centre +- s / sqrt(n), the standard error of their mean
`ci`     a 95 % confidence interval: of a mean by Student's t, s / sqrt(n) * t(0.975, n - 1); of a
         median between order statistics, free of assumptions (Conover, Practical Nonparametric
         Statistics, 1999, section 3.2)
`iqr`    from the first to the third quartile
`range`  from the lowest to the highest value
`none`   nothing

NaN where there are too few values to say: one for std, sem and a mean's ci, five or fewer for a
median's ci. A NaN among the values makes both ends NaN.
"""

from collections.abc import Callable

import numpy as np

from tracker.plots.statistics.base import Floats, Groups
from tracker.plots.statistics.centres import mean, quantile

Ends = tuple[Floats, Floats]

CONFIDENCE = 0.95


def std(groups: Groups, centre: Floats, _of: str) -> Ends:
    """The standard deviation of the values."""
    return _around(centre, _deviation(groups))


def sem(groups: Groups, centre: Floats, _of: str) -> Ends:
    """The standard error of their mean."""
    return _around(centre, _deviation(groups) / np.sqrt(groups.counts))


def ci(groups: Groups, centre: Floats, of: str) -> Ends:
    """A confidence interval."""
    from scipy.special import stdtrit  # noqa: PLC0415 - most pictures need none of it

    if of == "median":
        return _between_order_statistics(groups)
    degrees = np.where(groups.counts > 1, groups.counts - 1, np.nan)
    factor = stdtrit(degrees, (1 + CONFIDENCE) / 2)
    return _around(centre, factor * _deviation(groups) / np.sqrt(groups.counts))


def iqr(groups: Groups, _centre: Floats, _of: str) -> Ends:
    """The quartiles."""
    return quantile(groups, 0.25), quantile(groups, 0.75)


def range_(groups: Groups, _centre: Floats, _of: str) -> Ends:
    """The lowest and the highest value."""
    return (
        np.minimum.reduceat(groups.values, groups.starts),
        np.maximum.reduceat(groups.values, groups.starts),
    )


def none(groups: Groups, _centre: Floats, _of: str) -> Ends:
    """No band."""
    nothing = np.full(groups.places.shape, np.nan)
    return nothing, nothing


BANDS: dict[str, Callable[[Groups, Floats, str], Ends]] = {
    "std": std, "sem": sem, "ci": ci, "iqr": iqr, "range": range_, "none": none,
}  # fmt: skip


def _deviation(groups: Groups) -> Floats:
    """The sample standard deviation at each place; NaN where there is one value."""
    degrees = np.where(groups.counts > 1, groups.counts - 1, np.nan)
    with np.errstate(invalid="ignore", over="ignore"):
        distances = groups.values - groups.spread_out(mean(groups))
        return np.sqrt(np.add.reduceat(distances**2, groups.starts) / degrees)


def _around(centre: Floats, half: Floats) -> Ends:
    with np.errstate(invalid="ignore", over="ignore"):
        return centre - half, centre + half


def _between_order_statistics(groups: Groups) -> Ends:
    """From the k-th lowest value to the k-th highest, k as large as the confidence allows."""
    from scipy.special import bdtr  # noqa: PLC0415 - as above

    low = np.full(groups.places.shape, np.nan)
    high = low.copy()
    for count in np.unique(groups.counts):
        beyond = bdtr(np.arange(count), count, 0.5)  # P(at most k values lie below the median)
        rank = int(np.count_nonzero(beyond <= (1 - CONFIDENCE) / 2)) - 1
        if rank >= 0:
            here = groups.counts == count
            low[here] = groups.rising[groups.starts[here] + rank]
            high[here] = groups.rising[groups.starts[here] + count - 1 - rank]
    low[groups.has_nan] = high[groups.has_nan] = np.nan
    return low, high
