"""What every part of a log stands on: its content, and its file's name."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tracker.errors import InvalidError
from tracker.sweeps.config import Config
from tracker.sweeps.grid.config_iter import ConfigIter
from tracker.sweeps.log.frames import frame_of, table_of
from tracker.sweeps.log.rows import Rows
from tracker.sweeps.log.table import Row, Table

if TYPE_CHECKING:
    import pandas as pd

    from tracker.sweeps.log.locking import FileLock

PathLike = str | os.PathLike[str]


class LogBase:
    def __init__(
        self,
        df: "pd.DataFrame",
        static_configs: Mapping[str, Any],
        logs_file: PathLike | None = None,
        *,
        use_filelock: bool = False,
    ) -> None:
        """From a frame with the grid's fields as named index and metrics as columns.

        None is nothing, NaN is a result.
        """
        self._start(table_of(df, static_configs), logs_file, use_filelock=use_filelock)

    def _start(self, table: Table, logs_file: PathLike | None, *, use_filelock: bool) -> None:
        self._set(table)
        self._locks: dict[Path, FileLock] = {}
        self.logs_file = None if logs_file is None else Path(logs_file)
        self.use_filelock = use_filelock

    def _set(self, table: Table) -> None:
        self._rows = Rows(table)

    @property
    def _table(self) -> Table:
        return self._rows.table

    @classmethod
    def _of(
        cls, table: Table, logs_file: PathLike | None = None, *, use_filelock: bool = False
    ) -> Self:
        log = cls.__new__(cls)
        log._start(table, logs_file, use_filelock=use_filelock)  # noqa: SLF001 - our own
        return log

    @classmethod
    def from_fields(
        cls,
        grid_fields: Sequence[str],
        metric_fields: Sequence[str],
        static_configs: Mapping[str, Any],
        logs_file: PathLike | None = None,
        *,
        use_filelock: bool = False,
    ) -> Self:
        """An empty log with these fields. InvalidError if a name stands twice."""
        for fields in (grid_fields, metric_fields):
            if isinstance(fields, str):
                raise InvalidError(f"Fields are given as a list: [{fields!r}].")
        table = Table(Config(static_configs), tuple(grid_fields), tuple(metric_fields))
        return cls._of(table, logs_file, use_filelock=use_filelock)

    @classmethod
    def from_config_iter(
        cls,
        config_iter: ConfigIter,
        metric_fields: Sequence[str],
        logs_file: PathLike | None = None,
        *,
        use_filelock: bool = False,
    ) -> Self:
        """An empty log with the fields and the static values of a grid."""
        return cls.from_fields(
            config_iter.grid_fields,
            metric_fields,
            config_iter.static_configs,
            logs_file,
            use_filelock=use_filelock,
        )

    @property
    def df(self) -> "pd.DataFrame":
        """The log as a frame of its own: configurations as MultiIndex, metrics as columns.

        Lists of the grid are tuples in it. What a row does not have is NaN or None.
        """
        return frame_of(self._table)

    @property
    def static_configs(self) -> Config:
        """What all rows share."""
        return self._table.static

    @property
    def grid_fields(self) -> list[str]:
        return list(self._table.grid_fields)

    @property
    def metric_fields(self) -> list[str]:
        return list(self._table.metric_fields)

    @property
    def all_fields(self) -> list[str]:
        """Every field: static, then of the grid, then metrics."""
        return self._table.fields

    @property
    def rows(self) -> tuple[Row, ...]:
        """Each row as it is: `config`, the grid fields that it has, and `metrics`."""
        return tuple(self._table.rows)

    def __len__(self) -> int:
        return len(self._table.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __str__(self) -> str:
        static = "".join(f"{name}: {value}\n" for name, value in self.static_configs.items())
        return f"{static}{self.df}"

    def __repr__(self) -> str:
        over = ", ".join(self.grid_fields)
        count = f"{len(self):,} row{'' if len(self) == 1 else 's'}"
        return f"<ExperimentLog: {count}{f' over {over}' if over else ''}>"
