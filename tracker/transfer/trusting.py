"""Saying that whoever wrote a bundle is known: its files may then hold estimators of any type."""

import os
from pathlib import Path

from tracker.database.connection import Database, driver_connection
from tracker.errors import unusable
from tracker.files import LabFiles
from tracker.files.durable import copy_whole, make_folder, sync
from tracker.files.lab_files import IMPORTED, TRUSTED
from tracker.transfer.choosing import Wanted, choose, refuse_running
from tracker.transfer.removing import delete_leftovers, files_of, note_leftovers


def trust(database: Database, files: LabFiles, wanted: Wanted) -> int:
    """Trusts the files of what is wanted; returns how many were not trusted before.

    They get another place, which is how the lab knows. Killed at any moment, a file is found
    where its row says.
    """
    chosen = choose(database, wanted)
    with database.write() as session:
        refuse_running(session, chosen)
        connection = driver_connection(session)
        found = [
            named for named in files_of(connection, chosen.runs) if not files.is_trusted(named[2])
        ]
        before = sorted({path for _, _, path in found})
        for path in before:
            _place_again(files, path)
        for table, column, path in found:
            connection.execute(
                f"UPDATE {table} SET {column} = ? WHERE {column} = ?",  # noqa: S608 - names of our own
                (_trusted(path), path),
            )
        note_leftovers(connection, before)
    delete_leftovers(database, files)
    return len(before)


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
