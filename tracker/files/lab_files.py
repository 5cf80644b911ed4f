"""The files that a lab keeps beside its database."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tracker.errors import DamagedFileError, unusable
from tracker.files.contained import contained, relative_to
from tracker.files.durable import copy_whole, write_whole

FOLDER = "files"
MISSING = "missing"
# Files that came in bundles: from whoever wrote the bundle, or from somebody who is trusted.
IMPORTED, TRUSTED = f"{FOLDER}/imported", f"{FOLDER}/trusted"


class StoredFile(NamedTuple):
    """A file as the database registers it; the path is relative to the lab's folder."""

    path: str
    bytes: int
    sha256: str


class LabFiles:
    """Everything under one lab's `.labkeeper/`, named by paths relative to it.

    A path that could lead out is an InvalidError; a folder that cannot be read or written,
    a LabUnusableError.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, relative: str) -> Path:
        """Where a registered path lies now."""
        return contained(self.root, relative)

    def relative(self, path: Path) -> str:
        """How the database names a file inside the lab."""
        return relative_to(self.root, path)

    def run_folder(self, uuid: str) -> str:
        """Where a run's files belong; the folder need not be there."""
        return f"{FOLDER}/runs/{uuid}"

    def is_trusted(self, relative: str) -> bool:
        """Whether the file was written here, or came from somebody who is trusted."""
        return not relative.startswith(f"{IMPORTED}/")

    def write(self, relative: str, write: Callable[[Path], object]) -> StoredFile:
        """Has `write` fill a file that then appears at `relative` whole, synced and hashed."""
        path = self.path(relative)
        with _clear_errors(path):
            write_whole(path, write)
            return self._described(path)

    def write_bytes(self, relative: str, content: bytes) -> StoredFile:
        return self.write(relative, lambda path: path.write_bytes(content))

    def keep_copy(self, folder: str, source: Path, name: str | None = None) -> StoredFile:
        """Copies a file in, under a name that says what it holds.

        `report.html` becomes `report-3f2a….html`: another content never takes its place, and
        the same content is stored once.
        """
        wanted = PurePosixPath(name or source.name)
        with _clear_errors(source):
            digest = _sha256(source)
        relative = f"{folder}/{wanted.stem}-{digest[:16]}{wanted.suffix}"
        path = self.path(relative)
        with _clear_errors(path):
            copy_whole(source, path)
            return self._described(path)

    def describe(self, relative: str) -> StoredFile:
        """Size and hash of a file that is there; DamagedFileError if it is not."""
        path = self.path(relative)
        if not path.is_file():
            raise DamagedFileError(f"{path} is {MISSING}.")
        with _clear_errors(path):
            return self._described(path)

    def verify(self, file: StoredFile) -> Path:
        """Where the file lies, if it is what was registered; else DamagedFileError."""
        problem = self.problem_of(file)
        if problem is not None:
            raise DamagedFileError(f"{self.path(file.path)} is {problem}.")
        return self.path(file.path)

    def problem_of(self, file: StoredFile) -> str | None:
        """`missing`, or how it is damaged; None if it is what was registered."""
        path = self.path(file.path)
        if not path.is_file():
            return MISSING
        with _clear_errors(path):
            found = path.stat().st_size
            if found != file.bytes:
                return f"damaged: it has {found} bytes, {file.bytes} were written"
            if _sha256(path) != file.sha256:
                return "damaged: its content is not what was written"
        return None

    def remove(self, relative: str) -> bool:
        """Deletes the file and the folders that it leaves empty; False if it was gone."""
        path = self.path(relative)
        with _clear_errors(path):
            try:
                path.unlink()
            except FileNotFoundError:
                return False
            self._remove_empty(path.parent)
        return True

    def everything(self) -> Iterator[str]:
        """The path of every file under `files/`, unfinished ones too, links not followed."""
        for folder, _, names in os.walk(self.root / FOLDER):
            for name in names:
                yield Path(folder, name).relative_to(self.root).as_posix()

    def _described(self, path: Path) -> StoredFile:
        return StoredFile(self.relative(path), path.stat().st_size, _sha256(path))

    def _remove_empty(self, folder: Path) -> None:
        with suppress(OSError):  # Not empty: somebody has put a file there.
            while self.root not in (folder, folder.parent):
                folder.rmdir()
                folder = folder.parent


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unusable(path, error) from error
