"""Bars: a metric by a field, the lines of a value side by side."""

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from tracker.plots.drawing.looks import Look
from tracker.plots.drawing.marks import error_bars, finite, mark_infinities, write_notes
from tracker.plots.drawing.panel import Panel
from tracker.plots.fields.placing import RUN
from tracker.plots.kind import Kind

# Of the distance between two values of x, all their bars together.
WIDTH = 0.8


class BarKind(Kind):
    """A bar for each value of x and each line, its band an error bar; NaN has no bar."""

    name = "bar"
    usual_x = (RUN,)
    places = True
    marks_infinity = True

    def draw(self, axes: Axes, panel: Panel) -> None:
        looks = list(panel.shared.looks)
        width = WIDTH / len(looks)
        for part in panel.parts():
            y = part.rows["value"].to_numpy(np.float64)
            x = panel.x(part) - WIDTH / 2 + width * (looks.index(part.line) + 0.5)
            axes.bar(
                x, finite(y), width, color=part.look.colour, yerr=error_bars(part, y),
                error_kw={"elinewidth": 1, "capsize": 2},
            )  # fmt: skip
            mark_infinities(axes, x, y, part.look)
            write_notes(axes, panel, part, x, y)
        axes.grid(visible=False, axis="x")
        axes.set_xlim(-0.6, panel.shared.x[0].count - 0.4)

    def handle(self, look: Look) -> Artist:
        return Patch(color=look.colour)
