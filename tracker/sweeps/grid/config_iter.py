"""`ConfigIter`: every configuration that a grid describes."""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any, Self, overload

from tracker.errors import InvalidError, NotFoundError, StateError
from tracker.pipelines.documents import Document
from tracker.sweeps.config import Config
from tracker.sweeps.grid.entries import GRID, Entry, field_order, plain_entries, raw_entries
from tracker.sweeps.grid.points import Points, distinct
from tracker.sweeps.grid.reading import Source, parse_grid, read_grid


class ConfigIter(Sequence[Config]):
    """The configurations of a grid, in its order, each of them once.

    Every key but `grid` is the same in all of them. Under `grid`, each field has a list of values;
    a list of such mappings is one grid after the other; a `group` goes along its fields together.
    Without a grid there is one configuration.

        for config in ConfigIter("sweep.yaml"):
            train(config.lr, config.seed)
    """

    def __init__(self, source: Source) -> None:
        """From a YAML, TOML or JSON file, or from a mapping; text goes to `from_yaml`.

        Raises ConfigurationError for what is no grid, with its file and line, and NotFoundError
        for a file that is not there.
        """
        self._set(read_grid(source))

    @classmethod
    def from_yaml(cls, text: str, *, source: str = "the grid") -> Self:
        """From YAML text; errors call it `source` and show the line."""
        configs = cls.__new__(cls)
        configs._set(parse_grid(text, source))  # noqa: SLF001 - our own
        return configs

    def _set(self, document: Document) -> None:
        entries = list(plain_entries(document)) if GRID in document.data else [{}]
        static = {key: value for key, value in document.data.items() if key != GRID}
        self.static_configs = Config(static)
        self.grid = raw_entries(document)
        self.grid_fields = field_order(document)
        self._values = _values_of(entries, self.grid_fields)
        try:
            points = Points.of(entries, self.grid_fields)
        except InvalidError as error:
            raise document.error((GRID,), str(error)) from None
        written = sum(prod(map(len, entry.values())) for entry in entries)
        # How many points the grid repeats; each of them is there once.
        self.repeated = written - len(points)
        self._choose(points)

    def _choose(self, points: Points) -> None:
        self._points = points
        self._configs = points.with_static(self.static_configs)

    @property
    def grid_iter(self) -> Points:
        """What the grid says of each configuration, without what is the same in all of them."""
        return self._points

    @property
    def grid_dict(self) -> dict[str, list[Any]]:
        """Every value of each field of the grid, in the grid's order, filtered or not.

        With one entry, its lists as they were written; with several, each value once.
        """
        return {field: list(values) for field, values in self._values.items()}

    def field_type(self, field: str) -> type:
        """The class of this field's value in the first configuration that has it.

        NotFoundError, a KeyError, for a field that no configuration has; StateError if the filter
        left none.
        """
        known = {*self.static_configs, *self.grid_fields}
        if field not in known:
            raise NotFoundError("field", field, known)
        for config in self:
            if field in config:
                return type(config[field])
        raise StateError(f"No configuration with {field!r} is left after filtering.")

    def filter_iter(self, filt_fn: Callable[[int, dict[str, Any]], object]) -> None:
        """Leaves the configurations for which `filt_fn(place, point)` is true.

        `place` counts from 0 among those left by now; `point` is a mapping of grid fields only.
        """
        self._choose(self._points.where(filt_fn))

    def __len__(self) -> int:
        return len(self._points)

    @overload
    def __getitem__(self, place: int) -> Config: ...
    @overload
    def __getitem__(self, place: slice) -> Self: ...
    def __getitem__(self, place: int | slice) -> "Config | Self":
        if isinstance(place, slice):
            part = type(self).__new__(type(self))
            part.__dict__ |= self.__dict__
            part._choose(self._points[place])  # noqa: SLF001 - our own
            return part
        return self._configs[place]

    def __iter__(self) -> Iterator[Config]:
        return iter(self._configs)

    def __repr__(self) -> str:
        over = ", ".join(self.grid_fields)
        count = f"{len(self):,} configuration{'' if len(self) == 1 else 's'}"
        return f"<ConfigIter: {count}{f' over {over}' if over else ''}>"


def _values_of(entries: Sequence[Entry], fields: Sequence[str]) -> dict[str, list[Any]]:
    if len(entries) == 1:
        return {field: entries[0][field] for field in fields}
    return {
        field: distinct(value for entry in entries for value in entry.get(field, ()))
        for field in fields
    }
