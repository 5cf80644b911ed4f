"""What gives way to what a bundle brings."""

import json
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.types import now, stored
from tracker.errors import StateError
from tracker.registry.sweeps.trash import make_way

_AMONG = "(SELECT value FROM json_each(?))"


def trash_pipelines(session: Session, ids: Iterable[int]) -> None:
    """Puts the pipelines in the trash with their runs. StateError if one is running."""
    connection = driver_connection(session)
    pipelines = list(ids)
    runs = connection.execute(
        f"SELECT id FROM runs WHERE deleted IS NULL AND pipeline_id IN {_AMONG}",  # noqa: S608 - a constant
        (json.dumps(pipelines),),
    )
    moment = stored(now())
    _trash_runs(connection, [run_id for (run_id,) in runs], moment)
    connection.execute(
        f"UPDATE pipelines SET deleted = coalesce(deleted, ?) WHERE id IN {_AMONG}",  # noqa: S608 - as above
        (moment, json.dumps(pipelines)),
    )


def trash_runs(session: Session, ids: Iterable[int]) -> None:
    """Puts the runs in the trash. StateError if one is running."""
    _trash_runs(driver_connection(session), list(ids), stored(now()))


def give_new_uuid(connection: Any, run_id: int) -> None:
    """The run is another one from now on: the bundle's has its uuid."""
    connection.execute("UPDATE runs SET uuid = ? WHERE id = ?", (uuid4().hex, run_id))


def trash_sweeps(session: Session, ids: Iterable[int]) -> None:
    """Puts the sweeps in the trash, not their trials' runs. StateError if one has workers."""
    make_way(session, list(ids))


def _trash_runs(connection: Any, ids: list[int], moment: str) -> None:
    among = json.dumps(ids)
    _refuse_running(connection, (among,))
    connection.execute(
        f"UPDATE runs SET deleted = coalesce(deleted, ?) WHERE id IN {_AMONG}",  # noqa: S608 - as above
        (moment, among),
    )


def _refuse_running(connection: Any, among: tuple[str]) -> None:
    running = connection.execute(
        f"SELECT name FROM runs WHERE status = 'running' AND id IN {_AMONG} LIMIT 1",  # noqa: S608 - as above
        among,
    ).fetchone()
    if running:
        raise StateError(f"Run {running[0]!r} is running; `labkeeper stop {running[0]}` first.")
