"""Processes that work on runs: begun, beating, asked to stop, ended, found dead.

A running run has an open session whose process lives. Who reads first settles the dead:
`vanished.dead_sessions` only looks, and works on a lab that cannot be written; `settle_dead`
records what it finds.
"""

from typing import NamedTuple

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.kinds import RunStatus
from tracker.database.tables import Checkpoint, Run, RunSession
from tracker.database.types import now, stored
from tracker.errors import NotFoundError, StateError
from tracker.registry.checkpoints import abandon_beyond, candidates
from tracker.registry.metrics import rewind
from tracker.registry.phases import last_epoch, undo_phases_after, undo_phases_beyond
from tracker.registry.processes import Process
from tracker.registry.runs import finish_run, get_run, set_progress
from tracker.registry.vanished import DeadSession, dead_sessions, open_sessions, why_dead

HEARTBEAT_EVERY_S = 10
# How a session ended whose process was found dead.
LOST = "lost"

# For the driver's connection, in a loop that looks after every batch. ? is the session's id.
STOP_ASKED = "SELECT stop_asked IS NOT NULL FROM sessions WHERE id = ?"
# As well, for the end of a session: when, how, whose.
_END = "UPDATE sessions SET ended = ?, exit = ? WHERE id = ? RETURNING run_id"
_NEWER = "SELECT 1 FROM sessions WHERE run_id = ? AND id > ? LIMIT 1"
_END_RUN = "UPDATE runs SET status = ?, reason = ?, traceback = ?, ended = ? WHERE id = ?"
_END_PHASES = """
UPDATE phase_results SET status = ?, ended = ? WHERE run_id = ? AND status = 'running'
"""


class NewSession(NamedTuple):
    """A session that has begun, and the files that going back made superfluous.

    They are marked as removed already: delete them once the transaction is committed.
    """

    id: int
    files: list[str]


class Beat(NamedTuple):
    """What a session learns when it says that it lives."""

    stop_asked: bool
    # Somebody went on with the run or deleted it, taking this process for dead: write no more.
    superseded: bool


def begin_session(
    session: Session,
    run_id: int,
    process: Process,
    environment_id: int | None = None,
    *,
    resume_from: Checkpoint | int | None = None,
    command: str | None = None,
    log: str | None = None,
) -> NewSession:
    """Makes the run a running one, of this process.

    `resume_from` is a checkpoint of the run, or a step (-1: from the beginning): everything
    recorded beyond it goes, so that a history never holds a step twice. None keeps all that
    there is. StateError if another process works on the run, or it is archived or deleted.
    """
    run = get_run(session, run_id)
    _refuse_put_away(run)
    settle_dead(session, run_id)
    _refuse_running(session, run)
    files = [] if resume_from is None else _go_back(session, run, resume_from)
    begun = RunSession(
        run_id=run_id,
        **process._asdict(),
        environment_id=environment_id,
        command=command,
        log=log,
    )
    session.add(begun)
    run.status, run.started = RunStatus.RUNNING, run.started or now()
    run.reason = run.traceback = run.ended = None
    session.flush()
    return NewSession(begun.id, files)


def beat(session: Session, session_id: int) -> Beat:
    """Says that the session's process lives.

    One that was wrongly taken for dead (a clock that jumped, a lease that ran out while the
    machine slept) is brought back, unless somebody has gone on with its run since.
    """
    mine = session.get(RunSession, session_id)
    if mine is None or _has_newer(session, mine) or get_run(session, mine.run_id).deleted:
        return Beat(stop_asked=True, superseded=True)
    if mine.ended is None or mine.exit == LOST:
        mine.heartbeat = now()
    if mine.exit == LOST:
        run = get_run(session, mine.run_id)
        mine.ended = mine.exit = None
        run.status, run.reason, run.ended = RunStatus.RUNNING, None, None
    return Beat(stop_asked=mine.stop_asked is not None, superseded=False)


def ask_stop(session: Session, run_id: int) -> RunSession:
    """Asks the run's process to stop after its current batch; returns its session.

    StateError if no process works on the run.
    """
    settle_dead(session, run_id)
    run = get_run(session, run_id)
    working = session.scalars(open_sessions().where(RunSession.run_id == run_id)).first()
    if working is None:
        raise StateError(f"Run {run.name!r} is not running; it is {run.status.value}.")
    working.stop_asked = working.stop_asked or now()
    return working


def stop_asked(session: Session, run_id: int) -> bool:
    """Whether somebody has asked the run's process to stop."""
    asked = exists().where(
        RunSession.run_id == run_id,
        RunSession.ended.is_(None),
        RunSession.stop_asked.is_not(None),
    )
    return bool(session.scalar(select(asked)))


def end_session(
    session: Session,
    session_id: int,
    status: RunStatus,
    *,
    exit: str = "returned",  # noqa: A002 - the column's name
    reason: str | None = None,
    traceback: str | None = None,
) -> None:
    """Ends the session, and its run with it.

    A run that somebody has gone on with since stays as they have it.
    """
    mine = session.get(RunSession, session_id)
    if mine is None:
        raise NotFoundError("session", f"#{session_id}")
    mine.ended, mine.exit = now(), exit
    if not _has_newer(session, mine):
        finish_run(session, mine.run_id, status, reason=reason, traceback=traceback)


def end_own_session(
    session: Session,
    session_id: int,
    status: RunStatus,
    *,
    exit: str = "returned",  # noqa: A002 - the column's name
    reason: str | None = None,
    traceback: str | None = None,
) -> None:
    """As `end_session`, for a transaction that has not looked at any of its rows before.

    Others wait meanwhile, at the end of every trial of a sweep: statements of the driver take a
    fifth of the time.
    """
    connection = driver_connection(session)
    moment = stored(now())
    ended = connection.execute(_END, (moment, exit, session_id)).fetchall()
    if not ended:
        raise NotFoundError("session", f"#{session_id}")
    ((run_id,),) = ended
    if connection.execute(_NEWER, (run_id, session_id)).fetchall():
        return
    connection.execute(_END_RUN, (str(status), reason, traceback, moment, run_id))
    connection.execute(_END_PHASES, (str(status), moment, run_id))


def forget_log(session: Session, run_id: int, log: str) -> None:
    """Nothing was printed in this log, by whatever session of the run, so that there is none."""
    driver_connection(session).execute(
        "UPDATE sessions SET log = NULL WHERE run_id = ? AND log = ?", (run_id, log)
    )


def is_alive(row: RunSession) -> bool:
    """Whether the session is open and its process lives, as far as can be known from here.

    On this host the process itself is looked at; elsewhere its last heartbeat counts.
    """
    return row.ended is None and why_dead(row) is None


def settle_dead(session: Session, run_id: int | None = None) -> list[DeadSession]:
    """Records dead sessions as ended at their last heartbeat, and their runs as lost."""
    dead = dead_sessions(session, run_id)
    for found in dead:
        _settle(session, session.get_one(RunSession, found.session_id), found.reason)
    return dead


def settle_all(session: Session, reason: str) -> None:
    """The same of every open session: where nobody works, as in a copy of the lab."""
    for row in session.scalars(open_sessions()).all():
        _settle(session, row, reason)


def _settle(session: Session, row: RunSession, reason: str) -> None:
    row.ended, row.exit = row.heartbeat, LOST
    run = get_run(session, row.run_id)
    if run.status == RunStatus.RUNNING and not _has_newer(session, row):
        finish_run(session, run.id, RunStatus.LOST, reason=reason, ended=row.heartbeat)


def sessions_of(session: Session, run_id: int) -> list[RunSession]:
    """The run's sessions, the first one first."""
    sessions = select(RunSession).where(RunSession.run_id == run_id).order_by(RunSession.id)
    return list(session.scalars(sessions))


def _refuse_put_away(run: Run) -> None:
    for moment, where, command in (
        (run.deleted, "in the trash", "restore"),
        (run.archived, "archived", "unarchive"),
    ):
        if moment is not None:
            raise StateError(f"Run {run.name!r} is {where}; `labkeeper {command}` it first.")


def _refuse_running(session: Session, run: Run) -> None:
    working = session.scalars(open_sessions().where(RunSession.run_id == run.id)).first()
    if working is not None:
        raise StateError(
            f"Run {run.name!r} is running already: process {working.pid} on {working.host} has "
            f"worked on it since {working.started:%Y-%m-%d %H:%M:%S} UTC. Stop it first."
        )


def _has_newer(session: Session, mine: RunSession) -> bool:
    newer = exists().where(RunSession.run_id == mine.run_id, RunSession.id > mine.id)
    return bool(session.scalar(select(newer)))


def _go_back(session: Session, run: Run, to: Checkpoint | int) -> list[str]:
    """Undoes what was recorded beyond a checkpoint or a step."""
    step = to if isinstance(to, int) else to.step or 0
    checkpoint = _at(session, run.id, step) if isinstance(to, int) else to
    if checkpoint is None:
        undo_phases_beyond(session, run.id, step)
        set_progress(session, run.id)
    else:
        undo_phases_after(session, checkpoint)
        epoch = checkpoint.epoch
        if epoch is None:  # between two phases
            epoch = last_epoch(session, run.id)
        set_progress(session, run.id, phase=run.phase, epoch=epoch, batch=checkpoint.batch)
    rewind(session, run.id, step)
    return abandon_beyond(session, run.id, step, newer_than=checkpoint)


def _at(session: Session, run_id: int, step: int) -> Checkpoint | None:
    return next((row for row in candidates(session, run_id) if row.step == step), None)
