"""`ExperimentLog`: the configurations of a sweep with what came out."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tracker.errors import InvalidError, NotFoundError
from tracker.sweeps.config import Config
from tracker.sweeps.grid.config_iter import ConfigIter
from tracker.sweeps.grid.points import distinct
from tracker.sweeps.log.fields import derived, dropped, renamed
from tracker.sweeps.log.frames import frame_of, melted, table_of
from tracker.sweeps.log.locking import FileLock
from tracker.sweeps.log.merging import (
    Keep,
    MergeRules,
    NamedTable,
    merged,
    resolved,
    without_duplicates,
)
from tracker.sweeps.log.rows import Rows
from tracker.sweeps.log.table import Row, Table
from tracker.sweeps.log.tsv import read_table, tsv_files, write_table

if TYPE_CHECKING:
    import pandas as pd

PathLike = str | os.PathLike[str]


class ExperimentLog:
    """A table: one row a configuration, its results as columns; a file of it is readable text.

    Fields are static (the same for all rows), of the grid, or metrics, which `RunInfo` and a
    status are among. A metric is a number, text, a list of one value a step, or what else JSON
    holds. Values keep their types, in the file too: '1e-3' is not 0.001, an empty list is one.

    A change is made whole or not at all, and is in the file only after `to_tsv`.
    """

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

    # Files

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

    # Looking

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

    def grid_dict(self) -> dict[str, list[Any]]:
        """Every value of each field of the grid, once, in the order in which they appear."""
        configs = [row.config for row in self._table.rows]
        return {
            name: distinct(config[name] for config in configs if name in config)
            for name in self._table.grid_fields
        }

    def isin(self, config: Mapping[str, Any]) -> bool:
        """Whether there is a row for this configuration; what the log has no field for is ignored.

        A static value that is another one makes it False. NotFoundError, a KeyError, if the
        configuration lacks a field that every row has.
        """
        return self._rows.find(config) is not None

    def get_metric(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Every metric of this configuration's row, None where it has none; the first of several.

        NotFoundError, a KeyError, if there is no row.
        """
        row = self._rows.find(config)
        if row is None:
            shown = {name: value for name, value in config.items() if name in self.grid_fields}
            raise NotFoundError("row", str(shown))
        return {name: row.metrics.get(name) for name in self._table.metric_fields}

    def is_same_exp(self, other: "ExperimentLog") -> bool:
        """Whether both have configurations of the same fields, static or not."""
        return {*self.static_configs, *self.grid_fields} == {
            *other.static_configs,
            *other.grid_fields,
        }

    def melt_and_explode_metric(
        self, df: "pd.DataFrame | None" = None, step: int | None = None, *, dropna: bool = False
    ) -> "pd.DataFrame":
        """One row a number, as `metric_value`; the index gets `metric`, `step`, `total_steps`.

        `df` is a part of `log.df`. Steps count from 1; with `step`, only that one (-1: each
        metric's last), and a metric that is shorter is left out. What is no number is left out
        too; NaN stays, unless `dropna`.
        """
        frame = frame_of(self._table, exact=True) if df is None else df
        return melted(frame, step, dropna=dropna)

    # Changing

    def add_result(self, configs: Mapping[str, Any], **metrics: Any) -> None:
        """Adds a row, or replaces the one of the same configuration.

        Static values may be in the configuration if they are the log's. Metrics that no row has
        had so far become fields. InvalidError for another static value, for a field that the log
        does not have, and for what a file cannot hold.
        """
        self._rows.put(configs, metrics)

    def derive_field(
        self,
        new_field_name: str,
        fn: Callable[..., Any],
        *fn_arg_fields: str,
        is_index: bool = False,
    ) -> None:
        """Adds a field that `fn` computes from the values of others in each row.

        Static ones may be among them. Where one is missing or None, or `fn` returns None, the
        row does not get the field. With `is_index` it is one of the grid, else a metric.
        """
        self._set(derived(self._table, new_field_name, fn, fn_arg_fields, is_index=is_index))

    def drop_fields(self, field_names: Sequence[str]) -> None:
        """Drops fields of any kind. NotFoundError suggests the nearest."""
        self._set(dropped(self._table, field_names))

    def rename_fields(self, name_map: Mapping[str, str]) -> None:
        """Renames fields of any kind, all at once. InvalidError if two had one name."""
        self._set(renamed(self._table, name_map))

    def merge(
        self, *others: "ExperimentLog", same: bool = True, rules: MergeRules | None = None
    ) -> None:
        """Adds the rows of other logs; those that say the same stand once.

        Static values that differ become fields of the grid. If the configurations' fields differ,
        `rules` say what holds; what they leave open is an InvalidError, unless `same` is False:
        then rows simply do not have the fields that their log had not.
        """
        self._set(merged(self._resolved(others, rules, same=same)))

    def resolve_merge_conflicts(
        self, other: "ExperimentLog", rules: MergeRules | None = None
    ) -> "tuple[ExperimentLog, ExperimentLog]":
        """Both logs as `rules` make them, ready to be merged; these two stay as they are.

        InvalidError names the fields that one of them lacks still.
        """
        mine, theirs = self._resolved([other], rules, same=True)
        return self._of(mine, self.logs_file), self._of(theirs, other.logs_file)

    def drop_duplicates(self, keep: Keep = None) -> None:
        """Leaves one row a configuration.

        Of rows that differ, `keep` says which: "first", "last", or a function that is given their
        metrics as a list of mappings and returns the metrics to keep. Without it, they are an
        InvalidError, and nothing changes.
        """
        self._set(without_duplicates(self._table, keep))

    @classmethod
    def merge_tsv(
        cls,
        *log_files: PathLike,
        save_path: PathLike | None = None,
        same: bool = True,
        rules: MergeRules | None = None,
    ) -> Self:
        """The logs in these files as one, as `merge` does; written to `save_path` if given."""
        if not log_files:
            raise InvalidError("There is no log to merge: name at least one file.")
        first, *others = (cls.from_tsv(path) for path in log_files)
        first.merge(*others, same=same, rules=rules)
        first.logs_file = None if save_path is None else Path(save_path)
        if save_path is not None:
            first.to_tsv()
        return first

    @classmethod
    def merge_folder(
        cls,
        logs_path: PathLike,
        save_path: PathLike | None = None,
        *,
        same: bool = True,
        rules: MergeRules | None = None,
    ) -> Self:
        """The logs of a folder's `.tsv` files, by name, as one; `save_path` is none of them."""
        files = tsv_files(Path(logs_path), besides=None if save_path is None else Path(save_path))
        return cls.merge_tsv(*files, save_path=save_path, same=same, rules=rules)

    def __contains__(self, config: Mapping[str, Any]) -> bool:
        return self.isin(config)

    def __getitem__(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return self.get_metric(config)

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

    def _resolved(
        self, others: "Sequence[ExperimentLog]", rules: MergeRules | None, *, same: bool
    ) -> list[Table]:
        logs = (self, *others)
        named = [
            NamedTable(str(log.logs_file or f"log {number}"), log._table)  # noqa: SLF001 - our own
            for number, log in enumerate(logs, start=1)
        ]
        return resolved(named, rules or MergeRules(), same=same)
