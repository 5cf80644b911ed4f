"""One process at a time for a file that several change."""

import os
import threading
from pathlib import Path
from typing import Self

from tracker.errors import InvalidError, unusable


class FileLock:
    """Held by one thread of one process; the system frees it when a process dies.

    The lock is on a file of its own, `log.tsv.lock`, that stays. Who holds it may enter again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}.lock")
        self._turn = threading.RLock()
        self._depth = 0
        self._handle = -1

    def __enter__(self) -> Self:
        self._turn.acquire()
        try:
            if self._depth == 0:
                self._handle = _locked(self._path)
        except BaseException:
            self._turn.release()
            raise
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        try:
            if self._depth == 0:
                os.close(self._handle)
        finally:
            self._turn.release()


def _locked(path: Path) -> int:
    try:
        import fcntl  # noqa: PLC0415 - Windows has none
    except ImportError:
        raise InvalidError("File locks are not to be had on this system.") from None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise unusable(path, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        os.close(handle)
        raise unusable(path, error) from error
    return handle
