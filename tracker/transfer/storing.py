"""Rows of a bundle, stored in a lab by plan, numbered as that lab numbers."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from tracker.database.tables import Base
from tracker.registry.metrics import INSERT
from tracker.transfer.format import METRICS, refused
from tracker.transfer.planning import Plan
from tracker.transfer.points import LARGEST, unpacked
from tracker.transfer.reading import Bundle
from tracker.transfer.rules import RULES, has_id, references, travelling

Cells = dict[str, Any]

# What a pipeline that is here already carries on, it goes on to, unless that is in the trash.
_IS_FREE = "({0} IS NULL OR {0} IN (SELECT id FROM runs WHERE deleted IS NOT NULL))"

_AT_ONCE = 10_000


class Storing:
    """Takes the rows of one bundle into one lab."""

    def __init__(self, bundle: Bundle, theirs: Any, mine: Any, plan: Plan, *, home: str) -> None:
        self._bundle = bundle
        self._theirs = theirs
        self._mine = mine
        self._plan = plan
        self._home = home
        # By table: the number of a row in the bundle -> in the lab.
        self._numbers: dict[str, dict[int, int]] = {
            table.name: dict(plan.here.get(table.name, {})) for table in travelling()
        }
        self._largest: dict[str, int] = {}
        self._later: list[tuple[str, str, int, str, int]] = []

    def rows(self) -> None:
        """Stores all rows but the points."""
        # A checkpoint may refer to one that comes after it.
        self._mine.execute("PRAGMA defer_foreign_keys = ON")
        for table in travelling():
            self._store(table)
        for name, column, number, of, theirs in self._later:
            found = self._numbers[of].get(theirs)
            self._mine.execute(
                f"UPDATE {name} SET {column} = ? WHERE id = ? AND {_IS_FREE.format(column)}",  # noqa: S608 - names of our own
                (found, number),
            )

    def points(self) -> None:
        """Stores the points of the series that were stored; refuses others' and missing ones."""
        numbers = self._numbers["series"]
        wanted = dict(self._theirs.execute("SELECT id, count FROM series").fetchall())
        found: Counter[int] = Counter()
        for entry in self._bundle.manifest.named(METRICS):
            if entry.bytes > LARGEST:
                raise refused(
                    self._bundle.path, f"{entry.name!r} is larger than any that is written"
                )
            try:
                points = unpacked(self._bundle.read(entry))
            except ValueError as error:
                raise refused(self._bundle.path, f"{entry.name!r}: {error}") from error
            found.update(series for series, *_ in points)
            self._mine.executemany(
                INSERT,
                [(numbers[series], *rest) for series, *rest in points if series in numbers],
            )
        if +found != {series: count for series, count in wanted.items() if count}:
            raise refused(self._bundle.path, "its points are not those that its metrics count")

    def _store(self, table: sa.Table) -> None:
        kept = (self._kept(table, cells) for cells in self._read(table))
        for some in _in_parts(cells for cells in kept if cells is not None):
            names = list(some[0])
            marks = ", ".join("?" * len(names))
            self._mine.executemany(
                f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})",  # noqa: S608 - as above
                [tuple(row.values()) for row in some],
            )

    def _read(self, table: sa.Table) -> Iterator[Cells]:
        names = list(table.columns.keys())
        order = ", ".join(column.name for column in table.primary_key)
        question = f"SELECT {', '.join(names)} FROM {table.name} ORDER BY {order}"  # noqa: S608 - as above
        for row in self._theirs.execute(question):
            yield dict(zip(names, row, strict=True))

    def _kept(self, table: sa.Table, cells: Cells) -> Cells | None:
        """The row as this lab has it; None if it is here already, or is not wanted."""
        rule = RULES[table.name]
        if rule.key:
            return self._shared(table, cells)
        if rule.owners:
            if not self._is_wanted(table, cells):
                return None
        elif cells["id"] not in self._plan.new[table.name]:
            self._refer_later(table, cells, self._numbers[table.name].get(cells["id"]))
            return None
        self._renumber(table, cells)
        if rule.file is not None and cells[rule.file] is not None:
            cells[rule.file] = f"{self._home}/{cells[rule.file]}"
        return cells

    def _shared(self, table: sa.Table, cells: Cells) -> Cells | None:
        key = RULES[table.name].key
        condition = " AND ".join(f"{column} = ?" for column in key)
        identity = "id" if has_id(table) else key[0]
        here = self._mine.execute(
            f"SELECT {identity} FROM {table.name} WHERE {condition}",  # noqa: S608 - as above
            [cells[column] for column in key],
        ).fetchone()
        if here is None:
            self._renumber(table, cells)
            return cells
        if has_id(table):
            self._numbers[table.name][cells["id"]] = here[0]
        return None

    def _is_wanted(self, table: sa.Table, cells: Cells) -> bool:
        """Whether the row it belongs to is stored by this import."""
        refers = references(table)
        for column in RULES[table.name].owners:
            if cells[column] is not None:
                return cells[column] in self._plan.new[refers[column]]
        return False

    def _renumber(self, table: sa.Table, cells: Cells) -> None:
        if has_id(table):
            number = self._next(table.name)
            self._numbers[table.name][cells["id"]] = number
            self._name(table, cells)
            self._refer_later(table, cells, number)
            cells["id"] = number
        for column, of in references(table).items():
            cells[column] = self._numbers.get(of, {}).get(cells[column])

    def _name(self, table: sa.Table, cells: Cells) -> None:
        renamed = self._plan.names.get(table.name, {})
        if cells["id"] in renamed:
            cells["name"] = renamed[cells["id"]]

    def _refer_later(self, table: sa.Table, cells: Cells, number: int | None) -> None:
        """References to rows that are stored after this one."""
        for column, of in RULES[table.name].refers.items():
            after = _place(of) >= _place(table.name)
            if after and number is not None and cells[column] is not None:
                self._later.append((table.name, column, number, of, cells[column]))

    def _next(self, table: str) -> int:
        if table not in self._largest:
            # Some tables never give a number twice, and remember the largest there ever was.
            ((largest,),) = self._mine.execute(
                f"SELECT max(coalesce(max(id), 0), coalesce((SELECT seq FROM sqlite_sequence"  # noqa: S608 - as above
                f" WHERE name = '{table}'), 0)) FROM {table}"
            )
            self._largest[table] = largest
        self._largest[table] += 1
        return self._largest[table]


def _place(table: str) -> int:
    return [each.name for each in Base.metadata.sorted_tables].index(table)


def _in_parts(cells: Iterable[Cells]) -> Iterator[list[Cells]]:
    part: list[Cells] = []
    for row in cells:
        part.append(row)
        if len(part) == _AT_ONCE:
            yield part
            part = []
    if part:
        yield part
