"""Where the lab lies, and with what it is opened."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.faults import driver
from tracker.files import LabFiles
from tracker.registry.health.base import Check, Finding, Severity

# Releases before this one have a rare bug that damages the file when the log is reset.
SOUND_SQLITE = (3, 51, 3)
LITTLE_SPACE = 1 << 30
MOUNTS = Path("/proc/self/mountinfo")
NETWORK_FILE_SYSTEMS = {
    *("9p", "afs", "beegfs", "ceph", "cifs", "fuse.ceph-fuse", "fuse.glusterfs", "fuse.sshfs"),
    *("glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb2", "smb3", "smbfs", "virtiofs"),
}


def _sqlite_library(_session: Session, _files: LabFiles) -> Iterator[Finding]:
    library = driver()
    name = "pysqlite3" if library.__name__.startswith("pysqlite3") else "the standard library"
    said = f"SQLite {library.sqlite_version}, through {name}"
    if tuple(map(int, library.sqlite_version.split("."))) < SOUND_SQLITE:
        advice = "has a rare bug that can damage a database; install pysqlite3 or a newer Python"
        yield Finding("sqlite", Severity.WARNING, f"{said}, {advice}.")
    else:
        yield Finding("sqlite", Severity.NOTE, f"{said}.")


def _journal_mode(session: Session, _files: LabFiles) -> Iterator[Finding]:
    ((mode,),) = driver_connection(session).execute("PRAGMA journal_mode").fetchall()
    if mode != "wal":
        message = f"The database is in journal mode {mode!r}, in which readers and writers wait."
        yield Finding("journal-mode", Severity.WARNING, message, "back to 'wal'")


def _leave_to_the_connection(session: Session, _files: LabFiles) -> None:
    """Every connection that can write asks for `wal` when it is opened."""
    driver_connection(session)


def _file_system(_session: Session, files: LabFiles) -> Iterator[Finding]:
    kind = kind_of_file_system(files.root)
    if kind in NETWORK_FILE_SYSTEMS:
        message = (
            f"The lab lies on a network file system ({kind}), where SQLite's locks cannot be "
            "relied on. Keep it on a local disk."
        )
        yield Finding("file-system", Severity.WARNING, message)


def _free_space(_session: Session, files: LabFiles) -> Iterator[Finding]:
    free = shutil.disk_usage(files.root).free
    if free < LITTLE_SPACE:
        message = f"The disk has only {free / 1e6:.0f} MB left."
        yield Finding("free-space", Severity.WARNING, message)


def kind_of_file_system(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The type of the file system that `path` lies on; None where the system does not tell."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    resolved = path.resolve()
    found: tuple[int, str] | None = None
    for line in lines:
        before, _, after = line.partition(" - ")
        point = before.split()[4].replace("\\040", " ")
        # A later mount at the same place hides the earlier one.
        if resolved.is_relative_to(point) and (found is None or len(point) >= found[0]):
            found = len(point), after.split()[0]
    return found and found[1]


CHECKS = [
    Check("sqlite", _sqlite_library),
    Check("journal-mode", _journal_mode, _leave_to_the_connection),
    Check("file-system", _file_system),
    Check("free-space", _free_space),
]
