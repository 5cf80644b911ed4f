"""Opening the SQLite file, and the two kinds of transaction on it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.orm import Session

from tracker.database import functions, tables
from tracker.database.faults import BUSY_TIMEOUT_S, clear_errors, driver
from tracker.database.forks import Connection, open_here
from tracker.database.waiting import begin_writing


def connect(path: Path) -> Any:
    """A driver connection to a lab's file, configured, in autocommit: callers say BEGIN.

    For hot paths and for tools that need the driver itself; everything else takes a
    `Database`. The file must be there: nothing is created. Close it before a fork: a child
    of a process that has it open cannot use the lab.
    """
    with clear_errors(path):
        connection = _open(path, "mode=rw")
        connection.execute("PRAGMA journal_mode = WAL")
    return connection


def driver_connection(session: Session) -> Any:
    """The driver's connection under a session, for statements that must be fast.

    What the session has not sent yet is sent first.
    """
    session.flush()
    return session.connection().connection.driver_connection


def connect_for_reading(path: Path) -> Any:
    """A driver connection that cannot write; also to a file that cannot be written."""
    with clear_errors(path):
        return _open_for_reading(path)[0]


def file_uri(path: Path, mode: str) -> str:
    """The file's address with SQLite's open mode: `rw` never creates, `rwc` does."""
    return f"file:{quote(os.fsencode(path.absolute()))}?{mode}"


class Database:
    """One lab's file. Every session is one transaction: all of it happens, or none.

    A file that cannot be written can still be read. After a fork, the child opens its
    own connections; one that was forked in the middle of a transaction is refused.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.start()
        open_here.hold(self)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A consistent view of the database. Never waits for a writer; writing raises."""
        with clear_errors(self.path), open_here.working(), _session(self._reading) as session:
            yield session
        if self._frozen:
            # Somebody who may write could begin to: look at the file anew each time.
            self._reading.dispose()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Commits at the end of the block, or rolls back if the block raises.

        Takes the write lock with the first statement, be it a question, so that parallel
        writers queue up there instead of failing halfway with "database is locked".
        """
        tables.make_all()
        with (
            clear_errors(self.path),
            open_here.working(),
            _session(self._writing) as session,
            session.begin(),
        ):
            yield session

    def close(self) -> None:
        self._reading.dispose()
        self._writing.dispose()

    def start(self) -> None:
        self._frozen = False
        self._reading = _engine(self._connect_for_reading, _begin_reading)
        self._writing = _engine(lambda: connect(self.path), begin_writing)

    def _connect_for_reading(self) -> Any:
        with clear_errors(self.path):
            connection, self._frozen = _open_for_reading(self.path)
        return connection


def _session(engine: sa.Engine) -> Session:
    # Rows are plain data: no relationships, so they stay readable when the session is over.
    return Session(engine, expire_on_commit=False)


def _engine(creator: Callable[[], Any], begin: Callable[[Any], None]) -> sa.Engine:
    engine = sa.create_engine(
        "sqlite://",
        module=driver(),
        creator=creator,
        poolclass=sa.QueuePool,
        max_overflow=-1,  # As many as there are threads: a limit would only be a deadlock.
    )
    # The driver would begin transactions late, after the first reads.
    sa.event.listen(
        engine, "begin", lambda connection: begin(connection.connection.driver_connection)
    )
    return engine


def _begin_reading(connection: Any) -> None:
    connection.execute("BEGIN")


def _open(path: Path, mode: str) -> Any:
    open_here.refuse_inherited(path)
    connection = driver().connect(
        file_uri(path, mode),
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        factory=Connection,
    )
    open_here.opened(connection, path)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")  # Safe in WAL mode, and faster.
    connection.execute("PRAGMA temp_store = MEMORY")  # A read-only or full disk can be read.
    functions.register(connection)
    return connection


def _open_for_reading(path: Path) -> tuple[Any, bool]:
    """The connection, and whether the file is taken as one that nobody changes."""
    try:
        connection = _open(path, "mode=rw")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except driver().Error:
        # SQLite needs its -wal and -shm files even to read; where it cannot make them and
        # there is no -wal that holds something, the file alone is the whole database.
        if not path.is_file() or os.access(path.parent, os.W_OK) or _has_log(path):
            raise
        connection = _open(path, "immutable=1")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        frozen = True
    else:
        frozen = False
    connection.execute("PRAGMA query_only = ON")
    return connection, frozen


def _has_log(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0
