"""The trials of a sweep, looked at and taken up again."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from tracker.database.kinds import RunStatus
from tracker.database.tables import Run, Sweep, Trial, Worker
from tracker.database.types import now
from tracker.errors import NotFoundError
from tracker.registry.checkpoints import abandon_beyond

CANCELLED = "cancelled"
# What nobody has to be asked about before it goes on.
UNFINISHED = (RunStatus.STOPPED, RunStatus.LOST)


class TrialFacts(NamedTuple):
    """How one trial stands."""

    number: int
    status: RunStatus
    config: dict[str, Any]
    attempts: int
    reason: str | None
    failure: str | None
    waiting: bool
    due: datetime | None
    started: datetime | None
    ended: datetime | None
    seconds: float | None
    run: str | None
    run_id: int | None
    worker: str | None  # who has it, in words
    result: dict[str, Any] | None


def list_trials(
    session: Session, sweep_id: int, statuses: Collection[RunStatus] = ()
) -> list[TrialFacts]:
    """The sweep's trials, or those that stand so, in the order of the grid."""
    chosen = _with_run().where(Trial.sweep_id == sweep_id).order_by(Trial.position)
    if statuses:
        chosen = chosen.where(Trial.status.in_(statuses))
    return [_facts(*row) for row in session.execute(chosen)]


def ended_since(session: Session, sweep_id: int, moment: datetime) -> list[TrialFacts]:
    """The trials whose latest attempt ended after the moment, in the order of their ends."""
    chosen = (
        _with_run()
        .where(Trial.sweep_id == sweep_id, Trial.ended > moment)
        .order_by(Trial.ended, Trial.position)
    )
    return [_facts(*row) for row in session.execute(chosen)]


def find_trial(session: Session, sweep: Sweep, number: int) -> TrialFacts:
    """The sweep's trial of this number; NotFoundError if it has none."""
    row = session.execute(
        _with_run().where(Trial.sweep_id == sweep.id, Trial.position == number)
    ).first()
    if row is None:
        raise NotFoundError("trial", f"{sweep.name}/{number}")
    return _facts(*row)


def take_up(
    session: Session,
    sweep_id: int,
    statuses: Iterable[RunStatus],
    numbers: Collection[int] | None = None,
    *,
    cancelled: bool = False,
) -> list[int]:
    """Has trials that stand so, or of them those with these numbers, wait for a worker again.

    How often they failed or were lost before counts no more. Cancelled ones only if they are
    meant. Returns the numbers of those that did not wait before.
    """
    kinds = list(statuses)
    moved = update(Trial).where(
        Trial.sweep_id == sweep_id,
        Trial.status.in_(kinds),
        Trial.waiting.is_(False) | Trial.due.is_not(None),
    )
    if numbers is not None:
        moved = moved.where(Trial.position.in_(numbers))
    if not cancelled:
        moved = moved.where((Trial.failure != CANCELLED) | Trial.failure.is_(None))
    rows = session.scalars(
        moved.values(waiting=True, due=None, failures=0, losses=0).returning(Trial.position)
    )
    return sorted(rows)


def start_anew(session: Session, sweep_id: int, numbers: Collection[int]) -> list[str]:
    """Gives up the checkpoints of these trials; returns the files to delete after the commit."""
    run_ids = session.scalars(
        select(Trial.run_id).where(
            Trial.sweep_id == sweep_id, Trial.position.in_(numbers), Trial.run_id.is_not(None)
        )
    ).all()
    # Also those that were written before anything was logged, which stand at -1.
    return [file for run_id in run_ids for file in abandon_beyond(session, run_id or 0, -2)]


def cancel(session: Session, sweep_id: int, numbers: Collection[int] | None = None) -> int:
    """Takes trials out of the queue, and asks those that run to stop; returns how many."""
    mine = [Trial.sweep_id == sweep_id]
    if numbers is not None:
        mine.append(Trial.position.in_(numbers))
    asked = session.scalars(
        update(Trial)
        .where(*mine, Trial.status == RunStatus.RUNNING, Trial.cancel_asked.is_(None))
        .values(cancel_asked=now())
        .returning(Trial.id)
    ).all()
    taken = session.scalars(
        update(Trial)
        .where(*mine, Trial.waiting)
        .values(
            waiting=False, due=None, status=RunStatus.STOPPED, reason=CANCELLED, failure=CANCELLED
        )
        .returning(Trial.id)
    ).all()
    return len(asked) + len(taken)


def refuse_unknown(session: Session, sweep: Sweep, numbers: Collection[int]) -> None:
    """NotFoundError for the first number that no trial of the sweep has."""
    known = set(session.scalars(select(Trial.position).where(Trial.sweep_id == sweep.id)))
    for number in numbers:
        if number not in known:
            raise NotFoundError("trial", f"{sweep.name}/{number}")


def hashes_of(session: Session, sweep_id: int) -> set[str]:
    """The configurations that the sweep has trials of."""
    return set(session.scalars(select(Trial.config_hash).where(Trial.sweep_id == sweep_id)))


def _with_run() -> "Select[Any, Any, Any]":
    return (
        select(Trial, Run.name, Worker)
        .join(Run, Run.id == Trial.run_id, isouter=True)
        .join(Worker, Worker.id == Trial.worker_id, isouter=True)
    )


def _facts(trial: Trial, run: str | None, worker: Worker | None) -> TrialFacts:
    return TrialFacts(
        number=trial.position,
        status=trial.status,
        config=trial.config,
        attempts=trial.attempts,
        reason=trial.reason,
        failure=trial.failure,
        waiting=trial.waiting,
        due=trial.due,
        started=trial.started,
        ended=trial.ended,
        seconds=trial.seconds,
        run=run,
        run_id=trial.run_id,
        worker=None if worker is None else f"process {worker.pid} on {worker.host}",
        result=trial.result,
    )
