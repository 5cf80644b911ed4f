"""Runs and pipelines as tables: filtered, sorted, with any column that a filter can name.

Everything is read from summaries; no point of a history is touched.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.filters import wording
from tracker.registry.rows import Choice, Page, Rows

# A table for people shows so many metrics, chosen by looking at so many of its rows.
KEY_METRICS = 2
LOOKED_AT = 200

_CURRENT_RUNS = """
SELECT runs.id FROM pipelines
JOIN runs ON runs.id = current_run_id AND runs.pipeline_id = pipelines.id
WHERE pipelines.id IN (SELECT value FROM json_each(?)) AND runs.deleted IS pipelines.deleted
"""
_COUNTED = """
SELECT name, count(DISTINCT run_id), max(count) FROM series WHERE run_id IN ({runs}) GROUP BY name
"""

_VALIDATION = re.compile(r"(^|[^a-z])(val|valid|validation|test|eval)([^a-z]|$)", re.IGNORECASE)


class _Logged(NamedTuple):
    """A metric, how many of the runs have logged it, and the length of its longest series."""

    name: str
    runs: int
    points: int


class Listing(NamedTuple):
    """A table, and how many rows it had without the limit.

    What is missing is None, NaN is NaN; moments are aware datetimes, durations seconds,
    tags a sorted tuple.
    """

    columns: list[str]
    rows: list[tuple[Any, ...]]
    total: int
    ids: list[int]  # of the rows


def list_runs(
    session: Session,
    *,
    filter: str | None = None,  # noqa: A002 - the word everywhere else
    sort: str | Sequence[str] | None = None,
    descending: bool | None = None,
    limit: int | None = None,
    columns: Sequence[str] | None = None,
    archived: bool | None = None,
    deleted: bool = False,
) -> Listing:
    """The runs that the filter describes, the newest first where `sort` does not say else.

    `sort` and `columns` are expressions of the filter language; what is missing comes last.
    Unless `descending` is given, `best(...)` brings the best to the top, and all else goes
    upwards. `archived` False leaves out what is archived, True all others; `deleted` lists
    the trash instead, which is never listed otherwise.
    A run whose process has vanished is listed as lost, whether that is recorded or not.
    """
    choice = Choice(filter, sort, descending, limit, archived, deleted)
    return _listing(session, Rows(session, "runs"), choice, columns)


def list_pipelines(
    session: Session,
    *,
    filter: str | None = None,  # noqa: A002 - as above
    sort: str | Sequence[str] | None = None,
    descending: bool | None = None,
    limit: int | None = None,
    columns: Sequence[str] | None = None,
    archived: bool | None = False,
    deleted: bool = False,
) -> Listing:
    """The pipelines that the filter describes, as `list_runs` lists runs.

    What only runs have (status, parameters, metrics) is that of the current run. `archived`
    True lists only what is archived, None both.
    """
    choice = Choice(filter, sort, descending, limit, archived, deleted)
    return _listing(session, Rows(session, "pipelines"), choice, columns)


def find_runs(
    session: Session,
    *,
    filter: str | None = None,  # noqa: A002 - as above
    sort: str | Sequence[str] | None = None,
    descending: bool | None = None,
    limit: int | None = None,
    archived: bool | None = None,
    deleted: bool = False,
) -> Page:
    """The ids of the runs that `list_runs` lists, in order."""
    choice = Choice(filter, sort, descending, limit, archived, deleted)
    return Rows(session, "runs").page(choice)


def _listing(
    session: Session, rows: Rows, choice: Choice, columns: Sequence[str] | None
) -> Listing:
    page = rows.page(choice)
    names = columns or _usual_columns(session, rows, page.ids)
    if choice.deleted and not columns:
        names = [*names, "deleted"]
    values = [rows.filters.value(name) for name in names]
    found = rows.columns(page.ids, values)
    return Listing(list(names), list(zip(*found, strict=True)), page.total, page.ids)


def _usual_columns(session: Session, rows: Rows, ids: Sequence[int]) -> list[str]:
    """What somebody wants to see who has not said what: progress, and the main metrics."""
    metrics: list[str] = []
    for name in _key_metrics(session, rows, ids[:LOOKED_AT]):
        metrics += dict.fromkeys([_headline(rows, name), wording.call("last", name)])
    return ["name", "experiment", "status", "epoch", *metrics, "duration", "created"]


def usual_metrics(session: Session, rows: Rows, ids: Sequence[int]) -> list[str]:
    """One expression for each of the main metrics: its best value, or its last."""
    return [_headline(rows, name) for name in _key_metrics(session, rows, ids[:LOOKED_AT])]


def _headline(rows: Rows, metric: str) -> str:
    known = rows.filters.vocabulary.goal(metric) is not None
    return wording.call("best" if known else "last", metric)


def _key_metrics(session: Session, rows: Rows, ids: Sequence[int]) -> list[str]:
    """Of the metrics that most of the rows have, those that say how good a run is."""
    runs = _CURRENT_RUNS if rows.of == "pipelines" else "SELECT value FROM json_each(?)"
    # For the driver: the session would take longer than the search does.
    counted = driver_connection(session).execute(_COUNTED.format(runs=runs), (json.dumps(ids),))
    found = [_Logged(*row) for row in counted]
    common = [row for row in found if 2 * row.runs >= max(row.runs for row in found)]

    def rank(row: _Logged) -> tuple[bool, bool, bool, bool, int, str]:
        goal = rows.filters.vocabulary.goal(row.name)
        validating, loss = _VALIDATION.search(row.name), "loss" in row.name.lower()
        # What was followed while training says more than what was measured once at its end.
        return goal is None, not validating, row.points == 1, not loss, -row.runs, row.name

    return [row.name for row in sorted(common, key=rank)[:KEY_METRICS]]
