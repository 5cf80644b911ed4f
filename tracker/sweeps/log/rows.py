"""The rows of one log, found by their configuration."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tracker.errors import InvalidError, NotFoundError
from tracker.pipelines.identity import canonical
from tracker.sweeps.config import Config
from tracker.sweeps.log.table import Row, Table, identity, recorded


class Rows:
    """A table that rows can be added to, and found in at the same cost however many there are."""

    def __init__(self, table: Table) -> None:
        # A list of our own: a table may be shared.
        self._list = list(table.rows)
        self.table = replace(table, rows=self._list)
        self._places: dict[str, int] | None = None

    def find(self, config: Mapping[str, Any]) -> Row | None:
        """The first row of this configuration; what no field is for is ignored.

        NotFoundError if the configuration lacks a field that every row has.
        """
        if not self._list or self._differs(config):
            return None
        for name in self.table.grid_fields:
            if name not in config and all(name in row.config for row in self._list):
                raise NotFoundError("field", name, config)
        own = {name: config[name] for name in self.table.grid_fields if name in config}
        place = self._known().get(canonical(own))
        return None if place is None else self._list[place]

    def put(self, configs: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
        """Adds a row, or replaces the first of the same configuration."""
        row = Row(self._own(configs), {name: recorded(name, v) for name, v in metrics.items()})
        table = self.table.with_rows([row])  # which looks at this row's metrics alone
        key, places = identity(row.config), self._known()
        if key in places:
            self._list[places[key]] = row
        else:
            places[key] = len(self._list)
            self._list.append(row)
        self.table = replace(table, rows=self._list)

    def _known(self) -> dict[str, int]:
        """Where the row of each configuration stands; of several, the first."""
        if self._places is None:
            self._places = {}
            for place, row in enumerate(self._list):
                self._places.setdefault(identity(row.config), place)
        return self._places

    def _own(self, configs: Mapping[str, Any]) -> Config:
        """What the grid has of a configuration that belongs in this log."""
        config, static, grid = Config(configs), self.table.static, self.table.grid_fields
        for name in config:
            if name not in static and name not in grid:
                raise NotFoundError("field", name, [*static, *grid])
        if self._differs(config):
            raise InvalidError(
                f"This configuration belongs in another log: {config.to_dict()}. The static values"
                f" of this one are {static.to_dict()}."
            )
        return Config.joined({name: config[name] for name in grid if name in config})

    def _differs(self, config: Mapping[str, Any]) -> bool:
        """Whether a static value that the configuration has is another one than the log's."""
        static = self.table.static
        shared = [name for name in static if name in config]
        theirs = {name: config[name] for name in shared}
        return canonical(theirs) != canonical({name: static[name] for name in shared})
