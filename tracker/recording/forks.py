"""Forking while something is being written.

No transaction is under way at the moment of a fork, and no connection is open: SQLite's
notes about its locks would pass to the child without the locks. Parent and child open
their own when they next write.
"""

import os
import threading
from typing import Protocol
from weakref import WeakSet

# A signal handler that forks in the middle of a transaction must not wait for itself.
PATIENCE_S = 5.0


class Writer(Protocol):
    """What holds a connection of its own and uses it under a lock."""

    lock: threading.Lock

    def close_connection(self) -> None: ...


class _Writers:
    """Everything in this process that writes on a connection of its own."""

    def __init__(self) -> None:
        self._members: WeakSet[Writer] = WeakSet()
        self._members_lock = threading.Lock()
        self._held: list[Writer] = []

    def add(self, writer: Writer) -> None:
        with self._members_lock:
            self._members.add(writer)

    def before(self) -> None:
        self._members_lock.acquire()
        for writer in self._members:
            if writer.lock.acquire(timeout=PATIENCE_S):
                self._held.append(writer)
                writer.close_connection()

    def after(self) -> None:
        while self._held:
            self._held.pop().lock.release()
        self._members_lock.release()


writers = _Writers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=writers.before, after_in_parent=writers.after, after_in_child=writers.after
    )
