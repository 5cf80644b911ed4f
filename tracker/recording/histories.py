"""Whole histories at once: a DataFrame or a mapping of columns becomes points."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import compress
from typing import Any

from tracker.errors import InvalidError
from tracker.recording.points import Column
from tracker.recording.values import as_number, as_position

POSITIONS = ("step", "epoch", "time")


def as_columns(history: Any) -> list[Column]:
    """One column a metric; `step`, `epoch` and `time`, where given, belong to all of them.

    None and pandas' NA are missing points; NaN is a value. InvalidError names the metric and
    the value that cannot be stored.
    """
    given = _columns_of(history)
    names = [name for name in given if name not in POSITIONS]
    lengths = {name: len(column) for name, column in given.items()}
    if not names:
        raise InvalidError("A history needs at least one metric beside step, epoch and time.")
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name!r}: {length}" for name, length in lengths.items())
        raise InvalidError(f"The columns of a history have one length; these have {shown}.")
    steps = _positions("step", given)
    epochs = _positions("epoch", given)
    times = _times(given, lengths[names[0]])
    if steps is not None and None in steps:
        raise InvalidError("A step is missing in the history's column 'step'.")
    return [_present(name, given[name], steps, epochs, times) for name in names]


def _columns_of(history: Any) -> dict[Any, list[Any]]:
    """The columns as lists of Python values."""
    if not hasattr(history, "items"):
        raise InvalidError(
            f"A history is a DataFrame or a mapping of columns, not a {type(history).__name__}: "
            "run.log_history({'loss': [0.5, 0.3], 'step': [0, 1]})."
        )
    return {name: _as_list(name, column) for name, column in history.items()}


def _as_list(name: Any, column: Any) -> list[Any]:
    if hasattr(column, "tolist") and getattr(column, "ndim", 1) == 1:
        return list(column.tolist())
    if isinstance(column, (str, bytes, Mapping)) or not hasattr(column, "__iter__"):
        raise InvalidError(f"Column {name!r} of a history is a list of values, not {column!r}.")
    return list(column)


def _positions(kind: str, given: dict[Any, list[Any]]) -> list[int | None] | None:
    column = given.get(kind)
    if column is None:
        return None
    if set(map(type, column)) <= {int}:
        as_position(kind, min(column, default=0))
        as_position(kind, max(column, default=0))
        return column
    return [_whole(kind, value) for value in column]


def _whole(kind: str, value: Any) -> int | None:
    """A position; where one is missing, pandas makes floats of all, and NaN of that one."""
    if _is_missing(value) or value != value:  # noqa: PLR0124 - NaN alone differs from itself
        return None
    is_whole = isinstance(value, float) and value.is_integer()
    return as_position(kind, int(value) if is_whole else value)


def _times(given: dict[Any, list[Any]], length: int) -> list[int]:
    """Milliseconds since 1970; this moment where nothing else is said."""
    column = given.get("time")
    if column is None:
        return [time.time_ns() // 1_000_000] * length
    return [_milliseconds(value) for value in column]


def _milliseconds(value: Any) -> int:
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return round(aware.timestamp() * 1000)
    raise InvalidError(f"A history's time is a moment (UTC if it says no zone), not {value!r}.")


def _present(
    name: Any,
    values: list[Any],
    steps: list[Any] | None,
    epochs: list[int | None] | None,
    times: list[int],
) -> Column:
    """The points of one metric that are there."""
    if not set(map(type, values)) <= {float}:
        there = [not _is_missing(value) for value in values]
        values = [as_number(name, value) for value in compress(values, there)]
        if not all(there):
            steps = steps and list(compress(steps, there))
            epochs = epochs and list(compress(epochs, there))
            times = list(compress(times, there))
    return Column(name, values, steps, epochs, times)


def _is_missing(value: Any) -> bool:
    """None, and pandas' NA and NaT. A metric's NaN is a value."""
    return value is None or type(value).__name__ in ("NAType", "NaTType")
