"""What a report says: read from the lab, as plain values and pictures."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tracker.database.tables import Run, Series
from tracker.errors import InvalidError, NotFoundError
from tracker.filters import wording
from tracker.plots import (
    Choice,
    chosen_runs,
    draw,
    make_table,
    options_from,
    read_records,
)
from tracker.plots.output.files import rendered
from tracker.plots.tables.scalars import counts_epochs
from tracker.registry.details import metric_names
from tracker.registry.differences import SECTIONS, Differences, differences
from tracker.registry.goals import goal_of
from tracker.registry.params import read_params
from tracker.registry.rows import Rows

# So many runs are compared side by side, so many curves told apart, so many metrics drawn.
MOST_COMPARED = 12
MOST_DRAWN = 100
MOST_METRICS = 12
MOST_PARAMETERS = 10

_COLUMNS = ("name", "experiment", "pipeline", "status", "epoch", "duration", "created")


class Table(NamedTuple):
    """Columns by name, and rows of values."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


class Curves(NamedTuple):
    """One metric's picture as SVG, and the rules that it was made by."""

    metric: str
    svg: str
    rules: tuple[str, ...]


class Report(NamedTuple):
    """What the page says; `remarks` are what it leaves out, and why."""

    title: str
    filter: str | None
    runs: Table
    differences: dict[str, Table]
    patches: dict[str, str]
    curves: list[Curves]
    remarks: list[str]


def gather(
    session: Session,
    choice: Choice,
    *,
    metrics: Sequence[str] | None = None,
    title: str | None = None,
) -> Report:
    """Reads everything about the chosen runs; InvalidError if there are none.

    Without `metrics`, all that were logged more than once. NotFoundError for one that none of
    the runs has.
    """
    ids = chosen_runs(session, choice)
    if not ids:
        raise InvalidError("There is nothing to report: no run is meant.")
    known = metric_names(session, ids)
    for metric in metrics or ():
        if metric not in known:
            raise NotFoundError("metric", metric, known)
    wanted = _wanted(session, ids, metrics)
    remarks: list[str] = []
    names = _names(session, ids)
    found = _compared(session, names, remarks)
    return Report(
        title or choice.filter or "Runs",
        choice.filter,
        _runs(session, ids, wanted),
        _sections(found, names),
        {names[uuid]: patch for uuid, patch in found.patches.items()} if found else {},
        _curves(session, ids, wanted, remarks),
        remarks,
    )


def _wanted(session: Session, ids: Sequence[int], metrics: Sequence[str] | None) -> list[str]:
    """The metrics that are shown: those asked for, else those that have a history."""
    if metrics is not None:
        return list(dict.fromkeys(metrics))
    longest = func.max(Series.count)
    rows = session.execute(
        select(Series.name, longest)
        .where(Series.run_id.in_(ids), Series.headline)
        .group_by(Series.name)
        .order_by(Series.name)
    ).all()
    return [name for name, count in rows if count > 1] or [name for name, _ in rows]


def _runs(session: Session, ids: Sequence[int], metrics: Sequence[str]) -> Table:
    """A row for each run: what it is, the parameters that differ, its metrics."""
    columns = [*_COLUMNS, *_varying(session, ids)]
    for metric in metrics[:MOST_METRICS]:
        best = [] if goal_of(session, metric) is None else [wording.call("best", metric)]
        columns += [*best, wording.call("last", metric)]
    rows = Rows(session, "runs")
    values = rows.columns(ids, [rows.filters.value(name) for name in columns])
    names = [name.removeprefix("params.") for name in columns]
    return Table(names, list(zip(*values, strict=True)))


def _varying(session: Session, ids: Sequence[int]) -> list[str]:
    params = read_params(session, ids)
    keys = dict.fromkeys(key for of in params.values() for key in of)
    varying = [key for key in keys if len({repr(of.get(key)) for of in params.values()}) > 1]
    return [wording.parameter(key) for key in varying[:MOST_PARAMETERS]]


def _compared(session: Session, names: dict[str, str], remarks: list[str]) -> Differences | None:
    if len(names) < 2:
        return None
    if len(names) > MOST_COMPARED:
        remarks.append(
            f"{len(names)} runs are too many to be compared side by side (at most "
            f"{MOST_COMPARED}); the table shows the parameters that differ."
        )
        return None
    # By uuid, since runs of several experiments may have one name.
    return differences(session, names)


def _names(session: Session, ids: Sequence[int]) -> dict[str, str]:
    """What each run is called, by its uuid, the oldest first."""
    rows = session.execute(select(Run.uuid, Run.name).where(Run.id.in_(ids)).order_by(Run.id))
    return dict(rows.all())


def _sections(found: Differences | None, names: dict[str, str]) -> dict[str, Table]:
    """A table for each section in which something differs: a row for each fact."""
    if found is None:
        return {}
    sides, tables = found.as_dict(), {}
    for section in SECTIONS:
        if section == "patches" or not sides[section]:
            continue
        facts = sides[section]
        if section == "metrics":
            facts = {name: about["values"] for name, about in facts.items()}
        rows = [(fact, *(of.get(uuid) for uuid in names)) for fact, of in facts.items()]
        tables[section] = Table(["", *names.values()], rows)
    return tables


def _curves(
    session: Session, ids: Sequence[int], metrics: Sequence[str], remarks: list[str]
) -> list[Curves]:
    """A picture for each metric: over epochs, or over steps where it has none."""
    if len(ids) > MOST_DRAWN:
        remarks.append(f"{len(ids)} runs are more curves than can be told apart ({MOST_DRAWN}).")
        return []
    if len(metrics) > MOST_METRICS:
        left_out = ", ".join(metrics[MOST_METRICS:])
        remarks.append(f"Only {MOST_METRICS} metrics are drawn; not {left_out}.")
    return [_curve(session, ids, metric) for metric in metrics[:MOST_METRICS]]


def _curve(session: Session, ids: Sequence[int], metric: str) -> Curves:
    records = read_records(session, [metric], Choice(ids=ids), options_from({}))
    if not any(counts_epochs(points) for points in records.points[metric].values()):
        records = read_records(session, [metric], Choice(ids=ids), options_from({"x": "step"}))
        drawn = make_table(records, [metric], options_from({"x": "step"}))
    else:
        drawn = make_table(records, [metric], options_from({}))
    return Curves(metric, rendered(draw(drawn).figure, "svg").decode(), drawn.rules)
