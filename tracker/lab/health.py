"""Settings and health of a lab."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tracker.database.kinds import Goal
from tracker.errors import InvalidError
from tracker.lab.base import LabBase
from tracker.registry.names import checked_name

if TYPE_CHECKING:
    from tracker.database.upgrade import DatabaseFacts
    from tracker.registry.backups import Backup
    from tracker.registry.health import Finding
    from tracker.registry.putting_back import PutBack


class Health(LabBase):
    """What is said of metrics; checking, repairing and backing up."""

    def goal(self, metric: str, goal: str | None = None) -> str | None:
        """Whether a metric is better low (`min`) or high (`max`); with `goal`, says so."""
        from tracker.registry.goals import goal_of, set_goal

        if goal is None:
            with self.database.read() as session:
                return goal_of(session, metric)
        if goal not in ("min", "max"):
            raise InvalidError(f"A metric is better at its 'min' or 'max', not {goal!r}.")
        with self.database.write() as session:
            set_goal(session, checked_name("metric", metric), Goal(goal))
        return goal

    def forget_goal(self, metric: str) -> None:
        """The metric's name decides again; NotFoundError if nothing was said about it."""
        from tracker.registry.goals import forget_goal

        with self.database.write() as session:
            forget_goal(session, metric)

    def doctor(self, *, repair: bool = False) -> "list[Finding]":
        """What is not as it should be, the gravest first. Reads every registered file.

        With `repair`, those that have a cure are put right.
        """
        from tracker.registry import health

        with self.database.read() as session:
            found = health.examine(session, self.files)
        if repair:
            # Nobody should wait while files are read: each repair looks again by itself.
            with self.database.write() as session:
                health.repair(session, self.files, found)
        return found

    @staticmethod
    def check_database(path: str | os.PathLike[str] | None = None) -> "DatabaseFacts":
        """Which schema the database of the nearest lab has, and whether the file is sound.

        Opens no lab, which would upgrade it, and changes nothing.
        """
        from tracker.database.upgrade import check_database

        return check_database(_database_of(path))

    @staticmethod
    def upgrade_database(path: str | os.PathLike[str] | None = None) -> Path | None:
        """Brings an older lab's database up to date, all or nothing, as opening the lab does.

        Returns the backup that it leaves beside it; None if it was current.
        """
        from tracker.database.upgrade import upgrade

        return upgrade(_database_of(path))

    @staticmethod
    def restore_backup(
        backup: str | os.PathLike[str], path: str | os.PathLike[str] = "."
    ) -> "PutBack":
        """Puts a backup into this directory, whole or not at all; open the lab afterwards.

        What was there stays beside it, as `.labkeeper-before-...`. StateError if something runs
        in it.
        """
        from tracker.files.home import find_lab
        from tracker.registry.putting_back import put_back

        return put_back(find_lab(backup), Path(path).expanduser().absolute())

    def backup(self, target: str | os.PathLike[str]) -> "Backup":
        """Copies the whole lab while it is in use, into a directory that is a lab itself.

        Into a new directory, or into one of its own in a directory that is there. All or nothing.
        """
        from tracker.registry.backups import back_up

        return back_up(self.database, self.files, Path(target).expanduser())


def _database_of(path: str | os.PathLike[str] | None) -> Path:
    from tracker.files.home import FOLDER, find_lab

    return find_lab(path) / FOLDER / "lab.db"
