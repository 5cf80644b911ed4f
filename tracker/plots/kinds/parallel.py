"""Parallel coordinates: parameters and metrics of many runs, each run a line through them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D

from tracker.errors import InvalidError
from tracker.plots.drawing.looks import Look
from tracker.plots.drawing.panel import Panel
from tracker.plots.drawing.places import MOST_TICKS
from tracker.plots.fields.labels import shortened
from tracker.plots.fields.placing import RUN
from tracker.plots.fields.values import is_number, natural, text_of
from tracker.plots.kind import Kind
from tracker.plots.statistics import Floats
from tracker.plots.tables.drawn import Drawn, plain

# Numbers so few are all written.
MOST_NUMBERS = 8
# Of the height: two values closer than this are written in one line.
_LEAST_DISTANCE = 0.05
_INCHES_EACH = 1.3


class ParallelKind(Kind):
    """An axis for each parameter and metric, each from its lowest to its highest value.

    Numbers stand by size, texts at equal distances. The colour is the last metric. A line ends
    where a parameter is missing or is no finite number; without finite metrics there is none.
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
        fields = _fields(drawn)
        if len(fields) < 2:
            raise InvalidError("Parallel coordinates need a parameter that differs between runs.")
        table, rows = _finite(drawn.table, panel.metrics), _finite(panel.rows, panel.metrics)
        heights = [_Height(field, [plain(value) for value in table[field]]) for field in fields]
        norm = panel.shared.norms[panel.metrics[-1]]
        colours = ScalarMappable(norm, None)
        last = rows[panel.metrics[-1]].to_numpy(np.float64)
        columns = [
            height.of([plain(value) for value in rows[field]])
            for height, field in zip(heights, fields, strict=True)
        ]
        for number, line in enumerate(np.array(columns).T):
            colour = colours.to_rgba(last[number])
            axes.plot(np.arange(len(fields)), line, color=colour, alpha=0.8, linewidth=1.1)
        letters = _letters(axes, len(fields))
        for place, height in enumerate(heights):
            height.write(axes, place, letters)
        _tidy(axes, [shortened(field) for field in fields])
        return colours

    def least_width(self, drawn: Drawn) -> float:
        return _INCHES_EACH * len(_fields(drawn))

    def handle(self, look: Look) -> Artist:
        return Line2D([], [], color=look.colour)


def _fields(drawn: Drawn) -> list[str]:
    """The axes: runs have one only where it was asked for."""
    points = [field for field in drawn.roles.points if field != RUN]
    return [*drawn.placing.x, *points, *drawn.placing.metrics]


def _finite(rows: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    known = np.isfinite(rows[list(metrics)].to_numpy(np.float64)).all(axis=1)
    return rows.iloc[np.flatnonzero(known)]


def _letters(axes: Axes, count: int) -> int:
    """How many letters fit between two of the axes, a colour bar beside them."""
    size = FontProperties(size="x-small").get_size_in_points()
    points = 0.85 * axes.get_window_extent().width * 72 / axes.get_figure(root=True).dpi  # type: ignore[union-attr]
    return max(4, int((points / count - 6) / (0.62 * size)))


class _Height:
    """How high a field's values stand on its own axis, from 0 to 1."""

    def __init__(self, field: str, values: list[object]) -> None:
        known = [value for value in dict.fromkeys(values) if value is not None]
        self.field = field
        self.numeric = bool(known) and all(map(is_number, known))
        finite = [float(value) for value in known if self.numeric and np.isfinite(value)]  # type: ignore[arg-type, call-overload]
        self.finite = sorted(set(finite))
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

    def write(self, axes: Axes, place: int, letters: int) -> None:
        """The axis itself, with its values written beside it."""
        axes.axvline(place, color="#555555", linewidth=0.8, zorder=0)
        for height, text in self._labels():
            axes.annotate(
                _cut(text, letters), (place, height), xytext=(3, 0),
                textcoords="offset points", va="center", fontsize="x-small", parse_math=False,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.5},
            )  # fmt: skip

    def _labels(self) -> list[tuple[float, str]]:
        """What is written at which height; values too close for a line each share one."""
        values: list[object] = list(self.known)
        if self.numeric:
            few = len(self.finite) <= MOST_NUMBERS
            values = list(self.finite if few else [self.low, self.high])
        else:
            values = values[:: -(-len(values) // MOST_TICKS) or 1]
        groups: list[list[tuple[float, object]]] = []
        for height, value in zip(self.of(values), values, strict=True):
            if groups and height - groups[-1][-1][0] < _LEAST_DISTANCE:
                groups[-1].append((height, value))
            else:
                groups.append([(height, value)])
        return [
            (
                float(np.mean([height for height, _ in group])),
                (", " if len(group) < 3 else " … ").join(
                    _said(value)
                    for _, value in (group if len(group) < 3 else group[:: len(group) - 1])
                ),
            )
            for group in groups
        ]


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


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
