"""What a log of a sweep is made of: its trials, and the curves of their runs."""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tracker.database.kinds import RunStatus
from tracker.database.tables import Environment, Run, RunSession, Trial
from tracker.registry.metrics import history
from tracker.registry.runs import finish_run


class TrialRecord(NamedTuple):
    """One trial as a log shows it."""

    config: dict[str, Any]
    status: RunStatus
    moment: datetime | None  # when it ended; when it started, if it has not
    seconds: float | None
    commit: str | None
    result: dict[str, Any]
    run_id: int | None


def trial_records(
    session: Session, sweep_id: int, numbers: Sequence[int] | None = None
) -> list[TrialRecord]:
    """The sweep's trials in the grid's order, or those with these numbers in their order.

    A run in the trash is no trial's.
    """
    rows = session.execute(
        select(Trial, Run.id)
        .join(Run, (Run.id == Trial.run_id) & Run.deleted.is_(None), isouter=True)
        .where(Trial.sweep_id == sweep_id)
        .order_by(Trial.position)
    ).all()
    if numbers is not None:
        found = {row[0].position: row for row in rows}
        rows = [found[number] for number in numbers if number in found]
    commits = _commits(session, sweep_id)
    return [
        TrialRecord(
            trial.config,
            trial.status,
            trial.ended or trial.started,
            trial.seconds,
            commits.get(run_id),
            trial.result or {},
            run_id,
        )
        for trial, run_id in rows
    ]


def curves(session: Session, run_ids: Iterable[int]) -> dict[int, dict[str, list[float]]]:
    """Every metric of each run along its steps, NaN included; of several phases, in their order."""
    points = history(session, run_ids)
    values = iter(points.points)
    found: dict[int, dict[str, list[float]]] = {}
    for series in points.series:
        curve = found.setdefault(series.run_id, {}).setdefault(series.name, [])
        for _ in range(series.length):
            value = next(values)[2]
            curve.append(math.nan if value is None else value)
    return found


def _commits(session: Session, sweep_id: int) -> dict[int | None, str | None]:
    """The commit that each trial's run was last worked on with."""
    rows = session.execute(
        select(RunSession.run_id, Environment.git_commit)
        .join(Environment, Environment.id == RunSession.environment_id)
        .join(Trial, Trial.run_id == RunSession.run_id)
        .where(Trial.sweep_id == sweep_id)
        .order_by(RunSession.id)
    )
    return {run_id: commit for run_id, commit in rows}  # noqa: C416 - the last one stands


class TakenIn(NamedTuple):
    """How a trial ended that ran elsewhere."""

    status: RunStatus
    reason: str | None
    started: datetime | None
    ended: datetime | None
    seconds: float | None
    result: dict[str, Any]


def take_in(session: Session, sweep_id: int, position: int, run_id: int, trial: TakenIn) -> None:
    """Records for a trial that waits, and for its new run, how they ended elsewhere."""
    session.execute(
        update(Trial)
        .where(Trial.sweep_id == sweep_id, Trial.position == position)
        .values(**trial._asdict(), run_id=run_id, waiting=False, attempts=1)
    )
    session.execute(update(Run).where(Run.id == run_id).values(started=trial.started))
    finish_run(session, run_id, trial.status, reason=trial.reason, ended=trial.ended)
