"""Numbers in, numbers out: averages over runs, bands, smoothing, thinning."""

from tracker.plots.statistics.averaging import ALIGNS, Average, averaged
from tracker.plots.statistics.bands import BANDS
from tracker.plots.statistics.base import Curve, Floats, Groups, Indices
from tracker.plots.statistics.centres import CENTRES
from tracker.plots.statistics.smoothing import best_index, best_so_far, smoother
from tracker.plots.statistics.thinning import kept_points, lonely_points

__all__ = [
    "ALIGNS", "BANDS", "CENTRES", "Average", "Curve", "Floats", "Groups", "Indices", "averaged",
    "best_index", "best_so_far", "kept_points", "lonely_points", "smoother",
]  # fmt: skip
