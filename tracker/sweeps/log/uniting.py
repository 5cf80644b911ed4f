"""Several logs as one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tracker.errors import InvalidError
from tracker.sweeps.log.base import LogBase, PathLike
from tracker.sweeps.log.files import Files
from tracker.sweeps.log.merging import MergeRules, NamedTable, merged, missing_fields, resolved
from tracker.sweeps.log.table import Table
from tracker.sweeps.log.tsv import tsv_files


class Uniting(Files):
    """Logs merged, by rules where their fields differ."""

    def merge(self, *others: LogBase, same: bool = True, rules: MergeRules | None = None) -> None:
        """Adds the rows of other logs; those that say the same stand once.

        Static values that differ become fields of the grid. If the configurations' fields differ,
        `rules` say what holds; what they leave open is an InvalidError, unless `same` is False:
        then rows simply do not have the fields that their log had not.
        """
        self._set(merged(self._resolved(others, rules, same=same)))

    def missing_fields(
        self, *others: LogBase, rules: MergeRules | None = None
    ) -> dict[str, list[str]]:
        """The fields that some of the logs lack once the rules are applied, with who lacks them."""
        return missing_fields(self._named(others), rules or MergeRules())

    def resolve_merge_conflicts(
        self, other: LogBase, rules: MergeRules | None = None
    ) -> tuple[Self, Self]:
        """Both logs as `rules` make them, ready to be merged; these two stay as they are.

        InvalidError names the fields that one of them lacks still.
        """
        mine, theirs = self._resolved([other], rules, same=True)
        return self._of(mine, self.logs_file), self._of(theirs, other.logs_file)

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

    def _resolved(
        self, others: Sequence[LogBase], rules: MergeRules | None, *, same: bool
    ) -> list[Table]:
        return resolved(self._named(others), rules or MergeRules(), same=same)

    def _named(self, others: Sequence[LogBase]) -> list[NamedTable]:
        return [
            NamedTable(str(log.logs_file or f"log {number}"), log._table)  # noqa: SLF001 - our own
            for number, log in enumerate((self, *others), start=1)
        ]
