"""Splits by what the columns say."""

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.errors import DataError
from engine.saving import locate, location_of
from engine.splitters.base import BaseSplitter

if TYPE_CHECKING:
    from engine.splitters.base import Rows

Condition = Any
"""A value to equal, a list or set to be in, or a predicate of one value or of the column."""


class ConditionSplitter(BaseSplitter):
    """One split per keyword, with the samples that meet all of its conditions.

    A condition on a column is a value to equal, a list or set to be in, or a predicate of one
    value or of the whole column. A sample may be in several splits, or in none.
    """

    # The splitter itself has no name here: a split may be called "self".
    def __init__(self, /, **conditions: Mapping[str, Condition]) -> None:
        if not conditions:
            raise DataError("ConditionSplitter needs at least one split with its conditions.")
        self.conditions = {label: dict(columns) for label, columns in conditions.items()}

    def __repr__(self) -> str:
        return f"ConditionSplitter({self.conditions})"

    def split_rows(self, rows: "Rows") -> dict[str, NDArray[np.int64]]:
        return {
            label: np.flatnonzero(matching(rows, columns))
            for label, columns in self.conditions.items()
        }

    def get_config(self) -> dict[str, Any]:
        """Plain values; a predicate by the place where it can be imported from.

        Raises PackagedCodeError for a predicate without one, such as a lambda.
        """
        return {
            label: {column: _described(condition) for column, condition in columns.items()}
            for label, columns in self.conditions.items()
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Mapping[str, Any]]) -> Self:
        """An equal splitter; imports the predicates that are named."""
        return cls(
            **{
                label: {column: _rebuilt(condition) for column, condition in columns.items()}
                for label, columns in config.items()
            }
        )


def _described(condition: Condition) -> Any:
    if callable(condition):
        return {"predicate": location_of(condition)}
    if isinstance(condition, Collection) and not isinstance(condition, str | bytes):
        values = [_plain(value) for value in condition]
        return sorted(values, key=repr) if isinstance(condition, AbstractSet) else values
    return _plain(condition)


# How times are written and read again, the narrower kind before the one it belongs to.
_TIMES: dict[str, tuple[type, Callable[[Any], str], Callable[[str], Any]]] = {
    "timestamp": (pd.Timestamp, pd.Timestamp.isoformat, pd.Timestamp),
    "datetime": (dt.datetime, dt.datetime.isoformat, dt.datetime.fromisoformat),
    "date": (dt.date, dt.date.isoformat, dt.date.fromisoformat),
    "datetime64": (np.datetime64, str, np.datetime64),
}


def _plain(value: Any) -> Any:
    for name, (kind, written, _) in _TIMES.items():
        if isinstance(value, kind):
            return {name: written(value)}
    return value.item() if isinstance(value, np.generic) else value


def _rebuilt(described: Any) -> Condition:
    if isinstance(described, list | tuple):
        return [_rebuilt(one) for one in described]
    if not isinstance(described, Mapping) or len(described) != 1:
        return described
    ((name, text),) = described.items()
    if name == "predicate":
        return locate(text)
    return _TIMES[name][2](text) if name in _TIMES else described


def matching(rows: "Rows", conditions: Mapping[str, Condition]) -> NDArray[np.bool_]:
    """Which rows meet all conditions. Nothing equals a missing value, nor NaN."""
    matches = np.ones(rows.n_samples, dtype=bool)
    for selector, condition in conditions.items():
        matches &= _meets(rows, selector, condition)
    return matches


def _meets(rows: "Rows", selector: str, condition: Condition) -> NDArray[np.bool_]:
    values = rows.column(selector)
    if callable(condition):
        return _by_predicate(selector, values, condition)
    if values.ndim > 1:
        raise DataError(
            f"Column {selector!r} holds arrays of shape {values.shape[1:]}; "
            "only a callable can judge them."
        )
    if isinstance(condition, Iterator):
        raise DataError(
            f"The condition on column {selector!r} is a {type(condition).__name__}, which can be "
            "gone through only once; make it a list or a set."
        )
    if isinstance(condition, Collection) and not isinstance(condition, str | bytes):
        wanted = list(condition)
    else:
        wanted = [condition]
    if rows.time_zone(selector) is not None:
        wanted = [_in_utc(value) for value in wanted]
    return _equal_to_any(values, wanted)


def _equal_to_any(values: NDArray[Any], wanted: list[Any]) -> NDArray[np.bool_]:
    matches = np.zeros(len(values), dtype=bool)
    for value in wanted:
        if value is not None:
            matches |= np.asarray(values == value, dtype=bool)
    return matches


def _in_utc(value: Any) -> Any:
    """A time with a zone as NumPy gives such times out: in UTC, and without a zone."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return pd.Timestamp(value).tz_convert("UTC").tz_localize(None).to_datetime64()
    return value


def _by_predicate(
    selector: str, values: NDArray[Any], predicate: Callable[[Any], Any]
) -> NDArray[np.bool_]:
    # An array looks like a column of plain values: what can judge one is not asked of the column.
    if values.ndim == 1 or not _judges_one(predicate, values):
        whole = _of_column(predicate, values)
        if whole.shape == (len(values),) and whole.dtype == bool:
            return whole
    try:
        return np.fromiter((bool(predicate(value)) for value in values), bool, len(values))
    except Exception as error:
        raise DataError(f"The condition on column {selector!r} failed: {error}") from error


def _of_column(predicate: Callable[[Any], Any], values: NDArray[Any]) -> NDArray[Any]:
    try:
        return np.asarray(predicate(values))
    except Exception:  # noqa: BLE001 - made for single values; if it is simply wrong, it fails later
        return np.asarray(None)


def _judges_one(predicate: Callable[[Any], Any], values: NDArray[Any]) -> bool:
    if not len(values):
        return False
    judged = _of_column(predicate, values[0])
    return judged.shape == () and judged.dtype.kind in "biuf"
