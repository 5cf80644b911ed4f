"""Giving the space that deleted rows leave in the database back to the disk."""

from pathlib import Path

from tracker.database.connection import connect
from tracker.database.faults import clear_errors

# So many pages are moved at a time: writers wait no longer than for these.
_PAGES = 2_000
_INCREMENTAL = 2


def give_back(path: Path) -> None:
    """Shrinks the file by its free pages.

    One that was made before files could shrink is rewritten as one that can, once: that needs
    as much space as the file has. LabUnusableError if there is none.
    """
    with clear_errors(path):
        connection = connect(path)
        try:
            if _asked(connection, "auto_vacuum") != _INCREMENTAL:
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                connection.execute("VACUUM")
            while _asked(connection, "freelist_count"):
                # Each row that is fetched moves one page.
                connection.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
            # Until then, the log holds what the file will be.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.close()


def _asked(connection: object, pragma: str) -> int:
    ((value,),) = connection.execute(f"PRAGMA {pragma}").fetchall()  # type: ignore[attr-defined]  # the driver has no types
    return int(value)
