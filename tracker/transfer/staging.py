"""Files on their way into a lab: aside, then in place all at once, then registered.

They lie in `files/.aside-import-<token>/`, which becomes `files/imported/<token>/` by one
rename, or `files/trusted/<token>/` if their estimators may be of any type. The process that
works on them holds a lock, from before there is anything until all is settled; what a dead
one has left, and no row names, is taken away by the next import.
"""

import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from tracker.database.connection import Database
from tracker.errors import LabUnusableError
from tracker.files import LabFiles
from tracker.files.durable import ASIDE, make_folder, sync
from tracker.files.lab_files import FOLDER, IMPORTED, TRUSTED
from tracker.registry.registered import registered_files

_STAGE = f"{ASIDE}import-"
_LOCK = ".lock"
_TABLES, _FILES = "tables", "files"


class Stage:
    """A folder for the files of one import."""

    def __init__(self, files: LabFiles, token: str, *, trusted: bool) -> None:
        root = files.root
        self.aside = root / FOLDER / f"{_STAGE}{token}"
        # Where the files will be, as the database names it.
        self.home = f"{TRUSTED if trusted else IMPORTED}/{token}"
        self._place = files.path(self.home)
        self._sizes: dict[str, int] = {}
        self._kept = False

    @property
    def tables(self) -> Path:
        """A folder for the bundle's tables; it is not put in place."""
        folder = self.aside / _TABLES
        folder.mkdir(exist_ok=True)
        return folder

    def take(self, inner: str, pieces: Iterable[bytes]) -> None:
        """Writes one file, synced."""
        path = self._aside_of(inner)
        path.parent.mkdir(parents=True, exist_ok=True)
        size = 0
        with path.open("xb") as file:
            for piece in pieces:
                file.write(piece)
                size += len(piece)
            file.flush()
            os.fsync(file.fileno())
        self._sizes[inner] = size

    def settle(self, wanted: Collection[str]) -> None:
        """Puts these of the files in place; their rows may now be committed."""
        if not wanted:
            return
        for inner, size in self._sizes.items():
            path = self._aside_of(inner)
            if not path.is_file() or path.stat().st_size != size:
                raise LabUnusableError(f"{path} vanished during the import. Try again.")
            if inner not in wanted:
                path.unlink()
        for folder, _, _ in os.walk(self.aside / _FILES):
            sync(Path(folder))
        make_folder(self._place.parent)
        (self.aside / _FILES).rename(self._place)
        sync(self._place.parent)

    def _aside_of(self, inner: str) -> Path:
        return self.aside.joinpath(_FILES, *inner.split("/"))

    def keep(self) -> None:
        """The rows are committed: what is in place stays."""
        self._kept = True

    def clear(self) -> None:
        """Takes away what is not kept."""
        shutil.rmtree(self.aside, ignore_errors=True)
        if not self._kept:
            shutil.rmtree(self._place, ignore_errors=True)
        with suppress(OSError):  # others' files are there
            self._place.parent.rmdir()


@contextmanager
def staging(database: Database, files: LabFiles, *, trusted: bool) -> Iterator[Stage]:
    """A stage that is gone afterwards, and its files with it unless they are kept."""
    clear_away_dead(database, files)
    token = uuid4().hex
    stage = Stage(files, token, trusted=trusted)
    make_folder(files.root / FOLDER)
    with _locked(files.root / FOLDER / f"{_STAGE}{token}{_LOCK}"):
        try:
            stage.aside.mkdir()
            yield stage
        finally:
            stage.clear()


def clear_away_dead(database: Database, files: LabFiles) -> None:
    """Takes away what imports have left that were killed."""
    for lock in (files.root / FOLDER).glob(f"{_STAGE}*{_LOCK}"):
        with _lock_of_nobody(lock) as mine:
            if mine:
                _clear_away(database, files, lock)


def _clear_away(database: Database, files: LabFiles, lock: Path) -> None:
    token = lock.name.removeprefix(_STAGE).removesuffix(_LOCK)
    stages = [Stage(files, token, trusted=trusted) for trusted in (False, True)]
    for stage in stages:
        if _is_registered(database, stage.home):
            stage.keep()
        stage.clear()
    lock.unlink(missing_ok=True)


def _is_registered(database: Database, folder: str) -> bool:
    with database.read() as session:
        return any(file.path.startswith(f"{folder}/") for file in registered_files(session))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds the lock as long as this process lives, where the system has such locks."""
    fcntl = _fcntl()
    file = path.open("wb")
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX)
        while not _is_at(file, path):
            # Another import took it for a dead one's, before it was locked.
            file.close()
            file = path.open("wb")
            fcntl.flock(file, fcntl.LOCK_EX)
    with file:
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def _lock_of_nobody(path: Path) -> Iterator[bool]:
    """Whether no process holds the lock; none gets it meanwhile."""
    fcntl = _fcntl()
    if fcntl is None:
        yield False
        return
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield False
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _fcntl() -> Any:
    """The module with the system's locks; None where there are none."""
    try:
        import fcntl  # noqa: PLC0415 - Windows has none
    except ImportError:
        return None
    return fcntl
