"""A lab: found, made, opened; and what can be done in one from Python."""

import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tracker.database.connection import Database
from tracker.database.upgrade import prepare
from tracker.errors import NoLabError, unusable
from tracker.files import LabFiles

if TYPE_CHECKING:
    from tracker.recording.place import Place
    from tracker.recording.run import RunHandle

FOLDER = ".labkeeper"
VARIABLE = "LABKEEPER_LAB"


class Lab:
    """The record of everything that ran in one place. Open one with `Lab.open` or `Lab.init`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = LabFiles(root / FOLDER)
        self.database = Database(root / FOLDER / "lab.db")

    @classmethod
    def init(cls, path: str | os.PathLike[str] = ".") -> Self:
        """Makes a lab in this directory, or opens the one that is there.

        Any number of processes may do so at once. What is made is whole, or nothing.
        """
        root = Path(path).expanduser().absolute()
        with _all_or_nothing() as made:
            for folder in (root, root / FOLDER, root / FOLDER / "files"):
                _make(folder, made)
            prepare(root / FOLDER / "lab.db")
        _hide_from_git(root / FOLDER)
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

    # Recording

    def run(
        self,
        name: str = "run",
        *,
        experiment: str = "default",
        params: Mapping[str, Any] | None = None,
        tags: Iterable[str] = (),
        seed: int | None = None,
    ) -> "RunHandle":
        """Begins a run, for `with` or until its `finish()`.

        A name that is taken in the experiment gets `-2`. The seed is recorded, not set. Code,
        packages and machine are recorded without being asked for.
        """
        from tracker.recording.starting import start_run  # noqa: PLC0415 - listing needs none of it

        return start_run(
            self._place, name=name, experiment=experiment, params=params, tags=tags, seed=seed
        )

    def resume_run(
        self, name: str, *, experiment: str | None = None, step: int | None = None
    ) -> "RunHandle":
        """Goes on with a run that has ended, by its name or the beginning of its uuid.

        With a step, what was recorded beyond it goes (-1: everything); without, all stays.
        StateError if a process works on the run.
        """
        from tracker.recording.starting import resume_run  # noqa: PLC0415 - as above

        return resume_run(self._place, name, experiment=experiment, resume_from=step)

    # Leaving

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

    @cached_property
    def _place(self) -> "Place":
        from tracker.recording.place import Place  # noqa: PLC0415 - as above

        return Place(self.root, self.database, self.files)


def find_lab(path: str | os.PathLike[str] | None) -> Path:
    """The directory of the lab that `Lab.open` would open. NoLabError if there is none."""
    named = path or os.environ.get(VARIABLE)
    if named is not None:
        root = Path(named).expanduser().absolute()
        if not _is_lab(root):
            source = "" if path else f" (${VARIABLE} names it)"
            raise NoLabError(f"There is no lab in {root}{source}. `labkeeper init` makes one.")
        return root
    here = Path.cwd()
    for directory in (here, *here.parents):
        if _is_lab(directory):
            return directory
    raise NoLabError(f"There is no lab in {here} or above it. `labkeeper init` makes one.")


def _is_lab(directory: Path) -> bool:
    try:
        return (directory / FOLDER).is_dir()
    except OSError as error:
        raise unusable(directory, error) from error


@contextmanager
def _all_or_nothing() -> Iterator[list[Path]]:
    """Folders noted in the list go again, if what is made in them fails."""
    made: list[Path] = []
    try:
        yield made
    except BaseException:
        for folder in reversed(made):
            with suppress(OSError):  # Another process has put something there.
                folder.rmdir()
        raise


def _make(folder: Path, made: list[Path]) -> None:
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        for each in reversed(missing):
            each.mkdir(exist_ok=True)
            made.append(each)
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "a file is in the way", str(folder))
    except OSError as error:
        raise unusable(folder, error) from error


def _hide_from_git(folder: Path) -> None:
    """A lab inside a repository is no part of it, unless the user says otherwise."""
    with suppress(OSError), (folder / ".gitignore").open("x") as file:
        file.write("*\n")
