"""Points: two metrics against each other, a third as colour."""

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.lines import Line2D

from tracker.plots.drawing.looks import Look
from tracker.plots.drawing.marks import write_notes
from tracker.plots.drawing.panel import Panel
from tracker.plots.kind import Kind


class ScatterKind(Kind):
    """A point for each run, or for the average of runs: the first metric along x, the second up."""

    name = "scatter"
    shape = "wide"
    rest = "points"
    least_x = most_x = 0
    metrics = 2
    line_fields = 2
    has_band = False

    def draw(self, axes: Axes, panel: Panel) -> ScalarMappable | None:
        shown = None
        for part in panel.parts():
            x, y, *colour = (
                part.rows[metric].to_numpy(np.float64)
                for metric in panel.shared.drawn.placing.metrics
            )
            shown = axes.scatter(
                x,
                y,
                c=colour[0] if colour else None,
                norm=panel.shared.norms[panel.metrics[2]] if colour else None,
                color=None if colour else part.look.colour,
                marker=part.look.marker or "o",
                s=_area(),
                linewidth=0.5,
                edgecolor="white",
                plotnonfinite=False,
            )
            write_notes(axes, panel, part, x, y)
        return shown if self.metrics == 3 else None

    def handle(self, look: Look) -> Artist:
        return Line2D([], [], color=look.colour, marker=look.marker or "o", linestyle="none")


class ScatterHeatKind(ScatterKind):
    """The same, with a third metric as the colour of the points."""

    name = "scatter_heat"
    metrics = 3
    line_fields = 1

    def handle(self, look: Look) -> Artist:
        return Line2D([], [], color="#555555", marker=look.marker or "o", linestyle="none")


def _area() -> float:
    import matplotlib as mpl  # noqa: PLC0415 - read while drawing: the size of the style

    return float((1.4 * mpl.rcParams["lines.markersize"]) ** 2)
