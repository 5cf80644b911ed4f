"""Where each field stands in a picture, as far as that is said: x, lines, panels, frames."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from tracker.errors import InvalidError
from tracker.plots.kind import Kind
from tracker.plots.options import HISTORIES, REST, Contents

METRIC, RUN = "metric", "run"


class Placing(NamedTuple):
    """Where fields stand; `wrapped` says that each metric has a panel, as many as fit in a row.

    `history` is the one field that is looked up in the points of a run: `epoch`, `step`, `time`,
    `wall`, or a metric that a curve is drawn along.
    """

    metrics: tuple[str, ...]
    x: tuple[str, ...]
    lines: tuple[str, ...]
    rows: str | None
    columns: str | None
    frames: str | None
    average: tuple[str, ...] | None
    history: str | None
    wrapped: bool
    twin: bool

    @property
    def keys(self) -> tuple[str, ...]:
        """Every field with a place, the slowest first."""
        around = (self.rows, self.columns, self.frames)
        return tuple(dict.fromkeys([*filter(None, around), *self.lines, *self.x]))

    @property
    def fields(self) -> tuple[str, ...]:
        """Those of them that are something of a run as a whole."""
        return tuple(key for key in self.keys if key not in (METRIC, self.history))


def place_fields(
    kind: Kind, contents: Contents, metrics: Sequence[str], known_metrics: Collection[str]
) -> Placing:
    """The places that were asked for, and the usual ones for the rest; checked."""
    metrics = tuple(dict.fromkeys(metrics))
    if kind.metrics is not None and len(metrics) != kind.metrics:
        raise InvalidError(f"A {kind.name} takes {kind.metrics} metrics, not {len(metrics)}.")
    x = tuple(contents.x) or kind.usual_x
    usual = kind.usual_lines if set(x) <= {*HISTORIES, *known_metrics} else ()
    lines = tuple(contents.lines) or tuple(contents.group_by) or usual
    lines, rows, columns = _with_metric(contents, kind, metrics, lines)
    placing = Placing(
        metrics=metrics,
        x=x,
        lines=lines,
        rows=rows,
        columns=columns,
        frames=contents.animate,
        average=(REST,) if contents.group_by else contents.average,  # type: ignore[arg-type]
        history=None,
        wrapped=kind.shape != "wide"
        and len(metrics) > 1
        and contents.together == "panels"
        and METRIC not in (*lines, *x, rows, columns, contents.animate),
        twin=contents.together == "twin",
    )
    _check(kind, placing)
    return placing._replace(history=_history(kind, placing, known_metrics))


def _with_metric(
    contents: Contents, kind: Kind, metrics: Sequence[str], lines: tuple[str, ...]
) -> tuple[tuple[str, ...], str | None, str | None]:
    """Gives several metrics a place among the panels where rows or columns are taken."""
    rows, columns = contents.rows, contents.columns
    said = (*lines, *contents.x, rows, columns, contents.animate)
    if kind.shape == "wide" or len(metrics) < 2 or METRIC in said:
        return lines, rows, columns
    if contents.together == "lines":
        return (*lines, METRIC), rows, columns
    if contents.together == "twin" or not (rows or columns):
        return lines, rows, columns
    if rows and columns:
        raise InvalidError(
            f"{len(metrics)} metrics have no place beside rows and columns. Put 'metric' among "
            "rows, columns or lines."
        )
    return lines, rows or METRIC, columns or METRIC


def _check(kind: Kind, placing: Placing) -> None:
    if not kind.least_x <= len(placing.x) <= kind.most_x:
        some = str(kind.least_x) if kind.least_x == kind.most_x else f"at most {kind.most_x}"
        raise InvalidError(
            f"A {kind.name} takes {some} x, not {len(placing.x)}"
            f"{': ' if placing.x else ''}{', '.join(placing.x)}."
        )
    if len(placing.lines) > kind.line_fields:
        raise InvalidError(
            f"A {kind.name} tells lines apart by at most {kind.line_fields} fields, not by "
            f"{', '.join(placing.lines)}."
        )
    said = [*placing.x, *placing.lines, placing.rows, placing.columns, placing.frames]
    for field in filter(None, said):
        if said.count(field) > 1:
            raise InvalidError(f"{field!r} has two places in the picture.")
    if placing.twin and (len(placing.metrics) != 2 or kind.name not in ("curve", "curve_best")):
        raise InvalidError(
            f"A twin axis is for curves of two metrics, not for a {kind.name} of "
            f"{len(placing.metrics)}."
        )


def _history(kind: Kind, placing: Placing, known_metrics: Collection[str]) -> str | None:
    found = [key for key in placing.keys if key in HISTORIES]
    if kind.along_metrics and placing.x and placing.x[0] in known_metrics:
        found.append(placing.x[0])
    if len(found) > 1:
        raise InvalidError(f"One picture has one place in a history, not {' and '.join(found)}.")
    return found[0] if found else None
