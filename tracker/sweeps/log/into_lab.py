"""A log as a lab's sweep: its rows as trials, with the runs that they had elsewhere."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from tracker.database.kinds import RunStatus
from tracker.errors import InvalidError
from tracker.registry.runs import create_run
from tracker.registry.sweeps.catalog import Point, add_trials, create_sweep
from tracker.registry.sweeps.logs import TakenIn, take_in
from tracker.sweeps.creating import digest
from tracker.sweeps.log.cells import encode
from tracker.sweeps.log.from_lab import STATUS
from tracker.sweeps.log.merging import conflicting
from tracker.sweeps.log.table import Row, Table
from tracker.sweeps.results import record_result

# What nobody has named a function for; workers refuse it, and say so.
TARGET = "imported"
# malet's letters.
_STATUSES = {"C": RunStatus.FINISHED, "F": RunStatus.FAILED, "R": RunStatus.LOST}
_LOST = "was running when its log was written"


def store_table(session: Session, table: Table, name: str, experiment: str, target: str) -> None:
    """Makes a sweep of this name with a trial for each row, in the rows' order.

    A row that says nothing of how it ended is finished if it has a result, else queued. One that
    was running is lost. InvalidError if rows of one configuration differ.
    """
    if conflicts := conflicting(table):
        raise InvalidError(
            f"Several rows of one configuration differ, such as {conflicts[0].to_dict()}; leave"
            " one of them with drop_duplicates."
        )
    rows = {digest(table.static | row.config): row for row in table.rows}
    grid = _grid(table)
    sweep = create_sweep(
        session, name=name, experiment=experiment, target=target, grid=grid, grid_hash=digest(grid)
    )
    points = [Point(table.static | row.config, known) for known, row in rows.items()]
    add_trials(session, sweep.id, points)
    for place, (row, point) in enumerate(zip(rows.values(), points, strict=True)):
        trial = _trial(row, place)
        if trial is None:
            continue
        seed = point.config.get("seed")
        run = create_run(
            session,
            name=f"{name}/{place}",
            experiment=experiment,
            params=point.config,
            seed=seed if type(seed) is int else None,
        )
        record_result(session, run.id, trial.result)
        take_in(session, sweep.id, place, run.id, trial)


def _grid(table: Table) -> dict[str, Any]:
    """The rows' points, each as an entry of its own: together they need be no grid."""
    entries = [{name: [value] for name, value in row.config.items()} for row in table.rows]
    return {"static": table.static.to_dict(), "fields": list(table.grid_fields), "grid": entries}


def _trial(row: Row, place: int) -> TakenIn | None:
    """How the row's trial ended; None if it never began."""
    status, reason = _status(row, place)
    if status is RunStatus.QUEUED:
        return None
    moment = _typed(row, "datetime", datetime, place)
    duration = _typed(row, "duration", timedelta, place)
    # A log's moments without a time zone are those of the machine's clock.
    ended = moment if moment is None or moment.tzinfo else moment.astimezone()
    return TakenIn(
        status=status,
        reason=reason,
        started=ended and ended - (duration or timedelta(0)),
        ended=ended,
        seconds=None if duration is None else duration.total_seconds(),
        result=dict(_results(row.metrics)),
    )


def _status(row: Row, place: int) -> tuple[RunStatus, str | None]:
    said = row.metrics.get(STATUS)
    if said is None:
        return (RunStatus.FINISHED if row.metrics else RunStatus.QUEUED), None
    try:
        status = _STATUSES[said] if said in _STATUSES else RunStatus(said)
    except (ValueError, TypeError):
        known = ", ".join([*RunStatus, *_STATUSES])
        raise InvalidError(f"Row {place}: the status {said!r} is none of {known}.") from None
    if status is RunStatus.RUNNING or said == "R":
        return RunStatus.LOST, _LOST
    return status, None


def _typed(row: Row, name: str, kind: type, place: int) -> Any:
    value = row.metrics.get(name)
    if value is not None and not isinstance(value, kind):
        raise InvalidError(f"Row {place}: {name} is {value!r}, not a {kind.__name__}.")
    return value


def _results(metrics: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What a trial's result can hold; its commit is kept there, for want of a session."""
    for name, value in metrics.items():
        if name not in {"datetime", "duration", STATUS}:
            is_time = isinstance(value, datetime | timedelta)
            yield name, encode(value) if is_time else value
