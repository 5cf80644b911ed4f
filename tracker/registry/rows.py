"""Which runs or pipelines are meant, in which order, and what is in their rows."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from tracker.database.tables import Pipeline, Run, RunSession
from tracker.errors import InvalidError
from tracker.filters.language import Filters, Of
from tracker.filters.lookups import Sql, Test
from tracker.filters.showing import NAN, CompiledValue, Form
from tracker.registry.params import value_of
from tracker.registry.vanished import dead_sessions


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows, in which order: texts of the filter language. See `list_runs`."""

    filter: str | None = None
    sort: str | Sequence[str] | None = None
    descending: bool | None = None
    limit: int | None = None
    archived: bool | None = None
    deleted: bool = False


class Page(NamedTuple):
    """The ids of the chosen rows in order, and how many there were without the limit."""

    ids: list[int]
    total: int


class Rows:
    """The runs or the pipelines of a lab, and the language to speak of them."""

    def __init__(self, session: Session, of: Of) -> None:
        self.of = of
        self.filters = Filters(session, of, lost=lost_runs(session))
        # Rows of columns need nothing of what a session does.
        self._connection = session.connection()
        self._table: type[Run | Pipeline] = Run if of == "runs" else Pipeline

    def page(self, choice: Choice) -> Page:
        """The rows meant; of equals, and where no sort is said, the newest comes first."""
        if choice.limit is not None and choice.limit < 1:
            raise InvalidError(f"The limit must be at least 1, not {choice.limit}.")
        meant = sa.select(self._table.id).where(*self._conditions(choice))
        ordered = meant.order_by(*self._order(choice), *self._newest())
        if choice.limit is None:
            ids = list(self._connection.scalars(ordered))
            return Page(ids, len(ids))
        limited = ordered.limit(choice.limit)
        if choice.filter is not None:
            # Searched once, for the rows and for their number.
            rows = self._connection.execute(limited.add_columns(sa.func.count().over())).all()
            return Page([row[0] for row in rows], rows[0][1] if rows else 0)
        count = sa.select(sa.func.count()).where(*self._conditions(choice, counting=True))
        total = self._connection.scalar(count.select_from(self._table)) or 0
        return Page(list(self._connection.scalars(limited)), total)

    def columns(self, ids: Sequence[int], values: Sequence[CompiledValue]) -> list[Sequence[Any]]:
        """Each value of the rows with these ids, in their order."""
        cells = [cell for value in values for cell in value.columns]
        wanted = sa.select(sa.func.json_each(json.dumps(ids)).table_valued("value").c.value)
        found = self._connection.execute(
            sa.select(self._table.id, *cells).where(self._table.id.in_(wanted))
        )
        rows = {row[0]: row for row in found}
        # By columns, because most need nothing done to them.
        columns = list(zip(*(rows[id_] for id_ in ids), strict=True)) or [()] * (len(cells) + 1)
        starts = accumulate((len(value.columns) for value in values), initial=1)
        return [
            _decoded(value.form, columns[start : start + len(value.columns)])
            for value, start in zip(values, starts, strict=False)
        ]

    def _conditions(self, choice: Choice, *, counting: bool = False) -> Iterator[Test]:
        if choice.filter is not None:
            yield self.filters.condition(choice.filter)
        deleted, archived = self._table.deleted, self._table.archived
        if choice.deleted:
            yield deleted.is_not(None)
        elif counting:
            yield deleted.is_(None)
        else:
            # The same in words that match no index: by that of the names, all rows would be
            # visited in the order of their names, and not as they lie.
            yield sa.func.typeof(deleted) == "null"
        if choice.archived:
            yield archived.is_not(None)
        elif choice.archived is not None and not choice.deleted:
            # The trash is one place, whether something was archived before or not.
            yield archived.is_(None)

    def _order(self, choice: Choice) -> Iterator[Sql]:
        sorts = [choice.sort] if isinstance(choice.sort, str) else choice.sort or []
        for value in map(self.filters.value, sorts):
            falling = value.descending if choice.descending is None else choice.descending
            for key in value.order():
                yield (key.desc() if falling else key.asc()).nulls_last()

    def _newest(self) -> tuple[Sql, Sql]:
        return self._table.created.desc(), self._table.id.desc()


def lost_runs(session: Session) -> set[int]:
    """Runs that say `running`, but whose process has vanished; not recorded yet, perhaps.

    In a lab that cannot be written, that is all that is known of them.
    """
    dead = {found.session_id: found.run_id for found in dead_sessions(session)}
    if not dead:
        return set()
    newest = sa.select(sa.func.max(RunSession.id)).where(RunSession.run_id.in_(dead.values()))
    current = session.scalars(newest.group_by(RunSession.run_id))
    return {dead[session_id] for session_id in current if session_id in dead}


def _decoded(form: Form, cells: Sequence[Sequence[Any]]) -> Sequence[Any]:
    match form:
        case Form.PARAMETER:
            return [
                None if kind is None else value_of(kind, *rest)
                for kind, *rest in zip(*cells, strict=True)
            ]
        case Form.MEASURED:
            return [math.nan if cell == NAN else cell for cell in cells[0]]
        case Form.WORDS:
            # Most runs have none, and parsing is slow.
            return [() if cell == "[]" else tuple(sorted(json.loads(cell))) for cell in cells[0]]
        case Form.TRUTH:
            return [cell == 1 for cell in cells[0]]
    return cells[0]
