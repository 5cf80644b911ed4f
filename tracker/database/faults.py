"""What SQLite's error codes mean to the person in front of the screen."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tracker.errors import LabUnusableError

try:
    from pysqlite3 import dbapi2 as sqlite
except ImportError:  # no wheel for this machine
    import sqlite3 as sqlite

BUSY_TIMEOUT_S = 60

# The low byte of a code is its kind; https://sqlite.org/rescode.html lists them.
_PERM, _BUSY, _LOCKED, _READONLY, _IOERR, _CORRUPT, _FULL, _CANTOPEN, _NOTADB = (
    3, 5, 6, 8, 10, 11, 13, 14, 26,
)  # fmt: skip
# SQLite could not enlarge the shared-memory file: a full disk under another name.
_IOERR_SHMSIZE = 4874


def driver() -> Any:
    """The one SQLite library this process opens lab files with.

    Everything must go through it: POSIX locks vanish when a second library closes the file.
    """
    return sqlite


def is_busy(error: Exception) -> bool:
    """Whether somebody else's lock is all that is in the way."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF == _BUSY


@contextmanager
def clear_errors(path: Path) -> Iterator[None]:
    """Turns what makes the database at `path` unusable into a LabUnusableError.

    Errors that are about the statement (a constraint, a syntax error) pass unchanged.
    """
    try:
        yield
    except (sa.exc.DBAPIError, sqlite.Error) as error:
        raise translate(error, path) from error


def translate(error: Exception, path: Path) -> Exception:
    """The LabUnusableError that says what `error` means, or `error` itself."""
    code = getattr(getattr(error, "orig", None) or error, "sqlite_errorcode", None)
    reason = None if code is None else _reason(code, path)
    return error if reason is None else LabUnusableError(reason)


def _reason(code: int, path: Path) -> str | None:
    kind = code & 0xFF
    if kind == _FULL or code == _IOERR_SHMSIZE:
        return f"The disk that holds {path} is full. Free some space and try again."
    if kind in (_READONLY, _PERM):
        return f"{path} cannot be written: the file, or its directory, is read-only."
    if kind == _CANTOPEN:
        return _why_it_does_not_open(path)
    if kind == _NOTADB:
        return f"{path} is not a database."
    if kind == _CORRUPT:
        return f"{path} is damaged. `labkeeper doctor` says more; restore a backup."
    if kind in (_BUSY, _LOCKED):
        return f"Another program has locked {path} for more than {BUSY_TIMEOUT_S} seconds."
    if kind == _IOERR:
        return f"{path} could not be read or written: the disk reports an error ({code})."
    return None


def _why_it_does_not_open(path: Path) -> str:
    if path.is_dir():
        return f"{path} is a directory; a lab's database is expected there."
    if path.exists():
        return f"{path} cannot be opened: it, or its directory, is read-only or out of reach."
    if path.parent.is_file():
        return f"{path.parent} is a file; a lab's directory is expected there."
    if path.parent.is_dir() and not os.access(path.parent, os.W_OK):
        return f"{path} cannot be made: its directory is read-only."
    return f"There is no database at {path}."
