"""What curves are drawn from: the points of some runs, and what tells the runs apart."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
from sqlalchemy import select
from sqlalchemy.orm import Session

from tracker.database.kinds import Axis
from tracker.database.tables import PhaseResult
from tracker.errors import InvalidError, NotFoundError
from tracker.filters.goals import goal_of
from tracker.plots.curves import CurveOptions
from tracker.plots.lines import XAxis
from tracker.plots.panels import Goal
from tracker.registry.details import metric_names, runs_named
from tracker.registry.frames import points_frame
from tracker.registry.listing import find_runs, list_pipelines
from tracker.registry.metrics import History, SeriesOf, history
from tracker.registry.params import read_params
from tracker.registry.pipelines import select_current_runs
from tracker.registry.rows import Rows

# More lines than anybody tells apart.
MOST_LINES = 100

_NAMES = ("experiment", "pipeline", "name", "started")


class CurveChoice(NamedTuple):
    """Which runs are meant: by name, by a filter over runs, or over pipelines; else all.

    A pipeline stands for its current run. What is archived is left out of `filter`.
    """

    names: Sequence[str] = ()
    filter: str | None = None
    pipelines: bool = False


class Curves(NamedTuple):
    """The tables that `draw_curves` takes, and the goals of the metrics."""

    history: pd.DataFrame
    runs: pd.DataFrame
    goals: dict[str, Goal]


def read_curves(
    session: Session, metrics: Sequence[str], choice: CurveChoice, options: CurveOptions
) -> Curves:
    """Reads what the options need; runs that have none of the metrics are left out.

    Over epochs, points per epoch are read where there are any, and a run that counted epochs
    anew in another phase has a line for each; over step and time, points per step come first.
    """
    ids = _chosen(session, choice)
    known = metric_names(session, ids)
    for metric in metrics:
        if metric not in known:
            raise NotFoundError("metric", metric, known)
    points, lines = _by_line(_points(session, ids, metrics, options.x), options.x)
    if options.group_by is None and len(lines) > MOST_LINES:
        raise InvalidError(
            f"{len(lines)} runs are more lines than can be told apart ({MOST_LINES}). "
            "Choose some by a filter, or draw means: group by a parameter."
        )
    goals = {metric: goal_of(session, metric) for metric in metrics}
    return Curves(
        points_frame(points, {number: number for number in range(len(lines))}),
        _facts(session, lines, options),
        {metric: goal.value for metric, goal in goals.items() if goal is not None},
    )


class _LineOf(NamedTuple):
    """Whose points one line shows; the phase only where the run does not tell."""

    run_id: int
    phase_id: int | None


def _chosen(session: Session, choice: CurveChoice) -> list[int]:
    """The ids of the runs meant, the oldest first."""
    ids = {run.id for run in runs_named(session, choice.names)}
    if choice.pipelines:
        pipelines = list_pipelines(session, filter=choice.filter, columns=["name"]).ids
        ids |= set(session.scalars(select_current_runs(pipelines)))
    elif choice.filter is not None or not choice.names:
        ids |= set(find_runs(session, filter=choice.filter, archived=False).ids)
    return sorted(ids)


def _points(session: Session, ids: Sequence[int], metrics: Sequence[str], x: XAxis) -> History:
    if x == "epoch":
        return history(session, ids, metrics)
    per_step = history(session, ids, metrics, axis=Axis.STEP)
    per_epoch = history(session, ids, metrics, axis=Axis.EPOCH)
    detailed = {(series.run_id, series.name) for series in per_step.series}
    rest = _without(per_epoch, detailed)
    return History(per_step.series + rest.series, per_step.points + rest.points)


def _without(points: History, left_out: Iterable[tuple[int, str]]) -> History:
    kept = History([], [])
    start = 0
    for series in points.series:
        if (series.run_id, series.name) not in left_out:
            kept.series.append(series)
            kept.points.extend(points.points[start : start + series.length])
        start += series.length
    return kept


def _by_line(points: History, x: XAxis) -> tuple[History, list[_LineOf]]:
    """The points with the number of their line in place of their run's id."""
    phases: dict[tuple[int, str], set[int | None]] = {}
    for series in points.series:
        phases.setdefault((series.run_id, series.name), set()).add(series.phase_result_id)
    anew = {run for (run, _), found in phases.items() if x == "epoch" and len(found) > 1}

    def line_of(series: SeriesOf) -> _LineOf:
        return _LineOf(series.run_id, series.phase_result_id if series.run_id in anew else None)

    lines = sorted({line_of(series) for series in points.series}, key=_order)
    numbers = {line: number for number, line in enumerate(lines)}
    renamed = [series._replace(run_id=numbers[line_of(series)]) for series in points.series]
    return History(renamed, points.points), lines


def _order(line: _LineOf) -> tuple[int, int]:
    return line.run_id, line.phase_id or 0


def _facts(session: Session, lines: Sequence[_LineOf], options: CurveOptions) -> pd.DataFrame:
    """What a legend can say of each line, and what lines are grouped by."""
    ids = list(dict.fromkeys(line.run_id for line in lines))
    asked = [*options.labels, *([options.group_by] if options.group_by else [])]
    expressions = list(dict.fromkeys([*_NAMES, *asked]))
    rows = Rows(session, "runs")
    columns = rows.columns(ids, [rows.filters.value(text) for text in expressions])
    facts = {
        id_: dict(zip(expressions, row, strict=True))
        for id_, row in zip(ids, zip(*columns, strict=True), strict=True)
    }
    params = read_params(session, ids)
    phases = _phase_labels(session, lines)
    return pd.DataFrame(
        [
            {
                **facts[line.run_id],
                "phase": phases.get(line.phase_id),
                **{f"params.{key}": value for key, value in params[line.run_id].items()},
            }
            for line in lines
        ]
    ).astype(object)


def _phase_labels(session: Session, lines: Iterable[_LineOf]) -> Mapping[Any, str]:
    wanted = [line.phase_id for line in lines if line.phase_id is not None]
    found = select(PhaseResult.id, PhaseResult.label).where(PhaseResult.id.in_(wanted))
    return dict(session.execute(found).all())
