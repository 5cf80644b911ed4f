"""Asking runs to stop, and waiting until they have."""

import time
from collections.abc import Sequence

from tracker.database.connection import Database
from tracker.database.kinds import RunStatus
from tracker.registry.details import runs_named
from tracker.registry.runs import get_run
from tracker.registry.sessions import ask_stop
from tracker.registry.vanished import dead_sessions

POLL_S = 0.05


def ask_all(database: Database, names: Sequence[str]) -> dict[str, int]:
    """Asks all of them or, if one is not running, none; returns the runs' ids by name."""
    with database.write() as session:
        runs = {name: runs_named(session, [name])[0] for name in names}
        for run in runs.values():
            ask_stop(session, run.id)
        return {name: run.id for name, run in runs.items()}


def wait_for(database: Database, run_id: int) -> str:
    """Waits until no process works on the run; returns how it ended."""
    while True:
        with database.read() as session:
            run = get_run(session, run_id)
            if run.status is not RunStatus.RUNNING:
                return run.status.value
            if dead_sessions(session, run_id):
                return RunStatus.LOST.value
        time.sleep(POLL_S)
