"""Processes that worked on runs and are gone without a word: looked for, not yet recorded.

Apart from `sessions`, so that a list, which must know of them, needs nothing else of it.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.tables import RunSession
from tracker.database.types import now
from tracker.registry.processes import Life, Process, life_of

if TYPE_CHECKING:
    from tracker.database.tables import Worker

LEASE = timedelta(seconds=60)

# Asked before every list, and mostly answered by no.
_ANY_OPEN = "SELECT 1 FROM sessions WHERE ended IS NULL LIMIT 1"


class DeadSession(NamedTuple):
    """An open session whose process does not live, and the words that say so."""

    session_id: int
    run_id: int
    reason: str


def dead_sessions(session: Session, run_id: int | None = None) -> list[DeadSession]:
    """The open sessions whose process does not live; changes nothing."""
    if driver_connection(session).execute(_ANY_OPEN).fetchone() is None:
        return []
    sessions = (
        open_sessions() if run_id is None else open_sessions().where(RunSession.run_id == run_id)
    )
    judged = [(row, why_dead(row)) for row in session.scalars(sessions)]
    return [DeadSession(row.id, row.run_id, reason) for row, reason in judged if reason]


def open_sessions() -> Select[RunSession]:
    """Those that have not ended, dead or alive, the oldest first."""
    return select(RunSession).where(RunSession.ended.is_(None)).order_by(RunSession.id)


def why_dead(row: "RunSession | Worker") -> str | None:
    """The words that say why the row's process is dead; None while it may live."""
    who = f"process {row.pid} on {row.host}"
    process = Process(row.host, row.boot_id, row.pid_namespace, row.pid, row.process_started)
    match life_of(process):
        case Life.ALIVE:
            return None
        case Life.DEAD:
            return f"{who} vanished"
        case Life.OUT_OF_SIGHT if now() - row.heartbeat > LEASE:
            return f"no sign of life from {who} since {row.heartbeat:%Y-%m-%d %H:%M:%S} UTC"
    return None
