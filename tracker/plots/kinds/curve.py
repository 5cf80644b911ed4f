"""Lines along x: metric histories, and metrics over a parameter."""

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from tracker.plots.drawing.looks import DASHES, Look
from tracker.plots.drawing.marks import finite, mark_infinities, write_notes
from tracker.plots.drawing.panel import Panel, Part
from tracker.plots.fields.placing import RUN
from tracker.plots.kind import Kind
from tracker.plots.statistics import Floats, Indices, kept_points, lonely_points

# Points so few are shown as such, beside the line through them.
FEW_POINTS = 12


class CurveKind(Kind):
    """A line for each value of the line fields, with its band; NaN is a gap."""

    name = "curve"
    usual_x = ("epoch",)
    usual_lines = (RUN,)
    along_metrics = True
    marks_infinity = True

    def draw(self, axes: Axes, panel: Panel) -> None:
        twin = panel.shared.drawn.placing.twin
        for number, metric in enumerate(panel.metrics):
            on = axes if not (twin and number) else _twin(axes, metric)
            for part in panel.parts(metric):
                look = part.look
                if twin and number:
                    look = look._replace(dash=DASHES[1])
                _draw_line(on, panel, part, look)

    def handle(self, look: Look) -> Artist:
        return Line2D([], [], color=look.colour, linestyle=look.dash, marker=look.marker or "")


class CurveBestKind(CurveKind):
    """The same, with a star at the best point of each line."""

    name = "curve_best"
    marks_best = True


def _draw_line(axes: Axes, panel: Panel, part: Part, look: Look) -> None:
    x, y, raw = panel.x(part), part.rows["value"].to_numpy(np.float64), part.numbers("raw")
    along_history = panel.shared.drawn.placing.history is not None
    if raw is not None:
        kept = _kept(panel, x, [raw])
        axes.plot(x[kept], finite(raw[kept]), color=look.colour, alpha=0.25, linewidth=0.8)
    low, high = part.numbers("low"), part.numbers("high")
    kept = _kept(panel, x, [y] if low is None or high is None else [y, low, high])
    marked = lonely_points(y) if along_history else np.arange(y.size)
    if look.marker and y.size <= FEW_POINTS:
        marked = np.arange(y.size)
    axes.plot(
        x[kept],
        finite(y[kept]),
        color=look.colour,
        linestyle=look.dash,
        marker=look.marker or "o",
        markevery=np.flatnonzero(np.isin(kept, marked)).tolist() or _some(look, kept),
    )
    if low is not None and high is not None:
        known = np.isfinite(low[kept]) & np.isfinite(high[kept])
        axes.fill_between(
            x[kept], low[kept], high[kept], where=known, color=look.colour, alpha=0.18, linewidth=0
        )
    mark_infinities(axes, x, y, look)
    best = part.rows["best"].to_numpy() if "best" in part.rows else np.zeros(y.size, bool)
    axes.plot(
        x[best], y[best], marker="*", markersize=11, color=look.colour, linestyle="none",
        markeredgecolor="white", zorder=4,
    )  # fmt: skip
    written = best if best.any() else (np.arange(y.size) == y.size - 1) | (not along_history)
    write_notes(axes, panel, part._replace(rows=part.rows[written]), x[written], y[written])


def _kept(panel: Panel, x: Floats, columns: list[Floats]) -> Indices:
    """The points that are enough to look like all of them."""
    paper = panel.shared.x[0].on_paper(x)
    known = np.flatnonzero(np.isfinite(paper))
    places = paper[known]
    if known.size <= 4 * panel.shared.pixels or np.any(np.diff(places) < 0):
        return np.arange(x.size)
    kept = [kept_points(places, column[known], panel.shared.pixels) for column in columns]
    return known[np.unique(np.concatenate(kept))]


def _some(look: Look, kept: Indices) -> list[int]:
    """Of a line with a marker of its own and many points, some that carry it."""
    return list(range(0, kept.size, max(1, kept.size // 8))) if look.marker else []


def _twin(axes: Axes, metric: str) -> Axes:
    """The axes with a y axis of their own on the right."""
    right = axes.twinx()
    right.spines["right"].set_visible(True)
    right.grid(visible=False)
    right.set_ylabel(metric, parse_math=False)
    return right
