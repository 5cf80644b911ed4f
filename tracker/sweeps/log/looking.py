"""What is in a log."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tracker.errors import NotFoundError
from tracker.sweeps.config import Config
from tracker.sweeps.grid.points import distinct
from tracker.sweeps.log.base import LogBase
from tracker.sweeps.log.frames import frame_of, melted
from tracker.sweeps.log.merging import conflicting

if TYPE_CHECKING:
    import pandas as pd


class Looking(LogBase):
    """Configurations found, and results as long tables."""

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

    def is_same_exp(self, other: LogBase) -> bool:
        """Whether both have configurations of the same fields, static or not."""
        return {*self.static_configs, *self.grid_fields} == {
            *other.static_configs,
            *other.grid_fields,
        }

    def conflicts(self) -> list[Config]:
        """The configurations that have several rows which differ; see `drop_duplicates`."""
        return conflicting(self._table)

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

    def __contains__(self, config: Mapping[str, Any]) -> bool:
        return self.isin(config)

    def __getitem__(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return self.get_metric(config)
