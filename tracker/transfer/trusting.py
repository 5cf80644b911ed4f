"""Saying that whoever wrote a bundle is known: its files may then hold estimators of any type."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tracker.database.connection import Database, driver_connection
from tracker.errors import unusable
from tracker.files import LabFiles
from tracker.files.durable import copy_whole, make_folder, sync
from tracker.files.lab_files import IMPORTED, TRUSTED
from tracker.registry.keeping.leftovers import delete_leftovers, note_leftovers
from tracker.transfer.choosing import Wanted, choose, refuse_running
from tracker.transfer.rules import RULES, travelling


def trust(database: Database, files: LabFiles, wanted: Wanted) -> int:
    """Trusts the files of what is wanted; returns how many were not trusted before.

    They get another place, which is how the lab knows. Killed at any moment, a file is found
    where its row says.
    """
    chosen = choose(database, wanted)
    with database.write() as session:
        refuse_running(session, chosen)
        connection = driver_connection(session)
        found = list(_untrusted(connection, chosen.runs))
        # A checkpoint that was removed has a row, and no file.
        before = sorted({path for _, _, path in found if files.path(path).is_file()})
        for path in before:
            _place_again(files, path)
        for table, column, path in found:
            connection.execute(
                f"UPDATE {table} SET {column} = ? WHERE {column} = ?",  # noqa: S608 - names of our own
                (_trusted(path), path),
            )
        note_leftovers(session, before)
    delete_leftovers(database, files)
    return len(before)


def _untrusted(connection: Any, runs: Iterable[int]) -> Iterator[tuple[str, str, str]]:
    """The files of these runs that came in bundles: table and column that name one, and where."""
    among = json.dumps(list(runs))
    for table in travelling():
        column = RULES[table.name].file
        if column is not None:
            found = connection.execute(
                f"SELECT DISTINCT {column} FROM {table.name} WHERE {column} LIKE ?"  # noqa: S608 - names of our own
                " AND run_id IN (SELECT value FROM json_each(?))",
                (f"{IMPORTED}/%", among),
            )
            yield from ((table.name, column, path) for (path,) in found)


def _trusted(path: str) -> str:
    return TRUSTED + path.removeprefix(IMPORTED)


def _place_again(files: LabFiles, path: str) -> None:
    source, target = files.path(path), files.path(_trusted(path))
    try:
        make_folder(target.parent)
        target.unlink(missing_ok=True)  # of an attempt that was killed
        _link(source, target)
        sync(target.parent)
    except OSError as error:
        raise unusable(source, error) from error


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without links
        copy_whole(source, target)
