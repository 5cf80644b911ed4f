"""What gives way: to the trash, where another takes its place; for good, when it was moved."""

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from uuid import uuid4

from tracker.database.connection import Database, driver_connection
from tracker.database.tables import Base
from tracker.database.types import now, stored
from tracker.errors import LabUnusableError, StateError
from tracker.files import LabFiles
from tracker.transfer.rules import RULES, travelling

_AMONG = "(SELECT value FROM json_each(?))"


def trash_pipelines(connection: Any, ids: Iterable[int]) -> None:
    """Puts the pipelines in the trash with their runs. StateError if one is running."""
    pipelines = list(ids)
    runs = connection.execute(
        f"SELECT id FROM runs WHERE deleted IS NULL AND pipeline_id IN {_AMONG}",  # noqa: S608 - a constant
        (json.dumps(pipelines),),
    )
    moment = stored(now())
    _trash_runs(connection, [run_id for (run_id,) in runs], moment)
    connection.execute(
        f"UPDATE pipelines SET deleted = ? WHERE id IN {_AMONG}",  # noqa: S608 - as above
        (moment, json.dumps(pipelines)),
    )


def trash_runs(connection: Any, ids: Iterable[int]) -> None:
    """Puts the runs in the trash, under uuids of their own. StateError if one is running."""
    runs = list(ids)
    _trash_runs(connection, runs, stored(now()))
    # The bundle's run may have the same uuid.
    connection.executemany(
        "UPDATE runs SET uuid = ? WHERE id = ?", [(uuid4().hex, number) for number in runs]
    )


def remove_pipelines(connection: Any, ids: Iterable[int]) -> None:
    """Deletes the pipelines; those of their runs that are in the trash go with them."""
    connection.execute(
        f"DELETE FROM pipelines WHERE id IN {_AMONG}",  # noqa: S608 - as above
        (json.dumps(list(ids)),),
    )


def remove_runs(connection: Any, ids: Iterable[int]) -> None:
    """Deletes the runs; their files are noted as leftovers, to be deleted after the commit.

    StateError if one is running.
    """
    runs = list(ids)
    among = (json.dumps(runs),)
    _refuse_running(connection, among)
    files = {path for _, _, path in files_of(connection, runs)}
    connection.execute(
        f"UPDATE pipelines SET current_run_id = NULL WHERE current_run_id IN {_AMONG}",  # noqa: S608 - as above
        among,
    )
    connection.execute(f"DELETE FROM runs WHERE id IN {_AMONG}", among)  # noqa: S608 - as above
    # Several processes may share a log.
    note_leftovers(connection, [path for path in files if not _is_named(connection, path)])


def remove_sweeps(connection: Any, ids: Iterable[int]) -> None:
    """Deletes the sweeps with their trials; the runs stay."""
    connection.execute(
        f"DELETE FROM sweeps WHERE id IN {_AMONG}",  # noqa: S608 - as above
        (json.dumps(list(ids)),),
    )


def note_leftovers(connection: Any, paths: Iterable[str]) -> None:
    """Notes files that nothing will refer to, in the transaction that makes it so."""
    connection.executemany(
        "INSERT INTO leftovers (path) VALUES (?) ON CONFLICT DO NOTHING",
        [(path,) for path in paths],
    )


def delete_leftovers(database: Database, files: LabFiles) -> None:
    """Deletes files that were noted, now that this is committed; also an earlier command's."""
    with database.read() as session:
        noted = driver_connection(session).execute("SELECT path FROM leftovers").fetchall()
    gone = []
    for (path,) in noted:
        with suppress(LabUnusableError):  # it stays noted
            files.remove(path)
            gone.append((path,))
    with database.write() as session:
        driver_connection(session).executemany("DELETE FROM leftovers WHERE path = ?", gone)


def files_of(connection: Any, ids: Iterable[int]) -> list[tuple[str, str, str]]:
    """The files of these runs: the table and the column that name one, and its path."""
    among = (json.dumps(list(ids)),)
    found = []
    for table, column in _file_columns():
        removed = "removed" in Base.metadata.tables[table].columns
        kept = " AND removed IS NULL" if removed else ""
        paths = connection.execute(
            f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL{kept}"  # noqa: S608 - names of our own
            f" AND run_id IN {_AMONG}",
            among,
        )
        found += [(table, column, path) for (path,) in paths]
    return found


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


def _is_named(connection: Any, path: str) -> bool:
    """Whether a row that stays names the file."""
    return any(
        connection.execute(f"SELECT 1 FROM {table} WHERE {column} = ? LIMIT 1", (path,)).fetchone()  # noqa: S608 - as above
        for table, column in _file_columns()
    )


def _file_columns() -> list[tuple[str, str]]:
    named = ((table.name, RULES[table.name].file) for table in travelling())
    return [(table, column) for table, column in named if column is not None]
