"""Pictures as text, drawn by plotext, which is an optional dependency."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from tracker.errors import InvalidError
from tracker.plots.fields.labels import line_labels
from tracker.plots.fields.placing import METRIC
from tracker.plots.fields.values import text_of
from tracker.plots.tables.drawn import Drawn, blocks, panel_fields

# Where there is no colour, the letters that lines are drawn with.
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def terminal_text(drawn: Drawn, *, width: int = 100, height: int = 24, colour: bool = True) -> str:
    """The picture as lines of text, a plot below the other for several panels.

    Without colour, lines are told apart by the letters that they are drawn with.

    InvalidError where plotext is not installed, or for a kind of picture that text cannot show.
    """
    kind = drawn.options.contents.kind
    if kind not in KINDS:
        raise InvalidError(
            f"A {kind} cannot be drawn as text; {', '.join(KINDS)} can. Write it into a file."
        )
    if drawn.placing.frames:
        raise InvalidError("What moves cannot be drawn as text. Write a .gif.")
    plotext = _plotext()
    fields = panel_fields(drawn.placing)
    if drawn.placing.twin:
        fields = [*fields, METRIC]
    texts = []
    for values, rows in blocks(drawn.table, fields):
        titles = [
            text_of(value) if field == METRIC else f"{field}={text_of(value)}"
            for field, value in zip(fields, values, strict=True)
        ]
        plotext.clear_figure()
        for paint in (plotext.canvas_color, plotext.axes_color, plotext.ticks_color):
            paint("default")
        plotext.plot_size(width, height)
        metrics = (
            [] if METRIC in fields or kind == "scatter" else [", ".join(drawn.placing.metrics)]
        )
        plotext.title(drawn.options.looks.title or ", ".join([*metrics, *titles]))
        _DRAWERS[kind](plotext, drawn, drawn.table[rows], colour)
        texts.append(plotext.build() if colour else plotext.uncolorize(plotext.build()))
    return "\n".join(texts)


def _marker(number: int, colour: bool) -> str:  # noqa: FBT001 - private
    return "hd" if colour else _LETTERS[number % len(_LETTERS)]


def _draw_lines(plotext: Any, drawn: Drawn, rows: pd.DataFrame, colour: bool) -> None:  # noqa: FBT001 - private
    x = drawn.placing.x[0]
    plotext.xlabel("s" if x == "time" else x)
    for number, (label, part) in enumerate(_lines(drawn, rows)):
        kept = part[np.isfinite(part["value"].to_numpy(float))]
        places = _places(plotext, rows[x], kept[x], drawn.options.looks.xscale)
        values = kept["value"].tolist()
        if values:
            plotext.plot(places, values, label=label, marker=_marker(number, colour))
        if "best" in kept and kept["best"].any():
            best = kept["best"].to_numpy()
            plotext.scatter(
                np.asarray(places)[best].tolist(), kept["value"][best].tolist(), marker="*"
            )
    _scale(plotext, rows["value"], "y", drawn.options.looks.yscale)


def _draw_bars(plotext: Any, drawn: Drawn, rows: pd.DataFrame, colour: bool) -> None:  # noqa: FBT001 - private
    x = drawn.placing.x[0]
    names = list(dict.fromkeys(rows[x].tolist()))
    bars, labels = [], []
    for label, part in _lines(drawn, rows):
        values = dict(zip(part[x].tolist(), part["value"].tolist(), strict=True))
        heights = [values.get(name, 0.0) for name in names]
        bars.append([height if np.isfinite(height) else 0.0 for height in heights])
        labels.append(label)
    marks = None if colour else list(_LETTERS[: len(bars)])
    plotext.multiple_bar(list(map(text_of, names)), bars, labels=labels, marker=marks)
    plotext.xlabel(x)


def _draw_points(plotext: Any, drawn: Drawn, rows: pd.DataFrame, colour: bool) -> None:  # noqa: FBT001 - private
    one, two = drawn.placing.metrics
    for number, (label, part) in enumerate(_lines(drawn, rows)):
        kept = part[np.isfinite(part[[one, two]].to_numpy(float)).all(axis=1)]
        marker = _marker(number, colour)
        plotext.scatter(kept[one].tolist(), kept[two].tolist(), label=label, marker=marker)
    plotext.xlabel(one)
    plotext.ylabel(two)
    _scale(plotext, rows[one], "x", drawn.options.looks.xscale)
    _scale(plotext, rows[two], "y", drawn.options.looks.yscale)


def _lines(drawn: Drawn, rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each line, with what the legend calls it."""
    found = list(blocks(rows, drawn.placing.lines))
    named = [dict(zip(drawn.placing.lines, line, strict=True)) for line, _ in found]
    labels = line_labels(named if len(named) > 1 else [*named, {}])
    return [(label, rows[place]) for label, (_, place) in zip(labels, found, strict=False)]


def _places(plotext: Any, known: pd.Series, values: pd.Series, scale: str | None) -> list[float]:
    """Numbers as they are; anything else in places of its own, with its name below."""
    if pd.api.types.is_numeric_dtype(known) and scale != "equal":
        _scale_by(plotext, "x", scale)
        return list(values.astype(float))
    names = list(dict.fromkeys(known.tolist()))
    plotext.xticks(list(range(len(names))), list(map(text_of, names)))
    return [float(names.index(value)) for value in values.tolist()]


def _scale(plotext: Any, values: pd.Series, axis: str, scale: str | None) -> None:
    if scale == "log" and not (values > 0).all():
        raise InvalidError(
            "Text has no place for what is not positive on a logarithmic axis. Write a file."
        )
    _scale_by(plotext, axis, scale)


def _scale_by(plotext: Any, axis: str, scale: str | None) -> None:
    if scale in ("symlog", "equal"):
        raise InvalidError(f"Text has no {scale} axis; a file has.")
    if scale == "log":
        (plotext.xscale if axis == "x" else plotext.yscale)("log")


_DRAWERS: dict[str, Callable[[Any, Drawn, pd.DataFrame, bool], None]] = {
    "curve": _draw_lines, "curve_best": _draw_lines, "bar": _draw_bars, "scatter": _draw_points,
}  # fmt: skip
KINDS = tuple(_DRAWERS)


def _plotext() -> Any:
    try:
        import plotext  # noqa: PLC0415 - optional
    except ImportError:
        raise InvalidError(
            "Pictures as text need plotext: pip install 'labkeeper[terminal]'."
        ) from None
    return plotext
