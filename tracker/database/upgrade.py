"""How a lab's database comes into being, and how an old one becomes a current one."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import sqlalchemy as sa

from tracker.database.connection import connect_for_reading, file_uri
from tracker.database.faults import clear_errors, driver
from tracker.database.forks import open_here
from tracker.database.space import file_facts
from tracker.errors import LabUnusableError, NewerLabError, unusable

if TYPE_CHECKING:
    from alembic.config import Config

# The newest revision in migrations/versions. Compared by plain SQL, so that opening a
# current lab does not import Alembic.
SCHEMA = "0003"

# Beside the package, in a checkout and in site-packages alike.
MIGRATIONS = Path(__file__).parents[2] / "migrations"

# Begins the name of a database that is not finished; doctor deletes those that stay behind.
ASIDE = ".aside-"

# Others may be waiting for one long upgrade.
_UPGRADE_TIMEOUT_S = 600
# Alembic keeps its current environment in module globals.
_alembic = threading.Lock()


def prepare(path: Path) -> None:
    """Makes the database at `path` one that this version can use.

    A missing one is created, an older one upgraded after a backup beside it; any number of
    processes may do so at once. NewerLabError for one that a newer version wrote, and
    LabUnusableError for one that is missing beside the files of runs that it had.
    """
    try:
        missing = not path.exists()
        orphan = next((path.parent / "files").glob("*/*"), None) if missing else None
        # Files come after the database that they are registered in: another process made both.
        missing = missing and not path.exists()
    except OSError as error:
        raise unusable(path, error) from error
    if missing and orphan is not None:
        raise LabUnusableError(
            f"{path} is missing, and files of its runs are still there ({orphan}). Put it back, or"
            f" restore a backup (`labkeeper backup --restore`). To begin anew, move {path.parent}"
            " out of the way."
        )
    with open_here.working():
        if missing:
            create(path)
        if not check(path):
            upgrade(path)


def check(path: Path) -> bool:
    """Whether the database has this version's schema; False if it has an older one."""
    found = schema_of(path)
    _refuse_newer(path, found)
    return found == SCHEMA


class DatabaseFacts(NamedTuple):
    """What a lab's database is: its schema, whether that is `current`, and what is in the file."""

    path: Path
    schema: str
    known: str  # the newest that this version knows
    state: str  # `current`, `old` or `newer`
    sqlite: str
    bytes: int
    free_bytes: int
    integrity: str  # `ok`, or the first fault that SQLite finds


def check_database(path: Path) -> DatabaseFacts:
    """Reads the whole file, and changes nothing; LabUnusableError if it cannot be read."""
    found = schema_of(path)
    state = "current" if found == SCHEMA else "newer" if found > SCHEMA else "old"
    return DatabaseFacts(path, found, SCHEMA, state, driver().sqlite_version, *file_facts(path))


def schema_of(path: Path) -> str:
    """The revision of the database's schema."""
    connection = connect_for_reading(path)
    try:
        with clear_errors(path):
            return _revision(connection.execute, path)
    finally:
        connection.close()


def create(path: Path) -> None:
    """Builds an empty lab's database by the migrations, and puts it in place whole.

    Where another process was first, its database stays.
    """
    aside = _aside(path)
    try:
        with _builders_queue(path.parent), clear_errors(path):
            if path.exists():
                return
            _build(aside)
            _put_in_place(aside, path)
    except OSError as error:
        raise unusable(path, error) from error
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            with suppress(OSError):
                aside.with_name(aside.name + suffix).unlink()


def build(path: Path, schema: str) -> None:
    """Builds an empty database of an earlier schema, or of this one, where there is none.

    For data on their way from another lab; `upgrade` makes it a current one.
    """
    with clear_errors(path), open_here.working():
        _build(path, schema)


def known_schemas() -> list[str]:
    """The schemas that there have been, the oldest first."""
    return sorted(path.name.partition("_")[0] for path in MIGRATIONS.glob("versions/[0-9]*.py"))


def upgrade(path: Path) -> Path | None:
    """Brings the database up to the newest revision, all or nothing; returns its backup.

    None where there was nothing to do. The backup lies beside the database. Processes that
    come at the same time wait for the one that is first.
    """
    with clear_errors(path), _migrating(path, "mode=rw") as connection:
        # Asked again: another process may have been first, even one of a newer version.
        found = _revision(connection.exec_driver_sql, path)
        _refuse_newer(path, found)
        if found == SCHEMA:
            return None
        backup = _back_up(path, found)
        _run_migrations(connection)
        return backup


def alembic_config(connection: sa.Connection | None) -> "Config":
    """Alembic's configuration, for this module and for tests."""
    from alembic.config import Config  # noqa: PLC0415 - slow, and seldom needed

    config = Config()
    # The parser behind it would take a percent sign in the path for its own.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _revision(execute: Any, path: Path) -> str:
    tables = execute("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").fetchall()
    rows = execute("SELECT version_num FROM alembic_version").fetchall() if tables else []
    if len(rows) != 1:
        raise LabUnusableError(f"{path} is a database, but not a lab's.")
    return str(rows[0][0])


def _refuse_newer(path: Path, found: str) -> None:
    if found > SCHEMA:
        raise NewerLabError(
            f"{path} was written by a newer version of Labkeeper (schema {found}; this one "
            f"knows up to {SCHEMA}). Upgrade Labkeeper to use it."
        )


@contextmanager
def _migrating(path: Path, mode: str) -> Iterator[sa.Connection]:
    """One transaction that may change the schema; no other process can write meanwhile."""

    def connect() -> Any:
        connection = driver().connect(
            file_uri(path, mode), uri=True, isolation_level=None, timeout=_UPGRADE_TIMEOUT_S
        )
        if mode == "mode=rwc":
            # Only a new file can be told; a file that is there, `space.give_back` converts.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        return connection

    engine = sa.create_engine("sqlite://", module=driver(), creator=connect, poolclass=sa.NullPool)
    # Foreign keys stay off in here: batch mode alters a table by dropping the old one,
    # and with foreign keys on, that drop would cascade and delete every child row.
    sa.event.listen(engine, "begin", lambda begun: begun.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.begin() as connection:
        yield connection


def _run_migrations(connection: sa.Connection, schema: str = "head") -> None:
    from alembic import command  # noqa: PLC0415 - as above

    with _alembic:
        command.upgrade(alembic_config(connection), schema)
    dangling = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if dangling:
        raise LabUnusableError(f"The upgrade would leave rows that refer to nothing: {dangling}")


def _build(aside: Path, schema: str = "head") -> None:
    with _migrating(aside, "mode=rwc") as connection:
        _run_migrations(connection, schema)
    database = driver().connect(aside, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.close()


def _put_in_place(aside: Path, path: Path) -> None:
    """Never replaces a database that is there: a link fails where a rename would not."""
    _sync(aside)
    with suppress(FileExistsError):
        os.link(aside, path)
    _sync(path.parent)


def _aside(path: Path) -> Path:
    return path.with_name(f"{ASIDE}{uuid4().hex}.db")


def _back_up(path: Path, revision: str) -> Path:
    backup = path.with_name(f"{path.name}.before-upgrade-from-{revision}")
    aside = _aside(path)
    source, target = driver().connect(path), driver().connect(aside)
    try:
        source.backup(target)
    finally:
        source.close()
        target.close()
    _sync(aside)
    aside.replace(backup)
    _sync(path.parent)
    return backup


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _builders_queue(directory: Path) -> Iterator[None]:
    """Lets one process build at a time: thirty that start at once need one database.

    Only saves work; where the system has no such lock, all build and one is put in place.
    """
    try:
        import fcntl  # noqa: PLC0415 - Windows has none
    except ImportError:
        yield
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
