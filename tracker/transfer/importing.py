"""Taking a bundle into a lab: all of it, or nothing.

Looked at first: the file's structure, its manifest, every row. Then the files are written
aside, and only then does one transaction store the rows, with the files put in place at its
end. Whoever kills it, and whenever: the lab is as before, or as after.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from tracker.database.connection import Database, driver_connection
from tracker.database.faults import driver
from tracker.errors import LabUnusableError, unusable
from tracker.files import LabFiles
from tracker.transfer.checking import check_rows
from tracker.transfer.format import FILES, Entry, refused
from tracker.transfer.planning import Change, Fate, Plan, Taken, make_plan
from tracker.transfer.reading import Bundle, open_bundle
from tracker.transfer.staging import Stage, staging
from tracker.transfer.storing import Storing
from tracker.transfer.unpacking import unpacked_tables


class Imported(NamedTuple):
    """What became of everything in a bundle."""

    changes: list[Change]
    files: int
    bytes: int

    def count(self, kind: str, *fates: Fate) -> int:
        """How many pipelines, runs or sweeps had one of these fates."""
        return sum(change.kind == kind and change.fate in fates for change in self.changes)


def import_bundle(
    database: Database,
    files: LabFiles,
    path: Path,
    *,
    taken: Taken = Taken.REFUSE,
    trust: bool = False,
    dry_run: bool = False,
) -> Imported:
    """Takes the bundle at `path` into the lab; with `dry_run` only says what would be done.

    `taken` says what is done about taken names. With `trust`, scikit-learn estimators of any
    type may later be loaded from its files. BundleError if the bundle is not sound,
    TakenError if something stands in the way; then nothing has changed.
    """
    with (
        open_bundle(path) as bundle,
        _clear_errors(files),
        staging(database, files, trusted=trust) as stage,
        unpacked_tables(bundle, stage.tables) as theirs,
    ):
        check_rows(bundle, theirs)
        ahead = _look_ahead(database, bundle, theirs, taken)
        entries = _needed(bundle, theirs, ahead)
        _check_room(files, path, entries)
        if dry_run:
            _try(database, bundle, theirs, stage, taken)
            return Imported(ahead.changes, len(entries), sum(entry.bytes for entry in entries))
        for entry in entries:
            stage.take(entry.name.removeprefix(FILES), bundle.pieces(entry))
        # What is here already is not taken; a damaged bundle is refused all the same.
        others = {entry.name for entry in bundle.manifest.named(FILES)}
        bundle.verify(*(others - {entry.name for entry in entries}))
        stage.sync()
        with database.write() as session:
            plan = _store(session, bundle, theirs, stage, taken)
            needed = _needed(bundle, theirs, plan)
            if not set(needed) <= set(entries):
                raise LabUnusableError(f"The lab was changed while {path} was read. Try again.")
            # Another import may have brought some meanwhile.
            stage.settle({entry.name.removeprefix(FILES) for entry in needed})
        stage.keep()
    return Imported(plan.changes, len(needed), sum(entry.bytes for entry in needed))


def _look_ahead(database: Database, bundle: Bundle, theirs: Any, taken: Taken) -> Plan:
    """What would be done, so that nothing is copied that is refused or not needed."""
    with database.write() as session:
        plan = make_plan(bundle.path, theirs, session, taken)
        session.rollback()
    return plan


def _try(database: Database, bundle: Bundle, theirs: Any, stage: Stage, taken: Taken) -> None:
    """Everything that could refuse the bundle is looked at; nothing stays."""
    bundle.verify(FILES)
    with database.write() as session:
        _store(session, bundle, theirs, stage, taken)
        session.rollback()


def _store(session: Session, bundle: Bundle, theirs: Any, stage: Stage, taken: Taken) -> Plan:
    mine = driver_connection(session)
    plan = make_plan(bundle.path, theirs, session, taken)
    storing = Storing(bundle, theirs, mine, plan, home=stage.home)
    try:
        storing.rows()
        storing.points()
    except (driver().IntegrityError, OverflowError) as error:
        raise refused(
            bundle.path, f"its rows contradict each other, or the lab's ({error})"
        ) from error
    return plan


def _needed(bundle: Bundle, theirs: Any, plan: Plan) -> list[Entry]:
    """The files of the runs that are to be stored."""
    uuids = dict(theirs.execute("SELECT id, uuid FROM runs").fetchall())
    wanted = {uuids[number] for number in plan.new["runs"]}
    return [
        entry
        for entry in bundle.manifest.named(FILES)
        if entry.name.removeprefix(FILES).partition("/")[0] in wanted
    ]


def _check_room(files: LabFiles, path: Path, entries: list[Entry]) -> None:
    needed = sum(entry.bytes for entry in entries)
    free = shutil.disk_usage(files.root).free
    if needed > free:
        raise LabUnusableError(
            f"{path} needs {needed / 1e6:.0f} MB, and {files.root} has {free / 1e6:.0f} MB free."
            " Free some space and try again. Nothing was changed."
        )


@contextmanager
def _clear_errors(files: LabFiles) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unusable(Path(error.filename or files.root), error) from error
