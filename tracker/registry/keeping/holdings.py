"""The files that runs have for themselves: registered ones, and whatever lies in their folders."""

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from tracker.database.tables import Artifact, Checkpoint, PhaseResult, Run, RunSession
from tracker.errors import InvalidError
from tracker.files import LabFiles
from tracker.registry.keeping.choosing import listed

# Every column that names a file, whose it is, and when the file is expected to be there.
_NAMED: tuple[tuple[Any, Any, Any], ...] = (
    (Checkpoint.path, Checkpoint.run_id, Checkpoint.removed.is_(None)),
    (Artifact.path, Artifact.run_id, True),
    (PhaseResult.results_path, PhaseResult.run_id, True),
    (RunSession.log, RunSession.run_id, True),
)


class Holdings(NamedTuple):
    """Files that are there, by their paths in the lab, and what they take on the disk."""

    paths: list[str]
    bytes: int


def holdings(session: Session, files: LabFiles, run_ids: Collection[int]) -> Holdings:
    """The files that these runs have and no other run refers to.

    Missing ones are not counted, and what a path that leads out of the lab names, is nobody's.
    """
    paths = _named(session, run_ids) | set(_in_folders(session, files, run_ids))
    sizes = sizes_of(files, paths - _named_by_others(session, run_ids, paths))
    return Holdings(sorted(sizes), sum(sizes.values()))


def referred(session: Session, paths: Collection[str]) -> set[str]:
    """Those of the paths at which some run expects a file."""
    return _named_by_others(session, (), paths)


def _named(session: Session, run_ids: Collection[int]) -> set[str]:
    """Removed checkpoints, too: their files may have stayed."""
    return _scalars(
        session, (and_(path.is_not(None), run.in_(listed(run_ids))) for path, run, _ in _NAMED)
    )


def _named_by_others(
    session: Session, run_ids: Collection[int], paths: Collection[str]
) -> set[str]:
    return _scalars(
        session,
        (
            and_(path.in_(listed(paths)), run.not_in(listed(run_ids)), there)
            for path, run, there in _NAMED
        ),
    )


def _scalars(session: Session, conditions: Iterable[Any]) -> set[str]:
    return {
        found
        for (path, _, _), condition in zip(_NAMED, conditions, strict=True)
        for found in session.scalars(select(path).where(condition))
    }


def _in_folders(session: Session, files: LabFiles, run_ids: Collection[int]) -> Iterator[str]:
    """What lies in the runs' own folders, registered or not."""
    for uuid in session.scalars(select(Run.uuid).where(Run.id.in_(listed(run_ids)))):
        try:
            top = files.path(files.run_folder(uuid))
        except InvalidError:
            continue
        for folder, _, names in os.walk(top):
            for name in names:
                yield Path(folder, name).relative_to(files.root).as_posix()


def sizes_of(files: LabFiles, paths: Iterable[str]) -> dict[str, int]:
    """What the files take on the disk, of those that are there and inside the lab."""
    found = {}
    for path in paths:
        try:
            # The link itself, where it is one: nothing follows it.
            found[path] = files.path(path).lstat().st_size
        except (InvalidError, FileNotFoundError):
            continue
    return found
