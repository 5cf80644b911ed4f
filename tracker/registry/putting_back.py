"""A backup, put back where the lab is."""

import shutil
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from sqlalchemy import select

from tracker.database.connection import Database
from tracker.database.kinds import RunStatus
from tracker.database.tables import Run
from tracker.errors import InvalidError, LabUnusableError, StateError, unusable
from tracker.files import LabFiles
from tracker.files.durable import ASIDE, make_folder, sync
from tracker.files.home import FOLDER
from tracker.registry.backups import Backup, back_up
from tracker.registry.vanished import dead_sessions

_UNFINISHED = f"{ASIDE}restored-"


class PutBack(NamedTuple):
    """What was copied, and where what was there before is now; None if nothing was."""

    backup: Backup
    before: Path | None


def put_back(backup: Path, root: Path) -> PutBack:
    """Puts the lab in `backup` into `root`, whole or not at all; the backup stays.

    What was there, damaged or not, stays beside it under another name: deleting it is for
    people. The copy is made and checked first. Killed between the two renames there is no
    lab, but both copies; do it again. StateError if something runs in the lab that is there.
    """
    if backup.resolve() == root.resolve():
        raise InvalidError(f"{backup} is the lab itself, not a backup of it.")
    present = root / FOLDER
    _refuse_running(present)
    # What an earlier one was killed in the middle of.
    for unfinished in root.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(unfinished)
    # The copy's own unfinished files are in it as well.
    workshop = root / f"{_UNFINISHED}{uuid4().hex}"
    source = Database(backup / FOLDER / "lab.db")
    try:
        make_folder(workshop)
        copied = back_up(source, LabFiles(backup / FOLDER), workshop / "copy")
        before = _put_away(present)
        (workshop / "copy" / FOLDER).rename(present)
        sync(root)
    except OSError as error:
        raise unusable(root, error) from error
    finally:
        source.close()
        shutil.rmtree(workshop, ignore_errors=True)
    return PutBack(copied._replace(path=root), before)


def _put_away(present: Path) -> Path | None:
    if not present.exists():
        return None
    before = present.with_name(f"{FOLDER}-before-{datetime.now().astimezone():%Y%m%d-%H%M%S-%f}")
    present.rename(before)
    sync(present.parent)
    return before


def _refuse_running(present: Path) -> None:
    path = present / "lab.db"
    if not path.is_file():
        return
    database = Database(path)
    # A database that cannot be read is what one restores a backup for.
    with suppress(LabUnusableError), database.read() as session:
        dead = {found.run_id for found in dead_sessions(session)}
        running = session.execute(
            select(Run.id, Run.name).where(Run.status == RunStatus.RUNNING)
        ).all()
        alive = [name for run_id, name in running if run_id not in dead]
        if alive:
            raise StateError(f"Run {alive[0]!r} is running in {present.parent}; stop it first.")
    database.close()
