"""The queue of a sweep's trials: taken, finished, given back, taken up again.

A trial is taken by one statement, which counts `attempts` up. Whoever writes about it later
names that number: a worker that was taken for dead, and whose trial another one has taken
since, names an older one and is refused.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.kinds import RunStatus
from tracker.database.tables import Trial, Worker
from tracker.database.types import now, stored
from tracker.errors import StateError
from tracker.registry.sessions import settle_dead
from tracker.registry.sweeps.workers import LOST, dead_workers, workers_of

_TAKE = """
UPDATE trials SET status = 'running', waiting = 0, due = NULL, attempts = attempts + 1,
  worker_id = ?, started = ?, ended = NULL, cancel_asked = NULL, reason = NULL, failure = NULL
WHERE id = (
  SELECT id FROM trials
  WHERE sweep_id = ? AND waiting AND (due IS NULL OR due <= ?) {share}
  ORDER BY position LIMIT 1
)
RETURNING id, position, config, attempts, run_id
"""
_END = """
UPDATE trials SET status = ?, waiting = ?, due = ?, reason = ?, failure = ?, result = ?,
  failures = failures + ?, losses = losses + ?, ended = ?, cancel_asked = NULL,
  seconds = coalesce(seconds, 0) + ?, worker_id = NULL
WHERE id = ? AND attempts = ? AND status IN ('running', 'lost')
"""
_UNTAKE = """
UPDATE trials SET status = CASE WHEN run_id IS NULL THEN 'queued' ELSE 'stopped' END, waiting = 1,
  attempts = attempts - 1, worker_id = NULL, started = NULL
WHERE id = ? AND attempts = ? AND status = 'running'
"""


@dataclass(frozen=True)
class Share:
    """The part of a sweep that a worker keeps to: every n-th trial, or by fields' values."""

    part: int = 0
    of: int = 1
    fields: Mapping[str, Collection[Any]] = field(default_factory=dict)

    def condition(self) -> tuple[str, list[Any]]:
        """The SQL after `WHERE ...`, and what its question marks stand for."""
        words: list[str] = []
        values: list[Any] = []
        if self.of > 1:
            words.append("AND position % ? = ?")
            values += [self.of, self.part]
        for name, wanted in self.fields.items():
            path = f'$."{name}"'
            words.append(
                "AND (json_extract(config, ?) IN (SELECT value FROM json_each(?))"
                " OR (? AND json_type(config, ?) = 'null'))"
            )
            values += [path, json.dumps(list(wanted)), None in wanted, path]
        return " ".join(words), values


EVERYTHING = Share()


class Claim(NamedTuple):
    """A trial that a worker has taken."""

    trial_id: int
    position: int
    config: dict[str, Any]
    attempt: int
    run_id: int | None  # None: it never ran


class AttemptEnd(NamedTuple):
    """What is recorded of a trial's attempt."""

    status: RunStatus
    seconds: float = 0.0
    waiting: bool = False  # whether a worker may take it again, from `due` on
    due: datetime | None = None
    reason: str | None = None
    failure: str | None = None  # its class; counts as a failure
    lost: bool = False  # counts as a loss
    result: Mapping[str, Any] | None = None


class Prospects(NamedTuple):
    """What a worker that found nothing to take may still wait for."""

    waiting: int  # not due yet
    running: int


def take(
    session: Session, sweep_id: int, worker_id: int, share: Share = EVERYTHING
) -> Claim | None:
    """The first trial that waits and is due, from now on this worker's; None if none is."""
    words, values = share.condition()
    moment = stored(now())
    row = (
        driver_connection(session)
        .execute(_TAKE.format(share=words), (worker_id, moment, sweep_id, moment, *values))
        .fetchone()
    )
    if row is None:
        return None
    trial_id, position, config, attempt, run_id = row
    return Claim(trial_id, position, json.loads(config), attempt, run_id)


def untake(session: Session, claim: Claim) -> None:
    """Gives back what was taken and not begun: no attempt. Nothing, if another has it by now."""
    driver_connection(session).execute(_UNTAKE, (claim.trial_id, claim.attempt))


def prospects(session: Session, sweep_id: int, share: Share = EVERYTHING) -> Prospects:
    """What of the share is not over, and cannot be taken now."""
    words, values = share.condition()
    found = driver_connection(session).execute(
        "SELECT coalesce(sum(waiting), 0), coalesce(sum(status = 'running'), 0) FROM trials"  # noqa: S608 - constants
        f" WHERE sweep_id = ? AND (waiting OR status = 'running') {words}",
        (sweep_id, *values),
    )
    return Prospects(*next(iter(found.fetchall())))


def attach_run(session: Session, claim: Claim, run_id: int) -> None:
    """The trial's run is this one; refused, as `end_attempt`, if the claim is old."""
    changed = (
        driver_connection(session)
        .execute(
            "UPDATE trials SET run_id = ? WHERE id = ? AND attempts = ?",
            (run_id, claim.trial_id, claim.attempt),
        )
        .rowcount
    )
    if not changed:
        raise _taken_over(claim)


def refuse_old(session: Session, claim: Claim) -> None:
    """StateError if another worker has taken the trial since."""
    found = driver_connection(session).execute(
        "SELECT 1 FROM trials WHERE id = ? AND attempts = ?", (claim.trial_id, claim.attempt)
    )
    if not found.fetchall():
        raise _taken_over(claim)


def end_attempt(session: Session, claim: Claim, end: AttemptEnd) -> None:
    """Records how the attempt ended; StateError if another worker has taken the trial since.

    One that was taken for dead and not taken over is believed.
    """
    changed = (
        driver_connection(session)
        .execute(
            _END,
            (
                str(end.status),
                end.waiting,
                None if end.due is None else stored(end.due),
                end.reason,
                end.failure,
                None if end.result is None else json.dumps(dict(end.result), ensure_ascii=False),
                int(end.failure is not None),
                int(end.lost),
                stored(now()),
                end.seconds,
                claim.trial_id,
                claim.attempt,
            ),
        )
        .rowcount
    )
    if not changed:
        raise _taken_over(claim)


def settle_lost(session: Session, sweep_id: int, most_losses: int | None = None) -> int:
    """Gives back what dead workers of the sweep had; returns how many trials that were.

    One that was lost `most_losses` times is left alone from then on: it may be what kills them.
    """
    given_back = 0
    for worker, reason in dead_workers(workers_of(session, sweep_id)):
        worker.ended, worker.exit = worker.heartbeat, LOST
        session.flush()
        for trial in running_of(session, worker.id):
            _give_back(session, trial, reason, most_losses)
            given_back += 1
    for trial in _left_behind(session, sweep_id):
        _give_back(session, trial, "its worker left it behind", most_losses)
        given_back += 1
    return given_back


def settle_every_worker(session: Session) -> None:
    """Gives back what any worker had: where nobody works, as in a copy of the lab."""
    open_workers = session.scalars(select(Worker).where(Worker.ended.is_(None))).all()
    for worker in open_workers:
        worker.ended, worker.exit = worker.heartbeat, LOST
    session.flush()
    for sweep_id in {worker.sweep_id for worker in open_workers}:
        settle_lost(session, sweep_id)


def running_of(session: Session, worker_id: int) -> list[Trial]:
    """The trials that the worker has: one at most."""
    rows = select(Trial).where(Trial.worker_id == worker_id, Trial.status == RunStatus.RUNNING)
    return list(session.scalars(rows))


def claim_of(trial: Trial) -> Claim:
    """The claim by which a trial is held now."""
    return Claim(trial.id, trial.position, trial.config, trial.attempts, trial.run_id)


def _left_behind(session: Session, sweep_id: int) -> list[Trial]:
    """Trials that run as the record has it, and whose worker has left: it could not say so."""
    rows = session.scalars(
        select(Trial)
        .join(Worker, Worker.id == Trial.worker_id, isouter=True)
        .where(
            Trial.sweep_id == sweep_id,
            Trial.status == RunStatus.RUNNING,
            Worker.ended.is_not(None) | Worker.id.is_(None),
        )
    )
    return list(rows)


def _give_back(session: Session, trial: Trial, reason: str, most_losses: int | None) -> None:
    if trial.run_id is not None:
        settle_dead(session, trial.run_id)
    too_often = most_losses is not None and trial.losses + 1 >= most_losses
    end = AttemptEnd(
        RunStatus.LOST,
        waiting=not too_often,
        reason=f"{reason}, {trial.losses + 1} times by now" if too_often else reason,
        lost=True,
    )
    end_attempt(session, claim_of(trial), end)


def _taken_over(claim: Claim) -> StateError:
    return StateError(
        f"Trial {claim.position} is another worker's by now: this one was taken for dead. What"
        " it did is not recorded."
    )
