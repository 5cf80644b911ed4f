"""What a log holds: rows of a configuration with its results, and what all of them share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

from tracker.errors import InvalidError
from tracker.pipelines.identity import canonical, plain
from tracker.sweeps.config import Config
from tracker.sweeps.log.cells import encode


class Row(NamedTuple):
    """One trial: the grid fields that it has, and what was recorded. Nothing stands for nothing."""

    config: Config
    metrics: dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A log's content. What changes one makes another, so that a change is whole or not at all."""

    static: Config = field(default_factory=Config)
    grid_fields: tuple[str, ...] = ()
    metric_fields: tuple[str, ...] = ()
    rows: Sequence[Row] = ()

    def __post_init__(self) -> None:
        """Refuses a name that stands twice: among the static values, the grid and the metrics."""
        for name in (*self.grid_fields, *self.metric_fields):
            if not name or not name.isprintable() or name.strip() != name:
                raise InvalidError(
                    f"{name!r} cannot be the name of a field: it needs characters that show, and"
                    " no space at its ends."
                )
        seen = set()
        for name in self.fields:
            if name in seen:
                raise InvalidError(f"A log cannot have two fields called {name!r}; rename one.")
            seen.add(name)

    @property
    def fields(self) -> list[str]:
        """Every field: static, then of the grid, then metrics."""
        return [*self.static, *self.grid_fields, *self.metric_fields]

    def with_rows(self, rows: Iterable[Row]) -> Self:
        """The same fields with other rows; metrics that no field holds yet get one."""
        rows = tuple(rows)
        names = dict.fromkeys(self.metric_fields)
        for row in rows:
            if row.metrics.keys() - names.keys():
                names |= dict.fromkeys(row.metrics)
        return replace(self, rows=rows, metric_fields=tuple(names))


def identity(config: Mapping[str, Any]) -> str:
    """The same text for configurations that mean the same."""
    return canonical(config)


def content(row: Row) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The same for rows that say the same, types and all."""
    metrics = sorted((name, encode(value)) for name, value in row.metrics.items())
    return identity(row.config), tuple(metrics)


def recorded(name: str, value: Any) -> Any:
    """A result as it is kept: plain, a moment or a duration; InvalidError for anything else.

    Arrays become lists; tensors too, wherever they are.
    """
    if isinstance(value, datetime | timedelta):
        # pandas has subclasses of its own.
        return getattr(value, "to_pydatetime", getattr(value, "to_pytimedelta", lambda: value))()
    if getattr(value, "shape", None) is not None and hasattr(value, "tolist"):
        value = value.tolist()
    return plain(value, path=name)
