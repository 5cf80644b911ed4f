"""Rows that refer to nothing, and summaries that disagree with their points."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.tables import Base, Experiment, Pipeline, Run
from tracker.files import LabFiles
from tracker.registry.health.base import Check, Finding, Severity
from tracker.registry.metrics import HEADLINE
from tracker.registry.names import free_name
from tracker.registry.runs import ensure_experiment
from tracker.registry.summaries import RECOMPUTE

# Every series whose stored summary is not the one of its points. Sums depend on the order
# of adding, so they are compared with a tolerance; NULL (inf and -inf met) exactly.
_DISAGREEING = """
SELECT s.id, runs.name, s.name, s.axis FROM series AS s
JOIN runs ON runs.id = s.run_id
LEFT JOIN (
  SELECT series_id, count(*) AS points, count(value) AS valid, total(value) AS summed,
    total(abs(value)) AS size, min(value) AS low, max(value) AS high,
    min(step) AS earliest, max(step) AS latest
  FROM metrics GROUP BY series_id
) ON series_id = s.id
WHERE (s.count, s.numbers) IS NOT (coalesce(points, 0), coalesce(valid, 0))
  OR (s.total IS NULL) <> (points > 0 AND summed IS NULL)
  OR s.total <> summed AND NOT abs(s.total - summed) <= 1e-9 * size
  OR (s.minimum, s.maximum) IS NOT (low, high)
  OR (s.first_step, s.last_step) IS NOT (earliest, latest)
  OR s.first IS NOT (SELECT value FROM metrics WHERE series_id = s.id AND step = s.first_step)
  OR s.last IS NOT (SELECT value FROM metrics WHERE series_id = s.id AND step = s.last_step)
  OR s.minimum_step IS NOT
    (SELECT min(step) FROM metrics WHERE series_id = s.id AND value = s.minimum)
  OR s.maximum_step IS NOT
    (SELECT min(step) FROM metrics WHERE series_id = s.id AND value = s.maximum)
  OR s.minimum_epoch IS NOT
    (SELECT epoch FROM metrics WHERE series_id = s.id AND step = s.minimum_step)
  OR s.maximum_epoch IS NOT
    (SELECT epoch FROM metrics WHERE series_id = s.id AND step = s.maximum_step)
ORDER BY s.id
"""
# A running process may be about to store the first point.
_EMPTY = """
FROM series WHERE count = 0 AND run_id NOT IN (SELECT id FROM runs WHERE status = 'running')
"""


def _integrity(session: Session, _files: LabFiles) -> Iterator[Finding]:
    for (fault,) in driver_connection(session).execute("PRAGMA integrity_check(10)"):
        if fault != "ok":
            message = f"The database is damaged: {fault}. Restore a backup."
            yield Finding("integrity", Severity.ERROR, message)


def _dangling(session: Session, _files: LabFiles) -> Iterator[Finding]:
    for table, key in _references():
        number = session.scalar(
            select(sa.func.count()).select_from(table).where(_lost(key.parent, key.column.table))
        )
        if number:
            gone = key.column.table.name
            message = f"{number} rows of {table.name} refer to {gone} that are not there."
            yield Finding("dangling-rows", Severity.ERROR, message, _cure(table, key))


def _cure(table: sa.Table, key: sa.ForeignKey) -> str | None:
    if _can_do_without(table, key.parent):
        return "the reference is cleared"
    if key.column.table is Experiment.__table__:
        return "made again, under another name"
    return "deleted" if key.ondelete == "CASCADE" else None


def _can_do_without(table: sa.Table, column: sa.Column[Any]) -> bool:
    """Whether a row still belongs to something without the reference, and so is worth keeping."""
    return bool(column.nullable) and any(not key.parent.nullable for key in table.foreign_keys)


def _undangle(session: Session, files: LabFiles) -> None:
    """Keeps all that can stay without what is gone; deleted are rows that belonged only to it."""
    for table, key in _references():
        column, parent = key.parent, key.column.table
        if _can_do_without(table, column):
            # Where the row would be a second of its kind without it, it stays as it is.
            clear = update(table).prefix_with("OR IGNORE").values({column: None})
            session.execute(clear.where(_lost(column, parent)))
        elif parent is Experiment.__table__:
            _make_again(session, column)
        elif key.ondelete == "CASCADE":
            session.execute(sa.delete(table).where(_lost(column, parent)))
    _set_headlines(session, files)


def _make_again(session: Session, column: sa.Column[Any]) -> None:
    """The experiments that the column refers to, without the names that they had."""
    gone = select(column).where(_lost(column, Base.metadata.tables["experiments"])).distinct()
    for number in session.scalars(gone).all():
        made = ensure_experiment(session, _free_name(session, f"recovered-{number}"))
        session.execute(update(Experiment).where(Experiment.id == made).values(id=number))


def _free_name(session: Session, wanted: str) -> str:
    taken = set(session.scalars(select(Experiment.name)))
    return free_name(wanted, taken.__contains__)


def _lost_current_runs(session: Session, _files: LabFiles) -> Iterator[Finding]:
    for pipeline in session.scalars(select(Pipeline).where(_without_current_run())):
        message = f"The current run of pipeline {pipeline.name!r} is not there."
        yield Finding("current-runs", Severity.WARNING, message, "it has none")


def _forget_current_runs(session: Session, _files: LabFiles) -> None:
    session.execute(update(Pipeline).where(_without_current_run()).values(current_run_id=None))


def _summaries(session: Session, _files: LabFiles) -> Iterator[Finding]:
    for _, run, metric, axis in driver_connection(session).execute(_DISAGREEING):
        message = f"The summary of {metric!r} (by {axis}) of run {run!r} is not that of its points."
        yield Finding("summaries", Severity.ERROR, message, "computed again")


def _recompute(session: Session, _files: LabFiles) -> None:
    connection = driver_connection(session)
    wrong = connection.execute(_DISAGREEING).fetchall()
    connection.executemany(RECOMPUTE, [row[:1] for row in wrong])


def _headlines(session: Session, _files: LabFiles) -> Iterator[Finding]:
    ((number,),) = driver_connection(session).execute(
        f"SELECT count(*) FROM series WHERE headline IS NOT ({HEADLINE})"  # noqa: S608 - a constant
    )
    if number:
        message = f"{number} series are wrongly shown in lists, or wrongly left out of them."
        yield Finding("headlines", Severity.ERROR, message, "put right")


def _set_headlines(session: Session, _files: LabFiles) -> None:
    driver_connection(session).execute(
        f"UPDATE series SET headline = {HEADLINE} WHERE headline IS NOT ({HEADLINE})"  # noqa: S608 - a constant
    )


def _empty_series(session: Session, _files: LabFiles) -> Iterator[Finding]:
    ((number,),) = driver_connection(session).execute(f"SELECT count(*) {_EMPTY}")
    if number:
        message = f"{number} metrics have no point: their first one was never stored."
        yield Finding("empty-series", Severity.NOTE, message, "forgotten")


def _forget_empty_series(session: Session, files: LabFiles) -> None:
    driver_connection(session).execute(f"DELETE {_EMPTY}")
    _set_headlines(session, files)


def _references() -> Iterator[tuple[sa.Table, sa.ForeignKey]]:
    for table in Base.metadata.sorted_tables:
        for key in table.foreign_keys:
            yield table, key


def _lost(column: sa.Column[Any], parent: sa.Table) -> sa.ColumnElement[bool]:
    there = parent.alias()
    return sa.and_(column.is_not(None), ~exists().where(there.c.id == column))


def _without_current_run() -> sa.ColumnElement[bool]:
    own = exists().where(Run.id == Pipeline.current_run_id, Run.pipeline_id == Pipeline.id)
    return sa.and_(Pipeline.current_run_id.is_not(None), ~own)


CHECKS = [
    Check("integrity", _integrity),
    Check("dangling-rows", _dangling, _undangle),
    Check("current-runs", _lost_current_runs, _forget_current_runs),
    Check("summaries", _summaries, _recompute),
    Check("headlines", _headlines, _set_headlines),
    Check("empty-series", _empty_series, _forget_empty_series),
]
