"""What a trial prints, kept in a log file of its own."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator

from tracker.recording.place import Place

LOGS = "logs"


def log_path(sweep_id: int, number: int) -> str:
    """Where a trial's log lies, relative to the lab; there is none if nothing was printed."""
    return f"{LOGS}/sweep-{sweep_id}/{number:06}.log"


def read_log(place: Place, sweep_id: int, number: int) -> str:
    """What all attempts of the trial printed, tracebacks among it; nothing if it was nothing."""
    try:
        return place.files.path(log_path(sweep_id, number)).read_text(
            encoding="utf-8", errors="replace"
        )
    except FileNotFoundError:
        return ""


class TrialLog:
    """The log of one attempt: diverted from the process's output, or a copy of it."""

    def __init__(self, place: Place, sweep_id: int, number: int, *, title: str) -> None:
        self.relative = log_path(sweep_id, number)
        self.is_empty = False
        self._path = place.files.path(self.relative)
        self._title = title

    def begin(self, *, anew: bool) -> None:
        """Makes the file, so that it is there as soon as the record speaks of it.

        `anew`: what is in it is of a sweep that was purged.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.open("w" if anew else "a").close()

    @contextlib.contextmanager
    def keeping(self, *, divert: bool) -> Iterator[None]:
        """Keeps what is printed inside: in place of printing it, or beside.

        Diverted is all that the process writes, subprocesses and C code too.
        """
        with self._path.open("a", 1, encoding="utf-8", errors="backslashreplace") as file:
            if file.tell():
                file.write(f"--- {self._title}\n")
                file.flush()
            began = file.tell()
            try:
                with _diverted(file) if divert else _copied(file):
                    yield
            finally:
                file.flush()
                self.is_empty = file.seek(0, os.SEEK_END) == began == 0

    def add(self, text: str) -> None:
        """Adds lines that nobody printed: a traceback."""
        self.is_empty = False
        with self._path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)

    def tidy(self) -> None:
        """Leaves no empty file behind. Call it once nothing refers to one."""
        if self.is_empty:
            self._path.unlink(missing_ok=True)


@contextlib.contextmanager
def _diverted(file: io.TextIOWrapper) -> Iterator[None]:
    _flush()
    kept = [os.dup(number) for number in (1, 2)]
    try:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        # What Python prints does not come to these everywhere: not in a notebook.
        with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
            yield
    finally:
        _flush()
        for number, old in zip((1, 2), kept, strict=True):
            os.dup2(old, number)
            os.close(old)


@contextlib.contextmanager
def _copied(file: io.TextIOWrapper) -> Iterator[None]:
    with (
        contextlib.redirect_stdout(_Copy(sys.stdout, file)),
        contextlib.redirect_stderr(_Copy(sys.stderr, file)),
    ):
        yield


class _Copy(io.TextIOBase):
    """Writes to both; in all else it is the first."""

    def __init__(self, shown: object, kept: io.TextIOWrapper) -> None:
        self._shown = shown
        self._kept = kept

    def write(self, text: str) -> int:
        self._shown.write(text)  # type: ignore[attr-defined]  # whatever stdout is here
        if not self._kept.closed:  # somebody may have kept stdout for later
            self._kept.write(text)
        return len(text)

    def flush(self) -> None:
        self._shown.flush()  # type: ignore[attr-defined]  # as above

    def isatty(self) -> bool:
        return bool(self._shown.isatty())  # type: ignore[attr-defined]  # as above

    def fileno(self) -> int:
        return int(self._shown.fileno())  # type: ignore[attr-defined]  # as above


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
