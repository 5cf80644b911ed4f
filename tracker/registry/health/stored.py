"""Files that are missing, damaged, or that nobody knows."""

import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.orm import Session

from tracker.files import LabFiles
from tracker.files.durable import ASIDE, make_folder
from tracker.registry.health import forgotten
from tracker.registry.health.base import Check, Finding, Severity
from tracker.registry.health.forgotten import forgotten_files, missing_files
from tracker.registry.keeping.leftovers import leftovers
from tracker.registry.registered import registered_files, removed_files
from tracker.registry.verifying import problem_of

# Between writing a file and registering it, it is nobody's: what is younger, is left alone.
SETTLED_S = 3600
# Where a repair puts what nobody knows; deleting it is for people.
LOST = "lost"


def _unusable_files(session: Session, files: LabFiles) -> Iterator[Finding]:
    others = missing_files(session, files)
    for file in registered_files(session):
        problem = problem_of(file, files)
        if problem is not None and file.path not in others:
            message = f"{file.whose}: {file.path} is {problem}."
            yield Finding("damaged-files", Severity.ERROR, message)


def _unfinished_files(_session: Session, files: LabFiles) -> Iterator[Finding]:
    found = list(_unfinished(files))
    if found:
        message = f"{len(found)} files were never finished ({_size(found)})."
        yield Finding("unfinished-files", Severity.NOTE, message, "deleted")


def _delete_unfinished(_session: Session, files: LabFiles) -> None:
    for path in _unfinished(files):
        path.unlink(missing_ok=True)


def _leftover_files(session: Session, files: LabFiles) -> Iterator[Finding]:
    found = [files.path(path) for path in _leftover(session, files)]
    if found:
        message = f"{len(found)} files of removed checkpoints are still there ({_size(found)})."
        yield Finding("leftover-files", Severity.NOTE, message, "deleted")


def _delete_leftover(session: Session, files: LabFiles) -> None:
    for path in _leftover(session, files):
        files.remove(path)


def _unknown_files(session: Session, files: LabFiles) -> Iterator[Finding]:
    found = [files.root / path for path in _unknown(session, files)]
    if found:
        many = f"{len(found)} files belong" if len(found) > 1 else "1 file belongs"
        first = found[0].relative_to(files.root).as_posix()
        message = f"{many} to nothing ({_size(found)}); the first: {first}."
        cure = f"moved to {files.root.name}/{LOST}"
        yield Finding("unknown-files", Severity.WARNING, message, cure)


def _put_unknown_aside(session: Session, files: LabFiles) -> None:
    for path in list(_unknown(session, files)):
        target = files.root / LOST / path
        make_folder(target.parent)
        (files.root / path).replace(target)


def _unfinished(files: LabFiles) -> Iterator[Path]:
    beside_the_database = files.root.glob(f"{ASIDE}*")
    inside = (files.root / path for path in files.everything() if _is_aside(path))
    for path in (*beside_the_database, *inside):
        if _settled(path):
            yield path


def _leftover(session: Session, files: LabFiles) -> list[str]:
    return [path for path in sorted(removed_files(session)) if (files.root / path).is_file()]


def _unknown(session: Session, files: LabFiles) -> Iterator[str]:
    known = {file.path for file in registered_files(session)} | removed_files(session)
    known |= {*leftovers(session), *forgotten_files(session)}
    for path in sorted(files.everything()):
        if path not in known and not _is_aside(path) and _settled(files.root / path):
            yield path


def _is_aside(path: str) -> bool:
    return any(part.startswith(ASIDE) for part in path.split("/"))


def _settled(path: Path) -> bool:
    try:
        return time.time() - path.lstat().st_mtime > SETTLED_S
    except FileNotFoundError:
        return False


def _size(paths: list[Path]) -> str:
    return f"{sum(path.lstat().st_size for path in paths) / 1e6:.1f} MB"


CHECKS = [
    Check("damaged-files", _unusable_files),
    *forgotten.CHECKS,
    Check("unfinished-files", _unfinished_files, _delete_unfinished),
    Check("leftover-files", _leftover_files, _delete_leftover),
    Check("unknown-files", _unknown_files, _put_unknown_aside),
]
