"""What is open in this process, and what becomes of it when the process forks.

SQLite notes per process which locks it holds on a file. A forked child inherits the notes
but not the locks: it would take new connections of its own for protected, and the parent's
last close would delete the log under them. So nothing is open at the moment of a fork;
where that cannot be helped, the child refuses to open the file.
"""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from weakref import WeakSet

from tracker.database.faults import driver
from tracker.errors import LabUnusableError

# A thread that waits for the one that forks must not stop it for good.
PATIENCE_S = 5.0


class Holder(Protocol):
    """What keeps connections for a while, and can do without them."""

    def close(self) -> None: ...
    def start(self) -> None: ...


class Connection(driver().Connection):  # type: ignore[misc]  # the driver has no types
    """The driver's connection, which knows its file and can be referred to weakly."""

    __slots__ = ("__weakref__", "file")


class _Open:
    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._working: Counter[int] = Counter()  # transactions by thread
        self._holders: WeakSet[Holder] = WeakSet()
        self._connections: WeakSet[Connection] = WeakSet()
        self._forbidden: set[Path] = set()

    def hold(self, holder: Holder) -> None:
        """The holder is closed before a fork, and started anew in the child."""
        with self._condition:
            self._holders.add(holder)

    def opened(self, connection: Connection, file: Path) -> None:
        connection.file = file.resolve()
        with self._condition:
            self._connections.add(connection)

    def refuse_inherited(self, file: Path) -> None:
        """LabUnusableError if the parent process had the file open when it forked this one."""
        if self._forbidden and file.resolve() in self._forbidden:
            raise LabUnusableError(
                f"Cannot use {file}: this process was forked while its parent was using it. "
                "Start it with multiprocessing's 'spawn' method, or close the lab first."
            )

    @contextmanager
    def working(self) -> Iterator[None]:
        """A fork in another thread waits for the end of the block."""
        me = threading.get_ident()
        with self._condition:
            self._working[me] += 1
        try:
            yield
        finally:
            with self._condition:
                self._working[me] -= 1
                self._working += Counter()  # Forgets the zeros.
                self._condition.notify_all()

    def before_fork(self) -> None:
        self._condition.acquire()
        me = threading.get_ident()
        self._condition.wait_for(lambda: not set(self._working) - {me}, PATIENCE_S)
        for holder in self._holders:
            holder.close()

    def after_in_parent(self) -> None:
        self._condition.release()

    def after_in_child(self) -> None:
        for connection in filter(_is_open, self._connections):
            self._forbidden.add(connection.file)
            _never_close(connection)
        self._connections = WeakSet()
        self._working.clear()
        for holder in self._holders:
            holder.start()
        self._condition.release()


def _never_close(connection: Connection) -> None:
    """Closing an inherited connection would let SQLite write the parent's log back.

    One reference is not given up, not even when the interpreter ends.
    """
    import ctypes  # noqa: PLC0415 - needed by hardly any process

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def _is_open(connection: Connection) -> bool:
    try:
        connection.total_changes  # noqa: B018 - a closed one says so
    except driver().ProgrammingError:
        return False
    return True


open_here = _Open()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=open_here.before_fork,
        after_in_parent=open_here.after_in_parent,
        after_in_child=open_here.after_in_child,
    )
