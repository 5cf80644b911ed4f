"""The first session of a run, in the transaction that makes the run.

What `sessions.begin_session` has to look at (does somebody work on the run? what lies beyond
the checkpoint?) cannot be so here, and every start of every run waits for this.
"""

from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.types import now, stored
from tracker.registry.processes import Process

_BEGIN = """
INSERT INTO sessions
  (run_id, host, boot_id, pid_namespace, pid, process_started, environment_id, command, log,
   started, heartbeat)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def begin_first_session(
    session: Session,
    run_id: int,
    process: Process,
    environment_id: int | None,
    *,
    command: str | None = None,
    log: str | None = None,
) -> int:
    """Makes a run that was made in this transaction a running one, of this process."""
    connection, moment = driver_connection(session), stored(now())
    begun = connection.execute(
        _BEGIN, (run_id, *process, environment_id, command, log, moment, moment)
    ).lastrowid
    connection.execute(
        "UPDATE runs SET status = 'running', started = ? WHERE id = ?", (moment, run_id)
    )
    return int(begun)


def known_environment(session: Session, content_hash: str) -> int | None:
    """The id of the environment with this hash, if it was recorded before."""
    found = driver_connection(session).execute(
        "SELECT id FROM environments WHERE hash = ?", (content_hash,)
    )
    return next((int(row[0]) for row in found.fetchall()), None)
