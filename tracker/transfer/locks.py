"""Locks on files: whether whoever works on one is still alive, whatever became of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Makes the file and holds its lock, as long as this process lives; it is gone afterwards.

    Where the system or the disk has no such locks, there is only the file.
    """
    file = path.open("wb")
    while _lock(file) and not _is_at(file, path):
        # Another process took it for a dead one's, before it was locked.
        file.close()
        file = path.open("wb")
    if _fcntl() is None:
        file.close()  # Windows renames no open file.
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


@contextmanager
def lock_of_nobody(path: Path) -> Iterator[bool]:
    """Whether no process holds the lock; none gets it meanwhile."""
    if _fcntl() is None or not path.is_file():
        yield False
        return
    try:
        file = path.open("rb")
    except (FileNotFoundError, PermissionError):  # it is done, or it is somebody else's
        yield False
        return
    with file:
        yield _lock(file, wait=False)


def _lock(file: BinaryIO, *, wait: bool = True) -> bool:
    fcntl = _fcntl()
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another process holds it, or this disk has no locks
        return False
    return True


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _fcntl() -> Any:
    """The module with the system's locks; None where there are none."""
    try:
        import fcntl  # noqa: PLC0415 - Windows has none
    except ImportError:
        return None
    return fcntl
