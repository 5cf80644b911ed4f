"""Checkpoints whose files are gone: forgotten, and known again if the files come back.

A forgotten one counts as removed, and its row keeps name, epoch and hash. Its path begins with
`missing/`, where nothing ever lies, so that nobody takes a file that comes back for one to delete.
"""

from collections.abc import Iterator
from contextlib import suppress

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracker.database.kinds import RunStatus
from tracker.database.tables import Checkpoint, Run
from tracker.database.types import now
from tracker.errors import InvalidError
from tracker.files import LabFiles, StoredFile
from tracker.registry.health.base import Check, Finding, Severity

PREFIX = "missing/"


def missing_files(session: Session, files: LabFiles) -> set[str]:
    """The missing files of checkpoints, but for those of a run that somebody works on."""
    return {row.path for row, _ in _gone(session, files)}


def forgotten_files(session: Session) -> set[str]:
    """Where the files of forgotten checkpoints would lie, if they came back."""
    return {_place(row) for row, _ in _forgotten(session)}


def _missing(session: Session, files: LabFiles) -> Iterator[Finding]:
    for row, run in _gone(session, files):
        message = (
            f"checkpoint {row.name!r} of run {run!r}: {row.path} is missing. Put it back, from a"
            " backup perhaps, or let a repair forget it."
        )
        cure = "forgotten: nothing goes on from it any more"
        yield Finding("missing-checkpoints", Severity.ERROR, message, cure)


def _forget(session: Session, files: LabFiles) -> None:
    for row, _ in list(_gone(session, files)):
        row.path, row.removed = f"{PREFIX}{row.path}", now()


def _returned(session: Session, files: LabFiles) -> Iterator[Finding]:
    for row, run in _back(session, files):
        message = f"checkpoint {row.name!r} of run {run!r} was forgotten, and its file is there."
        yield Finding("returned-checkpoints", Severity.WARNING, message, "known again")


def _know_again(session: Session, files: LabFiles) -> None:
    for row, _ in list(_back(session, files)):
        row.path, row.removed = _place(row), None


def _noted(session: Session, _files: LabFiles) -> Iterator[Finding]:
    found = _forgotten(session)
    if found:
        many = f"{len(found)} checkpoints were" if len(found) > 1 else "1 checkpoint was"
        row, run = found[0]
        message = f"{many} forgotten, with missing files; the first: {row.name!r} of run {run!r}."
        yield Finding("forgotten-checkpoints", Severity.NOTE, message)


def _gone(session: Session, files: LabFiles) -> Iterator[tuple[Checkpoint, str]]:
    chosen = (
        select(Checkpoint, Run.name)
        .join(Run, Run.id == Checkpoint.run_id)
        .where(Checkpoint.removed.is_(None), Run.status != RunStatus.RUNNING)
        .order_by(Checkpoint.id)
    )
    for row, run in session.execute(chosen):
        # A path that leads out of the lab is another fault, and another check's.
        with suppress(InvalidError):
            if not files.path(row.path).is_file():
                yield row, run


def _forgotten(session: Session) -> list[tuple[Checkpoint, str]]:
    chosen = (
        select(Checkpoint, Run.name)
        .join(Run, Run.id == Checkpoint.run_id)
        .where(Checkpoint.removed.is_not(None), Checkpoint.path.startswith(PREFIX))
        .order_by(Checkpoint.id)
    )
    return [(row, run) for row, run in session.execute(chosen)]


def _back(session: Session, files: LabFiles) -> Iterator[tuple[Checkpoint, str]]:
    taken = set(session.scalars(select(Checkpoint.path).where(Checkpoint.removed.is_(None))))
    for row, run in _forgotten(session):
        whole = files.problem_of(StoredFile(_place(row), row.bytes, row.sha256)) is None
        if whole and _place(row) not in taken:
            yield row, run


def _place(row: Checkpoint) -> str:
    return row.path.removeprefix(PREFIX)


CHECKS = [
    Check("missing-checkpoints", _missing, _forget),
    Check("returned-checkpoints", _returned, _know_again),
    Check("forgotten-checkpoints", _noted),
]
