"""Boxes: how the values of several runs lie."""

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import Patch

from tracker.plots.drawing.looks import Look
from tracker.plots.drawing.panel import Panel, Part
from tracker.plots.kind import Kind
from tracker.plots.kinds.bar import WIDTH


class BoxKind(Kind):
    """A box for each value of x and each line: median, quartiles, whiskers, outliers."""

    name = "box"
    shape = "boxes"
    rest = "averaged"
    least_x = 0
    places = True
    has_band = False

    def draw(self, axes: Axes, panel: Panel) -> None:
        looks = list(panel.shared.looks)
        width = WIDTH / len(looks)
        for part in panel.parts():
            shift = width * (looks.index(part.line) + 0.5) - WIDTH / 2
            places = panel.x(part) if panel.shared.x else [0.0] * len(part.rows)
            colour = part.look.colour
            axes.bxp(
                _boxes(part),
                positions=[place + shift for place in places],
                widths=width * 0.8,
                patch_artist=True,
                manage_ticks=False,
                boxprops={"facecolor": to_rgba(colour, 0.35), "edgecolor": colour},
                medianprops={"color": colour, "linewidth": 2},
                whiskerprops={"color": colour},
                capprops={"color": colour},
                flierprops={"markeredgecolor": colour, "markersize": 4},
            )
        axes.grid(visible=False, axis="x")
        if not panel.shared.x:
            axes.set_xticks([])
        axes.set_xlim(-0.6, (panel.shared.x[0].count if panel.shared.x else 1) - 0.4)

    def handle(self, look: Look) -> Artist:
        return Patch(facecolor=to_rgba(look.colour, 0.35), edgecolor=look.colour)


def _boxes(part: Part) -> list[dict[str, object]]:
    names = {"med": "median", "q1": "q1", "q3": "q3", "whislo": "low", "whishi": "high"}
    columns = [part.rows[name] for name in (*names.values(), "outliers")]
    return [dict(zip((*names, "fliers"), row, strict=True)) for row in zip(*columns, strict=True)]
