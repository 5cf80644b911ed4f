"""Drawing lines into the panels of a figure."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tracker.errors import InvalidError
from tracker.plots.labels import shortened
from tracker.plots.lines import Floats, Line, XAxis, best_point, lonely_points
from tracker.plots.style import PANEL_HEIGHT, PANEL_WIDTH, Look, drawing, looks

Goal = Literal["min", "max"]

MOST_LEGEND_ROWS = 36

# Name, seconds, and up to how many of it an axis reads well.
_TIME_UNITS = (("s", 1.0, 180.0), ("min", 60.0, 180.0), ("h", 3600.0, 72.0))
_DAYS = ("d", 86400.0)


class Panel(NamedTuple):
    """One metric's lines; with a goal, the best point of each is marked."""

    metric: str
    lines: Sequence[Line]
    goal: Goal | None = None


def draw_panels(
    panels: Sequence[Panel], *, x: XAxis, log_x: bool, log_y: bool, title: str | None
) -> Figure:
    """A figure with the panels side by side, two in a row, and one legend beside them all."""
    labels = list(dict.fromkeys(line.label for panel in panels for line in panel.lines))
    styles = dict(zip(labels, looks(len(labels)), strict=True))
    panels, unit = _in_readable_time(panels) if x == "time" else (panels, "")
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    with drawing():
        figure = Figure(figsize=(PANEL_WIDTH * columns, PANEL_HEIGHT * rows), layout="constrained")
        FigureCanvasAgg(figure)
        for place, panel in enumerate(panels, start=1):
            axes = figure.add_subplot(rows, columns, place)
            for line in panel.lines:
                _draw_line(axes, line, styles[line.label], panel.goal)
            # Dollars in a name are no formula.
            axes.set_ylabel(shortened(panel.metric), parse_math=False)
            axes.set_xlabel(f"time since the start ({unit})" if x == "time" else x)
            _scale(axes, panel, log_x=log_x, log_y=log_y, whole=x != "time")
        _name_lines(figure, styles, title)
    return figure


def _in_readable_time(panels: Sequence[Panel]) -> tuple[list[Panel], str]:
    longest = max(line.x[-1] for panel in panels for line in panel.lines)
    unit, seconds = next(
        ((name, size) for name, size, most in _TIME_UNITS if longest <= most * size), _DAYS
    )
    scaled = [
        panel._replace(lines=[line._replace(x=line.x / seconds) for line in panel.lines])
        for panel in panels
    ]
    return scaled, unit


def _draw_line(axes: Axes, line: Line, look: Look, goal: Goal | None) -> None:
    axes.plot(
        line.x,
        np.where(np.isfinite(line.y), line.y, np.nan),
        color=look.colour,
        linestyle=look.dash,
        marker="o",
        markersize=3.5,
        markevery=lonely_points(line.y).tolist(),
    )
    if line.low is not None and line.high is not None:
        known = np.isfinite(line.low) & np.isfinite(line.high)
        axes.fill_between(
            line.x, line.low, line.high, where=known, color=look.colour, alpha=0.18, linewidth=0
        )
    _mark_edge(axes, line.x[np.isposinf(line.y)], 1.0, "^", look)
    _mark_edge(axes, line.x[np.isneginf(line.y)], 0.0, "v", look)
    best = best_point(line, goal) if goal else None
    if best is not None:
        axes.plot(
            *best, marker="*", markersize=11, color=look.colour, markeredgecolor="white", zorder=4
        )


def _mark_edge(axes: Axes, x: Floats, edge: float, marker: str, look: Look) -> None:
    """A triangle at the edge through which the line left for infinity."""
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


def _scale(axes: Axes, panel: Panel, *, log_x: bool, log_y: bool, whole: bool) -> None:
    if log_y:
        _check_positive(panel, "y", [line.y for line in panel.lines])
        axes.set_yscale("log", nonpositive="mask")
        if any((line.y <= 0).any() for line in panel.lines):
            axes.set_ylabel(f"{axes.get_ylabel()} (> 0)")
    if log_x:
        _check_positive(panel, "x", [line.x for line in panel.lines])
        axes.set_xscale("log", nonpositive="mask")
        if any((line.x <= 0).any() for line in panel.lines):
            axes.set_xlabel(f"{axes.get_xlabel()} (> 0)")
    elif whole:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _check_positive(panel: Panel, axis: str, values: Sequence[Floats]) -> None:
    if not any((np.isfinite(numbers) & (numbers > 0)).any() for numbers in values):
        raise InvalidError(
            f"No point of {panel.metric!r} is positive along {axis}, so a logarithmic "
            f"{axis} axis would show nothing."
        )


def _name_lines(figure: Figure, styles: Mapping[str, Look], title: str | None) -> None:
    """One line is named by the title, several by a legend that the figure grows to hold."""
    if title or len(styles) == 1:
        figure.suptitle(title or next(iter(styles)), parse_math=False)
    if len(styles) == 1:
        return
    handles = [Line2D([], [], color=look.colour, linestyle=look.dash) for look in styles.values()]
    legend = figure.legend(
        handles,
        list(styles),
        loc="outside right upper",
        ncols=-(-len(styles) // MOST_LEGEND_ROWS),
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    needed = legend.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
    width, height = figure.get_size_inches()
    figure.set_size_inches(width + needed.width, max(height, needed.height + 0.3))
