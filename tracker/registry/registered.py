"""Every file that the database says is there."""

import json
from collections.abc import Collection, Iterator
from typing import NamedTuple

from sqlalchemy import func, select, true
from sqlalchemy.orm import Session

from tracker.database.tables import Artifact, Checkpoint, PhaseResult, Run, RunSession
from tracker.files import StoredFile


class Registered(NamedTuple):
    """A file, and the words that say whose it is."""

    path: str
    whose: str
    # None for a file that grows, or that is written without a hash.
    content: StoredFile | None


def registered_files(
    session: Session, run_ids: Collection[int] | None = None
) -> Iterator[Registered]:
    """The files of checkpoints that are not removed, of artifacts, results and logs.

    Of all runs, or only of those with these ids.
    """
    ids = func.json_each(json.dumps(list(run_ids or ()))).table_valued("value").c.value
    ours = true() if run_ids is None else Run.id.in_(select(ids))
    for table, what in ((Checkpoint, "checkpoint"), (Artifact, "artifact")):
        rows = select(table.path, table.bytes, table.sha256, table.name, Run.name).join(
            Run, Run.id == table.run_id
        )
        rows = rows.where(ours)
        if table is Checkpoint:
            rows = rows.where(Checkpoint.removed.is_(None))
        for path, size, sha256, name, run in session.execute(rows.order_by(table.id)):
            yield Registered(
                path, f"{what} {name!r} of run {run!r}", StoredFile(path, size, sha256)
            )
    results = select(PhaseResult.results_path, PhaseResult.label, Run.name).join(
        Run, Run.id == PhaseResult.run_id
    )
    results = results.where(ours, PhaseResult.results_path.is_not(None))
    for where, label, run in session.execute(results):
        yield Registered(str(where), f"the results of phase {label!r} of run {run!r}", None)
    logs = select(RunSession.log, Run.name).join(Run, Run.id == RunSession.run_id)
    for where, run in session.execute(logs.where(ours, RunSession.log.is_not(None))):
        yield Registered(str(where), f"the log of run {run!r}", None)


def removed_files(session: Session) -> set[str]:
    """The paths of checkpoints that were removed on purpose and that nothing else names."""
    removed = session.scalars(select(Checkpoint.path).where(Checkpoint.removed.is_not(None)))
    return set(removed) - {file.path for file in registered_files(session)}
