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
from uuid import uuid4

from engine.syncing import Syncing
from tracker.database.connection import Database
from tracker.errors import LabUnusableError
from tracker.files import LabFiles
from tracker.files.durable import ASIDE, make_folder, sync
from tracker.files.lab_files import FOLDER, IMPORTED, TRUSTED
from tracker.registry.registered import registered_files
from tracker.transfer.locks import lock_of_nobody, locked

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
        self._syncing = Syncing()
        self._kept = False

    @property
    def tables(self) -> Path:
        """A folder for the bundle's tables; it is not put in place."""
        folder = self.aside / _TABLES
        folder.mkdir(exist_ok=True)
        return folder

    def take(self, inner: str, pieces: Iterable[bytes]) -> None:
        """Writes one file; `sync` waits until it is on the disk."""
        path = self._aside_of(inner)
        path.parent.mkdir(parents=True, exist_ok=True)
        size = 0
        with path.open("xb") as file:
            for piece in pieces:
                file.write(piece)
                size += len(piece)
                self._syncing.wrote(path, len(piece))
        self._sizes[inner] = size
        self._syncing.start(path)

    def sync(self) -> None:
        """Waits until the disk has every file that was taken."""
        self._syncing.wait()

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
        self._syncing.close()
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
    with locked(files.root / FOLDER / f"{_STAGE}{token}{_LOCK}"):
        try:
            stage.aside.mkdir()
            yield stage
        finally:
            stage.clear()


def clear_away_dead(database: Database, files: LabFiles) -> None:
    """Takes away what imports have left that were killed."""
    for lock in (files.root / FOLDER).glob(f"{_STAGE}*{_LOCK}"):
        with lock_of_nobody(lock) as mine:
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
