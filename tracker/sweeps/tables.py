"""The results of a sweep as named columns and rows."""

import math
from collections.abc import Sequence
from typing import Any

from tracker.errors import NotFoundError
from tracker.registry.sweeps.trials import TrialFacts

ABOUT = ("status", "seconds", "run")


def results_table(
    trials: Sequence[TrialFacts], fields: Sequence[str]
) -> tuple[list[str], list[list[Any]]]:
    """One row a trial: its number, the grid's fields, what it brought, status, seconds, run.

    A metric that is called like another column is `metrics.<name>`. What a trial does not have
    is None.
    """
    metrics = list(dict.fromkeys(name for trial in trials for name in trial.result or ()))
    taken = {"trial", *fields, *ABOUT}
    called = [f"metrics.{name}" if name in taken else name for name in metrics]
    rows = [
        [
            trial.number,
            *(trial.config.get(field) for field in fields),
            *((trial.result or {}).get(name) for name in metrics),
            str(trial.status),
            trial.seconds,
            trial.run,
        ]
        for trial in trials
    ]
    return ["trial", *fields, *called, *ABOUT], rows


def sorted_rows(
    columns: Sequence[str], rows: list[list[Any]], by: str, *, descending: bool
) -> list[list[Any]]:
    """The rows by one column: numbers before texts, NaN and what is missing last of all.

    NotFoundError suggests the nearest column.
    """
    if by not in columns:
        raise NotFoundError("column", by, columns)
    place = columns.index(by)
    known = [row for row in rows if not _is_missing(row[place])]
    missing = [row for row in rows if _is_missing(row[place])]
    known.sort(key=lambda row: _key(row[place]), reverse=descending)
    return known + missing


def _key(value: Any) -> tuple[int, Any]:
    if isinstance(value, int | float):
        return 0, value
    return 1, value if isinstance(value, str) else repr(value)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
