"""A copy of a lab's database while others write to it."""

from pathlib import Path

from tracker.database.connection import connect_for_reading
from tracker.database.faults import clear_errors, driver
from tracker.errors import LabUnusableError


def copy_database(source: Path, target: Path) -> None:
    """Copies one moment of `source` to `target`, and checks the copy.

    Nobody waits for it, and what is written meanwhile is not in it. `target` must not be
    there; LabUnusableError if the copy is not sound.
    """
    reader = connect_for_reading(source)
    try:
        with clear_errors(target):
            copy = driver().connect(target, isolation_level=None)
            try:
                # In one step: in several it would start anew whenever somebody writes.
                reader.backup(copy)
                copy.execute("PRAGMA journal_mode = WAL")
                _refuse_unsound(copy, source)
            finally:
                copy.close()
    finally:
        reader.close()


def _refuse_unsound(copy: object, source: Path) -> None:
    faults = [fault for (fault,) in copy.execute("PRAGMA integrity_check(3)")]  # type: ignore[attr-defined]  # the driver has no types
    if faults != ["ok"]:
        raise LabUnusableError(f"{source} is damaged, and so is its copy: {'; '.join(faults)}.")
