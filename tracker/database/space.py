"""What the database takes on the disk, and giving back what deleted rows leave in it."""

from pathlib import Path
from typing import Any, NamedTuple

from tracker.database.connection import connect, connect_for_reading
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
            # Until then, the log holds what the file will be. Whoever reads an older state keeps
            # it there: the next checkpoint ends this, nobody has to wait for it.
            connection.execute("PRAGMA busy_timeout = 200")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.close()


class FileFacts(NamedTuple):
    """The file in bytes, what of it is free, and `ok` or the first fault that SQLite finds."""

    bytes: int
    free_bytes: int
    integrity: str


def file_facts(path: Path) -> FileFacts:
    """Reads the whole file; changes nothing."""
    with clear_errors(path):
        connection = connect_for_reading(path)
        try:
            size = _asked(connection, "page_size")
            pages, free = _asked(connection, "page_count"), _asked(connection, "freelist_count")
            ((integrity,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
        finally:
            connection.close()
    return FileFacts(pages * size, free * size, integrity)


def _asked(connection: Any, pragma: str) -> int:
    ((value,),) = connection.execute(f"PRAGMA {pragma}").fetchall()
    return int(value)
