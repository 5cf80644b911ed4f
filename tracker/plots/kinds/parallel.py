"""Parallel coordinates: parameters and metrics of many runs, each run a line through them."""

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.lines import Line2D

from tracker.errors import InvalidError
from tracker.plots.drawing.looks import Look
from tracker.plots.drawing.panel import Panel
from tracker.plots.drawing.places import MOST_TICKS
from tracker.plots.fields.labels import shortened
from tracker.plots.fields.values import is_number, natural, text_of
from tracker.plots.kind import Kind
from tracker.plots.statistics import Floats
from tracker.plots.tables.drawn import plain


class ParallelKind(Kind):
    """An axis for each parameter and metric, each from its lowest to its highest value.

    Numbers stand by size, texts at equal distances. The colour is the last metric. A line ends
    where a value is missing or is no finite number.
    """

    name = "parallel"
    shape = "wide"
    rest = "points"
    least_x = 0
    most_x = 20
    line_fields = 0
    measures_y = False
    has_band = False

    def draw(self, axes: Axes, panel: Panel) -> ScalarMappable | None:
        drawn = panel.shared.whole
        fields = [*drawn.placing.x, *drawn.roles.points, *drawn.placing.metrics]
        if len(fields) < 2:
            raise InvalidError("Parallel coordinates need a parameter that differs between runs.")
        heights = [
            _Height(field, [plain(value) for value in drawn.table[field]]) for field in fields
        ]
        norm = panel.shared.norms[panel.metrics[-1]]
        colours = ScalarMappable(norm, None)
        last = panel.rows[panel.metrics[-1]].to_numpy(np.float64)
        columns = [
            height.of([plain(value) for value in panel.rows[field]])
            for height, field in zip(heights, fields, strict=True)
        ]
        for number, line in enumerate(np.array(columns).T):
            colour = colours.to_rgba(last[number]) if np.isfinite(last[number]) else "#bbbbbb"
            axes.plot(np.arange(len(fields)), line, color=colour, alpha=0.8, linewidth=1.1)
        for place, height in enumerate(heights):
            height.write(axes, place)
        _tidy(axes, [shortened(field) for field in fields])
        return colours

    def handle(self, look: Look) -> Artist:
        return Line2D([], [], color=look.colour)


class _Height:
    """How high a field's values stand on its own axis, from 0 to 1."""

    def __init__(self, field: str, values: list[object]) -> None:
        known = [value for value in dict.fromkeys(values) if value is not None]
        self.field = field
        self.numeric = bool(known) and all(map(is_number, known))
        finite = [float(value) for value in known if self.numeric and np.isfinite(value)]  # type: ignore[arg-type, call-overload]
        self.low, self.high = (min(finite), max(finite)) if finite else (0.0, 1.0)
        self.known = sorted(known, key=natural) if not self.numeric else []  # type: ignore[arg-type]

    def of(self, values: list[object]) -> Floats:
        if self.numeric:
            numbers = np.array([np.nan if value is None else value for value in values], float)
            numbers = np.where(np.isfinite(numbers), numbers, np.nan)
            span = self.high - self.low
            return (numbers - self.low) / span if span else np.where(np.isnan(numbers), np.nan, 0.5)
        places = {value: place for place, value in enumerate(self.known)}
        last = max(len(self.known) - 1, 1)
        return np.array([places.get(value, np.nan) / last for value in values], dtype=float)

    def write(self, axes: Axes, place: int) -> None:
        """The axis itself, with its values written beside it."""
        axes.axvline(place, color="#555555", linewidth=0.8, zorder=0)
        if self.numeric:
            said = (
                [(0.0, self.low), (1.0, self.high)] if self.high > self.low else [(0.5, self.low)]
            )
        else:
            every = -(-len(self.known) // MOST_TICKS)
            said = [(self.of([value])[0], value) for value in self.known[::every]]  # type: ignore[misc]
        for height, value in said:
            axes.annotate(
                _said(value), (place, height), xytext=(3, 0),
                textcoords="offset points", va="center", fontsize="x-small", parse_math=False,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.5},
            )  # fmt: skip


def _said(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else shortened(text_of(value))


def _tidy(axes: Axes, names: list[str]) -> None:
    axes.set_xticks(range(len(names)))
    axes.set_xticklabels(names, parse_math=False)
    if sum(map(len, names)) > 50:
        for label in axes.get_xticklabels():
            label.set(rotation=25, ha="right", rotation_mode="anchor")
    axes.set_yticks([])
    axes.set_ylim(-0.06, 1.06)
    axes.set_xlim(-0.1, len(names) - 0.6)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
