"""The contract of a kind of picture."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

    from tracker.plots.drawing.looks import Look
    from tracker.plots.drawing.panel import Panel
    from tracker.plots.tables.drawn import Drawn


class Kind(ABC):
    """One kind of picture: which table it takes, and how one panel of it is drawn.

    A kind computes no statistics: every number that it draws is in the rows of its panel.
    """

    name: ClassVar[str]
    # Its table: `long`, a row for each place of each metric; `wide`, a row for each point, metrics
    # side by side; `boxes`, a row for each box.
    shape: ClassVar[str] = "long"
    # What fields are that are neither in the picture nor averaged: `optimized`, `points` (each
    # combination is a point), or `averaged`.
    rest: ClassVar[str] = "optimized"
    least_x: ClassVar[int] = 1
    most_x: ClassVar[int] = 1
    # Of a wide table: exactly so many metrics; None: any.
    metrics: ClassVar[int | None] = None
    line_fields: ClassVar[int] = 3
    # What x is where nothing was said, and what lines are along a history.
    usual_x: ClassVar[tuple[str, ...]] = ()
    usual_lines: ClassVar[tuple[str, ...]] = ()
    # Whether it can be drawn along a metric, point by point.
    along_metrics: ClassVar[bool] = False
    marks_best: ClassVar[bool] = False
    has_band: ClassVar[bool] = True
    # Whether each value of x has a place of its own, at equal distances, whatever it is.
    places: ClassVar[bool] = False
    # Whether an infinity is shown as a triangle at the edge.
    marks_infinity: ClassVar[bool] = False
    # Whether the metric is on the y axis.
    measures_y: ClassVar[bool] = True

    @abstractmethod
    def draw(self, axes: "Axes", panel: "Panel") -> "ScalarMappable | None":
        """Draws the rows of one panel; returns what a colour bar explains, if there is one."""

    def least_width(self, drawn: "Drawn") -> float:  # noqa: ARG002 - of a parallel picture
        """Below how many inches a panel cannot be read."""
        return 0.0

    @abstractmethod
    def handle(self, look: "Look") -> "Artist":
        """How a line of this look is shown in a legend."""
