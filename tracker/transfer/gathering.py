"""A lab's rows as they are in a bundle: numbered anew, in an order of their own."""

import json
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import sqlalchemy as sa

from tracker.database.tables import Base
from tracker.files import StoredFile
from tracker.registry.metrics import Point
from tracker.transfer.choosing import Chosen
from tracker.transfer.naming import folded, inner_path, numbered
from tracker.transfer.rules import RULES, Rule, has_id, references, travelling

Row = tuple[Any, ...]

_AMONG = "(SELECT value FROM json_each(?))"


class Gathering:
    """The rows of what is chosen, read in one transaction. Ids count from 1 in each table."""

    def __init__(self, connection: Any, chosen: Chosen, *, checkpoints: bool = True) -> None:
        self._connection = connection
        self._checkpoints = checkpoints
        self._numbers: dict[str, dict[int, int]] = {}
        self._number_roots(chosen)
        self._number_others()
        self._uuids = dict(
            connection.execute(
                f"SELECT id, uuid FROM runs WHERE id IN {_AMONG}",  # noqa: S608 - names of our own
                self._ids("runs"),
            )
        )
        # Where a file lies in the bundle -> where in the lab, and what it must be.
        self.files: dict[str, tuple[str, StoredFile | None]] = {}
        self._places: dict[str, str] = {}

    def rows(self, table: sa.Table) -> Iterator[Row]:
        """The table's rows, the names of the columns first."""
        names = list(table.columns.keys())
        yield tuple(names)
        refers = references(table)
        for row in self._raw(table, names):
            cells = dict(zip(names, row, strict=True))
            owner = cells.get("run_id")
            if has_id(table):
                cells["id"] = self._numbers[table.name][cells["id"]]
            for column, of in refers.items():
                cells[column] = self._numbers.get(of, {}).get(cells[column])
            self._place_file(RULES[table.name], cells, self._uuids.get(owner, ""))
            yield tuple(cells.values())

    def points(self) -> Iterator[Point]:
        """The points of all series, by series and step."""
        numbers = self._numbers["series"]
        found = self._connection.execute(
            "SELECT series_id, step, epoch, metrics.value, time FROM json_each(?) AS chosen"
            " JOIN metrics ON metrics.series_id = chosen.value ORDER BY chosen.key, step",
            self._ids("series"),
        )
        for series, *rest in found:
            yield (numbers[series], *rest)

    def _place_file(self, rule: Rule, cells: dict[str, Any], uuid: str) -> None:
        if rule.file is None or cells[rule.file] is None:
            return
        path = cells[rule.file]
        if cells.get("removed") is not None:
            cells[rule.file] = inner_path(uuid, path)
            return
        inner = cells[rule.file] = self._inner_place(uuid, path)
        content = StoredFile(path, cells["bytes"], cells["sha256"]) if "sha256" in cells else None
        self.files.setdefault(inner, (path, content))

    def _inner_place(self, uuid: str, path: str) -> str:
        """Where the file lies in the bundle: under a name that no other has on any file system."""
        wanted = inner = inner_path(uuid, path)
        for number in count(2):
            if self._places.setdefault(folded(inner), path) == path:
                return inner
            inner = numbered(wanted, number)
        raise AssertionError("there is always another number")

    def _number_roots(self, chosen: Chosen) -> None:
        for name, ids in chosen._asdict().items():
            table = Base.metadata.tables[name]
            order = ", ".join(RULES[name].order)
            found = self._connection.execute(
                f"SELECT id FROM {table.name} WHERE id IN {_AMONG} ORDER BY {order}, id",  # noqa: S608 - names of our own
                (json.dumps(sorted(ids)),),
            )
            self._number(name, found)

    def _number_others(self) -> None:
        for table in travelling():
            rule = RULES[table.name]
            if rule.owners and has_id(table):
                self._number(table.name, self._raw(table, ["id"]))
        for table in travelling():
            if RULES[table.name].key and has_id(table):
                self._number(table.name, self._needed(table))

    def _number(self, name: str, rows: Iterable[Row]) -> None:
        self._numbers[name] = {number: place for place, (number,) in enumerate(rows, start=1)}

    def _needed(self, table: sa.Table) -> Iterable[Row]:
        """The ids of rows that others refer to."""
        needed: set[int] = set()
        for other in travelling():
            for column, of in references(other).items():
                if of == table.name:
                    found = self._raw(other, [column])
                    needed.update(number for (number,) in found if number is not None)
        key = ", ".join(RULES[table.name].key)
        return list(
            self._connection.execute(
                f"SELECT id FROM {table.name} WHERE id IN {_AMONG} ORDER BY {key}",  # noqa: S608 - as above
                (json.dumps(sorted(needed)),),
            )
        )

    def _raw(self, table: sa.Table, names: list[str]) -> Iterator[Row]:
        """These columns of the rows that are chosen, as they are stored."""
        rule = RULES[table.name]
        columns = ", ".join(rule.derived.get(name, f"{table.name}.{name}") for name in names)
        if table.name == "checkpoints" and not self._checkpoints:
            return
        if rule.owners:
            key = ", ".join(f"{table.name}.{column.name}" for column in table.primary_key)
            for owner in rule.owners:
                owners = references(table)[owner]
                yield from self._connection.execute(
                    f"SELECT {columns} FROM json_each(?) AS chosen JOIN {table.name}"  # noqa: S608 - as above
                    f" ON {table.name}.{owner} = chosen.value ORDER BY chosen.key, {key}",
                    self._ids(owners),
                )
        elif has_id(table):
            yield from self._connection.execute(
                f"SELECT {columns} FROM json_each(?) AS chosen JOIN {table.name}"  # noqa: S608 - as above
                f" ON {table.name}.id = chosen.value ORDER BY chosen.key",
                self._ids(table.name),
            )
        else:
            yield from self._connection.execute(
                f"SELECT {columns} FROM {table.name} WHERE {table.name}.metric IN"  # noqa: S608 - as above
                f" (SELECT name FROM series WHERE run_id IN {_AMONG}) ORDER BY 1",
                self._ids("runs"),
            )

    def _ids(self, table: str) -> tuple[str]:
        """The ids of the rows that are chosen, in their order in the bundle."""
        return (json.dumps(list(self._numbers.get(table, {}))),)
