"""Runs, sessions and phases that say they are running, and are not."""

from collections.abc import Iterator

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session

from tracker.database.kinds import RunStatus
from tracker.database.tables import PhaseResult, Run, RunSession
from tracker.files import LabFiles
from tracker.registry.health.base import Check, Finding, Severity
from tracker.registry.runs import finish_run, get_run
from tracker.registry.sessions import settle_dead
from tracker.registry.vanished import dead_sessions


def _dead(session: Session, _files: LabFiles) -> Iterator[Finding]:
    for found in dead_sessions(session):
        name = get_run(session, found.run_id).name
        message = f"Run {name!r} is shown as running, but {found.reason}."
        yield Finding("dead-sessions", Severity.WARNING, message, "recorded as lost")


def _settle(session: Session, _files: LabFiles) -> None:
    settle_dead(session)


def _unattended(session: Session, _files: LabFiles) -> Iterator[Finding]:
    for run in session.scalars(_select_unattended()):
        message = f"Run {run.name!r} is running, but no process has begun to work on it."
        yield Finding("unattended-runs", Severity.WARNING, message, "recorded as lost")


def _end_unattended(session: Session, _files: LabFiles) -> None:
    for run in session.scalars(_select_unattended()).all():
        finish_run(session, run.id, RunStatus.LOST, reason="no process works on it")


def _loose_sessions(session: Session, _files: LabFiles) -> Iterator[Finding]:
    for row, run in session.execute(_select_loose_sessions()):
        message = (
            f"Process {row.pid} on {row.host} is said to work on run {run.name!r}, which is "
            f"{run.status.value}."
        )
        yield Finding("loose-sessions", Severity.WARNING, message, "the session is ended")


def _end_loose_sessions(session: Session, _files: LabFiles) -> None:
    for row, run in session.execute(_select_loose_sessions()).all():
        row.ended = run.ended or row.heartbeat


def _loose_phases(session: Session, _files: LabFiles) -> Iterator[Finding]:
    for phase, run in session.execute(_select_loose_phases()):
        message = f"Phase {phase.label!r} of run {run.name!r} is running, the run is not."
        yield Finding("loose-phases", Severity.WARNING, message, f"recorded as {run.status.value}")


def _end_loose_phases(session: Session, _files: LabFiles) -> None:
    for phase, run in session.execute(_select_loose_phases()).all():
        phase.status, phase.ended = run.status, run.ended


def _select_unattended() -> Select[Run]:
    attended = exists().where(RunSession.run_id == Run.id, RunSession.ended.is_(None))
    return select(Run).where(Run.status == RunStatus.RUNNING, ~attended).order_by(Run.id)


def _select_loose_sessions() -> Select[RunSession, Run]:
    return (
        select(RunSession, Run)
        .join(Run, Run.id == RunSession.run_id)
        .where(RunSession.ended.is_(None), Run.status != RunStatus.RUNNING)
        .order_by(RunSession.id)
    )


def _select_loose_phases() -> Select[PhaseResult, Run]:
    return (
        select(PhaseResult, Run)
        .join(Run, Run.id == PhaseResult.run_id)
        .where(PhaseResult.status == RunStatus.RUNNING, Run.status != RunStatus.RUNNING)
        .order_by(PhaseResult.id)
    )


CHECKS = [
    Check("dead-sessions", _dead, _settle),
    Check("unattended-runs", _unattended, _end_unattended),
    Check("loose-sessions", _loose_sessions, _end_loose_sessions),
    Check("loose-phases", _loose_phases, _end_loose_phases),
]
