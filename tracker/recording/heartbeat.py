"""Telling other hosts, every few seconds, that a session's process lives."""

import threading
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from tracker.database.connection import Database
from tracker.errors import TrackerError
from tracker.recording.forks import writers
from tracker.registry.sessions import HEARTBEAT_EVERY_S, beat


class Heartbeat:
    """A thread with a connection of its own that renews one session's sign of life.

    A database that is busy, full or gone for a while costs a beat and nothing else. The
    thread never keeps the program from ending.
    """

    def __init__(self, database: Path, session_id: int, every: float = HEARTBEAT_EVERY_S) -> None:
        self.lock = threading.Lock()
        self._path = database
        # Made by the first beat: most runs of a sweep are over before it.
        self._database: Database | None = None
        self._session_id = session_id
        self._every = every
        self._over = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"labkeeper-heartbeat-{session_id}", daemon=True
        )
        writers.add(self)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; does not wait for a beat that waits for the database."""
        self._over.set()

    def close_connection(self) -> None:
        if self._database is not None:
            self._database.close()

    def _run(self) -> None:
        while not self._over.wait(self._every):
            with self.lock:
                superseded = self._beat()
            if superseded:
                break
        with self.lock:
            self.close_connection()

    def _beat(self) -> bool:
        """Whether another process has the run now."""
        if self._database is None:
            self._database = Database(self._path)
        try:
            with self._database.write() as session:
                return beat(session, self._session_id).superseded
        except (TrackerError, SQLAlchemyError):
            return False  # the next one may come through
