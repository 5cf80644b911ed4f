"""Where a run is recorded: the lab's directory, its database, its files."""

from dataclasses import dataclass
from pathlib import Path

from tracker.database.connection import Database
from tracker.files import LabFiles


@dataclass(frozen=True)
class Place:
    """One lab, as far as recording needs it."""

    root: Path
    database: Database
    files: LabFiles
