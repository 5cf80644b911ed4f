"""Metric curves of many runs: tables in, a Figure out."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import pandas as pd
from matplotlib.figure import Figure

from tracker.errors import InvalidError, did_you_mean
from tracker.plots.labels import group_label, run_labels, text_of
from tracker.plots.lines import (
    ALIGNS,
    BANDS,
    X_AXES,
    Align,
    Band,
    Line,
    XAxis,
    mean_line,
    points_of,
    run_line,
)
from tracker.plots.panels import Goal, Panel, draw_panels

Kind = Literal["curve", "curve_best"]

KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, kw_only=True)
class CurveOptions:
    """How curves are drawn; checked when made.

    `labels` are the parameters a legend shows beside each run's name. With `group_by`, a
    column of the table of runs, each line is the mean of the runs that share its value;
    `band` and `align` say what surrounds the mean and where it is drawn (`mean_line`).
    """

    x: XAxis = "epoch"
    kind: Kind = "curve"
    group_by: str | None = None
    band: Band = "std"
    align: Align = "all"
    labels: Sequence[str] = ()
    log_x: bool = False
    log_y: bool = False
    title: str | None = None

    def __post_init__(self) -> None:
        _check_choice("x axis", self.x, X_AXES)
        _check_choice("kind of picture", self.kind, KINDS)
        _check_choice("band", self.band, BANDS)
        _check_choice("alignment", self.align, ALIGNS)
        if self.group_by is not None and self.x == "time":
            raise InvalidError(
                "Runs have no moments in common, so they have no mean over time. "
                "Group over epoch or step."
            )


def draw_curves(
    history: pd.DataFrame,
    runs: pd.DataFrame,
    metrics: Sequence[str],
    *,
    goals: Mapping[str, Goal] | None = None,
    options: CurveOptions | None = None,
) -> Figure:
    """One panel per metric, one line per run or group.

    `history` has the columns `run`, `metric`, `step`, `epoch`, `value` and `time`; `runs` is
    indexed by what `history` has in `run`, in the order of the legend, with the columns
    `experiment`, `pipeline`, `name`, `started`, as far as they are known, and the parameters.

    NaN is a gap. An infinity is a gap too, with a triangle at the edge it left through. On a
    logarithmic axis what is not positive is left out. `curve_best` marks the best point of each
    line with a star, by `goals`. Nothing of matplotlib's global state is used or changed.
    """
    options = options or CurveOptions()
    if not metrics or runs.empty or history.empty:
        raise InvalidError("There is nothing to draw: no run here has logged anything.")
    goals = _goals(metrics, goals or {}, options.kind)
    panels = [
        Panel(metric, _lines(history, runs, metric, options), goals.get(metric))
        for metric in dict.fromkeys(metrics)
    ]
    return draw_panels(
        panels, x=options.x, log_x=options.log_x, log_y=options.log_y, title=options.title
    )


def _goals(metrics: Sequence[str], goals: Mapping[str, Goal], kind: Kind) -> Mapping[str, Goal]:
    """Which way is better for each metric whose best point is to be marked."""
    if kind == "curve":
        return {}
    for metric in metrics:
        if metric not in goals:
            raise InvalidError(
                f"Is a high or a low {metric!r} better? Say so once: "
                f"labkeeper goal {metric} min (or max)."
            )
    return goals


def _lines(
    history: pd.DataFrame, runs: pd.DataFrame, metric: str, options: CurveOptions
) -> list[Line]:
    lines_of = _run_lines if options.group_by is None else _group_lines
    lines = lines_of(points_of(history, metric), runs, options)
    if not lines:
        raise InvalidError(
            f"The metric {metric!r} was logged without epochs. Draw it over step or time."
        )
    return lines


def _check_choice(what: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise InvalidError(
            f"There is no {what} {value!r}.{did_you_mean(value, known)} Known: {', '.join(known)}."
        )


def _run_lines(points: pd.DataFrame, runs: pd.DataFrame, options: CurveOptions) -> list[Line]:
    labels = run_labels(runs, options.labels)
    return list(_lines_by_run(points, runs, labels, options.x).values())


def _group_lines(points: pd.DataFrame, runs: pd.DataFrame, options: CurveOptions) -> list[Line]:
    key = str(options.group_by)
    if key not in runs:
        raise InvalidError(f"No run has {key!r} to group by.{did_you_mean(key, map(str, runs))}")
    names = {run: str(run) for run in runs.index}
    lines = _lines_by_run(points, runs, names, options.x)
    values = runs[key].to_dict()
    groups: dict[object, list[Line]] = {}
    for run, line in lines.items():
        groups.setdefault(_group_value(values[run]), []).append(line)
    return [
        mean_line(
            group_label(key, value, len(members)),
            members,
            band=options.band,
            align=options.align,
        )
        for value, members in sorted(groups.items(), key=_natural)
    ]


def _lines_by_run(
    points: pd.DataFrame, runs: pd.DataFrame, labels: Mapping[Hashable, str], x: XAxis
) -> dict[Hashable, Line]:
    by_run = dict(iter(points.groupby("run", sort=False)))
    starts = runs["started"].to_dict() if "started" in runs else {}
    lines = {}
    for run in runs.index:
        if run in by_run:
            start = starts.get(run)
            first = by_run[run]["time"].min() if pd.isna(start) else start
            line = run_line(labels[run], by_run[run], x, start=first)
            if line.x.size:
                lines[run] = line
    return lines


def _group_value(value: Any) -> Any:
    """A number as it is; everything else, a missing value too, by its text."""
    return text_of(value) if not isinstance(value, int | float) or pd.isna(value) else value


def _natural(item: tuple[Any, list[Line]]) -> tuple[bool, float, str]:
    """Numbers by size, then everything else by its text."""
    value = item[0]
    is_number = isinstance(value, int | float)
    return not is_number, float(value) if is_number else 0.0, str(value)
