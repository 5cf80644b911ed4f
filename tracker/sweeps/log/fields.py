"""A log with other fields: derived, dropped, renamed."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tracker.errors import InvalidError, NotFoundError
from tracker.sweeps.config import Config
from tracker.sweeps.log.table import Row, Table, recorded


def derived(
    table: Table, name: str, fn: Callable[..., Any], arguments: Sequence[str], *, is_index: bool
) -> Table:
    """With a field that `fn` computes from others of the same row, static ones too.

    A row in which an argument is missing or None gets none, nor does one for which `fn`
    returns None.
    """
    _check_known(table, arguments)
    rows = []
    for row in table.rows:
        known = {**table.static, **row.config, **row.metrics}
        values = [known.get(argument) for argument in arguments]
        result = None if any(value is None for value in values) else fn(*values)
        value = {} if result is None else {name: recorded(name, result)}
        if is_index:
            rows.append(row._replace(config=Config(row.config | value)))
        else:
            rows.append(row._replace(metrics=row.metrics | value))
    new = (name,)
    return replace(
        table,
        grid_fields=table.grid_fields + (new if is_index else ()),
        metric_fields=table.metric_fields + (() if is_index else new),
        rows=tuple(rows),
    )


def dropped(table: Table, names: Collection[str]) -> Table:
    """Without these fields; rows that differed in them alone become equal ones."""
    _check_known(table, names)
    names = set(names)
    return Table(
        Config(_without(table.static, names)),
        tuple(field for field in table.grid_fields if field not in names),
        tuple(field for field in table.metric_fields if field not in names),
        tuple(
            Row(Config(_without(row.config, names)), _without(row.metrics, names))
            for row in table.rows
        ),
    )


def renamed(table: Table, names: Mapping[str, str]) -> Table:
    """With other names for these fields, all at once, so that two may change places."""
    _check_known(table, names)
    result = replace(
        table,
        static=Config(_renamed(table.static, names)),
        grid_fields=tuple(names.get(field, field) for field in table.grid_fields),
        metric_fields=tuple(names.get(field, field) for field in table.metric_fields),
    )
    rows = (
        Row(Config(_renamed(row.config, names)), _renamed(row.metrics, names)) for row in table.rows
    )
    return replace(result, rows=tuple(rows))


def static_as_grid(table: Table, names: Sequence[str]) -> Table:
    """With these static values as fields of the grid, the same in each row."""
    moved = {name: table.static[name] for name in names}
    return Table(
        Config(_without(table.static, names)),
        (*table.grid_fields, *names),
        table.metric_fields,
        tuple(row._replace(config=Config.joined(row.config, moved)) for row in table.rows),
    )


def _without(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    names = set(names)
    return {name: value for name, value in values.items() if name not in names}


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}


def _check_known(table: Table, names: Collection[str]) -> None:
    if isinstance(names, str):
        raise InvalidError(f"Fields are given as a list: [{names!r}].")
    for name in names:
        if name not in table.fields:
            raise NotFoundError("field", name, table.fields)
