"""A log's file."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Self

from tracker.errors import InvalidError
from tracker.sweeps.log.base import LogBase, PathLike
from tracker.sweeps.log.frames import frame_of
from tracker.sweeps.log.locking import FileLock
from tracker.sweeps.log.table import Table
from tracker.sweeps.log.tsv import read_table, write_table


class Files(LogBase):
    """From a file and into one."""

    @classmethod
    def from_tsv(
        cls, logs_file: PathLike, *, use_filelock: bool = False, parse_str: bool = True
    ) -> Self:
        """The log in a file that `to_tsv` or malet wrote; see `load_tsv`."""
        log = cls._of(Table(), logs_file, use_filelock=use_filelock)
        log.load_tsv(parse_str=parse_str)
        return log

    @classmethod
    def parse_tsv(cls, log_file: PathLike, *, parse_str: bool = True) -> dict[str, Any]:
        """A file's content: `df`, `grid_fields`, `metric_fields` and `static_configs`."""
        table = read_table(Path(log_file), parse=parse_str)
        return {
            "df": frame_of(table),
            "grid_fields": list(table.grid_fields),
            "metric_fields": list(table.metric_fields),
            "static_configs": table.static.to_dict(),
        }

    def load_tsv(self, logs_file: PathLike | None = None, *, parse_str: bool = True) -> None:
        """Replaces the content by that of the file, or of another, which is the log's from then on.

        Without `parse_str`, each value is the text of its cell. Raises NotFoundError if there is
        no file, and InvalidError with the line for one that is no log; nothing changes then.
        """
        path = self._path(logs_file)
        with self._locked(path):
            self._set(read_table(path, parse=parse_str))
        self.logs_file = path

    def to_tsv(self, logs_file: PathLike | None = None) -> None:
        """Writes the file, or another one, whole or not at all."""
        path = self._path(logs_file)
        with self._locked(path):
            write_table(self._table, path)

    @contextmanager
    def lock_file(self) -> Iterator[None]:
        """Keeps other processes that lock this log's file out of the block, if `use_filelock`.

        Also a decorator. For read, change and write: `with log.lock_file(): log.load_tsv(); ...`
        """
        with self._locked(self._path(None)):
            yield

    def _locked(self, path: Path) -> AbstractContextManager[object]:
        if not self.use_filelock:
            return nullcontext()
        return self._locks.setdefault(path.absolute(), FileLock(path))

    def _path(self, logs_file: PathLike | None) -> Path:
        path = logs_file or self.logs_file
        if path is None:
            raise InvalidError("This log has no file yet; name one: log.to_tsv('log.tsv').")
        return Path(path)
