"""What every part of a lab's Python API stands on: where it is, and its open database."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tracker.database.connection import Database
from tracker.files import LabFiles
from tracker.files.home import FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from tracker.recording.place import Place
    from tracker.registry.keeping import Change


class LabBase:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = LabFiles(root / FOLDER)
        self.database = Database(root / FOLDER / "lab.db")

    @cached_property
    def _place(self) -> "Place":
        from tracker.recording.place import Place

        return Place(self.root, self.database, self.files)

    def _changing(
        self,
        work: "Callable[[Session], Change]",
        *,
        dry_run: bool,
        shown: "Change | None" = None,
    ) -> "Change":
        """What `work` has changed, or with `dry_run` would change; StateError if not as shown."""
        from tracker.registry import keeping

        if not dry_run:
            # What an earlier command was killed in the middle of.
            keeping.delete_leftovers(self.database, self.files)
        with self.database.write() as session:
            change = work(session)
            keeping.refuse_other(change, shown)
            if dry_run:
                session.rollback()
        return change

    def _give_space_back(self) -> None:
        """To the disk: the files that were written down, and what the database has free."""
        from tracker.database.space import give_back
        from tracker.registry import keeping

        keeping.delete_leftovers(self.database, self.files)
        give_back(self.database.path)
