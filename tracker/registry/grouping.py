"""Runs in groups that share values, and what their metrics came to: count, mean, std, min, max."""

import json
import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from tracker.database.functions import mean, std
from tracker.errors import InvalidError, did_you_mean
from tracker.filters.language import Of
from tracker.registry.listing import usual_metrics
from tracker.registry.rows import Choice, Rows

STATISTICS = ("runs", "count", "nan", "mean", "std", "min", "max")


class Grouping(NamedTuple):
    """A table with a row for each group and metric; what there is none of is None."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


def group(
    session: Session,
    keys: Sequence[str],
    metrics: Sequence[str] = (),
    *,
    of: Of = "runs",
    filter: str | None = None,  # noqa: A002 - the word everywhere else
    sort: str | None = None,
    descending: bool = False,
    limit: int | None = None,
) -> Grouping:
    """Groups what a filter describes by the values of the keys.

    Keys and metrics are expressions of the filter language; without metrics, those that lists
    show: the best value where a goal is known, else the last. Columns: the keys, `metric`,
    `runs` (how many are in the group), `count` (how many of those have a number), `nan` (how
    many have NaN), and the mean, sample standard deviation, minimum and maximum of the numbers:
    NaN and what is missing takes no part; an infinity does.

    Values that a filter finds equal share a group; so do NaN and NaN, and all that have no
    value. Groups go by their keys, numbers before texts, the missing last; or by the column
    `sort`. InvalidError for a metric that is no number. What is archived is left out.
    """
    rows = Rows(session, of)
    ids = rows.page(Choice(filter=filter, archived=False)).ids
    names = list(metrics) or usual_metrics(session, rows, ids)
    values = rows.columns(ids, [rows.filters.value(text) for text in [*keys, *names]])
    of_keys, of_metrics = values[: len(keys)], values[len(keys) :]
    for name, column in zip(names, of_metrics, strict=True):
        _refuse_words(name, column)
    members = _members(of_keys, len(ids))
    found = [
        (*_shown(of_keys, places), name, len(places), *_spread([column[at] for at in places]))
        for places in members
        for name, column in zip(names, of_metrics, strict=True)
    ]
    columns = [*keys, "metric", *STATISTICS]
    return Grouping(columns, _sorted(columns, found, sort, descending=descending)[:limit])


def _spread(values: Sequence[Any]) -> tuple[float | None, ...]:
    """The statistics from `count` on; None and what is no number counts for nothing."""
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    whole = [number for number in numbers if not math.isnan(number)]
    return (
        len(whole),
        len(numbers) - len(whole),
        mean(whole),
        std(whole),
        min(whole, default=None),
        max(whole, default=None),
    )


def _members(keys: Sequence[Sequence[Any]], number: int) -> list[list[int]]:
    """The places of the rows of each group, groups in the order of their keys."""
    groups: dict[Any, list[int]] = {}
    for place in range(number):
        groups.setdefault(tuple(_identity(column[place]) for column in keys), []).append(place)
    return [groups[identity] for identity in sorted(groups)]


def _shown(keys: Sequence[Sequence[Any]], places: Sequence[int]) -> tuple[Any, ...]:
    return tuple(column[places[0]] for column in keys)


def _identity(value: Any) -> tuple[int, Any]:
    """One for all values that are equal, and sortable among those of other kinds."""
    match value:
        case float() if math.isnan(value):
            return 1, 0
        case int() | float():
            return 0, value
        case str():
            return 2, value
        case datetime():
            return 3, value
        case None:
            return 5, 0
    return 4, json.dumps(_evened(value), sort_keys=True)


def _evened(value: Any) -> Any:
    """Lists in which equal numbers are written alike."""
    match value:
        case list() | tuple():
            return [_evened(item) for item in value]
        case dict():
            return {key: _evened(item) for key, item in value.items()}
        case bool() | int():
            return int(value)
        case float() if value.is_integer():
            return int(value)
    return value


def _refuse_words(name: str, column: Sequence[Any]) -> None:
    there = [value for value in column if value is not None]
    if there and not any(isinstance(value, int | float) for value in there):
        raise InvalidError(f"{name!r} is no number, so it has no mean: {there[0]!r}, for one.")


def _sorted(
    columns: Sequence[str], rows: list[tuple[Any, ...]], sort: str | None, *, descending: bool
) -> list[tuple[Any, ...]]:
    if sort is None:
        return rows
    if sort not in columns:
        raise InvalidError(
            f"There is no column {sort!r} to sort by.{did_you_mean(sort, columns)}"
            f" There are {', '.join(columns)}."
        )
    place = columns.index(sort)
    # Also when the largest come first, what is missing comes last, and NaN before it.
    last = [row for row in rows if _identity(row[place])[0] in (1, 5)]
    rest = [row for row in rows if _identity(row[place])[0] not in (1, 5)]
    rest.sort(key=lambda row: _identity(row[place]), reverse=descending)
    return rest + sorted(last, key=lambda row: _identity(row[place])[0])
