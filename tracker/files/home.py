"""Where a lab lies: the directory that holds `.labkeeper/`, found or made."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tracker.errors import NoLabError, unusable

FOLDER = ".labkeeper"
VARIABLE = "LABKEEPER_LAB"


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
def making_home(root: Path) -> Iterator[None]:
    """Makes the folders of a lab in `root`; those that were not there go if the block fails."""
    made: list[Path] = []
    try:
        for folder in (root, root / FOLDER, root / FOLDER / "files"):
            _make(folder, made)
        yield
        _hide_from_git(root / FOLDER)
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
