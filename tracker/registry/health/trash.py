"""What deleting has left undone, and what nothing refers to any more."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.tables import Dataset, Environment, Experiment, Pipeline, Run
from tracker.files import LabFiles
from tracker.registry.health.base import Check, Finding, Severity
from tracker.registry.keeping.leftovers import delete_noted, leftovers
from tracker.registry.keeping.purging import delete_unreferred, unreferred

# Less is not worth a word: the database will use it again.
MUCH_FREE = 16 << 20

_SHARED = {"environments": Environment, "datasets": Dataset, "experiments": Experiment}


def _undeleted(session: Session, _files: LabFiles) -> Iterator[Finding]:
    noted = leftovers(session)
    if noted:
        message = f"{len(noted)} files of what was purged or pruned are still to be deleted."
        yield Finding("undeleted-files", Severity.NOTE, message, "deleted")


def _half_deleted(session: Session, _files: LabFiles) -> Iterator[Finding]:
    for run, pipeline in session.execute(_select_half_deleted()):
        message = f"Run {run!r} can be seen, but its pipeline {pipeline!r} is in the trash."
        yield Finding("half-deleted", Severity.WARNING, message, "the run goes there as well")


def _delete_whole(session: Session, _files: LabFiles) -> None:
    moment = select(Pipeline.deleted).where(Pipeline.id == Run.pipeline_id).scalar_subquery()
    # One that somebody works on stays until it has ended.
    idle = Run.status != "running"
    session.execute(
        update(Run).where(Run.deleted.is_(None), moment.is_not(None), idle).values(deleted=moment)
    )


def _unused(session: Session, _files: LabFiles) -> Iterator[Finding]:
    for name, table in _SHARED.items():
        number = session.scalar(select(func.count()).select_from(table).where(*unreferred(table)))
        if number:
            message = f"{number} {name} are used by no run, pipeline or sweep."
            yield Finding("unused-rows", Severity.NOTE, message, "deleted")


def _delete_unused(session: Session, _files: LabFiles) -> None:
    for table in _SHARED.values():
        delete_unreferred(session, table)


def _free_pages(session: Session, _files: LabFiles) -> Iterator[Finding]:
    free = _pragma(session, "freelist_count") * _pragma(session, "page_size")
    if free > MUCH_FREE:
        message = (
            f"{free / 1e6:.0f} MB of the database are free; `labkeeper purge` gives them back to "
            "the disk."
        )
        yield Finding("free-pages", Severity.NOTE, message)


def _pragma(session: Session, name: str) -> int:
    ((value,),) = driver_connection(session).execute(f"PRAGMA {name}").fetchall()
    return int(value)


def _select_half_deleted() -> Any:
    return (
        select(Run.name, Pipeline.name)
        .join(Pipeline, Pipeline.id == Run.pipeline_id)
        .where(Run.deleted.is_(None), Pipeline.deleted.is_not(None))
        .order_by(Run.id)
    )


CHECKS = [
    Check("undeleted-files", _undeleted, delete_noted),
    Check("half-deleted", _half_deleted, _delete_whole),
    Check("unused-rows", _unused, _delete_unused),
    Check("free-pages", _free_pages),
]
