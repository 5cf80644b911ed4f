"""From the curves of several runs to one line with its band."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tracker.plots.statistics.bands import BANDS
from tracker.plots.statistics.base import Curve, Floats, Groups
from tracker.plots.statistics.centres import CENTRES

ALIGNS = ("all", "any")


class Average(NamedTuple):
    """A line: its points, the ends of its band (NaN where there is none), of how many runs."""

    x: Floats
    y: Floats
    low: Floats
    high: Floats
    runs: npt.NDArray[np.int64]


def averaged(curves: Sequence[Curve], *, centre: str, band: str, align: str) -> Average:
    """The mean or median of the curves at each place, and its band (see `bands`).

    `align="all"`: only where every curve has a point, so that no run's end shifts the line;
    `"any"`: wherever at least one has, over those that have one. No value is interpolated,
    carried on or filled in. Empty where the curves have no place in common.
    """
    if len(curves) == 1:
        return _alone(curves[0], band)
    groups = Groups(curves)
    y = CENTRES[centre](groups)
    low, high = BANDS[band](groups, y, centre)
    kept = groups.counts == len(curves) if align == "all" else slice(None)
    return Average(groups.places[kept], y[kept], low[kept], high[kept], groups.counts[kept])


def _alone(curve: Curve, band: str) -> Average:
    """One curve is its own average; its lowest value, its quartiles and its highest are one."""
    end = curve.y if band in ("range", "iqr") else np.full(curve.x.shape, np.nan)
    return Average(curve.x, curve.y, end, end, np.ones(curve.x.shape, np.int64))
