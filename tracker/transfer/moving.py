"""Export that takes the originals away, once their bundle is known to be whole."""

import hashlib
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tracker.database.connection import Database, driver_connection
from tracker.database.tables import Pipeline, Run, Sweep
from tracker.errors import StateError
from tracker.files import LabFiles
from tracker.registry import keeping
from tracker.registry.keeping.choosing import listed
from tracker.registry.sweeps.trash import refuse_at_work
from tracker.transfer.cells import write_line
from tracker.transfer.choosing import Chosen, refuse_running
from tracker.transfer.format import FILES, METRICS, TABLES, Manifest
from tracker.transfer.gathering import Gathering
from tracker.transfer.reading import open_bundle
from tracker.transfer.rules import travelling


def remove_originals(database: Database, files: LabFiles, path: Path, chosen: Chosen) -> None:
    """Deletes what the bundle at `path` was made of, all or nothing.

    The bundle is read again first, every byte of it. StateError if the lab has changed since
    it was written. A pipeline goes when all of its runs go, those in the trash too.
    """
    with open_bundle(path) as bundle:
        bundle.verify(TABLES, METRICS, FILES)
        manifest = bundle.manifest
    with database.write() as session:
        refuse_running(session, chosen)
        _refuse_changed(path, manifest, driver_connection(session), chosen)
        sweeps = list(session.scalars(select(Sweep).where(Sweep.id.in_(listed(chosen.sweeps)))))
        refuse_at_work(session, sweeps, "move")
        session.execute(delete(Sweep).where(Sweep.id.in_(listed(chosen.sweeps))))
        # A pinned checkpoint is kept where it is now: in the bundle.
        keeping.purge(session, files, _originals(session, chosen), pinned=True)
    keeping.delete_leftovers(database, files)


def _refuse_changed(path: Path, manifest: Manifest, connection: Any, chosen: Chosen) -> None:
    gathering = Gathering(connection, chosen)
    for table in travelling():
        digest = hashlib.sha256()
        for row in gathering.rows(table):
            digest.update(write_line(row))
        if digest.hexdigest() != manifest.entries[f"{TABLES}{table.name}.jsonl"].sha256:
            raise StateError(
                f"The lab was changed while {path} was written: the bundle holds what there was,"
                " and nothing was taken away."
            )


def _originals(session: Session, chosen: Chosen) -> keeping.Chosen:
    others = select(Run.pipeline_id).where(
        Run.pipeline_id.is_not(None), Run.id.not_in(listed(chosen.runs))
    )
    left = set(session.scalars(others))
    pipelines = select(Pipeline).where(Pipeline.id.in_(listed(chosen.pipelines - left)))
    runs = select(Run).where(Run.id.in_(listed(chosen.runs)))
    return keeping.Chosen(list(session.scalars(pipelines)), list(session.scalars(runs)), [])
