"""From tables of points to the lines of a picture: numbers only, nothing is drawn here.

A history has one row per point: `run`, `metric`, `step`, `epoch`, `value`, `time`. NaN stays
where it was logged. No value is ever interpolated, carried on or filled in.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracker.errors import InvalidError, NotFoundError

XAxis = Literal["epoch", "step", "time"]
Band = Literal["std", "sem", "range", "none"]
Align = Literal["all", "any"]
Floats = npt.NDArray[np.float64]

X_AXES: tuple[XAxis, ...] = get_args(XAxis)
BANDS: tuple[Band, ...] = get_args(Band)
ALIGNS: tuple[Align, ...] = get_args(Align)


class Line(NamedTuple):
    """One curve: `x` rises strictly, `y` may hold NaN and infinities, `low`/`high` are its band."""

    label: str
    x: Floats
    y: Floats
    low: Floats | None = None
    high: Floats | None = None


def points_of(history: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows of one metric; an unknown one suggests the nearest."""
    points = history[history["metric"] == metric]
    if points.empty:
        raise NotFoundError("metric", metric, sorted(set(history["metric"])))
    return points


def run_line(label: str, points: pd.DataFrame, x: XAxis, *, start: pd.Timestamp) -> Line:
    """The curve of one metric of one run.

    Over epochs the last point of each epoch counts, and points without an epoch are left
    out. Time is in seconds since `start`; of several points at one moment the last counts.
    """
    points = points.sort_values("step", kind="stable")
    where = (points["time"] - start) / pd.Timedelta(seconds=1) if x == "time" else points[x]
    kept = where.notna() & ~where.duplicated(keep="last")
    places = np.asarray(where[kept], dtype=np.float64)
    values = np.asarray(points["value"][kept], dtype=np.float64)
    # A clock that was set back, or epochs that start again in a second phase.
    order = np.argsort(places, kind="stable")
    return Line(label, places[order], values[order])


def mean_line(label: str, lines: Sequence[Line], *, band: Band, align: Align) -> Line:
    """The mean of several runs' lines, with its band.

    `align="all"`: only where every line has a point, so no line's end shifts the mean;
    `"any"`: wherever at least one has. A NaN in any line makes the mean NaN there. `std` is
    the sample standard deviation (n - 1) and `sem` that over the root of n, both NaN where
    n is 1; `range` is lowest to highest.
    """
    places, starts, counts, values = _gathered(lines)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, as it should be
        mean: Floats = np.add.reduceat(values, starts) / counts
        low, high = _band(values, starts, counts, mean, band)
    kept = counts == len(lines) if align == "all" else counts > 0
    if not kept.any():
        raise InvalidError(
            f"The {len(lines)} runs of {label!r} have no point in common, so they have no mean. "
            "Draw the mean of those that are there: align any."
        )
    if band == "none":
        return Line(label, places[kept], mean[kept])
    return Line(label, places[kept], mean[kept], low[kept], high[kept])


def best_point(line: Line, goal: Literal["min", "max"]) -> tuple[float, float] | None:
    """Where the line is best, the first time it is; None if it has no finite value."""
    finite = np.isfinite(line.y)
    if not finite.any():
        return None
    worst = np.inf if goal == "min" else -np.inf
    candidates = np.where(finite, line.y, worst)
    at = int(candidates.argmin() if goal == "min" else candidates.argmax())
    return float(line.x[at]), float(line.y[at])


def lonely_points(y: Floats) -> npt.NDArray[np.intp]:
    """Indices of finite values without a finite neighbour: a line would not show them."""
    finite = np.pad(np.isfinite(y), 1)
    return np.flatnonzero(finite[1:-1] & ~finite[:-2] & ~finite[2:])


def _gathered(
    lines: Sequence[Line],
) -> tuple[Floats, npt.NDArray[np.intp], npt.NDArray[np.intp], Floats]:
    """Distinct places in order, where each begins in the values, how many it has, the values."""
    places = np.concatenate([line.x for line in lines])
    order = np.argsort(places, kind="stable")
    distinct, starts, counts = np.unique(places[order], return_index=True, return_counts=True)
    values = np.concatenate([line.y for line in lines])[order]
    return distinct, starts, counts, values


def _band(
    values: Floats,
    starts: npt.NDArray[np.intp],
    counts: npt.NDArray[np.intp],
    mean: Floats,
    band: Band,
) -> tuple[Floats, Floats]:
    if band == "range":
        return np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    squares = np.add.reduceat((values - np.repeat(mean, counts)) ** 2, starts)
    degrees = np.where(counts > 1, counts - 1, np.nan)
    spread = np.sqrt(squares / degrees)
    if band == "sem":
        spread = spread / np.sqrt(counts)
    return mean - spread, mean + spread
