"""Marks that several kinds of picture share."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tracker.plots.drawing.looks import Look
from tracker.plots.drawing.panel import Panel, Part
from tracker.plots.statistics import Floats


def mark_infinities(axes: Axes, x: Floats, y: Floats, look: Look) -> None:
    """Triangles at the edge through which a value left for infinity."""
    _mark_edge(axes, x[np.isposinf(y)], 1.0, "^", look)
    _mark_edge(axes, x[np.isneginf(y)], 0.0, "v", look)


def finite(y: Floats) -> Floats:
    """The values, with a gap for what is no finite number."""
    return np.where(np.isfinite(y), y, np.nan)


def write_notes(axes: Axes, panel: Panel, part: Part, x: Floats, y: Floats) -> None:
    """Writes what was asked for beside each point."""
    for note, left, low in zip(panel.notes(part), x, y, strict=False):
        if np.isfinite(left) and np.isfinite(low):
            axes.annotate(
                note, (left, low), xytext=(3, 4), textcoords="offset points",
                fontsize="x-small", parse_math=False,
            )  # fmt: skip


def error_bars(part: Part, y: Floats) -> Any:
    """The distances from each value to the ends of its band; None without a band."""
    low, high = part.numbers("low"), part.numbers("high")
    if low is None or high is None:
        return None
    with np.errstate(invalid="ignore"):
        distances = np.array([y - low, high - y])
    return np.where(np.isfinite(distances), np.maximum(distances, 0), 0)


def _mark_edge(axes: Axes, x: Floats, edge: float, marker: str, look: Look) -> None:
    if x.size:
        axes.plot(
            x,
            np.full(x.shape, edge),
            transform=axes.get_xaxis_transform(),
            color=look.colour,
            marker=marker,
            markersize=6,
            linestyle="none",
            clip_on=False,
        )
