"""Where a run is recorded: the lab's directory, its database, its files."""

from dataclasses import dataclass
from pathlib import Path

from tracker.database.connection import Database
from tracker.files import LabFiles
from tracker.files.home import FOLDER


@dataclass(frozen=True)
class Place:
    """One lab, as far as recording needs it."""

    root: Path
    database: Database
    files: LabFiles


def place_at(root: Path) -> Place:
    """A lab that is there and current, opened in this process."""
    return Place(root, Database(root / FOLDER / "lab.db"), LabFiles(root / FOLDER))
