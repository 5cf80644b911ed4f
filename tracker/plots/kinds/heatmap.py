"""Heatmaps: a metric by two fields, as colour."""

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.patches import Patch

from tracker.plots.drawing.looks import Look
from tracker.plots.drawing.panel import Panel
from tracker.plots.kind import Kind
from tracker.plots.statistics import Floats

# More fields than this are not read, but seen.
MOST_WRITTEN = 120


class HeatmapKind(Kind):
    """A field of colour for each pair of values; empty where nothing was recorded, or NaN."""

    name = "heatmap"
    least_x = most_x = 2
    line_fields = 0
    places = True
    measures_y = False
    has_band = False

    def draw(self, axes: Axes, panel: Panel) -> ScalarMappable | None:
        across, up = panel.shared.x
        values = np.full((up.count, across.count), np.nan)
        parts = list(panel.parts())
        for part in parts:
            columns, rows = panel.x(part, 0).astype(int), panel.x(part, 1).astype(int)
            values[rows, columns] = part.rows["value"]
        shown = axes.pcolormesh(
            np.arange(across.count + 1) - 0.5,
            np.arange(up.count + 1) - 0.5,
            np.ma.masked_invalid(values),
            norm=panel.shared.norms[panel.metrics[0]],
            edgecolors="white",
            linewidth=0.5,
        )
        axes.grid(visible=False)
        if values.size <= MOST_WRITTEN:
            _write(axes, values, shown)
        return shown

    def handle(self, look: Look) -> Artist:
        return Patch(color=look.colour)


def _colour(shown: ScalarMappable, value: float) -> tuple[float, float, float, float]:
    if not np.isfinite(value):
        return 1.0, 1.0, 1.0, 1.0  # nothing is drawn there
    return tuple(shown.to_rgba(np.array([value]))[0])


def _write(axes: Axes, values: Floats, shown: ScalarMappable) -> None:
    """Each value in its field, dark on light and light on dark."""
    for (row, column), value in np.ndenumerate(values):
        if np.isnan(value):
            continue
        red, green, blue, _ = _colour(shown, value)
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        axes.text(
            column, row, f"{value:.3g}", ha="center", va="center", fontsize="small",
            color="white" if dark else "black",
        )  # fmt: skip
