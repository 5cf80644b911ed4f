"""Drawing a table: panels in a grid, axes that agree, one legend."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure

from tracker.errors import InvalidError
from tracker.plots.composing.grid import Grid, grid_of
from tracker.plots.composing.legend import name_lines
from tracker.plots.drawing.looks import Line, looks_of
from tracker.plots.drawing.panel import Panel, Shared
from tracker.plots.drawing.places import Name, Places, axis_of, set_equal, set_scale
from tracker.plots.drawing.style import Size, drawing, size_of
from tracker.plots.fields.labels import shortened
from tracker.plots.fields.placing import METRIC
from tracker.plots.kind import Kind
from tracker.plots.kinds import KINDS
from tracker.plots.tables.drawn import Drawn, blocks

if TYPE_CHECKING:
    from matplotlib.cm import ScalarMappable


class Picture(NamedTuple):
    """A figure and its panels, by row and column; None where a place has no panel."""

    figure: Figure
    panels: Any

    @property
    def axes(self) -> Any:
        """The panel if there is one, else all of them, as of `matplotlib.pyplot.subplots`."""
        return self.panels[0, 0] if self.panels.size == 1 else self.panels


def draw(drawn: Drawn) -> Picture:
    """A figure of the table; nothing of matplotlib's global state is used or changed.

    NaN is a gap. An infinity is a gap too, with a triangle at the edge it left through. On a
    logarithmic axis what is not positive is left out, and the axis says so. Long lines are
    thinned to what the eye can see, every extreme kept.
    """
    with drawing(drawn.options.looks):
        grid, size = grid_of(drawn), _size(drawn)
        width, height = (size.width, size.height) if size else grid.inches
        if size is None:
            least = KINDS[drawn.options.contents.kind].least_width(drawn)
            width = max(width, least * grid.columns)
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        return _draw_into(figure, grid, drawn, drawn, grow=size is None)


def redraw(figure: Figure, drawn: Drawn, *, whole: Drawn) -> Picture:
    """Draws a part of a table in place of the whole, with its panels, looks and colours."""
    with drawing(drawn.options.looks):
        figure.clear()
        return _draw_into(figure, grid_of(whole), drawn, whole, grow=False)


def _draw_into(figure: Figure, grid: Grid, drawn: Drawn, whole: Drawn, *, grow: bool) -> Picture:
    panels = figure.subplots(
        grid.rows, grid.columns, squeeze=False, sharex=grid.share_x, sharey=grid.share_y
    )
    width = figure.get_figwidth() / grid.columns
    shared = _shared(drawn, whole, pixels=int(width * mpl.rcParams["savefig.dpi"]))
    _fill(figure, panels, grid, shared)
    name_lines(figure, KINDS[drawn.options.contents.kind], whole, shared.looks, grow=grow)
    return Picture(figure, panels)


def _shared(drawn: Drawn, whole: Drawn, *, pixels: int) -> Shared:
    """What all panels have in common: axes, looks of lines, maps of colours."""
    kind = KINDS[whole.options.contents.kind]
    lines = [line for line, _ in blocks(whole.table, whole.placing.lines)]
    lines = sorted(dict.fromkeys(lines), key=lambda line: _place_of(line, whole)) or [()]
    looks = looks_of(lines, kind.name)
    return Shared(drawn, whole, _x_places(kind, whole), looks, _norms(kind, whole), pixels)


def _fill(figure: Figure, panels: npt.NDArray[np.object_], grid: Grid, shared: Shared) -> None:
    """Draws each panel into its axes, and the bars that explain colours."""
    kind = KINDS[shared.drawn.options.contents.kind]
    shown: dict[str, tuple[ScalarMappable, list[Axes]]] = {}
    for place, axes in np.ndenumerate(panels):
        panel = grid.panel(place, shared)
        if panel is None:
            axes.remove()
            panels[place] = None
            continue
        mappable = kind.draw(axes, panel) if len(panel.rows) else None
        _set_axes(kind, axes, panel)
        _name_axes(kind, axes, panel, outer=grid.is_outer(place))
        if mappable is not None:
            shown.setdefault(panel.metrics[-1], (mappable, []))[1].append(axes)
    for metric, (mappable, beside) in shown.items():
        label = shared.drawn.options.looks.zlabel or shortened(metric)
        bar = figure.colorbar(mappable, ax=beside)
        bar.set_label(label, parse_math=False)
        # matplotlib would make dots of it, to hide the seams between its vectors.
        if bar.solids is not None:
            bar.solids.set(rasterized=False, edgecolor="face")


def _place_of(line: Line, drawn: Drawn) -> tuple[int, ...]:
    return tuple(
        drawn.orders[field].index(value) if value in drawn.orders.get(field, ()) else -1
        for field, value in zip(drawn.placing.lines, line, strict=True)
    )


def _size(drawn: Drawn) -> Size | None:
    text = drawn.options.looks.size
    return None if text is None else size_of(text)


def _x_places(kind: Kind, drawn: Drawn) -> list[Places]:
    looks = drawn.options.looks
    if kind.shape == "wide":
        return []
    scales = (looks.xscale, looks.yscale if len(drawn.placing.x) > 1 else None)
    return [
        Places(
            field,
            drawn.table[field],
            scale=scale,
            each=kind.places,
            order=_there(kind, drawn, field),
        )
        for field, scale in zip(drawn.placing.x, scales, strict=False)
    ]


def _there(kind: Kind, drawn: Drawn, field: str) -> Sequence[Any]:
    """The values of a field that are in the table, in order; of a history only if they are few."""
    if field == drawn.placing.history:
        if not kind.places:
            return ()
        return np.unique(drawn.table[field].to_numpy()).tolist() if len(drawn.table) else []
    values = drawn.table[field]
    present = {None if pd.isna(value) else value for value in values.unique()}
    return [value for value in drawn.orders[field] if value in present]


def _norms(kind: Kind, drawn: Drawn) -> dict[str, Normalize]:
    """From values to colours, for each metric that is shown as one; the same in every panel."""
    scale = drawn.options.looks.zscale
    norms = {}
    for metric in drawn.placing.metrics:
        if kind.shape == "wide":
            values = drawn.table[metric].to_numpy(float)
        elif "value" in drawn.table:
            values = drawn.table["value"].to_numpy(float)[
                (drawn.table[METRIC] == metric).to_numpy()
            ]
        else:
            continue
        norms[metric] = _norm(values[np.isfinite(values)], scale, metric)
    return norms


def _norm(values: npt.NDArray[np.float64], scale: str | None, metric: str) -> Normalize:
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if scale == "log":
        positive = values[values > 0]
        if not positive.size:
            raise InvalidError(
                f"No point of {metric!r} is positive, so logarithmic colours would show nothing."
            )
        return LogNorm(float(positive.min()), high)
    if scale == "symlog":
        amounts = np.abs(values[values != 0])
        threshold = float(amounts.min()) if amounts.size else 1.0
        return SymLogNorm(max(threshold, abs(high) * 1e-9), vmin=low, vmax=high)
    return Normalize(low, high)


def _set_axes(kind: Kind, axes: Axes, panel: Panel) -> None:
    """The scales and ticks of a panel."""
    drawn = panel.shared.drawn
    looks = drawn.options.looks
    names: tuple[Name, Name] = ("x", "y")
    for places, name in zip(panel.shared.x, names, strict=False):
        places.set(axes, name)
    if kind.shape == "wide" and kind.measures_y:
        one, two = drawn.placing.metrics[:2]
        _scale(axes, "x", looks.xscale, panel, [one])
        _scale(axes, "y", looks.yscale, panel, [two])
    elif kind.measures_y:
        # Of a band that reaches below zero the axis need not speak.
        columns = ["value"] if "value" in drawn.table else ["low", "high"]
        _scale(axes, "y", looks.yscale, panel, columns)


def _scale(axes: Axes, name: Any, scale: str | None, panel: Panel, columns: Sequence[str]) -> None:
    if scale in (None, "linear") or panel.rows.empty:
        return
    # Of all panels, so that those that share an axis agree.
    table = panel.shared.whole.table
    if METRIC in table:
        table = table[table[METRIC].isin(panel.metrics)]
    numbers = [table[column].to_numpy(float) for column in columns]
    if scale == "equal":
        set_equal(axes, name, np.concatenate(numbers))
        return
    what = columns[0] if columns[0] in panel.metrics else panel.metrics[0]
    if set_scale(axes, name, str(scale), numbers, what):
        axis = axis_of(axes, name)
        axis.set_label_text(f"{axis.get_label_text()} (> 0)", parse_math=False)


def _name_axes(kind: Kind, axes: Axes, panel: Panel, *, outer: tuple[bool, bool]) -> None:
    """Writes what the axes measure, and what the panel shows; dollars are no formula."""
    drawn = panel.shared.drawn
    looks, metrics = drawn.options.looks, drawn.placing.metrics
    if kind.shape == "wide" and kind.measures_y:
        _label(axes, "x", looks.xlabel or shortened(metrics[0]))
        _label(axes, "y", looks.ylabel or shortened(metrics[1]))
    elif kind.measures_y:
        _label(axes, "y", looks.ylabel or _measure(drawn, panel))
    if looks.xlabel:
        _label(axes, "x", looks.xlabel)
    if looks.ylabel:
        _label(axes, "y", looks.ylabel)
    if panel.title:
        axes.set_title(panel.title, parse_math=False)
    bottom, left = outer
    if not bottom:
        axes.set_xlabel("")
    if not left:
        axes.set_ylabel("")


def _label(axes: Axes, name: Any, text: str) -> None:
    axis = axis_of(axes, name)
    left_out = " (> 0)" if axis.get_label_text().endswith(" (> 0)") else ""
    axis.set_label_text(text + left_out, parse_math=False, linespacing=1.35)


def _measure(drawn: Drawn, panel: Panel) -> str:
    """What y is: the metric, and what was made of it."""
    contents = drawn.options.contents
    shown = panel.metrics[:1] if drawn.placing.twin else panel.metrics
    name = shortened(", ".join(shown)) if len(shown) <= 2 else "value"
    made = [f"smoothed, {contents.smooth}"] if contents.smooth is not None else []
    if "low" in drawn.table and "value" in drawn.table:
        made.append(_band(contents.centre, contents.band))
    name = f"best {name} so far" if contents.best_so_far else name
    return "\n".join([name, *([", ".join(made)] if made else [])])


def _band(centre: str, band: str) -> str:
    words: Mapping[str, str] = {"ci": "95 % interval", "iqr": "quartiles", "range": "range"}
    return f"{centre} ± {band}" if band in ("std", "sem") else f"{centre} and {words[band]}"
