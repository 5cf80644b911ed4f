"""Where a value lies in the database, and how a condition on it becomes SQL.

A value is in a column of the filtered table itself (`Own`), or in rows beside it (`Lookup`):
a run's parameter, a summary of its metric, its experiment's name. A condition on one lookup
becomes `id IN (SELECT run_id ...)`, which SQLite answers from an index, once for all runs;
where several meet, each becomes a subquery for the single run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import SQLColumnExpression

from tracker.database.tables import Pipeline, Run

Sql = SQLColumnExpression[Any]
Test = SQLColumnExpression[bool]


class Kind(Enum):
    """Only two values of one kind can be compared."""

    NUMBER = "number"
    TEXT = "text"
    ITEMS = "items"  # a list, as JSON
    MOMENT = "moment"


@dataclass(frozen=True, eq=False)
class Face:
    """A value, seen as one kind; NULL where it is of another kind, missing or NaN."""

    sql: Sql
    # What must hold besides in those rows of a lookup in which `sql` is of this kind.
    when: tuple[Test, ...] = ()
    # The digits of an integer that a float cannot hold; NULL for others. None: there are none.
    exact: Sql | None = None


Faces = Mapping[Kind, Face]


@dataclass(frozen=True, eq=False)
class Own:
    """A column of the filtered table itself."""

    faces: Faces
    nullable: bool = False

    def seen(self) -> Faces:
        """The value's faces from the row that is being filtered."""
        return self.faces


@dataclass(frozen=True, eq=False)
class Lookup:
    """Rows beside the filtered table: none where the value is missing, else one.

    Where `many`, there can be more, and a condition asks whether it holds for some.
    """

    outer: Sql  # of the filtered table
    inner: Sql  # its equal in the rows
    faces: Faces
    where: tuple[Test, ...] = ()
    # Set: a value is made of all rows with one `inner`, of those groups for which this holds.
    having: Test | None = None
    optional: bool = False  # `outer` may be NULL
    many: bool = False
    order: tuple[Sql, ...] = ()  # what to sort by, over its rows; empty: the faces
    # Comparisons that hold for a group as soon as they hold for this number of one of its rows.
    some: Mapping[str, Sql] = field(default_factory=dict)

    def holds(self, test: Callable[[Faces], Test] | None = None) -> Test:
        """Whether the value is there, and passes the test. True or false, never NULL."""
        if self.having is None:
            matching = sa.select(self.inner).where(*self.where)
            if test is not None:
                matching = matching.where(test(self.faces))
        else:
            value = self._select(self.faces[Kind.NUMBER].sql.label("value"))
            groups = value.add_columns(self.inner.label("owner")).subquery()
            matching = sa.select(groups.c.owner)
            if test is not None:
                matching = matching.where(test({Kind.NUMBER: Face(groups.c.value)}))
        # What the caller selects from must not take the place of these rows.
        found = self.outer.in_(matching.correlate(None))
        return sa.and_(self.outer.is_not(None), found) if self.optional else found

    def holds_for_some(self, sign: str, test: Callable[[Faces], Test]) -> Test:
        """As `holds`, for a comparison in `some`: without looking at all rows of a group."""
        rows = Lookup(
            self.outer,
            self.inner,
            {Kind.NUMBER: Face(self.some[sign])},
            self.where,
            optional=self.optional,
        )
        return rows.holds(test)

    def seen(self) -> Faces:
        """The value's faces from the row that is being filtered."""
        return {kind: self._seen(face) for kind, face in self.faces.items()}

    def read(self, value: Sql, *when: Test) -> Sql:
        """An expression over the lookup's row, from the row that is being filtered."""
        one = self._select(value).where(self.inner == self.outer, *when)
        # Only the filtered table comes from outside, whatever else the caller selects from.
        return one.correlate(Run, Pipeline).scalar_subquery()

    def _seen(self, face: Face) -> Face:
        exact = None if face.exact is None else self.read(face.exact, *face.when)
        return Face(self.read(face.sql, *face.when), exact=exact)

    def _select(self, value: Sql) -> sa.Select[Any]:
        rows = sa.select(value).where(*self.where)
        return rows if self.having is None else rows.group_by(self.inner).having(self.having)


Located = Own | Lookup
