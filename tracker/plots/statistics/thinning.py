"""Fewer points for the eye, none of its extremes lost: for drawing only, never for numbers."""

import numpy as np

from tracker.plots.statistics.base import Floats, Indices


def kept_points(places: Floats, y: Floats, columns: int) -> Indices:
    """Indices of points that look, `columns` pixels wide, as all of them would.

    `places` rise; they are where the points stand across the picture. Of the points in each
    column of pixels stay the lowest, the highest and the first gap, and of all the first and the
    last, so that a line through them covers the same columns as high and as low. All stay where
    they are few.
    """
    if y.size <= 4 * columns or not columns:
        return np.arange(y.size)
    width = places[-1] - places[0]
    share = (places - places[0]) / width if width > 0 else np.zeros(places.shape)
    column = np.minimum((share * columns).astype(np.intp), columns - 1)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    finite = np.isfinite(y)
    lowest = _first_equal(np.where(finite, y, np.inf), np.minimum, starts, column)
    highest = _first_equal(np.where(finite, y, -np.inf), np.maximum, starts, column)
    gaps = np.flatnonzero(~finite)
    first_gaps = gaps[np.flatnonzero(np.diff(column[gaps], prepend=-1))]
    return np.unique(np.concatenate([[0], lowest, highest, first_gaps, [y.size - 1]]))


def _first_equal(y: Floats, extreme: np.ufunc, starts: Indices, column: Indices) -> Indices:
    """Where each column has its extreme, the first time."""
    lengths = np.diff(np.append(starts, y.size))
    reached = np.flatnonzero(y == np.repeat(extreme.reduceat(y, starts), lengths))
    return reached[np.flatnonzero(np.diff(column[reached], prepend=-1))]


def lonely_points(y: Floats) -> Indices:
    """Indices of finite values without a finite neighbour: a line would not show them."""
    finite = np.pad(np.isfinite(y), 1)
    return np.flatnonzero(finite[1:-1] & ~finite[:-2] & ~finite[2:])
