"""Reading from the lab what a picture is made from: which runs, their points, their fields."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sqlalchemy import select
from sqlalchemy.orm import Session

from tracker.database.kinds import Axis
from tracker.database.tables import PhaseResult
from tracker.errors import InvalidError, NotFoundError
from tracker.filters import wording
from tracker.filters.goals import goal_of
from tracker.plots.fields.only import read_only
from tracker.plots.fields.placing import RUN, Placing, place_fields
from tracker.plots.fields.roles import PARAMETER
from tracker.plots.kinds import KINDS
from tracker.plots.options import Contents, Goal, Options
from tracker.plots.records.records import Points, Records
from tracker.registry.curves import SeriesPoints, read_series
from tracker.registry.details import metric_names, runs_named
from tracker.registry.listing import find_runs, list_pipelines
from tracker.registry.params import read_params
from tracker.registry.pipelines import select_current_runs
from tracker.registry.rows import Rows

# More lines than anybody tells apart.
MOST_LINES = 100

_NAMES = ("experiment", "pipeline", "name", "started", "seed")


class Choice(NamedTuple):
    """Which runs are meant: by name, by a filter over runs, or over pipelines; else all.

    A pipeline stands for its current run. What is archived is left out of `filter`. `ids`, where
    they are known already, stand above everything.
    """

    names: Sequence[str] = ()
    filter: str | None = None
    pipelines: bool = False
    ids: Sequence[int] | None = None


def read_records(
    session: Session, metrics: Sequence[str], choice: Choice, options: Options
) -> Records:
    """Reads what the options need, and nothing else; runs without any of the metrics are left out.

    Over epochs, points per epoch are read where there are any, and a run that counted epochs
    anew in another phase is there once for each; over step and time, points per step come
    first. Where no history is drawn, a run's last or best values come from its summaries.
    """
    contents = options.contents
    ids = chosen_runs(session, choice, read_only(contents.only).filter)
    known = metric_names(session, ids)
    placing = place_fields(KINDS[contents.kind], contents, metrics, known)
    wanted = list(dict.fromkeys([*metrics, *_others(placing, contents, known)]))
    for metric in wanted:
        if metric not in known:
            raise NotFoundError("metric", metric, known)
    goals = {metric: goal_of(session, metric) for metric in wanted}
    said: dict[str, Goal] = {
        metric: goal.value for metric, goal in goals.items() if goal is not None
    }
    if _needs_points(placing, contents):
        series = _series(session, ids, wanted, placing, contents)
        points, lines = _by_line(series, anew=placing.history == "epoch")
        _check_few(placing, len(lines))
        return Records(_facts(session, lines, placing, contents), points, {}, said)
    scalars = _scalars(session, ids, wanted, contents, said)
    lines = [
        LineOf(run_id, None) for run_id in sorted({id_ for of in scalars.values() for id_ in of})
    ]
    numbers = {line.run_id: number for number, line in enumerate(lines)}
    numbered = {
        metric: {numbers[run_id]: value for run_id, value in of.items()}
        for metric, of in scalars.items()
    }
    return Records(_facts(session, lines, placing, contents), {}, numbered, said)


class LineOf(NamedTuple):
    """Whose points one line shows; the phase only where the run does not tell."""

    run_id: int
    phase_id: int | None


def chosen_runs(session: Session, choice: Choice, only: str | None = None) -> list[int]:
    """The ids of the runs meant, the oldest first; `only` is a filter that all of them pass."""
    if choice.ids is not None:
        return sorted(choice.ids)
    ids = {run.id for run in runs_named(session, choice.names)}
    if choice.pipelines:
        pipelines = list_pipelines(session, filter=choice.filter, columns=["name"]).ids
        ids |= set(session.scalars(select_current_runs(pipelines)))
    elif choice.filter is not None or not choice.names:
        ids |= set(find_runs(session, filter=choice.filter, archived=False).ids)
    if only is not None:
        ids &= set(find_runs(session, filter=only).ids)
    return sorted(ids)


def _others(placing: Placing, contents: Contents, known: Collection[str]) -> list[str]:
    """The metrics that are not drawn, but drawn along, or chosen by."""
    along = [placing.history] if placing.history in known else []
    by = [contents.best_ref_metric] if contents.best_ref_metric else []
    return [*filter(None, along), *by]


def _needs_points(placing: Placing, contents: Contents) -> bool:
    return (
        placing.history is not None
        or bool(read_only(contents.only).points)
        or contents.at not in ("last", "best")
    )


def _series(
    session: Session,
    ids: Sequence[int],
    metrics: Sequence[str],
    placing: Placing,
    contents: Contents,
) -> list[SeriesPoints]:
    history, cut = placing.history, set(read_only(contents.only).points)
    epochs = history not in ("step", "time", "wall") or "epoch" in cut
    times = bool({history, *cut} & {"time", "wall"})
    if history not in ("step", "time", "wall"):
        return read_series(session, ids, metrics, epochs=epochs, times=times)
    per_step = read_series(session, ids, metrics, axis=Axis.STEP, epochs=epochs, times=times)
    detailed = {(series.run_id, series.name) for series in per_step}
    per_epoch = read_series(session, ids, metrics, axis=Axis.EPOCH, epochs=epochs, times=times)
    return per_step + [
        series for series in per_epoch if (series.run_id, series.name) not in detailed
    ]


def _by_line(
    found: Sequence[SeriesPoints], *, anew: bool
) -> tuple[dict[str, dict[int, Points]], list[LineOf]]:
    """The points by metric and number of the line, and the lines; the oldest run comes first."""
    phases: dict[tuple[int, str], set[int | None]] = {}
    for series in found:
        phases.setdefault((series.run_id, series.name), set()).add(series.phase_result_id)
    several = {run_id for (run_id, _), of in phases.items() if anew and len(of) > 1}

    def line_of(series: SeriesPoints) -> LineOf:
        phase = series.phase_result_id if series.run_id in several else None
        return LineOf(series.run_id, phase)

    lines = sorted({line_of(series) for series in found}, key=lambda it: (it[0], it[1] or 0))
    numbers = {line: number for number, line in enumerate(lines)}
    pieces: dict[str, dict[int, list[SeriesPoints]]] = {}
    for series in found:
        of_metric = pieces.setdefault(series.name, {})
        of_metric.setdefault(numbers[line_of(series)], []).append(series)
    points = {
        metric: {number: _joined(parts) for number, parts in of.items()}
        for metric, of in pieces.items()
    }
    return points, lines


def _joined(parts: Sequence[SeriesPoints]) -> Points:
    """The points of one line in the order of their steps."""
    columns = [
        None if any(part is None for part in column) else np.concatenate(column)
        for column in zip(*(part[4:] for part in parts), strict=True)
    ]
    steps, values, epochs, times = (
        None if column is None else column.astype(np.float64, copy=False) for column in columns
    )
    if steps is None or values is None:
        raise ValueError("a series always has steps and values")
    points = Points(steps, values, epochs, times)
    if len(parts) == 1 or np.all(steps[1:] >= steps[:-1]):
        return points
    order = np.argsort(steps, kind="stable")
    return Points(*(None if column is None else column[order] for column in points))  # type: ignore[arg-type]


def _scalars(
    session: Session,
    ids: Sequence[int],
    metrics: Sequence[str],
    contents: Contents,
    goals: Mapping[str, str],
) -> dict[str, dict[int, float]]:
    """Each run's last or best value of each metric, from its summaries; by id of the run."""
    rows = Rows(session, "runs")
    texts = []
    for metric in metrics:
        function = "last"
        if contents.at == "best":
            goal = contents.best or goals.get(metric)
            if goal is None:
                raise InvalidError(
                    f"Is a high or a low {metric!r} better? Say so once: "
                    f"labkeeper goal {metric} min (or max)."
                )
            function = goal
        texts.append(wording.call(function, metric))
    columns = rows.columns(ids, [rows.filters.value(text) for text in texts])
    return {
        metric: {
            id_: float(value) for id_, value in zip(ids, column, strict=True) if value is not None
        }
        for metric, column in zip(metrics, columns, strict=True)
    }


def _facts(
    session: Session, lines: Sequence[LineOf], placing: Placing, contents: Contents
) -> pd.DataFrame:
    """What a legend can say of each line, and what lines are grouped by."""
    ids = list(dict.fromkeys(line.run_id for line in lines))
    asked = [*contents.labels, *(field for field in placing.fields if field not in (RUN, "phase"))]
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
                **{f"{PARAMETER}{key}": value for key, value in params[line.run_id].items()},
            }
            for line in lines
        ]
    ).astype(object)


def _phase_labels(session: Session, lines: Iterable[LineOf]) -> Mapping[Any, str]:
    wanted = [line.phase_id for line in lines if line.phase_id is not None]
    found = select(PhaseResult.id, PhaseResult.label).where(PhaseResult.id.in_(wanted))
    return dict(session.execute(found).all())


def _check_few(placing: Placing, count: int) -> None:
    if RUN in placing.lines and count > MOST_LINES:
        raise InvalidError(
            f"{count} runs are more lines than can be told apart ({MOST_LINES}). "
            "Choose some by a filter, or draw means: group by a parameter."
        )
