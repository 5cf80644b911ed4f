"""Really gone: rows, files, and what only they referred to."""

from collections.abc import Collection, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.tables import (
    Base,
    Checkpoint,
    Dataset,
    Environment,
    Experiment,
    Pipeline,
    Run,
    RunDataset,
    RunSession,
)
from tracker.errors import StateError
from tracker.files import LabFiles
from tracker.registry.keeping.change import Change
from tracker.registry.keeping.choosing import Chosen, listed, refuse_running, run_label, told
from tracker.registry.keeping.holdings import holdings
from tracker.registry.keeping.leftovers import note_leftovers


def purge(session: Session, files: LabFiles, chosen: Chosen, *, pinned: bool = False) -> Change:
    """Deletes the rows of all of them for good, or of none, and writes their files down.

    `delete_leftovers` deletes the files once this is committed. Environments, datasets and
    experiments that only they referred to go as well. StateError if one has a pinned
    checkpoint, unless `pinned` includes them.
    """
    refuse_running(session, chosen, "purge")
    runs = [run.id for run in chosen.all_runs]
    if not pinned:
        _refuse_pinned(session, runs)
    pipelines, names = (
        [row.name for row in chosen.pipelines],
        [run_label(session, run) for run in chosen.all_runs],
    )
    held = holdings(session, files, runs)
    note_leftovers(session, held.paths)
    before = _free_bytes(session)
    shared = list(_shared_by(session, chosen))
    session.execute(
        update(Pipeline)
        .where(Pipeline.current_run_id.in_(listed(runs)))
        .values(current_run_id=None)
    )
    for table, ids in ((Run, runs), (Pipeline, [row.id for row in chosen.pipelines])):
        session.execute(sa.delete(table).where(table.id.in_(listed(ids))))
    for table, candidates in shared:
        delete_unreferred(session, table, candidates)
    session.expire_all()
    freed = _free_bytes(session) - before
    return Change(pipelines, names, len(held.paths), held.bytes, freed)


def _refuse_pinned(session: Session, runs: Collection[int]) -> None:
    pinned = select(Checkpoint.run_id).where(
        Checkpoint.run_id.in_(listed(runs)), Checkpoint.pinned, Checkpoint.removed.is_(None)
    )
    found = session.scalars(select(Run).where(Run.id.in_(pinned)).order_by(Run.id)).all()
    if found:
        names = told([run_label(session, run) for run in found])
        raise StateError(
            f"A checkpoint is pinned in {names}. Restore and unpin it, or purge with --pinned. "
            "Nothing was changed."
        )


def _shared_by(session: Session, chosen: Chosen) -> Iterator[tuple[Any, list[int]]]:
    """What others may refer to as well: only that can have become superfluous."""
    runs = listed(run.id for run in chosen.all_runs)
    used = select(RunSession.environment_id).where(RunSession.run_id.in_(runs)).distinct()
    yield Environment, [found for found in session.scalars(used) if found is not None]
    seen = select(RunDataset.dataset_id).where(RunDataset.run_id.in_(runs)).distinct()
    yield Dataset, list(session.scalars(seen))
    experiments = {row.experiment_id for row in chosen.pipelines}
    yield Experiment, sorted(experiments | {row.experiment_id for row in chosen.all_runs})


def delete_unreferred(
    session: Session, table: type[Base], candidates: Collection[int] | None = None
) -> None:
    """Deletes the rows, of all or of these, that no row of another table refers to."""
    unused = sa.delete(table).where(*unreferred(table))
    if candidates is not None:
        unused = unused.where(table.__table__.c.id.in_(listed(candidates)))
    session.execute(unused)


def unreferred(table: type[Base]) -> list[sa.ColumnElement[bool]]:
    """The conditions under which nothing refers to a row."""
    return [
        ~exists().where(column == table.__table__.c.id)
        for other in Base.metadata.sorted_tables
        for column in other.columns
        if any(key.column.table is table.__table__ for key in column.foreign_keys)
    ]


def _free_bytes(session: Session) -> int:
    """What the database could give back to the disk."""
    connection = driver_connection(session)
    ((pages,),) = connection.execute("PRAGMA freelist_count").fetchall()
    ((size,),) = connection.execute("PRAGMA page_size").fetchall()
    return int(pages) * int(size)
