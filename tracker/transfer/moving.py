"""Export that takes the originals away, once their bundle is known to be whole."""

import hashlib
from pathlib import Path
from typing import Any

from tracker.database.connection import Database, driver_connection
from tracker.errors import StateError
from tracker.files import LabFiles
from tracker.transfer.cells import write_line
from tracker.transfer.choosing import Chosen, refuse_running
from tracker.transfer.format import FILES, METRICS, TABLES, Manifest
from tracker.transfer.gathering import Gathering
from tracker.transfer.reading import open_bundle
from tracker.transfer.removing import (
    delete_leftovers,
    remove_pipelines,
    remove_runs,
    remove_sweeps,
)
from tracker.transfer.rules import travelling


def remove_originals(database: Database, files: LabFiles, path: Path, chosen: Chosen) -> None:
    """Deletes what the bundle at `path` was made of, all or nothing.

    The bundle is read again first, every byte of it. StateError if the lab has changed since
    it was written. A pipeline goes when all of its runs go.
    """
    with open_bundle(path) as bundle:
        bundle.verify(TABLES, METRICS, FILES)
        manifest = bundle.manifest
    with database.write() as session:
        connection = driver_connection(session)
        refuse_running(session, chosen)
        _refuse_changed(path, manifest, connection, chosen)
        remove_runs(connection, chosen.runs)
        remove_sweeps(connection, chosen.sweeps)
        remove_pipelines(connection, _without_runs(connection, chosen))
    delete_leftovers(database, files)


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


def _without_runs(connection: Any, chosen: Chosen) -> list[int]:
    left = connection.execute(
        "SELECT DISTINCT pipeline_id FROM runs WHERE pipeline_id IS NOT NULL AND deleted IS NULL"
    )
    return sorted(chosen.pipelines - {number for (number,) in left})
