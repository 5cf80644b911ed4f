"""Results and fields that a log gets, and those that go."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tracker.sweeps.log.base import LogBase
from tracker.sweeps.log.fields import derived, dropped, renamed
from tracker.sweeps.log.merging import Keep, without_duplicates


class Changing(LogBase):
    """Rows added; fields derived, dropped, renamed."""

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

    def drop_duplicates(self, keep: Keep = None) -> None:
        """Leaves one row a configuration.

        Of rows that differ, `keep` says which: "first", "last", or a function that is given their
        metrics as a list of mappings and returns the metrics to keep. Without it, they are an
        InvalidError, and nothing changes.
        """
        self._set(without_duplicates(self._table, keep))
