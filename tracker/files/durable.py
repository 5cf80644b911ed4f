"""Writing that survives a crash: aside, synced, renamed."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

# Begins the name of every file that is not finished; doctor deletes those that stay behind.
ASIDE = ".aside-"


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Has `write` fill a file beside `path`, then puts it in place, synced.

    A crash at any moment leaves what was at `path`, or the whole new file. The name given
    to `write` has the suffix of `path`.
    """
    make_folder(path.parent)
    with aside_of(path) as aside:
        write(aside)
        sync(aside)
        aside.replace(path)
        sync(path.parent)


def copy_whole(source: Path, path: Path) -> None:
    """Copies the content of `source`, as `write_whole` does."""
    write_whole(path, lambda aside: shutil.copyfile(source, aside))


@contextmanager
def aside_of(path: Path) -> Iterator[Path]:
    """A name beside `path` for an unfinished file, which is gone afterwards."""
    aside = path.with_name(f"{ASIDE}{uuid4().hex}{path.suffix}")
    try:
        yield aside
    finally:
        with suppress(FileNotFoundError):
            aside.unlink()


def make_folder(folder: Path) -> None:
    """Makes the folder and those above it, each of them synced into its parent."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


def sync(path: Path) -> None:
    """Has the system write a file's content, or a folder's list of files, to the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folders.
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
