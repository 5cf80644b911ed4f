"""Bringing to the disk what is written, while more is written."""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

# A disk that is asked only at the end has everything still to write; the system stops a writer
# that is too far ahead of it.
_WORTH_STARTING = 16 * 2**20


def sync(path: Path) -> None:
    """Bring a file's content, or a folder's list of files, to the disk: a power cut spares it."""
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folders, and needs none of this.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Syncing:
    """Syncs files in a thread; whatever goes wrong there is raised by `wait`."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._started: list[Future[None]] = []
        self._written = 0

    def wrote(self, path: Path, size: int) -> None:
        """Notes that a file has grown; syncs what there is, if that is worth it by now."""
        self._written += size
        if self._written >= _WORTH_STARTING and self._is_idle():
            self.start(path)

    def start(self, path: Path) -> None:
        """Syncs what the file holds now; returns at once."""
        self._written = 0
        self._started.append(self._pool.submit(sync, path))

    def wait(self) -> None:
        """Returns when everything that was started is on the disk; OSError if it cannot be."""
        for each in self._started:
            each.result()
        self._started.clear()

    def close(self) -> None:
        """Starts nothing more."""
        self._pool.shutdown(cancel_futures=True)

    def _is_idle(self) -> bool:
        return all(each.done() for each in self._started)
