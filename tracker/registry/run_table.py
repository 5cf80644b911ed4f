"""Whole runs as columns: everything they were given and everything they measured."""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.tables import Goal, ParamKind
from tracker.filters import wording
from tracker.registry.params import value_of
from tracker.registry.rows import Choice, Rows

RUN_COLUMNS = (
    "name", "uuid", "experiment", "pipeline", "status", "reason", "seed", "tags", "note",
    "phase", "epoch", "batch", "created", "started", "ended", "duration",
)  # fmt: skip

_OF_RUNS = "run_id IN (SELECT value FROM json_each(?))"
# One cell for nearly every parameter: decoding each row in Python would take twice as long.
_PLAIN_PARAMS = f"""
SELECT run_id, key, CASE kind
  WHEN 'float' THEN number
  WHEN 'str' THEN text
  WHEN 'int' THEN iif(text IS NULL, CAST(number AS INTEGER), NULL)
END
FROM params WHERE {_OF_RUNS}
"""  # noqa: S608 - constants
_OTHER_PARAMS = f"""
SELECT run_id, key, kind, number, text FROM params
WHERE {_OF_RUNS} AND (
  kind IN ('bool', 'json') OR (kind = 'int' AND text IS NOT NULL)
  OR (kind = 'float' AND number IS NULL)
)
"""  # noqa: S608 - constants
# The last phase comes last.
_METRICS = f"""
SELECT run_id, name, last, minimum, maximum FROM series
WHERE {_OF_RUNS} AND headline AND last_step IS NOT NULL
ORDER BY last_step, id
"""  # noqa: S608 - constants


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
) -> RunTable:
    """The runs that `list_runs` lists, with all columns, parameters and metrics.

    Every column's name is an expression of the filter language: `status`, `params.lr`,
    `metrics.val_loss` (its last value), and `best(val_loss)` where its goal is known.
    What none of the runs has is left out.
    """
    rows = Rows(session, "runs")
    ids = rows.page(Choice(filter, sort, descending, limit, archived)).ids
    cells = rows.read(ids, [rows.filters.value(name) for name in RUN_COLUMNS])
    columns = {name: [row[place] for row in cells] for place, name in enumerate(RUN_COLUMNS)}
    columns |= _params(session, ids)
    columns |= _metrics(session, ids, rows.filters.vocabulary.goal)
    return RunTable(ids, columns)


def _params(session: Session, ids: Sequence[int]) -> dict[str, list[Any]]:
    connection, asked = driver_connection(session), (json.dumps(ids),)
    place = {run_id: number for number, run_id in enumerate(ids)}
    found: dict[str, list[Any]] = defaultdict(lambda: [None] * len(ids))
    for run_id, key, value in connection.execute(_PLAIN_PARAMS, asked):
        found[key][place[run_id]] = value
    for run_id, key, kind, number, text in connection.execute(_OTHER_PARAMS, asked):
        found[key][place[run_id]] = value_of(ParamKind(kind), number, text)
    return {wording.parameter(key): found[key] for key in sorted(found)}


def _metrics(
    session: Session, ids: Sequence[int], goal_of: Callable[[str], Goal | None]
) -> dict[str, list[Any]]:
    place = {run_id: number for number, run_id in enumerate(ids)}
    last: dict[str, list[Any]] = defaultdict(lambda: [None] * len(ids))
    low: dict[str, list[Any]] = defaultdict(lambda: [None] * len(ids))
    high: dict[str, list[Any]] = defaultdict(lambda: [None] * len(ids))
    found = driver_connection(session).execute(_METRICS, (json.dumps(ids),))
    for run_id, name, value, minimum, maximum in found:
        row = place[run_id]
        last[name][row] = math.nan if value is None else value
        low[name][row] = _reached(min, low[name][row], minimum)
        high[name][row] = _reached(max, high[name][row], maximum)
    columns = {}
    for name in sorted(last):
        columns[wording.metric(name)] = last[name]
        goal = goal_of(name)
        if goal is not None:
            columns[wording.call("best", name)] = (low if goal is Goal.MIN else high)[name]
    return columns


def _reached(
    best: Callable[[float, float], float], one: float | None, other: float | None
) -> float | None:
    """The better of two phases; either may have no numbers."""
    if one is None or other is None:
        return other if one is None else one
    return best(one, other)
