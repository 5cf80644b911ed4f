"""Files that nothing refers to any more, until they are deleted.

The transaction that takes the last reference away writes them down; they are deleted after
it. So a kill at any moment leaves either everything, or a note of what is still to be done,
and every later command that deletes something does it.
"""

from collections.abc import Iterable
from contextlib import suppress

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from tracker.database.connection import Database
from tracker.database.tables import Leftover
from tracker.errors import InvalidError
from tracker.files import LabFiles
from tracker.files.durable import sync
from tracker.files.lab_files import FOLDER
from tracker.registry.keeping.holdings import referred


def note_leftovers(session: Session, paths: Iterable[str]) -> None:
    """Writes down files to be deleted once this transaction is committed."""
    rows = [{"path": path} for path in dict.fromkeys(paths)]
    if rows:
        session.execute(insert(Leftover).prefix_with("OR IGNORE"), rows)


def leftovers(session: Session) -> list[str]:
    """The files that are still to be deleted."""
    return list(session.scalars(select(Leftover.path).order_by(Leftover.path)))


def delete_leftovers(database: Database, files: LabFiles) -> None:
    """Deletes the files that were written down; missing ones are no fault.

    A path at which a run expects a file again is forgotten, not deleted: nobody can register
    one meanwhile, since this is one transaction. LabUnusableError if a file cannot be deleted;
    it stays written down.
    """
    with database.read() as session:
        if not leftovers(session):
            return
    with database.write() as session:
        delete_noted(session, files)


def delete_noted(session: Session, files: LabFiles) -> None:
    """As `delete_leftovers`, inside a transaction that writes."""
    noted = leftovers(session)
    for path in set(noted) - referred(session, noted):
        with suppress(InvalidError):  # It leads out of the lab: not ours.
            files.remove(path)
    if (files.root / FOLDER).is_dir():
        sync(files.root / FOLDER)
    session.execute(delete(Leftover))
