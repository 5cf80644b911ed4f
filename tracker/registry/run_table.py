"""Whole runs as columns: everything they were given and everything they measured."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.kinds import Goal, ParamKind
from tracker.filters import wording
from tracker.registry.params import value_of
from tracker.registry.rows import Choice, Rows

RUN_COLUMNS = (
    "name", "uuid", "experiment", "pipeline", "status", "reason", "seed", "tags", "note",
    "phase", "epoch", "batch", "created", "started", "ended", "duration",
)  # fmt: skip

# One cell for nearly every parameter: decoding each in Python would take twice as long.
_PLAIN_PARAM = """CASE kind
  WHEN 'float' THEN number
  WHEN 'str' THEN text
  WHEN 'int' THEN iif(text IS NULL, CAST(number AS INTEGER), NULL)
END"""
_NOT_PLAIN = """(
  kind IN ('bool', 'json') OR (kind = 'int' AND text IS NOT NULL)
  OR (kind = 'float' AND number IS NULL)
)"""
_OF_RUNS = "run_id IN (SELECT value FROM json_each(?))"
# The last phase comes last.
_SUMMARIES = """
SELECT run_id, last, minimum, maximum FROM series
WHERE name = ? AND headline AND last_step IS NOT NULL {narrowed}
ORDER BY run_id, last_step, id
"""


@dataclass(frozen=True, slots=True)
class RunTable:
    """Columns of one length, a value for each run. None where it is missing, NaN is NaN."""

    ids: list[int]
    columns: dict[str, list[Any]]


def run_table(
    session: Session,
    *,
    filter: str | None = None,  # noqa: A002 - the word everywhere else
    sort: str | Sequence[str] | None = None,
    descending: bool | None = None,
    limit: int | None = None,
    archived: bool | None = None,
    deleted: bool = False,
) -> RunTable:
    """The runs that `list_runs` lists, with all columns, parameters and metrics.

    Every column's name is an expression of the filter language: `status`, `params.lr`,
    `metrics.val_loss` (its last value), and `best(val_loss)` where its goal is known.
    What none of the runs has is left out.
    """
    rows = Rows(session, "runs")
    ids = rows.page(Choice(filter, sort, descending, limit, archived, deleted)).ids
    found = rows.columns(ids, [rows.filters.value(name) for name in RUN_COLUMNS])
    columns = dict(zip(RUN_COLUMNS, map(list, found), strict=True))
    vocabulary = rows.filters.vocabulary
    reader = _Reader(session, ids)
    for key, values in reader.params(vocabulary.parameters).items():
        columns[wording.parameter(key)] = list(map(values.get, ids))
    for name in vocabulary.metrics:
        for text, values in reader.metric(name, vocabulary.goal(name)).items():
            columns[text] = list(map(values.get, ids))
    return RunTable(ids, columns)


class _Reader:
    """Reads one parameter or metric of many runs at a time; what it returns may hold others'.

    Where most runs are wanted, all rows of one name are read: they lie together in an index,
    and looking up each run would take twice as long.
    """

    def __init__(self, session: Session, ids: Sequence[int]) -> None:
        self._connection = driver_connection(session)
        self._wanted = json.dumps(ids)
        self._ids = frozenset(ids)
        (runs,) = self._connection.execute("SELECT count(*) FROM runs").fetchone()
        self._most = 2 * len(ids) > runs

    def params(self, keys: Sequence[str]) -> dict[str, dict[int, Any]]:
        """The parameters that any of the runs has."""
        execute = self._connection.execute
        found: dict[str, dict[int, Any]] = {key: {} for key in keys}
        if self._most:
            statement = f"SELECT run_id, {_PLAIN_PARAM} FROM params WHERE key = ?"  # noqa: S608 - constants
            found = {key: dict(execute(statement, (key,))) for key in keys}
        else:
            statement = f"SELECT key, run_id, {_PLAIN_PARAM} FROM params WHERE {_OF_RUNS}"  # noqa: S608 - constants
            for key, run_id, value in execute(statement, (self._wanted,)):
                found[key][run_id] = value
        rest = (
            f"SELECT key, run_id, kind, number, text FROM params WHERE {_NOT_PLAIN} AND {_OF_RUNS}"  # noqa: S608 - constants
        )
        for key, run_id, kind, number, text in execute(rest, (self._wanted,)):
            found[key][run_id] = value_of(ParamKind(kind), number, text)
        return {key: values for key, values in found.items() if self._any(values)}

    def metric(self, name: str, goal: Goal | None) -> dict[str, dict[int, Any]]:
        """Its last values and, where its goal is known, its best, if any of the runs has it."""
        if self._most:
            statement = _SUMMARIES.format(narrowed="")
            asked: tuple[str, ...] = (name,)
        else:
            statement = _SUMMARIES.format(narrowed=f"AND {_OF_RUNS}")
            asked = (name, self._wanted)
        found = self._connection.execute(statement, asked).fetchall()
        last = {row[0]: math.nan if row[1] is None else row[1] for row in found}
        if not self._any(last):
            return {}
        columns = {wording.metric(name): last}
        if goal is Goal.MIN:
            columns[wording.call("best", name)] = _best(min, ((row[0], row[2]) for row in found))
        elif goal is Goal.MAX:
            columns[wording.call("best", name)] = _best(max, ((row[0], row[3]) for row in found))
        return columns

    def _any(self, values: Mapping[int, Any]) -> bool:
        return not self._ids.isdisjoint(values)


def _best(
    better: Callable[[float, float], float], found: Iterable[tuple[int, float | None]]
) -> dict[int, Any]:
    """Of each run's phases the better one; a phase without numbers counts for nothing."""
    best: dict[int, Any] = {}
    for run_id, value in found:
        if run_id not in best or best[run_id] is None:
            best[run_id] = value
        elif value is not None:
            best[run_id] = better(best[run_id], value)
    return best
