"""A lab: found, made, opened."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from tracker.database.upgrade import prepare
from tracker.files.home import FOLDER, find_lab, making_home
from tracker.lab.checkpoints import Checkpoints
from tracker.lab.health import Health
from tracker.lab.keeping import Keeping
from tracker.lab.labelling import Labelling
from tracker.lab.looking import Looking
from tracker.lab.pipelines import Pipelines
from tracker.lab.plotting import Plotting
from tracker.lab.recording import Recording
from tracker.lab.sweeping import Sweeping
from tracker.lab.transferring import Transferring


class Lab(
    Recording,
    Pipelines,
    Sweeping,
    Looking,
    Labelling,
    Keeping,
    Checkpoints,
    Plotting,
    Transferring,
    Health,
):
    """The record of everything that ran in one place. Open one with `Lab.open` or `Lab.init`."""

    @classmethod
    def init(cls, path: str | os.PathLike[str] = ".") -> Self:
        """Makes a lab in this directory, or opens the one that is there.

        Any number of processes may do so at once. What is made is whole, or nothing.
        """
        root = Path(path).expanduser().absolute()
        with making_home(root):
            prepare(root / FOLDER / "lab.db")
        return cls(root)

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None = None) -> Self:
        """Opens the lab in this directory, or the nearest from here upward.

        Without a directory, $LABKEEPER_LAB counts before what is near. An older version's
        lab is upgraded, after a backup. NoLabError if there is none.
        """
        root = find_lab(path)
        prepare(root / FOLDER / "lab.db")
        return cls(root)

    def close(self) -> None:
        """Closes the database; it opens again when needed."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Lab {self.root}>"

    def _repr_html_(self) -> str:
        from html import escape

        columns = ["name", "experiment", "status", "created"]
        return f"<p>{escape(str(self.root))}</p>{self.runs(limit=10, columns=columns).to_html()}"
