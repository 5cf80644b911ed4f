"""What every part of a lab's Python API stands on: where it is, and its open database."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tracker.database.connection import Database
from tracker.files import LabFiles
from tracker.files.home import FOLDER

if TYPE_CHECKING:
    from tracker.recording.place import Place


class LabBase:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = LabFiles(root / FOLDER)
        self.database = Database(root / FOLDER / "lab.db")

    @cached_property
    def _place(self) -> "Place":
        from tracker.recording.place import Place

        return Place(self.root, self.database, self.files)
