"""A whole lab, copied while it is in use."""

import shutil
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from tracker.database.backup import copy_database
from tracker.database.connection import Database
from tracker.errors import (
    DamagedFileError,
    InvalidError,
    LabUnusableError,
    TakenError,
    unusable,
)
from tracker.files import LabFiles
from tracker.files.durable import ASIDE, copy_whole, make_folder, sync
from tracker.registry.registered import Registered, registered_files
from tracker.registry.sessions import settle_all
from tracker.registry.sweeps.queue import settle_every_worker

FOLDER = ".labkeeper"
# A file that is retired while the copy goes on needs another look at the database.
ROUNDS = 10


class Backup(NamedTuple):
    """What was copied, and what could not be copied whole."""

    path: Path
    files: int
    bytes: int
    # Registered files that are missing or damaged in the lab itself, one sentence each.
    faults: list[str]


def back_up(database: Database, files: LabFiles, target: Path) -> Backup:
    """Copies the lab, all or nothing, into a directory that is a lab itself.

    `target` is made; if it is there already and no lab, the copy becomes a directory in it,
    named after the lab and the moment. Runs may go on meanwhile: the copy is one moment of the
    database, with the files that it registers, each checked against its hash. What was running
    is lost in the copy, and can be gone on with there.
    `putting_back.put_back` restores it.
    """
    lab = files.root.absolute().parent
    if (target / FOLDER).is_dir():
        raise TakenError(f"{target} is a lab already; choose another place.")
    if target.is_dir():
        target /= f"{lab.name}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    if target.exists():
        raise TakenError(f"There is something at {target} already; choose another place.")
    aside = target.absolute().with_name(f"{ASIDE}{uuid4().hex}")
    try:
        make_folder(aside / FOLDER)
        backup = _fill(database, files, LabFiles(aside / FOLDER))
        _put_in_place(aside, target)
    except OSError as error:
        raise unusable(target, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return backup._replace(path=target)


def _fill(database: Database, files: LabFiles, copies: LabFiles) -> Backup:
    """Copies the database and its files, again if a file was retired before it was read."""
    path = copies.root / database.path.name
    copied: set[str] = set()
    for _ in range(ROUNDS):
        path.unlink(missing_ok=True)
        copy_database(database.path, path)
        copy = Database(path)
        _let_nobody_work(copy)
        wanted = _registered(copy)
        copy.close()
        faults: dict[str, str] = {}
        for file in wanted:
            fault = None if file.path in copied else _copy(file, files, copies)
            if fault is None:
                copied.add(file.path)
            else:
                faults[file.path] = f"{file.whose}: {fault}"
        if faults.keys() <= {file.path for file in _registered(database)}:
            _drop_others(copies, {file.path for file in wanted})
            sound = len(wanted) - len(faults)
            return Backup(copies.root, sound, _size(copies), list(faults.values()))
    raise LabUnusableError(
        f"{database.path} changes too fast to be copied: its checkpoints are deleted before they "
        "can be read. Try again when fewer runs are going on."
    )


def _let_nobody_work(copy: Database) -> None:
    """What was being worked on was lost there, as if its processes had been killed."""
    with copy.write() as session:
        settle_all(session, "it was running when the lab was copied")
        settle_every_worker(session)


def _registered(database: Database) -> list[Registered]:
    with database.read() as session:
        return list(registered_files(session))


def _copy(file: Registered, files: LabFiles, copies: LabFiles) -> str | None:
    """Copies one file; returns what is wrong with it, if something is."""
    try:
        if file.content is None:
            files.describe(file.path)
        copy_whole(files.path(file.path), copies.path(file.path))
        if file.content is not None:
            copies.verify(file.content)
    except FileNotFoundError:
        return f"{file.path} is missing."
    except (DamagedFileError, InvalidError):
        return f"{file.path} is not what was registered."
    return None


def _drop_others(copies: LabFiles, wanted: set[str]) -> None:
    for path in set(copies.everything()) - wanted:
        copies.remove(path)


def _size(copies: LabFiles) -> int:
    return sum(path.stat().st_size for path in copies.root.rglob("*") if path.is_file())


def _put_in_place(aside: Path, target: Path) -> None:
    sync(aside / FOLDER)
    sync(aside)
    aside.rename(target)
    sync(target.absolute().parent)
