"""Rows that go because their bundle is written, or because another takes their place."""

import json
from collections.abc import Iterable
from typing import Any

from tracker.database.tables import Base
from tracker.errors import StateError
from tracker.transfer.rules import RULES, travelling


def remove_pipelines(connection: Any, ids: Iterable[int]) -> list[str]:
    """Deletes the pipelines with their runs; returns the files to delete after the commit."""
    among = json.dumps(list(ids))
    found = connection.execute(
        "SELECT id FROM runs WHERE pipeline_id IN (SELECT value FROM json_each(?))", (among,)
    )
    files = remove_runs(connection, [run_id for (run_id,) in found])
    connection.execute(
        "DELETE FROM pipelines WHERE id IN (SELECT value FROM json_each(?))", (among,)
    )
    return files


def remove_runs(connection: Any, ids: Iterable[int]) -> list[str]:
    """Deletes the runs; returns the files to delete after the commit. StateError if one runs."""
    among = (json.dumps(list(ids)),)
    running = connection.execute(
        "SELECT name FROM runs WHERE status = 'running'"
        " AND id IN (SELECT value FROM json_each(?)) LIMIT 1",
        among,
    ).fetchone()
    if running:
        raise StateError(f"Run {running[0]!r} is running; `labkeeper stop {running[0]}` first.")
    files = _files_of(connection, among)
    connection.execute(
        "UPDATE pipelines SET current_run_id = NULL"
        " WHERE current_run_id IN (SELECT value FROM json_each(?))",
        among,
    )
    connection.execute("DELETE FROM runs WHERE id IN (SELECT value FROM json_each(?))", among)
    return [path for path in files if not _is_named(connection, path)]


def remove_sweeps(connection: Any, ids: Iterable[int]) -> None:
    """Deletes the sweeps with their trials; the runs stay."""
    connection.execute(
        "DELETE FROM sweeps WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
    )


def _files_of(connection: Any, among: tuple[str]) -> list[str]:
    files: list[str] = []
    for table, column in _file_columns():
        removed = "removed" in Base.metadata.tables[table].columns
        kept = " AND removed IS NULL" if removed else ""
        found = connection.execute(
            f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL{kept}"  # noqa: S608 - names of our own
            " AND run_id IN (SELECT value FROM json_each(?))",
            among,
        )
        files += [path for (path,) in found]
    return files


def _is_named(connection: Any, path: str) -> bool:
    """Whether a row that stays names the file: several processes may share a log."""
    return any(
        connection.execute(f"SELECT 1 FROM {table} WHERE {column} = ? LIMIT 1", (path,)).fetchone()  # noqa: S608 - as above
        for table, column in _file_columns()
    )


def _file_columns() -> list[tuple[str, str]]:
    named = ((table.name, RULES[table.name].file) for table in travelling())
    return [(table, column) for table, column in named if column is not None]
