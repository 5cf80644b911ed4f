"""Opening the SQLite file, and the two kinds of transaction on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

try:
    from pysqlite3 import dbapi2 as sqlite
except ImportError:  # no wheel for this machine
    import sqlite3 as sqlite

BUSY_TIMEOUT_MS = 60_000


def driver() -> Any:
    """The one SQLite library this process opens lab files with.

    Everything must go through it: POSIX locks vanish when a second library closes the file.
    """
    return sqlite


def connect(path: Path) -> Any:
    """A driver connection to a lab's file, configured, in autocommit: callers say BEGIN.

    For hot paths and for tools that need the driver itself; everything else takes a
    `Database`.
    """
    connection = sqlite.connect(path, isolation_level=None, check_same_thread=False)
    _configure(connection, None)
    return connection


class Database:
    """One lab's file. Every session is one transaction: all of it happens, or none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reading = sa.create_engine(
            "sqlite://",
            module=sqlite,
            creator=lambda: sqlite.connect(path, isolation_level=None, check_same_thread=False),
            poolclass=sa.QueuePool,
        )
        self._writing = self._reading.execution_options(begin="BEGIN IMMEDIATE")
        sa.event.listen(self._reading, "connect", _configure)
        sa.event.listen(self._reading, "begin", _begin)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A consistent view of the database. Never waits for a writer."""
        with Session(self._reading) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Commits at the end of the block, or rolls back if the block raises.

        Takes the write lock at the start, so parallel writers queue up here
        instead of failing halfway with "database is locked".
        """
        with Session(self._writing) as session, session.begin():
            yield session

    def close(self) -> None:
        self._reading.dispose()


def _configure(connection: Any, _record: object) -> None:
    # First, so that the other pragmas wait too.
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # Safe in WAL mode, and faster.


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))
